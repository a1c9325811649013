//! What fuzzers do to the machine: anything a client can send, in any order. It may refuse; it must not fall over, and
//! must not say what would end a client (see `check`, on in debug builds).

use crate::{Ask, AskId, Config, ConnectionId, Datagram, Input, Join, LocalAddress, Mode, Output, Sfu};
use livekit_protocol as proto;
use prost::Message;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::net::Protocol;

/// Virtual time between two requests.
const STEP: Duration = Duration::from_millis(50);

/// Signal requests of two participants in any order: chunks of `[whom, length high, length low, bytes…]`. The first is shown
/// in a second room, too.
pub fn signals(mut data: &[u8]) {
    let (mut sfu, mut now) = machine();
    for (connection, mode, room) in [(1, Mode::Single, "room"), (2, Mode::Dual, "room"), (3, Mode::Single, "other")] {
        let join = Box::new(Join { room: room.into(), ..joining(connection, mode) });
        sfu.handle(now, Input::Connect { connection: ConnectionId(connection), join });
        drain(&mut sfu, now);
    }
    let (room, identity, destination_room) = ("room".into(), "person1".into(), "other".into());
    let ask = Ask::ForwardParticipant(proto::ForwardParticipantRequest { room, identity, destination_room });
    sfu.handle(now, Input::Ask { id: AskId(1), ask: Box::new(ask) });
    drain(&mut sfu, now);
    while let [whom, high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (bytes, tail) = rest.split_at(length);
        data = tail;
        now += STEP;
        let connection = ConnectionId(u64::from(whom % 2) + 1);
        if let Ok(request) = proto::SignalRequest::decode(bytes) {
            sfu.handle(now, Input::Signal { connection, request: Box::new(request) });
        }
        drain(&mut sfu, now);
    }
}

/// Datagrams from strangers: chunks of `[length high, length low, bytes…]`.
pub fn datagrams(mut data: &[u8]) {
    let (mut sfu, mut now) = machine();
    let join = Box::new(joining(1, Mode::Single));
    sfu.handle(now, Input::Connect { connection: ConnectionId(1), join });
    while let [high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (contents, tail) = rest.split_at(length);
        data = tail;
        now += STEP;
        let source = SocketAddr::from(([192, 0, 2, 1], 5000));
        let (proto, destination) = (Protocol::Udp, address());
        sfu.handle(now, Input::Datagram(Datagram { proto, source, destination, arrived: now, contents }));
        drain(&mut sfu, now);
    }
}

/// Packets and compounds of somebody whose keys are known: chunks of `[what, length, bytes…]`.
pub fn media(data: &[u8]) {
    crate::uplink::fuzz::media(data);
}

fn machine() -> (Sfu, Instant) {
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

fn drain(sfu: &mut Sfu, now: Instant) {
    loop {
        match sfu.poll(now) {
            Output::Timeout(_) => return,
            Output::Relay(relay) => sfu.handle(now, Input::Relay(relay)),
            _ => {}
        }
    }
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
    use proto::signal_request::Message as Request;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn chunk(whom: u8, request: Request) -> Vec<u8> {
        let bytes = proto::SignalRequest { message: Some(request) }.encode_to_vec();
        let length = (bytes.len() as u16).to_be_bytes();
        [&[whom], &length[..], &bytes].concat()
    }

    /// Requests that mean something, in random order, with sids that nobody has.
    #[test]
    fn requests_in_any_order() {
        let requests = || {
            let sids = vec!["TR_x".to_owned()];
            vec![
                Request::AddTrack(proto::AddTrackRequest { cid: "c".into(), ..Default::default() }),
                Request::Offer(proto::SessionDescription {
                    sdp: "v=0\r\nm=audio 9 X 0\r\n".into(),
                    ..Default::default()
                }),
                Request::Answer(proto::SessionDescription { sdp: "nonsense".into(), ..Default::default() }),
                Request::Trickle(proto::TrickleRequest { candidate_init: "{".into(), ..Default::default() }),
                Request::Mute(proto::MuteTrackRequest { sid: "TR_x".into(), muted: true }),
                Request::Subscription(proto::UpdateSubscription {
                    track_sids: sids.clone(),
                    subscribe: true,
                    ..Default::default()
                }),
                Request::TrackSetting(proto::UpdateTrackSettings {
                    track_sids: sids,
                    width: u32::MAX,
                    height: u32::MAX,
                    ..Default::default()
                }),
                Request::SyncState(proto::SyncState::default()),
                Request::PublishDataTrackRequest(proto::PublishDataTrackRequest {
                    pub_handle: 1,
                    name: "n".into(),
                    ..Default::default()
                }),
                Request::PingReq(proto::Ping::default()),
                Request::Leave(proto::LeaveRequest::default()),
            ]
        };
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..200 {
            let mut data = vec![];
            for _ in 0..random.random_range(1..12) {
                let mut all = requests();
                let which = random.random_range(0..all.len());
                data.extend(chunk(random.random(), all.swap_remove(which)));
            }
            signals(&data);
        }
    }

    #[test]
    fn noise() {
        let mut random = StdRng::seed_from_u64(8);
        for _ in 0..300 {
            let data: Vec<u8> = (0..random.random_range(0..400)).map(|_| random.random()).collect();
            signals(&data);
            datagrams(&data);
            crate::forward::fuzz(&data);
        }
    }
}
