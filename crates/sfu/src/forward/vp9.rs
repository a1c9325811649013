//! The VP9 payload descriptor (RFC 9628, section 4.2).

use super::bytes::Bytes;

/// What a packet says of its place in the picture and in the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp9Packet {
    /// 7 or 15 bits; every layer frame of a picture has the same.
    pub picture_id: Option<u16>,
    /// P: the frame refers to earlier pictures. Unset: only to lower layers of the same picture, or to nothing.
    pub inter_picture: bool,
    /// B: the first packet of its layer frame.
    pub begins: bool,
    /// E: the last packet of its layer frame.
    pub ends: bool,
    /// Where it is in the layers; unset for a stream without them.
    pub layer: Option<Vp9Layer>,
    /// Width and height of the highest spatial layer, where the packet tells (keyframes do).
    pub size: Option<(u16, u16)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp9Layer {
    pub temporal: u8,
    pub spatial: u8,
    /// U: from here on, frames of higher temporal layers refer to none of theirs from before.
    pub switching_up: bool,
    /// D: the frame refers to the next lower spatial layer of the same picture.
    pub inter_layer: bool,
}

impl Vp9Packet {
    /// Reads the descriptor at the start of an RTP payload; `None` if it is cut short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(payload);
        let flags = bytes.u8()?;
        let flag = |bit: u8| flags & (0x80 >> bit) != 0;
        let (has_picture_id, inter_picture, has_layer, flexible) = (flag(0), flag(1), flag(2), flag(3));

        let picture_id = if has_picture_id { Some(picture_id(&mut bytes)?) } else { None };
        let layer = if has_layer { Some(layer(&mut bytes, flexible)?) } else { None };
        if flexible && inter_picture {
            references(&mut bytes)?;
        }
        let size = if flag(6) { scalability_structure(&mut bytes)? } else { None };
        Some(Self { picture_id, inter_picture, begins: flag(4), ends: flag(5), layer, size })
    }

    pub fn spatial(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.spatial)
    }

    pub fn temporal(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.temporal)
    }

    /// The first packet of a picture that refers to nothing before it.
    pub fn starts_keyframe(&self) -> bool {
        self.begins && !self.inter_picture && self.spatial() == 0
    }
}

fn picture_id(bytes: &mut Bytes<'_>) -> Option<u16> {
    let first = bytes.u8()?;
    if first & 0x80 == 0 {
        return Some(first.into());
    }
    Some(u16::from(first & 0x7f) << 8 | u16::from(bytes.u8()?))
}

fn layer(bytes: &mut Bytes<'_>, flexible: bool) -> Option<Vp9Layer> {
    let octet = bytes.u8()?;
    if !flexible {
        bytes.u8()?; // TL0PICIDX
    }
    Some(Vp9Layer {
        temporal: octet >> 5,
        switching_up: octet & 0x10 != 0,
        spatial: octet >> 1 & 7,
        inter_layer: octet & 1 != 0,
    })
}

/// Up to three P_DIFFs; the last bit of each says whether another follows.
fn references(bytes: &mut Bytes<'_>) -> Option<()> {
    for _ in 0..3 {
        if bytes.u8()? & 1 == 0 {
            return Some(());
        }
    }
    None
}

fn scalability_structure(bytes: &mut Bytes<'_>) -> Option<Option<(u16, u16)>> {
    let flags = bytes.u8()?;
    let (layers, has_sizes) = ((flags >> 5) + 1, flags & 0x10 != 0);
    let mut size = None;
    if has_sizes {
        for _ in 0..layers {
            size = Some((bytes.u16()?, bytes.u16()?));
        }
    }
    Some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_field() {
        // I P L F B, 15-bit picture id, TID 1 U SID 2 D, two P_DIFFs.
        let packet = Vp9Packet::parse(&[0b1111_1000, 0x81, 0x02, 0b0011_0101, 0x03, 0x04, 0xff]).unwrap();
        assert_eq!(packet.picture_id, Some(0x102));
        assert!(packet.inter_picture && packet.begins && !packet.ends);
        let layer = Vp9Layer { temporal: 1, spatial: 2, switching_up: true, inter_layer: true };
        assert_eq!(packet.layer, Some(layer));
        assert!(!packet.starts_keyframe());
    }

    #[test]
    fn reads_the_size_of_the_highest_layer() {
        // I B V L, not flexible: TL0PICIDX follows the layer. Two spatial layers with sizes.
        let mut payload = vec![0b1010_1010, 0x05, 0, 0x09, 0b0011_0000];
        payload.extend([320u16, 180, 640, 360].iter().flat_map(|n| n.to_be_bytes()));
        let packet = Vp9Packet::parse(&payload).unwrap();
        assert!(packet.starts_keyframe());
        assert_eq!(packet.size, Some((640, 360)));
        for cut in 1..payload.len() {
            assert_eq!(Vp9Packet::parse(&payload[..cut]), None, "{cut} bytes");
        }
    }

    #[test]
    fn a_fourth_reference_is_malformed() {
        assert_eq!(Vp9Packet::parse(&[0b0101_0000, 1, 1, 1, 0]), None);
    }
}
