//! What may be sent again: requests cost a client nothing, and are answered with many times their length.

use std::time::Instant;

#[derive(Debug)]
pub(super) struct Budget {
    bytes: f64,
    updated: Instant,
}

impl Budget {
    /// Of what the link takes.
    const SHARE: f64 = 0.5;

    pub(super) fn new(now: Instant) -> Self {
        Self { bytes: 0.0, updated: now }
    }

    /// Whether these bytes are within it. `estimate`: bits per second.
    pub(super) fn takes(&mut self, now: Instant, bytes: usize, estimate: u64) -> bool {
        let passed = now.saturating_duration_since(self.updated).as_secs_f64();
        let second = estimate as f64 / 8.0 * Self::SHARE;
        self.updated = now;
        self.bytes = (self.bytes + second * passed).min(second) - bytes as f64;
        if self.bytes < 0.0 {
            self.bytes += bytes as f64;
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_sent_again_is_a_share_of_what_the_link_takes() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let mut sent = 0;
        // A request for a packet of 1000 bytes each millisecond, for ten seconds: 8 Mbit/s.
        for ms in 1..=10_000 {
            sent += usize::from(budget.takes(start + Duration::from_millis(ms), 1000, 800_000));
        }
        assert!((450..=500).contains(&sent), "{sent} of 1000 bytes over a link of 100,000 a second");
    }
}
