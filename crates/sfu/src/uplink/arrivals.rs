//! When packets arrived, by their transport-wide numbers: what publishers estimate their uplink by.

use crate::rtcp;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Between reports, as libwebrtc's own receivers keep it: what a report takes is about a twentieth of what comes.
const SOONEST: Duration = Duration::from_millis(50);
const LATEST: Duration = Duration::from_millis(250);
/// Bytes that came and are worth a report at the soonest: libwebrtc reckons with 68 for one.
const WORTH: usize = 20 * 68;
/// Packets that are remembered. One that comes late is told of with all behind it.
const KEPT: usize = 512;
/// More than come between two reports: a number further ahead is of another count.
const MOST: u64 = 16 * KEPT as u64;

#[derive(Debug)]
pub(super) struct Arrivals {
    /// Arrival times are counted from here.
    origin: Instant,
    /// The number of the first that is remembered.
    first: u64,
    times: VecDeque<Option<Instant>>,
    /// The first of which is still to be told; those before were.
    untold: u64,
    /// When the first of them came.
    since: Option<Instant>,
    /// What came since the last report, in bytes.
    bytes: usize,
    /// Of the next report.
    number: u8,
    /// Packets that were told of, and how many of them did not come.
    told: u32,
    lost: u32,
}

impl Arrivals {
    pub(super) fn new(origin: Instant) -> Self {
        Self { origin, first: 0, times: VecDeque::new(), untold: 0, since: None, bytes: 0, number: 0, told: 0, lost: 0 }
    }

    /// `bytes`: of the whole packet.
    pub(super) fn note(&mut self, now: Instant, number: u16, bytes: usize) {
        let end = self.first + self.times.len() as u64;
        let number = match self.times.is_empty() {
            true => u64::from(number) + (1 << 16), // None is before the first of all.
            false => {
                let newest = end - 1;
                newest.wrapping_add_signed((number.wrapping_sub(newest as u16) as i16).into())
            }
        };
        if self.times.is_empty() || number >= self.first + MOST {
            (self.first, self.untold) = (number, number);
            self.times.clear();
        }
        let Some(place) = number.checked_sub(self.first) else { return };
        if place >= self.times.len() as u64 {
            self.times.resize(place as usize + 1, None);
        }
        let time = &mut self.times[place as usize];
        if time.is_some() {
            return;
        }
        *time = Some(now);
        self.untold = self.untold.min(number);
        self.since.get_or_insert(now);
        self.bytes += bytes;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let interval = if self.bytes >= WORTH { SOONEST } else { LATEST };
        self.since.map(|since| since + interval)
    }

    /// What is due, a packet at a time: each may be as long as a datagram. `ends`: who says it, and of whom.
    pub(super) fn report(&mut self, now: Instant, ends: (u32, u32), mut say: impl FnMut(&[u8])) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        (self.since, self.bytes) = (None, 0);
        let mut out = vec![];
        loop {
            let from = (self.untold - self.first) as usize;
            let untold = self.times.range(from..);
            let times = untold.clone().map(|at| at.map(|at| at.saturating_duration_since(self.origin)));
            let told = rtcp::transport_wide(&mut out, ends, (self.untold as u16, self.number), times);
            if told == 0 {
                break;
            }
            say(&out);
            out.clear();
            self.told += told as u32;
            self.lost += untold.take(told).filter(|at| at.is_none()).count() as u32;
            self.untold += told as u64;
            self.number = self.number.wrapping_add(1);
        }
        let old = self.times.len().saturating_sub(KEPT);
        self.times.drain(..old);
        self.first += old as u64;
    }

    /// The fraction that was lost, since it was asked last.
    pub(super) fn take_loss(&mut self) -> Option<f32> {
        let (told, lost) = (std::mem::take(&mut self.told), std::mem::take(&mut self.lost));
        (told > 0).then(|| lost as f32 / told as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::Rtcp;

    /// What is told at `now`: numbers, and times since `origin`.
    fn told(arrivals: &mut Arrivals, now: Instant) -> Vec<(u16, Option<Duration>)> {
        let (mut out, mut told) = (vec![], vec![]);
        arrivals.report(now, (1, 2), |packet| out.extend_from_slice(packet));
        rtcp::read(&out, |said| {
            let Rtcp::TransportWide(feedback) = said else { panic!("{said:?}") };
            told.extend(feedback.arrivals(usize::MAX));
        });
        told
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn each_packet_is_told_of_once_and_the_missing_with_them() {
        let origin = Instant::now();
        let mut arrivals = Arrivals::new(origin);
        for (at, number) in [(1, 65_534), (2, 65_535), (4, 2), (5, 2)] {
            arrivals.note(origin + ms(at), number, WORTH);
        }
        assert_eq!(arrivals.due(), Some(origin + ms(51)));
        assert_eq!(told(&mut arrivals, origin + ms(50)), [], "not yet");
        let expected = [(65_534, Some(ms(1))), (65_535, Some(ms(2))), (0, None), (1, None), (2, Some(ms(4)))];
        assert_eq!(told(&mut arrivals, origin + ms(51)), expected);
        assert_eq!((arrivals.take_loss(), arrivals.take_loss(), arrivals.due()), (Some(0.4), None, None));
        arrivals.note(origin + ms(60), 3, WORTH);
        assert_eq!(told(&mut arrivals, origin + ms(110)), [(3, Some(ms(60)))]);
    }

    #[test]
    fn who_sends_little_is_told_seldom() {
        let origin = Instant::now();
        let mut arrivals = Arrivals::new(origin);
        (0..4).for_each(|number| arrivals.note(origin + ms(20) * u32::from(number), number, 100));
        assert_eq!(arrivals.due(), Some(origin + LATEST));
        arrivals.note(origin + ms(80), 4, WORTH - 400);
        assert_eq!(arrivals.due(), Some(origin + SOONEST), "at once: that is over");
        assert_eq!(told(&mut arrivals, origin + ms(80)).len(), 5);
        arrivals.note(origin + ms(100), 5, 100);
        assert_eq!(arrivals.due(), Some(origin + ms(100) + LATEST), "counted anew");
    }

    #[test]
    fn who_comes_late_is_told_of_all_the_same() {
        let origin = Instant::now();
        let mut arrivals = Arrivals::new(origin);
        arrivals.note(origin + ms(1), 10, WORTH);
        arrivals.note(origin + ms(2), 12, WORTH);
        told(&mut arrivals, origin + ms(51));
        arrivals.note(origin + ms(60), 11, WORTH);
        assert_eq!(told(&mut arrivals, origin + ms(110)), [(11, Some(ms(60))), (12, Some(ms(2)))]);
        arrivals.note(origin + ms(120), 9, WORTH);
        assert_eq!(told(&mut arrivals, origin + ms(170)), [], "before the first");
    }

    #[test]
    fn many_are_told_of_in_several_reports_and_few_are_kept() {
        let origin = Instant::now();
        let mut arrivals = Arrivals::new(origin);
        let numbers: Vec<u16> = (0..2_000).filter(|number| number % 10 > 0).collect();
        numbers.iter().for_each(|number| arrivals.note(origin + ms(u64::from(*number)), *number, WORTH));
        let came = told(&mut arrivals, origin + ms(2_000)).into_iter().filter_map(|(number, at)| at.map(|_| number));
        assert_eq!(came.collect::<Vec<_>>(), numbers);
        assert_eq!(arrivals.times.len(), KEPT);
        arrivals.note(origin + ms(3_000), 30_000, WORTH);
        assert_eq!(told(&mut arrivals, origin + ms(3_050)), [(30_000, Some(ms(3_000)))], "another count");
    }
}
