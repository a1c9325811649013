//! A connection that ends when its client reads nothing of what waits for it. TCP has no such end: a peer that answers, but
//! has no room, is waited for for ever, and with it what it asked for. Over HTTP/2 one answer ends so: there each has room
//! of its own.

use bytes::Bytes;
use hyper::{
    body::{Body, Frame, SizeHint},
    rt::Executor,
};
use parking_lot::Mutex;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// A client that has taken nothing for this long reads no more. Sockets wait for less, each in its own way.
pub(crate) const UNREAD: Duration = Duration::from_secs(60);

/// The connection under all that is spoken on it: only here is it seen when some of a write has left.
pub(crate) struct Unread<S> {
    stream: S,
    /// What waits must have moved by then.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Unread<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, deadline: None }
    }

    fn time(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(UNREAD)));
        deadline.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unread<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unread<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Of an answer over HTTP/2 the library has so much at a time, a frame: it keeps all that it is given.
const PIECE: usize = 16 * 1024;

/// Since when the last piece that was given to the library waits, as far as is known.
type Waiting = Arc<Mutex<Option<Instant>>>;

tokio::task_local! {
    /// Of the stream whose task this is.
    static WAITING: Waiting;
}

/// Runs the streams of HTTP/2, each until its answer is read, or is not read any more: then it is reset.
#[derive(Clone)]
pub(crate) struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let waiting = Waiting::default();
        let stream = WAITING.scope(waiting.clone(), stream);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = stream => {}
                () = unread(&waiting) => tracing::debug!("an answer was not read"),
            }
        });
    }
}

async fn unread(waiting: &Mutex<Option<Instant>>) {
    loop {
        let waited = waiting.lock().map_or(Duration::ZERO, |since| since.elapsed());
        match UNREAD.saturating_sub(waited) {
            Duration::ZERO => return,
            rest => sleep(rest).await,
        }
    }
}

/// The answer in pieces, where it is one of HTTP/2.
pub(crate) fn in_pieces(body: axum::body::Body) -> axum::body::Body {
    match WAITING.try_with(Waiting::clone) {
        Ok(waiting) => axum::body::Body::new(Pieces { body, rest: Bytes::new(), waiting }),
        Err(_) => body,
    }
}

struct Pieces {
    body: axum::body::Body,
    rest: Bytes,
    waiting: Waiting,
}

impl Pieces {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)?) else { return Poll::Ready(None) };
            match frame.into_data() {
                Ok(data) if data.len() > PIECE => self.rest = data,
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let piece = self.rest.split_to(PIECE.min(self.rest.len()));
        // A copy: the piece itself would keep the whole.
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&piece)))))
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // Whoever asks for a piece is done with the last one.
        let piece = self.poll_piece(cx);
        *self.waiting.lock() = piece.is_ready().then(Instant::now);
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
