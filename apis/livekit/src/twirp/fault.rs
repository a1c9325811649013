//! Twirp's errors: a code with its status, a message, and details.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use convo_domain::error::{Error, Kind};
use convo_sfu::Refusal;
use serde::Serialize;
use std::{borrow::Cow, collections::BTreeMap};

/// As much of Twirp's closed list as is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    BadRoute,
    Malformed,
    InvalidArgument,
    Unauthenticated,
    NotFound,
    FailedPrecondition,
    DeadlineExceeded,
    ResourceExhausted,
    Unavailable,
    Unimplemented,
    Internal,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Code::BadRoute | Code::NotFound => StatusCode::NOT_FOUND,
            Code::Malformed | Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Code::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Fault {
    code: Code,
    msg: Cow<'static, str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    meta: BTreeMap<&'static str, String>,
}

impl Fault {
    pub(crate) fn new(code: Code, msg: impl Into<Cow<'static, str>>) -> Self {
        Self { code, msg: msg.into(), meta: BTreeMap::new() }
    }

    pub(crate) fn invalid(argument: &'static str, msg: &str) -> Self {
        let mut fault = Self::new(Code::InvalidArgument, format!("{argument} {msg}"));
        fault.meta.insert("argument", argument.into());
        fault
    }

    pub(crate) fn denied() -> Self {
        Self::new(Code::Unauthenticated, "permissions denied")
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.code.status(), Json(self)).into_response()
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(text) => Self::new(Code::NotFound, text),
            Refusal::InvalidArgument(text) => Self::new(Code::InvalidArgument, text),
            Refusal::FailedPrecondition(text) => Self::new(Code::FailedPrecondition, text),
            Refusal::Unavailable(text) => Self::new(Code::Unavailable, text),
            Refusal::Unimplemented(text) => Self::new(Code::Unimplemented, text),
            Refusal::Rpc { code, message, data } => {
                let meta = BTreeMap::from([("rpc_code", code.to_string()), ("rpc_data", data)]);
                Self { meta, ..Self::new(rpc(code), message) }
            }
        }
    }
}

/// The codes that LiveKit's SDKs give to failed calls between participants.
fn rpc(code: u32) -> Code {
    match code {
        1400 | 1402 => Code::InvalidArgument,
        1401 => Code::NotFound,
        1403 | 1404 => Code::Unimplemented,
        1501 | 1502 => Code::DeadlineExceeded,
        1503 => Code::Unavailable,
        _ => Code::Internal,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            Kind::Malformed => Code::Malformed,
            Kind::Invalid | Kind::TooLarge => Code::InvalidArgument,
            Kind::NotFound | Kind::MeetingNotFound => Code::NotFound,
            Kind::TooMany => Code::ResourceExhausted,
            Kind::Unavailable => Code::Unavailable,
            Kind::Internal => Code::Internal,
            _ => Code::FailedPrecondition,
        };
        if matches!(code, Code::Unavailable | Code::Internal) {
            tracing::error!(%error, cause = ?error.source, "a call of LiveKit's server API failed");
        }
        Self::new(code, error.message)
    }
}
