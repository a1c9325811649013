//! `convo.md`: simple meetings with integer ids, and `/ws/`, the socket of many meetings.
//!
//! What the document leaves silent is settled by contract.md: a meeting made here is open, and using it joins it; times
//! carry no zone and are UTC; ids of the creator and the sender may be left out and are then the caller's.

mod accounts;
mod caller;
mod live;
mod map;
mod meetings;
mod messages;
mod routes;
mod voice;
pub mod wire;

pub use messages::post_message;
pub use voice::{ErrorBody, voice};

use convo_kit::{Api, Shared};

/// The document, as the server mounts it. `POST /api/messages`, which two documents share, is the server's to route: by
/// the body, to [`post_message`] or to the other document's.
pub fn api(app: &Shared) -> Api {
    Api { name: "convo", prefixes: &["/api", "/ws"], routes: routes::routes(app), voice }
}
