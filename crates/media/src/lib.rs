//! The hands around the media brain: threads, sockets, the clock.
//!
//! One worker is one thread with one [`convo_sfu::Sfu`] and one UDP port. A room lives on one worker, so nothing on the way
//! of a packet is shared or locked:
//!
//! 1. the kernel gives a batch of datagrams, and other threads give work ([`handle`]);
//! 2. all of it is handled at one `now`;
//! 3. the machine says what to send, until [`convo_sfu::Output::Timeout`];
//! 4. datagrams of one length to one address leave in one call; then the worker waits for packets, work or the time.

pub mod addresses;
mod arrivals;
mod brain;
mod config;
pub mod fuzz;
pub mod handle;
mod meter;
mod patience;
mod register;
mod singles;
mod tcp;
pub mod turn;
mod udp;
mod worker;

pub use brain::Brain;
pub use config::{Config, MOST_WORKERS};
pub use handle::{Commander, Connection, EventStream, Media};

use addresses::Told;
use convo_sfu::Sfu;
use std::{io, thread};
use str0m::net::Protocol;
use tcp::{Framing, Listener, Seats};
use tokio::sync::mpsc;
use udp::UdpSocket;
use worker::{Parts, Worker};

/// What the ufrags of each worker begin with (RFC 8839: `ice-char`).
const UFRAG_PREFIXES: &[u8; MOST_WORKERS] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Media {
    /// Binds the ports and starts the workers.
    ///
    /// # Errors
    /// A port that is taken or not permitted, in words that say which.
    pub fn start(config: Config) -> io::Result<(Self, EventStream)> {
        Self::start_with(config, Sfu::new)
    }

    /// As [`start`](Self::start), with any machine; `make` is called once for each worker, and again if one breaks.
    pub fn start_with<B: Brain>(
        config: Config,
        make: impl Fn(convo_sfu::Config) -> B + Clone + Send + 'static,
    ) -> io::Result<(Self, EventStream)> {
        meter::describe();
        let interfaces = addresses::interfaces()?;
        let told = Told { interfaces: &interfaces, loopback: config.loopback, external: &config.external };
        let workers = config.workers.clamp(1, MOST_WORKERS);
        let listeners = bind_tcp(&config)?;
        let accepted = told.of(Protocol::Tcp, &listeners.iter().map(Listener::local).collect::<Vec<_>>());
        let (sender, events) = mpsc::unbounded_channel();
        let (mut ready, mut handles) = (Vec::new(), Vec::new());
        for (number, prefix) in UFRAG_PREFIXES.iter().enumerate().take(workers) {
            let sockets = bind_udp(&config, number)?;
            let mut addresses = told.of(Protocol::Udp, &sockets.iter().map(UdpSocket::local).collect::<Vec<_>>());
            addresses.extend(&accepted);
            let ufrag_prefix = char::from(*prefix).to_string();
            let sfu = convo_sfu::Config { addresses: addresses.clone(), ufrag_prefix, ..config.sfu.clone() };
            let make = make.clone();
            let make = move || make(sfu.clone());
            let (worker, inbox) = Worker::new(Parts { number, workers, make, sockets, events: sender.clone() })?;
            ready.push(worker);
            handles.push(handle::Worker { inbox, addresses });
        }
        for worker in &mut ready {
            worker.meet(handles.iter().map(|worker| worker.inbox.clone()).collect());
        }
        ready[0].listen(listeners)?;
        let media: Vec<_> = handles.iter().flat_map(|worker| &worker.addresses).copied().collect();
        let turn = config.turn.as_ref().map(|turn| turn::bind(turn, &config.bind, &told, &media)).transpose()?;
        // Not before everything is bound: a start that fails leaves nothing behind.
        let (turn, thread) = turn.map(turn::Bound::start).transpose()?.unzip();
        let mut threads: Vec<_> = thread.into_iter().collect();
        let spawn = |(number, worker): (usize, Worker<_, _>)| {
            thread::Builder::new().name(format!("media-{number}")).spawn(move || worker.work())
        };
        for worker in ready.into_iter().enumerate() {
            threads.push(spawn(worker)?);
        }
        Ok((Self::new(handles, turn, threads), EventStream(events)))
    }
}

fn bind_tcp(config: &Config) -> io::Result<Vec<Listener>> {
    let Some(port) = config.tcp else { return Ok(vec![]) };
    let seats = Seats::default();
    addresses::bind_all(&config.bind, port, |address| {
        let listener = Listener::bind(address, Framing::Ice, seats.clone())?;
        let local = listener.local();
        Ok((listener, local))
    })
}

/// The first worker has the configured port, the second the next.
fn bind_udp(config: &Config, number: usize) -> io::Result<Vec<UdpSocket>> {
    let Some(first) = config.udp else { return Ok(vec![]) };
    let port = match first {
        0 => 0,
        first => u16::try_from(usize::from(first) + number)
            .map_err(|_| io::Error::other(format!("no UDP port for media worker {number}: {first} is too high")))?,
    };
    addresses::bind_all(&config.bind, port, |address| {
        let socket = UdpSocket::bind(address)?;
        let local = socket.local();
        Ok((socket, local))
    })
}
