//! How this API words an error: `{"detail", "error_code", "timestamp"}` (contract.md, "Errors").

use axum::response::{IntoResponse, Response};
use convo_domain::{
    clock::{Clock, System, Timestamp},
    error::Error,
};
use convo_kit::{Json, time::rfc3339, voice};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// A domain error on its way out.
pub(crate) struct Voice(pub(crate) Error);

pub(crate) type Anyone = convo_kit::Anyone<Voice>;
pub(crate) type Body<T> = convo_kit::Body<T, Voice>;
pub(crate) type Params<T> = convo_kit::Params<T, Voice>;
pub(crate) type Route<T> = convo_kit::Route<T, Voice>;

#[derive(Debug, Serialize, ToSchema)]
#[schema(
    as = ConvoError,
    example = json!({
        "detail": "Meeting not found",
        "error_code": "MEETING_NOT_FOUND",
        "timestamp": "2024-09-07T10:00:00Z"
    })
)]
pub struct ErrorBody {
    /// For people.
    pub detail: String,
    /// For programs.
    pub error_code: &'static str,
    /// When it was refused; RFC 3339, UTC.
    pub timestamp: String,
}

impl ErrorBody {
    fn new(error: &Error, now: Timestamp) -> Self {
        Self { detail: error.message.to_string(), error_code: voice::code(error.kind), timestamp: rfc3339(now) }
    }
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

/// The error in this API's words.
pub fn voice(error: Error) -> Response {
    voice::answer(&error, Json(ErrorBody::new(&error, System.now())))
}

/// Refusals of anything that reads a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only documents what the kit's extractors answer")]
pub(crate) enum BadBody {
    /// Not JSON.
    #[response(status = 400)]
    Malformed(ErrorBody),
    /// More than 1 MiB.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// Breaks a rule; `detail` names the field.
    #[response(status = 422)]
    Invalid(ErrorBody),
}

/// Refusals of anything that asks who the caller is.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only documents what the kit's extractors answer")]
pub(crate) enum BadToken {
    /// No token, or one that is no good.
    #[response(status = 401)]
    Unauthenticated(ErrorBody),
    /// Not this caller's to do.
    #[response(status = 403)]
    Forbidden(ErrorBody),
}

/// Refusals of everything.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only documents what the kit answers")]
pub(crate) enum Busy {
    /// Over the rate limit; `Retry-After` says for how many seconds.
    #[response(status = 429)]
    TooMany(ErrorBody),
    /// The database does not answer; nothing was stored, or the message says that this is not known.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_shape_of_an_error() {
        let body = ErrorBody::new(&Error::meeting_not_found(), Timestamp::from_seconds(1_725_703_200));
        let expected = json!({
            "detail": "Meeting not found",
            "error_code": "MEETING_NOT_FOUND",
            "timestamp": "2024-09-07T10:00:00Z"
        });
        assert_eq!(serde_json::to_value(body).unwrap(), expected);
    }
}
