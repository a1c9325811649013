//! What can go wrong, once, for every API. Each API's `voice.rs` words a [`Kind`] in its own shape.

use std::borrow::Cow;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The closed list of refusals. An API maps every kind to a status and a code; a new kind asks each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request could not be parsed at all.
    Malformed,
    /// Well-formed, but breaks a rule; [`Error::field`] names what.
    Invalid,
    /// No credentials, or dead ones.
    Unauthenticated,
    /// The caller may know of the thing but may not do this to it.
    Forbidden,
    /// The thing does not exist, or the caller may not know that it does.
    NotFound,
    /// As `NotFound`, for a meeting.
    MeetingNotFound,
    MethodNotAllowed,
    /// A unique thing (an e-mail address) is taken.
    Conflict,
    MeetingEnded,
    MeetingNotStarted,
    MeetingFull,
    MeetingLocked,
    InvalidPasscode,
    TooLarge,
    /// Too many requests or guesses; [`Error::retry_after`] says when to come back, in seconds.
    TooMany,
    /// A part we depend on (the database) does not answer now; nothing was stored, or the message says that this is not
    /// known.
    Unavailable,
    Internal,
}

impl Kind {
    /// Whether it is the room's door that refuses, and not a fault: who hears this is not in the room.
    pub fn shuts_out(self) -> bool {
        matches!(self, Kind::Forbidden | Kind::NotFound | Kind::MeetingNotFound | Kind::MeetingLocked)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub kind: Kind,
    /// For people. Never holds a secret or another person's data.
    pub message: Cow<'static, str>,
    /// The field that breaks the rule, spelled as the domain spells it.
    pub field: Option<&'static str>,
    /// Seconds.
    pub retry_after: Option<u64>,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), field: None, retry_after: None, source: None }
    }

    pub fn invalid(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field), ..Self::new(Kind::Invalid, message) }
    }

    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Forbidden, message)
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound, format!("{what} not found"))
    }

    pub fn meeting_not_found() -> Self {
        Self::new(Kind::MeetingNotFound, "Meeting not found")
    }

    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unauthenticated, message)
    }

    pub fn too_many(message: impl Into<Cow<'static, str>>, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Kind::TooMany, message) }
    }

    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let message = "The service is not available right now; nothing was stored";
        Self { source: Some(source.into()), retry_after: Some(2), ..Self::new(Kind::Unavailable, message) }
    }

    /// As [`Error::unavailable`], where it was too late to take the work back.
    pub fn unanswered(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let message = "The service did not answer in time; it is not known whether this was stored";
        Self { message: message.into(), ..Self::unavailable(source) }
    }

    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Self::new(Kind::Internal, "Internal server error") }
    }
}
