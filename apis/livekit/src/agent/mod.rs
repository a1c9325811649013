//! Agents: programs that come into rooms on demand. A worker registers on `/agent` and says what jobs it takes; a dispatch
//! asks for an agent in a room; a job is one agent at work.

mod dispatch;
mod job;
mod pool;
mod worker;

pub(crate) use dispatch::{Dispatches, serve};
pub(crate) use pool::Pool;
pub(crate) use worker::connect;

/// Everything about agents.
#[derive(Default)]
pub(crate) struct Agents {
    pub(crate) pool: Pool,
    pub(crate) dispatches: Dispatches,
}

/// A fresh id with LiveKit's prefix for its kind.
fn id(prefix: &str) -> String {
    format!("{prefix}_{}", convo_domain::room::code::hex(6))
}
