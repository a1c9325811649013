//! The rate that follows from the delay: additive and multiplicative increase, multiplicative decrease
//! (draft-ietf-rmcat-gcc-02, section 5.5).

use super::{LEAST, Usage};
use std::time::Duration;

/// `beta`: after overuse, of what arrived.
const DECREASE: f64 = 0.85;
/// `eta`: of a second.
const INCREASE: f64 = 1.08;
/// The estimate stays below this multiple of what arrives: more has not been seen to fit.
const AHEAD: f64 = 1.5;
/// How much of the mean of the rates at which the link was full each new one makes.
const SHARE: f64 = 0.05;
/// The additive increase: half a packet each response time, of this many bits, and never less than this a second.
const PACKET: f64 = 1200.0 * 8.0;
const LEAST_STEP: f64 = 4_000.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

#[derive(Debug)]
pub(super) struct Aimd {
    rate: f64,
    state: State,
    updated: Option<u64>,
    decreased: Option<u64>,
    /// Mean and variance (in units of the mean) of the kilobits per second that arrived when the link was full.
    full: Option<(f64, f64)>,
}

impl Aimd {
    pub(super) fn new(rate: f64) -> Self {
        Self { rate, state: State::Hold, updated: None, decreased: None, full: None }
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// A probe showed that the link takes so much.
    pub(super) fn raise(&mut self, rate: f64) {
        if rate > self.rate {
            self.rate = rate;
            self.full = None;
        }
    }

    /// The transitions of section 5.5's table. `true`: it was decreased.
    pub(super) fn update(&mut self, at: u64, usage: Usage, received: Option<f64>, rtt: Duration) -> bool {
        let passed = at.saturating_sub(self.updated.replace(at).unwrap_or(at)) as f64 / 1e6;
        match (usage, self.state) {
            (Usage::Over, _) => {
                self.state = State::Hold;
                return self.decrease(at, received, rtt);
            }
            (Usage::Under, _) => self.state = State::Hold,
            (Usage::Normal, State::Hold) => self.state = State::Increase,
            (Usage::Normal, State::Increase) => self.increase(passed.min(1.0), received, rtt),
        }
        false
    }

    fn increase(&mut self, passed: f64, received: Option<f64>, rtt: Duration) {
        let Some(received) = received else { return };
        if self.full.is_some_and(|full| received / 1e3 > full.0 + deviation(full)) {
            self.full = None; // The link became wider than it was.
        }
        let more = match self.full {
            Some(_) => self.rate + (PACKET / 2.0 / response(rtt)).max(LEAST_STEP) * passed,
            None => self.rate * INCREASE.powf(passed),
        };
        // The bound keeps from growing; an application that sends little takes nothing away.
        self.rate = self.rate.max(more.min(AHEAD * received));
    }

    fn decrease(&mut self, at: u64, received: Option<f64>, rtt: Duration) -> bool {
        let Some(received) = received else { return false };
        // What was decreased is felt after the response time, unless it was far from enough.
        let wait = (response(rtt) * 1e6) as u64;
        if self.decreased.is_some_and(|before| at < before + wait) && received > self.rate / 2.0 {
            return false;
        }
        self.decreased = Some(at);
        self.remember(received / 1e3);
        self.rate = self.rate.min(DECREASE * received).max(LEAST);
        true
    }

    /// Close to the mean of these the increase is additive.
    fn remember(&mut self, kbps: f64) {
        self.full = Some(match self.full {
            Some(full) if kbps >= full.0 - deviation(full) => {
                let error = full.0 - kbps;
                let mean = full.0 * (1.0 - SHARE) + kbps * SHARE;
                let variance = full.1 * (1.0 - SHARE) + error * error / mean.max(1.0) * SHARE;
                (mean, variance.clamp(0.4, 2.5))
            }
            _ => (kbps, 0.4),
        });
    }
}

/// Seconds until it shows what a change did: a round trip and the time to notice (`response_time_ms`).
fn response(rtt: Duration) -> f64 {
    rtt.as_secs_f64() + 0.1
}

/// Three standard deviations.
fn deviation((mean, variance): (f64, f64)) -> f64 {
    3.0 * (mean * variance).sqrt()
}
