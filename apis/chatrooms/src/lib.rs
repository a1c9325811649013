//! `chatrooms.md`: accounts, chatrooms and their messages under `/api/user`, `/api/chatroom` and `/api/message`,
//! and Socket.IO.

#[doc(hidden)]
pub mod fuzz;
pub mod live;
mod map;
mod messages;
mod rooms;
mod routes;
mod users;
mod voice;
mod wire;

use convo_kit::{Api, Shared};
pub use live::socket_io;
pub use voice::voice;

pub fn api(app: &Shared) -> Api {
    Api {
        name: "chatrooms",
        prefixes: &["/api/user", "/api/chatroom", "/api/message"],
        routes: routes::routes(app),
        voice,
    }
}
