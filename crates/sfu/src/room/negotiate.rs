//! Descriptions (SDP): which line carries what.
//!
//! With one connection the client always offers. Lines on which it only receives are slots; a track that it subscribes
//! to is placed into a free slot when it next offers, and if there is a track without a place it is asked to offer
//! again, with more lines if the free ones do not suffice (`MediaSectionsRequirement`). With two connections, we offer
//! on the subscriber's.

use super::*;
use crate::{
    peer::OfferChange,
    sdp::{self, Edit, Line, LineKind, Place},
};
use str0m::media::{MediaKind, Mid};

/// A line on which the client receives.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) subscription: Option<SubscriptionKey>,
    /// Carried a track before: the next one needs its own SSRC.
    used: bool,
    /// What the client was told last.
    told: Option<SubscriptionKey>,
}

/// So many lines more than a client is asked for are an attack: some are for what it sends, and an offer of its own may
/// have crossed a question.
const SPARE: usize = 100;

/// How many lines a client's description has (`Mode::Single`).
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// In its last offer.
    offered: usize,
    /// Asked for since.
    asked: usize,
    /// Asked for before, and not in the last offer, which may have crossed the question. The next one cannot have.
    crossed: usize,
}

impl Lines {
    fn on_offer(&mut self, lines: usize) {
        let new = lines.saturating_sub(self.offered);
        *self = Self { offered: lines, asked: 0, crossed: self.asked.saturating_sub(new) };
    }

    /// How many of those that are wanted may be asked for, if there may be `most` in all.
    fn ask(&mut self, wanted: usize, most: usize) -> u32 {
        let asked = wanted.min(most.saturating_sub(self.offered + self.asked + self.crossed));
        self.asked += asked;
        asked as u32
    }

    /// What was asked for may not have reached the client.
    pub(super) fn forget_asked(&mut self) {
        (self.asked, self.crossed) = (0, 0);
    }
}

impl Room {
    pub(super) fn want_negotiation(&mut self, key: ParticipantKey) {
        if let Some(person) = self.people.get_mut(key).filter(|p| !p.negotiation_wanted) {
            person.negotiation_wanted = true;
            self.renegotiate.push(key);
        }
    }

    /// Once per input, for everybody whose lines changed: many subscriptions make one description.
    pub(crate) fn negotiate_all(&mut self, cx: &mut Cx<'_>) {
        while let Some(key) = self.renegotiate.pop() {
            let Some(person) = self.people.get_mut(key) else { continue };
            person.negotiation_wanted = false;
            match person.mode {
                Mode::Single => self.ask_for_offer(key, cx),
                Mode::Dual => self.offer(key, cx),
            }
        }
    }

    // --- one connection ---

    pub(crate) fn on_offer(&mut self, key: ParticipantKey, offer: &proto::SessionDescription, cx: &mut Cx<'_>) {
        let lines = sdp::lines(&offer.sdp);
        if lines.len() > cx.config.lines + SPARE {
            return self.refuse_description(key, "too many lines", cx);
        }
        self.people[key].awaits_offer = false;
        self.people[key].lines.on_offer(lines.len());
        if self.people[key].mode == Mode::Single {
            self.place(key, &lines);
        }
        let Some(publisher) = &mut self.people[key].publisher else { return };
        let answer = match publisher.accept_offer(&offer.sdp) {
            Ok(answer) => answer,
            Err(error) => return self.refuse_description(key, &error.to_string(), cx),
        };
        self.learn_ufrag(key, Target::Publisher, cx);
        let published = self.match_tracks(key, &lines, cx);
        let sdp = self.word_answer(key, &answer, cx);
        let description = proto::SessionDescription {
            r#type: "answer".into(),
            sdp,
            id: offer.id,
            mid_to_track_id: self.mid_to_track(key),
        };
        for track in published {
            self.published(track, cx);
        }
        self.say(key, Message::Answer(description), cx);
        // Of two connections this one has no lines to receive on: those of the other are bound by its answer.
        if self.people[key].mode == Mode::Single {
            self.bind_slots(key, cx);
        }
        self.want_negotiation(key);
    }

    fn refuse_description(&mut self, key: ParticipantKey, why: &str, cx: &mut Cx<'_>) {
        tracing::info!(identity = %self.people[key].info.identity, %why, "a session description was refused");
        self.remove(key, proto::DisconnectReason::MediaFailure, cx);
    }

    /// Takes stock of the lines on which the client receives, and gives free ones to tracks that wait.
    fn place(&mut self, key: ParticipantKey, lines: &[Line]) {
        let person = &mut self.people[key];
        let old = std::mem::take(&mut person.slots);
        let mut slots: Vec<Slot> =
            lines.iter().filter(|l| l.receives && !l.sends).filter_map(|l| slot(l, &old)).collect();
        for lost in old.iter().filter(|slot| !slots.iter().any(|s| s.mid == slot.mid)) {
            if let Some(subscription) = lost.subscription.and_then(|s| self.subscriptions.get_mut(s)) {
                subscription.line = None;
            }
        }
        for key in &person.subscriptions {
            let subscription = &mut self.subscriptions[*key];
            if subscription.line.is_some() || !subscription.wanted() {
                continue;
            }
            let kind = self.tracks[subscription.track].kind;
            let Some(slot) = slots.iter_mut().find(|s| s.kind == kind && s.subscription.is_none()) else { continue };
            if let Some(publisher) = person.publisher.as_mut().filter(|_| slot.used) {
                publisher.renew_stream(slot.mid);
            }
            slot.subscription = Some(*key);
            slot.used = true;
            subscription.line = Some(slot.mid);
        }
        person.slots = slots;
    }

    /// What str0m answers, in LiveKit's words.
    fn word_answer(&mut self, key: ParticipantKey, answer: &str, cx: &Cx<'_>) -> String {
        let person = &self.people[key];
        let text = sdp::rewrite(answer, |mid| {
            let slot = person.slots.iter().find(|slot| *slot.mid == *mid);
            if let Some(slot) = slot {
                let place = slot.subscription.map_or(Place::Free, |subscription| self.place_of(subscription));
                return Some(Edit { place: Some(place), ..Edit::default() });
            }
            // A sending line that names no track would end a native client.
            let place = Some(Place::Theirs);
            let track = person.tracks.iter().map(|key| &self.tracks[*key]).find(|t| t.has_line(mid));
            let payloads = person.publisher.as_ref().map_or(&[][..], Peer::payloads);
            let edit = track.map(|track| publish::preferences(track, mid, payloads)).unwrap_or_default();
            Some(Edit { place, ..edit })
        });
        sdp::with_message_size(&sdp::readdress(&text, &cx.config.addresses))
    }

    /// How the client is told which track a line carries.
    fn place_of(&self, subscription: SubscriptionKey) -> Place {
        let track = &self.tracks[self.subscriptions[subscription].track];
        let publisher = &self.people[track.publisher].info.sid;
        Place::Taken { stream_id: format!("{publisher}|{}", track.info.sid), track_id: track.info.sid.clone() }
    }

    fn mid_to_track(&self, key: ParticipantKey) -> HashMap<String, String> {
        let person = &self.people[key];
        let received = person.subscriptions.iter().filter_map(|key| {
            let subscription = &self.subscriptions[*key];
            Some((subscription.line?.to_string(), self.tracks[subscription.track].info.sid.clone()))
        });
        let sent = person.tracks.iter().flat_map(|key| {
            let track = &self.tracks[*key];
            track.streams.iter().map(|stream| (stream.mid.to_string(), track.info.sid.clone()))
        });
        received.chain(sent).collect()
    }

    /// The answer is on its way: the tracks on the lines may flow.
    fn bind_slots(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        let mut bound = vec![];
        for slot in &mut self.people[key].slots {
            slot.told = slot.subscription;
            // Not by what it was told before: a line that was taken back and given again in between is another.
            let fresh = |s: &SubscriptionKey| self.subscriptions[*s].bound != Some(slot.mid);
            bound.extend(slot.subscription.filter(fresh).map(|subscription| (subscription, slot.mid)));
        }
        for (subscription, mid) in bound {
            self.bind(subscription, mid, cx);
        }
    }

    fn ask_for_offer(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        let person = &self.people[key];
        if person.awaits_offer || person.connection.is_none() {
            return;
        }
        let kinds = [MediaKind::Audio, MediaKind::Video];
        let wanted = kinds.map(|kind| self.without_line(key, kind));
        let person = &mut self.people[key];
        let free = kinds.map(|kind| person.slots.iter().filter(|s| s.kind == kind && s.subscription.is_none()).count());
        let [num_audios, num_videos] =
            [0, 1].map(|kind| person.lines.ask(wanted[kind].saturating_sub(free[kind]), cx.config.lines));
        let stale = person.slots.iter().any(|slot| slot.told != slot.subscription);
        let fits = (0..2).any(|kind| wanted[kind] > 0 && free[kind] > 0);
        // An offer that gives no track a line would be followed by the next.
        if !stale && !fits && num_audios + num_videos == 0 {
            return;
        }
        person.awaits_offer = true;
        let requirement = proto::MediaSectionsRequirement { num_audios, num_videos };
        self.say(key, Message::MediaSectionsRequirement(requirement), cx);
    }

    /// Tracks of a kind that wait for a line.
    fn without_line(&self, key: ParticipantKey, kind: MediaKind) -> usize {
        let own = self.people[key].subscriptions.iter().map(|key| &self.subscriptions[*key]);
        own.filter(|s| s.line.is_none() && s.wanted() && self.tracks[s.track].kind == kind).count()
    }

    // --- two connections ---

    fn offer(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        self.offer_with(key, false, cx);
    }

    fn offer_with(&mut self, key: ParticipantKey, ice_restart: bool, cx: &mut Cx<'_>) {
        let person = &self.people[key];
        if person.connection.is_none() || person.subscriber.as_ref().is_none_or(Peer::offering) {
            return;
        }
        let taken = person.slots.iter().filter(|slot| slot.subscription.is_some()).count();
        let waiting: Vec<SubscriptionKey> = person
            .subscriptions
            .iter()
            .copied()
            .filter(|key| {
                let subscription = &self.subscriptions[*key];
                subscription.line.is_none() && subscription.wanted()
            })
            // One is the data channels'.
            .take(cx.config.lines.saturating_sub(1 + taken))
            .collect();
        let add: Vec<_> = waiting
            .iter()
            .map(|key| {
                let (kind, sid) = {
                    let t = &self.tracks[self.subscriptions[*key].track];
                    (t.kind, t.info.sid.clone())
                };
                match self.place_of(*key) {
                    Place::Taken { stream_id, .. } => (kind, stream_id, sid),
                    Place::Free | Place::Theirs => (kind, String::new(), sid),
                }
            })
            .collect();
        let person = &mut self.people[key];
        let end: Vec<Mid> =
            person.slots.extract_if(.., |slot| slot.subscription.is_none()).map(|slot| slot.mid).collect();
        let peer = person.subscriber.as_mut().expect("looked for above");
        let change = OfferChange { channels: true, add: &add, end: &end, ice_restart };
        let Some((text, mids)) = peer.offer(change) else { return };
        for ((subscription, mid), (kind, ..)) in waiting.iter().zip(&mids).zip(&add) {
            let slot = Slot { mid: *mid, kind: *kind, subscription: Some(*subscription), used: true, told: None };
            self.people[key].slots.push(slot);
            self.subscriptions[*subscription].line = Some(*mid);
        }
        let description = proto::SessionDescription {
            r#type: "offer".into(),
            sdp: sdp::with_message_size(&sdp::readdress(&text, &cx.config.addresses)),
            mid_to_track_id: self.mid_to_track(key),
            ..Default::default()
        };
        self.people[key].unanswered = Some(description.clone());
        self.say(key, Message::Offer(description), cx);
        self.learn_ufrag(key, Target::Subscriber, cx);
    }

    pub(super) fn on_answer(&mut self, key: ParticipantKey, answer: &proto::SessionDescription, cx: &mut Cx<'_>) {
        let Some(peer) = self.people[key].subscriber.as_mut() else { return };
        if let Err(error) = peer.accept_answer(&answer.sdp) {
            return self.refuse_description(key, &error.to_string(), cx);
        }
        self.learn_ufrag(key, Target::Subscriber, cx);
        self.people[key].unanswered = None;
        self.bind_slots(key, cx);
        if std::mem::take(&mut self.people[key].restarts) {
            self.offer_with(key, true, cx);
        }
        self.want_negotiation(key);
    }

    /// The client resumes: its network may be another. (With one connection it restarts ICE itself.)
    pub(super) fn restart_subscriber(&mut self, key: ParticipantKey, cx: &mut Cx<'_>) {
        if self.people[key].mode != Mode::Dual {
            return;
        }
        // The answer was lost, or the offer. The client may have taken it in: its lines can't be called otherwise any more, so it
        // is repeated as it was, and ICE restarts after it.
        match self.people[key].unanswered.clone() {
            Some(offer) => {
                self.people[key].restarts = true;
                self.say(key, Message::Offer(offer), cx);
            }
            None => self.offer_with(key, true, cx),
        }
    }
}

fn slot(line: &Line, old: &[Slot]) -> Option<Slot> {
    let mid = Mid::from(line.mid.as_str());
    let kind = match line.kind {
        LineKind::Audio => MediaKind::Audio,
        LineKind::Video => MediaKind::Video,
        LineKind::Application => return None,
    };
    let known = old.iter().find(|slot| slot.mid == mid).cloned();
    Some(known.unwrap_or(Slot { mid, kind, subscription: None, used: false, told: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_an_offer_crossed_counts_until_the_next_offer() {
        let mut lines = Lines::default();
        lines.on_offer(7);
        assert_eq!(lines.ask(474, 500), 474);
        // The client publishes before it hears of it: whoever does as they are asked has 500 lines then, not a thousand.
        lines.on_offer(8);
        assert_eq!(lines.ask(474, 500), 19);
        lines.on_offer(501);
        assert_eq!(lines.ask(1, 500), 0);
        // One who never heard of it is asked again.
        let mut lines = Lines::default();
        lines.on_offer(7);
        assert_eq!(lines.ask(400, 500), 400);
        lines.on_offer(8);
        lines.on_offer(9);
        assert_eq!(lines.ask(400, 500), 400);
    }
}
