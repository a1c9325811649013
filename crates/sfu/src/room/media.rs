//! A packet's way from its publisher to everybody who wants it.

use super::{
    svc::{Place, Svc},
    *,
};
use crate::forward::{
    self, Codec, Incoming,
    red::{Block, Red},
};
use crate::{downlink, rtp::Extensions, uplink::Packet};
use std::{cell::OnceCell, sync::Arc, time::Duration};
use str0m::{
    format::PayloadParams,
    media::{MediaKind, Mid, Pt, Rid},
};

/// A publisher is asked for a key frame of one encoding no more often: each costs it a burst.
const PICTURE_INTERVAL: Duration = Duration::from_millis(500);

/// After so long without a packet an encoding is taken for switched off; a still screen sends little.
const CAMERA_PATIENCE: Duration = Duration::from_millis(1000);
const SCREEN_PATIENCE: Duration = Duration::from_secs(5);

/// An encoding is taken to go on under another SSRC when it was silent under its own for so long: of two that are sent at once, one is
/// enough.
const QUIET: Duration = Duration::from_millis(500);

/// Which stream an SSRC of the publisher's is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceOf {
    ssrc: u32,
    pub(crate) track: TrackKey,
    stream: u8,
    encoding: u8,
}

impl SourceOf {
    pub(super) fn stream(self) -> usize {
        self.stream.into()
    }

    /// The same stream and encoding of another track.
    pub(super) fn of(self, track: TrackKey) -> Self {
        Self { track, ..self }
    }
}

/// One encoding of a stream: a simulcast layer, or all there is.
#[derive(Debug)]
pub(crate) struct Encoding {
    pub(crate) rid: Option<Rid>,
    /// 0 low, 1 medium, 2 high, as `VideoQuality`.
    pub(crate) quality: u8,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) tracker: forward::LayerTracker,
    /// Whose numbers `tracker` and subscribers know.
    ssrc: Option<u32>,
    picture_asked: Option<Instant>,
    picture_wanted: bool,
}

/// The encodings of a line, lowest first, with the sizes that were announced: its rids, or the layers within its one stream.
pub(super) fn encodings(rids: &[String], info: &proto::TrackInfo, layered: bool) -> Vec<Encoding> {
    let layer = |quality: u8| info.layers.iter().find(|l| l.quality == i32::from(quality));
    let screen = info.source() == proto::TrackSource::ScreenShare;
    let patience = if screen { SCREEN_PATIENCE } else { CAMERA_PATIENCE };
    let encoding = |rid: Option<&String>, quality: u8| {
        let (width, height) = layer(quality).map_or((info.width, info.height), |l| (l.width, l.height));
        Encoding {
            rid: rid.map(|rid| rid.as_str().into()),
            quality,
            width,
            height,
            tracker: forward::LayerTracker::new(patience),
            ssrc: None,
            picture_asked: None,
            picture_wanted: false,
        }
    };
    if layered {
        let mut layers: Vec<_> = info.layers.iter().map(|l| encoding(None, l.quality as u8)).collect();
        layers.sort_by_key(|layer| layer.quality);
        layers.truncate(forward::MAX_LAYERS);
        return layers;
    }
    if rids.is_empty() {
        let highest = info.layers.iter().map(|l| l.quality as u8).max().unwrap_or(2).min(2);
        return vec![encoding(None, highest)];
    }
    let named = |rid: &str| match rid {
        "q" | "2" => Some(0),
        "h" | "1" => Some(1),
        "f" | "0" => Some(2),
        _ => None,
    };
    let mut all: Vec<_> =
        rids.iter().enumerate().map(|(i, rid)| encoding(Some(rid), named(rid).unwrap_or(i.min(2) as u8))).collect();
    all.sort_by_key(|encoding| encoding.quality);
    all
}

pub(super) fn codec_of(codec: str0m::format::Codec) -> Option<Codec> {
    use str0m::format::Codec as C;
    Some(match codec {
        C::Opus => Codec::Opus,
        C::PCMU => Codec::Pcmu,
        C::PCMA => Codec::Pcma,
        C::G722 => Codec::G722,
        C::Vp8 => Codec::Vp8,
        C::Vp9 => Codec::Vp9,
        C::H264 => Codec::H264,
        C::H265 => Codec::H265,
        C::Av1 => Codec::Av1,
        _ => return None,
    })
}

impl Room {
    pub(super) fn on_packet(&mut self, from: ParticipantKey, packet: &Packet, cx: &mut Cx<'_>) {
        let Some(source) = self.source_of(from, packet.ssrc) else { return };
        self.take_packet(from, source, packet, cx);
        self.pass_on(from, source, packet, cx);
    }

    /// A packet that a copy's origin published, in the other room.
    pub(super) fn take_relayed(
        &mut self,
        from: ParticipantKey,
        source: SourceOf,
        codec: Codec,
        packet: &Packet,
        cx: &mut Cx<'_>,
    ) {
        let stream = self.tracks.get_mut(source.track).and_then(|track| track.streams.get_mut(source.stream()));
        let Some(stream) = stream.filter(|stream| usize::from(source.encoding) < stream.encodings.len()) else {
            return;
        };
        if stream.pt != Some(packet.pt) {
            stream.settle(packet.pt, codec);
        }
        self.take_packet(from, source, packet, cx);
    }

    fn take_packet(&mut self, from: ParticipantKey, source: SourceOf, packet: &Packet, cx: &mut Cx<'_>) {
        let place = (source.track, source.stream());
        let Some(track) = self.tracks.get_mut(place.0) else { return };
        let stream = &mut track.streams[place.1];
        let encoding = &mut stream.encodings[usize::from(source.encoding)];
        if *encoding.ssrc.get_or_insert(packet.ssrc) != packet.ssrc {
            if !encoding.tracker.is_quiet(cx.now, QUIET) {
                return;
            }
            stream.renew(source.encoding, packet.ssrc);
            for subscription in &track.subscribers {
                let subscription = &mut self.subscriptions[*subscription];
                if subscription.showing().is_none_or(|at| at == (source.stream, source.encoding)) {
                    subscription.retarget(true);
                }
            }
        }
        // Taken out meanwhile: its structure is looked at for each subscriber.
        let mut svc = stream.svc.take();
        self.on_packet_of(from, source, packet, svc.as_deref_mut(), cx);
        if svc.is_some()
            && let Some(track) = self.tracks.get_mut(place.0)
        {
            track.streams[place.1].svc = svc;
        }
    }

    fn on_packet_of(
        &mut self,
        from: ParticipantKey,
        source: SourceOf,
        packet: &Packet,
        svc: Option<&mut Svc>,
        cx: &mut Cx<'_>,
    ) {
        let Some(track) = self.tracks.get_mut(source.track) else { return };
        let stream = &mut track.streams[source.stream()];
        if stream.pt != Some(packet.pt) {
            // A copy's is settled before.
            let Some(publisher) = &self.people[from].publisher else { return };
            match arrived(publisher.payloads(), packet.pt) {
                Some(codec) => stream.settle(packet.pt, codec),
                None => return,
            }
        }
        let codec = stream.codec;
        if packet.payload.is_empty() && codec.is_video() {
            return; // Padding: for the publisher's own probing.
        }
        let place = svc.and_then(|svc| svc.read(codec, packet, &mut stream.encodings));
        let top = stream.encodings.len() - 1;
        let layer =
            place.as_ref().map_or(usize::from(source.encoding), |place| usize::from(place.layer().spatial).min(top));
        let encoding = &mut stream.encodings[layer];
        let gap = encoding.tracker.newest().is_some_and(|newest| packet.seq > newest + 1);
        let vp8 = (codec == Codec::Vp8).then(|| forward::Vp8Packet::parse(&packet.payload)).flatten();
        let temporal = vp8.map(|vp8| vp8.temporal).or_else(|| place.as_ref().map(|place| place.layer().temporal));
        let (seq, length) = (packet.seq, packet.payload.len());
        let in_order =
            encoding.tracker.record_layer(cx.now, seq, packet.timestamp, length, temporal.unwrap_or_default());
        if track.info.muted {
            return;
        }
        let alive = stream.alive(cx.now);
        if let Some(level) = packet.extensions.loudness().filter(|_| track.kind == MediaKind::Audio) {
            let voice = track.voice.get_or_insert_with(|| forward::speaker::Voice::new(codec.clock_rate()));
            voice.observe(packet.timestamp, level);
        }
        let keyframe = match (&vp8, &place) {
            (Some(vp8), _) => vp8.keyframe,
            (None, Some(place)) if place.starts_keyframe() => true,
            (None, _) => codec.is_video() && forward::is_keyframe(codec, &packet.payload),
        };
        if keyframe && in_order {
            // It answers who asked before it, for whichever of the layers within the stream.
            let rid = stream.encodings[usize::from(source.encoding)].rid;
            stream.encodings.iter_mut().filter(|e| e.rid == rid).for_each(|e| e.picture_wanted = false);
        }
        let report = packet.report;
        let incoming = Incoming { source: packet.ssrc, seq: packet.seq, ts: packet.timestamp, report };
        let captured = report.map(|report| report.captured(packet.timestamp, codec.clock_rate()));
        let captured = captured.map_or(cx.now, |captured| self.people[from].clock.here(cx.now, captured));
        let layer = forward::LayerPacket { layer: source.encoding, keyframe, in_order };
        let (plain, repeated) = (OnceCell::new(), false);
        let stream = source.stream;
        let arrival = Arrival { packet, codec, incoming, captured, stream, layer, alive, vp8, place, plain, repeated };
        if gap && codec == Codec::Red {
            for earlier in arrival.redundancy() {
                self.forward_all(source.track, &earlier, cx);
            }
        }
        self.forward_all(source.track, &arrival, cx);
    }

    fn forward_all(&mut self, track: TrackKey, arrival: &Arrival<'_>, cx: &mut Cx<'_>) {
        for index in 0..self.tracks[track].subscribers.len() {
            let key = self.tracks[track].subscribers[index];
            self.forward(key, arrival, cx);
        }
    }

    /// To one subscriber.
    fn forward(&mut self, key: SubscriptionKey, arrival: &Arrival<'_>, cx: &mut Cx<'_>) {
        let subscription = &mut self.subscriptions[key];
        let Some(mid) = subscription.bound else { return };
        let Some(person) = self.people.get_mut(subscription.subscriber) else { return };
        let target = person.downstream();
        let Some(peer) = person.peer(target) else { return };
        if !peer.takes_media() {
            return;
        }
        let Some(write) = subscription.rewrite(arrival, mid, peer, cx.now) else { return };
        if let Some(due) = peer.write(cx.now, mid, write, arrival.codec.is_video(), cx.outbox) {
            let peer = PeerRef { room: cx.room, participant: subscription.subscriber, target };
            cx.wake.at(due, Due::Peer(peer));
        }
    }

    /// Which track and encoding the SSRC is; found by line and rid the first time.
    fn source_of(&mut self, from: ParticipantKey, ssrc: u32) -> Option<SourceOf> {
        let person = self.people.get_mut(from)?;
        if let Some(known) = person.sources.iter().find(|source| source.ssrc == ssrc) {
            return Some(*known);
        }
        let (mid, rid) = person.publisher.as_ref()?.receiving(ssrc)?;
        let (track, stream) = person.tracks.iter().find_map(|key| {
            let index = self.tracks[*key].streams.iter().position(|stream| stream.mid == mid)?;
            Some((*key, index))
        })?;
        let encodings = &self.tracks[track].streams[stream].encodings;
        let encoding = encodings.iter().position(|e| e.rid == rid).or((encodings.len() == 1).then_some(0))?;
        let source = SourceOf { ssrc, track, stream: stream as u8, encoding: encoding as u8 };
        person.sources.retain(|s| (s.track, s.stream, s.encoding) != (source.track, source.stream, source.encoding));
        person.sources.push(source);
        Some(source)
    }

    // --- key frames ---

    /// Asks the publisher, unless it was asked just now: many subscribers make one request.
    fn ask_picture(&mut self, from: ParticipantKey, source: SourceOf, mid: Mid, rid: Option<Rid>, cx: &mut Cx<'_>) {
        let track = &mut self.tracks[source.track];
        let encoding = &mut track.streams[source.stream()].encodings[usize::from(source.encoding)];
        if encoding.picture_asked.is_some_and(|at| cx.now < at + PICTURE_INTERVAL) {
            encoding.picture_wanted = true;
            return;
        }
        encoding.picture_asked = Some(cx.now);
        encoding.picture_wanted = false;
        match self.people.get_mut(from).and_then(|person| person.publisher.as_mut()) {
            Some(publisher) => {
                publisher.request_keyframe(mid, rid);
                self.touch(from, Target::Publisher, cx);
            }
            None => self.ask_origin(from, source.track, (source.stream, source.encoding), cx),
        }
    }

    /// A subscriber lost its picture.
    pub(super) fn on_keyframe_request(&mut self, subscriber: ParticipantKey, mid: Mid, cx: &mut Cx<'_>) {
        let Some(person) = self.people.get(subscriber) else { return };
        let found = person.subscriptions.iter().find(|key| self.subscriptions[**key].bound == Some(mid));
        if let Some(subscription) = found.map(|key| &self.subscriptions[*key]) {
            let (track, at) = (subscription.track, subscription.showing());
            self.request_picture_of(track, at, cx);
        }
    }

    /// `at`: the stream and encoding; `None`: all.
    pub(super) fn request_picture_of(&mut self, key: TrackKey, at: Option<(u8, u8)>, cx: &mut Cx<'_>) {
        let Some(track) = self.tracks.get(key).filter(|t| t.kind == MediaKind::Video) else { return };
        let from = track.publisher;
        let all = track.streams.iter().enumerate().flat_map(|(s, stream)| {
            let (mid, all) = (stream.mid, &stream.encodings);
            all.iter().enumerate().map(move |(e, encoding)| (s as u8, e as u8, mid, encoding.rid))
        });
        let wanted: Vec<_> = all.filter(|(s, e, ..)| at.is_none_or(|at| at == (*s, *e))).collect();
        for (stream, encoding, mid, rid) in wanted {
            let source = SourceOf { ssrc: 0, track: key, stream, encoding };
            self.ask_picture(from, source, mid, rid, cx);
        }
    }

    /// The subscriber's media is connected (again): what it sees is stale.
    pub(super) fn refresh_pictures(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        let tracks: Vec<_> = self.people[key]
            .subscriptions
            .iter()
            .map(|s| &self.subscriptions[*s])
            .filter(|s| s.bound.is_some())
            .map(|s| (s.track, s.showing()))
            .collect();
        for (track, at) in tracks {
            self.request_picture_of(track, at, cx);
        }
    }

    /// Requests that came too soon after another.
    pub(super) fn late_pictures(&mut self, cx: &mut Cx<'_>) {
        let mut late = vec![];
        for (key, track) in &self.tracks {
            for (s, stream) in track.streams.iter().enumerate() {
                for (e, encoding) in stream.encodings.iter().enumerate() {
                    if encoding.picture_wanted
                        && encoding.picture_asked.is_none_or(|at| cx.now >= at + PICTURE_INTERVAL)
                    {
                        late.push((key, (s as u8, e as u8)));
                    }
                }
            }
        }
        for (track, at) in late {
            self.request_picture_of(track, Some(at), cx);
        }
    }

    /// Subscriptions that want another encoding than they have ask for its key frame, again and again until it comes.
    pub(super) fn wanted_pictures(&mut self, cx: &mut Cx<'_>) {
        for track in self.tracks.keys().collect::<Vec<_>>() {
            self.wanted_pictures_of(track, cx);
        }
    }

    pub(super) fn wanted_pictures_of(&mut self, key: TrackKey, cx: &mut Cx<'_>) {
        let track = &self.tracks[key];
        if track.kind != MediaKind::Video || track.info.muted {
            return;
        }
        let rtt = self.people[track.publisher].link.rtt.unwrap_or_default();
        let mut wanted = vec![];
        for subscription in &track.subscribers {
            let subscription = &mut self.subscriptions[*subscription];
            let Some(stream) = track.streams.get(usize::from(subscription.stream)) else { continue };
            // Of who cannot be reached now nobody sees it.
            let Some(person) = self.people.get_mut(subscription.subscriber) else { continue };
            let target = person.downstream();
            if !person.peer(target).is_some_and(Peer::takes_media) {
                continue;
            }
            if let Some(layer) = subscription.wants_picture(cx.now, rtt, stream) {
                wanted.push((subscription.stream, layer));
            }
        }
        for at in wanted {
            self.request_picture_of(key, Some(at), cx);
        }
    }
}

/// A packet with what was read of it once for all subscribers.
pub(super) struct Arrival<'a> {
    pub(crate) packet: &'a Packet,
    pub(crate) codec: Codec,
    pub(crate) incoming: Incoming,
    /// When it was captured, as the publisher's sender reports say: what ours are made of.
    pub(crate) captured: Instant,
    pub(crate) stream: u8,
    pub(crate) layer: forward::LayerPacket,
    /// The stream's encodings that live now.
    pub(crate) alive: forward::Layers,
    pub vp8: Option<forward::Vp8Packet>,
    /// Where it is in the layers within its stream.
    pub(crate) place: Option<Place<'a>>,
    /// The Opus in redundant audio: unwrapped once for all who take nothing else.
    plain: OnceCell<Option<Arc<[u8]>>>,
    /// An earlier packet that was lost, out of the redundancy of the one that came.
    pub(crate) repeated: bool,
}

impl<'a> Arrival<'a> {
    /// The Opus in a packet of redundant audio; `None`: it is malformed.
    pub(crate) fn plain(&self) -> Option<Arc<[u8]>> {
        let unwrap = || Red::parse(&self.packet.payload).map(|red| red.primary.payload.into());
        self.plain.get_or_init(unwrap).clone()
    }

    /// Without the trailer of its frame, if it ends with one.
    pub(crate) fn trimmed(&self) -> Arc<[u8]> {
        let payload = &self.packet.payload;
        let descriptor = self.vp8.as_ref().map_or(0, |vp8| vp8.header_len);
        let end = trailer(payload).map(|length| payload.len() - length).filter(|end| *end >= descriptor);
        match end.filter(|_| self.packet.marker) {
            Some(end) => payload[..end].into(),
            None => payload.clone(),
        }
    }

    /// The earlier packets that a packet of redundant audio repeats, the oldest first.
    fn redundancy(&self) -> Vec<Arrival<'a>> {
        let Some(red) = Red::parse(&self.packet.payload) else { return vec![] };
        let earlier = |block: Block<'_>| {
            let seq = self.incoming.seq.checked_sub(block.age.into())?;
            let ts = self.incoming.ts.wrapping_sub(block.ts_offset.into());
            let plain = OnceCell::from(Some(block.payload.into()));
            let incoming = Incoming { seq, ts, ..self.incoming };
            let before = Duration::from_secs_f64(f64::from(block.ts_offset) / f64::from(self.codec.clock_rate()));
            let captured = self.captured.checked_sub(before)?;
            Some(Arrival { incoming, captured, plain, repeated: true, vp8: None, place: None, ..*self })
        };
        red.redundant().filter_map(earlier).collect()
    }

    /// The packet as the subscriber gets it, but for what is specific to its codec.
    pub(crate) fn write(
        &self,
        pt: Pt,
        resend: Option<Pt>,
        to: forward::Outgoing,
        payload: Arc<[u8]>,
    ) -> downlink::Packet {
        let extensions = match self.repeated {
            true => Extensions::default(), // They spoke of the packet that came.
            false => self.packet.extensions.clone(),
        };
        downlink::Packet {
            pt: *pt,
            resend: resend.map(|pt| *pt),
            seq: to.seq,
            timestamp: to.ts,
            clock_rate: self.codec.clock_rate(),
            captured: self.captured,
            marker: self.packet.marker && !self.repeated,
            extensions,
            head: None,
            payload,
        }
    }
}

/// The length of the trailer with which the last packet of a frame ends: LiveKit's mark, before it the length of all, inverted.
fn trailer(payload: &[u8]) -> Option<usize> {
    let (length, rest) = payload.strip_suffix(b"LKTS")?.split_last()?;
    let length = usize::from(!length);
    (5..=rest.len() + 5).contains(&length).then_some(length)
}

/// The codec that a payload type stands for.
fn arrived(payloads: &[PayloadParams], pt: Pt) -> Option<Codec> {
    if payloads.iter().any(|p| p.red() == Some(pt)) {
        return Some(Codec::Red);
    }
    payloads.iter().find(|p| p.pt() == pt).and_then(|p| codec_of(p.spec().codec))
}

impl super::publish::Stream {
    /// The encodings that come now, as the selector knows them: one stream is one, whatever layers are within.
    pub(crate) fn alive(&self, now: Instant) -> forward::Layers {
        let living = self.encodings.iter().enumerate().filter(|(_, encoding)| encoding.tracker.alive(now));
        living.map(|(index, encoding)| if encoding.rid.is_none() { 0 } else { index as forward::Layer }).collect()
    }

    /// The encoding goes on under another SSRC (RFC 3550, 8.2): nothing of it goes on but its place.
    fn renew(&mut self, encoding: u8, ssrc: u32) {
        let layered = self.svc.is_some();
        for (index, known) in self.encodings.iter_mut().enumerate() {
            if layered || index == usize::from(encoding) {
                known.tracker.restart();
                known.ssrc = Some(ssrc);
            }
        }
        if let Some(svc) = &mut self.svc {
            **svc = Svc::default();
        }
    }

    fn settle(&mut self, pt: Pt, codec: Codec) {
        self.pt = Some(pt);
        self.codec = codec;
    }
}
