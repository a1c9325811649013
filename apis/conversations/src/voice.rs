//! How this API words an error: `{"error": {"message", "status"}}` (contract.md, "Errors").

use axum::response::{IntoResponse, Response};
use convo_domain::error::Error;
use convo_kit::{Json, voice};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// A domain error on its way out.
pub(crate) struct Voice(pub(crate) Error);

pub(crate) type Caller = convo_kit::Caller<Voice>;
pub(crate) type Signed = convo_kit::Signed<Voice>;
pub(crate) type Anyone = convo_kit::Anyone<Voice>;
pub(crate) type Body<T> = convo_kit::Body<T, Voice>;
pub(crate) type Params<T> = convo_kit::Params<T, Voice>;
pub(crate) type Route<T> = convo_kit::Route<T, Voice>;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversationsError, example = json!({"error": {"message": "Error description", "status": 400}}))]
pub struct ErrorBody {
    error: Refusal,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversationsRefusal)]
struct Refusal {
    /// For people.
    message: String,
    /// The HTTP status again.
    status: u16,
}

impl From<&Error> for ErrorBody {
    fn from(error: &Error) -> Self {
        let status = voice::status(error.kind).as_u16();
        Self { error: Refusal { message: error.message.to_string(), status } }
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
    voice::answer(&error, Json(ErrorBody::from(&error)))
}

/// The error as a frame of the WebSocket.
pub(crate) fn frame(error: &Error) -> String {
    serde_json::to_string(&ErrorBody::from(error)).unwrap_or_default()
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
    /// Breaks a rule; `message` names the field.
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
    use convo_domain::error::Kind;
    use serde_json::{Value, json};

    #[test]
    fn the_shape_of_an_error() {
        let error = Error::new(Kind::Malformed, "Error description");
        let expected = json!({"error": {"message": "Error description", "status": 400}});
        assert_eq!(serde_json::from_str::<Value>(&frame(&error)).unwrap(), expected);
        assert_eq!(voice(error).status(), 400);
    }
}
