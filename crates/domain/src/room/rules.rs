//! Who may use a room: pure decisions over what was loaded.

use super::{Member, MemberStanding, Origin, Room, RoomKind, Status};
use crate::error::{Error, Kind, Result};

/// What a caller without a seat of their own may do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// A member: may read, write and listen.
    In,
    /// Not yet a member, but using the room makes one: `convo.md`'s open meetings.
    JoinsByUse,
}

/// `missing`: what the caller asks for, and hears is not there, of a room that is no business of theirs.
pub fn admit(room: &Room, member: Option<&Member>, missing: RoomKind) -> Result<Admission> {
    match member.map(|m| m.standing) {
        Some(MemberStanding::In) => Ok(Admission::In),
        Some(MemberStanding::Removed) => Err(Error::forbidden("You were removed from this meeting")),
        None if room.origin == Origin::Convo && room.locked => {
            Err(Error::new(Kind::MeetingLocked, "Meeting is locked"))
        }
        None if room.origin == Origin::Convo && !asks_at_the_door(room) => Ok(Admission::JoinsByUse),
        // Its very existence is the members' business.
        None if room.kind == RoomKind::Conversation => Err(not_found(missing)),
        None => Err(Error::forbidden(match room.kind {
            RoomKind::Chatroom => "You are not a member of this chatroom",
            _ => "You have not joined this meeting",
        })),
    }
}

/// Whether its host has closed what was open to everybody: in comes then who joins, by the passcode or the waiting room.
fn asks_at_the_door(room: &Room) -> bool {
    room.passcode.is_some() || room.settings.waiting_room_enabled
}

/// Whether the room takes messages now.
pub fn may_post(room: &Room) -> Result<()> {
    open(room)?;
    if !room.settings.chat_enabled {
        return Err(Error::forbidden("Chat is disabled in this meeting"));
    }
    Ok(())
}

/// Whether the room still lives.
pub fn open(room: &Room) -> Result<()> {
    match room.status {
        Status::Scheduled | Status::Active => Ok(()),
        Status::Ended => Err(Error::new(Kind::MeetingEnded, "Meeting has ended")),
        Status::Cancelled => Err(Error::new(Kind::MeetingEnded, "Meeting was cancelled")),
    }
}

/// The room's 404, in the words of its kind.
pub fn not_found(kind: RoomKind) -> Error {
    match kind {
        RoomKind::Meeting => Error::meeting_not_found(),
        RoomKind::Conversation => Error::not_found("Conversation"),
        RoomKind::Chatroom => Error::not_found("Chatroom"),
    }
}
