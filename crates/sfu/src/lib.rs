//! The media brain of Convo: LiveKit's signalling and selective forwarding as one machine without sockets, clocks or
//! threads. It is told the time and everything that happens, and says what to send.
//!
//! **After every `handle` (or a batch of them at one `now`), poll until [`Output::Timeout`].**
//!
//! 1. `handle(now, Input::Datagram)`: the demultiplexer finds the peer, its uplink opens the packet, the track's
//!    subscriptions choose and rewrite it, and the subscribers' downlinks seal it where it will leave from.
//! 2. `poll(now)`: what is due by time, and what peers were told, is done; then all that was said comes out, what is for
//!    one client together, as `Output::Transmit`.
//! 3. `Output::Timeout(at)`: sleep until `at`, or until something comes.
//!
//! What it is not: it checks no tokens (the door has), keeps no history, and knows nothing of Convo's meetings.

mod chance;
mod check;
pub mod config;
mod downlink;
pub mod forward;
pub mod fuzz;
mod id;
pub mod io;
mod known;
mod outbox;
mod peer;
mod room;
mod rtcp;
mod rtp;
mod sdp;
mod srtp;
mod stun;
mod uplink;
mod wake;

pub use config::{Config, LocalAddress};
pub use io::{
    Answer, Ask, AskId, Command, ConnectionId, Datagram, Event, EventKind, Input, Join, Mode, Output, Refusal, Relay,
    Route, Transmit,
};

use livekit_protocol as proto;
use outbox::Outbox;
use peer::{Peer, PeerEvent};
use room::{Cx, Room};
pub use room::{
    data::{CHAT_TOPIC, is_chat},
    depends, meant_source,
};
use slotmap::SlotMap;
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant, UNIX_EPOCH},
};
use wake::{Demux, Due, ParticipantKey, PeerRef, RoomKey, Wake};

/// The protocol version that this crate speaks.
pub const PROTOCOL: i32 = 18;
/// How often the names of connections whose participants are gone are forgotten.
const SWEEP: Duration = Duration::from_secs(5);

/// One worker's rooms and everybody in them.
#[derive(Debug)]
pub struct Sfu {
    config: Config,
    rooms: SlotMap<RoomKey, Room>,
    names: HashMap<String, RoomKey>,
    connections: HashMap<ConnectionId, (RoomKey, ParticipantKey)>,
    demux: Demux,
    wake: Wake,
    /// Connections of who was removed, and when they are hung up; the first first.
    leaving: VecDeque<(Instant, Peer)>,
    out: VecDeque<Output>,
    /// Datagrams are handed out last.
    outbox: Outbox,
    /// A point of the monotonic clock and the wall clock's time at it.
    epoch: (Instant, Duration),
    /// Reused for each drain.
    events: Vec<PeerEvent>,
}

impl Sfu {
    /// An empty machine.
    pub fn new(mut config: Config) -> Self {
        config.server.protocol = PROTOCOL;
        let (start, wall) = config.epoch;
        let unix = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut wake = Wake::default();
        wake.at(start, Due::Sweep);
        Self {
            config,
            rooms: SlotMap::with_key(),
            names: HashMap::new(),
            connections: HashMap::new(),
            demux: Demux::default(),
            wake,
            leaving: VecDeque::new(),
            out: VecDeque::new(),
            outbox: Outbox::default(),
            epoch: (start, unix),
            events: vec![],
        }
    }

    /// Takes one input at `now`, which never goes backwards.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram(datagram) => self.on_datagram(now, &datagram),
            Input::Connect { connection, join } => self.on_connect(now, connection, *join),
            Input::Signal { connection, request } => {
                if let Some(request) = request.message {
                    self.with(now, connection, |room, key, cx| room.on_signal(key, request, cx));
                }
            }
            Input::Disconnect { connection } => {
                // The name stays: commands still reach a participant that may resume.
                self.with(now, connection, |room, key, cx| room.on_disconnect(key, connection, cx));
            }
            Input::Command { connection, command } => {
                self.with(now, connection, |room, key, cx| room.on_command(key, command, cx));
            }
            Input::Ask { id, ask } => {
                self.on_ask(now, id, *ask);
            }
            Input::Relay(relay) => self.on_relay(now, relay),
            Input::Timeout => {}
        }
    }

    /// What there is to say at `now`.
    pub fn poll(&mut self, now: Instant) -> Output {
        loop {
            if let Some(output) = self.out.pop_front() {
                return output;
            }
            if let Some(peer) = self.wake.dirty.pop() {
                self.advance(now, peer);
            } else if let Some((at, due)) = self.wake.pop_due(now) {
                self.on_due(now, at, due);
            } else if let Some(transmit) = self.outbox.pop() {
                return Output::Transmit(transmit);
            } else {
                return Output::Timeout(self.next_due(now).unwrap_or(now + SWEEP));
            }
        }
    }

    /// When something is due next: times of peers that have moved on wake nobody.
    fn next_due(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let (at, due) = self.wake.next()?;
            let Due::Peer(peer) = due else { return Some(at) };
            if self.room(now, peer.room).is_some_and(|(room, mut cx)| room.waits(peer, at, &mut cx)) {
                return Some(at);
            }
            self.wake.pop_due(at);
        }
    }

    fn on_datagram(&mut self, now: Instant, datagram: &Datagram<'_>) {
        let source = (datagram.proto, datagram.source);
        let Some(found) = self.demux.find(source, datagram.contents) else { return };
        let mut events = std::mem::take(&mut self.events);
        if let Some((room, mut cx)) = self.room(now, found.room) {
            room.receive(found, datagram, &mut events, &mut cx);
        }
        self.events = events;
    }

    fn advance(&mut self, now: Instant, peer: PeerRef) {
        let mut events = std::mem::take(&mut self.events);
        if let Some((room, mut cx)) = self.room(now, peer.room) {
            room.advance(peer, &mut events, &mut cx);
        }
        self.events = events;
    }

    fn on_due(&mut self, now: Instant, at: Instant, due: Due) {
        match due {
            Due::Peer(peer) => {
                let mut events = std::mem::take(&mut self.events);
                if let Some((room, mut cx)) = self.room(now, peer.room) {
                    room.on_peer_due(peer, at, &mut events, &mut cx);
                }
                self.events = events;
            }
            Due::Room(key) => {
                let over = self.room(now, key).is_some_and(|(room, mut cx)| room.tick(&mut cx));
                if over {
                    self.close_room(now, key, proto::RoomEndReason::RoomEndIdleTimeout);
                }
            }
            Due::Sweep => {
                self.forget_gone();
                self.wake.at(now + SWEEP, Due::Sweep);
            }
            Due::HangUp => self.hang_up(now),
        }
    }

    /// Says goodbye on the media connections that were left alone for long enough.
    fn hang_up(&mut self, now: Instant) {
        while let Some((_, mut peer)) = self.leaving.pop_front_if(|(at, _)| *at <= now) {
            peer.hang_up(now, &mut self.outbox);
        }
    }

    /// Names of connections whose participants are gone.
    fn forget_gone(&mut self) {
        let rooms = &self.rooms;
        self.connections.retain(|_, (room, person)| rooms.get(*room).is_some_and(|room| room.has(*person)));
    }

    fn on_connect(&mut self, now: Instant, connection: ConnectionId, join: Join) {
        let key = match self.names.get(&join.room) {
            Some(key) => *key,
            None if join.create_room => self.open_room(now, &join.room, &join.room_config),
            None => {
                self.refuse(connection, proto::DisconnectReason::JoinFailure);
                return;
            }
        };
        let Some((room, mut cx)) = self.room(now, key) else { return };
        match room.on_connect(connection, join, &mut cx) {
            Some(participant) => {
                self.connections.retain(|_, place| *place != (key, participant));
                self.connections.insert(connection, (key, participant));
            }
            None => self.out.push_back(Output::Close { connection }),
        }
    }

    fn refuse(&mut self, connection: ConnectionId, reason: proto::DisconnectReason) {
        let leave = proto::LeaveRequest { reason: reason.into(), ..Default::default() };
        let message = Some(proto::signal_response::Message::Leave(leave));
        let response = Box::new(proto::SignalResponse { message });
        self.out.push_back(Output::Signal { connection, response });
        self.out.push_back(Output::Close { connection });
    }

    pub(crate) fn open_room(&mut self, now: Instant, name: &str, wish: &proto::RoomConfiguration) -> RoomKey {
        let unix_ms = self.unix_ms(now);
        let room = Room::new(name, wish, &self.config, now, unix_ms);
        let key = self.rooms.insert(room);
        self.names.insert(name.to_owned(), key);
        self.wake.at(now, Due::Room(key));
        if let Some((room, mut cx)) = self.room(now, key) {
            room.tell(EventKind::RoomStarted, &mut cx);
        }
        key
    }

    pub(crate) fn close_room(&mut self, now: Instant, key: RoomKey, reason: proto::RoomEndReason) {
        if let Some((room, mut cx)) = self.room(now, key) {
            room.close(reason, &mut cx);
        }
        if let Some(room) = self.rooms.remove(key) {
            self.names.remove(&room.info.name);
        }
        self.connections.retain(|_, place| place.0 != key);
    }

    fn with(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        act: impl FnOnce(&mut Room, ParticipantKey, &mut Cx<'_>),
    ) {
        let Some(&(key, participant)) = self.connections.get(&connection) else { return };
        let Some((room, mut cx)) = self.room(now, key) else { return };
        if room.has(participant) {
            act(room, participant, &mut cx);
            room.negotiate_all(&mut cx);
        }
    }

    fn unix_ms(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.epoch.0);
        (self.epoch.1 + since).as_millis() as i64
    }

    pub(crate) fn room(&mut self, now: Instant, key: RoomKey) -> Option<(&mut Room, Cx<'_>)> {
        let unix_ms = self.unix_ms(now);
        let room = self.rooms.get_mut(key)?;
        let cx = Cx {
            now,
            unix_ms,
            room: key,
            config: &self.config,
            out: &mut self.out,
            outbox: &mut self.outbox,
            demux: &mut self.demux,
            wake: &mut self.wake,
            leaving: &mut self.leaving,
        };
        Some((room, cx))
    }
}
