//! A subscriber's downlink, divided among the videos they watch.

use super::selector::{Layer, MAX_LAYERS};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A layer that the publisher sends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Bits per second.
    pub bitrate: u64,
    /// Width times height; 0: unknown.
    pub pixels: u32,
}

/// What a subscriber wants of one video track.
#[derive(Debug, Clone, PartialEq)]
pub struct Want<K> {
    pub key: K,
    /// By layer; `None` for one that is not alive.
    pub offers: [Option<Offer>; MAX_LAYERS],
    /// Bits per second of the lowest living layer with its base temporal layer alone: fewer frames, before there are none.
    pub slow: Option<u64>,
    /// The best layer that makes sense: by the quality asked for and by the size on screen.
    pub ceiling: Layer,
    /// Width times height on the subscriber's screen; 0: unknown.
    pub pixels: u32,
    pub screen_share: bool,
    pub speaking: bool,
    /// As in `UpdateTrackSettings`: 1 is the highest, 0 is none.
    pub priority: u32,
    /// The client takes no picture at all for an answer.
    pub may_pause: bool,
}

/// What a subscriber gets: a layer, or `None`, which is a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<K> {
    pub key: K,
    pub layer: Option<Layer>,
    /// Of the layer the base temporal layer alone.
    pub slow: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation<K> {
    /// In the order of the wants.
    pub grants: Vec<Grant<K>>,
    /// Bits per second of all grants together.
    pub spent: u64,
    /// Bits per second that everything would take at its ceiling: what the prober tries to reach.
    pub desired: u64,
}

/// More quality needs this much room above it, in per cent of the estimate, or the next wobble takes it away again.
const HEADROOM: u64 = 10;

/// After something was taken from a track it is not given back sooner: each change costs a keyframe.
const HOLD: Duration = Duration::from_secs(3);

/// Divides a downlink.
///
/// 1. Everybody's lowest layer, those first that matter most: set priorities, then screen shares, speakers, large pictures.
///    Who may be paused and does not fit is paused. So a pause is the last resort.
/// 2. What is left goes, step by step, to where a bit shows most. A track with a set priority comes before those without.
///
/// What a track has it keeps while it fits; for more there must be headroom, and some time since it lost something.
///
/// **More budget may give somebody less**: the bits that keep one picture sharp may be what another one needs to be seen at
/// all, as soon as they are enough for that; and a step that begins to fit may take the place of two lesser ones. What holds
/// is that more budget never worsens what matters more: the list of who is seen, by importance, and among equals the list of
/// steps, by worth, are then the same up to a place where something is added.
///
/// The frame rate is given up only of the lowest layer: the least step there is.
#[derive(Debug)]
pub struct Allocator<K> {
    held: HashMap<K, Held>,
}

/// A layer, and whether all its frames come.
type Level = (Layer, bool);

/// What a track has.
#[derive(Debug, Clone, Copy)]
struct Held {
    level: Option<Level>,
    /// No more before this.
    until: Option<Instant>,
}

impl<K> Default for Allocator<K> {
    fn default() -> Self {
        Self { held: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash> Allocator<K> {
    /// Divides `budget`, in bits per second.
    pub fn allocate(&mut self, now: Instant, budget: u64, wants: &[Want<K>]) -> Allocation<K> {
        let mut round = Round {
            budget,
            spent: 0,
            tracks: wants.iter().map(|want| Track::new(want, self.held.get(&want.key), now)).collect(),
        };
        round.give_everybody_a_picture();
        round.improve();

        let grant = |track: &Track<'_, K>| {
            let level = track.level();
            Grant { key: track.want.key, layer: level.map(|level| level.0), slow: level.is_some_and(|level| !level.1) }
        };
        let grants: Vec<_> = round.tracks.iter().map(grant).collect();
        let allocation =
            Allocation { spent: round.spent, desired: round.tracks.iter().map(Track::desired).sum(), grants };
        self.remember(now, &allocation);
        allocation
    }

    fn remember(&mut self, now: Instant, allocation: &Allocation<K>) {
        let had = std::mem::take(&mut self.held);
        for Grant { key, layer, slow } in allocation.grants.iter().copied() {
            let level = layer.map(|layer| (layer, !slow));
            let before = had.get(&key).copied().unwrap_or(Held { level, until: None });
            let until = if level < before.level { Some(now + HOLD) } else { before.until };
            self.held.insert(key, Held { level, until });
        }
    }
}

/// One division at work.
struct Round<'a, K> {
    budget: u64,
    spent: u64,
    tracks: Vec<Track<'a, K>>,
}

struct Track<'a, K> {
    want: &'a Want<K>,
    /// The layers that may be given, the least first.
    steps: Vec<(Level, Offer)>,
    /// How many of the steps are given.
    given: usize,
    /// How many of the steps it had before; all, if it is new.
    had: usize,
    /// No more than it had.
    held: bool,
}

impl<'a, K> Track<'a, K> {
    fn new(want: &'a Want<K>, held: Option<&Held>, now: Instant) -> Self {
        let alive = want.offers.iter().enumerate().filter_map(|(layer, offer)| Some((layer as Layer, (*offer)?)));
        let below = alive.clone().filter(|(layer, _)| *layer <= want.ceiling);
        let mut steps: Vec<_> = below.map(|(layer, offer)| ((layer, true), offer)).collect();
        if steps.is_empty() {
            // Too much is better than nothing at all.
            steps.extend(alive.take(1).map(|(layer, offer)| ((layer, true), offer)));
        }
        if let (Some(bitrate), Some(&((layer, _), full))) = (want.slow, steps.first())
            && bitrate < full.bitrate
        {
            steps.insert(0, ((layer, false), Offer { bitrate, ..full }));
        }
        let had = held.map_or(steps.len(), |held| steps.iter().filter(|(level, _)| Some(*level) <= held.level).count());
        let held = held.and_then(|held| held.until).is_some_and(|until| now < until);
        Self { want, steps, given: 0, had, held }
    }

    /// Of a track that sends nothing now, anything may come.
    fn level(&self) -> Option<Level> {
        if self.steps.is_empty() {
            return Some((self.want.ceiling, true));
        }
        Some(self.steps[self.given.checked_sub(1)?].0)
    }

    fn bitrate(&self, given: usize) -> u64 {
        given.checked_sub(1).map_or(0, |top| self.steps[top].1.bitrate)
    }

    fn desired(&self) -> u64 {
        self.bitrate(self.steps.len())
    }

    /// What the next step costs more; nothing, if the publisher sends the better layer with fewer bits just now.
    fn price(&self) -> u64 {
        self.bitrate(self.given + 1).saturating_sub(self.bitrate(self.given))
    }

    /// Those that matter most come first.
    fn importance(&self) -> impl Ord + use<K> {
        let set = if self.want.priority == 0 { u32::MAX } else { self.want.priority };
        (set, Reverse((self.want.screen_share, self.want.speaking, self.want.pixels)))
    }

    /// What the next step shows more, for each bit: doublings of the pixels that are seen, times how much one looks there.
    fn worth(&self) -> f64 {
        let seen = |given: usize| f64::from(self.seen(given)).log2();
        let attention = match (self.want.screen_share, self.want.speaking) {
            (true, _) => 4.0,
            (false, true) => 2.0,
            (false, false) => 1.0,
        };
        attention * (seen(self.given + 1) - seen(self.given)).max(0.01) / (self.price().max(1) as f64)
    }

    /// Pixels that are seen of a step: not more than the screen shows, and two steps at least differ a little.
    fn seen(&self, given: usize) -> u32 {
        let ((layer, full), offer) = self.steps[given - 1];
        // 320x180, 640x360, 1280x720: what clients send who do not say it.
        let usual = 57_600 << (2 * u32::from(layer));
        let pixels = if offer.pixels == 0 { usual } else { offer.pixels };
        let shown = if self.want.pixels == 0 { u32::MAX } else { self.want.pixels };
        // Fewer frames are seen as if they were smaller.
        (pixels.min(shown) >> u8::from(!full)).max(1)
    }
}

impl<K> Round<'_, K> {
    fn give_everybody_a_picture(&mut self) {
        let mut order: Vec<usize> = (0..self.tracks.len()).filter(|&n| !self.tracks[n].steps.is_empty()).collect();
        order.sort_by_key(|&n| self.tracks[n].importance());
        let stubborn = |n: &usize| !self.tracks[*n].want.may_pause;
        let (owed, wished): (Vec<_>, Vec<_>) = order.into_iter().partition(stubborn);
        for n in owed {
            self.take_step(n);
        }
        for n in wished {
            if self.affords(n) {
                self.take_step(n);
            }
        }
    }

    fn improve(&mut self) {
        let mut steps: BinaryHeap<Step> = (0..self.tracks.len()).filter_map(|n| self.next_step(n)).collect();
        while let Some(step) = steps.pop() {
            if self.affords(step.track) {
                self.take_step(step.track);
                steps.extend(self.next_step(step.track));
            }
        }
    }

    fn next_step(&self, n: usize) -> Option<Step> {
        let track = &self.tracks[n];
        let possible = track.given > 0 && track.given < track.steps.len();
        possible.then(|| Step { priority: track.want.priority.wrapping_sub(1), worth: track.worth(), track: n })
    }

    fn affords(&self, n: usize) -> bool {
        let track = &self.tracks[n];
        let cost = self.spent + track.price();
        if track.given < track.had {
            return cost <= self.budget;
        }
        !track.held && cost <= self.budget - self.budget / 100 * HEADROOM
    }

    fn take_step(&mut self, n: usize) {
        let track = &mut self.tracks[n];
        self.spent -= track.bitrate(track.given);
        track.given += 1;
        self.spent += track.bitrate(track.given);
    }
}

/// A step that could be taken; the greatest is taken first.
#[derive(Debug, PartialEq)]
struct Step {
    /// The lower comes first; no priority wraps round to the highest number.
    priority: u32,
    worth: f64,
    track: usize,
}

impl Eq for Step {}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        let first = other.priority.cmp(&self.priority);
        first.then(self.worth.total_cmp(&other.worth)).then(other.track.cmp(&self.track))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The least layer that fills a picture of `wanted` pixels on screen; the best there is, if none does or the size is
/// unknown. A layer that falls short by a fifth will do: nobody sees it.
pub fn ceiling_for(pixels: [Option<u32>; MAX_LAYERS], wanted: u32) -> Layer {
    let enough = |pixels: u32| wanted > 0 && u64::from(pixels) * 5 >= u64::from(wanted) * 4;
    let known = || pixels.iter().enumerate().filter_map(|(layer, pixels)| Some((layer as Layer, (*pixels)?)));
    known()
        .find(|(_, pixels)| enough(*pixels))
        .or_else(|| known().next_back())
        .map_or(MAX_LAYERS as Layer - 1, |(layer, _)| layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const K: u64 = 1000;

    /// 150, 500 and 1700 kbit/s: libwebrtc's 720p simulcast.
    fn camera(key: u32) -> Want<u32> {
        let offer = |kbps: u64, width: u32, height: u32| Some(Offer { bitrate: kbps * K, pixels: width * height });
        Want {
            key,
            offers: [offer(150, 320, 180), offer(500, 640, 360), offer(1700, 1280, 720)],
            slow: None,
            ceiling: 2,
            pixels: 1280 * 720,
            screen_share: false,
            speaking: false,
            priority: 0,
            may_pause: true,
        }
    }

    fn layers(allocation: &Allocation<u32>) -> Vec<Option<Layer>> {
        allocation.grants.iter().map(|grant| grant.layer).collect()
    }

    /// What newcomers get.
    fn first(budget: u64, wants: &[Want<u32>]) -> Vec<Option<Layer>> {
        layers(&Allocator::default().allocate(Instant::now(), budget, wants))
    }

    #[test]
    fn everybody_is_seen_before_anybody_is_sharp() {
        let wants = [camera(0), camera(1), camera(2)];
        assert_eq!(first(10_000 * K, &wants), [Some(2), Some(2), Some(2)]);
        assert_eq!(first(1500 * K, &wants), [Some(1), Some(1), Some(1)]);
        assert_eq!(first(1000 * K, &wants), [Some(1), Some(0), Some(0)]);
        assert_eq!(first(450 * K, &wants), [Some(0), Some(0), Some(0)]);
        assert_eq!(first(300 * K, &wants), [Some(0), Some(0), None]);
        assert_eq!(first(0, &wants), [None, None, None]);
    }

    #[test]
    fn what_matters_comes_first() {
        let speaker = Want { speaking: true, ..camera(1) };
        let screen = Want { screen_share: true, ..camera(2) };
        let chosen = Want { priority: 1, ..camera(3) };
        let wants = [camera(0), speaker, screen, chosen];
        assert_eq!(first(150 * K, &wants), [None, None, None, Some(0)]);
        assert_eq!(first(300 * K, &wants), [None, None, Some(0), Some(0)]);
        assert_eq!(first(450 * K, &wants), [None, Some(0), Some(0), Some(0)]);
        assert_eq!(first(2150 * K, &wants), [Some(0), Some(0), Some(0), Some(2)]);
        assert_eq!(first(2500 * K, &wants), [Some(0), Some(0), Some(1), Some(2)]);
        let second = Want { priority: 2, ..camera(4) };
        assert_eq!(
            first(2400 * K, &[second, camera(0), Want { priority: 1, ..camera(1) }]),
            [Some(1), Some(0), Some(2)]
        );
    }

    #[test]
    fn small_pictures_need_few_pixels() {
        let tile = Want { pixels: 640 * 360, ..camera(0) };
        assert_eq!(first(2300 * K, &[tile.clone(), camera(1)]), [Some(1), Some(2)], "the third layer would not show");
        let limited = Want { ceiling: 1, ..camera(0) };
        let allocation = Allocator::default().allocate(Instant::now(), 10_000 * K, &[limited]);
        assert_eq!((layers(&allocation), allocation.desired), (vec![Some(1)], 500 * K));
    }

    #[test]
    fn who_may_not_be_paused_is_seen_whatever_it_costs() {
        let stubborn = Want { may_pause: false, ..camera(0) };
        let allocation = Allocator::default().allocate(Instant::now(), 100 * K, &[camera(1), stubborn]);
        assert_eq!(layers(&allocation), [None, Some(0)]);
        assert_eq!(allocation.spent, 150 * K);
    }

    #[test]
    fn dead_layers_are_not_given() {
        let mut high = camera(0);
        high.offers = [None, None, high.offers[2]];
        let above = Want { ceiling: 0, ..high.clone() };
        let silent = Want { offers: [None; 3], ..camera(1) };
        assert_eq!(first(5000 * K, &[high.clone(), above, silent.clone()]), [Some(2), Some(2), Some(2)]);
        assert_eq!(first(0, &[high, silent]), [None, Some(2)], "what sends nothing is not paused");
    }

    #[test]
    fn more_needs_headroom_and_time() {
        let start = Instant::now();
        let wants = [camera(0)];
        let mut allocator = Allocator::default();
        let mut at =
            |seconds, kbps| layers(&allocator.allocate(start + Duration::from_secs(seconds), kbps * K, &wants))[0];
        assert_eq!(at(0, 1700), Some(2), "a newcomer");
        assert_eq!(at(1, 1699), Some(1));
        assert_eq!(at(2, 5000), Some(1), "too soon");
        assert_eq!(at(4, 1800), Some(1), "too little");
        assert_eq!(at(4, 1900), Some(2));
        assert_eq!(at(5, 1700), Some(2), "keeps what fits");
        assert_eq!(at(6, 100), None);
        assert_eq!(at(8, 5000), None);
        assert_eq!(at(9, 160), None);
        assert_eq!(at(9, 170), Some(0));
        assert_eq!(at(9, 5000), Some(2), "nothing was taken since");
    }

    #[test]
    fn fewer_frames_come_before_none() {
        let slow = |key| Want { slow: Some(70 * K), ..camera(key) };
        let granted = |budget: u64, wants: &[Want<u32>]| -> Vec<_> {
            let allocation = Allocator::default().allocate(Instant::now(), budget * K, wants);
            allocation.grants.iter().map(|grant| (grant.layer, grant.slow)).collect()
        };
        let (none, some, all) = ((None, false), (Some(0), true), (Some(0), false));
        assert_eq!(granted(60, &[slow(0)]), [none]);
        assert_eq!(granted(100, &[slow(0)]), [some]);
        assert_eq!(granted(150, &[slow(0), slow(1)]), [some, some], "both are seen before one moves smoothly");
        assert_eq!(granted(300, &[slow(0), slow(1)]), [all, all]);
        assert_eq!(granted(2000, &[slow(0)]), [(Some(2), false)]);
    }

    #[test]
    fn who_went_is_forgotten() {
        let mut allocator = Allocator::default();
        allocator.allocate(Instant::now(), 100 * K, &[camera(0)]);
        allocator.allocate(Instant::now(), 100 * K, &[]);
        assert!(allocator.held.is_empty());
    }

    #[test]
    fn ceilings_follow_the_size_on_screen() {
        let pixels = [Some(320 * 180), Some(640 * 360), Some(1280 * 720)];
        let ceilings = [0, 160 * 90, 320 * 180, 350 * 195, 640 * 360, 1280 * 720, u32::MAX];
        assert_eq!(ceilings.map(|wanted| ceiling_for(pixels, wanted)), [2, 0, 0, 0, 1, 2, 2]);
        assert_eq!(ceiling_for([None, Some(100), None], 0), 1);
        assert_eq!(ceiling_for([None; 3], 1), 2);
    }

    fn want() -> impl Strategy<Value = Want<u32>> {
        let offer = || prop::option::weighted(0.8, (1u64..3000, 1u32..1000).prop_map(|(kbps, k)| (kbps * K, k * 1000)));
        let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.8), 0u32..3, 0u8..3, 0u32..1_000_000);
        ([offer(), offer(), offer()], flags).prop_map(
            |(offers, (screen_share, speaking, may_pause, priority, ceiling, pixels))| {
                let offers = offers.map(|offer| offer.map(|(bitrate, pixels)| Offer { bitrate, pixels }));
                Want { key: 0, offers, slow: None, ceiling, pixels, screen_share, speaking, priority, may_pause }
            },
        )
    }

    fn wants() -> impl Strategy<Value = Vec<Want<u32>>> {
        prop::collection::vec(want(), 0..12).prop_map(|mut wants| {
            wants.iter_mut().zip(0..).for_each(|(want, key)| want.key = key);
            wants
        })
    }

    proptest! {
        #[test]
        fn never_over_budget_but_for_those_who_may_not_be_paused(
            rounds in prop::collection::vec((wants(), 0u64..8000, 0u64..5), 1..6)
        ) {
            let mut allocator = Allocator::default();
            let mut now = Instant::now();
            for (wants, kbps, seconds) in rounds {
                now += Duration::from_secs(seconds);
                let allocation = allocator.allocate(now, kbps * K, &wants);
                let bitrate = |n: usize| allocation.grants[n].layer.and_then(|l| wants[n].offers[usize::from(l)]).map_or(0, |o| o.bitrate);
                prop_assert_eq!(allocation.spent, (0..wants.len()).map(bitrate).sum::<u64>());
                if allocation.spent > kbps * K {
                    for (want, grant) in wants.iter().zip(&allocation.grants) {
                        let lowest = want.offers.iter().position(Option::is_some).map_or(want.ceiling, |l| l as Layer);
                        prop_assert_eq!(grant.layer, (!want.may_pause || want.offers == [None; 3]).then_some(lowest));
                    }
                }
                for (want, grant) in wants.iter().zip(&allocation.grants) {
                    prop_assert_eq!(want.key, grant.key, "in order");
                    prop_assert!(want.may_pause || grant.layer.is_some());
                }
            }
        }

        /// More budget never takes the picture from who matters more to give it to who matters less.
        #[test]
        fn more_budget_is_better_by_importance(wants in wants(), kbps in 0u64..8000, more in 0u64..4000) {
            let seen = |kbps| {
                let allocation = Allocator::default().allocate(Instant::now(), kbps * K, &wants);
                let mut seen: Vec<_> = wants.iter().zip(&allocation.grants).collect();
                seen.sort_by_key(|(want, _)| Track::new(want, None, Instant::now()).importance());
                seen.into_iter().map(|(_, grant)| grant.layer.is_some()).collect::<Vec<_>>()
            };
            prop_assert!(seen(kbps) <= seen(kbps + more));
        }

        /// Asking again changes nothing.
        #[test]
        fn it_does_not_flap(wants in wants(), kbps in 0u64..8000) {
            let mut allocator = Allocator::default();
            let now = Instant::now();
            let first = allocator.allocate(now, kbps * K, &wants);
            for seconds in 1..8 {
                prop_assert_eq!(&allocator.allocate(now + Duration::from_secs(seconds), kbps * K, &wants), &first);
            }
        }
    }
}
