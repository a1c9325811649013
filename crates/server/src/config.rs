//! Configuration: flags, then the environment, then an optional TOML file, then defaults.

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use convo_kit::app::Proxies;
use serde::Deserialize;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use url::Url;

/// This machine alone, until an operator says otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:8000";

/// RFC 8489, section 8.5.
const STUN_PORT: u16 = 3478;

/// Small models on small machines are slow to begin.
const AI_TIMEOUT: Duration = Duration::from_secs(60);
/// Seconds; who waits for longer waits for nothing.
const AI_TIMEOUT_MOST: u64 = 3_600;

/// What was given; everything may be left out. The TOML file has the same names as the environment, in lower case.
#[derive(Args, Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Given {
    /// TOML file with settings (default: convo.toml, if there is one)
    #[arg(long, env = "CONVO_CONFIG", global = true)]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long = "listen", env = "CONVO_LISTEN", global = true)]
    pub convo_listen: Option<String>,
    /// Folder for the database, secrets and the outbox
    #[arg(long = "data-dir", env = "CONVO_DATA_DIR", global = true)]
    pub convo_data_dir: Option<PathBuf>,
    /// Where clients find this server
    #[arg(long, env = "PUBLIC_URL", global = true)]
    pub public_url: Option<String>,
    /// Where the web app is: the base of links, and the one origin of other sites that may call
    #[arg(long, env = "FRONTEND_URL", global = true)]
    pub frontend_url: Option<String>,
    /// postgres://… (default: SQLite in the data folder)
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,
    /// Redis, for several nodes
    #[arg(long, env = "REDIS_URL", hide_env_values = true, global = true)]
    pub redis_url: Option<String>,
    /// Secret that signs tokens (default: made on first start)
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, global = true)]
    pub jwt_secret: Option<String>,
    /// HS256, HS384 or HS512
    #[arg(long, env = "JWT_ALGO", global = true)]
    pub jwt_algo: Option<String>,
    /// An existing LiveKit server (default: the embedded one)
    #[arg(long, env = "LIVEKIT_URL", global = true)]
    pub livekit_url: Option<String>,
    #[arg(long, env = "LIVEKIT_API_KEY", global = true)]
    pub livekit_api_key: Option<String>,
    #[arg(long, env = "LIVEKIT_API_SECRET", hide_env_values = true, global = true)]
    pub livekit_api_secret: Option<String>,
    /// UDP port for media; 0: any free one; off: none
    #[arg(long = "media-udp", env = "CONVO_MEDIA_UDP", global = true)]
    pub convo_media_udp: Option<String>,
    /// TCP port for media
    #[arg(long = "media-tcp", env = "CONVO_MEDIA_TCP", global = true)]
    pub convo_media_tcp: Option<String>,
    /// Media threads (default: one per core)
    #[arg(long = "media-workers", env = "CONVO_MEDIA_WORKERS", global = true)]
    pub convo_media_workers: Option<String>,
    /// Addresses under which the world finds this machine's media ports, by commas; stun:host[:port] asks that server
    #[arg(long = "media-external-ip", env = "CONVO_MEDIA_EXTERNAL_IP", global = true)]
    pub convo_media_external_ip: Option<String>,
    /// LiveKit clients may ask for failures, as their test suites do
    #[arg(long = "media-simulate", env = "CONVO_MEDIA_SIMULATE", global = true)]
    pub convo_media_simulate: Option<String>,
    /// Addresses that are told what happens in the media rooms, by commas
    #[arg(long, env = "CONVO_WEBHOOK_URLS", hide_env_values = true, global = true)]
    pub convo_webhook_urls: Option<String>,
    /// Port of the embedded STUN and TURN server
    #[arg(long = "turn", env = "CONVO_TURN", global = true)]
    pub convo_turn: Option<String>,
    /// An external TURN server with time-limited credentials (turn:host:port)
    #[arg(long, env = "TURN_URL", global = true)]
    pub turn_url: Option<String>,
    /// The secret shared with it
    #[arg(long, env = "TURN_SECRET", hide_env_values = true, global = true)]
    pub turn_secret: Option<String>,
    /// smtp://user:password@host:port?from=address (smtps: TLS from the start)
    #[arg(long, env = "SMTP_URL", hide_env_values = true, global = true)]
    pub smtp_url: Option<String>,
    /// https://user:password@gateway/path?from=number, taking Twilio's form
    #[arg(long, env = "SMS_URL", hide_env_values = true, global = true)]
    pub sms_url: Option<String>,
    /// Accounts wait for a proven address, also without a mail server
    #[arg(long, env = "REQUIRE_VERIFICATION", global = true)]
    pub require_verification: Option<String>,
    /// An OpenAI-compatible endpoint, with its /v1
    #[arg(long, env = "AI_BASE_URL", global = true)]
    pub ai_base_url: Option<String>,
    #[arg(long, env = "AI_API_KEY", hide_env_values = true, global = true)]
    pub ai_api_key: Option<String>,
    #[arg(long, env = "AI_MODEL", global = true)]
    pub ai_model: Option<String>,
    /// How long the endpoint may be silent; the whole answer may take five times as long
    #[arg(long, env = "AI_TIMEOUT_SECONDS", global = true)]
    pub ai_timeout_seconds: Option<String>,
    /// People without an account may make and join meetings by link
    #[arg(long = "guests", env = "CONVO_GUESTS", global = true)]
    pub convo_guests: Option<String>,
    /// convo.md's API without tokens, for old clients on a trusted network
    #[arg(long = "api-open", env = "CONVO_API_OPEN", global = true)]
    pub convo_api_open: Option<String>,
    /// Networks whose X-Forwarded-For is believed, by commas
    #[arg(long, env = "TRUSTED_PROXIES", global = true)]
    pub trusted_proxies: Option<String>,
    /// on, or off for load tests
    #[arg(long = "rate-limit", env = "CONVO_RATE_LIMIT", global = true)]
    pub convo_rate_limit: Option<String>,
    /// Certificate chain (PEM): with the key, the server speaks TLS
    #[arg(long = "tls-cert", env = "CONVO_TLS_CERT", global = true)]
    pub convo_tls_cert: Option<PathBuf>,
    #[arg(long = "tls-key", env = "CONVO_TLS_KEY", global = true)]
    pub convo_tls_key: Option<PathBuf>,
    /// text or json
    #[arg(long = "log-format", env = "CONVO_LOG_FORMAT", global = true)]
    pub convo_log_format: Option<String>,
    /// What to log: error, warn, info, debug, or a tracing filter
    #[arg(long = "log", env = "CONVO_LOG", global = true)]
    pub convo_log: Option<String>,
}

macro_rules! fill {
    ($over:expr, $under:expr, $($field:ident),*) => { Given { config: $over.config, $($field: $over.$field.or($under.$field)),* } };
}

impl Given {
    /// Fills what was not given from the file.
    fn with_file(self) -> Result<Self> {
        let (path, asked) = match &self.config {
            Some(path) => (path.clone(), true),
            None => (PathBuf::from("convo.toml"), false),
        };
        if !asked && !path.exists() {
            return Ok(self);
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // One line: where, and what; not the excerpt, which may hold a secret.
        let file: Given = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            anyhow::anyhow!("{}, line {line}: {}", path.display(), error.message().replace('\n', " "))
        })?;
        Ok(fill!(
            self,
            file,
            convo_listen,
            convo_data_dir,
            public_url,
            frontend_url,
            database_url,
            redis_url,
            jwt_secret,
            jwt_algo,
            livekit_url,
            livekit_api_key,
            livekit_api_secret,
            convo_media_udp,
            convo_media_tcp,
            convo_media_workers,
            convo_media_external_ip,
            convo_media_simulate,
            convo_webhook_urls,
            convo_turn,
            turn_url,
            turn_secret,
            smtp_url,
            sms_url,
            require_verification,
            ai_base_url,
            ai_api_key,
            ai_model,
            ai_timeout_seconds,
            convo_guests,
            convo_api_open,
            trusted_proxies,
            convo_rate_limit,
            convo_tls_cert,
            convo_tls_key,
            convo_log_format,
            convo_log
        ))
    }
}

/// A value that is not for logs or eyes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// A port to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Off,
    /// 0: any free one.
    On(u16),
}

/// An address under which the world finds the media ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum External {
    Ip(IpAddr),
    /// The one that this STUN server (`host:port`) sees.
    Stun(String),
}

impl fmt::Display for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            External::Ip(ip) => ip.fmt(f),
            External::Stun(server) => write!(f, "stun:{server}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JwtAlgorithm {
    Hs256,
    Hs384,
    Hs512,
}

/// What is in force.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub public_url: String,
    pub frontend_url: String,
    pub database_url: Option<Secret>,
    pub redis_url: Option<Secret>,
    pub jwt_secret: Option<Secret>,
    pub jwt_algo: JwtAlgorithm,
    pub livekit_url: Option<String>,
    pub livekit_api_key: Option<String>,
    pub livekit_api_secret: Option<Secret>,
    pub media_udp: Port,
    pub media_tcp: Port,
    /// `None`: as many as there are cores.
    pub media_workers: Option<usize>,
    pub media_external: Vec<External>,
    pub media_simulate: bool,
    pub webhook_urls: Vec<String>,
    pub turn: Port,
    pub turn_url: Option<String>,
    pub turn_secret: Option<Secret>,
    pub smtp_url: Option<Secret>,
    pub sms_url: Option<Secret>,
    pub require_verification: bool,
    pub ai_base_url: String,
    pub ai_api_key: Option<Secret>,
    pub ai_model: String,
    pub ai_timeout: Duration,
    pub guests: bool,
    pub api_open: bool,
    pub trusted_proxies: Vec<(IpAddr, u8)>,
    pub rate_limit: bool,
    pub tls: Option<(PathBuf, PathBuf)>,
    pub log_json: bool,
    pub log: String,
}

impl Config {
    pub(crate) fn resolve(given: Given) -> Result<Self> {
        let given = given.with_file()?;
        let listen = given.convo_listen.as_deref().unwrap_or(DEFAULT_LISTEN);
        let listen: SocketAddr =
            listen.parse().with_context(|| format!("CONVO_LISTEN must be address:port, not {listen:?}"))?;
        let tls = match (given.convo_tls_cert, given.convo_tls_key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => bail!("CONVO_TLS_CERT and CONVO_TLS_KEY go together"),
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let public_url = web_url("PUBLIC_URL", given.public_url)?.unwrap_or_else(|| own_url(scheme, listen));
        let jwt_secret = secret("JWT_SECRET", given.jwt_secret)?;
        Self {
            listen,
            data_dir: given.convo_data_dir.unwrap_or_else(|| "convo-data".into()),
            frontend_url: web_url("FRONTEND_URL", given.frontend_url)?.unwrap_or_else(|| public_url.clone()),
            public_url,
            database_url: database(given.database_url)?,
            redis_url: redis(given.redis_url)?,
            jwt_secret,
            jwt_algo: algorithm(given.jwt_algo.as_deref())?,
            livekit_url: scheme_url("LIVEKIT_URL", given.livekit_url, &["ws", "wss", "http", "https"])?,
            livekit_api_key: given.livekit_api_key.filter(|key| !key.is_empty()),
            livekit_api_secret: secret("LIVEKIT_API_SECRET", given.livekit_api_secret)?,
            media_udp: port("CONVO_MEDIA_UDP", given.convo_media_udp, 7882)?,
            media_tcp: port("CONVO_MEDIA_TCP", given.convo_media_tcp, 7881)?,
            media_workers: workers(given.convo_media_workers.as_deref())?,
            media_external: external(given.convo_media_external_ip.as_deref())?,
            media_simulate: flag("CONVO_MEDIA_SIMULATE", given.convo_media_simulate, false)?,
            webhook_urls: web_urls("CONVO_WEBHOOK_URLS", given.convo_webhook_urls.as_deref())?,
            turn: port("CONVO_TURN", given.convo_turn, 3478)?,
            turn_url: scheme_url("TURN_URL", given.turn_url, &["turn", "turns"])?,
            turn_secret: secret("TURN_SECRET", given.turn_secret)?,
            smtp_url: scheme_url("SMTP_URL", given.smtp_url, &["smtp", "smtps"])?.map(Secret),
            sms_url: scheme_url("SMS_URL", given.sms_url, &["http", "https"])?.map(Secret),
            require_verification: flag("REQUIRE_VERIFICATION", given.require_verification, false)?,
            ai_base_url: web_url("AI_BASE_URL", given.ai_base_url)?
                .unwrap_or_else(|| "http://127.0.0.1:11434/v1".into()),
            ai_api_key: secret("AI_API_KEY", given.ai_api_key)?,
            ai_model: given.ai_model.unwrap_or_else(|| "llama3.2".into()),
            ai_timeout: ai_timeout(given.ai_timeout_seconds.as_deref())?,
            guests: flag("CONVO_GUESTS", given.convo_guests, true)?,
            api_open: flag("CONVO_API_OPEN", given.convo_api_open, false)?,
            trusted_proxies: networks(given.trusted_proxies.as_deref().unwrap_or_default())?,
            rate_limit: flag("CONVO_RATE_LIMIT", given.convo_rate_limit, true)?,
            tls,
            log_json: match given.convo_log_format.as_deref() {
                None | Some("text") => false,
                Some("json") => true,
                Some(other) => bail!("CONVO_LOG_FORMAT must be text or json, not {other:?}"),
            },
            log: log(given.convo_log)?,
        }
        .checked()
    }

    fn checked(self) -> Result<Self> {
        ensure!(
            self.livekit_url.is_none() || (self.livekit_api_key.is_some() && self.livekit_api_secret.is_some()),
            "LIVEKIT_URL needs LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
        );
        ensure!(self.turn_url.is_some() == self.turn_secret.is_some(), "TURN_URL and TURN_SECRET go together");
        ensure!(
            self.redis_url.is_none() || self.database_url.is_some(),
            "REDIS_URL is for several nodes, which need a common DATABASE_URL"
        );
        Ok(self)
    }

    pub(crate) fn proxies(&self) -> Proxies {
        Proxies(self.trusted_proxies.clone())
    }

    /// What is in force, as the environment would spell it; secrets masked.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let stars = |value: &Option<Secret>| value.as_ref().map_or("", |_| STARS).to_owned();
        let masked = |value: &Option<Secret>| value.as_ref().map_or(String::new(), |secret| mask(&secret.0));
        let switch = |on: bool| if on { "on".to_owned() } else { "off".to_owned() };
        let port = |port: Port| match port {
            Port::Off => "off".to_owned(),
            Port::On(n) => n.to_string(),
        };
        let list = |all: &[External]| all.iter().map(External::to_string).collect::<Vec<_>>().join(",");
        let path = |path: Option<&PathBuf>| path.map_or(String::new(), |path| path.display().to_string());
        vec![
            ("CONVO_LISTEN", self.listen.to_string()),
            ("CONVO_DATA_DIR", self.data_dir.display().to_string()),
            ("PUBLIC_URL", self.public_url.clone()),
            ("FRONTEND_URL", self.frontend_url.clone()),
            ("DATABASE_URL", masked(&self.database_url)),
            ("REDIS_URL", masked(&self.redis_url)),
            ("JWT_SECRET", stars(&self.jwt_secret)),
            ("JWT_ALGO", format!("{:?}", self.jwt_algo).to_uppercase()),
            ("LIVEKIT_URL", self.livekit_url.as_deref().map_or(String::new(), mask)),
            ("LIVEKIT_API_KEY", text(&self.livekit_api_key)),
            ("LIVEKIT_API_SECRET", stars(&self.livekit_api_secret)),
            ("CONVO_MEDIA_UDP", port(self.media_udp)),
            ("CONVO_MEDIA_TCP", port(self.media_tcp)),
            ("CONVO_MEDIA_WORKERS", self.media_workers.map_or(String::new(), |n| n.to_string())),
            ("CONVO_MEDIA_EXTERNAL_IP", list(&self.media_external)),
            ("CONVO_MEDIA_SIMULATE", switch(self.media_simulate)),
            ("CONVO_WEBHOOK_URLS", self.webhook_urls.iter().map(|url| mask(url)).collect::<Vec<_>>().join(",")),
            ("CONVO_TURN", port(self.turn)),
            ("TURN_URL", text(&self.turn_url)),
            ("TURN_SECRET", stars(&self.turn_secret)),
            ("SMTP_URL", masked(&self.smtp_url)),
            ("SMS_URL", masked(&self.sms_url)),
            ("REQUIRE_VERIFICATION", switch(self.require_verification)),
            ("AI_BASE_URL", mask(&self.ai_base_url)),
            ("AI_API_KEY", stars(&self.ai_api_key)),
            ("AI_MODEL", self.ai_model.clone()),
            ("AI_TIMEOUT_SECONDS", self.ai_timeout.as_secs().to_string()),
            ("CONVO_GUESTS", switch(self.guests)),
            ("CONVO_API_OPEN", switch(self.api_open)),
            (
                "TRUSTED_PROXIES",
                self.trusted_proxies.iter().map(|(ip, bits)| format!("{ip}/{bits}")).collect::<Vec<_>>().join(","),
            ),
            ("CONVO_RATE_LIMIT", switch(self.rate_limit)),
            ("CONVO_TLS_CERT", path(self.tls.as_ref().map(|tls| &tls.0))),
            ("CONVO_TLS_KEY", path(self.tls.as_ref().map(|tls| &tls.1))),
            ("CONVO_LOG_FORMAT", if self.log_json { "json" } else { "text" }.into()),
            ("CONVO_LOG", self.log.clone()),
        ]
    }
}

const STARS: &str = "****";

/// Parameters of URLs that are no secret; any other may be one.
const SHOWN: [&str; 4] = ["from", "tls", "sslmode", "sslrootcert"];

/// A URL, with stars for what may be secret in it.
fn mask(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return STARS.into() };
    if url.cannot_be_a_base() {
        return STARS.into();
    }
    if url.password().is_none() && url.query().is_none() {
        return text.into();
    }
    if url.password().is_some() {
        let _ = url.set_password(Some(STARS));
    }
    let masked = url.query().map(|query| query.split('&').map(mask_parameter).collect::<Vec<_>>().join("&"));
    url.set_query(masked.as_deref());
    url.to_string()
}

/// One without a name may be a token.
fn mask_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if SHOWN.contains(&name) => parameter.into(),
        Some((name, _)) => format!("{name}={STARS}"),
        None => STARS.into(),
    }
}

/// A filter. It would take a bare word that is no level for a target's name, and silence all the others.
fn log(value: Option<String>) -> Result<String> {
    let Some(value) = value.filter(|value| !value.trim().is_empty()) else { return Ok("info".into()) };
    let bare = |part: &&str| part.chars().all(|c| c.is_alphanumeric() || c == '_');
    for word in value.split(',').map(str::trim).filter(|part| !part.is_empty()).filter(bare) {
        ensure!(
            word.parse::<LevelFilter>().is_ok(),
            "CONVO_LOG: {word:?} is no level: error, warn, info, debug, or a filter such as info,hyper=debug"
        );
    }
    EnvFilter::try_new(&value).with_context(|| format!("CONVO_LOG must be a level or a filter, not {value:?}"))?;
    Ok(value)
}

/// The server's own address as people reach it on this machine; the default one by its usual name.
fn own_url(scheme: &str, listen: SocketAddr) -> String {
    let host = match listen.ip() {
        ip if ip.is_unspecified() || listen.to_string() == DEFAULT_LISTEN => "localhost".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    format!("{scheme}://{host}:{}", listen.port())
}

fn web_url(name: &str, value: Option<String>) -> Result<Option<String>> {
    let url = scheme_url(name, value, &["http", "https"])?;
    Ok(url.map(|url| url.trim_end_matches('/').to_owned()))
}

fn web_urls(name: &str, value: Option<&str>) -> Result<Vec<String>> {
    let parts = value.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
    let urls = parts.map(|part| scheme_url(name, Some(part.to_owned()), &["http", "https"]));
    urls.filter_map(Result::transpose).collect()
}

fn scheme_url(name: &str, value: Option<String>, schemes: &[&str]) -> Result<Option<String>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    // The value may hold a password: errors name the setting alone.
    let url = Url::parse(&value).with_context(|| format!("{name} must be a URL"))?;
    ensure!(schemes.contains(&url.scheme()), "{name} must begin with {}://", schemes.join(":// or "));
    Ok(Some(value))
}

fn secret(name: &str, value: Option<String>) -> Result<Option<Secret>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    ensure!(name != "JWT_SECRET" || value.len() >= 8, "{name} must have at least 8 characters");
    Ok(Some(Secret(value)))
}

fn database(value: Option<String>) -> Result<Option<Secret>> {
    Ok(scheme_url("DATABASE_URL", value, &["postgres", "postgresql"])?.map(Secret))
}

fn redis(value: Option<String>) -> Result<Option<Secret>> {
    let url = scheme_url("REDIS_URL", value, &["redis", "rediss"])?;
    ensure!(url.is_none(), "REDIS_URL: this version runs on one node; leave it out");
    Ok(url.map(Secret))
}

fn workers(value: Option<&str>) -> Result<Option<usize>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let number = value.parse().ok().filter(|n| (1..=convo_media::MOST_WORKERS).contains(n));
    let number = number
        .with_context(|| format!("CONVO_MEDIA_WORKERS must be 1 to {}, not {value:?}", convo_media::MOST_WORKERS))?;
    Ok(Some(number))
}

fn ai_timeout(value: Option<&str>) -> Result<Duration> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(AI_TIMEOUT) };
    let seconds = value.parse().ok().filter(|n| (1..=AI_TIMEOUT_MOST).contains(n));
    let seconds =
        seconds.with_context(|| format!("AI_TIMEOUT_SECONDS must be 1 to {AI_TIMEOUT_MOST}, not {value:?}"))?;
    Ok(Duration::from_secs(seconds))
}

fn external(value: Option<&str>) -> Result<Vec<External>> {
    let parts = value.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.strip_prefix("stun:") {
            Some("") => bail!("CONVO_MEDIA_EXTERNAL_IP: stun: needs a server's name"),
            Some(server) if server.contains(':') => Ok(External::Stun(server.to_owned())),
            Some(server) => Ok(External::Stun(format!("{server}:{STUN_PORT}"))),
            None => part
                .parse()
                .map(External::Ip)
                .with_context(|| format!("CONVO_MEDIA_EXTERNAL_IP: {part:?} is neither an address nor stun:host:port")),
        })
        .collect()
}

fn algorithm(value: Option<&str>) -> Result<JwtAlgorithm> {
    match value.filter(|value| !value.is_empty()) {
        None | Some("HS256") => Ok(JwtAlgorithm::Hs256),
        Some("HS384") => Ok(JwtAlgorithm::Hs384),
        Some("HS512") => Ok(JwtAlgorithm::Hs512),
        Some(other) => bail!("JWT_ALGO must be HS256, HS384 or HS512, not {other:?}"),
    }
}

fn port(name: &str, value: Option<String>, default: u16) -> Result<Port> {
    match value.as_deref() {
        None | Some("") => Ok(Port::On(default)),
        Some("off") => Ok(Port::Off),
        Some(text) => {
            Ok(Port::On(text.parse().with_context(|| format!("{name} must be a port or off, not {text:?}"))?))
        }
    }
}

fn flag(name: &str, value: Option<String>, default: bool) -> Result<bool> {
    match value.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("") => Ok(default),
        Some("on" | "true" | "yes" | "1") => Ok(true),
        Some("off" | "false" | "no" | "0") => Ok(false),
        Some(other) => bail!("{name} must be on or off, not {other:?}"),
    }
}

fn networks(text: &str) -> Result<Vec<(IpAddr, u8)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (ip, bits) = part.split_once('/').map_or((part, None), |(ip, bits)| (ip, Some(bits)));
            let wrong = || format!("TRUSTED_PROXIES must be networks such as 10.0.0.0/8, not {part:?}");
            let ip: IpAddr = ip.parse().with_context(wrong)?;
            let most = if ip.is_ipv4() { 32 } else { 128 };
            let bits: u8 = bits.map_or(Ok(most), str::parse).with_context(wrong)?;
            ensure!(bits <= most, "{}", wrong());
            Ok((ip, bits))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(change: impl FnOnce(&mut Given)) -> Result<Config> {
        let mut given = Given::default();
        change(&mut given);
        Config::resolve(given)
    }

    #[test]
    fn defaults_run() {
        let config = given(|_| {}).unwrap();
        assert_eq!(config.public_url, "http://localhost:8000");
        assert_eq!(config.frontend_url, config.public_url);
        assert_eq!((config.media_udp, config.turn), (Port::On(7882), Port::On(3478)));
    }

    #[test]
    fn what_cannot_be_right_stops_the_start() {
        assert!(given(|g| g.jwt_algo = Some("RS256".into())).is_err());
        assert!(given(|g| g.convo_listen = Some("8000".into())).is_err());
        assert!(given(|g| g.convo_rate_limit = Some("maybe".into())).is_err());
        assert!(given(|g| g.trusted_proxies = Some("10.0.0.0/33".into())).is_err());
        assert!(given(|g| g.livekit_url = Some("ws://livekit:7880".into())).is_err());
        assert!(given(|g| g.convo_tls_cert = Some("cert.pem".into())).is_err());
        assert!(given(|g| g.database_url = Some("mysql://x".into())).is_err());
    }

    #[test]
    fn external_addresses_are_given_or_asked_for() {
        let external = |text: &str| given(|g| g.convo_media_external_ip = Some(text.into())).map(|c| c.media_external);
        let asked = |server: &str| External::Stun(server.into());
        assert_eq!(
            external("203.0.113.7, stun:stun.example, stun:stun.example:19302").unwrap(),
            [External::Ip([203, 0, 113, 7].into()), asked("stun.example:3478"), asked("stun.example:19302")]
        );
        assert!(external("stun:").is_err() && external("example.org").is_err());
    }

    #[test]
    fn secrets_are_masked() {
        let config = given(|g| {
            g.jwt_secret = Some("a-very-secret".into());
            g.database_url = Some("postgres://app:hunter2@db/app".into());
        });
        let text = format!("{:?}", config.as_ref().unwrap().lines());
        assert!(!text.contains("a-very-secret") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("postgres://app:****@db/app"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn of_a_url_only_what_is_no_secret_is_shown() {
        for (url, shown) in [
            ("https://u:pw@ai.example/v1", "https://u:****@ai.example/v1"),
            ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
            ("ws://livekit:7880", "ws://livekit:7880"),
            ("postgres://app@db/x?password=pw&sslmode=require", "postgres://app@db/x?password=****&sslmode=require"),
            ("https://a:pw@sms/M?from=%2B1555&api_key=pw", "https://a:****@sms/M?from=%2B1555&api_key=****"),
            ("https://hooks.example/a?pw", "https://hooks.example/a?****"),
            ("pw", "****"),
        ] {
            assert_eq!(mask(url), shown);
        }
        let config = given(|g| g.jwt_secret = Some("scheme://that-looks-like-a-url".into()));
        assert!(!format!("{:?}", config.unwrap().lines()).contains("looks-like"));
    }

    #[test]
    fn what_to_log_is_a_level_or_a_filter() {
        let log = |text: &str| given(|g| g.convo_log = Some(text.into())).map(|config| config.log);
        for right in
            ["debug", "WARN", "off", "info,hyper=debug", "info,convo_store::sqlite=trace", "warn,[request]=debug"]
        {
            assert_eq!(log(right).unwrap(), right);
        }
        assert_eq!(log("").unwrap(), "info");
        for wrong in ["warning", "inof", "hyper", "info,hyper", "info,hyper=loud"] {
            assert!(log(wrong).unwrap_err().to_string().contains("CONVO_LOG"), "{wrong}");
        }
    }
}
