//! "Connect": a ticket for the conversation's WebSocket, and its door.

use crate::{
    live::Line,
    map,
    ticket::Tickets,
    voice::{Anyone, BadToken, Busy, ErrorBody, Params, Route, Signed, Voice},
    wire::{Access, Connection},
};
use axum::{
    Extension,
    extract::{
        State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use convo_domain::{
    error::{Error, Kind, Result},
    id::RoomId,
    room::RoomKind,
    user::Actor,
};
use convo_kit::{Json, Origin, Shared, pump};
use std::sync::Arc;

#[utoipa::path(
    post,
    path = "/api/conversations/{conversation_id}/connect",
    operation_id = "conversations_connect",
    tag = "conversations: conversations",
    summary = "Connect to a conversation",
    description = "Answers with the address of the conversation's WebSocket, good for one connection.",
    security(("bearer" = [])),
    params(("conversation_id" = String, Path, description = "The conversation's UUID")),
    responses(
        (status = 200, description = "Where the WebSocket is", body = Connection),
        (status = 404, description = "No such conversation", body = ErrorBody),
        BadToken,
        Busy,
    )
)]
pub(crate) async fn ticket(
    State(app): State<Shared>,
    Extension(tickets): Extension<Arc<Tickets>>,
    actor: Signed,
    id: Route<String>,
) -> Result<Json<Connection>, Voice> {
    let room = app.domain.find_room(map::path_ref(&id.0)?, RoomKind::Conversation).await?;
    app.domain.entry(&actor.0, room, RoomKind::Conversation).await?;
    let ticket = tickets.issue(actor.0, room, app.domain.now())?;
    let websocket_url = format!("{}/api/conversations/{room}/connect?ticket={ticket}", app.websocket_url());
    Ok(Json(Connection { status: "WebSocket connected", conversation_id: room.to_string(), websocket_url }))
}

#[utoipa::path(
    get,
    path = "/api/conversations/{conversation_id}/connect",
    operation_id = "conversations_websocket",
    tag = "conversations: conversations",
    summary = "The WebSocket of a conversation",
    description = "`{\"message\", \"client_message_id\"?}` posts; `{\"message_id\", \"conversation_id\", \"sender_id\", \
        \"message\", \"timestamp\"}` comes. The agent's answer comes in pieces, `{\"type\": \"delta\", \
        \"conversation_id\", \"delta\"}`, and at its end as a message; `{\"type\": \"cancel\"}` breaks it off. \
        `{\"type\": \"typing\"}`, `{\"type\": \"resume\", \"since_seq\"}` and `{\"type\": \"ping\"}` do what they say. \
        Errors are `{\"error\": {\"message\", \"status\"}}`.",
    security((), ("bearer" = [])),
    params(("conversation_id" = String, Path, description = "The conversation's UUID"), Access),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 400, description = "Not a WebSocket upgrade", body = ErrorBody),
        (status = 404, description = "No such conversation", body = ErrorBody),
        (status = 422, description = "A query that cannot be read", body = ErrorBody),
        BadToken,
        Busy,
    )
)]
pub(crate) async fn upgrade(
    State(app): State<Shared>,
    Extension(tickets): Extension<Arc<Tickets>>,
    origin: Origin,
    caller: Anyone,
    id: Route<String>,
    access: Params<Access>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Voice> {
    let upgrade = upgrade.map_err(|_| Error::new(Kind::Malformed, "This is a WebSocket: ask for an upgrade"))?;
    let room = app.domain.find_room(map::path_ref(&id.0)?, RoomKind::Conversation).await?;
    let actor = admit(&app, &tickets, room, access.0, caller.0).await?;
    // Subscribed before the client knows that it is connected, so that it misses nothing from then on.
    let line = Line::open(app, actor, room, origin.address).await?;
    Ok(pump::listening(upgrade, &line).on_upgrade(move |socket| pump::run(socket, origin.tap, line)))
}

/// Who comes: by ticket, by token in the query, or by the header's.
async fn admit(app: &Shared, tickets: &Tickets, room: RoomId, access: Access, caller: Option<Actor>) -> Result<Actor> {
    match (access.ticket, access.token) {
        (Some(ticket), _) => match tickets.spend(&ticket, room, app.domain.now())? {
            // Perhaps logged out meanwhile.
            Actor::User(caller) => app.domain.check_login(caller).await.map(Actor::User),
            guest => Ok(guest),
        },
        (None, Some(token)) => app.domain.authenticate(token.strip_prefix("Bearer ").unwrap_or(&token)).await,
        (None, None) => caller.ok_or_else(|| Error::unauthenticated("Authentication required")),
    }
}
