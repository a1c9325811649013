//! Where a decoder that knows nothing yet can start: the first packet of a keyframe.

use super::bytes::Bytes;
use super::vp8::Vp8Packet;
use super::vp9::Vp9Packet;

/// A codec that may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    Opus,
    /// Redundant audio (RFC 2198), here always of Opus.
    Red,
    Pcmu,
    Pcma,
    G722,
    Vp8,
    Vp9,
    H264,
    H265,
    Av1,
}

impl Codec {
    /// Every codec with its MIME type as SDP and LiveKit spell it.
    const MIMES: [(Self, &str); 10] = [
        (Self::Opus, "audio/opus"),
        (Self::Red, "audio/red"),
        (Self::Pcmu, "audio/PCMU"),
        (Self::Pcma, "audio/PCMA"),
        (Self::G722, "audio/G722"),
        (Self::Vp8, "video/VP8"),
        (Self::Vp9, "video/VP9"),
        (Self::H264, "video/H264"),
        (Self::H265, "video/H265"),
        (Self::Av1, "video/AV1"),
    ];

    /// Whatever the case: clients write `video/VP8` and `video/vp8`.
    pub fn from_mime(mime: &str) -> Option<Self> {
        Self::MIMES.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(mime)).map(|(codec, _)| codec)
    }

    pub fn mime(self) -> &'static str {
        Self::MIMES.into_iter().find(|(codec, _)| *codec == self).map_or("", |(_, name)| name)
    }

    /// Ticks of the RTP clock in a second. G.722's is 8000, half its sampling rate (RFC 3551, section 4.5.2).
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus | Self::Red => 48_000,
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::H265 | Self::Av1 => 90_000,
        }
    }

    pub fn is_video(self) -> bool {
        matches!(self, Self::Vp8 | Self::Vp9 | Self::H264 | Self::H265 | Self::Av1)
    }
}

/// Whether the RTP `payload` is the first packet of a keyframe. Every packet of audio is one.
///
/// For H.264 and H.265 that is the packet with the parameter sets, not the one with the IDR slice behind it: a decoder
/// that begins at the slice would read it with the parameters of the stream it saw before. Every WebRTC encoder
/// repeats them in front of each keyframe.
pub fn is_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma | Codec::G722 => !payload.is_empty(),
        Codec::Vp8 => Vp8Packet::parse(payload).is_some_and(|packet| packet.keyframe),
        Codec::Vp9 => Vp9Packet::parse(payload).is_some_and(|packet| packet.starts_keyframe()),
        Codec::H264 => h264_starts_keyframe(payload).unwrap_or(false),
        Codec::H265 => h265_starts_keyframe(payload).unwrap_or(false),
        Codec::Av1 => av1_starts_keyframe(payload).unwrap_or(false),
    }
}

/// RFC 6184, section 5.2: a sequence parameter set (NAL unit type 7) alone, in an aggregate, or beginning in a fragment.
fn h264_starts_keyframe(payload: &[u8]) -> Option<bool> {
    const SPS: u8 = 7;
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    let mut bytes = Bytes(payload);
    match bytes.u8()? & 0x1f {
        SPS => Some(true),
        STAP_A => any_aggregated(bytes, |nal| nal & 0x1f == SPS),
        FU_A => bytes.u8().map(|header| header & 0x80 != 0 && header & 0x1f == SPS),
        _ => Some(false),
    }
}

/// RFC 7798, section 4.4: a video or sequence parameter set (types 32 and 33), alone, in an aggregate, or beginning in a
/// fragment. The fields of DONs, which nobody negotiates in WebRTC, are taken to be absent.
fn h265_starts_keyframe(payload: &[u8]) -> Option<bool> {
    const AGGREGATE: u8 = 48;
    const FRAGMENT: u8 = 49;
    let is_parameter_set = |kind: u8| matches!(kind, 32 | 33);
    let kind = |header: u8| header >> 1 & 0x3f;
    let mut bytes = Bytes(payload);
    let header = bytes.u16()?.to_be_bytes()[0];
    match kind(header) {
        AGGREGATE => any_aggregated(bytes, |nal| is_parameter_set(kind(nal))),
        FRAGMENT => bytes.u8().map(|header| header & 0x80 != 0 && is_parameter_set(header & 0x3f)),
        kind => Some(is_parameter_set(kind)),
    }
}

/// Whether `wanted` holds for the first byte of any NAL unit of an aggregate: each has its length, in 16 bits, before it.
fn any_aggregated(mut bytes: Bytes<'_>, wanted: impl Fn(u8) -> bool) -> Option<bool> {
    while !bytes.0.is_empty() {
        let len = bytes.u16()?;
        if wanted(*bytes.take(len.into())?.first()?) {
            return Some(true);
        }
    }
    Some(false)
}

/// AV1 RTP payload format, section 4.4: the N bit of the aggregation header marks the first packet of a coded video
/// sequence. Some packetizers leave it out, so a first OBU that is a sequence header counts as well.
fn av1_starts_keyframe(payload: &[u8]) -> Option<bool> {
    const SEQUENCE_HEADER: u8 = 1;
    let mut bytes = Bytes(payload);
    let header = bytes.u8()?;
    let (continues, elements, new_sequence) = (header & 0x80 != 0, header >> 4 & 3, header & 0x08 != 0);
    if new_sequence || continues {
        return Some(new_sequence);
    }
    if elements != 1 {
        leb128(&mut bytes)?; // The element's length; a sole element has none.
    }
    Some(bytes.u8()? >> 3 & 0xf == SEQUENCE_HEADER)
}

/// AV1 bitstream specification, section 4.10.5: seven bits a byte, the lowest first.
fn leb128(bytes: &mut Bytes<'_>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..56).step_by(7) {
        let byte = bytes.u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Width and height of the picture, told by the first packet of a VP8 or VP9 keyframe.
pub fn picture_size(codec: Codec, payload: &[u8]) -> Option<(u16, u16)> {
    match codec {
        Codec::Vp8 => vp8_size(payload),
        Codec::Vp9 => Vp9Packet::parse(payload)?.size,
        _ => None,
    }
}

/// RFC 6386, section 9.1: a keyframe's tag of three bytes is followed by a start code, then the size in 14 bits each.
fn vp8_size(payload: &[u8]) -> Option<(u16, u16)> {
    let packet = Vp8Packet::parse(payload).filter(|packet| packet.keyframe)?;
    let (code, size) = payload.get(packet.header_len + 3..)?.split_at_checked(3)?;
    let mut size = Bytes(size);
    let mut side = || Some(size.u16()?.swap_bytes() & 0x3fff);
    Some((side()?, side()?)).filter(|_| code == [0x9d, 0x01, 0x2a])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(codec: Codec, expected: bool, payload: &[u8]) {
        assert_eq!(is_keyframe(codec, payload), expected, "{codec:?} {payload:02x?}");
    }

    #[test]
    fn mimes_there_and_back() {
        for (codec, mime) in Codec::MIMES {
            assert_eq!(Codec::from_mime(&mime.to_lowercase()), Some(codec));
            assert_eq!(codec.mime(), mime);
            assert_eq!(codec.is_video(), mime.starts_with("video/"));
        }
        assert_eq!(Codec::from_mime("video/rtx"), None);
    }

    #[test]
    fn vp8() {
        check(Codec::Vp8, true, &[0x10, 0x00, 0, 0]);
        check(Codec::Vp8, false, &[0x10, 0x01, 0, 0]); // P: an interframe
        check(Codec::Vp8, false, &[0x00, 0x00, 0, 0]); // not the start of a partition
        check(Codec::Vp8, false, &[0x11, 0x00, 0, 0]); // second partition
        // X, then I L T K, 15-bit picture id, TL0PICIDX, TID/KEYIDX
        check(Codec::Vp8, true, &[0x90, 0xf0, 0x80, 0x01, 0x02, 0x03, 0x00]);
        check(Codec::Vp8, false, &[0x90, 0xf0, 0x80, 0x01, 0x02, 0x03, 0x01]);
        check(Codec::Vp8, false, &[0x90, 0xf0, 0x80]);
    }

    #[test]
    fn vp9() {
        check(Codec::Vp9, true, &[0x08, 0]);
        check(Codec::Vp9, false, &[0x48, 0]); // P
        check(Codec::Vp9, false, &[0x00, 0]); // not the beginning
        check(Codec::Vp9, false, &[0x28, 0x02, 0, 0]); // spatial layer 1
    }

    #[test]
    fn h264() {
        check(Codec::H264, true, &[0x67, 0x42]); // SPS
        check(Codec::H264, false, &[0x65, 0x88]); // IDR without its SPS
        check(Codec::H264, false, &[0x41, 0x9a]);
        check(Codec::H264, true, &[0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 0x42, 0, 1, 0x68]); // AUD, SPS, PPS
        check(Codec::H264, false, &[0x78, 0, 2, 0x61, 0x67]); // the type is in the first byte alone
        check(Codec::H264, false, &[0x78, 0, 9, 0x67]); // longer than the packet
        check(Codec::H264, false, &[0x78, 0, 0, 0x67]);
        check(Codec::H264, true, &[0x7c, 0x87]);
        check(Codec::H264, false, &[0x7c, 0x07]); // a later fragment
        check(Codec::H264, false, &[0x7c, 0x85]);
    }

    #[test]
    fn h265() {
        check(Codec::H265, true, &[32 << 1, 1, 0]);
        check(Codec::H265, true, &[33 << 1, 1, 0]);
        check(Codec::H265, false, &[19 << 1, 1, 0]); // IDR alone
        check(Codec::H265, false, &[1 << 1, 1, 0]);
        check(Codec::H265, true, &[48 << 1, 1, 0, 2, 35 << 1, 1, 0, 2, 32 << 1, 1]);
        check(Codec::H265, false, &[48 << 1, 1, 0, 2, 1 << 1, 1]);
        check(Codec::H265, true, &[49 << 1, 1, 0x80 | 33]);
        check(Codec::H265, false, &[49 << 1, 1, 33]);
    }

    #[test]
    fn av1() {
        check(Codec::Av1, true, &[0x18, 0x0a]); // N
        check(Codec::Av1, true, &[0x10, 0x0a]); // W = 1, sequence header
        check(Codec::Av1, true, &[0x20, 0x02, 0x0a, 0x0b]); // W = 2: a length first
        check(Codec::Av1, false, &[0x10, 0x32]); // OBU_FRAME
        check(Codec::Av1, false, &[0x90, 0x0a]); // Z: goes on with an OBU from before
        check(Codec::Av1, false, &[0x20, 0x80]);
    }

    #[test]
    fn nothing_starts_at_nothing() {
        for (codec, _) in Codec::MIMES {
            check(codec, false, &[]);
        }
    }

    #[test]
    fn vp8_size_is_in_the_keyframe() {
        let keyframe = [0x90, 0x80, 0x05, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x41];
        assert_eq!(picture_size(Codec::Vp8, &keyframe), Some((640, 360)));
        assert_eq!(picture_size(Codec::Vp8, &keyframe[..12]), None);
        assert_eq!(picture_size(Codec::Vp8, &[0x10, 0x01, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]), None);
    }
}
