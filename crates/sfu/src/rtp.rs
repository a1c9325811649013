//! Headers of RTP on the wire (RFC 3550, section 5.1; RFC 8285).

use crate::forward::dd::Descriptor;
use str0m::{
    media::{Mid, Rid},
    rtp::{Extension, ExtensionMap},
};

/// Header extensions that are passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// The one byte of RFC 6464.
    pub(crate) level: Option<u8>,
    /// The one byte of 3GPP TS 26.114, 7.4.5.
    pub(crate) orientation: Option<u8>,
    pub(crate) descriptor: Option<Descriptor>,
    /// Takes the place of the descriptor's frame number.
    pub(crate) frame: Option<u16>,
}

impl Extensions {
    /// How loud it is, in -dBov: 0 is the loudest, 127 silence.
    pub(crate) fn loudness(&self) -> Option<u8> {
        self.level.map(|level| level & 0x7f)
    }
}

/// The ids under which extensions are negotiated; 0: not at all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ids {
    mid: u8,
    rid: u8,
    repaired: u8,
    pub(crate) transport: u8,
    level: u8,
    orientation: u8,
    descriptor: u8,
}

impl Ids {
    pub(crate) fn of(map: &ExtensionMap) -> Self {
        let descriptor = Extension::with_serializer(crate::forward::dd::URI, crate::forward::dd::DescriptorExtension);
        let id = |extension| map.id_of(extension).unwrap_or_default();
        Self {
            mid: id(Extension::RtpMid),
            rid: id(Extension::RtpStreamId),
            repaired: id(Extension::RepairedRtpStreamId),
            transport: id(Extension::TransportSequenceNumber),
            level: id(Extension::AudioLevel),
            orientation: id(Extension::VideoOrientation),
            descriptor: id(descriptor),
        }
    }

    /// With those of another line: in a bundle an id means the same on all (RFC 8843, section 9.2).
    pub(crate) fn and(self, other: Self) -> Self {
        let either = |ours: u8, other: u8| if ours > 0 { ours } else { other };
        Self {
            mid: either(self.mid, other.mid),
            rid: either(self.rid, other.rid),
            repaired: either(self.repaired, other.repaired),
            transport: either(self.transport, other.transport),
            level: either(self.level, other.level),
            orientation: either(self.orientation, other.orientation),
            descriptor: either(self.descriptor, other.descriptor),
        }
    }
}

/// The fixed part of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) pt: u8,
    pub(crate) marker: bool,
    /// The payload ends in padding.
    pub(crate) padding: bool,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

/// Whether a datagram is SRTP or SRTCP by its first byte (RFC 7983).
pub(crate) fn is(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, ..])
}

/// Of those: whether it is SRTCP (RFC 5761, section 4).
pub(crate) fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [_, 192..=223, ..])
}

const VERSION: u8 = 2 << 6;
const FIXED: usize = 12;
const PADDING: u8 = 1 << 5;
const EXTENSION: u8 = 1 << 4;
const MARKER: u8 = 1 << 7;
/// Profiles of the two forms (RFC 8285, 4.2 and 4.3), and what the short one has room for.
const SHORT: [u8; 2] = [0xbe, 0xde];
const LONG: [u8; 2] = [0x10, 0x00];
const SHORT_IDS: u8 = 14;
const SHORT_BYTES: usize = 16;
/// The longest header but for a dependency descriptor.
pub(crate) const HEADER: usize = 64;

/// Writes the header: the line's id, the number for transport-wide feedback, and what is passed on.
pub(crate) fn write_header(out: &mut Vec<u8>, head: Head, mid: Mid, ids: Ids, transport: u16, more: &Extensions) {
    let Head { pt, marker, padding, seq, timestamp, ssrc } = head;
    out.push(VERSION | EXTENSION | if padding { PADDING } else { 0 });
    out.push(pt | if marker { MARKER } else { 0 });
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&timestamp.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    let (transport, level, orientation) = (transport.to_be_bytes(), more.level, more.orientation);
    let elements: [(u8, Option<&[u8]>); 5] = [
        (ids.mid, Some(mid.as_bytes())),
        (ids.transport, Some(&transport)),
        (ids.level, level.as_ref().map(std::slice::from_ref)),
        (ids.orientation, orientation.as_ref().map(std::slice::from_ref)),
        (ids.descriptor, more.descriptor.as_ref().map(|descriptor| &descriptor.0[..])),
    ];
    let elements = || elements.iter().filter_map(|(id, value)| value.filter(|_| *id > 0).map(|value| (*id, value)));
    let short = elements().all(|(id, value)| id <= SHORT_IDS && (1..=SHORT_BYTES).contains(&value.len()));
    out.extend_from_slice(if short { &SHORT } else { &LONG });
    let length = out.len();
    out.extend_from_slice(&[0; 2]);
    for (id, value) in elements() {
        match short {
            true => out.push(id << 4 | (value.len() - 1) as u8),
            false => out.extend_from_slice(&[id, value.len() as u8]),
        }
        out.extend_from_slice(value);
    }
    if let Some((frame, Descriptor(bytes))) = more.frame.zip(more.descriptor.as_ref()).filter(|_| ids.descriptor > 0) {
        // It is what was written last.
        let at = out.len() - bytes.len() + 1;
        out[at..at + 2].copy_from_slice(&frame.to_be_bytes());
    }
    let body = length + 2;
    out.resize(body + (out.len() - body).next_multiple_of(4), 0);
    let words = ((out.len() - body) / 4) as u16;
    out[length..body].copy_from_slice(&words.to_be_bytes());
}

/// A header that was read, with its extensions still packed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) head: Head,
    /// Bytes of all of it.
    pub(crate) length: usize,
    profile: [u8; 2],
    elements: &'a [u8],
}

impl<'a> Header<'a> {
    /// `None`: it is not RTP, or its end is missing.
    pub(crate) fn read(datagram: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = datagram.split_first_chunk::<FIXED>()?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = *fixed;
        if flags & 0xc0 != VERSION {
            return None;
        }
        let contributors = 4 * usize::from(flags & 0x0f);
        let (mut length, mut profile, mut elements) = (FIXED + contributors, [0; 2], &rest[..0]);
        if flags & EXTENSION > 0 {
            let rest = rest.get(contributors..)?;
            let ([p0, p1, high, low], rest) = rest.split_first_chunk::<4>()?;
            profile = [*p0, *p1];
            elements = rest.get(..4 * usize::from(u16::from_be_bytes([*high, *low])))?;
            length += 4 + elements.len();
        }
        let head = Head {
            pt: kind & !MARKER,
            marker: kind & MARKER > 0,
            padding: flags & PADDING > 0,
            seq: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
        };
        (length <= datagram.len()).then_some(Self { head, length, profile, elements })
    }

    fn element(&self, id: u8) -> Option<&'a [u8]> {
        self.elements().find(|(at, _)| *at == id && id > 0).map(|(_, value)| value)
    }

    fn elements(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let (short, long) = (self.profile == SHORT, self.profile[0] == LONG[0] && self.profile[1] & 0xf0 == LONG[1]);
        let mut rest = if short || long { self.elements } else { &[] };
        std::iter::from_fn(move || {
            while let [0, tail @ ..] = rest {
                rest = tail;
            }
            let (id, length, tail) = match *rest {
                [first, ref tail @ ..] if short => (first >> 4, usize::from(first & 0x0f) + 1, tail),
                [id, length, ref tail @ ..] => (id, usize::from(length), tail),
                _ => return None,
            };
            let (value, tail) = tail.split_at_checked(length).filter(|_| !(short && id > SHORT_IDS))?;
            rest = tail;
            Some((id, value))
        })
    }

    /// Its number for transport-wide feedback.
    pub(crate) fn transport(&self, ids: &Ids) -> Option<u16> {
        let value = self.element(ids.transport)?.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*value))
    }

    /// The line that it says it belongs to, the encoding on it, and the encoding whose packets it says again.
    pub(crate) fn place(&self, ids: &Ids) -> (Option<Mid>, Option<Rid>, Option<Rid>) {
        let text = |id| self.element(id).and_then(|value| std::str::from_utf8(value).ok());
        (text(ids.mid).map(Mid::from), text(ids.rid).map(Rid::from), text(ids.repaired).map(Rid::from))
    }

    pub(crate) fn extensions(&self, ids: &Ids) -> Extensions {
        let mut found = Extensions::default();
        for (id, value) in self.elements() {
            match id {
                0 => {}
                id if id == ids.level => found.level = value.first().copied(),
                id if id == ids.orientation => found.orientation = value.first().copied(),
                id if id == ids.descriptor => found.descriptor = Some(Descriptor(value.into())),
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { pt: 96, marker: true, padding: false, seq: 0x1234, timestamp: 5, ssrc: 6 };

    fn written(ids: Ids, more: &Extensions) -> Vec<u8> {
        let mut out = vec![];
        write_header(&mut out, HEAD, "1".into(), ids, 0xabcd, more);
        assert_eq!(out[..12], [0x90, 0xe0, 0x12, 0x34, 0, 0, 0, 5, 0, 0, 0, 6]);
        assert_eq!(out.len(), 16 + 4 * usize::from(u16::from_be_bytes([out[14], out[15]])));
        out.split_off(12)
    }

    #[test]
    fn extensions_go_in_the_short_form_where_they_fit() {
        let ids = Ids { mid: 4, transport: 3, level: 1, descriptor: 12, ..Ids::default() };
        let more = Extensions { level: Some(0x95), orientation: Some(1), ..Extensions::default() };
        let expected = [0xbe, 0xde, 0, 2, 0x40, b'1', 0x31, 0xab, 0xcd, 0x10, 0x95, 0];
        assert_eq!(written(ids, &more), expected, "what has no id is left out");
    }

    #[test]
    fn a_long_descriptor_needs_the_long_form() {
        let ids = Ids { mid: 4, transport: 3, descriptor: 12, ..Ids::default() };
        let more = Extensions { descriptor: Some(Descriptor(vec![7; 20].into())), ..Extensions::default() };
        let out = written(ids, &more);
        assert_eq!(out[..4], [0x10, 0, 0, 8]);
        assert_eq!(out[4..13], [4, 1, b'1', 3, 2, 0xab, 0xcd, 12, 20]);
        assert_eq!(out[13..], [[7; 20].as_slice(), &[0; 3]].concat());
    }

    #[test]
    fn a_frame_number_takes_the_place_of_the_descriptors() {
        let descriptor = Some(Descriptor(vec![0xc1, 1, 2, 0x80, 4].into()));
        let more = Extensions { descriptor, frame: Some(0x3456), ..Extensions::default() };
        let ids = Ids { mid: 4, descriptor: 12, ..Ids::default() };
        let expected = [0xbe, 0xde, 0, 2, 0x40, b'1', 0xc4, 0xc1, 0x34, 0x56, 0x80, 4];
        assert_eq!(written(ids, &more), expected);
        assert_eq!(written(Ids::default(), &more), [0xbe, 0xde, 0, 0], "who takes none gets none");
    }

    #[test]
    fn without_any_there_is_an_empty_one() {
        assert_eq!(written(Ids::default(), &Extensions::default()), [0xbe, 0xde, 0, 0]);
    }

    #[test]
    fn what_is_written_is_read() {
        let ids = Ids { mid: 4, rid: 5, repaired: 0, transport: 3, level: 1, orientation: 2, descriptor: 12 };
        for length in [3, 40] {
            let descriptor = Descriptor(vec![7; length].into());
            let more =
                Extensions { level: Some(0x95), orientation: Some(1), descriptor: Some(descriptor), frame: None };
            let mut out = vec![];
            write_header(&mut out, HEAD, "ab".into(), ids, 0xabcd, &more);
            let bytes = out.len();
            out.extend_from_slice(b"payload");
            let header = Header::read(&out).unwrap();
            assert_eq!((header.head, header.length), (HEAD, bytes));
            assert_eq!(header.place(&ids), (Some("ab".into()), None, None));
            assert_eq!(header.transport(&ids), Some(0xabcd));
            assert_eq!(header.extensions(&ids), more);
            assert_eq!(more.loudness(), Some(0x15));
            assert_eq!(header.extensions(&Ids::default()), Extensions::default(), "nothing has no id");
        }
    }

    #[test]
    fn contributors_and_unknown_extensions_are_passed_over() {
        let fixed = [0x92, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        let contributors = [9; 8];
        let ids = Ids { rid: 5, ..Ids::default() };
        // An unknown one, padding, one that ends the list (RFC 8285, 4.2), and what would be a rid.
        let packed = [0xbe, 0xde, 0, 3, 0x11, 8, 8, 0, 0x50, b'h', 0xf0, 1, 0x50, b'q', 0, 0];
        let packet = [&fixed[..], &contributors, &packed].concat();
        let header = Header::read(&packet).unwrap();
        assert_eq!(header.place(&ids), (None, Some("h".into()), None));
        assert_eq!(header.length, packet.len());
        for length in 0..packet.len() {
            assert!(Header::read(&packet[..length]).is_none(), "{length}");
        }
        let strange = [&fixed[..], &contributors, &[0xab, 0xcd], &packed[2..]].concat();
        assert_eq!(Header::read(&strange).unwrap().place(&ids), (None, None, None), "of another profile");
    }

    #[test]
    fn media_are_told_from_the_rest() {
        assert!(is(&[0x80, 96]) && !is_rtcp(&[0x80, 96]) && !is_rtcp(&[0x80, 0xe0]));
        assert!(is(&[0x81, 201]) && is_rtcp(&[0x81, 201]) && is_rtcp(&[0x8f, 205]));
        assert!(!is(&[0, 1]) && !is(&[22, 254]) && !is(&[]));
    }
}
