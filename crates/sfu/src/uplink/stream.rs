//! One stream that comes: an SSRC, what came on it, what is missing, and what reports say of it.

use super::window::Window;
use crate::{
    forward::SenderReport,
    rtcp::{self, Received},
};
use std::time::{Duration, Instant};
use str0m::media::{Mid, Rid};

/// A packet behind a gap may have overtaken those in it: they are asked for when so much time has passed.
const OVERTAKING: Duration = Duration::from_millis(10);
/// Not asked for again sooner, however short the round trip; and where none is known.
const AGAIN: Duration = Duration::from_millis(20);
const UNKNOWN: Duration = Duration::from_millis(100);
/// So often at most, as libwebrtc does, and of so many packets: who lost more needs a key frame.
const TIMES: u8 = 10;
const MISSING: u64 = 100;

/// What packets of a stream are to a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Media,
    /// Those of another stream, again (RFC 4588), and padding.
    Repair,
}

/// Where a stream belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) mid: Mid,
    pub(super) rid: Option<Rid>,
    pub(super) role: Role,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) ssrc: u32,
    pub(super) place: Place,
    pub(super) used: Instant,
    window: Option<Window>,
    missing: Vec<Missing>,
    /// Of media: the first number; and how many came, with what was told of them last.
    first: u64,
    came: u64,
    told: Told,
    jitter: Jitter,
    /// What the sender said last, and when it came.
    report: Option<(SenderReport, u32, Instant)>,
}

#[derive(Debug)]
struct Missing {
    seq: u64,
    /// When it is asked for next, and how often it was.
    at: Instant,
    asked: u8,
}

#[derive(Debug, Default)]
struct Told {
    expected: u64,
    came: u64,
}

/// RFC 3550, 6.4.1 and A.8, in sixteenths of a tick.
#[derive(Debug, Default)]
struct Jitter {
    last: Option<(Instant, u32)>,
    value: u64,
}

impl Jitter {
    fn note(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        if let Some((at, before)) = self.last.replace((now, timestamp)) {
            let passed = now.saturating_duration_since(at).as_micros() as i64 * i64::from(clock_rate) / 1_000_000;
            let apart = (passed - i64::from(timestamp.wrapping_sub(before) as i32)).unsigned_abs();
            self.value = self.value + apart - (self.value + 8) / 16;
        }
    }
}

impl Stream {
    pub(super) fn new(ssrc: u32, place: Place, now: Instant) -> Self {
        Self {
            ssrc,
            place,
            used: now,
            window: None,
            missing: vec![],
            first: 0,
            came: 0,
            told: Told::default(),
            jitter: Jitter::default(),
            report: None,
        }
    }

    /// The number in full. `None`: the packet came before, or is too old to know.
    pub(super) fn extend(&self, seq: u16) -> Option<u64> {
        extend(self.window.as_ref(), seq)
    }

    pub(super) fn sender_report(&self) -> Option<SenderReport> {
        self.report.map(|(report, ..)| report)
    }

    pub(super) fn on_sender_report(&mut self, now: Instant, ntp: u64, rtp: u32) {
        self.report = Some((SenderReport { ntp: rtcp::wall(ntp), rtp }, rtcp::middle(ntp), now));
    }

    /// A packet that is authentic, with the number that [`Self::extend`] told.
    pub(super) fn take(&mut self, now: Instant, seq: u64) {
        self.used = now;
        self.window.get_or_insert_with(|| Window::new(seq)).take(seq);
    }

    /// A packet of media, as its sender sent it first. `asks`: those that are lost are asked for.
    pub(super) fn on_media(&mut self, now: Instant, seq: u64, (timestamp, clock_rate): (u32, u32), asks: bool) {
        let newest = self.window.as_ref().map(Window::newest);
        match newest {
            Some(newest) if seq > newest + MISSING => self.missing.clear(),
            Some(newest) if seq > newest && asks => {
                let missing = |seq| Missing { seq, at: now + OVERTAKING, asked: 0 };
                self.missing.extend((newest + 1..seq).map(missing));
                // Whoever leaves out most of all numbers does not make us keep, and search, more than these.
                let oldest = self.missing.len().saturating_sub(MISSING as usize);
                self.missing.drain(..oldest);
            }
            Some(_) => self.forget(seq),
            None => self.first = seq,
        }
        self.first = self.first.min(seq);
        self.came += 1;
        self.jitter.note(now, timestamp, clock_rate);
        self.take(now, seq);
    }

    /// A packet that was lost and is here now.
    pub(super) fn on_repaired(&mut self, now: Instant, seq: u64) {
        self.forget(seq);
        self.take(now, seq);
    }

    fn forget(&mut self, seq: u64) {
        self.missing.retain(|missing| missing.seq != seq);
    }

    /// Another stream has its place now.
    pub(super) fn retire(&mut self) {
        self.missing.clear();
    }

    /// When to ask for what is missing.
    pub(super) fn ask_at(&self) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.at).min()
    }

    /// What is to be asked for at `now`, in rising order.
    pub(super) fn ask(&mut self, now: Instant, rtt: Option<Duration>) -> Vec<u16> {
        let Some(newest) = self.window.as_ref().map(Window::newest) else { return vec![] };
        let again = rtt.unwrap_or(UNKNOWN).max(AGAIN);
        self.missing.retain(|missing| missing.asked < TIMES && missing.seq + MISSING > newest);
        let due = self.missing.iter_mut().filter(|missing| missing.at <= now);
        due.map(|missing| {
            // The longer in vain, the longer until the next time: a client that sends no more again now may do so later.
            missing.at = now + again * (2 + u32::from(missing.asked)) / 2;
            missing.asked += 1;
            missing.seq as u16
        })
        .collect()
    }

    /// What a receiver report says; nothing, if nothing came since the last.
    pub(super) fn received(&mut self, now: Instant) -> Option<Received> {
        let newest = self.window.as_ref()?.newest();
        let before = std::mem::replace(&mut self.told, Told { expected: newest + 1 - self.first, came: self.came });
        let (expected, came) = (self.told.expected - before.expected, self.told.came - before.came);
        if self.place.role != Role::Media || came == 0 {
            return None;
        }
        let lost = expected.saturating_sub(came);
        let (last, delay) =
            self.report.map_or((0, 0), |(_, last, at)| (last, rtcp::units(now.saturating_duration_since(at))));
        Some(Received {
            ssrc: self.ssrc,
            lost: (lost * 256 / expected.max(1)).min(255) as u8,
            lost_in_all: (self.told.expected as i64 - self.came as i64) as i32,
            newest: newest as u32,
            jitter: (self.jitter.value / 16) as u32,
            last,
            delay,
        })
    }
}

/// As [`Stream::extend`]; before the first packet, the number is what its 16 bits say.
pub(super) fn extend(window: Option<&Window>, seq: u16) -> Option<u64> {
    match window {
        Some(window) => window.extend(seq).filter(|seq| window.awaits(*seq)),
        None => Some(seq.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn stream(now: Instant) -> Stream {
        Stream::new(7, Place { mid: "0".into(), rid: None, role: Role::Media }, now)
    }

    fn come(stream: &mut Stream, now: Instant, numbers: impl IntoIterator<Item = u64>) {
        for seq in numbers {
            assert_eq!(stream.extend(seq as u16), Some(seq));
            stream.on_media(now, seq, (seq as u32 * 960, 48_000), true);
        }
    }

    #[test]
    fn what_is_missing_is_asked_for_again_until_it_comes() {
        let now = Instant::now();
        let mut stream = stream(now);
        come(&mut stream, now, [10, 11, 14, 16]);
        assert_eq!(stream.ask_at(), Some(now + OVERTAKING));
        assert!(stream.ask(now, None).is_empty(), "it may have been overtaken");
        come(&mut stream, now + ms(5), [13]);
        assert_eq!(stream.ask(now + OVERTAKING, Some(ms(50))), [12, 15]);
        stream.on_repaired(now + ms(30), 12);
        assert_eq!(stream.extend(12), None, "it is not taken twice");
        assert!(stream.ask(now + ms(59), Some(ms(50))).is_empty());
        let mut at = now + OVERTAKING;
        for asked in 1..u32::from(TIMES) {
            at += ms(25) * (1 + asked);
            assert!(stream.ask(at - ms(1), Some(ms(50))).is_empty());
            assert_eq!(stream.ask(at, Some(ms(50))), [15]);
        }
        assert!(stream.ask(at + ms(10_000), Some(ms(50))).is_empty(), "nobody has it");
        assert_eq!(stream.ask_at(), None);
    }

    #[test]
    fn who_lost_a_great_deal_asks_for_nothing() {
        let now = Instant::now();
        let mut stream = stream(now);
        come(&mut stream, now, [10, 12, 12 + MISSING + 1]);
        assert!(stream.ask(now + OVERTAKING, None).is_empty());
        come(&mut stream, now, [120, 200]);
        come(&mut stream, now, 201..=300);
        come(&mut stream, now, (4..40).map(|gap| gap * 100));
        assert_eq!(stream.missing.len(), MISSING as usize);
        come(&mut stream, now, 3_901..=4_000);
        assert!(stream.ask(now + OVERTAKING, None).is_empty(), "too old now");
    }

    #[test]
    fn reports_count_what_is_lost_since_the_last() {
        let now = Instant::now();
        let mut stream = stream(now);
        assert_eq!(stream.received(now), None);
        come(&mut stream, now, (100..200).filter(|seq| seq % 4 > 0).chain([200]));
        stream.on_sender_report(now, 0x0001_0203_0405_0607, 5);
        // The first that came is 101: 24 of 100 are lost.
        let report = stream.received(now + ms(500)).unwrap();
        assert_eq!((report.lost, report.lost_in_all, report.newest), (61, 24, 200));
        assert_eq!((report.last, report.delay), (0x0203_0405, 32_768));
        assert_eq!(stream.sender_report().map(|report| report.rtp), Some(5));
        assert_eq!(stream.received(now), None, "nothing came since");
        come(&mut stream, now, 201..=300);
        let report = stream.received(now).unwrap();
        assert_eq!((report.lost, report.lost_in_all), (0, 24));
    }

    #[test]
    fn jitter_is_what_packets_stray_from_their_times() {
        let now = Instant::now();
        let mut steady = Jitter::default();
        (0..200).for_each(|at| steady.note(now + ms(20) * at, 960 * at, 48_000));
        assert_eq!(steady.value, 0);
        let mut shaking = Jitter::default();
        // Every second one comes 5 ms late: 240 ticks.
        (0..200).for_each(|at| shaking.note(now + ms(20) * at + ms(5) * (at % 2), 960 * at, 48_000));
        assert!((230..=240).contains(&(shaking.value / 16)), "{}", shaking.value / 16);
    }
}
