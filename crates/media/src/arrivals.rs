//! When datagrams came. A turn takes all that came since the one before; the kernel noted the time of each, by the wall clock.
//! Publishers are told of it: what they make of it would suffer if whole turns came at once.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From the wall clock to the time of turns, for what came between two readings of the sockets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrivals {
    since: Instant,
    now: Instant,
    /// What the wall clock says at `now`, as Unix time.
    wall: Duration,
}

impl Arrivals {
    /// `now` is now.
    pub(crate) fn between(since: Instant, now: Instant) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { since, now, wall }
    }

    /// A datagram that came at this time of the wall clock, which may have been set meanwhile; `None`: it is not known.
    pub(crate) fn at(&self, wall: Option<Duration>) -> Instant {
        let ago = wall.and_then(|wall| self.wall.checked_sub(wall)).unwrap_or_default();
        self.now.checked_sub(ago).unwrap_or(self.since).max(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_datagram_came_when_the_kernel_says() {
        let (since, wall) = (Instant::now(), Duration::from_secs(1_000));
        let arrivals = Arrivals { since, now: since + 3 * MS, wall };
        assert_eq!(arrivals.at(Some(wall)), since + 3 * MS);
        assert_eq!(arrivals.at(Some(wall - 2 * MS)), since + MS);
        assert_eq!(arrivals.at(None), since + 3 * MS);
    }

    #[test]
    fn no_time_is_before_the_last_turn_or_after_this_one() {
        let (since, wall) = (Instant::now(), Duration::from_secs(1_000));
        let arrivals = Arrivals { since, now: since + 3 * MS, wall };
        for set_forward in [4 * MS, Duration::from_secs(500), wall] {
            assert_eq!(arrivals.at(Some(wall - set_forward)), since);
        }
        assert_eq!(arrivals.at(Some(wall + 3600 * 1000 * MS)), since + 3 * MS, "it was set back");
    }
}
