//! A narrow link: a smaller picture instead of a broken one, the large one again when the link widens, pausing last.

mod common;

use common::{Frame, Name, Weather, World};
use livekit_protocol as proto;
use proto::signal_response::Message as Response;
use std::time::{Duration, Instant};

fn layers_since(world: &World, viewer: Name, sid: &str, since: Instant) -> Vec<u8> {
    let client = &world.clients[viewer];
    let line = client.line_of(sid).expect("a line");
    client.heard_on(line).filter(|h| h.at >= since).filter_map(|h| Frame::read(&h.payload)).map(|f| f.layer).collect()
}

/// Parts of a hundred of the packets that were of this layer.
fn share(layers: &[u8], layer: u8) -> usize {
    layers.iter().filter(|l| **l == layer).count() * 100 / layers.len().max(1)
}

#[test]
fn the_picture_fits_the_link_and_grows_with_it() {
    let mut world = World::new(50);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(15));
    let sid = world.sid(ann, "cam");
    let wide = layers_since(&world, bob, &sid, world.now - Duration::from_secs(5));
    assert!(share(&wide, 2) > 95, "the best on a wide link: {} %", share(&wide, 2));

    world.weather(bob, Weather::narrow(800_000));
    world.run(Duration::from_secs(15));
    let narrow = layers_since(&world, bob, &sid, world.now - Duration::from_secs(8));
    assert!(share(&narrow, 2) < 20, "the best does not fit: {} %", share(&narrow, 2));
    assert!(narrow.len() > 200, "but there is a picture: {}", narrow.len());

    world.weather(bob, Weather::default());
    world.run(Duration::from_secs(40));
    let again = layers_since(&world, bob, &sid, world.now - Duration::from_secs(5));
    assert!(share(&again, 2) > 90, "the best again: {} %", share(&again, 2));
}

/// A train of packets finds it out, which is sent as soon as the last one was answered.
#[test]
fn a_link_that_is_wide_is_known_soon() {
    let mut world = World::with(66, |config| config.initial_downlink = 200_000);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.weather(bob, Weather::narrow(300_000));
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(5));
    let (sid, since) = (world.sid(ann, "cam"), world.now);
    world.weather(bob, Weather::default());
    let settled = Duration::from_millis(500);
    let best = |w: &World| share(&layers_since(w, bob, &sid, w.now - settled), 2) > 95;
    world.until("the best layer is shown", |w| w.now > since + settled && best(w));
    let passed = world.now - since;
    assert!(passed < Duration::from_millis(2_500), "{passed:?}");
}

#[test]
fn sound_survives_a_link_too_narrow_for_any_picture() {
    let mut world = World::new(51);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(10));
    world.weather(bob, Weather::narrow(120_000));
    world.run(Duration::from_secs(20));
    let (mic, since) = (world.sid(ann, "mic"), world.now - Duration::from_secs(10));
    let client = &world.clients[bob];
    let heard = client.heard_on(client.line_of(&mic).unwrap()).filter(|h| h.at >= since).count();
    assert!(heard > 450, "of 500 packets of sound came {heard}");
    let paused = client.responses.iter().any(|r| match r {
        Response::StreamStateUpdate(update) => {
            update.stream_states.iter().any(|s| s.state() == proto::StreamState::Paused)
        }
        _ => false,
    });
    assert!(paused, "the client is told why there is no picture");
}

/// As in a large meeting, where nobody mutes and few speak.
#[test]
fn microphones_that_are_silent_take_no_room_from_the_picture() {
    let mut world = World::new(55);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 3);
    for listener in 0..11 {
        let name = world.enter(&format!("listener{listener}"));
        world.publish_audio(name, "mic");
        world.run(Duration::from_millis(500));
        world.clients[name].audio.as_mut().expect("a microphone").on = false;
    }
    world.weather(bob, Weather::narrow(600_000));
    world.run(Duration::from_secs(30));
    let sid = world.sid(ann, "cam");
    let packets = layers_since(&world, bob, &sid, world.now - Duration::from_secs(5)).len();
    assert!(packets >= 145, "of 150 packets of the smallest picture came {packets}");
}

#[test]
fn one_viewers_narrow_link_is_not_the_others() {
    let mut world = World::new(52);
    let (ann, bob, cid) = (world.enter("ann"), world.enter("bob"), world.enter("cid"));
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(15));
    world.weather(bob, Weather::narrow(400_000));
    world.run(Duration::from_secs(15));
    let (sid, since) = (world.sid(ann, "cam"), world.now - Duration::from_secs(5));
    assert!(share(&layers_since(&world, cid, &sid, since), 2) > 95);
    assert!(share(&layers_since(&world, bob, &sid, since), 2) < 10);
}

#[test]
fn fewer_frames_come_before_no_picture() {
    let mut world = World::new(53);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 1);
    world.clients[ann].video.as_mut().expect("a camera").temporal = true;
    world.run(Duration::from_secs(15));
    let sid = world.sid(ann, "cam");
    let pictures = |world: &World| {
        let client = &world.clients[bob];
        let since = world.now - Duration::from_secs(5);
        let heard = client.heard_on(client.line_of(&sid).unwrap()).filter(|h| h.at >= since);
        let numbers: std::collections::BTreeSet<_> = heard.map(|h| Frame::read(&h.payload).unwrap().number).collect();
        (numbers.len(), numbers.iter().filter(|number| **number % 2 == 1).count())
    };
    let (all, upper) = pictures(&world);
    assert!(all >= 148 && upper >= 74, "{all} pictures on a wide link, {upper} of the upper layer");
    // The camera's 1.5 Mbit/s do not fit, those of every other picture do.
    world.weather(bob, Weather::narrow(1_200_000));
    world.run(Duration::from_secs(40));
    let (all, upper) = pictures(&world);
    assert!(all > 50 && upper < 10, "{all} pictures on a narrow link, {upper} of the upper layer");
}

/// While the picture is paused nothing else tells of the link: it is tried, whatever was known of it last.
#[test]
fn a_picture_that_a_tunnel_took_away_comes_back() {
    for before in [15_037, 15_333, 15_629] {
        let mut world = World::new(54);
        let (ann, bob) = (world.enter("ann"), world.enter("bob"));
        world.publish_video(ann, "cam", 1);
        world.run(Duration::from_millis(before));
        world.weather(bob, Weather::tunnel());
        world.run(Duration::from_secs(2));
        world.weather(bob, Weather::default());
        world.run(Duration::from_secs(60));
        let sid = world.sid(ann, "cam");
        let packets = layers_since(&world, bob, &sid, world.now - Duration::from_secs(5)).len();
        assert!(packets > 850, "of 900 packets came {packets}");
    }
}
