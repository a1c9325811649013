//! The two transports, behind the three things a session does with one: read a packet, ask whether it
//! can write, write.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::{Buf as _, Bytes};
use convo_tap::Tap;
use futures_util::{Sink as _, Stream as _, StreamExt as _};
use tokio::sync::oneshot;
use tokio::task::coop;

use crate::app::Reason;
use crate::engine::{self, SEPARATOR, Wire};

/// Bytes after which a batch of packets is written, and the rest waits for the next. A WebSocket keeps the buffer
/// of its largest batch, so this also bounds what a client costs.
const BATCH_BYTES: usize = 16 * 1024;

/// Packets of one polling payload: python-engineio takes more for an attack, and drops the connection.
const PAYLOAD_PACKETS: usize = 16;

/// Time that a closing WebSocket has for its last bytes.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

#[expect(clippy::large_enum_variant, reason = "most clients end on a WebSocket, and save an allocation")]
pub(crate) enum Transport {
    Polling(Polling),
    WebSocket(Socket),
}

impl Transport {
    /// The next packet from the client.
    pub(crate) fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<Result<Wire, Reason>> {
        match self {
            Self::Polling(polling) => polling.poll_packet(cx),
            Self::WebSocket(socket) => socket.poll_packet(cx),
        }
    }

    /// Ready when everything written before has left, and more can be written.
    pub(crate) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        match self {
            Self::Polling(polling) => polling.poll_writable(cx),
            Self::WebSocket(socket) => socket.poll_writable(cx),
        }
    }

    /// Writes packets from the front of `out`, as many as make a batch; gives their number. Only after
    /// [`Transport::poll_writable`] was ready.
    pub(crate) fn write(&mut self, out: &mut VecDeque<Wire>, cx: &mut Context<'_>) -> Result<usize, Reason> {
        match self {
            Self::Polling(polling) => polling.write(out),
            Self::WebSocket(socket) => socket.write(out, cx),
        }
    }

    /// Whether written packets have not left yet.
    pub(crate) fn is_writing(&self) -> bool {
        matches!(self, Self::WebSocket(socket) if socket.dirty)
    }

    /// Ends the connection, politely unless it is lost already.
    pub(crate) fn close(self, reason: Reason, cx: &mut Context<'_>) {
        match self {
            Self::Polling(polling) => polling.close(reason),
            Self::WebSocket(socket) => match reason {
                Reason::TransportClose | Reason::TransportError => {}
                _ => socket.close(reason, cx),
            },
        }
    }
}

/// HTTP long-polling: at most one request of each direction is open.
#[derive(Default)]
pub(crate) struct Polling {
    get: Option<oneshot::Sender<String>>,
    post: Option<Post>,
    /// A WebSocket is about to take over: GETs are answered at once.
    probed: bool,
}

struct Post {
    body: String,
    /// Where the next packet begins; `None` after the last.
    next: Option<usize>,
    handled: oneshot::Sender<()>,
}

impl Polling {
    /// A client waits for packets.
    pub(crate) fn get(&mut self, answer: oneshot::Sender<String>) -> Result<(), Reason> {
        if self.get.is_some() {
            // The second request is refused by dropping it; the first hears of the close.
            return Err(Reason::ParseError);
        }
        self.get = Some(answer);
        Ok(())
    }

    /// A client sent packets.
    pub(crate) fn post(&mut self, body: String, handled: oneshot::Sender<()>) -> Result<(), Reason> {
        if self.post.is_some() {
            // It gave up waiting for its last POST's answer, and may not go on as if it had one.
            return Err(Reason::ParseError);
        }
        self.post = Some(Post { body, next: Some(0), handled });
        Ok(())
    }

    pub(crate) fn set_probed(&mut self, probed: bool) {
        self.probed = probed;
    }

    /// Ends a GET that has nothing to wait for, now that a WebSocket was probed.
    pub(crate) fn release(&mut self) {
        if self.probed {
            self.answer(engine::NOOP.to_owned());
        }
    }

    /// The WebSocket takes over.
    pub(crate) fn retire(mut self) {
        self.answer(engine::NOOP.to_owned());
    }

    fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<Result<Wire, Reason>> {
        let Some(post) = &mut self.post else { return Poll::Pending };
        // A body may hold half a million packets; other tasks have their turn between them.
        let turn = ready!(coop::poll_proceed(cx));
        turn.made_progress();
        let Some(start) = post.next else {
            let handled = self.post.take().map(|post| post.handled.send(()));
            // The client may have gone before its answer; its packets were handled all the same.
            let _ = handled;
            return Poll::Pending;
        };
        let rest = &post.body[start..];
        let (part, next) = match rest.find(SEPARATOR) {
            Some(end) => (&rest[..end], Some(start + end + SEPARATOR.len_utf8())),
            None => (rest, None),
        };
        let packet = Wire::from_payload(part).map_err(|_| Reason::ParseError);
        post.next = next;
        Poll::Ready(packet)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        match &mut self.get {
            None => Poll::Pending,
            Some(get) => match get.poll_closed(cx) {
                Poll::Ready(()) => Poll::Ready(Err(Reason::TransportClose)),
                Poll::Pending => Poll::Ready(Ok(())),
            },
        }
    }

    fn write(&mut self, out: &mut VecDeque<Wire>) -> Result<usize, Reason> {
        let mut payload = String::new();
        let mut count = 0;
        while payload.len() < BATCH_BYTES
            && count < PAYLOAD_PACKETS
            && let Some(packet) = out.pop_front()
        {
            packet.push_to(&mut payload);
            count += 1;
        }
        if self.answer(payload) { Ok(count) } else { Err(Reason::TransportClose) }
    }

    fn answer(&mut self, payload: String) -> bool {
        self.get.take().is_some_and(|get| get.send(payload).is_ok())
    }

    fn close(mut self, reason: Reason) {
        match reason {
            Reason::TransportClose => {
                self.answer(engine::NOOP.to_owned());
                if let Some(post) = self.post.take() {
                    // As above: whether the client waits for it or not.
                    let _ = post.handled.send(());
                }
            }
            // The client is to come back, which python-engineio does not after a CLOSE: its GET is refused by dropping it.
            Reason::FeedLost | Reason::PutOff | Reason::PingTimeout | Reason::SlowReader | Reason::Shutdown => {}
            _ => {
                self.answer(engine::CLOSE.to_owned());
            }
        }
    }
}

/// A WebSocket, each packet a message.
pub(crate) struct Socket {
    inner: WebSocket,
    /// The way past the library, on a plain connection.
    tap: Option<Tap>,
    /// The rest of what was written there.
    rest: Bytes,
    /// Something was written and has not left yet.
    dirty: bool,
}

impl Socket {
    pub(crate) fn new(inner: WebSocket, tap: Option<Tap>) -> Self {
        Self { inner, tap, rest: Bytes::new(), dirty: false }
    }

    pub(crate) fn into_inner(self) -> WebSocket {
        self.inner
    }

    /// Whether nothing is being written, so that others may write past the library.
    pub(crate) fn is_idle(&self) -> bool {
        !self.dirty && self.tap.as_ref().is_some_and(Tap::is_open)
    }

    /// Writes a batch from the front of `out` past the library, as far as it leaves at once; gives the number of packets.
    /// Only when idle, and then idle no more if some of the batch is left. Binary packets are left in `out`, with what is
    /// before them.
    pub(crate) fn write_beside(&mut self, out: &mut VecDeque<Wire>) -> usize {
        let Some(tap) = &self.tap else { return 0 };
        let (mut frames, mut count) = (Vec::new(), 0);
        for packet in &*out {
            let Wire::Text(text) = packet else { return 0 };
            if frames.len() >= BATCH_BYTES {
                break;
            }
            convo_tap::push_text(text, &mut frames);
            count += 1;
        }
        let taken = if frames.is_empty() { 0 } else { tap.try_write(&frames) };
        self.rest = Bytes::from(frames).slice(taken..);
        self.dirty = !self.rest.is_empty();
        out.drain(..count);
        count
    }

    /// Ready when what was written past the library has left. Until then the library may not write, nor read, for it
    /// answers what it reads.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        while let (false, Some(tap)) = (self.rest.is_empty(), &self.tap) {
            let taken = ready!(tap.poll_write(cx, &self.rest)).map_err(|_| Reason::TransportError)?;
            self.rest.advance(taken);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<Result<Wire, Reason>> {
        ready!(self.poll_rest(cx))?;
        loop {
            let message = match ready!(Pin::new(&mut self.inner).poll_next(cx)) {
                Some(Ok(message)) => message,
                Some(Err(_)) => return Poll::Ready(Err(Reason::TransportError)),
                None => return Poll::Ready(Err(Reason::TransportClose)),
            };
            match message {
                Message::Text(text) => return Poll::Ready(Ok(Wire::Text(text))),
                Message::Binary(bytes) => return Poll::Ready(Ok(Wire::Binary(bytes))),
                // Answered by the library; the stream ends after a close.
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
            }
        }
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if self.dirty {
            ready!(self.poll_rest(cx))?;
            ready!(Pin::new(&mut self.inner).poll_flush(cx)).map_err(|_| Reason::TransportError)?;
            self.dirty = false;
        }
        Poll::Ready(Ok(()))
    }

    fn write(&mut self, out: &mut VecDeque<Wire>, cx: &mut Context<'_>) -> Result<usize, Reason> {
        let (mut bytes, mut count) = (0, 0);
        while bytes < BATCH_BYTES && !out.is_empty() {
            match Pin::new(&mut self.inner).poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Err(Reason::TransportError),
                Poll::Pending => break,
            }
            let Some(packet) = out.pop_front() else { break };
            bytes += packet.len();
            count += 1;
            let message = match packet {
                Wire::Text(text) => Message::Text(text),
                Wire::Binary(bytes) => Message::Binary(bytes),
            };
            Pin::new(&mut self.inner).start_send(message).map_err(|_| Reason::TransportError)?;
        }
        self.dirty = true;
        Ok(count)
    }

    fn close(mut self, reason: Reason, cx: &mut Context<'_>) {
        let code = match reason {
            Reason::Shutdown => close_code::AWAY,
            Reason::ParseError => close_code::PROTOCOL,
            _ => close_code::NORMAL,
        };
        if !self.rest.is_empty() {
            // In the middle of a frame, and its client does not read.
            return;
        }
        let frame = Message::Close(Some(CloseFrame { code, reason: "".into() }));
        if Pin::new(&mut self.inner).start_send(frame).is_err() {
            return;
        }
        // Mostly all of it leaves right here; a failure shows below just as well.
        let _ = Pin::new(&mut self.inner).poll_flush(cx);
        tokio::spawn(async move { linger(self.inner).await });
    }
}

/// Reads until the client has closed too. Else the system may reset the connection for what was not read, and
/// the client would not see the end of what it was sent.
pub(crate) async fn linger(mut socket: WebSocket) {
    // A client that does not close in time is cut off.
    let _ = tokio::time::timeout(CLOSE_GRACE, async { while let Some(Ok(_)) = socket.next().await {} }).await;
}
