//! `conversations.md`: conversations between people, or with an AI agent, over REST and a WebSocket each.
//!
//! What the document leaves silent is settled by contract.md, "Conversations". A room of any kind is taken where a
//! conversation is, by its UUID.

mod accounts;
mod connection;
mod conversations;
#[doc(hidden)]
pub mod fuzz;
mod live;
mod map;
mod messages;
mod routes;
mod ticket;
mod users;
mod voice;
pub mod wire;

pub use messages::post_message;
pub use voice::{ErrorBody, voice};

use convo_kit::{Api, Shared};

/// The document, as the server mounts it. `POST /api/messages`, which two documents share, is the server's to route: by
/// the body, to [`post_message`] or to the other document's.
pub fn api(app: &Shared) -> Api {
    let prefixes = &["/api/auth", "/api/conversations", "/api/users"];
    Api { name: "conversations", prefixes, routes: routes::routes(app), voice }
}
