//! One UDP socket of a worker: datagrams in by the batch (recvmmsg, GRO), out by the run (GSO).

use crate::{meter::Meter, singles::Singles};
use convo_sfu::Transmit;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

/// The largest datagram, and the most that the kernel joins into one (GRO).
const DATAGRAM_BYTES: usize = 65_535;

/// Asked of the kernel for both directions: a quarter of a second at 128 Mbit/s. It gives what `net.core.rmem_max` and
/// `wmem_max` allow.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// What waits for a socket that takes no more: 100 ms at 80 Mbit/s. What is older than that is of no use to a listener.
const BACKLOG_BYTES: usize = 1 << 20;

/// Where a worker's sockets put what they receive. 2 MiB of address space; memory is taken only as far as it is used.
pub(crate) struct Buffers {
    bytes: Box<[u8]>,
    metas: [RecvMeta; BATCH_SIZE],
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; BATCH_SIZE * DATAGRAM_BYTES].into_boxed_slice(),
            metas: [RecvMeta::default(); BATCH_SIZE],
        }
    }
}

/// A datagram that came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received<'a> {
    pub source: SocketAddr,
    /// The concrete address, also when the socket is bound to all of them.
    pub destination: SocketAddr,
    /// When the kernel took it, by the wall clock (Unix time); `None`: it does not tell.
    pub wall: Option<Duration>,
    pub contents: &'a [u8],
}

pub(crate) struct UdpSocket {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    singles: Singles,
    backlog: Backlog,
    /// Told by the poll, which tells a change only once: there may be more to read.
    pub readable: bool,
    /// Once it is registered: where, and as what.
    poll: Option<(Arc<Registry>, Token)>,
    /// The poll tells when it takes more. Only while something waits for that: else each datagram that leaves would wake the
    /// worker when the kernel has done with it.
    watched: bool,
}

impl UdpSocket {
    /// Port 0: any free one.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let io = crate::addresses::bind(address, socket2::Type::DGRAM)?;
        // As far as permitted: a small buffer is no reason not to start.
        io.set_recv_buffer_size(SOCKET_BUFFER_BYTES).and_then(|()| io.set_send_buffer_size(SOCKET_BUFFER_BYTES)).ok();
        let state = UdpSocketState::new((&io).into())?;
        let io = mio::net::UdpSocket::from_std(io.into());
        let local = io.local_addr()?;
        let (singles, backlog) = (Singles::default(), Backlog::default());
        Ok(Self { io, state, local, singles, backlog, readable: true, poll: None, watched: false })
    }

    pub(crate) fn register(&mut self, registry: &Arc<Registry>, token: Token) -> io::Result<()> {
        registry.register(&mut self.io, token, Interest::READABLE)?;
        self.poll = Some((Arc::clone(registry), token));
        Ok(())
    }

    /// Keeps a run until the socket takes more.
    fn keep(&mut self, run: Transmit, meter: &mut Meter) {
        meter.dropped_out(self.backlog.push(run));
        self.watch(true);
    }

    fn watch(&mut self, writable: bool) {
        let Some((registry, token)) = self.poll.as_ref().filter(|_| self.watched != writable) else { return };
        let interest = if writable { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        match registry.reregister(&mut self.io, *token, interest) {
            Ok(()) => self.watched = writable,
            Err(error) => tracing::error!(%error, "cannot watch a socket"),
        }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether datagrams can leave from this address here.
    pub(crate) fn covers(&self, source: SocketAddr) -> bool {
        self.local == source
            || (self.local.ip().is_unspecified()
                && self.local.port() == source.port()
                && self.local.is_ipv4() == source.is_ipv4())
    }

    /// One call to the kernel. Calls `each` for every datagram and returns whether there may be more.
    pub(crate) fn receive(
        &mut self,
        buffers: &mut Buffers,
        meter: &mut Meter,
        mut each: impl FnMut(Received<'_>),
    ) -> bool {
        let Buffers { bytes, metas } = buffers;
        let mut chunks = bytes.chunks_exact_mut(DATAGRAM_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let received = match self.state.recv((&self.io).into(), &mut slices, metas) {
            Ok(received) => received,
            Err(error) => {
                self.readable = error.kind() == io::ErrorKind::Interrupted;
                if error.kind() != io::ErrorKind::WouldBlock {
                    meter.receive_error(&error);
                }
                return self.readable;
            }
        };
        meter.received_call();
        // The queue was empty: what comes later is told by the poll.
        self.readable = received == BATCH_SIZE;
        for (meta, slice) in metas.iter().zip(&slices).take(received) {
            let ip = meta.dst_ip.filter(|_| self.local.ip().is_unspecified()).unwrap_or(self.local.ip());
            let destination = SocketAddr::new(ip, self.local.port());
            // Nobody can be answered at port 0: sending there fails with EINVAL, which would end GSO.
            if meta.addr.port() == 0 || meta.stride == 0 {
                meter.dropped_in(1);
                continue;
            }
            for contents in slice[..meta.len].chunks(meta.stride) {
                meter.received(contents.len());
                each(Received { source: meta.addr, destination, wall: meta.timestamp, contents });
            }
        }
        self.readable
    }

    /// Sends now, or when the socket takes more. A run has no more datagrams than one call takes.
    pub(crate) fn send(&mut self, run: Transmit, meter: &mut Meter) {
        // What was said before goes before.
        self.flush(meter);
        if !self.backlog.is_empty() || self.send_now(&run, meter).is_err() {
            self.keep(run, meter);
        }
    }

    /// As [`send`](Self::send); but a datagram that goes alone waits for the next [`flush`](Self::flush), for company.
    pub(crate) fn gather(&mut self, run: Transmit, meter: &mut Meter) {
        // Without GSO each datagram goes alone.
        if run.count() > self.state.max_gso_segments() {
            return run.datagrams().for_each(|one| self.gather(Transmit::one(run.route, one.to_vec()), meter));
        }
        if run.count() > 1 || cfg!(not(target_os = "linux")) {
            return self.send(run, meter);
        }
        if !self.singles.takes(&run) {
            self.flush(meter);
        }
        self.singles.push(run);
    }

    /// Sends the datagrams that go alone.
    pub(crate) fn flush(&mut self, meter: &mut Meter) {
        let mut next = 0;
        while next < self.singles.len() && self.backlog.is_empty() {
            match self.singles.send(next, &self.io, self.local.ip().is_unspecified()) {
                Ok(sent) => {
                    meter.sent(sent, self.singles.lengths(next, sent).sum());
                    next += sent;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Of the first; the others may be luckier.
                Err(error) => {
                    meter.send_error(1, &error);
                    next += 1;
                }
            }
        }
        let late: Vec<_> = self.singles.take().skip(next).collect();
        late.into_iter().for_each(|run| self.keep(run, meter));
    }

    /// The socket takes more.
    pub(crate) fn writable(&mut self, meter: &mut Meter) {
        while let Some(run) = self.backlog.pop() {
            if self.send_now(&run, meter).is_err() {
                self.backlog.unpop(run);
                return;
            }
        }
        self.watch(false);
    }

    /// An error if the socket takes no more now; all other failures are the datagrams' own.
    fn send_now(&self, run: &Transmit, meter: &mut Meter) -> Result<(), WouldBlock> {
        let count = run.count();
        match self.call(run, &run.contents) {
            Ok(()) => meter.sent(count, run.contents.len()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(WouldBlock),
            // No GSO on this interface, as is known now.
            Err(_) if count > self.state.max_gso_segments() => self.send_singly(run, meter),
            Err(error) => meter.send_error(count, &error),
        }
        Ok(())
    }

    fn send_singly(&self, run: &Transmit, meter: &mut Meter) {
        for contents in run.datagrams() {
            match self.call(run, contents) {
                Ok(()) => meter.sent(1, contents.len()),
                Err(error) => meter.send_error(1, &error),
            }
        }
    }

    fn call(&self, run: &Transmit, contents: &[u8]) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination: run.route.destination,
            ecn: None,
            contents,
            segment_size: Some(run.segment),
            src_ip: self.local.ip().is_unspecified().then_some(run.route.source.ip()),
        };
        self.state.try_send((&self.io).into(), &transmit)
    }
}

struct WouldBlock;

/// What waits for a full socket. The oldest is dropped first: media that is late is worth less than media that is new.
#[derive(Default)]
struct Backlog {
    runs: VecDeque<Transmit>,
    bytes: usize,
}

impl Backlog {
    fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Returns how many datagrams were dropped for it.
    fn push(&mut self, run: Transmit) -> usize {
        let mut dropped = 0;
        while self.bytes + run.contents.len() > BACKLOG_BYTES {
            let Some(oldest) = self.pop() else { break };
            dropped += oldest.count();
        }
        self.bytes += run.contents.len();
        self.runs.push_back(run);
        dropped
    }

    fn pop(&mut self) -> Option<Transmit> {
        let run = self.runs.pop_front()?;
        self.bytes -= run.contents.len();
        Some(run)
    }

    fn unpop(&mut self, run: Transmit) {
        self.bytes += run.contents.len();
        self.runs.push_front(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convo_sfu::Route;
    use str0m::net::Protocol;

    fn hears(ear: &std::net::UdpSocket) -> (SocketAddr, Vec<u8>) {
        let mut buffer = [0; 2_000];
        ear.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let (length, source) = ear.recv_from(&mut buffer).expect("a datagram");
        (source, buffer[..length].to_vec())
    }

    fn datagrams_to_many_reach_them(bound: &str, loopback: std::net::IpAddr) {
        let Ok(mut socket) = UdpSocket::bind(bound.parse().unwrap()) else {
            assert!(loopback.is_ipv6(), "only IPv6 may be missing");
            return;
        };
        let mut meter = Meter::new("test".into());
        let source = SocketAddr::new(loopback, socket.local().port());
        let most = socket.state.max_gso_segments();
        let ears: Vec<_> = (0..3).map(|_| std::net::UdpSocket::bind((loopback, 0)).unwrap()).collect();
        let [ann, bob, cid] = [0, 1, 2].map(|ear: usize| ears[ear].local_addr().unwrap());
        let nobody = SocketAddr::new(loopback, 0);
        let mut say = |destination, segments: &[&[u8]]| {
            let route = Route { proto: Protocol::Udp, source, destination };
            let run = Transmit { route, contents: segments.concat(), segment: segments[0].len() };
            socket.gather(run, &mut meter);
        };
        say(ann, &[b"one"]);
        say(nobody, &[b"lost"]);
        say(bob, &[b"a longer one"]);
        say(ann, &[b"two", b"3"]);
        say(ann, &[b"four"]);
        // More than one call takes; so is any run where there is no GSO.
        say(bob, &[&b"of many"[..]; 140]);
        (0..200_u8).for_each(|number| say(cid, &[&[number]]));
        socket.flush(&mut meter);
        assert_eq!(socket.state.max_gso_segments(), most, "no run was too long");
        for expected in ["one", "two", "3", "four"] {
            assert_eq!(hears(&ears[0]), (source, expected.into()), "in order, from {bound}");
        }
        assert_eq!(hears(&ears[1]), (source, b"a longer one".to_vec()));
        (0..140).for_each(|_| assert_eq!(hears(&ears[1]), (source, b"of many".to_vec())));
        for number in 0..200 {
            assert_eq!(hears(&ears[2]), (source, vec![number]));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_tells_when_a_datagram_came() {
        let mut socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mouth = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut buffers, mut meter) = (Buffers::new(), Meter::new("test".into()));
        let apart = Duration::from_millis(20);
        let mut tells = || {
            mouth.send_to(b"one", socket.local()).unwrap();
            std::thread::sleep(apart);
            mouth.send_to(b"two", socket.local()).unwrap();
            let mut times = vec![];
            while times.len() < 2 {
                socket.readable = true;
                socket.receive(&mut buffers, &mut meter, |received| times.push(received.wall.expect("it tells")));
            }
            times[1] >= times[0] + apart
        };
        // Until the kernel has begun to take times (it does so a little after it was asked to), it takes them at the reading.
        assert!((0..100).any(|_| tells()));
    }

    #[test]
    fn datagrams_that_go_alone_reach_all_that_can_be_reached() {
        let (v4, v6) = (std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into());
        datagrams_to_many_reach_them("127.0.0.1:0", v4);
        datagrams_to_many_reach_them("[::1]:0", v6);
        // From which of its addresses is then said for each datagram.
        datagrams_to_many_reach_them("0.0.0.0:0", v4);
        #[cfg(target_os = "linux")] // Elsewhere loopback has one address.
        datagrams_to_many_reach_them("0.0.0.0:0", std::net::Ipv4Addr::new(127, 0, 0, 2).into());
        datagrams_to_many_reach_them("[::]:0", v6);
    }

    #[test]
    fn a_socket_wakes_for_what_left_only_while_something_waits() {
        let mut poll = mio::Poll::new().unwrap();
        let registry = Arc::new(poll.registry().try_clone().unwrap());
        let mut socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.register(&registry, Token(0)).unwrap();
        let mut meter = Meter::new("test".into());
        let ear = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let route = Route { proto: Protocol::Udp, source: socket.local(), destination: ear.local_addr().unwrap() };
        let mut woken = |socket: &mut UdpSocket| {
            let mut events = mio::Events::with_capacity(8);
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            let mut meter = Meter::new("test".into());
            events.iter().filter(|event| event.is_writable()).for_each(|_| socket.writable(&mut meter));
            !events.is_empty()
        };
        woken(&mut socket);
        for contents in [b"one", b"two"] {
            socket.gather(Transmit::one(route, contents.to_vec()), &mut meter);
            socket.flush(&mut meter);
            assert_eq!(hears(&ear).1, contents);
            assert!(!woken(&mut socket), "for a datagram that has left");
        }
        socket.keep(Transmit::one(route, b"late".to_vec()), &mut meter);
        assert!(woken(&mut socket), "it takes more");
        assert_eq!(hears(&ear).1, b"late");
        socket.gather(Transmit::one(route, b"last".to_vec()), &mut meter);
        socket.flush(&mut meter);
        assert_eq!(hears(&ear).1, b"last");
        assert!(!woken(&mut socket), "nothing waits any more");
    }

    #[test]
    fn the_backlog_drops_the_oldest() {
        let mut backlog = Backlog::default();
        let nobody = ([127, 0, 0, 1], 0).into();
        let route = Route { proto: Protocol::Udp, source: nobody, destination: nobody };
        for byte in 0..4 {
            assert_eq!(backlog.push(Transmit::one(route, vec![byte; BACKLOG_BYTES / 4])), 0);
        }
        assert_eq!(backlog.push(Transmit::one(route, vec![4; 10])), 1);
        assert_eq!(backlog.pop().map(|run| run.contents[0]), Some(1));
        let left: Vec<u8> = std::iter::from_fn(|| backlog.pop()).map(|run| run.contents[0]).collect();
        assert_eq!((left, backlog.bytes), (vec![2, 3, 4], 0));
    }
}
