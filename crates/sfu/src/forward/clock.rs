//! A client's wall clock on our own, so that what it captured at one moment is played at one moment (RFC 3550, section
//! 6.4.1): the sender reports that subscribers get name the moments of capture, not those of arrival.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the fastest packet counts. Two clocks drift apart by a few milliseconds in a minute.
const WINDOW: Duration = Duration::from_secs(10);

/// One client's wall clock, which all its streams share.
///
/// How far apart the two clocks are nobody knows. But nothing comes before it was captured, so the packet that took least
/// of all is taken to have come at once, and all others to be late by as much as they took more.
#[derive(Debug, Default)]
pub struct Clock {
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    /// From here our own time is counted.
    origin: Instant,
    /// Our clock less theirs, in nanoseconds, of the fastest packet in this window and in the last.
    least: i128,
    least_before: i128,
    window_ends: Instant,
}

impl Clock {
    /// The moment of capture, where `captured` is what the client says and `now` when it came: never later than `now`.
    pub fn here(&mut self, now: Instant, captured: SystemTime) -> Instant {
        let theirs = match captured.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        let state = self.state.get_or_insert(State {
            origin: now,
            least: i128::MAX,
            least_before: i128::MAX,
            window_ends: now + WINDOW,
        });
        if now >= state.window_ends {
            (state.least_before, state.least) = (state.least, i128::MAX);
            state.window_ends = now + WINDOW;
        }
        let apart = now.saturating_duration_since(state.origin).as_nanos() as i128 - theirs;
        state.least = state.least.min(apart);
        let late = u64::try_from(apart - state.least.min(state.least_before)).unwrap_or(u64::MAX);
        now.checked_sub(Duration::from_nanos(late)).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn what_was_captured_together_is_together() {
        let (start, theirs) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1 << 31));
        let mut clock = Clock::default();
        assert_eq!(clock.here(start + ms(20), theirs), start + ms(20), "the first is the fastest so far");
        assert_eq!(clock.here(start + ms(30), theirs + ms(20)), start + ms(30), "faster");
        assert_eq!(clock.here(start + ms(310), theirs), start + ms(10), "a picture that took long to encode");
        assert_eq!(clock.here(start + ms(330), theirs + ms(20)), start + ms(30));
    }

    #[test]
    fn clocks_that_drift_or_are_set_are_followed() {
        let (start, theirs) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1000));
        let mut clock = Clock::default();
        // Theirs goes slow by one in a thousand: after an hour it is behind by 3.6 seconds.
        for second in 0..3600 {
            let now = start + ms(1000 * second);
            let late = now - clock.here(now, theirs + ms(999 * second));
            assert!(late <= ms(20), "{late:?} after {second} s");
        }
        let now = start + ms(3_600_000);
        assert_eq!(clock.here(now, theirs + ms(9_000_000)), now, "set forward");
        assert!(clock.here(now, UNIX_EPOCH - ms(5000)) <= now, "before the beginning");
        for second in 1..30 {
            let now = now + ms(1000 * second);
            let here = clock.here(now, theirs + ms(1000 * second));
            assert!(second < 20 || here == now, "set back");
        }
    }
}
