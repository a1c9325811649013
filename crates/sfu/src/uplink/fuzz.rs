//! What a client may send once its keys are known: any packets and compounds. They are read or refused, none is handed on
//! twice, and what is said of them can be read.

use super::*;
use crate::{
    downlink::Downlink,
    io::Route,
    outbox::{Last, Outbox, Way},
};
use std::{collections::HashSet, time::SystemTime};
use str0m::net::Protocol;

/// Few enough that none is forgotten.
const SSRCS: u8 = 8;
const MAIN: u8 = 96;

/// Chunks of `[what, length, bytes…]`: packets of RTP without their SRTP, and compounds of RTCP.
pub(crate) fn media(mut data: &[u8]) {
    let (epoch, slot) = ((Instant::now(), SystemTime::now()), keys::Slot::default());
    let (mut uplink, mut now) = (uplink(slot.clone(), epoch), epoch.0);
    let mut downlink = Downlink::new(slot, epoch, now, 1_000_000);
    let (mut given, mut last, mut out) = (HashSet::new(), Last::default(), Outbox::default());
    let nobody = ([192, 0, 2, 1], 9).into();
    let route = Route { proto: Protocol::Udp, source: nobody, destination: nobody };
    while let [what, length, rest @ ..] = data {
        let (bytes, tail) = rest.split_at(usize::from(*length).min(rest.len()));
        data = tail;
        now += Duration::from_millis(u64::from(what >> 2));
        if what & 1 > 0 {
            uplink.on_compound(now, bytes, |said| {
                let _ = downlink.on_rtcp(now, said, &mut Way { route, last: &mut last, out: &mut out });
            });
        } else if let Some(packet) = packet(&mut uplink, now, bytes) {
            assert!(given.insert((packet.ssrc, packet.seq)), "a packet was given twice");
        }
        if what & 2 > 0 {
            uplink.request_keyframe("0".into(), None);
            for compound in uplink.compounds(now) {
                let mut said = 0;
                rtcp::read(&compound, |_| said += 1);
                // A reference of time is the other side's to read; nothing else leaves unsaid.
                assert!(said > 0 || compound.get(1) == Some(&201), "{compound:?}");
                assert!(compound.len() < 1_200 && compound.len() % 4 == 0);
            }
            assert!(uplink.due().is_none_or(|due| due > now), "what was due is still due");
        }
    }
}

fn packet(uplink: &mut Uplink, now: Instant, bytes: &[u8]) -> Option<Packet> {
    let mut bytes = bytes.to_vec();
    let ssrc = bytes.get_mut(8..12)?;
    ssrc.copy_from_slice(&[0, 0, 0, ssrc[3] % SSRCS]);
    let header = Header::read(&bytes)?;
    let found = uplink.find(header.head)?;
    let payload = unpadded(&bytes[header.length..], header.head.padding)?.into();
    uplink.opened(now, &header, bytes.len(), found, payload)
}

/// One line, a payload type and the one that repeats it, and two SSRCs that are known before.
pub(super) fn uplink(slot: keys::Slot, epoch: rtcp::Epoch) -> Uplink {
    let mut uplink = Uplink::new(slot, 77.into(), epoch, epoch.0);
    let kind = Type { clock_rate: 90_000, asks: true, repairs: None };
    uplink.types[usize::from(MAIN)] = Some(kind);
    uplink.types[usize::from(MAIN) + 1] = Some(Type { repairs: Some(MAIN.into()), ..kind });
    uplink.ids = Ids::of(&str0m::rtp::ExtensionMap::standard());
    uplink.mids.push("0".into());
    for (ssrc, role) in [(1, Role::Media), (2, Role::Repair)] {
        uplink.announced.push((ssrc, Place { mid: "0".into(), rid: None, role }));
    }
    uplink
}

/// One on which a packet came.
#[cfg(test)]
pub(crate) fn uplink_with_a_packet(now: Instant) -> Uplink {
    let mut uplink = uplink(keys::Slot::default(), (now, SystemTime::now()));
    let packet = packet(&mut uplink, now, &[128, MAIN, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7]);
    assert!(packet.is_some());
    uplink
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::write_header;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..400)) {
            media(&data);
        }

        /// Packets that are well formed, in any order, with gaps and repeats.
        #[test]
        fn any_packets(packets in prop::collection::vec((any::<u8>(), 0..4u8, 0..2u8, any::<u8>(), 0..9u8), 0..200)) {
            let mut data = vec![];
            for (what, ssrc, repeats, seq, length) in packets {
                let head = Head {
                    pt: MAIN + repeats,
                    marker: false,
                    padding: false,
                    seq: u16::from(seq) << (length % 3 * 4),
                    timestamp: 0,
                    ssrc: ssrc.into(),
                };
                let ids = Ids::of(&str0m::rtp::ExtensionMap::standard());
                let mut packet = vec![];
                write_header(&mut packet, head, "0".into(), ids, seq.into(), &Extensions::default());
                packet.extend(std::iter::repeat_n(seq, length.into()));
                data.extend_from_slice(&[what & !1, packet.len() as u8]);
                data.extend(packet);
            }
            media(&data);
        }
    }
}
