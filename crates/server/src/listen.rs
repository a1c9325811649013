//! The listener: TCP, TLS by certificate files, HTTP/1.1 with upgrades and HTTP/2, and draining.

use crate::unread::{self, Streams, Unread};
use anyhow::{Context, Result};
use axum::{Router, extract::ConnectInfo};
use bytes::Bytes;
use convo_tap::{Tap, Tapped};
use http::Version;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use parking_lot::RwLock;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use socket2::{SockRef, TcpKeepalive};
use std::{
    future::poll_fn,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{self, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::{Layer, ServiceExt};
use tower_http::normalize_path::NormalizePathLayer;

/// Bounds on a client that does not finish what it began.
const HEADERS: Duration = Duration::from_secs(20);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A client of HTTP/2 that has said nothing for this long is asked whether it is there, and has so long to answer.
const SILENCE: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);
/// Of a peer that is gone without a word the system learns by asking, after a minute of silence.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
/// What may wait in the system beyond what its peer has room for. The system's own bound grows to megabytes: what stands in
/// there is old when it arrives, a ping stands behind it, and of somebody who reads slowly it cannot be told for minutes
/// that they read.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 * 1024;
/// Between two lines of the log about connections that cannot be accepted.
const COMPLAINT: Duration = Duration::from_secs(60);
/// How long connections may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// The certificate in force. The files are read anew while the server runs: certificates are short-lived.
pub(crate) struct Tls {
    files: (PathBuf, PathBuf),
    force: RwLock<Force>,
}

struct Force {
    chain: Vec<CertificateDer<'static>>,
    acceptor: TlsAcceptor,
}

impl Tls {
    pub(crate) fn open(files: &(PathBuf, PathBuf)) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { files: files.clone(), force: RwLock::new(read_files(files)?) }))
    }

    /// From now on connections get what is in the files. What cannot be used leaves the old one in force; open connections stay.
    pub(crate) fn renew(&self) {
        match read_files(&self.files) {
            Ok(force) if force.chain != self.force.read().chain => {
                *self.force.write() = force;
                tracing::info!("a new TLS certificate is in force");
            }
            Ok(_) => {}
            Err(error) => tracing::error!("the old TLS certificate stays in force: {error:#}"),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.force.read().acceptor.clone()
    }
}

fn read_files((cert, key): &(PathBuf, PathBuf)) -> Result<Force> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .with_context(|| format!("CONVO_TLS_CERT: cannot read {}", cert.display()))?;
    let key = read_key(key)?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.clone(), key)
        .context("CONVO_TLS_CERT and CONVO_TLS_KEY do not fit together")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Force { chain, acceptor: TlsAcceptor::from(Arc::new(config)) })
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).with_context(|| format!("CONVO_TLS_KEY: cannot read {}", path.display()))
}

/// Accepts until `stop` says so, then lets what is in flight finish.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let draining = GracefulShutdown::new();
    let mut complained: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: accepting again at once would only burn the processor.
                if complained.is_none_or(|last| last.elapsed() >= COMPLAINT) {
                    tracing::error!(%error, "connections cannot be accepted");
                    complained = Some(Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        tune(&stream);
        tokio::spawn(connection(stream, peer, tls.as_deref().map(Tls::acceptor), router.clone(), draining.watcher()));
    }
    drop(listener);
    if timeout(DRAIN, draining.shutdown()).await.is_err() {
        tracing::warn!("some connections did not finish in time");
    }
}

/// A connection is of use without any of these.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&KEEPALIVE);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
}

type Watcher = hyper_util::server::graceful::Watcher;

async fn connection(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, router: Router, watcher: Watcher) {
    match tls {
        None => {
            let stream = Tapped::new(stream);
            let tap = stream.tap();
            http(Unread::new(stream), peer, Some(tap), router, watcher).await;
        }
        Some(tls) => match timeout(HANDSHAKE, tls.accept(Unread::new(stream))).await {
            Ok(Ok(stream)) => http(stream, peer, None, router, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

async fn http<S>(stream: S, peer: SocketAddr, tap: Option<Tap>, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let asks = asked.clone();
    // Paths stand with and without a trailing slash (contract.md, "One system").
    let service = NormalizePathLayer::trim_trailing_slash().layer(router);
    let service = service.map_request(move |mut request: http::Request<Incoming>| {
        asks.store(true, Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        // A connection of HTTP/2 is not one client's socket alone.
        if let Some(tap) = tap.as_ref().filter(|_| request.version() <= Version::HTTP_11) {
            request.extensions_mut().insert(tap.clone());
        }
        if let Some(uri) = convo_livekit::tidied(request.uri()) {
            *request.uri_mut() = uri;
        }
        request.map(|body| axum::body::Body::new(ReadOn(Some(body))))
    });
    let service = service.map_response(|answer: axum::response::Response| answer.map(unread::in_pieces));
    let mut server = auto::Builder::new(Streams);
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let mut http2 = server.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(SILENCE).keep_alive_timeout(PONG).max_concurrent_streams(100);
    let service = TowerToHyperService::new(service);
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let mut connection = pin!(watcher.watch(connection));
    // No library has a clock for what comes before a request: the bytes that tell HTTP/2 from HTTP/1.1, and its preface.
    let ended = match timeout(HEADERS, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) if asked.load(Relaxed) => connection.await,
        Err(_) => return tracing::debug!("a connection asked for nothing"),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// A request's body. Where the answer does not want it (a budget that is spent, a path that is not there), it is read on
/// for a while and thrown away: a connection closed over what the client still sends would take the answer with it.
struct ReadOn(Option<Incoming>);

/// As much of an unwanted body, and for as long.
const UNWANTED_BYTES: usize = 1 << 20;
const UNWANTED_TIME: Duration = Duration::from_secs(2);

impl Body for ReadOn {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for ReadOn {
    fn drop(&mut self) {
        let unread = self.0.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (unread, tokio::runtime::Handle::try_current()) {
            runtime.spawn(timeout(UNWANTED_TIME, throw_away(body)));
        }
    }
}

async fn throw_away(mut body: Incoming) {
    let mut seen = 0;
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > UNWANTED_BYTES {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unread::UNREAD;
    use axum::{
        extract::ws::{Message, WebSocketUpgrade},
        routing::get,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        time::sleep,
    };

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    /// `GET /` on stream 1, in words of HPACK's static table.
    const GET: &[u8] = &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84];
    /// `GET /much`, as well.
    const GET_MUCH_BY_HTTP2: &[u8] = b"\0\0\x09\x01\x05\0\0\0\x01\x82\x86\x04\x05/much";
    const DATA: u8 = 0;
    const RST_STREAM: u8 = 3;
    const WINDOW_UPDATE: u8 = 8;
    /// Bytes that a client of HTTP/2 has room for at first.
    const ROOM: usize = 65_535;
    const PING: u8 = 6;
    const GET_MUCH: &[u8] = b"GET /much HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    const GET_SOCKET: &[u8] = b"GET /socket HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    /// Bytes of a large answer.
    const MUCH: usize = 1 << 20;

    /// A socket that says much and then is gone, without a clock of its own.
    async fn socket(upgrade: WebSocketUpgrade) -> axum::response::Response {
        upgrade.on_upgrade(|mut socket| async move { drop(socket.send(Message::Binary(vec![0; MUCH].into())).await) })
    }

    /// A connection whose client has sent `bytes`.
    async fn client(bytes: &[u8]) -> DuplexStream {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let draining = GracefulShutdown::new();
            let router = Router::new().fallback(|| async { "hello" });
            let router = router.route("/much", get(|| async { vec![0; MUCH] })).route("/socket", get(socket));
            http(Unread::new(server), ([127, 0, 0, 1], 1).into(), None, router, draining.watcher()).await;
        });
        client.write_all(bytes).await.unwrap();
        client
    }

    /// Seconds until the server closes, while the client says nothing more.
    async fn closed_after(bytes: &[u8]) -> u64 {
        let (mut client, started) = (client(bytes).await, Instant::now());
        timeout(Duration::from_secs(300), client.read_to_end(&mut vec![])).await.expect("the end").unwrap();
        started.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_nothing_is_not_kept() {
        let settled = [PREFACE, SETTINGS].concat();
        for said in [b"" as &[u8], b"P", b"PRI * HTTP", PREFACE, &settled, b"GET / HTTP/1.1\r\nHost:"] {
            assert!(closed_after(said).await <= 25, "{:?}", String::from_utf8_lossy(said));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_asked_by_http2_and_fell_silent_is_not_kept() {
        assert!(closed_after(&[PREFACE, SETTINGS, GET].concat()).await <= 60);
    }

    /// The next frame's type and length. Pings are answered.
    async fn frame(client: &mut DuplexStream) -> (u8, usize) {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        client.read_exact(&mut payload).await.unwrap();
        if (head[3], head[4]) == (PING, 0) {
            head[4] = 1;
            client.write_all(&[&head[..], &payload].concat()).await.unwrap();
        }
        (head[3], payload.len())
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_pings_stays() {
        let mut client = client(&[PREFACE, SETTINGS, GET].concat()).await;
        let started = Instant::now();
        while started.elapsed() < 10 * SILENCE {
            frame(&mut client).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_by_http2_that_is_not_read_is_not_kept() {
        // They read frames, but give the answer no more room than there is at first.
        let mut client = client(&[PREFACE, SETTINGS, GET_MUCH_BY_HTTP2].concat()).await;
        let reset = async { while frame(&mut client).await.0 != RST_STREAM {} };
        timeout(2 * UNREAD + Duration::from_secs(1), reset).await.expect("a reset");
        client.write_all(&[0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).await.unwrap();
        while frame(&mut client).await.0 != PING {}
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_by_http2_that_is_read_slowly_is_sent_whole() {
        let mut client = client(&[PREFACE, SETTINGS, GET_MUCH_BY_HTTP2].concat()).await;
        let (mut taken, mut room) = (0, ROOM);
        while taken < MUCH {
            let (kind, length) = frame(&mut client).await;
            assert_ne!(kind, RST_STREAM);
            if kind == DATA {
                (taken, room) = (taken + length, room - length);
            }
            if room == 0 {
                // Shorter than the server waits for an answer to its ping.
                sleep(SILENCE + PONG / 2).await;
                for stream in [0, 1] {
                    let head = [0, 0, 4, WINDOW_UPDATE, 0, 0, 0, 0, stream];
                    client.write_all(&[&head[..], &(ROOM as u32).to_be_bytes()].concat()).await.unwrap();
                }
                room = ROOM;
            }
        }
        assert_eq!(taken, MUCH);
    }
    /// Bytes that come until the end, after a time in which the client reads nothing.
    async fn taken_after(silence: Duration, request: &[u8]) -> usize {
        let mut client = client(request).await;
        sleep(silence).await;
        let mut taken = vec![];
        timeout(Duration::from_secs(300), client.read_to_end(&mut taken)).await.expect("the end").unwrap();
        taken.len()
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_what_they_asked_for_is_not_kept() {
        for request in [GET_MUCH, GET_SOCKET] {
            assert!(taken_after(UNREAD + Duration::from_secs(1), request).await < MUCH);
            assert!(taken_after(UNREAD - Duration::from_secs(1), request).await > MUCH);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_is_sent_all() {
        for request in [GET_MUCH, GET_SOCKET] {
            let (mut client, mut taken) = (client(request).await, 0);
            loop {
                sleep(UNREAD - Duration::from_secs(1)).await;
                match client.read(&mut [0; 4 * 1024]).await.unwrap() {
                    0 => break,
                    some => taken += some,
                }
            }
            assert!(taken > MUCH, "{taken}");
        }
    }
}
