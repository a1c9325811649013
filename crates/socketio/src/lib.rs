//! A Socket.IO 5 server on Engine.IO 4, for [axum].
//!
//! The crate knows the two protocols and nothing of what is said over them. An application
//! implements [`App`] (who may connect, what an event does) and, for each connected socket,
//! [`Feed`] (what that socket is to be sent).
//!
//! **One client is one task, and one at a time touches the client's state.** Each time it wakes it
//!
//! 1. opens its mail: HTTP requests of a polling client, a WebSocket to move to, an order to close;
//! 2. collects the application's work that is done, and queues its acknowledgements;
//! 3. reads packets, and starts the application's work for each one, in the order of arrival;
//! 4. looks at the clock: heartbeat, slow reader, a client that never joins a namespace;
//! 5. when the transport can take more, pulls what the feeds have and writes it at once.
//!
//! Nothing is pushed: a frame waits in the application's own bounded mailbox until the transport is
//! free, so that mailbox is the only queue, and the application sees for itself that it is full.
//!
//! While the task sleeps, whoever wakes it for a feed pulls and writes for it, where that takes no waiting and the
//! client has a plain WebSocket: one whose request came with its connection's [`convo_tap::Tap`] as an extension.
//!
//! * [Engine.IO protocol, revision 4](https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md)
//! * [Socket.IO protocol, revision 5](https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md)

mod app;
mod client;
mod config;
mod deadlines;
mod engine;
#[doc(hidden)]
pub mod fuzz;
mod handshake;
mod http;
mod id;
mod packet;
mod recovery;
mod registry;
mod session;
mod shared;
mod stand_in;
mod transport;

pub use app::{Ack, App, Closed, Connect, Denied, Event, Feed, Frame, Later, Reason, Refusal, Reply};
pub use config::Config;
pub use handshake::Handshake;
pub use id::Sid;
pub use packet::args::{Args, Placeholder};
pub use packet::{EventPacket, Packet, event_packet};
pub use shared::{SocketIo, Stats};
