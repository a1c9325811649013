//! Layers within one stream (scalable video coding): which packets of it a subscriber gets.

use super::dd::{DdFrame, Indication, Structure, SvcLayer};
use super::renumber::Bits;
use super::vp9::Vp9Packet;

/// What is done with a packet of a stream with layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SvcDecision {
    Forward {
        /// It is the last of its picture for this subscriber: the RTP marker bit is to be set. (Else it stays as it is.)
        last: bool,
        /// The descriptor is to be rewritten with these decode targets
        /// ([`write_active_targets`](super::dd::write_active_targets)).
        active_targets: Option<u32>,
    },
    Drop,
}

/// Chooses by the Dependency Descriptor: AV1, and VP9 where it is sent.
///
/// It forwards one of the publisher's decode targets, and goes over to another where the descriptor says that who can decode
/// the frame can go on in that target, if the subscriber can: all that the frame refers to was forwarded. With layers that
/// depend on each other in keyframes alone (`L3T3_KEY`) that is at a keyframe, in both directions.
#[derive(Debug)]
pub struct DdSelector {
    wanted: SvcLayer,
    target: Option<Target>,
    frames: Option<Frames>,
    /// The targets that the publisher sends, as it told last.
    sent: u32,
    /// Those of which the subscriber believes so.
    believed: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    index: usize,
    layer: SvcLayer,
}

/// What was decided of the last frames, by extended number.
#[derive(Debug)]
struct Frames {
    newest: u64,
    decided: Bits<WORDS>,
    forwarded: Bits<WORDS>,
}

/// 256 frames: more than anything refers back to, and more than packets come late.
const WORDS: usize = 4;
const WINDOW: u64 = 64 * WORDS as u64;

/// Extended frame numbers begin well above zero, so that those before the first are positive too.
const FIRST_CYCLE: u64 = 1 << 32;

/// All layers.
const EVERYTHING: SvcLayer = SvcLayer { spatial: u8::MAX, temporal: u8::MAX };

impl Default for DdSelector {
    fn default() -> Self {
        Self { wanted: EVERYTHING, target: None, frames: None, sent: u32::MAX, believed: u32::MAX }
    }
}

impl DdSelector {
    /// The highest layer to be forwarded.
    pub fn set_wanted(&mut self, wanted: SvcLayer) {
        self.wanted = wanted;
    }

    /// What comes next is another stream, from a keyframe on.
    pub fn restart(&mut self) {
        *self = Self { wanted: self.wanted, ..Self::default() };
    }

    /// The highest layer that is forwarded.
    pub fn current(&self) -> Option<SvcLayer> {
        self.target.map(|target| target.layer)
    }

    /// Whether only a keyframe may bring what is wanted.
    pub fn needs_keyframe(&self, structure: &Structure) -> bool {
        let goal = self.goal(structure).map(|target| structure.targets()[target].spatial);
        goal.is_some() && goal != self.current().map(|layer| layer.spatial)
    }

    /// What to do with a packet. One whose descriptor could not be read is to be forwarded as it is: around a keyframe,
    /// packets come before what explains them.
    pub fn select(&mut self, frame: &DdFrame, structure: &Structure) -> SvcDecision {
        let frames = self.frames.get_or_insert_with(|| Frames::new(frame.number));
        let number = frames.extend(frame.number);
        let told = told(frame, structure);
        if number >= frames.newest {
            self.sent = told.unwrap_or(self.sent);
        }
        let forwarded = frames.verdict(number).unwrap_or_else(|| self.decide(number, frame, structure));
        let Some(target) = self.target.filter(|_| forwarded) else { return SvcDecision::Drop };
        let covered = |layer: &SvcLayer| target.layer.covers(*layer);
        let comes = self.sent & mask(structure.targets().iter().map(covered));
        let wrong = told.unwrap_or(self.believed) != comes;
        self.believed = comes;
        SvcDecision::Forward {
            last: frame.end && frame.layer.spatial == target.layer.spatial,
            active_targets: wrong.then_some(comes),
        }
    }

    /// Decides on a frame at its first packet.
    fn decide(&mut self, number: u64, frame: &DdFrame, structure: &Structure) -> bool {
        if frame.brings_structure {
            self.target = None; // Targets are numbered anew.
        }
        if self.decodable(number, frame) {
            self.switch(frame, structure);
        }
        let forward = self.target.is_some_and(|target| frame.indication(target.index) != Indication::NotPresent);
        if let Some(frames) = &mut self.frames {
            frames.note(number, forward);
        }
        forward
    }

    fn decodable(&self, number: u64, frame: &DdFrame) -> bool {
        let has =
            |distance: u16| self.frames.as_ref().is_some_and(|f| f.verdict(number - u64::from(distance)) == Some(true));
        frame.references().all(has)
    }

    /// Goes over to the target nearest to what is wanted for which this frame is a switching point.
    fn switch(&mut self, frame: &DdFrame, structure: &Structure) {
        let Some(goal) = self.goal(structure) else { return };
        let targets = structure.targets();
        let on_the_way = |&index: &usize| match self.current() {
            None => targets[index] <= targets[goal],
            Some(current) if current < targets[goal] => (current..=targets[goal]).contains(&targets[index]),
            Some(current) => targets[goal] <= targets[index] && targets[index] < current,
        };
        let possible = (0..targets.len()).filter(on_the_way).filter(|&t| frame.indication(t) == Indication::Switch);
        let far = |&index: &usize| {
            let (layer, goal) = (targets[index], targets[goal]);
            (layer.spatial.abs_diff(goal.spatial), layer.temporal.abs_diff(goal.temporal))
        };
        let Some(index) = possible.min_by_key(far) else { return };
        if self.target.is_none_or(|target| target.index != index) {
            self.target = Some(Target { index, layer: targets[index] });
        }
    }

    /// The best of the targets that are sent and wanted; failing that, the least.
    fn goal(&self, structure: &Structure) -> Option<usize> {
        let targets = structure.targets();
        let sent = || (0..targets.len()).filter(|&index| self.sent >> index & 1 == 1);
        let wanted = sent().filter(|&index| self.wanted.covers(targets[index]));
        wanted.max_by_key(|&index| targets[index]).or_else(|| sent().min_by_key(|&index| targets[index]))
    }
}

/// What a packet tells of the targets that are sent; after a structure without a word, all are.
fn told(frame: &DdFrame, structure: &Structure) -> Option<u32> {
    frame.active_targets.or(frame.brings_structure.then(|| all(structure.targets().len())))
}

fn mask(targets: impl Iterator<Item = bool>) -> u32 {
    targets.enumerate().fold(0, |mask, (index, sent)| mask | u32::from(sent) << index)
}

fn all(targets: usize) -> u32 {
    u32::MAX >> (32 - targets)
}

impl Frames {
    fn new(number: u16) -> Self {
        let newest = FIRST_CYCLE + u64::from(number);
        Self { newest, decided: Bits::NONE, forwarded: Bits::NONE }
    }

    fn extend(&self, number: u16) -> u64 {
        self.newest.wrapping_add_signed((number.wrapping_sub(self.newest as u16) as i16).into())
    }

    /// Whether the frame was forwarded; `None`: nothing was decided yet. What is too old was not.
    fn verdict(&self, number: u64) -> Option<bool> {
        if number > self.newest {
            return None;
        }
        if self.newest - number >= WINDOW {
            return Some(false);
        }
        self.decided.contains(number).then(|| self.forwarded.contains(number))
    }

    fn note(&mut self, number: u64, forwarded: bool) {
        if number > self.newest {
            for fresh in (self.newest + 1).max(number.saturating_sub(WINDOW))..=number {
                self.decided.clear(fresh);
                self.forwarded.clear(fresh);
            }
            self.newest = number;
        }
        self.decided.replace(number);
        if forwarded {
            self.forwarded.replace(number);
        }
    }
}

/// Chooses by VP9's own payload descriptor.
///
/// Lower layers are forwarded whether the higher ones need them or not, so that going down is possible at every picture.
#[derive(Debug)]
pub struct Vp9Selector {
    wanted: SvcLayer,
    current: SvcLayer,
}

impl Default for Vp9Selector {
    fn default() -> Self {
        Self { wanted: EVERYTHING, current: EVERYTHING }
    }
}

impl Vp9Selector {
    /// The highest layer to be forwarded.
    pub fn set_wanted(&mut self, wanted: SvcLayer) {
        self.wanted = wanted;
    }

    /// The highest layer that is forwarded.
    pub fn current(&self) -> SvcLayer {
        self.current
    }

    /// Whether only a keyframe surely brings what is wanted.
    pub fn needs_keyframe(&self) -> bool {
        self.current.spatial < self.wanted.spatial
    }

    pub fn select(&mut self, packet: &Vp9Packet) -> SvcDecision {
        let Some(layer) = packet.layer else { return SvcDecision::Forward { last: false, active_targets: None } };
        if packet.starts_keyframe() {
            self.current = self.wanted;
        } else if packet.begins {
            self.move_at(packet);
        }
        if layer.spatial > self.current.spatial || layer.temporal > self.current.temporal {
            return SvcDecision::Drop;
        }
        SvcDecision::Forward { last: packet.ends && layer.spatial == self.current.spatial, active_targets: None }
    }

    /// Down at the beginning of any picture; up where the frame or what follows it needs nothing that was dropped.
    fn move_at(&mut self, packet: &Vp9Packet) {
        let Some(layer) = packet.layer else { return };
        let (wanted, current) = (self.wanted, &mut self.current);
        if layer.spatial == 0 {
            current.spatial = current.spatial.min(wanted.spatial);
            current.temporal = current.temporal.min(wanted.temporal);
        }
        if layer.switching_up && layer.temporal <= current.temporal.saturating_add(1) {
            let reached = if layer.temporal <= current.temporal { wanted.temporal } else { layer.temporal };
            current.temporal = current.temporal.max(reached.min(wanted.temporal));
        }
        let next = Some(layer.spatial) == current.spatial.checked_add(1);
        if next && layer.spatial <= wanted.spatial && layer.inter_layer && !packet.inter_picture {
            current.spatial = layer.spatial;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dd::tests::{Shape, descriptor};
    use super::super::dd::{DdReader, write_active_targets};
    use super::*;

    const S0T0: SvcLayer = SvcLayer { spatial: 0, temporal: 0 };
    const S0T1: SvcLayer = SvcLayer { spatial: 0, temporal: 1 };
    const S1T0: SvcLayer = SvcLayer { spatial: 1, temporal: 0 };

    /// One temporal layer above the base: every frame refers to the last base frame.
    const L1T2: Shape =
        Shape { targets: 2, templates: &[((0, 0), "SS", &[]), ((0, 0), "SS", &[2]), ((0, 1), "-S", &[1])] };

    /// The upper spatial layer refers to the lower one in keyframes alone.
    const L2T1_KEY: Shape = Shape {
        targets: 2,
        templates: &[((0, 0), "SS", &[]), ((0, 0), "S-", &[2]), ((1, 0), "-S", &[1]), ((1, 0), "-S", &[2])],
    };

    /// The upper spatial layer always refers to the lower one too.
    const L2T1: Shape = Shape {
        targets: 2,
        templates: &[((0, 0), "SS", &[]), ((0, 0), "SR", &[2]), ((1, 0), "-S", &[1]), ((1, 0), "-R", &[2, 1])],
    };

    struct Stream {
        shape: Shape,
        reader: DdReader,
        selector: DdSelector,
        number: u16,
    }

    impl Stream {
        fn new(shape: Shape) -> Self {
            Self { shape, reader: DdReader::default(), selector: DdSelector::default(), number: 65_530 }
        }

        fn read(&mut self, template: u8, number: u16) -> DdFrame {
            let structure = (template == 0).then_some(&self.shape);
            self.reader.read(&descriptor(structure, template, number)).unwrap()
        }

        /// The next frames, each by its template: which of them are forwarded.
        fn send<const N: usize>(&mut self, templates: [u8; N]) -> [bool; N] {
            templates.map(|template| self.one(template) != SvcDecision::Drop)
        }

        fn one(&mut self, template: u8) -> SvcDecision {
            self.number = self.number.wrapping_add(1);
            let frame = self.read(template, self.number);
            self.selector.select(&frame, self.reader.structure().unwrap())
        }

        /// As `one`, of which the descriptor tells the targets that are sent from here on.
        fn one_telling(&mut self, template: u8, active: u32) -> SvcDecision {
            self.number = self.number.wrapping_add(1);
            let plain = descriptor(None, template, self.number);
            let frame = self.reader.read(&plain).unwrap();
            let mut bytes = vec![];
            write_active_targets(&plain, &frame, active, &mut bytes);
            let frame = self.reader.read(&bytes).unwrap();
            self.selector.select(&frame, self.reader.structure().unwrap())
        }

        fn needs_keyframe(&self) -> bool {
            self.selector.needs_keyframe(self.reader.structure().unwrap())
        }
    }

    #[test]
    fn temporal_layers_go_and_come_back() {
        let mut stream = Stream::new(L1T2);
        assert_eq!(stream.send([0, 2, 1, 2]), [true; 4]);
        stream.selector.set_wanted(S0T0);
        assert_eq!(stream.send([1, 2, 1, 2]), [true, false, true, false]);
        assert!(!stream.needs_keyframe());
        stream.selector.set_wanted(S0T1);
        assert_eq!(stream.send([1, 2]), [true, true]);
    }

    #[test]
    fn nothing_begins_without_a_keyframe() {
        let mut stream = Stream::new(L1T2);
        let keyframe = stream.read(0, 0);
        stream.number = 4;
        assert_eq!(stream.send([1, 2, 1]), [false; 3]);
        assert!(stream.needs_keyframe());
        assert!(keyframe.brings_structure);
        assert_eq!(stream.send([0, 2]), [true; 2]);
    }

    #[test]
    fn layers_tied_in_keyframes_alone_change_there_alone() {
        let mut stream = Stream::new(L2T1_KEY);
        assert_eq!(stream.send([0, 2, 1, 3]), [true, true, false, true], "the upper layer does not need the lower");
        stream.selector.set_wanted(S0T0);
        assert_eq!(stream.send([1, 3]), [false, true], "the lower layer was not forwarded: it can't be decoded");
        assert!(stream.needs_keyframe());
        assert_eq!(stream.send([0, 2, 1, 3]), [true, false, true, false]);
        stream.selector.set_wanted(S1T0);
        assert_eq!(stream.send([1, 3]), [true, false]);
        assert_eq!(stream.send([0, 2, 1, 3]), [true, true, false, true]);
    }

    #[test]
    fn layers_tied_in_every_picture_go_down_at_once() {
        let mut stream = Stream::new(L2T1);
        assert_eq!(stream.send([0, 2, 1, 3]), [true; 4]);
        stream.selector.set_wanted(S0T0);
        assert_eq!(stream.send([1, 3, 1, 3]), [true, false, true, false]);
        stream.selector.set_wanted(S1T0);
        assert_eq!(stream.send([1, 3]), [true, false], "not without a keyframe");
    }

    #[test]
    fn receivers_are_told_which_targets_still_come() {
        let mut stream = Stream::new(L2T1);
        let forward = |last, active_targets| SvcDecision::Forward { last, active_targets };
        assert_eq!(
            [0, 2, 1, 3].map(|t| stream.one(t)),
            [(false, None), (true, None), (false, None), (true, None)].map(|(l, a)| forward(l, a))
        );
        stream.selector.set_wanted(S0T0);
        assert_eq!(stream.one(1), forward(true, Some(0b01)), "where it changes");
        stream.one(3);
        assert_eq!(stream.one(1), forward(true, None));
        stream.one(3);
        assert_eq!(stream.one(0), forward(true, Some(0b01)), "and with each structure");
    }

    #[test]
    fn what_the_publisher_stopped_is_not_waited_for() {
        let mut stream = Stream::new(L2T1_KEY);
        stream.send([0, 2, 1, 3]);
        stream.one_telling(1, 0b01);
        assert!(stream.needs_keyframe(), "the lower layer was not forwarded");
        assert_eq!(stream.send([0]), [true], "which says again that all come");
        assert!(!stream.needs_keyframe());
        stream.one_telling(1, 0);
        assert!(!stream.needs_keyframe(), "nothing is sent: nothing helps");
    }

    #[test]
    fn a_new_structure_numbers_its_targets_anew() {
        let mut stream = Stream::new(L1T2);
        stream.send([0, 2]);
        assert_eq!(stream.selector.current(), Some(S0T1));
        stream.shape = L2T1;
        let last = |decision| matches!(decision, SvcDecision::Forward { last: true, active_targets: None });
        assert_eq!([0, 2, 1, 3].map(|template| last(stream.one(template))), [false, true, false, true]);
        assert_eq!(stream.selector.current(), Some(S1T0));
    }

    #[test]
    fn a_frame_is_forwarded_whole_and_late() {
        let mut stream = Stream::new(L1T2);
        stream.send([0]);
        let (base, high) = (stream.read(1, 1), stream.read(2, 2));
        stream.selector.set_wanted(S0T0);
        let structure = stream.reader.structure().unwrap().clone();
        let select = |selector: &mut DdSelector, frame| selector.select(frame, &structure) != SvcDecision::Drop;
        stream.selector.set_wanted(S0T1);
        assert!(select(&mut stream.selector, &high));
        stream.selector.set_wanted(S0T0);
        assert!(select(&mut stream.selector, &base), "before it, but later");
        assert!(select(&mut stream.selector, &high), "its second packet");
    }

    /// A packet that is a VP9 layer frame of its own.
    fn vp9(spatial: u8, temporal: u8, inter_picture: bool, switching_up: bool) -> Vp9Packet {
        let flags = 0b0010_1100 | u8::from(inter_picture) << 6;
        let layer = temporal << 5 | u8::from(switching_up) << 4 | spatial << 1 | u8::from(spatial > 0);
        Vp9Packet::parse(&[flags, layer, 0]).unwrap()
    }

    fn forwarded(selector: &mut Vp9Selector, packet: Vp9Packet) -> Option<bool> {
        match selector.select(&packet) {
            SvcDecision::Forward { last, .. } => Some(last),
            SvcDecision::Drop => None,
        }
    }

    #[test]
    fn vp9_spatial_layers() {
        let mut selector = Vp9Selector::default();
        selector.set_wanted(S1T0);
        let send = |selector: &mut Vp9Selector, spatial, inter| forwarded(selector, vp9(spatial, 0, inter, false));
        assert_eq!([0, 1, 2].map(|s| send(&mut selector, s, false)), [Some(false), Some(true), None], "a keyframe");
        assert_eq!([0, 1, 2].map(|s| send(&mut selector, s, true)), [Some(false), Some(true), None]);
        selector.set_wanted(S0T0);
        assert_eq!([0, 1].map(|s| send(&mut selector, s, true)), [Some(true), None]);
        selector.set_wanted(S1T0);
        assert!(selector.needs_keyframe());
        assert_eq!([0, 1].map(|s| send(&mut selector, s, true)), [Some(true), None], "refers to what was dropped");
        assert_eq!(send(&mut selector, 0, true), Some(true));
        assert_eq!(send(&mut selector, 1, false), Some(true), "refers to the lower layer alone");
        assert!(!selector.needs_keyframe());
    }

    #[test]
    fn vp9_temporal_layers() {
        let mut selector = Vp9Selector::default();
        selector.set_wanted(S0T0);
        let send = |selector: &mut Vp9Selector, temporal, up| forwarded(selector, vp9(0, temporal, true, up)).is_some();
        assert_eq!([0, 1].map(|t| send(&mut selector, t, false)), [true, false]);
        selector.set_wanted(SvcLayer { spatial: 0, temporal: 2 });
        assert_eq!([0, 2, 1].map(|t| send(&mut selector, t, false)), [true, false, false]);
        assert!(!send(&mut selector, 2, true), "two steps up");
        assert!(send(&mut selector, 1, true));
        assert!(!send(&mut selector, 2, false));
        assert!(send(&mut selector, 0, true), "everything after it is free");
        assert!(send(&mut selector, 2, false));
    }

    #[test]
    fn vp9_without_layers_passes() {
        let packet = Vp9Packet::parse(&[0x48, 0]).unwrap();
        assert_eq!(forwarded(&mut Vp9Selector::default(), packet), Some(false));
    }
}
