//! `convo doctor`: what works, what will not, and what to do about it.

use crate::{
    compose,
    config::{Config, Port},
    listen, media,
};
use anyhow::Result;
use convo_livekit::Keys;
use std::{net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use url::Url;

const PATIENCE: Duration = Duration::from_secs(5);

enum Finding {
    Good(String),
    Hint(String),
    Bad(String),
}
use Finding::{Bad, Good, Hint};

pub(crate) async fn run(config: &Config) -> Result<()> {
    let mut findings = vec![database(config).await, address(config).await, public(config)];
    findings.extend(tls(config));
    match &config.livekit_url {
        Some(url) => findings.push(livekit(config, url).await),
        None => findings.extend(embedded(config).await),
    }
    findings.push(reach("mail server", config.smtp_url.as_ref().map(|url| url.0.as_str()), 25).await);
    findings.push(reach("SMS gateway", config.sms_url.as_ref().map(|url| url.0.as_str()), 443).await);
    findings.push(agent(config).await);
    let bad = findings.iter().filter(|finding| matches!(finding, Bad(_))).count();
    for finding in findings {
        match finding {
            Good(text) => println!("ok    {text}"),
            Hint(text) => println!("note  {text}"),
            Bad(text) => println!("BAD   {text}"),
        }
    }
    anyhow::ensure!(bad == 0, "{bad} of these will not work");
    Ok(())
}

async fn database(config: &Config) -> Finding {
    let kind = if config.database_url.is_some() { "Postgres" } else { "SQLite" };
    match compose::parts(config).await {
        Ok(parts) => match parts.domain.store.ping().await {
            Ok(()) => Good(format!("{kind}: opened, schema up to date")),
            Err(error) => Bad(format!("{kind}: {}", error.message)),
        },
        Err(error) => Bad(format!("{kind}: {error:#}")),
    }
}

async fn address(config: &Config) -> Finding {
    match TcpListener::bind(config.listen).await {
        Ok(_) if config.listen.ip().is_loopback() => Hint(format!(
            "listens on {}: this machine alone reaches it; CONVO_LISTEN=0.0.0.0:{} opens it to the network",
            config.listen,
            config.listen.port()
        )),
        Ok(_) => Good(format!("can listen on {}", config.listen)),
        Err(error) => Hint(format!("{}: {error} (if that is Convo itself, all is well)", config.listen)),
    }
}

fn public(config: &Config) -> Finding {
    let local = Url::parse(&config.public_url).ok().and_then(|url| url.host_str().map(|h| h == "localhost"));
    match (config.public_url.starts_with("https://"), local) {
        (true, _) => Good(format!("PUBLIC_URL {}", config.public_url)),
        (false, Some(true)) => Hint("PUBLIC_URL is localhost: links work on this machine alone".into()),
        (false, _) => Bad(format!(
            "PUBLIC_URL {} is not https: browsers give camera and microphone to https pages only",
            config.public_url
        )),
    }
}

fn tls(config: &Config) -> Option<Finding> {
    let files = config.tls.as_ref()?;
    Some(match listen::tls(files) {
        Ok(_) => Good("TLS: certificate and key fit together".into()),
        Err(error) => Bad(format!("TLS: {error:#}")),
    })
}

async fn udp(what: &str, config: &Config, port: Port) -> Finding {
    let Port::On(port) = port else { return Hint(format!("{what}: off")) };
    match UdpSocket::bind(SocketAddr::new(config.listen.ip(), port)).await {
        Ok(_) => Good(format!("{what}: port {port} is free")),
        Err(error) => Hint(format!("{what}: port {port}: {error}")),
    }
}

async fn tcp(what: &str, config: &Config, port: Port) -> Finding {
    let Port::On(port) = port else { return Hint(format!("{what}: off")) };
    match TcpListener::bind(SocketAddr::new(config.listen.ip(), port)).await {
        Ok(_) => Good(format!("{what}: port {port} is free")),
        Err(error) => Hint(format!("{what}: port {port}: {error}")),
    }
}

/// The embedded media server's ports.
async fn embedded(config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        udp("media (UDP)", config, config.media_udp).await,
        tcp("media (TCP)", config, config.media_tcp).await,
        udp("STUN and TURN", config, config.turn).await,
    ];
    findings.extend(outside(config));
    findings
}

/// The external media server.
async fn livekit(config: &Config, url: &str) -> Finding {
    let key = config.livekit_api_key.as_deref().unwrap_or_default();
    let secret = config.livekit_api_secret.as_ref().map_or("", |secret| &secret.0);
    match convo_livekit::check(url, Keys::new(key, secret)).await {
        Ok(()) => Good(format!(
            "media: by the LiveKit server at {url}, which takes the key and secret; its webhooks belong to {}/livekit/webhook",
            config.public_url
        )),
        Err(error) => Bad(format!("media: the LiveKit server at {url}: {error}")),
    }
}

/// Whether media can come from other networks.
fn outside(config: &Config) -> Option<Finding> {
    let ours = config.listen.ip();
    match &config.media_external[..] {
        _ if ours.is_loopback() => None,
        [] => Some(Hint(
            "media: clients are told this machine's own addresses; where the world knows it by another one (a cloud, a \
             NAT with forwarded ports), set CONVO_MEDIA_EXTERNAL_IP"
                .into(),
        )),
        _ => Some(match media::external(config) {
            Ok(external) => {
                let external: Vec<_> = external.iter().map(|ip| ip.to_string()).collect();
                Good(format!("media: clients are told {} too", external.join(", ")))
            }
            Err(error) => Bad(format!("{error:#}")),
        }),
    }
}

async fn reach(what: &str, url: Option<&str>, default_port: u16) -> Finding {
    let Some(url) = url.and_then(|url| Url::parse(url).ok()) else {
        return Hint(format!("{what}: none; codes go to the outbox in the data folder"));
    };
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or(default_port);
    match tokio::time::timeout(PATIENCE, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Good(format!("{what}: {host}:{port} answers")),
        Ok(Err(error)) => Bad(format!("{what}: {host}:{port}: {error}")),
        Err(_) => Bad(format!("{what}: {host}:{port} does not answer")),
    }
}

async fn agent(config: &Config) -> Finding {
    let url = &config.ai_base_url;
    let client = reqwest::Client::builder().timeout(PATIENCE).build();
    let Ok(client) = client else { return Bad("AI endpoint: no HTTP client".into()) };
    let mut request = client.get(format!("{url}/models"));
    if let Some(key) = &config.ai_api_key {
        request = request.bearer_auth(&key.0);
    }
    match request.send().await {
        Ok(response) if response.status().is_success() => Good(format!("AI endpoint: {url} answers")),
        Ok(response) => Hint(format!("AI endpoint: {url} answers {}", response.status())),
        Err(_) => Hint(format!("AI endpoint: {url} cannot be reached; the agent will say so in its answers")),
    }
}
