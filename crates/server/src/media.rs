//! The media server: the embedded one with its ports and LiveKit's doors to it, or an existing LiveKit server.

use crate::{
    compose,
    config::{Config, External, Port},
    headers::Security,
    ice::Turn,
    observe,
    secrets::Secrets,
};
use anyhow::{Context, Result};
use axum::{Router, middleware};
use convo_kit::Shared;
use convo_livekit::{Doors, Expected, House, Keys, Remote};
use convo_media::{EventStream, Media, addresses::discover, turn};
use livekit_protocol::ServerInfo;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
use tower::ServiceBuilder;
use url::{Host, Url};

/// LiveKit's release whose protocol is spoken here: clients choose by it what they use.
const LIVEKIT: &str = "1.13.3";
/// How long clients may take to hear that they should reconnect.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a STUN server may take to answer.
const STUN_PATIENCE: Duration = Duration::from_secs(5);

/// The embedded media server with its ports open; nobody can come in yet.
pub(crate) struct Bound {
    media: Media,
    events: EventStream,
}

/// The media server in use.
pub(crate) enum Running {
    Embedded { media: Media, doors: House },
    External(Arc<Remote>),
}

/// Opens the media ports; `None` where an external LiveKit server is configured.
pub(crate) fn bind(config: &Config, secrets: &Secrets) -> Result<Option<Bound>> {
    if config.livekit_url.is_some() {
        return Ok(None);
    }
    let (media, events) = Media::start(settings(config, secrets)?).context("the media server cannot start")?;
    Ok(Some(Bound { media, events }))
}

impl Bound {
    /// How clients reach the embedded TURN server.
    pub(crate) fn turn(&self, config: &Config, secrets: &Secrets) -> Turn {
        Turn::embedded(self.media.turn_addresses(), &config.public_url, turn_secret(secrets))
    }
}

/// Opens LiveKit's doors to the embedded server; without one, begins to look after the rooms of the external one.
///
/// `expected`: rooms to which somebody gets a token.
pub(crate) fn open(
    bound: Option<Bound>,
    config: &Config,
    app: &Shared,
    secrets: &Secrets,
    expected: mpsc::Receiver<Expected>,
) -> Result<Running> {
    let keys = Keys::new(&secrets.livekit_key, &secrets.livekit_secret.0);
    let Some(Bound { media, events }) = bound else {
        let remote = Remote::new(app.clone(), &app.livekit_url, keys).map_err(compose::explain)?;
        if !config.webhook_urls.is_empty() {
            tracing::warn!(
                "CONVO_WEBHOOK_URLS is without effect: with LIVEKIT_URL, the LiveKit server sends the webhooks"
            );
        }
        tokio::spawn(remote.clone().run(expected));
        return Ok(Running::External(remote));
    };
    let doors = Doors::new(app.clone(), media.clone(), keys, config.webhook_urls.clone());
    tokio::spawn(convo_livekit::run(doors.clone(), events));
    Ok(Running::Embedded { media, doors })
}

impl Running {
    /// `public_url`: as the world knows this server.
    pub(crate) fn routes(&self, public_url: &str) -> Router {
        let routes = match self {
            Running::Embedded { doors, .. } => convo_livekit::routes(doors.clone()),
            Running::External(remote) => remote.routes(),
        };
        let security = Security::new(public_url);
        let around = ServiceBuilder::new()
            .layer(middleware::from_fn(observe::request))
            .map_response(move |response: axum::http::Response<_>| security.write(response));
        routes.layer(around)
    }

    /// Everybody in a room is told to reconnect.
    pub(crate) async fn drain(&self) {
        if let Running::Embedded { media, .. } = self {
            media.drain(DRAIN).await;
        }
    }

    pub(crate) async fn stop(&self) {
        if let Running::Embedded { media, .. } = self {
            media.stop().await;
        }
    }
}

fn turn_secret(secrets: &Secrets) -> turn::Secret {
    turn::Secret::new(secrets.turn.0.clone())
}

/// The addresses under which the world finds this machine; STUN servers are asked.
pub(crate) fn external(config: &Config) -> Result<Vec<IpAddr>> {
    let addresses = config.media_external.iter().map(|external| match external {
        External::Ip(ip) => Ok(*ip),
        External::Stun(server) => tokio::task::block_in_place(|| discover(server, STUN_PATIENCE))
            .with_context(|| format!("CONVO_MEDIA_EXTERNAL_IP: the STUN server {server} does not tell our address")),
    });
    addresses.collect()
}

/// Where the media ports are opened; unspecified: on all interfaces.
pub(crate) fn ip(config: &Config) -> IpAddr {
    open_at(config.listen.ip(), &config.public_url)
}

/// Whoever keeps the pages to one address means the media too; but not a reverse proxy, which brings the pages to others and no media.
fn open_at(listen: IpAddr, public_url: &str) -> IpAddr {
    let host = Url::parse(public_url).ok().and_then(|url| url.host().map(|host| host.to_owned()));
    let elsewhere = match host {
        Some(Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => !ip.is_loopback(),
        Some(Host::Ipv6(ip)) => !ip.is_loopback(),
        None => false,
    };
    if listen.is_loopback() && elsewhere { Ipv4Addr::UNSPECIFIED.into() } else { listen }
}

fn settings(config: &Config, secrets: &Secrets) -> Result<convo_media::Config> {
    let defaults = convo_media::Config::default();
    let ip = ip(config);
    let server = ServerInfo {
        version: LIVEKIT.into(),
        node_id: format!("ND_{}", convo_domain::room::code::hex(6)),
        ..ServerInfo::default()
    };
    Ok(convo_media::Config {
        workers: config.media_workers.unwrap_or(defaults.workers),
        udp: number(config.media_udp),
        tcp: number(config.media_tcp),
        // One is enough.
        turn: number(config.turn)
            .filter(|_| config.turn_url.is_none())
            .map(|port| turn::Config::new(port, turn_secret(secrets))),
        bind: if ip.is_unspecified() { vec![] } else { vec![ip] },
        external: external(config)?,
        sfu: convo_sfu::Config { server, simulate: config.media_simulate, ..convo_sfu::Config::default() },
        ..defaults
    })
}

fn number(port: Port) -> Option<u16> {
    match port {
        Port::Off => None,
        Port::On(port) => Some(port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_proxy_on_this_machine_media_is_opened_to_others() {
        let at = |listen: &str, public_url| open_at(listen.parse().expect("an address"), public_url).to_string();
        assert_eq!(at("127.0.0.1", "https://meet.example"), "0.0.0.0");
        assert_eq!(at("::1", "https://203.0.113.7"), "0.0.0.0");
        for own in ["http://localhost:8000", "http://convo.localhost", "http://127.0.0.1:8000", "http://[::1]:8000"] {
            assert_eq!(at("127.0.0.1", own), "127.0.0.1", "{own}");
        }
        assert_eq!(at("10.0.0.5", "https://meet.example"), "10.0.0.5", "as the operator says");
        assert_eq!(at("0.0.0.0", "https://meet.example"), "0.0.0.0");
    }
}
