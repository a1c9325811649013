//! The Socket.IO layer of one client: its sockets, the application's work for them, what it is to be sent.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::app::{Ack, App, Closed, Connect, Denied, Event, Feed, Frame, Later, Reason, Refusal, Reply};
use crate::engine::{Malformed, Wire};
use crate::handshake::Handshake;
use crate::id::Sid;
use crate::packet::args::{self, Args};
use crate::packet::decode::{Decoded, decode};
use crate::packet::{Kind, Packet};
use crate::recovery::{Parked, Recovery, Ring};
use crate::registry::Handle;
use crate::shared::Shared;

/// Packets that may wait for the transport before the feeds are not asked any more, nor a WebSocket read.
const MAX_WAITING: usize = 64;

/// Packets that may wait when another comes by POST. Far above what a feed gives at once, or a recovery; so these are the
/// acknowledgements of a client that asks for them and does not fetch them.
const MAX_UNFETCHED: usize = 16 * MAX_WAITING;

pub(crate) struct Client<A: App> {
    shared: Arc<Shared<A>>,
    handshake: Arc<Handshake>,
    handle: Arc<Handle>,
    sockets: Vec<Joined<A::Socket>>,
    joining: Vec<Joining>,
    under_way: FuturesUnordered<Work<A::Socket>>,
    partial: Option<Box<Partial>>,
    out: VecDeque<Wire>,
    /// The server has ended a socket of this client, which may not know it yet.
    has_ended_socket: bool,
    /// It asked to be let in, and is to ask again in a while.
    is_put_off: bool,
}

/// A client in a namespace.
pub(crate) struct Joined<S> {
    pub(crate) namespace: Arc<str>,
    pub(crate) sid: Sid,
    pub(crate) state: S,
    pub(crate) recovery: Option<Recovery>,
}

struct Joining {
    namespace: Arc<str>,
    ticket: Sid,
}

/// A binary packet whose attachments are still coming.
struct Partial {
    text: String,
    expected: usize,
    attachments: Vec<Bytes>,
    bytes: usize,
}

/// The application's work for one packet.
enum Work<S> {
    Join(Pin<Box<dyn Future<Output = Done<S>> + Send>>),
    Event { reply: Reply, sid: Sid, ack: Option<u64> },
}

/// What has become of it.
enum Done<S> {
    /// Boxed for its size: acknowledgements are what is common.
    Joined(Box<Welcome<S>>),
    Refused {
        namespace: Arc<str>,
        ticket: Sid,
        refusal: Refusal,
    },
    PutOff {
        ticket: Sid,
    },
    Event {
        sid: Sid,
        ack: Option<(u64, Ack)>,
    },
}

struct Welcome<S> {
    ticket: Sid,
    joined: Joined<S>,
    missed: Vec<Packet>,
}

impl<S> Future for Work<S> {
    type Output = Done<S>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done<S>> {
        match &mut *self {
            Self::Join(future) => future.as_mut().poll(cx),
            Self::Event { reply, sid, ack } => {
                let answer = ready!(reply.as_mut().poll(cx));
                Poll::Ready(Done::Event { sid: *sid, ack: ack.zip(answer) })
            }
        }
    }
}

impl<A: App> Client<A> {
    pub(crate) fn new(shared: Arc<Shared<A>>, handshake: Arc<Handshake>, handle: Arc<Handle>) -> Self {
        Self {
            shared,
            handshake,
            handle,
            sockets: Vec::new(),
            joining: Vec::new(),
            under_way: FuturesUnordered::new(),
            partial: None,
            out: VecDeque::new(),
            has_ended_socket: false,
            is_put_off: false,
        }
    }

    /// Whether the client has as much under way as it may have.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.len() >= self.shared.config.max_under_way
    }

    /// Whether much waits to be written.
    pub(crate) fn is_behind(&self) -> bool {
        self.out.len() >= MAX_WAITING
    }

    /// Whether more waits to be written than any client may leave unread.
    pub(crate) fn is_far_behind(&self) -> bool {
        self.out.len() >= MAX_UNFETCHED
    }

    /// Whether it is in no namespace, nor about to be.
    pub(crate) fn is_homeless(&self) -> bool {
        self.sockets.is_empty() && self.joining.is_empty()
    }

    /// Whether it has nothing under way, and nothing waits to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && !self.has_output()
    }

    /// Whether anything waits to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether the connection is to end, so that the client comes back.
    pub(crate) fn is_put_off(&self) -> bool {
        self.is_put_off
    }

    /// What waits to be written.
    pub(crate) fn out(&mut self) -> &mut VecDeque<Wire> {
        &mut self.out
    }

    pub(crate) fn on_text(&mut self, text: &str, cx: &mut Context<'_>) -> Result<(), Malformed> {
        let packet = decode(text, self.shared.config.max_attachments)?;
        if self.partial.is_some() {
            return Err(Malformed);
        }
        if packet.attachments > 0 {
            let (text, expected) = (text.to_owned(), packet.attachments);
            self.partial = Some(Box::new(Partial { text, expected, attachments: Vec::new(), bytes: 0 }));
            return Ok(());
        }
        self.on_packet(packet, Vec::new(), cx)
    }

    pub(crate) fn on_binary(&mut self, attachment: Bytes, cx: &mut Context<'_>) -> Result<(), Malformed> {
        let mut partial = self.partial.take().ok_or(Malformed)?;
        partial.bytes += attachment.len();
        if partial.bytes > self.shared.config.max_payload {
            return Err(Malformed);
        }
        partial.attachments.push(attachment);
        if partial.attachments.len() < partial.expected {
            self.partial = Some(partial);
            return Ok(());
        }
        let packet = decode(&partial.text, partial.expected)?;
        self.on_packet(packet, partial.attachments, cx)
    }

    fn on_packet(
        &mut self,
        packet: Decoded<'_>,
        attachments: Vec<Bytes>,
        cx: &mut Context<'_>,
    ) -> Result<(), Malformed> {
        match packet.kind {
            Kind::Connect => self.join(packet.namespace, packet.data, cx),
            Kind::Disconnect => {
                self.leave(packet.namespace);
                Ok(())
            }
            Kind::Event | Kind::BinaryEvent => self.on_event(packet, attachments, cx),
            Kind::Ack | Kind::BinaryAck => self.on_ack(packet, attachments),
            Kind::ConnectError => Err(Malformed),
        }
    }

    fn on_event(
        &mut self,
        packet: Decoded<'_>,
        attachments: Vec<Bytes>,
        cx: &mut Context<'_>,
    ) -> Result<(), Malformed> {
        let (name, args) = Args::decode_event(packet.data)?;
        if packet.kind == Kind::BinaryEvent && !args.placeholders_within(attachments.len()) {
            return Err(Malformed);
        }
        let Some(socket) = self.sockets.iter_mut().find(|socket| *socket.namespace == *packet.namespace) else {
            return self.on_stray();
        };
        let event = Event { name, args, attachments, wants_ack: packet.id.is_some() };
        let reply = self.shared.app.event(&mut socket.state, event);
        let work = Work::Event { reply, sid: socket.sid, ack: packet.id };
        self.start(work, cx);
        Ok(())
    }

    fn on_ack(&mut self, packet: Decoded<'_>, attachments: Vec<Bytes>) -> Result<(), Malformed> {
        let id = packet.id.ok_or(Malformed)?;
        let args = Args::decode(packet.data)?;
        if packet.kind == Kind::BinaryAck && !args.placeholders_within(attachments.len()) {
            return Err(Malformed);
        }
        let Some(socket) = self.sockets.iter_mut().find(|socket| *socket.namespace == *packet.namespace) else {
            return self.on_stray();
        };
        self.shared.app.ack(&mut socket.state, id, args, attachments);
        Ok(())
    }

    /// A packet for a namespace that the client is not in: an error, unless it can't know.
    fn on_stray(&self) -> Result<(), Malformed> {
        if self.has_ended_socket { Ok(()) } else { Err(Malformed) }
    }

    fn join(&mut self, namespace: &str, data: &str, cx: &mut Context<'_>) -> Result<(), Malformed> {
        let mut names = self.sockets.iter().map(|s| &s.namespace).chain(self.joining.iter().map(|j| &j.namespace));
        if names.any(|name| **name == *namespace)
            || self.sockets.len() + self.joining.len() >= self.shared.config.max_namespaces
        {
            return Err(Malformed);
        }
        let auth: serde_json::Value = args::auth(data)?;
        let wants_recovery = auth["recovery"].as_bool().unwrap_or_else(|| self.handshake.is_javascript());
        let connect = Connect {
            namespace: namespace.into(),
            sid: Sid::random(),
            takes_offsets: wants_recovery && !self.shared.config.recovery_window.is_zero(),
            handshake: self.handshake.clone(),
            auth,
        };
        self.joining.push(Joining { namespace: connect.namespace.clone(), ticket: connect.sid });
        self.start(Work::Join(Box::pin(admit(self.shared.clone(), connect))), cx);
        Ok(())
    }

    fn leave(&mut self, namespace: &str) {
        self.joining.retain(|joining| *joining.namespace != *namespace);
        if let Some(index) = self.sockets.iter().position(|socket| *socket.namespace == *namespace) {
            let socket = self.sockets.swap_remove(index);
            self.shared.end(socket, Reason::ClientDisconnect);
        }
    }

    /// Polls the work at once, so that work starts in the order of arrival.
    fn start(&mut self, mut work: Work<A::Socket>, cx: &mut Context<'_>) {
        match Pin::new(&mut work).poll(cx) {
            Poll::Ready(done) => self.settle(done),
            Poll::Pending => self.under_way.push(work),
        }
    }

    /// Goes on with the work that is under way; whether some was done.
    pub(crate) fn work(&mut self, cx: &mut Context<'_>) -> bool {
        let mut worked = false;
        while let Poll::Ready(Some(done)) = self.under_way.poll_next_unpin(cx) {
            self.settle(done);
            worked = true;
        }
        worked
    }

    fn settle(&mut self, done: Done<A::Socket>) {
        match done {
            Done::Joined(welcome) => self.welcome(*welcome),
            Done::Refused { namespace, ticket, refusal } => {
                if self.was_awaited(ticket) {
                    Packet::connect_error(&namespace, &refusal).push_to(&mut self.out);
                }
            }
            Done::PutOff { ticket } => self.is_put_off |= self.was_awaited(ticket),
            Done::Event { sid, ack: Some((id, ack)) } => {
                if let Some(socket) = self.sockets.iter().find(|socket| socket.sid == sid) {
                    Packet::ack(&socket.namespace, id, ack).push_to(&mut self.out);
                }
            }
            Done::Event { ack: None, .. } => {}
        }
    }

    fn welcome(&mut self, welcome: Welcome<A::Socket>) {
        let Welcome { ticket, joined, missed } = welcome;
        if !self.was_awaited(ticket) {
            return self.shared.end(joined, Reason::ClientDisconnect);
        }
        let pid = joined.recovery.as_ref().map(|recovery| recovery.pid);
        if let Some(pid) = pid {
            self.shared.lot.arrive(pid, self.handle.clone());
        }
        Packet::connect(&joined.namespace, joined.sid, pid).push_to(&mut self.out);
        missed.into_iter().for_each(|packet| packet.push_to(&mut self.out));
        self.sockets.push(joined);
    }

    /// False when the client has left the namespace before it was let in.
    fn was_awaited(&mut self, ticket: Sid) -> bool {
        let index = self.joining.iter().position(|joining| joining.ticket == ticket);
        index.map(|index| self.joining.swap_remove(index)).is_some()
    }

    /// Takes from the feeds what they have, unless much is waiting still. What waits already, an acknowledgement most
    /// often, leaves in the same write.
    pub(crate) fn pull(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        if self.is_behind() {
            return Ok(());
        }
        if self.out.is_empty() && self.out.capacity() > 2 * MAX_WAITING {
            self.out = VecDeque::new();
        }
        let capacity = self.shared.config.recovery_frames;
        let mut frames = Vec::new();
        let mut index = 0;
        while let Some(socket) = self.sockets.get_mut(index) {
            let polled = socket.state.poll_frames(cx, &mut frames);
            queue(&mut frames, &mut socket.recovery, capacity, &mut self.out);
            match polled {
                Poll::Ready(Err(Closed::Lost)) => return Err(Reason::FeedLost),
                Poll::Ready(Err(Closed::Dismissed)) => {
                    let socket = self.sockets.swap_remove(index);
                    Packet::disconnect(&socket.namespace).push_to(&mut self.out);
                    self.has_ended_socket = true;
                    self.shared.end(socket, Reason::ServerDisconnect);
                }
                Poll::Ready(Ok(())) | Poll::Pending => index += 1,
            }
        }
        Ok(())
    }

    /// Takes from the feeds what they have, for whoever brings it. `Ready(false)`: the task has to go on, after what was taken.
    pub(crate) fn pull_beside(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let capacity = self.shared.config.recovery_frames;
        let (mut frames, mut polled) = (Vec::new(), Poll::Pending);
        for socket in &mut self.sockets {
            if let Poll::Ready(is_all) = socket.state.poll_beside(cx, &mut frames) {
                polled = Poll::Ready(is_all && polled != Poll::Ready(false));
            }
            queue(&mut frames, &mut socket.recovery, capacity, &mut self.out);
        }
        polled
    }

    /// Something that the feeds gave is lost: nobody who comes back can be told what it was.
    pub(crate) fn forget(&mut self) {
        let recoveries = self.sockets.iter_mut().filter_map(|socket| socket.recovery.as_mut());
        recoveries.for_each(|recovery| recovery.ring.cut());
    }

    /// The client is gone: its sockets are parked or ended, its work runs to its end without it.
    pub(crate) fn lose(&mut self, reason: Reason) {
        for socket in self.sockets.drain(..) {
            self.shared.lose(socket, reason);
        }
        let mut under_way = std::mem::take(&mut self.under_way);
        if !under_way.is_empty() {
            let shared = self.shared.clone();
            tokio::spawn(async move {
                while let Some(done) = under_way.next().await {
                    if let Done::Joined(welcome) = done {
                        shared.lose(welcome.joined, reason);
                    }
                }
            });
        }
    }
}

/// Only after a panic there are sockets left: the application hears of their end all the same.
impl<A: App> Drop for Client<A> {
    fn drop(&mut self) {
        for socket in self.sockets.drain(..) {
            self.shared.end(socket, Reason::TransportError);
        }
    }
}

/// Notes a feed's frames for a return, and lets them wait to be written.
fn queue(frames: &mut Vec<Frame>, recovery: &mut Option<Recovery>, capacity: usize, out: &mut VecDeque<Wire>) {
    let packets = frames.drain(..).filter_map(|frame| remember(recovery, frame, capacity));
    packets.for_each(|packet| packet.push_to(out));
}

/// Notes a frame for a return, and gives the packet to send.
fn remember(recovery: &mut Option<Recovery>, frame: Frame, capacity: usize) -> Option<Packet> {
    match (frame, recovery) {
        (Frame::Packet(packet), _) | (Frame::Recoverable { packet, .. }, None) => Some(packet),
        (Frame::Recoverable { packet, offset }, Some(recovery)) => {
            recovery.ring.push(offset, packet.clone(), capacity);
            Some(packet)
        }
        (Frame::Gap, recovery) => {
            if let Some(recovery) = recovery {
                recovery.ring.cut();
            }
            None
        }
    }
}

/// Lets a client into a namespace: as who it was, if it comes back, or else as the application says.
async fn admit<A: App>(shared: Arc<Shared<A>>, mut connect: Connect) -> Done<A::Socket> {
    let ticket = connect.sid;
    if connect.takes_offsets {
        match return_to(&shared, &mut connect).await {
            Ok(Some((joined, missed))) => return Done::Joined(Box::new(Welcome { ticket, joined, missed })),
            Ok(None) => {}
            Err(Later) => return Done::PutOff { ticket },
        }
    }
    connect.sid = ticket;
    match shared.app.connect(&connect).await {
        Ok(state) => {
            let recovery = connect.takes_offsets.then(|| Recovery { pid: Sid::random(), ring: Ring::default() });
            let joined = Joined { namespace: connect.namespace, sid: ticket, state, recovery };
            Done::Joined(Box::new(Welcome { ticket, joined, missed: Vec::new() }))
        }
        Err(Denied::Refused(refusal)) => Done::Refused { namespace: connect.namespace, ticket, refusal },
        Err(Denied::Later) => Done::PutOff { ticket },
    }
}

/// Finds the socket that a returning client names, with what it has missed.
async fn return_to<A: App>(
    shared: &Arc<Shared<A>>,
    connect: &mut Connect,
) -> Result<Option<(Joined<A::Socket>, Vec<Packet>)>, Later> {
    let Some(pid) = connect.auth["pid"].as_str().and_then(|pid| pid.parse().ok()) else { return Ok(None) };
    let Some(Parked { mut joined, reason, .. }) = shared.lot.claim(pid).await else { return Ok(None) };
    connect.sid = joined.sid;
    // Before anything is taken from the feed: who is put off finds it as it was.
    let recovers = match joined.namespace == connect.namespace {
        true => shared.app.recover(&mut joined.state, connect).await,
        false => Ok(false),
    };
    let missed = match recovers {
        Ok(true) => catch_up(&mut joined, connect.auth["offset"].as_str(), shared.config.recovery_frames),
        Ok(false) => None,
        Err(Later) => {
            shared.lose(joined, reason);
            return Err(Later);
        }
    };
    match missed {
        Some(missed) => {
            shared.app.recovered(&mut joined.state);
            Ok(Some((joined, missed)))
        }
        None => {
            shared.app.disconnect(joined.state, Reason::RecoveryRefused);
            Ok(None)
        }
    }
}

/// The frames that a socket has missed after `offset`, up to now. `None` when they are not all known.
fn catch_up<S: Feed>(socket: &mut Joined<S>, offset: Option<&str>, capacity: usize) -> Option<Vec<Packet>> {
    let mut missed = socket.recovery.as_ref()?.ring.after(offset)?;
    let mut frames = Vec::new();
    // Wakes nobody: the client's own task polls the feed next.
    let mut cx = Context::from_waker(std::task::Waker::noop());
    loop {
        let polled = socket.state.poll_frames(&mut cx, &mut frames);
        for frame in frames.drain(..) {
            if matches!(frame, Frame::Gap) {
                return None;
            }
            missed.extend(remember(&mut socket.recovery, frame, capacity));
        }
        match polled {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return None,
            Poll::Pending => return Some(missed),
        }
    }
}
