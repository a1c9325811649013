//! Who is in the rooms, what they send, and what each of them is to see.

use clap::{Args, ValueEnum};
use serde::Serialize;

/// Frames of a camera in a second.
pub(crate) const FRAMES: u32 = 25;

/// A size in which a camera's picture is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rung {
    /// The RTP stream id that LiveKit's clients give it.
    pub(crate) rid: &'static str,
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Bits a second: LiveKit's presets for cameras.
    pub(crate) rate: u32,
}

/// From low to high.
pub(crate) const LADDER: [Rung; 3] = [
    Rung { rid: "q", width: 320, height: 180, rate: 150_000 },
    Rung { rid: "h", width: 640, height: 360, rate: 500_000 },
    Rung { rid: "f", width: 1280, height: 720, rate: 1_700_000 },
];

/// Lines of the picture that publishers send, or the highest that they send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub(crate) enum Resolution {
    #[value(name = "180")]
    Low,
    #[value(name = "360")]
    Medium,
    #[value(name = "720")]
    High,
}

/// How many cameras a subscriber watches, and how large: the layouts of LiveKit's own load test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub(crate) enum Layout {
    /// One large, five small
    Speaker,
    /// Nine, medium
    #[value(name = "3x3")]
    Nine,
    /// Sixteen, small
    #[value(name = "4x4")]
    Sixteen,
    /// Twenty-five, small
    #[value(name = "5x5")]
    TwentyFive,
}

impl Layout {
    fn cameras(self) -> usize {
        match self {
            Self::Speaker => 6,
            Self::Nine => 9,
            Self::Sixteen => 16,
            Self::TwentyFive => 25,
        }
    }

    /// The index in [`LADDER`] asked for in the given place.
    fn rung(self, place: usize) -> usize {
        match self {
            Self::Speaker if place == 0 => 2,
            Self::Nine => 1,
            _ => 0,
        }
    }
}

#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Scenario {
    /// Rooms; each has publishers and subscribers of its own
    #[arg(long, default_value_t = 1)]
    pub(crate) rooms: usize,
    /// Who send, in each room
    #[arg(long, default_value_t = 1)]
    pub(crate) publishers: usize,
    /// Who only receive, in each room
    #[arg(long, default_value_t = 1)]
    pub(crate) subscribers: usize,
    /// The publishers receive each other too, as in a meeting
    #[arg(long)]
    pub(crate) meeting: bool,
    /// Publishers send audio (audio and video, where neither is named)
    #[arg(long)]
    pub(crate) audio: bool,
    /// Publishers send video
    #[arg(long)]
    pub(crate) video: bool,
    /// How many of a room talk at a time; the others send what silence is (DTX: a packet in 400 ms). Default: all
    #[arg(long)]
    pub(crate) talkers: Option<usize>,
    /// Bits a second of one who talks, in thousands
    #[arg(long, default_value_t = 32)]
    pub(crate) audio_kbps: u32,
    #[arg(long, value_enum, default_value = "720")]
    pub(crate) resolution: Resolution,
    /// Send the smaller pictures too
    #[arg(long)]
    pub(crate) simulcast: bool,
    #[arg(long, value_enum, default_value = "speaker")]
    pub(crate) layout: Layout,
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Audio,
    Video,
}

/// Somebody in a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) room: usize,
    /// Within the room; publishers come first.
    pub(crate) index: usize,
    pub(crate) publishes: bool,
    pub(crate) subscribes: bool,
}

impl Scenario {
    pub(crate) fn normal(mut self) -> Self {
        if !self.audio && !self.video {
            (self.audio, self.video) = (true, true);
        }
        self
    }

    /// The kinds of tracks that each publisher has.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> + use<> {
        let (audio, video) = (self.audio, self.video);
        [Kind::Audio, Kind::Video].into_iter().filter(move |kind| if *kind == Kind::Audio { audio } else { video })
    }

    /// The sizes sent, as indices in [`LADDER`], from low to high.
    pub(crate) fn rungs(&self) -> Vec<usize> {
        let top = self.resolution as usize;
        if self.simulcast { (0..=top).collect() } else { vec![top] }
    }

    /// Everybody of all rooms, publishers first.
    pub(crate) fn people(&self) -> Vec<Person> {
        let everyone = 0..self.publishers + self.subscribers;
        let person = |room, index| {
            let publishes = index < self.publishers;
            Person { room, index, publishes, subscribes: !publishes || self.meeting }
        };
        let mut people: Vec<Person> =
            (0..self.rooms).flat_map(|room| everyone.clone().map(move |index| person(room, index))).collect();
        people.sort_by_key(|person| !person.publishes);
        people
    }

    /// The rung that `person` is to get of a publisher's track, 0 for audio; `None`: none of it.
    pub(crate) fn view(&self, person: &Person, publisher: usize, kind: Kind) -> Option<usize> {
        let others = publisher < self.publishers && publisher != person.index;
        if !person.subscribes || !others || !self.kinds().any(|has| has == kind) {
            return None;
        }
        if kind == Kind::Audio {
            return Some(0);
        }
        // Nobody watches themselves, so those who come after move up by one.
        let place = publisher - usize::from(person.index < publisher);
        (place < self.layout.cameras()).then(|| self.layout.rung(place).min(self.resolution as usize))
    }

    /// Whether a publisher talks in the given second. Who talks changes every five.
    pub(crate) fn talks(&self, publisher: usize, second: u64) -> bool {
        let Some(talkers) = self.talkers else { return true };
        let first = (second / 5) as usize * talkers;
        (publisher + self.publishers - first % self.publishers) % self.publishers < talkers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meeting(layout: Layout) -> Scenario {
        Scenario {
            rooms: 1,
            publishers: 12,
            subscribers: 0,
            meeting: true,
            audio: true,
            video: true,
            talkers: Some(3),
            audio_kbps: 32,
            resolution: Resolution::High,
            simulcast: true,
            layout,
        }
    }

    #[test]
    fn everybody_in_a_meeting_sees_as_many_as_the_layout_has() {
        let scenario = meeting(Layout::Nine);
        for person in scenario.people() {
            let views = (0..12).filter_map(|other| scenario.view(&person, other, Kind::Video));
            assert_eq!(views.collect::<Vec<_>>(), [1; 9], "{person:?}");
            assert_eq!((0..12).filter_map(|other| scenario.view(&person, other, Kind::Audio)).count(), 11);
        }
    }

    #[test]
    fn the_speaker_is_seen_large() {
        let scenario = meeting(Layout::Speaker);
        let views =
            |index: usize| (0..12).map(|other| scenario.view(&scenario.people()[index], other, Kind::Video)).collect();
        let (first, last): (Vec<_>, Vec<_>) = (views(0), views(11));
        assert_eq!(first[..3], [None, Some(2), Some(0)]);
        assert_eq!(last[..7], [Some(2), Some(0), Some(0), Some(0), Some(0), Some(0), None]);
    }

    #[test]
    fn as_many_talk_as_are_said_to_at_any_time() {
        let scenario = meeting(Layout::Nine);
        for second in 0..60 {
            assert_eq!((0..12).filter(|publisher| scenario.talks(*publisher, second)).count(), 3);
        }
    }
}
