//! Whether the queue on the way grows: delay gradients between groups of packets (draft-ietf-rmcat-gcc-02, sections 5.1,
//! 5.2 and 5.4).
//!
//! Where the draft's section 5.3 has a Kalman filter this has the slope of a line through the last delays, as libwebrtc
//! has it since: as good, and no noise has to be guessed. And where section 5.1 takes the last packet of a group, this takes
//! the one that was least delayed: the filter tells a larger group from a queue by its size, a slope cannot.

use super::Usage;
use std::collections::VecDeque;

/// Packets sent within this many microseconds are one group (`burst_time`).
const BURST: u64 = 5_000;
/// What comes so close behind its forerunner was released together with it by the network (section 5.2).
const RELEASED: u64 = 5_000;
/// A silence after which the past says nothing.
const SILENCE: i64 = 3_000_000;

/// Points of the line, and how much of the delay's past each keeps.
const POINTS: usize = 20;
const SMOOTHING: f64 = 0.9;
/// A slope becomes milliseconds of delay, to be held against the threshold: over so many groups, times a gain.
const GROUPS: f64 = 60.0;
const GAIN: f64 = 4.0;

/// `overuse_time_th`: the delay must grow for so many milliseconds. Ten are recommended; a forwarded key frame, which no
/// encoder of ours spreads, makes it grow for three pictures and is no overuse.
const OVER_FOR: f64 = 80.0;
/// The adaptive threshold (section 5.4): where it begins, its bounds, and what is too far off to learn from, in
/// milliseconds; and how fast it goes up and down (`K_u`, `K_d`) as libwebrtc tuned them to the slope.
const THRESHOLD: f64 = 12.5;
const BOUNDS: (f64, f64) = (6.0, 600.0);
const FAR: f64 = 15.0;
const UP: f64 = 0.0087;
const DOWN: f64 = 0.039;

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: u64,
    last_sent: u64,
    last_arrived: u64,
    /// On the way, by two clocks that know nothing of each other: the least of its packets. A packet waits for those that
    /// left with it, or is kept to be released with those behind it, and neither is a queue that was there before.
    delay: i64,
}

#[derive(Debug)]
pub(super) struct Trend {
    group: Option<Group>,
    before: Option<Group>,
    /// Arrival and smoothed delay of the last groups, in milliseconds.
    points: VecDeque<(f64, f64)>,
    /// Arrival of the first group: what the points are counted from.
    origin: u64,
    delay: f64,
    smooth: f64,
    groups: u32,
    slope: f64,
    threshold: f64,
    /// For how long the slope has been too steep, and over how many groups.
    over: Option<(f64, u32)>,
    usage: Usage,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            group: None,
            before: None,
            points: VecDeque::new(),
            origin: 0,
            delay: 0.0,
            smooth: 0.0,
            groups: 0,
            slope: 0.0,
            threshold: THRESHOLD,
            over: None,
            usage: Usage::Normal,
        }
    }
}

impl Trend {
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// To be told in the order of sending. The answer comes with the first packet of the next group.
    pub(super) fn on_arrival(&mut self, sent: u64, arrived: u64) -> Option<Usage> {
        let begun = Group::new(sent, arrived);
        let Some(group) = &mut self.group else {
            self.group = Some(begun);
            return None;
        };
        if sent < group.first_sent {
            return None; // Overtaken: it says nothing of the queue.
        }
        if group.takes(sent, arrived) {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrived = group.last_arrived.max(arrived);
            group.delay = group.delay.min(begun.delay);
            return None;
        }
        if sent < group.last_sent {
            return None; // Overtaken by what was released together.
        }
        let full = std::mem::replace(group, begun);
        let before = self.before.replace(full)?;
        let apart = full.last_arrived as i64 - before.last_arrived as i64;
        let gradient = full.delay - before.delay;
        if gradient.abs() > SILENCE {
            *self = Self { threshold: self.threshold, group: self.group, ..Self::default() };
            return None;
        }
        self.on_gradient(apart as f64 / 1e3, gradient as f64 / 1e3, full.last_arrived);
        Some(self.usage)
    }

    /// `d(i)` of section 5.1, and the time since the last one, in milliseconds.
    fn on_gradient(&mut self, apart: f64, gradient: f64, arrived: u64) {
        if self.groups == 0 {
            self.origin = arrived;
        }
        self.groups = (self.groups + 1).min(GROUPS as u32);
        self.delay += gradient;
        self.smooth = SMOOTHING * self.smooth + (1.0 - SMOOTHING) * self.delay;
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back((arrived.saturating_sub(self.origin) as f64 / 1e3, self.smooth));
        let before = self.slope;
        if self.points.len() == POINTS {
            self.slope = slope(&self.points).unwrap_or(self.slope);
        }
        self.judge(apart, before);
    }

    fn judge(&mut self, apart: f64, slope_before: f64) {
        let excess = f64::from(self.groups) * self.slope * GAIN;
        if excess > self.threshold {
            let (time, groups) = self.over.map_or((apart / 2.0, 1), |(time, groups)| (time + apart, groups + 1));
            self.over = Some((time, groups));
            if time > OVER_FOR && groups > 1 && self.slope >= slope_before {
                self.over = None;
                self.usage = Usage::Over;
            }
        } else {
            self.over = None;
            self.usage = if excess < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.adapt(excess.abs(), apart);
    }

    fn adapt(&mut self, excess: f64, apart: f64) {
        if excess > self.threshold + FAR {
            return;
        }
        let speed = if excess < self.threshold { DOWN } else { UP };
        self.threshold += speed * (excess - self.threshold) * apart.clamp(0.0, 100.0);
        self.threshold = self.threshold.clamp(BOUNDS.0, BOUNDS.1);
    }
}

impl Group {
    fn new(sent: u64, arrived: u64) -> Self {
        Self { first_sent: sent, last_sent: sent, last_arrived: arrived, delay: arrived as i64 - sent as i64 }
    }

    fn takes(&self, sent: u64, arrived: u64) -> bool {
        let (apart_sent, apart) = (sent - self.last_sent.min(sent), arrived as i64 - self.last_arrived as i64);
        let released = apart < RELEASED as i64 && apart < apart_sent as i64;
        sent - self.first_sent <= BURST || released && sent - self.first_sent < 20 * BURST
    }
}

/// Of the line with the least squares.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / n, y / n);
    let (up, along) = points.iter().fold((0.0, 0.0), |(up, along), point| {
        let dx = point.0 - x;
        (up + dx * (point.1 - y), along + dx * dx)
    });
    (along > 0.0).then(|| up / along)
}

#[cfg(test)]
impl Trend {
    pub(super) fn threshold(&self) -> f64 {
        self.threshold
    }
}
