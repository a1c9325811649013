//! The Bus port: who must hear what. The store is the truth; the bus only carries the news of it.

use crate::{
    event::{Audience, Event, Told},
    id::{LoginId, ParticipantId, RoomId, UserId},
    session::{Close, Owner, Session},
    user::Party,
};
use std::sync::Arc;

/// Something to say once it is true.
#[derive(Debug, Clone)]
pub enum Tell {
    Event(Arc<Told>),
    /// Close sessions: whose, and why.
    Close(Whose, Close),
    /// The participant's place in the room changed (let in from the door).
    Reseat(RoomId, ParticipantId, Seat),
    /// The party became host or co-host, or is it no more: what their sessions hear of the door follows.
    Regrade(RoomId, Party, bool),
    /// A user stopped being a member: their sessions hear the room no more.
    Unseat(RoomId, Party),
}

impl Tell {
    pub fn event(room: RoomId, audience: Audience, event: Event) -> Self {
        Tell::Event(Arc::new(Told::new(room, audience, event)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    User(UserId),
    Login(LoginId),
    Participant(ParticipantId),
    Everybody,
}

/// What a session is in a room: decides what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    pub party: Party,
    pub participant: Option<ParticipantId>,
    /// Host or co-host.
    pub controls: bool,
    /// At the door: hears only what is for it.
    pub waiting: bool,
}

/// Where a session joins in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribed {
    /// It is told the messages after this number, and none before.
    pub after: i64,
    /// Nobody heard the room until now, so what was posted after that number was told to nobody yet.
    pub first: bool,
}

pub trait Bus: Send + Sync + 'static {
    /// Says all of it, in this order. Messages reach each session in the order of their `seq`.
    fn tell(&self, tells: Vec<Tell>);
    /// A new session, hearing nothing yet.
    fn open(&self, owner: Owner) -> Session;
    /// Whose the session is, where that was found out after it was opened.
    fn own(&self, session: &Session, owner: Owner);
    /// From now on the session hears the room. `seq`: the room's last message number, read before.
    fn subscribe(&self, session: &Session, room: RoomId, seat: Seat, seq: i64) -> Subscribed;
    /// The session hears the room no more, nor what waits for it of the room.
    fn unsubscribe(&self, session: &Session, room: RoomId);
    /// Whether the session hears the room.
    fn hears(&self, session: &Session, room: RoomId) -> bool;
    /// How many sessions of the participant hear the room.
    fn connections(&self, room: RoomId, participant: ParticipantId) -> usize;
    /// The rooms with listeners, each with the number of the last message delivered.
    fn heard(&self) -> Vec<(RoomId, i64)>;
}
