//! `livekit.RoomService`. The media machine answers; what changes one of Convo's meetings goes through the domain.

use super::{Answer, Call, Code, Fault, call::granted, no_route};
use crate::{
    Doors,
    admit::{ROOM_CHARS, assists},
    token,
};
use convo_domain::{
    error::Kind,
    id::RoomId,
    limit::IDENTITY_CHARS,
    meeting::{control::SelfChange, rules::shown},
    room::Room,
};
use convo_sfu::{Answer as Said, Ask, Refusal};
use livekit_protocol as proto;
use std::collections::HashMap;

/// Bytes of metadata, and of all attributes together.
const METADATA: usize = 512 * 1024;
const ATTRIBUTES: usize = 64 * 1024;
/// Bytes of a `SendData` nonce, if there is one.
const NONCE: usize = 16;

pub(super) async fn serve(doors: &Doors, call: &Call, method: &str) -> Answer {
    match method {
        "CreateRoom" => create(doors, call).await,
        "ListRooms" => list(doors, call).await,
        "DeleteRoom" => delete(doors, call).await,
        "UpdateRoomMetadata" => update_metadata(doors, call).await,
        "ListParticipants" => list_participants(doors, call).await,
        "GetParticipant" => get_participant(doors, call).await,
        "RemoveParticipant" => remove_participant(doors, call).await,
        "UpdateParticipant" => update_participant(doors, call).await,
        "MutePublishedTrack" => mute(doors, call).await,
        "UpdateSubscriptions" => update_subscriptions(doors, call).await,
        "SendData" => send_data(doors, call).await,
        "PerformRpc" => perform_rpc(doors, call).await,
        "ForwardParticipant" => forward(doors, call).await,
        "MoveParticipant" => move_on(doors, call).await,
        _ => Err(no_route("livekit.RoomService", method)),
    }
}

async fn create(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::CreateRoomRequest = call.read()?;
    granted(call.claims.video.room_create)?;
    if ask.name.is_empty() || ask.name.chars().count() > ROOM_CHARS {
        return Err(Fault::invalid("name", "must have 1 to 256 characters"));
    }
    metadata(&ask.metadata)?;
    for agent in &ask.agents {
        check_dispatch(&agent.metadata, &agent.attributes)?;
    }
    if ask.egress.is_some() {
        return Err(Fault::new(Code::Unimplemented, "egress is not part of this server"));
    }
    ask.name = doors.media_name(ask.name).await?;
    doors.agents.dispatches.plan(&ask.name, &ask.agents);
    room(call, doors.media.ask(Ask::CreateRoom(ask)).await?)
}

async fn list(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::ListRoomsRequest = call.read()?;
    granted(call.claims.video.room_list)?;
    for name in &mut ask.names {
        *name = doors.media_name(std::mem::take(name)).await?;
    }
    match doors.media.ask(Ask::ListRooms(ask)).await? {
        Said::Rooms(rooms) => call.write(&proto::ListRoomsResponse { rooms }),
        Said::Done => call.write(&proto::ListRoomsResponse::default()),
        other => Err(unexpected(&other)),
    }
}

async fn delete(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::DeleteRoomRequest = call.read()?;
    granted(call.claims.video.room_create)?;
    ask.room = doors.media_name(ask.room).await?;
    let meeting = match doors.meeting(&ask.room).await? {
        Some(meeting) => doors.app.domain.close_meeting(meeting.id).await?,
        None => false,
    };
    match doors.media.ask(Ask::DeleteRoom(ask)).await {
        // The meeting was one that nobody's media was in.
        Err(Refusal::NotFound(_)) if meeting => {}
        other => drop(other?),
    }
    call.write(&proto::DeleteRoomResponse {})
}

async fn update_metadata(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::UpdateRoomMetadataRequest = call.read()?;
    call.admin(&ask.room)?;
    metadata(&ask.metadata)?;
    ask.room = doors.media_name(ask.room).await?;
    room(call, doors.media.ask(Ask::UpdateRoomMetadata(ask)).await?)
}

async fn list_participants(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::ListParticipantsRequest = call.read()?;
    call.admin(&ask.room)?;
    ask.room = doors.media_name(ask.room).await?;
    match doors.media.ask(Ask::ListParticipants(ask)).await {
        Ok(Said::Participants(participants)) => call.write(&proto::ListParticipantsResponse { participants }),
        Ok(other) => Err(unexpected(&other)),
        // In a room that is not there is nobody.
        Err(Refusal::NotFound(_)) => call.write(&proto::ListParticipantsResponse::default()),
        Err(refusal) => Err(refusal.into()),
    }
}

async fn get_participant(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::RoomParticipantIdentity = call.read()?;
    call.admin(&ask.room)?;
    ask.room = doors.media_name(ask.room).await?;
    participant(call, doors.media.ask(Ask::GetParticipant(ask)).await?)
}

async fn remove_participant(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::RoomParticipantIdentity = call.read()?;
    call.admin(&ask.room)?;
    ask.room = doors.media_name(ask.room).await?;
    let expelled = match doors.meeting(&ask.room).await? {
        Some(meeting) => doors.app.domain.expel(meeting.id, &ask.identity).await?,
        None => false,
    };
    match doors.media.ask(Ask::RemoveParticipant(ask)).await {
        // Out of the meeting, and its media with it, or not yet connected.
        Err(Refusal::NotFound(_)) if expelled => {}
        other => drop(other?),
    }
    call.write(&proto::RemoveParticipantResponse {})
}

async fn update_participant(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::UpdateParticipantRequest = call.read()?;
    call.admin(&ask.room)?;
    if ask.name.chars().count() > IDENTITY_CHARS {
        return Err(Fault::invalid("name", "must have at most 256 characters"));
    }
    metadata(&ask.metadata)?;
    attributes(&ask.attributes)?;
    ask.permission.iter_mut().for_each(token::keep_known_sources);
    ask.room = doors.media_name(ask.room).await?;
    let (room, identity, name) = (ask.room.clone(), ask.identity.clone(), ask.name.clone());
    let said = doors.media.ask(Ask::UpdateParticipant(ask)).await?;
    if !name.is_empty()
        && let Some(meeting) = doors.meeting(&room).await?
    {
        doors.rename(&meeting, &identity, &name).await?;
    }
    participant(call, said)
}

async fn mute(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::MuteRoomTrackRequest = call.read()?;
    call.admin(&ask.room)?;
    ask.room = doors.media_name(ask.room).await?;
    match doors.media.ask(Ask::MutePublishedTrack(ask)).await? {
        Said::Track(track) => call.write(&proto::MuteRoomTrackResponse { track: Some(*track) }),
        other => Err(unexpected(&other)),
    }
}

async fn update_subscriptions(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::UpdateSubscriptionsRequest = call.read()?;
    call.admin(&ask.room)?;
    ask.room = doors.media_name(ask.room).await?;
    doors.media.ask(Ask::UpdateSubscriptions(ask)).await?;
    call.write(&proto::UpdateSubscriptionsResponse {})
}

async fn send_data(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::SendDataRequest = call.read()?;
    call.admin(&ask.room)?;
    if !matches!(ask.nonce.len(), 0 | NONCE) {
        return Err(Fault::invalid("nonce", "must have 16 bytes, or none"));
    }
    ask.room = doors.media_name(ask.room).await?;
    doors.media.ask(Ask::SendData(ask)).await?;
    call.write(&proto::SendDataResponse {})
}

async fn perform_rpc(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::PerformRpcRequest = call.read()?;
    call.admin(&ask.room)?;
    if ask.destination_identity.is_empty() {
        return Err(Fault::invalid("destination_identity", "is required"));
    }
    ask.room = doors.media_name(ask.room).await?;
    match doors.media.ask(Ask::PerformRpc(ask)).await? {
        Said::Rpc(payload) => call.write(&proto::PerformRpcResponse { payload }),
        other => Err(unexpected(&other)),
    }
}

async fn forward(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::ForwardParticipantRequest = call.read()?;
    call.mover(&ask.room, &ask.destination_room)?;
    ask.room = doors.media_name(ask.room).await?;
    ask.destination_room = doors.media_name(ask.destination_room).await?;
    let whom = doors.participant(&ask.room, &ask.identity).await?;
    may_enter(doors, &ask.destination_room, &whom).await?;
    doors.media.ask(Ask::ForwardParticipant(ask)).await?;
    call.write(&proto::ForwardParticipantResponse {})
}

/// The client gets a token for the other room and goes there by itself: it may be on another worker.
async fn move_on(doors: &Doors, call: &Call) -> Answer {
    let mut ask: proto::MoveParticipantRequest = call.read()?;
    call.mover(&ask.room, &ask.destination_room)?;
    ask.room = doors.media_name(ask.room).await?;
    ask.destination_room = doors.media_name(ask.destination_room).await?;
    let mover = doors.participant(&ask.room, &ask.identity).await?;
    may_enter(doors, &ask.destination_room, &mover).await?;
    let now = doors.app.domain.now().seconds();
    let token = doors.keys.sign(&token::passage(&mover, &ask.destination_room, now));
    doors.media.ask(Ask::Move { request: ask, token }).await?;
    call.write(&proto::MoveParticipantResponse {})
}

/// The operator answers for them; but who was removed from a meeting stays out.
async fn may_enter(doors: &Doors, room: &str, who: &proto::ParticipantInfo) -> Result<(), Fault> {
    match doors.meeting(room).await? {
        Some(meeting) => Ok(doors.app.domain.may_vouch(meeting.id, &who.identity, assists(who)).await?),
        None => Ok(()),
    }
}

impl Doors {
    /// Who has the identity in the media room.
    async fn participant(&self, room: &str, identity: &str) -> Result<Box<proto::ParticipantInfo>, Fault> {
        let whom =
            proto::RoomParticipantIdentity { room: room.into(), identity: identity.into(), ..Default::default() };
        match self.media.ask(Ask::GetParticipant(whom)).await? {
            Said::Participant(who) => Ok(who),
            other => Err(unexpected(&other)),
        }
    }

    /// A meeting's media room has its code for a name; its id names it too.
    pub(crate) async fn media_name(&self, name: String) -> Result<String, Fault> {
        match RoomId::parse(&name) {
            Some(_) => Ok(self.meeting(&name).await?.map_or(name, |room| room.code)),
            None => Ok(name),
        }
    }

    async fn rename(&self, meeting: &Room, identity: &str, name: &str) -> Result<(), Fault> {
        let domain = &self.app.domain;
        let Some(known) = domain.participant_named(meeting.id, identity).await? else { return Ok(()) };
        // What a meeting would refuse stands in the media room by now.
        let name = shown(name, identity);
        let change = SelfChange { display_name: Some(name), ..SelfChange::default() };
        match domain.update_self(meeting.id, known.id, change).await {
            // Not there any more: nothing shows the name.
            Err(error) if error.kind == Kind::Forbidden => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }
}

fn room(call: &Call, said: Said) -> Answer {
    match said {
        Said::Room(room) => call.write(&*room),
        other => Err(unexpected(&other)),
    }
}

fn participant(call: &Call, said: Said) -> Answer {
    match said {
        Said::Participant(participant) => call.write(&*participant),
        other => Err(unexpected(&other)),
    }
}

/// The machine answered another question.
fn unexpected(said: &Said) -> Fault {
    tracing::error!(?said, "the media machine answered something else than it was asked");
    Fault::new(Code::Internal, "the media machine answered something else")
}

/// The limits of what a dispatch carries, and of what is said of a participant.
pub(crate) fn check_dispatch(text: &str, pairs: &HashMap<String, String>) -> Result<(), Fault> {
    metadata(text)?;
    attributes(pairs)
}

fn metadata(text: &str) -> Result<(), Fault> {
    match text.len() > METADATA {
        true => Err(Fault::invalid("metadata", "must have at most 512 KiB")),
        false => Ok(()),
    }
}

fn attributes(attributes: &HashMap<String, String>) -> Result<(), Fault> {
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    match bytes > ATTRIBUTES {
        true => Err(Fault::invalid("attributes", "must have at most 64 KiB")),
        false => Ok(()),
    }
}
