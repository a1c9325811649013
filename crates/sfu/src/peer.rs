//! One peer connection: the only file that touches str0m.
//!
//! str0m's rule is that each mutation of an `Rtc` is followed by polling it dry. Here that is [`Peer::drain`]: whoever
//! changes a peer marks it (see [`crate::wake`]) or drains it at once; packets may be queued many at a time before.

use crate::{
    config::Config,
    forward::dd::{self, DescriptorExtension},
    io::{Datagram, Output, Transmit},
};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::OnceLock,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, PacerReason, Reason, Rtc, RtcError,
    bwe::Bitrate,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    config::DtlsCert,
    format::PayloadParams,
    media::{Direction, KeyframeRequestKind, MediaKind, Mid, Rid},
    net::{Protocol, Receive},
    rtp::{Extension, RtpWrite, Ssrc},
};

/// Bytes of `ice-ufrag` and `ice-pwd` that we choose: 48 and 144 bits (RFC 8445, 5.3 asks for 24 and 128).
const UFRAG: usize = 8;
const PASSWORD: usize = 24;
/// How soon the pacer looks again after the last packet that was written, as long as it does not probe: as often as it
/// would without any.
const PACER_IDLE: Duration = Duration::from_millis(40);
/// How often str0m sums up what a peer sent and received.
const STATS: Duration = Duration::from_secs(2);
/// Sender reports: the sooner the first, the sooner receivers can play sound and picture together.
const REPORTS: Duration = Duration::from_millis(1000);
/// Packets that can still be sent again, each about half a kilobyte beside its payload, which all subscribers share. A
/// second of video at 5 Mbit/s, and of sound: what comes later, nobody waits for.
const RESEND_VIDEO: usize = 512;
const RESEND_AUDIO: usize = 64;
/// Ids on which we begin to offer header extensions; a client's offer renumbers them.
const DESCRIPTOR_ID: u8 = 12;

/// The data channels of LiveKit's protocol, by label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Reliable,
    Lossy,
    DataTrack,
}

impl Lane {
    pub(crate) const ALL: [Lane; 3] = [Lane::Reliable, Lane::Lossy, Lane::DataTrack];

    /// Protocol 18 fixes the SCTP streams of the three; nothing is then said in-band.
    fn stream(self) -> u16 {
        match self {
            Lane::Reliable => 100,
            Lane::Lossy => 101,
            Lane::DataTrack => 102,
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Lane::Reliable => "_reliable",
            Lane::Lossy => "_lossy",
            Lane::DataTrack => "_data_track",
        }
    }

    fn of(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.label() == label)
    }

    fn config(self) -> ChannelConfig {
        let (ordered, reliability) = match self {
            Lane::Reliable => (true, Reliability::Reliable),
            Lane::Lossy | Lane::DataTrack => (false, Reliability::MaxRetransmits { retransmits: 0 }),
        };
        ChannelConfig { label: self.label().into(), ordered, reliability, ..Default::default() }
    }
}

/// What a peer connection reports.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    Connected,
    /// ICE found no way any more, or DTLS ended.
    Gone,
    ChannelOpen(Lane),
    Data {
        lane: Lane,
        bytes: Vec<u8>,
    },
    Packet(Box<str0m::rtp::RtpPacket>),
    /// The remote side wants a key frame of what we send on this line.
    KeyframeRequest(Mid),
    /// What the link takes.
    Estimate(Bitrate),
    Stats(str0m::stats::PeerStats),
}

pub(crate) struct Peer {
    rtc: Rtc,
    channels: [Option<ChannelId>; 3],
    pending: Option<SdpPendingOffer>,
    connected: bool,
    dead: bool,
    /// Packets written that str0m's pacer has not let go yet, as far as can be told from outside.
    unsent: usize,
    /// Its pacer sends padding between, or instead of, what is written: to find out what the link takes.
    probing: bool,
    /// What time str0m was told last.
    now: Instant,
    /// When str0m wants to be called, and whether that is on the timer heap.
    pub(crate) deadline: Instant,
    pub(crate) scheduled: Option<Instant>,
    pub(crate) dirty: bool,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("connected", &self.connected).field("dead", &self.dead).finish()
    }
}

/// One certificate a process: clients pin its fingerprint through signalling, and a key takes a millisecond.
fn certificate() -> DtlsCert {
    static CERTIFICATE: OnceLock<DtlsCert> = OnceLock::new();
    CERTIFICATE
        .get_or_init(|| {
            let provider = str0m::crypto::from_feature_flags();
            provider.dtls_provider.generate_certificate().expect("a fresh key can sign itself")
        })
        .clone()
}

impl Peer {
    /// `sends`: media goes to the client on this connection, so its downlink is estimated and paced.
    pub(crate) fn new(config: &Config, sends: bool, now: Instant) -> Self {
        let mut builder = Rtc::builder()
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_dtls_cert(certificate())
            .set_local_ice_credentials(credentials(config))
            .set_stats_interval(Some(STATS))
            .set_rtcp_report_interval_audio(REPORTS)
            .set_rtcp_report_interval_video(REPORTS)
            .set_send_buffer_audio(RESEND_AUDIO)
            .set_send_buffer_video(RESEND_VIDEO)
            .enable_opus(true, true)
            .enable_pcmu(true, false)
            .enable_pcma(true, false)
            .set_extension(DESCRIPTOR_ID, Extension::with_serializer(dd::URI, DescriptorExtension));
        if sends {
            builder = builder.enable_bwe(Some(Bitrate::bps(config.initial_downlink)));
        }
        let mut rtc = builder.build(now);
        // An address that is told under several is bound once.
        let mut bound: Vec<_> = config.addresses.iter().map(|a| (a.proto, a.bound)).collect();
        bound.dedup();
        for (proto, address) in bound {
            let candidate = match proto {
                Protocol::Tcp => Candidate::builder().tcp().host(address).tcptype(str0m::net::TcpType::Passive).build(),
                _ => Candidate::host(address, proto),
            };
            match candidate {
                Ok(candidate) => drop(rtc.add_local_candidate(candidate)),
                Err(error) => tracing::warn!(%error, %address, "no ICE candidate"),
            }
        }
        let (channels, deadline) = ([None; 3], now);
        Self {
            rtc,
            channels,
            pending: None,
            connected: false,
            dead: false,
            unsent: 0,
            probing: false,
            now,
            deadline,
            scheduled: None,
            dirty: false,
        }
    }

    /// The data channels are there from the start, without a word in-band (protocol 18).
    pub(crate) fn open_channels(&mut self) {
        for lane in Lane::ALL {
            let config = ChannelConfig { negotiated: Some(lane.stream()), ..lane.config() };
            self.channels[lane as usize] = Some(self.rtc.direct_api().create_data_channel(config));
        }
    }

    /// Our `ice-ufrag`: what STUN requests to this peer name first.
    pub(crate) fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    // --- negotiation (RFC 3264) ---

    pub(crate) fn accept_offer(&mut self, text: &str) -> Result<String, RtcError> {
        let offer = SdpOffer::from_sdp_string(text)?;
        self.pending = None;
        Ok(self.rtc.sdp_api().accept_offer(offer)?.to_sdp_string())
    }

    pub(crate) fn accept_answer(&mut self, text: &str) -> Result<(), RtcError> {
        let answer = SdpAnswer::from_sdp_string(text)?;
        match self.pending.take() {
            Some(pending) => self.rtc.sdp_api().accept_answer(pending, answer),
            None => Ok(()),
        }
    }

    /// The answer to the last offer will not come.
    pub(crate) fn forget_offer(&mut self) {
        self.pending = None;
    }

    /// Whether an offer of ours waits for its answer.
    pub(crate) fn offering(&self) -> bool {
        self.pending.is_some()
    }

    /// An offer of ours with these changes: lines to add (kind, stream id, track id), lines to end. `None` when nothing
    /// needs the other side.
    pub(crate) fn offer(&mut self, change: OfferChange<'_>) -> Option<(String, Vec<Mid>)> {
        let mut sdp = self.rtc.sdp_api();
        if change.channels && self.channels.iter().all(Option::is_none) {
            for lane in Lane::ALL {
                self.channels[lane as usize] = Some(sdp.add_channel_with_config(lane.config()));
            }
        }
        let add = |(kind, stream, track): &(MediaKind, String, String)| {
            sdp.add_media(*kind, Direction::SendOnly, Some(stream.clone()), Some(track.clone()), None)
        };
        let mids = change.add.iter().map(add).collect();
        for mid in change.end {
            sdp.stop_media(*mid);
        }
        if change.ice_restart {
            sdp.ice_restart(true);
        }
        let (offer, pending) = sdp.apply()?;
        self.pending = Some(pending);
        Some((offer.to_sdp_string(), mids))
    }

    pub(crate) fn add_remote_candidate(&mut self, candidate: &str) {
        if let Ok(candidate) = Candidate::from_sdp_string(candidate) {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    /// The line gets a new SSRC: receivers take what follows for another track, not for the rest of the last.
    ///
    /// The stream is made anew. str0m 0.25 would look a reset one up by its old SSRC, and so hear no request for a packet
    /// or a key frame any more.
    pub(crate) fn renew_stream(&mut self, mid: Mid) {
        let mut direct = self.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(mid, None) else { return };
        let (old, has_rtx) = (stream.ssrc(), stream.rtx().is_some());
        direct.remove_stream_tx(old);
        let (ssrc, rtx) = (direct.new_ssrc(), direct.new_ssrc());
        direct.declare_stream_tx(ssrc, has_rtx.then_some(rtx), mid, None);
    }

    /// The line, and the simulcast encoding on it, that an SSRC of the client's belongs to.
    pub(crate) fn receiving(&mut self, ssrc: Ssrc) -> Option<(Mid, Option<Rid>)> {
        let mut direct = self.rtc.direct_api();
        direct.stream_rx(&ssrc).map(|stream| (stream.mid(), stream.rid()))
    }

    /// The payload types of the session, as last negotiated.
    pub(crate) fn payloads(&self) -> &[PayloadParams] {
        self.rtc.codec_config().params()
    }

    /// Those that the remote side takes on this line.
    pub(crate) fn accepts_payload(&self, mid: Mid, pt: str0m::media::Pt) -> bool {
        self.rtc.media(mid).is_some_and(|media| media.remote_pts().contains(&pt))
    }

    // --- media and data ---

    /// Queues a packet; it goes out with the next drain.
    pub(crate) fn write(&mut self, mid: Mid, packet: RtpWrite) -> bool {
        match self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            Some(stream) => {
                stream.write_rtp(packet);
                self.unsent += 1;
                true
            }
            None => false,
        }
    }

    pub(crate) fn request_keyframe(&mut self, mid: Mid, rid: Option<Rid>) {
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, rid) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    pub(crate) fn is_open(&mut self, lane: Lane) -> bool {
        self.channels[lane as usize].is_some_and(|id| self.rtc.channel(id).is_some())
    }

    /// Sends on a data channel. `false`: not open, or too much is waiting for a slow client.
    pub(crate) fn send(&mut self, lane: Lane, bytes: &[u8]) -> bool {
        let Some(id) = self.channels[lane as usize] else { return false };
        let Some(mut channel) = self.rtc.channel(id) else { return false };
        channel.write(true, bytes).unwrap_or(false)
    }

    /// Bytes that wait on a data channel.
    pub(crate) fn waiting(&mut self, lane: Lane) -> usize {
        let id = self.channels[lane as usize];
        id.and_then(|id| self.rtc.channel(id)).map_or(0, |mut channel| channel.buffered_amount())
    }

    /// What this peer would send if nothing held it back, for probing.
    pub(crate) fn set_desired_bitrate(&mut self, minimum: u64, desired: u64) {
        self.rtc.bwe().set_bitrate(Bitrate::bps(minimum), Bitrate::bps(desired));
    }

    /// Ends DTLS, and with it all that runs over it.
    pub(crate) fn hang_up(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        let _ = self.rtc.close();
        self.advance(now);
        self.drain(&mut vec![], out);
    }

    // --- the run loop ---

    pub(crate) fn receive(&mut self, now: Instant, datagram: &Datagram<'_>) {
        let Datagram { proto, source, destination, contents } = *datagram;
        let Ok(receive) = Receive::new(proto, source, destination, contents) else { return };
        self.now = now;
        if let Err(error) = self.rtc.handle_input(Input::Receive(now, receive)) {
            tracing::debug!(%error, "a datagram was refused");
        }
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = now;
        if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
            tracing::debug!(%error, "a peer connection failed");
            self.dead = true;
        }
    }

    /// Polls until there is nothing more at `now`.
    ///
    /// str0m's pacer lets one packet go for each time it is told the time, and asks to be told the next microsecond. It
    /// is told here, so that packets that may go together do; and when the last one that was written is out, it waits
    /// until there is something again.
    pub(crate) fn drain(&mut self, events: &mut Vec<PeerEvent>, out: &mut VecDeque<Output>) {
        let wrote = self.unsent > 0;
        let mut sent = false;
        loop {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Transmit(t)) => {
                    if is_rtp(&t.contents) {
                        self.unsent = self.unsent.saturating_sub(1);
                        sent = self.unsent == 0;
                        if self.unsent > 0 {
                            // Without the look at all else that a poll in vain is.
                            self.advance(self.now);
                        }
                    }
                    out.push_back(Output::Transmit(Transmit {
                        proto: t.proto,
                        source: t.source,
                        destination: t.destination,
                        contents: t.contents.into(),
                    }));
                }
                Ok(str0m::Output::Event(event)) => self.on_event(event, events),
                Ok(str0m::Output::Timeout(at)) => {
                    self.deadline = at;
                    let reason = self.rtc.last_timeout_reason();
                    match reason {
                        // It has no queue to look at: what was not sent was not for sending.
                        Reason::Pacer(PacerReason::Handle) => self.unsent = 0,
                        Reason::Pacer(PacerReason::Immediate) if wrote && self.unsent == 0 && !self.probing => {
                            self.deadline = self.now + PACER_IDLE;
                        }
                        Reason::Pacer(PacerReason::Immediate) if std::mem::take(&mut sent) => {
                            self.advance(self.now);
                            continue;
                        }
                        Reason::Pacer(PacerReason::Immediate) => {}
                        _ => self.probing = is_probing(reason),
                    }
                    break;
                }
                Err(error) => {
                    tracing::debug!(%error, "a peer connection failed");
                    self.dead = true;
                    events.push(PeerEvent::Gone);
                    break;
                }
            }
        }
    }

    fn on_event(&mut self, event: Event, events: &mut Vec<PeerEvent>) {
        use str0m::{IceConnectionState, bwe::BweKind};
        events.push(match event {
            Event::RtpPacket(packet) => PeerEvent::Packet(Box::new(packet)),
            Event::Connected => {
                self.connected = true;
                PeerEvent::Connected
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) | Event::Closed => PeerEvent::Gone,
            Event::ChannelOpen(id, label) => match Lane::of(&label) {
                Some(lane) => {
                    self.channels[lane as usize] = Some(id);
                    PeerEvent::ChannelOpen(lane)
                }
                None => return,
            },
            Event::ChannelData(data) => match self.lane_of(data.id) {
                Some(lane) => PeerEvent::Data { lane, bytes: data.data },
                None => return,
            },
            Event::KeyframeRequest(request) => PeerEvent::KeyframeRequest(request.mid),
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. } | BweKind::Remb { estimate, .. }) => {
                PeerEvent::Estimate(estimate)
            }
            Event::PeerStats(stats) => PeerEvent::Stats(stats),
            _ => return,
        });
    }

    fn lane_of(&self, id: ChannelId) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| self.channels[*lane as usize] == Some(id))
    }
}

/// Changes of an offer of ours.
#[derive(Debug, Default)]
pub(crate) struct OfferChange<'a> {
    /// Opens the data channels, if they are not.
    pub(crate) channels: bool,
    pub(crate) add: &'a [(MediaKind, String, String)],
    pub(crate) end: &'a [Mid],
    pub(crate) ice_restart: bool,
}

fn credentials(config: &Config) -> str0m::IceCreds {
    str0m::IceCreds {
        ufrag: format!("{}{}", config.ufrag_prefix, crate::id::random(UFRAG)),
        pass: crate::id::random(PASSWORD),
    }
}

/// The `USERNAME`'s first part (ours) of a STUN binding request (RFC 8445, 7.2.2), to know whom it is for.
pub(crate) fn stun_ufrag(datagram: &[u8]) -> Option<&str> {
    const HEADER: usize = 20;
    const USERNAME: u16 = 0x0006;
    const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let head = datagram.get(..HEADER)?;
    if head[0] & 0xc0 != 0 || head[4..8] != MAGIC {
        return None;
    }
    let mut rest = &datagram[HEADER..];
    while let [k0, k1, l0, l1, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = tail.get(..length)?;
        if u16::from_be_bytes([*k0, *k1]) == USERNAME {
            return std::str::from_utf8(value).ok()?.split(':').next();
        }
        rest = tail.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn is_probing(reason: Reason) -> bool {
    matches!(reason, Reason::Pacer(PacerReason::Probe1 | PacerReason::Probe2 | PacerReason::Padding))
}

/// RTP and not RTCP (RFC 7983, and RFC 5761 for the payload types).
fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, kind, ..] if !(192..=223).contains(kind))
}

/// Whether a client may be known by this datagram's address alone: everything but STUN (RFC 7983).
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| *byte < 4)
}

/// Where a peer's datagrams come from, once ICE has checked it.
pub(crate) type Source = (Protocol, SocketAddr);
