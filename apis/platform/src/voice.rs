//! How `platform.md` words an error: `{"detail", "error_code", "timestamp"}`.

use axum::response::{IntoResponse, Response};
use convo_domain::{
    clock::{Clock, System},
    error::Error,
};
use convo_kit::{Json, time::rfc3339, voice};
use serde::Serialize;
use utoipa::ToSchema;

/// An error on its way out.
pub(crate) struct Voice(Error);

/// The documented error body.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    #[schema(example = "Error message description")]
    detail: String,
    #[schema(example = "VALIDATION_ERROR")]
    error_code: &'static str,
    #[schema(example = "2024-01-16T10:30:00Z")]
    timestamp: String,
    /// The field that breaks the rule, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
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
        field: error.field,
    };
    voice::answer(&error, Json(body))
}
