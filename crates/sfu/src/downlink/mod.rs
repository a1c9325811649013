//! The sending side of a peer connection: packets of media on their way to one subscriber.
//!
//! str0m does what a connection is made of: ICE, DTLS, descriptions and data channels. Media go past it: a packet that is
//! forwarded to hundreds must not cost each of them a walk over all that a connection is.
//!
//! | module | question it answers |
//! | --- | --- |
//! | [`packet`] | What is sent to one subscriber? |
//! | [`line`] | What was sent on a stream, and what can be sent again? |
//! | [`budget`] | How much of it is? |
//! | [`report`] | What do sender reports say? |
//! | [`crate::forward::pacer`] | When may it leave? |
//! | [`crate::forward::congestion`] | What does the link take? |

mod budget;
mod line;
mod packet;
mod report;

pub(crate) use packet::Packet;

use crate::{
    forward::{
        congestion::{Cluster, Estimator, REMEMBERED, Report},
        pacer::Pacer,
    },
    outbox::Way,
    rtcp::{self, Reception, Rtcp, TransportWide},
    rtp::{Extensions, HEADER, Head, Ids, write_header},
    srtp::{Sealer, keys},
};
use budget::Budget;
use line::{Line, Rtx};
use std::time::{Duration, Instant};
use str0m::{Rtc, media::Mid};

/// Sender reports: the sooner the first, the sooner receivers can play sound and picture together.
const REPORTS: Duration = Duration::from_millis(1000);
/// After the last picture, sound is numbered for transport-wide feedback for so long.
const LINGER: Duration = Duration::from_secs(3);
/// Padding of a packet: the most that its count has room for (RFC 3550, 5.1).
const PADDING: usize = 255;

/// What feedback told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The link takes so many bits per second.
    Estimate(u64),
    /// Pictures of this line cannot be decoded.
    KeyframeRequest(Mid),
}

/// What waits for its turn.
#[derive(Debug)]
enum Waiting {
    Packet(Mid, Packet),
    /// What was asked for again.
    Again(u32, u16),
}

#[derive(Debug)]
pub(crate) struct Downlink {
    keys: keys::Slot,
    sealer: Option<Sealer>,
    lines: Vec<Line>,
    epoch: rtcp::Epoch,
    /// Of the packet that is sent next, for transport-wide feedback.
    transport: u16,
    /// When a picture was written last, and whether any would be if the link took it.
    pictures: Option<Instant>,
    pictures_wanted: bool,
    pacer: Pacer<Waiting>,
    estimator: Estimator,
    told: Option<u64>,
    again: Budget,
    rtt: Option<Duration>,
    /// What receivers reported, for links without transport-wide feedback.
    loss: Option<f32>,
    /// When the next reports are due; none before the first packet.
    report_at: Option<Instant>,
    /// A header, and a payload with another head, are put together here.
    header: Vec<u8>,
    scratch: Vec<u8>,
}

impl Downlink {
    /// `keys`: where those of the connection will be. `initial`: bits per second that its link is taken to have.
    pub(crate) fn new(keys: keys::Slot, epoch: rtcp::Epoch, now: Instant, initial: u64) -> Self {
        Self {
            keys,
            sealer: None,
            lines: vec![],
            epoch,
            transport: 0,
            pictures: None,
            pictures_wanted: false,
            pacer: Pacer::new(now, initial),
            estimator: Estimator::new(now, initial),
            told: None,
            again: Budget::new(now),
            rtt: None,
            loss: None,
            report_at: None,
            header: vec![],
            scratch: vec![],
        }
    }

    // --- descriptions ---

    /// str0m is shown the streams while it reads and writes descriptions, and has none in between: it would report on them.
    pub(crate) fn lend(&self, rtc: &mut Rtc) {
        for line in &self.lines {
            if rtc.media(line.mid).is_some() {
                let rtx = line.rtx.as_ref().map(|rtx| rtx.ssrc.into());
                rtc.direct_api().declare_stream_tx(line.ssrc.into(), rtx, line.mid, None);
            }
        }
    }

    /// Takes the streams back, and those that are new on these lines.
    pub(crate) fn take(&mut self, rtc: &mut Rtc, mids: impl Iterator<Item = Mid>) {
        let known: Vec<Mid> = self.lines.iter().map(|line| line.mid).collect();
        for mid in known.into_iter().chain(mids) {
            let mut direct = rtc.direct_api();
            let Some(stream) = direct.stream_tx_by_mid(mid, None) else { continue };
            let (ssrc, rtx) = (stream.ssrc(), stream.rtx().map(|rtx| *rtx));
            direct.remove_stream_tx(ssrc);
            let Some(media) = rtc.media(mid) else { continue };
            let ids = Ids::of(media.remote_extmap());
            match self.lines.iter_mut().find(|line| line.mid == mid) {
                Some(line) => line.ids = ids,
                None => self.lines.push(Line::new(mid, ids, *ssrc, rtx, media.cname().to_owned())),
            }
        }
    }

    /// The line gets a new SSRC: receivers take what follows for another track, not for the rest of the last.
    pub(crate) fn renew(&mut self, rtc: &mut Rtc, mid: Mid) {
        self.pacer.retain(|waiting| !matches!(waiting, Waiting::Packet(of, _) if *of == mid));
        let Some(line) = self.lines.iter_mut().find(|line| line.mid == mid) else { return };
        let direct = rtc.direct_api();
        let rtx = line.rtx.is_some().then(|| *direct.new_ssrc());
        *line = Line::new(mid, line.ids, *direct.new_ssrc(), rtx, std::mem::take(&mut line.cname));
    }

    // --- sending ---

    /// Whether packets can be sealed. Those before are not to be written: a receiver learns of the rollover counter by what it
    /// gets.
    pub(crate) fn is_open(&mut self) -> bool {
        if self.sealer.is_none() {
            self.sealer = self.keys.get().and_then(Sealer::new);
        }
        self.sealer.is_some()
    }

    /// Sends a packet or, if it is paced, queues it until its turn comes.
    pub(crate) fn write(&mut self, now: Instant, mid: Mid, packet: Packet, paced: bool, way: &mut Way<'_>) {
        let bytes = packet.payload.len() + HEADER;
        if paced {
            self.pictures = Some(now);
        }
        match paced && !self.pacer.admits(now) {
            true => self.pacer.queue(Waiting::Packet(mid, packet), bytes),
            false => self.send(now, mid, packet, way),
        }
    }

    /// What is due at `now`: packets whose turn it is, probes, reports.
    pub(crate) fn advance(&mut self, now: Instant, way: &mut Way<'_>) {
        if !self.is_open() {
            return;
        }
        while let Some(waiting) = self.pacer.release(now) {
            match waiting {
                Waiting::Packet(mid, packet) => self.send(now, mid, packet, way),
                Waiting::Again(ssrc, seq) => self.send_again(now, ssrc, seq, way),
            }
        }
        self.probe(now, way);
        if self.report_at.is_some_and(|at| now >= at) {
            self.report(now, way);
        }
    }

    fn probe(&mut self, now: Instant, way: &mut Way<'_>) {
        if self.is_steered(now)
            && self.lines.iter().any(|line| line.ids.transport > 0)
            && let Some(Cluster { packets }) = self.estimator.probe(now)
        {
            self.send_padding(now, packets, way);
        }
    }

    /// When to call [`Self::advance`].
    pub(crate) fn due(&self) -> Option<Instant> {
        self.pacer.due().into_iter().chain(self.report_at).min()
    }

    fn send(&mut self, now: Instant, mid: Mid, packet: Packet, way: &mut Way<'_>) {
        let Some(index) = self.lines.iter().position(|line| line.mid == mid) else { return };
        let line = &mut self.lines[index];
        let Packet { pt, marker, timestamp, seq, .. } = packet;
        let head = Head { pt, marker, padding: false, seq: seq as u16, timestamp, ssrc: line.ssrc };
        if line.sent.is_none() {
            debug_assert!(seq < 1 << 16, "who gets the first packet takes the rollover counter to be 0");
            self.report_at = Some(now);
        }
        line.note(&packet);
        self.seal(now, index, (head, seq), &packet, &[], way);
        self.lines[index].keep(packet);
    }

    /// RFC 4588: on a stream of its own, the number of before leads the payload.
    fn send_again(&mut self, now: Instant, ssrc: u32, seq: u16, way: &mut Way<'_>) {
        let Some(index) = self.lines.iter().position(|line| line.ssrc == ssrc) else { return };
        let line = &mut self.lines[index];
        let Some(packet) = line.kept(seq).cloned() else { return };
        let (Some(Rtx { ssrc, seq: own, .. }), Some(pt)) = (&mut line.rtx, packet.resend) else { return };
        let (ssrc, number) = (*ssrc, *own);
        *own += 1;
        let head =
            Head { pt, marker: packet.marker, padding: false, seq: number as u16, timestamp: packet.timestamp, ssrc };
        self.seal(now, index, (head, number), &packet, &seq.to_be_bytes(), way);
    }

    /// Seals a packet where it leaves from; `lead` comes before the payload.
    fn seal(
        &mut self,
        now: Instant,
        line: usize,
        (head, seq): (Head, u64),
        packet: &Packet,
        lead: &[u8],
        way: &mut Way<'_>,
    ) {
        let steered = self.is_steered(now);
        let Self { sealer: Some(sealer), lines, header, scratch, .. } = self else { return };
        let Line { mid, mut ids, .. } = lines[line];
        if !steered {
            ids.transport = 0;
        }
        header.clear();
        write_header(header, head, mid, ids, self.transport, &packet.extensions);
        let payload = match (&packet.head, lead) {
            (None, []) => &packet.payload[..],
            (patched, _) => {
                let patched = patched.as_ref().map_or(&[][..], |patched| patched.bytes());
                scratch.clear();
                scratch.extend_from_slice(lead);
                scratch.extend_from_slice(patched);
                scratch.extend_from_slice(&packet.payload[patched.len()..]);
                scratch
            }
        };
        let bytes = header.len() + payload.len() + sealer.tag();
        sealer.rtp(way.room(bytes), header, (head.ssrc, seq), payload);
        self.left(now, bytes, ids, false);
    }

    fn left(&mut self, now: Instant, bytes: usize, ids: Ids, probing: bool) {
        self.pacer.left(bytes);
        if ids.transport > 0 {
            self.estimator.on_sent(now, self.transport, bytes, probing);
            self.transport = self.transport.wrapping_add(1);
        }
    }

    /// To find out whether the link takes more: packets of nothing, on a stream for what is sent again.
    fn send_padding(&mut self, now: Instant, packets: u32, way: &mut Way<'_>) {
        let mut lines = self.lines.iter_mut().filter(|line| line.ids.transport > 0);
        let found = lines.find_map(|line| {
            let (timestamp, mid, ids) = (line.sent?.timestamp, line.mid, line.ids);
            let rtx = line.rtx.as_mut()?;
            Some((rtx.pt?, timestamp, mid, ids, rtx))
        });
        let Some((pt, timestamp, mid, ids, rtx)) = found else { return };
        let (ssrc, first) = (rtx.ssrc, rtx.seq);
        rtx.seq += u64::from(packets);
        let mut padding = [0; PADDING];
        padding[PADDING - 1] = PADDING as u8;
        for seq in first..first + u64::from(packets) {
            let Self { sealer: Some(sealer), header, .. } = self else { return };
            let head = Head { pt, marker: false, padding: true, seq: seq as u16, timestamp, ssrc };
            header.clear();
            write_header(header, head, mid, ids, self.transport, &Extensions::default());
            let bytes = header.len() + PADDING + sealer.tag();
            sealer.rtp(way.room(bytes), header, (ssrc, seq), &padding);
            self.left(now, bytes, ids, true);
        }
    }

    fn report(&mut self, now: Instant, way: &mut Way<'_>) {
        self.report_at = Some(now + REPORTS);
        self.lines.iter_mut().for_each(|line| line.tidy(now));
        let Some(sealer) = &mut self.sealer else { return };
        for compound in report::compounds(&self.lines, self.epoch, now) {
            way.say(&sealer.rtcp(&compound));
        }
    }

    // --- feedback ---

    /// What the other side says of what is sent. What it comes to is answered.
    pub(crate) fn on_rtcp(&mut self, now: Instant, said: Rtcp<'_>, way: &mut Way<'_>) -> Option<Told> {
        match said {
            Rtcp::TransportWide(feedback) => return self.on_feedback(now, feedback, way),
            Rtcp::PictureLoss { ssrc } => return self.mid_of(ssrc).map(Told::KeyframeRequest),
            Rtcp::Nack { ssrc, seq, behind } => {
                let line = self.lines.iter().position(|line| line.ssrc == ssrc)?;
                let behind = (0..16).filter(|bit| behind & 1 << bit != 0).map(|bit| bit + 1);
                for offset in std::iter::once(0).chain(behind) {
                    self.on_missing(now, line, seq.wrapping_add(offset), way);
                }
            }
            Rtcp::Reception(report) => self.on_report(now, report),
            Rtcp::SenderInfo { .. } | Rtcp::SinceReference { .. } => {}
        }
        None
    }

    /// Whether the SSRC is one that reports are from.
    pub(crate) fn sends(&self, ssrc: u32) -> bool {
        self.mid_of(ssrc).is_some()
    }

    fn mid_of(&self, ssrc: u32) -> Option<Mid> {
        self.lines.iter().find(|line| line.ssrc == ssrc).map(|line| line.mid)
    }

    fn on_missing(&mut self, now: Instant, line: usize, seq: u16, way: &mut Way<'_>) {
        let (line, rtt) = (&mut self.lines[line], self.rtt.unwrap_or_default());
        let Some(bytes) = line.ask_again(now, seq, rtt) else { return };
        let ssrc = line.ssrc;
        let bytes = bytes + HEADER;
        if !self.again.takes(now, bytes, self.estimator.estimate()) {
            return;
        }
        match self.pacer.admits(now) {
            true => self.send_again(now, ssrc, seq, way),
            false => self.pacer.queue_first(Waiting::Again(ssrc, seq), bytes),
        }
    }

    fn on_report(&mut self, now: Instant, report: Reception) {
        if self.mid_of(report.ssrc).is_some() {
            self.rtt = rtcp::round_trip((report.last, report.delay), self.epoch, now).or(self.rtt);
            let loss = f32::from(report.lost) / 256.0;
            self.loss = Some(self.loss.map_or(loss, |before| before.max(loss)));
        }
    }

    /// Transport-wide. A new estimate, if it is one.
    fn on_feedback(&mut self, now: Instant, feedback: TransportWide<'_>, way: &mut Way<'_>) -> Option<Told> {
        let micros = |at: Duration| at.as_micros() as u64;
        let reports = feedback.arrivals(REMEMBERED).map(|(seq, at)| Report { seq, arrived: at.map(micros) });
        self.estimator.on_feedback(now, feedback.number, reports);
        let estimate = self.estimator.estimate();
        self.pacer.set_estimate(now, estimate);
        self.probe(now, way);
        (self.told.replace(estimate) != Some(estimate)).then_some(Told::Estimate(estimate))
    }

    /// What pictures, and all else that is sent, would take, in bits per second.
    pub(crate) fn set_desired(&mut self, pictures: u64, other: u64) {
        self.pictures_wanted = pictures > 0;
        self.estimator.set_desired(pictures + other);
    }

    /// Whether anything is made of what the link takes. Of sound alone nothing is: it cannot become less, and its listeners need
    /// not answer ten times a second.
    fn is_steered(&self, now: Instant) -> bool {
        self.pictures_wanted || self.pictures.is_some_and(|at| now < at + LINGER)
    }

    /// The fraction of packets lost, since it was asked last.
    pub(crate) fn take_loss(&mut self) -> Option<f32> {
        let reported = self.loss.take();
        self.estimator.take_loss().or(reported)
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}
