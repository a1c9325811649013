//! What a server allows.

use std::time::Duration;

/// Limits and times. [`Config::default`] has the values of the official server where it has one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes of one polling body or one WebSocket message, and of all attachments of one packet
    /// together. Told to the client in the handshake. Default 1,000,000.
    pub max_payload: usize,
    /// Binary attachments of one packet. Default 10.
    pub max_attachments: usize,
    /// Clients at the same time; 0 is no limit. Who comes on top gets 503. Default 0.
    pub max_clients: usize,
    /// Clients at the same time from one address ([`crate::App::address`]); 0 is no limit. Who comes on
    /// top gets 429. Default 0.
    pub max_clients_per_address: usize,
    /// Clients that are in no namespace, at the same time; 0 is no limit. For one more the oldest is
    /// closed. Default 0.
    pub max_homeless: usize,
    /// As `max_homeless`, from one address. Default 0.
    pub max_homeless_per_address: usize,
    /// Namespaces that one client may be in. Default 16.
    pub max_namespaces: usize,
    /// Events of one client that may be under way; beyond that its transport is not read. Default 64.
    pub max_under_way: usize,
    /// Time from a pong to the next ping. Default 25 s.
    pub ping_interval: Duration,
    /// Time within which a ping must be answered, and within which a batch that is written must leave: a
    /// client that is slower is closed. While anything waits to be written, the latter alone counts. Default 20 s.
    pub ping_timeout: Duration,
    /// Time within which a WebSocket must take over from polling. Default 10 s.
    pub upgrade_timeout: Duration,
    /// Time that a client may be in no namespace. Default 45 s.
    pub connect_timeout: Duration,
    /// How long a lost client's sockets are kept for its return; zero turns recovery off. Default
    /// 2 minutes.
    pub recovery_window: Duration,
    /// Recoverable frames remembered for each socket that can come back. Default 128.
    pub recovery_frames: usize,
    /// Sockets kept for a return at the same time. Default 10,000.
    pub max_parked: usize,
    /// Sockets kept under one of the application's keys; the oldest makes room. Default 8.
    pub max_parked_per_key: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_payload: 1_000_000,
            max_attachments: 10,
            max_clients: 0,
            max_clients_per_address: 0,
            max_homeless: 0,
            max_homeless_per_address: 0,
            max_namespaces: 16,
            max_under_way: 64,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            recovery_window: Duration::from_secs(120),
            recovery_frames: 128,
            max_parked: 10_000,
            max_parked_per_key: 8,
        }
    }
}
