//! A connected client: what it hears waits in a bounded mailbox until its socket takes it.
//!
//! **Memory per session is bounded.** A reader that is too slow first loses ephemeral events; then its messages are
//! dropped and marked, to be read again from the store when it is ready ([`Batch::lagged`]); a reader that lets even the
//! rest pile up is closed.

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
    /// Puts an event in, by the rules above. The waker, if somebody waits: to be woken when all is in.
    pub fn put(&self, told: &Arc<Told>) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.accept(told) { state.waker.take() } else { None }
    }

    /// As [`Mailbox::put`], but whoever waits sleeps on until [`Mailbox::stir`], or until something else wakes them.
    pub fn hold(&self, told: &Arc<Told>) {
        self.state.lock().accept(told);
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
    fn accept(&mut self, told: &Arc<Told>) -> bool {
        if self.close.is_some() {
            return false;
        }
        if let (Some(lagged), Some(_)) = (&self.lagged, told.seq())
            && lagged.contains_key(&told.room)
        {
            return false;
        }
        if self.queue.len() < limit::MAILBOX || self.make_room(told) {
            self.queue.push_back(told.clone());
        }
        true
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
        if self.queue.len() >= limit::MAILBOX {
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
            mailbox.put(&typing(room));
            mailbox.put(&posted(room, seq));
        }
        mailbox.put(&posted(room, 129));
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
            mailbox.put(&posted(room, seq));
            assert!(mailbox.len() <= limit::MAILBOX);
        }
        mailbox.put(&posted(other, 3));
        let batch = take(&session);
        assert!(batch.told.iter().all(|told| told.room == other || told.seq().unwrap() < 8));
        let mut lagged = batch.lagged;
        lagged.retain(|(id, _)| *id == room);
        assert_eq!(lagged, [(room, 7)]);
        mailbox.put(&posted(room, 10_009));
        assert_eq!(take(&session).told.len(), 1, "after the catch-up it hears live again");
    }

    #[test]
    fn a_reader_that_is_gone_is_closed() {
        let (session, mailbox) = mailbox();
        let room = RoomId::new();
        let locked = Arc::new(Told::new(room, Audience::Room, Event::Locked(true)));
        for _ in 0..=limit::MAILBOX {
            mailbox.put(&locked);
        }
        assert_eq!(take(&session).close, Some(Close::TooSlow));
    }
}
