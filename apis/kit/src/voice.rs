//! How a domain error becomes a status; each API adds the words.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use convo_domain::error::{Error, Kind};

/// An API's way to word an error.
pub type Voiced = fn(Error) -> Response;

/// What an API's error type is to the extractors of the kit: made from a domain error, answered in the API's shape.
pub trait Voice: From<Error> + IntoResponse + Send {}

impl<T: From<Error> + IntoResponse + Send> Voice for T {}

/// The status of a kind (contract.md, "Errors").
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed | Kind::MeetingEnded => StatusCode::BAD_REQUEST,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden | Kind::MeetingNotStarted | Kind::MeetingFull | Kind::MeetingLocked | Kind::InvalidPasscode => {
            StatusCode::FORBIDDEN
        }
        Kind::NotFound | Kind::MeetingNotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// `platform.md`'s error codes, and ours where it has none.
pub fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::Malformed => "BAD_REQUEST",
        Kind::Invalid => "VALIDATION_ERROR",
        Kind::Unauthenticated => "AUTHENTICATION_REQUIRED",
        Kind::Forbidden => "INSUFFICIENT_PERMISSIONS",
        Kind::NotFound => "RESOURCE_NOT_FOUND",
        Kind::MeetingNotFound => "MEETING_NOT_FOUND",
        Kind::MethodNotAllowed => "METHOD_NOT_ALLOWED",
        Kind::Conflict => "CONFLICT",
        Kind::MeetingEnded => "MEETING_ENDED",
        Kind::MeetingNotStarted => "MEETING_NOT_STARTED",
        Kind::MeetingFull => "MEETING_FULL",
        Kind::MeetingLocked => "MEETING_LOCKED",
        Kind::InvalidPasscode => "INVALID_PASSCODE",
        Kind::TooLarge => "PAYLOAD_TOO_LARGE",
        Kind::TooMany => "RATE_LIMIT_EXCEEDED",
        Kind::Unavailable => "SERVICE_UNAVAILABLE",
        Kind::Internal => "INTERNAL_ERROR",
    }
}

/// The answer to an error with the API's `body`: status, and the headers that go with it. Logs a failure of ours once,
/// here, with its cause.
pub fn answer(error: &Error, body: impl IntoResponse) -> Response {
    if matches!(error.kind, Kind::Internal | Kind::Unavailable) {
        let cause = error.source.as_ref().map(|source| source.to_string()).unwrap_or_default();
        tracing::error!(kind = ?error.kind, cause, "a request failed");
    }
    let mut response = (status(error.kind), body).into_response();
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.kind == Kind::Unauthenticated {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
