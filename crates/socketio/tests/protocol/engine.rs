//! Engine.IO over real connections: transports, errors, heartbeat, upgrade, limits.

use std::time::{Duration, Instant};

use crate::support::{Server, response, until, within};
use convo_socketio::Config;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test]
async fn wrong_requests_get_the_protocols_errors() {
    let server = Server::start(Config::default()).await;
    let sid = server.polling().await;
    let cases = [
        ("GET", "EIO=4".into(), 0),
        ("GET", "EIO=4&transport=abc".into(), 0),
        ("GET", "EIO=4&transport=polling&sid=unknown".into(), 1),
        ("POST", "EIO=4&transport=polling".into(), 2),
        ("PUT", "EIO=4&transport=polling".into(), 2),
        ("GET", "EIO=4&transport=websocket".into(), 3),
        ("PUT", sid, 3),
        ("GET", "transport=polling".into(), 5),
        ("GET", "EIO=3&transport=polling".into(), 5),
    ];
    for (method, query, code) in cases {
        let (status, body) = server.request(method, &query, "").await;
        assert_eq!(status, 400, "{method} {query}");
        assert!(body.starts_with(&format!(r#"{{"code":{code},"message":""#)), "{method} {query}: {body}");
    }
}

#[tokio::test]
async fn both_paths_are_served() {
    let server = Server::start(Config::default()).await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /socket.io?EIO=4&transport=polling HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(response(&mut stream).await.0, 200);
}

#[tokio::test]
async fn polling_carries_text_and_binary() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    assert_eq!(server.post(&session, "40").await, (200, "ok".into()));
    assert!(server.get(&session).await.1.starts_with(r#"40{"sid":""#));
    let packets = "42[\"echo\",\"a\"]\x1e451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1ebAQIDBA==";
    assert_eq!(server.post(&session, packets).await, (200, "ok".into()));
    assert_eq!(server.get(&session).await, (200, packets.into()), "as it was, in one payload");
}

#[tokio::test]
async fn pending_get_is_answered_when_there_is_something() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    let (answer, _) = tokio::join!(server.get(&session), server.post(&session, "40"));
    assert!(answer.1.starts_with(r#"40{"sid":""#));
}

#[tokio::test]
async fn bodies_are_limited() {
    let server = Server::start(Config { max_payload: 100, ..Config::default() }).await;
    let session = server.polling().await;
    assert_eq!(server.post(&session, &"4".repeat(101)).await.0, 413, "declared");
    let body = format!("65\r\n{}\r\n0\r\n\r\n", "4".repeat(101));
    let mut chunked = server.send("POST", &session, "transfer-encoding: chunked\r\n", &body).await;
    assert_eq!(response(&mut chunked).await.0, 413, "found out");
    assert_eq!(server.post(&session, "40").await.0, 200, "the session lives");
}

#[tokio::test]
async fn second_get_closes_the_session() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    let mut first = server.pending_get(&session).await;
    assert_eq!(server.get(&session).await.0, 400);
    assert_eq!(response(&mut first).await, (200, "1".into()));
    assert_eq!(server.get(&session).await.0, 400);
    assert_eq!(server.socketio.stats().polling, 0);
}

#[tokio::test]
async fn second_post_closes_the_session() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    let mut first = server.pending("POST", &session, "content-length: 10\r\n", "42").await;
    assert_eq!(server.post(&session, "40").await.0, 400);
    first.write_all(b"[\"echo\"]").await.unwrap();
    assert_eq!(response(&mut first).await.0, 400);
    assert_eq!(server.get(&session).await.0, 400);
}

#[tokio::test]
async fn giving_up_a_post_closes_the_session() {
    let server = Server::start(Config { max_under_way: 1, ..Config::default() }).await;
    let session = server.polling().await;
    server.post(&session, "40").await;
    let held = "42[\"hold\",1]\x1e42[\"hold\",2]";
    let first = server.pending("POST", &session, &format!("content-length: {}\r\n", held.len()), held).await;
    server.logged("start 1").await;
    drop(first);
    // Until the server has seen that the first is gone, this one is the second; it is refused either way.
    assert_eq!(server.post(&session, "42[\"hold\",3]").await.0, 400);
    server.logged("disconnect / parse error").await;
    assert!(!server.log().contains(&"start 2".to_owned()));
}

#[tokio::test]
async fn many_packets_in_one_body() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    let body = format!("{}3", "3\x1e".repeat(299_999));
    assert_eq!(server.post(&session, &body).await.0, 200);
    assert_eq!(server.socketio.stats().packets_in, 300_000);
}

#[tokio::test]
async fn cancelled_get_closes_the_session() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    let pending = server.pending_get(&session).await;
    drop(pending);
    until(|| server.socketio.stats().polling == 0, || "the session is gone".into()).await;
    assert_eq!(server.get(&session).await.0, 400);
}

#[tokio::test]
async fn polling_client_closes() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    let mut pending = server.pending_get(&session).await;
    assert_eq!(server.post(&session, "1").await, (200, "ok".into()));
    assert_eq!(response(&mut pending).await, (200, "6".into()));
    assert_eq!(server.get(&session).await.0, 400);
}

#[tokio::test]
async fn malformed_packets_close_the_session() {
    let server = Server::start(Config::default()).await;
    for body in ["abc", "", "2", "b!!", "4abc"] {
        let session = server.polling().await;
        assert_eq!(server.post(&session, body).await.0, 400, "{body:?}");
        assert_eq!(server.get(&session).await.0, 400, "{body:?}");
    }
    for text in ["abc", "", "2", "4abc", "42{}", "42abc[]", "4"] {
        let mut socket = server.websocket().await;
        socket.send(text).await;
        assert_eq!(socket.closed().await, Some(CloseCode::Protocol), "{text:?}");
    }
    let mut socket = server.websocket().await;
    socket.send("1").await;
    socket.closed().await;
}

#[tokio::test]
async fn websocket_message_is_limited() {
    let server = Server::start(Config { max_payload: 100, ..Config::default() }).await;
    let mut socket = server.joined().await;
    socket.send(&format!("42[\"echo\",\"{}\"]", "x".repeat(100))).await;
    socket.closed().await;
    server.logged("disconnect / transport error").await;
}

#[tokio::test]
async fn heartbeat() {
    let config = Config { ping_interval: millis(100), ping_timeout: millis(200), ..Config::default() };
    let server = Server::start(config).await;
    let (mut socket, session) = (server.joined().await, server.polling().await);
    for _ in 0..3 {
        assert_eq!(socket.text().await, "2");
        socket.send("3").await;
        assert_eq!(server.get(&session).await, (200, "2".into()));
        assert_eq!(server.post(&session, "3").await.0, 200);
    }
    let start = Instant::now();
    assert_eq!(socket.text().await, "2");
    socket.closed().await;
    assert!(start.elapsed() < millis(1000), "{:?}", start.elapsed());
    server.logged("disconnect / ping timeout").await;
    until(|| server.socketio.stats().polling == 0, || "an abandoned polling session is reaped".into()).await;
}

#[tokio::test]
async fn upgrade() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    let to_websocket = session.replace("polling", "websocket");
    server.post(&session, "40").await;
    server.get(&session).await;

    let mut socket = server.upgrade(&to_websocket).await;
    let mut pending = server.pending_get(&session).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    assert_eq!(response(&mut pending).await, (200, "6".into()), "a GET that was waiting ends");
    assert_eq!(server.get(&session).await, (200, "6".into()), "another ends at once");
    assert_eq!(server.post(&session, "42[\"echo\",1]").await.0, 200, "polling until the very end");
    assert_eq!(server.get(&session).await.1, "42[\"echo\",1]");

    let mut other = server.upgrade(&to_websocket).await;
    other.closed().await;

    socket.send("5").await;
    socket.send("42[\"echo\",2]").await;
    assert_eq!(socket.text().await, "42[\"echo\",2]");
    assert_eq!(server.get(&session).await.0, 400);
    assert_eq!(server.post(&session, "42[\"echo\",3]").await.0, 400);
    server.upgrade(&to_websocket).await.closed().await;
    let stats = server.socketio.stats();
    assert_eq!((stats.polling, stats.websocket), (0, 1));
}

#[tokio::test]
async fn failed_upgrade_leaves_polling() {
    let server = Server::start(Config { upgrade_timeout: millis(100), ..Config::default() }).await;
    let session = server.polling().await;
    let to_websocket = session.replace("polling", "websocket");
    server.post(&session, "40").await;
    server.get(&session).await;

    let mut wrong = server.upgrade(&to_websocket).await;
    wrong.send("2").await;
    wrong.closed().await;
    let mut late = server.upgrade(&to_websocket).await;
    late.send("2probe").await;
    assert_eq!(late.text().await, "3probe");
    late.closed().await;

    let (answer, _) = tokio::join!(server.get(&session), server.post(&session, "42[\"echo\",1]"));
    assert_eq!(answer, (200, "42[\"echo\",1]".into()));
}

/// Has the server queue `2..=200` of a burst for a polling session that is in a namespace, behind one GET.
async fn backlog(server: &Server) -> String {
    let session = server.polling().await;
    server.post(&session, "40").await;
    server.get(&session).await;
    let (first, _) = tokio::join!(server.get(&session), server.post(&session, "42[\"burst\",200]"));
    assert_eq!(first.1.split('\x1e').count(), 16, "more waits than leaves in one payload");
    session
}

#[tokio::test]
async fn post_is_answered_though_much_waits_for_a_get() {
    let server = Server::start(Config::default()).await;
    let session = backlog(&server).await;
    for n in 1..=100 {
        assert_eq!(server.post(&session, &format!("42[\"echo\",{n}]")).await, (200, "ok".into()));
    }
    let mut heard = Vec::new();
    while heard.len() < 184 + 100 {
        heard.extend(server.get(&session).await.1.split('\x1e').map(str::to_owned));
    }
    assert_eq!(heard[0], "42[\"n\",17]");
    assert_eq!(heard[183], "42[\"n\",200]");
    assert_eq!(heard[184], "42[\"echo\",1]");
    assert_eq!(heard[283], "42[\"echo\",100]");
}

#[tokio::test]
async fn upgrade_goes_on_though_much_waits() {
    let server = Server::start(Config::default()).await;
    let session = backlog(&server).await;
    let mut socket = server.upgrade(&session.replace("polling", "websocket")).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    assert_eq!(server.post(&session, "42[\"echo\",1]").await.0, 200, "the client upgrades when it has this answer");
    socket.send("5").await;
    for n in 17..=200 {
        assert_eq!(socket.text().await, format!("42[\"n\",{n}]"));
    }
    assert_eq!(socket.text().await, "42[\"echo\",1]");
}

#[tokio::test]
async fn who_posts_and_never_gets_is_closed() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    server.post(&session, "40").await;
    // Each is acknowledged: two thousand answers that nobody fetches.
    let many = vec!["421[\"burst\",0]"; 2_000].join("\x1e");
    assert_eq!(server.post(&session, &many).await.0, 400);
    server.logged("disconnect / slow reader").await;
}

#[tokio::test]
async fn what_is_ready_leaves_in_one_write() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.joined().await;
    socket.send("42[\"burst\",50]").await;
    // The first may still be on its way when the reader wakes; but then all of them are in its buffer.
    let first = socket.text().await;
    assert!(first.starts_with("42[\"n\",1"), "{first}");
    for n in 2..=50 {
        let message = futures_util::FutureExt::now_or_never(socket.next()).expect("already read");
        assert!(message.to_text().unwrap().starts_with(&format!("42[\"n\",{n}")));
    }
}

#[tokio::test]
async fn slow_reader_is_closed_and_costs_one_batch() {
    let config = Config { ping_timeout: millis(300), ..Config::default() };
    let server = Server::start(config).await;
    let mut socket = server.joined().await;
    socket.send("42[\"flood\"]").await;
    server.logged("disconnect / slow reader").await;
    // The kernel takes some megabytes; beyond that the feed is not asked.
    let flooded = *server.socketio.app().flooded.lock();
    assert!((1..5_000).contains(&flooded), "{flooded} frames of 10 kB");
}

#[tokio::test]
async fn slow_reader_that_reads_is_not_taken_for_a_silent_one() {
    let config = Config { ping_interval: millis(200), ping_timeout: millis(1_000), ..Config::default() };
    let server = Server::start(config).await;
    let mut socket = server.joined().await;
    socket.send("42[\"flood\"]").await;
    // As if each ping stood behind more than can be read in its time.
    let start = Instant::now();
    while start.elapsed() < millis(4_000) {
        socket.text().await;
        tokio::time::sleep(millis(1)).await;
    }
}

#[tokio::test]
async fn polling_client_that_does_not_poll_is_closed() {
    let config = Config { ping_timeout: millis(300), ..Config::default() };
    let server = Server::start(config).await;
    let session = server.polling().await;
    server.post(&session, "40").await;
    until(|| server.socketio.stats().polling == 0, || "closed".into()).await;
    server.logged("disconnect / slow reader").await;
}

#[tokio::test]
async fn clients_are_limited() {
    let server = Server::start(Config { max_clients_per_address: 1, ..Config::default() }).await;
    let socket = server.joined().await;
    assert_eq!(server.get("EIO=4&transport=polling").await.0, 429);
    drop(socket);
    until(|| server.socketio.stats().websocket == 0, || "gone".into()).await;
    server.polling().await;

    let server = Server::start(Config { max_clients: 1, ..Config::default() }).await;
    server.polling().await;
    assert_eq!(server.get("EIO=4&transport=polling").await.0, 503);
}

#[tokio::test]
async fn who_joins_nothing_makes_room_for_others() {
    let server = Server::start(Config { max_homeless_per_address: 10, ..Config::default() }).await;
    let mut joined = server.joined().await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(server.polling().await);
    }
    until(|| server.socketio.stats().polling == 10, || format!("{:?}", server.socketio.stats())).await;
    assert_eq!(server.get(&sessions[0]).await.0, 400, "the oldest is gone");
    assert_eq!(server.post(&sessions[19], "40").await.0, 200, "the youngest goes on");
    joined.send("42[\"echo\",1]").await;
    assert_eq!(joined.text().await, "42[\"echo\",1]");
}

#[tokio::test]
async fn closing_all() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.joined().await;
    let session = server.polling().await;
    let mut pending = server.pending_get(&session).await;
    let (code, answer, ()) = tokio::join!(socket.closed(), response(&mut pending), within(server.socketio.close_all()));
    assert_eq!(code, Some(CloseCode::Away));
    assert_eq!(answer.0, 400, "python-engineio does not come back after a CLOSE");
    assert_eq!(server.log(), ["connect /", "disconnect / server shutting down"]);
    assert_eq!(server.get("EIO=4&transport=polling").await.0, 503);
    assert_eq!(server.socketio.stats().websocket, 0);
}

#[tokio::test]
async fn websocket_pings_are_answered() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.websocket().await;
    futures_util::SinkExt::send(&mut socket.0, Message::Ping("x".into())).await.unwrap();
    assert_eq!(socket.next().await, Message::Pong("x".into()));
}
