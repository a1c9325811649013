//! The HTTP side of Engine.IO: which request is what, and what is wrong with it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Query, Request};
use axum::response::{IntoResponse, Response};
use convo_tap::Tap;
use http::{Method, StatusCode, header, request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::app::{App, Reason};
use crate::config::Config;
use crate::engine;
use crate::handshake::Handshake;
use crate::registry::{Full, Handle, Letter};
use crate::session::{self, Session};
use crate::shared::Shared;
use crate::transport::{Socket, Transport, linger};

/// What a WebSocket reads at a time, and holds while idle: chat events are smaller.
const READ_BUFFER: usize = 1024;

/// Above a session's largest batch, so that a batch leaves in one write.
const WRITE_BUFFER: usize = 64 * 1024;

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "EIO")]
    version: Option<String>,
    transport: Option<String>,
    sid: Option<String>,
}

/// Errors of the protocol, numbered as the official server does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refused {
    UnknownTransport,
    UnknownSession,
    BadHandshakeMethod,
    BadRequest,
    UnsupportedVersion,
    TooLarge,
    Full,
    TooManyFromAddress,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::UnknownTransport => (StatusCode::BAD_REQUEST, 0, "Transport unknown"),
            Self::UnknownSession => (StatusCode::BAD_REQUEST, 1, "Session ID unknown"),
            Self::BadHandshakeMethod => (StatusCode::BAD_REQUEST, 2, "Bad handshake method"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, 3, "Bad request"),
            Self::UnsupportedVersion => (StatusCode::BAD_REQUEST, 5, "Unsupported protocol version"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 3, "Payload too large"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, 4, "Too many clients"),
            Self::TooManyFromAddress => (StatusCode::TOO_MANY_REQUESTS, 4, "Too many clients from this address"),
        };
        let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        match full {
            Full::Server => Self::Full,
            Full::Address => Self::TooManyFromAddress,
        }
    }
}

pub(crate) async fn serve<A: App>(shared: Arc<Shared<A>>, request: Request) -> Response {
    route(shared, request).await.unwrap_or_else(Refused::into_response)
}

async fn route<A: App>(shared: Arc<Shared<A>>, request: Request) -> Result<Response, Refused> {
    let Query(params) = Query::<Params>::try_from_uri(request.uri()).map_err(|_| Refused::BadRequest)?;
    let websocket = match params.transport.as_deref() {
        Some("polling") => false,
        Some("websocket") => true,
        _ => return Err(Refused::UnknownTransport),
    };
    if let Some(sid) = params.sid {
        let handle = shared.registry.get(&sid).ok_or(Refused::UnknownSession)?;
        return match (websocket, request.method()) {
            (true, _) => upgrade(handle, websocket_of(request, &shared.config).await?, shared.config.upgrade_timeout),
            (false, _) if handle.is_websocket() => Err(Refused::BadRequest),
            (false, &Method::GET) => get(&handle).await,
            (false, &Method::POST) => post(&handle, request, &shared.config).await,
            (false, _) => Err(Refused::BadRequest),
        };
    }
    if !websocket && request.method() != Method::GET {
        return Err(Refused::BadHandshakeMethod);
    }
    if params.version.as_deref() != Some("4") {
        return Err(Refused::UnsupportedVersion);
    }
    if websocket { open_websocket(shared, request).await } else { open_polling(shared, request) }
}

fn open_polling<A: App>(shared: Arc<Shared<A>>, request: Request) -> Result<Response, Refused> {
    let handshake = Handshake::new(&request.into_parts().0);
    let seat = shared.registry.admit(shared.app.address(&handshake), &shared.config)?;
    let open = engine::open(seat.sid, &["websocket"], &shared.config);
    Session::spawn(shared, seat, Arc::new(handshake), session::polling());
    Ok(text(open))
}

async fn open_websocket<A: App>(shared: Arc<Shared<A>>, request: Request) -> Result<Response, Refused> {
    let (mut parts, _) = request.into_parts();
    let handshake = Handshake::new(&parts);
    let (upgrade, tap) = upgrade_of(&mut parts, &shared.config).await?;
    let seat = shared.registry.admit(shared.app.address(&handshake), &shared.config)?;
    Ok(upgrade.on_upgrade(move |socket| async move {
        // Not awaited here: this future has the upgrade's leftovers, and would keep them as long as the client.
        let transport = Transport::WebSocket(Socket::new(socket, tap));
        Session::spawn(shared, seat, Arc::new(handshake), transport);
    }))
}

async fn websocket_of(request: Request, config: &Config) -> Result<(WebSocketUpgrade, Option<Tap>), Refused> {
    upgrade_of(&mut request.into_parts().0, config).await
}

/// The upgrade, with its connection's tap if that is a plain one.
async fn upgrade_of(parts: &mut request::Parts, config: &Config) -> Result<(WebSocketUpgrade, Option<Tap>), Refused> {
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await.map_err(|_| match parts.method {
        Method::GET => Refused::BadRequest,
        _ => Refused::BadHandshakeMethod,
    })?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(config.max_payload)
        .max_frame_size(config.max_payload);
    Ok((upgrade, parts.extensions.remove()))
}

/// Waits for packets; a client that goes away meanwhile drops the wait, which its task sees.
async fn get(handle: &Handle) -> Result<Response, Refused> {
    let (answer, wait) = oneshot::channel();
    handle.send(Letter::Get(answer)).map_err(|_| Refused::UnknownSession)?;
    wait.await.map(text).map_err(|_| Refused::BadRequest)
}

async fn post(handle: &Handle, request: Request, config: &Config) -> Result<Response, Refused> {
    if !handle.begin_post() {
        // It may have ended meanwhile, which is as well.
        let _ = handle.send(Letter::Close(Reason::ParseError, None));
        return Err(Refused::BadRequest);
    }
    struct Posting<'a>(&'a Handle);
    impl Drop for Posting<'_> {
        fn drop(&mut self) {
            self.0.end_post();
        }
    }
    let _posting = Posting(handle);

    let patience = config.ping_interval + config.ping_timeout;
    let body = tokio::time::timeout(patience, body_of(request, config.max_payload)).await;
    let body = body.map_err(|_| Refused::BadRequest)??;
    let (handled, wait) = oneshot::channel();
    handle.send(Letter::Post(body, handled)).map_err(|_| Refused::UnknownSession)?;
    wait.await.map_err(|_| Refused::BadRequest)?;
    Ok(text("ok".to_owned()))
}

async fn body_of(request: Request, max: usize) -> Result<String, Refused> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > max) {
        return Err(Refused::TooLarge);
    }
    let body = Limited::new(request.into_body(), max)
        .collect()
        .await
        .map_err(|error| if error.is::<LengthLimitError>() { Refused::TooLarge } else { Refused::BadRequest })?;
    String::from_utf8(body.to_bytes().into()).map_err(|_| Refused::BadRequest)
}

fn text(body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=UTF-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

/// Moves a polling session to a WebSocket. A session has only one: another is closed.
fn upgrade(
    handle: Arc<Handle>,
    (upgrade, tap): (WebSocketUpgrade, Option<Tap>),
    timeout: Duration,
) -> Result<Response, Refused> {
    let begun = handle.begin_upgrade();
    Ok(upgrade.on_upgrade(move |mut socket| async move {
        if !begun {
            return close(socket).await;
        }
        let probed = tokio::time::timeout(timeout, probe(&mut socket, &handle)).await;
        let moved = match probed {
            Ok(Some(())) => handle.send(Letter::Upgrade(Box::new(Socket::new(socket, tap)))),
            _ => {
                // A session that has ended needs no telling.
                let _ = handle.send(Letter::ProbeFailed);
                Err(Letter::Upgrade(Box::new(Socket::new(socket, None))))
            }
        };
        handle.end_upgrade();
        if let Err(Letter::Upgrade(socket)) = moved {
            close(socket.into_inner()).await;
        }
    }))
}

/// `2probe`, `3probe`, `5`.
async fn probe(socket: &mut WebSocket, handle: &Handle) -> Option<()> {
    expect(socket, engine::PROBE).await?;
    handle.send(Letter::Probed).ok()?;
    socket.send(Message::text(engine::PROBE_ANSWER)).await.ok()?;
    expect(socket, engine::UPGRADE).await
}

async fn expect(socket: &mut WebSocket, packet: &str) -> Option<()> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Text(text) => return (text.as_str() == packet).then_some(()),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) | Message::Close(_) => return None,
        }
    }
}

async fn close(mut socket: WebSocket) {
    if socket.send(Message::Close(None)).await.is_ok() {
        linger(socket).await;
    }
}
