//! `/rtc` and `/rtc/v1`, and their `validate` routes, where a client whose WebSocket failed asks for the reason.

use crate::{
    House,
    admit::{Refused, Visitor},
    join::{Query, Version},
    line, socket,
};
use axum::{
    extract::{ConnectInfo, FromRequestParts, Query as Queried, State, WebSocketUpgrade},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use convo_kit::door::client_address;
use std::net::SocketAddr;

pub(crate) async fn connect_v0(doors: State<House>, request: Request) -> Response {
    connect(doors, Version::Zero, request).await.into_response()
}

pub(crate) async fn connect_v1(doors: State<House>, request: Request) -> Response {
    connect(doors, Version::One, request).await.into_response()
}

pub(crate) async fn validate_v0(doors: State<House>, request: Request) -> Response {
    validate(doors, Version::Zero, request).await.into_response()
}

pub(crate) async fn validate_v1(doors: State<House>, request: Request) -> Response {
    validate(doors, Version::One, request).await.into_response()
}

async fn connect(State(doors): State<House>, version: Version, request: Request) -> Result<Response, Refused> {
    let upgrade = request.upgrade.ok_or(Refused(StatusCode::NOT_FOUND, "this is a WebSocket".into()))?;
    let visitor = greet(&doors, version, &request.parts)?;
    let (join, place) = doors.enter(&visitor).await?;
    Ok(line::sized(upgrade).on_upgrade(move |socket| socket::run(socket, doors, visitor, join, place)))
}

async fn validate(State(doors): State<House>, version: Version, request: Request) -> Result<&'static str, Refused> {
    let visitor = greet(&doors, version, &request.parts)?;
    doors.may_enter(&visitor).await?;
    Ok("success")
}

fn greet(doors: &House, version: Version, parts: &Parts) -> Result<Visitor, Refused> {
    let query = Queried::<Query>::try_from_uri(&parts.uri);
    let query = query.map_err(|_| Refused(StatusCode::BAD_REQUEST, "the query cannot be read".into()))?;
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = client_address(&parts.headers, peer, &doors.app.proxies);
    doors.greet(version, &parts.headers, &query, address)
}

/// A request that is a WebSocket's, or is not.
pub(crate) struct Request {
    parts: Parts,
    pub(crate) upgrade: Option<WebSocketUpgrade>,
}

impl<S: Send + Sync> FromRequestParts<S> for Request {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await.ok();
        Ok(Self { parts: parts.clone(), upgrade })
    }
}
