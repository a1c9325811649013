//! What a machine is set up with; the defaults are LiveKit's where clients can notice them.

use livekit_protocol as proto;
use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};
use str0m::net::{Protocol, TcpType};

const CODECS: [&str; 8] =
    ["video/VP8", "video/H264", "video/VP9", "video/AV1", "video/H265", "video/rtx", "audio/opus", "audio/red"];

#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients reach this worker; they become its ICE host candidates.
    pub addresses: Vec<LocalAddress>,
    /// ICE user fragments given to clients begin with this (one to three `ice-char`s of RFC 8839, section 5.4): by it the
    /// listener for ICE-TCP, which all workers share, finds the worker that a new connection is for.
    pub ufrag_prefix: String,
    /// One moment on both clocks: the machine is told the monotonic time, and reckons what is said in wall time.
    pub epoch: (Instant, SystemTime),
    /// As clients see it in `server_info`; its `protocol` is set by this crate.
    pub server: proto::ServerInfo,
    /// Codecs that may be published (`enabled_publish_codecs`): those of pictures first, the one that every client has before
    /// all. Clients take the first for what they have no better word for, and some read no further than to one of sound.
    pub codecs: Vec<proto::Codec>,
    /// Seconds after which a room that nobody ever joined is gone.
    pub empty_timeout: u32,
    /// Seconds after which a room that everybody left is gone.
    pub departure_timeout: u32,
    /// How long a participant whose signalling connection broke may take to resume.
    pub resume_timeout: Duration,
    /// A server-side command may unmute a participant's track (LiveKit's `enable_remote_unmute`).
    pub remote_unmute: bool,
    /// The first guess of what a subscriber's link takes, in bits per second.
    pub initial_downlink: u64,
    /// Lines of a description beyond which a client is asked for no more, or offered no more; tracks that find none wait until
    /// one is free.
    pub lines: usize,
    /// Clients may ask for failures (`SimulateScenario`), as the SDKs' own suites do.
    pub simulate: bool,
}

/// One address of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress {
    pub proto: Protocol,
    /// The address that the socket is bound to: what [`crate::Transmit`]'s `source` says.
    pub bound: SocketAddr,
    /// The address that clients are told; differs behind a NAT.
    pub told: SocketAddr,
}

impl LocalAddress {
    /// RFC 6544: servers offer passive TCP candidates.
    pub fn tcp_type(&self) -> Option<TcpType> {
        (self.proto == Protocol::Tcp).then_some(TcpType::Passive)
    }
}

impl Default for Config {
    fn default() -> Self {
        let codec = |mime: &str| proto::Codec { mime: mime.into(), fmtp_line: String::new() };
        Self {
            addresses: vec![],
            ufrag_prefix: String::new(),
            epoch: (Instant::now(), SystemTime::now()),
            server: proto::ServerInfo::default(),
            codecs: CODECS.map(codec).into(),
            empty_timeout: 300,
            departure_timeout: 20,
            resume_timeout: Duration::from_secs(60),
            remote_unmute: false,
            initial_downlink: 2_000_000,
            lines: 500,
            simulate: false,
        }
    }
}
