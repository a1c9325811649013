//! STUN and TURN (RFC 8489, RFC 8656), over UDP and TCP, for clients that can reach neither the workers' UDP ports nor
//! their TCP port, or each other. Credentials end by themselves ([`Secret`]); allocations are for UDP.

mod credentials;
mod desk;
pub(crate) mod fuzz;
mod peers;
mod server;

pub use credentials::Secret;

use crate::{
    addresses::{self, Told},
    tcp::{Framing, Listener, Seats},
    udp::UdpSocket,
};
use convo_sfu::LocalAddress;
use desk::{Desk, Limits};
use peers::Peers;
use server::{Relays, Server, Stopper};
use std::{io, net::IpAddr, ops::RangeInclusive, thread, time::Instant};
use str0m::net::Protocol;

/// The embedded server's settings; its addresses are those of [`crate::Config`].
#[derive(Debug, Clone)]
pub struct Config {
    /// For UDP and TCP; 0: any that is free for both.
    pub port: u16,
    /// Shared with whoever issues credentials.
    pub secret: Secret,
    /// Relayed packets come to these; RFC 8656 wants the dynamic ports, which is the default.
    pub ports: RangeInclusive<u16>,
    /// Private networks and this machine may be reached through it: only where all clients are trusted.
    pub private_peers: bool,
    /// Allocations at once, in total.
    pub most: usize,
    /// Allocations at once, of one identity: a browser makes one per network interface, protocol and peer connection.
    pub most_per_identity: usize,
}

impl Config {
    pub fn new(port: u16, secret: Secret) -> Self {
        Self { port, secret, ports: 49_152..=65_535, private_peers: false, most: 1_000, most_per_identity: 24 }
    }
}

/// A server that was bound and not yet started.
pub(crate) struct Bound {
    server: Server,
    running: Running,
}

/// Where it is, and how it is stopped.
pub(crate) struct Running {
    pub addresses: Vec<LocalAddress>,
    stopper: Stopper,
}

impl Running {
    pub(crate) fn stop(&self) {
        self.stopper.stop();
    }
}

/// `media`: the workers' addresses, which clients may always reach.
pub(crate) fn bind(config: &Config, bind: &[IpAddr], told: &Told<'_>, media: &[LocalAddress]) -> io::Result<Bound> {
    let seats = Seats::default();
    let pairs = addresses::bind_all(bind, config.port, |address| {
        let listener = Listener::bind(address, Framing::Turn, seats.clone())?;
        let socket = UdpSocket::bind(listener.local())?;
        let local = listener.local();
        Ok(((socket, listener), local))
    })?;
    let (sockets, listeners): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let bound: Vec<_> = sockets.iter().map(UdpSocket::local).collect();
    let addresses = [Protocol::Udp, Protocol::Tcp].into_iter().flat_map(|proto| told.of(proto, &bound)).collect();
    let peers = Peers {
        media: media.iter().flat_map(|address| [address.bound, address.told]).collect(),
        own: told.interfaces.iter().chain(told.external).copied().collect(),
        private: config.private_peers,
    };
    let limits = Limits { total: config.most, per_identity: config.most_per_identity };
    let relays = Relays {
        ports: config.ports.clone(),
        bind: bind.to_vec(),
        external: told.external.to_vec(),
        interfaces: told.interfaces.to_vec(),
    };
    let desk = Desk::new(config.secret.clone(), peers, limits, Instant::now());
    let (server, stopper) = Server::new(desk, sockets, listeners, relays)?;
    Ok(Bound { server, running: Running { addresses, stopper } })
}

impl Bound {
    pub(crate) fn start(self) -> io::Result<(Running, thread::JoinHandle<()>)> {
        let Self { server, running } = self;
        let thread = thread::Builder::new().name("media-turn".to_owned()).spawn(move || server.work())?;
        Ok((running, thread))
    }
}
