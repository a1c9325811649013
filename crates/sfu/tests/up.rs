//! The way up: what a publisher sends, and what it is told of it.

mod common;

use common::{Frame, Name, Weather, World};
use std::{collections::BTreeSet, time::Duration};
use str0m::stats::MediaEgressStats;

/// Ann's camera, which Bob sees.
fn meeting(seed: u64) -> (World, [Name; 2]) {
    let mut world = World::new(seed);
    let names = ["ann", "bob"].map(|name| world.enter(name));
    world.publish_video(names[0], "cam", 1);
    world.run(Duration::from_secs(5));
    (world, names)
}

/// The packets of pictures that Bob got from now on, and how many he didn't between the first and the last of them.
fn seen(world: &mut World, bob: Name, time: Duration) -> (usize, usize) {
    let since = world.now;
    world.run(time);
    let heard = world.clients[bob].heard.iter().filter(|packet| packet.at >= since);
    let frames = heard.filter_map(|packet| Frame::read(&packet.payload));
    let places: BTreeSet<_> = frames.map(|f| f.number * u32::from(f.packets) + u32::from(f.packet)).collect();
    let (first, last) = (*places.first().expect("one"), *places.last().expect("one"));
    (places.len(), (last - first) as usize + 1 - places.len())
}

fn last_of_ann(world: &World, ann: Name) -> &MediaEgressStats {
    world.clients[ann].sent.last().expect("a second has passed")
}

#[test]
fn what_is_lost_on_the_way_up_is_sent_again() {
    let (mut world, [ann, bob]) = meeting(90);
    world.weather(ann, Weather { jitter: Duration::from_millis(5), ..Weather::losing(100) });
    let (came, missing) = seen(&mut world, bob, Duration::from_secs(20));
    assert!(came > 3_000, "{came}");
    // A tenth would be 360. Questions and answers are lost as well, and the last are still on their way.
    assert!(missing <= 10, "{missing} packets never came");
    assert!(last_of_ann(&world, ann).nacks > 0);
}

#[test]
fn what_is_only_late_is_not_asked_for() {
    let (mut world, [ann, bob]) = meeting(91);
    world.weather(ann, Weather { jitter: Duration::from_millis(9), doubles: 100, ..Weather::default() });
    let (_, missing) = seen(&mut world, bob, Duration::from_secs(10));
    assert_eq!((missing, last_of_ann(&world, ann).nacks), (0, 0));
}

#[test]
fn publishers_are_told_how_their_streams_come_in() {
    let (mut world, [ann, bob]) = meeting(92);
    let (calm, _) = (last_of_ann(&world, ann).clone(), bob);
    assert_eq!((calm.loss, calm.remote.map(|remote| remote.packets_lost)), (Some(0.0), Some(0)));
    world.weather(ann, Weather { delay: Duration::from_millis(100), ..Weather::losing(200) });
    world.run(Duration::from_secs(20));
    let losses: Vec<f32> = world.clients[ann].sent.iter().rev().take(15).filter_map(|stats| stats.loss).collect();
    let mean = losses.iter().sum::<f32>() / losses.len() as f32;
    assert!((0.12..0.28).contains(&mean), "{losses:?}");
    let rtt = last_of_ann(&world, ann).rtt.expect("a report came");
    assert!(rtt.abs_diff(Duration::from_millis(200)) < Duration::from_millis(20), "{rtt:?}");
}

#[test]
fn publishers_are_told_when_packets_came_not_when_they_were_looked_at() {
    let jitter = |world: &World, ann| last_of_ann(world, ann).remote.as_ref().expect("a report came").jitter;
    let (mut world, [ann, _]) = meeting(93);
    world.turn = Duration::from_millis(25);
    world.run(Duration::from_secs(20));
    // In ticks of 90 kHz.
    let calm = jitter(&world, ann);
    world.weather(ann, Weather { jitter: Duration::from_millis(20), ..Weather::default() });
    world.run(Duration::from_secs(20));
    let shaken = jitter(&world, ann);
    assert!(calm < 45 && shaken > 200, "{calm}, then {shaken}");
}

#[test]
fn nobody_is_woken_for_times_that_have_moved() {
    let (mut world, [ann, _]) = meeting(94);
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(5));
    let before = world.woken_for_nothing;
    world.run(Duration::from_secs(10));
    let woken = world.woken_for_nothing - before;
    // By str0m and the room. Feedback whose time has moved would come to a hundred more.
    assert!(woken < 100, "{woken} times in ten seconds");
}
