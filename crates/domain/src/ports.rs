//! The smaller ports: tokens, the media, mail and texts, the AI endpoint.

use crate::{
    clock::Timestamp,
    error::Result,
    id::{ParticipantId, UserId},
    meeting::Participant,
    room::Room,
    user::{Caller, rules::Delivery},
};
use async_trait::async_trait;
use futures_util::{future::BoxFuture, stream::BoxStream};

/// Seconds that an access token lives (platform.md, `expires_in`).
pub const ACCESS_SECONDS: u64 = 3600;
/// Seconds that a refresh token lives: a month without a visit ends the log-in.
pub const REFRESH_SECONDS: u64 = 30 * 24 * 3600;
/// Seconds that a meeting token lives: longer than a long meeting.
pub const MEETING_SECONDS: u64 = 24 * 3600;

/// Makes and reads signed tokens. Says nothing of whether they are still wanted: that is in the store.
pub trait Tokens: Send + Sync + 'static {
    fn access(&self, caller: Caller, now: Timestamp) -> String;
    /// `id`: this token's own; only the last one of a log-in is good.
    fn refresh(&self, caller: Caller, id: &str, now: Timestamp) -> String;
    /// The token of the meeting socket and of LiveKit for the room; for one who waits, of the waiting room alone.
    fn meeting(&self, room: &Room, participant: &Participant, now: Timestamp) -> String;
    /// `None`: not ours, forged, or out of date.
    fn read(&self, token: &str, now: Timestamp) -> Option<Claims>;
}

#[derive(Debug, Clone, PartialEq)]
pub enum Claims {
    Access {
        caller: CallerClaims,
    },
    Refresh {
        caller: CallerClaims,
        id: String,
    },
    /// `door`: of the waiting room alone.
    Meeting {
        room_code: String,
        participant: ParticipantId,
        door: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerClaims {
    pub user: UserId,
    pub login: crate::id::LoginId,
}

impl From<CallerClaims> for Caller {
    fn from(claims: CallerClaims) -> Self {
        Caller { user: claims.user, login: claims.login }
    }
}

/// Where people's media are.
pub trait Media: Send + Sync + 'static {
    /// Somebody gets a token for the room. What is answered is done when whatever they write there is heard, or when that
    /// takes too long to wait for.
    fn expect(&self, room: &Room) -> BoxFuture<'static, ()>;
}

/// Carries codes to people, by mail server and gateway or into the outbox.
#[async_trait]
pub trait Courier: Send + Sync + 'static {
    async fn mail(&self, to: &str, subject: &str, text: &str) -> Result<()>;
    async fn text(&self, to: &str, text: &str) -> Result<()>;
    fn delivery(&self) -> Delivery;
}

/// One turn of a conversation with the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub by_agent: bool,
    pub text: String,
}

/// Why the agent could not answer, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentFault {
    #[error("the AI service cannot be reached")]
    Unreachable,
    #[error("the AI service took too long to answer")]
    TimedOut,
    #[error("the AI service refused the request (status {0})")]
    Refused(u16),
    #[error("the AI service broke off its answer")]
    BrokenOff,
    /// The endpoint's own limit on an answer, or the model's window.
    #[error("the AI service allows no longer answer")]
    CutOff,
    #[error("the content filter of the AI service stepped in")]
    Filtered,
    /// More than [`MESSAGE_CHARS`](crate::limit::MESSAGE_CHARS).
    #[error("a message holds no more")]
    Full,
    #[error("the server restarts")]
    Restart,
}

/// Any OpenAI-compatible endpoint.
pub trait Agent: Send + Sync + 'static {
    /// The answer, piece by piece.
    fn answer(&self, turns: Vec<Turn>) -> BoxStream<'static, Result<String, AgentFault>>;
}
