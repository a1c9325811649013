//! Video with its spatial layers in one stream: VP9 with the lower layers needed by the higher (`L3T1`), and AV1 with
//! layers that need each other in key frames alone (`L3T1_KEY`), told by dependency descriptors.

use super::client::{BYTES, Frame, PACKETS, Source};
use convo_sfu::forward::dd::Descriptor;
use std::time::Instant;
use str0m::{
    format::Codec,
    media::Pt,
    rtp::{ExtensionValues, RtpWrite},
};

const LAYERS: u8 = 3;

/// The packets of a source's next picture.
pub fn picture(source: &mut Source, pt: Pt, now: Instant) -> Vec<RtpWrite> {
    let keyframe = std::mem::take(&mut source.wants_key[0]);
    let mut writes = vec![];
    for layer in 0..LAYERS {
        let packets = PACKETS[usize::from(layer)] * if keyframe { 3 } else { 1 };
        for packet in 0..packets {
            source.seq[0] += 1;
            let picture_id = (source.number & 0x7fff) as u16;
            let frame = Frame { layer, number: source.number, keyframe, packet, packets, picture_id };
            let mut extensions = ExtensionValues::default();
            let payload = match source.codec() {
                Codec::Vp9 => vp9(frame),
                _ => {
                    extensions.user_values.set(Descriptor(descriptor(frame).into()));
                    av1(frame)
                }
            };
            let last = layer + 1 == LAYERS && packet + 1 == packets;
            let write = RtpWrite::new(pt, source.seq[0].into(), source.number * 3000, now, payload);
            writes.push(write.marker(last).ext_vals(extensions).nackable(true));
        }
    }
    writes
}

/// RFC 9628: picture id of 15 bits, not flexible, the layer and TL0PICIDX; then our own numbers.
fn vp9(frame: Frame) -> Vec<u8> {
    let Frame { layer, number, keyframe, packet, packets, picture_id } = frame;
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    let flags = 0xa0 | flag(!keyframe, 0x40) | flag(packet == 0, 8) | flag(packet + 1 == packets, 4);
    let id = (0x8000 | picture_id).to_be_bytes();
    let descriptor = [flags, id[0], id[1], layer << 1 | u8::from(layer > 0), number as u8];
    frame.numbered(&descriptor, BYTES[usize::from(layer)])
}

/// An aggregation header whose N bit begins a coded video sequence, and one OBU of our own numbers.
fn av1(frame: Frame) -> Vec<u8> {
    let begins = frame.keyframe && frame.layer == 0 && frame.packet == 0;
    frame.numbered(&[0x10 | if begins { 8 } else { 0 }, 0x32, 0, 0, 0], BYTES[usize::from(frame.layer)])
}

/// Each template's indications for the three decode targets, and its reference.
const TEMPLATES: [(u8, &str, Option<u32>); 6] = [
    (0, "SSS", None),
    (0, "S--", Some(3)),
    (1, "-SS", Some(1)),
    (1, "-S-", Some(3)),
    (2, "--S", Some(1)),
    (2, "--S", Some(3)),
];

/// The dependency descriptor (AV1 RTP payload format, appendix A) of a packet.
fn descriptor(frame: Frame) -> Vec<u8> {
    let mut bits = String::new();
    let mut put = |value: u32, width: usize| bits.push_str(&format!("{value:0width$b}"));
    let template = u32::from(frame.layer) * 2 + u32::from(!frame.keyframe);
    put(u32::from(frame.packet == 0), 1);
    put(u32::from(frame.packet + 1 == frame.packets), 1);
    put(template, 6);
    put((frame.number * u32::from(LAYERS) + u32::from(frame.layer)) & 0xffff, 16);
    if frame.keyframe && frame.layer == 0 && frame.packet == 0 {
        put(0b10000, 5);
        put(0, 6);
        put(u32::from(LAYERS) - 1, 5);
        for pair in TEMPLATES.windows(2) {
            put(if pair[0].0 == pair[1].0 { 0 } else { 2 }, 2);
        }
        put(3, 2);
        for indication in TEMPLATES.iter().flat_map(|template| template.1.chars()) {
            put("-DSR".find(indication).expect("one of these") as u32, 2);
        }
        for (.., reference) in TEMPLATES {
            match reference {
                Some(distance) => put(0x20 | (distance - 1) << 1, 6),
                None => put(0, 1),
            }
        }
        put(0, 2); // No chains, of up to three.
        put(0, 1); // No sizes.
    }
    let bits: Vec<u8> = bits.bytes().map(|bit| bit - b'0').collect();
    bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |all, (at, bit)| all | bit << (7 - at))).collect()
}
