//! "Conversations".

use crate::{
    map,
    voice::{BadBody, BadToken, Body, Busy, Caller, ErrorBody, Route, Signed, Voice},
    wire::{Cancelled, Conversation, NewConversation},
};
use axum::{extract::State, http::StatusCode};
use convo_domain::room::RoomKind;
use convo_kit::{Json, Shared};

#[utoipa::path(
    get,
    path = "/api/conversations",
    operation_id = "conversations_list",
    tag = "conversations: conversations",
    summary = "Get the caller's conversations, newest activity first",
    security(("bearer" = [])),
    responses((status = 200, description = "The conversations", body = [Conversation]), BadToken, Busy)
)]
pub(crate) async fn list(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<Conversation>>, Voice> {
    let rooms = app.domain.conversations(caller.0).await?;
    Ok(Json(rooms.into_iter().map(map::conversation).collect()))
}

#[utoipa::path(
    post,
    path = "/api/conversations",
    operation_id = "conversations_open",
    tag = "conversations: conversations",
    summary = "Open a conversation with people or with the AI agent",
    security(("bearer" = [])),
    request_body = NewConversation,
    responses(
        (status = 201, description = "The new conversation", body = Conversation),
        (status = 200, description = "The one that the two people share already", body = Conversation),
        BadBody,
        BadToken,
        Busy,
    )
)]
pub(crate) async fn open(
    State(app): State<Shared>,
    caller: Caller,
    body: Body<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>), Voice> {
    let body = body.into_inner();
    let people = if body.is_ai { vec![] } else { map::people(body.participant_ids.unwrap_or_default())? };
    let (view, new) = app.domain.open_conversation(caller.0, body.is_ai, people, body.title).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(map::conversation(view))))
}

#[utoipa::path(
    post,
    path = "/api/conversations/{conversation_id}/cancel",
    operation_id = "conversations_cancel",
    tag = "conversations: conversations",
    summary = "Break off the agent's answer",
    description = "What was written of it is kept.",
    security(("bearer" = [])),
    params(("conversation_id" = String, Path, description = "The conversation's UUID")),
    responses(
        (status = 200, description = "Whether an answer was under way", body = Cancelled),
        (status = 404, description = "No such conversation", body = ErrorBody),
        BadToken,
        Busy,
    )
)]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    actor: Signed,
    id: Route<String>,
) -> Result<Json<Cancelled>, Voice> {
    let room = app.domain.find_room(map::path_ref(&id.0)?, RoomKind::Conversation).await?;
    let cancelled = app.domain.cancel_answer(&actor.0, room).await?;
    Ok(Json(Cancelled { conversation_id: room.to_string(), cancelled }))
}
