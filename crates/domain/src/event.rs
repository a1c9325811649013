//! Everything that live clients hear of. An API words an event for its own clients, or leaves it out.

use crate::{
    id::{ParticipantId, RoomId, UserId},
    meeting::Participant,
    message::Message,
    room::Room,
    user::Party,
};
use bytes::Bytes;
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

#[derive(Debug, Clone)]
pub enum Event {
    /// A message was stored. The only event with a place (`seq`) in the room's order.
    Posted(Message),
    Joined(Participant),
    Left(Participant),
    Updated(Participant),
    /// Somebody is at the door; hosts hear it.
    Waiting(Participant),
    /// To the one at the door, with the token that now opens it.
    Admitted {
        participant: Participant,
        token: String,
    },
    /// To the one at the door.
    Denied(Participant),
    /// To the one removed.
    Removed(Participant),
    /// A host muted the participant.
    Muted {
        participant: Participant,
        by: UserId,
    },
    /// A host asks the participant to unmute; nobody can do it for them.
    UnmuteRequested {
        participant: ParticipantId,
        by: UserId,
    },
    MeetingUpdated(Room),
    Locked(bool),
    MeetingEnded {
        reason: EndReason,
        room: Room,
    },
    /// A member came to or went from the room (chatrooms).
    MemberJoined {
        user: UserId,
        name: String,
    },
    MemberLeft {
        user: UserId,
        name: String,
    },
    /// Somebody's first socket began to hear the room, or their last one ceased to.
    Presence {
        who: Who,
        here: bool,
    },
    Typing {
        from: Who,
        is_typing: bool,
    },
    Reaction {
        from: Who,
        emoji: String,
    },
    HandRaised {
        from: Who,
        participant: Participant,
    },
    /// A WebRTC message from one client for another; the body is the clients' own.
    Signal {
        kind: SignalKind,
        from: Who,
        body: String,
    },
    /// A piece of the agent's answer, as it is written.
    AgentDelta {
        text: String,
    },
}

impl Event {
    /// Ephemeral events are dropped first when a client reads too slowly: the next one makes them stale anyway.
    pub fn ephemeral(&self) -> bool {
        matches!(self, Event::Typing { .. } | Event::Reaction { .. } | Event::AgentDelta { .. })
    }

    pub fn message(&self) -> Option<&Message> {
        match self {
            Event::Posted(message) => Some(message),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    Ended,
    Cancelled,
    Deleted,
}

/// The one an event comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub party: Party,
    pub participant: Option<ParticipantId>,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalKind {
    Offer,
    Answer,
    Candidate,
}

/// Who in the room hears an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who is in; not those at the door.
    Room,
    /// As `Room`, and those at the door.
    RoomAndDoor,
    /// All sessions of these parties.
    Parties(Vec<Party>),
    /// The sessions of one participant alone, also at the door.
    Participant(ParticipantId),
    /// Hosts and co-hosts.
    Hosts,
    /// Everybody who is in but one party (typing).
    Others(Party),
}

/// How many APIs may keep their own wording of an event beside it.
pub const WORDINGS: usize = 8;

/// An event on its way to many sessions: each API words it once, and all its clients share the bytes.
#[derive(Debug)]
pub struct Told {
    /// Its own, in this process.
    pub number: u64,
    pub room: RoomId,
    pub audience: Audience,
    pub event: Event,
    wordings: [OnceLock<Option<Bytes>>; WORDINGS],
}

impl Told {
    pub fn new(room: RoomId, audience: Audience, event: Event) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Self { number, room, audience, event, wordings: Default::default() }
    }

    /// The event in the words of the API that owns `slot`; `None` when that API does not speak of it.
    pub fn worded(&self, slot: usize, word: impl FnOnce(&Told) -> Option<Bytes>) -> Option<Bytes> {
        self.wordings[slot].get_or_init(|| word(self)).clone()
    }

    pub fn seq(&self) -> Option<i64> {
        self.event.message().map(|message| message.seq)
    }
}
