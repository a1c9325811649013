//! People: one set of accounts behind every API.

pub mod act;
pub mod guess;
pub mod login;
pub mod password;
pub mod rules;
pub mod store;

use crate::{
    clock::Timestamp,
    id::{LoginId, ParticipantId, RoomId, UserId},
};
pub use password::PasswordHash;

/// The name that stands where an account was deleted; the messages stay (contract.md, "Deleting a user").
pub const DELETED_NAME: &str = "Deleted user";

#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    /// `convo.md`'s integer id.
    pub number: i64,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub password: PasswordHash,
    pub first_name: String,
    pub last_name: String,
    pub display_name: String,
    pub avatar_url: Option<String>,
    pub email_verified: bool,
    pub phone_verified: bool,
    pub standing: Standing,
    pub admin: bool,
    pub timezone: String,
    pub language: String,
    pub devices: DeviceDefaults,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_login: Option<Timestamp>,
}

impl User {
    pub fn verified(&self) -> bool {
        self.email_verified || self.phone_verified
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Active,
    /// By an operator: may not log in; can be undone.
    Deactivated,
    /// By oneself; what remains is a nameless row under the messages.
    Deleted,
    /// The AI agent: writes, never logs in.
    Agent,
}

/// `platform.md`'s `meeting_settings` of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceDefaults {
    pub video_enabled: bool,
    pub audio_enabled: bool,
    pub auto_join_audio: bool,
}

impl Default for DeviceDefaults {
    fn default() -> Self {
        Self { video_enabled: true, audio_enabled: true, auto_join_audio: true }
    }
}

/// One log-in and the refresh token that continues it now.
#[derive(Debug, Clone)]
pub struct Login {
    pub id: LoginId,
    pub user: UserId,
    /// SHA-256 of the id of the one refresh token that is still good.
    pub refresh_hash: Vec<u8>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// A code on its way to an address, to prove that it is the account's.
#[derive(Debug, Clone)]
pub struct Verification {
    pub channel: Channel,
    pub code_hash: Vec<u8>,
    pub user: UserId,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    Email,
    Phone,
}

/// Who writes and who reads: an account, or a guest by the one participant that a link made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    User(UserId),
    Guest(ParticipantId),
}

impl Party {
    pub fn user(self) -> Option<UserId> {
        match self {
            Party::User(id) => Some(id),
            Party::Guest(_) => None,
        }
    }

    /// The UUID under which messages and mailboxes know this party.
    pub fn uuid(self) -> uuid::Uuid {
        match self {
            Party::User(id) => id.0,
            Party::Guest(id) => id.0,
        }
    }
}

/// Somebody whose credentials were checked. Made only by [`login`].
#[derive(Debug, Clone)]
pub enum Actor {
    User(Caller),
    /// A guest's meeting token: good for that meeting and its chat, and for nothing else.
    Guest(Guest),
}

#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub user: UserId,
    pub login: LoginId,
}

#[derive(Debug, Clone)]
pub struct Guest {
    pub participant: ParticipantId,
    pub room: RoomId,
}

impl Actor {
    pub fn party(&self) -> Party {
        match self {
            Actor::User(caller) => Party::User(caller.user),
            Actor::Guest(guest) => Party::Guest(guest.participant),
        }
    }

    /// The account, or 403: guests may do nothing outside their meeting.
    pub fn account(&self) -> crate::error::Result<Caller> {
        match self {
            Actor::User(caller) => Ok(*caller),
            Actor::Guest(_) => Err(crate::error::Error::forbidden("A guest's token is good for its meeting alone")),
        }
    }
}
