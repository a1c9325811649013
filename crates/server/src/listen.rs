//! The listener: TCP, TLS by certificate files, HTTP/1.1 with upgrades and HTTP/2, and draining.

use anyhow::{Context, Result};
use axum::{Router, extract::ConnectInfo};
use bytes::Bytes;
use convo_tap::{Tap, Tapped};
use http::Version;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    future::poll_fn,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tower::{Layer, ServiceExt};
use tower_http::normalize_path::NormalizePathLayer;

/// Bounds on a client that does not finish what it began.
const HEADERS: Duration = Duration::from_secs(20);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long connections may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) fn tls(files: &(PathBuf, PathBuf)) -> Result<TlsAcceptor> {
    let (cert, key) = files;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .with_context(|| format!("CONVO_TLS_CERT: cannot read {}", cert.display()))?;
    let key = read_key(key)?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("CONVO_TLS_CERT and CONVO_TLS_KEY do not fit together")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).with_context(|| format!("CONVO_TLS_KEY: cannot read {}", path.display()))
}

/// Accepts until `stop` says so, then lets what is in flight finish.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let draining = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: accepting again at once would only burn the processor.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(stream, peer, tls.clone(), router.clone(), draining.watcher()));
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, draining.shutdown()).await.is_err() {
        tracing::warn!("some connections did not finish in time");
    }
}

type Watcher = hyper_util::server::graceful::Watcher;

async fn connection(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, router: Router, watcher: Watcher) {
    match tls {
        None => {
            let stream = Tapped::new(stream);
            let tap = stream.tap();
            http(stream, peer, Some(tap), router, watcher).await;
        }
        Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
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
    // Paths stand with and without a trailing slash (contract.md, "One system").
    let service = NormalizePathLayer::trim_trailing_slash().layer(router);
    let service = service.map_request(move |mut request: http::Request<Incoming>| {
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
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    server.http2().timer(TokioTimer::new()).max_concurrent_streams(100);
    let service = TowerToHyperService::new(service);
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
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
            runtime.spawn(tokio::time::timeout(UNWANTED_TIME, throw_away(body)));
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
