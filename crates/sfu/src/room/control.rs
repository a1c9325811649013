//! What a server may ask of a room: LiveKit's RoomService, from inside.

use super::{relay::Relay, *};
use crate::{
    Sfu,
    io::{Answer, Ask, AskId, Refusal},
    peer::Lane,
};
use prost::Message as _;
use std::collections::HashSet;

type Answered = Result<Answer, Refusal>;

const NO_ROOM: Refusal = Refusal::NotFound("requested room does not exist");
const NO_PARTICIPANT: Refusal = Refusal::NotFound("participant does not exist");
const NO_TRACK: Refusal = Refusal::NotFound("track is not found");

impl Sfu {
    pub(crate) fn on_ask(&mut self, now: Instant, id: AskId, ask: Ask) {
        let answer = match ask {
            Ask::PerformRpc(request) => match self.perform_rpc(now, id, request) {
                Ok(()) => return, // The participant answers.
                Err(refusal) => Err(refusal),
            },
            Ask::ForwardParticipant(request) => match self.forward_participant(now, id, &request) {
                Ok(()) => return, // The other room answers.
                Err(refusal) => Err(refusal),
            },
            ask => self.answer(now, ask),
        };
        self.out.push_back(Output::Answer { id, answer });
    }

    fn perform_rpc(&mut self, now: Instant, id: AskId, request: proto::PerformRpcRequest) -> Result<(), Refusal> {
        let key = *self.names.get(&request.room).ok_or(NO_ROOM)?;
        let (room, mut cx) = self.room(now, key).ok_or(NO_ROOM)?;
        room.perform_rpc(id, request, &mut cx)
    }

    fn forward_participant(
        &mut self,
        now: Instant,
        id: AskId,
        request: &proto::ForwardParticipantRequest,
    ) -> Result<(), Refusal> {
        let key = *self.names.get(&request.room).ok_or(NO_ROOM)?;
        let (room, mut cx) = self.room(now, key).ok_or(NO_ROOM)?;
        let key = *room.identities.get(&request.identity).ok_or(NO_PARTICIPANT)?;
        room.begin_forward(id, key, &request.destination_room, &mut cx)
    }

    /// From another room of this machine or of another.
    pub(crate) fn on_relay(&mut self, now: Instant, relay: Relay) {
        let key = match self.names.get(relay.room()) {
            Some(key) => *key,
            None if relay.begins() => self.open_room(now, relay.room(), &proto::RoomConfiguration::default()),
            None => return self.out.extend(relay.over()),
        };
        let Some((room, mut cx)) = self.room(now, key) else { return };
        room.on_relay(relay, &mut cx);
        room.negotiate_all(&mut cx);
    }

    fn answer(&mut self, now: Instant, ask: Ask) -> Answered {
        match ask {
            Ask::CreateRoom(request) => self.create_room(now, request),
            Ask::ListRooms(request) => Ok(Answer::Rooms(self.list_rooms(&request.names))),
            Ask::DeleteRoom(request) => {
                let key = *self.names.get(&request.room).ok_or(NO_ROOM)?;
                self.close_room(now, key, proto::RoomEndReason::RoomEndApiDelete);
                Ok(Answer::Done)
            }
            Ask::ListParticipants(r) => self.within(now, &r.room, |room, _| {
                Ok(Answer::Participants(room.people.keys().map(|key| room.info_of(key)).collect()))
            }),
            Ask::GetParticipant(r) => self
                .person(now, &r.room, &r.identity, |room, key, _| Ok(Answer::Participant(Box::new(room.info_of(key))))),
            Ask::RemoveParticipant(r) => self.person(now, &r.room, &r.identity, |room, key, cx| {
                room.remove(key, proto::DisconnectReason::ParticipantRemoved, cx);
                Ok(Answer::Done)
            }),
            Ask::MutePublishedTrack(r) => self
                .person(now, &r.room, &r.identity, |room, key, cx| room.mute_published(key, &r.track_sid, r.muted, cx)),
            Ask::UpdateParticipant(r) => {
                let (room, identity) = (r.room.clone(), r.identity.clone());
                self.person(now, &room, &identity, |room, key, cx| room.update_participant(key, r, cx))
            }
            Ask::UpdateSubscriptions(r) => self.person(now, &r.room, &r.identity, |room, key, cx| {
                let (track_sids, subscribe) = (r.track_sids.clone(), r.subscribe);
                let request = proto::UpdateSubscription {
                    track_sids,
                    subscribe,
                    participant_tracks: r.participant_tracks.clone(),
                };
                room.on_subscription(key, &request, cx);
                Ok(Answer::Done)
            }),
            Ask::SendData(r) => {
                let name = r.room.clone();
                self.within(now, &name, |room, cx| room.send_data(r, cx))
            }
            Ask::UpdateRoomMetadata(r) => self.within(now, &r.room, |room, cx| {
                room.info.metadata = r.metadata.clone();
                room.say_all(room.room_update(), cx);
                Ok(Answer::Room(Box::new(room.info.clone())))
            }),
            Ask::Move { request, token } => self.person(now, &request.room, &request.identity, |room, key, cx| {
                if room.people[key].publisher.is_none() {
                    return Err(relay::A_COPY);
                }
                room.send_elsewhere(key, &request.destination_room, token.clone(), cx);
                Ok(Answer::Done)
            }),
            Ask::MoveParticipant(_) => Err(Refusal::FailedPrecondition("needs a token for the other room")),
            Ask::PerformRpc(_) | Ask::ForwardParticipant(_) => Err(Refusal::FailedPrecondition("is answered later")),
            Ask::Drain => {
                self.drain(now);
                Ok(Answer::Done)
            }
        }
    }

    fn create_room(&mut self, now: Instant, request: proto::CreateRoomRequest) -> Answered {
        if request.name.is_empty() {
            return Err(Refusal::InvalidArgument("room name is required"));
        }
        let key = match self.names.get(&request.name) {
            Some(key) => *key,
            None => {
                let wish = proto::RoomConfiguration {
                    empty_timeout: request.empty_timeout,
                    departure_timeout: request.departure_timeout,
                    max_participants: request.max_participants,
                    metadata: request.metadata,
                    ..Default::default()
                };
                self.open_room(now, &request.name, &wish)
            }
        };
        Ok(Answer::Room(Box::new(self.rooms[key].info.clone())))
    }

    fn list_rooms(&self, names: &[String]) -> Vec<proto::Room> {
        let wanted = |room: &&Room| names.is_empty() || names.contains(&room.info.name);
        self.rooms.values().filter(wanted).map(|room| room.info.clone()).collect()
    }

    fn within(&mut self, now: Instant, name: &str, act: impl FnOnce(&mut Room, &mut Cx<'_>) -> Answered) -> Answered {
        let key = *self.names.get(name).ok_or(NO_ROOM)?;
        let (room, mut cx) = self.room(now, key).ok_or(NO_ROOM)?;
        let answer = act(room, &mut cx);
        room.negotiate_all(&mut cx);
        answer
    }

    fn person(
        &mut self,
        now: Instant,
        room: &str,
        identity: &str,
        act: impl FnOnce(&mut Room, ParticipantKey, &mut Cx<'_>) -> Answered,
    ) -> Answered {
        self.within(now, room, |room, cx| {
            let key = *room.identities.get(identity).ok_or(NO_PARTICIPANT)?;
            act(room, key, cx)
        })
    }

    /// Everybody comes again with a new session: to another server, or to this one after its restart.
    fn drain(&mut self, now: Instant) {
        for key in self.rooms.keys().collect::<Vec<_>>() {
            if let Some((room, mut cx)) = self.room(now, key) {
                for person in room.people.values() {
                    if let Some(connection) = person.connection {
                        let reason = proto::DisconnectReason::ServerShutdown;
                        super::join::leave(connection, reason, proto::leave_request::Action::Reconnect, &mut cx);
                    }
                }
            }
        }
    }
}

impl Room {
    fn mute_published(&mut self, key: ParticipantKey, sid: &str, muted: bool, cx: &mut Cx<'_>) -> Answered {
        let own = self.people[key].tracks.iter().copied().find(|t| self.tracks[*t].info.sid == sid);
        let track = own.ok_or(NO_TRACK)?;
        if !muted && !cx.config.remote_unmute {
            return Err(Refusal::FailedPrecondition("remote unmute not enabled"));
        }
        self.mute_by_server(track, muted, cx);
        Ok(Answer::Track(Box::new(self.tracks[track].info.clone())))
    }

    fn update_participant(
        &mut self,
        key: ParticipantKey,
        r: proto::UpdateParticipantRequest,
        cx: &mut Cx<'_>,
    ) -> Answered {
        self.limits(key, &r.name, &r.metadata, &r.attributes).map_err(Refusal::InvalidArgument)?;
        if let Some(permission) = r.permission {
            self.permit(key, permission, cx);
        }
        self.update_details(key, r.name, r.metadata, r.attributes, cx);
        Ok(Answer::Participant(Box::new(self.info_of(key))))
    }

    /// The client comes again, with a new session, in the other room, for which it gets the token.
    fn send_elsewhere(&mut self, key: ParticipantKey, name: &str, token: String, cx: &mut Cx<'_>) {
        let room = proto::Room { sid: id::room(), name: name.to_owned(), ..Default::default() };
        let participant = Some(self.info_of(key));
        let moved = proto::RoomMovedResponse { room: Some(room), token, participant, ..Default::default() };
        self.say(key, Message::RoomMoved(moved), cx);
        if let Some(connection) = self.people[key].connection.take() {
            let reason = proto::DisconnectReason::Migration;
            super::join::leave(connection, reason, proto::leave_request::Action::Reconnect, cx);
        }
        self.remove(key, proto::DisconnectReason::Migration, cx);
    }

    fn send_data(&mut self, r: proto::SendDataRequest, cx: &mut Cx<'_>) -> Answered {
        let reliable = r.kind() == proto::data_packet::Kind::Reliable;
        let lane = if reliable { Lane::Reliable } else { Lane::Lossy };
        let user = proto::UserPacket {
            payload: r.data,
            topic: r.topic,
            nonce: r.nonce,
            destination_sids: r.destination_sids,
            destination_identities: r.destination_identities.clone(),
            ..Default::default()
        };
        let packet = proto::DataPacket {
            destination_identities: r.destination_identities,
            value: Some(proto::data_packet::Value::User(user)),
            ..Default::default()
        };
        if packet.encoded_len() > super::data::MESSAGE {
            return Err(Refusal::InvalidArgument("data is too large"));
        }
        self.relay(None, lane, packet, cx);
        Ok(Answer::Done)
    }

    /// The client tells what it had, after a resume.
    pub(super) fn on_sync_state(&mut self, key: ParticipantKey, state: &proto::SyncState, cx: &mut Cx<'_>) {
        if !self.knows_published(key, state) {
            return self.begin_anew(key, cx);
        }
        if let Some(subscription) = state.subscription.as_ref().filter(|s| !s.track_sids.is_empty()) {
            self.on_subscription(key, subscription, cx);
        }
        // What is not named stays as it was: native SDKs name nothing.
        let named: HashSet<&String> = state.track_sids_disabled.iter().collect();
        for subscription in &self.people[key].subscriptions {
            let s = &mut self.subscriptions[*subscription];
            if named.contains(&self.tracks[s.track].info.sid) {
                s.disabled = true;
                s.retarget(false);
            }
        }
        self.refresh_pictures(key, cx);
    }

    /// Whether all that the client publishes is published here, or announced.
    fn knows_published(&self, key: ParticipantKey, state: &proto::SyncState) -> bool {
        let person = &self.people[key];
        let pending = person.pending.iter().map(|pending| pending.sid());
        let tracks: HashSet<_> = person.tracks.iter().map(|t| &*self.tracks[*t].info.sid).chain(pending).collect();
        let data = |sid: &str| self.data_tracks.iter().any(|t| t.publisher == key && t.info.sid == sid);
        let known = |track: &proto::TrackPublishedResponse| {
            track.track.as_ref().is_some_and(|info| tracks.contains(info.sid.as_str()))
        };
        let data_known =
            |track: &proto::PublishDataTrackResponse| track.info.as_ref().is_some_and(|info| data(&info.sid));
        state.publish_tracks.iter().all(known) && state.publish_data_tracks.iter().all(data_known)
    }

    /// It would go on with what was taken from it while it was away: it comes again, with a new session.
    fn begin_anew(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        let Some(connection) = self.people[key].connection else { return };
        let reason = proto::DisconnectReason::StateMismatch;
        super::join::leave(connection, reason, proto::leave_request::Action::Reconnect, cx);
        self.on_disconnect(key, connection, cx);
    }
}
