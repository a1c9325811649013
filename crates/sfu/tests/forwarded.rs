//! `ForwardParticipant`: somebody is shown in a second room, and seen and heard there.

mod common;

use common::{Frame, Name, World};
use convo_sfu::{Answer, Ask, EventKind, Refusal};
use livekit_protocol as proto;
use proto::{
    participant_info::{KindDetail, State},
    signal_request::Message as Request,
    signal_response::Message as Response,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn forward(world: &mut World, identity: &str, room: &str, to: &str) -> Result<Answer, Refusal> {
    world.ask(asking(identity, room, to))
}

fn asking(identity: &str, room: &str, to: &str) -> Ask {
    let (room, destination_room) = (room.into(), to.into());
    Ask::ForwardParticipant(proto::ForwardParticipantRequest { room, identity: identity.into(), destination_room })
}

fn enter(world: &mut World, identity: &str, room: &str) -> Name {
    let name = world.join_with(identity, |join| join.room = room.into());
    world.until("media is connected", |w| w.clients[name].connected);
    name
}

/// Ann, who is alone in the hall and is shown in the cellar, where Bob is.
fn forwarded(seed: u64) -> (World, Name, Name) {
    let mut world = World::new(seed);
    let (ann, bob) = (enter(&mut world, "ann", "hall"), enter(&mut world, "bob", "cellar"));
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 3);
    world.run(SECOND);
    assert_eq!(forward(&mut world, "ann", "hall", "cellar"), Ok(Answer::Done));
    (world, ann, bob)
}

fn heard(world: &World, who: Name, sid: &str) -> usize {
    let client = &world.clients[who];
    client.line_of(sid).map_or(0, |line| client.heard_on(line).count())
}

/// The encodings that the publisher was last asked for.
fn wanted(world: &World, publisher: Name) -> Option<Vec<bool>> {
    world.clients[publisher].responses.iter().rev().find_map(|response| match response {
        Response::SubscribedQualityUpdate(update) => {
            Some(update.subscribed_codecs[0].qualities.iter().map(|quality| quality.enabled).collect())
        }
        _ => None,
    })
}

#[test]
fn who_is_forwarded_is_seen_and_heard_in_the_other_room() {
    let (mut world, ann, bob) = forwarded(1);
    world.run(3 * SECOND);
    let (mic, cam) = (world.sid(ann, "mic"), world.sid(ann, "cam"));
    let copy = &world.clients[bob].people["ann"];
    assert_eq!((&copy.name[..], copy.state()), ("ANN", State::Active));
    assert_eq!(copy.kind_details, [i32::from(KindDetail::Forwarded)]);
    assert_eq!(copy.tracks.len(), 2);
    assert_ne!(copy.sid, world.clients[ann].joined.as_ref().unwrap().participant.as_ref().unwrap().sid);

    let client = &world.clients[bob];
    let sound: Vec<_> = client.heard_on(client.line_of(&mic).unwrap()).collect();
    assert!(sound.len() > 130, "sound flows: {}", sound.len());
    assert!(sound.windows(2).all(|w| w[1].seq == w[0].seq + 1 && w[1].time == w[0].time.wrapping_add(960)));
    let video: Vec<_> = client.heard_on(client.line_of(&cam).unwrap()).collect();
    assert!(video.windows(2).all(|w| w[1].seq == w[0].seq + 1), "no gap");
    let frames: Vec<_> = video.iter().filter_map(|packet| Frame::read(&packet.payload)).collect();
    assert!(frames[0].keyframe && frames[0].packet == 0, "a picture begins with a key frame: {:?}", frames[0]);
    assert_eq!(frames.last().unwrap().layer, 2, "and becomes as good as it comes");
}

#[test]
fn a_late_joiner_gets_a_picture_though_the_publisher_is_elsewhere() {
    let (mut world, ann, _) = forwarded(2);
    world.run(3 * SECOND);
    let asked = world.clients[ann].keyframes_asked;
    let cid = enter(&mut world, "cid", "cellar");
    world.run(SECOND);
    assert!(world.clients[ann].keyframes_asked > asked, "the request goes to the room of the origin");
    assert!(heard(&world, cid, &world.sid(ann, "cam")) > 20);
}

#[test]
fn what_changes_of_the_origin_changes_of_the_copy() {
    let (mut world, ann, bob) = forwarded(3);
    world.run(SECOND);
    let (mic, cam) = (world.sid(ann, "mic"), world.sid(ann, "cam"));
    world.signal(ann, Request::Mute(proto::MuteTrackRequest { sid: mic.clone(), muted: true }));
    let update = proto::UpdateParticipantMetadata { name: "Anna".into(), ..Default::default() };
    world.signal(ann, Request::UpdateMetadata(update));
    world.publish_audio(ann, "second mic");
    world.run(SECOND);
    let copy = world.clients[bob].people["ann"].clone();
    assert_eq!(copy.name, "Anna");
    assert!(copy.tracks.iter().any(|track| track.sid == mic && track.muted), "{:?}", copy.tracks);
    assert_eq!(copy.tracks.len(), 3);
    let before = heard(&world, bob, &mic);
    world.run(SECOND);
    assert_eq!(heard(&world, bob, &mic), before, "muted");

    world
        .ask(Ask::UpdateParticipant(proto::UpdateParticipantRequest {
            room: "hall".into(),
            identity: "ann".into(),
            permission: Some(proto::ParticipantPermission {
                can_publish: true,
                can_publish_sources: vec![proto::TrackSource::Microphone.into()],
                ..Default::default()
            }),
            ..Default::default()
        }))
        .unwrap();
    world.run(SECOND);
    let copy = &world.clients[bob].people["ann"];
    assert!(copy.tracks.iter().all(|track| track.sid != cam), "unpublished there, unpublished here");
    assert_eq!(copy.tracks.len(), 2);
}

#[test]
fn the_copy_goes_with_the_origin() {
    let (mut world, ann, bob) = forwarded(4);
    world.run(SECOND);
    world.signal(ann, Request::Leave(proto::LeaveRequest::default()));
    world.run(SECOND);
    assert_eq!(world.clients[bob].people["ann"].state(), State::Disconnected);
    let told: Vec<_> = world
        .events
        .iter()
        .filter(|event| event.room.name == "cellar")
        .filter_map(|event| match &event.kind {
            EventKind::ParticipantJoined { info, .. } if info.identity == "ann" => Some("joined"),
            EventKind::TrackPublished { .. } => Some("published"),
            EventKind::TrackUnpublished { .. } => Some("unpublished"),
            EventKind::ParticipantLeft { info, .. } if info.identity == "ann" => Some("left"),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["joined", "published", "published", "unpublished", "unpublished", "left"]);
}

#[test]
fn who_is_removed_there_stays_here_and_can_be_forwarded_again() {
    let (mut world, ann, bob) = forwarded(5);
    world.run(SECOND);
    let whom =
        |room: &str| proto::RoomParticipantIdentity { room: room.into(), identity: "ann".into(), ..Default::default() };
    world.ask(Ask::RemoveParticipant(whom("cellar"))).unwrap();
    world.run(SECOND);
    assert_eq!(world.clients[bob].people["ann"].state(), State::Disconnected);
    assert!(!world.clients[ann].closed);
    assert!(world.ask(Ask::GetParticipant(whom("hall"))).is_ok());
    assert_eq!(forward(&mut world, "ann", "hall", "cellar"), Ok(Answer::Done));
    world.run(SECOND);
    assert_eq!(world.clients[bob].people["ann"].state(), State::Active);
}

#[test]
fn who_comes_there_in_person_takes_the_place_of_the_copy() {
    let (mut world, ann, bob) = forwarded(11);
    world.run(SECOND);
    let copy = world.clients[bob].people["ann"].sid.clone();
    let resumed = world.join_with("ann", |join| {
        join.room = "cellar".into();
        (join.request.reconnect, join.request.participant_sid) = (true, copy.clone());
    });
    assert!(world.clients[resumed].closed, "a copy has no session to resume");
    assert_eq!(world.clients[bob].people["ann"].state(), State::Active);
    enter(&mut world, "ann", "cellar");
    world.run(SECOND);
    let seen = &world.clients[bob].people["ann"];
    assert!(seen.sid != copy && seen.kind_details.is_empty(), "{seen:?}");
    assert!(!world.clients[ann].closed, "and stays where they were, too");
}

#[test]
fn the_origin_is_asked_for_what_the_other_room_sees() {
    let (mut world, ann, bob) = forwarded(6);
    world.run(2 * SECOND);
    assert_eq!(wanted(&world, ann), Some(vec![true; 3]), "though nobody is in its own room");
    let settings = proto::UpdateTrackSettings {
        track_sids: vec![world.sid(ann, "cam")],
        quality: proto::VideoQuality::Low.into(),
        ..Default::default()
    };
    world.signal(bob, Request::TrackSetting(settings));
    world.run(8 * SECOND);
    assert_eq!(wanted(&world, ann), Some(vec![true, false, false]));
    world.signal(bob, Request::Leave(proto::LeaveRequest::default()));
    world.run(8 * SECOND);
    assert_eq!(wanted(&world, ann), Some(vec![false; 3]));
}

#[test]
fn who_may_not_see_them_here_may_not_see_them_there() {
    let mut world = World::new(7);
    let (ann, bob) = (enter(&mut world, "ann", "hall"), enter(&mut world, "bob", "cellar"));
    let cid = enter(&mut world, "cid", "cellar");
    let cid_may = proto::TrackPermission { participant_identity: "cid".into(), all_tracks: true, ..Default::default() };
    let audience = proto::SubscriptionPermission { all_participants: false, track_permissions: vec![cid_may] };
    world.signal(ann, Request::SubscriptionPermission(audience));
    world.publish_audio(ann, "mic");
    forward(&mut world, "ann", "hall", "cellar").unwrap();
    world.run(2 * SECOND);
    let mic = world.sid(ann, "mic");
    assert_eq!(heard(&world, bob, &mic), 0);
    assert!(heard(&world, cid, &mic) > 50);
    let all = proto::SubscriptionPermission { all_participants: true, ..Default::default() };
    world.signal(ann, Request::SubscriptionPermission(all));
    world.run(2 * SECOND);
    assert!(heard(&world, bob, &mic) > 50);
}

#[test]
fn what_cannot_be_forwarded_is_refused() {
    let (mut world, ..) = forwarded(8);
    enter(&mut world, "eve", "hall");
    enter(&mut world, "eve", "cellar");
    let refused = |answer: Result<Answer, Refusal>| answer.expect_err("refused").to_string();
    for (identity, room, to, why) in [
        ("ann", "nowhere", "cellar", "requested room does not exist"),
        ("nobody", "hall", "cellar", "participant does not exist"),
        ("ann", "hall", "hall", "destination room is the same room"),
        ("ann", "hall", "", "destination room is required"),
        ("ann", "hall", "cellar", "participant is already forwarded to this room"),
        ("ann", "cellar", "attic", "participant is forwarded here from another room"),
        ("eve", "hall", "cellar", "a participant of this identity is in the destination room"),
    ] {
        assert_eq!(refused(forward(&mut world, identity, room, to)), why, "{identity} from {room} to {to}");
    }
    let small = proto::CreateRoomRequest { name: "small".into(), max_participants: 1, ..Default::default() };
    world.ask(Ask::CreateRoom(small)).unwrap();
    forward(&mut world, "ann", "hall", "small").unwrap();
    assert_eq!(refused(forward(&mut world, "eve", "hall", "small")), "the destination room is full");
    for room in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(forward(&mut world, "ann", "hall", room), Ok(Answer::Done), "a room that is made by it");
    }
    assert_eq!(refused(forward(&mut world, "ann", "hall", "g")), "participant is forwarded to too many rooms");
    let elsewhere = proto::MoveParticipantRequest {
        room: "cellar".into(),
        identity: "ann".into(),
        destination_room: "attic".into(),
    };
    let moved = world.ask(Ask::Move { request: elsewhere, token: "token".into() });
    assert_eq!(refused(moved), "participant is forwarded here from another room");
}

#[test]
fn a_copy_whose_room_is_heard_of_no_more_goes() {
    let (mut world, ann, bob) = forwarded(9);
    world.run(30 * SECOND);
    assert_eq!(world.clients[bob].people["ann"].state(), State::Active, "there are signs of life");
    world.cut = true;
    world.run(15 * SECOND);
    assert_eq!(world.clients[bob].people["ann"].state(), State::Active);
    world.run(10 * SECOND);
    assert_eq!(world.clients[bob].people["ann"].state(), State::Disconnected);
    // And an origin whose copy is no more hears it at its next word.
    world.cut = false;
    world.run(10 * SECOND);
    assert_eq!(forward(&mut world, "ann", "hall", "cellar"), Ok(Answer::Done));
    assert!(!world.clients[ann].closed);
}

#[test]
fn a_question_whose_answer_is_lost_is_answered_at_last() {
    let mut world = World::new(10);
    enter(&mut world, "ann", "hall");
    world.cut = true;
    world.begin_asking(asking("ann", "hall", "cellar"));
    assert_eq!(world.answer(), None);
    world.cut = false;
    world.run(10 * SECOND);
    assert_eq!(world.answer(), Some(Err(Refusal::Unavailable("the destination room is gone"))));
}
