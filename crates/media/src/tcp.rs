//! Packets over TCP, for clients that UDP cannot reach: to the workers themselves (ICE-TCP) and to TURN.
//!
//! In ICE-TCP we are the passive side (RFC 6544). One port serves all workers: the first worker accepts; the first frame, a
//! STUN request, names the ufrag whose beginning says which worker the connection is for.

pub(crate) mod fuzz;

use crate::{UFRAG_PREFIXES, meter::Meter, udp::Received};
use mio::{Interest, Registry, Token, event::Event as Readiness};
use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use turn_server_proto::stun::types::{
    attribute::Username,
    message::{BINDING, Message, MessageClass},
};

/// Longer than any packet of ICE, DTLS or SRTP.
const FRAME_BYTES: usize = 8 << 10;
/// What is read at once.
const READ_BYTES: usize = 64 << 10;
/// What may wait to be written, and about as much again in the kernel: more would be late by seconds.
const WRITE_BYTES: usize = 128 << 10;
/// A connection that was never answered is no client's: the machine answers good STUN requests at once. Nor is one to TURN that has no
/// allocation: there everybody is answered.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// ICE checks consent every five seconds (RFC 7675).
const ICE_SILENCE: Duration = Duration::from_secs(60);
/// The longest lifetime of an allocation: whoever keeps one refreshes it by then.
const TURN_SILENCE: Duration = Duration::from_secs(3_600);
/// A peer that takes nothing for so long is gone, or reads too slowly for any call.
const STUCK: Duration = Duration::from_secs(10);
const SWEEP: Duration = Duration::from_secs(1);
/// Enough for an office behind one address.
const PER_NETWORK: usize = 256;
const TOTAL: usize = 10_000;
const ACCEPTS_A_TURN: usize = 64;
const READS_A_TURN: usize = 4;

/// Places for connections, counted over all workers.
#[derive(Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    total: usize,
    networks: HashMap<IpAddr, usize>,
}

pub(crate) struct Seat {
    seats: Seats,
    network: IpAddr,
}

impl Seats {
    fn take(&self, ip: IpAddr) -> Option<Seat> {
        let network = network(ip);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.total >= TOTAL || taken.networks.get(&network).is_some_and(|&seats| seats >= PER_NETWORK) {
            return None;
        }
        taken.total += 1;
        *taken.networks.entry(network).or_default() += 1;
        Some(Seat { seats: self.clone(), network })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(seats) = taken.networks.get_mut(&self.network) {
            *seats -= 1;
            if *seats == 0 {
                taken.networks.remove(&self.network);
            }
        }
    }
}

/// Who is counted together: an IPv6 subscriber has a /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (!0 << 64)).into(),
    }
}

/// How a stream is cut into packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// ICE-TCP: a length of two bytes before each (RFC 4571).
    Ice,
    /// TURN: by the length in the STUN or ChannelData header; ChannelData is padded to four bytes (RFC 8656, section 12.5).
    Turn,
}

impl Framing {
    /// Takes the first whole packet off the front.
    fn split<'a>(self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, End> {
        let Some((head, length, padding)) = self.measure(input)? else { return Ok(None) };
        if length > FRAME_BYTES {
            return Err(End::Close);
        }
        let Some((whole, rest)) = input.split_at_checked(head + length + padding) else { return Ok(None) };
        *input = rest;
        Ok(Some(match self {
            Self::Ice => &whole[head..],
            Self::Turn => &whole[..head + length],
        }))
    }

    /// Bytes of the header, the contents and the padding.
    fn measure(self, input: &[u8]) -> Result<Option<(usize, usize, usize)>, End> {
        let length = |at: usize| Some(usize::from(u16::from_be_bytes([*input.get(at)?, *input.get(at + 1)?])));
        let measured = match (self, input.first()) {
            (Self::Ice, _) => length(0).map(|length| (2, length, 0)),
            (Self::Turn, None) => None,
            (Self::Turn, Some(0x00..0x40)) => length(2).map(|length| (20, length, 0)),
            // RFC 8656 has channels up to 0x4fff, RFC 5766 up to 0x7fff; libwebrtc and coturn's client use the latter.
            (Self::Turn, Some(0x40..0x80)) => length(2).map(|length| (4, length, length.next_multiple_of(4) - length)),
            (Self::Turn, Some(_)) => return Err(End::Close),
        };
        Ok(measured)
    }

    /// Appends a packet; false if it is too long for this.
    fn join(self, contents: &[u8], output: &mut Vec<u8>) -> bool {
        let Ok(length) = u16::try_from(contents.len()) else { return false };
        if self == Self::Ice {
            output.extend_from_slice(&length.to_be_bytes());
        }
        output.extend_from_slice(contents);
        if self == Self::Turn {
            // STUN is a multiple of four already.
            output.resize(output.len() + contents.len().next_multiple_of(4) - contents.len(), 0);
        }
        true
    }
}

/// Accepts connections.
pub(crate) struct Listener {
    io: mio::net::TcpListener,
    local: SocketAddr,
    framing: Framing,
    seats: Seats,
    pub readable: bool,
    /// When to try again what failed: those who wait are not told of a second time.
    retry: Option<Instant>,
}

impl Listener {
    /// Port 0: any free one.
    pub(crate) fn bind(address: SocketAddr, framing: Framing, seats: Seats) -> io::Result<Self> {
        let io = crate::addresses::bind(address, socket2::Type::STREAM)?;
        io.listen(1_024)?;
        let io = mio::net::TcpListener::from_std(io.into());
        let local = io.local_addr()?;
        Ok(Self { io, local, framing, seats, readable: true, retry: None })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.io, token, Interest::READABLE)
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// When to [`accept`](Self::accept) though nobody new has come.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.retry
    }

    /// Accepts those who wait, as far as there are places.
    pub(crate) fn accept(&mut self, now: Instant, mut each: impl FnMut(Stream)) {
        self.readable |= self.retry.take_if(|at| *at <= now).is_some();
        if !self.readable {
            return;
        }
        for _ in 0..ACCEPTS_A_TURN {
            match self.io.accept() {
                // Without a place it is closed at once.
                Ok((io, remote)) => {
                    let Some(seat) = self.seats.take(remote.ip()) else { continue };
                    match Stream::new(io, remote, self.framing, seat, now) {
                        Ok(stream) => each(stream),
                        Err(error) => tracing::debug!(%error, "a connection went before it came"),
                    }
                }
                Err(error) => {
                    self.failed(&error, now);
                    if !self.readable {
                        return;
                    }
                }
            }
        }
    }

    fn failed(&mut self, error: &io::Error, now: Instant) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.readable = false,
            // One who has gone again (accept(2)).
            io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
            _ => {
                tracing::warn!(%error, "cannot accept media over TCP");
                self.readable = false;
                self.retry = Some(now + SWEEP);
            }
        }
    }
}

/// One connection.
pub(crate) struct Stream {
    io: mio::net::TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    framing: Framing,
    /// What came and is no whole frame yet.
    input: Vec<u8>,
    output: Output,
    heard: Instant,
    /// When it was opened, or found in use last.
    used: Instant,
    /// Since when it takes nothing of what waits.
    stuck: Option<Instant>,
    answered: bool,
    /// Its worker is known, and is this one.
    owned: bool,
    readable: bool,
    _seat: Seat,
}

/// What is to be written; `bytes[..sent]` is.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

/// Why a connection is no longer read.
enum End {
    Close,
    /// It is for another worker.
    Move(usize),
}

impl Stream {
    fn new(
        io: mio::net::TcpStream,
        remote: SocketAddr,
        framing: Framing,
        seat: Seat,
        now: Instant,
    ) -> io::Result<Self> {
        io.set_nodelay(true)?;
        let local = io.local_addr()?;
        // Half of what is asked: the kernel doubles it.
        socket2::SockRef::from(&io).set_send_buffer_size(WRITE_BYTES / 2).ok();
        Ok(Self {
            io,
            local,
            remote,
            framing,
            input: Vec::new(),
            output: Output::default(),
            heard: now,
            used: now,
            stuck: None,
            answered: false,
            // TURN has no workers to choose from.
            owned: framing == Framing::Turn,
            readable: true,
            _seat: seat,
        })
    }

    /// Reads once; calls `each` for every whole frame, as soon as the connection is ours.
    fn read(
        &mut self,
        now: Instant,
        worker: usize,
        workers: usize,
        scratch: &mut [u8],
        mut each: impl FnMut(Received<'_>),
    ) -> Result<(), End> {
        match self.io.read(scratch) {
            Ok(0) => return Err(End::Close),
            Ok(read) => {
                self.heard = now;
                self.input.extend_from_slice(&scratch[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(End::Close),
        }
        let mut rest = self.input.as_slice();
        while let Some(frame) = self.framing.split(&mut rest)? {
            if !self.owned {
                match owner(frame, workers) {
                    Some(owner) if owner == worker => self.owned = true,
                    Some(owner) => return Err(End::Move(owner)),
                    None => return Err(End::Close),
                }
            }
            each(Received { source: self.remote, destination: self.local, wall: None, contents: frame });
        }
        let handled = self.input.len() - rest.len();
        self.input.drain(..handled);
        Ok(())
    }

    /// Takes a frame, unless too much waits already: media prefers loss to lateness.
    fn push(&mut self, contents: &[u8]) -> bool {
        let waits = self.output.bytes.len() - self.output.sent;
        let taken = waits < WRITE_BYTES && self.framing.join(contents, &mut self.output.bytes);
        self.answered |= taken;
        taken
    }

    fn write(&mut self, now: Instant) -> Result<(), End> {
        let Output { bytes, sent } = &mut self.output;
        while *sent < bytes.len() {
            match self.io.write(&bytes[*sent..]) {
                Ok(0) => return Err(End::Close),
                Ok(written) => {
                    *sent += written;
                    self.stuck = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck.get_or_insert(now);
                    bytes.drain(..std::mem::take(sent));
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Close),
            }
        }
        bytes.clear();
        *sent = 0;
        Ok(())
    }

    /// Whether it is some client's: `allocated` says so of one to TURN.
    fn is_used(&self, allocated: impl Fn(SocketAddr, SocketAddr) -> bool) -> bool {
        match self.framing {
            Framing::Ice => self.answered,
            Framing::Turn => allocated(self.local, self.remote),
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let since = |then: Instant| now.saturating_duration_since(then);
        let silence = match self.framing {
            Framing::Ice => ICE_SILENCE,
            Framing::Turn => TURN_SILENCE,
        };
        since(self.heard) > silence
            || since(self.used) > ANSWER_TIME
            || self.stuck.is_some_and(|stuck| since(stuck) > STUCK)
    }
}

/// The worker that a connection is for, by its first frame.
fn owner(frame: &[u8], workers: usize) -> Option<usize> {
    let message = Message::from_bytes(frame).ok()?;
    if !(message.has_class(MessageClass::Request) && message.has_method(BINDING)) {
        return None;
    }
    // RFC 8445, section 7.2.2: our fragment, a colon, theirs.
    let username = message.attribute::<Username>().ok()?;
    let first = *username.username().as_bytes().first()?;
    UFRAG_PREFIXES.iter().position(|&prefix| prefix == first).filter(|&worker| worker < workers)
}

/// The connections of one worker.
pub(crate) struct Streams {
    worker: usize,
    workers: usize,
    registry: Registry,
    table: HashMap<Token, Stream>,
    by_address: HashMap<(SocketAddr, SocketAddr), Token>,
    next: usize,
    ready: Vec<Token>,
    unwritten: Vec<Token>,
    sweep: Instant,
    scratch: Box<[u8]>,
}

impl Streams {
    /// Tokens from `first` on are for connections.
    pub(crate) fn new(worker: usize, workers: usize, registry: Registry, first: Token) -> Self {
        Self {
            worker,
            workers,
            registry,
            table: HashMap::new(),
            by_address: HashMap::new(),
            next: first.0,
            ready: Vec::new(),
            unwritten: Vec::new(),
            sweep: Instant::now(),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Takes a new connection, or one from the worker that accepted it.
    pub(crate) fn insert(&mut self, mut stream: Stream) {
        let token = Token(self.next);
        self.next += 1;
        if let Err(error) = self.registry.register(&mut stream.io, token, Interest::READABLE | Interest::WRITABLE) {
            tracing::warn!(%error, "cannot wait for media over TCP");
            return;
        }
        stream.readable = true;
        self.ready.push(token);
        self.by_address.insert((stream.local, stream.remote), token);
        self.table.insert(token, stream);
    }

    pub(crate) fn ready(&mut self, event: &Readiness) {
        let token = event.token();
        let Some(stream) = self.table.get_mut(&token) else { return };
        if event.is_readable() && !stream.readable {
            stream.readable = true;
            self.ready.push(token);
        }
        if event.is_writable() {
            self.unwritten.push(token);
        }
    }

    /// There is more to read.
    pub(crate) fn has_more(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Reads what came; `elsewhere` takes those that are for other workers.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        meter: &mut Meter,
        mut each: impl FnMut(Received<'_>),
        mut elsewhere: impl FnMut(usize, Box<Stream>),
    ) {
        for token in std::mem::take(&mut self.ready) {
            match self.read_one(token, now, meter, &mut each) {
                Ok(true) => self.ready.push(token),
                Ok(false) => {}
                Err(End::Close) => drop(self.remove(token)),
                Err(End::Move(worker)) => {
                    if let Some(mut stream) = self.remove(token)
                        && self.registry.deregister(&mut stream.io).is_ok()
                    {
                        stream.owned = true;
                        elsewhere(worker, Box::new(stream));
                    }
                }
            }
        }
    }

    /// Whether there may be more.
    fn read_one(
        &mut self,
        token: Token,
        now: Instant,
        meter: &mut Meter,
        mut each: impl FnMut(Received<'_>),
    ) -> Result<bool, End> {
        let Some(stream) = self.table.get_mut(&token) else { return Ok(false) };
        for _ in 0..READS_A_TURN {
            stream.read(now, self.worker, self.workers, &mut self.scratch, |received| {
                meter.received(received.contents.len());
                each(received);
            })?;
            if !stream.readable {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Written by [`flush`](Self::flush), with what else there is for this connection.
    pub(crate) fn send(&mut self, source: SocketAddr, destination: SocketAddr, contents: &[u8], meter: &mut Meter) {
        let token = self.by_address.get(&(source, destination));
        let Some((&token, stream)) = token.and_then(|token| Some((token, self.table.get_mut(token)?))) else {
            return meter.dropped_out(1);
        };
        if stream.push(contents) {
            meter.sent_frame(contents.len());
            self.unwritten.push(token);
        } else {
            meter.dropped_out(1);
        }
    }

    pub(crate) fn flush(&mut self, now: Instant) {
        for token in std::mem::take(&mut self.unwritten) {
            if self.table.get_mut(&token).is_some_and(|stream| stream.write(now).is_err()) {
                self.remove(token);
            }
        }
    }

    /// When to [`sweep`](Self::sweep) next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.table.is_empty()).then_some(self.sweep)
    }

    /// Closes those that nobody uses. `allocated`: whether there is an allocation for a connection to TURN, by its addresses, ours first.
    pub(crate) fn sweep(&mut self, now: Instant, allocated: impl Fn(SocketAddr, SocketAddr) -> bool) {
        if now < self.sweep {
            return;
        }
        self.sweep = now + SWEEP;
        for stream in self.table.values_mut().filter(|stream| stream.is_used(&allocated)) {
            stream.used = now;
        }
        let over: Vec<Token> =
            self.table.iter().filter(|(_, stream)| stream.is_over(now)).map(|(token, _)| *token).collect();
        for token in over {
            self.remove(token);
        }
    }

    pub(crate) fn has(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.by_address.contains_key(&(local, remote))
    }

    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.by_address.clear();
        self.ready.clear();
        self.unwritten.clear();
    }

    fn remove(&mut self, token: Token) -> Option<Stream> {
        let stream = self.table.remove(&token)?;
        self.by_address.remove(&(stream.local, stream.remote));
        Some(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turn_server_proto::stun::types::message::{MessageWrite, MessageWriteExt, MessageWriteVec};

    fn split(framing: Framing, mut input: &[u8]) -> (Vec<&[u8]>, usize) {
        let packets = std::iter::from_fn(|| framing.split(&mut input).ok().flatten()).collect();
        (packets, input.len())
    }

    #[test]
    fn frames_are_split_where_their_lengths_say() {
        let (packets, left) = split(Framing::Ice, &[0, 3, 1, 2, 3, 0, 0, 0, 2, 9]);
        assert_eq!((packets, left), (vec![&[1, 2, 3][..], &[]], 3), "one is empty, one is not whole");
        assert!(Framing::Ice.split(&mut &[0xff, 0xff][..]).is_err(), "longer than any packet");
    }

    #[test]
    fn turn_is_split_where_its_headers_say() {
        let stun = [&[0, 1, 0, 4][..], &[7; 16], &[1, 2, 3, 4]].concat();
        let channel = [0x7f, 0, 0, 5, 1, 2, 3, 4, 5];
        let bytes = [&stun[..], &channel, &[0; 3], &stun[..10]].concat();
        assert_eq!(split(Framing::Turn, &bytes), (vec![&stun[..], &channel], 10));
        assert!(Framing::Turn.split(&mut &[0x80][..]).is_err(), "neither STUN nor ChannelData");
        assert!(Framing::Turn.split(&mut &b"GET /"[..]).is_err(), "ChannelData longer than any packet");
    }

    #[test]
    fn what_is_joined_is_split_again() {
        for framing in [Framing::Ice, Framing::Turn] {
            let mut bytes = Vec::new();
            let packet = [0x40, 1, 0, 3, 9, 9, 9];
            assert!(framing.join(&packet, &mut bytes) && framing.join(&packet, &mut bytes));
            assert_eq!(split(framing, &bytes), (vec![&packet[..]; 2], 0));
        }
    }

    #[test]
    fn the_ufrag_names_the_worker() {
        let request = |username: &str| {
            let mut message = Message::builder_request(BINDING, MessageWriteVec::new());
            message.add_attribute(&Username::new(username).expect("short")).expect("room");
            message.add_fingerprint().expect("room");
            message.finish()
        };
        assert_eq!(owner(&request("Abcd:efgh"), 2), Some(0));
        assert_eq!(owner(&request("Bbcd:efgh"), 2), Some(1));
        assert_eq!(owner(&request("Cbcd:efgh"), 2), None, "no such worker");
        assert_eq!(owner(&Message::builder_request(BINDING, MessageWriteVec::new()).finish(), 2), None);
        assert_eq!(owner(b"GET / HTTP/1.1", 2), None);
    }

    #[test]
    fn places_are_counted_by_network_and_given_back() {
        let seats = Seats::default();
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let taken: Vec<_> = (0..PER_NETWORK).map_while(|_| seats.take(ip("2001:db8::1"))).collect();
        assert_eq!(taken.len(), PER_NETWORK);
        assert!(seats.take(ip("2001:db8::2")).is_none(), "the same /64");
        assert!(seats.take(ip("2001:db8:0:1::1")).is_some());
        drop(taken);
        assert!(seats.take(ip("2001:db8::2")).is_some());
    }

    fn listener(framing: Framing) -> Listener {
        Listener::bind(([127, 0, 0, 1], 0).into(), framing, Seats::default()).expect("a free port")
    }

    /// A connection, and the client's end of it.
    fn connection(listener: &mut Listener, now: Instant) -> (Stream, std::net::TcpStream) {
        let client = std::net::TcpStream::connect(listener.local()).expect("connected");
        let mut accepted = None;
        while accepted.is_none() {
            listener.readable = true;
            listener.accept(now, |stream| accepted = Some(stream));
        }
        (accepted.expect("one"), client)
    }

    #[test]
    fn a_connection_to_turn_without_an_allocation_is_not_kept() {
        let poll = mio::Poll::new().expect("a poll");
        let mut listener = listener(Framing::Turn);
        let now = Instant::now();
        for allocated in [false, true] {
            let registry = poll.registry().try_clone().expect("cloned");
            let mut streams = Streams::new(0, 1, registry, Token(1));
            let (stream, _client) = connection(&mut listener, now);
            let (local, remote) = (stream.local, stream.remote);
            streams.insert(stream);
            // Everybody is answered: that they have to say who they are.
            streams.send(local, remote, &[0; 20], &mut Meter::new("test".into()));
            for seconds in 1..=11 {
                streams
                    .sweep(now + Duration::from_secs(seconds), |at, from| allocated && (at, from) == (local, remote));
            }
            assert_eq!(streams.len(), usize::from(allocated));
            // Its time begins when the allocation ends.
            streams.sweep(now + Duration::from_secs(20), |_, _| false);
            assert_eq!(streams.len(), usize::from(allocated));
            streams.sweep(now + Duration::from_secs(23), |_, _| false);
            assert_eq!(streams.len(), 0);
        }
    }

    #[test]
    fn who_could_not_be_accepted_is_accepted_later() {
        let mut listener = listener(Framing::Ice);
        let _client = std::net::TcpStream::connect(listener.local()).expect("connected");
        let now = Instant::now();
        // EMFILE: no descriptors are left.
        listener.failed(&io::Error::from_raw_os_error(24), now);
        assert!(!listener.readable, "it would fail again");
        let mut accepted = 0;
        listener.accept(now, |_| accepted += 1);
        assert_eq!(accepted, 0);
        let at = listener.deadline().expect("a time");
        listener.accept(at, |_| accepted += 1);
        assert_eq!((accepted, listener.deadline()), (1, None));
    }
}
