//! The listeners of one room, and the order in which they hear its messages.

use convo_domain::{
    bus::Seat,
    event::{Audience, Told},
    id::ParticipantId,
    session::Mailbox,
    user::Party,
};
use std::{collections::BTreeMap, sync::Arc, task::Waker};

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
}

/// Messages held back at most; more are dropped here and found again in the store.
const EARLY: usize = 1_024;

impl Room {
    pub(crate) fn new(last: i64) -> Self {
        Self { last, early: BTreeMap::new(), listeners: Vec::new() }
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

    pub(crate) fn unseat(&mut self, party: Party) {
        self.listeners.retain(|(_, listener)| listener.seat.party != party);
    }

    pub(crate) fn tell(&mut self, told: Arc<Told>, wakers: &mut Vec<Waker>) {
        let Some(seq) = told.seq() else { return self.deliver(&told, wakers) };
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
        self.deliver(&told, wakers);
        while let Some(next) = self.early.remove(&(self.last + 1)) {
            self.last += 1;
            self.deliver(&next, wakers);
        }
    }

    fn deliver(&self, told: &Arc<Told>, wakers: &mut Vec<Waker>) {
        let hears = self.listeners.iter().filter(|(_, listener)| hears(&listener.seat, &told.audience));
        wakers.extend(hears.filter_map(|(_, listener)| listener.mailbox.put(told)));
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
