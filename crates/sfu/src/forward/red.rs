//! Redundant audio (RFC 2198): each packet carries earlier ones again.
//!
//! Subscribers that take plain Opus get the primary block of each packet, and the redundant ones where a packet was lost:
//! [`RtpMunger`](super::RtpMunger) refuses what it has forwarded already.

use super::bytes::Bytes;

/// A block of a RED packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    pub payload_type: u8,
    /// How many packets before the one that carries it, as senders do it: one block for each of the last packets. 0 is the
    /// primary block.
    pub age: u8,
    /// How many ticks before it.
    pub ts_offset: u16,
    pub payload: &'a [u8],
}

/// More blocks than this are no sensible packet. Senders use one or two redundant ones.
const MAX_REDUNDANT: usize = 8;

/// A RED payload's blocks.
#[derive(Debug, Clone, Copy)]
pub struct Red<'a> {
    redundant: [Option<Block<'a>>; MAX_REDUNDANT],
    pub primary: Block<'a>,
}

impl<'a> Red<'a> {
    /// `None` if a block is cut short, or there are too many.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut headers = Bytes(payload);
        let mut count = 0;
        while *headers.0.first()? & 0x80 != 0 {
            headers.take(4)?;
            count += 1;
        }
        if count > MAX_REDUNDANT {
            return None;
        }
        let primary_type = headers.u8()?;
        let (mut headers, mut data) = (Bytes(payload), headers);
        let mut redundant = [None; MAX_REDUNDANT];
        for (index, block) in redundant.iter_mut().take(count).enumerate() {
            let (payload_type, rest) = (headers.u8()? & 0x7f, headers.u8()?);
            let low = headers.u16()?;
            let len = low & 0x3ff;
            *block = Some(Block {
                payload_type,
                age: (count - index) as u8,
                ts_offset: u16::from(rest) << 6 | low >> 10,
                payload: data.take(len.into())?,
            });
        }
        let primary = Block { payload_type: primary_type, age: 0, ts_offset: 0, payload: data.0 };
        Some(Self { redundant, primary })
    }

    /// The blocks that repeat earlier packets, the oldest first; an empty one repeats nothing.
    pub fn redundant(&self) -> impl Iterator<Item = Block<'a>> {
        self.redundant.into_iter().flatten().filter(|block| !block.payload.is_empty())
    }
}

/// Makes RED of plain Opus, once for all subscribers that take it.
#[derive(Debug, Default)]
pub struct RedEncoder {
    /// The last packets, the newest first.
    last: [Sent; DEPTH],
}

/// Two earlier packets ride along: two lost in a row are not heard.
const DEPTH: usize = 2;

#[derive(Debug, Default)]
struct Sent {
    seq: u64,
    ts: u32,
    payload: Vec<u8>,
}

impl RedEncoder {
    /// Appends to `out` the RED payload for an Opus packet, whose type in RED is `payload_type`. `max` is the most that the
    /// payload may become; earlier packets stay away where they do not fit.
    pub fn encode(&mut self, seq: u64, ts: u32, payload_type: u8, payload: &[u8], max: usize, out: &mut Vec<u8>) {
        let mut room = max.saturating_sub(payload.len() + 1);
        let mut carried = 0;
        for (index, sent) in self.last.iter().enumerate() {
            let offset = ts.wrapping_sub(sent.ts);
            let follows = sent.seq + index as u64 + 1 == seq && !sent.payload.is_empty();
            let fits = offset < 1 << 14 && sent.payload.len() < 1 << 10 && sent.payload.len() + 4 <= room;
            if !(follows && fits) {
                break;
            }
            room -= sent.payload.len() + 4;
            carried = index + 1;
        }
        let carried = self.last[..carried].iter().rev();
        for sent in carried.clone() {
            let low = (ts.wrapping_sub(sent.ts) << 10 | sent.payload.len() as u32) & 0xff_ffff;
            out.extend_from_slice(&(u32::from(0x80 | payload_type) << 24 | low).to_be_bytes());
        }
        out.push(payload_type & 0x7f);
        carried.for_each(|sent| out.extend_from_slice(&sent.payload));
        out.extend_from_slice(payload);
        self.remember(seq, ts, payload);
    }

    /// Late packets are not remembered: what follows them in number has gone out.
    fn remember(&mut self, seq: u64, ts: u32, payload: &[u8]) {
        if seq <= self.last[0].seq && !self.last[0].payload.is_empty() {
            return;
        }
        self.last.rotate_right(1);
        let newest = &mut self.last[0];
        (newest.seq, newest.ts) = (seq, ts);
        newest.payload.clear();
        newest.payload.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(encoder: &mut RedEncoder, seq: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        encoder.encode(seq, seq as u32 * 960, 111, payload, 1200, &mut out);
        out
    }

    #[test]
    fn there_and_back() {
        let mut encoder = RedEncoder::default();
        assert_eq!(encode(&mut encoder, 7, b"one"), b"\x6fone");
        encode(&mut encoder, 8, b"two!");
        let bytes = encode(&mut encoder, 9, b"three");
        let red = Red::parse(&bytes).unwrap();
        assert_eq!(red.primary, Block { payload_type: 111, age: 0, ts_offset: 0, payload: b"three" });
        let old = Block { payload_type: 111, age: 2, ts_offset: 1920, payload: b"one" };
        let older: Vec<_> = red.redundant().collect();
        assert_eq!(older, [old, Block { age: 1, ts_offset: 960, payload: b"two!", ..old }]);
    }

    #[test]
    fn only_neighbours_ride_along() {
        let mut encoder = RedEncoder::default();
        encode(&mut encoder, 7, b"one");
        encode(&mut encoder, 9, b"three");
        let bytes = encode(&mut encoder, 10, b"four");
        let ages: Vec<u8> = Red::parse(&bytes).unwrap().redundant().map(|block| block.age).collect();
        assert_eq!(ages, [1], "8 is missing, so 7 has no place");
        assert_eq!(encode(&mut encoder, 8, b"two"), b"\x6ftwo", "a late one");
        assert_eq!(Red::parse(&encode(&mut encoder, 11, b"five")).unwrap().redundant().count(), 2);
    }

    #[test]
    fn what_does_not_fit_stays_away() {
        let mut encoder = RedEncoder::default();
        encode(&mut encoder, 1, &[1; 1023]);
        assert_eq!(encode(&mut encoder, 2, &[2; 100]).len(), 101 + 4 + 1023);
        assert_eq!(encode(&mut encoder, 3, &[3; 100]).len(), 101 + 4 + 100, "the oldest has no room");
        encode(&mut encoder, 4, &[4; 1024]);
        assert_eq!(encode(&mut encoder, 5, &[5; 10]).len(), 11, "too long for its length field");
    }

    #[test]
    fn malformed_packets_are_refused() {
        assert!(Red::parse(&[]).is_none());
        assert!(Red::parse(&[0x80 | 111, 0, 0, 1]).is_none(), "no primary header");
        assert!(Red::parse(&[0x80 | 111, 0, 0, 9, 111, 1]).is_none(), "shorter than it says");
        let many: Vec<u8> = [0x80 | 111, 0, 0, 0].repeat(9).into_iter().chain([111, 5]).collect();
        assert!(Red::parse(&many).is_none());
        assert_eq!(Red::parse(&many[4..]).unwrap().redundant().count(), 0, "empty blocks repeat nothing");
        assert_eq!(Red::parse(&[111]).unwrap().primary.payload, b"");
    }
}
