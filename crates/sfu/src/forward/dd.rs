//! The Dependency Descriptor (AV1 RTP payload format, appendix A): which frames a frame needs, and who needs it.
//!
//! A keyframe brings the templates; every later packet names one and says where it differs. Chains are read over: they tell
//! a receiver that it lost something, which here is the business of NACK and of the subscriber's own keyframe requests.

use std::sync::Arc;
use str0m::rtp::{ExtensionSerializer, ExtensionValues};

/// The extension's name in SDP.
pub const URI: &str = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// The bytes of a packet's dependency descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor(pub Arc<[u8]>);

/// How str0m takes it from packets and puts it into others: as it came.
#[derive(Debug)]
pub struct DescriptorExtension;

impl ExtensionSerializer for DescriptorExtension {
    fn write_to(&self, buffer: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(Descriptor(bytes)) = values.user_values.get() else { return 0 };
        let Some(place) = buffer.get_mut(..bytes.len()) else { return 0 };
        place.copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Descriptor(bytes.into()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get::<Descriptor>().is_some_and(|Descriptor(bytes)| bytes.len() > 16)
    }
}

/// More references than a frame can have: AV1 has seven, VP9 three.
const MAX_REFERENCES: usize = 8;

/// What a frame is to a decode target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indication {
    NotPresent,
    /// Nothing in the target refers to it.
    Discardable,
    /// Who can decode it can go on in the target from here.
    Switch,
    Required,
}

/// The indications for all targets, two bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Indications(u64);

impl Indications {
    fn read(bits: &mut Bits<'_>, targets: usize) -> Option<Self> {
        (0..targets).try_fold(Self(0), |all, target| Some(Self(all.0 | u64::from(bits.read(2)?) << (2 * target))))
    }

    fn of(self, target: usize) -> Indication {
        match self.0 >> (2 * target) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }
}

/// How many frames before it the frames are to which a frame refers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct References {
    count: u8,
    distances: [u16; MAX_REFERENCES],
}

impl References {
    fn push(&mut self, distance: u32) -> Option<()> {
        *self.distances.get_mut(usize::from(self.count))? = distance as u16;
        self.count += 1;
        Some(())
    }
}

/// A place in the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SvcLayer {
    pub spatial: u8,
    pub temporal: u8,
}

impl SvcLayer {
    /// Whether who gets `self` gets all of `other`'s frames that it needs.
    pub fn covers(self, other: Self) -> bool {
        self.spatial >= other.spatial && self.temporal >= other.temporal
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    layer: SvcLayer,
    indications: Indications,
    references: References,
}

/// The templates, from a keyframe on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    id_offset: u8,
    templates: Vec<Template>,
    /// The highest layer of each decode target.
    targets: Vec<SvcLayer>,
    chains: u32,
    /// Width and height of each spatial layer, if they are told.
    pub sizes: Vec<(u32, u32)>,
}

impl Structure {
    /// The decode targets: each is a set of frames that can be decoded without the others.
    pub fn targets(&self) -> &[SvcLayer] {
        &self.targets
    }

    /// Whether the highest of the targets needs this frame.
    pub fn needs(&self, frame: &DdFrame) -> bool {
        let highest = (0..self.targets.len()).max_by_key(|target| self.targets[*target]);
        highest.is_some_and(|target| frame.indication(target) != Indication::NotPresent)
    }
}

/// What a packet's descriptor says of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DdFrame {
    /// It is the first, and the last, packet of the frame.
    pub start: bool,
    pub end: bool,
    pub number: u16,
    pub layer: SvcLayer,
    /// It brings a structure, which only keyframes do.
    pub brings_structure: bool,
    /// The decode targets that the publisher still sends, a bit for each, if it tells.
    pub active_targets: Option<u32>,
    indications: Indications,
    references: References,
    place: Place,
}

/// Where the parts of a descriptor are, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    structure_end: usize,
    definition: usize,
    end: usize,
    targets: u8,
}

impl DdFrame {
    pub fn indication(&self, target: usize) -> Indication {
        self.indications.of(target)
    }

    /// How many frames before this one those are that it refers to.
    pub fn references(&self) -> impl Iterator<Item = u16> {
        self.references.distances.into_iter().take(self.references.count.into())
    }
}

/// Reads a stream's descriptors, and keeps its structure.
#[derive(Debug, Default)]
pub struct DdReader {
    structure: Option<Structure>,
}

impl DdReader {
    /// `None` if the descriptor is malformed, or refers to a structure that has not come: late or early packets around a
    /// keyframe do.
    pub fn read(&mut self, extension: &[u8]) -> Option<DdFrame> {
        let mut bits = Bits { bytes: extension, at: 0 };
        let (start, end) = (bits.flag()?, bits.flag()?);
        let (template, number) = (bits.read(6)? as u8, bits.read(16)? as u16);
        let mut flags = [false; 5];
        if extension.len() > 3 {
            for flag in &mut flags {
                *flag = bits.flag()?;
            }
        }
        let [has_structure, has_active, own_indications, own_references, own_chains] = flags;
        let new = if has_structure { Some(read_structure(&mut bits)?) } else { None };
        let structure = new.as_ref().or(self.structure.as_ref())?;
        let targets = structure.targets.len();
        let structure_end = bits.at;
        let active_targets = if has_active { Some(bits.read(targets)?) } else { None };
        let definition = bits.at;

        let index = template.wrapping_sub(structure.id_offset) & 63;
        let template = structure.templates.get(usize::from(index))?;
        let indications = if own_indications { Indications::read(&mut bits, targets)? } else { template.indications };
        let references = if own_references { read_references(&mut bits)? } else { template.references };
        for _ in 0..if own_chains { structure.chains } else { 0 } {
            bits.read(8)?;
        }
        let frame = DdFrame {
            start,
            end,
            number,
            layer: template.layer,
            brings_structure: has_structure,
            active_targets,
            indications,
            references,
            place: Place { structure_end, definition, end: bits.at, targets: targets as u8 },
        };
        self.structure = new.or(self.structure.take());
        Some(frame)
    }

    pub fn structure(&self) -> Option<&Structure> {
        self.structure.as_ref()
    }
}

fn read_structure(bits: &mut Bits<'_>) -> Option<Structure> {
    let id_offset = bits.read(6)? as u8;
    let targets = bits.read(5)? as usize + 1;
    let mut templates = read_layers(bits)?;
    for template in &mut templates {
        template.indications = Indications::read(bits, targets)?;
    }
    for template in &mut templates {
        while bits.flag()? {
            template.references.push(bits.read(4)? + 1)?;
        }
    }
    let chains = bits.non_symmetric(targets as u32 + 1)?;
    if chains > 0 {
        for _ in 0..targets {
            bits.non_symmetric(chains)?;
        }
        for _ in 0..templates.len() as u32 * chains {
            bits.read(4)?;
        }
    }
    let mut sizes = vec![];
    if bits.flag()? {
        for _ in 0..=templates.last()?.layer.spatial {
            sizes.push((bits.read(16)? + 1, bits.read(16)? + 1));
        }
    }
    let targets = (0..targets).map(|target| target_layer(&templates, target)).collect();
    Some(Structure { id_offset, templates, targets, chains, sizes })
}

/// One template after the other, each in the same layer as the one before, the next temporal, or the next spatial layer.
fn read_layers(bits: &mut Bits<'_>) -> Option<Vec<Template>> {
    let mut templates = vec![];
    let mut layer = SvcLayer::default();
    loop {
        templates.push(Template { layer, indications: Indications::default(), references: References::default() });
        match bits.read(2)? {
            0 => {}
            1 => layer.temporal += 1,
            2 => layer = SvcLayer { spatial: layer.spatial + 1, temporal: 0 },
            _ => return Some(templates),
        }
        // Template ids have six bits, spatial layers two, temporal layers three.
        if templates.len() == 64 || layer.spatial > 3 || layer.temporal > 7 {
            return None;
        }
    }
}

fn target_layer(templates: &[Template], target: usize) -> SvcLayer {
    let present = templates.iter().filter(|template| template.indications.of(target) != Indication::NotPresent);
    present.fold(SvcLayer::default(), |highest, template| SvcLayer {
        spatial: highest.spatial.max(template.layer.spatial),
        temporal: highest.temporal.max(template.layer.temporal),
    })
}

fn read_references(bits: &mut Bits<'_>) -> Option<References> {
    let mut references = References::default();
    loop {
        match bits.read(2)? as usize {
            0 => return Some(references),
            size => references.push(bits.read(4 * size)? + 1)?,
        }
    }
}

/// Appends to `out` the descriptor with the decode targets in it that are still sent; receivers must not wait for others.
///
/// `extension` is what `frame` was read from.
pub fn write_active_targets(extension: &[u8], frame: &DdFrame, active: u32, out: &mut Vec<u8>) {
    let mut writer = BitWriter { out, free: 0 };
    writer.copy(extension, 0..24);
    if extension.len() > 3 {
        writer.copy(extension, 24..25);
        writer.write(1, 1);
        writer.copy(extension, 26..frame.place.structure_end);
    } else {
        writer.write(0b01000, 5);
    }
    writer.write(active, frame.place.targets.into());
    writer.copy(extension, frame.place.definition..frame.place.end);
}

/// Bits, the highest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// Up to 32 bits.
    fn read(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for at in self.at..self.at + count {
            let bit = self.bytes.get(at / 8)? >> (7 - at % 8) & 1;
            value = value << 1 | u32::from(bit);
        }
        self.at += count;
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.read(1)? == 1)
    }

    /// One of `count` values, in as few bits as it takes (AV1 bitstream specification, section 4.10.7).
    fn non_symmetric(&mut self, count: u32) -> Option<u32> {
        let width = count.ilog2() + 1;
        let short = (1 << width) - count;
        let value = self.read(width as usize - 1)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1) - short + self.read(1)?)
    }
}

struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Bits of the last byte that are not written yet.
    free: u32,
}

impl BitWriter<'_> {
    fn write(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev().map(|shift| (value >> shift & 1) as u8) {
            if self.free == 0 {
                self.out.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.out.last_mut() {
                *last |= bit << self.free;
            }
        }
    }

    /// Copies the bits at these places.
    fn copy(&mut self, bytes: &[u8], range: std::ops::Range<usize>) {
        let mut bits = Bits { bytes, at: range.start };
        while bits.at < range.end
            && let Some(bit) = bits.read(1)
        {
            self.write(bit, 1);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A structure: each template's layer, its indications as in the specification's tables, and its references.
    pub(in super::super) struct Shape {
        pub(in super::super) targets: u32,
        pub(in super::super) templates: &'static [((u8, u8), &'static str, &'static [u32])],
    }

    const ID_OFFSET: u8 = 60;

    /// The descriptor of a frame of one packet, by the number of its template.
    pub(in super::super) fn descriptor(structure: Option<&Shape>, template: u8, number: u16) -> Vec<u8> {
        let mut bytes = vec![];
        let mut writer = BitWriter { out: &mut bytes, free: 0 };
        writer.write(0b11, 2);
        writer.write(u32::from((template + ID_OFFSET) & 63), 6);
        writer.write(number.into(), 16);
        if let Some(shape) = structure {
            writer.write(0b10000, 5);
            write_structure(&mut writer, shape);
        }
        bytes
    }

    fn write_structure(writer: &mut BitWriter<'_>, shape: &Shape) {
        writer.write(ID_OFFSET.into(), 6);
        writer.write(shape.targets - 1, 5);
        for pair in shape.templates.windows(2) {
            let ((from, _, _), (to, _, _)) = (pair[0], pair[1]);
            writer.write(
                if from == to {
                    0
                } else if from.0 == to.0 {
                    1
                } else {
                    2
                },
                2,
            );
        }
        writer.write(3, 2);
        for indication in shape.templates.iter().flat_map(|(_, indications, _)| indications.chars()) {
            writer.write("-DSR".find(indication).unwrap() as u32, 2);
        }
        for (_, _, references) in shape.templates {
            references.iter().for_each(|distance| writer.write(1 << 4 | (distance - 1), 5));
            writer.write(0, 1);
        }
        // One chain for all targets, of which every template is a part.
        let width = (shape.targets + 1).ilog2() + 1;
        let short = (1 << width) - (shape.targets + 1);
        if short > 1 {
            writer.write(1, width - 1)
        } else {
            writer.write((1 + short) >> 1, width - 1);
            writer.write((1 + short) & 1, 1)
        }
        shape.templates.iter().for_each(|_| writer.write(1, 4));
        writer.write(1, 1);
        for spatial in 0..=u32::from(shape.templates.last().unwrap().0.0) {
            writer.write((320 << spatial) - 1, 16);
            writer.write((180 << spatial) - 1, 16);
        }
    }

    const L2T2: Shape = Shape {
        targets: 4,
        templates: &[
            ((0, 0), "SSSS", &[]),
            ((0, 0), "SRSR", &[4]),
            ((0, 1), "-D-R", &[2]),
            ((1, 0), "--SS", &[1]),
            ((1, 0), "--SR", &[4, 1]),
            ((1, 1), "---D", &[2, 1]),
        ],
    };

    fn layer(spatial: u8, temporal: u8) -> SvcLayer {
        SvcLayer { spatial, temporal }
    }

    #[test]
    fn reads_a_structure_and_what_refers_to_it() {
        let mut reader = DdReader::default();
        assert_eq!(reader.read(&descriptor(None, 1, 5)), None, "nothing is known yet");
        let key = reader.read(&descriptor(Some(&L2T2), 0, 65_535)).unwrap();
        assert!(key.start && key.end && key.brings_structure);
        assert_eq!((key.number, key.layer, key.references().count()), (65_535, layer(0, 0), 0));
        let structure = reader.structure().unwrap();
        assert_eq!(structure.targets(), [layer(0, 0), layer(0, 1), layer(1, 0), layer(1, 1)]);
        assert_eq!(structure.sizes, [(320, 180), (640, 360)]);

        let frame = reader.read(&descriptor(None, 4, 3)).unwrap();
        assert_eq!((frame.number, frame.layer), (3, layer(1, 0)));
        assert_eq!(frame.references().collect::<Vec<_>>(), [4, 1]);
        let indications = [0, 1, 2, 3].map(|target| frame.indication(target));
        use Indication::*;
        assert_eq!(indications, [NotPresent, NotPresent, Switch, Required]);
        assert_eq!(reader.read(&descriptor(None, 6, 4)), None, "no such template");
    }

    #[test]
    fn a_frame_may_differ_from_its_template() {
        let mut reader = DdReader::default();
        reader.read(&descriptor(Some(&L2T2), 0, 0)).unwrap();
        let mut bytes = vec![];
        let mut writer = BitWriter { out: &mut bytes, free: 0 };
        writer.write(0b10 << 6 | 61, 8);
        writer.write(9, 16);
        writer.write(0b01111, 5); // active targets, indications, references, chains
        writer.write(0b0011, 4);
        writer.write(0b11_10_01_00, 8);
        writer.write(1 << 4 | 1, 6); // one reference of four bits: 2
        writer.write(2 << 8 | 99, 10); // one of eight: 100
        writer.write(0, 2);
        writer.write(200, 8); // one chain
        let frame = reader.read(&bytes).unwrap();
        assert!(frame.start && !frame.end);
        assert_eq!(frame.active_targets, Some(3));
        assert_eq!(frame.indication(0), Indication::Required);
        assert_eq!(frame.indication(3), Indication::NotPresent);
        assert_eq!(frame.references().collect::<Vec<_>>(), [2, 100]);

        let mut rewritten = vec![];
        write_active_targets(&bytes, &frame, 0b0001, &mut rewritten);
        let again = reader.read(&rewritten).unwrap();
        assert_eq!(again, DdFrame { active_targets: Some(1), ..frame });
    }

    #[test]
    fn active_targets_are_written_into_any_descriptor() {
        let mut reader = DdReader::default();
        for bytes in [descriptor(Some(&L2T2), 0, 7), descriptor(None, 5, 8)] {
            let frame = reader.read(&bytes).unwrap();
            let mut rewritten = vec![];
            write_active_targets(&bytes, &frame, 0b0101, &mut rewritten);
            let mut other = DdReader { structure: reader.structure.clone() };
            let again = other.read(&rewritten).unwrap();
            assert_eq!(again.active_targets, Some(0b0101));
            assert_eq!(DdFrame { active_targets: None, place: frame.place, ..again }, frame);
            assert_eq!(other.structure, reader.structure);
        }
    }

    #[test]
    fn numbers_in_few_bits() {
        // Five values: 0, 1, 2 in two bits, 3 and 4 in three.
        let mut bits = Bits { bytes: &[0b00_01_10_11, 0b0111_0000], at: 0 };
        assert_eq!([(); 5].map(|()| bits.non_symmetric(5).unwrap()), [0, 1, 2, 3, 4]);
        assert_eq!(bits.non_symmetric(1), Some(0));
    }

    #[test]
    fn a_structure_cut_short_changes_nothing() {
        let mut reader = DdReader::default();
        let whole = descriptor(Some(&L2T2), 0, 7);
        for len in 0..whole.len() {
            assert_eq!(reader.read(&whole[..len]), None, "{len} bytes");
        }
        assert!(reader.structure().is_none());
    }

    proptest! {
        #[test]
        fn what_can_be_read_can_be_rewritten(noise in prop::collection::vec(any::<u8>(), 0..40), active in any::<u32>()) {
            let mut reader = DdReader::default();
            reader.read(&descriptor(Some(&L2T2), 0, 0)).unwrap();
            if let Some(frame) = reader.read(&noise) {
                let mut out = vec![];
                let active = active >> (32 - reader.structure().unwrap().targets().len());
                write_active_targets(&noise, &frame, active, &mut out);
                let again = reader.read(&out).unwrap();
                prop_assert_eq!(DdFrame { place: frame.place, ..again }, DdFrame { active_targets: Some(active), ..frame });
            }
        }
    }
}
