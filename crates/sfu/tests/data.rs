//! Data packets on links of every width: what is reliable comes whole, what is not gives way.

mod common;

use common::{Kit, Name, Weather, World};
use convo_sfu::{Ask, Command, Input, Join, Refusal};
use livekit_protocol as proto;
use proto::{
    data_packet::Value, participant_info::Kind, signal_request::Message as Request,
    signal_response::Message as Response,
};
use std::time::Duration;

/// What an SDK cuts a file into.
const CHUNK: usize = 15_000;

fn numbered(number: u32, size: usize) -> proto::DataPacket {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(size, 0xaa);
    let user = proto::UserPacket { payload, ..Default::default() };
    proto::DataPacket { value: Some(proto::data_packet::Value::User(user)), ..Default::default() }
}

/// The numbers of what came on one lane.
fn numbers(world: &World, name: Name, lane: &str) -> Vec<u32> {
    let number = |packet: &proto::DataPacket| match &packet.value {
        Some(proto::data_packet::Value::User(user)) => u32::from_be_bytes(user.payload[..4].try_into().unwrap()),
        other => panic!("{other:?}"),
    };
    world.clients[name].data.iter().filter(|(label, _)| label == lane).map(|(_, packet)| number(packet)).collect()
}

/// Ann and Bob, whose link takes a megabit a second.
fn meet(seed: u64) -> (World, Name, Name) {
    let mut world = World::new(seed);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.run(Duration::from_secs(1));
    world.weather(bob, Weather::narrow(1_000_000));
    (world, ann, bob)
}

/// As fast as the sender's own channel takes it.
fn send_file(world: &mut World, from: Name, chunks: u32) {
    for number in 0..chunks {
        while !world.clients[from].send("_reliable", &numbered(number, CHUNK)) {
            world.run(Duration::from_millis(5));
        }
    }
}

#[test]
#[expect(deprecated, reason = "older SDKs name session ids")]
fn who_is_named_often_hears_it_once() {
    let mut world = World::new(84);
    let (ann, bob, cid) = (world.enter("ann"), world.enter("bob"), world.enter("cid"));
    world.run(Duration::from_secs(1));
    let sid = world.clients[ann].people["cid"].sid.clone();
    for (number, name) in [(1, "bob"), (2, sid.as_str()), (3, ""), (4, "PA_nobody")] {
        let packet = proto::DataPacket { destination_identities: vec![name.into(); 2_000], ..numbered(number, 4) };
        assert!(world.clients[ann].send("_reliable", &packet));
    }
    let sids = proto::UserPacket { payload: vec![0; 4], destination_sids: vec![sid; 2_000], ..Default::default() };
    let value = Some(proto::data_packet::Value::User(sids));
    assert!(world.clients[ann].send("_reliable", &proto::DataPacket { value, ..Default::default() }));
    world.run(Duration::from_secs(1));
    assert_eq!(numbers(&world, bob, "_reliable"), [1]);
    assert_eq!(numbers(&world, cid, "_reliable"), [2, 0]);
    assert!(world.clients[ann].data.is_empty());
}

#[test]
fn who_asks_for_a_data_track_often_is_answered_once() {
    let mut world = World::new(85);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    let publish = proto::PublishDataTrackRequest { pub_handle: 1, name: "positions".into(), ..Default::default() };
    world.signal(ann, Request::PublishDataTrackRequest(publish));
    let track_sid = world.clients[bob].people["ann"].data_tracks[0].sid.clone();
    let wish = proto::update_data_subscription::Update { track_sid, subscribe: true, ..Default::default() };
    let updates = vec![wish; 100_000];
    world.signal(bob, Request::UpdateDataSubscription(proto::UpdateDataSubscription { updates }));
    let answers = world.clients[bob].responses.iter().filter(|r| matches!(r, Response::DataTrackSubscriberHandles(_)));
    assert_eq!(answers.count(), 1);
}

/// Ann and Bob, who subscribed to her data track.
fn with_a_data_track(seed: u64) -> (World, Name, Name, String) {
    let mut world = World::new(seed);
    world.kit = Kit { data_tracks: true, ..Kit::default() };
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.run(Duration::from_secs(1));
    let publish = proto::PublishDataTrackRequest { pub_handle: 1, name: "positions".into(), ..Default::default() };
    world.signal(ann, Request::PublishDataTrackRequest(publish));
    let sid = world.clients[bob].people["ann"].data_tracks[0].sid.clone();
    (world, ann, bob, sid)
}

fn subscribe(world: &mut World, name: Name, track_sid: &str) {
    let wish =
        proto::update_data_subscription::Update { track_sid: track_sid.into(), subscribe: true, ..Default::default() };
    world.signal(name, Request::UpdateDataSubscription(proto::UpdateDataSubscription { updates: vec![wish] }));
}

fn permit(world: &mut World, name: Name, change: impl FnOnce(&mut proto::ParticipantPermission)) {
    let mut permission = common::joining("").permission;
    change(&mut permission);
    let connection = world.clients[name].connection;
    world.input(Input::Command { connection, command: Command::Permit(permission) });
}

/// Whether what Ann sends now reaches Bob.
fn flows(world: &mut World, ann: Name, bob: Name) -> bool {
    world.clients[bob].frames.clear();
    assert!(world.clients[ann].send_frame(1, b"here"));
    world.run(Duration::from_secs(1));
    !world.clients[bob].frames.is_empty()
}

fn handles(world: &World, name: Name) -> usize {
    let handles = |response: &&Response| matches!(response, Response::DataTrackSubscriberHandles(_));
    world.clients[name].responses.iter().filter(handles).count()
}

#[test]
fn a_data_track_comes_to_who_may_subscribe() {
    let (mut world, ann, bob, sid) = with_a_data_track(86);
    assert!(!flows(&mut world, ann, bob));
    subscribe(&mut world, bob, &sid);
    assert!(flows(&mut world, ann, bob));
    permit(&mut world, bob, |may| may.can_subscribe = false);
    assert!(!flows(&mut world, ann, bob), "at once");
    subscribe(&mut world, bob, &sid);
    assert!(!flows(&mut world, ann, bob) && handles(&world, bob) == 1);
    permit(&mut world, bob, |_| {});
    assert!(flows(&mut world, ann, bob) && handles(&world, bob) == 2, "his wish still holds");
}

#[test]
fn a_data_track_comes_to_those_whom_its_publisher_lets_have_it() {
    let (mut world, ann, bob, sid) = with_a_data_track(87);
    let told = |world: &World| -> Vec<bool> {
        let told = world.clients[bob].responses.iter().filter_map(|response| match response {
            Response::SubscriptionPermissionUpdate(update) if update.track_sid == sid => Some(update.allowed),
            _ => None,
        });
        told.collect()
    };
    let audience = |world: &mut World, sids: &[String]| {
        let to_bob = proto::TrackPermission {
            participant_identity: "bob".into(),
            track_sids: sids.to_vec(),
            ..Default::default()
        };
        let track_permissions = vec![to_bob];
        let said = proto::SubscriptionPermission { track_permissions, ..Default::default() };
        world.signal(ann, Request::SubscriptionPermission(said));
    };
    audience(&mut world, &[]);
    subscribe(&mut world, bob, &sid);
    assert!(!flows(&mut world, ann, bob));
    assert_eq!((told(&world), handles(&world, bob)), (vec![false], 0));
    // Named last of all the tracks that she may have.
    let sids: Vec<_> = (0..123).map(|n| format!("TR_{n}")).chain([sid.clone()]).collect();
    audience(&mut world, &sids);
    assert!(flows(&mut world, ann, bob));
    assert_eq!((told(&world), handles(&world, bob)), (vec![false, true], 1));
    audience(&mut world, &[]);
    assert!(!flows(&mut world, ann, bob));
    assert_eq!(told(&world), [false, true, false]);
}

#[test]
fn who_may_not_publish_data_any_more_has_no_data_tracks() {
    let (mut world, ann, bob, sid) = with_a_data_track(88);
    subscribe(&mut world, bob, &sid);
    assert!(flows(&mut world, ann, bob));
    permit(&mut world, ann, |may| may.can_publish_data = false);
    assert!(world.clients[bob].people["ann"].data_tracks.is_empty());
    let unpublished = |response: &Response| matches!(response, Response::UnpublishDataTrackResponse(_));
    assert!(world.clients[ann].responses.iter().any(unpublished), "she is told");
    permit(&mut world, ann, |_| {});
    assert!(!flows(&mut world, ann, bob));
}

#[test]
fn a_handle_is_one_tracks_however_many_there_were() {
    let (mut world, ann, bob, sid) = with_a_data_track(89);
    subscribe(&mut world, bob, &sid);
    for _ in 0..66_000 {
        let publish = proto::PublishDataTrackRequest { pub_handle: 2, name: "again".into(), ..Default::default() };
        world.signal(ann, Request::PublishDataTrackRequest(publish));
        let sid = world.clients[bob].people["ann"].data_tracks[1].sid.clone();
        subscribe(&mut world, bob, &sid);
        let unpublish = proto::UnpublishDataTrackRequest { pub_handle: 2 };
        world.signal(ann, Request::UnpublishDataTrackRequest(unpublish));
    }
    let handles = world.clients[bob].responses.iter().filter_map(|response| match response {
        Response::DataTrackSubscriberHandles(given) => given.sub_handles.keys().next().copied(),
        _ => None,
    });
    let handles: Vec<_> = handles.collect();
    assert_eq!(handles.len(), 66_001);
    assert!(handles[1..].iter().all(|handle| *handle > 0 && *handle != handles[0]));
}

/// What came of a kind.
fn count(world: &World, name: Name, is: impl Fn(&Value) -> bool) -> usize {
    world.clients[name].data.iter().filter(|(_, packet)| packet.value.as_ref().is_some_and(&is)).count()
}

fn say(world: &mut World, from: Name, value: Value) {
    assert!(world.clients[from].send("_reliable", &proto::DataPacket { value: Some(value), ..Default::default() }));
    world.run(Duration::from_secs(1));
}

fn enter_with(world: &mut World, identity: &str, change: impl FnOnce(&mut Join)) -> Name {
    let name = world.join_with(identity, change);
    world.until("media is connected", |w| w.clients[name].connected);
    name
}

#[test]
fn metrics_are_for_who_may_have_them_and_subscribes_to_their_sender() {
    let mut world = World::new(95);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    let cid = enter_with(&mut world, "cid", |join| join.permission.can_subscribe_metrics = true);
    world.run(Duration::from_secs(1));
    let metrics = |value: &Value| matches!(value, Value::Metrics(_));
    say(&mut world, ann, Value::Metrics(proto::MetricsBatch::default()));
    assert_eq!([ann, bob, cid].map(|name| count(&world, name, metrics)), [0, 0, 0], "he sees nothing of her");
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(1));
    say(&mut world, ann, Value::Metrics(proto::MetricsBatch::default()));
    assert_eq!([ann, bob, cid].map(|name| count(&world, name, metrics)), [0, 0, 1]);
    say(&mut world, ann, Value::User(proto::UserPacket::default()));
    assert_eq!([bob, cid].map(|name| count(&world, name, |value| matches!(value, Value::User(_)))), [1, 1]);
}

#[test]
#[expect(deprecated, reason = "tokens still grant `agent`")]
fn only_agents_write_down_what_others_said() {
    let mut world = World::new(96);
    let (ann, guest) = (world.enter("ann"), world.enter("guest"));
    let by_kind = enter_with(&mut world, "kind", |join| join.kind = Kind::Agent);
    let by_token = enter_with(&mut world, "token", |join| join.permission.agent = true);
    world.run(Duration::from_secs(1));
    let quotes = |value: &Value| matches!(value, Value::Transcription(_));
    for (sender, heard) in [(guest, 0), (by_kind, 1), (by_token, 2)] {
        let transcribed_participant_identity = "ann".into();
        say(
            &mut world,
            sender,
            Value::Transcription(proto::Transcription { transcribed_participant_identity, ..Default::default() }),
        );
        assert_eq!(count(&world, ann, quotes), heard, "{}", world.clients[sender].identity);
    }
}

#[test]
fn what_is_too_large_is_refused_and_costs_nobody_the_room() {
    let mut world = World::new(97);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.run(Duration::from_secs(1));
    let send = |world: &mut World, data: Vec<u8>| {
        world.ask(Ask::SendData(proto::SendDataRequest { room: "room".into(), data, ..Default::default() }))
    };
    assert_eq!(send(&mut world, vec![0; 300_000]), Err(Refusal::InvalidArgument("data is too large")));
    let call = proto::PerformRpcRequest {
        room: "room".into(),
        destination_identity: "bob".into(),
        method: "m".repeat(300_000),
        ..Default::default()
    };
    assert_eq!(world.ask(Ask::PerformRpc(call)), Err(Refusal::InvalidArgument("request is too large")));
    // What the server's own house sends is not refused, and reaches whom it can.
    let connection = world.clients[bob].connection;
    world.input(Input::Command { connection, command: Command::Data(Box::new(numbered(1, 300_000))) });
    world.run(Duration::from_secs(1));
    assert_eq!([ann, bob].map(|name| world.clients[name].closed), [false, false]);
    send(&mut world, 2_u32.to_be_bytes().to_vec()).unwrap();
    world.run(Duration::from_secs(1));
    assert_eq!([ann, bob].map(|name| numbers(&world, name, "_reliable")), [[2], [2]]);
}

#[test]
fn a_file_comes_whole_over_a_link_slower_than_its_senders() {
    let (mut world, ann, bob) = meet(80);
    send_file(&mut world, ann, 40);
    world.run(Duration::from_secs(15));
    assert_eq!(numbers(&world, bob, "_reliable"), (0..40).collect::<Vec<_>>());
}

#[test]
fn a_file_comes_whole_beside_packets_that_may_be_lost() {
    let (mut world, ann, bob) = meet(81);
    let (mut file, mut others) = (0, 0);
    // Five seconds of twice what the link takes: 1,250 bytes every 5 ms.
    for _ in 0..1000 {
        others += u32::from(world.clients[ann].send("_lossy", &numbered(others, 1_250)));
        file += u32::from(file < 40 && world.clients[ann].send("_reliable", &numbered(file, CHUNK)));
        world.run(Duration::from_millis(5));
    }
    world.run(Duration::from_secs(30));
    assert_eq!(numbers(&world, bob, "_reliable"), (0..40).collect::<Vec<_>>());
    let came = numbers(&world, bob, "_lossy").len() as u32;
    assert!(others > 900 && (100..others / 2 + 200).contains(&came), "of {others} came {came}");
}

#[test]
fn who_does_not_read_what_is_reliable_is_removed() {
    let (mut world, ann, bob) = meet(82);
    world.weather(bob, Weather::tunnel());
    // Eight megabytes wait for him, and no more.
    send_file(&mut world, ann, 500);
    world.run(Duration::from_secs(1));
    assert!(!world.clients[bob].closed);
    send_file(&mut world, ann, 100);
    world.run(Duration::from_secs(1));
    assert!(world.clients[bob].closed);
}

#[test]
fn what_is_sent_before_a_goodbye_comes_whole() {
    let (mut world, ann, bob) = meet(85);
    for number in 0..20 {
        assert!(world.clients[ann].send("_reliable", &numbered(number, 1_000)));
    }
    // Signalling is quicker here than media, and no datagram of these has left.
    world.signal(ann, Request::Leave(proto::LeaveRequest::default()));
    world.run(Duration::from_secs(2));
    assert_eq!(numbers(&world, bob, "_reliable"), (0..20).collect::<Vec<_>>());
    assert_eq!(world.clients[bob].people["ann"].state(), proto::participant_info::State::Disconnected);
}

#[test]
fn a_file_sent_while_one_joins_reaches_them() {
    let mut world = World::new(83);
    let ann = world.enter("ann");
    world.run(Duration::from_secs(1));
    let bob = world.join("bob");
    world.weather(bob, Weather { delay: Duration::from_millis(400), ..Weather::default() });
    send_file(&mut world, ann, 40);
    assert!(!world.clients[bob].connected);
    world.run(Duration::from_secs(30));
    assert_eq!(numbers(&world, bob, "_reliable"), (0..40).collect::<Vec<_>>());
}
