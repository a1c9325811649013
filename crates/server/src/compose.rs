//! Which parts make the server: the only place that knows them all.

use crate::{
    agent::OpenAi,
    config::Config,
    courier::Post,
    ice::Turn,
    secrets::{self, Secrets},
    tokens::Jwt,
};
use anyhow::{Context, Result};
use convo_bus::Hub;
use convo_domain::{Domain, Policy, Ports, clock::System, error::Error, ports::Courier};
use convo_kit::{App, Shared, limit::Limits};
use convo_livekit::Expected;
use reqwest::{Client, ClientBuilder};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The domain on its real parts.
pub(crate) struct Parts {
    pub domain: Arc<Domain>,
    pub hub: Arc<Hub>,
    pub secrets: Secrets,
    /// Meetings to which somebody gets a token.
    pub expected: mpsc::Receiver<Expected>,
}

pub(crate) async fn parts(config: &Config) -> Result<Parts> {
    secrets::data_dir(&config.data_dir)?;
    let secrets = secrets::load(config)?;
    let hub = Arc::new(Hub::default());
    let url = config.database_url.as_ref().map(|url| url.0.as_str());
    let store = convo_store::open(url, &config.data_dir, hub.clone()).await.map_err(explain)?;
    let (media, expected) = convo_livekit::expecting();
    let courier: Arc<dyn Courier> = Arc::new(Post::new(config)?);
    let ports = Ports {
        store,
        bus: hub.clone(),
        clock: Arc::new(System),
        tokens: Arc::new(Jwt::new(&secrets, config.jwt_algo)),
        media: Arc::new(media),
        courier,
        agent: Arc::new(OpenAi::new(config)?),
    };
    let policy = Policy { guests: config.guests, ..Policy::default() };
    Ok(Parts { domain: Domain::new(ports, policy), hub, secrets, expected })
}

/// An HTTP client. A machine without any authority's certificate (a slim container) still reaches what needs no TLS.
pub(crate) fn http_client(builder: impl Fn() -> ClientBuilder) -> reqwest::Result<Client> {
    builder().build().or_else(|error| {
        tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "https endpoints are out of reach");
        builder().tls_certs_only([]).build()
    })
}

/// A domain error on the console, with its cause.
pub(crate) fn explain(error: Error) -> anyhow::Error {
    match error.source {
        // With what is behind it: the driver's own word may be no more than "error connecting to server".
        Some(cause) => anyhow::Error::from_boxed(cause).context("the database cannot be used"),
        None => anyhow::anyhow!("{}", error.message),
    }
}

/// `embedded`: the TURN server of our own, if there is one.
pub(crate) fn app(config: &Config, parts: &Parts, embedded: Option<Turn>) -> Shared {
    let own = App {
        domain: parts.domain.clone(),
        limits: Limits::new(config.rate_limit),
        proxies: config.proxies(),
        public_url: config.public_url.clone(),
        frontend_url: config.frontend_url.clone(),
        livekit_url: String::new(),
        open_convo: config.api_open,
        ice: Box::new(Turn::external(config).or(embedded).unwrap_or_default()),
    };
    let livekit_url = match &config.livekit_url {
        Some(url) => url.clone(),
        None => own.websocket_url(),
    };
    Arc::new(App { livekit_url, ..own })
}

/// Binds now, so that a taken port stops the start with one clear line.
pub(crate) async fn listener(config: &Config) -> Result<tokio::net::TcpListener> {
    let bound = tokio::net::TcpListener::bind(config.listen).await;
    bound.with_context(|| format!("cannot listen on {}: is another server running there?", config.listen))
}
