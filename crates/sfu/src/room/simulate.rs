//! Failures on demand (`SimulateScenario`), for the suites of LiveKit's SDKs and for ours. Only where the configuration
//! allows it.

use super::*;
use proto::{CandidateProtocol, leave_request::Action, simulate_scenario::Scenario};
use std::{borrow::Cow, time::Duration};
use str0m::net::Protocol;

/// How loud it seems to speak.
const LEVEL: f32 = 0.9;
/// The longest that somebody may seem to speak.
const LONGEST: Duration = Duration::from_secs(60);

/// What was asked for and is not over.
#[derive(Debug, Default)]
pub(super) struct Simulations {
    /// How media comes in somebody's next sessions, by identity.
    paths: HashMap<String, CandidateProtocol>,
    /// Whose next resume breaks off, by identity.
    breaks: HashMap<String, Break>,
    /// Who seems to speak, and until when.
    voices: Vec<(ParticipantKey, Instant)>,
}

/// When a resume breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    BeforeItsFirstMessage,
    AfterItsFirstMessages,
}

impl Simulations {
    /// What the next session's peers are set up with: with TCP preferred, there are no UDP addresses.
    pub(super) fn config_for<'a>(&self, identity: &str, config: &'a Config) -> Cow<'a, Config> {
        if self.paths.get(identity) != Some(&CandidateProtocol::Tcp) {
            return Cow::Borrowed(config);
        }
        let mut config = config.clone();
        config.addresses.retain(|address| address.proto == Protocol::Tcp);
        Cow::Owned(config)
    }

    /// What a joining client is told: with TLS preferred, it uses the relay alone (TURN).
    pub(super) fn client_configuration(&self, identity: &str) -> Option<proto::ClientConfiguration> {
        let relayed = self.paths.get(identity) == Some(&CandidateProtocol::Tls);
        let force_relay = proto::ClientConfigSetting::Enabled.into();
        relayed.then(|| proto::ClientConfiguration { force_relay, ..Default::default() })
    }

    /// Whether this resume breaks off; the next one will not.
    pub(super) fn breaks_resume(&mut self, identity: &str, moment: Break) -> bool {
        let due = self.breaks.get(identity) == Some(&moment);
        if due {
            self.breaks.remove(identity);
        }
        due
    }
}

impl Room {
    pub(super) fn on_simulate(&mut self, key: ParticipantKey, scenario: &proto::SimulateScenario, cx: &mut Cx<'_>) {
        if !cx.config.simulate {
            return;
        }
        let person = &mut self.people[key];
        let (Some(connection), identity) = (person.connection, person.info.identity.clone()) else { return };
        match scenario.scenario {
            Some(Scenario::SpeakerUpdate(seconds)) => self.pretend_to_speak(key, seconds, cx),
            Some(Scenario::ServerLeave(_)) => self.remove(key, proto::DisconnectReason::ServerShutdown, cx),
            Some(Scenario::NodeFailure(_)) => {
                person.connection = None;
                cx.out.push_back(Output::Close { connection });
                self.remove(key, proto::DisconnectReason::MediaFailure, cx);
            }
            Some(Scenario::LeaveRequestFullReconnect(_)) => {
                person.connection = None;
                join::leave(connection, proto::DisconnectReason::StateMismatch, Action::Reconnect, cx);
            }
            Some(Scenario::Migration(_)) => {
                join::leave(connection, proto::DisconnectReason::Migration, Action::Resume, cx);
                self.on_disconnect(key, connection, cx);
            }
            Some(Scenario::DisconnectSignalOnResume(_)) => {
                self.simulations.breaks.insert(identity, Break::AfterItsFirstMessages);
            }
            Some(Scenario::DisconnectSignalOnResumeNoMessages(_)) => {
                self.simulations.breaks.insert(identity, Break::BeforeItsFirstMessage);
            }
            Some(Scenario::SwitchCandidateProtocol(wish)) => {
                let path = CandidateProtocol::try_from(wish).unwrap_or_default();
                self.simulations.paths.insert(identity, path);
            }
            Some(Scenario::SubscriberBandwidth(bitrate)) => self.narrow(key, bitrate.max(0) as u64, cx),
            None => {}
        }
    }

    /// Everybody is told that the participant speaks, whatever is heard.
    fn pretend_to_speak(&mut self, key: ParticipantKey, seconds: i32, cx: &mut Cx<'_>) {
        let time = Duration::from_secs(seconds.max(0) as u64).min(LONGEST);
        self.simulations.voices.retain(|(speaker, _)| *speaker != key);
        self.simulations.voices.push((key, cx.now + time));
        self.say_speaker(key, LEVEL, cx);
    }

    /// To be called by the clock: whose time is over stops to seem to speak.
    pub(super) fn end_simulated_voices(&mut self, cx: &mut Cx<'_>) {
        let voices = std::mem::take(&mut self.simulations.voices);
        let (over, on): (Vec<_>, _) = voices.into_iter().partition(|(_, until)| cx.now >= *until);
        self.simulations.voices = on;
        for (key, _) in over {
            self.say_speaker(key, 0.0, cx);
        }
    }

    fn say_speaker(&self, key: ParticipantKey, level: f32, cx: &mut Cx<'_>) {
        let Some(person) = self.people.get(key) else { return };
        let speaker = proto::SpeakerInfo { sid: person.info.sid.clone(), level, active: level > 0.0 };
        self.say_all(Message::SpeakersChanged(proto::SpeakersChanged { speakers: vec![speaker] }), cx);
    }
}
