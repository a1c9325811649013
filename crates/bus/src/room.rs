//! The listeners of one room, and the order in which they hear its messages.

use convo_domain::{
    bus::Seat,
    event::{Audience, Told},
    id::{ParticipantId, RoomId},
    session::Mailbox,
    user::Party,
};
use std::{collections::BTreeMap, sync::Arc, task::Waker, time::Duration};
use tokio::time::Instant;

pub(crate) struct Listener {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) seat: Seat,
}

pub(crate) struct Room {
    /// The last message told.
    last: i64,
    /// Messages that came before their predecessors.
    early: BTreeMap<i64, Arc<Told>>,
    /// By session. A vector, for it is walked far more often than it changes.
    listeners: Vec<(u64, Listener)>,
    rest: Rest,
}

/// A room's rest after it has woken many.
#[derive(Default)]
struct Rest {
    /// From when, and until when.
    span: Option<(Instant, Instant)>,
    /// Events that nobody was woken for yet.
    held: usize,
}

/// What is said in one go, and what it leads to.
pub(crate) struct Turn {
    now: Instant,
    number: u64,
    /// To be woken.
    pub(crate) wakers: Vec<Waker>,
    /// Rooms to be stirred, and when.
    pub(crate) rests: Vec<(RoomId, Instant)>,
}

impl Turn {
    pub(crate) fn new(now: Instant, number: u64) -> Self {
        Self { now, number, wakers: Vec::new(), rests: Vec::new() }
    }
}

/// Messages held back at most; more are dropped here and found again in the store.
const EARLY: usize = 1_024;
/// Listeners woken together that make a rest worth while: less would not fill a tick of the clock.
const CROWD: usize = 64;
/// The rest for each of them: two or three times what one write costs, so that a busy room has written all before it
/// goes on. 10 ms for 500 listeners.
const REST: Duration = Duration::from_micros(20);
/// However many they are.
const LONGEST_REST: Duration = Duration::from_millis(50);
/// Events of one rest; well below what a mailbox holds, and enough for one write.
const HELD: usize = 64;

impl Room {
    pub(crate) fn new(last: i64) -> Self {
        Self { last, early: BTreeMap::new(), listeners: Vec::new(), rest: Rest::default() }
    }

    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }

    /// A session listens once, however often it asks.
    pub(crate) fn listen(&mut self, session: u64, listener: Listener) {
        match self.listeners.iter_mut().find(|(id, _)| *id == session) {
            Some((_, known)) => *known = listener,
            None => self.listeners.push((session, listener)),
        }
    }

    pub(crate) fn has(&self, session: u64) -> bool {
        self.listeners.iter().any(|(id, _)| *id == session)
    }

    pub(crate) fn leave(&mut self, session: u64) {
        self.listeners.retain(|(id, _)| *id != session);
    }

    pub(crate) fn connections(&self, participant: ParticipantId) -> usize {
        self.listeners.iter().filter(|(_, l)| l.seat.participant == Some(participant)).count()
    }

    pub(crate) fn reseat(&mut self, participant: ParticipantId, seat: Seat) {
        let meant = self.listeners.iter_mut().filter(|(_, l)| l.seat.participant == Some(participant));
        meant.for_each(|(_, listener)| listener.seat = seat);
    }

    pub(crate) fn regrade(&mut self, party: Party, controls: bool) {
        let theirs = self.listeners.iter_mut().filter(|(_, l)| l.seat.party == party);
        theirs.for_each(|(_, listener)| listener.seat.controls = controls);
    }

    pub(crate) fn unseat(&mut self, party: Party, turn: &mut Turn) {
        // Those who leave hear what was said before.
        self.stir(turn);
        self.listeners.retain(|(_, listener)| listener.seat.party != party);
    }

    pub(crate) fn tell(&mut self, told: Arc<Told>, turn: &mut Turn) {
        let Some(seq) = told.seq() else { return self.deliver(&told, turn) };
        if seq <= self.last {
            return;
        }
        if seq > self.last + 1 {
            if self.early.len() < EARLY {
                self.early.insert(seq, told);
            }
            return;
        }
        self.last = seq;
        self.deliver(&told, turn);
        while let Some(next) = self.early.remove(&(self.last + 1)) {
            self.last += 1;
            self.deliver(&next, turn);
        }
    }

    fn deliver(&mut self, told: &Arc<Told>, turn: &mut Turn) {
        let hears = self.listeners.iter().filter(|(_, listener)| hears(&listener.seat, &told.audience));
        let Some(until) = self.rest.until(turn.now).filter(|_| is_for_many(&told.audience)) else {
            let before = turn.wakers.len();
            turn.wakers.extend(hears.filter_map(|(_, listener)| listener.mailbox.put(told, turn.number)));
            return self.rest.begin(turn.now, turn.wakers.len() - before);
        };
        hears.for_each(|(_, listener)| listener.mailbox.hold(told, turn.number));
        self.rest.held += 1;
        if self.rest.held == 1 {
            turn.rests.push((told.room, until));
        }
    }

    /// Wakes those who have something to hear.
    pub(crate) fn stir(&mut self, turn: &mut Turn) {
        if std::mem::take(&mut self.rest.held) > 0 {
            let before = turn.wakers.len();
            turn.wakers.extend(self.listeners.iter().filter_map(|(_, listener)| listener.mailbox.stir()));
            self.rest.begin(turn.now, turn.wakers.len() - before);
        }
    }
}

impl Rest {
    fn begin(&mut self, now: Instant, woken: usize) {
        if woken >= CROWD {
            self.span = Some((now, now + (REST * woken as u32).min(LONGEST_REST)));
        }
    }

    /// Until when the room rests. What is told together goes together, so a rest begins after its own turn.
    fn until(&self, now: Instant) -> Option<Instant> {
        let (from, until) = self.span?;
        (from < now && now < until && self.held < HELD).then_some(until)
    }
}

/// Whether it may wait for the end of a rest; what is for a few is soon said.
fn is_for_many(audience: &Audience) -> bool {
    match audience {
        Audience::Room | Audience::RoomAndDoor | Audience::Others(_) => true,
        Audience::Parties(_) | Audience::Participant(_) | Audience::Hosts => false,
    }
}

fn hears(seat: &Seat, audience: &Audience) -> bool {
    match audience {
        Audience::Room => !seat.waiting,
        Audience::RoomAndDoor => true,
        Audience::Parties(parties) => !seat.waiting && parties.contains(&seat.party),
        Audience::Participant(id) => seat.participant == Some(*id),
        Audience::Hosts => !seat.waiting && seat.controls,
        Audience::Others(party) => !seat.waiting && seat.party != *party,
    }
}
