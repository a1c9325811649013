//! Logs with a request id and without secrets, and metrics.

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::time::{Duration, Instant};
use tracing::Instrument;
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// An answer that took longer is worth a line.
const SLOW: Duration = Duration::from_secs(1);
/// Whose lines for debugging hold the values of statements: people's words and passwords. Only who names them has them.
const SECRETIVE: &str = "tokio_postgres=info,postgres=info";
/// How often what was measured is added up: until then each measurement is kept, whether somebody scrapes or not.
const UPKEEP: Duration = Duration::from_secs(5);
/// Seconds.
const LATENCIES: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

pub(crate) fn logs(filter: &str, json: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{SECRETIVE},{filter}"))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    if json {
        logs.json().flatten_event(true).init()
    } else {
        logs.with_ansi(false).init()
    }
    Ok(())
}

pub(crate) fn metrics() -> anyhow::Result<PrometheusHandle> {
    let latencies = Matcher::Full("convo_http_request_seconds".into());
    let metrics = PrometheusBuilder::new().set_buckets_for_metric(latencies, &LATENCIES)?.install_recorder()?;
    let upkept = metrics.clone();
    tokio::spawn(regularly(UPKEEP, move || upkept.run_upkeep()));
    Ok(metrics)
}

/// Runs until it is dropped.
async fn regularly(every: Duration, mut work: impl FnMut()) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work();
    }
}

/// The method as a label and for the log: one that no standard knows is the client's own text, of any length, and each label
/// is kept for ever.
fn method(request: &Request) -> &'static str {
    match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}

/// Middleware: a request id in, around and out; one line and two metrics a request. Never the query: tokens come there.
pub(crate) async fn request(mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = method(&request);
    let uri = request.uri().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("(none)".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", request_id = id.to_str().unwrap_or_default());
    let started = Instant::now();
    async move {
        let mut response = next.run(request).await;
        let (status, elapsed) = (response.status().as_u16(), started.elapsed());
        response.headers_mut().insert(REQUEST_ID, id);
        let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
        metrics::counter!("convo_http_requests_total", &labels).increment(1);
        metrics::histogram!("convo_http_request_seconds").record(elapsed.as_secs_f64());
        let (path, ms) = (uri.path(), elapsed.as_millis() as u64);
        // What went well is news to nobody; what did not can be found by its id.
        if status >= 400 || elapsed >= SLOW {
            tracing::info!(method, path, status, ms, "answered");
        } else {
            tracing::debug!(method, path, status, ms, "answered");
        }
        response
    }
    .instrument(span)
    .await
}

/// The client's own id, if it is a plain one, so that its logs and ours can be laid side by side.
fn request_id(request: &Request) -> HeaderValue {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let given = request.headers().get(&REQUEST_ID);
    let given =
        given.filter(|id| id.len() <= 64 && id.to_str().is_ok_and(|id| !id.is_empty() && id.chars().all(plain)));
    given.cloned().unwrap_or_else(|| {
        let mut text = Uuid::encode_buffer();
        HeaderValue::from_str(Uuid::new_v4().simple().encode_lower(&mut text)).unwrap_or(HeaderValue::from_static("-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, rc::Rc};

    #[tokio::test(start_paused = true)]
    async fn measurements_are_added_up_though_nobody_asks() {
        let turns = Rc::new(Cell::new(0));
        let work = regularly(UPKEEP, || turns.set(turns.get() + 1));
        assert!(tokio::time::timeout(UPKEEP * 3, work).await.is_err());
        assert!(turns.get() >= 3, "{} in three intervals", turns.get());
    }

    #[test]
    fn a_method_of_the_clients_own_is_no_label() {
        let named = |name: &str| method(&Request::builder().method(name).body(axum::body::Body::empty()).unwrap());
        for standard in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"] {
            assert_eq!(named(standard), standard);
        }
        assert_eq!((named("PROPFIND"), named("get"), named(&"A".repeat(1_000))), ("other", "other", "other"));
    }
}
