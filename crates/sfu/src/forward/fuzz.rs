//! Entry point for fuzzing: any bytes are read or refused, never a panic, and what is told of them holds.

use super::dd::{DdReader, write_active_targets};
use super::keyframe::{Codec, is_keyframe, picture_size};
use super::munger::{Incoming, RtpMunger, SenderReport};
use super::red::{Red, RedEncoder};
use super::svc::{DdSelector, SvcDecision, Vp9Selector};
use super::vp8::{Vp8Munger, Vp8Packet};
use super::vp9::Vp9Packet;
use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

/// Everything here that reads what a client sent.
pub fn fuzz(data: &[u8]) {
    for codec in [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1] {
        is_keyframe(codec, data);
        picture_size(codec, data);
    }
    redundant_audio(data);
    let (len, rest) = data.split_first().unwrap_or((&0, data));
    let packets = || rest.chunks(usize::from(len % 32).max(3));
    vp8(packets());
    vp9(packets());
    dependency_descriptors(packets());
    sequence(data);
}

fn redundant_audio(data: &[u8]) {
    let Some(red) = Red::parse(data) else { return };
    let blocks: usize = red.redundant().map(|block| block.payload.len()).sum();
    assert!(blocks + red.primary.payload.len() < data.len());
    let mut encoder = RedEncoder::default();
    for (seq, block) in red.redundant().chain([red.primary]).enumerate() {
        let mut out = vec![];
        encoder.encode(seq as u64, seq as u32 * 960, block.payload_type, block.payload, 1200, &mut out);
        let again = Red::parse(&out).map(|red| red.primary.payload);
        assert_eq!(again, Some(block.payload));
    }
}

fn vp8<'a>(packets: impl Iterator<Item = &'a [u8]>) {
    let mut munger = Vp8Munger::default();
    for (number, packet) in packets.enumerate() {
        let Some(packet) = Vp8Packet::parse(packet) else { continue };
        munger.set_temporal(number as u8 % 3);
        if munger.wants(&packet) {
            assert!(munger.rewrite(number as u32 / 8, &packet).is_some());
        }
    }
}

fn vp9<'a>(packets: impl Iterator<Item = &'a [u8]>) {
    let mut selector = Vp9Selector::default();
    for packet in packets.filter_map(Vp9Packet::parse) {
        selector.select(&packet);
    }
}

fn dependency_descriptors<'a>(packets: impl Iterator<Item = &'a [u8]>) {
    let (mut reader, mut selector) = (DdReader::default(), DdSelector::default());
    for packet in packets {
        let Some(frame) = reader.read(packet) else { continue };
        let Some(structure) = reader.structure() else { continue };
        if let SvcDecision::Forward { active_targets: Some(active), .. } = selector.select(&frame, structure) {
            let mut out = vec![];
            write_active_targets(packet, &frame, active, &mut out);
            let again = reader.read(&out).map(|again| (again.number, again.active_targets));
            assert_eq!(again, Some((frame.number, Some(active))));
        }
    }
}

/// Three bytes a packet: what is done with it, and how far its number and its time are from the last.
fn sequence(data: &[u8]) {
    let mut now = Instant::now();
    let mut munger = RtpMunger::new(90_000, 1);
    let mut given = HashSet::new();
    let (mut seq, mut ts) = (1u64 << 40, 0u32);
    for bytes in data.chunks_exact(3) {
        let (what, step, time) = (bytes[0], bytes[1] as i8, bytes[2]);
        seq = seq.wrapping_add_signed(i64::from(step) << (what >> 4));
        ts = ts.wrapping_add(u32::from(time) << (what >> 3));
        now += Duration::from_millis(time.into());
        let report =
            SenderReport { ntp: SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(time) << (what >> 3)), rtp: ts };
        let packet = Incoming { source: u32::from(what & 1), seq, ts, report: (what & 2 != 0).then_some(report) };
        let outgoing = match what >> 2 & 3 {
            0 => Some(munger.switch(now, &packet)),
            1 => munger.drop(now, &packet),
            _ => munger.forward(now, &packet),
        };
        assert!(outgoing.is_none_or(|outgoing| given.insert(outgoing.seq)), "a number was given twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..400)) {
            fuzz(&data);
        }
    }
}
