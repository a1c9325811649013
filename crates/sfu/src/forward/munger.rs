//! Sequence numbers and timestamps as one subscriber sees them: one unbroken stream, whatever is behind it.

use super::renumber::{Left, Renumber};
use std::time::{Duration, Instant, SystemTime};

/// An RTP stream of a publisher: its SSRC, or any number that stands for it.
pub type Source = u32;

/// What is looked at of a packet that came in.
#[derive(Debug, Clone, Copy)]
pub struct Incoming {
    pub source: Source,
    /// Extended beyond 16 bits.
    pub seq: u64,
    pub ts: u32,
    /// The source's newest sender report.
    pub report: Option<SenderReport>,
}

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Extended beyond 16 bits. The first is below 65536, as a receiver takes it to be (RFC 3711, section 3.3.1).
    pub seq: u64,
    pub ts: u32,
    /// Counts the switches. A late packet of the source before the last switch still has the epoch of its source.
    pub epoch: u32,
}

/// One moment on a source's two clocks (RFC 3550, section 6.4.1). All sources of a client share the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    pub ntp: SystemTime,
    pub rtp: u32,
}

impl SenderReport {
    /// When the client says that it captured what is stamped `ts`.
    pub fn captured(&self, ts: u32, clock_rate: u32) -> SystemTime {
        let ticks = ts.wrapping_sub(self.rtp) as i32;
        let distance = Duration::from_secs_f64(f64::from(ticks.unsigned_abs()) / f64::from(clock_rate));
        let moment = if ticks < 0 { self.ntp.checked_sub(distance) } else { self.ntp.checked_add(distance) };
        moment.unwrap_or(self.ntp)
    }
}

/// Beyond this, sender reports and our own clock disagree about a switch, and our own is believed: the layers of one
/// picture arrive within far less, while a client's clock may be set, and a restarted source may report an old one.
const BELIEVED: Duration = Duration::from_secs(1);

/// Longest step of the timestamp, in ticks: a quarter of the circle, so that "later" stays unambiguous. Over three hours
/// of video; after such a pause nobody can tell.
const LONGEST_STEP: u32 = 1 << 30;

/// Rewrites the packets of one subscription.
///
/// * A packet left out by [`drop`](Self::drop) leaves no gap; a packet that was lost leaves its gap, and fills it if it
///   comes within the next 1024 packets.
/// * [`switch`](Self::switch) goes over to another source, or takes the same up again after a pause, without a gap.
///   Late packets of the source before it still find their places.
/// * The timestamp then goes on as the sources' sender reports say, else by the time that went by since the newest
///   packet, and in any case forward.
#[derive(Debug)]
pub struct RtpMunger {
    clock_rate: u32,
    /// What the first packet gets.
    start: u64,
    epoch: u32,
    current: Option<Epoch>,
    previous: Option<Epoch>,
    newest: Option<Newest>,
}

#[derive(Debug)]
struct Epoch {
    source: Source,
    numbers: Renumber<16>,
    /// Added to the source's timestamps.
    ts_offset: u32,
    /// How much of `ts_offset` is there only to stay in front of the source before. Not passed on to the next, or it
    /// would grow with every switch.
    pushed: u32,
    report: Option<SenderReport>,
}

/// The latest timestamp given out, and when it was first.
#[derive(Debug, Clone, Copy)]
struct Newest {
    ts: u32,
    at: Instant,
}

impl RtpMunger {
    /// The first packet will have the sequence number `start`.
    pub fn new(clock_rate: u32, start: u16) -> Self {
        Self { clock_rate, start: start.into(), epoch: 0, current: None, previous: None, newest: None }
    }

    /// The ticks of a second from the next [`switch`](Self::switch) on.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate;
    }

    /// Where the packet goes. `None`: it came before, or too late, or its source is not the one that is forwarded.
    ///
    /// The very first packet begins the stream; a new source needs [`switch`](Self::switch).
    pub fn forward(&mut self, now: Instant, packet: &Incoming) -> Option<Outgoing> {
        let Some(current) = &mut self.current else { return Some(self.switch(now, packet)) };
        if !current.covers(packet) {
            return self.forward_late(packet);
        }
        let outgoing = current.place(packet, self.epoch)?;
        current.report = packet.report.or(current.report);
        self.note(now, outgoing.ts);
        Some(outgoing)
    }

    /// A packet from before the last switch, if its place was kept.
    fn forward_late(&mut self, packet: &Incoming) -> Option<Outgoing> {
        let previous = self.previous.as_mut().filter(|previous| previous.covers(packet))?;
        if previous.numbers.is_new(packet.seq) {
            return None; // Its number was given to what came after the switch.
        }
        previous.place(packet, self.epoch - 1)
    }

    /// Leaves a packet of the current source out.
    ///
    /// If its place was kept already, because it comes late, that is the answer: an **empty** RTP packet is to be sent
    /// there, which receivers take for padding, or they would wait for a packet that never comes.
    pub fn drop(&mut self, now: Instant, packet: &Incoming) -> Option<Outgoing> {
        let current = self.current.as_mut().filter(|current| current.covers(packet))?;
        let ts = packet.ts.wrapping_add(current.ts_offset);
        let left = current.numbers.leave_out(packet.seq);
        // Late packets before this one may still have its timestamp, so that nothing after a switch may.
        self.note(now, ts);
        match left {
            Left::Hole(seq) => Some(Outgoing { seq, ts, epoch: self.epoch }),
            Left::Out | Left::Ignored => None,
        }
    }

    /// The packet is the first of another source, or of the same after a pause in which nothing was told to this munger.
    pub fn switch(&mut self, now: Instant, packet: &Incoming) -> Outgoing {
        let (ts, pushed) = self.align(now, packet);
        let seq = self.current.as_ref().map_or(self.start, |current| current.numbers.next());
        let mut numbers = Renumber::new(packet.seq, seq);
        numbers.map_once(packet.seq);
        let next = Epoch {
            source: packet.source,
            numbers,
            ts_offset: ts.wrapping_sub(packet.ts),
            pushed,
            report: packet.report,
        };
        if let Some(current) = self.current.replace(next) {
            self.previous = Some(current);
            self.epoch += 1;
        }
        self.note(now, ts);
        Outgoing { seq, ts, epoch: self.epoch }
    }

    /// The timestamp for the first packet of a source, and how far it was pushed to lie after the newest one.
    fn align(&self, now: Instant, packet: &Incoming) -> (u32, u32) {
        let (Some(current), Some(newest)) = (&self.current, self.newest) else { return (packet.ts, 0) };
        let passed = ticks(now.saturating_duration_since(newest.at), self.clock_rate).min(LONGEST_STEP.into());
        let by_clock = newest.ts.wrapping_add(passed as u32);
        let believed = ticks(BELIEVED, self.clock_rate) as u32;
        let wanted = current
            .same_moment(packet, self.clock_rate)
            .filter(|&ts| distance(by_clock, ts).unsigned_abs() <= believed)
            .unwrap_or(by_clock);
        let pushed = 1_i32.saturating_sub(distance(newest.ts, wanted)).max(0) as u32;
        (wanted.wrapping_add(pushed), pushed)
    }

    fn note(&mut self, now: Instant, ts: u32) {
        if self.newest.is_none_or(|newest| distance(newest.ts, ts) > 0) {
            self.newest = Some(Newest { ts, at: now });
        }
    }
}

impl Epoch {
    fn covers(&self, packet: &Incoming) -> bool {
        packet.source == self.source && packet.seq >= self.numbers.first()
    }

    fn place(&mut self, packet: &Incoming, epoch: u32) -> Option<Outgoing> {
        let seq = self.numbers.map_once(packet.seq)?;
        Some(Outgoing { seq, ts: packet.ts.wrapping_add(self.ts_offset), epoch })
    }

    /// What the subscriber's timestamp would be at the moment of `packet`, had this source gone on.
    fn same_moment(&self, packet: &Incoming, clock_rate: u32) -> Option<u32> {
        let offset = self.ts_offset.wrapping_sub(self.pushed);
        if packet.source == self.source {
            return Some(packet.ts.wrapping_add(offset));
        }
        let (ours, theirs) = (self.report?, packet.report?);
        let ours_at_theirs = match theirs.ntp.duration_since(ours.ntp) {
            Ok(later) => ours.rtp.wrapping_add(ticks(later, clock_rate) as u32),
            Err(earlier) => ours.rtp.wrapping_sub(ticks(earlier.duration(), clock_rate) as u32),
        };
        Some(ours_at_theirs.wrapping_add(packet.ts.wrapping_sub(theirs.rtp)).wrapping_add(offset))
    }
}

fn ticks(duration: Duration, clock_rate: u32) -> u128 {
    duration.as_nanos() * u128::from(clock_rate) / 1_000_000_000
}

/// From one timestamp to another, the shorter way round.
fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: u32 = 90_000;
    const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

    fn packet(source: Source, seq: u64, ts: u32) -> Incoming {
        Incoming { source, seq, ts, report: None }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A munger that has forwarded packet 100 of source 1, at timestamp 5000, as number 1000.
    fn begun(now: Instant) -> RtpMunger {
        let mut munger = RtpMunger::new(VIDEO, 1000);
        let first = munger.forward(now, &packet(1, 100, 5000));
        assert_eq!(first, Some(Outgoing { seq: 1000, ts: 5000, epoch: 0 }));
        munger
    }

    #[track_caller]
    fn seq(outgoing: Option<Outgoing>) -> u64 {
        outgoing.expect("forwarded").seq
    }

    #[test]
    fn loss_keeps_its_gap_and_drops_leave_none() {
        let now = Instant::now();
        let mut munger = begun(now);
        assert_eq!(munger.drop(now, &packet(1, 101, 8000)), None);
        assert_eq!(seq(munger.forward(now, &packet(1, 104, 11000))), 1003);
        assert_eq!(seq(munger.forward(now, &packet(1, 102, 11000))), 1001);
        assert_eq!(munger.forward(now, &packet(1, 102, 11000)), None, "twice");
        assert_eq!(munger.forward(now, &packet(1, 101, 8000)), None, "was dropped");
        let filler = munger.drop(now, &packet(1, 103, 11000));
        assert_eq!(filler, Some(Outgoing { seq: 1002, ts: 11000, epoch: 0 }), "its place was kept");
        assert_eq!(munger.forward(now, &packet(1, 99, 5000)), None, "before the beginning");
        assert_eq!(munger.forward(now, &packet(2, 105, 11000)), None, "another source");
    }

    #[test]
    fn a_switch_leaves_no_gap_and_old_packets_keep_their_places() {
        let now = Instant::now();
        let mut munger = begun(now);
        assert_eq!(seq(munger.forward(now, &packet(1, 102, 8000))), 1002);
        let switched = munger.switch(now + ms(33), &packet(2, 7, 77_000));
        assert_eq!(switched, Outgoing { seq: 1003, ts: 8000 + 2970, epoch: 1 });
        let late = munger.forward(now + ms(34), &packet(1, 101, 5000));
        assert_eq!(late, Some(Outgoing { seq: 1001, ts: 5000, epoch: 0 }));
        assert_eq!(munger.forward(now + ms(34), &packet(1, 103, 11_000)), None, "its number is taken");
        let next = munger.forward(now + ms(66), &packet(2, 8, 80_000));
        assert_eq!(next, Some(Outgoing { seq: 1004, ts: 8000 + 2970 + 3000, epoch: 1 }));
    }

    #[test]
    fn a_timestamp_from_the_other_side_of_the_circle_is_not_believed() {
        let now = Instant::now();
        let mut munger = begun(now);
        let switched = munger.switch(now, &packet(1, 200, 5000 + (1 << 31)));
        assert_eq!(switched, Outgoing { seq: 1001, ts: 5001, epoch: 1 });
    }

    #[test]
    fn reports_tell_the_timestamp_better_than_arrival() {
        let now = Instant::now();
        let mut munger = RtpMunger::new(VIDEO, 1);
        // Both clocks at the same moment: 10,000 and 500,000.
        let low = Some(SenderReport { ntp: EPOCH + ms(1000), rtp: 10_000 });
        let high = Some(SenderReport { ntp: EPOCH + ms(2000), rtp: 500_000 + 90_000 });
        munger.switch(now, &Incoming { source: 1, seq: 1, ts: 13_000, report: low });
        // Captured 3000 ticks later, but 150 ms late on the way.
        let packet = Incoming { source: 2, seq: 1, ts: 506_000, report: high };
        assert_eq!(munger.switch(now + ms(183), &packet).ts, 16_000);
    }

    #[test]
    fn a_report_that_cannot_be_true_is_not_believed() {
        let now = Instant::now();
        let mut munger = RtpMunger::new(VIDEO, 1);
        let low = Some(SenderReport { ntp: EPOCH + ms(1000), rtp: 10_000 });
        let high = Some(SenderReport { ntp: EPOCH + ms(60_000), rtp: 500_000 });
        munger.switch(now, &Incoming { source: 1, seq: 1, ts: 13_000, report: low });
        let packet = Incoming { source: 2, seq: 1, ts: 506_000, report: high };
        assert_eq!(munger.switch(now + ms(100), &packet).ts, 13_000 + 9_000);
    }

    #[test]
    fn what_pushes_one_switch_is_not_added_to_the_next() {
        let mut now = Instant::now();
        let mut munger = RtpMunger::new(VIDEO, 1);
        let report = Some(SenderReport { ntp: EPOCH, rtp: 0 });
        let mut ts = 1_000_000;
        munger.switch(now, &Incoming { source: 0, seq: 0, ts, report });
        for source in 1..50 {
            // Each time to a source that is one frame behind, then on by a frame.
            now += ms(33);
            let behind = munger.switch(now, &Incoming { source, seq: 0, ts: ts - 3000, report });
            assert!(distance(ts, behind.ts) < 200, "{} ahead of its time", distance(ts, behind.ts));
            ts += 3000;
            munger.forward(now, &Incoming { source, seq: 1, ts: ts - 3000, report });
            munger.switch(now, &Incoming { source: source + 100, seq: 0, ts, report });
        }
    }

    #[test]
    fn a_pause_of_the_same_source_goes_on_where_time_is() {
        let now = Instant::now();
        let mut munger = begun(now);
        let resumed = munger.switch(now + ms(10_000), &packet(1, 5000, 5000 + 900_000));
        assert_eq!(resumed, Outgoing { seq: 1001, ts: 5000 + 900_000, epoch: 1 });
        assert_eq!(munger.forward(now + ms(10_001), &packet(1, 4999, 5000 + 897_000)), None, "in the pause");
        let restarted = munger.switch(now + ms(11_000), &packet(1, 9000, 3));
        assert_eq!(restarted.ts, 5000 + 990_000, "its clock was set");
    }

    #[test]
    fn timestamps_go_round() {
        let now = Instant::now();
        let mut munger = RtpMunger::new(VIDEO, 1);
        munger.switch(now, &packet(1, 1, u32::MAX - 10));
        assert_eq!(munger.switch(now + ms(1), &packet(2, 1, 0)).ts, 79);
        let years = Duration::from_secs(1 << 40);
        assert_eq!(munger.switch(now + years, &packet(3, 1, 0)).ts, 79 + LONGEST_STEP);
    }

    #[test]
    fn reports_tell_when_it_was_captured() {
        let report = SenderReport { ntp: EPOCH + ms(5000), rtp: 1000 };
        assert_eq!(report.captured(1000 + 90_000, VIDEO), EPOCH + ms(6000));
        assert_eq!(report.captured(1000u32.wrapping_sub(90_000), VIDEO), EPOCH + ms(4000));
    }
}
