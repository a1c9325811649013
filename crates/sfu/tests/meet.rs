//! Two people meet: they learn of each other, hear and see each other, and one goes.

mod common;

use common::{Frame, World};
use convo_sfu::{Answer, Ask, EventKind, Mode};
use livekit_protocol as proto;
use proto::{
    RoomEndReason,
    participant_info::{Kind, State},
    signal_request::Message as Request,
    signal_response::Message as Response,
};
use std::{collections::BTreeSet, time::Duration};

#[test]
fn two_people_hear_and_see_each_other() {
    let mut world = World::new(1);
    let ann = world.enter("ann");
    let bob = world.enter("bob");
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 1);
    world.until("bob has both lines", |w| w.clients[bob].mid_to_track.len() == 2);
    world.run(Duration::from_secs(2));

    let (mic, cam) = (world.sid(ann, "mic"), world.sid(ann, "cam"));
    let bob = &world.clients[bob];
    let seen = &bob.people["ann"];
    assert_eq!(seen.state, i32::from(State::Active));
    assert_eq!(seen.tracks.len(), 2);
    let audio: Vec<_> = bob.heard_on(bob.line_of(&mic).unwrap()).collect();
    assert!(audio.len() >= 90, "sound flows: {}", audio.len());
    assert!(audio.windows(2).all(|w| w[1].seq == w[0].seq + 1 && w[1].time == w[0].time.wrapping_add(960)));
    let video: Vec<_> = bob.heard_on(bob.line_of(&cam).unwrap()).collect();
    assert!(video.windows(2).all(|w| w[1].seq == w[0].seq + 1), "no gap");
    let first = Frame::read(&video[0].payload).unwrap();
    assert!(first.keyframe && first.packet == 0, "a picture begins with a key frame: {first:?}");
}

/// RFC 3550, 8.2: it must, where two chose the same.
#[test]
fn who_goes_on_under_another_ssrc_is_seen_and_heard() {
    let mut world = World::new(9);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 1);
    world.run(Duration::from_secs(5));
    world.clients[ann].change_ssrcs();
    world.run(Duration::from_secs(5));
    let since = world.now - Duration::from_secs(3);
    for (cid, packets) in [("mic", 145), ("cam", 530)] {
        let client = &world.clients[bob];
        let line = client.line_of(&world.sid(ann, cid)).expect("a line");
        let all: Vec<_> = client.heard_on(line).collect();
        let since = all.iter().filter(|h| h.at > since).count();
        assert!(since >= packets, "{cid}: {since} packets");
        assert!(all.windows(2).all(|w| w[1].seq == w[0].seq + 1), "{cid}: no gap");
    }
}

#[test]
fn a_late_joiner_sees_who_was_there() {
    let mut world = World::new(2);
    let ann = world.enter("ann");
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(3));
    let bob = world.enter("bob");
    world.run(Duration::from_secs(2));
    let joined = world.clients[bob].joined.as_ref().unwrap();
    assert_eq!(joined.other_participants[0].tracks.len(), 2);
    let cam = world.sid(ann, "cam");
    let bob = &world.clients[bob];
    let line = bob.line_of(&cam).expect("the first answer names the lines");
    assert!(bob.heard_on(line).count() > 20);
}

#[test]
fn with_two_connections_a_late_joiner_sees_who_was_there_and_is_seen() {
    let mut world = World::new(5);
    let ann = world.enter("ann");
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 1);
    world.run(Duration::from_secs(3));
    // As the SDKs do: the publisher's first offer leaves before the answer to the server's.
    let bob = world.join_with("bob", |join| join.mode = Mode::Dual);
    world.until("media is connected", |w| w.clients[bob].connected);
    world.publish_audio(bob, "mic");
    world.run(Duration::from_secs(2));
    let hears = |who: usize, sid: &str| {
        let client = &world.clients[who];
        client.heard_on(client.line_of(sid).expect("a line")).count()
    };
    assert!(hears(bob, &world.sid(ann, "mic")) > 80);
    assert!(hears(bob, &world.sid(ann, "cam")) > 80);
    assert!(hears(ann, &world.sid(bob, "mic")) > 80);
    let refused = world.clients[bob].responses.iter().find(|r| matches!(r, Response::SubscriptionResponse(_)));
    assert_eq!(refused, None);
    world.publish_audio(ann, "second mic");
    world.run(Duration::from_secs(2));
    let client = &world.clients[bob];
    assert!(client.heard_on(client.line_of(&world.sid(ann, "second mic")).expect("a line")).count() > 80);
    world.clients[ann].send(
        "_reliable",
        &proto::DataPacket {
            value: Some(proto::data_packet::Value::User(proto::UserPacket {
                payload: b"hello".to_vec(),
                ..Default::default()
            })),
            ..Default::default()
        },
    );
    world.run(Duration::from_secs(1));
    let labels: Vec<_> = world.clients[bob].data.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["_reliable"]);
}

#[test]
fn who_goes_is_gone_for_all() {
    let mut world = World::new(3);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(1));
    world.leave(ann);
    world.run(Duration::from_millis(100));
    assert!(world.clients[ann].closed);
    let seen = &world.clients[bob].people["ann"];
    assert_eq!(seen.state, i32::from(State::Disconnected));
    assert_eq!(seen.disconnect_reason, i32::from(proto::DisconnectReason::ClientInitiated));
    let before = world.clients[bob].heard.len();
    world.run(Duration::from_secs(1));
    assert!(world.clients[bob].heard.len() - before < 3, "nothing flows any more");
}

/// UDP may be quicker than TLS.
#[test]
fn who_hangs_up_before_the_goodbye_is_heard_is_gone_with_it() {
    let mut world = World::new(4);
    let (ann, _bob) = (world.enter("ann"), world.enter("bob"));
    world.clients[ann].hang_up();
    world.run(Duration::from_millis(100));
    assert!(!world.clients[ann].closed);
    world.signal(ann, Request::Leave(proto::LeaveRequest::default()));
    assert!(world.clients[ann].closed);
}

#[test]
fn who_says_goodbye_makes_room_at_once() {
    let mut world = World::new(5);
    let room = proto::CreateRoomRequest { name: "room".into(), max_participants: 2, ..Default::default() };
    world.ask(Ask::CreateRoom(room)).unwrap();
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.signal(ann, Request::Leave(proto::LeaveRequest::default()));
    assert!(!world.clients[ann].closed, "she is heard out");
    assert!(!world.resume(ann), "who said goodbye comes anew");
    let cid = world.enter("cid");
    let left = |world: &World, who: &str| {
        let seen = &world.clients[bob].people[who];
        (seen.state() == State::Disconnected).then(|| seen.disconnect_reason())
    };
    assert_eq!(left(&world, "ann"), Some(proto::DisconnectReason::ClientInitiated));
    // Nor is it said that somebody else came with the same name.
    world.signal(cid, Request::Leave(proto::LeaveRequest::default()));
    let again = world.join("cid");
    assert_eq!(farewell(&world, cid), Some(proto::DisconnectReason::ClientInitiated));
    world.until("connected", |w| w.clients[again].connected);
    // Who does not hang up goes all the same.
    world.signal(again, Request::Leave(proto::LeaveRequest::default()));
    world.run(Duration::from_secs(1));
    assert!(world.clients[again].closed && left(&world, "cid").is_some());
}

fn rooms(world: &mut World) -> Vec<proto::Room> {
    match world.ask(Ask::ListRooms(Default::default())) {
        Ok(Answer::Rooms(rooms)) => rooms,
        other => panic!("{other:?}"),
    }
}

/// What the client was told of the room.
fn updates(world: &World, name: usize) -> Vec<&proto::Room> {
    let updates = world.clients[name].responses.iter().filter_map(|response| match response {
        Response::RoomUpdate(update) => update.room.as_ref(),
        _ => None,
    });
    updates.collect()
}

#[test]
fn who_is_there_is_told_how_many_have_come_and_gone() {
    let mut world = World::new(11);
    let ann = world.enter("ann");
    let numbers = |world: &World| updates(world, ann).last().map(|room| (room.num_participants, room.num_publishers));
    let bob = world.enter("bob");
    world.publish_audio(bob, "mic");
    world.run(Duration::from_secs(6));
    assert_eq!(numbers(&world), Some((2, 1)));
    let before = updates(&world, ann).len();
    for n in 0..20 {
        world.join(&format!("guest{n}"));
        world.run(Duration::from_millis(500));
    }
    world.run(Duration::from_secs(6));
    assert_eq!(numbers(&world), Some((22, 1)));
    let told = updates(&world, ann).len() - before;
    assert!((2..=4).contains(&told), "{told} times");
    world.signal(bob, Request::Leave(proto::LeaveRequest::default()));
    world.run(Duration::from_secs(6));
    assert_eq!(numbers(&world), Some((21, 0)));
    let told = updates(&world, ann).len();
    world.run(Duration::from_secs(20));
    assert_eq!(updates(&world, ann).len(), told, "nothing changed");
}

#[test]
#[expect(deprecated, reason = "tokens still grant `recorder`")]
fn who_is_recorded_is_told_so() {
    let recorders: [fn(&mut convo_sfu::Join); 2] =
        [|join| join.kind = Kind::Egress, |join| (join.permission.recorder, join.permission.hidden) = (true, true)];
    for recorder in recorders {
        let mut world = World::new(12);
        let ann = world.enter("ann");
        world.run(Duration::from_secs(1));
        let recorded = |world: &World| updates(world, ann).last().is_some_and(|room| room.active_recording);
        let camera = world.join_with("camera", recorder);
        world.run(Duration::from_millis(300));
        assert!(recorded(&world), "at once");
        let bob = world.join("bob");
        assert!(world.clients[bob].joined.as_ref().unwrap().room.as_ref().unwrap().active_recording);
        assert!(rooms(&mut world)[0].active_recording);
        world.leave(camera);
        world.run(Duration::from_millis(300));
        assert!(!recorded(&world) && !rooms(&mut world)[0].active_recording);
    }
}

/// How the client was sent away.
fn farewell(world: &World, name: usize) -> Option<proto::DisconnectReason> {
    world.clients[name].responses.iter().find_map(|response| match response {
        Response::Leave(leave) => Some(leave.reason()),
        _ => None,
    })
}

#[test]
#[expect(deprecated, reason = "tokens still grant `agent` and `recorder`")]
fn a_room_does_not_stay_open_for_agents_and_recorders() {
    let dependents: [fn(&mut convo_sfu::Join); 4] = [
        |join| join.kind = Kind::Agent,
        |join| join.kind = Kind::Egress,
        |join| join.permission.agent = true,
        |join| join.permission.recorder = true,
    ];
    for dependent in dependents {
        let mut world = World::new(7);
        let ann = world.enter("ann");
        let agent = world.join_with("agent", dependent);
        world.until("connected", |w| w.clients[agent].connected);
        world.run(Duration::from_secs(60));
        assert!(!world.clients[agent].closed, "Ann is there");
        world.signal(ann, Request::Leave(proto::LeaveRequest::default()));
        world.run(Duration::from_secs(19));
        assert_eq!(farewell(&world, agent), None, "she may come back");
        world.run(Duration::from_secs(2));
        assert_eq!(farewell(&world, agent), Some(proto::DisconnectReason::RoomClosed));
        let finished = |kind: &EventKind| matches!(kind, EventKind::RoomFinished(RoomEndReason::RoomEndIdleTimeout));
        assert!(world.events.iter().any(|event| finished(&event.kind)));
    }
}

#[test]
fn agents_in_a_room_that_nobody_ever_joined_wait_as_long_as_it_does() {
    let mut world = World::new(8);
    for identity in ["first", "second"] {
        let agent = world.join_with(identity, |join| join.kind = Kind::Agent);
        world.until("connected", |w| w.clients[agent].connected);
        world.run(Duration::from_secs(30));
        world.signal(agent, Request::Leave(proto::LeaveRequest::default()));
        world.run(Duration::from_secs(30));
    }
    let last = world.join_with("last", |join| join.kind = Kind::Agent);
    world.run(Duration::from_secs(179));
    assert_eq!(rooms(&mut world).len(), 1, "five minutes are not over");
    world.run(Duration::from_secs(3));
    assert_eq!(rooms(&mut world).len(), 0);
    assert_eq!(farewell(&world, last), Some(proto::DisconnectReason::RoomClosed));
}

#[test]
fn agents_take_nobodys_place() {
    let mut world = World::new(9);
    let room = proto::CreateRoomRequest { name: "room".into(), max_participants: 1, ..Default::default() };
    world.ask(Ask::CreateRoom(room)).unwrap();
    let agent = world.join_with("agent", |join| join.kind = Kind::Agent);
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let late = world.join_with("recorder", |join| join.kind = Kind::Egress);
    assert_eq!([agent, ann, bob, late].map(|name| world.clients[name].closed), [false, false, true, false]);
    assert_eq!(rooms(&mut world)[0].num_participants, 1);
}

#[test]
fn five_people_all_hear_each_other() {
    let mut world = World::new(4);
    let names: Vec<_> = ["ann", "bob", "cid", "dan", "eve"].iter().map(|name| world.enter(name)).collect();
    for name in &names {
        world.publish_audio(*name, "mic");
    }
    world.until("everybody has four lines", |w| w.clients.iter().all(|c| c.mid_to_track.len() == 5));
    world.run(Duration::from_secs(1));
    for name in &names {
        for other in names.iter().filter(|other| *other != name) {
            let sid = world.sid(*other, "mic");
            let client = &world.clients[*name];
            let line = client.line_of(&sid).expect("a line for each");
            assert!(client.heard_on(line).count() > 40, "{} hears {}", client.identity, world.clients[*other].identity);
        }
    }
}

#[test]
fn in_a_room_with_more_tracks_than_lines_the_rest_wait_for_one() {
    [Mode::Single, Mode::Dual].into_iter().for_each(more_tracks_than_lines);
}

fn more_tracks_than_lines(mode: Mode) {
    let mut world = World::with(6, |config| config.lines = 20);
    let ann = world.enter("ann");
    let bob = world.join_with("bob", |join| join.mode = mode);
    world.until("media is connected", |w| w.clients[bob].connected);
    world.clients[bob].keeps_lines = true;
    for n in 0..10 {
        world.publish_audio(ann, &format!("mic{n}"));
        world.publish_video(ann, &format!("cam{n}"), 1);
    }
    world.run(Duration::from_secs(2));
    let placed = |world: &World| -> BTreeSet<_> { world.clients[bob].mid_to_track.values().cloned().collect() };
    let asked = |world: &World| {
        let asked = |r: &&Response| matches!(r, Response::MediaSectionsRequirement(_) | Response::Offer(_));
        world.clients[bob].responses.iter().filter(asked).count()
    };
    let (before, questions) = (placed(&world), asked(&world));
    assert_eq!(before.len(), 19, "{mode:?}: all lines but that of the data channels are taken");
    world.run(Duration::from_secs(2));
    assert_eq!(asked(&world), questions, "{mode:?}: who has all lines is left alone");
    assert!(!world.clients[bob].closed);

    let unwanted = before.iter().find(|sid| **sid == world.sid(ann, "cam0")).expect("the first have lines").clone();
    let track_sids = vec![unwanted.clone()];
    world.signal(bob, Request::Subscription(proto::UpdateSubscription { track_sids, ..Default::default() }));
    world.run(Duration::from_secs(2));
    let after = placed(&world);
    assert_eq!(after.len(), 19, "{mode:?}: the one that waited has the line");
    assert_eq!(before.difference(&after).collect::<Vec<_>>(), [&unwanted]);
}

#[test]
fn what_ends_a_frame_reaches_those_who_can_take_it_off() {
    const TRAILER: &[u8] = b"123\xf7LKTS";
    let mut world = World::new(6);
    let ann = world.enter("ann");
    let mut announced = world.clients[ann].announce_video("cam", 1);
    if let Request::AddTrack(add) = &mut announced {
        add.packet_trailer_features = vec![proto::PacketTrailerFeature::PtfUserTimestamp.into()];
    }
    world.signal(ann, announced);
    world.offer(ann);
    world.clients[ann].video.as_mut().unwrap().trailer = TRAILER;
    let bob = world.enter("bob");
    let cid = world.join_with("cid", |join| {
        let client = join.request.client_info.get_or_insert_default();
        client.capabilities = vec![proto::client_info::Capability::CapPacketTrailer.into()];
    });
    world.run(Duration::from_secs(2));
    let ends = |name: usize| -> Vec<_> {
        let client = &world.clients[name];
        let heard = client.heard_on(client.line_of(&world.sid(ann, "cam")).unwrap());
        heard.filter(|packet| packet.marker).map(|packet| packet.payload.clone()).collect()
    };
    let (without, with) = (ends(bob), ends(cid));
    assert!(without.len() > 20 && without.iter().all(|end| end.ends_with(b"\xaa")), "a frame as it was encoded");
    assert!(with.len() > 20 && with.iter().all(|end| end.ends_with(TRAILER)));
}
