//! Signalling: permissions at once, data to whom it is for, resuming, the server's own requests.

mod common;

use common::{Frame, Heard, Weather, World, joining};
use convo_sfu::{Answer, Ask, Command, EventKind, Input, Mode, Refusal};
use livekit_protocol as proto;
use prost::Message as _;
use proto::{signal_request::Message as Request, signal_response::Message as Response};
use std::{collections::BTreeSet, time::Duration};

fn text(text: &str, to: &[&str]) -> proto::DataPacket {
    let user = proto::UserPacket { payload: text.as_bytes().to_vec(), topic: Some("t".into()), ..Default::default() };
    proto::DataPacket {
        destination_identities: to.iter().map(|s| (*s).to_owned()).collect(),
        value: Some(proto::data_packet::Value::User(user)),
        ..Default::default()
    }
}

fn texts(world: &World, name: usize) -> Vec<String> {
    let user = |packet: &proto::DataPacket| match &packet.value {
        Some(proto::data_packet::Value::User(user)) => Some(String::from_utf8(user.payload.clone()).unwrap()),
        _ => None,
    };
    world.clients[name].data.iter().filter_map(|(_, packet)| user(packet)).collect()
}

#[test]
fn data_reaches_whom_it_is_for_with_the_true_sender() {
    let mut world = World::new(20);
    let (ann, bob, cid) = (world.enter("ann"), world.enter("bob"), world.enter("cid"));
    world.run(Duration::from_millis(500));
    let mut forged = text("to all", &[]);
    forged.participant_identity = "cid".into();
    assert!(world.clients[ann].send("_reliable", &forged));
    assert!(world.clients[ann].send("_reliable", &text("to bob", &["bob"])));
    assert!(world.clients[ann].send("_lossy", &text("lossy", &[])));
    world.run(Duration::from_secs(1));
    let mut heard = texts(&world, bob);
    heard.sort();
    assert_eq!(heard, ["lossy", "to all", "to bob"]);
    let mut heard = texts(&world, cid);
    heard.sort();
    assert_eq!(heard, ["lossy", "to all"]);
    assert!(texts(&world, ann).is_empty(), "not to oneself");
    assert!(world.clients[bob].data.iter().all(|(_, p)| p.participant_identity == "ann"));
    let lane =
        |t: &str| world.clients[bob].data.iter().find(|(_, p)| format!("{p:?}").contains(t)).map(|(l, _)| l.clone());
    assert_eq!(lane(format!("{:?}", "lossy".as_bytes()).trim_matches(['[', ']'])).as_deref(), Some("_lossy"));
}

#[test]
#[expect(deprecated, reason = "older SDKs name session ids")]
fn data_reaches_all_who_are_named_either_way_and_never_its_sender() {
    let mut world = World::new(44);
    let (ann, bob, cid, dan) = (world.enter("ann"), world.enter("bob"), world.enter("cid"), world.enter("dan"));
    world.run(Duration::from_millis(500));
    let sids = vec![world.clients[ann].people["cid"].sid.clone()];
    let mut packet = text("client", &["ann", "bob"]);
    if let Some(proto::data_packet::Value::User(user)) = &mut packet.value {
        user.destination_sids = sids.clone();
    }
    assert!(world.clients[ann].send("_reliable", &packet));
    let ask = proto::SendDataRequest {
        room: "room".into(),
        data: b"server".to_vec(),
        destination_identities: vec!["ann".into(), "bob".into()],
        destination_sids: sids,
        ..Default::default()
    };
    world.ask(Ask::SendData(ask)).unwrap();
    world.run(Duration::from_secs(1));
    let heard = [ann, bob, cid, dan].map(|name| {
        let mut heard = texts(&world, name);
        heard.sort();
        heard
    });
    assert_eq!(heard, [vec!["server"], vec!["client", "server"], vec!["client", "server"], vec![]]);
}

#[test]
fn what_is_sent_again_comes_once() {
    let mut world = World::new(45);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.run(Duration::from_millis(500));
    let nonce = |n: u8| vec![n; 16];
    let send = |world: &mut World, text: &str, nonce: Vec<u8>| {
        let ask = proto::SendDataRequest { room: "room".into(), data: text.into(), nonce, ..Default::default() };
        world.ask(Ask::SendData(ask)).unwrap();
    };
    for (text, nonce) in [("a", nonce(0)), ("a", nonce(0)), ("b", nonce(1)), ("none", vec![]), ("none", vec![])] {
        send(&mut world, text, nonce);
    }
    let mut by_client = text("b", &[]);
    if let Some(proto::data_packet::Value::User(user)) = &mut by_client.value {
        user.nonce = nonce(1);
    }
    assert!(world.clients[ann].send("_reliable", &by_client), "a client sends what the server has sent");
    world.run(Duration::from_secs(1));
    assert_eq!(texts(&world, bob), ["a", "b", "none", "none"]);
    let told = world.clients[bob].data.iter().filter_map(|(_, packet)| match &packet.value {
        Some(proto::data_packet::Value::User(user)) => Some(user.nonce.clone()),
        _ => None,
    });
    assert_eq!(told.take(2).collect::<Vec<_>>(), [nonce(0), nonce(1)]);
    // Not for ever: a hundred are remembered.
    for n in 2..=101 {
        send(&mut world, "more", nonce(n));
    }
    send(&mut world, "a again", nonce(0));
    world.run(Duration::from_secs(1));
    assert_eq!(texts(&world, bob).last().unwrap(), "a again");
}

#[test]
fn who_may_not_publish_data_is_not_heard() {
    let mut world = World::new(21);
    let bob = world.enter("bob");
    let ann = world.join_with("ann", |join| join.permission.can_publish_data = false);
    world.until("connected", |w| w.clients[ann].connected);
    world.run(Duration::from_millis(500));
    world.clients[ann].send("_reliable", &text("no", &[]));
    world.run(Duration::from_secs(1));
    assert!(texts(&world, bob).is_empty());
}

/// The tracks that somebody asked for and that are not here.
fn not_found(world: &World, name: usize) -> Vec<&str> {
    let answers = world.clients[name].responses.iter().filter_map(|response| match response {
        Response::SubscriptionResponse(response) => Some(response.track_sid.as_str()),
        _ => None,
    });
    answers.collect()
}

#[test]
fn tracks_that_are_not_here_are_answered_once_and_not_by_the_hundred_thousand() {
    let mut world = World::new(32);
    let ann = world.enter("ann");
    let ask = |world: &mut World, track_sids: Vec<String>| {
        world.clients[ann].responses.clear();
        let subscribe = true;
        world.signal(
            ann,
            Request::Subscription(proto::UpdateSubscription { track_sids, subscribe, ..Default::default() }),
        );
    };
    ask(&mut world, vec![String::new(); 100_000]);
    assert!(not_found(&world, ann).is_empty());
    ask(&mut world, vec!["TR_gone".into(); 100_000]);
    assert_eq!(not_found(&world, ann), ["TR_gone"]);
    ask(&mut world, (0..100_000).map(|n| format!("TR_{n}")).collect());
    assert_eq!(not_found(&world, ann).len(), 100);
    // As after a resume.
    world.clients[ann].responses.clear();
    let track_sids = (0..100_000).map(|n| format!("TR_{n}")).collect();
    let subscription = Some(proto::UpdateSubscription { track_sids, subscribe: true, ..Default::default() });
    world.signal(ann, Request::SyncState(proto::SyncState { subscription, ..Default::default() }));
    assert_eq!(not_found(&world, ann).len(), 100);
}

#[test]
fn a_join_that_announces_a_hundred_thousand_tracks_is_answered_as_one_that_announces_too_many() {
    let mut world = World::new(34);
    let refusals = |world: &World, name: usize| {
        world.clients[name].responses.iter().filter(|r| matches!(r, Response::RequestResponse(_))).count()
    };
    let nameless = |_| proto::AddTrackRequest::default();
    let ann = world.join_with("ann", |join| join.request.add_track_requests = (0..100_000).map(nameless).collect());
    assert_eq!(refusals(&world, ann), 21);
    let named = |n| proto::AddTrackRequest { cid: format!("cam{n}"), ..Default::default() };
    let bob = world.join_with("bob", |join| join.request.add_track_requests = (0..100_000).map(named).collect());
    assert_eq!((world.clients[bob].published.len(), refusals(&world, bob)), (20, 1));
}

#[test]
fn what_is_asked_for_twice_is_asked_for_once() {
    let mut world = World::new(33);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(1));
    let sid = world.sid(ann, "mic");
    let ask = |world: &mut World, subscribe| {
        let track_sids = ["TR_gone", &sid, "TR_gone", &sid].map(str::to_owned).to_vec();
        world.signal(
            bob,
            Request::Subscription(proto::UpdateSubscription { track_sids, subscribe, ..Default::default() }),
        );
        world.run(Duration::from_millis(100));
        let heard = world.clients[bob].heard.len();
        world.run(Duration::from_secs(1));
        world.clients[bob].heard.len() - heard
    };
    assert_eq!(ask(&mut world, false), 0);
    assert!((45..=55).contains(&ask(&mut world, true)));
    assert_eq!(not_found(&world, bob), ["TR_gone"]);
}

#[test]
fn a_lost_permission_acts_at_once() {
    let mut world = World::new(22);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(1));
    assert!(!world.clients[bob].heard.is_empty());
    let connection = world.clients[ann].connection;
    let permission = proto::ParticipantPermission { can_subscribe: true, ..Default::default() };
    world.input(Input::Command { connection, command: Command::Permit(permission) });
    world.run(Duration::from_millis(100));
    let before = world.clients[bob].heard.len();
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[bob].heard.len(), before);
    assert!(world.clients[bob].people["ann"].tracks.is_empty());
    assert!(world.clients[ann].responses.iter().any(|r| matches!(r, Response::TrackUnpublished(_))));
    let again = world.clients[ann].announce_audio("mic2");
    world.signal(ann, again);
    let refused = world.clients[ann].responses.iter().find_map(|r| match r {
        Response::RequestResponse(r) => Some(r.reason()),
        _ => None,
    });
    assert_eq!(refused, Some(proto::request_response::Reason::NotAllowed));
}

#[test]
fn a_track_on_its_way_survives_new_permissions_that_cover_it() {
    let mut world = World::new(31);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    let announced = world.clients[ann].announce_audio("mic");
    world.signal(ann, announced);
    let connection = world.clients[ann].connection;
    let permission = proto::ParticipantPermission { can_publish: true, can_subscribe: true, ..Default::default() };
    world.input(Input::Command { connection, command: Command::Permit(permission) });
    let offer = world.clients[ann].offer().expect("nothing else is under way");
    world.signal(ann, Request::Offer(offer));
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[bob].people["ann"].tracks.len(), 1);
}

#[test]
fn a_muted_microphone_is_silent_whatever_the_client_does() {
    let mut world = World::new(23);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(1));
    let connection = world.clients[ann].connection;
    world.input(Input::Command { connection, command: Command::Mute(vec![proto::TrackSource::Microphone]) });
    assert!(world.clients[ann].responses.iter().any(|r| matches!(r, Response::Mute(m) if m.muted)));
    world.run(Duration::from_millis(100));
    let before = world.clients[bob].heard.len();
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[bob].heard.len(), before);
}

#[test]
fn after_a_tunnel_the_client_resumes_and_misses_nothing_reliable() {
    let mut world = World::new(24);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(1));
    let number = |n: u32| proto::DataPacket { sequence: n, ..text(&format!("m{n}"), &[]) };
    world.clients[ann].send("_reliable", &number(1));
    world.run(Duration::from_secs(1));
    assert_eq!(texts(&world, bob), ["m1"]);

    let lost = world.clients[bob].connection;
    world.weather(bob, Weather::tunnel());
    world.input(Input::Disconnect { connection: lost });
    world.run(Duration::from_secs(2));
    world.clients[ann].send("_reliable", &number(2));
    world.run(Duration::from_secs(48));
    assert_eq!(
        world.clients[ann].people["bob"].state,
        i32::from(proto::participant_info::State::Active),
        "he may return"
    );

    world.weather(bob, Weather::default());
    let connection = world.connection();
    world.clients[bob].connection = connection;
    let sid = world.clients[bob].joined.as_ref().unwrap().participant.as_ref().unwrap().sid.clone();
    let ann_sid = world.clients[bob].people["ann"].sid.clone();
    let mut join = joining("bob");
    join.request.reconnect = true;
    join.request.participant_sid = sid;
    world.input(Input::Connect { connection, join: Box::new(join) });
    assert!(world.clients[bob].responses.iter().any(|r| matches!(r, Response::Reconnect(_))));
    let offer = world.clients[bob].restart_ice();
    let state = proto::SyncState {
        datachannel_receive_states: vec![proto::DataChannelReceiveState { publisher_sid: ann_sid, last_seq: 1 }],
        ..Default::default()
    };
    world.clients[ann].send("_reliable", &number(3));
    world.signal(bob, Request::SyncState(state));
    world.signal(bob, Request::Offer(offer));
    let before = world.clients[bob].heard.len();
    world.run(Duration::from_secs(30));
    assert!(
        world.clients[bob].heard.len() > before + 1000,
        "sound flows again: {}",
        world.clients[bob].heard.len() - before
    );
    assert_eq!(texts(&world, bob), ["m1", "m2", "m3"], "nothing is lost, and nothing comes twice");
}

/// Whether the session goes on, and if not, what the client is told to do.
fn told_to(world: &World, name: usize) -> Option<proto::leave_request::Action> {
    world.clients[name].responses.iter().find_map(|response| match response {
        Response::Leave(leave) => Some(leave.action()),
        _ => None,
    })
}

#[test]
fn who_publishes_what_was_taken_meanwhile_is_told_to_begin_anew() {
    let mut world = World::new(46);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    let announced = world.clients[ann].announce_video("cam", 1);
    world.signal(ann, announced);
    let publish = proto::PublishDataTrackRequest { pub_handle: 1, name: "positions".into(), ..Default::default() };
    world.signal(ann, Request::PublishDataTrackRequest(publish));
    world.run(Duration::from_secs(1));
    let published =
        |track: &proto::TrackInfo| proto::TrackPublishedResponse { track: Some(track.clone()), ..Default::default() };
    let state = proto::SyncState {
        publish_tracks: world.clients[ann].published.values().map(published).collect(),
        publish_data_tracks: world.clients[bob].people["ann"]
            .data_tracks
            .iter()
            .map(|info| proto::PublishDataTrackResponse { info: Some(info.clone()) })
            .collect(),
        ..Default::default()
    };
    assert_eq!((state.publish_tracks.len(), state.publish_data_tracks.len()), (2, 1));
    assert!(world.resume(ann));
    world.signal(ann, Request::SyncState(state.clone()));
    assert_eq!(told_to(&world, ann), None, "all of it is here, or announced");

    let connection = world.clients[ann].connection;
    world.input(Input::Disconnect { connection });
    let permission = proto::ParticipantPermission { can_subscribe: true, can_publish_data: true, ..Default::default() };
    world.input(Input::Command { connection, command: Command::Permit(permission) });
    assert!(world.resume(ann));
    world.signal(ann, Request::SyncState(state.clone()));
    assert_eq!(told_to(&world, ann), Some(proto::leave_request::Action::Reconnect));
    assert!(world.clients[ann].closed);
    let again = world.join("ann");
    assert!(!world.clients[again].closed && world.clients[again].joined.is_some());

    // So it is with a data track; and with both in the request itself.
    let data = proto::SyncState { publish_tracks: vec![], ..state };
    world.until("connected", |w| w.clients[again].connected);
    let mut join = joining("ann");
    join.request.reconnect = true;
    join.request.participant_sid =
        world.clients[again].joined.as_ref().unwrap().participant.as_ref().unwrap().sid.clone();
    join.request.sync_state = Some(data);
    let connection = world.connection();
    world.clients[again].connection = connection;
    world.input(Input::Connect { connection, join: Box::new(join) });
    assert_eq!(told_to(&world, again), Some(proto::leave_request::Action::Reconnect));
}

#[test]
fn what_a_client_switched_off_stays_off_over_a_resume() {
    let mut world = World::new(47);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(1));
    let sid = world.sid(ann, "mic");
    let heard = |world: &mut World| {
        world.run(Duration::from_millis(200));
        let before = world.clients[bob].heard.len();
        world.run(Duration::from_secs(1));
        world.clients[bob].heard.len() - before
    };
    let resume = |world: &mut World, track_sids_disabled: Vec<String>| {
        assert!(world.resume(bob));
        world.signal(bob, Request::SyncState(proto::SyncState { track_sids_disabled, ..Default::default() }));
    };
    let set = |world: &mut World, disabled| {
        let track_sids = vec![sid.clone()];
        world.signal(
            bob,
            Request::TrackSetting(proto::UpdateTrackSettings { track_sids, disabled, ..Default::default() }),
        );
    };
    set(&mut world, true);
    assert_eq!(heard(&mut world), 0);
    resume(&mut world, vec![]);
    assert_eq!(heard(&mut world), 0, "native SDKs do not name it");
    resume(&mut world, vec![sid.clone()]);
    assert_eq!(heard(&mut world), 0);
    set(&mut world, false);
    assert!(heard(&mut world) > 40);
    resume(&mut world, vec![]);
    assert!(heard(&mut world) > 40);
    resume(&mut world, vec![sid.clone()]);
    assert_eq!(heard(&mut world), 0, "switched off while it was away");
}

#[test]
fn a_line_that_is_offered_before_its_track_is_announced_finds_it() {
    let mut world = World::new(48);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    let announced = [world.clients[ann].announce_audio("mic"), world.clients[ann].announce_video("cam", 3)];
    let offer = world.clients[ann].offer().expect("nothing else is under way");
    world.signal(ann, Request::Offer(offer));
    world.run(Duration::from_secs(1));
    assert!(world.clients[bob].people["ann"].tracks.is_empty());
    // It is another one's: only by its id is it known.
    let other =
        proto::AddTrackRequest { cid: "other".into(), r#type: proto::TrackType::Audio.into(), ..Default::default() };
    world.signal(ann, Request::AddTrack(other));
    assert!(world.clients[bob].people["ann"].tracks.is_empty());
    announced.into_iter().for_each(|request| world.signal(ann, request));
    world.run(Duration::from_secs(2));
    for cid in ["mic", "cam"] {
        let line = world.clients[bob].line_of(&world.sid(ann, cid)).unwrap_or_else(|| panic!("{cid} has a line"));
        assert!(world.clients[bob].heard_on(line).count() > 40, "{cid} flows");
    }
}

#[test]
fn what_is_said_of_somebody_has_a_bound_in_all() {
    use proto::request_response::Reason;
    let mut world = World::new(49);
    let ann = world.enter("ann");
    let attributes = |name: &str, bytes: usize| [(name.to_owned(), "x".repeat(bytes))].into();
    let mut update = |update: proto::UpdateParticipantMetadata| {
        world.clients[ann].responses.clear();
        world.signal(ann, Request::UpdateMetadata(update));
        let reasons = world.clients[ann].responses.iter().filter_map(|response| match response {
            Response::RequestResponse(response) => Some(response.reason()),
            _ => None,
        });
        reasons.collect::<Vec<_>>()
    };
    let mut set = |name: &str, bytes| {
        update(proto::UpdateParticipantMetadata { attributes: attributes(name, bytes), ..Default::default() })
    };
    assert_eq!(set("a", 40 << 10), [Reason::Ok]);
    assert_eq!(set("b", 40 << 10), [Reason::LimitExceeded], "together they are too much");
    assert_eq!(set("a", 50 << 10), [Reason::Ok], "in place of what was");
    assert_eq!(set("a", 0), [Reason::Ok]);
    assert_eq!(set("b", 40 << 10), [Reason::Ok]);
    let metadata = "m".repeat((512 << 10) + 1);
    assert_eq!(update(proto::UpdateParticipantMetadata { metadata, ..Default::default() }), [Reason::LimitExceeded]);
    let mut by_server = |attributes| {
        let (room, identity) = ("room".into(), "ann".into());
        let ask = proto::UpdateParticipantRequest { room, identity, attributes, ..Default::default() };
        world.ask(Ask::UpdateParticipant(ask))
    };
    assert!(matches!(by_server(attributes("c", 40 << 10)), Err(Refusal::InvalidArgument(_))));
    assert!(by_server(attributes("b", 0)).is_ok() && by_server(attributes("c", 40 << 10)).is_ok());
}

#[test]
fn what_is_said_in_a_tunnel_and_again_after_it_comes_once() {
    let mut world = World::new(44);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.run(Duration::from_millis(500));
    let number = |n: u32| proto::DataPacket { sequence: n, ..text(&format!("m{n}"), &[]) };
    world.clients[bob].send("_reliable", &number(1));
    world.run(Duration::from_secs(1));
    let lost = world.clients[bob].connection;
    world.weather(bob, Weather::tunnel());
    world.input(Input::Disconnect { connection: lost });
    for n in [2, 3] {
        assert!(world.clients[bob].send("_reliable", &number(n)));
    }
    world.run(Duration::from_secs(10));
    assert_eq!(texts(&world, ann), ["m1"]);

    world.weather(bob, Weather::default());
    assert!(world.resume(bob));
    let last = world.clients[bob].responses.iter().find_map(|r| match r {
        Response::Reconnect(reconnect) => Some(reconnect.last_message_seq),
        _ => None,
    });
    assert_eq!(last, Some(1), "all that he said since is to be said again");
    // As the SDKs do, whatever the data channel still has; and one too many, which its sender can't know.
    for n in [1, 2, 3, 4] {
        world.clients[bob].send("_reliable", &number(n));
    }
    let offer = world.clients[bob].restart_ice();
    world.signal(bob, Request::Offer(offer));
    world.run(Duration::from_secs(30));
    assert_eq!(texts(&world, ann), ["m1", "m2", "m3", "m4"], "nothing is lost, and nothing comes twice");
    world.input(Input::Disconnect { connection: world.clients[bob].connection });
    assert!(world.resume(bob));
    let told = |r: &Response| matches!(r, Response::Reconnect(reconnect) if reconnect.last_message_seq == 4);
    assert!(world.clients[bob].responses.iter().any(told));
}

#[test]
fn an_answer_that_is_lost_with_the_connection_is_asked_for_again() {
    for begun in [false, true] {
        let mut world = World::new(38);
        let ann = world.enter("ann");
        let bob = world.join_with("bob", |join| join.mode = Mode::Dual);
        if begun {
            world.publish_audio(ann, "mic");
            world.run(Duration::from_secs(1));
        }
        // He takes in what he is offered, and nobody hears that he did.
        world.clients[bob].loses_answers = true;
        world.publish_video(ann, "cam", 1);
        world.run(Duration::from_millis(300));
        let lost = world.clients[bob].connection;
        world.input(Input::Disconnect { connection: lost });
        world.clients[bob].loses_answers = false;
        assert!(world.resume(bob));
        world.run(Duration::from_secs(2));
        let line = world.clients[bob].line_of(&world.sid(ann, "cam")).expect("he was offered it");
        let seen = world.clients[bob].heard_on(line).count();
        assert!(seen > 100, "{seen} packets of the picture, begun: {begun}");
        world.clients[ann].send("_reliable", &text("hi", &[]));
        world.run(Duration::from_secs(1));
        assert_eq!(texts(&world, bob), ["hi"]);
        // And what comes afterwards is offered.
        world.publish_audio(ann, "late");
        world.run(Duration::from_secs(1));
        assert!(world.clients[bob].line_of(&world.sid(ann, "late")).is_some());
    }
}

#[test]
fn media_follow_a_client_to_another_network() {
    let mut world = World::new(43);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(2));
    world.clients[bob].move_to("10.0.9.9:6000".parse().unwrap());
    let offer = world.clients[bob].restart_ice();
    let before = world.clients[bob].heard.len();
    world.signal(bob, Request::Offer(offer));
    world.run(Duration::from_secs(5));
    let heard = world.clients[bob].heard.len() - before;
    assert!(heard > 220, "{heard} of 250 packets");
}

/// Its signalling goes on all the while.
#[test]
fn media_wait_for_who_is_not_heard_and_come_back_with_them() {
    let mut world = World::new(45);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(5));
    let sent = |world: &World| world.sent[&world.clients[bob].address];
    world.weather(bob, Weather::tunnel());
    let before = sent(&world);
    world.run(Duration::from_secs(14));
    assert!(sent(&world) > before + 700, "a short tunnel is nothing: {}", sent(&world) - before);
    world.run(Duration::from_secs(4));
    let before = sent(&world);
    world.clients[ann].keyframes_asked = 0;
    world.run(Duration::from_secs(10));
    assert_eq!(sent(&world), before);
    assert_eq!(world.clients[ann].keyframes_asked, 0, "for nobody");

    world.weather(bob, Weather::default());
    let lines = ["mic", "cam"].map(|cid| world.clients[bob].line_of(&world.sid(ann, cid)).expect("a line"));
    let since = world.now;
    let heard = |world: &World, line| -> Vec<Heard> {
        world.clients[bob].heard_on(line).filter(|h| h.at > since).cloned().collect()
    };
    world.until("both flow", |w| lines.iter().all(|line| heard(w, *line).len() > 100));
    let pictures = heard(&world, lines[1]);
    assert!(Frame::read(&pictures[0].payload).expect("video").keyframe, "it begins with a picture");
    for line in lines {
        let packets = heard(&world, line);
        assert!(packets.windows(2).all(|w| w[1].seq == w[0].seq + 1), "no gap");
    }
}

/// The user fragments and passwords of the last description from the server: of two connections, of the one to receive on.
fn ice_credentials(world: &World, name: usize) -> (BTreeSet<String>, BTreeSet<String>) {
    let client = &world.clients[name];
    let sdp = client.responses.iter().rev().find_map(|response| match response {
        Response::Answer(answer) if client.mode == Mode::Single => Some(&answer.sdp),
        Response::Offer(offer) => Some(&offer.sdp),
        _ => None,
    });
    let sdp = sdp.expect("a description");
    let all = |marks: &[&str]| {
        let words =
            sdp.lines().flat_map(|line| marks.iter().find_map(|mark| Some(line.split_once(mark)?.1.to_owned())));
        words.collect()
    };
    (all(&["a=ice-ufrag:", " ufrag "]), all(&["a=ice-pwd:"]))
}

#[test]
fn a_restart_has_credentials_of_our_own_that_name_the_worker() {
    for mode in [Mode::Single, Mode::Dual] {
        let mut world = World::with(44, |config| config.ufrag_prefix = "B".into());
        let ann = world.enter("ann");
        let bob = world.join_with("bob", |join| join.mode = mode);
        world.publish_audio(ann, "mic");
        world.until("sound flows", |w| w.clients[bob].heard.len() > 20);
        let first = ice_credentials(&world, bob);
        assert!(world.resume(bob));
        if mode == Mode::Single {
            let offer = world.clients[bob].restart_ice();
            world.signal(bob, Request::Offer(offer));
        }
        let before = world.clients[bob].heard.len();
        world.run(Duration::from_secs(5));
        let again = ice_credentials(&world, bob);
        assert!(first.0.is_disjoint(&again.0) && first.1.is_disjoint(&again.1), "{first:?}, {again:?}");
        for (ufrags, passwords) in [&first, &again] {
            assert_eq!((ufrags.len(), passwords.len()), (1, 1), "in every line the same");
            assert!(ufrags.iter().all(|ufrag| ufrag.starts_with('B') && ufrag.len() == 9), "{ufrags:?}");
            assert!(passwords.iter().all(|password| password.len() == 24), "{passwords:?}");
        }
        assert!(world.clients[bob].heard.len() > before + 220, "they are the ones in force");
        world.publish_video(ann, "cam", 1);
        world.run(Duration::from_secs(2));
        assert_eq!(ice_credentials(&world, bob), again, "until the next restart");
    }
}

#[test]
fn what_is_said_while_one_joins_reaches_them() {
    for mode in [Mode::Single, Mode::Dual] {
        let mut world = World::new(33);
        let ann = world.enter("ann");
        world.run(Duration::from_secs(1));
        let bob = world.join_with("bob", |join| join.mode = mode);
        for n in 1..=3 {
            world.clients[ann].send("_reliable", &text(&format!("m{n}"), &[]));
            world.clients[ann].send("_lossy", &text("too early", &[]));
            world.run(Duration::from_millis(15));
        }
        world.until("media is connected", |w| w.clients[bob].connected);
        world.clients[ann].send("_reliable", &text("m4", &[]));
        world.run(Duration::from_secs(1));
        assert_eq!(texts(&world, bob), ["m1", "m2", "m3", "m4"]);
    }
}

#[test]
fn who_never_returns_is_gone() {
    let mut world = World::with(25, |config| config.resume_timeout = Duration::from_secs(30));
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    let connection = world.clients[bob].connection;
    world.input(Input::Disconnect { connection });
    world.weather(bob, Weather::tunnel());
    world.run(Duration::from_secs(31));
    assert_eq!(world.clients[ann].people["bob"].state, i32::from(proto::participant_info::State::Disconnected));
    let left = |k: &EventKind| matches!(k, EventKind::ParticipantLeft { info, .. } if info.identity == "bob");
    assert!(world.events.iter().any(|e| left(&e.kind)));
}

/// A client of a newer protocol; and JSON, as webhooks and the server API have it, has no name for what nobody knows.
#[test]
fn numbers_that_nobody_knows_are_not_passed_on() {
    const UNKNOWN: i32 = 99;
    let mut world = World::new(27);
    let ann = world.join_with("ann", |join| {
        let client = join.request.client_info.get_or_insert_default();
        client.capabilities = vec![UNKNOWN, proto::client_info::Capability::CapPacketTrailer.into()];
    });
    world.until("media is connected", |w| w.clients[ann].connected);
    let bob = world.enter("bob");
    let Request::AddTrack(mut add) = world.clients[ann].announce_video("cam", 3) else { panic!() };
    add.layers.push(proto::VideoLayer { quality: UNKNOWN, ..Default::default() });
    let of_no_type = proto::AddTrackRequest { cid: "other".into(), r#type: UNKNOWN, ..add.clone() };
    add.simulcast_codecs = vec![
        proto::SimulcastCodec { codec: "vp8".into(), layers: add.layers.clone(), ..Default::default() },
        proto::SimulcastCodec { codec: "vp9".into(), layers: add.layers.clone(), ..Default::default() },
    ];
    (add.source, add.encryption, add.backup_codec_policy) = (UNKNOWN, UNKNOWN, UNKNOWN);
    (add.audio_features, add.packet_trailer_features) = (vec![UNKNOWN, 0], vec![UNKNOWN, 1]);
    world.signal(ann, Request::AddTrack(add));
    world.offer(ann);
    world.signal(ann, Request::AddTrack(of_no_type));
    let refused = world.clients[ann].responses.iter().any(
        |r| matches!(r, Response::RequestResponse(r) if r.reason() == proto::request_response::Reason::UnsupportedType),
    );
    assert!(refused, "of no type");
    use proto::{data_track_frame_encoding as frame, data_track_schema_encoding as schema};
    let encoding = proto::DataTrackSchemaEncoding { value: Some(schema::Value::WellKnown(UNKNOWN)) };
    let request = proto::PublishDataTrackRequest {
        pub_handle: 1,
        name: "depth".into(),
        encryption: UNKNOWN,
        frame_encoding: Some(proto::DataTrackFrameEncoding { value: Some(frame::Value::WellKnown(UNKNOWN)) }),
        schema: Some(proto::DataTrackSchemaId { name: "a".into(), encoding: Some(encoding) }),
    };
    world.signal(ann, Request::PublishDataTrackRequest(request));
    world.run(Duration::from_secs(1));
    let sid = world.sid(ann, "cam");
    let features = vec![UNKNOWN, 2];
    world.signal(ann, Request::UpdateAudioTrack(proto::UpdateLocalAudioTrack { track_sid: sid, features }));
    let told = &world.clients[bob].people["ann"];
    serde_json::to_value(told).expect("JSON");
    assert_eq!(told.capabilities, [i32::from(proto::client_info::Capability::CapPacketTrailer)]);
    let (track, data) = (&told.tracks[0], &told.data_tracks[0]);
    assert_eq!(track.source, i32::from(proto::TrackSource::Unknown));
    assert_eq!((&track.audio_features[..], &track.packet_trailer_features[..]), (&[2][..], &[1][..]));
    assert_eq!(track.codecs.iter().map(|codec| codec.layers.len()).collect::<Vec<_>>(), [3, 3]);
    // Whatever it is encrypted with, it is not plain.
    let custom = i32::from(proto::encryption::Type::Custom);
    assert_eq!((track.encryption, data.encryption), (custom, custom));
}

#[test]
fn an_unknown_session_is_told_to_begin_anew() {
    let mut world = World::new(26);
    world.enter("ann");
    let bob = world.join_with("bob", |join| {
        join.request.reconnect = true;
        join.request.participant_sid = "PA_unknown".into();
    });
    let leave = world.clients[bob].responses.iter().find_map(|r| match r {
        Response::Leave(leave) => Some(leave.clone()),
        _ => None,
    });
    assert_eq!(leave.unwrap().action(), proto::leave_request::Action::Reconnect);
    assert!(world.clients[bob].closed);
}

/// A client whose media end before it has read why reports a failure: signalling may come later than what is sent by UDP.
#[test]
fn who_is_removed_reads_why_before_the_media_end() {
    let mut world = World::new(41);
    let ann = world.enter("ann");
    let removed = world.now;
    assert_eq!(world.clients[ann].hung_up, None);
    world.ask(Ask::DeleteRoom(proto::DeleteRoomRequest { room: "room".into() })).unwrap();
    assert!(world.clients[ann].closed, "signalling ends at once");
    world.until("the media end", |w| w.clients[ann].hung_up.is_some());
    let after = world.clients[ann].hung_up.unwrap() - removed;
    assert!(after >= Duration::from_secs(1), "{after:?}");
}

#[test]
fn the_same_identity_again_takes_the_place() {
    let mut world = World::new(27);
    let (bob, first) = (world.enter("bob"), world.enter("ann"));
    let second = world.enter("ann");
    assert!(world.clients[first].closed && !world.clients[second].closed);
    let reason = world.clients[first].responses.iter().find_map(|r| match r {
        Response::Leave(leave) => Some(leave.reason()),
        _ => None,
    });
    assert_eq!(reason, Some(proto::DisconnectReason::DuplicateIdentity));
    world.run(Duration::from_millis(200));
    assert_eq!(world.clients[bob].people["ann"].state, i32::from(proto::participant_info::State::Active));
}

#[test]
fn chat_that_is_kept_is_told_and_not_forwarded() {
    let mut world = World::new(28);
    let bob = world.enter("bob");
    let ann = world.join_with("ann", |join| join.keeps_chat = true);
    world.until("connected", |w| w.clients[ann].connected);
    world.run(Duration::from_millis(500));
    let header = proto::data_stream::Header {
        stream_id: "s1".into(),
        topic: "lk.chat".into(),
        content_header: Some(proto::data_stream::header::ContentHeader::TextHeader(Default::default())),
        ..Default::default()
    };
    let chunk = proto::data_stream::Chunk { stream_id: "s1".into(), content: "hello".into(), ..Default::default() };
    let trailer = proto::data_stream::Trailer { stream_id: "s1".into(), ..Default::default() };
    use proto::data_packet::Value;
    // Compressed or not is for whoever keeps it to know.
    let compression = proto::data_stream::CompressionType::DeflateRaw.into();
    let whole = proto::data_stream::Header {
        stream_id: "s2".into(),
        inline_content: Some(vec![1]),
        compression,
        ..header.clone()
    };
    let elsewhere = proto::data_stream::Header { stream_id: "s3".into(), topic: "other".into(), ..header.clone() };
    let other = proto::data_stream::Chunk { stream_id: "s3".into(), ..Default::default() };
    let values = [
        Value::StreamHeader(header),
        Value::StreamHeader(elsewhere),
        Value::StreamChunk(chunk),
        Value::StreamChunk(other),
        Value::StreamTrailer(trailer),
        Value::StreamHeader(whole),
    ];
    for value in values.clone() {
        world.clients[ann].send("_reliable", &proto::DataPacket { value: Some(value), ..Default::default() });
    }
    world.run(Duration::from_secs(1));
    let passed: Vec<_> = world.clients[bob].data.iter().filter_map(|(_, packet)| packet.value.clone()).collect();
    assert_eq!(passed, [values[1].clone(), values[3].clone()]);
    let told = world.events.iter().filter_map(|e| match &e.kind {
        EventKind::Chat { packet, .. } => Some((packet.participant_identity.clone(), packet.value.clone().unwrap())),
        _ => None,
    });
    let chat = [&values[0], &values[2], &values[4], &values[5]];
    assert_eq!(told.collect::<Vec<_>>(), chat.map(|value| ("ann".to_owned(), value.clone())));
}

#[test]
fn a_server_lists_and_removes() {
    let mut world = World::new(29);
    let ann = world.enter("ann");
    world.publish_audio(ann, "mic");
    world.run(Duration::from_millis(500));
    let Ok(Answer::Rooms(rooms)) = world.ask(Ask::ListRooms(Default::default())) else { panic!("rooms") };
    assert_eq!((rooms.len(), rooms[0].num_participants, rooms[0].num_publishers), (1, 1, 1));
    let who = proto::RoomParticipantIdentity { room: "room".into(), identity: "ann".into(), ..Default::default() };
    let Ok(Answer::Participant(info)) = world.ask(Ask::GetParticipant(who.clone())) else { panic!("ann") };
    assert_eq!(info.tracks.len(), 1);
    assert_eq!(world.ask(Ask::RemoveParticipant(who.clone())), Ok(Answer::Done));
    assert!(world.clients[ann].closed);
    assert!(matches!(world.ask(Ask::RemoveParticipant(who)), Err(Refusal::NotFound(_))));
    world.run(Duration::from_secs(22));
    let Ok(Answer::Rooms(rooms)) = world.ask(Ask::ListRooms(Default::default())) else { panic!("rooms") };
    assert!(rooms.is_empty(), "an empty room ends after its time");
}

#[test]
fn a_server_subscribes_somebody_and_ends_it() {
    let mut world = World::new(86);
    let (ann, bob, cid) = (world.enter("ann"), world.enter("bob"), world.enter("cid"));
    world.publish_audio(ann, "mic");
    let sid = world.sid(ann, "mic");
    let heard = |world: &World, name: usize| {
        let client = &world.clients[name];
        client.line_of(&sid).map_or(0, |line| client.heard_on(line).count())
    };
    world.until("bob and cid hear her", |w| heard(w, bob) > 10 && heard(w, cid) > 10);
    let whom = proto::UpdateSubscriptionsRequest { room: "room".into(), identity: "bob".into(), ..Default::default() };
    let end = proto::UpdateSubscriptionsRequest { track_sids: vec![sid.clone()], ..whom.clone() };
    assert_eq!(world.ask(Ask::UpdateSubscriptions(end)), Ok(Answer::Done));
    // What was under way.
    world.run(Duration::from_millis(500));
    let before = [bob, cid].map(|name| heard(&world, name));
    world.run(Duration::from_secs(1));
    assert_eq!(heard(&world, bob), before[0], "he hears her no more");
    assert!(heard(&world, cid) > before[1] + 40, "cid was not spoken of");

    let tracks = proto::ParticipantTracks { track_sids: vec![sid.clone()], ..Default::default() };
    let begin = proto::UpdateSubscriptionsRequest { participant_tracks: vec![tracks], subscribe: true, ..whom.clone() };
    let before = heard(&world, bob);
    assert_eq!(world.ask(Ask::UpdateSubscriptions(begin)), Ok(Answer::Done));
    world.until("he hears her again", |w| heard(w, bob) > before + 10);
    let nobody = proto::UpdateSubscriptionsRequest { identity: "dan".into(), ..whom };
    assert!(matches!(world.ask(Ask::UpdateSubscriptions(nobody)), Err(Refusal::NotFound(_))));
}

#[test]
fn everybody_hears_of_the_rooms_metadata() {
    let mut world = World::new(87);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    let news = proto::UpdateRoomMetadataRequest { room: "room".into(), metadata: "news".into() };
    let Ok(Answer::Room(room)) = world.ask(Ask::UpdateRoomMetadata(news)) else { panic!("the room") };
    assert_eq!(room.metadata, "news");
    for name in [ann, bob] {
        let heard = world.clients[name].responses.iter().rev().find_map(|response| match response {
            Response::RoomUpdate(update) => update.room.clone(),
            _ => None,
        });
        assert_eq!(heard.map(|room| (room.sid, room.metadata)), Some((room.sid.clone(), "news".into())));
    }
}

/// The calls that have reached somebody: each with its id, and who is said to call.
fn calls(world: &World, name: usize) -> Vec<(proto::RpcRequest, String)> {
    let call = |packet: &proto::DataPacket| match &packet.value {
        Some(proto::data_packet::Value::RpcRequest(call)) => Some((call.clone(), packet.participant_identity.clone())),
        _ => None,
    };
    world.clients[name].data.iter().filter_map(|(_, packet)| call(packet)).collect()
}

fn perform_rpc(method: &str) -> Ask {
    Ask::PerformRpc(proto::PerformRpcRequest {
        room: "room".into(),
        destination_identity: "bob".into(),
        method: method.into(),
        payload: "hear me".into(),
        response_timeout_ms: 4_000,
    })
}

/// As the SDKs answer: to the caller, first that the call has come, then what becomes of it.
fn answer_rpc(world: &mut World, name: usize, call: &(proto::RpcRequest, String), value: proto::rpc_response::Value) {
    use proto::data_packet::Value;
    let (request, caller) = call;
    let request_id = request.id.clone();
    let ack = Value::RpcAck(proto::RpcAck { request_id: request_id.clone() });
    let response = Value::RpcResponse(proto::RpcResponse { request_id, value: Some(value) });
    for value in [ack, response] {
        let destination_identities = vec![caller.clone()];
        let packet = proto::DataPacket { destination_identities, value: Some(value), ..Default::default() };
        assert!(world.clients[name].send("_reliable", &packet));
    }
    world.run(Duration::from_millis(500));
}

#[test]
fn a_server_calls_somebody_and_only_they_answer() {
    use proto::rpc_response::Value::{Error, Payload};
    let mut world = World::new(88);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.run(Duration::from_millis(500));
    world.begin_asking(perform_rpc("shout"));
    world.run(Duration::from_millis(500));
    let [call] = &calls(&world, bob)[..] else { panic!("one call") };
    let call = call.clone();
    assert_eq!((&call.0.method[..], &call.0.payload[..], call.0.version), ("shout", "hear me", 1));
    assert_eq!(call.0.response_timeout_ms, 4_000);
    assert!(calls(&world, ann).is_empty(), "it is for bob alone");

    answer_rpc(&mut world, ann, &call, Payload("forged".into()));
    assert_eq!(world.answer(), None, "nobody answers for another");
    answer_rpc(&mut world, bob, &call, Payload("HEAR ME".into()));
    assert_eq!(world.answer(), Some(Ok(Answer::Rpc("HEAR ME".into()))));
    answer_rpc(&mut world, bob, &call, Payload("and again".into()));
    assert_eq!(world.answer(), None, "a call is answered once");

    world.begin_asking(perform_rpc("whisper"));
    world.run(Duration::from_millis(500));
    let call = calls(&world, bob)[1].clone();
    let error = proto::RpcError { code: 1400, message: "no such method".into(), data: "d".into() };
    answer_rpc(&mut world, bob, &call, Error(error));
    let refusal = Refusal::Rpc { code: 1400, message: "no such method".into(), data: "d".into() };
    assert_eq!(world.answer(), Some(Err(refusal)));
    assert!(world.clients[ann].data.is_empty(), "nobody else hears a word of it");
}

#[test]
fn a_call_that_nobody_answers_ends() {
    let mut world = World::new(89);
    let (_, bob) = (world.enter("ann"), world.enter("bob"));
    world.run(Duration::from_millis(500));
    let code = |answer: Option<Result<Answer, Refusal>>| match answer {
        Some(Err(Refusal::Rpc { code, .. })) => Some(code),
        _ => None,
    };
    world.begin_asking(perform_rpc("shout"));
    world.run(Duration::from_millis(3_900));
    assert_eq!(world.answer(), None, "it has its time");
    world.run(Duration::from_secs(1));
    assert_eq!(code(world.answer()), Some(1502));
    // Of one who goes, no answer is waited for.
    world.begin_asking(perform_rpc("shout"));
    world.signal(bob, Request::Leave(proto::LeaveRequest::default()));
    world.run(Duration::from_millis(1_500));
    assert_eq!(code(world.answer()), Some(1503));
    assert!(matches!(world.ask(perform_rpc("shout")), Err(Refusal::NotFound(_))));
    let large = proto::PerformRpcRequest {
        room: "room".into(),
        destination_identity: "ann".into(),
        payload: "x".repeat(15 * 1024 + 1),
        ..Default::default()
    };
    assert!(matches!(world.ask(Ask::PerformRpc(large)), Err(Refusal::InvalidArgument(_))));
    // Nor when the room ends, and nothing happens in it any more.
    world.enter("bob");
    world.begin_asking(perform_rpc("shout"));
    world.ask(Ask::DeleteRoom(proto::DeleteRoomRequest { room: "room".into() })).unwrap();
    assert_eq!(code(world.answer()), Some(1503));
}

#[test]
fn a_dual_connection_is_offered_its_channels_at_once() {
    let mut world = World::new(30);
    let ann = world.enter("ann");
    world.publish_audio(ann, "mic");
    world.run(Duration::from_millis(500));
    let bob = world.join_with("bob", |join| join.mode = Mode::Dual);
    let offer = world.clients[bob].responses.iter().find_map(|r| match r {
        Response::Offer(offer) => Some(offer.clone()),
        _ => None,
    });
    let offer = offer.expect("an offer follows the join");
    assert!(offer.sdp.contains("m=application") && offer.sdp.contains("m=audio"), "{}", offer.sdp);
    let sid = world.sid(ann, "mic");
    let ann_sid = world.clients[bob].people["ann"].sid.clone();
    assert!(offer.sdp.contains(&format!("a=msid:{ann_sid}|{sid} {sid}")), "{}", offer.sdp);
}

fn audience(all_participants: bool) -> Request {
    Request::SubscriptionPermission(proto::SubscriptionPermission { all_participants, ..Default::default() })
}

#[test]
fn who_may_not_subscribe_is_told_so_and_what_changes() {
    let mut world = World::new(31);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.signal(ann, audience(false));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(1));
    let told = |world: &World| -> Vec<bool> {
        let told = world.clients[bob].responses.iter().filter_map(|response| match response {
            Response::SubscriptionPermissionUpdate(update) => Some(update.allowed),
            _ => None,
        });
        told.collect()
    };
    assert_eq!(told(&world), [false], "of a track that was never open to him");
    assert_eq!(world.clients[bob].heard.len(), 0);
    world.signal(ann, audience(true));
    world.run(Duration::from_secs(1));
    assert_eq!(told(&world), [false, true]);
    let heard = world.clients[bob].heard.len();
    assert!(heard > 20, "sound flows: {heard}");
    world.signal(ann, audience(false));
    world.run(Duration::from_millis(50));
    let heard = world.clients[bob].heard.len();
    world.run(Duration::from_secs(1));
    assert_eq!((told(&world), world.clients[bob].heard.len()), (vec![false, true, false], heard));
}

#[test]
#[expect(deprecated, reason = "tokens still grant `recorder`")]
fn who_records_need_not_be_let() {
    let recorders: [fn(&mut convo_sfu::Join); 2] =
        [|join| join.kind = proto::participant_info::Kind::Egress, |join| join.permission.recorder = true];
    for recorder in recorders {
        let mut world = World::new(50);
        let (ann, bob, recorder) = (world.enter("ann"), world.enter("bob"), world.join_with("recorder", recorder));
        world.until("connected", |w| w.clients[recorder].connected);
        world.signal(ann, audience(false));
        world.publish_audio(ann, "mic");
        world.run(Duration::from_secs(2));
        assert!(world.clients[bob].heard.is_empty());
        assert!(world.clients[recorder].heard.len() > 40);
    }
}

#[test]
fn a_permission_that_was_away_for_a_moment_leaves_the_sound_as_it_was() {
    for mode in [Mode::Single, Mode::Dual] {
        let mut world = World::new(35);
        let ann = world.enter("ann");
        let bob = world.join_with("bob", |join| join.mode = mode);
        world.publish_audio(ann, "mic");
        world.run(Duration::from_secs(1));
        // Both are handled before Bob can answer the first.
        for allowed in [false, true] {
            let (connection, message) = (world.clients[ann].connection, Some(audience(allowed)));
            let request = Box::new(proto::SignalRequest { message });
            world.sfu.handle(world.now, Input::Signal { connection, request });
        }
        world.run(Duration::from_millis(500));
        let heard = world.clients[bob].heard.len();
        world.run(Duration::from_secs(1));
        let heard = world.clients[bob].heard.len() - heard;
        assert!((45..=55).contains(&heard), "{mode:?}: {heard} packets in a second");
    }
}

#[test]
fn after_any_number_of_packets_a_permission_that_comes_back_brings_them_back() {
    let mut world = World::new(36);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 1);
    world.run(Duration::from_secs(1));
    // As if many were lost on their way: the numbers count beyond 16 bits.
    for _ in 0..70 {
        let client = &mut world.clients[ann];
        [&mut client.audio, &mut client.video].into_iter().for_each(|source| source.as_mut().unwrap().seq[0] += 1_000);
        world.run(Duration::from_millis(40));
    }
    let furthest = |cid| {
        let line = world.clients[bob].line_of(&world.sid(ann, cid)).unwrap();
        world.clients[bob].heard_on(line).map(|heard| heard.seq).max()
    };
    assert!(["mic", "cam"].map(furthest).into_iter().all(|seq| seq > Some(1 << 16)));
    for allowed in [false, true] {
        world.signal(ann, audience(allowed));
        world.run(Duration::from_secs(1));
    }
    let since = world.now;
    world.run(Duration::from_secs(1));
    for (cid, enough) in [("mic", 45), ("cam", 150)] {
        let (line, client) = (world.clients[bob].line_of(&world.sid(ann, cid)).unwrap(), &world.clients[bob]);
        let heard = client.heard_on(line).filter(|heard| heard.at >= since).count();
        assert!(heard > enough, "{cid}: {heard} packets in a second");
    }
}

#[test]
fn an_announcement_that_says_too_much_is_refused() {
    use proto::request_response::Reason;
    let mut world = World::new(37);
    let ann = world.enter("ann");
    let track = |cid: &str, layers: usize, name: usize| proto::AddTrackRequest {
        cid: cid.into(),
        name: "n".repeat(name),
        r#type: proto::TrackType::Video.into(),
        layers: vec![proto::VideoLayer { width: 1, ..Default::default() }; layers],
        ..Default::default()
    };
    for (cid, layers, name) in [("a", 100_000, 1), ("b", 1, 1 << 20), ("c", 3, 1_000)] {
        world.signal(ann, Request::AddTrack(track(cid, layers, name)));
    }
    world.run(Duration::from_millis(100));
    let answered = |message: &Response| match message {
        Response::RequestResponse(refused) => Some(refused.reason()),
        Response::TrackPublished(taken) => (taken.cid == "c").then_some(Reason::Ok),
        _ => None,
    };
    let answers: Vec<_> = world.clients[ann].responses.iter().filter_map(answered).collect();
    assert_eq!(answers, [Reason::InvalidRequest, Reason::InvalidRequest, Reason::Ok]);
}

#[test]
fn what_is_published_without_a_source_is_a_microphone_or_a_camera() {
    let mut world = World::new(33);
    let ann = world.enter("ann");
    let named = |request: Request, source: proto::TrackSource| match request {
        Request::AddTrack(add) => Request::AddTrack(proto::AddTrackRequest { source: source.into(), ..add }),
        other => other,
    };
    let state = |world: &World| {
        let told = world.events.iter().rev().find_map(|event| match event.kind {
            EventKind::MediaState { audio, video, .. } => Some((audio, video)),
            _ => None,
        });
        told.expect("the state was told")
    };
    let screen = named(world.clients[ann].announce_video("screen", 1), proto::TrackSource::ScreenShare);
    world.signal(ann, screen);
    world.offer(ann);
    world.run(Duration::from_millis(500));
    assert_eq!(state(&world), (false, false), "a screen is no camera");
    let sound = named(world.clients[ann].announce_audio("sound"), proto::TrackSource::Unknown);
    world.signal(ann, sound);
    world.offer(ann);
    world.run(Duration::from_millis(500));
    assert_eq!(state(&world), (true, false));
    let connection = world.clients[ann].connection;
    world.input(Input::Command { connection, command: Command::Mute(vec![proto::TrackSource::Microphone]) });
    assert_eq!(state(&world), (false, false));
    let unnamed = proto::TrackInfo { r#type: proto::TrackType::Video.into(), ..Default::default() };
    assert_eq!(convo_sfu::meant_source(&unnamed), proto::TrackSource::Camera);
}

#[test]
fn who_connects_no_media_has_a_minute() {
    let mut world = World::new(34);
    let (ann, bob) = (world.enter("ann"), world.join("bob"));
    world.weather(bob, Weather::tunnel());
    world.run(Duration::from_secs(55));
    assert!(!world.clients[bob].closed);
    world.run(Duration::from_secs(10));
    let why = world.clients[bob].responses.iter().find_map(|response| match response {
        Response::Leave(leave) => Some(leave.reason()),
        _ => None,
    });
    assert_eq!(why, Some(proto::DisconnectReason::JoinFailure), "though it pings");
    assert!(matches!(world.events.last().unwrap().kind, EventKind::ParticipantAborted { .. }));
    assert!(world.clients[bob].closed && !world.clients[ann].closed);
}

#[test]
fn a_message_is_as_long_as_the_description_says() {
    let mut world = World::new(35);
    let ann = world.enter("ann");
    let bob = world.join_with("bob", |join| join.mode = Mode::Dual);
    world.run(Duration::from_secs(1));
    let says = |response: &Response| match response {
        Response::Answer(description) | Response::Offer(description) => {
            Some(description.sdp.contains("a=max-message-size:65535\r\n"))
        }
        _ => None,
    };
    for name in [ann, bob] {
        let said: Vec<_> = world.clients[name].responses.iter().filter_map(says).collect();
        assert!(!said.is_empty() && said.iter().all(|said| *said), "{said:?}");
    }
    let cid = world.enter("cid");
    world.run(Duration::from_secs(1));
    let of_size = |size: usize| {
        // The text comes with a tag and its length, and the length of what holds it grows.
        text(&"x".repeat(size - text("", &[]).encoded_len() - 6), &[])
    };
    let longest = of_size(65_535);
    assert_eq!(longest.encoded_len(), 65_535);
    assert!(world.clients[ann].send("_reliable", &longest));
    world.run(Duration::from_secs(2));
    assert_eq!(texts(&world, cid).len(), 1);
    assert!(!world.clients[ann].send("_reliable", &of_size(65_540)), "its sender learns of it");
}

#[test]
fn pictures_codecs_come_first_and_some_are_not_for_all() {
    let mut world = World::new(36);
    let mut told = |identity: &str, browser: &str, version: &str, os: &str| -> Vec<String> {
        let name = world.join_with(identity, |join| {
            let client = join.request.client_info.get_or_insert_default();
            (client.browser, client.browser_version, client.os) = (browser.into(), version.into(), os.into());
        });
        let joined = world.clients[name].joined.as_ref().unwrap();
        joined.enabled_publish_codecs.iter().map(|codec| codec.mime.clone()).collect()
    };
    let all = ["VP8", "H264", "VP9", "AV1", "H265", "rtx"].map(|name| format!("video/{name}")).to_vec();
    let but = |codecs: &[&str]| -> Vec<String> {
        let kept = all.iter().filter(|mime| !codecs.iter().any(|codec| mime.ends_with(codec))).cloned();
        kept.chain(["audio/opus".to_owned(), "audio/red".to_owned()]).collect()
    };
    assert_eq!(told("a", "", "", ""), but(&[]));
    assert_eq!(told("b", "Safari", "18.3", "macOS"), but(&["AV1"]));
    assert_eq!(told("c", "Safari", "18.10.1", "macOS"), but(&["AV1", "VP9"]));
    assert_eq!(told("d", "Firefox", "140.0", "Linux"), but(&["H264"]));
    assert_eq!(told("e", "Firefox", "140.0", "Windows"), but(&[]));
}
