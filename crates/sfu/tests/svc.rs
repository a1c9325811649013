//! Layers within one stream (VP9, AV1): each viewer gets those that fit and are wished, as a stream that can be decoded.

mod common;

use common::{Frame, Heard, Kit, Name, Weather, World};
use convo_sfu::forward::dd::DdReader;
use livekit_protocol as proto;
use proto::{VideoQuality, signal_request::Message as Request, signal_response::Message as Response};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use str0m::format::Codec;

fn seen(world: &World, viewer: Name, sid: &str) -> Vec<Heard> {
    let client = &world.clients[viewer];
    client.line_of(sid).map(|line| client.heard_on(line).cloned().collect()).unwrap_or_default()
}

fn frame(heard: &Heard) -> Frame {
    Frame::read(&heard.payload).expect("a packet of video")
}

/// The layers that came since.
fn layers_since(world: &World, viewer: Name, sid: &str, since: Instant) -> BTreeSet<u8> {
    seen(world, viewer, sid).iter().filter(|h| h.at >= since).map(|h| frame(h).layer).collect()
}

fn ask_for(world: &mut World, viewer: Name, sid: &str, quality: VideoQuality) {
    let settings =
        proto::UpdateTrackSettings { track_sids: vec![sid.into()], quality: quality.into(), ..Default::default() };
    world.signal(viewer, Request::TrackSetting(settings));
}

/// No gap; each picture ends with its marker; and of each frame all packets came, or none.
fn assert_whole(heard: &[Heard]) {
    let (heard, _) = heard.split_at(heard.iter().rposition(|h| h.marker).expect("a picture") + 1);
    for (before, packet) in heard.iter().zip(&heard[1..]) {
        assert_eq!(packet.seq, before.seq + 1, "no gap");
        assert_eq!(before.marker, packet.time != before.time, "the marker ends the picture: {:?}", frame(before));
        let (a, b) = (frame(before), frame(packet));
        if (a.layer, a.number) == (b.layer, b.number) {
            assert_eq!(b.packet, a.packet + 1);
        } else {
            assert_eq!((a.packet + 1, b.packet), (a.packets, 0), "{a:?} {b:?}");
        }
    }
}

/// Enters two people, the first with a camera of this codec, until the second has seen the best for long.
fn meeting(seed: u64, codec: Codec) -> (World, Name, Name, String) {
    let mut world = World::new(seed);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_svc(ann, "cam", codec);
    world.until("published", |w| w.clients[ann].published.contains_key("cam"));
    let sid = world.sid(ann, "cam");
    // The link is found out to be wide.
    world.run(Duration::from_secs(15));
    assert_eq!(seen(&world, bob, &sid).last().map(|h| frame(h).layer), Some(2));
    (world, ann, bob, sid)
}

#[test]
fn vp9_goes_down_at_once_and_up_with_a_key_frame() {
    let (mut world, ann, bob, sid) = meeting(60, Codec::Vp9);
    world.clients[ann].keyframes_asked = 0;
    ask_for(&mut world, bob, &sid, VideoQuality::Low);
    world.run(Duration::from_millis(200));
    let since = world.now;
    world.run(Duration::from_secs(1));
    assert_eq!(layers_since(&world, bob, &sid, since), [0].into());
    assert_eq!(world.clients[ann].keyframes_asked, 0, "down needs none");
    ask_for(&mut world, bob, &sid, VideoQuality::High);
    world.run(Duration::from_secs(4));
    assert_eq!(layers_since(&world, bob, &sid, world.now - Duration::from_secs(1)), [0, 1, 2].into());
    assert!((1..=2).contains(&world.clients[ann].keyframes_asked), "{}", world.clients[ann].keyframes_asked);
    assert_whole(&seen(&world, bob, &sid));
    // A layer that comes anew begins with a key frame.
    let all = seen(&world, bob, &sid);
    let up = all.iter().rposition(|h| frame(h).layer == 0 && frame(h).keyframe).unwrap();
    let before = all[..up].iter().rev().find(|h| frame(h).layer == 2).unwrap();
    assert!(frame(&all[up]).number > frame(before).number + 20, "none of the second layer between");
}

#[test]
fn av1_layers_change_at_key_frames_and_receivers_are_told() {
    let (mut world, ann, bob, sid) = meeting(61, Codec::Av1);
    let highest = seen(&world, bob, &sid);
    let alone = highest.iter().rev().take(50).all(|h| frame(h).layer == 2);
    assert!(alone, "between key frames the highest layer needs no other");
    for (quality, layer) in [(VideoQuality::Medium, 1), (VideoQuality::Low, 0), (VideoQuality::High, 2)] {
        world.clients[ann].keyframes_asked = 0;
        ask_for(&mut world, bob, &sid, quality);
        world.run(Duration::from_secs(4));
        let since = world.now - Duration::from_secs(1);
        assert_eq!(layers_since(&world, bob, &sid, since), [layer].into(), "{quality:?}");
        let asked = world.clients[ann].keyframes_asked;
        assert!((1..=2).contains(&asked), "{asked} requests");
    }
    let all = seen(&world, bob, &sid);
    assert_whole(&all);
    assert_decodable(&all);
}

/// The camera's frame numbers have gone on by more than half of their 16 bits while it was off screen.
#[test]
fn after_a_long_pause_frame_numbers_still_go_on() {
    let (mut world, ann, bob, sid) = meeting(65, Codec::Av1);
    for _ in 0..3 {
        let off = proto::UpdateTrackSettings { track_sids: vec![sid.clone()], disabled: true, ..Default::default() };
        world.signal(bob, Request::TrackSetting(off));
        world.run(Duration::from_secs(1));
        let (before, since) = (seen(&world, bob, &sid), world.now);
        // Of three layers each.
        world.clients[ann].video.as_mut().expect("a camera").number += 40_000 / 3;
        ask_for(&mut world, bob, &sid, VideoQuality::High);
        world.run(Duration::from_secs(3));
        assert!(seen(&world, bob, &sid).len() > before.len() + 100);
        assert_eq!(layers_since(&world, bob, &sid, since).last(), Some(&2));
        let mut reader = DdReader::default();
        let mut newest = None;
        let mut came = BTreeSet::new();
        for packet in seen(&world, bob, &sid) {
            let read = reader.read(packet.descriptor.as_deref().expect("a descriptor")).expect("a good one");
            let step = newest.map_or(1, |newest| read.number.wrapping_sub(newest));
            assert!(step < 0x8000, "{} is later than {newest:?}", read.number);
            newest = Some(read.number);
            assert!(read.references().all(|distance| came.contains(&read.number.wrapping_sub(distance))));
            came.insert(read.number);
        }
    }
    assert_whole(&seen(&world, bob, &sid));
}

/// All that a frame refers to came, and the targets that the descriptors tell are those that come.
fn assert_decodable(heard: &[Heard]) {
    let mut reader = DdReader::default();
    let mut came = BTreeSet::new();
    let mut told = 0;
    for packet in heard {
        let read = reader.read(packet.descriptor.as_deref().expect("a descriptor")).expect("a good one");
        told = match (read.active_targets, read.brings_structure) {
            (Some(active), _) => active,
            (None, true) => 0b111,
            (None, false) => told,
        };
        assert!(told >> frame(packet).layer != 0, "{told:b} is told, {:?} comes", frame(packet));
        assert!(read.references().all(|distance| came.contains(&read.number.wrapping_sub(distance))));
        came.insert(read.number);
    }
    let masks: BTreeSet<_> =
        heard.iter().filter_map(|h| reader.read(h.descriptor.as_deref()?)?.active_targets).collect();
    assert_eq!(masks, [0b001, 0b011].into());
}

#[test]
fn layers_fit_the_link() {
    for (seed, codec) in [(62, Codec::Vp9), (63, Codec::Av1)] {
        let (mut world, _, bob, sid) = meeting(seed, codec);
        world.weather(bob, Weather::narrow(700_000));
        world.run(Duration::from_secs(15));
        let since = world.now - Duration::from_secs(5);
        let narrow = layers_since(&world, bob, &sid, since);
        assert!(!narrow.contains(&2) && !narrow.is_empty(), "{codec}: {narrow:?} on a narrow link");
        world.weather(bob, Weather::default());
        world.run(Duration::from_secs(40));
        assert!(
            layers_since(&world, bob, &sid, world.now - Duration::from_secs(2)).contains(&2),
            "{codec}: the best again"
        );
    }
}

/// What the publisher is asked for of each codec.
fn asked_for(world: &World, publisher: Name) -> Vec<(String, Vec<bool>)> {
    let last = world.clients[publisher].responses.iter().rev().find_map(|response| match response {
        Response::SubscribedQualityUpdate(update) => Some(update.subscribed_codecs.clone()),
        _ => None,
    });
    let qualities = |codec: &proto::SubscribedCodec| codec.qualities.iter().map(|q| q.enabled).collect();
    last.unwrap_or_default().iter().map(|codec| (codec.codec.clone(), qualities(codec))).collect()
}

#[test]
fn who_cannot_decode_the_first_codec_gets_the_second() {
    let (mut world, ann, bob, sid) = meeting(64, Codec::Vp9);
    let (all, none) = (vec![true; 3], vec![false; 3]);
    assert_eq!(asked_for(&world, ann), [("vp9".to_owned(), all.clone()), ("vp8".to_owned(), none.clone())]);
    world.kit = Kit { only: Some(Codec::Vp8), ..Kit::default() };
    let cid = world.enter("cid");
    world.run(Duration::from_secs(1));
    assert_eq!(seen(&world, cid, &sid).len(), 0, "what it cannot decode");
    assert_eq!(asked_for(&world, ann), [("vp9".to_owned(), all.clone()), ("vp8".to_owned(), all.clone())]);

    world.publish_backup(ann, "cam again", &sid);
    world.run(Duration::from_secs(3));
    assert_eq!(world.clients[bob].people["ann"].tracks.len(), 1, "one track");
    let vp8 = |h: &Heard| h.payload[1] == 0x80;
    let (first, second) = (seen(&world, bob, &sid), seen(&world, cid, &sid));
    assert!(second.len() > 60 && second.iter().all(vp8), "{} packets of VP8", second.len());
    assert!(frame(&second[0]).keyframe && frame(&second[0]).packet == 0);
    assert!(first.iter().all(|h| h.payload[0] & 0xa0 == 0xa0 && h.payload[0] != 0x80), "VP9 for who can");

    world.signal(cid, Request::Leave(proto::LeaveRequest::default()));
    world.run(Duration::from_secs(7));
    assert_eq!(asked_for(&world, ann), [("vp9".to_owned(), all), ("vp8".to_owned(), none)], "nobody needs it now");
}
