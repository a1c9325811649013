//! The hands with a small machine in the brain's place, over real sockets of this machine.

mod support;

use convo_media::{Config, Connection, EventStream, Media};
use convo_sfu::{Answer, Ask, Command, EventKind, Join, Mode, Refusal};
use livekit_protocol as proto;
use proto::{signal_request, signal_response};
use std::{
    future::Future,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};
use str0m::net::Protocol;
use support::{Echo, PATIENCE};

fn start(workers: usize, bind: &[Ipv4Addr]) -> (Media, EventStream) {
    let bind = bind.iter().copied().map(IpAddr::V4).collect();
    let config = Config { workers, udp: Some(0), tcp: Some(0), bind, ..Config::default() };
    Media::start_with(config, Echo::new).expect("free ports")
}

fn local() -> (Media, EventStream) {
    start(2, &[Ipv4Addr::LOCALHOST])
}

fn address(media: &Media, proto: Protocol, nth: usize) -> SocketAddr {
    let loopback = |address: &&convo_sfu::LocalAddress| address.proto == proto && address.told.ip().is_loopback();
    media.addresses().filter(loopback).nth(nth).expect("an address").told
}

fn join(room: &str) -> Join {
    Join {
        room: room.into(),
        room_config: proto::RoomConfiguration::default(),
        identity: "ann".into(),
        name: String::new(),
        metadata: String::new(),
        attributes: Default::default(),
        kind: proto::participant_info::Kind::Standard,
        permission: proto::ParticipantPermission::default(),
        mode: Mode::Single,
        request: proto::JoinRequest::default(),
        ice_servers: vec![],
        keeps_chat: false,
        create_room: true,
    }
}

fn ping(number: i64) -> proto::SignalRequest {
    proto::SignalRequest { message: Some(signal_request::Message::Ping(number)) }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

async fn pong(connection: &mut Connection) -> Option<i64> {
    match soon(connection.next()).await?.message {
        Some(signal_response::Message::Pong(number)) => Some(number),
        other => panic!("not a pong: {other:?}"),
    }
}

fn client() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = [0; 2_000];
    let (length, source) = socket.recv_from(&mut bytes).expect("a datagram");
    (bytes[..length].to_vec(), source)
}

#[test]
fn every_worker_has_a_port() {
    let (media, _events) = local();
    for (nth, name) in ["A", "B"].into_iter().enumerate() {
        let socket = client();
        let to = address(&media, Protocol::Udp, nth);
        socket.send_to(b"hello", to).expect("sent");
        assert_eq!(receive(&socket), (format!("{name}:hello").into_bytes(), to));
    }
}

/// Elsewhere the kernel does not tell.
#[cfg(target_os = "linux")]
#[test]
fn a_datagram_came_when_the_kernel_took_it() {
    let (media, _events) = local();
    let (socket, to) = (client(), address(&media, Protocol::Udp, 0));
    let age_after_a_nap = || {
        socket.send_to(b"nap", to).expect("sent");
        std::thread::sleep(Duration::from_millis(10));
        socket.send_to(b"age", to).expect("sent");
        receive(&socket);
        String::from_utf8(receive(&socket).0).expect("a number").parse::<u64>().expect("a number")
    };
    // It lies there for up to 40 ms; less if the worker was late to its nap.
    assert!((0..100).any(|_| age_after_a_nap() >= 10));
}

#[test]
fn much_feedback_waits_to_be_taken_together() {
    let (media, _events) = local();
    let (socket, to) = (client(), address(&media, Protocol::Udp, 0));
    let begin = Instant::now();
    for _ in 0..200 {
        // A receiver report, and nothing before its answer: each is a turn of its own.
        socket.send_to(&[0x81, 201], to).expect("sent");
        receive(&socket);
    }
    // Of a thousand turns a second, and some in advance. None would take a tenth of it if nothing waited.
    assert!(begin.elapsed() > Duration::from_millis(100), "{:?}", begin.elapsed());
}

#[test]
fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let (media, _events) = start(1, &[]);
    let port = address(&media, Protocol::Udp, 0).port();
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let socket = client();
        let to = SocketAddr::new(ip.parse().expect("an address"), port);
        socket.send_to(b"hello", to).expect("sent");
        assert_eq!(receive(&socket).1, to);
    }
}

#[test]
fn a_bound_address_is_not_widened() {
    let (media, _events) = start(1, &[Ipv4Addr::LOCALHOST]);
    assert!(media.addresses().all(|address| address.told.ip() == Ipv4Addr::LOCALHOST));
    let port = address(&media, Protocol::Tcp, 0).port();
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), port)).is_err());
}

#[test]
fn bursts_arrive_whole_and_in_order() {
    let (media, _events) = local();
    let socket = client();
    let to = address(&media, Protocol::Udp, 0);
    for (count, length) in [(1, 40), (7, 1_200), (100, 1_000), (3, 1_450)] {
        socket.send_to(format!("burst {count} {length}").as_bytes(), to).expect("sent");
        for number in 0..count {
            assert_eq!(receive(&socket).0, vec![number as u8; length]);
        }
        assert_eq!(receive(&socket).0, vec![0xff; length / 2]);
    }
}

#[tokio::test]
async fn a_connection_speaks_until_it_is_closed() {
    let (media, _events) = local();
    let mut connection = media.connect(join("room"));
    assert_eq!(pong(&mut connection).await, Some(0));
    connection.send(ping(7)).await;
    assert_eq!(pong(&mut connection).await, Some(7));
    connection.command(Command::Mute(vec![]));
    assert_eq!(pong(&mut connection).await, Some(-1));
    connection.send(ping(8)).await;
    connection.send(proto::SignalRequest::default()).await;
    connection.send(ping(9)).await;
    assert_eq!(pong(&mut connection).await, Some(8), "what was said before the end");
    assert_eq!(pong(&mut connection).await, None);
}

#[tokio::test]
async fn the_machine_is_told_the_time_it_asked_for() {
    let (media, _events) = local();
    let mut connection = media.connect(join("0"));
    connection.send(ping(0)).await;
    assert_eq!(pong(&mut connection).await, Some(0));
}

#[tokio::test]
async fn a_dropped_connection_is_a_disconnect() {
    let (media, mut events) = local();
    let mut connection = media.connect(join("room"));
    assert_eq!(pong(&mut connection).await, Some(0));
    let gone = format!("gone {}", connection.id().0);
    drop(connection);
    assert_eq!(soon(events.next()).await.expect("an event").room.name, gone);
}

#[tokio::test]
async fn who_does_not_read_is_closed() {
    let (media, mut events) = local();
    let mut connection = media.connect(join("1001"));
    assert_eq!(soon(events.next()).await.expect("an event").room.name, format!("gone {}", connection.id().0));
    for number in 0..1_000 {
        assert_eq!(pong(&mut connection).await, Some(number));
    }
    assert_eq!(pong(&mut connection).await, None);
}

#[tokio::test]
async fn questions_go_to_the_rooms_worker_or_to_all() {
    let (media, _events) = local();
    let all = soon(media.ask(Ask::ListRooms(Default::default()))).await;
    let Ok(Answer::Rooms(rooms)) = all else { panic!("{all:?}") };
    let mut names: Vec<_> = rooms.into_iter().map(|room| room.name).collect();
    names.sort();
    assert_eq!(names, ["A", "B"]);

    let worker = async |room: &str| {
        let create = proto::CreateRoomRequest { name: room.into(), ..Default::default() };
        match soon(media.ask(Ask::CreateRoom(create))).await {
            Ok(Answer::Room(room)) => room.name,
            other => panic!("{other:?}"),
        }
    };
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..100 {
        let room = format!("room {number}");
        let first = worker(&room).await;
        assert_eq!(first, worker(&room).await, "a room stays where it is");
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2, "rooms are spread");
}

#[tokio::test]
async fn a_worker_that_breaks_starts_over() {
    let (media, mut events) = start(1, &[Ipv4Addr::LOCALHOST]);
    let mut before = media.connect(join("room"));
    assert_eq!(pong(&mut before).await, Some(0));
    let question = media.ask(Ask::DeleteRoom(Default::default()));
    let to = address(&media, Protocol::Udp, 0);
    let broken = async {
        // The question is on its way before the worker breaks: it was asked by the time this is polled.
        client().send_to(b"break", to).expect("sent");
        pong(&mut before).await
    };
    let (answer, end) = tokio::join!(soon(question), broken);
    assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
    assert_eq!(end, None);

    let socket = client();
    socket.send_to(b"hello", to).expect("sent");
    assert_eq!(receive(&socket).0, b"A:hello");
    let mut after = media.connect(join("room"));
    assert_eq!(pong(&mut after).await, Some(0));
    drop(before);
    drop(after);
    let lost = soon(events.next()).await.expect("an event");
    assert!(matches!(lost.kind, EventKind::ParticipantAborted { .. }), "{lost:?}");
    assert!(soon(events.next()).await.expect("an event").room.name.starts_with("gone"));
}

#[tokio::test]
async fn those_whom_a_breaking_worker_loses_are_told_of() {
    let (media, mut events) = start(1, &[Ipv4Addr::LOCALHOST]);
    let connection = media.connect(Join { name: "Ann".into(), ..join("room") });
    let joined = soon(events.next()).await.expect("an event");
    assert!(matches!(joined.kind, EventKind::ParticipantJoined { .. }), "{joined:?}");
    client().send_to(b"break", address(&media, Protocol::Udp, 0)).expect("sent");
    let left = soon(events.next()).await.expect("an event");
    let EventKind::ParticipantLeft { connection: whose, info } = left.kind else { panic!("{left:?}") };
    assert_eq!((whose, &info.identity[..], &left.room.name[..]), (connection.id(), "ann", "room"));
}

#[tokio::test]
async fn commands_reach_who_is_without_a_connection() {
    let (media, mut events) = local();
    let connection = media.connect(join("room"));
    let commander = connection.commander();
    drop(connection);
    assert!(soon(events.next()).await.expect("an event").room.name.starts_with("gone"));
    commander.command(Command::Evict(Default::default()));
    assert_eq!(soon(events.next()).await.expect("an event").room.name, format!("commanded {}", commander.id().0));
}

#[tokio::test]
async fn stopped_workers_say_so() {
    let (media, mut events) = local();
    let mut connection = media.connect(join("0"));
    // Its client stays, whatever it is asked.
    soon(media.drain(Duration::from_millis(1))).await;
    soon(media.stop()).await;
    assert_eq!(pong(&mut connection).await, None);
    assert!(soon(events.next()).await.is_none());
    let answer = soon(media.ask(Ask::ListRooms(Default::default()))).await;
    assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
    assert!(pong(&mut media.connect(join("room"))).await.is_none());
}

#[test]
fn a_taken_port_is_named() {
    let taken = client();
    let port = taken.local_addr().expect("an address").port();
    let bind = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let config = Config { workers: 1, udp: Some(port), tcp: None, bind, ..Config::default() };
    let error = Media::start_with(config, Echo::new).map(|_| ()).expect_err("the port is taken").to_string();
    assert!(error.starts_with(&format!("cannot use UDP 127.0.0.1:{port} for media: ")), "{error}");
}

/// RFC 4571.
fn frame(contents: &[u8]) -> Vec<u8> {
    [&(contents.len() as u16).to_be_bytes()[..], contents].concat()
}

/// A STUN binding request (RFC 8489) with nothing but a USERNAME.
fn request(username: &str) -> Vec<u8> {
    let padded = username.len().next_multiple_of(4);
    let mut bytes = vec![0, 1, 0, 4 + padded as u8, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([7; 12]);
    bytes.extend([0, 6, 0, username.len() as u8]);
    bytes.extend(username.as_bytes());
    bytes.resize(24 + padded, 0);
    bytes
}

fn tcp_client(media: &Media) -> TcpStream {
    let stream = TcpStream::connect(address(media, Protocol::Tcp, 0)).expect("accepted");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a frame");
    let mut contents = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut contents).expect("a whole frame");
    contents
}

#[test]
fn a_tcp_connection_finds_its_worker() {
    let (media, _events) = local();
    for (ufrag, name) in [("Axyz:remote", "A"), ("Bxyz:remote", "B")] {
        let mut stream = tcp_client(&media);
        let first = request(ufrag);
        // In pieces, and with a second frame behind it.
        let bytes = [frame(&first), frame(b"second")].concat();
        for piece in bytes.chunks(5) {
            stream.write_all(piece).expect("written");
        }
        assert_eq!(read_frame(&mut stream), [name.as_bytes(), b":", &first[..]].concat());
        assert_eq!(read_frame(&mut stream), format!("{name}:second").into_bytes());
        stream.write_all(&frame(b"burst 50 1000")).expect("written");
        for number in 0..50 {
            assert_eq!(read_frame(&mut stream), vec![number; 1_000]);
        }
    }
}

#[test]
fn what_is_not_ice_is_closed() {
    let (media, _events) = local();
    let long = [0xff; 64];
    for bytes in [&frame(b"hello")[..], &frame(&request("Zxyz:remote")), b"GET / HTTP/1.1\r\n\r\n", &long] {
        let mut stream = tcp_client(&media);
        stream.write_all(bytes).expect("written");
        // Closed, or reset because not everything was read.
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "{bytes:?}");
    }
}

#[test]
fn who_reads_slowly_over_tcp_loses_packets() {
    let (media, _events) = local();
    let mut stream = tcp_client(&media);
    stream.write_all(&frame(&request("Axyz:remote"))).expect("written");
    read_frame(&mut stream);
    for _ in 0..100 {
        stream.write_all(&frame(b"burst 200 1400")).expect("written");
    }
    // 28 MB were said. What there was room for comes, in whole frames, and then there is room again.
    let mut frames = 0;
    loop {
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        if stream.peek(&mut [0]).is_err() {
            stream.write_all(&frame(b"again")).expect("written");
            continue;
        }
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let contents = read_frame(&mut stream);
        if contents == b"A:again" {
            break;
        }
        assert!([1_400, 700].contains(&contents.len()), "a frame of {}", contents.len());
        frames += 1;
    }
    assert!(frames < 100 * 201, "nothing was dropped");
}
