//! What the subscribers heard, and whether anything of it is missing.

use anyhow::Result;
use hdrhistogram::Histogram;

use super::scenario::{Kind, LADDER};
use super::stamp::Stamp;
use crate::machine;

/// Nanoseconds without a packet after which a line has stopped: who is silent sends 2.5 a second.
const SILENCE: u64 = 1_000_000_000;

/// A publisher's track as one subscriber gets it.
pub(crate) struct Line {
    pub(crate) kind: Kind,
    /// The publisher's index in the room.
    pub(crate) publisher: usize,
    /// The rung that was asked for; 0 for audio.
    pub(crate) asked: usize,
    /// When the first packet came that can be shown, by [`machine::now`].
    pub(crate) first: Option<u64>,
    /// Packets of the measured phase.
    pub(crate) packets: u64,
    /// When the last one came, by [`machine::now`].
    last: u64,
    /// When the newest packet was sent, and its rung.
    newest: u64,
    current: usize,
    runs: [Run; LADDER.len()],
}

/// Packets of one rung in a row, up to a switch to another.
#[derive(Clone, Copy, Default)]
struct Run {
    /// Lowest and highest number; (0, 0) before the first packet.
    first: u32,
    highest: u32,
    received: u64,
}

impl Run {
    fn hear(&mut self, number: u32) {
        if self.first == 0 {
            *self = Self { first: number, highest: number, received: 0 };
        }
        // What comes late from before the run belongs to nothing that was counted.
        if number >= self.first {
            self.highest = self.highest.max(number);
            self.received += 1;
        }
    }

    fn missing(self) -> u64 {
        match self.first {
            0 => 0,
            first => u64::from(self.highest - first + 1).saturating_sub(self.received),
        }
    }
}

impl Line {
    pub(crate) fn new(kind: Kind, publisher: usize, asked: usize) -> Self {
        Self {
            kind,
            publisher,
            asked,
            first: None,
            packets: 0,
            last: 0,
            newest: 0,
            current: 0,
            runs: Default::default(),
        }
    }

    /// The measured phase begins: what came before isn't missing.
    pub(crate) fn begin(&mut self) {
        (self.packets, self.runs) = (0, Default::default());
    }

    /// Packets that never came between those that did.
    pub(crate) fn missing(&self) -> u64 {
        self.runs.iter().map(|run| run.missing()).sum()
    }

    /// It carried something, and then no more: what is missing at its end is between no two packets.
    pub(crate) fn has_stopped(&self, now: u64) -> bool {
        self.packets > 0 && now.saturating_sub(self.last) > SILENCE
    }

    /// Returns what is missing of a run that a switch to another rung has ended.
    fn hear(&mut self, stamp: &Stamp, at: u64) -> u64 {
        self.packets += 1;
        self.last = at;
        if stamp.entry {
            self.first.get_or_insert(at);
        }
        let rung = stamp.rung.unwrap_or(0);
        let mut ended = 0;
        if stamp.sent >= self.newest {
            if rung != self.current {
                // All of this rung's last run that can come has come by now.
                ended = std::mem::take(&mut self.runs[rung]).missing();
                self.current = rung;
            }
            self.newest = stamp.sent;
        }
        self.runs[rung].hear(stamp.number);
        ended
    }
}

/// Sums over all subscribers.
pub(crate) struct Tally {
    pub(crate) packets: u64,
    /// RTP payload.
    pub(crate) bytes: u64,
    /// Packets with a marker, which end a frame, and all of audio.
    pub(crate) frames: u64,
    /// Packets by rung.
    pub(crate) rungs: [u64; LADDER.len()],
    pub(crate) lost: u64,
    /// Packets that nobody sent so, or not to this subscriber.
    pub(crate) foreign: u64,
    /// Nanoseconds from the sender's call to the kernel's receive time.
    pub(crate) audio: Histogram<u64>,
    pub(crate) video: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Result<Self> {
        let (audio, video) = (machine::latencies()?, machine::latencies()?);
        Ok(Self { packets: 0, bytes: 0, frames: 0, rungs: Default::default(), lost: 0, foreign: 0, audio, video })
    }

    /// A subscriber of that room got a packet of `bytes` payload at `at`.
    pub(crate) fn hear(&mut self, room: usize, lines: &mut [Line], payload: &[u8], marker: bool, at: u64) {
        // Padding, with which servers probe a link.
        if payload.is_empty() {
            return;
        }
        let stamp = Stamp::read(payload).filter(|stamp| usize::from(stamp.room) == room);
        let of =
            |stamp: &Stamp, line: &Line| line.publisher == usize::from(stamp.publisher) && line.kind == stamp.kind();
        let Some((stamp, line)) =
            stamp.and_then(|stamp| Some((stamp, lines.iter_mut().find(|line| of(&stamp, line))?)))
        else {
            self.foreign += 1;
            return;
        };
        self.packets += 1;
        self.bytes += payload.len() as u64;
        self.frames += u64::from(marker || stamp.rung.is_none());
        self.lost += line.hear(&stamp, at);
        if let Some(rung) = stamp.rung {
            self.rungs[rung] += 1;
        }
        let latencies = if stamp.rung.is_some() { &mut self.video } else { &mut self.audio };
        latencies.saturating_record(at.saturating_sub(stamp.sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hears packets (rung, number, time sent) and returns how many are missing.
    fn missing(packets: &[(usize, u32, u64)]) -> u64 {
        let mut line = Line::new(Kind::Video, 0, 0);
        let stamp = |&(rung, number, sent): &(usize, u32, u64)| Stamp {
            room: 0,
            publisher: 0,
            rung: Some(rung),
            entry: false,
            number,
            sent,
        };
        let ended: u64 = packets.iter().map(|packet| line.hear(&stamp(packet), 0)).sum();
        ended + line.missing()
    }

    #[test]
    fn a_gap_is_a_loss_and_a_late_packet_fills_it() {
        assert_eq!(missing(&[(0, 5, 1), (0, 6, 2), (0, 9, 3)]), 2);
        assert_eq!(missing(&[(0, 5, 1), (0, 6, 2), (0, 9, 3), (0, 8, 2), (0, 7, 2)]), 0);
    }

    #[test]
    fn a_line_that_ends_has_stopped() {
        let mut line = Line::new(Kind::Audio, 0, 0);
        assert!(!line.has_stopped(5 * SILENCE), "it never began: that is counted elsewhere");
        let stamp = Stamp { room: 0, publisher: 0, rung: None, entry: true, number: 1, sent: 1 };
        line.hear(&stamp, SILENCE);
        assert!(!line.has_stopped(2 * SILENCE) && line.has_stopped(2 * SILENCE + 1));
    }

    #[test]
    fn a_switch_is_no_loss() {
        assert_eq!(missing(&[(0, 5, 1), (2, 50, 2), (2, 51, 3), (0, 9, 4)]), 0);
        assert_eq!(missing(&[(0, 5, 1), (0, 7, 2), (2, 50, 3), (0, 90, 4)]), 1, "but a gap before it is");
        assert_eq!(missing(&[(0, 5, 1), (0, 7, 3), (2, 50, 4), (0, 6, 2), (2, 51, 5)]), 0, "late, after the switch");
    }

    #[test]
    fn what_is_for_others_is_foreign() {
        let mut tally = Tally::new().expect("histograms");
        let mut lines = [Line::new(Kind::Audio, 1, 0)];
        let stamp = Stamp { room: 1, publisher: 1, rung: None, entry: true, number: 1, sent: 100 };
        for wrong in [Stamp { room: 2, ..stamp }, Stamp { publisher: 2, ..stamp }, Stamp { rung: Some(0), ..stamp }] {
            let mut payload = [0; 40];
            wrong.write(&mut payload);
            tally.hear(1, &mut lines, &payload, false, 200);
        }
        assert_eq!((tally.foreign, tally.packets), (3, 0));
        let mut payload = [0; 40];
        stamp.write(&mut payload);
        tally.hear(1, &mut lines, &payload, false, 200);
        assert_eq!((tally.packets, tally.audio.max(), lines[0].first), (1, 100, Some(200)));
    }
}
