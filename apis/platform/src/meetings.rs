//! "Meeting Management Endpoints".

use crate::{
    map,
    voice::{ErrorBody, Voice},
    wire,
};
use axum::{extract::State, http::StatusCode};
use convo_domain::{
    error::Error, id::ParticipantId, meeting::act::JoinWish, page::Window, room::store::MeetingFilter, user::Actor,
};
use convo_kit::{Body, Caller, Json, Params, Route, Shared, Signed, time};
use std::net::IpAddr;

type Answer<T> = Result<Json<T>, Voice>;

/// Create a new meeting.
#[utoipa::path(post, operation_id = "platform_create", path = "/api/v1/meetings", tag = "platform: meetings", security(("bearer" = [])),
    request_body = wire::MeetingCreate, responses((status = 201, body = wire::Meeting),
    (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    body: Body<wire::MeetingCreate, Voice>,
) -> Result<(StatusCode, Json<wire::Meeting>), Voice> {
    let room = app.domain.create_meeting(caller.0, map::meeting_wish(body.into_inner())?).await?;
    Ok((StatusCode::CREATED, Json(map::meeting(&app, room, true))))
}

/// Get meeting details.
#[utoipa::path(get, operation_id = "platform_get", path = "/api/v1/meetings/{meeting_id}", tag = "platform: meetings", security(("bearer" = [])),
    params(("meeting_id" = String, Path, description = "Prefixed id, UUID or code", example = "123-456-789")),
    responses((status = 200, body = wire::MeetingDetails), (status = 401, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    id: Route<String, Voice>,
) -> Answer<wire::MeetingDetails> {
    let view = app.domain.meeting(caller.0, map::room_ref(&id.0)?).await?;
    Ok(Json(map::details(&app, view)))
}

/// List user's meetings with pagination and filtering, newest first.
#[utoipa::path(get, operation_id = "platform_list", path = "/api/v1/meetings", tag = "platform: meetings", security(("bearer" = [])),
    params(wire::MeetingQuery), responses((status = 200, body = wire::MeetingList), (status = 401, body = ErrorBody),
    (status = 422, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    query: Params<wire::MeetingQuery, Voice>,
) -> Answer<wire::MeetingList> {
    let query = query.0;
    let window = Window::new(query.page, query.limit, 20)?;
    let filter = MeetingFilter {
        status: query.status.as_deref().map(map::status_filter).transpose()?,
        from: query.start_date.as_deref().map(|t| time::parse("start_date", t)).transpose()?,
        until: query.end_date.as_deref().map(|t| time::parse_end("end_date", t)).transpose()?,
    };
    let page = app.domain.meetings(caller.0, filter, window).await?;
    let pagination = map::pagination(&page);
    Ok(Json(wire::MeetingList { meetings: page.rows.into_iter().map(map::row).collect(), pagination }))
}

/// Update meeting details (host only).
///
/// Where the waiting room is switched off, those who wait are admitted as they knocked, until the meeting is full.
#[utoipa::path(put, operation_id = "platform_update", path = "/api/v1/meetings/{meeting_id}", tag = "platform: meetings", security(("bearer" = [])),
    params(("meeting_id" = String, Path)), request_body = wire::MeetingUpdate,
    responses((status = 200, body = wire::MeetingUpdated), (status = 400, body = ErrorBody),
    (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 422, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn update(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    id: Route<String, Voice>,
    body: Body<wire::MeetingUpdate, Voice>,
) -> Answer<wire::MeetingUpdated> {
    let change = map::meeting_change(body.into_inner())?;
    let room = app.domain.update_meeting(caller.0, map::room_ref(&id.0)?, change).await?;
    Ok(Json(map::meeting_updated(room)))
}

/// Join a meeting as a participant. The path is shared with `livekit-meetings.md`, so the server routes it here by body.
pub async fn join(
    app: &Shared,
    actor: Option<Actor>,
    address: IpAddr,
    id: &str,
    body: wire::Join,
) -> Result<wire::Joined, Error> {
    let actor = actor.ok_or_else(|| Error::unauthenticated("Authentication required"))?;
    let caller = actor.account()?;
    let wish = JoinWish {
        display_name: body.display_name,
        video_enabled: body.video_enabled.unwrap_or(true),
        audio_enabled: body.audio_enabled.unwrap_or(true),
        passcode: body.passcode,
    };
    let joined = app.domain.join(Some(&Actor::User(caller)), address, map::room_ref(id)?, wish).await?;
    Ok(map::joined(app, joined))
}

/// Leave a meeting, with all devices or the one named.
#[utoipa::path(post, operation_id = "platform_leave", path = "/api/v1/meetings/{meeting_id}/leave", tag = "platform: meetings",
    security(("bearer" = [])), params(("meeting_id" = String, Path)),
    request_body(content = Option<wire::Leave>), responses((status = 200, body = wire::Left),
    (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 422, body = ErrorBody), (status = 429, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(crate) async fn leave(
    State(app): State<Shared>,
    actor: Signed<Voice>,
    id: Route<String, Voice>,
    body: Body<Option<wire::Leave>, Voice>,
) -> Answer<wire::Left> {
    let which = body.into_inner().and_then(|body| body.participant_id);
    let which = which.map(|id| ParticipantId::parse(&id).ok_or_else(|| Error::not_found("Participant"))).transpose()?;
    let duration_seconds = app.domain.leave(&actor.0, map::room_ref(&id.0)?, which).await?;
    Ok(Json(wire::Left { message: "Left meeting successfully", duration_seconds }))
}

/// End a meeting (host only).
#[utoipa::path(post, operation_id = "platform_end", path = "/api/v1/meetings/{meeting_id}/end", tag = "platform: meetings", security(("bearer" = [])),
    params(("meeting_id" = String, Path)), responses((status = 200, body = wire::Ended),
    (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn end(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    id: Route<String, Voice>,
) -> Answer<wire::Ended> {
    Ok(Json(map::ended(app.domain.end_meeting(caller.0, map::room_ref(&id.0)?).await?)))
}
