//! Who speaks, from the audio levels that clients put on their packets (RFC 6464).

use std::time::Duration;

/// How often voices are looked at and changes told. Also how long a voice is listened to for one look.
pub const WINDOW: Duration = Duration::from_millis(400);

/// Louder than this is speech, in −dBov: 0 is as loud as it gets, 127 is silence.
const SPEECH: u8 = 35;

/// Speech must fill 40 per cent of a window, or it is a cough.
const ENOUGH: Duration = Duration::from_millis(160);

/// Weight of the newest window: the average goes over about two.
const SMOOTHING: f32 = 2.0 / 3.0;

/// An average below this is silence: speech at its softest for just long enough, in the first window, is above it.
const SOFTEST: f32 = 0.0045;

/// Levels are told in steps of an eighth, so that they do not change all the time.
const STEPS: f32 = 8.0;

/// Longest time that one packet stands for; after a longer silence (DTX) its frame is what Opus usually sends.
const LONGEST_FRAME: Duration = Duration::from_millis(120);
const USUAL_FRAME: Duration = Duration::from_millis(20);

/// One audio track's voice. Everything is O(1).
#[derive(Debug)]
pub struct Voice {
    clock_rate: u32,
    last_ts: Option<u32>,
    /// In this window: how long it spoke, and how loud at the most.
    spoken: Duration,
    loudest: u8,
    smoothed: f32,
}

impl Voice {
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate, last_ts: None, spoken: Duration::ZERO, loudest: 127, smoothed: 0.0 }
    }

    /// A packet came with this level, in −dBov. Late ones count as any other.
    pub fn observe(&mut self, ts: u32, level: u8) {
        let ticks = self.last_ts.replace(ts).map_or(0, |last| ts.wrapping_sub(last));
        let since = Duration::from_secs_f64(f64::from(ticks) / f64::from(self.clock_rate));
        let frame = if ticks == 0 || since > LONGEST_FRAME { USUAL_FRAME } else { since };
        if level <= SPEECH {
            self.spoken += frame;
            self.loudest = self.loudest.min(level);
        }
    }

    /// Ends a window, to be called every [`WINDOW`]: how loud the voice is, from 0 (does not speak) to 1, in eighths.
    pub fn look(&mut self) -> f32 {
        let filled = (self.spoken.as_secs_f32() / WINDOW.as_secs_f32()).min(1.0);
        let level = if self.spoken < ENOUGH { 0.0 } else { amplitude(self.loudest) * filled };
        self.smoothed += SMOOTHING * (level - self.smoothed);
        (self.spoken, self.loudest) = (Duration::ZERO, 127);
        if self.smoothed < SOFTEST {
            return 0.0;
        }
        ((self.smoothed * STEPS).ceil() / STEPS).min(1.0)
    }
}

/// −dBov as a part of the full amplitude.
fn amplitude(level: u8) -> f32 {
    10f32.powf(-f32::from(level) / 20.0)
}

/// A speaker, or, with level 0, one who stopped speaking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speaker<K> {
    pub key: K,
    pub level: f32,
}

impl<K> Speaker<K> {
    pub fn active(&self) -> bool {
        self.level > 0.0
    }
}

/// A room's speakers.
#[derive(Debug)]
pub struct Speakers<K> {
    speaking: Vec<Speaker<K>>,
}

impl<K> Default for Speakers<K> {
    fn default() -> Self {
        Self { speaking: vec![] }
    }
}

impl<K: Copy + Eq> Speakers<K> {
    /// Takes everybody's level, and answers what changed: new speakers, new levels, and, with level 0, those who stopped or
    /// are gone. Who has several tracks is as loud as the loudest.
    pub fn update(&mut self, levels: impl IntoIterator<Item = (K, f32)>) -> Vec<Speaker<K>> {
        let mut speaking: Vec<Speaker<K>> = vec![];
        for (key, level) in levels.into_iter().filter(|(_, level)| *level > 0.0) {
            match speaking.iter_mut().find(|speaker| speaker.key == key) {
                Some(speaker) => speaker.level = speaker.level.max(level),
                None => speaking.push(Speaker { key, level }),
            }
        }
        speaking.sort_by(|a, b| b.level.total_cmp(&a.level));
        let had = std::mem::replace(&mut self.speaking, speaking);
        let changed = self.speaking.iter().filter(|now| !had.contains(now)).copied();
        let stopped = had.iter().filter(|had| self.speaking.iter().all(|now| now.key != had.key));
        changed.chain(stopped.map(|had| Speaker { key: had.key, level: 0.0 })).collect()
    }

    /// Who speaks, the loudest first.
    pub fn speaking(&self) -> &[Speaker<K>] {
        &self.speaking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty packets of 20 ms, the first `speech` of them at `level`, the others silent.
    fn window(voice: &mut Voice, ts: &mut u32, speech: u32, level: u8) -> f32 {
        for n in 0..20 {
            *ts = ts.wrapping_add(960);
            voice.observe(*ts, if n < speech { level } else { 127 });
        }
        voice.look()
    }

    #[test]
    fn speech_is_heard_and_fades() {
        let (mut voice, mut ts) = (Voice::new(48_000), u32::MAX - 5000);
        let loud = window(&mut voice, &mut ts, 20, 10);
        assert!((0.2..0.4).contains(&loud), "{loud}");
        assert_eq!((loud * 8.0).fract(), 0.0);
        assert!(window(&mut voice, &mut ts, 20, 10) >= loud);
        assert!(voice.look() > 0.0, "not at once");
        for _ in 0..3 {
            voice.look();
        }
        assert_eq!(voice.look(), 0.0);
    }

    #[test]
    fn a_cough_and_a_whisper_are_not_speech() {
        let (mut voice, mut ts) = (Voice::new(48_000), 0);
        assert_eq!(window(&mut voice, &mut ts, 7, 0), 0.0, "too short");
        assert_eq!(window(&mut voice, &mut ts, 20, 36), 0.0, "too soft");
        assert!(window(&mut voice, &mut ts, 20, 35) > 0.0);
        let (mut voice, mut ts) = (Voice::new(48_000), 0);
        assert!(window(&mut voice, &mut ts, 8, 20) > 0.0, "just long enough");
    }

    #[test]
    fn a_packet_after_silence_stands_for_itself_alone() {
        let mut voice = Voice::new(48_000);
        voice.observe(0, 0);
        voice.observe(48_000, 0);
        assert_eq!(voice.look(), 0.0, "40 ms of speech in all");
    }

    #[test]
    fn only_changes_are_told() {
        let mut speakers = Speakers::default();
        let told = speakers.update([('a', 0.25), ('b', 0.5), ('c', 0.0), ('b', 0.125)]);
        assert_eq!(told, [Speaker { key: 'b', level: 0.5 }, Speaker { key: 'a', level: 0.25 }], "loudest first");
        assert_eq!(speakers.update([('a', 0.25), ('b', 0.5)]), []);
        assert_eq!(speakers.update([('a', 0.375), ('b', 0.5)]), [Speaker { key: 'a', level: 0.375 }]);
        let stopped = speakers.update([('a', 0.375)]);
        assert_eq!(stopped, [Speaker { key: 'b', level: 0.0 }]);
        assert!(!stopped[0].active());
        assert_eq!(speakers.speaking(), [Speaker { key: 'a', level: 0.375 }]);
    }
}
