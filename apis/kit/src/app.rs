//! What handlers share.

use crate::{limit::Limits, voice::Voiced};
use convo_domain::{Domain, clock::Timestamp};
use std::{net::IpAddr, sync::Arc};
use utoipa_axum::router::OpenApiRouter;

/// The state of every handler.
pub type Shared = Arc<App>;

pub struct App {
    pub domain: Arc<Domain>,
    pub limits: Limits,
    pub proxies: Proxies,
    /// Where clients find this server, without a trailing slash: `https://meet.example`.
    pub public_url: String,
    /// Where the web app is: the base of links for people.
    pub frontend_url: String,
    /// Where LiveKit clients connect: `wss://…`.
    pub livekit_url: String,
    /// `convo.md` without tokens, for old clients on a trusted network.
    pub open_convo: bool,
    pub ice: Box<dyn IceServers>,
}

impl App {
    /// The public URL with the WebSocket scheme.
    pub fn websocket_url(&self) -> String {
        match self.public_url.strip_prefix("http") {
            Some(rest) => format!("ws{rest}"),
            None => self.public_url.clone(),
        }
    }
}

/// STUN and TURN servers for a participant, with credentials of limited life.
pub trait IceServers: Send + Sync {
    fn for_participant(&self, identity: &str, now: Timestamp) -> Vec<IceServer>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    pub urls: String,
    pub username: Option<String>,
    pub credential: Option<String>,
}

/// Networks whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies(pub Vec<(IpAddr, u8)>);

impl Proxies {
    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, bits)| match (address, network) {
            (IpAddr::V4(a), IpAddr::V4(n)) => {
                prefix(u128::from(a.to_bits()) << 96, u128::from(n.to_bits()) << 96, *bits)
            }
            (IpAddr::V6(a), IpAddr::V6(n)) => prefix(a.to_bits(), n.to_bits(), *bits),
            _ => false,
        })
    }
}

fn prefix(a: u128, b: u128, bits: u8) -> bool {
    bits == 0 || (a ^ b) >> (128 - u32::from(bits.min(128))) == 0
}

/// One public document, end to end, as the server mounts it.
pub struct Api {
    pub name: &'static str,
    /// Paths that are this API's to refuse: an unknown path under one is answered in its voice.
    pub prefixes: &'static [&'static str],
    pub routes: OpenApiRouter<Shared>,
    pub voice: Voiced,
}

/// Each API's own place for its wording of an event (see `convo_domain::event::Told::worded`).
pub mod slot {
    pub const PLATFORM: usize = 0;
    pub const CONVO: usize = 1;
    pub const CONVERSATIONS: usize = 2;
    pub const CHATROOMS: usize = 3;
    pub const CHATROOMS_OFFSET: usize = 4;
    pub const LIVEKIT: usize = 5;
    /// Socket.IO packets name their namespace, so the second namespace has wordings of its own.
    pub const CHATROOMS_NAMED: usize = 6;
    pub const CHATROOMS_NAMED_OFFSET: usize = 7;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_trusted_by_network() {
        let proxies = Proxies(vec![("10.0.0.0".parse().unwrap(), 8), ("::1".parse().unwrap(), 128)]);
        for (address, trusted) in
            [("10.1.2.3", true), ("11.0.0.1", false), ("::1", true), ("::2", false), ("::ffff:10.9.9.9", true)]
        {
            assert_eq!(proxies.trust(address.parse().unwrap()), trusted, "{address}");
        }
    }
}
