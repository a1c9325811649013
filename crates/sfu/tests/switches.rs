//! Changes of layer where packets are lost and overtake each other: what can be decoded is never broken, and what cannot is
//! soon followed by what can. And who has a link like another's sees what the other sees.

mod common;

use common::{Frame, Heard, Name, Weather, World};
use livekit_protocol as proto;
use proto::{VideoQuality, signal_request::Message as Request};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A frame that a decoder showed.
#[derive(Debug, Clone, Copy)]
struct Shown {
    frame: Frame,
    /// The number of its last packet.
    end: u64,
    /// When its last packet came.
    whole: Instant,
}

/// What a decoder shows of these packets. It takes a frame whose packets are all there, if it is a key frame, or if no packet is missing
/// between it and the last that was shown: then it takes that for the one before.
fn shown(heard: &[Heard]) -> Vec<Shown> {
    let mut packets = BTreeMap::new();
    for packet in heard {
        let again = packets.insert(packet.seq, packet);
        assert!(again.is_none_or(|again| again.payload == packet.payload), "a number is given once: {}", packet.seq);
    }
    let mut shown: Vec<Shown> = vec![];
    let mut under_way: Vec<(u64, Frame, Instant)> = vec![];
    for (seq, packet) in packets {
        let Some(frame) = Frame::read(&packet.payload) else { continue };
        let goes_on = |&(last, before, _): &(u64, Frame, Instant)| {
            let same = (before.layer, before.number, before.packet + 1) == (frame.layer, frame.number, frame.packet);
            same && last + 1 == seq
        };
        if !under_way.last().is_some_and(goes_on) {
            under_way.clear();
        }
        under_way.push((seq, frame, packet.at));
        if under_way.len() < usize::from(frame.packets) {
            continue;
        }
        let begin = under_way[0].0;
        let whole = under_way.iter().map(|(.., at)| *at).max().expect("not empty");
        let after = shown.last().filter(|last| last.end + 1 == begin);
        if let Some(last) = after.filter(|_| !frame.keyframe) {
            let expected = (last.frame.layer, last.frame.number + 1);
            assert_eq!((frame.layer, frame.number), expected, "a frame is shown after one that it is no change of");
        }
        if frame.keyframe || after.is_some() {
            shown.push(Shown { frame, end: seq, whole });
        }
    }
    shown
}

fn heard(world: &World, viewer: Name, sid: &str) -> Vec<Heard> {
    let client = &world.clients[viewer];
    client.line_of(sid).map_or(vec![], |line| client.heard_on(line).cloned().collect())
}

fn ask_for(world: &mut World, viewer: Name, sid: &str, quality: VideoQuality) {
    let settings =
        proto::UpdateTrackSettings { track_sids: vec![sid.into()], quality: quality.into(), ..Default::default() };
    world.signal(viewer, Request::TrackSetting(settings));
}

#[test]
fn a_bad_network_and_changing_wishes_never_show_a_broken_picture() {
    const PATIENCE: Duration = Duration::from_millis(500);
    let mut changes = 0;
    for seed in 0..8 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = World::with(seed, |config| config.initial_downlink = 5_000_000);
        let (ann, bob) = (world.enter("ann"), world.enter("bob"));
        world.publish_video(ann, "cam", 3);
        world.run(Duration::from_secs(2));
        let sid = world.sid(ann, "cam");
        let weather = Weather { jitter: Duration::from_millis(10), ..Weather::losing(20) };
        world.weather(ann, weather);
        world.weather(bob, weather);
        let (end, mut next, mut asked) = (world.now + Duration::from_secs(16), world.now, world.now);
        let mut switches = 0;
        while world.now < end {
            if world.now >= next {
                next = world.now + Duration::from_millis(random.random_range(200..2_500));
                let all = [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High];
                ask_for(&mut world, bob, &sid, all[random.random_range(0..all.len())]);
                switches += 1;
            }
            world.run(Duration::from_millis(100));
            let last = shown(&heard(&world, bob, &sid)).last().map(|last| last.whole);
            // As decoders do.
            if last.is_none_or(|last| world.now > last + PATIENCE) && world.now > asked + PATIENCE {
                asked = world.now;
                let line = world.clients[bob].line_of(&sid).expect("a line");
                world.clients[bob].want_keyframe(line);
            }
        }
        let shown = shown(&heard(&world, bob, &sid));
        let layers = shown.windows(2).filter(|pair| pair[0].frame.layer != pair[1].frame.layer).count();
        changes += layers;
        let ends = shown.iter().map(|shown| shown.whole).chain([world.now]).collect::<Vec<_>>();
        let longest = ends.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max();
        println!(
            "seed {seed}: {layers} changes of layer by {switches} wishes, {} frames, none for {longest:?}",
            shown.len()
        );
        assert!(longest < Some(Duration::from_secs(2)), "the picture stood still for {longest:?}");
        // Of 30 a second.
        assert!(shown.len() > 300, "{} frames in 18 s", shown.len());
    }
    // Not each wish is fulfilled: a link that loses is believed to be narrow.
    assert!(changes >= 10, "{changes} changes of layer");
}

#[test]
fn who_has_the_same_link_sees_the_same() {
    for seed in 0..3 {
        let mut world = World::new(seed);
        let ann = world.enter("ann");
        let viewers = ["bob", "cid", "dan"].map(|name| world.enter(name));
        world.publish_video(ann, "cam", 3);
        world.run(Duration::from_secs(5));
        for viewer in viewers {
            world.weather(viewer, Weather { jitter: Duration::from_millis(5), ..Weather::narrow(900_000) });
        }
        let sid = world.sid(ann, "cam");
        world.run(Duration::from_secs(20));
        let since = world.now;
        // One of them changes their mind all the time: the others have no part in it.
        for round in 0..20 {
            let quality = if round % 2 > 0 { VideoQuality::High } else { VideoQuality::Low };
            ask_for(&mut world, viewers[2], &sid, quality);
            world.run(Duration::from_secs(1));
        }
        let got = viewers.map(|viewer| {
            let packets = heard(&world, viewer, &sid);
            packets.iter().filter(|packet| packet.at >= since).map(|packet| packet.payload.len()).sum::<usize>()
        });
        let (few, many) = (got[0].min(got[1]), got[0].max(got[1]));
        // Half a megabit a second at least, which the middle layer has.
        assert!(few > 900_000 && few * 10 > many * 8, "bytes that came: {got:?}");
    }
}
