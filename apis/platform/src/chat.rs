//! "Chat Endpoints".

use crate::{
    map,
    voice::{ErrorBody, Voice},
    wire,
};
use axum::{extract::State, http::StatusCode};
use convo_domain::{message::Draft, page::Window, room::RoomKind};
use convo_kit::{Body, IdempotencyKey, Json, Params, Route, Shared, Signed, desk, time};

/// Send a message in a meeting. With an `Idempotency-Key`, a retry answers with the message that its first try stored.
#[utoipa::path(post, operation_id = "platform_send", path = "/api/v1/meetings/{meeting_id}/messages", tag = "platform: chat",
    security(("bearer" = [])), params(("meeting_id" = String, Path),
    ("Idempotency-Key" = Option<String>, Header, description = "The client's own id of the message")),
    request_body = wire::MessageCreate, responses((status = 201, body = wire::Message),
    (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn send(
    State(app): State<Shared>,
    actor: Signed<Voice>,
    id: Route<String, Voice>,
    key: IdempotencyKey,
    body: Body<wire::MessageCreate, Voice>,
) -> Result<(StatusCode, Json<wire::Message>), Voice> {
    let body = body.into_inner();
    let draft = Draft::new(&body.content)?
        .kind(desk::message_kind(body.message_type.as_deref())?)
        .nonce(key.0.as_deref().or(body.client_message_id.as_deref()))?
        .to(desk::private_to(body.is_private.as_ref(), body.recipient_user_id.as_ref())?);
    let posted = app.domain.post(&actor.0, map::room_ref(&id.0)?, RoomKind::Meeting, draft).await?;
    Ok((StatusCode::CREATED, Json(map::message(posted.message))))
}

/// Get meeting messages with pagination, oldest first.
#[utoipa::path(get, operation_id = "platform_history", path = "/api/v1/meetings/{meeting_id}/messages", tag = "platform: chat",
    security(("bearer" = [])), params(("meeting_id" = String, Path), wire::MessageQuery),
    responses((status = 200, body = wire::MessageList), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn history(
    State(app): State<Shared>,
    actor: Signed<Voice>,
    id: Route<String, Voice>,
    query: Params<wire::MessageQuery, Voice>,
) -> Result<Json<wire::MessageList>, Voice> {
    let window = Window::new(query.0.page, query.0.limit, 50)?;
    let since = query.0.since.as_deref().map(|t| time::parse("since", t)).transpose()?;
    let page = app.domain.history(&actor.0, map::room_ref(&id.0)?, RoomKind::Meeting, since, window).await?;
    let pagination = map::pagination(&page);
    Ok(Json(wire::MessageList { messages: page.rows.into_iter().map(map::message).collect(), pagination }))
}
