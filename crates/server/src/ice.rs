//! STUN and TURN servers for clients: an external TURN server's time-limited credentials, as coturn checks them (the
//! `use-auth-secret` mechanism: user name `expiry:name`, password HMAC-SHA1 of it).

use crate::config::Config;
use base64::{Engine, engine::general_purpose::STANDARD};
use convo_domain::{clock::Timestamp, ports::MEETING_SECONDS};
use convo_kit::app::{IceServer, IceServers};
use hmac::{Hmac, Mac};
use sha1::Sha1;

pub(crate) struct Turn {
    server: Option<(String, String)>,
}

impl Turn {
    pub(crate) fn new(config: &Config) -> Self {
        let secret = config.turn_secret.as_ref().map(|secret| secret.0.clone());
        Self { server: config.turn_url.clone().zip(secret) }
    }
}

impl IceServers for Turn {
    fn for_participant(&self, identity: &str, now: Timestamp) -> Vec<IceServer> {
        let Some((url, secret)) = &self.server else { return vec![] };
        let username = format!("{}:{identity}", now.seconds() + MEETING_SECONDS as i64);
        // An HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return vec![] };
        mac.update(username.as_bytes());
        let credential = STANDARD.encode(mac.finalize().into_bytes());
        let stun = url.replacen("turns:", "stun:", 1).replacen("turn:", "stun:", 1);
        let stun = stun.split('?').next().unwrap_or_default().to_owned();
        vec![
            IceServer { urls: stun, username: None, credential: None },
            IceServer { urls: url.clone(), username: Some(username), credential: Some(credential) },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coturns_credentials() {
        let turn = Turn { server: Some(("turn:turn.example:3478?transport=udp".into(), "north".into())) };
        let servers = turn.for_participant("ann_1", Timestamp::from_seconds(1_000));
        assert_eq!(servers[0].urls, "stun:turn.example:3478");
        assert_eq!(servers[1].username.as_deref(), Some("87400:ann_1"));
        // printf 87400:ann_1 | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(servers[1].credential.as_deref(), Some("0GDY+ZgzrXZtOrfsj0x1pldUj+Y="));
    }
}
