//! `convo doctor`: what works, what will not, and what to do about it.

use crate::{
    compose,
    config::{Config, Port, Secret},
    courier::{Post, smtp_port},
    listen, media,
};
use anyhow::Result;
use convo_bus::Hub;
use convo_livekit::Keys;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use url::{Host, Url};

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
    findings.push(reach("mail server", config.smtp_url.as_ref(), smtp_port).await);
    let web_port = |url: &Url| url.port_or_known_default().unwrap_or(443);
    findings.push(reach("SMS gateway", config.sms_url.as_ref(), web_port).await);
    findings.extend(Post::new(config).err().map(|error| Bad(format!("{error:#}"))));
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
    let (kind, url) = match &config.database_url {
        Some(url) => ("Postgres", Some(url.0.as_str())),
        // To look is not to make one.
        None if !config.data_dir.join("convo.db").exists() => {
            return Hint(format!("SQLite: nothing in {} yet; `convo serve` makes it", config.data_dir.display()));
        }
        None => ("SQLite", None),
    };
    let opened = convo_store::open(url, &config.data_dir, Arc::new(Hub::default())).await.map_err(compose::explain);
    match opened {
        Ok(store) => match store.ping().await {
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
    let url = &config.public_url;
    match url.starts_with("https://") {
        true => Good(format!("PUBLIC_URL {url}")),
        false if is_loopback(url) => Hint(format!("PUBLIC_URL {url}: links work on this machine alone")),
        false => Bad(format!("PUBLIC_URL {url} is not https: browsers give camera and microphone to https pages only")),
    }
}

/// Whether browsers trust the address as they trust https (W3C Secure Contexts, 3.1).
fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn tls(config: &Config) -> Option<Finding> {
    let files = config.tls.as_ref()?;
    Some(match listen::Tls::open(files) {
        Ok(_) => Good("TLS: certificate and key fit together".into()),
        Err(error) => Bad(format!("TLS: {error:#}")),
    })
}

async fn udp(what: &str, config: &Config, port: Port) -> Finding {
    let Port::On(port) = port else { return Hint(format!("{what}: off")) };
    match UdpSocket::bind(SocketAddr::new(media::ip(config), port)).await {
        Ok(_) => Good(format!("{what}: port {port} is free")),
        Err(error) => Hint(format!("{what}: port {port}: {error}")),
    }
}

async fn tcp(what: &str, config: &Config, port: Port) -> Finding {
    let Port::On(port) = port else { return Hint(format!("{what}: off")) };
    match TcpListener::bind(SocketAddr::new(media::ip(config), port)).await {
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
    let ours = media::ip(config);
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

async fn reach(what: &str, url: Option<&Secret>, port: impl Fn(&Url) -> u16) -> Finding {
    let Some(url) = url.and_then(|url| Url::parse(&url.0).ok()) else {
        return Hint(format!("{what}: none; codes go to the outbox in the data folder"));
    };
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = port(&url);
    match tokio::time::timeout(PATIENCE, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Good(format!("{what}: {host}:{port} answers")),
        Ok(Err(error)) => Bad(format!("{what}: {host}:{port}: {error}")),
        Err(_) => Bad(format!("{what}: {host}:{port} does not answer")),
    }
}

async fn agent(config: &Config) -> Finding {
    let url = &config.ai_base_url;
    let builder = || reqwest::Client::builder().timeout(PATIENCE);
    if url.starts_with("https:")
        && let Err(error) = builder().build()
    {
        return Bad(format!("AI endpoint: {url}: {:#}", anyhow::Error::from(error)));
    }
    let Ok(client) = compose::http_client(builder) else { return Bad("AI endpoint: no HTTP client".into()) };
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
