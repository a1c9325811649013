//! A subscriber's link, divided among what they see.

use super::*;
use crate::forward::{
    Layer, LayerTracker, MAX_LAYERS,
    allocate::{Allocator, Offer, Want},
};
use proto::StreamState;
use std::time::Duration;
use str0m::media::MediaKind;

/// Estimates come with every feedback packet; the link is divided anew no more often.
const PAUSE: Duration = Duration::from_millis(100);
/// What is not video: kept free of the estimate for each track that sounds, in bits per second.
const SOUND: u64 = 48_000;
/// Of those that may sound, so many are taken to do: a microphone that is open sends next to nothing while nobody speaks (DTX),
/// and of people who talk with each other few speak at once.
const AT_ONCE: u64 = 3;
/// What a packet of sound takes beside its payload, in bits.
const PACKET: f64 = 8.0 * 50.0;
/// For data and signalling of the transport.
const RESERVE: u64 = 30_000;

#[derive(Debug, Default)]
pub(crate) struct Downlink {
    /// What the link takes, in bits per second; unknown until the client's feedback says.
    estimate: Option<u64>,
    /// No more than this is used, whatever the link takes; for simulations.
    cap: Option<u64>,
    allocator: Allocator<SubscriptionKey>,
    not_before: Option<Instant>,
}

/// The sounds that a participant is sent.
#[derive(Debug, Default)]
struct Sounds {
    count: u64,
    /// Bits per second of those that sound.
    bitrate: u64,
}

impl Sounds {
    fn add(&mut self, stream: &publish::Stream, now: Instant) {
        let rate = |tracker: &LayerTracker| tracker.bitrate(now) + (tracker.fps(now) * PACKET) as u64;
        self.count += 1;
        self.bitrate += stream.encodings.iter().map(|encoding| rate(&encoding.tracker)).sum::<u64>().min(SOUND);
    }

    /// What is kept free for them.
    fn reserve(&self) -> u64 {
        self.bitrate.max(self.count.min(AT_ONCE) * SOUND)
    }
}

impl Room {
    pub(super) fn on_estimate(&mut self, key: ParticipantKey, bitrate: u64, cx: &mut Cx<'_>) {
        let Some(person) = self.people.get_mut(key) else { return };
        person.downlink.estimate = Some(bitrate);
        self.allocate(key, cx);
    }

    /// The link takes no more than `bitrate` from now on, in bits per second; 0: what it takes.
    pub(super) fn narrow(&mut self, key: ParticipantKey, bitrate: u64, cx: &mut Cx<'_>) {
        self.people[key].downlink.cap = (bitrate > 0).then_some(bitrate);
        self.allocate(key, cx);
    }

    pub(super) fn allocate_all(&mut self, cx: &mut Cx<'_>) {
        for key in self.people.keys().collect::<Vec<_>>() {
            self.allocate(key, cx);
        }
    }

    pub(super) fn allocate(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        let downlink = &mut self.people[key].downlink;
        let Some(estimate) = downlink.estimate else { return };
        let estimate = downlink.cap.map_or(estimate, |cap| estimate.min(cap));
        if downlink.not_before.is_some_and(|at| cx.now < at) {
            return;
        }
        downlink.not_before = Some(cx.now + PAUSE);
        let (wants, sounds) = self.wants_of(key, cx.now);
        let floor = sounds.reserve() + RESERVE;
        let budget = estimate.saturating_sub(floor);
        let allocation = self.people[key].downlink.allocator.allocate(cx.now, budget, &wants);
        let mut states = vec![];
        for (grant, want) in allocation.grants.iter().zip(&wants) {
            let best =
                (0..=want.ceiling.min(MAX_LAYERS as Layer - 1)).rev().find(|l| want.offers[usize::from(*l)].is_some());
            self.subscriptions[grant.key].missed =
                best.map_or(0, |best| best + 1 - grant.layer.map_or(0, |l| l + 1).min(best + 1));
            if self.subscriptions[grant.key].grant(grant.layer, grant.slow) {
                states.push(self.stream_state(grant.key));
            }
        }
        if !states.is_empty() {
            self.say(key, Message::StreamStateUpdate(proto::StreamStateUpdate { stream_states: states }), cx);
        }
        let person = &mut self.people[key];
        let target = person.downstream();
        if let Some(peer) = person.peer(target) {
            peer.set_desired_bitrate(allocation.desired, floor);
        }
        self.touch(key, target, cx);
    }

    /// The video that the participant would see, and the sounds beside it.
    fn wants_of(&self, key: ParticipantKey, now: Instant) -> (Vec<Want<SubscriptionKey>>, Sounds) {
        let person = &self.people[key];
        let may_pause = person.settings.subscriber_allow_pause.unwrap_or(true);
        let mut sounds = Sounds::default();
        let mut wants = vec![];
        for subscription in &person.subscriptions {
            let s = &self.subscriptions[*subscription];
            let track = &self.tracks[s.track];
            if s.bound.is_none() || !s.wants_media() || track.info.muted {
                continue;
            }
            let Some(stream) = track.streams.get(usize::from(s.stream)) else { continue };
            if track.kind == MediaKind::Audio {
                sounds.add(stream, now);
                continue;
            }
            let offers = offers(stream, now);
            if offers.iter().all(Option::is_none) {
                continue; // Nothing to grant yet: what comes first may pass.
            }
            wants.push(Want {
                key: *subscription,
                offers,
                slow: slow(stream, now),
                ceiling: s.ceiling,
                pixels: s.wish.pixels(),
                screen_share: track.is_screen(),
                speaking: self.speakers.speaking().iter().any(|speaker| speaker.key == track.publisher),
                priority: s.wish.priority,
                may_pause,
            });
        }
        (wants, sounds)
    }

    fn stream_state(&self, key: SubscriptionKey) -> proto::StreamStateInfo {
        let subscription = &self.subscriptions[key];
        let track = &self.tracks[subscription.track];
        let state = if subscription.paused() { StreamState::Paused } else { StreamState::Active };
        proto::StreamStateInfo {
            participant_sid: self.people[track.publisher].info.sid.clone(),
            track_sid: track.info.sid.clone(),
            state: state.into(),
        }
    }
}

/// What the lowest encoding takes without its higher temporal layers, where it has any.
fn slow(stream: &publish::Stream, now: Instant) -> Option<u64> {
    let lowest = stream.encodings.iter().find(|encoding| encoding.tracker.alive(now))?;
    let (all, base) = (lowest.tracker.bitrate(now), lowest.tracker.base_bitrate(now));
    (0 < base && base < all).then_some(base)
}

/// What the publisher sends of a stream now, by encoding.
fn offers(stream: &publish::Stream, now: Instant) -> [Option<Offer>; MAX_LAYERS] {
    let mut below = 0;
    std::array::from_fn(|index| {
        let encoding = stream.encodings.get(index).filter(|e| e.tracker.alive(now))?;
        let bitrate = below + encoding.tracker.bitrate(now);
        if stream.nested() {
            below = bitrate;
        }
        Some(Offer { bitrate, pixels: encoding.width.saturating_mul(encoding.height) })
    })
}
