//! The web app, built into the binary: `make run` and `make release` build it first. Without it the server serves the
//! API, and a page that says how to get the app.

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;
use std::{collections::HashMap, io::Write, sync::OnceLock};
use url::{Position, Url};

/// Vite's output. In a debug build it is read from the disk, so that a new one needs no new binary.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// File names under it carry a hash of their content: they never change.
const HASHED: &str = "assets/";
const FOREVER: &str = "public, max-age=31536000, immutable";
/// What browsers must ask for each time; an unchanged file then costs a 304.
const ASK: &str = "no-cache";

/// Paths that are the server's own; everything else that a browser opens is a page of the app.
const SERVER: [&str; 12] = [
    "/api",
    "/ws",
    "/rtc",
    "/twirp",
    "/agent",
    "/socket.io",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/assets",
    "/metrics",
    "/readyz",
];

struct File {
    raw: Bytes,
    /// Where it is smaller so.
    gzip: Option<Bytes>,
    mime: HeaderValue,
    etag: HeaderValue,
}

/// The app's headers: what it may load is its own alone. `media`: an external LiveKit server, if there is one.
#[derive(Clone)]
pub(crate) struct Web {
    policy: HeaderValue,
}

impl Web {
    pub(crate) fn new(media: Option<&str>) -> Self {
        let media = media.and_then(sources).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; \
             media-src 'self' blob:; font-src 'self'; connect-src 'self'{media}; worker-src 'self' blob:; \
             manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        );
        Self { policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'")) }
    }

    /// The files by their own paths, and the first page.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let (first, file) = (self.clone(), self.clone());
        let home = move |headers: HeaderMap| async move { first.page(&headers) };
        let other = move |request: Request| async move { file.file(request.uri().path(), request.headers()) };
        Router::new()
            .route("/", get(home))
            .route("/boot.js", get(other.clone()))
            .route("/icon.svg", get(other.clone()))
            .route("/assets/{*path}", get(other))
    }

    /// Whether a miss is a browser opening a page of the app, whose path only the app knows.
    pub(crate) fn opens(&self, method: &Method, path: &str, headers: &HeaderMap) -> bool {
        let page = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
        let owns =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        method == Method::GET && page && !SERVER.into_iter().any(owns)
    }

    pub(crate) fn page(&self, headers: &HeaderMap) -> Response {
        let mut response = match files().get("index.html") {
            Some(file) => answer(file, ASK, headers),
            None => axum::response::Html(include_str!("home.html")).into_response(),
        };
        let policy = match files().is_empty() {
            true => HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
            false => self.policy.clone(),
        };
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        response
    }

    fn file(&self, path: &str, headers: &HeaderMap) -> Response {
        let name = path.trim_start_matches('/');
        match files().get(name) {
            Some(file) => answer(file, if name.starts_with(HASHED) { FOREVER } else { ASK }, headers),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// A LiveKit server's, in either scheme and at any path: its clients open a WebSocket there, and ask by HTTP why they may not.
fn sources(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let s = if matches!(url.scheme(), "wss" | "https") { "s" } else { "" };
    Some(format!(" ws{s}://{authority} http{s}://{authority}"))
}

fn answer(file: &File, cache: &'static str, headers: &HeaderMap) -> Response {
    let is = |name, value: &str| headers.get(name).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains(value));
    let known = is(header::IF_NONE_MATCH, file.etag.to_str().unwrap_or_default());
    let zipped = file.gzip.as_ref().filter(|_| is(header::ACCEPT_ENCODING, "gzip"));
    let mut response = match (known, zipped) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, Some(gzip)) => ([(header::CONTENT_ENCODING, "gzip")], gzip.clone()).into_response(),
        (false, None) => file.raw.clone().into_response(),
    };
    let all = response.headers_mut();
    all.insert(header::CONTENT_TYPE, file.mime.clone());
    all.insert(header::ETAG, file.etag.clone());
    all.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    all.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

/// All files, compressed when the first is asked for. (In a debug build: as they were then.)
fn files() -> &'static HashMap<String, File> {
    static FILES: OnceLock<HashMap<String, File>> = OnceLock::new();
    FILES.get_or_init(|| Dist::iter().filter_map(|name| Some((name.to_string(), file(&name)?))).collect())
}

fn file(name: &str) -> Option<File> {
    let file = Dist::get(name)?;
    let mut etag = String::from("\"");
    file.metadata.sha256_hash().iter().take(12).for_each(|byte| etag.push_str(&format!("{byte:02x}")));
    etag.push('"');
    let mime = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    };
    let raw = Bytes::from(file.data.into_owned());
    let gzip = gzip(&raw).filter(|gzip| gzip.len() < raw.len());
    Some(File { raw, gzip, mime: HeaderValue::from_static(mime), etag: HeaderValue::try_from(etag).ok()? })
}

fn gzip(raw: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(raw.len() / 2), Compression::best());
    encoder.write_all(raw).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::sources;

    #[test]
    fn a_livekit_server_is_asked_by_websocket_and_by_http() {
        let of = |url| sources(url).unwrap();
        assert_eq!(of("ws://127.0.0.1:7880"), " ws://127.0.0.1:7880 http://127.0.0.1:7880");
        assert_eq!(of("https://lk.example.com/"), " wss://lk.example.com https://lk.example.com");
        assert_eq!(
            of("wss://u:p@lk.example.com:8443/at/it?x"),
            " wss://lk.example.com:8443 https://lk.example.com:8443"
        );
    }
}
