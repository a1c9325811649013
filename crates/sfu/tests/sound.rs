//! Sound: with redundancy for those who take it, without for the others, and in step with the picture.

mod common;

use common::{Frame, Heard, Kit, Name, Weather, World};
use convo_sfu::forward::red::Red;
use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

fn heard(world: &World, listener: Name, sid: &str) -> Vec<Heard> {
    let client = &world.clients[listener];
    client.heard_on(client.line_of(sid).expect("a line")).cloned().collect()
}

/// The number in a packet of Opus.
fn number(opus: &[u8]) -> u32 {
    u32::from_be_bytes(opus[1..].try_into().expect("a packet of sound"))
}

#[test]
fn redundancy_fills_what_was_lost_for_those_who_take_plain_sound() {
    let mut world = World::new(70);
    world.kit = Kit { red: true, ..Kit::default() };
    let (ann, cid) = (world.enter("ann"), world.enter("cid"));
    world.kit = Kit::default();
    let bob = world.enter("bob");
    world.publish_audio(ann, "mic");
    world.until("published", |w| w.clients[ann].published.contains_key("mic"));
    let sid = world.sid(ann, "mic");
    world.until("sound flows", |w| w.clients.iter().skip(1).all(|c| !c.heard.is_empty()));
    world.weather(ann, Weather::losing(100));
    world.run(Duration::from_secs(20));

    let plain = heard(&world, bob, &sid);
    let numbers: BTreeSet<u32> = plain.iter().map(|h| number(&h.payload)).collect();
    assert_eq!(numbers.len(), plain.len(), "nothing comes twice");
    let all = numbers.last().unwrap() - numbers.first().unwrap() + 1;
    assert!(all > 900 && numbers.len() as u32 * 1000 > all * 995, "{} of {all}", numbers.len());
    let places: BTreeSet<_> = plain
        .iter()
        .map(|h| (h.seq - u64::from(number(&h.payload)), h.time.wrapping_sub(number(&h.payload) * 960)))
        .collect();
    assert_eq!(places.len(), 1, "each has its own sequence number and time: {places:?}");

    let redundant = heard(&world, cid, &sid);
    assert!(redundant.len() < plain.len() * 95 / 100, "gets what came: {} of {}", redundant.len(), plain.len());
    for packet in &redundant {
        let red = Red::parse(&packet.payload).expect("as it was sent");
        assert_eq!(number(red.primary.payload), number(&plain[0].payload) + (packet.seq - redundant[0].seq) as u32);
    }
}

/// Whose clock has other ticks than that of Opus.
#[test]
fn after_a_mute_g711_goes_on_where_it_would_be() {
    let mut world = World::new(73);
    world.kit = Kit { g711: true, ..Kit::default() };
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(3));
    let sid = world.sid(ann, "mic");
    for muted in [true, false] {
        world.signal(ann, Request::Mute(proto::MuteTrackRequest { sid: sid.clone(), muted }));
        world.run(Duration::from_secs(10));
    }
    let heard = heard(&world, bob, &sid);
    assert!(heard.len() > 600, "{}", heard.len());
    for (before, packet) in heard.iter().zip(&heard[1..]) {
        let frames = number(&packet.payload) - number(&before.payload);
        assert_eq!(packet.time.wrapping_sub(before.time), frames * 160);
    }
}

#[test]
fn sound_and_picture_of_one_moment_stay_together() {
    let mut world = World::new(71);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 1);
    world.until("both flow", |w| w.clients[bob].mid_to_track.len() == 2);
    let behind = Duration::from_millis(300);
    world.clients[ann].video.as_mut().expect("a camera").behind = behind;
    world.run(Duration::from_secs(10));
    // How long after its capture each comes, on clocks of which only the difference means something.
    let took = |cid: &str| {
        let all = heard(&world, bob, &world.sid(ann, cid));
        let last = all.last().expect("it flows");
        let ours = last.at - world.clients[bob].heard[0].at;
        ours.as_secs_f64() - last.captured.expect("a report came").duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
    };
    let later = took("cam") - took("mic");
    assert!((later - behind.as_secs_f64()).abs() < 0.03, "the picture comes {later} s after its sound");
}

#[test]
fn who_only_listens_answers_seldom() {
    const WHILE: Duration = Duration::from_secs(10);
    let mut world = World::new(72);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(3));
    let answers = |world: &mut World| {
        let before = world.clients[bob].spoken;
        world.run(WHILE);
        world.clients[bob].spoken - before
    };
    let seldom = answers(&mut world);
    assert!(seldom < 40, "reports, pings and checks of the way: {seldom}");
    world.publish_video(ann, "cam", 3);
    let often = answers(&mut world);
    assert!(often > 80, "what comes of the pictures says what the link takes: {often}");
    let cam = world.sid(ann, "cam");
    assert_eq!(Frame::read(&heard(&world, bob, &cam).last().unwrap().payload).unwrap().layer, 2);
    // As long as pictures are wanted, though the link takes none: or it would never be known that it takes some again.
    world.weather(bob, Weather::narrow(60_000));
    world.run(3 * WHILE);
    let paused = |world: &World| {
        let before = Duration::from_secs(5);
        !heard(world, bob, &cam).iter().any(|packet| packet.at + before > world.now)
    };
    assert!(paused(&world));
    world.weather(bob, Weather::default());
    world.until("there are pictures again", |world| !paused(world));
    world.signal(ann, Request::Mute(proto::MuteTrackRequest { sid: cam.clone(), muted: true }));
    world.run(Duration::from_secs(4));
    let seldom = answers(&mut world);
    assert!(seldom < 40, "and seldom again: {seldom}");
}
