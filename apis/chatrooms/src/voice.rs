//! How `chatrooms.md` words an error: `{"detail"}`; the code beside it does no harm.

use axum::response::{IntoResponse, Response};
use convo_domain::error::Error;
use convo_kit::{Json, voice};
use serde::Serialize;
use utoipa::ToSchema;

/// An error on its way out.
pub(crate) struct Voice(Error);

/// The documented error body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = chatrooms::Error)]
pub(crate) struct ErrorBody {
    #[schema(example = "Chatroom not found")]
    detail: String,
    #[schema(example = "RESOURCE_NOT_FOUND")]
    error_code: &'static str,
}

impl From<Error> for Voice {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Voice {
    fn into_response(self) -> Response {
        voice(self.0)
    }
}

/// The error as this API answers it.
pub fn voice(error: Error) -> Response {
    let body = ErrorBody { detail: error.message.to_string(), error_code: voice::code(error.kind) };
    voice::answer(&error, Json(body))
}
