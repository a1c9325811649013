//! Files held in memory.

use axum::{
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};

/// A file, gzipped once. It is asked for again at every visit, and not sent again while it is the same.
#[derive(Clone)]
pub(crate) struct Asset {
    kind: HeaderValue,
    tag: HeaderValue,
    gzipped: Bytes,
}

impl Asset {
    /// `kind`: the media type.
    pub(crate) fn new(kind: &str, content: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let gzipped = encoder.write_all(content).and_then(|()| encoder.finish());
        Self::packed(kind, gzipped.expect("memory can be written to"))
    }

    /// From content that is gzipped already.
    pub(crate) fn packed(kind: &str, gzipped: impl Into<Bytes>) -> Self {
        let gzipped = gzipped.into();
        let hash: String = Sha256::digest(&gzipped)[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            kind: kind.parse().expect("a media type is a header's value"),
            // Weak (RFC 9110, 8.8.1): the same whether gzipped or not.
            tag: format!("W/\"{hash}\"").parse().expect("hex digits are a header's value"),
            gzipped,
        }
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let common = [
            (header::ETAG, self.tag.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        if values(asked, header::IF_NONE_MATCH).any(|tag| tag == self.tag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind.clone())];
        if values(asked, header::ACCEPT_ENCODING).any(accepts_gzip) {
            return (common, kind, [(header::CONTENT_ENCODING, "gzip")], self.gzipped.clone()).into_response();
        }
        (common, kind, self.content()).into_response()
    }

    fn content(&self) -> Vec<u8> {
        let mut content = Vec::new();
        GzDecoder::new(&self.gzipped[..]).read_to_end(&mut content).expect("it was gzipped here or by the build");
        content
    }
}

pub(crate) fn serve(asset: Asset) -> MethodRouter {
    get(move |asked: HeaderMap| async move { asset.answer(&asked) })
}

/// The members of a header that is a list.
fn values(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

/// One member of `Accept-Encoding`: `gzip`, `gzip;q=0.8`; `gzip;q=0` means: anything but that.
fn accepts_gzip(coding: &str) -> bool {
    let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
    let refused = weight.trim().strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0);
    name.trim().eq_ignore_ascii_case("gzip") && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: header::HeaderName, value: &str) -> Response {
        let headers = [(name, value.parse().unwrap())].into_iter().collect();
        Asset::new("text/plain", b"content").answer(&headers)
    }

    #[test]
    fn gzip_for_those_who_take_it() {
        for (accepted, encoding) in
            [("gzip, deflate, br", Some("gzip")), ("br, GZIP;q=0.5", Some("gzip")), ("gzip;q=0", None), ("br", None)]
        {
            let answer = ask(header::ACCEPT_ENCODING, accepted);
            let found = answer.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap());
            assert_eq!(found, encoding, "{accepted}");
        }
    }

    #[test]
    fn the_same_file_is_not_sent_twice() {
        let first = ask(header::ACCEPT, "*/*");
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().unwrap();
        assert_eq!(ask(header::IF_NONE_MATCH, tag).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(ask(header::IF_NONE_MATCH, &format!("\"other\", {tag}")).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(ask(header::IF_NONE_MATCH, "\"other\"").status(), StatusCode::OK);
    }
}
