//! "Messages".

use crate::{
    caller::{self, Reader},
    map,
    voice::{Anyone, BadToken, Busy, ErrorBody, Route, Voice, voice},
    wire::{MeetingName, Message, NewMessage},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use convo_domain::{error::Result, message::Draft, room::RoomKind, user::Actor};
use convo_kit::{Json, Shared, body};

/// Answers `POST /api/messages` for a body with `meeting_id`: 201 with the message ([`crate::wire::Message`]), or the
/// refusal in this API's words. `key` is the `Idempotency-Key`; `body` is [`NewMessage`] as JSON.
pub async fn post_message(app: &Shared, actor: Result<Option<Actor>>, key: Option<&str>, body: &[u8]) -> Response {
    match post(app, actor, key, body).await {
        Ok(message) => (StatusCode::CREATED, Json(message)).into_response(),
        Err(error) => voice(error),
    }
}

async fn post(app: &Shared, actor: Result<Option<Actor>>, key: Option<&str>, body: &[u8]) -> Result<Message> {
    let (actor, body) = (actor?, body::json::<NewMessage>(body)?);
    let sender = caller::writer(app, actor, "sender_id", body.sender_id).await?;
    let draft = Draft::new(&body.content)?.nonce(key)?;
    let posted = app.domain.post(&sender, map::body_ref(&body.meeting_id)?, RoomKind::Meeting, draft).await?;
    Ok(map::message(posted.message))
}

#[utoipa::path(
    get,
    path = "/api/messages/{meeting_id}",
    operation_id = "convo_get_messages",
    tag = "convo: messages",
    summary = "Get all messages of a meeting, oldest first",
    security(("bearer" = [])),
    params(("meeting_id" = MeetingName, Path, description = "The meeting's integer, its UUID or its code", example = 1)),
    responses(
        (status = 200, description = "The messages that the caller may see", body = [Message]),
        (status = 404, description = "No such meeting", body = ErrorBody),
        BadToken,
        Busy,
    )
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    actor: Anyone,
    id: Route<String>,
) -> Result<Json<Vec<Message>>, Voice> {
    let by = map::path_ref(&id.0)?;
    let messages = match caller::reader(&app, actor.0, &by).await? {
        Reader::Known(actor) => app.domain.all_messages(&actor, by, RoomKind::Meeting).await?,
        Reader::Anybody(room) => app.domain.public_messages(room.id).await?,
    };
    Ok(Json(messages.into_iter().map(map::message).collect()))
}
