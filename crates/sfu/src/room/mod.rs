//! One meeting: who is in it, what they publish, who sees what. Everything about a meeting is in one `Room`, so nothing
//! here waits for anything.

#![expect(deprecated, reason = "SDKs of today still read and write the older fields")]

mod allocate;
mod audience;
mod control;
pub(crate) mod data;
mod dynacast;
mod join;
mod link;
mod media;
mod negotiate;
mod publish;
pub(crate) mod relay;
mod rpc;
mod signal;
mod simulate;
mod subscribe;
mod svc;
mod tick;

use crate::{
    config::Config,
    forward::{clock::Clock, speaker::Speakers},
    id,
    io::{ConnectionId, Event, EventKind, Mode, Output},
    outbox::Outbox,
    peer::{Peer, PeerEvent},
    wake::{Demux, Due, ParticipantKey, PeerRef, RoomKey, SubscriptionKey, Target, TrackKey, Wake},
};
use livekit_protocol as proto;
use proto::{participant_info, signal_response::Message};
use slotmap::SlotMap;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

pub(crate) use publish::Track;
pub use publish::meant_source;
pub(crate) use subscribe::Subscription;

/// What a room needs of the machine around it while it handles one thing.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    /// The wall clock, in milliseconds of Unix time.
    pub(crate) unix_ms: i64,
    pub(crate) room: RoomKey,
    pub(crate) config: &'a Config,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) demux: &'a mut Demux,
    pub(crate) wake: &'a mut Wake,
    /// Connections to hang up, and when.
    pub(crate) leaving: &'a mut VecDeque<(Instant, Peer)>,
}

impl Cx<'_> {
    pub(crate) fn say(&mut self, connection: ConnectionId, message: Message) {
        debug_assert_eq!(crate::check::fault(&message), None, "{message:?}");
        let response = Box::new(proto::SignalResponse { message: Some(message) });
        self.out.push_back(Output::Signal { connection, response });
    }
}

#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) info: proto::Room,
    people: SlotMap<ParticipantKey, Participant>,
    identities: HashMap<String, ParticipantKey>,
    tracks: SlotMap<TrackKey, Track>,
    subscriptions: SlotMap<SubscriptionKey, Subscription>,
    data_tracks: Vec<data::DataTrack>,
    nonces: data::Nonces,
    /// RPC of the server's own, under way.
    calls: Vec<rpc::Call>,
    /// Since when nobody is here, but for dependents; and whether anybody ever was.
    empty_since: Option<Instant>,
    ever_joined: bool,
    /// For end-to-end encryption: frames that end so were made by the server (LiveKit's `sif_trailer`).
    sif_trailer: Vec<u8>,
    /// Whose lines changed and want a description.
    renegotiate: Vec<ParticipantKey>,
    speakers: Speakers<ParticipantKey>,
    /// When speakers, and connections, are looked at next.
    listen_at: Instant,
    judge_at: Instant,
    /// When everybody is told the room's numbers, if they changed; and until when they aren't, whatever changes.
    tell_counts_at: Option<Instant>,
    counts_told_until: Instant,
    simulations: simulate::Simulations,
    /// Who is here and in other rooms.
    pairs: relay::Pairs,
}

#[derive(Debug)]
pub(crate) struct Participant {
    /// The signalling connection; `None` while it is lost.
    connection: Option<ConnectionId>,
    /// The one it had last, for events.
    last_connection: ConnectionId,
    /// Without `tracks`, which are made from the room's when asked for.
    info: proto::ParticipantInfo,
    mode: Mode,
    keeps_chat: bool,
    settings: proto::ConnectionSettings,
    /// None of who is here as a copy alone.
    publisher: Option<Peer>,
    /// In `Mode::Dual`, once there was something to say on it.
    subscriber: Option<Peer>,
    pending: Vec<publish::Pending>,
    /// Of its last offer: lines on which it sends what it has not announced.
    early_lines: Vec<crate::sdp::Line>,
    tracks: Vec<TrackKey>,
    /// Which SSRC of the publisher's is which encoding.
    sources: Vec<media::SourceOf>,
    /// The wall clock of its sender reports.
    clock: Clock,
    subscriptions: Vec<SubscriptionKey>,
    slots: Vec<negotiate::Slot>,
    /// An offer of the client was asked for and did not come yet (`Mode::Single`).
    awaits_offer: bool,
    lines: negotiate::Lines,
    /// Our offer that waits for its answer, and whether ICE restarts after it (`Mode::Dual`).
    unanswered: Option<proto::SessionDescription>,
    restarts: bool,
    negotiation_wanted: bool,
    /// Who may subscribe to this participant's tracks.
    audience: Arc<audience::Audience>,
    /// Without a connection: gone for good then.
    resume_until: Option<Instant>,
    /// The client said goodbye: what it sent before is taken until then, and why it goes.
    goodbye: Option<(Instant, proto::DisconnectReason)>,
    last_signal: Instant,
    data: data::DataState,
    downlink: allocate::Downlink,
    link: link::Link,
}

impl Participant {
    /// Without any connection.
    fn bare(info: proto::ParticipantInfo, mode: Mode, now: Instant) -> Self {
        Self {
            connection: None,
            last_connection: ConnectionId::NONE,
            info,
            mode,
            keeps_chat: false,
            settings: proto::ConnectionSettings::default(),
            publisher: None,
            subscriber: None,
            pending: vec![],
            early_lines: vec![],
            tracks: vec![],
            sources: vec![],
            clock: Clock::default(),
            subscriptions: vec![],
            slots: vec![],
            awaits_offer: false,
            lines: negotiate::Lines::default(),
            unanswered: None,
            restarts: false,
            negotiation_wanted: false,
            audience: Arc::new(audience::Audience::everybody()),
            resume_until: None,
            goodbye: None,
            last_signal: now,
            data: data::DataState::default(),
            downlink: allocate::Downlink::default(),
            link: link::Link::default(),
        }
    }

    pub(crate) fn permission(&self) -> &proto::ParticipantPermission {
        self.info.permission.as_ref().expect("set at the join")
    }

    pub(crate) fn peer(&mut self, target: Target) -> Option<&mut Peer> {
        match target {
            Target::Publisher => self.publisher.as_mut(),
            Target::Subscriber => self.subscriber.as_mut(),
        }
    }

    /// On which connection this participant is sent media and data.
    pub(crate) fn downstream(&self) -> Target {
        match self.mode {
            Mode::Single => Target::Publisher,
            Mode::Dual => Target::Subscriber,
        }
    }

    pub(crate) fn hidden(&self) -> bool {
        self.permission().hidden
    }

    fn depends(&self) -> bool {
        depends(self.info.kind(), self.permission())
    }

    fn records(&self) -> bool {
        self.info.kind() == participant_info::Kind::Egress || self.permission().recorder
    }
}

/// Whether one is here on account of the others: an agent or a recorder keeps no room open and takes nobody's place.
pub fn depends(kind: participant_info::Kind, may: &proto::ParticipantPermission) -> bool {
    use participant_info::Kind::{Agent, Egress};
    matches!(kind, Agent | Egress) || may.agent || may.recorder
}

impl Room {
    pub(crate) fn new(
        name: &str,
        wish: &proto::RoomConfiguration,
        config: &Config,
        now: Instant,
        unix_ms: i64,
    ) -> Self {
        let or = |value: u32, default: u32| if value == 0 { default } else { value };
        let info = proto::Room {
            sid: id::room(),
            name: name.to_owned(),
            empty_timeout: or(wish.empty_timeout, config.empty_timeout),
            departure_timeout: or(wish.departure_timeout, config.departure_timeout),
            max_participants: wish.max_participants,
            creation_time: unix_ms / 1000,
            creation_time_ms: unix_ms,
            enabled_codecs: config.codecs.clone(),
            metadata: wish.metadata.clone(),
            ..Default::default()
        };
        Self {
            info,
            people: SlotMap::with_key(),
            identities: HashMap::new(),
            tracks: SlotMap::with_key(),
            subscriptions: SlotMap::with_key(),
            data_tracks: vec![],
            nonces: data::Nonces::default(),
            calls: vec![],
            empty_since: Some(now),
            ever_joined: false,
            sif_trailer: id::random(12).into_bytes(),
            renegotiate: vec![],
            speakers: Speakers::default(),
            listen_at: now,
            judge_at: now,
            tell_counts_at: None,
            counts_told_until: now,
            simulations: simulate::Simulations::default(),
            pairs: relay::Pairs::default(),
        }
    }

    pub(crate) fn has(&self, key: ParticipantKey) -> bool {
        self.people.contains_key(key)
    }

    pub(crate) fn tell(&self, kind: EventKind, cx: &mut Cx<'_>) {
        let room = self.info.clone();
        cx.out.push_back(Output::Event(Box::new(Event { room, kind })));
    }

    // --- what a participant looks like ---

    pub(crate) fn info_of(&self, key: ParticipantKey) -> proto::ParticipantInfo {
        let person = &self.people[key];
        let mut info = person.info.clone();
        info.tracks = person.tracks.iter().map(|track| self.tracks[*track].info.clone()).collect();
        info.data_tracks = self.data_tracks.iter().filter(|t| t.publisher == key).map(|t| t.info.clone()).collect();
        info.is_publisher = !info.tracks.is_empty() || !info.data_tracks.is_empty();
        info
    }

    fn others_of(&self, key: ParticipantKey) -> Vec<proto::ParticipantInfo> {
        self.people.iter().filter(|(k, p)| *k != key && !p.hidden()).map(|(k, _)| self.info_of(k)).collect()
    }

    /// Something about the participant changed: everybody who may see it is told, with a newer version.
    fn changed(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        let Some(person) = self.people.get_mut(key) else { return };
        person.info.version += 1;
        let info = self.info_of(key);
        self.announce(key, &info, cx);
        self.tell_copies(key, cx);
    }

    fn announce(&self, about: ParticipantKey, info: &proto::ParticipantInfo, cx: &mut Cx<'_>) {
        let hidden = info.permission.as_ref().is_some_and(|p| p.hidden);
        for (key, person) in &self.people {
            if let Some(connection) = person.connection.filter(|_| !hidden || key == about) {
                let update = proto::ParticipantUpdate { participants: vec![info.clone()] };
                cx.say(connection, Message::Update(update));
            }
        }
    }

    fn say(&self, key: ParticipantKey, message: Message, cx: &mut Cx<'_>) {
        if let Some(connection) = self.people.get(key).and_then(|p| p.connection) {
            cx.say(connection, message);
        }
    }

    fn say_all(&self, message: Message, cx: &mut Cx<'_>) {
        for person in self.people.values() {
            if let Some(connection) = person.connection {
                cx.say(connection, message.clone());
            }
        }
    }

    fn room_update(&self) -> Message {
        Message::RoomUpdate(proto::RoomUpdate { room: Some(self.info.clone()) })
    }

    fn count(&mut self, now: Instant) {
        let seen = self.people.values().filter(|p| !p.hidden());
        let participants = seen.clone().filter(|p| !p.depends()).count() as u32;
        let publishers = seen.filter(|p| !p.tracks.is_empty()).count() as u32;
        let recorded = self.people.values().any(Participant::records);
        if self.info.active_recording != recorded {
            self.tell_counts_at = Some(now);
        } else if (self.info.num_participants, self.info.num_publishers) != (participants, publishers) {
            self.tell_counts_at.get_or_insert(self.counts_told_until.max(now));
        }
        (self.info.num_participants, self.info.num_publishers) = (participants, publishers);
        self.info.active_recording = recorded;
        let empty = self.people.values().all(Participant::depends);
        self.empty_since = empty.then(|| self.empty_since.unwrap_or(now));
        self.ever_joined |= !empty;
    }

    // --- running the peers ---

    /// Something was queued for the peer, or told to it; it is advanced and drained before time goes on.
    fn touch(&mut self, key: ParticipantKey, target: Target, cx: &mut Cx<'_>) {
        let Some(peer) = self.people.get_mut(key).and_then(|p| p.peer(target)) else { return };
        peer.touched = true;
        if !std::mem::replace(&mut peer.dirty, true) {
            cx.wake.dirty.push(PeerRef { room: cx.room, participant: key, target });
        }
    }

    fn peer(&mut self, at: PeerRef) -> Option<&mut Peer> {
        self.people.get_mut(at.participant)?.peer(at.target)
    }

    pub(crate) fn receive(
        &mut self,
        at: PeerRef,
        datagram: &crate::Datagram<'_>,
        events: &mut Vec<PeerEvent>,
        cx: &mut Cx<'_>,
    ) {
        let Some(peer) = self.peer(at) else { return };
        if crate::rtp::is(datagram.contents) {
            peer.receive_media(cx.now, datagram, events, cx.outbox);
            return self.after_drain(at, events, cx);
        }
        peer.receive(cx.now, datagram);
        peer.drain(events, cx.outbox);
        learn_source(at, peer, cx);
        self.after_drain(at, events, cx);
    }

    pub(crate) fn advance(&mut self, at: PeerRef, events: &mut Vec<PeerEvent>, cx: &mut Cx<'_>) {
        let Some(peer) = self.peer(at) else { return };
        peer.dirty = false;
        if std::mem::take(&mut peer.touched) || peer.is_due(cx.now) {
            peer.advance(cx.now);
            peer.drain(events, cx.outbox);
            learn_source(at, peer, cx);
        }
        peer.tend(cx.now, events, cx.outbox);
        self.after_drain(at, events, cx);
    }

    /// Whether the peer waits for this time of the heap: not if an earlier one came since, and was seen to. One whose time has moved
    /// gets its new one.
    pub(crate) fn waits(&mut self, at: PeerRef, time: Instant, cx: &mut Cx<'_>) -> bool {
        let Some(peer) = self.peer(at).filter(|peer| peer.scheduled == Some(time)) else { return false };
        let waits = peer.deadline() <= time;
        if !waits {
            peer.scheduled = None;
            self.schedule(at, cx);
        }
        waits
    }

    pub(crate) fn on_peer_due(&mut self, at: PeerRef, time: Instant, events: &mut Vec<PeerEvent>, cx: &mut Cx<'_>) {
        if self.waits(at, time, cx)
            && let Some(peer) = self.peer(at)
        {
            peer.scheduled = None;
            self.advance(at, events, cx);
        }
    }

    fn after_drain(&mut self, at: PeerRef, events: &mut Vec<PeerEvent>, cx: &mut Cx<'_>) {
        self.schedule(at, cx);
        for event in events.drain(..) {
            self.on_peer_event(at, event, cx);
        }
        self.negotiate_all(cx);
    }

    /// Puts the peer on the timer heap, unless it is there early enough.
    fn schedule(&mut self, at: PeerRef, cx: &mut Cx<'_>) {
        let Some(peer) = self.peer(at) else { return };
        if let Some(deadline) = peer.schedule(peer.deadline()) {
            cx.wake.at(deadline, Due::Peer(at));
        }
    }

    fn on_peer_event(&mut self, at: PeerRef, event: PeerEvent, cx: &mut Cx<'_>) {
        match event {
            PeerEvent::Packet(packet) => self.on_packet(at.participant, &packet, cx),
            PeerEvent::Data { lane, bytes } => self.on_data(at.participant, lane, bytes, cx),
            PeerEvent::KeyframeRequest(mid) => self.on_keyframe_request(at.participant, mid, cx),
            PeerEvent::Connected => self.on_connected(at, cx),
            PeerEvent::ChannelOpen(lane) => self.on_channel_open(at, lane, cx),
            PeerEvent::Estimate(bitrate) => self.on_estimate(at.participant, bitrate.as_u64(), cx),
            PeerEvent::Gone => self.on_peer_gone(at, cx),
            PeerEvent::Back => self.on_peer_back(at, cx),
            PeerEvent::Stats(stats) => self.on_stats(at, stats),
        }
    }
}

/// Only the ICE agent answers a STUN request, and only one with its password: the address is the client's.
fn learn_source(at: PeerRef, peer: &mut Peer, cx: &mut Cx<'_>) {
    if let Some(answered) = peer.answered.take() {
        cx.demux.learn_source(answered, at);
    }
}
