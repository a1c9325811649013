//! How `livekit-meetings.md` words an error: `{"detail"}`. Its paths are shared with `platform.md`, whose clients also
//! look for the code and the time.

use axum::response::{IntoResponse, Response};
use convo_domain::{
    clock::{Clock, System},
    error::Error,
};
use convo_kit::{Json, time::rfc3339, voice};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) struct Voice(Error);

/// The documented error body.
#[derive(Serialize, ToSchema)]
#[schema(as = GuestError)]
pub struct ErrorBody {
    #[schema(example = "Meeting not found")]
    detail: String,
    #[schema(example = "MEETING_NOT_FOUND")]
    error_code: &'static str,
    #[schema(example = "2024-01-16T10:30:00Z")]
    timestamp: String,
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

pub fn voice(error: Error) -> Response {
    let body = ErrorBody {
        detail: error.message.to_string(),
        error_code: voice::code(error.kind),
        timestamp: rfc3339(System.now()),
    };
    voice::answer(&error, Json(body))
}
