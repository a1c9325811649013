//! "Messages".

use crate::{
    map,
    voice::{BadToken, Busy, ErrorBody, Params, Route, Signed, Voice, voice},
    wire::{Message, NewMessage, Posted, Slice},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use convo_domain::{
    error::{Error, Result},
    room::RoomKind,
    user::Actor,
};
use convo_kit::{Json, Shared, body};

/// Answers `POST /api/messages` for a body with `conversation_id`: 200 with the message ([`Posted`]), or the refusal
/// in this API's words. `key` is the `Idempotency-Key`; `body` is [`NewMessage`] as JSON.
pub async fn post_message(app: &Shared, actor: Result<Option<Actor>>, key: Option<&str>, body: &[u8]) -> Response {
    match post(app, actor, key, body).await {
        Ok(message) => Json(message).into_response(),
        Err(error) => voice(error),
    }
}

async fn post(app: &Shared, actor: Result<Option<Actor>>, key: Option<&str>, body: &[u8]) -> Result<Posted> {
    let actor = actor?.ok_or_else(|| Error::unauthenticated("Authentication required"))?;
    let body: NewMessage = body::json(body)?;
    map::own_name(&actor, body.sender_id.as_deref())?;
    let draft = map::draft(&body.message, key)?;
    let posted = app.domain.post(&actor, map::body_ref(&body.conversation_id)?, RoomKind::Conversation, draft).await?;
    Ok(map::posted(posted.message))
}

#[utoipa::path(
    get,
    path = "/api/conversations/{conversation_id}",
    operation_id = "conversations_messages",
    tag = "conversations: conversations",
    summary = "Get the messages of a conversation, oldest first",
    description = "All of them, or what the query asks for.",
    security(("bearer" = [])),
    params(("conversation_id" = String, Path, description = "The conversation's UUID"), Slice),
    responses(
        (status = 200, description = "The messages that the caller may see", body = [Message]),
        (status = 404, description = "No such conversation", body = ErrorBody),
        (status = 422, description = "A query that breaks a rule", body = ErrorBody),
        BadToken,
        Busy,
    )
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    actor: Signed,
    id: Route<String>,
    slice: Params<Slice>,
) -> Result<Json<Vec<Message>>, Voice> {
    let by = map::path_ref(&id.0)?;
    let kind = RoomKind::Conversation;
    let messages = match map::range(&slice.0)? {
        map::Range::All => app.domain.all_messages(&actor.0, by, kind).await?,
        map::Range::Newest(limit) => app.domain.latest_messages(&actor.0, by, kind, None, limit).await?,
        map::Range::After(seq, limit) => {
            let room = app.domain.find_room(by, kind).await?;
            app.domain.messages_after(&actor.0, room, kind, seq, limit).await?
        }
    };
    Ok(Json(messages.into_iter().map(map::message).collect()))
}
