//! Rooms: the one thing behind a meeting, a conversation and a chatroom. Each has members, a message history in one
//! order, and live participants; the kind says which rules hold.

pub mod act;
pub mod code;
pub mod rules;
pub mod store;

use crate::{
    clock::Timestamp,
    id::{RoomId, UserId},
    limit,
};

#[derive(Debug, Clone)]
pub struct Room {
    pub id: RoomId,
    /// `convo.md`'s integer id.
    pub number: i64,
    pub kind: RoomKind,
    pub origin: Origin,
    /// What people type or click: `123-456-789` or `abc-defg-hij`. Never reused.
    pub code: String,
    pub title: String,
    pub description: Option<String>,
    /// Who owns the room, never who came first. `None`: nobody (a guest meeting made without a token).
    pub host: Option<UserId>,
    pub scheduled_start: Option<Timestamp>,
    pub scheduled_end: Option<Timestamp>,
    pub timezone: String,
    pub status: Status,
    pub actual_start: Option<Timestamp>,
    pub actual_end: Option<Timestamp>,
    pub passcode: Option<String>,
    pub locked: bool,
    pub settings: Settings,
    /// A conversation with the AI agent.
    pub is_ai: bool,
    /// The two people of a conversation, in order: unique, so that they share one.
    pub pair: Option<String>,
    /// The number of the last message.
    pub seq: i64,
    /// How many of the messages are private.
    pub private_messages: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Of the last message, or of the creation.
    pub last_activity: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomKind {
    Meeting,
    Conversation,
    Chatroom,
}

/// Which document's rules the room was made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Platform,
    /// `livekit-meetings.md`: whoever knows the code may come in.
    Guest,
    /// `convo.md`, which knows no joining: any account that uses the meeting joins by that.
    Convo,
    Conversations,
    Chatrooms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Scheduled,
    Active,
    Ended,
    Cancelled,
}

/// `platform.md`'s `settings` of a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub waiting_room_enabled: bool,
    pub require_password: bool,
    pub allow_join_before_host: bool,
    pub recording_enabled: bool,
    pub auto_recording: bool,
    pub chat_enabled: bool,
    pub screen_sharing_enabled: bool,
    pub max_participants: i64,
}

impl Settings {
    /// A room that asks nothing of who comes in.
    pub fn open() -> Self {
        Self {
            waiting_room_enabled: false,
            require_password: false,
            allow_join_before_host: true,
            recording_enabled: false,
            auto_recording: false,
            chat_enabled: true,
            screen_sharing_enabled: true,
            max_participants: limit::DEFAULT_PARTICIPANTS,
        }
    }
}

/// How a caller names a room. Every API that takes a room takes its UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RoomRef {
    Id(RoomId),
    Code(String),
    Number(i64),
}

impl RoomRef {
    /// A UUID (bare or prefixed) or a code.
    pub fn parse(text: &str) -> Option<Self> {
        RoomId::parse(text).map(RoomRef::Id).or_else(|| code::normalise(text).map(RoomRef::Code))
    }

    /// As `parse`, and `convo.md`'s integers.
    pub fn parse_or_number(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| text.parse().ok().filter(|n| *n > 0).map(RoomRef::Number))
    }
}

#[derive(Debug, Clone)]
pub struct Member {
    pub room: RoomId,
    pub user: UserId,
    pub role: Role,
    pub standing: MemberStanding,
    pub since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Host,
    CoHost,
    Participant,
}

impl Role {
    pub fn controls(self) -> bool {
        matches!(self, Role::Host | Role::CoHost)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberStanding {
    In,
    /// By a host; stays out until readmitted.
    Removed,
}
