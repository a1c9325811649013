//! What a subscriber's link takes, from transport-wide feedback: Google Congestion Control on the sending side
//! (draft-ietf-rmcat-gcc-02, feedback by draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! | module | question it answers |
//! | --- | --- |
//! | [`history`] | Which packets are on their way, and what of them was lost? |
//! | [`received`] | How much arrives? |
//! | [`trend`] | Does the queue on the way grow? |
//! | [`aimd`] | What rate follows from the delay? |
//! | [`loss`] | What rate follows from the loss? |
//! | [`probe`] | Did the link become wider than what is sent over it? |
//!
//! Times are microseconds: of sending since the estimator began, of arrival on the receiver's own clock. Nothing here is
//! called without feedback but [`Estimator::on_sent`], once per packet, and [`Estimator::probe`].

mod aimd;
mod history;
mod loss;
mod probe;
mod received;
mod trend;

pub use history::REMEMBERED;
pub use probe::Cluster;

use aimd::Aimd;
use history::History;
use loss::Loss;
use probe::Prober;
use received::Received;
use std::time::{Duration, Instant};
use trend::Trend;

/// An estimate never falls lower, in bits per second: one voice, so that there is something to learn from.
pub const LEAST: f64 = 30_000.0;

/// Feedback this old, in microseconds, says nothing of how the link is now.
const STALE: u64 = 2_000_000;

/// What the delay of the packets says of the link (section 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// The queue on the way is getting shorter.
    Under,
    Normal,
    /// It grows.
    Over,
}

/// What the receiver says of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Its transport-wide sequence number.
    pub seq: u16,
    /// When it arrived, by the receiver's clock in microseconds; `None`: not yet.
    pub arrived: Option<u64>,
}

/// One link's estimate.
#[derive(Debug)]
pub struct Estimator {
    began: Instant,
    history: History,
    received: Received,
    trend: Trend,
    aimd: Aimd,
    loss: Loss,
    prober: Prober,
    rtt: Duration,
    /// Number of the last feedback, and the sequence number behind its last.
    answered: Option<(u8, u16)>,
    /// When it last said that something arrived.
    heard: u64,
    /// Packets of which is known what became of them, and of these the lost ones, since they were asked for.
    fates: (u32, u32),
    /// What all that is sent would take, in bits per second: there is no use in knowing of more.
    desired: f64,
}

impl Estimator {
    pub fn new(now: Instant, initial: u64) -> Self {
        Self {
            began: now,
            history: History::default(),
            received: Received::default(),
            trend: Trend::default(),
            aimd: Aimd::new(initial as f64),
            loss: Loss::default(),
            prober: Prober::default(),
            rtt: Duration::from_millis(100),
            answered: None,
            heard: 0,
            fates: (0, 0),
            desired: 0.0,
        }
    }

    /// Bits per second: the lesser of what delay and loss allow (section 6).
    pub fn estimate(&self) -> u64 {
        self.bound() as u64
    }

    fn bound(&self) -> f64 {
        self.aimd.rate().min(self.loss.rate()).max(LEAST)
    }

    pub fn set_desired(&mut self, bitrate: u64) {
        self.desired = bitrate as f64;
    }

    /// A packet left, `bytes` long as a datagram.
    pub fn on_sent(&mut self, now: Instant, seq: u16, bytes: usize, probing: bool) {
        let at = self.micros(now);
        let train = if probing { self.prober.number() } else { 0 };
        self.history.on_sent(at, seq, bytes, train);
    }

    /// Feedback number `count` came, with reports in the order of their sequence numbers.
    pub fn on_feedback(&mut self, now: Instant, count: u8, reports: impl Iterator<Item = Report>) {
        let at = self.micros(now);
        let (mut usage, mut newest) = (None, None);
        for report in reports {
            self.notice_gap(count, report.seq);
            let Some(arrived) = report.arrived else {
                self.history.on_absence(report.seq);
                continue;
            };
            let Some(sent) = self.history.on_arrival(report.seq) else { continue };
            newest = newest.max(Some(sent.at));
            self.received.add(arrived, sent.bytes.into());
            match sent.train {
                0 => usage = self.trend.on_arrival(sent.at, arrived).or(usage),
                train => self.prober.on_arrival(train, arrived, sent.bytes.into()),
            }
        }
        if let Some(newest) = newest {
            self.heard = at;
            self.conclude(at, newest, usage);
        }
    }

    /// Reports without one between them leave nothing out: what is missing between them was lost.
    fn notice_gap(&mut self, count: u8, seq: u16) {
        let after = self.answered.replace((count, seq.wrapping_add(1)));
        let Some((before, expected)) = after else { return };
        let gap = seq.wrapping_sub(expected);
        if count.wrapping_sub(before) <= 1 && gap < 1 << 10 {
            (0..gap).for_each(|n| self.history.on_absence(expected.wrapping_add(n)));
        }
    }

    fn conclude(&mut self, at: u64, newest: u64, usage: Option<Usage>) {
        let rtt = Duration::from_micros(at.saturating_sub(newest));
        self.rtt = (self.rtt * 7 + rtt) / 8;
        let (settled, lost) = self.history.settle(newest);
        self.fates = (self.fates.0 + settled, self.fates.1 + lost);
        self.loss.add(at, settled, lost, self.aimd.rate());
        let mut usage = usage.unwrap_or_else(|| self.trend.usage());
        if usage == Usage::Over && self.prober.is_felt(at) {
            usage = Usage::Under; // Hold: if there is more to it, it lasts.
        }
        let received = if usage == Usage::Over { self.received.capacity() } else { self.received.rate() };
        if self.aimd.update(at, usage, received, self.rtt) {
            self.prober.postpone(at);
        }
        if let Some(rate) = self.prober.conclude(at, self.bound()) {
            self.aimd.raise(rate);
            self.loss.raise(rate);
        }
    }

    /// Of the packets since it was asked last, the fraction that was lost.
    pub fn take_loss(&mut self) -> Option<f32> {
        let (settled, lost) = std::mem::take(&mut self.fates);
        (settled > 0).then(|| lost as f32 / settled as f32)
    }

    /// The packets to send at once, if it is time to find out whether the link takes more.
    pub fn probe(&mut self, now: Instant) -> Option<Cluster> {
        let at = self.micros(now);
        // While everything is paused nothing is said either: what was too much then may fit again.
        let full = at < self.heard + STALE && (self.loss.is_heavy() || self.trend.usage() == Usage::Over);
        if full || !self.history.is_answered() {
            return None;
        }
        self.prober.start(at, self.bound(), self.desired)
    }

    fn micros(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_micros() as u64
    }
}

#[cfg(test)]
mod tests;
