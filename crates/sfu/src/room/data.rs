//! Data packets (text, streams, RPC: all the same to us) and data tracks.

use super::{signal::Reason, *};
use crate::{known, peer::Lane};
use prost::Message as _;
use proto::data_packet::Value;
use std::collections::{BTreeSet, HashSet};

/// A message that is larger is refused: what descriptions say.
pub(super) const MESSAGE: usize = crate::sdp::MESSAGE;
/// What every client takes that says nothing else (RFC 8841, 6.1): a message and the name of its sender.
const TAKEN: usize = 64 << 10;
/// What is kept of reliable packets for one who is about to open the channel.
const EARLY_BYTES: usize = 1 << 20;
/// Chat messages under way of one participant; the oldest makes room.
const CHATS: usize = 32;
/// The topic of chat (livekit-client's `sendText` for chat).
pub const CHAT_TOPIC: &str = "lk.chat";
/// Bytes of a user packet's nonce, and nonces of a room that are remembered.
const NONCE: usize = 16;
const NONCES: usize = 100;
/// Data tracks of one participant.
pub(super) const DATA_TRACKS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct DataState {
    /// Highest `sequence` that came on the reliable lane.
    last_reliable: u32,
    /// Reliable packets that came before the channel was open, oldest first. (Later ones are SCTP's to deliver, over
    /// a resume too: sent once more, they would come twice.)
    early: Vec<Vec<u8>>,
    early_bytes: usize,
    /// Text streams of chat that are not yet complete, by id.
    chats: Vec<String>,
    /// Handles given to this participant for the data tracks it subscribes to, as long as these are published.
    handles: Vec<(u16, String)>,
    last_handle: u16,
}

/// Of the room's last user packets, the oldest first: what is sent again comes once.
#[derive(Debug, Default)]
pub(crate) struct Nonces(VecDeque<[u8; NONCE]>);

impl Nonces {
    /// Whether it has come lately. What is no nonce never has.
    fn knows(&mut self, nonce: &[u8]) -> bool {
        let Ok(nonce) = nonce.try_into() else { return false };
        let known = self.0.contains(&nonce);
        if !known {
            if self.0.len() == NONCES {
                self.0.pop_front();
            }
            self.0.push_back(nonce);
        }
        known
    }
}

#[derive(Debug)]
pub(crate) struct DataTrack {
    pub(crate) publisher: ParticipantKey,
    pub(crate) info: proto::DataTrackInfo,
    subscriptions: Vec<DataSubscription>,
}

/// A subscriber's wish for a data track: it stays while it may not be fulfilled.
#[derive(Debug, Clone, Copy)]
struct DataSubscription {
    subscriber: ParticipantKey,
    handle: u16,
    /// The publisher is against it, as the subscriber was told.
    denied: bool,
    /// Nobody is against it.
    admitted: bool,
}

impl DataState {
    pub(crate) fn last_reliable(&self) -> u32 {
        self.last_reliable
    }

    /// Always the same for a track. `None`: all are given away.
    fn handle_of(&mut self, sid: &str) -> Option<u16> {
        if let Some((handle, _)) = self.handles.iter().find(|(_, of)| of == sid) {
            return Some(*handle);
        }
        let is_free = |handle: &u16| *handle > 0 && !self.handles.iter().any(|(taken, _)| taken == handle);
        // Rather one that has not been in use lately: packets of the track that had it may be on their way.
        let handle = (1..=u16::MAX).map(|n| self.last_handle.wrapping_add(n)).find(is_free)?;
        self.last_handle = handle;
        self.handles.push((handle, sid.to_owned()));
        Some(handle)
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.early_bytes + bytes.len() <= EARLY_BYTES {
            self.early_bytes += bytes.len();
            self.early.push(bytes.to_vec());
        }
    }
}

impl DataState {
    /// Whether the packet is a piece of chat: it comes back, whole, from whoever keeps it.
    fn takes_chat(&mut self, packet: &proto::DataPacket) -> bool {
        match &packet.value {
            Some(Value::StreamHeader(header)) if is_chat(header) => {
                if header.inline_content.is_none() {
                    if self.chats.len() == CHATS {
                        self.chats.remove(0);
                    }
                    self.chats.push(header.stream_id.clone());
                }
                true
            }
            Some(Value::StreamChunk(chunk)) => self.chats.contains(&chunk.stream_id),
            Some(Value::StreamTrailer(trailer)) => {
                let found = self.chats.iter().position(|id| *id == trailer.stream_id);
                found.map(|index| self.chats.remove(index)).is_some()
            }
            Some(Value::ChatMessage(_)) => true,
            _ => false,
        }
    }
}

impl Room {
    pub(crate) fn on_data(&mut self, from: ParticipantKey, lane: Lane, bytes: Vec<u8>, cx: &mut Cx<'_>) {
        let Some(person) = self.people.get_mut(from) else { return };
        if bytes.len() > MESSAGE || !person.permission().can_publish_data {
            return;
        }
        if lane == Lane::DataTrack {
            return self.on_data_track_packet(from, bytes, cx);
        }
        let Ok(mut packet) = proto::DataPacket::decode(&bytes[..]) else { return };
        if lane == Lane::Reliable && packet.sequence > 0 {
            if packet.sequence <= person.data.last_reliable {
                return; // Sent again after a resume; it had come.
            }
            person.data.last_reliable = packet.sequence;
        }
        sign(&mut packet, &person.info);
        if !self.calls.is_empty() && self.takes_answer(from, &packet, cx) {
            return;
        }
        let person = &mut self.people[from];
        match &packet.value {
            Some(Value::Metrics(_)) => return self.relay_metrics(from, lane, &packet, cx),
            // Clients show what it says as said by whom it names.
            Some(Value::Transcription(_)) if !is_agent(&person.info) => return,
            _ => {}
        }
        if person.keeps_chat && person.data.takes_chat(&packet) {
            let connection = person.last_connection;
            return self.tell(EventKind::Chat { connection, packet: Box::new(packet) }, cx);
        }
        self.relay(Some(from), lane, packet, cx);
    }

    /// What a client measures, some every second, is for those alone who may have it and subscribe to its tracks.
    fn relay_metrics(&mut self, from: ParticipantKey, lane: Lane, packet: &proto::DataPacket, cx: &mut Cx<'_>) {
        let may = |p: &Participant| p.permission().can_subscribe_metrics;
        let sees = |p: &Participant| p.subscriptions.iter().any(|s| self.publisher_of(*s) == from);
        let keys: Vec<_> = self.people.iter().filter(|(_, p)| may(p) && sees(p)).map(|(key, _)| key).collect();
        let bytes = packet.encode_to_vec();
        for key in keys {
            self.deliver(key, lane, &bytes, cx);
        }
    }

    /// To all that it is for, but not to whom it is from; once.
    pub(super) fn relay(
        &mut self,
        from: Option<ParticipantKey>,
        lane: Lane,
        packet: proto::DataPacket,
        cx: &mut Cx<'_>,
    ) {
        if let Some(Value::User(user)) = &packet.value
            && self.nonces.knows(&user.nonce)
        {
            return;
        }
        let destinations = destinations(&packet);
        let bytes = packet.encode_to_vec();
        let keys: Vec<_> = match destinations.is_empty() {
            true => self.people.keys().collect(),
            false => self.named(&destinations),
        };
        for key in keys.into_iter().filter(|key| Some(*key) != from) {
            self.deliver(key, lane, &bytes, cx);
        }
    }

    /// By identity, or by session id (older SDKs): each once, and with one look at all, however many names there are.
    fn named(&self, names: &[String]) -> Vec<ParticipantKey> {
        let by_identity = names.iter().filter_map(|name| self.identities.get(name).copied());
        let sids: HashSet<_> = names.iter().filter(|name| name.starts_with(id::PARTICIPANT)).collect();
        let people = (!sids.is_empty()).then(|| self.people.iter()).into_iter().flatten();
        let by_sid = people.filter(|(_, person)| sids.contains(&person.info.sid));
        let found: BTreeSet<_> = by_identity.chain(by_sid.map(|(key, _)| key)).collect();
        found.into_iter().collect()
    }

    pub(super) fn send_to(&mut self, key: ParticipantKey, lane: Lane, packet: &proto::DataPacket, cx: &mut Cx<'_>) {
        self.deliver(key, lane, &packet.encode_to_vec(), cx);
    }

    fn deliver(&mut self, key: ParticipantKey, lane: Lane, bytes: &[u8], cx: &mut Cx<'_>) {
        let Some(person) = self.people.get_mut(key) else { return };
        let target = person.downstream();
        let Some(peer) = person.peer(target) else { return };
        if !peer.is_open(lane) {
            if lane == Lane::Reliable {
                person.data.keep(bytes);
            }
            return;
        }
        if peer.send(lane, bytes) {
            return self.touch(key, target, cx);
        }
        // On the other lanes the next one is newer. On this one what follows would come behind a gap that nobody fills. But what
        // a client need not take says nothing of how it reads.
        if lane == Lane::Reliable && bytes.len() <= TAKEN {
            tracing::info!(identity = %person.info.identity, "too slow a reader of data");
            self.remove(key, proto::DisconnectReason::MediaFailure, cx);
        }
    }

    pub(super) fn on_channel_open(&mut self, at: PeerRef, lane: Lane, cx: &mut Cx<'_>) {
        let Some(person) = self.people.get_mut(at.participant) else { return };
        if lane != Lane::Reliable || at.target != person.downstream() {
            return;
        }
        person.data.early_bytes = 0;
        for bytes in std::mem::take(&mut person.data.early) {
            self.deliver(at.participant, lane, &bytes, cx);
        }
    }

    // --- data tracks ---

    pub(super) fn on_publish_data_track(
        &mut self,
        key: ParticipantKey,
        mut request: proto::PublishDataTrackRequest,
        cx: &mut Cx<'_>,
    ) {
        known::keep_of_data_track(&mut request);
        let own = || self.data_tracks.iter().filter(|t| t.publisher == key);
        let refusal = match () {
            () if !self.people[key].permission().can_publish_data => Some(Reason::NotAllowed),
            () if !(1..=65_535).contains(&request.pub_handle) => Some(Reason::InvalidHandle),
            () if request.name.is_empty() || request.name.len() > 256 => Some(Reason::InvalidName),
            () if own().any(|t| t.info.pub_handle == request.pub_handle) => Some(Reason::DuplicateHandle),
            () if own().any(|t| t.info.name == request.name) => Some(Reason::DuplicateName),
            () if own().count() >= DATA_TRACKS => Some(Reason::LimitExceeded),
            () if request.encoded_len() > publish::ANNOUNCEMENT => Some(Reason::InvalidRequest),
            () => None,
        };
        if let Some(reason) = refusal {
            let response = proto::RequestResponse {
                reason: reason.into(),
                request: Some(proto::request_response::Request::PublishDataTrack(request)),
                ..Default::default()
            };
            return self.say(key, Message::RequestResponse(response), cx);
        }
        let info = proto::DataTrackInfo {
            pub_handle: request.pub_handle,
            sid: id::data_track(),
            name: request.name,
            encryption: request.encryption,
            frame_encoding: request.frame_encoding,
            schema: request.schema,
        };
        self.data_tracks.push(DataTrack { publisher: key, info: info.clone(), subscriptions: vec![] });
        let response = proto::PublishDataTrackResponse { info: Some(info) };
        self.say(key, Message::PublishDataTrackResponse(response), cx);
        self.changed(key, cx);
        let eager: Vec<_> = self
            .people
            .iter()
            .filter(|(k, p)| *k != key && p.settings.auto_subscribe_data_track.unwrap_or(false))
            .map(|(k, _)| k)
            .collect();
        let index = self.data_tracks.len() - 1;
        for subscriber in eager {
            self.subscribe_data(subscriber, index, cx);
        }
    }

    pub(super) fn on_unpublish_data_track(
        &mut self,
        key: ParticipantKey,
        request: &proto::UnpublishDataTrackRequest,
        cx: &mut Cx<'_>,
    ) {
        let found = self.data_tracks.iter().position(|t| t.publisher == key && t.info.pub_handle == request.pub_handle);
        if let Some(index) = found {
            self.unpublish_data(index, cx);
            self.changed(key, cx);
        }
    }

    fn unpublish_data(&mut self, index: usize, cx: &mut Cx<'_>) {
        let track = self.data_tracks.remove(index);
        self.forget_handles(&track.info.sid);
        let response = proto::UnpublishDataTrackResponse { info: Some(track.info) };
        self.say(track.publisher, Message::UnpublishDataTrackResponse(response), cx);
    }

    pub(super) fn unpublish_all_data(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        while let Some(index) = self.data_tracks.iter().position(|t| t.publisher == key) {
            self.unpublish_data(index, cx);
        }
    }

    pub(super) fn drop_data_tracks(&mut self, key: ParticipantKey, _cx: &mut Cx<'_>) {
        let own: Vec<_> = self.data_tracks.extract_if(.., |t| t.publisher == key).collect();
        own.iter().for_each(|track| self.forget_handles(&track.info.sid));
        for track in &mut self.data_tracks {
            track.subscriptions.retain(|s| s.subscriber != key);
        }
    }

    fn forget_handles(&mut self, sid: &str) {
        for person in self.people.values_mut() {
            person.data.handles.retain(|(_, of)| of != sid);
        }
    }

    pub(super) fn on_data_subscription(
        &mut self,
        key: ParticipantKey,
        update: &proto::UpdateDataSubscription,
        cx: &mut Cx<'_>,
    ) {
        // The last wish for each counts, or one message would be answered a hundred thousand times.
        let wishes: HashMap<_, _> = update.updates.iter().map(|wish| (&wish.track_sid, wish.subscribe)).collect();
        for index in 0..self.data_tracks.len() {
            match wishes.get(&self.data_tracks[index].info.sid) {
                Some(true) => self.subscribe_data(key, index, cx),
                Some(false) => self.data_tracks[index].subscriptions.retain(|s| s.subscriber != key),
                None => {}
            }
        }
    }

    fn subscribe_data(&mut self, key: ParticipantKey, index: usize, cx: &mut Cx<'_>) {
        let sid = self.data_tracks[index].info.sid.clone();
        let Some(handle) = self.people[key].data.handle_of(&sid) else { return };
        let subscriptions = &mut self.data_tracks[index].subscriptions;
        let denied = subscriptions.extract_if(.., |s| s.subscriber == key).any(|s| s.denied);
        subscriptions.push(DataSubscription { subscriber: key, handle, denied, admitted: false });
        self.review_data_subscription(index, self.data_tracks[index].subscriptions.len() - 1, cx);
    }

    /// What the participant may do, or lets others do, is new: subscribers get the data tracks that they may have, and no others.
    pub(super) fn review_data(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        for track in 0..self.data_tracks.len() {
            for index in 0..self.data_tracks[track].subscriptions.len() {
                let DataTrack { publisher, subscriptions, .. } = &self.data_tracks[track];
                if [*publisher, subscriptions[index].subscriber].contains(&key) {
                    self.review_data_subscription(track, index, cx);
                }
            }
        }
    }

    fn review_data_subscription(&mut self, track: usize, index: usize, cx: &mut Cx<'_>) {
        let DataTrack { publisher, info, subscriptions } = &self.data_tracks[track];
        let DataSubscription { subscriber, handle, denied, admitted } = subscriptions[index];
        let (publisher, track_sid) = (&self.people[*publisher].info, info.sid.clone());
        let (publisher_sid, publisher_identity) = (publisher.sid.clone(), publisher.identity.clone());
        let may_subscribe = self.people[subscriber].permission().can_subscribe;
        let allowed = self.lets(self.data_tracks[track].publisher, subscriber, &track_sid);
        let subscription = &mut self.data_tracks[track].subscriptions[index];
        subscription.admitted = may_subscribe && allowed;
        if may_subscribe && denied == allowed {
            subscription.denied = !allowed;
            let (participant_sid, track_sid) = (publisher_sid.clone(), track_sid.clone());
            let update = proto::SubscriptionPermissionUpdate { participant_sid, track_sid, allowed };
            self.say(subscriber, Message::SubscriptionPermissionUpdate(update), cx);
        }
        if may_subscribe && allowed && !admitted {
            let published = proto::data_track_subscriber_handles::PublishedDataTrack {
                publisher_identity,
                publisher_sid,
                track_sid,
            };
            let sub_handles = [(u32::from(handle), published)].into_iter().collect();
            let handles = proto::DataTrackSubscriberHandles { sub_handles };
            self.say(subscriber, Message::DataTrackSubscriberHandles(handles), cx);
        }
    }

    /// The handle in the packet (bytes 2 and 3) is the publisher's; each subscriber has its own.
    fn on_data_track_packet(&mut self, from: ParticipantKey, mut bytes: Vec<u8>, cx: &mut Cx<'_>) {
        let Some(&[high, low]) = bytes.get(2..4) else { return };
        let handle = u32::from(u16::from_be_bytes([high, low]));
        let found = self.data_tracks.iter().find(|t| t.publisher == from && t.info.pub_handle == handle);
        let Some(subscriptions) = found.map(|t| t.subscriptions.clone()) else { return };
        for subscription in subscriptions.into_iter().filter(|s| s.admitted) {
            bytes[2..4].copy_from_slice(&subscription.handle.to_be_bytes());
            self.deliver(subscription.subscriber, Lane::DataTrack, &bytes, cx);
        }
    }
}

/// By its kind or by its token.
fn is_agent(sender: &proto::ParticipantInfo) -> bool {
    sender.kind() == participant_info::Kind::Agent || sender.permission.as_ref().is_some_and(|p| p.agent)
}

/// The sender is who sent it, whatever the packet says. (Agents may speak for others.)
fn sign(packet: &mut proto::DataPacket, sender: &proto::ParticipantInfo) {
    let hidden = sender.permission.as_ref().is_some_and(|p| p.hidden);
    if !is_agent(sender) || packet.participant_identity.is_empty() {
        packet.participant_identity = if hidden { String::new() } else { sender.identity.clone() };
    }
    packet.participant_sid = if hidden { String::new() } else { sender.sid.clone() };
    if let Some(Value::User(user)) = &mut packet.value {
        user.participant_identity = packet.participant_identity.clone();
        user.participant_sid = packet.participant_sid.clone();
    }
}

/// Identities, and session ids beside them.
fn destinations(packet: &proto::DataPacket) -> Vec<String> {
    let mut named = packet.destination_identities.clone();
    if let Some(Value::User(user)) = &packet.value {
        if named.is_empty() {
            named.clone_from(&user.destination_identities);
        }
        named.extend_from_slice(&user.destination_sids);
    }
    named
}

/// Whether the stream is a chat message that can be kept: a text without a file beside it, not encrypted.
pub fn is_chat(header: &proto::data_stream::Header) -> bool {
    use proto::data_stream::header::ContentHeader;
    let text = match &header.content_header {
        Some(ContentHeader::TextHeader(text)) => text.attached_stream_ids.is_empty(),
        _ => false,
    };
    text && header.topic == CHAT_TOPIC && header.encryption_type() == proto::encryption::Type::None
}
