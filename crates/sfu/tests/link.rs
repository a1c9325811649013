//! Connection quality: of each participant's own connection, whichever way it loses.

mod common;

use common::{Name, Weather, World};
use livekit_protocol as proto;
use proto::{ConnectionQuality, signal_response::Message as Response};
use std::{collections::BTreeSet, time::Duration};

fn sid(world: &World, of: Name) -> &str {
    &world.clients[of].joined.as_ref().and_then(|join| join.participant.as_ref()).expect("joined").sid
}

/// What everybody was told of one's connection, in the order of time.
fn told(world: &World, of: Name) -> Vec<ConnectionQuality> {
    let sid = sid(world, of);
    let updates = world.clients[0].responses.iter().filter_map(|response| match response {
        Response::ConnectionQuality(update) => Some(&update.updates),
        _ => None,
    });
    updates.flatten().filter(|info| info.participant_sid == sid).map(|info| info.quality()).collect()
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
fn who_comes_or_comes_back_is_told_of_all() {
    let (mut world, [ann, bob, cid]) = meeting(82);
    let dan = world.enter("dan");
    world.run(Duration::from_secs(6));
    let heard_of = |world: &World, name: Name| -> BTreeSet<String> {
        let updates = world.clients[name].responses.iter().filter_map(|response| match response {
            Response::ConnectionQuality(update) => Some(&update.updates),
            _ => None,
        });
        updates.flatten().map(|info| info.participant_sid.clone()).collect()
    };
    let all = [ann, bob, cid, dan].map(|name| sid(&world, name).to_owned()).into();
    assert_eq!(heard_of(&world, dan), all);
    assert_eq!(told(&world, bob), [ConnectionQuality::Excellent], "the others knew it");
    assert!(world.resume(bob));
    assert!(heard_of(&world, bob).is_empty());
    world.run(Duration::from_secs(6));
    assert_eq!(heard_of(&world, bob), all);
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
