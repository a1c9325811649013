//! Participants in a second room (LiveKit's `ForwardParticipant`). Who is here, and is shown elsewhere too, is an *origin*;
//! who is shown there, with the name and the tracks but without a connection, is its *copy*. What the two rooms tell each
//! other goes through the host of the machine: the other room may live on another worker.
//!
//! The origin tells what it is and every packet that it publishes; the copy, which pictures and encodings its subscribers
//! want. Numbers, layers and bandwidth are then the second room's own matter, as for anybody in it.

use super::{
    audience::Audience,
    media::SourceOf,
    publish::{Stream, StreamShape},
    *,
};
use crate::{
    chance,
    forward::Codec,
    io::{Answer, AskId, Refusal},
    uplink::Packet,
};
use rand::Rng;
use std::{sync::Arc, time::Duration};
use str0m::media::MediaKind;

/// Rooms in which one participant is shown besides its own.
const COPIES: usize = 8;
/// How often an origin tells what it is though nothing changed.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// A copy whose origin said nothing for so long has lost it: its worker broke.
const SILENCE: Duration = Duration::from_secs(20);

/// What one room tells another, in the order in which it was said.
#[derive(Debug)]
pub struct Relay {
    from: Arc<str>,
    to: Arc<str>,
    pair: PairId,
    what: Relayed,
}

impl Relay {
    /// The name of the room that it is for.
    pub fn room(&self) -> &str {
        &self.to
    }

    pub(crate) fn begins(&self) -> bool {
        matches!(self.what, Relayed::Begin(_))
    }

    /// To a room or a pair that is no more; to the end of one there is no answer.
    pub(crate) fn over(self) -> Option<Output> {
        let Self { from, to, pair, what } = self;
        let over = || Output::Relay(Self { from: to, to: from, pair, what: Relayed::Over(GONE) });
        (!matches!(what, Relayed::Over(_))).then(over)
    }
}

/// Names an origin and its copy to both; drawn by lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PairId(u64);

#[derive(Debug)]
enum Relayed {
    // Of the origin.
    Begin(Box<Origin>),
    Now(Box<Origin>),
    Media {
        source: SourceOf,
        codec: Codec,
        packet: Packet,
    },
    // Of the copy.
    Begun,
    /// A key frame is wanted of this stream and encoding.
    Picture {
        track: TrackKey,
        at: (u8, u8),
    },
    /// For each codec of the track the number of encodings that are wanted, from the lowest.
    Wanted {
        track: TrackKey,
        encodings: Vec<u8>,
    },
    // Of either.
    Over(Refusal),
}

/// An origin, as it is now. Tracks are named as in its room.
#[derive(Debug, Clone, PartialEq)]
struct Origin {
    info: proto::ParticipantInfo,
    audience: Arc<Audience>,
    quality: proto::ConnectionQuality,
    tracks: Vec<(TrackKey, OriginTrack)>,
}

#[derive(Debug, Clone, PartialEq)]
struct OriginTrack {
    kind: MediaKind,
    info: proto::TrackInfo,
    streams: Vec<StreamShape>,
}

const NO_PARTICIPANT: Refusal = Refusal::NotFound("participant does not exist");
const GONE: Refusal = Refusal::Unavailable("the destination room is gone");
/// Of one who is a copy.
pub(super) const A_COPY: Refusal = Refusal::FailedPrecondition("participant is forwarded here from another room");

/// A room's pairs.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    origins: Vec<Forward>,
    copies: Vec<CopyOf>,
}

/// An origin's, for one copy.
#[derive(Debug)]
struct Forward {
    ends: Ends,
    key: ParticipantKey,
    /// Who waits to hear whether it begins.
    asked: Option<AskId>,
    /// What the copy's subscribers want.
    wanted: HashMap<TrackKey, Vec<u8>>,
    next_sign: Instant,
}

/// A copy's.
#[derive(Debug)]
pub(super) struct CopyOf {
    ends: Ends,
    key: ParticipantKey,
    origin: Origin,
    /// The origin's tracks, as they are called there and here.
    tracks: HashMap<TrackKey, TrackKey>,
    heard: Instant,
}

#[derive(Debug, Clone)]
struct Ends {
    pair: PairId,
    here: Arc<str>,
    there: Arc<str>,
}

impl Ends {
    fn tell(&self, what: Relayed, cx: &mut Cx<'_>) {
        let relay = Relay { from: self.here.clone(), to: self.there.clone(), pair: self.pair, what };
        cx.out.push_back(Output::Relay(relay));
    }
}

impl Pairs {
    pub(super) fn copy_of(&self, key: ParticipantKey) -> Option<&CopyOf> {
        self.copies.iter().find(|copy| copy.key == key)
    }

    /// What subscribers in other rooms want of a track.
    pub(super) fn wanted(&self, track: TrackKey) -> impl Iterator<Item = &[u8]> {
        self.origins.iter().filter_map(move |forward| forward.wanted.get(&track).map(Vec::as_slice))
    }

    /// How good the connection of a copy's origin is.
    pub(super) fn quality(&self, key: ParticipantKey) -> Option<proto::ConnectionQuality> {
        self.copy_of(key).map(|copy| copy.origin.quality)
    }
}

impl Room {
    /// Answers the question when the other room has.
    pub(super) fn begin_forward(
        &mut self,
        ask: AskId,
        key: ParticipantKey,
        room: &str,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let own = || self.pairs.origins.iter().filter(|forward| forward.key == key);
        match () {
            () if room.is_empty() => return Err(Refusal::InvalidArgument("destination room is required")),
            () if room == self.info.name => return Err(Refusal::InvalidArgument("destination room is the same room")),
            () if self.pairs.copy_of(key).is_some() => return Err(A_COPY),
            () if own().any(|forward| *forward.ends.there == *room) => {
                return Err(Refusal::FailedPrecondition("participant is already forwarded to this room"));
            }
            () if own().count() >= COPIES => {
                return Err(Refusal::FailedPrecondition("participant is forwarded to too many rooms"));
            }
            () => {}
        }
        let ends = Ends {
            pair: PairId(chance::draw(|rng| rng.random())),
            here: self.info.name.as_str().into(),
            there: room.into(),
        };
        ends.tell(Relayed::Begin(Box::new(self.origin(key))), cx);
        let next_sign = cx.now + SIGN_OF_LIFE;
        self.pairs.origins.push(Forward { ends, key, asked: Some(ask), wanted: HashMap::new(), next_sign });
        Ok(())
    }

    fn origin(&self, key: ParticipantKey) -> Origin {
        let person = &self.people[key];
        let track = |track: &Track| OriginTrack {
            kind: track.kind,
            info: track.info.clone(),
            streams: track.streams.iter().map(Stream::shape).collect(),
        };
        Origin {
            info: person.info.clone(),
            audience: person.audience.clone(),
            quality: person.link.told().unwrap_or(proto::ConnectionQuality::Excellent),
            tracks: person.tracks.iter().map(|key| (*key, track(&self.tracks[*key]))).collect(),
        }
    }

    /// Something about the participant changed.
    pub(super) fn tell_copies(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        if self.pairs.origins.is_empty() {
            return;
        }
        let origin = self.origin(key);
        for forward in self.pairs.origins.iter_mut().filter(|forward| forward.key == key) {
            forward.next_sign = cx.now + SIGN_OF_LIFE;
            forward.ends.tell(Relayed::Now(Box::new(origin.clone())), cx);
        }
    }

    /// A packet that was taken in, for the other rooms. On the hot path.
    pub(super) fn pass_on(&self, from: ParticipantKey, source: SourceOf, packet: &Packet, cx: &mut Cx<'_>) {
        if self.pairs.origins.is_empty() {
            return;
        }
        let Some(track) = self.tracks.get(source.track) else { return };
        let stream = &track.streams[source.stream()];
        if stream.pt != Some(packet.pt) {
            return; // In no codec that we know.
        }
        for forward in self.pairs.origins.iter().filter(|forward| forward.key == from) {
            forward.ends.tell(Relayed::Media { source, codec: stream.codec, packet: packet.clone() }, cx);
        }
    }

    /// A subscriber here wants a key frame of a copy.
    pub(super) fn ask_origin(&self, copy: ParticipantKey, track: TrackKey, at: (u8, u8), cx: &mut Cx<'_>) {
        self.tell_origin(copy, track, |track| Relayed::Picture { track, at }, cx);
    }

    /// Subscribers here want so many encodings of a copy's track, for each of its codecs.
    pub(super) fn want_of_origin(&self, copy: ParticipantKey, track: TrackKey, encodings: &[u8], cx: &mut Cx<'_>) {
        self.tell_origin(copy, track, |track| Relayed::Wanted { track, encodings: encodings.to_vec() }, cx);
    }

    fn tell_origin(
        &self,
        key: ParticipantKey,
        track: TrackKey,
        what: impl FnOnce(TrackKey) -> Relayed,
        cx: &mut Cx<'_>,
    ) {
        let Some(copy) = self.pairs.copy_of(key) else { return };
        if let Some((theirs, _)) = copy.tracks.iter().find(|(_, ours)| **ours == track) {
            copy.ends.tell(what(*theirs), cx);
        }
    }

    /// The participant goes, from here: as an origin its copies go too; as a copy its origin need not tell any more.
    pub(super) fn end_pairs(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        for forward in self.pairs.origins.extract_if(.., |forward| forward.key == key) {
            forward.ends.tell(Relayed::Over(NO_PARTICIPANT), cx);
            answer(forward.asked, Err(NO_PARTICIPANT), cx);
        }
        for copy in self.pairs.copies.extract_if(.., |copy| copy.key == key) {
            copy.ends.tell(Relayed::Over(GONE), cx);
        }
    }

    /// Signs of life, and the lack of them.
    pub(super) fn tend_pairs(&mut self, cx: &mut Cx<'_>) {
        let due: Vec<_> = self.pairs.origins.iter().filter(|f| cx.now >= f.next_sign).map(|f| f.key).collect();
        due.into_iter().for_each(|key| self.tell_copies(key, cx));
        let lost: Vec<_> =
            self.pairs.copies.iter().filter(|copy| cx.now > copy.heard + SILENCE).map(|copy| copy.key).collect();
        for key in lost {
            self.remove(key, proto::DisconnectReason::ConnectionTimeout, cx);
        }
    }

    // --- what the other room tells ---

    pub(crate) fn on_relay(&mut self, relay: Relay, cx: &mut Cx<'_>) {
        if let Some(index) = self.pairs.copies.iter().position(|copy| copy.ends.pair == relay.pair) {
            self.on_origin(index, relay.what, cx);
        } else if let Some(index) = self.pairs.origins.iter().position(|forward| forward.ends.pair == relay.pair) {
            self.on_copy(index, relay.what, cx);
        } else if let Relayed::Begin(origin) = relay.what {
            let ends = Ends { pair: relay.pair, here: relay.to, there: relay.from };
            let begun = self.show(ends.clone(), *origin, cx);
            ends.tell(begun.map_or_else(Relayed::Over, |()| Relayed::Begun), cx);
        } else {
            cx.out.extend(relay.over());
        }
    }

    fn on_copy(&mut self, index: usize, what: Relayed, cx: &mut Cx<'_>) {
        let forward = &mut self.pairs.origins[index];
        match what {
            Relayed::Begun => answer(forward.asked.take(), Ok(Answer::Done), cx),
            Relayed::Wanted { track, encodings } => drop(forward.wanted.insert(track, encodings)),
            Relayed::Picture { track, at } => self.request_picture_of(track, Some(at), cx),
            Relayed::Over(refusal) => {
                let forward = self.pairs.origins.swap_remove(index);
                answer(forward.asked, Err(refusal), cx);
            }
            Relayed::Begin(_) | Relayed::Now(_) | Relayed::Media { .. } => {}
        }
    }

    fn on_origin(&mut self, index: usize, what: Relayed, cx: &mut Cx<'_>) {
        let copy = &mut self.pairs.copies[index];
        copy.heard = cx.now;
        let key = copy.key;
        match what {
            Relayed::Media { source, codec, packet } => {
                if let Some(track) = copy.tracks.get(&source.track).copied() {
                    self.take_relayed(key, source.of(track), codec, &packet, cx);
                }
            }
            Relayed::Now(origin) => {
                let before = std::mem::replace(&mut copy.origin, *origin);
                self.follow(index, Some(&before), cx);
            }
            Relayed::Over(_) => {
                self.pairs.copies.swap_remove(index);
                self.remove(key, proto::DisconnectReason::ClientInitiated, cx);
            }
            Relayed::Begin(_) | Relayed::Begun | Relayed::Picture { .. } | Relayed::Wanted { .. } => {}
        }
    }

    /// A copy comes.
    fn show(&mut self, ends: Ends, origin: Origin, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if let Some(known) = self.identities.get(&origin.info.identity).copied() {
            let Some((_, reason)) = self.people[known].goodbye else {
                return Err(Refusal::FailedPrecondition("a participant of this identity is in the destination room"));
            };
            self.remove(known, reason, cx);
        }
        let may = origin.info.permission.clone().unwrap_or_default();
        if !self.make_place(origin.info.kind(), &may, cx) {
            return Err(Refusal::FailedPrecondition("the destination room is full"));
        }
        let permission = proto::ParticipantPermission { can_subscribe: false, can_publish_data: false, ..may };
        let mut info = proto::ParticipantInfo {
            sid: id::participant(),
            state: proto::participant_info::State::Active.into(),
            joined_at: cx.unix_ms / 1000,
            joined_at_ms: cx.unix_ms,
            permission: Some(permission),
            ..origin.info.clone()
        };
        info.kind_details.push(proto::participant_info::KindDetail::Forwarded.into());
        let key = self.seat(Participant::bare(info, Mode::Single, cx.now), cx.now);
        let index = self.pairs.copies.len();
        self.pairs.copies.push(CopyOf { ends, key, origin, tracks: HashMap::new(), heard: cx.now });
        self.changed(key, cx);
        let (connection, info) = (ConnectionId::NONE, self.info_of(key));
        self.tell(EventKind::ParticipantJoined { connection, info }, cx);
        self.follow(index, None, cx);
        Ok(())
    }

    /// Makes the copy what its origin is now.
    fn follow(&mut self, index: usize, before: Option<&Origin>, cx: &mut Cx<'_>) {
        let CopyOf { key, origin, .. } = &self.pairs.copies[index];
        let (key, origin) = (*key, origin.clone());
        if before.is_none_or(|before| before.audience != origin.audience) {
            self.on_audience(key, origin.audience, cx);
        }
        if before.is_some_and(|before| before.info != origin.info) {
            let info = &mut self.people[key].info;
            info.name = origin.info.name;
            info.metadata = origin.info.metadata;
            info.attributes = origin.info.attributes;
            self.changed(key, cx);
        }
        let here = |track: TrackKey| origin.tracks.iter().any(|(key, _)| *key == track);
        let ended: Vec<_> = self.pairs.copies[index].tracks.extract_if(|theirs, _| !here(*theirs)).collect();
        for (_, track) in ended {
            self.unpublish(track, cx);
        }
        for (theirs, now) in origin.tracks {
            let then = before.and_then(|before| before.tracks.iter().find(|(key, _)| *key == theirs));
            match self.pairs.copies[index].tracks.get(&theirs).copied() {
                Some(ours) => self.follow_track(ours, then.map(|(_, then)| then), now, cx),
                None => {
                    let ours = self.show_track(key, now);
                    self.pairs.copies[index].tracks.insert(theirs, ours);
                    self.published(ours, cx);
                }
            }
        }
    }

    fn show_track(&mut self, key: ParticipantKey, theirs: OriginTrack) -> TrackKey {
        let OriginTrack { kind, info, streams } = theirs;
        let streams = streams.iter().map(|shape| shape.stream(&info)).collect();
        let track = self.tracks.insert(Track::new(key, kind, info, streams));
        self.people[key].tracks.push(track);
        track
    }

    fn follow_track(&mut self, key: TrackKey, then: Option<&OriginTrack>, now: OriginTrack, cx: &mut Cx<'_>) {
        // Unpublished here, as by a permission.
        let Some(track) = self.tracks.get_mut(key) else { return };
        let Some(then) = then.filter(|then| **then != now) else { return };
        let more: Vec<_> = now
            .streams
            .iter()
            .filter(|shape| !track.has_line(&shape.mid))
            .map(|shape| shape.stream(&now.info))
            .collect();
        let (extended, publisher) = (!more.is_empty(), track.publisher);
        track.streams.extend(more);
        let muted = track.info.muted;
        track.info = now.info;
        let theirs = std::mem::replace(&mut track.info.muted, muted);
        match () {
            // As the origin is. (Who was muted here stays so while the origin does nothing.)
            () if theirs != then.info.muted && theirs != muted => self.set_muted(key, theirs, cx),
            () if extended => self.extended(key, cx),
            () => self.changed(publisher, cx),
        }
    }
}

fn answer(asked: Option<AskId>, answer: Result<Answer, Refusal>, cx: &mut Cx<'_>) {
    if let Some(id) = asked {
        cx.out.push_back(Output::Answer { id, answer });
    }
}
