//! "WebSocket": `/ws/`, which speaks the meetings' envelope with `meeting_id` in `data` (contract.md, "Meeting
//! WebSocket"). What is said on it is the kit's; here is its door.

use crate::{
    voice::{Anyone, BadToken, Busy, ErrorBody, Params, Voice},
    wire::Access,
};
use axum::{
    extract::{
        State,
        ws::{WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use convo_domain::{
    error::{Error, Kind},
    session::Close,
};
use convo_kit::{
    Origin, Shared,
    desk::Desk,
    pump::{self, Live},
    slot,
};
use std::{sync::Arc, time::Duration};

/// How long a socket may stay without saying whose it is.
const STRANGER: Duration = Duration::from_secs(30);

#[utoipa::path(
    get,
    path = "/ws",
    operation_id = "convo_websocket",
    tag = "convo: websocket",
    summary = "The WebSocket of many meetings",
    description = "Frames are `{\"type\", \"data\"}` both ways, with `meeting_id` (an integer, or a UUID) in `data`. \
        The token comes as `?token=`, as the `Authorization` header, or within 30 seconds as the first frame: \
        `{\"type\": \"authenticate\", \"data\": {\"token\"}}`. An account hears the meetings that it is in at once, \
        others after `join_meeting`. \
        `{\"type\": \"chat_message\", \"data\": {\"meeting_id\", \"content\"}}` posts.",
    security((), ("bearer" = [])),
    params(Access),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 400, description = "Not a WebSocket upgrade", body = ErrorBody),
        (status = 422, description = "A query that cannot be read", body = ErrorBody),
        BadToken,
        Busy,
    )
)]
pub(crate) async fn connect(
    State(app): State<Shared>,
    origin: Origin,
    caller: Anyone,
    access: Params<Access>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Voice> {
    let upgrade = upgrade.map_err(|_| Error::new(Kind::Malformed, "This is a WebSocket: ask for an upgrade"))?;
    let actor = match &access.0.token {
        Some(token) => Some(app.domain.authenticate(token.strip_prefix("Bearer ").unwrap_or(token)).await?),
        None => caller.0,
    };
    let known = actor.is_some();
    let desk = Desk::of_many(app, slot::CONVO, origin.address, actor).await?;
    if known {
        desk.hear_all().await?;
    }
    Ok(pump::listening(upgrade, &desk).on_upgrade(move |socket| attend(socket, origin, desk)))
}

/// Runs the socket; one that nobody has made theirs in time is closed.
async fn attend(mut socket: WebSocket, origin: Origin, desk: Arc<Desk>) {
    if !desk.tell_knocks(&mut socket).await {
        return desk.gone(false).await;
    }
    let mut run = std::pin::pin!(pump::run(socket, origin.tap, desk.clone()));
    if tokio::time::timeout(STRANGER, &mut run).await.is_ok() {
        return;
    }
    if !desk.authenticated()
        && let Some(pump) = desk.session().mailbox().close(Close::Revoked)
    {
        pump.wake();
    }
    run.await;
}
