//! `platform.md`: accounts, meetings and their chat under `/api/v1`, and the meeting WebSocket.

mod auth;
mod chat;
mod control;
mod live;
mod map;
pub mod meetings;
mod routes;
mod users;
mod voice;
pub mod wire;

use convo_kit::{Api, Shared};
pub use voice::{ErrorBody, voice};

pub fn api(app: &Shared) -> Api {
    Api { name: "platform", prefixes: &["/api/v1", "/ws/meetings"], routes: routes::routes(app), voice }
}
