//! The engine over real HTTP and WebSocket connections.

mod engine;
mod sockets;
mod stand_in;
mod support;
