//! What Convo is about: people, rooms, messages, meetings; the rules, the verbs, and the ports to everything else.
//!
//! **The domain does not know that HTTP, SQL, UDP or JSON exist.** An API parses a request, calls one verb of
//! [`Domain`], and words what comes back. Verbs live in each noun's `act.rs` and have the same five beats:
//! *who* asks, *load* what it is about, *decide* by the pure rules, *save*, *tell*. Load to tell happen in one
//! transaction ([`store::Store`]); what is told is heard after the commit, in commit order ([`bus::Bus`]).

pub mod agent;
pub mod bus;
pub mod clock;
pub mod error;
pub mod event;
#[doc(hidden)]
pub mod fuzz;
pub mod id;
pub mod limit;
pub mod meeting;
pub mod message;
pub mod page;
pub mod ports;
pub mod room;
pub mod session;
pub mod store;
pub mod sweep;
pub mod text;
pub mod user;
pub mod webhook;

pub use error::{Error, Kind, Result};

use bus::Bus;
use clock::{Clock, Timestamp};
use ports::{Agent, Courier, Media, Tokens};
use std::{net::IpAddr, sync::Arc};
use store::Store;
use user::{Actor, guess::Guesses, login::Logins};

/// Settings that change what the domain allows.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// `CONVO_GUESTS`: people without an account may make and join meetings by link.
    pub guests: bool,
    /// Tokens of one conversation that the agent is told.
    pub agent_tokens: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { guests: true, agent_tokens: 3_000 }
    }
}

/// The one handle that an API holds.
pub struct Domain {
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub tokens: Arc<dyn Tokens>,
    pub media: Arc<dyn Media>,
    pub courier: Arc<dyn Courier>,
    pub agent: Arc<dyn Agent>,
    pub policy: Policy,
    pub logins: Logins,
    rooms: room::act::Names,
    passcodes: Arc<Guesses<meeting::rules::Guesser>>,
    codes: Guesses<Asker>,
    sent: Guesses<(id::UserId, user::Channel)>,
    answers: agent::Answers,
}

/// The outside parts, chosen by the composition.
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub tokens: Arc<dyn Tokens>,
    pub media: Arc<dyn Media>,
    pub courier: Arc<dyn Courier>,
    pub agent: Arc<dyn Agent>,
}

impl Domain {
    pub fn new(ports: Ports, policy: Policy) -> Arc<Self> {
        let Ports { store, bus, clock, tokens, media, courier, agent } = ports;
        Arc::new(Self {
            store,
            bus,
            clock,
            tokens,
            media,
            courier,
            agent,
            policy,
            logins: Logins::default(),
            rooms: Default::default(),
            passcodes: Default::default(),
            codes: Default::default(),
            sent: Guesses::lasting(limit::DAY_SECONDS),
            answers: Default::default(),
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Who asks, for what is counted by caller: the account, or else the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    User(id::UserId),
    /// IPv6 by its /64: a household has that many addresses.
    Address(IpAddr),
}

impl Asker {
    pub fn of(actor: Option<&Actor>, address: IpAddr) -> Self {
        match actor {
            Some(Actor::User(caller)) => Asker::User(caller.user),
            _ => Asker::address(address),
        }
    }

    pub fn address(address: IpAddr) -> Self {
        Asker::Address(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            v4 => v4,
        })
    }
}
