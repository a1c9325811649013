//! When pictures leave: a picture's packets together, on average no more than the link takes, and nothing waits in vain.

mod common;

use common::{Frame, Name, Weather, World};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Arrival of the first and last packet of each picture since then.
fn pictures(world: &World, viewer: Name, sid: &str, since: Instant) -> BTreeMap<u32, (Instant, Instant)> {
    let client = &world.clients[viewer];
    let mut pictures = BTreeMap::new();
    for heard in client.heard_on(client.line_of(sid).expect("a line")).filter(|heard| heard.at >= since) {
        let number = Frame::read(&heard.payload).expect("a picture").number;
        let (first, last) = *pictures.entry(number).or_insert((heard.at, heard.at));
        pictures.insert(number, (first.min(heard.at), last.max(heard.at)));
    }
    pictures
}

#[test]
fn a_picture_leaves_within_milliseconds() {
    let mut world = World::new(90);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(10));
    let since = world.now - Duration::from_secs(5);
    let pictures = pictures(&world, bob, &world.sid(ann, "cam"), since);
    assert!(pictures.len() > 145, "{}", pictures.len());
    let longest = pictures.values().map(|(first, last)| *last - *first).max().unwrap();
    assert!(longest <= Duration::from_millis(6), "{longest:?}");
}

#[test]
fn what_is_sent_is_what_the_link_takes_and_no_queue_grows() {
    let mut world = World::new(91);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(10));
    world.weather(bob, Weather::narrow(800_000));
    world.run(Duration::from_secs(20));
    let since = world.now - Duration::from_secs(10);
    let client = &world.clients[bob];
    let bits: usize = client.heard.iter().filter(|h| h.at >= since).map(|h| (h.payload.len() + 40) * 8).sum();
    assert!((300_000..800_000).contains(&(bits / 10)), "{} bit/s arrive", bits / 10);
    // A picture is made every 33.3 ms: the latest ones are late by what waits on the way.
    let pictures = pictures(&world, bob, &world.sid(ann, "cam"), since);
    let (zero, (begin, _)) = pictures.first_key_value().expect("pictures");
    let late = |(number, (_, last)): (&u32, &(Instant, Instant))| {
        *last + Duration::from_secs(1) - *begin - Duration::from_micros(33_333) * (number - zero)
    };
    let mut late: Vec<_> = pictures.iter().map(late).collect();
    late.sort_unstable();
    let spread = late[late.len() * 95 / 100] - late[0];
    assert!(spread < Duration::from_millis(120), "of 100 pictures 95 wait less than {spread:?}");
}

#[test]
fn who_is_not_connected_yet_costs_no_time() {
    let mut world = World::new(92);
    let ann = world.enter("ann");
    world.publish_video(ann, "cam", 1);
    world.run(Duration::from_secs(1));
    let bob = world.join("bob");
    world.weather(bob, Weather::tunnel());
    // What is written waits for keys; a pacer that is due all the time would keep the machine from ever sleeping.
    world.run(Duration::from_secs(3));
    world.weather(bob, Weather::default());
    world.run(Duration::from_secs(10));
    assert!(world.clients[bob].heard.len() > 500, "{}", world.clients[bob].heard.len());
}
