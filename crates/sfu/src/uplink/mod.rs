//! The receiving side of a peer connection: what one publisher sends.
//!
//! As in [`crate::downlink`], str0m does what a connection is made of, and media go past it: a packet that comes is opened,
//! counted and handed on without a walk over all that a connection is.
//!
//! | module | question it answers |
//! | --- | --- |
//! | [`window`] | Did this packet come before? |
//! | [`stream`] | What came on a stream, and what of it is missing? |
//! | [`arrivals`] | When did packets arrive? |

mod arrivals;
pub(crate) mod fuzz;
mod stream;
mod window;

use crate::{
    forward::SenderReport,
    rtcp::{self, Rtcp},
    rtp::{Extensions, Head, Header, Ids},
    srtp::{Opener, Sealer, keys},
};
use arrivals::Arrivals;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use str0m::{
    Rtc,
    media::{Mid, Pt, Rid},
    rtp::Ssrc,
};
use stream::{Place, Role, Stream};
use window::Window;

/// Receiver reports.
const REPORTS: Duration = Duration::from_secs(1);
/// Streams of one connection, and senders of RTCP: a client has as many as it has encodings, twice. The one used longest ago
/// makes place for another.
const STREAMS: usize = 128;
/// Of padding that belongs to no stream: libwebrtc asks with it what the link takes, before there is media.
const PROBE: u32 = 0;
/// Payload types.
const TYPES: usize = 128;

/// A packet of media, opened.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) ssrc: u32,
    pub(crate) pt: Pt,
    /// Extended.
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) extensions: Extensions,
    /// What the sender said last of this stream and the wall clock.
    pub(crate) report: Option<SenderReport>,
    pub(crate) payload: Arc<[u8]>,
}

/// What a payload type is.
#[derive(Debug, Clone, Copy)]
struct Type {
    clock_rate: u32,
    /// Packets of it that are lost are asked for.
    asks: bool,
    /// It carries another one's packets again (RFC 4588).
    repairs: Option<Pt>,
}

#[derive(Debug)]
pub(crate) struct Uplink {
    keys: keys::Slot,
    srtp: Option<(Opener, Sealer)>,
    epoch: rtcp::Epoch,
    /// Who feedback is from: of nothing else that is sent on the connection.
    pub(crate) ssrc: u32,
    ids: Ids,
    types: Box<[Option<Type>; TYPES]>,
    mids: Vec<Mid>,
    /// SSRCs that descriptions name.
    announced: Vec<(u32, Place)>,
    streams: Vec<Stream>,
    /// Of the compounds that came, by sender.
    senders: Vec<(u32, Window)>,
    arrivals: Arrivals,
    /// Streams whose picture is wanted anew.
    pictures: Vec<u32>,
    rtt: Option<Duration>,
    /// When the next receiver reports are due; none before the first packet.
    report_at: Option<Instant>,
}

impl Uplink {
    /// `keys`: where those of the connection will be.
    pub(crate) fn new(keys: keys::Slot, ssrc: Ssrc, epoch: rtcp::Epoch, now: Instant) -> Self {
        Self {
            keys,
            srtp: None,
            epoch,
            ssrc: *ssrc,
            ids: Ids::default(),
            types: Box::new([None; TYPES]),
            mids: vec![],
            announced: vec![],
            streams: vec![],
            senders: vec![],
            arrivals: Arrivals::new(now),
            pictures: vec![],
            rtt: None,
            report_at: None,
        }
    }

    // --- descriptions ---

    /// After a description of the client's: what it says of the streams, of which str0m is to have none: it would report on them.
    pub(crate) fn take(&mut self, rtc: &mut Rtc, description: &str) {
        self.learn_types(rtc);
        for section in crate::sdp::sections(description).skip(1) {
            let values = |name| section.lines().filter_map(move |line| line.strip_prefix(name)).map(str::trim_end);
            let Some(mid) = values("a=mid:").next().map(Mid::from) else { continue };
            let Some(media) = rtc.media(mid) else { continue };
            self.ids = Ids::of(media.remote_extmap()).and(self.ids);
            if !self.mids.contains(&mid) {
                self.mids.push(mid);
            }
            let named = values("a=ssrc:").filter_map(|value| value.split(' ').next()?.parse().ok());
            let mut named: Vec<u32> = named.collect();
            named.sort_unstable();
            named.dedup();
            let repairs: Vec<u32> =
                values("a=ssrc-group:FID ").filter_map(|pair| pair.split(' ').nth(1)?.parse().ok()).collect();
            self.announced.retain(|(ssrc, place)| place.mid != mid && !named.contains(ssrc));
            for ssrc in named {
                let role = if repairs.contains(&ssrc) { Role::Repair } else { Role::Media };
                let rid = rtc.direct_api().stream_rx(&ssrc.into()).and_then(|stream| stream.rid());
                self.announced.push((ssrc, Place { mid, rid, role }));
            }
        }
        for (ssrc, _) in &self.announced {
            rtc.direct_api().remove_stream_rx((*ssrc).into());
        }
    }

    fn learn_types(&mut self, rtc: &Rtc) {
        *self.types = [None; TYPES];
        let mut learn = |pt: Pt, learned| {
            if let Some(place) = self.types.get_mut(usize::from(*pt)) {
                *place = Some(learned);
            }
        };
        for payload in rtc.codec_config().params() {
            let clock_rate = payload.spec().clock_rate.get();
            let asks = payload.fb_nack() && payload.resend().is_some();
            let main = Type { clock_rate, asks, repairs: None };
            learn(payload.pt(), main);
            if let Some(red) = payload.red() {
                learn(red, main);
            }
            if let Some(resend) = payload.resend() {
                learn(resend, Type { repairs: Some(payload.pt()), ..main });
            }
        }
    }

    /// The line, and the simulcast encoding on it, that a stream belongs to.
    pub(crate) fn place_of(&self, ssrc: u32) -> Option<(Mid, Option<Rid>)> {
        let place = self.streams.iter().find(|stream| stream.ssrc == ssrc)?.place;
        Some((place.mid, place.rid))
    }

    // --- what comes ---

    fn opener(&mut self) -> Option<&mut Opener> {
        if self.srtp.is_none() {
            let keys = self.keys.get()?;
            self.srtp = Opener::new(keys).zip(Sealer::new(keys));
        }
        self.srtp.as_mut().map(|(opener, _)| opener)
    }

    /// A datagram of SRTP. `None`: it is not authentic, came before, carries nothing, or belongs to no line.
    pub(crate) fn receive(&mut self, now: Instant, datagram: &[u8]) -> Option<Packet> {
        let header = Header::read(datagram)?;
        let (found, seq) = self.find(header.head)?;
        let payload = self.opener()?.rtp(datagram, header.length, header.head.ssrc, seq)?;
        let payload = unpadded(payload, header.head.padding)?.into();
        self.opened(now, &header, datagram.len(), (found, seq), payload)
    }

    /// The stream, if it is known, and the packet's number in full; none, if it came before.
    fn find(&self, head: Head) -> Option<(Option<usize>, u64)> {
        let found = self.streams.iter().position(|stream| stream.ssrc == head.ssrc);
        let seq = found.map_or(Some(head.seq.into()), |at| self.streams[at].extend(head.seq))?;
        Some((found, seq))
    }

    /// A packet that is authentic, of so many bytes.
    fn opened(
        &mut self,
        now: Instant,
        header: &Header<'_>,
        bytes: usize,
        (found, seq): (Option<usize>, u64),
        payload: Arc<[u8]>,
    ) -> Option<Packet> {
        if let Some(number) = header.transport(&self.ids) {
            self.arrivals.note(now, number, bytes);
        }
        if header.head.ssrc == PROBE {
            return None;
        }
        self.report_at.get_or_insert(now);
        let at = match found {
            Some(at) => at,
            None => self.place(now, header)?,
        };
        let Head { pt, marker, timestamp, ssrc, .. } = header.head;
        let extensions = header.extensions(&self.ids);
        self.accept(now, at, Packet { ssrc, pt: pt.into(), seq, timestamp, marker, extensions, report: None, payload })
    }

    /// One of a stream that is known.
    fn accept(&mut self, now: Instant, at: usize, packet: Packet) -> Option<Packet> {
        let stream = &mut self.streams[at];
        let kind = self.types[usize::from(*packet.pt)]?;
        match stream.place.role {
            Role::Media => {
                stream.on_media(now, packet.seq, (packet.timestamp, kind.clock_rate), kind.asks);
                Some(Packet { report: stream.sender_report(), ..packet })
            }
            Role::Repair => {
                stream.take(now, packet.seq);
                let place = Place { role: Role::Media, ..stream.place };
                self.repair(now, place, kind.repairs?, packet)
            }
        }
    }

    /// RFC 4588: the number of before leads the payload.
    fn repair(&mut self, now: Instant, place: Place, pt: Pt, packet: Packet) -> Option<Packet> {
        let (seq, payload) = packet.payload.split_first_chunk::<2>()?;
        let stream = self.streams.iter_mut().rfind(|stream| stream.place == place)?;
        let seq = stream.extend(u16::from_be_bytes(*seq))?;
        stream.on_repaired(now, seq);
        let (ssrc, report) = (stream.ssrc, stream.sender_report());
        Some(Packet { ssrc, pt, seq, report, payload: payload.into(), ..packet })
    }

    /// A stream of which nothing came yet, and where it belongs.
    fn place(&mut self, now: Instant, header: &Header<'_>) -> Option<usize> {
        let ssrc = header.head.ssrc;
        let announced = self.announced.iter().find(|(named, _)| *named == ssrc).map(|(_, place)| *place);
        let said = self.place_said(header);
        let place = said.filter(|place| place.rid.is_some()).or(announced).or(said)?;
        // Of two at one place, the one that came last is it.
        self.streams.iter_mut().filter(|stream| stream.place == place).for_each(Stream::retire);
        if self.streams.len() >= STREAMS {
            let oldest = self.streams.iter().enumerate().min_by_key(|(_, stream)| stream.used)?.0;
            self.streams.remove(oldest);
        }
        self.streams.push(Stream::new(ssrc, place, now));
        Some(self.streams.len() - 1)
    }

    /// Where a packet says that it belongs. Without simulcast its type tells what it is.
    fn place_said(&self, header: &Header<'_>) -> Option<Place> {
        let (mid, rid, repaired) = header.place(&self.ids);
        let mid = mid.filter(|mid| self.mids.contains(mid))?;
        let kind = self.types[usize::from(header.head.pt)]?;
        let role = match (rid, repaired, kind.repairs) {
            (Some(_), ..) | (None, None, None) => Role::Media,
            (None, Some(_), _) | (None, None, Some(_)) => Role::Repair,
        };
        Some(Place { mid, rid: rid.or(repaired), role })
    }

    /// A datagram of SRTCP. What it says of what we send is told.
    pub(crate) fn receive_rtcp(&mut self, now: Instant, datagram: &[u8], tell: impl FnMut(Rtcp<'_>)) {
        let Some((compound, index)) = self.opener().and_then(|opener| opener.rtcp(datagram)) else { return };
        // Its owner goes on to change: RTCP is seldom.
        let compound = compound.to_vec();
        let [_, _, _, _, s0, s1, s2, s3, ..] = *compound else { return };
        if first_time(&mut self.senders, u32::from_be_bytes([s0, s1, s2, s3]), index.into()) {
            self.on_compound(now, &compound, tell);
        }
    }

    fn on_compound(&mut self, now: Instant, compound: &[u8], mut tell: impl FnMut(Rtcp<'_>)) {
        let Self { streams, epoch, rtt, .. } = self;
        rtcp::read(compound, |said| match said {
            Rtcp::SenderInfo { ssrc, ntp, rtp } => {
                if let Some(stream) = streams.iter_mut().find(|stream| stream.ssrc == ssrc) {
                    stream.on_sender_report(now, ntp, rtp);
                }
            }
            Rtcp::SinceReference { last, delay } => *rtt = rtcp::round_trip((last, delay), *epoch, now).or(*rtt),
            said => tell(said),
        });
    }

    // --- what is said ---

    /// The encoding's next packet is to begin a picture.
    pub(crate) fn request_keyframe(&mut self, mid: Mid, rid: Option<Rid>) {
        let place = Place { mid, rid, role: Role::Media };
        if let Some(stream) = self.streams.iter().rfind(|stream| stream.place == place)
            && !self.pictures.contains(&stream.ssrc)
        {
            self.pictures.push(stream.ssrc);
        }
    }

    /// When to call [`Self::feedback`]; a request for a picture waits for nothing.
    pub(crate) fn due(&self) -> Option<Instant> {
        let asks = self.streams.iter().filter_map(Stream::ask_at);
        asks.chain(self.arrivals.due()).chain(self.report_at).min()
    }

    /// What is due at `now`, sealed.
    pub(crate) fn feedback(&mut self, now: Instant, send: impl FnMut(Vec<u8>)) {
        if self.pictures.is_empty() && self.due().is_none_or(|due| now < due) {
            return;
        }
        let compounds = self.compounds(now);
        if let Some((_, sealer)) = &mut self.srtp {
            compounds.iter().map(|compound| sealer.rtcp(compound)).for_each(send);
        }
    }

    fn compounds(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let (mut compounds, mut asks) = (vec![], vec![]);
        for stream in &mut self.streams {
            let missing = stream.ask(now, self.rtt);
            if !missing.is_empty() {
                rtcp::nack(&mut asks, (self.ssrc, stream.ssrc), &missing);
            }
        }
        self.pictures.drain(..).for_each(|picture| rtcp::picture_loss(&mut asks, (self.ssrc, picture)));
        if !asks.is_empty() {
            compounds.push(asks);
        }
        let of = self.streams.first().map_or(0, |stream| stream.ssrc);
        self.arrivals.report(now, (self.ssrc, of), |feedback| compounds.push(feedback.to_vec()));
        if self.report_at.is_some_and(|at| now >= at) {
            self.report_at = Some(now + REPORTS);
            let blocks: Vec<_> = self.streams.iter_mut().filter_map(|stream| stream.received(now)).collect();
            for blocks in blocks.chunks(rtcp::BLOCKS) {
                let mut report = vec![];
                rtcp::receiver_report(&mut report, self.ssrc, blocks);
                rtcp::reference_time(&mut report, self.ssrc, rtcp::ntp(self.epoch, now));
                compounds.push(report);
            }
        }
        compounds
    }

    /// The fraction of packets lost, since it was asked last.
    pub(crate) fn take_loss(&mut self) -> Option<f32> {
        self.arrivals.take_loss()
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}

/// Without the padding that its last byte counts (RFC 3550, 5.1).
fn unpadded(payload: &[u8], padded: bool) -> Option<&[u8]> {
    let padding = if padded { usize::from(*payload.last()?) } else { 0 };
    payload.get(..payload.len().checked_sub(padding)?)
}

/// Whether a sender's compound of this number did not come before (RFC 3711, 3.3.2).
fn first_time(senders: &mut Vec<(u32, Window)>, sender: u32, index: u64) -> bool {
    let found = senders.iter_mut().find(|(known, _)| *known == sender);
    let window = match found {
        Some((_, window)) => window,
        None => {
            if senders.len() >= STREAMS {
                senders.remove(0);
            }
            senders.push((sender, Window::new(index)));
            &mut senders.last_mut().expect("it was put there").1
        }
    };
    let fresh = window.awaits(index);
    if fresh {
        window.take(index);
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compound_is_heard_once_of_each_sender() {
        let mut senders = vec![];
        assert!(first_time(&mut senders, 1, 5) && first_time(&mut senders, 2, 5));
        assert!(!first_time(&mut senders, 1, 5) && first_time(&mut senders, 1, 4));
        assert!(first_time(&mut senders, 1, 6) && !first_time(&mut senders, 1, 4));
        (10..10 + STREAMS as u32).for_each(|sender| assert!(first_time(&mut senders, sender, 1)));
        assert_eq!(senders.len(), STREAMS);
    }

    #[test]
    fn padding_is_taken_off() {
        assert_eq!(unpadded(&[1, 2, 3], false), Some(&[1, 2, 3][..]));
        assert_eq!(unpadded(&[1, 0, 2], true), Some(&[1][..]));
        assert_eq!((unpadded(&[9, 4], true), unpadded(&[], true)), (None, None), "more than there is");
    }

    #[test]
    fn who_takes_the_place_of_a_stream_gets_its_repairs_and_requests() {
        let now = Instant::now();
        let mut uplink = fuzz::uplink(keys::Slot::default(), (now, std::time::SystemTime::now()));
        let mut come = |ssrc: u32, pt, seq, payload: &[u8]| {
            let head = Head { pt, marker: false, padding: false, seq, timestamp: 0, ssrc };
            let mut bytes = vec![];
            crate::rtp::write_header(&mut bytes, head, "0".into(), uplink.ids, 0, &Extensions::default());
            let header = Header::read(&bytes)?;
            let found = uplink.find(head)?;
            uplink
                .opened(now, &header, payload.len(), found, payload.into())
                .map(|packet| (packet.ssrc, packet.seq, packet.payload))
        };
        assert_eq!(come(1, 96, 10, &[7]), Some((1, 10, [7].into())));
        assert_eq!(come(1, 96, 10, &[7]), None, "a second time");
        assert_eq!(come(2, 97, 1, &[0, 9, 8]), Some((1, 9, [8].into())), "one that was lost");
        assert_eq!(come(2, 97, 2, &[0, 9, 8]), None, "it is here");
        assert_eq!(come(2, 97, 3, &[]), None, "padding");
        assert_eq!(come(3, 96, 500, &[6]), Some((3, 500, [6].into())));
        assert_eq!(come(2, 97, 4, &[1, 243, 5]), Some((3, 499, [5].into())));
        assert_eq!(come(0, 96, 1, &[]), None, "a probe takes nobody's place");
        assert_eq!(come(2, 97, 5, &[1, 242, 4]), Some((3, 498, [4].into())));
        uplink.request_keyframe("0".into(), None);
        assert_eq!(uplink.pictures, [3]);
        assert_eq!(uplink.place_of(3), Some(("0".into(), None)));
    }
}
