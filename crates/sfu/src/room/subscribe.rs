//! Who sees what, and in which quality.

use super::{audience::Audience, media::Arrival, publish::Stream, svc::Chooser, *};
use crate::forward::{
    Codec, Decision, FrameNumbers, Layer, LayerSelector, Outgoing, RtpMunger, Vp8Munger,
    allocate::ceiling_for,
    dd::{Descriptor, SvcLayer},
    frames,
    quality::Quality,
    svc::SvcDecision,
};
use crate::{chance, downlink::Packet, rtp::Extensions};
use proto::VideoQuality;
use rand::Rng;
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};
use str0m::media::{MediaKind, Mid, Pt};

/// A key frame for another layer of a picture that is there is asked for no more often.
const LAYER_AGAIN: Duration = Duration::from_secs(1);
/// Tracks asked for in one message that are not here: no more of them are answered.
const UNKNOWN: usize = 100;

/// One participant's wish for one track, and what it takes to fulfil it.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) track: TrackKey,
    pub(crate) subscriber: ParticipantKey,
    /// The line that was chosen for it.
    pub(crate) line: Option<Mid>,
    /// The line once both sides know of it: packets flow.
    pub(crate) bound: Option<Mid>,
    /// The publisher does not let this subscriber have it.
    pub(crate) denied: bool,
    /// The client switched it off, or has it off screen.
    pub(crate) disabled: bool,
    pub(crate) wish: Wish,
    /// What the allocator found room for; `None`: nothing.
    granted: Option<Layer>,
    /// No more than the base temporal layer: fewer frames.
    slow: bool,
    /// Highest encoding that the wish makes sense of; the allocator may grant less.
    pub(crate) ceiling: Layer,
    /// Encodings between what was wished and what is granted.
    pub(super) missed: u8,
    /// Of the way to the subscriber.
    pub(super) quality: Quality,
    /// Which of the track's streams (codecs) this subscriber gets.
    pub(crate) stream: u8,
    pub(super) decodes: Decodes,
    selector: LayerSelector,
    munger: RtpMunger,
    vp8: Vp8Munger,
    frames: FrameNumbers,
    /// Of the layers within the stream.
    chooser: Chooser,
    /// When a key frame was last asked for to get another of these.
    layer_asked: Option<Instant>,
    /// What comes next follows a pause.
    paused_before: bool,
    payload: Option<Payload>,
    /// Frames end with what this client cannot take off.
    trims: bool,
}

/// The subscriber's payload type for one of the publisher's.
#[derive(Debug, Clone, Copy)]
struct Payload {
    source: Pt,
    codec: Codec,
    pt: Pt,
    /// On which it is sent again.
    resend: Option<Pt>,
    /// Redundant audio for one who takes plain Opus alone.
    strip: bool,
}

/// What the client asked for (`UpdateTrackSettings`).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish {
    pub(crate) quality: Option<VideoQuality>,
    /// Pixels on the client's screen; 0: not said.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) priority: u32,
}

impl Wish {
    pub(crate) fn pixels(&self) -> u32 {
        self.width.saturating_mul(self.height)
    }
}

impl Subscription {
    /// Whether it needs a line.
    pub(crate) fn wanted(&self) -> bool {
        !self.denied
    }

    /// The stream and encoding that is sent now.
    pub(crate) fn showing(&self) -> Option<(u8, u8)> {
        self.selector.current().map(|layer| (self.stream, layer))
    }

    /// Whether the client would show it.
    pub(crate) fn wants_media(&self) -> bool {
        !self.disabled && !self.denied
    }

    pub(crate) fn flowing(&self) -> bool {
        self.bound.is_some() && self.granted.is_some() && self.wants_media()
    }

    /// To be called when anything of `flowing` or `ceiling` changed, and after a pause of the source.
    pub(crate) fn retarget(&mut self, restart: bool) {
        if restart || !self.flowing() {
            self.selector.set_target(None);
            self.paused_before = true;
        }
        if self.flowing()
            && let Some(granted) = self.granted
        {
            let layer = granted.min(self.ceiling);
            self.selector.set_target(Some(layer));
            let temporal = if self.slow { 0 } else { u8::MAX };
            self.chooser.set_wanted(SvcLayer { spatial: layer, temporal });
            self.vp8.set_temporal(temporal);
        }
    }

    /// On a line whose SSRC is new: so are the numbers, or the first would be one that no receiver can open.
    fn begin(&mut self, mid: Mid, kind: MediaKind) {
        self.bound = Some(mid);
        self.munger = fresh_numbers(kind);
        self.vp8 = Vp8Munger::default();
        self.frames = FrameNumbers::default();
        self.retarget(true);
    }

    /// What the allocator says. `true`: it is paused now, or no longer.
    pub(crate) fn grant(&mut self, layer: Option<Layer>, slow: bool) -> bool {
        let changed = self.granted.is_none() != layer.is_none();
        if (self.granted, self.slow) != (layer, slow) {
            (self.granted, self.slow) = (layer, slow);
            self.retarget(false);
        }
        changed
    }

    pub(crate) fn paused(&self) -> bool {
        self.granted.is_none()
    }

    /// The encoding of which a key frame must be asked for now.
    pub(crate) fn wants_picture(&mut self, now: Instant, rtt: Duration, stream: &Stream) -> Option<Layer> {
        if !self.flowing() {
            return None;
        }
        self.selector.keyframe_request(now, rtt, stream.alive(now)).or_else(|| self.wants_layer(now, stream))
    }

    /// There is a picture, but only a key frame brings the layer within the stream that is wanted.
    fn wants_layer(&mut self, now: Instant, stream: &Stream) -> Option<Layer> {
        let needs = stream.svc.as_ref().is_some_and(|svc| self.chooser.needs_keyframe(stream.codec, svc));
        if !needs || self.layer_asked.is_some_and(|asked| now < asked + LAYER_AGAIN) {
            return None;
        }
        self.layer_asked = Some(now);
        self.selector.current()
    }

    /// Chooses and rewrites. On the hot path.
    pub(super) fn rewrite(&mut self, arrival: &Arrival<'_>, mid: Mid, peer: &Peer, now: Instant) -> Option<Packet> {
        if !self.flowing() || arrival.stream != self.stream {
            return None;
        }
        let payload = self.payload_for(arrival, mid, peer)?;
        if arrival.repeated && !payload.strip {
            return None; // Who takes redundancy makes use of it.
        }
        let out = if arrival.codec.is_video() { self.select(arrival, now) } else { self.pass(arrival, now) };
        match out? {
            Step::Send(out, chosen) => {
                let content = match payload.strip {
                    true => arrival.plain()?,
                    false if self.trims => arrival.trimmed(),
                    false => arrival.packet.payload.clone(),
                };
                let mut packet = arrival.write(payload.pt, payload.resend, out, content);
                if let Some(vp8) = &arrival.vp8 {
                    packet.head = Some(self.vp8.rewrite(out.epoch, vp8)?);
                }
                chosen.apply(&mut packet, arrival);
                if let Some(Descriptor(descriptor)) = &packet.extensions.descriptor {
                    packet.extensions.frame =
                        frames::number(descriptor).and_then(|number| self.frames.rewrite(out.epoch, number));
                }
                Some(packet)
            }
            Step::Fill(out) => {
                let packet = arrival.write(payload.pt, None, out, Arc::default());
                Some(Packet { marker: false, extensions: Extensions::default(), ..packet })
            }
        }
    }

    fn pass(&mut self, arrival: &Arrival<'_>, now: Instant) -> Option<Step> {
        if std::mem::take(&mut self.paused_before) {
            self.munger.set_clock_rate(arrival.codec.clock_rate());
            return Some(Step::whole(self.munger.switch(now, &arrival.incoming)));
        }
        self.munger.forward(now, &arrival.incoming).map(Step::whole)
    }

    fn select(&mut self, arrival: &Arrival<'_>, now: Instant) -> Option<Step> {
        match self.selector.select(arrival.layer, arrival.alive) {
            Decision::Forward { switched: true } => {
                self.paused_before = false;
                self.chooser.restart();
                // VP8's numbers are still those of the stream before.
                let chosen = arrival.place.as_ref().and_then(|_| self.choose(arrival)).unwrap_or_default();
                Some(Step::Send(self.munger.switch(now, &arrival.incoming), chosen))
            }
            // Of before the pause: its place was not kept.
            Decision::Late if self.paused_before => None,
            Decision::Forward { switched: false } => match self.choose(arrival) {
                Some(chosen) => self.munger.forward(now, &arrival.incoming).map(|out| Step::Send(out, chosen)),
                None => self.munger.drop(now, &arrival.incoming).map(Step::Fill),
            },
            Decision::Late => self.munger.forward(now, &arrival.incoming).map(Step::whole),
            Decision::Drop => None,
        }
    }

    /// Among the layers within the stream; `None`: the packet's is not wanted.
    fn choose(&mut self, arrival: &Arrival<'_>) -> Option<Chosen> {
        match (&arrival.place, &arrival.vp8) {
            (Some(place), _) => match self.chooser.choose(place) {
                SvcDecision::Forward { last, active_targets } => Some(Chosen { last, active_targets }),
                SvcDecision::Drop => None,
            },
            (None, Some(vp8)) => self.vp8.wants(vp8).then(Chosen::default),
            (None, None) => Some(Chosen::default()),
        }
    }

    /// Looked up when the publisher's payload type changes.
    fn payload_for(&mut self, arrival: &Arrival<'_>, mid: Mid, peer: &Peer) -> Option<Payload> {
        let source = arrival.packet.pt;
        if let Some(known) = self.payload.filter(|p| p.source == source && p.codec == arrival.codec) {
            return Some(known);
        }
        let (pt, resend, strip) = payload(peer, mid, arrival.codec)?;
        self.payload = Some(Payload { source, codec: arrival.codec, pt, resend, strip });
        self.payload
    }
}

/// They begin in the lower half of 16 bits (RFC 3711, 3.3.1, takes the first to be of the first cycle).
fn fresh_numbers(kind: MediaKind) -> RtpMunger {
    let clock_rate = if kind == MediaKind::Video { 90_000 } else { 48_000 };
    RtpMunger::new(clock_rate, chance::draw(|rng| rng.random_range(1..=30_000)))
}

/// What a subscriber can decode of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decodes {
    /// It has no line yet.
    Unknown,
    /// The codec at this place of the track's list.
    Announced(usize),
    Nothing,
}

impl Decodes {
    /// The place in the track's list of codecs of the one to send.
    pub(super) fn first(self) -> usize {
        match self {
            Decodes::Announced(index) => index,
            Decodes::Unknown | Decodes::Nothing => 0,
        }
    }
}

/// What becomes of a packet.
enum Step {
    Send(Outgoing, Chosen),
    /// Its place is kept, its content is not wanted: an empty packet.
    Fill(Outgoing),
}

impl Step {
    fn whole(out: Outgoing) -> Self {
        Self::Send(out, Chosen::default())
    }
}

/// What is changed of a packet because the subscriber does not get all the layers of its stream.
#[derive(Debug, Clone, Copy, Default)]
struct Chosen {
    /// It is the last of the picture, for this subscriber.
    last: bool,
    /// The decode targets to tell in its dependency descriptor.
    active_targets: Option<u32>,
}

impl Chosen {
    fn apply(self, packet: &mut Packet, arrival: &Arrival<'_>) {
        packet.marker |= self.last;
        let told = self.active_targets.zip(arrival.place.as_ref());
        if let Some(descriptor) = told.and_then(|(targets, place)| place.with_targets(targets)) {
            packet.extensions.descriptor = Some(descriptor);
        }
    }
}

/// The payload type for a codec on the subscriber's line, that on which it is sent again, and whether only the primary
/// block of redundant audio is taken.
fn payload(peer: &Peer, mid: Mid, codec: Codec) -> Option<(Pt, Option<Pt>, bool)> {
    let of = |codec: Codec| {
        let mut fitting = peer.payloads().iter().filter(move |p| super::media::codec_of(p.spec().codec) == Some(codec));
        fitting.find(|p| peer.accepts_payload(mid, p.pt()))
    };
    if codec == Codec::Red {
        let opus = of(Codec::Opus)?;
        return Some(opus.red().map_or((opus.pt(), None, true), |red| (red, None, false)));
    }
    of(codec).map(|p| (p.pt(), p.resend().filter(|_| codec.is_video()), false))
}

impl Room {
    /// A newcomer sees everything, if it wishes so.
    pub(super) fn subscribe_to_all(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        if !self.people[key].settings.auto_subscribe {
            return;
        }
        for track in self.tracks.keys().collect::<Vec<_>>() {
            self.subscribe(key, track, cx);
        }
    }

    /// A new track is seen by all who see everything.
    pub(super) fn subscribe_all_to(&mut self, track: TrackKey, cx: &mut Cx<'_>) {
        for key in self.people.keys().collect::<Vec<_>>() {
            if self.people[key].settings.auto_subscribe {
                self.subscribe(key, track, cx);
            }
        }
    }

    fn subscribe(&mut self, key: ParticipantKey, track: TrackKey, cx: &mut Cx<'_>) {
        let person = &self.people[key];
        let publisher = self.tracks[track].publisher;
        let has = person.subscriptions.iter().any(|s| self.subscriptions[*s].track == track);
        if publisher == key || has || !person.permission().can_subscribe {
            return;
        }
        let denied = !self.lets(publisher, key, &self.tracks[track].info.sid);
        let subscription = self.subscriptions.insert(Subscription {
            track,
            subscriber: key,
            line: None,
            bound: None,
            denied,
            disabled: false,
            wish: Wish::default(),
            granted: Some(Layer::MAX),
            slow: false,
            ceiling: Layer::MAX,
            missed: 0,
            quality: Quality::new(link::kind_of(self.tracks[track].streams[0].codec)),
            stream: 0,
            decodes: Decodes::Unknown,
            selector: LayerSelector::default(),
            munger: fresh_numbers(self.tracks[track].kind),
            vp8: Vp8Munger::default(),
            frames: FrameNumbers::default(),
            chooser: Chooser::default(),
            layer_asked: None,
            paused_before: true,
            payload: None,
            trims: self.trims(key, track),
        });
        self.tracks[track].subscribers.push(subscription);
        self.people[key].subscriptions.push(subscription);
        if denied {
            self.tell_permission(subscription, cx);
        }
        self.want_negotiation(key);
    }

    /// Whether frames of the track come with trailers, and the client does not know of them.
    fn trims(&self, key: ParticipantKey, track: TrackKey) -> bool {
        let knows = i32::from(proto::client_info::Capability::CapPacketTrailer);
        let has_trailers = !self.tracks[track].info.packet_trailer_features.is_empty();
        has_trailers && !self.people[key].info.capabilities.contains(&knows)
    }

    fn tell_permission(&self, key: SubscriptionKey, cx: &mut Cx<'_>) {
        let subscription = &self.subscriptions[key];
        let track = &self.tracks[subscription.track];
        let update = proto::SubscriptionPermissionUpdate {
            participant_sid: self.people[track.publisher].info.sid.clone(),
            track_sid: track.info.sid.clone(),
            allowed: !subscription.denied,
        };
        self.say(subscription.subscriber, Message::SubscriptionPermissionUpdate(update), cx);
    }

    pub(super) fn drop_subscription(&mut self, key: SubscriptionKey, cx: &mut Cx<'_>) {
        let Some(subscription) = self.subscriptions.remove(key) else { return };
        if let Some(track) = self.tracks.get_mut(subscription.track) {
            track.subscribers.retain(|s| *s != key);
        }
        if let Some(person) = self.people.get_mut(subscription.subscriber) {
            person.subscriptions.retain(|s| *s != key);
            for slot in person.slots.iter_mut().filter(|slot| slot.subscription == Some(key)) {
                slot.subscription = None;
            }
        }
        self.tell_unheard(subscription.subscriber, subscription.track, cx);
        self.want_negotiation(subscription.subscriber);
    }

    /// The client knows which line carries the track.
    pub(super) fn bind(&mut self, key: SubscriptionKey, mid: Mid, cx: &mut Cx<'_>) {
        let Some(subscription) = self.subscriptions.get_mut(key) else { return };
        subscription.begin(mid, self.tracks[subscription.track].kind);
        let (track, subscriber) = (subscription.track, subscription.subscriber);
        self.choose_stream(key);
        if self.subscriptions[key].decodes == Decodes::Nothing {
            let err = proto::SubscriptionError::SeCodecUnsupported.into();
            let response = proto::SubscriptionResponse { track_sid: self.tracks[track].info.sid.clone(), err };
            self.say(subscriber, Message::SubscriptionResponse(response), cx);
        }
        self.wanted_pictures_of(track, cx);
        let subscribed = proto::TrackSubscribed { track_sid: self.tracks[track].info.sid.clone() };
        let first =
            self.tracks[track].subscribers.iter().filter(|s| self.subscriptions[**s].bound.is_some()).count() == 1;
        if first {
            let publisher = self.tracks[track].publisher;
            self.say(publisher, Message::TrackSubscribed(subscribed), cx);
        }
        self.tell_heard(subscriber, track, cx);
    }

    // --- codecs ---

    /// Gives the subscriber the first of the track's codecs that it can decode, once it is published.
    pub(super) fn choose_stream(&mut self, key: SubscriptionKey) {
        let decodes = self.decodes(key);
        let subscription = &mut self.subscriptions[key];
        subscription.decodes = decodes;
        let track = &self.tracks[subscription.track];
        let Some(chosen) = track.stream_of(decodes.first()).map(|stream| stream.mid) else { return };
        let stream = track.streams.iter().position(|stream| stream.mid == chosen).unwrap_or(0) as u8;
        if subscription.stream != stream {
            subscription.stream = stream;
            subscription.retarget(true);
            self.reconsider(key);
        }
    }

    /// Which of the codecs that the publisher announced the subscriber can decode first.
    fn decodes(&self, key: SubscriptionKey) -> Decodes {
        let subscription = &self.subscriptions[key];
        let (person, track) = (&self.people[subscription.subscriber], &self.tracks[subscription.track]);
        let peer = match person.mode {
            Mode::Single => person.publisher.as_ref(),
            Mode::Dual => person.subscriber.as_ref(),
        };
        let Some((mid, peer)) = subscription.bound.zip(peer) else { return Decodes::Unknown };
        let can = |index: &usize| {
            let announced = || Codec::from_mime(&track.info.codecs[*index].mime_type);
            let codec = track.stream_of(*index).map(|stream| stream.codec).or_else(announced);
            codec.is_some_and(|codec| payload(peer, mid, codec).is_some())
        };
        (0..track.info.codecs.len()).find(can).map_or(Decodes::Nothing, Decodes::Announced)
    }

    // --- what clients ask ---

    pub(super) fn on_subscription(
        &mut self,
        key: ParticipantKey,
        request: &proto::UpdateSubscription,
        cx: &mut Cx<'_>,
    ) {
        let named = request.participant_tracks.iter().flat_map(|p| &p.track_sids);
        let mut sids: BTreeSet<_> = request.track_sids.iter().chain(named).filter(|sid| !sid.is_empty()).collect();
        let known: Vec<_> =
            self.tracks.iter().filter(|(_, track)| sids.remove(&track.info.sid)).map(|(key, _)| key).collect();
        for track in known {
            match request.subscribe {
                true => self.subscribe(key, track, cx),
                false => self.unsubscribe(key, track, cx),
            }
        }
        for sid in sids.into_iter().filter(|_| request.subscribe).take(UNKNOWN) {
            let err = proto::SubscriptionError::SeTrackNotfound.into();
            let response = proto::SubscriptionResponse { track_sid: sid.clone(), err };
            self.say(key, Message::SubscriptionResponse(response), cx);
        }
    }

    fn unsubscribe(&mut self, key: ParticipantKey, track: TrackKey, cx: &mut Cx<'_>) {
        let mut own = self.people[key].subscriptions.iter().copied();
        if let Some(subscription) = own.find(|s| self.subscriptions[*s].track == track) {
            self.drop_subscription(subscription, cx);
        }
    }

    pub(super) fn on_track_settings(
        &mut self,
        key: ParticipantKey,
        settings: &proto::UpdateTrackSettings,
        cx: &mut Cx<'_>,
    ) {
        let named: HashSet<&String> = settings.track_sids.iter().collect();
        let chosen: Vec<_> = self.people[key]
            .subscriptions
            .iter()
            .copied()
            .filter(|s| named.contains(&self.tracks[self.subscriptions[*s].track].info.sid))
            .collect();
        for subscription in chosen {
            let s = &mut self.subscriptions[subscription];
            s.disabled = settings.disabled;
            s.wish = Wish {
                quality: Some(settings.quality()),
                width: settings.width,
                height: settings.height,
                priority: settings.priority,
            };
            let track = s.track;
            self.reconsider(subscription);
            self.wanted_pictures_of(track, cx);
        }
        self.allocate(key, cx);
    }

    /// The publisher says who may subscribe.
    pub(super) fn on_audience(&mut self, key: ParticipantKey, audience: Arc<Audience>, cx: &mut Cx<'_>) {
        self.people[key].audience = audience;
        self.tell_copies(key, cx);
        for track in self.people[key].tracks.clone() {
            for subscription in self.tracks[track].subscribers.clone() {
                let subscriber = self.subscriptions[subscription].subscriber;
                let denied = !self.lets(key, subscriber, &self.tracks[track].info.sid);
                if self.subscriptions[subscription].denied == denied {
                    continue;
                }
                self.subscriptions[subscription].denied = denied;
                self.tell_permission(subscription, cx);
                self.release_line(subscription);
                self.want_negotiation(subscriber);
            }
        }
        self.review_data(key, cx);
    }

    fn release_line(&mut self, key: SubscriptionKey) {
        let subscription = &mut self.subscriptions[key];
        subscription.bound = None;
        subscription.retarget(true);
        if subscription.denied && subscription.line.take().is_some() {
            let person = &mut self.people[subscription.subscriber];
            for slot in person.slots.iter_mut().filter(|slot| slot.subscription == Some(key)) {
                slot.subscription = None;
            }
        }
    }

    /// Whether the publisher lets them have the track. (As LiveKit has it, this is not asked of who records: everybody in the room
    /// is told that it is recorded.)
    pub(super) fn lets(&self, publisher: ParticipantKey, subscriber: ParticipantKey, track_sid: &str) -> bool {
        let Some(publisher) = self.people.get(publisher) else { return true };
        let subscriber = &self.people[subscriber];
        subscriber.records() || publisher.audience.admits(&subscriber.info, track_sid)
    }

    // --- quality ---

    /// What the client's wish means for the highest encoding that it gets.
    fn reconsider(&mut self, key: SubscriptionKey) {
        let subscription = &self.subscriptions[key];
        let ceiling = self.wished(subscription);
        let subscription = &mut self.subscriptions[key];
        subscription.ceiling = ceiling;
        subscription.retarget(false);
    }

    /// Index of the highest encoding that makes sense for the wish.
    fn wished(&self, subscription: &Subscription) -> Layer {
        let track = &self.tracks[subscription.track];
        let Some(stream) = track.streams.get(usize::from(subscription.stream)) else { return 0 };
        let wish = &subscription.wish;
        if wish.pixels() > 0 {
            let pixels = |index: usize| stream.encodings.get(index).map(|e| e.width.saturating_mul(e.height));
            return ceiling_for(std::array::from_fn(pixels), wish.pixels());
        }
        match wish.quality {
            Some(quality) if quality != VideoQuality::Off => {
                let within = stream.encodings.iter().rposition(|e| i32::from(e.quality) <= quality.into());
                within.unwrap_or(0) as u8
            }
            _ => Layer::MAX,
        }
    }
}
