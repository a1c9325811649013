//! A client as LiveKit's SDKs are: one peer connection or two, offers of its own, data channels; its media are numbered,
//! so that what arrives can be checked to the last frame.

use super::{net::Packet, svc};
use convo_sfu::{
    ConnectionId, Mode,
    forward::{
        SenderReport,
        dd::{self, Descriptor, DescriptorExtension},
        red::RedEncoder,
    },
};
use livekit_protocol as proto;
use proto::{signal_request::Message as Request, signal_response::Message as Response};
use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    format::Codec,
    media::{Direction, KeyframeRequestKind, MediaKind, Mid, Rid, Simulcast, SimulcastLayer},
    net::{Protocol, Receive},
    rtp::{Extension, ExtensionSerializer, ExtensionValues, RtpWrite},
    stats::MediaEgressStats,
};

/// One packet that arrived.
#[derive(Debug, Clone)]
pub struct Heard {
    pub at: Instant,
    pub mid: Mid,
    pub seq: u64,
    pub time: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
    /// The dependency descriptor.
    pub descriptor: Option<Vec<u8>>,
    /// When it was captured, as the sender reports say.
    pub captured: Option<SystemTime>,
}

/// What is written into the payload of a video packet, after its VP8 descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub layer: u8,
    pub number: u32,
    pub keyframe: bool,
    pub packet: u8,
    pub packets: u8,
    pub picture_id: u16,
}

/// What a client can code and decode.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kit {
    /// Sound as G.711, not as Opus.
    pub g711: bool,
    /// Redundant audio too.
    pub red: bool,
    /// Opens the channel of data tracks too.
    pub data_tracks: bool,
    /// No video but this.
    pub only: Option<Codec>,
}

pub struct Source {
    mid: Mid,
    rids: Vec<Option<Rid>>,
    codec: Codec,
    next: Instant,
    pub number: u32,
    pub seq: Vec<u64>,
    pub wants_key: Vec<bool>,
    pub on: bool,
    /// Every other picture is in a second temporal layer.
    pub temporal: bool,
    /// How long before it is sent it was captured.
    pub behind: Duration,
    /// Comes after the last packet of each picture.
    pub trailer: &'static [u8],
}

impl Source {
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Goes on from now, if it was off.
    pub fn resume(&mut self, on: bool, now: Instant) {
        if !self.on {
            self.next = now;
        }
        self.on = on;
    }
}

pub struct Client {
    pub connection: ConnectionId,
    pub identity: String,
    pub address: SocketAddr,
    pub mode: Mode,
    pub connected: bool,
    pub closed: bool,
    /// Datagrams of RTP that came, whether they could be opened or not.
    pub media: usize,
    /// Datagrams that it sent.
    pub spoken: usize,
    pub last_spoken: Vec<u8>,
    /// When the server ended the media connection, by a DTLS alert.
    pub hung_up: Option<Instant>,
    pub joined: Option<proto::JoinResponse>,
    pub responses: Vec<Response>,
    pub people: HashMap<String, proto::ParticipantInfo>,
    /// By our own id of the track.
    pub published: HashMap<String, proto::TrackInfo>,
    pub mid_to_track: HashMap<String, String>,
    /// It says what no SDK says: what it is answered need not fit, and is passed over then.
    pub careless: bool,
    /// What it answers does not reach the server.
    pub loses_answers: bool,
    /// Lines that carry no track, or no more, stay ready for one, as browsers keep them.
    pub keeps_lines: bool,
    lines: BTreeSet<String>,
    pub heard: Vec<Heard>,
    pub data: Vec<(String, proto::DataPacket)>,
    /// What came on data tracks: the handle, and the rest.
    pub frames: Vec<(u16, Vec<u8>)>,
    pub outbox: Vec<Packet>,
    pub requests: Vec<Request>,
    pub audio: Option<Source>,
    pub video: Option<Source>,
    /// The same camera in a second codec.
    pub backup: Option<Source>,
    pub keyframes_asked: usize,
    /// What it knows of what it sends, every second: of the server's reports, too.
    pub sent: Vec<MediaEgressStats>,
    /// Set if sound is sent with redundancy.
    red: Option<RedEncoder>,
    data_tracks: bool,
    g711: bool,
    /// The one connection, or the publisher's of two.
    rtc: Rtc,
    /// The second of two connections, on which the server offers.
    subscriber: Option<Rtc>,
    due: Instant,
    pending: Option<SdpPendingOffer>,
    offer_again: bool,
    offer_id: u32,
    channels: HashMap<&'static str, ChannelId>,
    opened: HashMap<(Target, ChannelId), String>,
    now: Instant,
    next_ping: Instant,
    /// Announced, not yet offered.
    announced: Vec<(String, Announced)>,
}

/// One of two connections; the only one is a publisher's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Target {
    Publisher,
    Subscriber,
}

#[derive(Debug, Clone, Copy)]
struct Announced {
    kind: MediaKind,
    /// Simulcast encodings; 1 if there is one stream.
    encodings: usize,
    codec: Codec,
    backup: bool,
}

/// The content type of its record (RFC 6347, 4.1).
const DTLS_ALERT: u8 = 21;
const PING: Duration = Duration::from_secs(5);
const STATS: Duration = Duration::from_secs(1);
/// Before the first packet.
const FIRST_SEQ: u64 = 1000;
const AUDIO_FRAME: Duration = Duration::from_millis(20);
const VIDEO_FRAME: Duration = Duration::from_micros(33_333);
/// Packets and bytes of a frame, by layer: about 0.15, 0.5 and 1.5 Mbit/s.
pub const PACKETS: [u8; 3] = [1, 2, 6];
pub const BYTES: [usize; 3] = [600, 1000, 1050];

impl Client {
    pub fn new(
        connection: ConnectionId,
        identity: &str,
        address: SocketAddr,
        mode: Mode,
        kit: Kit,
        now: Instant,
    ) -> Self {
        // A port for each connection, as browsers do it.
        let second = SocketAddr::new(address.ip(), address.port() + 1);
        let subscriber = (mode == Mode::Dual).then(|| build(kit, second, now));
        Self {
            connection,
            identity: identity.into(),
            address,
            mode,
            connected: false,
            closed: false,
            media: 0,
            spoken: 0,
            last_spoken: vec![],
            hung_up: None,
            joined: None,
            responses: vec![],
            people: HashMap::new(),
            published: HashMap::new(),
            mid_to_track: HashMap::new(),
            careless: false,
            loses_answers: false,
            keeps_lines: false,
            lines: BTreeSet::new(),
            heard: vec![],
            data: vec![],
            frames: vec![],
            outbox: vec![],
            requests: vec![],
            audio: None,
            video: None,
            backup: None,
            keyframes_asked: 0,
            sent: vec![],
            red: kit.red.then(RedEncoder::default),
            data_tracks: kit.data_tracks,
            g711: kit.g711,
            rtc: build(kit, address, now),
            subscriber,
            due: now,
            pending: None,
            offer_again: false,
            offer_id: 0,
            channels: HashMap::new(),
            opened: HashMap::new(),
            now,
            next_ping: now,
            announced: vec![],
        }
    }

    // --- descriptions ---

    /// The data channels and, with one connection, three lines of each kind to receive on, as the SDKs' first offers
    /// have.
    pub fn first_offer(&mut self) -> proto::SessionDescription {
        let mut sdp = self.rtc.sdp_api();
        let kinds = if self.mode == Mode::Single { &[MediaKind::Audio, MediaKind::Video][..] } else { &[] };
        for kind in kinds {
            for _ in 0..3 {
                self.lines.insert(sdp.add_media(*kind, Direction::RecvOnly, None, None, None).to_string());
            }
        }
        let data_tracks = self.data_tracks.then_some(("_data_track", false));
        for (label, ordered) in [("_reliable", true), ("_lossy", false)].into_iter().chain(data_tracks) {
            let reliability =
                if ordered { Reliability::Reliable } else { Reliability::MaxRetransmits { retransmits: 0 } };
            let config = ChannelConfig { label: label.into(), ordered, reliability, ..Default::default() };
            self.channels.insert(label, sdp.add_channel_with_config(config));
        }
        let (offer, pending) = sdp.apply().expect("there are lines to offer");
        self.pending = Some(pending);
        self.described(offer.to_sdp_string())
    }

    /// An offer of what changed since the last; `None` while one is under way, or nothing changed.
    pub fn offer(&mut self) -> Option<proto::SessionDescription> {
        self.offer_of(|_| {})
    }

    fn offer_of(&mut self, change: impl FnOnce(&mut str0m::change::SdpApi<'_>)) -> Option<proto::SessionDescription> {
        if self.pending.is_some() {
            self.offer_again = true;
            return None;
        }
        self.offer_again = false;
        let wanted = self.unoffered();
        let mut sdp = self.rtc.sdp_api();
        let mut mids = vec![];
        for (cid, announced) in wanted {
            let simulcast = simulcast(announced.encodings);
            let stream = Some("stream".into());
            let mid = sdp.add_media(announced.kind, Direction::SendOnly, stream, Some(cid), simulcast.clone());
            mids.push((announced, mid, simulcast));
        }
        change(&mut sdp);
        for line in self.lines.iter().filter(|_| self.keeps_lines) {
            sdp.set_direction(line.as_str().into(), Direction::RecvOnly);
        }
        // A new description even if nothing changed: that is how the server gets to name its tracks.
        let text = match sdp.apply() {
            Some((offer, pending)) => {
                self.pending = Some(pending);
                offer.to_sdp_string()
            }
            None => {
                let mut sdp = self.rtc.sdp_api();
                sdp.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
                let (offer, pending) = sdp.apply().expect("a line more");
                self.pending = Some(pending);
                offer.to_sdp_string()
            }
        };
        for (Announced { kind, codec, backup, .. }, mid, simulcast) in mids {
            let rids = simulcast.map_or(vec![None], |s| s.send.iter().map(|l| Some(l.rid)).collect());
            let count = rids.len();
            let source = Source {
                mid,
                rids,
                codec,
                next: self.now,
                number: 0,
                seq: vec![FIRST_SEQ; count],
                wants_key: vec![true; count],
                on: true,
                temporal: false,
                behind: Duration::ZERO,
                trailer: &[],
            };
            match kind {
                MediaKind::Audio => self.audio = Some(source),
                MediaKind::Video if backup => self.backup = Some(source),
                MediaKind::Video => self.video = Some(source),
            }
        }
        Some(self.described(text))
    }

    /// Whether an offer waits for its answer.
    pub fn offers(&self) -> bool {
        self.pending.is_some()
    }

    /// As after a change of networks: new credentials, the same lines.
    pub fn restart_ice(&mut self) -> proto::SessionDescription {
        let mut sdp = self.rtc.sdp_api();
        sdp.ice_restart(true);
        let (offer, pending) = sdp.apply().expect("a restart is offered");
        self.pending = Some(pending);
        self.described(offer.to_sdp_string())
    }

    /// Another network: nothing comes to the old address any more.
    pub fn move_to(&mut self, address: SocketAddr) {
        let old = Candidate::host(std::mem::replace(&mut self.address, address), "udp").expect("an address");
        self.rtc.direct_api().invalidate_candidate(&old);
        self.rtc.add_local_candidate(Candidate::host(address, "udp").expect("an address"));
    }

    /// Its sound and picture go on under other SSRCs, on the same lines, with other numbers.
    pub fn change_ssrcs(&mut self) {
        for source in [&mut self.audio, &mut self.video].into_iter().flatten() {
            let mut direct = self.rtc.direct_api();
            let stream = direct.stream_tx_by_mid(source.mid, None).expect("one encoding");
            let (ssrc, rtx) = (stream.ssrc(), stream.rtx());
            direct.remove_stream_tx(ssrc);
            let (ssrc, rtx) = (direct.new_ssrc(), rtx.map(|_| direct.new_ssrc()));
            direct.declare_stream_tx(ssrc, rtx, source.mid, None);
            source.seq[0] = 10;
        }
    }

    /// Whether datagrams to there come here: the second connection has the next port.
    pub fn has(&self, address: SocketAddr) -> bool {
        address.ip() == self.address.ip() && [self.address.port(), self.address.port() + 1].contains(&address.port())
    }

    /// Ends the line of a camera or a microphone; `None` while an offer is under way, or if there is none to end.
    pub fn withdraw(&mut self, video: bool) -> Option<proto::SessionDescription> {
        let kind = if video { &mut self.video } else { &mut self.audio };
        let source = kind.take_if(|_| self.pending.is_none())?;
        self.offer_of(|sdp| sdp.set_direction(source.mid, Direction::Inactive))
    }

    fn described(&mut self, sdp: String) -> proto::SessionDescription {
        self.offer_id += 1;
        proto::SessionDescription { r#type: "offer".into(), sdp, id: self.offer_id, ..Default::default() }
    }

    fn unoffered(&mut self) -> Vec<(String, Announced)> {
        std::mem::take(&mut self.announced)
    }

    // --- publishing ---

    pub fn announce_audio(&mut self, cid: &str) -> Request {
        let codec = if self.g711 { Codec::PCMU } else { Codec::Opus };
        let announced = Announced { kind: MediaKind::Audio, encodings: 1, codec, backup: false };
        self.announced.push((cid.into(), announced));
        Request::AddTrack(proto::AddTrackRequest {
            cid: cid.into(),
            name: cid.into(),
            r#type: proto::TrackType::Audio.into(),
            source: proto::TrackSource::Microphone.into(),
            disable_red: self.red.is_none(),
            ..Default::default()
        })
    }

    pub fn announce_video(&mut self, cid: &str, layers: usize) -> Request {
        self.announce(cid, Codec::Vp8, layers, layers)
    }

    /// Three spatial layers in one stream.
    pub fn announce_svc(&mut self, cid: &str, codec: Codec) -> Request {
        self.announce(cid, codec, 1, 3)
    }

    /// The track again, in VP8 without simulcast.
    pub fn announce_backup(&mut self, cid: &str, sid: &str) -> Request {
        let announced = Announced { kind: MediaKind::Video, encodings: 1, codec: Codec::Vp8, backup: true };
        self.announced.push((cid.into(), announced));
        Request::AddTrack(proto::AddTrackRequest {
            cid: cid.into(),
            sid: sid.into(),
            r#type: proto::TrackType::Video.into(),
            source: proto::TrackSource::Camera.into(),
            simulcast_codecs: vec![simulcast_codec(Codec::Vp8, cid)],
            ..Default::default()
        })
    }

    fn announce(&mut self, cid: &str, codec: Codec, encodings: usize, layers: usize) -> Request {
        self.announced.push((cid.into(), Announced { kind: MediaKind::Video, encodings, codec, backup: false }));
        let sizes = [(320, 180), (640, 360), (1280, 720)];
        let layer = |quality: usize| proto::VideoLayer {
            quality: quality as i32,
            width: sizes[quality].0,
            height: sizes[quality].1,
            ..Default::default()
        };
        let layers: Vec<_> = if layers == 1 { vec![layer(2)] } else { (0..layers).map(layer).collect() };
        Request::AddTrack(proto::AddTrackRequest {
            cid: cid.into(),
            name: cid.into(),
            r#type: proto::TrackType::Video.into(),
            source: proto::TrackSource::Camera.into(),
            width: 1280,
            height: 720,
            layers: layers.clone(),
            simulcast_codecs: vec![proto::SimulcastCodec {
                codec: codec.to_string().to_lowercase(),
                cid: cid.into(),
                layers,
                ..Default::default()
            }],
            ..Default::default()
        })
    }

    pub fn send(&mut self, label: &str, packet: &proto::DataPacket) -> bool {
        use prost::Message;
        self.write(label, &packet.encode_to_vec())
    }

    /// A packet of the data track that has the handle.
    pub fn send_frame(&mut self, handle: u16, payload: &[u8]) -> bool {
        self.write("_data_track", &[&[0, 0], &handle.to_be_bytes()[..], payload].concat())
    }

    pub fn write(&mut self, label: &str, bytes: &[u8]) -> bool {
        let Some(id) = self.channels.get(label) else { return false };
        let sent = self.rtc.channel(*id).is_some_and(|mut channel| channel.write(true, bytes).unwrap_or(false));
        self.drain();
        sent
    }

    /// Ends its media connections.
    pub fn hang_up(&mut self) {
        for rtc in [Some(&mut self.rtc), self.subscriber.as_mut()].into_iter().flatten() {
            rtc.close().expect("it was open");
            rtc.handle_input(Input::Timeout(self.now)).ok();
        }
        self.drain();
    }

    /// As a decoder does that can't go on.
    pub fn want_keyframe(&mut self, mid: Mid) {
        let target = if self.subscriber.is_some() { Target::Subscriber } else { Target::Publisher };
        if let Some(rtc) = self.peer(target)
            && let Some(stream) = rtc.direct_api().stream_rx_by_mid(mid, None)
        {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
        self.drain();
    }

    // --- the run loop ---

    pub fn due(&self) -> Instant {
        let media = [&self.audio, &self.video, &self.backup]
            .into_iter()
            .flatten()
            .filter(|s| s.on && self.connected)
            .map(|s| s.next);
        media.min().map_or(self.due, |next| next.min(self.due))
    }

    pub fn receive(&mut self, now: Instant, packet: &Packet) {
        self.now = now;
        // RFC 7983, and RFC 5761 for the payload types.
        self.media += usize::from(matches!(packet.bytes[..], [128..=191, kind, ..] if !(192..=223).contains(&kind)));
        if packet.bytes.first() == Some(&DTLS_ALERT) {
            self.hung_up.get_or_insert(now);
        }
        let target = if packet.to == self.address { Target::Publisher } else { Target::Subscriber };
        let receive = Receive::new(Protocol::Udp, packet.from, packet.to, &packet.bytes);
        if let (Ok(receive), Some(rtc)) = (receive, self.peer(target)) {
            rtc.handle_input(Input::Receive(now, receive)).ok();
        }
        self.drain();
    }

    pub fn advance(&mut self, now: Instant) {
        self.now = now;
        if now >= self.next_ping && !self.closed && self.joined.is_some() {
            self.next_ping = now + PING;
            self.requests.push(Request::PingReq(proto::Ping::default()));
        }
        self.speak();
        self.show();
        let sends = [&self.audio, &self.video, &self.backup].into_iter().flatten().any(|source| source.on);
        if self.due <= now || sends {
            for rtc in [Some(&mut self.rtc), self.subscriber.as_mut()].into_iter().flatten() {
                rtc.handle_input(Input::Timeout(now)).expect("time may pass");
            }
            self.drain();
        }
    }

    fn speak(&mut self) {
        let Some(audio) = self.audio.as_mut().filter(|a| a.on && self.connected) else { return };
        while audio.next <= self.now {
            audio.next += AUDIO_FRAME;
            audio.number += 1;
            audio.seq[0] += 1;
            let opus = self.rtc.codec_config().find(|p| p.spec().codec == audio.codec).expect("the codec is on");
            let (mut pt, time) = (opus.pt(), audio.number * opus.spec().clock_rate.get() / 50);
            let extensions =
                ExtensionValues { audio_level: Some(-20), voice_activity: Some(true), ..Default::default() };
            let mut payload = [&[0xfc][..], &audio.number.to_be_bytes()].concat();
            if let (Some(encoder), Some(red)) = (&mut self.red, opus.red()) {
                let mut wrapped = vec![];
                encoder.encode(audio.seq[0], time, *pt, &payload, 1200, &mut wrapped);
                (pt, payload) = (red, wrapped);
            }
            let write = RtpWrite::new(pt, audio.seq[0].into(), time, self.now, payload).ext_vals(extensions);
            if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(audio.mid, None) {
                stream.write_rtp(write);
            }
        }
    }

    fn show(&mut self) {
        let (mut video, mut backup, connected) = (self.video.take(), self.backup.take(), self.connected);
        for source in [&mut video, &mut backup].into_iter().flatten().filter(|source| source.on && connected) {
            self.film(source);
        }
        (self.video, self.backup) = (video, backup);
    }

    fn film(&mut self, video: &mut Source) {
        while video.next <= self.now {
            video.next += VIDEO_FRAME;
            video.number += 1;
            let pt = self.rtc.codec_config().find(|p| p.spec().codec == video.codec).expect("the codec is on").pt();
            if video.codec != Codec::Vp8 {
                let mut direct = self.rtc.direct_api();
                let pictures = svc::picture(video, pt, self.now);
                if let Some(stream) = direct.stream_tx_by_mid(video.mid, None) {
                    pictures.into_iter().for_each(|write| stream.write_rtp(write));
                }
                continue;
            }
            for layer in 0..video.rids.len() {
                let keyframe = std::mem::take(&mut video.wants_key[layer]);
                let size = if video.rids.len() == 1 { 2 } else { layer };
                let packets = PACKETS[size] * if keyframe { 3 } else { 1 };
                for packet in 0..packets {
                    video.seq[layer] += 1;
                    let frame = Frame {
                        layer: layer as u8,
                        number: video.number,
                        keyframe,
                        packet,
                        packets,
                        // Each encoding counts for itself.
                        picture_id: ((video.number + layer as u32 * 9_000) & 0x7fff) as u16,
                    };
                    let mut payload = match video.temporal && !keyframe {
                        true => frame.in_temporal_layer((video.number % 2) as u8, BYTES[size]),
                        false => frame.payload(BYTES[size]),
                    };
                    if packet + 1 == packets {
                        payload.extend(video.trailer);
                    }
                    let write = RtpWrite::new(
                        pt,
                        video.seq[layer].into(),
                        video.number * 3000 + layer as u32 * 777_777,
                        self.now - video.behind,
                        payload,
                    )
                    .marker(packet + 1 == packets)
                    .nackable(true);
                    if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(video.mid, video.rids[layer]) {
                        if video.seq[layer] == FIRST_SEQ + 1 {
                            // Without a bound on what is sent again, so that what is missing is the server's doing.
                            stream.set_rtx_cache(1_000, Duration::from_secs(3), None);
                        }
                        stream.write_rtp(write);
                    }
                }
            }
        }
    }

    fn drain(&mut self) {
        self.due = self.drain_one(Target::Publisher).min(self.drain_one(Target::Subscriber));
    }

    fn drain_one(&mut self, target: Target) -> Instant {
        loop {
            // After the server's goodbye there is nothing to keep.
            let Some(Ok(output)) = self.peer(target).map(Rtc::poll_output) else { return self.now + VIDEO_FRAME };
            match output {
                Output::Timeout(at) => return at.max(self.now + Duration::from_millis(1)),
                Output::Transmit(t) => {
                    self.outbox.push(Packet { from: t.source, to: t.destination, bytes: t.contents.into() });
                }
                Output::Event(event) => self.on_event(target, event),
            }
        }
    }

    fn peer(&mut self, target: Target) -> Option<&mut Rtc> {
        match target {
            Target::Publisher => Some(&mut self.rtc),
            Target::Subscriber => self.subscriber.as_mut(),
        }
    }

    fn on_event(&mut self, from: Target, event: Event) {
        match event {
            // As the SDKs have it: of two, it is the one to receive on.
            Event::Connected if self.subscriber.is_some() && from == Target::Publisher => {}
            Event::Connected => self.connected = true,
            Event::RtpPacket(packet) => {
                let mut direct = self.peer(from).expect("it heard").direct_api();
                let mid = direct.stream_rx(&packet.header.ssrc).map(|s| s.mid()).expect("a known stream");
                let rate = if packet.payload.len() > 400 { 90_000 } else { 48_000 };
                let report = packet.last_sender_info.as_ref();
                let report = report.map(|sr| SenderReport { ntp: sr.ntp_time, rtp: sr.rtp_time.numer() as u32 });
                self.heard.push(Heard {
                    captured: report.map(|report| report.captured(packet.header.timestamp, rate)),
                    at: self.now,
                    mid,
                    seq: *packet.seq_no,
                    time: packet.header.timestamp,
                    marker: packet.header.marker,
                    payload: packet.payload.to_vec(),
                    descriptor: packet.header.ext_vals.user_values.get().map(|Descriptor(bytes)| bytes.to_vec()),
                });
            }
            Event::ChannelOpen(id, label) => {
                self.opened.insert((from, id), label);
            }
            Event::ChannelData(data) => {
                use prost::Message;
                let label = self.opened[&(from, data.id)].clone();
                if label == "_data_track" {
                    let (head, payload) = data.data.split_at(4);
                    return self.frames.push((u16::from_be_bytes([head[2], head[3]]), payload.to_vec()));
                }
                let packet = proto::DataPacket::decode(&data.data[..]).expect("data packets only");
                self.data.push((label, packet));
            }
            Event::MediaEgressStats(stats) => self.sent.push(stats),
            Event::KeyframeRequest(request) => {
                self.keyframes_asked += 1;
                let sources = [&mut self.video, &mut self.backup].into_iter().flatten();
                for video in sources.filter(|v| v.mid == request.mid) {
                    let layer = video.rids.iter().position(|rid| *rid == request.rid).unwrap_or(0);
                    video.wants_key[layer] = true;
                }
            }
            _ => {}
        }
    }

    pub fn on_response(&mut self, response: proto::SignalResponse) {
        let Some(message) = response.message else { return };
        match &message {
            Response::Join(join) => {
                self.joined = Some(join.clone());
                for person in &join.other_participants {
                    self.people.insert(person.identity.clone(), person.clone());
                }
                if self.mode == Mode::Dual {
                    let offer = self.first_offer();
                    self.requests.push(Request::Offer(offer));
                }
            }
            Response::Offer(offer) => {
                let sdp = SdpOffer::from_sdp_string(&offer.sdp).expect("a good offer");
                let subscriber = self.subscriber.as_mut().expect("offers are for those with two connections");
                let answer = match subscriber.sdp_api().accept_offer(sdp) {
                    Err(_) if self.careless => return,
                    answer => answer.expect("an acceptable offer").to_sdp_string(),
                };
                self.mid_to_track = offer.mid_to_track_id.clone();
                let (r#type, id) = ("answer".into(), offer.id);
                let answer = proto::SessionDescription { r#type, sdp: answer, id, ..Default::default() };
                if !self.loses_answers {
                    self.requests.push(Request::Answer(answer));
                }
                self.drain();
            }
            Response::Answer(answer) => {
                if self.careless && (answer.id != self.offer_id || self.pending.is_none()) {
                    return;
                }
                assert_eq!(answer.id, self.offer_id, "an answer names its offer");
                let pending = self.pending.take().expect("an answer follows an offer");
                let sdp = SdpAnswer::from_sdp_string(&answer.sdp).expect("a good answer");
                match self.rtc.sdp_api().accept_answer(pending, sdp) {
                    Err(_) if self.careless => return,
                    accepted => accepted.expect("an acceptable answer"),
                }
                if self.mode == Mode::Single {
                    self.mid_to_track = answer.mid_to_track_id.clone();
                }
                self.lines.extend(self.mid_to_track.keys().cloned());
                self.drain();
                if self.offer_again
                    && let Some(offer) = self.offer()
                {
                    self.requests.push(Request::Offer(offer));
                }
            }
            Response::MediaSectionsRequirement(more) => {
                let (audios, videos) = (more.num_audios, more.num_videos);
                let offer = self.offer_of(|sdp| {
                    for _ in 0..audios {
                        sdp.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
                    }
                    for _ in 0..videos {
                        sdp.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
                    }
                });
                self.requests.extend(offer.map(Request::Offer));
            }
            Response::Update(update) => {
                for person in &update.participants {
                    self.people.insert(person.identity.clone(), person.clone());
                }
            }
            Response::TrackPublished(published) => {
                self.published.insert(published.cid.clone(), published.track.clone().expect("a track"));
            }
            _ => {}
        }
        self.responses.push(message);
    }

    // --- what arrived ---

    /// The line that carries a track.
    pub fn line_of(&self, track_sid: &str) -> Option<Mid> {
        self.mid_to_track.iter().find(|(_, sid)| *sid == track_sid).map(|(mid, _)| Mid::from(mid.as_str()))
    }

    pub fn heard_on(&self, mid: Mid) -> impl Iterator<Item = &Heard> {
        self.heard.iter().filter(move |heard| heard.mid == mid)
    }
}

fn build(kit: Kit, address: SocketAddr, now: Instant) -> Rtc {
    let descriptor = Extension::with_serializer(dd::URI, DescriptorExtension);
    let mut builder = Rtc::builder().set_rtp_mode(true).set_extension(12, descriptor).set_stats_interval(Some(STATS));
    if let Some(only) = kit.only {
        builder = builder.clear_codecs().enable_vp8(only == Codec::Vp8).enable_vp9(only == Codec::Vp9);
    }
    let mut rtc = builder.enable_opus(true, kit.red).enable_pcmu(kit.g711, false).build(now);
    rtc.add_local_candidate(Candidate::host(address, "udp").expect("an address"));
    rtc
}

fn simulcast_codec(codec: Codec, cid: &str) -> proto::SimulcastCodec {
    proto::SimulcastCodec { codec: codec.to_string().to_lowercase(), cid: cid.into(), ..Default::default() }
}

fn simulcast(layers: usize) -> Option<Simulcast> {
    (layers > 1).then(|| {
        let mut simulcast = Simulcast::new();
        for rid in ["q", "h", "f"].iter().take(layers) {
            simulcast.add_send_layer(SimulcastLayer::new(rid));
        }
        simulcast
    })
}

impl Frame {
    /// A VP8 payload (RFC 7741): a descriptor with 15 bits of picture id, a payload header, then our own numbers.
    fn payload(self, size: usize) -> Vec<u8> {
        let start = self.packet == 0;
        let id = (0x8000 | self.picture_id).to_be_bytes();
        let inter = if self.keyframe { 0 } else { 1 };
        self.numbered(&[0x80 | if start { 0x10 } else { 0 }, 0x80, id[0], id[1], inter], size)
    }

    /// As `payload`, with a temporal layer index; it refers to the base layer alone. Our numbers begin a byte later.
    fn in_temporal_layer(self, temporal: u8, size: usize) -> Vec<u8> {
        let mut bytes = self.payload(size - 1);
        bytes[1] |= 0x20;
        bytes.insert(4, temporal << 6 | 0x20);
        bytes
    }

    /// Our own numbers after five bytes of the codec's.
    pub fn numbered(self, head: &[u8; 5], size: usize) -> Vec<u8> {
        let mut bytes = head.to_vec();
        bytes.extend([self.layer, self.keyframe.into(), self.packet, self.packets]);
        bytes.extend(self.number.to_be_bytes());
        bytes.resize(size, 0xaa);
        bytes
    }

    pub fn read(payload: &[u8]) -> Option<Self> {
        let layered = payload.get(..2) == Some(&[0x90, 0xa0]) || payload.get(..2) == Some(&[0x80, 0xa0]);
        let payload = if layered { payload.get(1..)? } else { payload };
        let at = if layered { 1 } else { 2 };
        let picture_id = u16::from_be_bytes([*payload.get(at)? & 0x7f, *payload.get(at + 1)?]);
        let [layer, keyframe, packet, packets] = payload.get(5..9)?.try_into().ok()?;
        let number = u32::from_be_bytes(payload.get(9..13)?.try_into().ok()?);
        Some(Self { layer, number, keyframe: keyframe == 1, packet, packets, picture_id })
    }
}
