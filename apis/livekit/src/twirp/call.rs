//! One call: who calls, in which encoding.

use super::{Code, Fault};
use crate::{Doors, token::Claims};
use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use convo_kit::door::bearer;
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};

pub(crate) struct Call {
    json: bool,
    body: Bytes,
    pub(crate) claims: Claims,
}

impl Call {
    pub(super) fn new(doors: &Doors, headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Self, Fault> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let json = match kind.split(';').next().unwrap_or_default().trim() {
            "application/json" => true,
            "application/protobuf" => false,
            _ => return Err(Fault::new(Code::BadRoute, format!("unexpected Content-Type: {kind:?}"))),
        };
        let token = bearer(headers).and_then(|token| doors.keys.read(token, doors.app.domain.now()));
        let claims = token.ok_or_else(|| Fault::new(Code::Unauthenticated, "invalid or missing token"))?.claims;
        let body = body.map_err(|_| Fault::new(Code::ResourceExhausted, "the body is too large or broke off"))?;
        Ok(Self { json, body, claims })
    }

    pub(crate) fn read<T: Message + Default + DeserializeOwned>(&self) -> Result<T, Fault> {
        let malformed = |error: String| Fault::new(Code::Malformed, format!("the body cannot be read: {error}"));
        match self.json {
            true => serde_json::from_slice(&self.body).map_err(|error| malformed(error.to_string())),
            false => T::decode(&self.body[..]).map_err(|error| malformed(error.to_string())),
        }
    }

    pub(crate) fn write<T: Message + Serialize>(&self, answer: &T) -> Result<Vec<u8>, Fault> {
        match self.json {
            true => serde_json::to_vec(answer).map_err(|error| Fault::new(Code::Internal, error.to_string())),
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

pub(crate) fn granted(granted: bool) -> Result<(), Fault> {
    if granted { Ok(()) } else { Err(Fault::denied()) }
}
