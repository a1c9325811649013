//! A client's task that sleeps: whoever has an event for the client writes it, as far as the client reads.

use bytes::Bytes;
use convo_socketio::{Config, EventPacket, Frame, Packet, Placeholder, event_packet};
use futures_util::SinkExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::sockets::recoverable;
use crate::support::{Server, WebSocket};

/// Events of this many bytes soon fill a connection whose client does not read.
const LONG: usize = 100_000;

fn event(n: usize) -> Packet {
    event_packet("/", "n", &[n]).unwrap()
}

fn long(n: usize) -> Packet {
    event_packet("/", "long", &(n, "x".repeat(LONG))).unwrap()
}

/// When its word comes back its task has nothing else to do.
async fn greet(socket: &mut WebSocket) {
    socket.send("42[\"echo\"]").await;
    assert_eq!(socket.text().await, "42[\"echo\"]");
}

async fn expect_written_at_once(server: &Server, socket: &WebSocket) {
    server.tell(0, [1, 2].map(|n| Frame::Packet(event(n))));
    server.tell(0, [Frame::Packet(event(3))]);
    assert_eq!(socket.lying_there(), b"\x81\x0942[\"n\",1]\x81\x0942[\"n\",2]\x81\x0942[\"n\",3]", "no task has run");
}

#[tokio::test]
async fn an_event_is_written_by_who_brings_it() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.joined().await;
    greet(&mut socket).await;
    let before = server.socketio.stats().packets_out;
    expect_written_at_once(&server, &socket).await;
    assert_eq!(server.socketio.stats().packets_out, before + 3);
    // The task is as good as before.
    greet(&mut socket).await;
}

#[tokio::test]
async fn also_after_the_upgrade() {
    let server = Server::start(Config::default()).await;
    let session = server.polling().await;
    server.post(&session, "40").await;
    server.get(&session).await;
    let mut socket = server.upgrade(&session.replace("polling", "websocket")).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket.send("5").await;
    greet(&mut socket).await;
    expect_written_at_once(&server, &socket).await;
}

#[tokio::test]
async fn what_the_client_has_under_way_leaves_with_it() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.joined().await;
    socket.send("427[\"hold\",1]").await;
    server.logged("start 1").await;
    server.tell(0, [Frame::Packet(event(1))]);
    assert!(socket.lying_there().is_empty(), "left to the task");
    server.gate().add_permits(1);
    let mut heard = [socket.text().await, socket.text().await];
    heard.sort();
    assert_eq!(heard, ["42[\"n\",1]", "437[1]"]);
}

#[tokio::test]
async fn binary_events_keep_their_place() {
    let server = Server::start(Config::default()).await;
    let mut socket = server.joined().await;
    greet(&mut socket).await;
    let attachments = [Bytes::from_static(&[1, 2, 3])];
    let binary = EventPacket { attachments: &attachments, ..EventPacket::new("/", "b") };
    let binary = binary.encode(&[Placeholder::new(0)]).unwrap();
    server.tell(0, [event(1), binary, event(2)].map(Frame::Packet));
    server.tell(0, [Frame::Packet(event(3))]);
    assert_eq!(socket.text().await, "42[\"n\",1]");
    assert_eq!(socket.text().await, "451-[\"b\",{\"_placeholder\":true,\"num\":0}]");
    assert_eq!(socket.next().await, Message::binary(vec![1, 2, 3]));
    assert_eq!(socket.text().await, "42[\"n\",2]");
    assert_eq!(socket.text().await, "42[\"n\",3]");
}

#[tokio::test]
async fn a_slow_reader_holds_up_nobody_and_misses_no_byte() {
    const ALL: usize = 300;
    let server = Server::start(Config::default()).await;
    let (mut slow, mut fast) = (server.joined().await, server.joined().await);
    for n in 0..ALL {
        server.tell(0, [Frame::Packet(long(n))]);
        server.tell(1, [Frame::Packet(event(n))]);
        assert_eq!(fast.text().await, format!("42[\"n\",{n}]"));
        if n % 10 == 5 {
            // Whatever is half written: its answer comes between frames.
            slow.0.send(Message::Ping(Bytes::new())).await.unwrap();
        }
    }
    let (mut heard, mut pongs) = (0, 0);
    while heard < ALL {
        match slow.next().await {
            Message::Text(text) => {
                assert!(text.starts_with(&format!("42[\"long\",{heard},")) && text.len() > LONG);
                heard += 1;
            }
            Message::Pong(_) => pongs += 1,
            other => panic!("{other:?}"),
        }
    }
    greet_past(&mut slow, &mut pongs).await;
    assert!(pongs > 0);
    server.tell(0, [Frame::Packet(event(ALL))]);
    assert_eq!(slow.text().await, format!("42[\"n\",{ALL}]"));
}

async fn greet_past(socket: &mut WebSocket, pongs: &mut usize) {
    socket.send("42[\"echo\"]").await;
    while let Message::Pong(_) = socket.next().await {
        *pongs += 1;
    }
}

#[tokio::test]
async fn who_breaks_is_told_to_come_again_and_breaks_nobody_else() {
    let server = Server::start(Config::default()).await;
    let (mut bad, sid, pid) = recoverable(&server, json!({ "recovery": true })).await;
    let mut good = server.joined().await;
    greet(&mut bad).await;
    greet(&mut good).await;
    server.break_down(0);
    server.tell(0, [Frame::Packet(event(1))]);
    server.tell(1, [Frame::Packet(event(1))]);
    assert_eq!(good.text().await, "42[\"n\",1]");
    bad.closed().await;
    server.logged("park feed lost").await;
    // What it missed is not known: it begins anew.
    let (_back, another, _) = recoverable(&server, json!({ "recovery": true, "pid": pid })).await;
    assert_ne!(another, sid);
    server.logged("disconnect / recovery refused").await;
}
