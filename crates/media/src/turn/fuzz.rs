//! What clients and their peers may send to the TURN server, with and without credentials, in any order.

use super::{
    desk::{Desk, Effect, Flow, Limits, REALM},
    peers::Peers,
};
use crate::turn::Secret;
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::net::Protocol;
use turn_server_proto::{
    api::SocketAllocateError,
    stun::types::{
        AddressFamily,
        attribute::{AttributeType, Nonce, RawAttribute, Realm, Username},
        message::{
            BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite,
            MessageWriteExt, MessageWriteVec, Method, TransactionId,
        },
        prelude::AttributeWrite,
    },
    types::{
        attribute::XorPeerAddress,
        message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, DATA, REFRESH, SEND},
    },
};

/// Credentials end then, or have ended.
const ENDS: [u64; 2] = [4_000_000_000, 1];
const NAMES: [&str; 2] = ["ann", "bob"];
const METHODS: [Method; 8] = [ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND, SEND, DATA, BINDING, ALLOCATE];
const TIMES: [u64; 8] = [0, 1, 2, 11, 41, 301, 601, 3_601];
/// What is counted, so that it is used up soon.
const LIMITS: Limits = Limits { total: 6, per_identity: 4 };
/// Attributes that the builder adds by itself.
const SIGNATURES: [u16; 3] = [0x0008, 0x001c, 0x8028];

struct Table {
    desk: Desk,
    now: Instant,
    /// What the server told each to use.
    nonces: HashMap<SocketAddr, String>,
    /// Sockets that are wanted and not yet tried for.
    wanted: Vec<(Flow, AddressFamily)>,
    open: Vec<SocketAddr>,
    next: u16,
    asked: u32,
    /// What left for peers.
    passed_on: usize,
}

/// Chunks of `[what, who, length, bytes…]`.
pub fn turn(data: &[u8]) {
    let mut table = play(data);
    table.now += Duration::from_secs(7_200);
    table.desk.sweep(table.now, |_| false);
    table.effects();
    assert_eq!((table.desk.len(), table.open.len()), (0, 0), "all ends in time");
}

fn play(mut data: &[u8]) -> Table {
    let now = Instant::now();
    let desk = Desk::new(Secret::new("north"), Peers::default(), LIMITS, now);
    let (nonces, wanted, open) = (HashMap::new(), vec![], vec![]);
    let mut table = Table { desk, now, nonces, wanted, open, next: 50_000, asked: 0, passed_on: 0 };
    while let [what, who, length, rest @ ..] = data {
        let (bytes, tail) = rest.split_at(usize::from(*length).min(rest.len()));
        data = tail;
        table.act(*what, *who, bytes);
        table.effects();
    }
    table
}

/// One of four clients.
fn flow(who: u8) -> Flow {
    let proto = if who & 1 > 0 { Protocol::Tcp } else { Protocol::Udp };
    let client = SocketAddr::from(([10, 0, 0, 2], 5000 + u16::from(who & 3)));
    Flow { proto, local: ([10, 0, 0, 1], 3478).into(), client }
}

impl Table {
    fn act(&mut self, what: u8, who: u8, bytes: &[u8]) {
        let flow = flow(who);
        match what & 7 {
            0 => self.desk.client_said(self.now, flow, bytes),
            1 => self.answer(what >> 3 & 3),
            2 => self.pass(what, who),
            3 => {
                let peer = self.peer(bytes.first().copied().unwrap_or_default());
                if let Some(relayed) = self.relay(what >> 3) {
                    self.desk.peer_said(self.now, relayed, peer, bytes);
                }
            }
            4 => {
                let head = [0x40, what >> 3, 0, bytes.len() as u8];
                self.desk.client_said(self.now, flow, &[&head, bytes].concat());
            }
            _ => {
                let request = self.message(METHODS[usize::from(what >> 3 & 7)], what & 7, who, bytes);
                self.desk.client_said(self.now, flow, &request);
                // The first answer may be that the nonce is another: it is asked again with that.
                self.effects();
                if what & 7 == 7 {
                    let request = self.message(METHODS[usize::from(what >> 3 & 7)], 7, who, bytes);
                    self.desk.client_said(self.now, flow, &request);
                }
            }
        }
    }

    fn relay(&self, which: u8) -> Option<SocketAddr> {
        self.open.get(usize::from(which) % self.open.len().max(1)).copied()
    }

    /// On the internet, inside, or another client's relay.
    fn peer(&self, which: u8) -> SocketAddr {
        match which {
            0..64 => ([9, 9, 9, which], 9).into(),
            64..80 => ([10, 0, 0, which], 9).into(),
            80..96 => ([0x2606, 0x4700, 0, 0, 0, 0, 0, which.into()], 9).into(),
            _ => self.relay(which).unwrap_or(([9, 9, 9, which], 9).into()),
        }
    }

    /// A message with attributes of these bytes, signed or not, also with what is not anybody's password.
    fn message(&mut self, method: Method, how: u8, who: u8, bytes: &[u8]) -> Vec<u8> {
        let class = if method == SEND || method == DATA { MessageClass::Indication } else { MessageClass::Request };
        // Some come again.
        self.asked += u32::from(who & 0x40 == 0);
        let id = TransactionId::from(u128::from(self.asked));
        let mut message = Message::builder(MessageType::from_class_method(class, method), id, MessageWriteVec::new());
        let mut rest = bytes;
        // Enough for all but what asks for anything special.
        if method == ALLOCATE {
            add(&mut message, &RawAttribute::new(AttributeType::new(0x0019), &[17, 0, 0, 0]));
        }
        if method == CHANNEL_BIND {
            add(&mut message, &RawAttribute::new(AttributeType::new(0x000c), &[0x40, who >> 2 & 3, 0, 0]));
        }
        while let [what, tail @ ..] = rest {
            rest = tail;
            if what & 1 == 0 {
                add(&mut message, &XorPeerAddress::new(self.peer(what >> 1), id));
            } else if let [kind, length, tail @ ..] = tail {
                let (value, tail) = tail.split_at(usize::from(*length).min(tail.len()));
                rest = tail;
                let kind = u16::from(*kind) | u16::from(what >> 1 & 1) << 15;
                if !SIGNATURES.contains(&kind) {
                    add(&mut message, &RawAttribute::new(AttributeType::new(kind), value));
                }
            }
        }
        if how == 5 {
            return message.finish();
        }
        let name = NAMES[usize::from(who >> 4 & 1)];
        let (name, password) = Secret::new("north").issue(name, ENDS[usize::from(who >> 5 & 1)]);
        let password = if who & 0x80 > 0 { "guessed".to_owned() } else { password };
        let nonce = self.nonces.get(&flow(who).client).map_or("none", String::as_str);
        if let (Ok(name), Ok(realm), Ok(nonce)) = (Username::new(&name), Realm::new(REALM), Nonce::new(nonce)) {
            add(&mut message, &name);
            add(&mut message, &realm);
            add(&mut message, &nonce);
        }
        let credentials = LongTermKeyCredentials::new(name, password, REALM.to_owned()).into();
        let algorithm = if how == 6 { IntegrityAlgorithm::Sha256 } else { IntegrityAlgorithm::Sha1 };
        let signed = message.add_message_integrity(&credentials, algorithm);
        assert!(signed.is_ok(), "nothing is signed yet");
        message.finish()
    }

    /// A socket that is wanted is there, or not to be had.
    fn answer(&mut self, how: u8) {
        if self.wanted.is_empty() {
            return;
        }
        let (flow, family) = self.wanted.remove(0);
        let outcome = match (how, self.desk.has_room(flow), family) {
            (0, ..) => Err(SocketAllocateError::AddressFamilyNotSupported),
            (_, false, _) => Err(SocketAllocateError::InsufficientCapacity),
            (_, _, AddressFamily::IPV4) => Ok(SocketAddr::from(([8, 8, 8, 8], self.next))),
            (_, _, AddressFamily::IPV6) => Ok(SocketAddr::from(([0x2606, 0x4700, 0, 0, 0, 0, 0, 1], self.next))),
        };
        self.next += 1;
        self.open.extend(outcome.ok());
        self.desk.allocated(self.now, flow, family, outcome);
    }

    fn pass(&mut self, what: u8, who: u8) {
        self.now += Duration::from_secs(TIMES[usize::from(what >> 3 & 7)]);
        let gone = flow(who);
        // A datagram's client is never known to be gone.
        self.desk.sweep(self.now, |flow| flow.proto == Protocol::Udp || what & 64 == 0 || flow != gone);
    }

    fn effects(&mut self) {
        while let Some(effect) = self.desk.next() {
            match effect {
                Effect::ToClient { flow: to, contents } => {
                    assert!((0..4).any(|who| flow(who) == to), "nobody is there: {to:?}");
                    let nonce = Message::from_bytes(&contents).ok().and_then(|answer| answer.attribute::<Nonce>().ok());
                    if let Some(nonce) = nonce {
                        self.nonces.insert(to.client, nonce.nonce().to_owned());
                    }
                }
                Effect::ToPeer { relayed, peer, .. } => {
                    assert!(self.open.contains(&relayed), "from where there is no socket");
                    assert!(Peers::default().permits(peer), "{peer} is nobody's to reach");
                    self.passed_on += 1;
                }
                Effect::Allocate { flow, family } => self.wanted.push((flow, family)),
                Effect::Release { relayed } => {
                    let before = self.open.len();
                    self.open.retain(|open| *open != relayed);
                    assert_eq!(self.open.len() + 1, before, "a socket is released once");
                }
            }
        }
        assert!(self.desk.len() <= self.open.len() && self.desk.len() <= LIMITS.total);
        let flows: HashSet<_> = (0..4).map(flow).filter(|flow| self.desk.has_allocation(*flow)).collect();
        assert!(flows.len() <= self.desk.len());
    }
}

fn add(message: &mut MessageWriteVec, attribute: &dyn AttributeWrite) {
    // The same attribute twice, or too long a message, is left out.
    let _ = message.add_attribute(attribute);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    /// Else the fuzzer would begin at the doorstep.
    #[test]
    fn the_seeds_have_relays_and_use_them() {
        for (name, relays, passed_on) in [("a_relay", 1, 1), ("two_of_them", 2, 0), ("without_credentials", 0, 0)] {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/media_turn/");
            let data = std::fs::read(format!("{path}{name}")).expect("a seed");
            let table = play(&data);
            assert_eq!((table.next - 50_000, table.passed_on > 0), (relays, passed_on > 0), "{name}");
            turn(&data);
        }
    }

    /// By chance, but so that requests are mostly signed ones.
    #[test]
    fn clients_do_anything_in_any_order() {
        let mut random = StdRng::seed_from_u64(2);
        for story in 0..300 {
            let mut data = vec![];
            for _ in 0..random.random_range(1..40) {
                let bytes: Vec<u8> = (0..random.random_range(0..12)).map(|_| random.random()).collect();
                let what = random.random::<u8>() | if random.random() { 7 } else { 0 };
                let who = random.random::<u8>() & if random.random() { 0x13 } else { 0xff };
                data.extend_from_slice(&[what, who, bytes.len() as u8]);
                data.extend(bytes);
            }
            println!("story {story}: {data:?}");
            turn(&data);
        }
    }
}
