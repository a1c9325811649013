//! When a worker rests before it looks again.
//!
//! To sleep, to wake and to find the caches cold costs more than to handle one datagram. Media are taken the moment they come
//! all the same. But what viewers say of them can wait a little, and many viewers say more than all else that comes: turns that
//! bring nothing but feedback are counted, and where they are many, what comes in a few milliseconds is taken together. See
//! decision 13.

use convo_sfu::Datagram;
use std::time::{Duration, Instant};

/// From one turn of feedback to the next, on average: a thousand a second.
const INTERVAL: Duration = Duration::from_millis(1);
/// How far they may be ahead of that: 50 turns.
const AHEAD: Duration = Duration::from_millis(50);
/// As long is rested by who is further ahead. Jitter buffers hold 20 ms and more.
const REST: Duration = Duration::from_millis(3);

/// What one turn brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Came {
    /// It was time for something.
    #[default]
    Nothing,
    Feedback,
    /// Somebody waits for it.
    More,
}

impl Came {
    pub(crate) fn of(datagram: &Datagram<'_>) -> Self {
        if datagram.is_feedback() { Self::Feedback } else { Self::More }
    }
}

/// The generic cell rate algorithm over turns of feedback (ITU-T I.371).
#[derive(Debug)]
pub(crate) struct Patience {
    /// When the turns of so far would be over, at their average.
    paid_until: Instant,
    came: Came,
}

impl Patience {
    pub(crate) fn new(now: Instant) -> Self {
        Self { paid_until: now, came: Came::Nothing }
    }

    /// Something came in this turn.
    pub(crate) fn note(&mut self, came: Came) {
        self.came = self.came.max(came);
    }

    /// How long to rest after this turn, which began at `now`.
    pub(crate) fn end_turn(&mut self, now: Instant) -> Option<Duration> {
        if std::mem::take(&mut self.came) != Came::Feedback {
            return None;
        }
        self.paid_until = self.paid_until.max(now) + INTERVAL;
        (self.paid_until > now + AHEAD).then_some(REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns of a second, each with what `came` says of its number, as near to `apart` as rests let them: how many rested.
    fn rests(apart: Duration, came: impl Fn(u32) -> Came) -> (u32, u32) {
        let begin = Instant::now();
        let (mut patience, mut now, mut turns, mut rests) = (Patience::new(begin), begin, 0, 0);
        while now < begin + Duration::from_secs(1) {
            patience.note(came(turns));
            let rest = patience.end_turn(now);
            turns += 1;
            rests += u32::from(rest.is_some());
            now += rest.unwrap_or_default().max(apart);
        }
        (turns, rests)
    }

    #[test]
    fn media_never_wait() {
        let thick = Duration::from_micros(50);
        assert_eq!(rests(thick, |_| Came::More), (20_000, 0));
        assert_eq!(rests(thick, |_| Came::Nothing), (20_000, 0));
        let (mut patience, now) = (Patience::new(Instant::now()), Instant::now());
        for _ in 0..1_000 {
            patience.note(Came::More);
            patience.note(Came::Feedback);
            assert_eq!(patience.end_turn(now), None, "not for feedback beside it either");
        }
    }

    #[test]
    fn a_little_feedback_does_not_wait_and_much_is_taken_together() {
        assert_eq!(rests(INTERVAL, |_| Came::Feedback), (1_000, 0));
        let (turns, rests) = rests(Duration::from_micros(150), |_| Came::Feedback);
        assert!((800..=1_100).contains(&turns) && rests > 200, "{turns} turns, of which {rests} rested");
    }

    #[test]
    fn a_burst_does_not_wait() {
        let mut patience = Patience::new(Instant::now());
        let now = Instant::now() + Duration::from_secs(60);
        let mut turn = || {
            patience.note(Came::Feedback);
            patience.end_turn(now)
        };
        let free = AHEAD.as_millis() / INTERVAL.as_millis();
        assert!((0..free).all(|_| turn().is_none()));
        assert_eq!(turn(), Some(REST));
    }
}
