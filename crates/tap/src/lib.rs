//! A plain TCP connection with a tap: whoever has whole frames for its client writes them straight to it, past the
//! libraries that speak HTTP and WebSocket on it.
//!
//! **Only between frames.** When the system takes a part of what a library writes, the library keeps the rest: then the
//! tap is shut until that has left.

mod frame;

pub use frame::push_text;

use parking_lot::Mutex;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The connection, as the libraries have it. It lives as long as this.
pub struct Tapped {
    input: OwnedReadHalf,
    output: Arc<Mutex<Output>>,
}

struct Output {
    half: OwnedWriteHalf,
    /// The system took only a part of what was written last.
    torn: bool,
}

/// The way past the libraries. Clones lead to the same connection, which ends when it ends.
#[derive(Clone)]
pub struct Tap(Weak<Mutex<Output>>);

impl Tapped {
    pub fn new(stream: TcpStream) -> Self {
        let (input, half) = stream.into_split();
        Self { input, output: Arc::new(Mutex::new(Output { half, torn: false })) }
    }

    pub fn tap(&self) -> Tap {
        Tap(Arc::downgrade(&self.output))
    }

    fn poll_output(
        &self,
        bytes: usize,
        write: impl FnOnce(Pin<&mut OwnedWriteHalf>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut output = self.output.lock();
        let written = write(Pin::new(&mut output.half));
        if let Poll::Ready(Ok(taken)) = &written {
            output.torn = *taken < bytes;
        }
        written
    }
}

impl Tap {
    /// Whether what the libraries wrote has left in whole pieces.
    pub fn is_open(&self) -> bool {
        self.0.upgrade().is_some_and(|output| !output.lock().torn)
    }

    /// Writes what the system takes now; the number of bytes. A connection that is lost takes none: its owner will see.
    pub fn try_write(&self, bytes: &[u8]) -> usize {
        self.0.upgrade().map_or(0, |output| output.lock().half.try_write(bytes).unwrap_or(0))
    }

    /// Writes what the system takes, and waits where it takes nothing. For the task that owns the connection alone: the
    /// system wakes one writer.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.0.upgrade() {
            Some(output) => Pin::new(&mut output.lock().half).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Tapped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_read(cx, into)
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_output(bytes.len(), |half| half.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.poll_output(bytes, |half| half.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output.lock().half).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    async fn tapped() -> (Tapped, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Tapped::new(listener.accept().await.unwrap().0), client)
    }

    #[tokio::test]
    async fn a_tap_is_shut_in_the_middle_of_what_a_library_writes() {
        const MUCH: usize = 64 << 20;
        let (mut tapped, mut client) = tapped().await;
        let (tap, much) = (tapped.tap(), vec![7; MUCH]);
        assert!(tap.is_open());
        let taken = tapped.write(&much).await.unwrap();
        assert!(taken < MUCH && !tap.is_open());
        let (rest, mut all) = (async { tapped.write_all(&much[taken..]).await.unwrap() }, vec![0; MUCH]);
        let ((), read) = tokio::join!(rest, client.read_exact(&mut all));
        assert_eq!((read.unwrap(), all == much), (MUCH, true));
        assert!(tap.is_open());
        assert_eq!(tap.try_write(b"more"), 4);
        let mut more = [0; 4];
        client.read_exact(&mut more).await.unwrap();
        assert_eq!(&more, b"more");
    }

    #[tokio::test]
    async fn a_tap_ends_with_its_connection() {
        let (tapped, mut client) = tapped().await;
        let tap = tapped.tap();
        drop(tapped);
        assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 0);
        assert!(!tap.is_open() && tap.try_write(b"late") == 0);
    }
}
