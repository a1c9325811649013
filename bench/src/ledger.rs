//! What was sent against what arrived: every delivery is checked.

use serde::Serialize;

use crate::mark::Mark;

/// What went wrong. All zero for a server that keeps its word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Faults {
    /// Deliveries that never came.
    pub(crate) missing: u64,
    /// Deliveries that came again.
    pub(crate) doubled: u64,
    /// Deliveries to a member of another room.
    pub(crate) foreign: u64,
    /// Deliveries whose text had changed, or of messages that nobody sent.
    pub(crate) garbled: u64,
    /// Deliveries that came after a later one of the same sender.
    pub(crate) out_of_order: u64,
    /// Rooms whose members saw different orders.
    pub(crate) rooms_disagreeing: u64,
    /// Messages whose sender asked for an acknowledgement and got none, or a refusal.
    pub(crate) unacknowledged: u64,
    /// Clients whose first event after the connection was lost.
    pub(crate) first_events_lost: u64,
}

impl Faults {
    pub(crate) fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// Whether a delivery was one that the room was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Expected,
    Unexpected,
}

/// The books of one crowd. Streams are numbered room by room, `senders` to a room.
pub(crate) struct Ledger {
    senders: usize,
    rooms: Vec<Room>,
    seats: Vec<Seat>,
    faults: Faults,
}

#[derive(Default)]
struct Room {
    /// How many messages each sender has sent.
    sent: Vec<u32>,
    /// The order in which the fastest member saw them.
    order: Vec<Mark>,
    disagrees: bool,
}

struct Seat {
    room: usize,
    /// How much of the room's order this member has seen.
    position: usize,
    /// What arrived, for each sender of the room.
    arrived: Vec<Arrived>,
}

#[derive(Clone, Default)]
struct Arrived {
    /// One past the latest message that arrived.
    next: u32,
    /// Earlier ones that have not arrived.
    skipped: Vec<u32>,
}

impl Ledger {
    /// `seat_rooms` gives the room of each seat.
    pub(crate) fn new(senders: usize, seat_rooms: impl Iterator<Item = usize>) -> Self {
        let seat = |room| Seat { room, position: 0, arrived: vec![Arrived::default(); senders] };
        let seats: Vec<Seat> = seat_rooms.map(seat).collect();
        let count = seats.iter().map(|seat| seat.room + 1).max().unwrap_or(0);
        let rooms = (0..count).map(|_| Room { sent: vec![0; senders], ..Room::default() }).collect();
        Self { senders, rooms, seats, faults: Faults::default() }
    }

    /// Books the next message of a stream.
    pub(crate) fn sent(&mut self, stream: usize) -> Mark {
        let sent = &mut self.rooms[stream / self.senders].sent[stream % self.senders];
        let mark = Mark { stream: stream as u32, number: *sent };
        *sent += 1;
        mark
    }

    /// Books a delivery to a seat.
    pub(crate) fn arrived(&mut self, seat: usize, mark: Mark) -> Verdict {
        let (room_index, sender) = (mark.stream as usize / self.senders, mark.stream as usize % self.senders);
        let seat = &mut self.seats[seat];
        let Some(room) = self.rooms.get_mut(room_index).filter(|room| mark.number < room.sent[sender]) else {
            return self.garbled();
        };
        if room_index != seat.room {
            self.faults.foreign += 1;
            return Verdict::Unexpected;
        }
        let arrived = &mut seat.arrived[sender];
        if mark.number >= arrived.next {
            arrived.skipped.extend(arrived.next..mark.number);
            arrived.next = mark.number + 1;
        } else if let Some(place) = arrived.skipped.iter().position(|&skipped| skipped == mark.number) {
            arrived.skipped.swap_remove(place);
            self.faults.out_of_order += 1;
        } else {
            self.faults.doubled += 1;
            return Verdict::Unexpected;
        }
        match room.order.get(seat.position) {
            None => room.order.push(mark),
            Some(first_seen) => room.disagrees |= *first_seen != mark,
        }
        seat.position += 1;
        Verdict::Expected
    }

    /// Books a delivery that is no message of ours.
    pub(crate) fn garbled(&mut self) -> Verdict {
        self.faults.garbled += 1;
        Verdict::Unexpected
    }

    /// What went wrong so far. What is still under way counts as missing.
    pub(crate) fn faults(&self) -> Faults {
        let missing = self.seats.iter().flat_map(|seat| {
            let sent = &self.rooms[seat.room].sent;
            seat.arrived.iter().zip(sent).map(|(a, &sent)| u64::from(sent - a.next) + a.skipped.len() as u64)
        });
        let rooms_disagreeing = self.rooms.iter().filter(|room| room.disagrees).count() as u64;
        Faults { missing: missing.sum(), rooms_disagreeing, ..self.faults }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rooms of two seats, two senders each; in room 0 each of them has sent two messages.
    fn ledger() -> (Ledger, [Mark; 4]) {
        let mut ledger = Ledger::new(2, [0, 0, 1, 1].into_iter());
        let marks = [0, 0, 1, 1].map(|stream| ledger.sent(stream));
        (ledger, marks)
    }

    fn faults_after(deliveries: &[(usize, usize)]) -> Faults {
        let (mut ledger, marks) = ledger();
        for &(seat, message) in deliveries {
            ledger.arrived(seat, marks[message]);
        }
        ledger.faults()
    }

    /// What the first seat sees in the tests below: everything, in order.
    const WHOLE: [(usize, usize); 4] = [(0, 0), (0, 1), (0, 2), (0, 3)];

    #[test]
    fn one_order_for_all_is_clean() {
        assert_eq!(faults_after(&[WHOLE, [(1, 0), (1, 1), (1, 2), (1, 3)]].concat()), Faults::default());
    }

    #[test]
    fn senders_interleaved_otherwise_disagree() {
        let faults = faults_after(&[WHOLE, [(1, 0), (1, 2), (1, 1), (1, 3)]].concat());
        assert_eq!(faults, Faults { rooms_disagreeing: 1, ..Faults::default() });
    }

    #[test]
    fn a_senders_own_messages_swapped_are_out_of_order() {
        let faults = faults_after(&[WHOLE, [(1, 1), (1, 0), (1, 2), (1, 3)]].concat());
        assert_eq!(faults, Faults { out_of_order: 1, rooms_disagreeing: 1, ..Faults::default() });
    }

    #[test]
    fn losses_doubles_and_leaks_are_told_apart() {
        let faults = faults_after(&[&WHOLE[..], &[(1, 0), (1, 0), (1, 1), (1, 2), (2, 0)]].concat());
        assert_eq!(faults, Faults { missing: 1, doubled: 1, foreign: 1, ..Faults::default() });
    }

    #[test]
    fn a_message_that_nobody_sent_is_garbled() {
        let (mut ledger, _) = ledger();
        assert_eq!(ledger.arrived(0, Mark { stream: 0, number: 7 }), Verdict::Unexpected);
        assert_eq!(ledger.faults().garbled, 1);
    }
}
