//! What RTCP says (RFC 3550, 3611, 4585, 5104; transport-wide feedback: draft-holmer-rmcat-transport-wide-cc-extensions-01),
//! as far as anything is made of it: compounds are read, and feedback is written.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const VERSION: u8 = 2 << 6;
/// The fixed header, and the sender's SSRC behind it.
pub(crate) const HEADER: usize = 4;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;
/// Kinds of feedback: of transport, of payload.
const NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
const PICTURE_LOSS: u8 = 1;
const FULL_INTRA: u8 = 4;
/// Blocks of extended reports (RFC 3611, 4.4 and 4.5).
const REFERENCE_TIME: u8 = 4;
const SINCE_REFERENCE: u8 = 5;
/// The item of a source description that names whose streams belong together.
const CNAME: u8 = 1;
/// Of a reception report.
const BLOCK: usize = 24;
/// A report has room for so many blocks.
pub(crate) const BLOCKS: usize = 31;
/// Transport-wide feedback of one compound that is looked at: it is more than one after a silence.
const FEEDBACK: usize = 8;

/// One thing that a compound says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rtcp<'a> {
    /// At this time of the sender's wall clock (NTP) its stream is at this timestamp.
    SenderInfo {
        ssrc: u32,
        ntp: u64,
        rtp: u32,
    },
    Reception(Reception),
    /// Our time of reference came; the same two fields as in a reception report.
    SinceReference {
        last: u32,
        delay: u32,
    },
    /// Packets did not come: this one, and those behind it whose bit is set.
    Nack {
        ssrc: u32,
        seq: u16,
        behind: u16,
    },
    /// The picture cannot be decoded (PLI, FIR).
    PictureLoss {
        ssrc: u32,
    },
    TransportWide(TransportWide<'a>),
}

/// How a stream of ours comes in there (RFC 3550, 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reception {
    pub(crate) ssrc: u32,
    /// Of 256, since the last report.
    pub(crate) lost: u8,
    /// The middle of the last sender report's NTP time, and how long it was held, in 1/65,536 s. 0: none came.
    pub(crate) last: u32,
    pub(crate) delay: u32,
}

/// Reads a compound up to where it is malformed.
pub(crate) fn read<'a>(mut compound: &'a [u8], mut each: impl FnMut(Rtcp<'a>)) {
    let mut feedback = 0;
    let mut each = |said| {
        feedback += usize::from(matches!(said, Rtcp::TransportWide(_)));
        if feedback <= FEEDBACK || !matches!(said, Rtcp::TransportWide(_)) {
            each(said);
        }
    };
    while let [first, kind, high, low, ..] = *compound {
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        if first & 0xc0 != VERSION || length > compound.len() {
            return;
        }
        let (packet, rest) = compound.split_at(length);
        compound = rest;
        let _ = read_one(kind, first & 0x1f, &packet[HEADER..], &mut each);
    }
}

/// `count`: how many blocks, or which kind of feedback. `None`: it ended too soon.
fn read_one<'a>(kind: u8, count: u8, body: &'a [u8], each: &mut impl FnMut(Rtcp<'a>)) -> Option<()> {
    match (kind, count) {
        (SENDER_REPORT, _) => {
            let ntp = u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?);
            each(Rtcp::SenderInfo { ssrc: word(body, 0)?, ntp, rtp: word(body, 12)? });
            blocks(body.get(24..)?, count).for_each(each);
        }
        (RECEIVER_REPORT, _) => blocks(body.get(4..)?, count).for_each(each),
        (TRANSPORT_FEEDBACK, NACK) => {
            let ssrc = word(body, 4)?;
            let entry = |entry: &[u8]| Rtcp::Nack { ssrc, seq: half(entry, 0), behind: half(entry, 2) };
            body.get(8..)?.chunks_exact(4).map(entry).for_each(each);
        }
        (TRANSPORT_FEEDBACK, TRANSPORT_WIDE) => each(Rtcp::TransportWide(TransportWide::read(body.get(8..)?)?)),
        (PAYLOAD_FEEDBACK, PICTURE_LOSS) => each(Rtcp::PictureLoss { ssrc: word(body, 4)? }),
        (PAYLOAD_FEEDBACK, FULL_INTRA) => {
            let entries = body.get(8..)?.chunks_exact(8).filter_map(|entry| word(entry, 0));
            entries.map(|ssrc| Rtcp::PictureLoss { ssrc }).for_each(each);
        }
        (EXTENDED_REPORT, _) => extended(body.get(4..)?, each)?,
        _ => {}
    }
    Some(())
}

fn blocks<'a>(body: &'a [u8], count: u8) -> impl Iterator<Item = Rtcp<'a>> {
    body.chunks_exact(BLOCK).take(count.into()).filter_map(|block| {
        let (ssrc, last, delay) = (word(block, 0)?, word(block, 16)?, word(block, 20)?);
        Some(Rtcp::Reception(Reception { ssrc, lost: block[4], last, delay }))
    })
}

fn extended<'a>(mut blocks: &'a [u8], each: &mut impl FnMut(Rtcp<'a>)) -> Option<()> {
    while !blocks.is_empty() {
        let length = HEADER + 4 * usize::from(half(blocks.get(..HEADER)?, 2));
        let (block, rest) = blocks.split_at_checked(length)?;
        blocks = rest;
        if block[0] == SINCE_REFERENCE {
            let item = |item: &[u8]| Some(Rtcp::SinceReference { last: word(item, 4)?, delay: word(item, 8)? });
            block[HEADER..].chunks_exact(12).filter_map(item).for_each(&mut *each);
        }
    }
    Some(())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// Of bytes that are known to be there.
fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

// --- transport-wide feedback ---

/// Ticks of arrival times, and of the time that they are counted from.
const TICK: Duration = Duration::from_micros(250);
const TICKS_OF_REFERENCE: u64 = 256;
/// Statuses in a chunk: of a run, of a vector of one bit each, of two bits each.
const RUN: usize = 0x1fff;
const SHORT_VECTOR: usize = 14;
const LONG_VECTOR: usize = 7;

/// When packets arrived that had a transport-wide number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransportWide<'a> {
    first: u16,
    count: u16,
    reference: u32,
    /// Of the feedback itself.
    pub(crate) number: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// What became of a packet, as two bits say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Missing = 0,
    /// One byte of time follows; two.
    Near = 1,
    Far = 2,
}

impl Status {
    fn of(bits: u16) -> Option<Self> {
        match bits {
            0 => Some(Self::Missing),
            1 => Some(Self::Near),
            2 => Some(Self::Far),
            _ => None,
        }
    }
}

impl<'a> TransportWide<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let (head, rest) = body.split_at_checked(8)?;
        let (first, count, reference) = (half(head, 0), half(head, 2), word(head, 4)? >> 8);
        let mut covered = 0;
        let cover = |chunk: &[u8]| {
            covered += Chunk(half(chunk, 0)).len();
            covered
        };
        let chunks = 1 + rest.chunks_exact(2).map(cover).position(|covered| covered >= usize::from(count))?;
        let (chunks, deltas) = rest.split_at(2 * chunks);
        Some(Self { first, count, reference, number: head[7], chunks, deltas })
    }

    /// Number, and the time of arrival since some moment; `None`: it did not arrive. Up to where it is malformed. Losses
    /// before the last `most` packets may be left out: two bytes can tell of 8,191.
    pub(crate) fn arrivals(self, most: usize) -> impl Iterator<Item = (u16, Option<Duration>)> + 'a {
        let (mut deltas, mut ticks) = (self.deltas, i64::from(self.reference) * TICKS_OF_REFERENCE as i64);
        let arrival = move |(offset, status): (usize, Option<Status>)| {
            let bytes = status? as usize;
            let (delta, rest) = deltas.split_at_checked(bytes)?;
            deltas = rest;
            let seq = self.first.wrapping_add(offset as u16);
            ticks += match *delta {
                [near] => i64::from(near),
                [high, low] => i64::from(i16::from_be_bytes([high, low])),
                _ => return Some((seq, None)),
            };
            Some((seq, Some(TICK.saturating_mul(u32::try_from(ticks).unwrap_or_default()))))
        };
        let count = usize::from(self.count);
        self.statuses(count.saturating_sub(most)).take_while(move |(offset, _)| *offset < count).map_while(arrival)
    }

    /// With their places. Of those before `old` only what stands in chunks that have times.
    fn statuses(self, old: usize) -> impl Iterator<Item = (usize, Option<Status>)> + 'a {
        let mut end = 0;
        self.chunks.chunks_exact(2).flat_map(move |chunk| {
            let (chunk, begin) = (Chunk(half(chunk, 0)), end);
            end += chunk.len();
            let first = if chunk.has_times() { begin } else { old.clamp(begin, end) };
            (first..end).map(move |place| (place, chunk.status(place - begin)))
        })
    }
}

/// What became of packets in a row: of a run, or each for itself in one bit or two. The last may say more than there is.
#[derive(Debug, Clone, Copy)]
struct Chunk(u16);

impl Chunk {
    fn len(self) -> usize {
        match self.0 >> 14 {
            0 | 1 => usize::from(self.0) & RUN,
            2 => SHORT_VECTOR,
            _ => LONG_VECTOR,
        }
    }

    /// Whether any of them came.
    fn has_times(self) -> bool {
        match self.0 >> 14 {
            0 | 1 => self.0 >> 13 != 0,
            _ => self.0 << 2 != 0,
        }
    }

    /// `at`: less than there are.
    fn status(self, at: usize) -> Option<Status> {
        let bits = |bits: usize| self.0 >> (SHORT_VECTOR - bits * (at + 1)) & ((1 << bits) - 1);
        Status::of(match self.0 >> 14 {
            0 | 1 => self.0 >> 13,
            2 => bits(1),
            _ => bits(2),
        })
    }
}

/// Writes feedback on the packets from `first` on, as far as one packet of RTCP can say it. `arrivals`: times since any fixed
/// moment. Answers how many it told of.
pub(crate) fn transport_wide(
    out: &mut Vec<u8>,
    (sender, media): (u32, u32),
    (first, number): (u16, u8),
    arrivals: impl Iterator<Item = Option<Duration>> + Clone,
) -> usize {
    /// Fits a datagram whatever they are: three and a half bytes each.
    const STATUSES: usize = 300;
    let ticks = |at: Duration| (at.as_micros() / TICK.as_micros()) as u64;
    let Some(begin) = arrivals.clone().flatten().next() else { return 0 };
    let reference = ticks(begin) / TICKS_OF_REFERENCE;
    let (mut last, mut statuses, mut deltas) = (reference * TICKS_OF_REFERENCE, vec![], vec![]);
    for arrival in arrivals.take(STATUSES) {
        let Some(at) = arrival.map(ticks) else {
            statuses.push(Status::Missing);
            continue;
        };
        let delta = at as i64 - last as i64;
        match (u8::try_from(delta), i16::try_from(delta)) {
            (Ok(near), _) => {
                statuses.push(Status::Near);
                deltas.push(near);
            }
            (_, Ok(far)) => {
                statuses.push(Status::Far);
                deltas.extend_from_slice(&far.to_be_bytes());
            }
            _ => break,
        }
        last = at;
    }
    feedback(out, TRANSPORT_FEEDBACK, TRANSPORT_WIDE, (sender, media), |out| {
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&(statuses.len() as u16).to_be_bytes());
        out.extend_from_slice(&((reference as u32) << 8 | u32::from(number)).to_be_bytes());
        write_chunks(out, &statuses);
        out.extend_from_slice(&deltas);
    });
    statuses.len()
}

fn write_chunks(out: &mut Vec<u8>, mut statuses: &[Status]) {
    while let [first, ..] = statuses {
        let run = statuses.iter().take(RUN).take_while(|status| *status == first).count();
        let pack = |bits: usize, statuses: &[Status]| {
            let places = statuses.iter().enumerate();
            places.fold(0, |chunk, (at, status)| chunk | (*status as u16) << (SHORT_VECTOR - bits * (at + 1)))
        };
        let (chunk, said) = match &statuses[..statuses.len().min(SHORT_VECTOR)] {
            _ if run >= LONG_VECTOR => ((*first as u16) << 13 | run as u16, run),
            near if near.iter().all(|status| *status != Status::Far) => (2 << 14 | pack(1, near), near.len()),
            mixed => {
                let mixed = &mixed[..mixed.len().min(LONG_VECTOR)];
                (3 << 14 | pack(2, mixed), mixed.len())
            }
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        statuses = &statuses[said..];
    }
}

// --- reports ---

/// What was sent so far, and the timestamp of `ntp` (RFC 3550, 6.4.1).
pub(crate) fn sender_report(out: &mut Vec<u8>, ssrc: u32, ntp: u64, [rtp, packets, octets]: [u32; 3]) {
    packet(out, SENDER_REPORT, 0, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&ntp.to_be_bytes());
        [rtp, packets, octets].iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    });
}

/// Whose the streams are (RFC 3550, 6.5). No more than [`BLOCKS`].
pub(crate) fn descriptions<'a>(out: &mut Vec<u8>, sources: impl ExactSizeIterator<Item = (u32, &'a str)>) {
    packet(out, SOURCE_DESCRIPTION, sources.len() as u8, |out| {
        for (ssrc, cname) in sources {
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(&[CNAME, cname.len() as u8]);
            out.extend_from_slice(cname.as_bytes());
            // The end of the items, up to the next word: what comes before is whole words.
            out.resize((out.len() + 1).next_multiple_of(4), 0);
        }
    });
}

/// How a stream comes in here (RFC 3550, 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) ssrc: u32,
    /// Of 256, since the last report; in all, in 24 bits.
    pub(crate) lost: u8,
    pub(crate) lost_in_all: i32,
    pub(crate) newest: u32,
    /// In ticks of the stream's timestamp.
    pub(crate) jitter: u32,
    pub(crate) last: u32,
    pub(crate) delay: u32,
}

/// No more than [`BLOCKS`].
pub(crate) fn receiver_report(out: &mut Vec<u8>, sender: u32, blocks: &[Received]) {
    packet(out, RECEIVER_REPORT, blocks.len() as u8, |out| {
        out.extend_from_slice(&sender.to_be_bytes());
        for block in blocks {
            let lost = u32::from(block.lost) << 24 | block.lost_in_all.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
            for word in [block.ssrc, lost, block.newest, block.jitter, block.last, block.delay] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
    });
}

/// A time of reference, which the other side answers with how long it held it: the round trip where nothing is sent.
pub(crate) fn reference_time(out: &mut Vec<u8>, sender: u32, ntp: u64) {
    packet(out, EXTENDED_REPORT, 0, |out| {
        out.extend_from_slice(&sender.to_be_bytes());
        out.extend_from_slice(&[REFERENCE_TIME, 0, 0, 2]);
        out.extend_from_slice(&ntp.to_be_bytes());
    });
}

// --- feedback ---

/// `missing`: in rising order.
pub(crate) fn nack(out: &mut Vec<u8>, ends: (u32, u32), missing: &[u16]) {
    feedback(out, TRANSPORT_FEEDBACK, NACK, ends, |out| {
        let mut missing = missing.iter().copied().peekable();
        while let Some(seq) = missing.next() {
            let mut behind = 0u16;
            while let Some(next) = missing.next_if(|next| (1..=16).contains(&next.wrapping_sub(seq))) {
                behind |= 1 << (next.wrapping_sub(seq) - 1);
            }
            out.extend_from_slice(&seq.to_be_bytes());
            out.extend_from_slice(&behind.to_be_bytes());
        }
    });
}

pub(crate) fn picture_loss(out: &mut Vec<u8>, ends: (u32, u32)) {
    feedback(out, PAYLOAD_FEEDBACK, PICTURE_LOSS, ends, |_| {});
}

fn feedback(out: &mut Vec<u8>, kind: u8, format: u8, (sender, media): (u32, u32), body: impl FnOnce(&mut Vec<u8>)) {
    packet(out, kind, format, |out| {
        out.extend_from_slice(&sender.to_be_bytes());
        out.extend_from_slice(&media.to_be_bytes());
        body(out);
    });
}

/// A packet with its length; what its body lacks to whole words is padding, which its last byte counts.
fn packet(out: &mut Vec<u8>, kind: u8, count: u8, body: impl FnOnce(&mut Vec<u8>)) {
    const PADDED: u8 = 1 << 5;
    let begin = out.len();
    out.extend_from_slice(&[VERSION | count, kind, 0, 0]);
    body(out);
    let padding = (begin.wrapping_sub(out.len())) % 4;
    if padding > 0 {
        out[begin] |= PADDED;
        out.resize(out.len() + padding - 1, 0);
        out.push(padding as u8);
    }
    let words = ((out.len() - begin) / 4 - 1) as u16;
    out[begin + 2..begin + 4].copy_from_slice(&words.to_be_bytes());
}

// --- time ---

/// From 1900, where NTP begins, to 1970.
const NTP: u64 = 2_208_988_800;
/// A round trip is not longer: the answer is to a report of another time.
const LONGEST: Duration = Duration::from_secs(30);

/// The wall clock: a point of the monotonic one, and the time at it.
pub(crate) type Epoch = (Instant, SystemTime);

/// Seconds since 1900 in 32 bits, and 32 bits of fraction.
pub(crate) fn ntp(epoch: Epoch, now: Instant) -> u64 {
    let since = epoch.1.duration_since(UNIX_EPOCH).unwrap_or_default() + now.saturating_duration_since(epoch.0);
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs() + NTP) << 32 | fraction
}

/// What another's NTP time says. Before 1970: then.
pub(crate) fn wall(ntp: u64) -> SystemTime {
    let nanos = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
    UNIX_EPOCH + Duration::new((ntp >> 32).saturating_sub(NTP), nanos as u32)
}

/// Of the 64 bits of NTP time the middle ones: units of 1/65,536 s.
pub(crate) fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// Of those units.
pub(crate) fn units(time: Duration) -> u32 {
    (time.as_micros() * 65_536 / 1_000_000) as u32
}

/// From a report of ours to its answer, less what the other side held it.
pub(crate) fn round_trip((last, delay): (u32, u32), epoch: Epoch, now: Instant) -> Option<Duration> {
    if last == 0 {
        return None;
    }
    let units = middle(ntp(epoch, now)).wrapping_sub(last).wrapping_sub(delay);
    let rtt = Duration::from_micros(u64::from(units) * 1_000_000 / 65_536);
    (rtt < LONGEST).then_some(rtt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(compound: &[u8]) -> Vec<Rtcp<'_>> {
        let mut heard = vec![];
        read(compound, |said| heard.push(said));
        heard
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = vec![];
        nack(&mut out, (1, 2), &[65_535, 0, 15, 16, 900]);
        picture_loss(&mut out, (1, 3));
        let expected = [
            Rtcp::Nack { ssrc: 2, seq: 65_535, behind: 1 << 15 | 1 },
            Rtcp::Nack { ssrc: 2, seq: 16, behind: 0 },
            Rtcp::Nack { ssrc: 2, seq: 900, behind: 0 },
            Rtcp::PictureLoss { ssrc: 3 },
        ];
        assert_eq!(heard(&out), expected);
    }

    /// Laid out by hand from RFC 3550, 6.4.1 and 6.4.2.
    #[test]
    fn reports_are_as_the_standard_has_them() {
        let block = [[0, 0, 0, 9], [64, 0, 0, 5], [0, 1, 0, 7], [0, 0, 0, 3], [1, 2, 3, 4], [0, 1, 0, 0]].concat();
        let sender = [
            [0x81, 200, 0, 12],
            [0, 0, 0, 5],
            [0, 0, 0, 1],
            [0x80, 0, 0, 0],
            [0, 0, 0, 77],
            [0, 0, 0, 1],
            [0, 0, 0, 2],
        ];
        let reception = Rtcp::Reception(Reception { ssrc: 9, lost: 64, last: 0x0102_0304, delay: 65_536 });
        let told = [Rtcp::SenderInfo { ssrc: 5, ntp: 1 << 32 | 1 << 31, rtp: 77 }, reception];
        assert_eq!(heard(&[sender.concat(), block.clone()].concat()), told);
        let received =
            Received { ssrc: 9, lost: 64, lost_in_all: 5, newest: 65_543, jitter: 3, last: 0x0102_0304, delay: 65_536 };
        let mut out = vec![];
        receiver_report(&mut out, 6, &[received]);
        assert_eq!(out, [vec![0x81, 201, 0, 7, 0, 0, 0, 6], block].concat());
        out.clear();
        receiver_report(&mut out, 6, &[Received { lost_in_all: -1, ..received }]);
        assert_eq!(out[12..16], [64, 0xff, 0xff, 0xff], "more came than were sent");
    }

    /// RFC 3550, 6.4.1 and 6.5.
    #[test]
    fn sender_reports_name_their_streams() {
        let mut out = vec![];
        sender_report(&mut out, 5, 1 << 32 | 1 << 31, [77, 1, 2]);
        descriptions(&mut out, [(5, "abcd"), (6, "efg")].into_iter());
        let report = [0x80, 200, 0, 6, 0, 0, 0, 5, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 77, 0, 0, 0, 1, 0, 0, 0, 2];
        let names = b"\x82\xca\0\x06\0\0\0\x05\x01\x04abcd\0\0\0\0\0\x06\x01\x03efg\0\0\0";
        assert_eq!(out, [&report[..], names].concat());
        assert_eq!(heard(&out), [Rtcp::SenderInfo { ssrc: 5, ntp: 1 << 32 | 1 << 31, rtp: 77 }]);
    }

    /// RFC 3611, 4.4 and 4.5.
    #[test]
    fn a_time_of_reference_and_its_answer() {
        let mut out = vec![];
        reference_time(&mut out, 6, 0x0102_0304_0506_0708);
        assert_eq!(out, [0x80, 207, 0, 4, 0, 0, 0, 6, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
        let other = [0x80, 207, 0, 7, 0, 0, 0, 6, 99, 0, 0, 1, 0, 0, 0, 0];
        let answer = [5, 0, 0, 3, 0, 0, 0, 6, 3, 4, 5, 6, 0, 1, 0, 0];
        assert_eq!(heard(&[&other[..], &answer].concat()), [Rtcp::SinceReference { last: 0x0304_0506, delay: 65_536 }]);
    }

    fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    fn there_and_back(first: u16, arrivals: &[Option<Duration>]) -> Vec<(u16, Option<Duration>)> {
        let mut out = vec![];
        let told = transport_wide(&mut out, (1, 2), (first, 7), arrivals.iter().copied());
        assert_eq!(out.len() % 4, 0);
        let [Rtcp::TransportWide(feedback)] = heard(&out)[..] else { panic!("{out:?}") };
        assert_eq!((feedback.number, usize::from(feedback.count)), (7, told));
        feedback.arrivals(usize::MAX).collect()
    }

    #[test]
    fn times_of_arrival_there_and_back() {
        // A run, a few that are missing, one much later, one before the last.
        let mut arrivals: Vec<_> = (0..40).map(|at| ms(1_000 + at)).collect();
        arrivals.extend([None, ms(1_050), None, ms(3_000), ms(2_990), None, None]);
        arrivals.extend([None; 20]);
        arrivals.push(ms(3_100));
        let numbers = (0..).map(|offset| 65_530u16.wrapping_add(offset));
        assert_eq!(there_and_back(65_530, &arrivals), numbers.zip(arrivals).collect::<Vec<_>>());
    }

    #[test]
    fn feedback_ends_where_a_time_is_too_far_away() {
        let told = there_and_back(5, &[ms(100), ms(101), None, ms(20_000)]);
        assert_eq!(told, [(5, ms(100)), (6, ms(101)), (7, None)]);
        assert_eq!(transport_wide(&mut vec![], (1, 2), (5, 7), [None, None].into_iter()), 0, "nothing came");
    }

    /// Section 3.1 of the draft, with chunks of all three kinds.
    #[test]
    fn transport_wide_feedback_is_as_the_draft_has_it() {
        let head = [0x8f, 205, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 10, 0, 20, 0, 0, 2, 3];
        // Three that came; 14 of one bit each, of which the first and third came; seven of two bits each, of which there are three.
        let chunks = [0x20, 3, 0b1010_1000, 0, 0b1110_0000, 0];
        let deltas = [4, 0, 1, 8, 12, 0, 200, 0, 0, 0];
        let packet = [&head[..], &chunks, &deltas].concat();
        let [Rtcp::TransportWide(feedback)] = heard(&packet)[..] else { panic!("{:?}", heard(&packet)) };
        let at = |ticks: u32| Some(TICK * (512 + ticks));
        let mut expected: Vec<_> = (10..30).map(|seq| (seq, None)).collect();
        for (seq, ticks) in [(10, 4), (11, 4), (12, 5), (13, 13), (15, 25), (27, 225)] {
            expected[seq - 10].1 = at(ticks);
        }
        assert_eq!(feedback.arrivals(usize::MAX).collect::<Vec<_>>(), expected);
    }

    /// Feedback on packets from 0 on.
    fn feedback_of(count: u16, chunks: &[u16], deltas: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        feedback(&mut out, TRANSPORT_FEEDBACK, TRANSPORT_WIDE, (1, 2), |out| {
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&count.to_be_bytes());
            out.extend_from_slice(&[0, 0, 0, 7]);
            out.extend(chunks.iter().flat_map(|chunk| chunk.to_be_bytes()));
            out.extend_from_slice(deltas);
        });
        out
    }

    #[test]
    fn of_thousands_that_are_missing_only_the_last_are_looked_at() {
        // Eight runs of 8,191 that did not come, but for the fourth, of which three came, and the one that came last.
        let run = RUN as u16;
        let chunks = [run, run, run, 1 << 13 | 3, run, run, run, run, 2 << 14, 1 << 13 | 1];
        let count = 7 * run + 3 + 14 + 1;
        let packet = feedback_of(count, &chunks, &[4, 4, 4, 4]);
        let [Rtcp::TransportWide(feedback)] = heard(&packet)[..] else { panic!("{:?}", heard(&packet)) };
        let all: Vec<_> = feedback.arrivals(usize::MAX).collect();
        assert_eq!(all.len(), usize::from(count));
        let looked_at: Vec<_> = feedback.arrivals(1_000).collect();
        let early = usize::from(3 * run);
        assert_eq!(looked_at, [&all[early..early + 3], &all[usize::from(count) - 1_000..]].concat());
        assert_eq!(looked_at.last(), Some(&(count - 1, Some(TICK * 16))));
    }

    #[test]
    fn of_much_feedback_in_one_datagram_some_is_looked_at() {
        let one = feedback_of(1, &[1 << 13 | 1], &[4]);
        let mut compound = one.repeat(50);
        picture_loss(&mut compound, (1, 3));
        let heard = heard(&compound);
        assert_eq!(heard.len(), FEEDBACK + 1);
        assert_eq!(heard.last(), Some(&Rtcp::PictureLoss { ssrc: 3 }));
    }

    #[test]
    fn what_ends_too_soon_says_nothing() {
        let mut out = vec![];
        transport_wide(&mut out, (1, 2), (5, 7), [ms(100), ms(101), ms(400)].into_iter());
        receiver_report(&mut out, 1, &[]);
        nack(&mut out, (1, 2), &[3]);
        let whole = heard(&out).len();
        for length in 0..out.len() {
            assert!(heard(&out[..length]).len() < whole);
            // And with a length that says otherwise.
            let mut cut = out[..length].to_vec();
            if let Some(words) = cut.get_mut(3) {
                *words = ((length / 4).max(1) - 1) as u8;
                heard(&cut);
            }
        }
    }

    #[test]
    fn a_round_trip_is_what_is_left_of_the_time_since_the_report() {
        let epoch = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let sent = epoch.0 + Duration::from_secs(3);
        let answer = (middle(ntp(epoch, sent)), units(Duration::from_millis(500)));
        let rtt = round_trip(answer, epoch, sent + Duration::from_millis(580)).unwrap();
        assert!(rtt.abs_diff(Duration::from_millis(80)) < Duration::from_millis(1), "{rtt:?}");
        assert_eq!(round_trip((0, answer.1), epoch, sent), None, "there was no report");
        assert_eq!(round_trip(answer, epoch, sent), None, "it was held for longer than it is old");
    }

    #[test]
    fn the_wall_clock_there_and_back() {
        let epoch = (Instant::now(), UNIX_EPOCH + Duration::from_millis(1_700_000_000_250));
        let apart = wall(ntp(epoch, epoch.0)).duration_since(epoch.1).unwrap_or_else(|before| before.duration());
        assert!(apart < Duration::from_nanos(2), "{apart:?}");
        assert_eq!(wall(0), UNIX_EPOCH);
    }
}
