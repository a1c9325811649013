//! VP8's own numbers (RFC 7741) without a seam, and its temporal layers.

use super::bytes::Bytes;
use super::renumber::Renumber;
use str0m::rtp::Vp8Descriptor;

/// The longest descriptor.
const DESCRIPTOR: usize = 6;
/// Set in the first byte of a picture id that has 15 bits.
const WIDE: u16 = 0x8000;

/// A descriptor that takes the place of the one at the start of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Head {
    bytes: [u8; DESCRIPTOR],
    length: u8,
}

impl Vp8Head {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// What is looked at of a VP8 payload; read once, for all subscribers.
#[derive(Debug, Clone, Copy)]
pub struct Vp8Packet {
    descriptor: Vp8Descriptor,
    /// Length of the descriptor; the VP8 frame's bytes come after it.
    pub header_len: usize,
    /// The descriptor, and where in it picture id, TL0PICIDX and KEYIDX are, as far as it has them.
    head: [u8; DESCRIPTOR],
    picture_at: Option<u8>,
    tl0_at: Option<u8>,
    key_at: Option<u8>,
    /// The picture id has 15 bits, not 7.
    wide: bool,
    /// TID; 0 for a stream without temporal layers.
    pub temporal: u8,
    /// Y: the frame refers to the base layer alone.
    pub sync: bool,
    pub keyframe: bool,
}

impl Vp8Packet {
    /// Reads the descriptor at the start of an RTP payload; `None` if it is malformed.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let descriptor = Vp8Descriptor::parse(payload).ok()?;
        let keyframe = descriptor.starts_keyframe(payload);
        let (head, at) = ([0; DESCRIPTOR], None);
        let mut packet = Self {
            descriptor,
            header_len: 1,
            head,
            picture_at: at,
            tl0_at: at,
            key_at: at,
            wide: false,
            temporal: 0,
            sync: false,
            keyframe,
        };
        let mut bytes = Bytes(payload);
        let here = |bytes: &Bytes<'_>| (payload.len() - bytes.0.len()) as u8;
        if bytes.u8()? & 0x80 != 0 {
            let present = bytes.u8()?;
            if present & 0x80 != 0 {
                packet.picture_at = Some(here(&bytes));
                packet.wide = bytes.u8()? & 0x80 != 0;
                bytes.take(packet.wide.into())?;
            }
            if present & 0x40 != 0 {
                packet.tl0_at = Some(here(&bytes));
                bytes.u8()?;
            }
            if present & 0x30 != 0 {
                packet.key_at = (present & 0x10 != 0).then(|| here(&bytes));
                let layer = bytes.u8()?;
                if present & 0x20 != 0 {
                    (packet.temporal, packet.sync) = (layer >> 6, layer & 0x20 != 0);
                }
            }
        }
        packet.header_len = payload.len() - bytes.0.len();
        packet.head[..packet.header_len].copy_from_slice(&payload[..packet.header_len]);
        Some(packet)
    }

    /// From `newest`, an extended picture id, to this packet's, the shorter way round.
    fn extended(&self, newest: u64) -> Option<u64> {
        let bits = if self.wide { 15 } else { 7 };
        let step = (self.descriptor.picture_id()? << (16 - bits)).wrapping_sub((newest << (16 - bits)) as u16) as i16;
        newest.checked_add_signed(i64::from(step >> (16 - bits)))
    }

    /// The low bits that the descriptor has room for.
    fn narrowed(&self, picture: u64) -> u16 {
        picture as u16 & if self.wide { 0x7fff } else { 0x7f }
    }
}

/// Rewrites picture id, TL0PICIDX and KEYIDX of one subscription, and leaves out the higher temporal layers.
///
/// A picture is left out or forwarded whole, and picture ids have no hole where one was left out: a receiver would wait
/// for it.
#[derive(Debug)]
pub struct Vp8Munger {
    current: Option<Epoch>,
    previous: Option<Epoch>,
    next: Next,
    /// The highest temporal layer that is wanted, and that is forwarded.
    wanted: u8,
    forwarded: u8,
}

/// One stretch between switches.
#[derive(Debug)]
struct Epoch {
    number: u32,
    /// The newest picture id of the source, extended.
    newest: u64,
    pictures: Renumber<2>,
    tl0_offset: u8,
    key_offset: u8,
}

/// What the next switch goes on with.
#[derive(Debug, Default)]
struct Next {
    picture: Option<u64>,
    tl0: Option<u8>,
    key: Option<u8>,
}

/// KEYIDX has five bits.
const KEY_MASK: u8 = 0x1f;

/// Extended picture ids begin well above zero, so that those before the first are positive too.
const FIRST_CYCLE: u64 = 1 << 20;

impl Default for Vp8Munger {
    fn default() -> Self {
        Self { current: None, previous: None, next: Next::default(), wanted: u8::MAX, forwarded: u8::MAX }
    }
}

impl Vp8Munger {
    /// Temporal layers above `highest` are left out: at once when it sinks, when it rises from the next frame on that
    /// makes the higher layer decodable.
    pub fn set_temporal(&mut self, highest: u8) {
        self.wanted = highest;
        self.forwarded = self.forwarded.min(highest);
    }

    /// Whether a packet of the source that is forwarded is wanted; if not, it must be dropped.
    ///
    /// Not asked for the packet that a switch begins with.
    pub fn wants(&mut self, packet: &Vp8Packet) -> bool {
        let known = self.current.as_mut().and_then(|current| current.verdict(packet));
        if let Some(verdict) = known {
            return verdict;
        }
        if packet.keyframe {
            self.forwarded = self.wanted;
        } else if packet.temporal == self.forwarded.saturating_add(1) && packet.temporal <= self.wanted && packet.sync {
            self.forwarded = packet.temporal;
        }
        let wanted = packet.temporal <= self.forwarded;
        if let Some(current) = &mut self.current {
            current.decide(packet, wanted);
        }
        wanted
    }

    /// How the packet is rewritten that goes out in `epoch` ([`Outgoing::epoch`](super::Outgoing)). `None`: that epoch is
    /// long over.
    pub fn rewrite(&mut self, epoch: u32, packet: &Vp8Packet) -> Option<Vp8Head> {
        if self.current.as_ref().is_none_or(|current| current.number < epoch) {
            self.previous = self.current.replace(Epoch::new(epoch, packet, &self.next));
            self.forwarded = self.wanted;
        }
        let is_current = self.current.as_ref().is_some_and(|current| current.number == epoch);
        let side = if is_current { &mut self.current } else { &mut self.previous };
        let numbers = side.as_mut().filter(|side| side.number == epoch)?.numbers(packet);
        if is_current {
            self.next.pass(&numbers);
            self.next.picture = self.current.as_ref().map(|current| current.pictures.next());
        }
        Some(numbers.written(packet))
    }
}

/// A packet's numbers as the subscriber sees them, as far as its descriptor has them.
#[derive(Debug)]
struct Numbers {
    picture: Option<u64>,
    tl0: Option<u8>,
    key: Option<u8>,
}

impl Numbers {
    fn written(&self, packet: &Vp8Packet) -> Vp8Head {
        let mut bytes = packet.head;
        if let (Some(picture), Some(at)) = (self.picture, packet.picture_at) {
            let at = usize::from(at);
            let picture = packet.narrowed(picture);
            match packet.wide {
                true => bytes[at..at + 2].copy_from_slice(&(picture | WIDE).to_be_bytes()),
                false => bytes[at] = picture as u8,
            }
        }
        if let (Some(tl0), Some(at)) = (self.tl0, packet.tl0_at) {
            bytes[usize::from(at)] = tl0;
        }
        if let (Some(key), Some(at)) = (self.key, packet.key_at) {
            let byte = &mut bytes[usize::from(at)];
            *byte = *byte & !KEY_MASK | key;
        }
        Vp8Head { bytes, length: packet.header_len as u8 }
    }
}

impl Next {
    fn pass(&mut self, numbers: &Numbers) {
        let later = |a: u8, b: u8| if b.wrapping_sub(a) as i8 >= 0 { b } else { a };
        if let Some(tl0) = numbers.tl0.map(|tl0| tl0.wrapping_add(1)) {
            self.tl0 = Some(self.tl0.map_or(tl0, |next| later(next, tl0)));
        }
        self.key = numbers.key.map(|key| key.wrapping_add(1)).or(self.key);
    }
}

impl Epoch {
    fn new(number: u32, packet: &Vp8Packet, next: &Next) -> Self {
        let picture = u64::from(packet.descriptor.picture_id().unwrap_or(0));
        let (tl0, key) = (packet.descriptor.tl0_pic_idx().unwrap_or(0), packet.descriptor.key_idx().unwrap_or(0));
        Self {
            number,
            newest: FIRST_CYCLE + picture,
            pictures: Renumber::new(FIRST_CYCLE + picture, next.picture.unwrap_or(picture)),
            tl0_offset: next.tl0.unwrap_or(tl0).wrapping_sub(tl0),
            key_offset: next.key.unwrap_or(key).wrapping_sub(key),
        }
    }

    /// What was decided of the packet's picture, if anything was.
    fn verdict(&mut self, packet: &Vp8Packet) -> Option<bool> {
        self.pictures.verdict(packet.extended(self.newest)?)
    }

    fn decide(&mut self, packet: &Vp8Packet, wanted: bool) {
        let Some(picture) = packet.extended(self.newest) else { return };
        self.newest = self.newest.max(picture);
        if wanted {
            self.pictures.map_once(picture);
        } else {
            self.pictures.leave_out(picture);
        }
    }

    fn numbers(&mut self, packet: &Vp8Packet) -> Numbers {
        let picture = packet.extended(self.newest).and_then(|picture| {
            self.newest = self.newest.max(picture);
            self.pictures.map(picture)
        });
        Numbers {
            picture,
            tl0: packet.descriptor.tl0_pic_idx().map(|tl0| tl0.wrapping_add(self.tl0_offset)),
            key: packet.descriptor.key_idx().map(|key| key.wrapping_add(self.key_offset) & KEY_MASK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Frame {
        picture: u16,
        tl0: u8,
        key: u8,
        temporal: u8,
        sync: bool,
        keyframe: bool,
    }

    const KEY: Frame = Frame { picture: 0x7ffe, tl0: 255, key: 31, temporal: 0, sync: false, keyframe: true };

    impl Frame {
        fn packet(self) -> Vp8Packet {
            let [high, low] = (self.picture | 0x8000).to_be_bytes();
            let layer = self.temporal << 6 | u8::from(self.sync) << 5 | self.key;
            Vp8Packet::parse(&[0x90, 0xf0, high, low, self.tl0, layer, u8::from(!self.keyframe)]).unwrap()
        }

        /// The frame after this one.
        fn then(self, temporal: u8, sync: bool) -> Self {
            let tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
            Frame { picture: (self.picture + 1) & 0x7fff, tl0, temporal, sync, keyframe: false, ..self }
        }
    }

    /// The frame's descriptor with these numbers.
    fn patch(frame: Frame, picture: u16, tl0: u8, key: u8) -> Option<Vp8Head> {
        let [high, low] = (picture | 0x8000).to_be_bytes();
        let layer = frame.temporal << 6 | u8::from(frame.sync) << 5 | key;
        Some(Vp8Head { bytes: [0x90, 0xf0, high, low, tl0, layer], length: 6 })
    }

    /// Goes the way of a packet: wanted, then rewritten.
    fn send(munger: &mut Vp8Munger, epoch: u32, frame: Frame) -> Option<Option<Vp8Head>> {
        munger.wants(&frame.packet()).then(|| munger.rewrite(epoch, &frame.packet()))
    }

    #[test]
    fn reads_the_layer() {
        let frame = Frame { temporal: 2, sync: true, ..KEY };
        let packet = frame.packet();
        assert_eq!((packet.temporal, packet.sync, packet.keyframe, packet.header_len), (2, true, true, 6));
        let bare = Vp8Packet::parse(&[0x10, 0x01]).unwrap();
        assert_eq!((bare.temporal, bare.sync, bare.keyframe, bare.header_len), (0, false, false, 1));
        let narrow = Vp8Packet::parse(&[0x90, 0x80, 0x7f, 0x00]).unwrap();
        assert_eq!((narrow.header_len, narrow.wide, narrow.keyframe), (3, false, true));
    }

    #[test]
    fn numbers_go_on_across_a_switch_and_round_their_ends() {
        let mut munger = Vp8Munger::default();
        assert_eq!(munger.rewrite(0, &KEY.packet()), patch(KEY, 0x7ffe, 255, 31), "as they come");
        let second = KEY.then(0, false);
        assert_eq!(munger.rewrite(0, &second.packet()), patch(second, 0x7fff, 0, 31));
        let other = Frame { picture: 77, tl0: 10, key: 3, ..KEY };
        assert_eq!(munger.rewrite(1, &other.packet()), patch(other, 0, 1, 0));
        assert_eq!(munger.rewrite(0, &second.packet()), patch(second, 0x7fff, 0, 31), "a late one, as before");
        let next = other.then(0, false);
        assert_eq!(send(&mut munger, 1, next), Some(patch(next, 1, 2, 0)));
    }

    #[test]
    fn picture_ids_of_seven_bits() {
        let packet = |picture: u8| Vp8Packet::parse(&[0x90, 0x80, picture, 0x00]).unwrap();
        let mut munger = Vp8Munger::default();
        munger.rewrite(0, &packet(127));
        let wrapped = munger.rewrite(0, &packet(0));
        assert_eq!(wrapped.unwrap().bytes(), [0x90, 0x80, 0]);
        let switched = munger.rewrite(1, &packet(90));
        assert_eq!(switched.unwrap().bytes(), [0x90, 0x80, 1]);
    }

    #[test]
    fn pictures_left_out_leave_no_hole() {
        let mut munger = Vp8Munger::default();
        munger.set_temporal(0);
        munger.rewrite(0, &KEY.packet());
        let high = KEY.then(1, true);
        let base = high.then(0, false);
        assert_eq!(send(&mut munger, 0, high), None);
        assert_eq!(send(&mut munger, 0, base), Some(patch(base, 0x7fff, 0, 31)));
        munger.set_temporal(1);
        assert_eq!(send(&mut munger, 0, high), None, "a late packet of a picture that was left out");
    }

    #[test]
    fn layers_come_back_one_by_one_where_they_are_decodable() {
        let mut munger = Vp8Munger::default();
        munger.set_temporal(0);
        munger.rewrite(0, &KEY.packet());
        munger.set_temporal(2);
        // libwebrtc's pattern of three layers, twice.
        let pattern = [(2, true), (1, true), (2, false), (0, false), (2, true), (1, false), (2, false), (0, false)];
        let mut frame = KEY;
        let forwarded = pattern.map(|(temporal, sync)| {
            frame = frame.then(temporal, sync);
            send(&mut munger, 0, frame).is_some()
        });
        assert_eq!(forwarded, [false, true, false, true, true, true, true, true]);
    }

    #[test]
    fn a_picture_is_forwarded_whole() {
        let mut munger = Vp8Munger::default();
        munger.rewrite(0, &KEY.packet());
        let high = KEY.then(1, false);
        assert!(send(&mut munger, 0, high).is_some());
        munger.set_temporal(0);
        assert!(send(&mut munger, 0, high).is_some(), "its second packet");
        assert!(send(&mut munger, 0, high.then(1, false)).is_none());
    }

    #[test]
    fn a_keyframe_brings_all_layers_back() {
        let mut munger = Vp8Munger::default();
        munger.set_temporal(0);
        munger.rewrite(0, &KEY.packet());
        munger.set_temporal(1);
        let keyframe = Frame { keyframe: true, ..KEY.then(0, false) };
        assert!(send(&mut munger, 0, keyframe).is_some());
        assert!(send(&mut munger, 0, keyframe.then(1, false)).is_some());
    }
}
