//! "Chatroom Routes".

use crate::{
    map,
    voice::{ErrorBody, Voice},
    wire,
};
use axum::{extract::State, http::StatusCode};
use convo_domain::{room::RoomKind, user::Actor};
use convo_kit::{Body, Caller, Json, Params, Route, Shared};

/// Get the caller's chatrooms, or all there are.
#[utoipa::path(get, path = "/api/chatroom", operation_id = "chatrooms_list_chatrooms", tag = "chatrooms: chatrooms",
    security(("bearer" = [])), params(wire::Which), responses(
    (status = 200, description = "The caller's by their last activity, or all by age; newest first",
        body = Vec<wire::Chatroom>),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "A guest's token", body = ErrorBody),
    (status = 422, description = "A parameter breaks a rule", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    which: Params<wire::Which, Voice>,
) -> Result<Json<Vec<wire::Chatroom>>, Voice> {
    let rooms = app.domain.chatrooms(caller.0, which.0.all.unwrap_or(false)).await?;
    Ok(Json(rooms.into_iter().map(map::chatroom).collect()))
}

/// Create a chatroom; the caller is its first member.
#[utoipa::path(post, path = "/api/chatroom", operation_id = "chatrooms_create_chatroom", tag = "chatrooms: chatrooms",
    security(("bearer" = [])), request_body = wire::NewChatroom, responses(
    (status = 201, description = "The chatroom", body = wire::Chatroom),
    (status = 400, description = "Not JSON", body = ErrorBody),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "A guest's token", body = ErrorBody),
    (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
    (status = 422, description = "A field breaks a rule", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    body: Body<wire::NewChatroom, Voice>,
) -> Result<(StatusCode, Json<wire::Chatroom>), Voice> {
    let room = app.domain.create_chatroom(caller.0, &body.into_inner().name).await?;
    Ok((StatusCode::CREATED, Json(map::chatroom(room))))
}

/// Get a chatroom by id, as a member.
#[utoipa::path(get, path = "/api/chatroom/{id}", operation_id = "chatrooms_get_chatroom", tag = "chatrooms: chatrooms",
    security(("bearer" = [])), params(("id" = String, Path, description = "The chatroom's UUID")), responses(
    (status = 200, description = "The chatroom", body = wire::Chatroom),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "Not a member", body = ErrorBody),
    (status = 404, description = "There is no such chatroom", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    id: Route<String, Voice>,
) -> Result<Json<wire::Chatroom>, Voice> {
    let (actor, room) = (Actor::User(caller.0), map::room_ref(&id.0)?);
    Ok(Json(map::chatroom(app.domain.room_with_people(&actor, room, RoomKind::Chatroom).await?)))
}

/// Join a chatroom. Who is a member already stays one.
#[utoipa::path(post, path = "/api/chatroom/{id}/join", operation_id = "chatrooms_join_chatroom",
    tag = "chatrooms: chatrooms", security(("bearer" = [])),
    params(("id" = String, Path, description = "The chatroom's UUID")), responses(
    (status = 200, description = "The chatroom, with the caller in it", body = wire::Chatroom),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "Removed from the room, or it is a meeting", body = ErrorBody),
    (status = 404, description = "There is no such chatroom", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn join(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    id: Route<String, Voice>,
) -> Result<Json<wire::Chatroom>, Voice> {
    Ok(Json(map::chatroom(app.domain.join_chatroom(caller.0, map::room_ref(&id.0)?).await?)))
}

/// Leave a chatroom, and hear it no more.
#[utoipa::path(post, path = "/api/chatroom/{id}/leave", operation_id = "chatrooms_leave_chatroom",
    tag = "chatrooms: chatrooms", security(("bearer" = [])),
    params(("id" = String, Path, description = "The chatroom's UUID")), responses(
    (status = 200, description = "No member any more", body = wire::Done),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "Not a member, or it is no chatroom", body = ErrorBody),
    (status = 404, description = "There is no such chatroom", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn leave(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    id: Route<String, Voice>,
) -> Result<Json<wire::Done>, Voice> {
    app.domain.leave_chatroom(caller.0, map::room_ref(&id.0)?).await?;
    Ok(Json(wire::Done { message: "You left the chatroom" }))
}
