//! What happens by the clock: speakers, connection quality, late key frames, participants that never returned.

use super::*;
use crate::forward::speaker;
use std::time::Duration;

/// How often a room with people in it looks around.
const TICK: Duration = Duration::from_millis(200);
/// With nobody in it.
const IDLE_TICK: Duration = Duration::from_secs(1);
/// A signalling connection on which nothing came for so long is taken for lost; clients ping every 5 s.
const SILENCE: Duration = Duration::from_secs(20);
/// How often the room's numbers are told, at most. That it is recorded is told at once.
const COUNTS: Duration = Duration::from_secs(5);

impl Room {
    /// `true`: the room is over.
    pub(crate) fn tick(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.expired(cx.now) {
            return true;
        }
        self.give_up_lost(cx);
        self.give_up_calls(cx);
        self.tend_pairs(cx);
        self.late_pictures(cx);
        self.wanted_pictures(cx);
        self.dynacast(cx);
        self.allocate_all(cx);
        if self.tell_counts_at.is_some_and(|at| cx.now >= at) {
            self.tell_counts_at = None;
            self.counts_told_until = cx.now + COUNTS;
            self.say_all(self.room_update(), cx);
        }
        if cx.now >= self.listen_at {
            self.listen_at = cx.now + speaker::WINDOW;
            self.tell_speakers(cx);
            self.end_simulated_voices(cx);
        }
        if cx.now >= self.judge_at {
            self.judge_at = cx.now + crate::forward::quality::INTERVAL;
            self.tell_quality(cx);
        }
        self.negotiate_all(cx);
        let pause = if self.people.is_empty() { IDLE_TICK } else { TICK };
        cx.wake.at(cx.now + pause, Due::Room(cx.room));
        false
    }

    fn give_up_lost(&mut self, cx: &mut Cx<'_>) {
        let silent = |p: &Participant| p.connection.filter(|_| cx.now > p.last_signal + SILENCE);
        let silent: Vec<_> = self.people.iter().filter_map(|(key, p)| silent(p).map(|c| (key, c))).collect();
        for (key, connection) in silent {
            cx.out.push_back(Output::Close { connection });
            self.on_disconnect(key, connection, cx);
        }
        self.let_go(cx.now, cx);
        let over = |p: &Participant| p.resume_until.is_some_and(|until| cx.now >= until);
        let lost: Vec<_> = self.people.iter().filter(|(_, p)| over(p)).map(|(key, _)| key).collect();
        for key in lost {
            self.remove(key, proto::DisconnectReason::ConnectionTimeout, cx);
        }
        let joined = i32::from(participant_info::State::Joined);
        let since = cx.unix_ms - join::CONNECTING;
        // A copy has no media of its own.
        let waits = |p: &Participant| p.publisher.is_some() && p.info.state == joined && p.info.joined_at_ms <= since;
        let unconnected: Vec<_> = self.people.iter().filter(|(_, p)| waits(p)).map(|(key, _)| key).collect();
        for key in unconnected {
            self.remove(key, proto::DisconnectReason::JoinFailure, cx);
        }
    }

    // --- speakers ---

    /// Who began, who is louder, who stopped; to those who can hear them.
    fn tell_speakers(&mut self, cx: &mut Cx<'_>) {
        let mut levels = vec![];
        for track in self.tracks.values_mut().filter(|track| !track.info.muted) {
            if let Some(voice) = &mut track.voice {
                levels.push((track.publisher, voice.look()));
            }
        }
        let changed = self.speakers.update(levels);
        if changed.is_empty() {
            return;
        }
        for (listener, person) in &self.people {
            let heard = |key| key == listener || self.hears(person, key);
            let speakers = changed.iter().filter(|s| heard(s.key)).filter_map(|s| self.speaker_info(s)).collect();
            self.say_speakers(listener, speakers, cx);
        }
    }

    fn speaker_info(&self, speaker: &speaker::Speaker<ParticipantKey>) -> Option<proto::SpeakerInfo> {
        let sid = self.people.get(speaker.key)?.info.sid.clone();
        Some(proto::SpeakerInfo { sid, level: speaker.level, active: speaker.active() })
    }

    fn say_speakers(&self, listener: ParticipantKey, speakers: Vec<proto::SpeakerInfo>, cx: &mut Cx<'_>) {
        if !speakers.is_empty() {
            self.say(listener, Message::SpeakersChanged(proto::SpeakersChanged { speakers }), cx);
        }
    }

    /// The listener subscribes to the track now: who speaks is told only when it changes.
    pub(super) fn tell_heard(&self, listener: ParticipantKey, track: TrackKey, cx: &mut Cx<'_>) {
        let speaking = |key| self.speakers.speaking().iter().find(|speaker| speaker.key == key);
        if let Some(speaker) = speaking(self.tracks[track].publisher) {
            self.say_speakers(listener, self.speaker_info(speaker).into_iter().collect(), cx);
        }
    }

    /// The listener subscribes to the track no more: whom it does not hear stops to speak, as far as it is concerned.
    pub(super) fn tell_unheard(&self, listener: ParticipantKey, track: TrackKey, cx: &mut Cx<'_>) {
        let Some(key) = self.tracks.get(track).map(|track| track.publisher) else { return };
        let speaks = self.speakers.speaking().iter().any(|speaker| speaker.key == key);
        if speaks && self.people.get(listener).is_some_and(|person| !self.hears(person, key)) {
            let stopped = self.speaker_info(&speaker::Speaker { key, level: 0.0 });
            self.say_speakers(listener, stopped.into_iter().collect(), cx);
        }
    }

    fn hears(&self, person: &Participant, speaker: ParticipantKey) -> bool {
        person.subscriptions.iter().any(|subscription| self.publisher_of(*subscription) == speaker)
    }

    pub(super) fn publisher_of(&self, subscription: SubscriptionKey) -> ParticipantKey {
        self.tracks[self.subscriptions[subscription].track].publisher
    }
}
