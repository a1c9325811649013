//! The room load: messages to rooms full of clients, at a fixed rate or as fast as they go, every delivery checked.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::crowd::{Crowd, Event, What};
use crate::dialect::{Dialect, Seat};
use crate::ledger::{Faults, Ledger, Verdict};
use crate::machine::{self, Lap, Process, Stopwatch};

/// Nanoseconds without any delivery after which what is under way counts as lost.
const LOST_AFTER: u64 = 5_000_000_000;

/// How many rooms, and how many clients in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rooms: usize,
    pub(crate) members: usize,
}

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (rooms, members) = text.split_once('x').context("a shape is ROOMSxMEMBERS, as in 100x10")?;
        Ok(Self { rooms: rooms.parse()?, members: members.parse()? })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rooms, self.members)
    }
}

/// When the next message goes out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// So many deliveries a second in all, evenly spread over the senders (an open loop).
    Rate(f64),
    /// Each sender has this many under way; the next goes out when one has reached the whole room (a closed loop).
    Closed(usize),
}

/// What one stretch of load gave.
pub(crate) struct Phase {
    pub(crate) deliveries: u64,
    /// Until the last delivery was in.
    pub(crate) lap: Lap,
    /// Nanoseconds from the time a message was due to the time it came in.
    pub(crate) latency: Histogram<u64>,
}

/// One sender in one room.
struct Stream {
    client: usize,
    /// By number.
    sent: Vec<Sent>,
}

struct Sent {
    /// When it was to go out, which in an overloaded open loop is before it did.
    due: u64,
    /// Members it has not reached.
    left: usize,
    acknowledged: bool,
}

/// A crowd in its rooms, and the books.
pub(crate) struct Load {
    crowd: Crowd,
    shape: Shape,
    /// To a room.
    senders: usize,
    streams: Vec<Stream>,
    ledger: Ledger,
    /// Messages that have not reached everybody.
    under_way: usize,
    /// Messages that wait for their acknowledgement.
    unacknowledged: usize,
    refused: u64,
}

impl Load {
    /// Connects the seats, which are in the order of their rooms. The first `senders` clients of each room send.
    pub(crate) fn gather(
        address: SocketAddr,
        dialect: Dialect,
        shape: Shape,
        seats: Vec<Seat>,
        senders: usize,
    ) -> Result<Self> {
        let crowd = Crowd::gather(address, dialect, seats)?;
        let clients = (0..shape.rooms).flat_map(|room| (0..senders).map(move |sender| room * shape.members + sender));
        let streams = clients.map(|client| Stream { client, sent: Vec::new() }).collect();
        let ledger = Ledger::new(senders, crowd.seats().iter().map(|seat| seat.room));
        Ok(Self { crowd, shape, senders, streams, ledger, under_way: 0, unacknowledged: 0, refused: 0 })
    }

    /// Sends for `length`, then waits until everything is in.
    pub(crate) fn run(&mut self, pace: Pace, length: Duration, process: Process) -> Result<Phase> {
        let watch = Stopwatch::start(process)?;
        let mut latency = machine::latencies()?;
        let mut deliveries = 0;
        let begin = machine::now();
        let end = begin + length.as_nanos() as u64;
        let mut schedule = Schedule::new(pace, self.shape.members, self.streams.len(), begin, end);
        if let Pace::Closed(count) = pace {
            for stream in (0..self.streams.len()).flat_map(|stream| std::iter::repeat_n(stream, count)) {
                self.send(stream, machine::now())?;
            }
        }
        let mut last_heard = begin;
        let mut events = Vec::new();
        loop {
            let now = machine::now();
            while let Some((stream, due)) = schedule.next_due(now) {
                self.send(stream, due)?;
            }
            let done = self.under_way + self.unacknowledged == 0;
            if now >= end && (done || now > last_heard.max(end) + LOST_AFTER) {
                break;
            }
            let until = schedule.wake().unwrap_or(if now < end { end } else { now + LOST_AFTER });
            events.extend(self.crowd.listen(until)?);
            for event in events.drain(..) {
                last_heard = event.at;
                let Some((stream, due)) = self.take(event) else { continue };
                deliveries += 1;
                latency.saturating_record(event.at.saturating_sub(due));
                let reached_all = self.reach(stream, event);
                if reached_all && matches!(pace, Pace::Closed(_)) && machine::now() < end {
                    self.send(stream, machine::now())?;
                }
            }
        }
        Ok(Phase { deliveries, lap: watch.lap()?, latency })
    }

    /// What went wrong since the crowd came together.
    pub(crate) fn faults(&self) -> Faults {
        Faults {
            unacknowledged: self.unacknowledged as u64 + self.refused,
            first_events_lost: self.crowd.first_events_lost,
            ..self.ledger.faults()
        }
    }

    /// Mean payload bytes of a delivered message.
    pub(crate) fn frame_bytes(&self) -> f64 {
        let (bytes, messages) = self.crowd.message_bytes;
        bytes as f64 / messages.max(1) as f64
    }

    fn send(&mut self, stream: usize, due: u64) -> Result<()> {
        let mark = self.ledger.sent(stream);
        let asks = self.crowd.dialect().acknowledges();
        let Stream { client, sent } = &mut self.streams[stream];
        sent.push(Sent { due, left: self.shape.members, acknowledged: !asks });
        self.under_way += 1;
        self.unacknowledged += usize::from(asks);
        self.crowd.say(*client, mark.number, &mark.text())
    }

    /// Books an event. An expected delivery gives its stream and when it was due.
    fn take(&mut self, event: Event) -> Option<(usize, u64)> {
        match event.what {
            What::Message(Some(mark)) => {
                let expected = self.ledger.arrived(event.client, mark) == Verdict::Expected;
                let stream = mark.stream as usize;
                return expected.then(|| (stream, self.streams[stream].sent[mark.number as usize].due));
            }
            What::Message(None) => {
                self.ledger.garbled();
            }
            What::Acknowledged { number, accepted } => self.acknowledge(event.client, number, accepted),
            What::Refused => self.refused += 1,
        }
        None
    }

    fn acknowledge(&mut self, client: usize, number: u32, accepted: bool) {
        // Only the first clients of a room send.
        let (room, sender) = (client / self.shape.members, client % self.shape.members);
        let stream = (sender < self.senders).then(|| &mut self.streams[room * self.senders + sender]);
        let sent = stream.and_then(|stream| stream.sent.get_mut(number as usize));
        if let Some(sent) = sent.filter(|sent| accepted && !sent.acknowledged) {
            sent.acknowledged = true;
            self.unacknowledged -= 1;
        }
    }

    /// Counts one member as reached; whether it was the last.
    fn reach(&mut self, stream: usize, event: Event) -> bool {
        let What::Message(Some(mark)) = event.what else { return false };
        let sent = &mut self.streams[stream].sent[mark.number as usize];
        sent.left -= 1;
        self.under_way -= usize::from(sent.left == 0);
        sent.left == 0
    }
}

/// When which stream's turn is, in an open loop.
struct Schedule {
    /// Nanoseconds between two messages; `None` in a closed loop.
    interval: Option<f64>,
    streams: usize,
    begin: u64,
    end: u64,
    /// Messages given out.
    count: u64,
}

impl Schedule {
    fn new(pace: Pace, members: usize, streams: usize, begin: u64, end: u64) -> Self {
        let interval = match pace {
            Pace::Rate(deliveries) => Some(members as f64 / deliveries * 1e9),
            Pace::Closed(_) => None,
        };
        Self { interval, streams, begin, end, count: 0 }
    }

    /// When the next message is due, if one is.
    fn wake(&self) -> Option<u64> {
        let due = self.begin + (self.interval? * self.count as f64) as u64;
        (due < self.end).then_some(due)
    }

    /// The next stream that is due by now.
    fn next_due(&mut self, now: u64) -> Option<(usize, u64)> {
        let due = self.wake().filter(|&due| due <= now)?;
        let stream = (self.count % self.streams as u64) as usize;
        self.count += 1;
        Some((stream, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_spreads_the_streams_evenly() {
        // 500 deliveries/s to rooms of 5: a message each 10 ms, by three senders in turn.
        let mut schedule = Schedule::new(Pace::Rate(500.0), 5, 3, 0, 50_000_000);
        let due: Vec<_> = std::iter::from_fn(|| schedule.next_due(u64::MAX)).collect();
        assert_eq!(due, [(0, 0), (1, 10_000_000), (2, 20_000_000), (0, 30_000_000), (1, 40_000_000)]);
    }

    #[test]
    fn a_shape_reads_as_it_is_written() {
        assert_eq!("100x10".parse::<Shape>().unwrap().to_string(), "100x10");
        assert!("100".parse::<Shape>().is_err());
    }
}
