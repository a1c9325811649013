//! Connection quality: of each participant's own connection, whichever way it loses.

mod common;

use common::{Name, Weather, World};
use livekit_protocol as proto;
use proto::{ConnectionQuality, signal_response::Message as Response};
use std::time::Duration;

/// What everybody was told of one's connection, in the order of time.
fn told(world: &World, of: Name) -> Vec<ConnectionQuality> {
    let sid = &world.clients[of].joined.as_ref().and_then(|join| join.participant.as_ref()).expect("joined").sid;
    let updates = world.clients[0].responses.iter().filter_map(|response| match response {
        Response::ConnectionQuality(update) => Some(&update.updates),
        _ => None,
    });
    updates.flatten().filter(|info| info.participant_sid == *sid).map(|info| info.quality()).collect()
}

/// Ann is seen and heard by Bob and Cid.
fn meeting(seed: u64) -> (World, [Name; 3]) {
    let mut world = World::new(seed);
    let names = ["ann", "bob", "cid"].map(|name| world.enter(name));
    world.publish_audio(names[0], "mic");
    world.publish_video(names[0], "cam", 1);
    world.run(Duration::from_secs(20));
    (world, names)
}

#[test]
fn a_lossy_way_down_is_the_listeners_own() {
    let (mut world, [ann, bob, cid]) = meeting(80);
    world.weather(bob, Weather::losing(40));
    world.run(Duration::from_secs(20));
    assert_eq!(told(&world, bob).last(), Some(&ConnectionQuality::Good), "{:?}", told(&world, bob));
    world.weather(bob, Weather::losing(300));
    world.run(Duration::from_secs(20));
    assert_eq!(told(&world, bob).last(), Some(&ConnectionQuality::Poor));
    assert!(!told(&world, bob).contains(&ConnectionQuality::Lost), "it is bad, not lost");
    world.weather(bob, Weather::default());
    world.run(Duration::from_secs(60));
    assert_eq!(told(&world, bob).last(), Some(&ConnectionQuality::Excellent), "{:?}", told(&world, bob));
    for other in [ann, cid] {
        assert_eq!(told(&world, other), [ConnectionQuality::Excellent]);
    }
}

#[test]
fn a_lossy_way_up_is_the_speakers_own() {
    let (mut world, [ann, bob, cid]) = meeting(81);
    world.weather(ann, Weather::losing(100));
    world.run(Duration::from_secs(30));
    assert_eq!(told(&world, ann).last(), Some(&ConnectionQuality::Poor), "{:?}", told(&world, ann));
    for other in [bob, cid] {
        assert_eq!(told(&world, other), [ConnectionQuality::Excellent]);
    }
}
