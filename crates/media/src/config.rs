//! What the hands are set up with.

use crate::turn;
use std::net::IpAddr;

/// `None` for a port: there is none. `Some(0)`: any free one.
#[derive(Debug, Clone)]
pub struct Config {
    /// Threads, each with rooms of its own: 1 to [`MOST_WORKERS`].
    pub workers: usize,
    /// UDP port of the first worker; the second has the next, and so on.
    pub udp: Option<u16>,
    /// TCP port, for all workers (RFC 6544).
    pub tcp: Option<u16>,
    /// The embedded STUN and TURN server.
    pub turn: Option<turn::Config>,
    /// Addresses to bind. Empty: all interfaces.
    pub bind: Vec<IpAddr>,
    /// Clients are told 127.0.0.1 beside the interfaces' addresses: for those on this machine, when no network reaches it.
    pub loopback: bool,
    /// Addresses under which the world finds this machine, each port mapped to the same port (a cloud's public address, a
    /// NAT's forwarded ports). See [`crate::addresses::discover`].
    pub external: Vec<IpAddr>,
    /// For every worker's machine; `addresses` and `ufrag_prefix` are set per worker.
    pub sfu: convo_sfu::Config,
}

/// As many as there are characters that a user fragment may begin with.
pub const MOST_WORKERS: usize = 64;

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores.min(MOST_WORKERS),
            udp: Some(7882),
            tcp: Some(7881),
            turn: None,
            bind: vec![],
            loopback: true,
            external: vec![],
            sfu: convo_sfu::Config::default(),
        }
    }
}
