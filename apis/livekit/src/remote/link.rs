//! A participant of our own in a room on the other server: hidden, without media, here to see who comes and to carry chat.
//! LiveKit's signalling with one peer connection (`/rtc/v1`), which has data channels alone.

use super::service::Service;
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{self as proto, signal_request::Message as Say, signal_response::Message as Said};
use prost::Message as _;
use reqwest::{Upgraded, Url};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc,
    change::{SdpAnswer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    net::{Protocol, Receive},
};
use tokio::{
    net::UdpSocket,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message, tungstenite::protocol::Role};

/// What the server hears of us as a client. From 18 on, data channels are numbered beforehand.
const PROTOCOL: i32 = 17;
/// How long the server may take to let us in.
const WELCOME: Duration = Duration::from_secs(10);
/// The server takes who is silent for 15 seconds for gone.
const PING: Duration = Duration::from_secs(5);
/// And answers each ping: one that is silent for as long is gone for us.
const SILENCE: Duration = Duration::from_secs(15);
/// No UDP datagram is larger.
const DATAGRAM: usize = 65_535;
/// Packets that wait for the data channel; more are lost.
const WAITING: usize = 4_096;

/// Why the link is over.
#[derive(Debug)]
pub(super) enum Over {
    /// The room is no more, or the server wants us no more.
    Dismissed(proto::DisconnectReason),
    Broken(String),
}

/// What happens in the room.
#[derive(Debug)]
pub(super) enum News {
    /// What is written in the room comes here from now on.
    Open,
    /// Who came, changed or went.
    People(Vec<proto::ParticipantInfo>),
    Packet(Box<proto::DataPacket>),
}

pub(super) struct Link {
    socket: WebSocketStream<Upgraded>,
    peer: Peer,
    ping: Interval,
    /// When the server last said something.
    heard: Instant,
    /// Told already, not yet taken.
    news: VecDeque<News>,
}

impl Link {
    /// Comes into the room, which is made if it is not there. Also: who is there.
    pub(super) async fn open(
        service: &Service,
        me: &str,
        room: &str,
    ) -> Result<(Self, Vec<proto::ParticipantInfo>), Over> {
        let peer = Peer::open(service.base()).await.map_err(Over::Broken)?;
        let join = proto::JoinRequest {
            client_info: Some(proto::ClientInfo { protocol: PROTOCOL, ..Default::default() }),
            connection_settings: Some(proto::ConnectionSettings::default()),
            publisher_offer: Some(peer.offer()),
            ..Default::default()
        };
        let upgraded = service.signalling(claims(me, room), &join).await.map_err(Over::Broken)?;
        let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
        let people = timeout(WELCOME, welcome(&mut socket)).await;
        let people = people.map_err(|_| Over::Broken("the server did not let us in".into()))??;
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok((Self { socket, peer, ping, heard: Instant::now(), news: VecDeque::new() }, people))
    }

    /// What happens next. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<News, Over> {
        loop {
            if let Some(news) = self.news.pop_front() {
                return Ok(news);
            }
            self.peer.drain(&mut self.news).await?;
            if !self.news.is_empty() {
                continue;
            }
            let due = self.peer.due.into();
            tokio::select! {
                frame = self.socket.next() => self.hear(frame)?,
                came = self.peer.udp.recv_from(&mut self.peer.buffer) => self.peer.receive(came)?,
                () = tokio::time::sleep_until(due) => self.peer.pass()?,
                _ = self.ping.tick() => self.ping().await?,
            }
        }
    }

    /// On the reliable channel, as soon as there is one.
    pub(super) fn send(&mut self, packet: &proto::DataPacket) {
        self.peer.send(packet.encode_to_vec());
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        let leave =
            proto::LeaveRequest { reason: proto::DisconnectReason::ClientInitiated.into(), ..Default::default() };
        if self.say(Say::Leave(leave)).await.is_ok() {
            let _ = timeout(PING, self.socket.close(None)).await;
        }
    }

    async fn ping(&mut self) -> Result<(), Over> {
        if self.heard.elapsed() > SILENCE {
            return Err(Over::Broken("the server is silent".into()));
        }
        self.say(Say::PingReq(proto::Ping::default())).await
    }

    async fn say(&mut self, message: Say) -> Result<(), Over> {
        let request = proto::SignalRequest { message: Some(message) };
        match timeout(PING, self.socket.send(Message::Binary(request.encode_to_vec().into()))).await {
            Ok(sent) => sent.map_err(broken),
            Err(_) => Err(Over::Broken("the server does not read".into())),
        }
    }

    fn hear(&mut self, frame: Frame) -> Result<(), Over> {
        self.heard = Instant::now();
        match said(frame)? {
            Some(Said::Update(update)) => self.news.push_back(News::People(update.participants)),
            Some(Said::Answer(answer)) => self.peer.answered(&answer.sdp).map_err(Over::Broken)?,
            Some(Said::Trickle(trickle)) => self.peer.candidate(&trickle.candidate_init),
            Some(Said::Leave(leave)) => return Err(dismissed(&leave)),
            _ => {}
        }
        Ok(())
    }
}

type Frame = Option<Result<Message, tokio_tungstenite::tungstenite::Error>>;

fn said(frame: Frame) -> Result<Option<Said>, Over> {
    match frame {
        Some(Ok(Message::Binary(bytes))) => match proto::SignalResponse::decode(bytes) {
            Ok(response) => Ok(response.message),
            Err(error) => Err(Over::Broken(error.to_string())),
        },
        Some(Ok(Message::Close(_))) | None => Err(Over::Broken("the connection was closed".into())),
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(Over::Broken(error.to_string())),
    }
}

/// The first message, with who is there.
async fn welcome(socket: &mut WebSocketStream<Upgraded>) -> Result<Vec<proto::ParticipantInfo>, Over> {
    loop {
        match said(socket.next().await)? {
            Some(Said::Join(join)) => return Ok(join.other_participants),
            Some(Said::Leave(leave)) => return Err(dismissed(&leave)),
            _ => {}
        }
    }
}

/// A server that goes down asks us to come again; all else is an end.
fn dismissed(leave: &proto::LeaveRequest) -> Over {
    match leave.action() {
        proto::leave_request::Action::Disconnect => Over::Dismissed(leave.reason()),
        _ => Over::Broken("the server asks to come again".into()),
    }
}

/// Nobody sees us; as an agent we may carry other people's words, and do not keep the room open.
fn claims(me: &str, room: &str) -> Value {
    json!({
        "sub": me,
        "kind": "agent",
        "video": {
            "room": room, "roomJoin": true, "hidden": true, "agent": true,
            "canPublish": false, "canPublishData": true, "canSubscribe": true,
        },
    })
}

/// The peer connection, with the socket under it.
struct Peer {
    rtc: Rtc,
    udp: UdpSocket,
    local: SocketAddr,
    offered: Option<(String, SdpPendingOffer)>,
    reliable: ChannelId,
    /// For the reliable channel.
    waiting: VecDeque<Vec<u8>>,
    due: Instant,
    buffer: Vec<u8>,
}

impl Peer {
    async fn open(base: &str) -> Result<Self, String> {
        let ip = way_out(base).await?;
        let udp = UdpSocket::bind((ip, 0)).await.map_err(|error| error.to_string())?;
        let local = udp.local_addr().map_err(|error| error.to_string())?;
        let now = Instant::now();
        let mut rtc = Rtc::builder().clear_codecs().build(now);
        let host = Candidate::host(local, Protocol::Udp).map_err(|error| error.to_string())?;
        rtc.add_local_candidate(host);
        let mut sdp = rtc.sdp_api();
        let reliable = sdp.add_channel_with_config(ChannelConfig { label: "_reliable".into(), ..Default::default() });
        // LiveKit's clients have both; on this one nothing of ours is sent.
        sdp.add_channel_with_config(ChannelConfig {
            label: "_lossy".into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..Default::default()
        });
        let offered = sdp.apply().map(|(offer, pending)| (offer.to_sdp_string(), pending));
        let waiting = VecDeque::new();
        Ok(Self { rtc, udp, local, offered, reliable, waiting, due: now, buffer: vec![0; DATAGRAM] })
    }

    fn offer(&self) -> proto::SessionDescription {
        let sdp = self.offered.as_ref().map(|(sdp, _)| sdp.clone()).unwrap_or_default();
        proto::SessionDescription { r#type: "offer".into(), sdp, id: 1, ..Default::default() }
    }

    fn answered(&mut self, sdp: &str) -> Result<(), String> {
        let Some((_, pending)) = self.offered.take() else { return Ok(()) };
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|error| error.to_string())?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(|error| error.to_string())
    }

    /// `init`: JSON, as browsers have it.
    fn candidate(&mut self, init: &str) {
        let init: Value = serde_json::from_str(init).unwrap_or_default();
        // What is not for us (a name, another protocol) is left out.
        if let Some(Ok(candidate)) = init["candidate"].as_str().map(Candidate::from_sdp_string) {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    fn receive(&mut self, came: std::io::Result<(usize, SocketAddr)>) -> Result<(), Over> {
        // An error is about a datagram that was sent before: nobody was there.
        let Ok((length, source)) = came else { return Ok(()) };
        match Receive::new(Protocol::Udp, source, self.local, &self.buffer[..length]) {
            Ok(receive) => self.rtc.handle_input(Input::Receive(Instant::now(), receive)).map_err(broken),
            // Not for a peer connection.
            Err(_) => Ok(()),
        }
    }

    fn pass(&mut self) -> Result<(), Over> {
        self.rtc.handle_input(Input::Timeout(Instant::now())).map_err(broken)
    }

    fn send(&mut self, packet: Vec<u8>) {
        match self.waiting.len() < WAITING {
            true => self.waiting.push_back(packet),
            false => tracing::warn!("the LiveKit server takes chat too slowly: some is lost"),
        }
    }

    /// Sends what there is to send, and takes what came.
    async fn drain(&mut self, news: &mut VecDeque<News>) -> Result<(), Over> {
        self.write();
        loop {
            match self.rtc.poll_output().map_err(broken)? {
                Output::Timeout(due) => {
                    self.due = due;
                    return Ok(());
                }
                // What cannot be sent is lost, as datagrams are.
                Output::Transmit(out) => drop(self.udp.send_to(&out.contents, out.destination).await),
                Output::Event(Event::ChannelOpen(id, _)) if id == self.reliable => {
                    self.write();
                    news.push_back(News::Open);
                }
                Output::Event(Event::ChannelData(data)) => {
                    news.extend(
                        proto::DataPacket::decode(&data.data[..]).ok().map(|packet| News::Packet(packet.into())),
                    );
                }
                Output::Event(Event::IceConnectionStateChange(IceConnectionState::Disconnected)) => {
                    return Err(Over::Broken("the peer connection is gone".into()));
                }
                Output::Event(_) => {}
            }
        }
    }

    /// As much as the channel takes.
    fn write(&mut self) {
        let Some(mut channel) = self.rtc.channel(self.reliable) else { return };
        while let Some(packet) = self.waiting.front() {
            if !channel.write(true, packet).unwrap_or(false) {
                return;
            }
            self.waiting.pop_front();
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Over {
    Over::Broken(error.to_string())
}

/// The address of ours from which the server is reached.
async fn way_out(base: &str) -> Result<IpAddr, String> {
    let url = Url::parse(base).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| error.to_string())?;
    // IPv4 where there is both: servers that know one family know this one.
    let server = found.min_by_key(SocketAddr::is_ipv6).ok_or("its name has no address")?;
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let udp = UdpSocket::bind((any, 0)).await.map_err(|error| error.to_string())?;
    udp.connect(server).await.map_err(|error| error.to_string())?;
    udp.local_addr().map(|local| local.ip()).map_err(|error| error.to_string())
}
