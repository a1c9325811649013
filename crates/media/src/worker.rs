//! A worker: one thread, one machine, its sockets. Everything that a room is happens here, without a lock.

use crate::{
    arrivals::Arrivals,
    brain::Brain,
    meter::Meter,
    patience::{Came, Patience},
    register::Register,
    tcp::{Listener, Stream, Streams},
    udp::{Buffers, Received, UdpSocket},
};
use convo_sfu::{
    Answer, Ask, AskId, Command, ConnectionId, Datagram, Event, Input, Join, Output, Refusal, Relay, Route, Transmit,
};
use livekit_protocol::{SignalRequest, SignalResponse};
use mio::{Events, Poll, Token, Waker, event::Event as Readiness};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};
use str0m::net::Protocol;
use tokio::sync::{OwnedSemaphorePermit, mpsc as outbox, oneshot};

const WAKER: Token = Token(0);
const FIRST_SOCKET: usize = 1;
const FIRST_LISTENER: usize = 1_000;
const FIRST_STREAM: usize = 1_000_000;

/// Readiness told by one look; more is told by the next.
const EVENTS: usize = 256;
/// Bounds of one turn, so that neither commands nor datagrams keep the other, or what is to be said, waiting.
const WORK_A_TURN: usize = 256;
const CALLS_A_TURN: usize = 4;

/// What other threads ask of a worker.
pub(crate) enum Work {
    Connect {
        connection: ConnectionId,
        join: Box<Join>,
        outbox: Outbox,
    },
    Signal {
        connection: ConnectionId,
        request: Box<SignalRequest>,
        /// Given back when the request has been taken: by it the sender is held to a few at a time.
        permit: OwnedSemaphorePermit,
    },
    Command {
        connection: ConnectionId,
        command: Command,
    },
    Disconnect {
        connection: ConnectionId,
    },
    Ask {
        id: AskId,
        ask: Box<Ask>,
        reply: Reply,
    },
    /// What rooms of another worker tell rooms of this one.
    Relays(Vec<Relay>),
    /// An ICE-TCP connection that another worker accepted.
    Stream(Box<Stream>),
    Stop,
}

pub(crate) type Outbox = outbox::Sender<Box<SignalResponse>>;
pub(crate) type Reply = oneshot::Sender<Result<Answer, Refusal>>;

/// The way into a worker.
#[derive(Clone)]
pub(crate) struct Inbox {
    work: mpsc::Sender<Work>,
    waker: Arc<Waker>,
}

impl Inbox {
    /// To a worker that has stopped, work goes nowhere: replies and outboxes in it are dropped, which their owners notice.
    pub(crate) fn put(&self, work: Work) {
        if self.work.send(work).is_ok()
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake a media worker");
        }
    }
}

/// What a worker is made with.
pub(crate) struct Parts<F> {
    pub number: usize,
    /// How many there are.
    pub workers: usize,
    /// Makes the machine; again if it breaks.
    pub make: F,
    pub sockets: Vec<UdpSocket>,
    pub events: outbox::UnboundedSender<Event>,
}

pub(crate) struct Worker<F, B> {
    number: usize,
    make: F,
    brain: B,
    /// When the machine wants to be told the time.
    deadline: Instant,
    /// When the sockets were read last.
    read: Instant,
    poll: Poll,
    inbox: mpsc::Receiver<Work>,
    /// There is more in the inbox or in a socket than one turn took.
    more: bool,
    sockets: Vec<UdpSocket>,
    listeners: Vec<Listener>,
    streams: Streams,
    /// All workers, in their order.
    colleagues: Vec<Inbox>,
    /// For each of them, what its rooms are told when this turn ends.
    relays: Vec<Vec<Relay>>,
    buffers: Buffers,
    outboxes: HashMap<ConnectionId, Outbox>,
    /// Connections that read too slowly: the machine is to be told.
    overflowed: Vec<ConnectionId>,
    replies: HashMap<AskId, Reply>,
    register: Register,
    events: outbox::UnboundedSender<Event>,
    meter: Meter,
    patience: Patience,
}

/// On which of so many workers a room lives: its name says it.
pub(crate) fn home(room: &str, workers: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    room.hash(&mut hasher);
    (hasher.finish() % workers.max(1) as u64) as usize
}

enum Next {
    Turn,
    Stop,
}

impl<F: Fn() -> B, B: Brain> Worker<F, B> {
    pub(crate) fn new(parts: Parts<F>) -> io::Result<(Self, Inbox)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut sockets = parts.sockets;
        let registry = Arc::new(poll.registry().try_clone()?);
        for (index, socket) in sockets.iter_mut().enumerate() {
            socket.register(&registry, Token(FIRST_SOCKET + index))?;
        }
        let (work, inbox) = mpsc::channel();
        let streams = Streams::new(parts.number, parts.workers, poll.registry().try_clone()?, Token(FIRST_STREAM));
        let worker = Self {
            number: parts.number,
            brain: (parts.make)(),
            make: parts.make,
            deadline: Instant::now(),
            read: Instant::now(),
            poll,
            inbox,
            more: true,
            sockets,
            listeners: Vec::new(),
            streams,
            colleagues: Vec::new(),
            relays: Vec::new(),
            buffers: Buffers::new(),
            outboxes: HashMap::new(),
            overflowed: Vec::new(),
            replies: HashMap::new(),
            register: Register::default(),
            events: parts.events,
            meter: Meter::new(parts.number.to_string()),
            patience: Patience::new(Instant::now()),
        };
        Ok((worker, Inbox { work, waker }))
    }

    /// Gets to know all workers, itself among them.
    pub(crate) fn meet(&mut self, workers: Vec<Inbox>) {
        self.relays.resize_with(workers.len(), Vec::new);
        self.colleagues = workers;
    }

    /// This worker accepts connections, for all of them.
    pub(crate) fn listen(&mut self, mut listeners: Vec<Listener>) -> io::Result<()> {
        for (index, listener) in listeners.iter_mut().enumerate() {
            listener.register(self.poll.registry(), Token(FIRST_LISTENER + index))?;
        }
        self.listeners = listeners;
        Ok(())
    }

    /// Until [`Work::Stop`].
    pub(crate) fn work(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            // The poll rounds up to whole milliseconds: a deadline is met less than one too late, and datagrams whose
            // times lie close together leave together.
            let wait =
                if self.more { Duration::ZERO } else { self.deadline().saturating_duration_since(Instant::now()) };
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, worker = self.number, "cannot wait for packets");
            }
            let now = Instant::now();
            match catch_unwind(AssertUnwindSafe(|| self.turn(now, &events))) {
                Ok(Next::Turn) => {}
                Ok(Next::Stop) => return,
                Err(_) => self.start_over(),
            }
            self.meter.connections(self.outboxes.len(), self.streams.len());
            self.meter.end_turn(now.elapsed());
            if let Some(rest) = self.patience.end_turn(now).filter(|_| !self.more) {
                std::thread::sleep(rest);
            }
        }
    }

    fn deadline(&self) -> Instant {
        let listeners = self.listeners.iter().filter_map(Listener::deadline);
        listeners.chain(self.streams.deadline()).fold(self.deadline, Instant::min)
    }

    /// Everything that came is handled at one `now`; then the machine says what it has to say.
    fn turn(&mut self, now: Instant, events: &Events) -> Next {
        for event in events {
            self.ready(event);
        }
        if let Next::Stop = self.take_work(now) {
            return Next::Stop;
        }
        self.receive(now);
        self.receive_frames(now);
        self.streams.sweep(now, |_, _| false);
        if now >= self.deadline {
            self.brain.handle(now, Input::Timeout);
        }
        self.speak(now);
        self.more |= self.sockets.iter().any(|socket| socket.readable)
            || self.listeners.iter().any(|listener| listener.readable)
            || self.streams.has_more();
        Next::Turn
    }

    fn ready(&mut self, event: &Readiness) {
        match event.token().0 {
            FIRST_STREAM.. => self.streams.ready(event),
            token @ FIRST_LISTENER.. => self.listeners[token - FIRST_LISTENER].readable = true,
            token @ FIRST_SOCKET.. => {
                let socket = &mut self.sockets[token - FIRST_SOCKET];
                socket.readable |= event.is_readable();
                if event.is_writable() {
                    socket.writable(&mut self.meter);
                }
            }
            // The waker: the inbox is always looked into.
            _ => {}
        }
    }

    fn take_work(&mut self, now: Instant) -> Next {
        self.more = true;
        for _ in 0..WORK_A_TURN {
            match self.inbox.try_recv() {
                Ok(Work::Stop) | Err(mpsc::TryRecvError::Disconnected) => return Next::Stop,
                Ok(work) => {
                    self.patience.note(Came::More);
                    self.take(now, work);
                }
                Err(mpsc::TryRecvError::Empty) => {
                    self.more = false;
                    break;
                }
            }
        }
        Next::Turn
    }

    fn take(&mut self, now: Instant, work: Work) {
        let input = match work {
            Work::Connect { connection, join, outbox } => {
                self.outboxes.insert(connection, outbox);
                self.register.connect(connection, &join);
                Input::Connect { connection, join }
            }
            // What comes after the end is for nobody. (A command is for the participant, who may be without a connection.)
            Work::Signal { connection, .. } | Work::Disconnect { connection }
                if !self.outboxes.contains_key(&connection) =>
            {
                return;
            }
            Work::Signal { connection, request, permit: _permit } => Input::Signal { connection, request },
            Work::Command { connection, command } => Input::Command { connection, command },
            Work::Disconnect { connection } => {
                self.outboxes.remove(&connection);
                Input::Disconnect { connection }
            }
            Work::Ask { id, ask, reply } => {
                self.replies.insert(id, reply);
                Input::Ask { id, ask }
            }
            Work::Relays(relays) => {
                return relays.into_iter().for_each(|relay| self.brain.handle(now, Input::Relay(relay)));
            }
            Work::Stream(stream) => return self.streams.insert(*stream),
            Work::Stop => return,
        };
        self.brain.handle(now, input);
    }

    fn receive(&mut self, now: Instant) {
        let Self { sockets, brain, buffers, meter, read, patience, .. } = self;
        let arrivals = Arrivals::between(std::mem::replace(read, now), now);
        for socket in sockets {
            let mut calls = 0;
            while socket.readable && calls < CALLS_A_TURN {
                calls += 1;
                socket.receive(buffers, meter, |Received { source, destination, wall, contents }| {
                    let arrived = arrivals.at(wall);
                    let datagram = Datagram { proto: Protocol::Udp, source, destination, arrived, contents };
                    patience.note(Came::of(&datagram));
                    brain.handle(now, Input::Datagram(datagram));
                });
            }
        }
    }

    fn receive_frames(&mut self, now: Instant) {
        let Self { listeners, streams, colleagues, brain, meter, patience, .. } = self;
        for listener in listeners {
            listener.accept(now, |stream| streams.insert(stream));
        }
        let each = |Received { source, destination, contents, .. }: Received<'_>| {
            let datagram = Datagram { proto: Protocol::Tcp, source, destination, arrived: now, contents };
            patience.note(Came::of(&datagram));
            brain.handle(now, Input::Datagram(datagram));
        };
        streams.read(now, meter, each, |worker, stream| colleagues[worker].put(Work::Stream(stream)));
    }

    /// Carries out what the machine says, until it has said everything.
    fn speak(&mut self, now: Instant) {
        loop {
            match self.brain.poll(now) {
                Output::Transmit(transmit) => self.transmit(transmit),
                Output::Signal { connection, response } => self.signal(connection, response),
                Output::Close { connection } => {
                    self.outboxes.remove(&connection);
                    self.register.close(connection);
                }
                Output::Event(event) => self.tell(*event),
                Output::Answer { id, answer } => {
                    // Whoever asked may have gone.
                    self.replies.remove(&id).map(|reply| reply.send(answer));
                }
                Output::Relay(relay) => match home(relay.room(), self.colleagues.len()) {
                    here if here == self.number => self.brain.handle(now, Input::Relay(relay)),
                    there => self.relays[there].push(relay),
                },
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    let Some(connection) = self.overflowed.pop() else { break };
                    self.brain.handle(now, Input::Disconnect { connection });
                }
            }
        }
        self.sockets.iter_mut().for_each(|socket| socket.flush(&mut self.meter));
        self.streams.flush(now);
        self.relay();
    }

    fn relay(&mut self) {
        for (relays, colleague) in self.relays.iter_mut().zip(&self.colleagues) {
            if !relays.is_empty() {
                colleague.put(Work::Relays(std::mem::take(relays)));
            }
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        let Self { sockets, streams, meter, .. } = self;
        let Route { proto, source, destination } = transmit.route;
        if proto != Protocol::Udp {
            return transmit.datagrams().for_each(|contents| streams.send(source, destination, contents, meter));
        }
        match sockets.iter_mut().find(|socket| socket.covers(source)) {
            Some(socket) => socket.gather(transmit, meter),
            None => meter.dropped_out(transmit.count()),
        }
    }

    fn tell(&mut self, event: Event) {
        self.register.note(&event);
        // Without a reader the host is going down.
        let _ = self.events.send(event);
    }

    fn signal(&mut self, connection: ConnectionId, response: Box<SignalResponse>) {
        let Some(outbox) = self.outboxes.get(&connection) else { return };
        if outbox.try_send(response).is_err() {
            self.outboxes.remove(&connection);
            self.overflowed.push(connection);
            self.meter.overflow();
        }
    }

    /// The last resort: the machine broke, so all of its rooms are gone. Clients see their connections close, come again,
    /// and find a new one.
    fn start_over(&mut self) {
        tracing::error!(
            worker = self.number,
            connections = self.outboxes.len(),
            "a media worker broke and starts over"
        );
        self.meter.panicked();
        self.brain = (self.make)();
        self.deadline = Instant::now();
        self.outboxes.clear();
        self.overflowed.clear();
        self.replies.clear();
        self.relays.iter_mut().for_each(Vec::clear);
        self.streams.clear();
        for event in self.register.end() {
            let _ = self.events.send(event);
        }
        // What the poll told may not have been noted.
        self.more = true;
        self.sockets.iter_mut().for_each(|socket| socket.readable = true);
    }
}
