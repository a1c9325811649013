//! The rate that follows from the loss (draft-ietf-rmcat-gcc-02, section 6).

use super::LEAST;

/// How often it is looked at, in microseconds, and of how many packets at least.
const INTERVAL: u64 = 500_000;
const PACKETS: u32 = 10;
/// Above: the rate falls. Below: it grows. In between it stays: random loss is not congestion.
const HEAVY: f64 = 0.10;
const LIGHT: f64 = 0.02;
const INCREASE: f64 = 1.05;

#[derive(Debug, Default)]
pub(super) struct Loss {
    sent: u32,
    lost: u32,
    since: u64,
    /// `None`: loss is no bound.
    rate: Option<f64>,
    fraction: f64,
}

impl Loss {
    pub(super) fn rate(&self) -> f64 {
        self.rate.unwrap_or(f64::INFINITY)
    }

    /// So much is lost that sending more cannot be right.
    pub(super) fn is_heavy(&self) -> bool {
        self.fraction > HEAVY
    }

    /// A probe got through.
    pub(super) fn raise(&mut self, rate: f64) {
        self.rate = self.rate.map(|before| before.max(rate));
    }

    /// `other`: the rate that follows from the delay.
    pub(super) fn add(&mut self, at: u64, sent: u32, lost: u32, other: f64) {
        self.sent += sent;
        self.lost += lost;
        if at < self.since + INTERVAL || self.sent < PACKETS {
            return;
        }
        self.fraction = f64::from(self.lost) / f64::from(self.sent);
        (self.sent, self.lost, self.since) = (0, 0, at);
        if self.fraction > HEAVY {
            let rate = self.rate().min(other) * (1.0 - 0.5 * self.fraction);
            self.rate = Some(rate.max(LEAST));
        } else if self.fraction < LIGHT {
            // Once above the other it is no bound any more.
            self.rate = self.rate.map(|rate| rate * INCREASE).filter(|rate| *rate < other);
        }
    }
}
