//! The Bus port: fan-out to the sessions of this node.
//!
//! **Messages reach every session of a room in the order of their `seq`.** The store tells after each commit, but
//! commits of one room can be told from several threads; the hub holds back what came early until what is missing has
//! come, and drops what came twice. Fan-out runs on the thread that tells: one lock, one pointer per listener; and the
//! sleepers are woken when all of it is in their mailboxes, by tasks of their own, so that all of it is written at once.
//!
//! **A room that has just woken many rests for a moment**: what it says meanwhile waits in the mailboxes, and leaves in
//! one write for each listener. The first word after a silence goes at once.

mod room;

use convo_domain::{
    bus::{Bus, Seat, Subscribed, Tell, Whose},
    id::{ParticipantId, RoomId},
    session::{Close, Mailbox, Owner, Session},
};
use parking_lot::Mutex;
use room::{Listener, Room, Turn};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    task::Waker,
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

/// Wakers of one task: half a millisecond where it writes for each of them.
const SHARE: usize = 64;

/// One node's hub.
pub struct Hub {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    turns: u64,
    sessions: HashMap<u64, Entry>,
    /// Sessions by whose they are.
    owned: HashMap<Whose, Vec<u64>>,
    rooms: HashMap<RoomId, Room>,
}

struct Entry {
    owner: Owner,
    mailbox: Arc<Mailbox>,
    rooms: Vec<RoomId>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { state: Arc::new(Mutex::new(State::default())) }
    }
}

impl Hub {
    /// Sessions that are open now.
    pub fn sessions(&self) -> usize {
        self.state.lock().sessions.len()
    }

    /// Wakes the listeners for what they were not woken for, at the end of the room's rest.
    fn stir_at(&self, room: RoomId, until: Instant) {
        let Ok(runtime) = Handle::try_current() else { return stir(&self.state, room) };
        let state = Arc::downgrade(&self.state);
        runtime.spawn(async move {
            sleep_until(until).await;
            if let Some(state) = state.upgrade() {
                stir(&state, room);
            }
        });
    }
}

fn stir(state: &Mutex<State>, room: RoomId) {
    let mut state = state.lock();
    let mut turn = state.turn();
    if let Some(room) = state.rooms.get_mut(&room) {
        room.stir(&mut turn);
    }
    drop(state);
    wake(turn.wakers);
}

/// Wakes them, in tasks of their own: to wake one may be to write for it, which is nothing to wait for, least of all with
/// the caller's locks held. A crowd is shared out among the processors.
fn wake(mut wakers: Vec<Waker>) {
    let Ok(runtime) = Handle::try_current() else { return wakers.into_iter().for_each(Waker::wake) };
    while !wakers.is_empty() {
        let share = wakers.split_off(wakers.len().saturating_sub(SHARE));
        runtime.spawn(async move { share.into_iter().for_each(Waker::wake) });
    }
}

impl Bus for Hub {
    fn tell(&self, tells: Vec<Tell>) {
        let mut state = self.state.lock();
        let mut turn = state.turn();
        for tell in tells {
            match tell {
                Tell::Event(told) => {
                    if let Some(room) = state.rooms.get_mut(&told.room) {
                        room.tell(told, &mut turn);
                    }
                }
                Tell::Close(whose, why) => state.close(whose, why, &mut turn.wakers),
                Tell::Reseat(room, participant, seat) => {
                    if let Some(room) = state.rooms.get_mut(&room) {
                        room.reseat(participant, seat);
                    }
                }
                Tell::Regrade(room, party, controls) => {
                    if let Some(room) = state.rooms.get_mut(&room) {
                        room.regrade(party, controls);
                    }
                }
                Tell::Unseat(room, party) => {
                    if let Some(room) = state.rooms.get_mut(&room) {
                        room.unseat(party, &mut turn);
                    }
                }
            }
        }
        drop(state);
        wake(turn.wakers);
        turn.rests.into_iter().for_each(|(room, until)| self.stir_at(room, until));
    }

    fn open(&self, owner: Owner) -> Session {
        let mailbox = Arc::new(Mailbox::default());
        let mut state = self.state.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.sessions.insert(id, Entry { owner: Owner::default(), mailbox: mailbox.clone(), rooms: Vec::new() });
        state.own(id, owner);
        let hub: Weak<Mutex<State>> = Arc::downgrade(&self.state);
        let forget = move |id| {
            if let Some(state) = hub.upgrade() {
                state.lock().forget(id);
            }
        };
        Session::new(id, mailbox, Arc::new(forget))
    }

    fn own(&self, session: &Session, owner: Owner) {
        self.state.lock().own(session.id, owner);
    }

    fn subscribe(&self, session: &Session, room: RoomId, seat: Seat, seq: i64) -> Subscribed {
        let mut state = self.state.lock();
        let Some(entry) = state.sessions.get_mut(&session.id) else { return Subscribed { after: seq, first: false } };
        if !entry.rooms.contains(&room) {
            entry.rooms.push(room);
        }
        let listener = Listener { mailbox: entry.mailbox.clone(), seat };
        let first = !state.rooms.contains_key(&room);
        let room = state.rooms.entry(room).or_insert_with(|| Room::new(seq));
        room.listen(session.id, listener);
        Subscribed { after: room.last(), first }
    }

    fn unsubscribe(&self, session: &Session, room: RoomId) {
        let mut state = self.state.lock();
        if let Some(entry) = state.sessions.get_mut(&session.id) {
            entry.rooms.retain(|id| *id != room);
            entry.mailbox.forget(room);
        }
        state.leave(session.id, room);
    }

    fn hears(&self, session: &Session, room: RoomId) -> bool {
        self.state.lock().rooms.get(&room).is_some_and(|room| room.has(session.id))
    }

    fn connections(&self, room: RoomId, participant: ParticipantId) -> usize {
        self.state.lock().rooms.get(&room).map_or(0, |room| room.connections(participant))
    }

    fn heard(&self) -> Vec<(RoomId, i64)> {
        self.state.lock().rooms.iter().map(|(id, room)| (*id, room.last())).collect()
    }
}

impl State {
    fn turn(&mut self) -> Turn {
        self.turns += 1;
        Turn::new(Instant::now(), self.turns)
    }

    fn close(&self, whose: Whose, why: Close, wakers: &mut Vec<Waker>) {
        let mut close = |entry: &Entry| wakers.extend(entry.mailbox.close(why));
        match whose {
            Whose::Everybody => self.sessions.values().for_each(close),
            whose => {
                let owned = self.owned.get(&whose).into_iter().flatten();
                owned.filter_map(|id| self.sessions.get(id)).for_each(&mut close);
            }
        }
    }

    fn own(&mut self, session: u64, owner: Owner) {
        let Some(entry) = self.sessions.get_mut(&session) else { return };
        let before = std::mem::replace(&mut entry.owner, owner);
        self.disown(session, before);
        owners(owner).for_each(|whose| self.owned.entry(whose).or_default().push(session));
    }

    fn disown(&mut self, session: u64, owner: Owner) {
        for whose in owners(owner) {
            if let Some(ids) = self.owned.get_mut(&whose) {
                ids.retain(|id| *id != session);
                if ids.is_empty() {
                    self.owned.remove(&whose);
                }
            }
        }
    }

    fn forget(&mut self, session: u64) {
        let Some(entry) = self.sessions.remove(&session) else { return };
        self.disown(session, entry.owner);
        for room in entry.rooms {
            self.leave(session, room);
        }
    }

    fn leave(&mut self, session: u64, id: RoomId) {
        if let Some(room) = self.rooms.get_mut(&id) {
            room.leave(session);
            if room.is_empty() {
                self.rooms.remove(&id);
            }
        }
    }
}

/// Under which names a session can be closed.
fn owners(owner: Owner) -> impl Iterator<Item = Whose> {
    let user = owner.user.map(Whose::User);
    user.into_iter().chain(owner.login.map(Whose::Login)).chain(owner.participant.map(Whose::Participant))
}
