//! Headers that every answer carries: security, and CORS for the web app's origin alone.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

/// Which other site's pages may call: the web app's, where it is served from elsewhere.
pub(crate) fn cors(frontend_url: &str) -> CorsLayer {
    let origin = Url::parse(frontend_url).ok().map(|url| url.origin().ascii_serialization());
    let origin = origin.and_then(|origin| HeaderValue::from_str(&origin).ok());
    let name = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origin))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, name("idempotency-key"), name("x-request-id")])
        .expose_headers([
            name("x-ratelimit-limit"),
            name("x-ratelimit-remaining"),
            name("x-ratelimit-reset"),
            name("x-request-id"),
            header::RETRY_AFTER,
        ])
        .max_age(Duration::from_secs(3600))
}

#[derive(Clone)]
pub(crate) struct Security {
    /// The public address is https: browsers shall not try without.
    strict: bool,
}

impl Security {
    pub(crate) fn new(public_url: &str) -> Self {
        Self { strict: public_url.starts_with("https://") }
    }

    /// Adds what is missing to an answer.
    pub(crate) fn write<B>(&self, mut response: Response<B>) -> Response<B> {
        let headers = response.headers_mut();
        headers.reserve(ALL);
        let always = [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (
                HeaderName::from_static("permissions-policy"),
                "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
            ),
        ];
        for (name, value) in always {
            headers.insert(name, HeaderValue::from_static(value));
        }
        // Pages bring their own; what is not a page loads nothing.
        default(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
        default(headers, header::CACHE_CONTROL, "no-store");
        if self.strict {
            default(headers, header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
        }
        response
    }
}

/// Headers of an answer at its end, about: making room once is cheaper than growing twice.
const ALL: usize = 12;

fn default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}
