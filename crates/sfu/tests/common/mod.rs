//! A room in virtual time: clients made of str0m, a network that loses and delays by a seed, and the machine under test.
//! Nothing here waits; an hour passes as fast as it computes.

#![allow(clippy::allow_attributes, reason = "each story uses a part of it")]
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each story uses a part of it")]
#![allow(deprecated, reason = "SDKs of today still send the older fields")]

mod client;
mod net;
mod play;
mod svc;

pub use client::{Client, Frame, Heard, Kit};
pub use net::{Packet, Weather};
pub use play::play;

use convo_sfu::{
    Answer, Ask, AskId, Config, ConnectionId, Datagram, Event, Input, Join, LocalAddress, Mode, Output, Refusal, Route,
    Sfu,
};
use livekit_protocol as proto;
use net::Net;
use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::net::Protocol;

pub const SERVER: &str = "10.0.0.1:7882";
/// The story's steps are at most so long.
const STEP: Duration = Duration::from_millis(5);

pub struct World {
    pub sfu: Sfu,
    pub now: Instant,
    pub clients: Vec<Client>,
    pub events: Vec<Event>,
    /// Of those who join from here on.
    pub kit: Kit,
    /// What becomes of their first offers on the way.
    pub tamper: fn(&mut String),
    /// Datagrams of RTP that the server sent, by address.
    pub sent: HashMap<SocketAddr, usize>,
    /// The ICE checks of this client seem to come from this address, or are lost.
    pub forged: Option<(Name, Option<SocketAddr>)>,
    /// What rooms tell each other is lost.
    pub cut: bool,
    /// How long datagrams lie with the server before it looks at them, at most; all that came then are handled together.
    pub turn: Duration,
    came: Vec<(Instant, Packet)>,
    turned: Instant,
    answers: Vec<(AskId, Result<Answer, Refusal>)>,
    net: Net,
    next_connection: u64,
    sfu_due: Instant,
    /// What the machine said, and how often it was woken when there was nothing to say.
    said: u64,
    pub woken_for_nothing: u64,
}

/// A story's name for a client.
pub type Name = usize;

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    pub fn with(seed: u64, change: impl FnOnce(&mut Config)) -> Self {
        let address: SocketAddr = SERVER.parse().expect("an address");
        let mut config = Config {
            addresses: vec![LocalAddress { proto: Protocol::Udp, bound: address, told: address }],
            server: proto::ServerInfo { version: "1.0.0".into(), ..Default::default() },
            ..Config::default()
        };
        change(&mut config);
        let now = config.epoch.0;
        convo_sfu::fuzz::seed(seed);
        let (sfu, net) = (Sfu::new(config), Net::new(seed));
        let (clients, events, answers, kit) = (vec![], vec![], vec![], Kit::default());
        let (tamper, next_connection): (fn(&mut String), _) = (|_| {}, 1);
        let mut world = Self {
            sfu,
            now,
            clients,
            events,
            kit,
            tamper,
            sent: HashMap::new(),
            forged: None,
            cut: false,
            turn: Duration::ZERO,
            came: vec![],
            turned: now,
            answers,
            net,
            next_connection,
            sfu_due: now,
            said: 0,
            woken_for_nothing: 0,
        };
        world.poll_sfu();
        world
    }

    pub fn weather(&mut self, name: Name, weather: Weather) {
        let address = self.clients[name].address;
        self.net.set(address, weather);
    }

    // --- what people do ---

    pub fn join(&mut self, identity: &str) -> Name {
        self.join_with(identity, |_| {})
    }

    pub fn join_with(&mut self, identity: &str, change: impl FnOnce(&mut Join)) -> Name {
        let name = self.clients.len();
        let address = SocketAddr::new([10, 0, 1, name as u8 + 1].into(), 5000);
        let connection = self.connection();
        let mut join = joining(identity);
        change(&mut join);
        let mut client = Client::new(connection, identity, address, join.mode, self.kit, self.now);
        if join.mode == Mode::Single {
            let mut offer = client.first_offer();
            (self.tamper)(&mut offer.sdp);
            join.request.publisher_offer = Some(offer);
        }
        self.clients.push(client);
        self.input(Input::Connect { connection, join: Box::new(join) });
        name
    }

    /// Joins, and waits until media is connected.
    pub fn enter(&mut self, identity: &str) -> Name {
        let name = self.join(identity);
        self.until("media is connected", |w| w.clients[name].connected);
        name
    }

    pub fn connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    /// A new signalling connection for the session; whether it is still there when all is said.
    pub fn resume(&mut self, name: Name) -> bool {
        let connection = self.connection();
        let client = &mut self.clients[name];
        (client.connection, client.closed) = (connection, false);
        client.responses.clear();
        let mut join = joining(&client.identity);
        join.request.reconnect = true;
        join.request.participant_sid = client.joined.as_ref().unwrap().participant.as_ref().unwrap().sid.clone();
        self.input(Input::Connect { connection, join: Box::new(join) });
        !self.clients[name].closed
    }

    pub fn signal(&mut self, name: Name, message: proto::signal_request::Message) {
        let connection = self.clients[name].connection;
        let request = Box::new(proto::SignalRequest { message: Some(message) });
        self.input(Input::Signal { connection, request });
    }

    /// As an SDK leaves: with a word, and without media.
    pub fn leave(&mut self, name: Name) {
        self.signal(name, proto::signal_request::Message::Leave(proto::LeaveRequest::default()));
        self.clients[name].hang_up();
    }

    pub fn ask(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        self.input(Input::Ask { id: AskId(1), ask: Box::new(ask) });
        self.answers.pop().expect("questions are answered at once").1
    }

    /// A question that is not answered at once.
    pub fn begin_asking(&mut self, ask: Ask) {
        self.input(Input::Ask { id: AskId(2), ask: Box::new(ask) });
    }

    pub fn answer(&mut self) -> Option<Result<Answer, Refusal>> {
        self.answers.pop().map(|(_, answer)| answer)
    }

    pub fn input(&mut self, input: Input<'_>) {
        self.sfu.handle(self.now, input);
        self.poll_sfu();
    }

    pub fn publish_audio(&mut self, name: Name, cid: &str) {
        let request = self.clients[name].announce_audio(cid);
        self.signal(name, request);
        self.offer(name);
    }

    /// `layers`: 1 without simulcast, or 2 or 3.
    pub fn publish_video(&mut self, name: Name, cid: &str, layers: usize) {
        let request = self.clients[name].announce_video(cid, layers);
        self.signal(name, request);
        self.offer(name);
    }

    /// Three spatial layers in one stream: VP9 as `L3T1`, AV1 as `L3T1_KEY`.
    pub fn publish_svc(&mut self, name: Name, cid: &str, codec: str0m::format::Codec) {
        let mut request = self.clients[name].announce_svc(cid, codec);
        if let proto::signal_request::Message::AddTrack(add) = &mut request {
            // A second codec for those who need it, as the SDKs announce it.
            add.simulcast_codecs.push(proto::SimulcastCodec { codec: "vp8".into(), ..Default::default() });
        }
        self.signal(name, request);
        self.offer(name);
    }

    /// The track again, in VP8.
    pub fn publish_backup(&mut self, name: Name, cid: &str, sid: &str) {
        let request = self.clients[name].announce_backup(cid, sid);
        self.signal(name, request);
        self.offer(name);
    }

    pub fn offer(&mut self, name: Name) {
        if let Some(offer) = self.clients[name].offer() {
            self.signal(name, proto::signal_request::Message::Offer(offer));
        }
    }

    pub fn sid(&self, name: Name, cid: &str) -> String {
        self.clients[name].published.get(cid).unwrap_or_else(|| panic!("{cid} was published")).sid.clone()
    }

    // --- time ---

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    /// Runs until it is so; a minute of virtual time is enough for anything.
    pub fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(60);
        while !so(self) {
            assert!(self.now < end, "never came: {what}");
            self.step(end);
        }
    }

    fn step(&mut self, end: Instant) {
        let next = [self.sfu_due, self.net.next().unwrap_or(end), self.now + STEP, end];
        let clients = self.clients.iter().map(|client| client.due());
        let next = next.into_iter().chain(clients).min().expect("not empty");
        self.now = next.max(self.now + Duration::from_micros(100)).min(end.max(self.now));
        while let Some((at, packet)) = self.net.arrive(self.now) {
            if packet.to.to_string() == SERVER {
                self.came.push((at, packet));
            } else if let Some(name) = self.clients.iter().position(|client| client.has(packet.to)) {
                self.clients[name].receive(self.now, &packet);
                self.after_client(name);
            }
        }
        if self.now >= self.turned + self.turn {
            self.turn();
        }
        for name in 0..self.clients.len() {
            self.clients[name].advance(self.now);
            self.after_client(name);
        }
        if self.now >= self.sfu_due {
            let said = self.said;
            self.input(Input::Timeout);
            self.woken_for_nothing += u64::from(self.said == said);
        }
    }

    fn turn(&mut self) {
        self.turned = self.now;
        for (arrived, packet) in std::mem::take(&mut self.came) {
            let (proto, source, destination, contents) = (Protocol::Udp, packet.from, packet.to, &packet.bytes[..]);
            self.input(Input::Datagram(Datagram { proto, source, destination, arrived, contents }));
        }
    }

    fn after_client(&mut self, name: Name) {
        for Packet { from, to, bytes } in std::mem::take(&mut self.clients[name].outbox) {
            self.clients[name].spoken += 1;
            let forged = self.forged.filter(|(who, _)| *who == name && matches!(bytes.first(), Some(0..=3)));
            let Some(from) = forged.map_or(Some(from), |(_, address)| address) else { continue };
            self.clients[name].last_spoken.clone_from(&bytes);
            self.net.send(self.now, from, to, bytes);
        }
        let requests = std::mem::take(&mut self.clients[name].requests);
        for request in requests {
            self.signal(name, request);
        }
    }

    fn poll_sfu(&mut self) {
        loop {
            let output = self.sfu.poll(self.now);
            self.said += u64::from(!matches!(output, Output::Timeout(_)));
            match output {
                Output::Timeout(at) => {
                    assert!(at > self.now, "what is due is done before the machine sleeps");
                    self.sfu_due = at;
                    break;
                }
                Output::Transmit(transmit) => {
                    let Route { source, destination, .. } = transmit.route;
                    for datagram in transmit.datagrams() {
                        // RFC 7983, and RFC 5761 for the payload types.
                        if matches!(datagram, [128..=191, kind, ..] if !(192..=223).contains(kind)) {
                            *self.sent.entry(destination).or_default() += 1;
                        }
                        self.net.send(self.now, source, destination, datagram.to_vec());
                    }
                }
                Output::Signal { connection, response } => {
                    if let Some(client) = self.clients.iter_mut().find(|c| c.connection == connection) {
                        client.on_response(*response);
                    }
                }
                Output::Close { connection } => {
                    if let Some(client) = self.clients.iter_mut().find(|c| c.connection == connection) {
                        client.closed = true;
                    }
                }
                Output::Event(event) => self.events.push(*event),
                Output::Answer { id, answer } => self.answers.push((id, answer)),
                Output::Relay(relay) if self.cut => drop(relay),
                Output::Relay(relay) => self.sfu.handle(self.now, Input::Relay(relay)),
            }
        }
        for name in 0..self.clients.len() {
            if !self.clients[name].requests.is_empty() {
                self.after_client(name);
            }
        }
    }
}

pub fn joining(identity: &str) -> Join {
    Join {
        room: "room".into(),
        room_config: proto::RoomConfiguration::default(),
        identity: identity.into(),
        name: identity.to_uppercase(),
        metadata: String::new(),
        attributes: Default::default(),
        kind: proto::participant_info::Kind::Standard,
        permission: proto::ParticipantPermission {
            can_publish: true,
            can_subscribe: true,
            can_publish_data: true,
            can_update_metadata: true,
            ..Default::default()
        },
        mode: Mode::Single,
        request: proto::JoinRequest {
            connection_settings: Some(proto::ConnectionSettings { auto_subscribe: true, ..Default::default() }),
            ..Default::default()
        },
        ice_servers: vec![],
        keeps_chat: false,
        create_room: true,
    }
}
