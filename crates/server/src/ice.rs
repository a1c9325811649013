//! STUN and TURN servers for clients, with credentials that end by themselves: an external server's, as coturn checks them
//! (`use-auth-secret`), or the embedded one's.

use crate::config::Config;
use convo_domain::{clock::Timestamp, ports::MEETING_SECONDS};
use convo_kit::app::{IceServer, IceServers};
use convo_media::turn::Secret;
use convo_sfu::LocalAddress;
use std::net::IpAddr;
use str0m::net::Protocol;
use url::{Host, Url};

/// Addresses of the embedded server that clients are told, at most: each costs them time.
const HOSTS: usize = 2;

#[derive(Default)]
pub(crate) struct Turn {
    stun: Vec<String>,
    turn: Vec<String>,
    secret: Option<Secret>,
}

impl Turn {
    /// The external server, if one is configured.
    pub(crate) fn external(config: &Config) -> Option<Self> {
        let (url, secret) = config.turn_url.as_ref().zip(config.turn_secret.as_ref())?;
        let stun = url.replacen("turns:", "stun:", 1).replacen("turn:", "stun:", 1);
        let stun = stun.split('?').next().unwrap_or_default().to_owned();
        Some(Self { stun: vec![stun], turn: vec![url.clone()], secret: Some(Secret::new(secret.0.clone())) })
    }

    /// The embedded server, at the public name of this one, or, where that is nobody else's to reach, at its addresses.
    pub(crate) fn embedded(addresses: &[LocalAddress], public_url: &str, secret: Secret) -> Self {
        let name = public_name(public_url);
        let mut hosts: Vec<String> = Vec::new();
        for address in addresses {
            let host = name.clone().unwrap_or_else(|| written(address.told.ip()));
            if !hosts.contains(&host) && hosts.len() < HOSTS {
                hosts.push(host);
            }
        }
        let port = |proto| addresses.iter().find(|address| address.proto == proto).map(|address| address.told.port());
        let (udp, tcp) = (port(Protocol::Udp), port(Protocol::Tcp));
        let with = |scheme: &str, port: Option<u16>, more: &str| -> Vec<String> {
            let port = port.into_iter();
            port.flat_map(|port| hosts.iter().map(move |host| format!("{scheme}:{host}:{port}{more}"))).collect()
        };
        let mut turn = with("turn", udp, "?transport=udp");
        turn.extend(with("turn", tcp, "?transport=tcp"));
        Self { stun: with("stun", udp, ""), turn, secret: Some(secret) }
    }
}

/// The public host, unless it is this machine's own name for itself.
fn public_name(url: &str) -> Option<String> {
    match Url::parse(url).ok()?.host()? {
        Host::Domain("localhost") => None,
        Host::Domain(name) => Some(name.to_owned()),
        Host::Ipv4(ip) => (!ip.is_loopback()).then(|| ip.to_string()),
        Host::Ipv6(ip) => (!ip.is_loopback()).then(|| written(ip.into())),
    }
}

fn written(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

impl IceServers for Turn {
    fn for_participant(&self, identity: &str, now: Timestamp) -> Vec<IceServer> {
        let Some(secret) = &self.secret else { return vec![] };
        let expires = now.seconds() as u64 + MEETING_SECONDS;
        let (username, credential) = secret.issue(identity, expires);
        let stun = self.stun.iter().map(|url| IceServer { urls: url.clone(), username: None, credential: None });
        let turn = self.turn.iter().map(|url| IceServer {
            urls: url.clone(),
            username: Some(username.clone()),
            credential: Some(credential.clone()),
        });
        stun.chain(turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(turn: &Turn) -> Vec<String> {
        turn.for_participant("ann_1", Timestamp::from_seconds(1_000)).into_iter().map(|server| server.urls).collect()
    }

    #[test]
    fn coturns_credentials() {
        let turn = Turn {
            stun: vec!["stun:turn.example:3478".into()],
            turn: vec!["turn:turn.example:3478?transport=udp".into()],
            secret: Some(Secret::new("north")),
        };
        let servers = turn.for_participant("ann_1", Timestamp::from_seconds(1_000));
        assert_eq!((&servers[0].urls[..], &servers[0].username), ("stun:turn.example:3478", &None));
        assert_eq!(servers[1].username.as_deref(), Some("87400:ann_1"));
        // printf 87400:ann_1 | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(servers[1].credential.as_deref(), Some("0GDY+ZgzrXZtOrfsj0x1pldUj+Y="));
    }

    #[test]
    fn the_embedded_server_by_name_or_by_address() {
        let at = |proto, ip: &str| {
            let told = format!("{ip}:3478").parse().unwrap();
            LocalAddress { proto, bound: told, told }
        };
        let addresses = [
            at(Protocol::Udp, "10.0.0.1"),
            at(Protocol::Udp, "[2001:db8::1]"),
            at(Protocol::Udp, "10.0.0.3"),
            at(Protocol::Tcp, "10.0.0.1"),
        ];
        let embedded = |url: &str| urls(&Turn::embedded(&addresses, url, Secret::new("s")));
        assert_eq!(
            embedded("https://meet.example"),
            ["stun:meet.example:3478", "turn:meet.example:3478?transport=udp", "turn:meet.example:3478?transport=tcp"]
        );
        let local = embedded("http://localhost:8000");
        assert_eq!(local[..2], ["stun:10.0.0.1:3478", "stun:[2001:db8::1]:3478"]);
        assert_eq!(local.len(), 6);
        assert!(urls(&Turn::embedded(&[], "https://meet.example", Secret::new("s"))).is_empty());
        assert!(urls(&Turn::default()).is_empty());
    }
}
