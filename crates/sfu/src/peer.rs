//! One peer connection: what str0m does of it, and beside it [`crate::uplink`] and [`crate::downlink`], on which media come and leave.
//!
//! str0m's rule is that each mutation of an `Rtc` is followed by polling it dry. Here that is [`Peer::drain`]: whoever
//! changes a peer marks it (see [`crate::wake`]) or drains it at once; packets may be queued many at a time before.

use crate::{
    config::Config,
    downlink::{Downlink, Packet, Told},
    forward::dd::{self, DescriptorExtension},
    io::{Datagram, Route},
    outbox::{Last, Outbox, Way},
    rtp, sdp,
    srtp::keys,
    stun, uplink,
    uplink::Uplink,
};
use std::{
    net::SocketAddr,
    sync::OnceLock,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, IceCreds, Input, Rtc, RtcError,
    bwe::Bitrate,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    config::DtlsCert,
    format::PayloadParams,
    media::{Direction, MediaKind, Mid, Rid},
    net::{Protocol, Receive},
    rtp::Extension,
};

/// Media is not sent for longer to an address from which nothing authentic comes: clients say every few seconds that they consent
/// (RFC 7675, 5.1), and the agent, which is lite, does not ask them.
const SILENCE: Duration = Duration::from_secs(15);
/// Bytes of `ice-ufrag` and `ice-pwd` that we choose: 48 and 144 bits (RFC 8445, 5.3 asks for 24 and 128).
const UFRAG: usize = 8;
const PASSWORD: usize = 24;
/// How often it is summed up what a peer sent and received.
const STATS: Duration = Duration::from_secs(2);
/// Ids on which we begin to offer header extensions; a client's offer renumbers them.
const DESCRIPTOR_ID: u8 = 12;
/// Bytes that wait for one slow subscriber on a lossy lane before newer packets are dropped.
const LOSSY_BACKLOG: usize = 128 << 10;
/// Bytes that wait on the reliable lane before the subscriber is taken for lost.
const RELIABLE_BACKLOG: usize = 8 << 20;

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

    /// Bytes that may wait on it, those on their way included.
    fn backlog(self) -> usize {
        match self {
            Lane::Reliable => RELIABLE_BACKLOG,
            Lane::Lossy | Lane::DataTrack => LOSSY_BACKLOG,
        }
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
    /// After a silence the client is heard again where media is sent to.
    Back,
    ChannelOpen(Lane),
    Data {
        lane: Lane,
        bytes: Vec<u8>,
    },
    Packet(uplink::Packet),
    /// The remote side wants a key frame of what we send on this line.
    KeyframeRequest(Mid),
    /// What the link takes.
    Estimate(Bitrate),
    Stats(Stats),
}

/// How the connection is, since it was said last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stats {
    pub(crate) rtt: Option<Duration>,
    /// Fractions of the packets that were lost: of those that come, and of those that are sent. `None`: there were none.
    pub(crate) up: Option<f32>,
    pub(crate) down: Option<f32>,
}

pub(crate) struct Peer {
    rtc: Box<Rtc>,
    channels: [Option<ChannelId>; 3],
    /// An offer of ours that waits for its answer, and the ICE credentials that it tells if ICE restarts.
    pending: Option<(SdpPendingOffer, Option<IceCreds>)>,
    /// An offer of ours was answered.
    described: bool,
    /// What our `ice-ufrag` begins with.
    ufrag_prefix: String,
    connected: bool,
    dead: bool,
    /// Where ICE has found a way.
    route: Option<Route>,
    /// When something authentic came from there last, and whether that is too long ago to send media. What is said of the client's own
    /// media is little, and goes on.
    heard: Instant,
    silent: bool,
    /// What was said on it last.
    last: Last,
    uplink: Uplink,
    /// Of a connection on which media goes to the client.
    downlink: Option<Box<Downlink>>,
    /// Who sent a request last that says to send media there (USE-CANDIDATE).
    nominating: Option<Source>,
    /// From where a STUN request came that str0m answered.
    pub(crate) answered: Option<Source>,
    /// What time str0m was told last.
    now: Instant,
    /// When str0m wants to be called.
    due: Instant,
    /// When it is summed up again; never, until it is connected.
    stats_at: Option<Instant>,
    /// What time is on the timer heap.
    pub(crate) scheduled: Option<Instant>,
    /// It is on the list of those to advance.
    pub(crate) dirty: bool,
    /// str0m was told something.
    pub(crate) touched: bool,
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
        let builder = Rtc::builder()
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_dtls_cert(certificate())
            .set_local_ice_credentials(credentials(&config.ufrag_prefix))
            .enable_opus(true, true)
            .enable_pcmu(true, false)
            .enable_pcma(true, false)
            // One bound for all lanes together: so much that no lane takes another's share.
            .set_sctp_max_buffered_amount(Lane::ALL.into_iter().map(Lane::backlog).sum())
            .set_extension(DESCRIPTOR_ID, Extension::with_serializer(dd::URI, DescriptorExtension));
        let (mut rtc, keys) = keys::build(builder, now);
        let uplink = Uplink::new(keys.clone(), rtc.direct_api().new_ssrc(), config.epoch, now);
        let downlink = || Box::new(Downlink::new(keys, config.epoch, now, config.initial_downlink));
        let downlink = sends.then(downlink);
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
        Self {
            rtc: Box::new(rtc),
            channels: [None; 3],
            pending: None,
            described: false,
            ufrag_prefix: config.ufrag_prefix.clone(),
            connected: false,
            dead: false,
            route: None,
            heard: now,
            silent: false,
            last: Last::default(),
            uplink,
            downlink,
            nominating: None,
            answered: None,
            now,
            due: now,
            stats_at: None,
            scheduled: None,
            dirty: false,
            touched: false,
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
        let text = &sdp::without_candidates(text);
        let offer = SdpOffer::from_sdp_string(text)?;
        self.pending = None;
        self.lend();
        let before = self.rtc.direct_api().local_ice_credentials();
        let answer = self.rtc.sdp_api().accept_offer(offer).map(|answer| answer.to_sdp_string());
        self.take(text);
        self.uplink.take(&mut self.rtc, text);
        let ours = self.draw_credentials(&before);
        answer.map(|answer| sdp::with_credentials(&answer, &ours))
    }

    pub(crate) fn accept_answer(&mut self, text: &str) -> Result<(), RtcError> {
        let text = &sdp::without_candidates(text);
        let answer = SdpAnswer::from_sdp_string(text)?;
        let Some((pending, drawn)) = self.pending.take() else { return Ok(()) };
        self.lend();
        let before = self.rtc.direct_api().local_ice_credentials();
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        self.take(text);
        self.uplink.take(&mut self.rtc, text);
        let mut direct = self.rtc.direct_api();
        // Not if the client did not restart with us: str0m has kept the old ones then.
        if let Some(ours) = drawn.filter(|_| direct.local_ice_credentials() != before) {
            direct.set_local_ice_credentials(ours);
        }
        self.described |= accepted.is_ok();
        accepted
    }

    /// The credentials that are in force after an offer of the client's. When ICE restarts, str0m draws new ones: without the
    /// prefix, by which a TCP connection finds its worker, and from a generator whose next word can be told.
    fn draw_credentials(&mut self, before: &IceCreds) -> IceCreds {
        let ours = credentials(&self.ufrag_prefix);
        let mut direct = self.rtc.direct_api();
        if direct.local_ice_credentials() != *before {
            direct.set_local_ice_credentials(ours);
        }
        direct.local_ice_credentials()
    }

    /// Descriptions tell of the streams, which str0m does not send.
    fn lend(&mut self) {
        if let Some(downlink) = &self.downlink {
            downlink.lend(&mut self.rtc);
        }
    }

    /// After a description with these lines.
    fn take(&mut self, description: &str) {
        if let Some(downlink) = &mut self.downlink {
            let mids = description.lines().filter_map(|line| line.strip_prefix("a=mid:"));
            downlink.take(&mut self.rtc, mids.map(|mid| mid.trim_end().into()));
        }
        self.speak_apart();
    }

    /// Feedback and sender reports are sealed with one key and numbered each for itself: no nonce is used twice as long as they are
    /// from different SSRCs.
    fn speak_apart(&mut self) {
        let Self { rtc, uplink, downlink, .. } = self;
        while downlink.as_ref().is_some_and(|downlink| downlink.sends(uplink.ssrc)) {
            uplink.ssrc = *rtc.direct_api().new_ssrc();
        }
    }

    /// Whether an offer of ours waits for its answer.
    pub(crate) fn offering(&self) -> bool {
        self.pending.is_some()
    }

    /// An offer of ours with these changes: lines to add (kind, stream id, track id), lines to end. `None` when nothing
    /// needs the other side.
    pub(crate) fn offer(&mut self, change: OfferChange<'_>) -> Option<(String, Vec<Mid>)> {
        self.lend();
        let offer = self.offer_of(change);
        self.take(offer.as_ref().map_or("", |(text, _)| text));
        offer
    }

    fn offer_of(&mut self, change: OfferChange<'_>) -> Option<(String, Vec<Mid>)> {
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
        // What was never answered has not begun, and is not restarted: str0m would go on with the first credentials.
        let drawn = (change.ice_restart && self.described).then(|| {
            sdp.ice_restart(true);
            credentials(&self.ufrag_prefix)
        });
        let (offer, pending) = sdp.apply()?;
        let told = drawn.clone().unwrap_or_else(|| self.rtc.direct_api().local_ice_credentials());
        self.pending = Some((pending, drawn));
        Some((sdp::with_credentials(&offer.to_sdp_string(), &told), mids))
    }

    /// The line gets a new SSRC: receivers take what follows for another track, not for the rest of the last.
    pub(crate) fn renew_stream(&mut self, mid: Mid) {
        if let Some(downlink) = &mut self.downlink {
            downlink.renew(&mut self.rtc, mid);
        }
        self.speak_apart();
    }

    /// The line, and the simulcast encoding on it, that an SSRC of the client's belongs to.
    pub(crate) fn receiving(&self, ssrc: u32) -> Option<(Mid, Option<Rid>)> {
        self.uplink.place_of(ssrc)
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

    /// Whether media can be sent: it is not to be written before. Keys are not enough: str0m says that it is connected when it has
    /// compared the client's certificate with the fingerprint of its description.
    pub(crate) fn takes_media(&mut self) -> bool {
        let open = |downlink: &mut Box<Downlink>| downlink.is_open();
        self.connected && !self.dead && !self.silent && self.route.is_some() && self.downlink.as_mut().is_some_and(open)
    }

    /// Sends a packet; if it is paced, when it is its turn. A time to put on the timer heap, if there is one.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        mid: Mid,
        packet: Packet,
        paced: bool,
        out: &mut Outbox,
    ) -> Option<Instant> {
        let Self { route, last, downlink, .. } = self;
        let downlink = downlink.as_mut()?;
        downlink.write(now, mid, packet, paced, &mut Way { route: (*route)?, last, out });
        let due = downlink.due()?;
        self.schedule(due)
    }

    /// The time to put on the timer heap, unless it is there early enough.
    pub(crate) fn schedule(&mut self, at: Instant) -> Option<Instant> {
        let sooner = self.scheduled.is_none_or(|scheduled| at < scheduled);
        sooner.then(|| *self.scheduled.insert(at))
    }

    /// Does what is due beside str0m: sends media and feedback, and sums up.
    pub(crate) fn tend(&mut self, now: Instant, events: &mut Vec<PeerEvent>, out: &mut Outbox) {
        if self.stats_at.is_some_and(|at| now >= at) {
            self.silent |= now > self.heard + SILENCE;
        }
        let Self { route, silent, last, uplink, downlink, stats_at, .. } = self;
        let mut way = route.map(|route| Way { route, last, out });
        if let (Some(downlink), Some(way), false) = (downlink.as_mut(), way.as_mut(), *silent) {
            downlink.advance(now, way);
        }
        // Without a way what is due is unsaid, but not due for ever.
        uplink.feedback(now, |datagram| way.iter_mut().for_each(|way| way.say(&datagram)));
        if stats_at.is_some_and(|at| now >= at) {
            *stats_at = Some(now + STATS);
            let down = downlink.as_mut();
            let rtt = down.as_ref().and_then(|downlink| downlink.rtt()).or(uplink.rtt());
            let down = down.and_then(|downlink| downlink.take_loss());
            events.push(PeerEvent::Stats(Stats { rtt, up: uplink.take_loss(), down }));
        }
    }

    pub(crate) fn request_keyframe(&mut self, mid: Mid, rid: Option<Rid>) {
        self.uplink.request_keyframe(mid, rid);
    }

    pub(crate) fn is_open(&mut self, lane: Lane) -> bool {
        self.channels[lane as usize].is_some_and(|id| self.rtc.channel(id).is_some())
    }

    /// Sends on a data channel. `false`: not open, or too much is waiting for a slow client.
    pub(crate) fn send(&mut self, lane: Lane, bytes: &[u8]) -> bool {
        let Some(id) = self.channels[lane as usize] else { return false };
        let Some(mut channel) = self.rtc.channel(id) else { return false };
        channel.buffered_amount() + bytes.len() <= lane.backlog() && channel.write(true, bytes).unwrap_or(false)
    }

    /// What this peer would send if nothing held it back, of pictures and of all else, for probing.
    pub(crate) fn set_desired_bitrate(&mut self, pictures: u64, other: u64) {
        if let Some(downlink) = &mut self.downlink {
            downlink.set_desired(pictures, other);
        }
    }

    /// Ends DTLS, and with it all that runs over it.
    pub(crate) fn hang_up(&mut self, now: Instant, out: &mut Outbox) {
        let _ = self.rtc.close();
        self.advance(now);
        self.drain(&mut vec![], out);
    }

    // --- the run loop ---

    pub(crate) fn receive(&mut self, now: Instant, datagram: &Datagram<'_>) {
        let Datagram { proto, source, destination, contents, .. } = *datagram;
        let Ok(receive) = Receive::new(proto, source, destination, contents) else { return };
        self.now = now;
        if stun::nominates(contents) {
            self.nominating = Some((proto, source));
        }
        if let Err(error) = self.rtc.handle_input(Input::Receive(now, receive)) {
            tracing::debug!(%error, "a datagram was refused");
        }
    }

    /// A datagram of media, or what is said of them. They are nobody's before str0m has compared the client's certificate with
    /// the fingerprint of its description.
    pub(crate) fn receive_media(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        events: &mut Vec<PeerEvent>,
        out: &mut Outbox,
    ) {
        if !self.connected || self.dead {
            return;
        }
        let Self { route, silent, last, uplink, downlink, .. } = self;
        let Datagram { proto, source, arrived, contents, .. } = *datagram;
        if !rtp::is_rtcp(contents) {
            return events.extend(uplink.receive(arrived, contents).map(PeerEvent::Packet));
        }
        let mut way = route.filter(|_| !*silent).map(|route| Way { route, last, out });
        let mut authentic = false;
        uplink.receive_rtcp(arrived, contents, |said| {
            authentic = true;
            let ours = downlink.as_mut().zip(way.as_mut());
            let told = ours.and_then(|(downlink, way)| downlink.on_rtcp(now, said, way));
            events.extend(told.map(|told| match told {
                Told::Estimate(bitrate) => PeerEvent::Estimate(Bitrate::bps(bitrate)),
                Told::KeyframeRequest(mid) => PeerEvent::KeyframeRequest(mid),
            }));
        });
        if authentic {
            self.hear(now, (proto, source), events);
        }
    }

    /// Something authentic came from there.
    fn hear(&mut self, now: Instant, source: Source, events: &mut Vec<PeerEvent>) {
        if self.route.is_some_and(|route| (route.proto, route.destination) == source) {
            self.heard = now;
            events.extend(std::mem::take(&mut self.silent).then_some(PeerEvent::Back));
        }
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = now;
        if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
            tracing::debug!(%error, "a peer connection failed");
            self.dead = true;
        }
    }

    /// When to call [`Self::advance`] and [`Self::tend`] again.
    pub(crate) fn deadline(&self) -> Instant {
        let downlink = self.downlink.as_ref().filter(|_| !self.silent).and_then(|downlink| downlink.due());
        [self.uplink.due(), downlink, self.stats_at].into_iter().flatten().fold(self.due, Instant::min)
    }

    /// Whether there are ICE and DTLS.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected && !self.dead
    }

    /// Whether str0m wants to be called.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// Polls str0m until there is nothing more at `now`.
    pub(crate) fn drain(&mut self, events: &mut Vec<PeerEvent>, out: &mut Outbox) {
        loop {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Transmit(t)) => {
                    let route = Route { proto: t.proto, source: t.source, destination: t.destination };
                    self.follow(route, &t.contents, events);
                    Way { route, last: &mut self.last, out }.say(&t.contents);
                }
                Ok(str0m::Output::Event(event)) => self.on_event(event, events),
                Ok(str0m::Output::Timeout(at)) => {
                    self.due = at;
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

    /// Media goes where the client's ICE agent wants it to: where a request with USE-CANDIDATE came from that ours answered,
    /// having checked its password (RFC 8445, 7.3.1.5). Of several such ways the last one counts: clients say it again
    /// with each check of the way that they have chosen, and ours, which is lite, makes no checks of its own.
    fn follow(&mut self, route: Route, contents: &[u8], events: &mut Vec<PeerEvent>) {
        if !stun::is_success(contents) {
            return;
        }
        let source = (route.proto, route.destination);
        self.answered = Some(source);
        if self.nominating == self.answered {
            self.route = Some(route);
        }
        self.hear(self.now, source, events);
    }

    fn on_event(&mut self, event: Event, events: &mut Vec<PeerEvent>) {
        use str0m::IceConnectionState;
        let event = match event {
            Event::Connected => {
                self.connected = true;
                self.stats_at = Some(self.now + STATS);
                PeerEvent::Connected
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => PeerEvent::Gone,
            // For good, unlike ICE.
            Event::Closed => {
                self.dead = true;
                PeerEvent::Gone
            }
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
            _ => return,
        };
        events.push(event);
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

fn credentials(prefix: &str) -> IceCreds {
    IceCreds { ufrag: format!("{prefix}{}", crate::id::random(UFRAG)), pass: crate::id::random(PASSWORD) }
}

/// Where a peer's datagrams come from, once ICE has checked it.
pub(crate) type Source = (Protocol, SocketAddr);

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent that knows of addresses gives up when no check comes from there; one that knows of none waits.
    #[test]
    fn candidates_of_a_description_are_not_kept() {
        let mut now = Instant::now();
        let address = "10.0.0.1:7882".parse().unwrap();
        let addresses = vec![crate::LocalAddress { proto: Protocol::Udp, bound: address, told: address }];
        let mut peer = Peer::new(&Config { addresses, ..Config::default() }, false, now);
        let mut client = Rtc::builder().build(now);
        client.add_local_candidate(Candidate::host("10.0.1.1:5000".parse().unwrap(), "udp").unwrap());
        let mut sdp = client.sdp_api();
        sdp.add_channel("_reliable".into());
        let offer = sdp.apply().unwrap().0.to_sdp_string();
        assert!(offer.contains("a=candidate:"));
        peer.accept_offer(&offer).unwrap();
        let mut events = vec![];
        for _ in 0..300 {
            now += Duration::from_millis(500);
            peer.advance(now);
            peer.drain(&mut events, &mut Outbox::default());
        }
        assert!(events.is_empty(), "{events:?}");
    }

    #[test]
    fn what_cannot_be_said_is_not_due_for_ever() {
        let now = Instant::now();
        let mut peer = Peer::new(&Config::default(), true, now);
        peer.uplink = uplink::fuzz::uplink_with_a_packet(now);
        assert_eq!(peer.uplink.due(), Some(now));
        let mut out = Outbox::default();
        peer.tend(now, &mut vec![], &mut out);
        assert!(peer.uplink.due().is_none_or(|due| due > now));
        assert!(out.pop().is_none());
    }
}
