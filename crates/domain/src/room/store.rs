//! What a store keeps of rooms, their members and their live participants.

use super::{Member, Role, Room, RoomKind, RoomRef, Status};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{LoginId, ParticipantId, RoomId, UserId},
    meeting::{Participant, Presence},
    page::{Page, Window},
    user::Standing,
};

/// Which of a caller's meetings to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct MeetingFilter {
    pub status: Option<Status>,
    /// By scheduled start, or by creation where there is none; both ends included.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// A person in a room, as lists show them.
#[derive(Debug, Clone)]
pub struct Person {
    pub user: UserId,
    pub name: String,
    pub role: Role,
}

/// One who asks for a room: the account, and what it is there.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub name: String,
    /// The account's integer id.
    pub number: i64,
    pub standing: Standing,
    pub member: Option<Member>,
}

pub trait RoomStore {
    /// Stores a new room and gives it its number. A taken code or pair is `Conflict`.
    fn add_room(&mut self, room: &mut Room) -> Result<()>;
    fn room(&mut self, by: &RoomRef) -> Result<Option<Room>>;
    /// As `room`, and nobody else changes it until this transaction ends: every rule that counts starts here.
    fn lock_room(&mut self, id: RoomId) -> Result<Option<Room>>;
    fn room_by_pair(&mut self, pair: &str) -> Result<Option<Room>>;
    /// All but what messages change (`seq`, `private_messages`, `last_activity`).
    fn save_room(&mut self, room: &Room) -> Result<()>;
    /// Meetings that the user owns or was let in to, newest first.
    fn meetings_of(&mut self, user: UserId, filter: &MeetingFilter, window: Window) -> Result<Page<Room>>;
    /// The user's rooms of a kind, newest activity first.
    fn rooms_of(&mut self, user: UserId, kind: RoomKind) -> Result<Vec<Room>>;
    /// Every chatroom, newest first.
    fn chatrooms(&mut self) -> Result<Vec<Room>>;
    /// The last message numbers of the given rooms.
    fn seqs(&mut self, rooms: &[RoomId]) -> Result<Vec<(RoomId, i64)>>;
    /// Meetings that are active though their time was over before `quiet_since`, and that nobody is in, was in or wrote in since.
    fn abandoned(&mut self, quiet_since: Timestamp) -> Result<Vec<RoomId>>;
    /// Open conversations with the agent in which somebody else has the last word, of that time or later.
    fn unanswered(&mut self, agent: UserId, since: Timestamp) -> Result<Vec<RoomId>>;

    fn member(&mut self, room: RoomId, user: UserId) -> Result<Option<Member>>;
    /// The account and its membership in one look, for every post and every read begins with it.
    fn visitor(&mut self, room: RoomId, user: UserId) -> Result<Option<Visitor>>;
    fn put_member(&mut self, member: &Member) -> Result<()>;
    fn drop_member(&mut self, room: RoomId, user: UserId) -> Result<()>;
    /// Who is in, by name, oldest first.
    fn people(&mut self, room: RoomId) -> Result<Vec<Person>>;

    fn add_participant(&mut self, participant: &Participant) -> Result<()>;
    fn participant(&mut self, id: ParticipantId) -> Result<Option<Participant>>;
    /// As `participant`, and nobody else changes them until this transaction ends: who saves a participant has locked them,
    /// and the room, where it is locked too, before.
    fn lock_participant(&mut self, id: ParticipantId) -> Result<Option<Participant>>;
    /// Nobody else changes those who wait or are there until this transaction ends.
    fn lock_present(&mut self, room: RoomId) -> Result<()>;
    /// Nobody else changes the user's participants, in every room, that wait, are there or may come back until this
    /// transaction ends. For all locks on participants the order is that of their ids.
    fn lock_devices(&mut self, user: UserId) -> Result<()>;
    fn participant_by_identity(&mut self, room: RoomId, identity: &str) -> Result<Option<Participant>>;
    fn save_participant(&mut self, participant: &Participant) -> Result<()>;
    /// Those who wait or are there, in order of arrival.
    fn present(&mut self, room: RoomId) -> Result<Vec<Participant>>;
    /// Accounts that are kept out and were not deleted, each as the participant they were last, in order of arrival.
    fn removed(&mut self, room: RoomId) -> Result<Vec<Participant>>;
    /// Those of the user, in every room, that wait or are there.
    fn present_of(&mut self, user: UserId) -> Result<Vec<Participant>>;
    /// Those of the user that left the room and could come back by their tokens.
    fn left_of(&mut self, room: RoomId, user: UserId) -> Result<Vec<Participant>>;
    /// The one of the user's that was in the room and went last; of several that went together, the one there longest.
    fn last_of(&mut self, room: RoomId, user: UserId) -> Result<Option<Participant>>;
    /// Those, in every room, that went for good since then, and how.
    fn departed_since(&mut self, since: Timestamp) -> Result<Vec<(RoomId, ParticipantId, Presence)>>;
    /// Those of the user, in every room, that left and could come back by their tokens: they are gone for good. With a
    /// log-in, only those who came by it.
    fn forget_left(&mut self, user: UserId, login: Option<LoginId>) -> Result<()>;
    /// Seats taken: by accounts from their join on, by guests once they are connected.
    fn live_count(&mut self, room: RoomId) -> Result<i64>;
    /// People that ever were there; one with two devices is one.
    fn total_participants(&mut self, room: RoomId) -> Result<i64>;
    /// Seats whose time ran out at `now`.
    fn expired_seats(&mut self, now: Timestamp) -> Result<Vec<(RoomId, ParticipantId)>>;
    /// At start: nobody is connected, so every seat gets until `until`.
    fn unseat_all(&mut self, until: Timestamp) -> Result<()>;
}
