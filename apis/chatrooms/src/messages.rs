//! "Message Routes".

use crate::{
    map::{self, Part},
    voice::{ErrorBody, Voice},
    wire,
};
use axum::{extract::State, http::StatusCode};
use convo_domain::room::RoomKind;
use convo_kit::{Body, IdempotencyKey, Json, Params, Route, Shared, Signed};

/// Send a message to a chatroom.
#[utoipa::path(post, path = "/api/message", operation_id = "chatrooms_send_message", tag = "chatrooms: messages",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The client's own id of the message: a retry with the same one makes no second message")),
    request_body = wire::NewMessage, responses(
    (status = 201, description = "The message, stored", body = wire::Message),
    (status = 400, description = "Not JSON, or the meeting has ended", body = ErrorBody),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "Not a member", body = ErrorBody),
    (status = 404, description = "There is no such chatroom", body = ErrorBody),
    (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
    (status = 422, description = "A field breaks a rule", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn send(
    State(app): State<Shared>,
    actor: Signed<Voice>,
    key: IdempotencyKey,
    body: Body<wire::NewMessage, Voice>,
) -> Result<(StatusCode, Json<wire::Message>), Voice> {
    let (room, draft) = map::post(body.into_inner(), key.0)?;
    let posted = app.domain.post(&actor.0, room, RoomKind::Chatroom, draft).await?;
    Ok((StatusCode::CREATED, Json(map::message(posted.message))))
}

/// Get all messages in a chatroom, or a part of them.
#[utoipa::path(get, path = "/api/message/{chatroom}", operation_id = "chatrooms_get_messages",
    tag = "chatrooms: messages", security(("bearer" = [])),
    params(("chatroom" = String, Path, description = "The chatroom's UUID"), wire::Range), responses(
    (status = 200, description = "The messages, oldest first", body = Vec<wire::Message>),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "Not a member", body = ErrorBody),
    (status = 404, description = "There is no such chatroom", body = ErrorBody),
    (status = 422, description = "A parameter breaks a rule", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn history(
    State(app): State<Shared>,
    actor: Signed<Voice>,
    chatroom: Route<String, Voice>,
    range: Params<wire::Range, Voice>,
) -> Result<Json<Vec<wire::Message>>, Voice> {
    let (domain, room, kind) = (&app.domain, map::room_ref(&chatroom.0)?, RoomKind::Chatroom);
    let messages = match map::part(&range.0)? {
        Part::All => domain.all_messages(&actor.0, room, kind).await?,
        Part::Latest { before, limit } => domain.latest_messages(&actor.0, room, kind, before, limit).await?,
        Part::After { seq, limit } => {
            let room = domain.find_room(room, kind).await?;
            domain.messages_after(&actor.0, room, kind, seq, limit).await?
        }
    };
    Ok(Json(messages.into_iter().map(map::message).collect()))
}
