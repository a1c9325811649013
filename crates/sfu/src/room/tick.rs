//! What happens by the clock: speakers, connection quality, late key frames, participants that never returned.

use super::*;
use std::time::Duration;

/// How often a room with people in it looks around.
const TICK: Duration = Duration::from_millis(200);
/// With nobody in it.
const IDLE_TICK: Duration = Duration::from_secs(1);
/// A signalling connection on which nothing came for so long is taken for lost; clients ping every 5 s.
const SILENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(crate) struct Quality {
    pub loss: f32,
    pub rtt: Option<Duration>,
}

#[derive(Debug, Default)]
pub(crate) struct Speakers;

impl Speakers {
    pub fn heard(&mut self, _track: TrackKey, _level: u8, _now: Instant) {}
    pub fn forget(&mut self, _track: TrackKey) {}
}

impl Room {
    /// `true`: the room is over.
    pub fn tick(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.expired(cx.now) {
            return true;
        }
        self.give_up_lost(cx);
        self.late_pictures(cx);
        self.wanted_pictures(cx);
        self.negotiate_all(cx);
        let pause = if self.people.is_empty() { IDLE_TICK } else { TICK };
        cx.wake.at(cx.now + pause, Due::Room(cx.room));
        false
    }

    fn give_up_lost(&mut self, cx: &mut Cx<'_>) {
        let silent: Vec<_> = self
            .people
            .iter()
            .filter(|(_, p)| p.connection.is_some() && cx.now > p.last_signal + SILENCE)
            .map(|(key, p)| (key, p.connection))
            .collect();
        for (key, connection) in silent {
            if let Some(connection) = connection {
                cx.out.push_back(Output::Close { connection });
                self.on_disconnect(key, connection, cx);
            }
        }
        let lost: Vec<_> = self
            .people
            .iter()
            .filter(|(_, p)| p.resume_until.is_some_and(|until| cx.now >= until))
            .map(|(k, _)| k)
            .collect();
        for key in lost {
            self.remove(key, proto::DisconnectReason::ConnectionTimeout, cx);
        }
    }

    pub(super) fn on_stats(&mut self, at: PeerRef, stats: &str0m::stats::PeerStats) {
        if let Some(person) = self.people.get_mut(at.participant) {
            person.quality.rtt = stats.rtt.or(person.quality.rtt);
            person.quality.loss =
                stats.egress_loss_fraction.unwrap_or(0.0).max(stats.ingress_loss_fraction.unwrap_or(0.0));
        }
    }

    pub(super) fn on_ingress(&mut self, _key: ParticipantKey, _stats: &str0m::stats::MediaIngressStats) {}
}
