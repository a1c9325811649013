//! The TURN server's sockets and its thread.

use super::desk::{Desk, Effect, Flow};
use crate::{
    meter::Meter,
    tcp::{Listener, Streams},
    udp::{Buffers, Received, UdpSocket},
};
use convo_sfu::{Route, Transmit};
use mio::{Events, Poll, Registry, Token, Waker, event::Event as Readiness};
use rand::Rng;
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use str0m::net::Protocol;
use turn_server_proto::{api::SocketAllocateError, stun::types::AddressFamily};

const WAKER: Token = Token(0);
const FIRST_SOCKET: usize = 1;
const FIRST_LISTENER: usize = 1_000;
const FIRST_RELAY: usize = 10_000;
/// There are never as many relays.
const FIRST_STREAM: usize = usize::MAX / 2;
const EVENTS: usize = 256;
const CALLS_A_TURN: usize = 4;
/// Ports that may be taken before a range counts as full.
const ATTEMPTS: usize = 32;

/// Stops the thread.
pub(crate) struct Stopper {
    stopped: Arc<AtomicBool>,
    waker: Waker,
}

impl Stopper {
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake the TURN server");
        }
    }
}

/// Where relays are opened, and how they are told.
pub(crate) struct Relays {
    pub ports: RangeInclusive<u16>,
    /// Addresses that may be bound; empty: all. One that is unspecified stands for all of its family.
    pub bind: Vec<IpAddr>,
    /// Addresses under which the world finds this machine.
    pub external: Vec<IpAddr>,
    pub interfaces: Vec<IpAddr>,
}

impl Relays {
    /// The address that a relay for this client is told as. This machine's own names for itself are of use to those on it alone.
    fn told(&self, family: AddressFamily, local: IpAddr) -> Option<IpAddr> {
        let fits = |ip: &&IpAddr| ip.is_ipv4() == (family == AddressFamily::IPV4) && !ip.is_unspecified();
        let hosts = || self.bind.iter().chain(&self.interfaces);
        let known = self.external.iter().chain([&local]).find(fits);
        let foreign = || hosts().filter(|ip| !ip.is_loopback()).find(fits);
        let loopback = || hosts().filter(|_| local.is_loopback()).find(fits);
        known.or_else(foreign).or_else(loopback).copied()
    }

    /// The address that it is bound to. On a machine with several addresses the way to a peer says which is used.
    fn bound(&self, family: AddressFamily) -> Option<IpAddr> {
        let is_ipv4 = family == AddressFamily::IPV4;
        let any: IpAddr = if is_ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        if self.bind.is_empty() {
            return Some(any);
        }
        self.bind.iter().find(|ip| ip.is_ipv4() == is_ipv4).copied()
    }

    fn open(&self, ip: IpAddr) -> io::Result<UdpSocket> {
        let mut random = rand::rng();
        let mut open = || UdpSocket::bind(SocketAddr::new(ip, random.random_range(self.ports.clone())));
        let mut outcome = open();
        for _ in 1..ATTEMPTS {
            match &outcome {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => outcome = open(),
                _ => break,
            }
        }
        outcome
    }
}

struct Relay {
    socket: UdpSocket,
    told: SocketAddr,
}

pub(crate) struct Server {
    desk: Desk,
    poll: Poll,
    /// The same poll's, for sockets to keep.
    registry: Arc<Registry>,
    stopped: Arc<AtomicBool>,
    more: bool,
    sockets: Vec<UdpSocket>,
    listeners: Vec<Listener>,
    streams: Streams,
    relays: Relays,
    open: HashMap<Token, Relay>,
    by_told: HashMap<SocketAddr, Token>,
    next: usize,
    /// Relays with something to read.
    ready: Vec<Token>,
    buffers: Buffers,
    meter: Meter,
}

impl Server {
    pub(crate) fn new(
        desk: Desk,
        mut sockets: Vec<UdpSocket>,
        mut listeners: Vec<Listener>,
        relays: Relays,
    ) -> io::Result<(Self, Stopper)> {
        let poll = Poll::new()?;
        let stopper = Stopper { stopped: Arc::default(), waker: Waker::new(poll.registry(), WAKER)? };
        let registry = Arc::new(poll.registry().try_clone()?);
        for (index, socket) in sockets.iter_mut().enumerate() {
            socket.register(&registry, Token(FIRST_SOCKET + index))?;
        }
        for (index, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(FIRST_LISTENER + index))?;
        }
        let server = Self {
            desk,
            stopped: Arc::clone(&stopper.stopped),
            more: true,
            sockets,
            listeners,
            streams: Streams::new(0, 1, poll.registry().try_clone()?, Token(FIRST_STREAM)),
            poll,
            registry,
            relays,
            open: HashMap::new(),
            by_told: HashMap::new(),
            next: FIRST_RELAY,
            ready: Vec::new(),
            buffers: Buffers::new(),
            meter: Meter::new("turn".to_owned()),
        };
        Ok((server, stopper))
    }

    /// Until stopped.
    pub(crate) fn work(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.stopped.load(Ordering::Acquire) {
            let listeners = self.listeners.iter().filter_map(Listener::deadline);
            let deadline = listeners.chain(self.desk.deadline()).chain(self.streams.deadline()).min();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let wait = if self.more { Some(Duration::ZERO) } else { left };
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the TURN server cannot wait for packets");
            }
            let now = Instant::now();
            self.turn(now, &events);
            self.meter.connections(self.desk.len(), self.streams.len());
            self.meter.end_turn(now.elapsed());
        }
    }

    fn turn(&mut self, now: Instant, events: &Events) {
        for event in events {
            self.ready(event);
        }
        self.receive_from_clients(now);
        self.receive_from_peers(now);
        let Self { desk, streams, .. } = self;
        streams.sweep(now, |local, client| desk.has_allocation(Flow { proto: Protocol::Tcp, local, client }));
        desk.sweep(now, |flow| flow.proto == Protocol::Udp || streams.has(flow.local, flow.client));
        while let Some(effect) = self.desk.next() {
            self.act(now, effect);
        }
        self.streams.flush(now);
        self.more = self.sockets.iter().any(|socket| socket.readable)
            || self.listeners.iter().any(|listener| listener.readable)
            || self.streams.has_more()
            || !self.ready.is_empty();
    }

    fn ready(&mut self, event: &Readiness) {
        let token = event.token();
        let socket = match token.0 {
            FIRST_STREAM.. => return self.streams.ready(event),
            FIRST_RELAY.. => match self.open.get_mut(&token) {
                Some(relay) => &mut relay.socket,
                None => return,
            },
            FIRST_LISTENER.. => return self.listeners[token.0 - FIRST_LISTENER].readable = true,
            FIRST_SOCKET.. => &mut self.sockets[token.0 - FIRST_SOCKET],
            _ => return,
        };
        if event.is_writable() {
            socket.writable(&mut self.meter);
        }
        if event.is_readable() && !socket.readable {
            socket.readable = true;
            if token.0 >= FIRST_RELAY {
                self.ready.push(token);
            }
        }
    }

    fn receive_from_clients(&mut self, now: Instant) {
        let Self { desk, sockets, listeners, streams, buffers, meter, .. } = self;
        let mut take = |proto, Received { source, destination, contents, .. }: Received<'_>| {
            desk.client_said(now, Flow { proto, local: destination, client: source }, contents);
        };
        for socket in sockets {
            let mut calls = 0;
            while socket.readable && calls < CALLS_A_TURN {
                calls += 1;
                socket.receive(buffers, meter, |received| take(Protocol::Udp, received));
            }
        }
        for listener in listeners {
            listener.accept(now, |stream| streams.insert(stream));
        }
        // There is nobody else to whom a connection could go.
        streams.read(now, meter, |received| take(Protocol::Tcp, received), |_, stream| drop(stream));
    }

    fn receive_from_peers(&mut self, now: Instant) {
        for token in std::mem::take(&mut self.ready) {
            let Some(Relay { socket, told }) = self.open.get_mut(&token) else { continue };
            let desk = &mut self.desk;
            let mut calls = 0;
            while socket.readable && calls < CALLS_A_TURN {
                calls += 1;
                socket.receive(&mut self.buffers, &mut self.meter, |received| {
                    desk.peer_said(now, *told, received.source, received.contents);
                });
            }
            if socket.readable {
                self.ready.push(token);
            }
        }
    }

    fn act(&mut self, now: Instant, effect: Effect) {
        match effect {
            Effect::ToClient { flow, contents } if flow.proto == Protocol::Udp => {
                let socket = self.sockets.iter_mut().find(|socket| socket.covers(flow.local));
                send(socket, (flow.local, flow.client), contents, &mut self.meter);
            }
            Effect::ToClient { flow, contents } => {
                self.streams.send(flow.local, flow.client, &contents, &mut self.meter);
            }
            Effect::ToPeer { relayed, peer, contents } => {
                let relay = self.by_told.get(&relayed).and_then(|token| self.open.get_mut(token));
                let socket = relay.map(|relay| &mut relay.socket);
                let source = socket.as_ref().map_or(relayed, |socket| socket.local());
                send(socket, (source, peer), contents, &mut self.meter);
            }
            Effect::Allocate { flow, family } => {
                let outcome = self.allocate(flow, family);
                self.desk.allocated(now, flow, family, outcome);
            }
            Effect::Release { relayed } => {
                if let Some(token) = self.by_told.remove(&relayed) {
                    self.open.remove(&token);
                }
            }
        }
    }

    fn allocate(&mut self, flow: Flow, family: AddressFamily) -> Result<SocketAddr, SocketAllocateError> {
        if !self.desk.has_room(flow) {
            tracing::debug!("no room for another TURN allocation");
            return Err(SocketAllocateError::InsufficientCapacity);
        }
        let addresses = self.relays.told(family, flow.local.ip()).zip(self.relays.bound(family));
        let (ip, bound) = addresses.ok_or(SocketAllocateError::AddressFamilyNotSupported)?;
        let failed = |error: io::Error| {
            tracing::warn!(%error, "no TURN allocation");
            SocketAllocateError::InsufficientCapacity
        };
        let mut socket = self.relays.open(bound).map_err(failed)?;
        let token = Token(self.next);
        self.next += 1;
        socket.register(&self.registry, token).map_err(failed)?;
        let told = SocketAddr::new(ip, socket.local().port());
        self.by_told.insert(told, token);
        self.open.insert(token, Relay { socket, told });
        self.ready.push(token);
        Ok(told)
    }
}

fn send(
    socket: Option<&mut UdpSocket>,
    (source, destination): (SocketAddr, SocketAddr),
    contents: Vec<u8>,
    meter: &mut Meter,
) {
    let run = Transmit::one(Route { proto: Protocol::Udp, source, destination }, contents);
    match socket {
        Some(socket) => socket.send(run, meter),
        None => meter.dropped_out(run.count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn relays(bind: &[&str], external: &[&str], interfaces: &[&str]) -> Relays {
        let ips = |ips: &[&str]| ips.iter().map(|text| ip(text)).collect();
        Relays { ports: 1..=2, bind: ips(bind), external: ips(external), interfaces: ips(interfaces) }
    }

    #[test]
    fn a_relay_is_told_as_an_address_that_others_reach() {
        let (v4, v6) = (AddressFamily::IPV4, AddressFamily::IPV6);
        let both = relays(&[], &[], &["127.0.0.1", "203.0.113.5", "::1", "2001:db8::5"]);
        assert_eq!(both.told(v4, ip("2001:db8::5")), Some(ip("203.0.113.5")));
        assert_eq!(both.told(v6, ip("203.0.113.5")), Some(ip("2001:db8::5")));
        assert_eq!(both.told(v6, ip("127.0.0.1")), Some(ip("2001:db8::5")));
        assert_eq!(both.told(v4, ip("127.0.0.1")), Some(ip("127.0.0.1")), "as the client found us");
        let outside = relays(&[], &["198.51.100.1"], &["127.0.0.1", "10.0.0.5", "::1"]);
        assert_eq!(outside.told(v4, ip("10.0.0.5")), Some(ip("198.51.100.1")));
        assert_eq!(outside.told(v6, ip("10.0.0.5")), None, "only this machine would reach it");
        assert_eq!(outside.told(v6, ip("127.0.0.1")), Some(ip("::1")));
    }

    #[test]
    fn a_relay_is_opened_where_we_may_bind() {
        let (v4, v6) = (AddressFamily::IPV4, AddressFamily::IPV6);
        let bound = |bind: &[&str]| [v4, v6].map(|family| relays(bind, &[], &[]).bound(family));
        assert_eq!(bound(&[]), [Some(ip("0.0.0.0")), Some(ip("::"))]);
        assert_eq!(bound(&["0.0.0.0"]), [Some(ip("0.0.0.0")), None]);
        assert_eq!(bound(&["10.0.0.5", "2001:db8::5"]), [Some(ip("10.0.0.5")), Some(ip("2001:db8::5"))]);
    }
}
