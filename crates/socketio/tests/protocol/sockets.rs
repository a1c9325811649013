//! Socket.IO over real connections: namespaces, events, order, recovery, and what clients do wrong.

use std::time::Duration;

use crate::support::{Server, WebSocket, response, until, within};
use convo_socketio::{Config, Frame, event_packet};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn namespaces() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.joined().await;
    socket.send("40/socket.io,").await;
    assert!(socket.text().await.starts_with(r#"40/socket.io,{"sid":""#));
    socket.send("40/none").await;
    assert_eq!(socket.text().await, r#"44/none,{"message":"Invalid namespace"}"#);
    socket.send("42/socket.io,[\"echo\",1]").await;
    assert_eq!(socket.text().await, "42/socket.io,[\"echo\",1]");
    socket.send("41/socket.io,").await;
    socket.send("42[\"echo\",2]").await;
    assert_eq!(socket.text().await, "42[\"echo\",2]");
    assert_eq!(server.log(), ["connect /", "connect /socket.io", "disconnect /socket.io client namespace disconnect"]);
}

#[tokio::test]
async fn connect_knows_the_request() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.upgrade("EIO=4&transport=websocket&token=a%20b").await;
    socket.text().await;
    socket.send(r#"40{"tell":true}"#).await;
    socket.text().await;
    let seen: Value = serde_json::from_str(&socket.text().await[2..]).unwrap();
    assert_eq!(seen, json!(["seen", { "remote": "127.0.0.1", "token": "a b", "agent": null }]));
}

#[tokio::test]
async fn acknowledgements_and_binary() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.joined().await;
    socket.send("4212[\"echo\"]").await;
    assert_eq!(socket.text().await, "4312[\"ok\"]");
    assert_eq!(socket.text().await, "42[\"echo\"]");
    let header = r#"452-["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
    socket.send(header).await;
    socket.send_binary(&[1, 2]).await;
    socket.send_binary(&[]).await;
    assert_eq!(socket.text().await, header);
    assert_eq!(socket.next().await, Message::binary(vec![1, 2]));
    assert_eq!(socket.next().await, Message::binary(vec![]));
    socket.send("450-[\"echo\"]").await;
    assert_eq!(socket.text().await, "42[\"echo\"]", "binary in name only");
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_the_connection() {
    let server = Server::start(Config { max_payload: 100, max_namespaces: 2, ..Config::default() }).await;
    let attachment = Message::binary(vec![0; 60]);
    let text = |text: &str| Message::text(text);
    let cases: Vec<Vec<Message>> = vec![
        vec![text("42/other,[\"echo\"]")],
        vec![text("43/other,1[]")],
        vec![text("40")],
        vec![text("40/a"), text("40/b")],
        vec![text("40/a,[]")],
        vec![text("44{}")],
        vec![text("43[]")],
        vec![text("42[\"connect\"]")],
        vec![text("4511-[\"echo\"]")],
        vec![attachment.clone()],
        vec![text("451-[\"echo\",{\"_placeholder\":true,\"num\":1}]"), attachment.clone()],
        vec![text("451-[\"echo\"]"), text("42[\"echo\"]")],
        vec![text("452-[\"echo\"]"), attachment.clone(), attachment],
    ];
    for case in cases {
        let mut socket = server.joined().await;
        for message in &case {
            futures_util::SinkExt::send(&mut socket.0, message.clone()).await.unwrap();
        }
        assert_eq!(socket.closed().await, Some(CloseCode::Protocol), "{case:?}");
    }
    let mut socket = server.websocket().await;
    socket.send("42[\"echo\"]").await;
    assert_eq!(socket.closed().await, Some(CloseCode::Protocol), "no CONNECT first");
}

#[tokio::test]
async fn client_in_no_namespace_is_closed() {
    // Long enough to join in, also for a machine that has much else to do.
    let config = Config { connect_timeout: Duration::from_secs(1), ..Config::default() };
    let server = Server::start(config).await;
    server.websocket().await.closed().await;
    let mut left = server.joined().await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    left.send("42[\"echo\"]").await;
    left.text().await;
    left.send("41").await;
    left.closed().await;
}

#[tokio::test]
async fn events_start_in_order_and_only_so_many() {
    let server = Server::start(Config { max_under_way: 4, ..Config::default() }).await;
    let mut socket = server.joined().await;
    for n in 0..6 {
        socket.send(&format!("42{n}[\"hold\",{n}]")).await;
    }
    server.logged("start 3").await;
    let mut other = server.joined().await;
    other.send("42[\"echo\"]").await;
    other.text().await;
    assert!(!server.log().contains(&"start 4".to_owned()), "the fifth waits");
    for n in 0..6 {
        server.gate().add_permits(1);
        assert_eq!(socket.text().await, format!("43{n}[{n}]"));
    }
    let starts: Vec<String> = server.log().into_iter().filter(|entry| entry.starts_with("start")).collect();
    assert_eq!(starts, (0..6).map(|n| format!("start {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn busy_client_is_not_taken_for_dead() {
    let config = Config {
        max_under_way: 1,
        ping_interval: Duration::from_millis(50),
        // Long enough to answer in, also for a machine that has much else to do.
        ping_timeout: Duration::from_secs(1),
        ..Config::default()
    };
    let server = Server::start(config).await;
    let mut socket = server.joined().await;
    socket.send("421[\"hold\",1]").await;
    server.logged("start 1").await;
    assert_eq!(socket.text().await, "2");
    socket.send("3").await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    server.gate().add_permits(1);
    assert_eq!(socket.text().await, "431[1]");
}

#[tokio::test]
async fn work_outlives_its_client() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.joined().await;
    socket.send("42[\"hold\",1]").await;
    server.logged("start 1").await;
    drop(socket);
    server.logged("disconnect / transport error").await;
    server.gate().add_permits(1);
    server.logged("end 1").await;
}

#[tokio::test]
async fn every_connect_has_its_disconnect() {
    let server = Server::start(Config::default()).await;
    let slow = r#"40{"slow":true}"#;
    let mut gone = server.websocket().await;
    gone.send(slow).await;
    server.logged("connecting").await;
    drop(gone);
    until(|| server.socketio.stats().websocket == 0, || "gone".into()).await;
    server.gate().add_permits(1);
    server.logged("disconnect / transport error").await;

    let mut left = server.websocket().await;
    left.send(slow).await;
    left.send("41").await;
    left.send("40").await;
    assert!(left.text().await.starts_with("40"));
    server.gate().add_permits(1);
    server.logged("disconnect / client namespace disconnect").await;
    left.send("42[\"echo\"]").await;
    assert_eq!(left.text().await, "42[\"echo\"]", "the second CONNECT's socket, answered once");
}

#[tokio::test]
async fn closed_feed_says_its_last_and_disconnects() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.joined().await;
    socket.send("421[\"close\"]").await;
    assert_eq!(socket.text().await, "431[\"ok\"]");
    assert_eq!(socket.text().await, "42[\"bye\",1]");
    assert_eq!(socket.text().await, "41");
    socket.send("42[\"echo\"]").await;
    socket.send("40").await;
    assert!(socket.text().await.starts_with("40"), "what crossed the disconnect does no harm");
    assert_eq!(server.log(), ["connect /", "disconnect / server namespace disconnect", "connect /"]);
}

#[tokio::test]
async fn who_loses_the_feed_is_not_told_to_stay_away() {
    let server = Server::start(Config::default()).await;
    let (mut socket, sid, pid) = recoverable(&server, json!({ "recovery": true })).await;
    burst(&mut socket, 1..=1).await;
    socket.send("42[\"lose\"]").await;
    let mut last = Vec::new();
    while let Some(Ok(message)) = within(futures_util::StreamExt::next(&mut socket.0)).await {
        last.extend(message.into_text().ok().filter(|text| text.starts_with('4')));
    }
    assert!(!last.iter().any(|text| text.starts_with("41")), "{last:?}");
    server.logged("park feed lost").await;
    let auth = json!({ "recovery": true, "pid": pid, "offset": "o1" });
    let (mut back, same, _) = recoverable(&server, auth).await;
    assert_eq!(same, sid);
    expect(&mut back, 2..=2).await;

    // On polling the last answer is an error, for a CLOSE has python-engineio stay away.
    let session = server.polling().await;
    server.post(&session, "40").await;
    server.get(&session).await;
    let (answer, _) = tokio::join!(server.get(&session), server.post(&session, "42[\"lose\"]"));
    assert_eq!(answer.0, 400);
    server.logged("disconnect / feed lost").await;
}

#[tokio::test]
async fn who_is_put_off_is_not_told_to_stay_away_and_keeps_what_it_had() {
    let server = Server::start(Config::default()).await;
    let put_off = async |auth: Value| {
        let mut socket = server.websocket().await;
        socket.send(&format!("40{auth}")).await;
        while let Some(Ok(message)) = within(futures_util::StreamExt::next(&mut socket.0)).await {
            assert!(!message.is_text(), "{message}");
        }
    };
    put_off(json!({ "later": true })).await;
    assert!(server.log().is_empty(), "{:?}", server.log());

    let (mut lost, sid, pid) = recoverable(&server, json!({ "recovery": true })).await;
    burst(&mut lost, 1..=2).await;
    drop(lost);
    server.logged("park transport error").await;
    server.tell(0, [Frame::Packet(event_packet("/", "meanwhile", &[1]).unwrap())]);
    let mut auth = json!({ "recovery": true, "pid": pid, "offset": "o1", "later": true });
    put_off(auth.clone()).await;
    auth["later"] = false.into();
    let (mut back, same, _) = recoverable(&server, auth).await;
    assert_eq!(same, sid);
    expect(&mut back, 2..=2).await;
    assert_eq!(back.text().await, "42[\"meanwhile\",1]");

    // On polling the last answer is an error, for a CLOSE has python-engineio stay away.
    let session = server.polling().await;
    let mut pending = server.pending_get(&session).await;
    server.post(&session, "40{\"later\":true}").await;
    assert_eq!(response(&mut pending).await.0, 400);
}

#[tokio::test]
async fn panic_ends_one_client_alone() {
    let server = Server::start(Config::default()).await;
    let (mut bad, mut good) = (server.joined().await, server.joined().await);
    bad.send("42[\"panic\"]").await;
    bad.closed().await;
    server.logged("disconnect / transport error").await;
    until(|| server.socketio.stats().websocket == 1, || "counted".into()).await;
    good.send("42[\"echo\"]").await;
    assert_eq!(good.text().await, "42[\"echo\"]");
}

/// Connects asking for recovery; gives the socket's id and private id.
pub(crate) async fn recoverable(server: &Server, auth: Value) -> (WebSocket, String, String) {
    let mut socket = server.websocket().await;
    socket.send(&format!("40{auth}")).await;
    let answer: Value = serde_json::from_str(&socket.text().await[2..]).unwrap();
    let id = |key: &str| answer[key].as_str().unwrap().to_owned();
    let ids = (id("sid"), id("pid"));
    (socket, ids.0, ids.1)
}

async fn burst(socket: &mut WebSocket, numbers: std::ops::RangeInclusive<u64>) {
    socket.send(&format!("42[\"burst\",{}]", numbers.clone().count())).await;
    expect(socket, numbers).await;
}

async fn expect(socket: &mut WebSocket, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        assert_eq!(socket.text().await, format!("42[\"n\",{n},\"o{n}\"]"));
    }
}

#[tokio::test]
async fn recovery_sends_what_was_missed() {
    let server = Server::start(Config::default()).await;
    let (mut lost, sid, pid) = recoverable(&server, json!({ "recovery": true })).await;
    burst(&mut lost, 1..=5).await;
    drop(lost);
    server.logged("park transport error").await;
    assert_eq!(server.socketio.stats().parked, 1);
    // As if 3, 4 and 5 had been in flight.
    let auth = json!({ "recovery": true, "pid": pid, "offset": "o2" });
    let (mut back, same_sid, same_pid) = recoverable(&server, auth.clone()).await;
    assert_eq!((same_sid, same_pid), (sid.clone(), pid));
    expect(&mut back, 3..=5).await;
    burst(&mut back, 6..=6).await;

    // Nobody noticed that it was lost again; and what it missed, it missed in two lives.
    let (mut again, same_sid, _) = recoverable(&server, auth).await;
    assert_eq!(same_sid, sid);
    expect(&mut again, 3..=6).await;
    assert_eq!(server.log(), ["connect /", "park transport error", "park replaced"]);
    back.closed().await;
}

#[tokio::test]
async fn an_offset_of_another_life_means_that_nothing_was_seen() {
    let server = Server::start(Config::default()).await;
    let (mut lost, sid, pid) = recoverable(&server, json!({ "recovery": true })).await;
    for number in 1..=2 {
        burst(&mut lost, number..=number).await;
    }
    drop(lost);
    server.logged("park transport error").await;
    let auth = json!({ "recovery": true, "pid": pid, "offset": "of another life" });
    let (mut back, same, _) = recoverable(&server, auth).await;
    assert_eq!(same, sid);
    expect(&mut back, 1..=2).await;
}

#[tokio::test]
async fn recovery_is_exact_or_refused() {
    let server = Server::start(Config { recovery_frames: 4, ..Config::default() }).await;
    let fresh = async |change: Value, lag: bool| {
        let (mut lost, sid, pid) = recoverable(&server, json!({ "recovery": true })).await;
        burst(&mut lost, 1..=6).await;
        if lag {
            lost.send("421[\"lag\"]").await;
            assert_eq!(lost.text().await, "431[\"ok\"]");
        }
        drop(lost);
        let parked = |log: &[String]| log.iter().filter(|entry| entry.starts_with("park")).count();
        let before = parked(&server.log());
        until(|| server.socketio.stats().parked == 1 || parked(&server.log()) > before, || "parked".into()).await;
        let mut auth = json!({ "recovery": true, "pid": pid, "offset": "o6" });
        auth.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (mut back, new, _) = recoverable(&server, auth).await;
        back.send("41").await;
        new != sid
    };
    assert!(!fresh(json!({}), false).await, "nothing was missed");
    assert!(!fresh(json!({ "offset": "o3" }), false).await, "the fourth to the sixth are there");
    assert!(fresh(json!({ "offset": "o1" }), false).await, "the second is forgotten");
    assert!(fresh(json!({ "offset": null }), false).await, "the first is forgotten");
    assert!(fresh(json!({ "offset": "unheard of" }), false).await, "the first is forgotten");
    assert!(fresh(json!({}), true).await, "there is a gap");
    assert!(fresh(json!({ "revoked": true }), false).await, "the application has a say");
    assert!(fresh(json!({ "pid": "not-a-pid" }), false).await);
}

#[tokio::test]
async fn recovery_window_ends() {
    let server = Server::start(Config { recovery_window: Duration::from_millis(100), ..Config::default() }).await;
    let (lost, ..) = recoverable(&server, json!({ "recovery": true })).await;
    drop(lost);
    server.logged("disconnect / transport error").await;
    assert_eq!(server.log(), ["connect /", "park transport error", "disconnect / transport error"]);
    assert_eq!(server.socketio.stats().parked, 0);
}

#[tokio::test]
async fn who_does_not_take_offsets_gets_none() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.websocket().await;
    socket.send("40").await;
    assert!(!socket.text().await.contains("pid"));
    socket.send("42[\"burst\",1]").await;
    assert_eq!(socket.text().await, "42[\"n\",1]");
    drop(socket);
    server.logged("disconnect / transport error").await;
    assert_eq!(server.socketio.stats().parked, 0);
}

#[tokio::test]
async fn who_looks_like_javascript_can_say_no_to_offsets() {
    let server = Server::start(Config::default()).await;
    for (auth, expected) in [("", true), ("{\"recovery\":false}", false)] {
        let mut opened = server.send("GET", "EIO=4&transport=polling", "user-agent: Mozilla/5.0\r\n", "").await;
        let open: Value = serde_json::from_str(&response(&mut opened).await.1[1..]).unwrap();
        let session = format!("EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
        server.post(&session, &format!("40{auth}")).await;
        assert_eq!(server.get(&session).await.1.contains("pid"), expected, "{auth}");
    }
}
