//! A connected client: what it hears waits in a bounded mailbox until its socket takes it.
//!
//! **Memory per session is bounded.** A reader that is too slow first loses ephemeral events; then its messages are
//! dropped and marked, to be read again from the store when it is ready ([`Batch::lagged`]); a reader that lets even the
//! rest pile up is closed. What one transaction tells counts as told to a reader who had the time to take what came before: it
//! all comes in one go, and nobody is woken until it is in.

use crate::{
    event::Told,
    id::{LoginId, ParticipantId, RoomId, UserId},
    limit,
};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// Whose the session is, so that it can be closed with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    pub user: Option<UserId>,
    pub login: Option<LoginId>,
    pub participant: Option<ParticipantId>,
}

/// Why the server ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Logged out, deactivated, deleted, or a stolen refresh token was used.
    Revoked,
    Removed,
    Denied,
    MeetingEnded,
    Left,
    /// It read too slowly.
    TooSlow,
    /// The server stops; come back in a moment.
    Restart,
}

impl Close {
    /// Whether the client has lost its right to the session, so that nothing it still sends counts.
    pub fn is_dismissal(self) -> bool {
        !matches!(self, Close::TooSlow | Close::Restart)
    }
}

/// One end of a mailbox: the client's. Dropping it ends the session.
#[derive(Debug)]
pub struct Session {
    pub id: u64,
    mailbox: Arc<Mailbox>,
    on_drop: Option<DropHook>,
}

struct DropHook(Arc<dyn Fn(u64) + Send + Sync>);

impl std::fmt::Debug for DropHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DropHook")
    }
}

/// The other end: the bus's.
#[derive(Debug, Default)]
pub struct Mailbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<Told>>,
    /// Rooms whose messages are not queued but must be read again: after which number.
    #[expect(clippy::box_collection, reason = "an idle session keeps a pointer, not a table")]
    lagged: Option<Box<HashMap<RoomId, i64>>>,
    close: Option<Close>,
    waker: Option<Waker>,
    go: Go,
}

/// What is told in one go, by one transaction.
#[derive(Debug, Default)]
struct Go {
    number: u64,
    /// As much as may wait waited before it.
    found_full: bool,
    /// Events that may wait on top, because they came in one go to a reader who was in time: all that come during it, and those
    /// that came when it is over, until the reader has taken everything.
    spared: usize,
}

/// What a session takes at once.
#[derive(Debug, Default)]
pub struct Batch {
    pub told: Vec<Arc<Told>>,
    /// Rooms to read from the store, each after this number.
    pub lagged: Vec<(RoomId, i64)>,
    /// The last of all: the session is over.
    pub close: Option<Close>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.told.is_empty() && self.lagged.is_empty() && self.close.is_none()
    }
}

impl Session {
    pub fn new(id: u64, mailbox: Arc<Mailbox>, on_drop: Arc<dyn Fn(u64) + Send + Sync>) -> Self {
        Self { id, mailbox, on_drop: Some(DropHook(on_drop)) }
    }

    /// Moves all that waits into `batch`, up to `most` events.
    pub fn poll_batch(&self, cx: &mut Context<'_>, most: usize, batch: &mut Batch) -> Poll<()> {
        let mut state = self.mailbox.state.lock();
        let n = state.queue.len().min(most);
        batch.told.extend(state.queue.drain(..n));
        if state.queue.is_empty() {
            // An idle session keeps no buffer from its busy hours.
            state.queue.shrink_to(0);
            state.go.spared = 0;
            if let Some(lagged) = state.lagged.take() {
                batch.lagged.extend(*lagged);
            }
            batch.close = state.close;
        }
        if !batch.is_empty() {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// As [`Session::poll_batch`], for async code.
    pub async fn next(&self, most: usize) -> Batch {
        let mut batch = Batch::default();
        std::future::poll_fn(|cx| self.poll_batch(cx, most, &mut batch)).await;
        batch
    }

    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(hook) = self.on_drop.take() {
            (hook.0)(self.id);
        }
    }
}

impl Mailbox {
    /// Puts an event in, by the rules above. `go`: a number for what is told in one go. The waker, if somebody waits: to be
    /// woken when all is in.
    pub fn put(&self, told: &Arc<Told>, go: u64) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.accept(told, go) { state.waker.take() } else { None }
    }

    /// As [`Mailbox::put`], but whoever waits sleeps on until [`Mailbox::stir`], or until something else wakes them.
    pub fn hold(&self, told: &Arc<Told>, go: u64) {
        self.state.lock().accept(told, go);
    }

    /// Drops what waits of a room that the session has left.
    pub fn forget(&self, room: RoomId) {
        let mut state = self.state.lock();
        state.queue.retain(|waiting| waiting.room != room);
        if let Some(lagged) = &mut state.lagged {
            lagged.remove(&room);
        }
        state.lagged.take_if(|lagged| lagged.is_empty());
    }

    /// The waker, if somebody waits though there is something for them.
    pub fn stir(&self) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.is_idle() { None } else { state.waker.take() }
    }

    /// Ends the session; what waits is still delivered first, unless it waited too long.
    pub fn close(&self, why: Close) -> Option<Waker> {
        let mut state = self.state.lock();
        state.close.get_or_insert(why);
        state.waker.take()
    }

    /// Whether the session is over, once what waits is delivered.
    pub fn is_closing(&self) -> bool {
        self.state.lock().close.is_some()
    }

    /// Whether the session is over because the client has lost its right to it.
    pub fn is_dismissed(&self) -> bool {
        self.state.lock().close.is_some_and(Close::is_dismissal)
    }

    /// Events that wait.
    pub fn len(&self) -> usize {
        self.state.lock().queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl State {
    /// Whether something has changed for the reader.
    fn accept(&mut self, told: &Arc<Told>, go: u64) -> bool {
        if self.close.is_some() {
            return false;
        }
        self.begin(go);
        if let (Some(lagged), Some(_)) = (&self.lagged, told.seq())
            && lagged.contains_key(&told.room)
        {
            return false;
        }
        if self.queue.len() < self.bound(told) || self.make_room(told) {
            self.queue.push_back(told.clone());
        }
        true
    }

    fn begin(&mut self, go: u64) {
        if self.go.number != go {
            let spared = if self.go.spared == usize::MAX { self.queue.len() } else { self.go.spared };
            self.go = Go { number: go, found_full: self.queue.len() >= limit::MAILBOX, spared };
        }
    }

    /// How many events may wait when another like `told` comes. What can be dropped or read again is spared nothing.
    fn bound(&self, told: &Told) -> usize {
        let spared = if told.event.ephemeral() || told.seq().is_some() { 0 } else { self.go.spared };
        limit::MAILBOX.saturating_add(spared)
    }

    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.lagged.is_none() && self.close.is_none()
    }

    /// Whether there is room for `told` now.
    fn make_room(&mut self, told: &Arc<Told>) -> bool {
        self.queue.retain(|waiting| !waiting.event.ephemeral());
        if told.event.ephemeral() {
            return false;
        }
        if self.queue.len() >= limit::MAILBOX {
            self.drop_messages();
        }
        if let (Some(lagged), Some(seq)) = (&mut self.lagged, told.seq()) {
            lagged.entry(told.room).or_insert(seq - 1);
            return false;
        }
        if self.queue.len() >= self.bound(told) {
            if self.go.spared == 0 && !self.go.found_full {
                self.go.spared = usize::MAX;
                return true;
            }
            // Even without its messages it is full: this reader is gone.
            self.queue.clear();
            self.close = Some(Close::TooSlow);
            return false;
        }
        true
    }

    fn drop_messages(&mut self) {
        let lagged = self.lagged.get_or_insert_default();
        self.queue.retain(|waiting| match waiting.seq() {
            Some(seq) => {
                lagged.entry(waiting.room).or_insert(seq - 1);
                false
            }
            None => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        event::{Audience, Event, Who},
        id::{MessageId, UserId},
        message::{Message, MessageKind},
        user::Party,
    };

    fn mailbox() -> (Session, Arc<Mailbox>) {
        let mailbox = Arc::new(Mailbox::default());
        (Session::new(1, mailbox.clone(), Arc::new(|_| {})), mailbox)
    }

    fn posted(room: RoomId, seq: i64) -> Arc<Told> {
        let message = Message {
            id: MessageId::new(),
            number: seq,
            room,
            room_number: 1,
            seq,
            sender: Party::User(UserId::new()),
            sender_number: 1,
            sender_name: "Ann".into(),
            content: "hi".into(),
            kind: MessageKind::Text,
            recipient: None,
            nonce: None,
            created_at: Timestamp(seq),
        };
        Arc::new(Told::new(room, Audience::Room, Event::Posted(message)))
    }

    fn typing(room: RoomId) -> Arc<Told> {
        let from = Who { party: Party::User(UserId::new()), participant: None, name: "Bob".into() };
        Arc::new(Told::new(room, Audience::Room, Event::Typing { from, is_typing: true }))
    }

    fn locked(room: RoomId) -> Arc<Told> {
        Arc::new(Told::new(room, Audience::Room, Event::Locked(true)))
    }

    fn take(session: &Session) -> Batch {
        let mut batch = Batch::default();
        let _ = session.poll_batch(&mut Context::from_waker(Waker::noop()), usize::MAX, &mut batch);
        batch
    }

    #[test]
    fn a_slow_reader_loses_typing_first() {
        let (session, mailbox) = mailbox();
        let room = RoomId::new();
        for seq in 1..=limit::MAILBOX as i64 / 2 {
            mailbox.put(&typing(room), seq as u64);
            mailbox.put(&posted(room, seq), seq as u64);
        }
        mailbox.put(&posted(room, 129), 129);
        let batch = take(&session);
        let seqs: Vec<_> = batch.told.iter().map(|told| told.seq().unwrap()).collect();
        assert_eq!(seqs, (1..=129).collect::<Vec<_>>());
        assert!(batch.lagged.is_empty());
    }

    #[test]
    fn then_it_is_told_what_to_read_again() {
        let (session, mailbox) = mailbox();
        let (room, other) = (RoomId::new(), RoomId::new());
        for seq in 8..8 + 10_000 {
            mailbox.put(&posted(room, seq), seq as u64);
            assert!(mailbox.len() <= limit::MAILBOX);
        }
        mailbox.put(&posted(other, 3), 0);
        let batch = take(&session);
        assert!(batch.told.iter().all(|told| told.room == other || told.seq().unwrap() < 8));
        let mut lagged = batch.lagged;
        lagged.retain(|(id, _)| *id == room);
        assert_eq!(lagged, [(room, 7)]);
        mailbox.put(&posted(room, 10_009), 0);
        assert_eq!(take(&session).told.len(), 1, "after the catch-up it hears live again");
    }

    #[test]
    fn a_reader_that_is_gone_is_closed() {
        let (session, mailbox) = mailbox();
        let locked = locked(RoomId::new());
        for go in 1..=limit::MAILBOX as u64 {
            mailbox.put(&locked, go);
        }
        assert!(!mailbox.is_closing());
        mailbox.put(&locked, 0);
        assert_eq!(take(&session).close, Some(Close::TooSlow));
    }

    #[test]
    fn what_comes_in_one_go_finds_room_if_what_came_before_was_taken() {
        let (session, mailbox) = mailbox();
        let (room, many) = (RoomId::new(), 3 * limit::MAILBOX);
        let locked = locked(room);
        let tell = |go, count| (0..count).for_each(|_| drop(mailbox.put(&locked, go)));
        mailbox.put(&posted(room, 1), 1);
        tell(1, many);
        mailbox.put(&posted(room, 2), 1);
        let batch = take(&session);
        assert_eq!((batch.told.len(), batch.close), (many, None));
        assert_eq!(batch.lagged, [(room, 0)], "messages make room and are read again");

        // What comes before the reader has woken is still no matter of the reader's.
        tell(2, many);
        (3..3 + limit::MAILBOX as u64).for_each(|go| tell(go, 1));
        assert!(!mailbox.is_closing());
        tell(2_000, 1);
        assert_eq!(take(&session).close, Some(Close::TooSlow), "but it must wake");
    }

    #[test]
    fn a_slow_reader_is_spared_once() {
        let (session, mailbox) = mailbox();
        let locked = locked(RoomId::new());
        let tell = |go, count| (0..count).for_each(|_| drop(mailbox.put(&locked, go)));
        tell(1, 2 * limit::MAILBOX);
        let mut batch = Batch::default();
        let _ = session.poll_batch(&mut Context::from_waker(Waker::noop()), 10, &mut batch);
        tell(2, limit::MAILBOX);
        assert!(!mailbox.is_closing());
        tell(2, 1);
        assert!(mailbox.is_closing());
    }
}
