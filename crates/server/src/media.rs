//! The embedded media server, unless an existing LiveKit server is used: its ports, and LiveKit's doors to it.

use crate::{
    config::{Config, Port},
    ice::Turn,
    observe,
    secrets::Secrets,
};
use anyhow::{Context, Result};
use axum::{Router, middleware};
use convo_kit::Shared;
use convo_livekit::{Doors, House, Keys};
use convo_media::{EventStream, Media, turn};
use livekit_protocol::ServerInfo;
use std::time::Duration;

/// LiveKit's release whose protocol is spoken here: clients choose by it what they use.
const LIVEKIT: &str = "1.13.3";
/// How long clients may take to hear that they should reconnect.
const DRAIN: Duration = Duration::from_secs(5);

/// The media server with its ports open; nobody can come in yet.
pub(crate) struct Bound {
    media: Media,
    events: EventStream,
}

/// The running media server.
pub(crate) struct Embedded {
    media: Media,
    doors: House,
}

/// Opens the media ports; `None` where an external LiveKit server is configured.
pub(crate) fn bind(config: &Config, secrets: &Secrets) -> Result<Option<Bound>> {
    if config.livekit_url.is_some() {
        return Ok(None);
    }
    let (media, events) = Media::start(settings(config, secrets)).context("the media server cannot start")?;
    Ok(Some(Bound { media, events }))
}

impl Bound {
    /// How clients reach the embedded TURN server.
    pub(crate) fn turn(&self, config: &Config, secrets: &Secrets) -> Turn {
        Turn::embedded(self.media.turn_addresses(), &config.public_url, turn_secret(secrets))
    }

    /// Opens LiveKit's doors.
    pub(crate) fn open(self, config: &Config, app: &Shared, secrets: &Secrets) -> Embedded {
        let keys = Keys::new(&secrets.livekit_key, &secrets.livekit_secret.0);
        let doors = Doors::new(app.clone(), self.media.clone(), keys, config.webhook_urls.clone());
        tokio::spawn(convo_livekit::run(doors.clone(), self.events));
        Embedded { media: self.media, doors }
    }
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

fn turn_secret(secrets: &Secrets) -> turn::Secret {
    turn::Secret::new(secrets.turn.0.clone())
}

fn settings(config: &Config, secrets: &Secrets) -> convo_media::Config {
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
        // One is enough.
        turn: number(config.turn)
            .filter(|_| config.turn_url.is_none())
            .map(|port| turn::Config::new(port, turn_secret(secrets))),
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
