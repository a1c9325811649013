//! Coming, coming back, and going.

use super::{simulate::Break, *};
use crate::{io::Join, known};
use std::time::Duration;

/// What clients are told of pings, in seconds.
const PING_INTERVAL: i32 = 5;
const PING_TIMEOUT: i32 = 15;
/// From this protocol on, a client with one connection opens its data channels on fixed streams.
const NEGOTIATED_CHANNELS: i32 = 18;
/// How long the connections of who was removed are left alone before they are hung up: until the client has read why. Its
/// signalling comes on another way than its media, and a client whose media end first takes that for a failure.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a client that says goodbye is heard, unless its media end before: what it wrote last comes on another way than its
/// goodbye, and may be behind it.
const HEARD_OUT: Duration = Duration::from_millis(500);
/// Who comes in has so long to connect media (LiveKit's join timeout), in milliseconds.
pub(super) const CONNECTING: i64 = 60_000;

impl Room {
    /// Takes the participant in, or back. `None`: refused, and the client was told why.
    pub(crate) fn on_connect(
        &mut self,
        connection: ConnectionId,
        join: Join,
        cx: &mut Cx<'_>,
    ) -> Option<ParticipantKey> {
        if join.request.reconnect {
            return self.on_reconnect(connection, join, cx);
        }
        let known = self.identities.get(&join.identity).copied();
        if known.is_none() && !self.make_place(join.kind, &join.permission, cx) {
            leave(connection, proto::DisconnectReason::JoinFailure, proto::leave_request::Action::Disconnect, cx);
            return None;
        }
        if let Some(old) = known {
            let reason = self.people[old].goodbye.map(|(_, reason)| reason);
            self.remove(old, reason.unwrap_or(proto::DisconnectReason::DuplicateIdentity), cx);
        }
        let key = self.admit(connection, &join, cx);
        self.greet(key, &join, cx);
        let offer = join.request.publisher_offer;
        // One that is too many is told so; those behind it are passed over.
        for request in join.request.add_track_requests.into_iter().take(publish::PENDING + 1) {
            self.on_add_track(key, request, cx);
        }
        if let Some(offer) = offer {
            self.on_offer(key, &offer, cx);
        }
        self.subscribe_to_all(key, cx);
        self.want_negotiation(key);
        self.negotiate_all(cx);
        Some(key)
    }

    fn admit(&mut self, connection: ConnectionId, join: &Join, cx: &mut Cx<'_>) -> ParticipantKey {
        let mut client = join.request.client_info.clone().unwrap_or_default();
        known::keep::<proto::client_info::Capability>(&mut client.capabilities);
        let mut attributes = join.attributes.clone();
        if join.permission.can_update_metadata {
            attributes.extend(join.request.participant_attributes.clone());
        }
        let metadata = match join.request.metadata.is_empty() || !join.permission.can_update_metadata {
            true => join.metadata.clone(),
            false => join.request.metadata.clone(),
        };
        let info = proto::ParticipantInfo {
            sid: id::participant(),
            identity: join.identity.clone(),
            name: join.name.clone(),
            state: proto::participant_info::State::Joined.into(),
            metadata,
            attributes,
            joined_at: cx.unix_ms / 1000,
            joined_at_ms: cx.unix_ms,
            permission: Some(join.permission.clone()),
            kind: join.kind.into(),
            region: cx.config.server.region.clone(),
            client_protocol: client.client_protocol,
            capabilities: client.capabilities,
            ..Default::default()
        };
        let single = join.mode == Mode::Single;
        let config = self.simulations.config_for(&join.identity, cx.config);
        let mut publisher = Peer::new(&config, single, cx.now);
        if single && client.protocol >= NEGOTIATED_CHANNELS {
            publisher.open_channels();
        }
        let person = Participant {
            connection: Some(connection),
            last_connection: connection,
            keeps_chat: join.keeps_chat,
            settings: join.request.connection_settings.unwrap_or_default(),
            publisher: Some(publisher),
            subscriber: (!single).then(|| Peer::new(&config, true, cx.now)),
            ..Participant::bare(info, join.mode, cx.now)
        };
        let key = self.seat(person, cx.now);
        for target in [Target::Publisher, Target::Subscriber] {
            self.learn_ufrag(key, target, cx);
        }
        key
    }

    pub(super) fn seat(&mut self, person: Participant, now: Instant) -> ParticipantKey {
        let identity = person.info.identity.clone();
        let key = self.people.insert(person);
        self.identities.insert(identity, key);
        self.count(now);
        key
    }

    /// Whether one more may come: who said goodbye goes now if their place is wanted.
    pub(super) fn make_place(
        &mut self,
        kind: participant_info::Kind,
        may: &proto::ParticipantPermission,
        cx: &mut Cx<'_>,
    ) -> bool {
        if !self.has_place(kind, may) {
            self.let_go(cx.now + HEARD_OUT, cx);
        }
        self.has_place(kind, may)
    }

    /// Whether one more may come; who is not counted may.
    fn has_place(&self, kind: participant_info::Kind, may: &proto::ParticipantPermission) -> bool {
        let full = self.info.max_participants > 0 && self.info.num_participants >= self.info.max_participants;
        !full || may.hidden || depends(kind, may)
    }

    /// ICE credentials are new: at first, and after a restart.
    pub(super) fn learn_ufrag(&mut self, key: ParticipantKey, target: Target, cx: &mut Cx<'_>) {
        if let Some(peer) = self.people.get_mut(key).and_then(|p| p.peer(target)) {
            cx.demux.learn_ufrag(peer.ufrag(), PeerRef { room: cx.room, participant: key, target });
        }
        self.touch(key, target, cx);
    }

    /// The first thing a client hears, and what the others hear of it.
    fn greet(&mut self, key: ParticipantKey, join: &Join, cx: &mut Cx<'_>) {
        let person = &self.people[key];
        let response = proto::JoinResponse {
            room: Some(self.info.clone()),
            participant: Some(self.info_of(key)),
            other_participants: self.others_of(key),
            server_version: cx.config.server.version.clone(),
            server_info: Some(cx.config.server.clone()),
            server_region: cx.config.server.region.clone(),
            ice_servers: join.ice_servers.clone(),
            subscriber_primary: join.mode == Mode::Dual && person.permission().can_subscribe,
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
            sif_trailer: self.sif_trailer.clone(),
            enabled_publish_codecs: self.codecs_for(join.request.client_info.as_ref()),
            fast_publish: person.permission().can_publish,
            client_configuration: self.simulations.client_configuration(&join.identity),
            ..Default::default()
        };
        self.say(key, Message::Join(response), cx);
        let info = self.info_of(key);
        let hidden = self.people[key].hidden();
        for (other, person) in &self.people {
            if let Some(connection) = person.connection.filter(|_| other != key && !hidden) {
                cx.say(connection, Message::Update(proto::ParticipantUpdate { participants: vec![info.clone()] }));
            }
        }
    }

    /// What the client may publish in: not what it is known to encode badly.
    fn codecs_for(&self, client: Option<&proto::ClientInfo>) -> Vec<proto::Codec> {
        let avoided = client.map(avoided).unwrap_or_default();
        let avoided = |codec: &proto::Codec| avoided.iter().any(|mime| codec.mime.eq_ignore_ascii_case(mime));
        self.info.enabled_codecs.iter().filter(|codec| !avoided(codec)).cloned().collect()
    }

    fn on_reconnect(&mut self, connection: ConnectionId, join: Join, cx: &mut Cx<'_>) -> Option<ParticipantKey> {
        let known = self.identities.get(&join.identity).copied();
        // A copy has no session that could go on.
        let key = known.filter(|key| {
            let person = &self.people[*key];
            person.info.sid == join.request.participant_sid
                && person.goodbye.is_none()
                && self.pairs.copy_of(*key).is_none()
        });
        let Some(key) = key else {
            leave(connection, proto::DisconnectReason::StateMismatch, proto::leave_request::Action::Reconnect, cx);
            return None;
        };
        if self.simulations.breaks_resume(&join.identity, Break::BeforeItsFirstMessage) {
            return None;
        }
        let person = &mut self.people[key];
        if let Some(old) = person.connection.replace(connection) {
            cx.out.push_back(Output::Close { connection: old });
        }
        person.last_connection = connection;
        person.resume_until = None;
        person.last_signal = cx.now;
        person.awaits_offer = false;
        person.lines.forget_asked();
        person.link.inform_again();
        let response = proto::ReconnectResponse {
            ice_servers: join.ice_servers.clone(),
            server_info: Some(cx.config.server.clone()),
            last_message_seq: person.data.last_reliable(),
            ..Default::default()
        };
        self.say(key, Message::Reconnect(response), cx);
        let mut participants = self.others_of(key);
        participants.push(self.info_of(key));
        self.say(key, Message::Update(proto::ParticipantUpdate { participants }), cx);
        self.say(key, self.room_update(), cx);
        self.restart_subscriber(key, cx);
        self.repeat_dynacast(key);
        if let Some(state) = &join.request.sync_state {
            self.on_sync_state(key, state, cx);
        }
        if let Some(offer) = join.request.publisher_offer {
            self.on_offer(key, &offer, cx);
        }
        self.want_negotiation(key);
        self.negotiate_all(cx);
        if self.simulations.breaks_resume(&join.identity, Break::AfterItsFirstMessages) {
            cx.out.push_back(Output::Close { connection });
            self.on_disconnect(key, connection, cx);
        }
        Some(key)
    }

    /// The signalling connection is gone without a word: it may come back.
    pub(crate) fn on_disconnect(&mut self, key: ParticipantKey, connection: ConnectionId, cx: &mut Cx<'_>) {
        let person = &mut self.people[key];
        if person.connection == Some(connection) {
            person.connection = None;
            person.resume_until = Some(cx.now + cx.config.resume_timeout);
        }
    }

    /// Media is connected: the participant is active.
    pub(super) fn on_connected(&mut self, at: PeerRef, cx: &mut Cx<'_>) {
        let key = at.participant;
        let Some(person) = self.people.get_mut(key) else { return };
        let active = i32::from(proto::participant_info::State::Active);
        let first = person.info.state != active;
        if first {
            person.info.state = active;
            let connection = person.last_connection;
            self.changed(key, cx);
            let info = self.info_of(key);
            self.tell(EventKind::ParticipantJoined { connection, info }, cx);
        }
        self.refresh_pictures(key, cx);
    }

    /// ICE or DTLS ended. The client notices it too, and comes back, unless it said goodbye; media to it ends with its silence.
    pub(super) fn on_peer_gone(&mut self, at: PeerRef, cx: &mut Cx<'_>) {
        let Some(person) = self.people.get(at.participant) else { return };
        tracing::debug!(identity = %person.info.identity, target = ?at.target, "media is gone");
        if let Some((_, reason)) = person.goodbye.filter(|_| at.target == Target::Publisher) {
            self.remove(at.participant, reason, cx);
        }
    }

    /// The client goes: for good, or to come again with a new session at once.
    pub(super) fn on_leave(&mut self, key: ParticipantKey, leave: &proto::LeaveRequest, cx: &mut Cx<'_>) {
        let reason = match leave.reason() {
            proto::DisconnectReason::UnknownReason => proto::DisconnectReason::ClientInitiated,
            reason => reason,
        };
        let person = &mut self.people[key];
        match person.publisher.as_ref().is_some_and(Peer::is_connected) {
            true => person.goodbye = person.goodbye.or(Some((cx.now + HEARD_OUT, reason))),
            false => self.remove(key, reason, cx),
        }
    }

    /// Removes those who said goodbye and are not heard longer than until then.
    pub(super) fn let_go(&mut self, by: Instant, cx: &mut Cx<'_>) {
        let goodbye = |person: &Participant| person.goodbye.filter(|(until, _)| *until <= by);
        let going: Vec<_> =
            self.people.iter().filter_map(|(key, person)| goodbye(person).map(|(_, why)| (key, why))).collect();
        for (key, why) in going {
            self.remove(key, why, cx);
        }
    }

    /// The client is heard again: what is sent to it begins anew.
    pub(super) fn on_peer_back(&mut self, at: PeerRef, cx: &mut Cx<'_>) {
        let Some(person) = self.people.get(at.participant).filter(|person| person.downstream() == at.target) else {
            return;
        };
        tracing::debug!(identity = %person.info.identity, "media is back");
        for key in person.subscriptions.clone() {
            let subscription = &mut self.subscriptions[key];
            subscription.retarget(true);
            let track = subscription.track;
            self.wanted_pictures_of(track, cx);
        }
    }

    pub(crate) fn remove(&mut self, key: ParticipantKey, reason: proto::DisconnectReason, cx: &mut Cx<'_>) {
        let Some(person) = self.people.get(key) else { return };
        let last = person.last_connection;
        if let Some(connection) = person.connection {
            leave(connection, reason, proto::leave_request::Action::Disconnect, cx);
        }
        self.end_pairs(key, cx);
        let person = &self.people[key];
        let was_active = person.info.state == i32::from(proto::participant_info::State::Active);
        let mut info = self.info_of(key);
        for track in self.people[key].tracks.clone() {
            self.unpublish(track, cx);
        }
        self.drop_data_tracks(key, cx);
        for subscription in self.people[key].subscriptions.clone() {
            self.drop_subscription(subscription, cx);
        }
        info.tracks.clear();
        info.state = proto::participant_info::State::Disconnected.into();
        info.disconnect_reason = reason.into();
        info.version = self.people[key].info.version + 1;
        if let Some(person) = self.people.remove(key) {
            self.part(key, person, cx);
        }
        self.identities.retain(|_, k| *k != key);
        self.announce(key, &info, cx);
        self.count(cx.now);
        self.tell(
            match was_active {
                true => EventKind::ParticipantLeft { connection: last, info },
                false => EventKind::ParticipantAborted { connection: last, info },
            },
            cx,
        );
    }

    /// Sends what was still to be sent on the media connections, and leaves them to be hung up.
    fn part(&self, key: ParticipantKey, person: Participant, cx: &mut Cx<'_>) {
        let at = cx.now + FAREWELL;
        let peers = [(Target::Publisher, person.publisher), (Target::Subscriber, person.subscriber)];
        for (target, peer) in peers {
            cx.demux.forget(PeerRef { room: cx.room, participant: key, target });
            if let Some(mut peer) = peer {
                peer.advance(cx.now);
                let mut unheard = vec![];
                peer.drain(&mut unheard, cx.outbox);
                peer.tend(cx.now, &mut unheard, cx.outbox);
                cx.leaving.push_back((at, peer));
            }
        }
        cx.wake.at(at, Due::HangUp);
    }

    pub(crate) fn close(&mut self, reason: proto::RoomEndReason, cx: &mut Cx<'_>) {
        let why = match reason {
            proto::RoomEndReason::RoomEndIdleTimeout => proto::DisconnectReason::RoomClosed,
            _ => proto::DisconnectReason::RoomDeleted,
        };
        for key in self.people.keys().collect::<Vec<_>>() {
            self.remove(key, why, cx);
        }
        self.give_up_calls(cx);
        self.tell(EventKind::RoomFinished(reason), cx);
    }

    /// Whether the room has been empty for its time.
    pub(super) fn expired(&self, now: Instant) -> bool {
        let timeout = if self.ever_joined { self.info.departure_timeout } else { self.info.empty_timeout };
        self.empty_since.is_some_and(|since| now >= since + Duration::from_secs(timeout.into()))
    }
}

/// LiveKit's list of codecs that some clients are told not to publish in.
fn avoided(client: &proto::ClientInfo) -> Vec<&'static str> {
    let lower = |text: &str| text.to_lowercase();
    let (browser, os, device) = (lower(&client.browser), lower(&client.os), lower(&client.device_model));
    let version: Vec<u32> = client.browser_version.split('.').map_while(|number| number.parse().ok()).collect();
    match &browser[..] {
        "safari" if version > vec![18, 3] => vec!["video/AV1", "video/VP9"],
        "safari" => vec!["video/AV1"],
        "firefox" | "firefox mobile" if matches!(&os[..], "linux" | "android") => vec!["video/H264"],
        _ if device == "xiaomi 2201117ti" && os == "android" => vec!["video/H264"],
        _ => vec![],
    }
}

pub(super) fn leave(
    connection: ConnectionId,
    reason: proto::DisconnectReason,
    action: proto::leave_request::Action,
    cx: &mut Cx<'_>,
) {
    let can_reconnect = action != proto::leave_request::Action::Disconnect;
    let leave =
        proto::LeaveRequest { can_reconnect, reason: reason.into(), action: action.into(), ..Default::default() };
    cx.say(connection, Message::Leave(leave));
    cx.out.push_back(Output::Close { connection });
}
