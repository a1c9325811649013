//! The media brain of Convo: LiveKit's signalling and selective forwarding as one machine without sockets, clocks or
//! threads. It is told the time and everything that happens, and says what to send.
//!
//! **After every `handle` (or a batch of them at one `now`), poll until [`Output::Timeout`].**

pub mod config;
pub mod forward;
pub mod io;

pub use config::{Config, LocalAddress};
pub use io::{
    Answer, Ask, AskId, Command, ConnectionId, Datagram, Event, EventKind, Input, Join, Mode, Output, Refusal, Transmit,
};

use std::time::Instant;

/// One worker's rooms and everybody in them.
#[derive(Debug)]
pub struct Sfu {
    config: Config,
}

impl Sfu {
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Takes one input at `now`, which never goes backwards.
    pub fn handle(&mut self, _now: Instant, _input: Input<'_>) {}

    /// What there is to say.
    pub fn poll(&mut self, now: Instant) -> Output {
        Output::Timeout(now + self.config.resume_timeout)
    }
}
