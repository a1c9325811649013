//! What attackers do to media (OWASP ASVS 5.0, V17.2): strangers, forged and broken packets, floods, false certificates.

mod common;

use common::{Client, Kit, Packet, SERVER, World, joining};
use convo_sfu::{Config, ConnectionId, Datagram, Event, EventKind, Input, LocalAddress, Mode, Output, Sfu};
use livekit_protocol as proto;
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::net::Protocol;

const STEP: Duration = Duration::from_millis(5);
/// A client is connected long before.
const STEPS: usize = 2_000;

/// One client on its way in, every datagram of which can be looked at and changed.
struct Wire {
    sfu: Sfu,
    client: Client,
    now: Instant,
    events: Vec<Event>,
}

impl Wire {
    /// `change`: the client's offer, before the server sees it.
    fn new(change: impl FnOnce(&mut String)) -> Self {
        let address: SocketAddr = SERVER.parse().expect("an address");
        let config = Config {
            addresses: vec![LocalAddress { proto: Protocol::Udp, bound: address, told: address }],
            server: proto::ServerInfo { version: "1.0.0".into(), ..Default::default() },
            ..Config::default()
        };
        let now = config.epoch.0;
        let connection = ConnectionId(1);
        let address = SocketAddr::from(([10, 0, 1, 1], 5000));
        let mut client = Client::new(connection, "ann", address, Mode::Single, Kit::default(), now);
        let mut offer = client.first_offer();
        change(&mut offer.sdp);
        let mut join = joining("ann");
        join.request.publisher_offer = Some(offer);
        let mut wire = Self { sfu: Sfu::new(config), client, now, events: vec![] };
        wire.sfu.handle(now, Input::Connect { connection, join: Box::new(join) });
        wire
    }

    /// What the server says now; what is for the client is brought to it.
    fn listen(&mut self) -> Vec<Packet> {
        let mut sent = vec![];
        loop {
            match self.sfu.poll(self.now) {
                Output::Transmit(transmit) => {
                    let (from, to) = (transmit.route.source, transmit.route.destination);
                    for datagram in transmit.datagrams() {
                        let bytes = datagram.to_vec();
                        if to == self.client.address {
                            self.client.receive(self.now, &Packet { from, to, bytes: bytes.clone() });
                        }
                        sent.push(Packet { from, to, bytes });
                    }
                }
                Output::Signal { response, .. } => self.client.on_response(*response),
                Output::Event(event) => self.events.push(*event),
                Output::Close { .. } | Output::Answer { .. } | Output::Relay(_) => {}
                Output::Timeout(_) => return sent,
            }
        }
    }

    /// A datagram reaches the server; what it says to it.
    fn datagram(&mut self, source: SocketAddr, contents: &[u8]) -> Vec<Packet> {
        let destination = SERVER.parse().expect("an address");
        let (proto, arrived) = (Protocol::Udp, self.now);
        self.sfu.handle(self.now, Input::Datagram(Datagram { proto, source, destination, arrived, contents }));
        self.listen()
    }

    /// Until media is connected, or for ten seconds. `way`: does with each of the client's datagrams what it likes.
    fn run(&mut self, mut way: impl FnMut(&mut Self, Vec<u8>)) -> bool {
        self.listen();
        for _ in 0..STEPS {
            self.now += STEP;
            self.client.advance(self.now);
            for Packet { bytes, .. } in std::mem::take(&mut self.client.outbox) {
                way(self, bytes);
            }
            self.sfu.handle(self.now, Input::Timeout);
            self.listen();
            if self.joined() {
                return true;
            }
        }
        false
    }

    fn joined(&self) -> bool {
        self.events.iter().any(|event| matches!(event.kind, EventKind::ParticipantJoined { .. }))
    }

    fn pass(&mut self, bytes: &[u8]) -> Vec<Packet> {
        self.datagram(self.client.address, bytes)
    }
}

/// RFC 7983: which protocol a datagram is of.
fn is_dtls(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(20..=63))
}

fn is_stun(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0..=3))
}

fn is_rtp(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, kind, ..] if !(192..=223).contains(kind))
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 66], 6666))
}

#[test]
fn dtls_is_taken_from_checked_addresses_alone() {
    let mut wire = Wire::new(|_| {});
    let mut tried = 0;
    let connected = wire.run(|wire, bytes| {
        if is_dtls(&bytes) {
            // The client's own hello, but sooner, by somebody who has not shown that they know its password.
            tried += 1;
            assert!(wire.datagram(stranger(), &bytes).is_empty(), "a stranger is not answered");
            assert!(!wire.pass(&bytes).is_empty(), "the client is");
            return;
        }
        wire.pass(&bytes);
    });
    assert!(connected && tried > 0, "the stranger is no hindrance");
}

#[test]
fn an_ice_check_needs_the_password() {
    let mut wire = Wire::new(|_| {});
    let mut tried = 0;
    let connected = wire.run(|wire, bytes| {
        if is_stun(&bytes) {
            let mut forged = bytes.clone();
            // Within MESSAGE-INTEGRITY, which stands before the eight bytes of FINGERPRINT.
            let at = forged.len() - 12;
            forged[at] ^= 1;
            tried += 1;
            assert!(wire.datagram(stranger(), &forged).is_empty());
        }
        if is_dtls(&bytes) {
            assert!(wire.datagram(stranger(), &bytes).is_empty(), "the forged check opened nothing");
        }
        wire.pass(&bytes);
    });
    assert!(connected && tried > 0);
}

/// Each would be looked at with every later check: a participant could keep a worker busy with addresses.
#[test]
fn of_thousands_of_addresses_that_have_the_password_some_are_answered() {
    let mut wire = Wire::new(|_| {});
    let mut answered = vec![];
    let connected = wire.run(|wire, bytes| {
        wire.pass(&bytes);
        if is_stun(&bytes) && answered.is_empty() {
            let others = (1..=5_000).map(|port| SocketAddr::from(([192, 0, 2, 7], port)));
            answered = others.filter(|address| !wire.datagram(*address, &bytes).is_empty()).collect();
        }
    });
    assert_eq!(answered.len(), 127, "beside the client's own");
    assert!(connected, "which goes on");
}

#[test]
fn another_certificate_than_the_offers_is_refused() {
    let mut wire = Wire::new(another_fingerprint);
    let connected = wire.run(|wire, bytes| drop(wire.pass(&bytes)));
    assert!(!connected, "the media stream never begins");
}

/// Its keys are good: only the certificate says that it is not who has joined.
#[test]
fn who_has_another_certificate_gets_no_media() {
    let mut world = World::new(42);
    let ann = world.enter("ann");
    world.publish_audio(ann, "mic");
    let bob = world.enter("bob");
    world.tamper = another_fingerprint;
    let eve = world.join("eve");
    world.run(Duration::from_secs(10));
    assert!(world.clients[bob].media > 400, "{}", world.clients[bob].media);
    assert_eq!(world.clients[eve].media, 0);
}

fn another_fingerprint(sdp: &mut String) {
    let at = sdp.find("a=fingerprint:sha-256 ").expect("a fingerprint") + "a=fingerprint:sha-256 ".len();
    let other = if &sdp[at..at + 2] == "00" { "01" } else { "00" };
    sdp.replace_range(at..at + 2, other);
}

#[test]
fn weak_cipher_suites_are_refused() {
    let mut wire = Wire::new(|_| {});
    let mut weakened = 0;
    let connected = wire.run(|wire, mut bytes| {
        weakened += usize::from(weaken(&mut bytes));
        wire.pass(&bytes);
    });
    assert!(weakened > 0 && !connected);
}

/// Makes every suite that a ClientHello offers `TLS_RSA_WITH_AES_128_CBC_SHA`.
fn weaken(bytes: &mut [u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    if bytes.first() != Some(&HANDSHAKE) || bytes.get(13) != Some(&CLIENT_HELLO) {
        return false;
    }
    // The record's header, the handshake's, the version, the random; then the session's id and the cookie.
    let mut at = 13 + 12 + 2 + 32;
    for _ in 0..2 {
        at += 1 + usize::from(bytes[at]);
    }
    let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    for suite in bytes[at + 2..at + 2 + length].chunks_exact_mut(2) {
        suite.copy_from_slice(&[0x00, 0x2f]);
    }
    true
}

#[test]
fn the_key_is_this_processs_own_and_strong() {
    let mut wires = [Wire::new(|_| {}), Wire::new(|_| {})];
    let fingerprints = wires.each_mut().map(|wire| {
        let mut said = String::new();
        while !said.contains("a=fingerprint") {
            match wire.sfu.poll(wire.now) {
                Output::Signal { response, .. } => {
                    if let Some(proto::signal_response::Message::Answer(answer)) = response.message {
                        said = answer.sdp;
                    }
                }
                Output::Timeout(_) => panic!("no answer came"),
                _ => {}
            }
        }
        assert!(said.contains("a=setup:passive"), "the client says hello: it has proven its address by then");
        let line = said.lines().find(|line| line.starts_with("a=fingerprint:sha-256 ")).expect("a fingerprint");
        line.to_owned()
    });
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert_eq!(fingerprints[0].split(' ').nth(1).map(|hex| hex.split(':').count()), Some(32));
}

fn next_packets(world: &mut World, name: usize) -> Vec<Vec<u8>> {
    let now = world.now + Duration::from_millis(20);
    world.clients[name].advance(now);
    std::mem::take(&mut world.clients[name].outbox).into_iter().map(|packet| packet.bytes).collect()
}

fn send(world: &mut World, source: SocketAddr, contents: &[u8]) {
    let destination = SERVER.parse().expect("an address");
    let (proto, arrived) = (Protocol::Udp, world.now);
    world.input(Input::Datagram(Datagram { proto, source, destination, arrived, contents }));
}

/// Ann speaks and Bob listens; the lines are there.
fn talk(seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.until("sound flows", |w| w.clients[bob].heard.len() > 20);
    (world, ann, bob)
}

/// Every frame that Bob heard, by the number in it.
fn frames(world: &World, bob: usize) -> Vec<u32> {
    let number = |payload: &[u8]| u32::from_be_bytes(payload[1..5].try_into().expect("a number"));
    let heard = &world.clients[bob].heard;
    assert!(
        heard.iter().all(|packet| packet.payload.len() == 5 && packet.payload[0] == 0xfc),
        "nothing but Ann's frames"
    );
    heard.iter().map(|packet| number(&packet.payload)).collect()
}

#[test]
fn forged_and_repeated_media_is_not_forwarded() {
    let (mut world, ann, bob) = talk(70);
    let source = world.clients[ann].address;
    let mut forged = 0;
    for _ in 0..50 {
        for packet in next_packets(&mut world, ann) {
            if is_rtp(&packet) {
                for at in [12, packet.len() / 2, packet.len() - 1] {
                    let mut other = packet.clone();
                    other[at] ^= 0x55;
                    forged += 1;
                    send(&mut world, source, &other);
                }
                send(&mut world, stranger(), &packet);
            }
            send(&mut world, source, &packet);
            // And again, as somebody on the way could.
            send(&mut world, source, &packet);
        }
        world.run(Duration::from_millis(20));
    }
    assert!(forged > 100);
    let frames = frames(&world, bob);
    assert!(frames.len() > 60, "true packets still come: {}", frames.len());
    let once: BTreeSet<_> = frames.iter().collect();
    assert_eq!(once.len(), frames.len(), "each once");
}

/// Who knows a client's password can say that media are to go to anybody.
#[test]
fn media_do_not_go_on_to_who_never_answers() {
    let (mut world, _, bob) = talk(75);
    world.forged = Some((bob, Some(stranger())));
    world.until("media go to the stranger", |w| w.sent.contains_key(&stranger()));
    // The client goes on to speak from its own address.
    world.forged = Some((bob, None));
    world.run(Duration::from_secs(18));
    let sent = world.sent[&stranger()];
    world.run(Duration::from_secs(10));
    assert_eq!(world.sent[&stranger()], sent);
}

#[test]
fn broken_media_is_passed_over() {
    let (mut world, ann, bob) = talk(71);
    let source = world.clients[ann].address;
    let samples: Vec<Vec<u8>> = next_packets(&mut world, ann);
    let whole = samples.iter().find(|packet| is_rtp(packet)).expect("a packet of sound").clone();
    for length in 0..whole.len() {
        send(&mut world, source, &whole[..length]);
    }
    for first in 0..=255 {
        for kind in [0, 111, 127, 200, 201, 205, 206, 255] {
            send(&mut world, source, &[first, kind, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0xff, 0xff]);
            send(&mut world, source, &[first, kind]);
        }
    }
    let before = world.clients[bob].heard.len();
    world.run(Duration::from_secs(1));
    assert!(world.clients[bob].heard.len() > before + 40, "the connection lives");
    frames(&world, bob);
}

#[test]
fn a_flood_of_one_does_not_drown_the_others() {
    let (mut world, ann, bob) = talk(72);
    let cid = world.enter("cid");
    world.publish_audio(cid, "mic");
    world.until("both are heard", |w| w.clients[bob].mid_to_track.len() == 2);
    let sid = world.sid(cid, "mic");
    // A minute of sound at once: 3,000 packets.
    world.clients[ann].audio.as_mut().expect("she speaks").on = false;
    world.run(Duration::from_secs(60));
    world.clients[ann].audio.as_mut().expect("she speaks").on = true;
    let line = world.clients[bob].line_of(&sid).expect("a line");
    let before = world.clients[bob].heard_on(line).count();
    world.run(Duration::from_secs(2));
    let theirs: Vec<_> = world.clients[bob].heard_on(line).skip(before).collect();
    assert!(theirs.len() >= 95, "Cid is heard all the while: {}", theirs.len());
    assert!(theirs.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
}
