//! Meetings: who is in a room now, who waits at its door, and what a host may do about it.

pub mod act;
pub mod control;
pub mod rules;
pub mod seat;

use crate::{
    clock::Timestamp,
    id::{LoginId, ParticipantId, RoomId, UserId},
    room::Role,
    user::Party,
};

/// One join: a person on one device. The same person on a second device is a second participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    pub id: ParticipantId,
    pub room: RoomId,
    /// `None`: a guest.
    pub user: Option<UserId>,
    /// By which log-in the account came; what ends that ends this. `None`: a guest, or one of an earlier version.
    pub login: Option<LoginId>,
    /// LiveKit identity, `{name}_{8 hex}`: unique in the room.
    pub identity: String,
    pub display_name: String,
    pub role: Role,
    pub presence: Presence,
    pub joined_at: Timestamp,
    pub left_at: Option<Timestamp>,
    pub video_enabled: bool,
    pub audio_enabled: bool,
    /// When the hand went up: hands are called on in that order.
    pub hand_raised: Option<Timestamp>,
    /// Was connected at least once, or is an account: counts in totals.
    pub counted: bool,
    /// An agent or a recorder that an operator sends: it takes nobody's place and is in no total.
    pub assists: bool,
    /// Until when the seat is kept without a connection; `None`: connected now.
    pub seat_until: Option<Timestamp>,
}

impl Participant {
    pub fn party(&self) -> Party {
        self.user.map_or(Party::Guest(self.id), Party::User)
    }

    /// Whether the person is in the meeting, connected or on the way.
    pub fn seated(&self) -> bool {
        self.presence == Presence::Joined
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// At the door.
    Waiting,
    Joined,
    /// Went, or lost the seat; the token lets them back in while there is room.
    Left,
    /// By log-out or by an explicit leave: the token is dead, the person may join anew.
    Gone,
    Removed,
    Denied,
}

impl Presence {
    pub fn present(self) -> bool {
        matches!(self, Presence::Waiting | Presence::Joined)
    }
}
