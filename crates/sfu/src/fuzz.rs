//! What fuzzers do to the machine: anything a client can send, in any order. It may refuse; it must not fall over, and
//! must not say what would end a client (see `check`, on in debug builds). What people do in a meeting is played in `tests/common/play.rs`.

pub use crate::chance::seed;

use crate::{Ask, AskId, Config, ConnectionId, Datagram, Input, Join, LocalAddress, Mode, Output, Sfu, peer::Lane};
use livekit_protocol as proto;
use prost::Message;
use proto::{data_packet::Value, signal_request::Message as Request, signal_response::Message as Response};
use std::{
    net::SocketAddr,
    sync::OnceLock,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Rtc,
    media::{Direction, MediaKind},
    net::Protocol,
};

/// Virtual time between two things that come.
const STEP: Duration = Duration::from_millis(50);
const SEED: u64 = 7;

/// Datagrams to somebody who has joined: chunks of `[what, length high, length low, bytes…]`. They are the attributes of a STUN
/// request, which is then signed as a client signs it, or anything at all; from an address that such a request made known, or another.
pub fn datagrams(mut data: &[u8]) {
    let (mut sfu, mut now) = machine();
    let mut join = Box::new(joining(1, Mode::Single));
    join.request.publisher_offer = Some(offer());
    sfu.handle(now, Input::Connect { connection: ConnectionId(1), join });
    let credentials = drain(&mut sfu, now).iter().find_map(credentials);
    let (name, password) = credentials.expect("who offers is answered");
    while let [what, high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (bytes, tail) = rest.split_at(length);
        data = tail;
        now += STEP;
        let contents = if what & 1 > 0 { stun_request(&name, &password, bytes) } else { bytes.to_vec() };
        let source = SocketAddr::from(([192, 0, 2, 1], 5000 + u16::from(what >> 1 & 3)));
        let (proto, destination) = (Protocol::Udp, address());
        sfu.handle(now, Input::Datagram(Datagram { proto, source, destination, arrived: now, contents: &contents }));
        drain(&mut sfu, now);
    }
}

/// What comes on data channels: chunks of `[what, length high, length low, bytes…]`. The first of three keeps chat, the second is an agent and
/// has data tracks, the third is hidden; the server has called each of them.
pub fn data(mut data: &[u8]) {
    let (mut sfu, mut now) = machine();
    for connection in 1..=3 {
        let mut join = Box::new(joining(connection, Mode::Single));
        join.permission.hidden = connection == 3;
        if connection == 2 {
            join.kind = proto::participant_info::Kind::Agent;
        }
        let settings = join.request.connection_settings.get_or_insert_default();
        settings.auto_subscribe_data_track = Some(true);
        sfu.handle(now, Input::Connect { connection: ConnectionId(connection), join });
        let identity = format!("person{connection}");
        let call = proto::PerformRpcRequest {
            room: "room".into(),
            destination_identity: identity,
            response_timeout_ms: 5_000,
            ..Default::default()
        };
        sfu.handle(now, Input::Ask { id: AskId(connection), ask: Box::new(Ask::PerformRpc(call)) });
    }
    for pub_handle in 1..=2 {
        let name = format!("track{pub_handle}");
        let publish = proto::PublishDataTrackRequest { pub_handle, name, ..Default::default() };
        let message = Some(Request::PublishDataTrackRequest(publish));
        let request = Box::new(proto::SignalRequest { message });
        sfu.handle(now, Input::Signal { connection: ConnectionId(2), request });
    }
    drain(&mut sfu, now);
    while let [what, high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (bytes, tail) = rest.split_at(length);
        data = tail;
        now += STEP;
        let from = ConnectionId(u64::from(what & 3).clamp(1, 3));
        let lane = Lane::ALL[usize::from(what >> 2) % Lane::ALL.len()];
        let bytes = if what & 0x80 > 0 { answer(&sfu, bytes) } else { bytes.to_vec() };
        sfu.with(now, from, |room, key, cx| room.on_data(key, lane, bytes, cx));
        drain(&mut sfu, now);
    }
}

/// The packet, if it answers a call, names one that waits: ids can't be guessed.
fn answer(sfu: &Sfu, bytes: &[u8]) -> Vec<u8> {
    let id = || sfu.rooms.values().find_map(|room| room.waiting_call()).unwrap_or_default().to_owned();
    let Ok(mut packet) = proto::DataPacket::decode(bytes) else { return bytes.to_vec() };
    match &mut packet.value {
        Some(Value::RpcResponse(response)) => response.request_id = id(),
        Some(Value::RpcAck(ack)) => ack.request_id = id(),
        _ => {}
    }
    packet.encode_to_vec()
}

/// Packets and compounds of somebody whose keys are known: chunks of `[what, length, bytes…]`.
pub fn media(data: &[u8]) {
    crate::uplink::fuzz::media(data);
}

fn machine() -> (Sfu, Instant) {
    seed(SEED);
    let bound = address();
    let config = Config {
        addresses: vec![LocalAddress { proto: Protocol::Udp, bound, told: bound }],
        server: proto::ServerInfo { version: "1.0.0".into(), ..Default::default() },
        simulate: true,
        ..Config::default()
    };
    let now = config.epoch.0;
    (Sfu::new(config), now)
}

fn address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 7882))
}

/// What clients are told; all else goes nowhere.
fn drain(sfu: &mut Sfu, now: Instant) -> Vec<Response> {
    let mut told = vec![];
    loop {
        match sfu.poll(now) {
            Output::Timeout(_) => return told,
            Output::Relay(relay) => sfu.handle(now, Input::Relay(relay)),
            Output::Signal { response, .. } => told.extend(response.message),
            _ => {}
        }
    }
}

/// A client's first offer, the same for all.
fn offer() -> proto::SessionDescription {
    static OFFER: OnceLock<String> = OnceLock::new();
    let make = || {
        let mut rtc = Rtc::builder().build(Instant::now());
        if let Ok(candidate) = Candidate::host(([192, 0, 2, 1], 5000).into(), Protocol::Udp) {
            rtc.add_local_candidate(candidate);
        }
        let mut sdp = rtc.sdp_api();
        sdp.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        sdp.add_channel("_reliable".into());
        sdp.apply().map_or(String::new(), |(offer, _)| offer.to_sdp_string())
    };
    let sdp = OFFER.get_or_init(make).clone();
    proto::SessionDescription { r#type: "offer".into(), sdp, id: 1, ..Default::default() }
}

/// What a STUN request to us names (RFC 8445, 7.2.2), and the password of the answer that it is signed with.
fn credentials(response: &Response) -> Option<(String, String)> {
    fn value<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
        sdp.lines().find_map(|line| line.strip_prefix(name))
    }
    let Response::Answer(answer) = response else { return None };
    let [ours, theirs] = [&answer.sdp, &offer().sdp].map(|sdp| value(sdp, "a=ice-ufrag:").map(str::to_owned));
    Some((format!("{}:{}", ours?, theirs?), value(&answer.sdp, "a=ice-pwd:")?.to_owned()))
}

/// A binding request (RFC 8489) with these attributes and its integrity.
fn stun_request(name: &str, password: &str, attributes: &[u8]) -> Vec<u8> {
    const INTEGRITY: [u8; 4] = [0, 8, 0, 20];
    let mut body = [&[0, 6, 0, name.len() as u8], name.as_bytes()].concat();
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend_from_slice(&attributes[..attributes.len().min(1_000)]);
    body.resize(body.len().next_multiple_of(4), 0);
    let length = (body.len() + INTEGRITY.len() + 20) as u16;
    let mut request = [&[0, 1][..], &length.to_be_bytes(), &[0x21, 0x12, 0xa4, 0x42], &[9; 12], &body].concat();
    let hmac = str0m::crypto::from_feature_flags().sha1_hmac_provider;
    let tag = hmac.sha1_hmac(password.as_bytes(), &[&request]);
    request.extend_from_slice(&INTEGRITY);
    request.extend_from_slice(&tag);
    request
}

fn joining(connection: u64, mode: Mode) -> Join {
    Join {
        room: "room".into(),
        room_config: Default::default(),
        identity: format!("person{connection}"),
        name: String::new(),
        metadata: String::new(),
        attributes: Default::default(),
        kind: proto::participant_info::Kind::Standard,
        permission: proto::ParticipantPermission {
            can_publish: true,
            can_subscribe: true,
            can_publish_data: true,
            can_update_metadata: true,
            ..Default::default()
        },
        mode,
        request: proto::JoinRequest {
            connection_settings: Some(proto::ConnectionSettings { auto_subscribe: true, ..Default::default() }),
            ..Default::default()
        },
        ice_servers: vec![],
        keeps_chat: connection == 1,
        create_room: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    /// A chunk of any target but `media`.
    fn chunk(what: u8, bytes: &[u8]) -> Vec<u8> {
        [&[what], &(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
    }

    #[test]
    fn noise() {
        let mut random = StdRng::seed_from_u64(8);
        for _ in 0..300 {
            let bytes: Vec<u8> = (0..random.random_range(0..400)).map(|_| random.random()).collect();
            datagrams(&bytes);
            data(&bytes);
            crate::forward::fuzz(&bytes);
        }
    }

    /// Else the fuzzer would look at the doorstep for ever.
    #[test]
    fn a_signed_request_is_answered() {
        let (mut sfu, now) = machine();
        let mut join = Box::new(joining(1, Mode::Single));
        join.request.publisher_offer = Some(offer());
        sfu.handle(now, Input::Connect { connection: ConnectionId(1), join });
        let (name, password) = drain(&mut sfu, now).iter().find_map(credentials).expect("an answer");
        for (password, answered) in [("guessed", false), (password.as_str(), true)] {
            // PRIORITY, ICE-CONTROLLING, USE-CANDIDATE.
            let attributes =
                [&[0, 0x24, 0, 4, 1, 2, 3, 4][..], &[0x80, 0x2a, 0, 8], &[7; 8], &[0, 0x25, 0, 0]].concat();
            let contents = &stun_request(&name, password, &attributes)[..];
            let (proto, source, destination) = (Protocol::Udp, ([192, 0, 2, 1], 5000).into(), address());
            sfu.handle(now, Input::Datagram(Datagram { proto, source, destination, arrived: now, contents }));
            let mut said = vec![];
            loop {
                match sfu.poll(now) {
                    Output::Timeout(_) => break,
                    Output::Transmit(transmit) => said.push(transmit.contents),
                    _ => {}
                }
            }
            assert_eq!(said.iter().any(|datagram| crate::stun::is_success(datagram)), answered);
        }
    }

    /// Packets that mean something, from anybody, on any lane.
    #[test]
    fn packets_in_any_order() {
        use proto::data_stream::{Chunk, Header, TextHeader, Trailer, header::ContentHeader};
        let stream_id = || "stream".to_owned();
        let content_header = Some(ContentHeader::TextHeader(TextHeader::default()));
        let (topic, nonce) = (crate::CHAT_TOPIC.to_owned(), vec![1; 16]);
        let values = [
            Value::User(proto::UserPacket { payload: vec![1], nonce, ..Default::default() }),
            Value::ChatMessage(proto::ChatMessage::default()),
            Value::StreamHeader(Header { stream_id: stream_id(), topic, content_header, ..Default::default() }),
            Value::StreamChunk(Chunk { stream_id: stream_id(), ..Default::default() }),
            Value::StreamTrailer(Trailer { stream_id: stream_id(), ..Default::default() }),
            Value::RpcResponse(proto::RpcResponse::default()),
            Value::RpcAck(proto::RpcAck::default()),
        ];
        let mut random = StdRng::seed_from_u64(9);
        for _ in 0..300 {
            let mut bytes = vec![];
            for _ in 0..random.random_range(1..20) {
                let value = Some(values[random.random_range(0..values.len())].clone());
                let sequence = random.random_range(0..4);
                let packet = proto::DataPacket { value, sequence, ..Default::default() }.encode_to_vec();
                // A data track's has a head of four bytes; a third of all are too short for it.
                let frame = &[0, 0, 0, 1, 9][..random.random_range(0..6)];
                bytes.extend(chunk(random.random(), if random.random() { &packet } else { frame }));
            }
            data(&bytes);
        }
    }
}
