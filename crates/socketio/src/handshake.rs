//! The HTTP request with which a client came.

use std::fmt;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Query};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request};

/// A client's first request, kept as long as the client: its namespaces may be joined at any time.
///
/// Held as copied text. `HeaderMap` and `Uri` would share, and so keep, the connection's read buffer.
pub struct Handshake {
    query: Box<str>,
    /// `name\0value\n` for each header; neither byte can be in a header.
    headers: Box<[u8]>,
    remote: Option<SocketAddr>,
}

impl Handshake {
    pub(crate) fn new(parts: &request::Parts) -> Self {
        let mut headers = Vec::new();
        for (name, value) in &parts.headers {
            headers.extend_from_slice(name.as_str().as_bytes());
            headers.push(0);
            headers.extend_from_slice(value.as_bytes());
            headers.push(b'\n');
        }
        Self {
            query: parts.uri.query().unwrap_or_default().into(),
            headers: headers.into(),
            remote: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0),
        }
    }

    /// The client's address, if the caller's server puts a [`ConnectInfo`] into the request. Behind a
    /// trusted proxy a middleware may put the forwarded address there instead.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// A header's value, if it is there and text; the first if there are several.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        let (_, value) = self.pairs().find(|(other, _)| *other == name.as_str().as_bytes())?;
        std::str::from_utf8(value).ok()
    }

    /// All headers.
    pub fn headers(&self) -> HeaderMap {
        let parse = |(name, value)| Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?));
        self.pairs().filter_map(parse).collect()
    }

    /// A parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let uri = Uri::builder().path_and_query(format!("/?{}", self.query)).build().ok()?;
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).ok()?;
        pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Whether the client is written in JavaScript: browsers, Node's `XMLHttpRequest`, and Node's `ws`,
    /// which names no agent but offers compression.
    pub(crate) fn is_javascript(&self) -> bool {
        match self.header(&header::USER_AGENT) {
            Some(agent) => agent.starts_with("Mozilla/") || agent.starts_with("node"),
            None => self
                .header(&header::SEC_WEBSOCKET_EXTENSIONS)
                .is_some_and(|offer| offer.starts_with("permessage-deflate")),
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers.split(|&byte| byte == b'\n').filter_map(|line| {
            let end = line.iter().position(|&byte| byte == 0)?;
            Some((&line[..end], &line[end + 1..]))
        })
    }
}

/// Headers and query hold credentials, so a log shows neither.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(headers: &[(&'static str, &'static str)]) -> Handshake {
        let mut request = http::Request::get("/socket.io/?EIO=4&token=a%20b");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Handshake::new(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn keeps_headers_and_query() {
        let handshake = handshake(&[("host", "x"), ("authorization", "Bearer 1"), ("empty", "")]);
        assert_eq!(handshake.header(&header::AUTHORIZATION), Some("Bearer 1"));
        assert_eq!(handshake.header(&header::COOKIE), None);
        assert_eq!(handshake.headers().len(), 3);
        assert_eq!(handshake.query("token").as_deref(), Some("a b"));
        assert_eq!(handshake.query("other"), None);
        assert!(!format!("{handshake:?}").contains("Bearer"));
    }

    #[test]
    fn knows_javascript() {
        assert!(handshake(&[("user-agent", "Mozilla/5.0 (X11)")]).is_javascript());
        assert!(handshake(&[("user-agent", "node-XMLHttpRequest")]).is_javascript());
        let deflate = ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits");
        assert!(handshake(&[deflate]).is_javascript());
        assert!(!handshake(&[]).is_javascript());
        assert!(!handshake(&[("user-agent", "Python/3.11 aiohttp/3.9"), deflate]).is_javascript());
        assert!(!handshake(&[("user-agent", "python-requests/2.32")]).is_javascript());
    }
}
