//! How good everybody's connection is: what was lost of what they send, and of what is sent to them.

use super::*;
use crate::forward::{
    Codec,
    quality::{self, Kind, Sample},
};
use crate::peer::Stats;
use std::time::Duration;

/// A participant's connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) rtt: Option<Duration>,
    /// Of what the client sends, and of what is sent to it. Of the packets of this connection alone (transport-wide feedback):
    /// what a speaker lost on the way here is not its listeners' loss.
    up: Loss,
    down: Loss,
    told: Option<proto::ConnectionQuality>,
    /// Whether the client knows how good those of the others are.
    informed: bool,
}

/// Fractions that were lost, since they were looked at last.
#[derive(Debug, Default)]
struct Loss {
    sum: f32,
    times: u16,
}

impl Link {
    /// How good the others were told that it is.
    pub(super) fn told(&self) -> Option<proto::ConnectionQuality> {
        self.told
    }

    /// What the client was told of the others may have been lost.
    pub(super) fn inform_again(&mut self) {
        self.informed = false;
    }
}

impl Loss {
    fn add(&mut self, fraction: Option<f32>) {
        if let Some(fraction) = fraction {
            self.sum += fraction;
            self.times += 1;
        }
    }

    /// The mean; without any, nothing is known to have flowed.
    fn take(&mut self, rtt: Duration) -> Sample {
        const OF: f32 = 10_000.0;
        let Self { sum, times } = std::mem::take(self);
        let (sent, lost) = match times {
            0 => (0, 0),
            times => (OF as u64, (sum / f32::from(times) * OF) as u64),
        };
        Sample { sent, lost, jitter: Duration::ZERO, rtt, layers_missed: 0, may_be_silent: true }
    }
}

impl Room {
    pub(super) fn on_stats(&mut self, at: PeerRef, stats: Stats) {
        let Some(person) = self.people.get_mut(at.participant) else { return };
        let downstream = person.downstream();
        let link = &mut person.link;
        link.rtt = stats.rtt.or(link.rtt);
        if at.target == Target::Publisher {
            link.up.add(stats.up);
        }
        if at.target == downstream {
            link.down.add(stats.down);
        }
    }

    /// Where it changed, everybody is told; who knows of nobody yet is told of all.
    pub(super) fn tell_quality(&mut self, cx: &mut Cx<'_>) {
        let (mut all, mut updates) = (vec![], vec![]);
        for key in self.people.keys().collect::<Vec<_>>() {
            let score = quality::overall(self.scores(key));
            let person = &mut self.people[key];
            // Without signalling and about to be given up: others see that the connection is lost.
            let word = match person.connection {
                Some(_) => quality::word(score),
                None => self.pairs.quality(key).unwrap_or(proto::ConnectionQuality::Lost),
            };
            let (participant_sid, score) = (person.info.sid.clone(), quality::opinion(score));
            let info = proto::ConnectionQualityInfo { participant_sid, quality: word.into(), score };
            if person.link.told.replace(word) != Some(word) {
                updates.push(info.clone());
            }
            all.push(info);
        }
        for person in self.people.values_mut() {
            let Some(connection) = person.connection else { continue };
            let informed = std::mem::replace(&mut person.link.informed, true);
            let updates = if informed { &updates } else { &all };
            if !updates.is_empty() {
                let update = proto::ConnectionQualityUpdate { updates: updates.clone() };
                cx.say(connection, Message::ConnectionQuality(update));
            }
        }
    }

    /// Of each track that the participant sends or is sent.
    fn scores(&mut self, key: ParticipantKey) -> Vec<f32> {
        let person = &mut self.people[key];
        let rtt = person.link.rtt.unwrap_or_default();
        let (up, down) = (person.link.up.take(rtt), person.link.down.take(rtt));
        let mut scores = vec![];
        for track in &person.tracks {
            let track = &mut self.tracks[*track];
            if !track.info.muted {
                track.quality.judge(&up);
                scores.push(track.quality.score());
            }
        }
        for subscription in &person.subscriptions {
            let subscription = &mut self.subscriptions[*subscription];
            let muted = self.tracks[subscription.track].info.muted;
            if subscription.bound.is_some() && subscription.wants_media() && !muted {
                subscription.quality.judge(&Sample { layers_missed: subscription.missed, ..down });
                scores.push(subscription.quality.score());
            }
        }
        scores
    }
}

/// What loss means for a track in this codec.
pub(super) fn kind_of(codec: Codec) -> Kind {
    match codec {
        Codec::Red => Kind::RedundantAudio,
        codec if codec.is_video() => Kind::Video,
        _ => Kind::Audio,
    }
}
