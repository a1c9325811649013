//! How a client gets in: its token, its join request, and the WebSocket, dialled on a thread of its own because the
//! handshake blocks.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use clap::Args;
use jsonwebtoken::{EncodingKey, Header};
use livekit_protocol::wrapped_join_request::Compression;
use livekit_protocol::{
    ClientInfo, ConnectionSettings, JoinRequest, SessionDescription, WrappedJoinRequest, client_info,
};
use nix::sys::eventfd::EventFd;
use prost::Message;
use serde_json::json;
use tungstenite::WebSocket;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::Uri;

/// What the generator says it speaks: LiveKit 1.13's own. From 18 on data channels have fixed numbers.
const PROTOCOL: i32 = 17;

/// Seconds that a token is good for.
const TOKEN_LIFE: u64 = 3_600;

/// A server that speaks LiveKit's protocol.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// The server: ws://HOST:PORT
    #[arg(long, default_value = "ws://127.0.0.1:7880")]
    pub(crate) url: String,
    /// An API key of the server
    #[arg(long, env = "LIVEKIT_API_KEY", default_value = "devkey")]
    pub(crate) key: String,
    #[arg(long, env = "LIVEKIT_API_SECRET", default_value = "secret", hide_env_values = true)]
    pub(crate) secret: String,
    /// The server's process, to watch its CPU and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

impl Target {
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let uri: Uri = self.url.parse()?;
        let host = uri.host().context("the URL has no host")?;
        let port = uri.port_u16().unwrap_or(80);
        (host, port).to_socket_addrs()?.find(SocketAddr::is_ipv4).context("the host has no IPv4 address")
    }

    /// An access token for a room (livekit.io, "Tokens & grants").
    fn token(&self, room: &str, identity: &str) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "iss": self.key,
            "sub": identity,
            "nbf": now - 10,
            "exp": now + TOKEN_LIFE,
            "video": {"room": room, "roomJoin": true, "canPublish": true, "canSubscribe": true, "canPublishData": true},
        });
        Ok(jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(self.secret.as_bytes()))?)
    }

    fn dial(&self, address: SocketAddr, call: &Call) -> Result<WebSocket<TcpStream>> {
        let request = JoinRequest {
            client_info: Some(ClientInfo {
                sdk: client_info::Sdk::Rust.into(),
                protocol: PROTOCOL,
                ..ClientInfo::default()
            }),
            // Each track is subscribed to by name.
            connection_settings: Some(ConnectionSettings { auto_subscribe: false, ..ConnectionSettings::default() }),
            publisher_offer: Some(call.offer.clone()),
            ..JoinRequest::default()
        };
        let wrapped =
            WrappedJoinRequest { compression: Compression::None.into(), join_request: request.encode_to_vec() };
        let packed = BASE64_URL_SAFE.encode(wrapped.encode_to_vec());
        let url = format!("{}/rtc/v1?join_request={packed}", self.url.trim_end_matches('/'));
        let mut request = url.into_client_request()?;
        let bearer = format!("Bearer {}", self.token(&call.room, &call.identity)?);
        request.headers_mut().insert("Authorization", bearer.parse()?);
        let stream = TcpStream::connect(address).with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        let (socket, _) = tungstenite::client(request, stream).map_err(|error| anyhow!("no WebSocket: {error}"))?;
        socket.get_ref().set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Somebody who wants in.
pub(crate) struct Call {
    pub(crate) client: usize,
    pub(crate) room: String,
    pub(crate) identity: String,
    pub(crate) offer: SessionDescription,
}

/// An answered call: the client, and its WebSocket.
type Answered = (usize, Result<WebSocket<TcpStream>>);

/// Dials one client after the other.
pub(crate) struct Door {
    calls: Sender<Call>,
    answers: Receiver<Answered>,
    bell: Arc<EventFd>,
}

impl Door {
    pub(crate) fn open(target: &Target) -> Result<Self> {
        let (calls, waiting) = channel::<Call>();
        let (answer, answers) = channel();
        let bell = Arc::new(EventFd::new()?);
        let (target, address, ring) = (target.clone(), target.address()?, Arc::clone(&bell));
        thread::spawn(move || {
            for call in waiting {
                let answered = target.dial(address, &call);
                // Either fails only when the generator has ended.
                if answer.send((call.client, answered)).is_err() || ring.write(1).is_err() {
                    return;
                }
            }
        });
        Ok(Self { calls, answers, bell })
    }

    pub(crate) fn call(&self, call: Call) -> Result<()> {
        self.calls.send(call).map_err(|_| anyhow!("the dialling thread has ended"))
    }

    /// Those who got in since the bell rang.
    pub(crate) fn answered(&self) -> Result<impl Iterator<Item = Answered>> {
        self.bell.read()?;
        Ok(self.answers.try_iter())
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
