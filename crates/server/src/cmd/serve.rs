//! `convo serve`: start, be ready, drain, stop.

use crate::{
    compose::{self, Parts},
    config::Config,
    listen::{self, Tls},
    media, mount, observe, secrets,
    web::Web,
};
use anyhow::Result;
use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use convo_bus::Hub;
use convo_domain::{
    bus::{Bus, Tell, Whose},
    session::Close,
};
use convo_kit::Shared;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// How long it may take to store what the agent was writing when the server stops.
const ANSWERS: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3600);
/// How long sockets may take to say goodbye when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long the database may take to answer whoever asks whether the server is ready.
const PING: Duration = Duration::from_secs(2);

pub(crate) async fn run(config: Config) -> Result<()> {
    observe::logs(&config.log, config.log_json)?;
    let metrics = observe::metrics()?;
    secrets::data_dir(&config.data_dir)?;
    let _ours = secrets::lock(&config.data_dir)?;
    let listener = compose::listener(&config).await?;
    let tls = config.tls.as_ref().map(Tls::open).transpose()?;
    tokio::spawn(renew(signal(SignalKind::hangup())?, tls.clone()));
    let parts = compose::parts(&config).await?;
    let bound = media::bind(&config, &parts.secrets)?;
    // Not before every port is ours: a server that does not start must leave the seats of one that runs alone.
    parts.domain.wake().await.map_err(compose::explain)?;
    let turn = bound.as_ref().map(|bound| bound.turn(&config, &parts.secrets));
    let app = compose::app(&config, &parts, turn);
    let (stop, stopping) = watch::channel(false);
    let socket_io = convo_chatrooms::socket_io(&app);
    let extra = operation(&app, &parts, metrics, stopping.clone()).merge(socket_io.router());
    let apis = vec![
        convo_platform::api(&app),
        convo_guest::api(&app),
        convo_legacy::api(&app),
        convo_conversations::api(&app),
        convo_chatrooms::api(&app),
    ];
    let media = media::open(bound, &config, &app, &parts.secrets, parts.expected)?;
    let web = Web::new(config.livekit_url.as_deref());
    let router = mount::mount(&app, apis, extra, web).merge(media.routes(&app.public_url));
    tokio::spawn(parts.domain.clone().sweep());
    tokio::spawn(parts.domain.clone().resume_answers());
    announce(&config, listener.local_addr()?.port());
    let server = tokio::spawn(listen::serve(listener, tls, router, stopping));
    wait_for_signal().await?;
    tracing::info!("stopping: finishing what is in flight");
    stop.send_replace(true);
    tokio::join!(media.drain(), parts.domain.finish_answers(ANSWERS));
    let close = || parts.hub.tell(vec![Tell::Close(Whose::Everybody, Close::Restart)]);
    close();
    socket_io.close_all().await;
    server.await?;
    // Whose socket was about to open has not heard it.
    close();
    farewell(&parts.hub).await;
    media.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Reads the certificate again when it is told to (SIGHUP), and every hour: not everything that renews one tells.
async fn renew(mut told: Signal, tls: Option<Arc<Tls>>) {
    let mut hours = tokio::time::interval(HOUR);
    loop {
        tokio::select! {
            _ = told.recv() => {}
            _ = hours.tick() => {}
        }
        if let Some(tls) = &tls {
            tls.renew();
        }
    }
}

async fn wait_for_signal() -> Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

/// Sockets were told to reconnect; they get a moment to hear it.
async fn farewell(hub: &Hub) {
    let gone = async {
        while hub.sessions() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(FAREWELL, gone).await;
}

fn announce(config: &Config, port: u16) {
    let url = &config.public_url;
    println!("Convo listens on {}:{port}", config.listen.ip());
    println!("  open       {url}");
    println!("  API        {url}/docs");
    println!("  data       {}", config.data_dir.display());
    println!("  first admin: register, then run: convo user admin <your e-mail address>");
    if config.api_open {
        tracing::warn!("CONVO_API_OPEN is on: whoever reaches this server may act as anybody on convo.md's API");
    }
    if !config.rate_limit {
        tracing::warn!("CONVO_RATE_LIMIT is off: this is for load tests");
    }
}

/// What operators look at.
fn operation(
    app: &Shared,
    parts: &Parts,
    metrics: PrometheusHandle,
    stopping: watch::Receiver<bool>,
) -> Router<Shared> {
    let ready = {
        let app = app.clone();
        move || ready(app.clone(), stopping.clone())
    };
    let hub = parts.hub.clone();
    let scrape = move || {
        metrics::gauge!("convo_sessions").set(hub.sessions() as f64);
        metrics.run_upkeep();
        let text = metrics.render();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text) }
    };
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
}

async fn ready(app: Shared, stopping: watch::Receiver<bool>) -> Response {
    let state = match tokio::time::timeout(PING, app.domain.store.ping()).await {
        _ if *stopping.borrow() => "draining",
        Ok(Ok(())) => return Json(json!({"status": "ready"})).into_response(),
        _ => "the database does not answer",
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": state}))).into_response()
}
