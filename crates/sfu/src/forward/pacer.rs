//! When a packet may leave: a leaky bucket. Sound goes at once; pictures go in groups (draft-ietf-rmcat-gcc-02, section 4).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What leaves may on average be a little more than the link is thought to take: the estimate is for the average, and
/// the allocator stays below it. Much more would be a queue on the way, at each key frame, and be taken for a full link.
const HASTE: f64 = 1.25;
/// What may leave together, as time at that rate: most of a key frame, where the link is as wide as its stream; of twice as much
/// the queue on a narrow link is long enough to be taken for a full one. And how long more to wait when that is used up, so
/// that what leaves then are groups, too.
const BURST: Duration = Duration::from_millis(20);
const GROUP: Duration = Duration::from_millis(5);
/// Nothing waits much longer: the bucket leaks faster then. That bounds the queue by what comes in in that time.
const LONGEST: Duration = Duration::from_millis(300);
/// What else is sent (sound, retransmissions) holds pictures back for so long at most.
const DEBT: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub struct Pacer<T> {
    waiting: VecDeque<(T, usize)>,
    /// Bytes that wait.
    queued: usize,
    /// Bytes that left and have not leaked away.
    level: f64,
    updated: Instant,
    /// Bytes per second.
    rate: f64,
    /// When the next group may go.
    next: Option<Instant>,
}

impl<T> Pacer<T> {
    /// `estimate`: what the link takes, in bits per second.
    pub fn new(now: Instant, estimate: u64) -> Self {
        let waiting = VecDeque::new();
        Self { waiting, queued: 0, level: 0.0, updated: now, rate: bytes_per_second(estimate), next: None }
    }

    pub fn set_estimate(&mut self, now: Instant, estimate: u64) {
        self.leak(now);
        self.rate = bytes_per_second(estimate);
    }

    /// Whether a packet that came now may go now. If not, it is to be queued.
    pub fn admits(&mut self, now: Instant) -> bool {
        self.waiting.is_empty() && self.is_open(now)
    }

    pub fn queue(&mut self, item: T, bytes: usize) {
        self.waiting.push_back((item, bytes));
        self.queued += bytes;
    }

    /// Before all that waits: of an earlier time, and waited for.
    pub fn queue_first(&mut self, item: T, bytes: usize) {
        self.waiting.push_front((item, bytes));
        self.queued += bytes;
    }

    /// The next that may go.
    pub fn release(&mut self, now: Instant) -> Option<T> {
        if self.waiting.is_empty() || !self.is_open(now) {
            return None;
        }
        let (item, bytes) = self.waiting.pop_front()?;
        self.queued -= bytes;
        Some(item)
    }

    /// A packet left, of whatever kind.
    pub fn left(&mut self, bytes: usize) {
        self.level = (self.level + bytes as f64).min(self.rate() * DEBT.as_secs_f64());
    }

    /// When there is something to release.
    pub fn due(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next.unwrap_or(self.updated))
    }

    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.waiting.retain(|(item, _)| keep(item));
        self.queued = self.waiting.iter().map(|(_, bytes)| bytes).sum();
    }

    fn is_open(&mut self, now: Instant) -> bool {
        self.leak(now);
        if self.next.is_some_and(|next| now < next) {
            return false;
        }
        let rate = self.rate();
        let full = rate * BURST.as_secs_f64();
        let open = self.level < full;
        let wait = Duration::from_secs_f64((self.level - full).max(0.0) / rate) + GROUP;
        self.next = (!open).then(|| now + wait);
        open
    }

    fn leak(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.updated).as_secs_f64();
        self.level = (self.level - self.rate() * passed).max(0.0);
        self.updated = self.updated.max(now);
    }

    fn rate(&self) -> f64 {
        self.rate.max(self.queued as f64 / LONGEST.as_secs_f64())
    }
}

fn bytes_per_second(estimate: u64) -> f64 {
    (estimate as f64 * HASTE / 8.0).max(1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Queues or sends; what leaves is counted as it does in a connection.
    fn offer(pacer: &mut Pacer<usize>, now: Instant, bytes: usize) -> usize {
        if pacer.admits(now) {
            pacer.left(bytes);
            return bytes;
        }
        pacer.queue(bytes, bytes);
        0
    }

    fn release(pacer: &mut Pacer<usize>, now: Instant) -> usize {
        let mut sent = 0;
        while let Some(bytes) = pacer.release(now) {
            pacer.left(bytes);
            sent += bytes;
        }
        sent
    }

    #[test]
    fn a_picture_leaves_in_a_few_groups_within_milliseconds() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 2_000_000);
        // 24 packets of a 1000 bytes: 96 ms of the link.
        let mut left = vec![(0, (0..24).map(|_| offer(&mut pacer, start, 1000)).sum::<usize>())];
        while let Some(due) = pacer.due() {
            left.push(((due - start).as_millis(), release(&mut pacer, due)));
        }
        assert_eq!(left.iter().map(|group| group.1).sum::<usize>(), 24_000);
        assert_eq!(left[0], (0, 7_000), "20 ms at 1.25 times the estimate");
        assert!(left[1].1 >= 2000, "then groups of 5 ms: {left:?}");
        assert!(left.last().unwrap().0 <= 60, "{left:?}");
    }

    #[test]
    fn sound_and_what_is_sent_again_count() {
        let now = Instant::now();
        let mut pacer = Pacer::new(now, 1_000_000);
        pacer.left(20_000);
        assert_eq!(offer(&mut pacer, now, 1000), 0);
        let due = pacer.due().unwrap();
        assert!(due > now + 100 * MS && due < now + 120 * MS, "{:?}", due - now);
        assert_eq!(release(&mut pacer, due), 1000);
    }

    #[test]
    fn a_queue_never_holds_more_than_comes_in_a_third_of_a_second() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 100_000);
        let (mut sent, mut most) = (0, 0);
        for ms in 0..5000u32 {
            let now = start + ms * MS;
            sent += release(&mut pacer, now);
            // Twenty times what may go: 2.5 Mbit/s.
            if ms % 4 == 0 {
                sent += offer(&mut pacer, now, 1250);
            }
            most = most.max(pacer.queued);
        }
        assert!(most < 2_500_000 / 8 / 3, "{most} bytes waited");
        assert!(sent > 2_500_000 / 8 * 4, "{sent} bytes left");
    }

    #[test]
    fn a_line_that_is_used_anew_gets_nothing_of_before() {
        let now = Instant::now();
        let mut pacer = Pacer::new(now, 100_000);
        pacer.left(10_000);
        (0..4).for_each(|n| pacer.queue(n, 100));
        pacer.retain(|n| n % 2 == 0);
        assert_eq!((pacer.queued, pacer.waiting.len()), (200, 2));
    }
}
