//! The document's six operations.

use crate::{
    voice::{ErrorBody, Voice},
    wire,
};
use axum::{extract::State, http::StatusCode};
use convo_domain::{
    error::{Error, Kind},
    meeting::{Participant, act::JoinWish},
    room::RoomRef,
    user::Actor,
};
use convo_kit::{Anyone, Json, Route, Shared, envelope, time::rfc3339};
use std::net::IpAddr;

type Answer<T> = Result<Json<T>, Voice>;

fn room_ref(text: &str) -> Result<RoomRef, Error> {
    RoomRef::parse(text).ok_or_else(Error::meeting_not_found)
}

/// Creates a new meeting room. With a token it belongs to that user, without one to whoever knows its link.
#[utoipa::path(post, operation_id = "guest_create", path = "/api/v1/meetings/create", tag = "livekit-meetings", security((), ("bearer" = [])),
    responses((status = 201, body = wire::Created), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 429, body = ErrorBody),
    (status = 503, body = ErrorBody), (status = 500, body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<Shared>,
    actor: Anyone<Voice>,
) -> Result<(StatusCode, Json<wire::Created>), Voice> {
    let caller = actor.0.as_ref().map(Actor::account).transpose()?;
    let room = app.domain.create_guest_meeting(caller).await.map_err(failed_to_create)?;
    let created = wire::Created {
        meeting_link: format!("{}/meeting/{}", app.frontend_url, room.code),
        meeting_id: room.code,
        created_at: rfc3339(room.created_at),
        livekit_url: app.livekit_url.clone(),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// "Failed to create meeting: [error details]", as documented for a failure of ours.
fn failed_to_create(error: Error) -> Error {
    match error.kind {
        Kind::Internal => Error { message: format!("Failed to create meeting: {}", error.message).into(), ..error },
        _ => error,
    }
}

/// Join an existing meeting room. The path is shared with `platform.md`, so the server routes it here by body.
pub async fn join(
    app: &Shared,
    actor: Option<Actor>,
    address: IpAddr,
    id: &str,
    body: wire::Join,
) -> Result<wire::Joined, Error> {
    let wish = JoinWish {
        display_name: Some(body.user_name.clone()),
        video_enabled: true,
        audio_enabled: true,
        passcode: body.passcode,
    };
    let joined = app.domain.join(actor.as_ref(), address, room_ref(id)?, wish).await.map_err(|error| match error {
        Error { field: Some("display_name"), .. } => {
            Error::invalid("user_name", error.message.replace("display_name", "user_name"))
        }
        other => other,
    })?;
    Ok(wire::Joined {
        participant_id: envelope::participant_id(&joined.participant),
        status: envelope::presence(joined.participant.presence),
        token: joined.token,
        websocket_url: format!("{}/ws/meetings/{}", app.websocket_url(), joined.room.code),
        meeting_id: joined.room.code,
        user_name: joined.participant.display_name,
        livekit_url: app.livekit_url.clone(),
        user_id: joined.participant.identity,
    })
}

/// Get information about a meeting.
#[utoipa::path(get, operation_id = "guest_info", path = "/api/v1/meetings/{meeting_id}/info", tag = "livekit-meetings",
    params(("meeting_id" = String, Path, example = "abc-defg-hij")), responses((status = 200, body = wire::Info),
    (status = 401, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(crate) async fn info(State(app): State<Shared>, _: Anyone<Voice>, id: Route<String, Voice>) -> Answer<wire::Info> {
    let (room, num_participants) = app.domain.meeting_by_code(room_ref(&id.0)?).await?;
    Ok(Json(wire::Info {
        meeting_id: room.code,
        exists: true,
        num_participants,
        created_at: rfc3339(room.created_at),
        max_participants: room.settings.max_participants,
    }))
}

/// Quick check if a meeting exists.
#[utoipa::path(get, operation_id = "guest_exists", path = "/api/v1/meetings/{meeting_id}/exists", tag = "livekit-meetings",
    params(("meeting_id" = String, Path, example = "abc-defg-hij")), responses((status = 200, body = wire::Exists),
    (status = 401, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn exists(
    State(app): State<Shared>,
    _: Anyone<Voice>,
    id: Route<String, Voice>,
) -> Answer<wire::Exists> {
    let found = match room_ref(&id.0) {
        Ok(by) => app.domain.meeting_by_code(by).await,
        Err(error) => Err(error),
    };
    match found {
        Ok((room, _)) => Ok(Json(wire::Exists { exists: true, meeting_id: room.code })),
        Err(Error { kind: Kind::MeetingNotFound, .. }) => Ok(Json(wire::Exists { exists: false, meeting_id: id.0 })),
        Err(error) => Err(error.into()),
    }
}

/// Get all participants in a meeting. Of a meeting that was not made by link, for its members alone.
#[utoipa::path(get, operation_id = "guest_participants", path = "/api/v1/meetings/{meeting_id}/participants", tag = "livekit-meetings",
    security((), ("bearer" = [])), params(("meeting_id" = String, Path, example = "abc-defg-hij")),
    responses((status = 200, body = wire::ParticipantList), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(crate) async fn participants(
    State(app): State<Shared>,
    actor: Anyone<Voice>,
    id: Route<String, Voice>,
) -> Answer<wire::ParticipantList> {
    let (room, present) = app.domain.participants(actor.0.as_ref(), room_ref(&id.0)?).await?;
    let participants: Vec<_> = present.iter().map(view).collect();
    Ok(Json(wire::ParticipantList { meeting_id: room.code, count: participants.len(), participants }))
}

/// Delete a meeting room: a scheduled one is cancelled, a running one ends.
#[utoipa::path(delete, operation_id = "guest_delete", path = "/api/v1/meetings/{meeting_id}", tag = "livekit-meetings",
    security((), ("bearer" = [])), params(("meeting_id" = String, Path, example = "abc-defg-hij")),
    responses((status = 200, body = wire::Deleted), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(crate) async fn delete(
    State(app): State<Shared>,
    actor: Anyone<Voice>,
    id: Route<String, Voice>,
) -> Answer<wire::Deleted> {
    let room = app.domain.delete_meeting(actor.0.as_ref(), room_ref(&id.0)?).await?;
    Ok(Json(wire::Deleted { success: true, message: "Meeting deleted successfully", meeting_id: room.code }))
}

fn view(p: &Participant) -> wire::LiveParticipant {
    // LiveKit's ids are a prefix and twelve characters; the last of the UUID are its random ones.
    let id = p.id.0.simple().to_string();
    wire::LiveParticipant {
        sid: format!("PA_{}", &id[id.len() - 12..]),
        identity: p.identity.clone(),
        name: p.display_name.clone(),
        // Connected, or with the seat kept for a connection on its way.
        state: if p.seat_until.is_none() { "ACTIVE" } else { "JOINED" },
        joined_at: p.joined_at.seconds(),
    }
}
