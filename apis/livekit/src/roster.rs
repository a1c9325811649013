//! Under which LiveKit identities the people of a meeting are known, for the messages that they write elsewhere.

use convo_domain::{meeting::Participant, message::Message, user::Party};
use parking_lot::RwLock;
use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
};

/// Messages remembered as spread: more are not on their way at once.
const SPREAD: usize = 1_000;

/// One meeting's, shared by all its attendees.
pub(crate) struct Roster {
    /// The media room's name.
    pub(crate) code: String,
    /// A person with two devices has two.
    people: RwLock<HashMap<Party, Vec<String>>>,
    /// Messages that the media server brought to all its clients by itself: who wrote them, and their nonces.
    spread: RwLock<VecDeque<(Party, String)>>,
    over: AtomicBool,
}

impl Roster {
    pub(crate) fn new(code: String) -> Self {
        Self { code, people: RwLock::default(), spread: RwLock::default(), over: AtomicBool::new(false) }
    }

    pub(crate) fn joined(&self, participant: &Participant) {
        let known = |identities: &Vec<String>| identities.contains(&participant.identity);
        if self.people.read().get(&participant.party()).is_some_and(known) {
            return;
        }
        let mut people = self.people.write();
        let identities = people.entry(participant.party()).or_default();
        if !known(identities) {
            identities.push(participant.identity.clone());
        }
    }

    pub(crate) fn left(&self, participant: &Participant) {
        let mut people = self.people.write();
        if let Some(identities) = people.get_mut(&participant.party()) {
            identities.retain(|identity| *identity != participant.identity);
            if identities.is_empty() {
                people.remove(&participant.party());
            }
        }
    }

    /// The identity of somebody who is in the meeting; else their id.
    pub(crate) fn identity(&self, party: Party) -> String {
        let people = self.people.read();
        people
            .get(&party)
            .and_then(|identities| identities.first().cloned())
            .unwrap_or_else(|| party.uuid().to_string())
    }

    /// All LiveKit clients that it is for have this message already.
    pub(crate) fn spread(&self, author: Party, nonce: &str) {
        let mut spread = self.spread.write();
        if spread.len() == SPREAD {
            spread.pop_front();
        }
        spread.push_back((author, nonce.to_owned()));
    }

    pub(crate) fn has(&self, message: &Message) -> bool {
        let Some(nonce) = &message.nonce else { return false };
        self.spread.read().iter().any(|(author, spread)| *author == message.sender && spread == nonce)
    }

    /// The meeting is over. `true` for the first who says so.
    pub(crate) fn close(&self) -> bool {
        !self.over.swap(true, Ordering::Relaxed)
    }
}
