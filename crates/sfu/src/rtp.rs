//! Headers of RTP on the wire (RFC 3550, section 5.1; RFC 8285).

use crate::forward::dd::Descriptor;
use str0m::{
    media::Mid,
    rtp::{Extension, ExtensionMap, ExtensionValues},
};

/// Header extensions that are passed on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extensions {
    /// The one byte of RFC 6464.
    pub(crate) level: Option<u8>,
    /// The one byte of 3GPP TS 26.114, 7.4.5.
    pub(crate) orientation: Option<u8>,
    pub(crate) descriptor: Option<Descriptor>,
}

impl Extensions {
    pub(crate) fn of(values: &ExtensionValues) -> Self {
        let level =
            |level: i8| level.unsigned_abs() & 0x7f | if values.voice_activity == Some(true) { 0x80 } else { 0 };
        Self {
            level: values.audio_level.map(level),
            orientation: values.video_orientation.map(|orientation| orientation as u8),
            descriptor: values.user_values.get().cloned(),
        }
    }
}

/// The ids under which a line's extensions are negotiated; 0: not at all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ids {
    mid: u8,
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
            transport: id(Extension::TransportSequenceNumber),
            level: id(Extension::AudioLevel),
            orientation: id(Extension::VideoOrientation),
            descriptor: id(descriptor),
        }
    }
}

/// The fixed part of a header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) pt: u8,
    pub(crate) marker: bool,
    /// The payload ends in padding.
    pub(crate) padding: bool,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

const VERSION: u8 = 2 << 6;
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
    let body = length + 2;
    out.resize(body + (out.len() - body).next_multiple_of(4), 0);
    let words = ((out.len() - body) / 4) as u16;
    out[length..body].copy_from_slice(&words.to_be_bytes());
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
        let ids = Ids { mid: 4, transport: 3, level: 1, orientation: 0, descriptor: 12 };
        let more = Extensions { level: Some(0x95), orientation: Some(1), descriptor: None };
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
    fn without_any_there_is_an_empty_one() {
        assert_eq!(written(Ids::default(), &Extensions::default()), [0xbe, 0xde, 0, 0]);
    }
}
