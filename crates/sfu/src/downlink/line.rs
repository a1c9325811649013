//! One stream that is sent: an SSRC, what was sent on it, and what of it can be sent again.

use super::packet::Packet;
use crate::rtp::Ids;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use str0m::media::Mid;

/// How long a packet can be sent again, and how many can: a second of video at 5 Mbit/s. What comes later, nobody waits for.
const KEPT_FOR: Duration = Duration::from_secs(1);
const KEPT: usize = 512;
/// The same packet is not sent again sooner: the request may have crossed it. No less than this, and a round trip.
const AGAIN: Duration = Duration::from_millis(10);

/// What was sent longer ago is not asked for again.
const LONGEST: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Line {
    pub(super) mid: Mid,
    pub(super) ids: Ids,
    pub(super) ssrc: u32,
    /// For what is sent again, and its own next sequence number (RFC 4588).
    pub(super) rtx: Option<Rtx>,
    pub(super) cname: String,
    pub(super) sent: Option<Sent>,
    /// By sequence number, the lowest first.
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
pub(super) struct Rtx {
    pub(super) ssrc: u32,
    pub(super) seq: u64,
    /// Known from the first packet on: padding goes on it.
    pub(super) pt: Option<u8>,
}

/// What sender reports tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) packets: u32,
    pub(super) octets: u32,
    pub(super) timestamp: u32,
    pub(super) clock_rate: u32,
    pub(super) captured: Instant,
}

#[derive(Debug)]
struct Kept {
    packet: Packet,
    again: Option<Instant>,
}

impl Line {
    pub(super) fn new(mid: Mid, ids: Ids, ssrc: u32, rtx: Option<u32>, cname: String) -> Self {
        let rtx = rtx.map(|ssrc| Rtx { ssrc, seq: 1, pt: None });
        Self { mid, ids, ssrc, rtx, cname, sent: None, kept: VecDeque::new() }
    }

    /// Counts a packet that is sent now for the first time.
    pub(super) fn note(&mut self, packet: &Packet) {
        let Packet { timestamp, clock_rate, captured, .. } = *packet;
        let before = self.sent.map_or((0, 0), |sent| (sent.packets, sent.octets));
        let octets = before.1.wrapping_add(packet.payload.len() as u32);
        self.sent = Some(Sent { packets: before.0.wrapping_add(1), octets, timestamp, clock_rate, captured });
    }

    /// Keeps it to be sent again.
    pub(super) fn keep(&mut self, packet: Packet) {
        let (Some(rtx), Some(pt)) = (&mut self.rtx, packet.resend) else { return };
        rtx.pt = Some(pt);
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        while self.kept.pop_front_if(|old| packet.captured > old.packet.captured + KEPT_FOR).is_some() {}
        let place = match self.kept.back().is_none_or(|last| last.packet.seq < packet.seq) {
            true => self.kept.len(),
            false => self.kept.partition_point(|kept| kept.packet.seq < packet.seq),
        };
        self.kept.insert(place, Kept { packet, again: None });
    }

    /// Where the packet of that number is, of which a request says the lower bits.
    fn place(&self, seq: u16) -> Option<usize> {
        let last = self.kept.back()?.packet.seq;
        let seq = last.checked_sub(u64::from((last as u16).wrapping_sub(seq)))?;
        self.kept.binary_search_by_key(&seq, |kept| kept.packet.seq).ok()
    }

    /// Bytes of a payload that is to be sent again; none, if it is not there or was just asked for.
    pub(super) fn ask_again(&mut self, now: Instant, seq: u16, rtt: Duration) -> Option<usize> {
        let place = self.place(seq)?;
        let kept = &mut self.kept[place];
        if kept.again.is_some_and(|at| now < at + rtt.max(AGAIN)) {
            return None;
        }
        kept.again = Some(now);
        Some(kept.packet.payload.len())
    }

    pub(super) fn kept(&self, seq: u16) -> Option<&Packet> {
        self.place(seq).map(|place| &self.kept[place].packet)
    }

    /// Nobody asks for what was sent long ago: a line that is not used holds nothing.
    pub(super) fn tidy(&mut self, now: Instant) {
        if self.sent.is_some_and(|sent| now > sent.captured + LONGEST) {
            self.kept = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Extensions;

    fn packet(seq: u64, captured: Instant) -> Packet {
        Packet {
            pt: 96,
            resend: Some(97),
            seq,
            timestamp: 0,
            clock_rate: 90_000,
            captured,
            marker: false,
            extensions: Extensions::default(),
            head: None,
            payload: vec![seq as u8; 100].into(),
        }
    }

    fn line(rtx: Option<u32>, upto: u64, now: Instant) -> Line {
        let mut line = Line::new("0".into(), Ids::default(), 1, rtx, String::new());
        for seq in 1..=upto {
            line.note(&packet(seq, now));
            line.keep(packet(seq, now));
        }
        line
    }

    #[test]
    fn the_last_packets_can_be_sent_again_but_not_twice_within_a_round_trip() {
        let (now, rtt) = (Instant::now(), Duration::from_millis(50));
        // Beyond the 16 bits of a request.
        let upto = 65_536 + 10;
        let mut line = line(Some(2), upto, now);
        assert_eq!(line.ask_again(now, 10, rtt), Some(100));
        assert_eq!(line.kept(10).unwrap().seq, upto);
        assert_eq!(line.ask_again(now + rtt / 2, 10, rtt), None, "the request crossed the answer");
        assert_eq!(line.ask_again(now + rtt, 10, rtt), Some(100));
        let oldest = (upto - KEPT as u64 + 1) as u16;
        assert_eq!(line.ask_again(now, oldest, rtt), Some(100));
        assert_eq!(line.ask_again(now, oldest - 1, rtt), None, "there are that many");
        assert_eq!(line.ask_again(now, 11, rtt), None, "it was not sent yet");
    }

    #[test]
    fn what_is_old_is_kept_no_longer_and_order_does_not_matter() {
        let (start, rtt) = (Instant::now(), Duration::ZERO);
        let mut line = line(Some(2), 0, start);
        for seq in [1, 2, 5, 3, 6, 4] {
            line.keep(packet(seq, start + KEPT_FOR.mul_f64(seq as f64 / 4.0)));
        }
        let kept = |line: &Line| (0..9).filter(|seq| line.kept(*seq).is_some()).collect::<Vec<_>>();
        assert_eq!(kept(&line), [2, 3, 4, 5, 6]);
        assert_eq!([2, 4, 7].map(|seq| line.ask_again(start, seq, rtt)), [Some(100), Some(100), None]);
        line.keep(packet(7, start + KEPT_FOR * 4));
        assert_eq!(kept(&line), [7]);
    }

    #[test]
    fn nothing_is_kept_that_could_not_be_sent_again() {
        let now = Instant::now();
        assert!(line(None, 3, now).kept(2).is_none(), "without a stream for it");
        let mut line = line(Some(2), 3, now);
        line.tidy(now + LONGEST);
        assert!(line.kept(2).is_some());
        line.tidy(now + LONGEST * 2);
        assert!(line.kept(2).is_none());
    }
}
