//! Tracks: announced, matched with a line of the client's offer, muted, gone.

use super::{signal::Reason, *};
use crate::{
    forward::Codec,
    known,
    sdp::{Edit, Line, LineKind},
};
use prost::Message as _;
use proto::{TrackSource, TrackType, video_layer};
use std::collections::BTreeSet;
use str0m::{
    format::PayloadParams,
    media::{MediaKind, Mid, Pt},
};

/// Bytes of one announcement: everybody in the room is told all of it.
pub(super) const ANNOUNCEMENT: usize = 16 << 10;
/// Tracks announced and not yet offered, a participant.
pub(super) const PENDING: usize = 20;
/// Tracks of one participant.
pub(super) const TRACKS: usize = 60;
/// Codecs that a track may be published in besides its first.
const BACKUPS: usize = 2;

/// Announced, waiting for its line.
#[derive(Debug)]
pub(crate) struct Pending {
    cid: String,
    info: proto::TrackInfo,
    /// `vp8`, `opus`: what the client said that it will send.
    codec: String,
    /// The track to which this is a second codec.
    extends: Option<TrackKey>,
}

#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) publisher: ParticipantKey,
    pub(crate) kind: MediaKind,
    pub(crate) info: proto::TrackInfo,
    /// One, and one more for a backup codec.
    pub(crate) streams: Vec<Stream>,
    pub(crate) subscribers: Vec<SubscriptionKey>,
    pub(crate) dynacast: super::dynacast::Dynacast,
    /// Of the way from the publisher.
    pub(super) quality: crate::forward::quality::Quality,
    /// How loud it is; for sound with levels.
    pub(crate) voice: Option<crate::forward::speaker::Voice>,
}

/// What one line of the publisher's carries.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) mid: Mid,
    /// As announced; the packets have the last word.
    pub(crate) codec: Codec,
    pub(crate) pt: Option<Pt>,
    /// Simulcast layers; or, where all come in one RTP stream, its spatial layers.
    pub(crate) encodings: Vec<super::media::Encoding>,
    /// Reads of the spatial layers within the one RTP stream.
    pub(super) svc: Option<Box<super::svc::Svc>>,
}

/// What a line of an offer turned out to be.
enum Matched {
    New(TrackKey),
    /// A track that was there, in another codec.
    Backup(TrackKey),
}

/// Of what a stream is made, but for what came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StreamShape {
    pub(super) mid: Mid,
    codec: Codec,
    /// Of its simulcast layers, lowest first.
    rids: Vec<String>,
}

impl StreamShape {
    /// `info`: of the track, with the sizes of its layers.
    pub(super) fn stream(&self, info: &proto::TrackInfo) -> Stream {
        let layered = self.rids.is_empty() && super::svc::is_layered(self.codec, info);
        Stream {
            mid: self.mid,
            codec: self.codec,
            pt: None,
            encodings: super::media::encodings(&self.rids, info, layered),
            svc: layered.then(Default::default),
        }
    }
}

impl Stream {
    pub(super) fn shape(&self) -> StreamShape {
        let rids = self.encodings.iter().filter_map(|encoding| Some(encoding.rid?.to_string())).collect();
        StreamShape { mid: self.mid, codec: self.codec, rids }
    }

    /// Whether an encoding's packets do not suffice without those of the lower ones.
    pub(super) fn nested(&self) -> bool {
        self.svc.as_ref().is_some_and(|svc| svc.nested())
    }
}

impl Track {
    /// `streams`: one at least.
    pub(super) fn new(
        publisher: ParticipantKey,
        kind: MediaKind,
        info: proto::TrackInfo,
        streams: Vec<Stream>,
    ) -> Self {
        let quality = crate::forward::quality::Quality::new(super::link::kind_of(streams[0].codec));
        let (subscribers, dynacast) = (vec![], Default::default());
        Self { publisher, kind, info, streams, subscribers, dynacast, quality, voice: None }
    }

    pub(crate) fn has_line(&self, mid: &str) -> bool {
        self.streams.iter().any(|stream| *stream.mid == *mid)
    }

    /// The stream in the codec at this place of the track's list, if it is published.
    pub(super) fn stream_of(&self, codec: usize) -> Option<&Stream> {
        let codec = self.info.codecs.get(codec)?;
        self.streams.iter().find(|stream| *stream.mid == *codec.mid)
    }

    pub(crate) fn is_screen(&self) -> bool {
        self.info.source() == TrackSource::ScreenShare
    }
}

impl Pending {
    pub(super) fn sid(&self) -> &str {
        &self.info.sid
    }
}

impl Room {
    pub(super) fn on_add_track(&mut self, key: ParticipantKey, mut request: proto::AddTrackRequest, cx: &mut Cx<'_>) {
        known::keep_of_track(&mut request);
        let refused = self.why_not_publish(key, &request);
        let answered = |reason, message: &str| proto::RequestResponse {
            reason: i32::from(reason),
            message: message.to_owned(),
            request: Some(proto::request_response::Request::AddTrack(request.clone())),
            ..Default::default()
        };
        if let Some((reason, message)) = refused {
            return self.say(key, Message::RequestResponse(answered(reason, message)), cx);
        }
        let pending = self.pending_of(key, &request, cx);
        let published = proto::TrackPublishedResponse { cid: request.cid.clone(), track: Some(pending.info.clone()) };
        self.people[key].pending.push(pending);
        self.say(key, Message::TrackPublished(published), cx);
        self.match_early(key, &request.cid, cx);
    }

    /// The line was offered before the track was announced: a client that resumes may say it so. No offer need follow.
    fn match_early(&mut self, key: ParticipantKey, cid: &str, cx: &mut Cx<'_>) {
        let early = &mut self.people[key].early_lines;
        let Some(index) = early.iter().position(|line| line.track_id.as_deref() == Some(cid)) else { return };
        let line = early.swap_remove(index);
        match self.match_by_id(key, &line) {
            Some(Matched::New(track)) => self.published(track, cx),
            Some(Matched::Backup(track)) => self.extended(track, cx),
            None => {}
        }
    }

    fn why_not_publish(&self, key: ParticipantKey, request: &proto::AddTrackRequest) -> Option<(Reason, &'static str)> {
        let person = &self.people[key];
        let again = person.pending.iter().any(|p| p.cid == request.cid);
        match () {
            () if !may_publish(person.permission(), request.source()) => {
                Some((Reason::NotAllowed, "does not have permission to publish"))
            }
            () if request.cid.is_empty() => Some((Reason::InvalidRequest, "a track needs a client id")),
            () if request.encoded_len() > ANNOUNCEMENT => Some((Reason::InvalidRequest, "too much is said of a track")),
            () if again => Some((Reason::Queued, "track is already being published")),
            () if person.pending.len() >= PENDING || person.tracks.len() >= TRACKS => {
                Some((Reason::LimitExceeded, "too many tracks"))
            }
            () if TrackType::try_from(request.r#type).is_err() => {
                Some((Reason::UnsupportedType, "a track is of sound or of pictures"))
            }
            () if request.r#type() == TrackType::Data => {
                Some((Reason::UnsupportedType, "data tracks have a request of their own"))
            }
            () => None,
        }
    }

    fn pending_of(&self, key: ParticipantKey, request: &proto::AddTrackRequest, cx: &Cx<'_>) -> Pending {
        let video = request.r#type() == TrackType::Video;
        let extends = self.people[key].tracks.iter().copied().find(|t| self.tracks[*t].info.sid == request.sid);
        let codec = request.simulcast_codecs.first().map_or(String::new(), |c| c.codec.to_lowercase());
        let codec = match (codec.as_str(), video) {
            ("", true) => "vp8".to_owned(),
            ("", false) if request.disable_red => "opus".to_owned(),
            ("", false) => "red".to_owned(),
            _ => codec,
        };
        if let Some(track) = extends {
            return Pending { cid: request.cid.clone(), info: self.tracks[track].info.clone(), codec, extends };
        }
        let layers = layers_of(request);
        let mime_type = format!("{}/{}", if video { "video" } else { "audio" }, spelled(&codec));
        let first = proto::SimulcastCodecInfo {
            mime_type: mime_type.clone(),
            cid: request.cid.clone(),
            layers: layers.clone(),
            video_layer_mode: mode_of(&codec, layers.len()).into(),
            ..Default::default()
        };
        // Published when a subscriber turns out to need them.
        let backups = request.simulcast_codecs.iter().skip(1).filter(|_| video).take(BACKUPS);
        let backups = backups.map(|backup| proto::SimulcastCodecInfo {
            mime_type: format!("video/{}", spelled(&backup.codec.to_lowercase())),
            cid: backup.cid.clone(),
            layers: backup.layers.clone(),
            ..Default::default()
        });
        let codecs = std::iter::once(first).chain(backups).collect();
        let mut audio_features = request.audio_features.clone();
        let mut feature = |on: bool, feature: proto::AudioTrackFeature| {
            if on && !audio_features.contains(&feature.into()) {
                audio_features.push(feature.into());
            }
        };
        feature(request.stereo, proto::AudioTrackFeature::TfStereo);
        feature(request.disable_dtx, proto::AudioTrackFeature::TfNoDtx);
        let info = proto::TrackInfo {
            sid: id::track(request.source(), video),
            r#type: request.r#type,
            name: request.name.clone(),
            muted: request.muted,
            width: request.width,
            height: request.height,
            simulcast: layers.len() > 1,
            source: request.source,
            layers,
            mime_type,
            codecs,
            stereo: request.stereo,
            disable_dtx: request.disable_dtx,
            disable_red: request.disable_red,
            encryption: request.encryption,
            stream: request.stream.clone(),
            audio_features,
            backup_codec_policy: request.backup_codec_policy,
            packet_trailer_features: request.packet_trailer_features.clone(),
            version: Some(version(cx)),
            ..Default::default()
        };
        Pending { cid: request.cid.clone(), info, codec, extends: None }
    }

    /// Brings the offer's sending lines and what was announced together. New tracks are returned; those whose line
    /// ceased are unpublished.
    pub(super) fn match_tracks(&mut self, key: ParticipantKey, lines: &[Line], cx: &mut Cx<'_>) -> Vec<TrackKey> {
        let (mut new, mut early) = (vec![], vec![]);
        for line in lines.iter().filter(|line| line.sends) {
            if self.people[key].tracks.iter().any(|t| self.tracks[*t].has_line(&line.mid)) {
                continue;
            }
            match self.match_line(key, line) {
                Some(Matched::New(track)) => new.push(track),
                Some(Matched::Backup(track)) => self.extended(track, cx),
                None if early.len() < PENDING => early.push(line.clone()),
                None => {}
            }
        }
        self.people[key].early_lines = early;
        let ended: Vec<TrackKey> = self.people[key]
            .tracks
            .iter()
            .copied()
            .filter(|track| {
                let streams = &self.tracks[*track].streams;
                !streams.iter().any(|stream| lines.iter().any(|l| l.sends && *stream.mid == *l.mid))
            })
            .collect();
        for track in ended {
            self.unpublish(track, cx);
        }
        new
    }

    fn match_line(&mut self, key: ParticipantKey, line: &Line) -> Option<Matched> {
        // Firefox names its tracks anew in the description; then the first of the kind is meant.
        self.match_by_id(key, line).or_else(|| self.match_pending(key, line, |_| true))
    }

    fn match_by_id(&mut self, key: ParticipantKey, line: &Line) -> Option<Matched> {
        self.match_pending(key, line, |pending| Some(&pending.cid) == line.track_id.as_ref())
    }

    fn match_pending(
        &mut self,
        key: ParticipantKey,
        line: &Line,
        is_meant: impl Fn(&Pending) -> bool,
    ) -> Option<Matched> {
        let video = line.kind == LineKind::Video;
        let pending = &mut self.people[key].pending;
        let index = pending.iter().position(|p| (p.info.r#type() == TrackType::Video) == video && is_meant(p))?;
        let Pending { cid, info, codec, extends } = pending.remove(index);
        let mid = Mid::from(line.mid.as_str());
        let codec = named(&codec, video);
        let stream = StreamShape { mid, codec, rids: line.rids.clone() }.stream(&info);
        if let Some(key) = extends.filter(|t| self.tracks.contains_key(*t)) {
            let track = &mut self.tracks[key];
            let announced = |c: &&mut proto::SimulcastCodecInfo| Codec::from_mime(&c.mime_type) == Some(stream.codec);
            if let Some(codec) = track.info.codecs.iter_mut().find(announced) {
                (codec.mid, codec.cid) = (line.mid.clone(), cid);
            }
            track.streams.push(stream);
            return Some(Matched::Backup(key));
        }
        let kind = if video { MediaKind::Video } else { MediaKind::Audio };
        let mut track = Track::new(key, kind, info, vec![stream]);
        track.info.mid = line.mid.clone();
        if let Some(codec) = track.info.codecs.first_mut() {
            codec.mid = line.mid.clone();
        }
        let track = self.tracks.insert(track);
        self.people[key].tracks.push(track);
        Some(Matched::New(track))
    }

    /// The track comes in another codec too: who could not decode the first may get this one.
    pub(super) fn extended(&mut self, track: TrackKey, cx: &mut Cx<'_>) {
        for subscription in self.tracks[track].subscribers.clone() {
            self.choose_stream(subscription);
        }
        self.wanted_pictures_of(track, cx);
        let publisher = self.tracks[track].publisher;
        self.changed(publisher, cx);
    }

    /// A new track is there: everybody learns of it, and those who want everything subscribe.
    pub(super) fn published(&mut self, track: TrackKey, cx: &mut Cx<'_>) {
        let key = self.tracks[track].publisher;
        self.changed(key, cx);
        self.count(cx.now);
        let info = self.info_of(key);
        let details = self.tracks[track].info.clone();
        self.tell(EventKind::TrackPublished { info, track: details }, cx);
        self.tell_media_state(key, cx);
        self.subscribe_all_to(track, cx);
    }

    pub(super) fn unpublish(&mut self, key: TrackKey, cx: &mut Cx<'_>) {
        let Some(track) = self.tracks.get(key) else { return };
        let publisher = track.publisher;
        for subscription in track.subscribers.clone() {
            self.drop_subscription(subscription, cx);
        }
        let Some(track) = self.tracks.remove(key) else { return };
        let person = &mut self.people[publisher];
        person.tracks.retain(|t| *t != key);
        person.sources.retain(|source| source.track != key);
        self.say(
            publisher,
            Message::TrackUnpublished(proto::TrackUnpublishedResponse { track_sid: track.info.sid.clone() }),
            cx,
        );
        self.changed(publisher, cx);
        self.count(cx.now);
        let info = self.info_of(publisher);
        self.tell(EventKind::TrackUnpublished { info, track: track.info }, cx);
        self.tell_media_state(publisher, cx);
    }

    // --- muting ---

    pub(super) fn on_mute(&mut self, key: ParticipantKey, request: &proto::MuteTrackRequest, cx: &mut Cx<'_>) {
        let own = self.people[key].tracks.iter().copied().find(|t| self.tracks[*t].info.sid == request.sid);
        match own {
            Some(track) => self.set_muted(track, request.muted, cx),
            None => {
                let pending = self.people[key].pending.iter_mut().find(|p| p.info.sid == request.sid);
                if let Some(pending) = pending {
                    pending.info.muted = request.muted;
                }
            }
        }
    }

    pub(super) fn set_muted(&mut self, track: TrackKey, muted: bool, cx: &mut Cx<'_>) {
        let info = &mut self.tracks[track].info;
        if info.muted == muted {
            return;
        }
        info.muted = muted;
        info.version = Some(version(cx));
        // What was said before the mute is not heard again after it.
        self.tracks[track].voice = None;
        let publisher = self.tracks[track].publisher;
        for subscription in &self.tracks[track].subscribers {
            self.subscriptions[*subscription].retarget(true);
        }
        self.wanted_pictures_of(track, cx);
        self.changed(publisher, cx);
        self.tell_media_state(publisher, cx);
    }

    /// A host's word: the client is told to mute, and is muted here whatever it does.
    pub(super) fn mute_sources(&mut self, key: ParticipantKey, sources: &[TrackSource], cx: &mut Cx<'_>) {
        for track in self.people[key].tracks.clone() {
            if sources.contains(&meant_source(&self.tracks[track].info)) {
                self.mute_by_server(track, true, cx);
            }
        }
    }

    pub(super) fn mute_by_server(&mut self, track: TrackKey, muted: bool, cx: &mut Cx<'_>) {
        let (publisher, sid) = (self.tracks[track].publisher, self.tracks[track].info.sid.clone());
        self.say(publisher, Message::Mute(proto::MuteTrackRequest { sid, muted }), cx);
        self.set_muted(track, muted, cx);
    }

    fn tell_media_state(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        let person = &self.people[key];
        let live = |source: TrackSource| {
            person.tracks.iter().any(|t| {
                let info = &self.tracks[*t].info;
                meant_source(info) == source && !info.muted
            })
        };
        let (audio, video) = (live(TrackSource::Microphone), live(TrackSource::Camera));
        self.tell(EventKind::MediaState { connection: person.last_connection, audio, video }, cx);
    }

    // --- permissions ---

    /// New permissions hold at once: tracks that they don't cover are unpublished, subscriptions dropped.
    pub(super) fn permit(&mut self, key: ParticipantKey, permission: proto::ParticipantPermission, cx: &mut Cx<'_>) {
        let could_subscribe = self.people[key].permission().can_subscribe;
        let (can_subscribe, can_publish_data) = (permission.can_subscribe, permission.can_publish_data);
        self.people[key].info.permission = Some(permission);
        self.count(cx.now);
        for track in self.people[key].tracks.clone() {
            let source = self.tracks[track].info.source();
            if !may_publish(self.people[key].permission(), source) {
                self.unpublish(track, cx);
            }
        }
        // Announced, and not offered yet: what is still allowed goes on.
        let Participant { pending, info, .. } = &mut self.people[key];
        let permission = info.permission.as_ref().expect("set above");
        pending.retain(|pending| may_publish(permission, pending.info.source()));
        if could_subscribe && !can_subscribe {
            for subscription in self.people[key].subscriptions.clone() {
                self.drop_subscription(subscription, cx);
            }
        }
        if !can_publish_data {
            self.unpublish_all_data(key, cx);
        }
        self.review_data(key, cx);
        self.changed(key, cx);
        if !could_subscribe && can_subscribe {
            self.subscribe_to_all(key, cx);
        }
    }

    pub(super) fn on_update_audio(
        &mut self,
        key: ParticipantKey,
        update: &proto::UpdateLocalAudioTrack,
        cx: &mut Cx<'_>,
    ) {
        let found = self.people[key].tracks.iter().copied().find(|t| self.tracks[*t].info.sid == update.track_sid);
        if let Some(track) = found {
            let features: BTreeSet<i32> = update.features.iter().copied().collect();
            let mut features = features.into_iter().collect();
            known::keep::<proto::AudioTrackFeature>(&mut features);
            self.tracks[track].info.audio_features = features;
            self.changed(key, cx);
        }
    }

    pub(super) fn on_update_video(
        &mut self,
        key: ParticipantKey,
        update: &proto::UpdateLocalVideoTrack,
        cx: &mut Cx<'_>,
    ) {
        let found = self.people[key].tracks.iter().copied().find(|t| self.tracks[*t].info.sid == update.track_sid);
        if let Some(track) = found {
            let info = &mut self.tracks[track].info;
            (info.width, info.height) = (update.width, update.height);
            self.changed(key, cx);
        }
    }
}

/// What the track is taken for: native SDKs and programs may publish a microphone, or a camera, without saying so.
pub fn meant_source(track: &proto::TrackInfo) -> TrackSource {
    match (track.source(), track.r#type()) {
        (TrackSource::Unknown, TrackType::Audio) => TrackSource::Microphone,
        (TrackSource::Unknown, TrackType::Video) => TrackSource::Camera,
        (source, _) => source,
    }
}

pub(super) fn may_publish(permission: &proto::ParticipantPermission, source: TrackSource) -> bool {
    let sources = &permission.can_publish_sources;
    permission.can_publish && (sources.is_empty() || sources.contains(&source.into()))
}

pub(super) fn version(cx: &Cx<'_>) -> proto::TimedVersion {
    proto::TimedVersion { unix_micro: cx.unix_ms * 1000, ticks: 0 }
}

/// The codec's name as in a mime type.
fn spelled(codec: &str) -> String {
    match codec {
        "opus" | "red" => codec.to_owned(),
        other => other.to_uppercase(),
    }
}

fn layers_of(request: &proto::AddTrackRequest) -> Vec<proto::VideoLayer> {
    let from_codec = request.simulcast_codecs.first().map(|codec| &codec.layers).filter(|layers| !layers.is_empty());
    let layers = from_codec.unwrap_or(&request.layers).clone();
    if !layers.is_empty() || request.r#type() != TrackType::Video {
        return layers;
    }
    let quality = proto::VideoQuality::High.into();
    vec![proto::VideoLayer { quality, width: request.width, height: request.height, ..Default::default() }]
}

fn mode_of(codec: &str, layers: usize) -> video_layer::Mode {
    match codec {
        "vp9" | "av1" if layers > 1 => video_layer::Mode::MultipleSpatialLayersPerStream,
        _ => video_layer::Mode::OneSpatialLayerPerStream,
    }
}

/// How the answer asks for the track: its codec first, Opus as the client wished it.
pub(super) fn preferences(track: &Track, mid: &str, payloads: &[PayloadParams]) -> Edit {
    let Some(stream) = track.streams.iter().find(|stream| *stream.mid == *mid) else { return Edit::default() };
    if track.kind == MediaKind::Audio {
        let opus = payloads.iter().find(|p| p.spec().codec == str0m::format::Codec::Opus);
        let red = opus.and_then(PayloadParams::red).filter(|_| track.info.disable_red);
        let more = match (track.info.stereo, track.info.disable_dtx) {
            (true, true) => Some("stereo=1;maxaveragebitrate=510000"),
            (true, false) => Some("stereo=1;maxaveragebitrate=510000;usedtx=1"),
            (false, false) => Some("usedtx=1"),
            (false, true) => None,
        };
        return Edit {
            without: red.map(|pt| *pt).into_iter().collect(),
            opus: opus.map(|p| *p.pt()).zip(more),
            ..Edit::default()
        };
    }
    let of_codec = payloads.iter().filter(|p| super::media::codec_of(p.spec().codec) == Some(stream.codec));
    let prefer = of_codec.flat_map(|p| [Some(p.pt()), p.resend()]).flatten().map(|pt| *pt).collect();
    Edit { prefer, ..Edit::default() }
}

/// The codec that a client's word means (`vp8`, `video/vp8`).
fn named(codec: &str, video: bool) -> Codec {
    let mime = format!("{}/{codec}", if video { "video" } else { "audio" });
    let fallback = if video { Codec::Vp8 } else { Codec::Opus };
    Codec::from_mime(codec).or_else(|| Codec::from_mime(&mime)).unwrap_or(fallback)
}
