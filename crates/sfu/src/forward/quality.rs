//! How good a connection is, as people would say it.

use livekit_protocol::ConnectionQuality;
use std::time::Duration;

/// How often quality is judged.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// What went over one track since it was judged last.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Packets that were sent, and how many of them did not arrive at the first attempt.
    pub sent: u64,
    pub lost: u64,
    pub jitter: Duration,
    pub rtt: Duration,
    /// Layers between what is wanted and what flows.
    pub layers_missed: u8,
    /// Nothing needs to flow: muted, paused by the subscriber, or DTX.
    pub may_be_silent: bool,
}

/// One track's quality over time.
#[derive(Debug)]
pub struct Quality {
    kind: Kind,
    score: f32,
}

/// What loss means: each per cent of it takes this much of the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Opus hides single losses.
    Audio,
    /// Redundant audio hides more.
    RedundantAudio,
    /// A lost packet freezes the picture until it is sent again.
    Video,
}

const BEST: f32 = 100.0;
/// Lower than these: no longer excellent, good; and what is below the last is as good as lost.
const EXCELLENT: f32 = 80.0;
const GOOD: f32 = 40.0;
const POOR: f32 = 20.0;

/// As long as anything comes the connection is poor, not lost: a client that reads of a lost one may begin anew.
const WORST: f32 = 30.0;

/// The picture's next smaller layer has a quarter of its pixels; two away is poor.
const PER_LAYER: f32 = 35.0;

impl Quality {
    pub fn new(kind: Kind) -> Self {
        Self { kind, score: BEST }
    }

    /// To be told every [`INTERVAL`]. Bad news counts at once, good news by half each time.
    pub fn judge(&mut self, sample: &Sample) {
        let score = match (sample.sent, sample.may_be_silent) {
            (0, true) => return,
            (0, false) => 0.0,
            _ => self.instant_score(sample),
        };
        self.score = if score < self.score { score } else { self.score + (score - self.score) / 2.0 };
    }

    /// ITU-T G.107's transmission rating, simplified as usual: what delay and loss take of the best possible.
    fn instant_score(&self, sample: &Sample) -> f32 {
        // Half the way round, and a jitter buffer of twice the jitter.
        let delay = (sample.rtt / 2 + sample.jitter * 2).as_secs_f32() * 1000.0;
        // Hardly noticed up to 160 ms; beyond, people begin to interrupt each other.
        let by_delay = if delay < 160.0 { delay / 40.0 } else { (delay - 120.0) / 10.0 };
        let per_cent = match self.kind {
            Kind::Audio => 4.0,
            Kind::RedundantAudio => 2.0,
            Kind::Video => 10.0,
        };
        let by_loss = per_cent * 100.0 * sample.lost.min(sample.sent) as f32 / sample.sent as f32;
        let by_layers = PER_LAYER * f32::from(sample.layers_missed);
        (BEST - by_delay - by_loss).min(BEST - by_layers).max(WORST)
    }

    /// From 0, nothing goes through, to 100.
    pub fn score(&self) -> f32 {
        self.score
    }
}

/// A participant's connection is as good as its worst track's; without tracks nothing is wrong with it.
pub fn overall(scores: impl IntoIterator<Item = f32>) -> f32 {
    scores.into_iter().fold(BEST, f32::min)
}

/// The word for a score.
pub fn word(score: f32) -> ConnectionQuality {
    match score {
        s if s > EXCELLENT => ConnectionQuality::Excellent,
        s if s > GOOD => ConnectionQuality::Good,
        s if s > POOR => ConnectionQuality::Poor,
        _ => ConnectionQuality::Lost,
    }
}

/// The mean opinion score, 1 to 4.5, that people would give (ITU-T G.107, annex B).
pub fn opinion(score: f32) -> f32 {
    let r = score.clamp(0.0, BEST);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7.0e-6).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Sample = Sample {
        sent: 1000,
        lost: 0,
        jitter: Duration::from_millis(5),
        rtt: Duration::from_millis(50),
        layers_missed: 0,
        may_be_silent: false,
    };

    fn judged(kind: Kind, sample: Sample) -> ConnectionQuality {
        let mut quality = Quality::new(kind);
        quality.judge(&sample);
        word(quality.score())
    }

    #[test]
    fn loss_matters_more_for_video() {
        assert_eq!(judged(Kind::Video, FINE), ConnectionQuality::Excellent);
        let loss = Sample { lost: 60, ..FINE };
        assert_eq!(judged(Kind::Video, loss), ConnectionQuality::Poor);
        assert_eq!(judged(Kind::Audio, loss), ConnectionQuality::Good);
        assert_eq!(judged(Kind::RedundantAudio, loss), ConnectionQuality::Excellent);
        assert_eq!(judged(Kind::Video, Sample { lost: 500, ..FINE }), ConnectionQuality::Poor, "but not lost");
    }

    #[test]
    fn delay_matters_when_people_notice() {
        let rtt = |ms| Sample { rtt: Duration::from_millis(ms), ..FINE };
        assert_eq!(judged(Kind::Audio, rtt(250)), ConnectionQuality::Excellent);
        assert_eq!(judged(Kind::Audio, rtt(900)), ConnectionQuality::Good);
        assert_eq!(judged(Kind::Audio, rtt(1700)), ConnectionQuality::Poor);
    }

    #[test]
    fn smaller_pictures_are_worse() {
        let missed = |layers_missed| judged(Kind::Video, Sample { layers_missed, ..FINE });
        assert_eq!(missed(1), ConnectionQuality::Good);
        assert_eq!(missed(2), ConnectionQuality::Poor);
    }

    #[test]
    fn silence_is_bad_only_where_something_should_come() {
        let silent = Sample { sent: 0, ..FINE };
        assert_eq!(judged(Kind::Audio, silent), ConnectionQuality::Lost);
        assert_eq!(judged(Kind::Audio, Sample { may_be_silent: true, ..silent }), ConnectionQuality::Excellent);
    }

    #[test]
    fn trust_comes_back_slowly() {
        let mut quality = Quality::new(Kind::Audio);
        quality.judge(&Sample { sent: 0, ..FINE });
        let words = [(); 3].map(|()| {
            quality.judge(&FINE);
            word(quality.score())
        });
        assert_eq!(words, [ConnectionQuality::Good, ConnectionQuality::Good, ConnectionQuality::Excellent]);
    }

    #[test]
    fn the_worst_track_counts() {
        assert_eq!(overall([90.0, 30.0, 70.0]), 30.0);
        assert_eq!(overall([]), 100.0);
    }

    #[test]
    fn opinions_are_in_their_range_and_rise() {
        let opinions: Vec<f32> = (0..=100).map(|score| opinion(score as f32)).collect();
        assert!(opinions.is_sorted(), "{opinions:?}");
        assert_eq!((opinions[0], opinions[100]), (1.0, 4.5));
    }
}
