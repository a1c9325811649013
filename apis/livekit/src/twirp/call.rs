//! One call: who calls, in which encoding.

use super::{
    Code, Fault,
    spelling::{Spelled, spell},
};
use crate::{Doors, token::Claims};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use convo_kit::door::bearer;
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use tokio::time::timeout;

/// Bytes of a request's body.
const BODY_BYTES: usize = 10 * 1024 * 1024;
/// Over which a body may come.
const BODY: Duration = Duration::from_secs(60);

pub(crate) struct Call {
    json: bool,
    body: Bytes,
    pub(crate) claims: Claims,
}

impl Call {
    /// The head says who calls, before a byte of the body is kept.
    pub(super) async fn new(doors: &Doors, request: Request) -> Result<Self, Fault> {
        let json = is_json(request.headers())?;
        let token = bearer(request.headers()).and_then(|token| doors.keys.read(token, doors.app.domain.now()));
        let claims = token.ok_or_else(|| Fault::new(Code::Unauthenticated, "invalid or missing token"))?.claims;
        let body = gather(request.into_body()).await?;
        Ok(Self { json, body, claims })
    }

    pub(crate) fn read<T: Message + Default + DeserializeOwned>(&self) -> Result<T, Fault> {
        let malformed = |error: String| Fault::new(Code::Malformed, format!("the body cannot be read: {error}"));
        match self.json {
            true => serde_json::from_slice(&self.body).map_err(|error| malformed(error.to_string())),
            false => T::decode(&self.body[..]).map_err(|error| malformed(error.to_string())),
        }
    }

    pub(crate) fn write<T: Message + Serialize + Spelled>(&self, answer: &T) -> Result<Vec<u8>, Fault> {
        match self.json {
            true => {
                let written =
                    serde_json::to_value(answer).and_then(|value| serde_json::to_vec(&spell(value, T::FIELDS)));
                written.map_err(|error| Fault::new(Code::Internal, error.to_string()))
            }
            false => Ok(answer.encode_to_vec()),
        }
    }

    pub(super) fn respond(&self, bytes: Vec<u8>) -> Response {
        let kind = if self.json { "application/json" } else { "application/protobuf" };
        ([(header::CONTENT_TYPE, kind)], bytes).into_response()
    }

    /// The caller's token must say `roomAdmin` for this very room.
    pub(crate) fn admin(&self, room: &str) -> Result<(), Fault> {
        let video = &self.claims.video;
        granted(video.room_admin && video.room == room)
    }

    /// As [`admin`](Self::admin), and the token must name the destination.
    pub(crate) fn mover(&self, room: &str, destination: &str) -> Result<(), Fault> {
        self.admin(room)?;
        granted(self.claims.video.destination_room == destination)?;
        match room == destination {
            true => Err(Fault::invalid("destination_room", "must be another room")),
            false => Ok(()),
        }
    }
}

/// JSON or, else, protobuf.
fn is_json(headers: &HeaderMap) -> Result<bool, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => Ok(true),
        "application/protobuf" => Ok(false),
        _ => Err(Fault::new(Code::BadRoute, format!("unexpected Content-Type: {kind:?}"))),
    }
}

/// The whole body, in time.
async fn gather(body: Body) -> Result<Bytes, Fault> {
    match timeout(BODY, to_bytes(body, BODY_BYTES)).await {
        Ok(body) => body.map_err(|_| Fault::new(Code::ResourceExhausted, "the body is too large or broke off")),
        Err(_) => Err(Fault::new(Code::DeadlineExceeded, "the body took too long")),
    }
}

pub(crate) fn granted(granted: bool) -> Result<(), Fault> {
    if granted { Ok(()) } else { Err(Fault::denied()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};
    use std::convert::Infallible;
    use tokio::time::Instant;

    type Piece = Result<Bytes, Infallible>;

    #[tokio::test(start_paused = true)]
    async fn a_body_comes_in_time_or_not_at_all() {
        let began = stream::iter([Piece::Ok(Bytes::from_static(b"{"))]);
        let started = Instant::now();
        let fault = gather(Body::from_stream(began.chain(stream::pending()))).await.unwrap_err();
        assert_eq!(fault.into_response().status(), 408);
        assert_eq!(started.elapsed().as_secs(), BODY.as_secs());
    }

    #[tokio::test]
    async fn a_body_has_bounds() {
        assert_eq!(gather(Body::from(vec![0; BODY_BYTES])).await.unwrap().len(), BODY_BYTES);
        let fault = gather(Body::from(vec![0; BODY_BYTES + 1])).await.unwrap_err();
        assert_eq!(fault.into_response().status(), 429);
    }
}
