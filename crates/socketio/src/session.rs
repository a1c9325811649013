//! One client's task: the Engine.IO layer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tracing::debug;

use crate::app::{App, Reason};
use crate::client::Client;
use crate::deadlines::{Deadline, Deadlines};
use crate::engine::{self, Packet, Wire};
use crate::handshake::Handshake;
use crate::registry::{Handle, Letter, Seat};
use crate::shared::Shared;
use crate::stand_in::Task;
use crate::transport::{Polling, Socket, Transport};

/// Packets that are read before others of the client's concerns get their turn.
const READ_BURST: usize = 32;

/// A client, from its handshake to its end. See the crate's documentation for what one poll does.
pub(crate) struct Session<A: App> {
    transport: Transport,
    client: Client<A>,
    deadlines: Deadlines,
    /// Something of it is in disorder.
    has_failed: bool,
    shared: Arc<Shared<A>>,
    /// Who wants to know that the session has ended; dropped with it.
    awaiting_end: Option<oneshot::Sender<()>>,
    /// Last, so that the registry forgets the session when all else is gone.
    seat: Seat,
}

impl<A: App> Session<A> {
    /// Starts the client's task.
    pub(crate) fn spawn(shared: Arc<Shared<A>>, seat: Seat, handshake: Arc<Handshake>, transport: Transport) {
        tokio::spawn(Task::new(Self::new(shared, seat, handshake, transport)));
    }

    fn new(shared: Arc<Shared<A>>, mut seat: Seat, handshake: Arc<Handshake>, transport: Transport) -> Self {
        let mut client = Client::new(shared.clone(), handshake, seat.handle.clone());
        if matches!(transport, Transport::WebSocket(_)) {
            seat.set_websocket();
            client.out().push_back(Wire::Text(engine::open(seat.sid, &[], &shared.config).into()));
        }
        let mut deadlines = Deadlines::new(Deadline::Ping, shared.config.ping_interval);
        deadlines.set(Deadline::Join, shared.config.connect_timeout);
        Self { transport, client, deadlines, has_failed: false, shared, awaiting_end: None, seat }
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.seat.handle
    }

    /// Does all that can be done now. Returns when everything waits, each with its waker registered.
    fn drive(&mut self, cx: &mut Context<'_>, feeds: &mut Context<'_>) -> Result<(), Reason> {
        if self.has_failed {
            return Err(Reason::FeedLost);
        }
        loop {
            self.open_mail(cx)?;
            let worked = self.client.work(cx);
            let was_held_up = self.is_held_up();
            let read = self.read(cx)?;
            if self.client.is_put_off() {
                return Err(Reason::PutOff);
            }
            self.keep_time(read, cx)?;
            let wrote = self.write(cx, feeds)?;
            // Writing goes on until it waits. It changes nothing for the others, unless it was what held up the reading,
            // or ended a socket: most wake-ups are for one packet to write, and end here.
            if !(read || worked || wrote && (was_held_up || self.client.is_homeless())) {
                return Ok(());
            }
        }
    }

    fn open_mail(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        for letter in self.seat.handle.take(cx) {
            match (letter, &mut self.transport) {
                (Letter::Close(reason, awaiting_end), _) => {
                    self.awaiting_end = awaiting_end;
                    return Err(reason);
                }
                (Letter::Get(answer), Transport::Polling(polling)) => polling.get(answer)?,
                (Letter::Post(body, handled), Transport::Polling(polling)) => polling.post(body, handled)?,
                (Letter::Probed, Transport::Polling(polling)) => polling.set_probed(true),
                (Letter::ProbeFailed, Transport::Polling(polling)) => polling.set_probed(false),
                (Letter::Upgrade(socket), _) => self.upgrade(*socket),
                // Polling requests that crossed the upgrade: dropped, which refuses them.
                (_, Transport::WebSocket(_)) => {}
            }
        }
        Ok(())
    }

    fn upgrade(&mut self, socket: Socket) {
        self.seat.set_websocket();
        self.deadlines.clear(Deadline::Write);
        if let Transport::Polling(polling) = std::mem::replace(&mut self.transport, Transport::WebSocket(socket)) {
            polling.retire();
        }
    }

    /// Whether the client is not to be read: it has much under way, or does not read itself. A POST is not held back for the
    /// latter: clients wait for its answer before the GET or the upgrade that would relieve the server.
    fn is_held_up(&self) -> bool {
        let is_websocket = matches!(self.transport, Transport::WebSocket(_));
        self.client.is_busy() || is_websocket && self.client.is_behind()
    }

    /// Reads packets; whether there were any.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Reason> {
        let mut count = 0;
        while count < READ_BURST && !self.is_held_up() {
            let Poll::Ready(packet) = self.transport.poll_packet(cx) else { break };
            if self.client.is_far_behind() {
                return Err(Reason::SlowReader);
            }
            self.on_packet(packet?, cx)?;
            count += 1;
        }
        if count > 0 {
            self.shared.registry.counters.packets_in.fetch_add(count as u64, Ordering::Relaxed);
        }
        Ok(count > 0)
    }

    fn on_packet(&mut self, packet: Wire, cx: &mut Context<'_>) -> Result<(), Reason> {
        let handled = match packet {
            Wire::Binary(bytes) => self.client.on_binary(bytes, cx),
            Wire::Text(text) => match engine::decode(text.as_str()) {
                Ok(Packet::Message(message)) => self.client.on_text(message, cx),
                Ok(Packet::Pong) => {
                    self.on_pong();
                    Ok(())
                }
                Ok(Packet::Close) => return Err(Reason::TransportClose),
                // In this revision the server pings.
                Ok(Packet::Ping) => Err(engine::Malformed),
                Ok(Packet::Other) => Ok(()),
                Err(malformed) => Err(malformed),
            },
        };
        handled.map_err(|_| Reason::ParseError)
    }

    fn on_pong(&mut self) {
        if self.deadlines.is_set(Deadline::Pong) {
            self.deadlines.clear(Deadline::Pong);
            self.deadlines.set(Deadline::Ping, self.shared.config.ping_interval);
        }
    }

    /// Acts on deadlines that have passed. `heard`: the client has just sent something.
    fn keep_time(&mut self, heard: bool, cx: &mut Context<'_>) -> Result<(), Reason> {
        let config = &self.shared.config;
        if !self.client.is_homeless() {
            self.deadlines.clear(Deadline::Join);
            self.seat.settle();
        } else if !self.deadlines.is_set(Deadline::Join) {
            self.deadlines.set(Deadline::Join, config.connect_timeout);
            self.seat.unsettle(config);
        }
        while let Poll::Ready(deadline) = self.deadlines.poll_passed(cx) {
            match deadline {
                Deadline::Ping => {
                    self.client.out().push_back(Wire::text(engine::PING));
                    self.deadlines.set(Deadline::Pong, config.ping_timeout);
                }
                // The pong may be there, not yet read: it is the application that is late. Or the ping stands behind much
                // that the client reads slowly: whether it reads is the other deadline's to tell.
                Deadline::Pong if heard || self.client.is_busy() || self.is_writing() => {
                    self.deadlines.set(Deadline::Pong, config.ping_timeout);
                }
                Deadline::Pong => return Err(Reason::PingTimeout),
                Deadline::Write => return Err(Reason::SlowReader),
                Deadline::Join => return Err(Reason::ConnectTimeout),
            }
        }
        Ok(())
    }

    /// Writes what waits, then what the feeds have; whether there was anything.
    fn write(&mut self, cx: &mut Context<'_>, feeds: &mut Context<'_>) -> Result<bool, Reason> {
        let mut wrote = false;
        while let Poll::Ready(writable) = self.transport.poll_writable(cx) {
            writable?;
            self.deadlines.clear(Deadline::Write);
            self.client.pull(feeds)?;
            if self.client.out().is_empty() {
                break;
            }
            let count = self.transport.write(self.client.out(), cx)?;
            self.shared.registry.counters.packets_out.fetch_add(count as u64, Ordering::Relaxed);
            wrote = true;
        }
        if let Transport::Polling(polling) = &mut self.transport {
            polling.release();
        }
        if self.is_writing() && !self.deadlines.is_set(Deadline::Write) {
            self.deadlines.set(Deadline::Write, self.shared.config.ping_timeout);
        }
        Ok(wrote)
    }

    /// Whether anything waits for the client to read.
    fn is_writing(&self) -> bool {
        self.transport.is_writing() || self.client.has_output()
    }

    /// For whoever brings events while the task sleeps: writes what the feeds have. False where the task is to go on.
    pub(crate) fn write_beside(&mut self, feeds: &mut Context<'_>) -> bool {
        let Transport::WebSocket(socket) = &mut self.transport else { return false };
        if !self.client.is_idle() || !socket.is_idle() {
            return false;
        }
        while let Poll::Ready(is_all) = self.client.pull_beside(feeds) {
            let count = socket.write_beside(self.client.out());
            self.shared.registry.counters.packets_out.fetch_add(count as u64, Ordering::Relaxed);
            if !is_all || !socket.is_idle() || !self.client.is_idle() {
                return false;
            }
        }
        true
    }

    /// The session is to end; not here. False, as in [`Session::write_beside`].
    pub(crate) fn fail(&mut self) -> bool {
        self.has_failed = true;
        self.client.forget();
        false
    }

    fn end(&mut self, reason: Reason, cx: &mut Context<'_>) {
        debug!(sid = ?self.seat.sid, %reason, "client is gone");
        // In this order: who waits for the end expects the sockets to be parked.
        self.client.lose(reason);
        self.seat.handle.close();
        std::mem::replace(&mut self.transport, polling()).close(reason, cx);
    }

    /// `feeds`: with the waker for the feeds.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, feeds: &mut Context<'_>) -> Poll<()> {
        match self.drive(cx, feeds) {
            Ok(()) => Poll::Pending,
            Err(reason) => {
                self.end(reason, cx);
                Poll::Ready(())
            }
        }
    }
}

/// A session that begins on long-polling.
pub(crate) fn polling() -> Transport {
    Transport::Polling(Polling::default())
}
