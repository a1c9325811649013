//! "WebSocket Events": `/ws/meetings/{code}?token=`.

use crate::{
    map,
    voice::{ErrorBody, Voice},
};
use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{self, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use convo_domain::{
    error::{Error, Kind},
    meeting::act::Attendance,
};
use convo_kit::{
    Origin, Params, Route, Shared,
    desk::Desk,
    door::bearer,
    envelope,
    pump::{self, Live},
    slot,
};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Token {
    /// The meeting token of a join, or a member's access token; the `Authorization` header does as well.
    token: Option<String>,
}

/// The meeting's WebSocket: frames `{"type", "data"}` both ways.
#[utoipa::path(get, operation_id = "platform_connect", path = "/ws/meetings/{code}", tag = "platform: WebSocket",
    params(("code" = String, Path, description = "Code or id of the meeting"), Token), responses(
    (status = 101, description = "Switching protocols"),
    (status = 400, description = "Not an upgrade", body = ErrorBody),
    (status = 401, description = "No token, or a dead one", body = ErrorBody),
    (status = 403, description = "Not admitted", body = ErrorBody),
    (status = 404, description = "No such meeting", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn connect(
    State(app): State<Shared>,
    origin: Origin,
    code: Route<String, Voice>,
    query: Params<Token, Voice>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Voice> {
    let token = query.0.token.or_else(|| bearer(&headers).map(str::to_owned));
    let token = token.ok_or_else(|| Error::unauthenticated("Authentication required"))?;
    let room = map::room_ref(&code.0)?;
    let Ok(upgrade) = upgrade else {
        // A browser tells its page nothing of why a socket was refused: this does, and changes nothing.
        app.domain.would_attend(&token, room).await?;
        return Err(Error::new(Kind::Malformed, "This is a WebSocket; upgrade the connection").into());
    };
    let attendance = app.domain.attend(&token, origin.address, room).await?;
    Ok(pump::sized(upgrade).on_upgrade(move |socket| run(socket, app, origin, attendance)).into_response())
}

async fn run(mut socket: ws::WebSocket, app: Shared, origin: Origin, attendance: Attendance) {
    // Only now, when the upgrade is done: a seat is marked connected by a connection that exists.
    let desk = match Desk::of_meeting(app, slot::PLATFORM, origin.address, attendance).await {
        Ok(desk) => desk,
        Err(error) => {
            let _ = socket.send(ws::Message::Text(envelope::error(&error).into())).await;
            return;
        }
    };
    let greeted = match desk.greeting().await {
        Ok(greeting) => socket.send(ws::Message::Text(greeting.into())).await.is_ok(),
        Err(_) => false,
    };
    if !greeted || !desk.tell_knocks(&mut socket).await {
        return desk.gone(false).await;
    }
    pump::run(socket, origin.tap, desk).await;
}
