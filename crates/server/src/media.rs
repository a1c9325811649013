//! The embedded media server, unless an existing LiveKit server is used: its ports, and LiveKit's doors to it.

use crate::{
    compose::Parts,
    config::{Config, Port},
    observe,
};
use anyhow::{Context, Result};
use axum::{Router, middleware};
use convo_kit::Shared;
use convo_livekit::{House, Keys};
use convo_media::Media;
use livekit_protocol::ServerInfo;
use std::time::Duration;

/// LiveKit's release whose protocol is spoken here: clients choose by it what they use.
const LIVEKIT: &str = "1.13.3";
/// How long clients may take to hear that they should reconnect.
const DRAIN: Duration = Duration::from_secs(5);

/// The running media server.
pub(crate) struct Embedded {
    media: Media,
    doors: House,
}

/// Binds the media ports and opens the doors; `None` where an external LiveKit server is configured.
pub(crate) fn start(config: &Config, app: &Shared, parts: &Parts) -> Result<Option<Embedded>> {
    if config.livekit_url.is_some() {
        return Ok(None);
    }
    let (media, events) = Media::start(settings(config)).context("the media server cannot start")?;
    let keys = Keys::new(&parts.secrets.livekit_key, &parts.secrets.livekit_secret.0);
    let doors = convo_livekit::Doors::new(app.clone(), media.clone(), keys, config.webhook_urls.clone());
    tokio::spawn(convo_livekit::run(doors.clone(), events));
    Ok(Some(Embedded { media, doors }))
}

impl Embedded {
    pub(crate) fn routes(&self) -> Router {
        convo_livekit::routes(self.doors.clone()).layer(middleware::from_fn(observe::request))
    }

    /// Everybody in a room is told to reconnect.
    pub(crate) async fn drain(&self) {
        self.media.drain(DRAIN).await;
    }

    pub(crate) async fn stop(&self) {
        self.media.stop().await;
    }
}

fn settings(config: &Config) -> convo_media::Config {
    let defaults = convo_media::Config::default();
    let listen = config.listen.ip();
    let server = ServerInfo {
        version: LIVEKIT.into(),
        node_id: format!("ND_{}", convo_domain::room::code::hex(6)),
        ..ServerInfo::default()
    };
    convo_media::Config {
        workers: config.media_workers.unwrap_or(defaults.workers),
        udp: number(config.media_udp),
        tcp: number(config.media_tcp),
        // Whoever keeps the pages to one address means the media too.
        bind: if listen.is_unspecified() { vec![] } else { vec![listen] },
        external: config.media_external.clone(),
        sfu: convo_sfu::Config { server, simulate: config.media_simulate, ..convo_sfu::Config::default() },
        ..defaults
    }
}

fn number(port: Port) -> Option<u16> {
    match port {
        Port::Off => None,
        Port::On(port) => Some(port),
    }
}
