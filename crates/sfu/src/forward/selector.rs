//! Which simulcast layer of a track a subscriber gets.

use std::time::{Duration, Instant};

/// A simulcast layer; 0 is the smallest picture.
pub type Layer = u8;

/// LiveKit's clients send up to three: `q`, `h`, `f`.
pub const MAX_LAYERS: usize = 3;

/// A set of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layers(u8);

impl Layers {
    pub const NONE: Self = Self(0);

    /// There are no more than [`MAX_LAYERS`]; others are ignored.
    #[must_use]
    pub fn with(self, layer: Layer) -> Self {
        Self(self.0 | Self::bit(layer))
    }

    pub fn contains(self, layer: Layer) -> bool {
        self.0 & Self::bit(layer) != 0
    }

    fn bit(layer: Layer) -> u8 {
        u8::from(usize::from(layer) < MAX_LAYERS) << (layer & 7)
    }

    pub fn iter(self) -> impl DoubleEndedIterator<Item = Layer> {
        (0..MAX_LAYERS as Layer).filter(move |&layer| self.contains(layer))
    }

    /// The best that is not above `layer`; if there is none, the least above it.
    pub fn nearest(self, layer: Layer) -> Option<Layer> {
        self.iter().rev().find(|&have| have <= layer).or_else(|| self.iter().next())
    }
}

impl FromIterator<Layer> for Layers {
    fn from_iter<T: IntoIterator<Item = Layer>>(layers: T) -> Self {
        layers.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What is looked at of a packet.
#[derive(Debug, Clone, Copy)]
pub struct LayerPacket {
    pub layer: Layer,
    /// It is the first packet of a keyframe.
    pub keyframe: bool,
    /// No later packet of its layer came before it ([`LayerTracker::record`] tells). What follows a late keyframe's first
    /// packet is gone already, so that it is no place to begin.
    pub in_order: bool,
}

/// What is done with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Forward it; with `switched`, it is the first of another layer, or the first at all.
    Forward {
        switched: bool,
    },
    /// Of the layer before the last switch: forward it if its place was kept.
    Late,
    Drop,
}

/// Chooses the packets of one subscription. Layers change only at a keyframe of the new one.
///
/// The layer to get to is the best living one up to the target; failing that, the least above it. Who has no picture yet,
/// or whose layer died, takes the first keyframe of any layer up to there and goes on to the best as its keyframe comes;
/// who has one stays with it until then.
#[derive(Debug, Default)]
pub struct LayerSelector {
    target: Option<Layer>,
    current: Option<Layer>,
    previous: Option<Layer>,
    request: Option<Request>,
}

/// A keyframe that was asked for.
#[derive(Debug, Clone, Copy)]
struct Request {
    layer: Layer,
    /// When to ask again.
    again: Instant,
}

/// A keyframe that was asked for needs a round trip and some time to be encoded and sent; sooner, asking again would only
/// make a second one. But who waits a second sees a frozen picture.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));
const ENCODING: Duration = Duration::from_millis(100);

impl LayerSelector {
    /// The layer that the allocator grants; `None` pauses at once.
    pub fn set_target(&mut self, target: Option<Layer>) {
        self.target = target;
        if target.is_none() {
            self.previous = self.current.take();
            self.request = None;
        }
    }

    pub fn target(&self) -> Option<Layer> {
        self.target
    }

    /// The layer that is forwarded.
    pub fn current(&self) -> Option<Layer> {
        self.current
    }

    /// What to do with a packet, where `alive` are the layers that live now.
    pub fn select(&mut self, packet: LayerPacket, alive: Layers) -> Decision {
        if self.target.is_some() && self.current == Some(packet.layer) {
            return Decision::Forward { switched: false };
        }
        if packet.keyframe && packet.in_order && self.welcomes(packet.layer, alive.with(packet.layer)) {
            self.previous = self.current.replace(packet.layer);
            return Decision::Forward { switched: true };
        }
        if self.previous == Some(packet.layer) { Decision::Late } else { Decision::Drop }
    }

    /// Whether to go over to the layer, now that there is a keyframe of it.
    fn welcomes(&self, layer: Layer, alive: Layers) -> bool {
        let Some(goal) = self.goal(alive) else { return false };
        let has_picture = self.current.is_some_and(|current| alive.contains(current));
        layer == goal || (!has_picture && layer < goal)
    }

    fn goal(&self, alive: Layers) -> Option<Layer> {
        alive.nearest(self.target?)
    }

    /// The layer of which a keyframe must be asked for now, repeatedly until it comes. To be called when the target or the
    /// living layers change, and at [`deadline`](Self::deadline). `rtt`: to the publisher and back.
    pub fn keyframe_request(&mut self, now: Instant, rtt: Duration, alive: Layers) -> Option<Layer> {
        let Some(layer) = self.goal(alive).filter(|&goal| self.current != Some(goal)) else {
            self.request = None;
            return None;
        };
        if self.request.is_some_and(|request| request.layer == layer && now < request.again) {
            return None;
        }
        self.request = Some(Request { layer, again: now + (rtt + ENCODING).clamp(ASK_AGAIN.0, ASK_AGAIN.1) });
        Some(layer)
    }

    /// When to call [`keyframe_request`](Self::keyframe_request) again.
    pub fn deadline(&self) -> Option<Instant> {
        self.request.map(|request| request.again)
    }
}

/// What a layer, or any RTP stream, has brought during the last second: is it alive, its bits and frames.
#[derive(Debug)]
pub struct LayerTracker {
    patience: Duration,
    first: Option<Instant>,
    last: Option<Arrival>,
    /// Counted from `first`, in slots of a tenth of a second; the newest that has anything.
    slot: u64,
    slots: [Slot; SLOTS as usize],
}

#[derive(Debug, Clone, Copy)]
struct Arrival {
    at: Instant,
    seq: u64,
    ts: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    bytes: u32,
    /// Those of the base temporal layer alone.
    base: u32,
    frames: u32,
}

const SLOT: Duration = Duration::from_millis(100);
const SLOTS: u64 = 10;

impl LayerTracker {
    /// A stream that is silent for longer than `patience` is taken for dead. Cameras are missed after half a second to a
    /// second; a shared screen on which nothing moves may send a frame only every few seconds.
    pub fn new(patience: Duration) -> Self {
        Self { patience, first: None, last: None, slot: 0, slots: [Slot::default(); SLOTS as usize] }
    }

    /// A packet came, whose payload has `len` bytes; empty ones are padding and must not be told. True if it is later than
    /// all before it.
    pub fn record(&mut self, now: Instant, seq: u64, ts: u32, len: usize) -> bool {
        self.record_layer(now, seq, ts, len, 0)
    }

    /// As [`record`](Self::record), of a packet in this temporal layer.
    pub fn record_layer(&mut self, now: Instant, seq: u64, ts: u32, len: usize, temporal: u8) -> bool {
        let first = *self.first.get_or_insert(now);
        self.turn_to(slot_of(now, first));
        let in_order = self.last.is_none_or(|last| seq > last.seq);
        let new_frame = in_order && self.last.is_none_or(|last| ts != last.ts);
        let slot = &mut self.slots[(self.slot % SLOTS) as usize];
        slot.bytes = slot.bytes.saturating_add(len as u32);
        slot.base = slot.base.saturating_add(if temporal == 0 { len as u32 } else { 0 });
        slot.frames += u32::from(new_frame);
        match &mut self.last {
            Some(last) if !in_order => last.at = now,
            last => *last = Some(Arrival { at: now, seq, ts }),
        }
        in_order
    }

    /// What comes next is another stream.
    pub fn restart(&mut self) {
        *self = Self::new(self.patience);
    }

    /// Whether nothing came for so long.
    pub fn is_quiet(&self, now: Instant, long: Duration) -> bool {
        self.last.is_none_or(|last| now >= last.at + long)
    }

    /// The highest sequence number so far.
    pub fn newest(&self) -> Option<u64> {
        self.last.map(|last| last.seq)
    }

    fn turn_to(&mut self, slot: u64) {
        for empty in self.slot + 1..=slot.min(self.slot + SLOTS) {
            self.slots[(empty % SLOTS) as usize] = Slot::default();
        }
        if slot > self.slot + SLOTS {
            self.slots = [Slot::default(); SLOTS as usize];
        }
        self.slot = self.slot.max(slot);
    }

    pub fn alive(&self, now: Instant) -> bool {
        self.dies_at().is_some_and(|dies| now < dies)
    }

    /// When it is taken for dead if nothing comes.
    pub fn dies_at(&self) -> Option<Instant> {
        self.last.map(|last| last.at + self.patience)
    }

    /// Payload, in bits per second.
    pub fn bitrate(&self, now: Instant) -> u64 {
        (self.per_second(now, |slot| slot.bytes) * 8.0) as u64
    }

    /// Of the base temporal layer alone; the same, if there is no other.
    pub fn base_bitrate(&self, now: Instant) -> u64 {
        (self.per_second(now, |slot| slot.base) * 8.0) as u64
    }

    pub fn fps(&self, now: Instant) -> f64 {
        self.per_second(now, |slot| slot.frames)
    }

    fn per_second(&self, now: Instant, count: impl Fn(&Slot) -> u32) -> f64 {
        let Some(first) = self.first else { return 0.0 };
        let current = slot_of(now, first);
        let kept = self.slot.saturating_sub(SLOTS - 1).max(current.saturating_sub(SLOTS - 1))..=self.slot.min(current);
        let sum: u64 = kept.map(|slot| u64::from(count(&self.slots[(slot % SLOTS) as usize]))).sum();
        // The window is nine whole slots and what passed of the tenth. In the very beginning it is shorter, but a
        // keyframe's burst is not taken for the rate of the stream.
        let age = now.saturating_duration_since(first);
        let window = age.min(age.saturating_sub(SLOT * current as u32) + SLOT * (SLOTS as u32 - 1)).max(SLOT * 5);
        sum as f64 / window.as_secs_f64()
    }
}

fn slot_of(now: Instant, first: Instant) -> u64 {
    (now.saturating_duration_since(first).as_millis() / SLOT.as_millis()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Layers = Layers(0b111);
    const RTT: Duration = Duration::from_millis(50);
    const SWITCH: Decision = Decision::Forward { switched: true };
    const GO_ON: Decision = Decision::Forward { switched: false };

    fn delta(layer: Layer) -> LayerPacket {
        LayerPacket { layer, keyframe: false, in_order: true }
    }

    fn key(layer: Layer) -> LayerPacket {
        LayerPacket { keyframe: true, ..delta(layer) }
    }

    fn selector(target: Layer) -> LayerSelector {
        let mut selector = LayerSelector::default();
        selector.set_target(Some(target));
        selector
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_first_keyframe_is_taken_and_the_best_is_reached() {
        let mut selector = selector(2);
        assert_eq!(selector.select(delta(2), ALL), Decision::Drop);
        assert_eq!(selector.select(key(0), ALL), SWITCH);
        assert_eq!(selector.select(delta(0), ALL), GO_ON);
        assert_eq!(selector.select(key(1), ALL), Decision::Drop, "has a picture: only the best is worth a keyframe");
        assert_eq!(selector.keyframe_request(Instant::now(), RTT, ALL), Some(2), "does not stay low");
        assert_eq!(selector.select(key(2), ALL), SWITCH);
        assert_eq!(selector.select(key(2), ALL), GO_ON);
        assert_eq!(selector.select(delta(0), ALL), Decision::Late);
        assert_eq!(selector.select(delta(1), ALL), Decision::Drop);
    }

    #[test]
    fn switches_only_at_keyframes() {
        let mut selector = selector(2);
        selector.select(key(2), ALL);
        selector.set_target(Some(0));
        assert_eq!(selector.select(delta(0), ALL), Decision::Drop);
        assert_eq!(selector.select(delta(2), ALL), GO_ON, "until the keyframe comes");
        let late = LayerPacket { in_order: false, ..key(0) };
        assert_eq!(selector.select(late, ALL), Decision::Drop, "what follows it is gone");
        assert_eq!(selector.select(key(0), ALL), SWITCH);
        assert_eq!(selector.current(), Some(0));
    }

    #[test]
    fn a_newcomer_gets_nothing_above_the_target() {
        let mut selector = selector(0);
        assert_eq!(selector.select(key(2), ALL), Decision::Drop);
        assert_eq!(selector.select(key(0), ALL), SWITCH);
    }

    #[test]
    fn a_dead_target_is_replaced_by_the_best_alive() {
        let low = Layers(0b011);
        let mut selector = selector(2);
        assert_eq!(selector.keyframe_request(Instant::now(), RTT, low), Some(1));
        assert_eq!(selector.select(key(1), low), SWITCH);
        assert_eq!(selector.keyframe_request(Instant::now(), RTT, low), None);
        assert_eq!(selector.keyframe_request(Instant::now(), RTT, ALL), Some(2), "came to life");
        assert_eq!(selector.select(key(2), low), SWITCH, "its own packet says that it lives");
    }

    #[test]
    fn a_death_is_survived() {
        let mut selector = selector(2);
        selector.select(key(2), ALL);
        let low = Layers(0b011);
        assert_eq!(selector.keyframe_request(Instant::now(), RTT, low), Some(1));
        assert_eq!(selector.select(key(0), low), SWITCH, "anything is better than a frozen picture");
        assert_eq!(selector.select(key(1), low), SWITCH);
    }

    #[test]
    fn only_a_higher_layer_lives() {
        let high = Layers(0b100);
        let mut selector = selector(0);
        assert_eq!(selector.keyframe_request(Instant::now(), RTT, high), Some(2));
        assert_eq!(selector.select(key(2), high), SWITCH);
        assert_eq!(selector.select(key(0), high), SWITCH);
    }

    #[test]
    fn requests_are_repeated_but_not_too_often() {
        let now = Instant::now();
        let mut selector = selector(2);
        assert_eq!(selector.keyframe_request(now, RTT, Layers::NONE), None, "nobody to ask");
        assert_eq!(selector.keyframe_request(now, RTT, ALL), Some(2));
        assert_eq!(selector.deadline(), Some(now + ms(200)));
        assert_eq!(selector.keyframe_request(now + ms(199), RTT, ALL), None);
        assert_eq!(selector.keyframe_request(now + ms(200), RTT * 10, ALL), Some(2));
        assert_eq!(selector.keyframe_request(now + ms(799), RTT, ALL), None, "a long way takes long");
        selector.set_target(Some(1));
        assert_eq!(selector.keyframe_request(now + ms(799), RTT * 100, ALL), Some(1), "another layer");
        assert_eq!(selector.deadline(), Some(now + ms(1799)));
        selector.select(key(1), ALL);
        assert_eq!(selector.keyframe_request(now + ms(2000), RTT, ALL), None);
        assert_eq!(selector.deadline(), None);
    }

    #[test]
    fn a_pause_ends_with_a_keyframe() {
        let mut selector = selector(1);
        selector.select(key(1), ALL);
        selector.set_target(None);
        assert_eq!(selector.select(delta(1), ALL), Decision::Late);
        assert_eq!(selector.select(key(1), ALL), Decision::Late);
        assert_eq!(selector.select(key(0), ALL), Decision::Drop);
        assert_eq!(selector.keyframe_request(Instant::now(), RTT, ALL), None);
        selector.set_target(Some(1));
        assert_ne!(selector.select(delta(1), ALL), GO_ON);
        assert_eq!(selector.select(key(1), ALL), SWITCH);
    }

    #[test]
    fn rates_are_of_the_last_second() {
        let start = Instant::now();
        let mut tracker = LayerTracker::new(ms(500));
        assert!(!tracker.alive(start));
        // Three seconds of 25 frames of two packets.
        for frame in 0..75 {
            let now = start + ms(40) * frame;
            assert!(tracker.record(now, u64::from(frame) * 2, frame * 3600, 600));
            assert!(tracker.record(now, u64::from(frame) * 2 + 1, frame * 3600, 400));
        }
        let end = start + ms(2999);
        assert!((tracker.fps(end) - 25.0).abs() <= 1.0, "{} frames", tracker.fps(end));
        assert!(tracker.bitrate(end).abs_diff(200_000) <= 8_000, "{} bit/s", tracker.bitrate(end));
        assert!(tracker.alive(start + ms(2960 + 499)));
        assert!(!tracker.alive(start + ms(2960 + 500)));
        assert_eq!(tracker.bitrate(end + ms(1000)), 0);
        tracker.record(start + ms(60_000), 200, 1, 1000);
        assert_eq!(tracker.bitrate(start + ms(60_900)), 8_888, "of nine tenths and nothing of the next");
    }

    #[test]
    fn lateness_is_told() {
        let now = Instant::now();
        let mut tracker = LayerTracker::new(ms(500));
        assert!(tracker.record(now, 5, 0, 1));
        assert!(!tracker.record(now, 4, 0, 1));
        assert!(!tracker.record(now, 5, 0, 1));
        assert!(tracker.record(now, 6, 0, 1));
    }

    #[test]
    fn the_first_burst_is_not_the_rate() {
        let now = Instant::now();
        let mut tracker = LayerTracker::new(ms(500));
        tracker.record(now, 0, 0, 10_000);
        assert_eq!(tracker.bitrate(now), 160_000);
    }
}
