//! Simulcast: which layer arrives, and that a change of layer is never seen as a broken picture.

mod common;

use common::{Frame, Heard, Name, Weather, World};
use convo_sfu::{Command, Input};
use livekit_protocol as proto;
use proto::{VideoQuality, signal_request::Message as Request, signal_response::Message as Response};
use std::time::Duration;

/// What a decoder would object to: a gap, a timestamp that goes back, a frame of another layer without its key frame.
fn assert_decodable(heard: &[Heard]) {
    let mut layer = None;
    for (before, packet) in heard.iter().zip(&heard[1..]) {
        assert_eq!(packet.seq, before.seq + 1, "no gap");
        let step = packet.time.wrapping_sub(before.time) as i32;
        assert!(step >= 0, "time goes on: {step}");
        let (a, b) = (Frame::read(&before.payload).unwrap(), Frame::read(&packet.payload).unwrap());
        let step = b.picture_id.wrapping_sub(a.picture_id) & 0x7fff;
        assert!(step <= 1, "picture ids have no seam: {a:?} {b:?}");
    }
    for packet in heard {
        let frame = Frame::read(&packet.payload).unwrap();
        if layer != Some(frame.layer) {
            assert!(frame.keyframe && frame.packet == 0, "a layer begins with a key frame: {frame:?}");
        }
        layer = Some(frame.layer);
    }
}

fn seen(world: &World, viewer: Name, sid: &str) -> Vec<Heard> {
    let client = &world.clients[viewer];
    let line = client.line_of(sid).expect("a line");
    client.heard_on(line).cloned().collect()
}

fn last_layer(world: &World, viewer: Name, sid: &str) -> Option<u8> {
    seen(world, viewer, sid).last().map(|heard| Frame::read(&heard.payload).unwrap().layer)
}

fn ask_for(world: &mut World, viewer: Name, sid: &str, quality: VideoQuality) {
    let settings =
        proto::UpdateTrackSettings { track_sids: vec![sid.into()], quality: quality.into(), ..Default::default() };
    world.signal(viewer, Request::TrackSetting(settings));
}

#[test]
fn the_layer_follows_the_wish_without_a_seam() {
    let mut world = World::new(10);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 3);
    world.until("published", |w| w.clients[ann].published.contains_key("cam"));
    let sid = world.sid(ann, "cam");
    world.until("the best layer", |w| w.clients[bob].line_of(&sid).is_some() && last_layer(w, bob, &sid) == Some(2));
    for (quality, layer) in
        [(VideoQuality::Low, 0), (VideoQuality::Medium, 1), (VideoQuality::High, 2), (VideoQuality::Low, 0)]
    {
        ask_for(&mut world, bob, &sid, quality);
        world.until("the layer asked for", |w| last_layer(w, bob, &sid) == Some(layer));
        world.run(Duration::from_millis(500));
    }
    assert_decodable(&seen(&world, bob, &sid));
}

#[test]
fn what_comes_late_of_the_layer_before_has_its_place_there() {
    let mut world = World::new(19);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(2));
    let sid = world.sid(ann, "cam");
    // What is lost on the way here is asked for, and comes later.
    world.weather(ann, Weather { delay: Duration::from_millis(60), ..Weather::losing(100) });
    for quality in [VideoQuality::Low, VideoQuality::High].into_iter().cycle().take(10) {
        ask_for(&mut world, bob, &sid, quality);
        let layer = if quality == VideoQuality::Low { 0 } else { 2 };
        world.until("the layer asked for", |w| last_layer(w, bob, &sid) == Some(layer));
        world.run(Duration::from_millis(500));
    }
    let mut all: Vec<_> = seen(&world, bob, &sid).iter().map(|h| (h.seq, Frame::read(&h.payload).unwrap())).collect();
    all.sort_unstable_by_key(|(seq, _)| *seq);
    let changes = all.windows(2).filter(|w| w[0].1.layer != w[1].1.layer).count();
    assert!(changes >= 9, "{changes} changes of layer");
    for ((_, before), (_, frame)) in all.iter().zip(&all[1..]) {
        let step = frame.picture_id.wrapping_sub(before.picture_id) & 0x7fff;
        assert!(step < 60, "picture ids go on: {before:?} {frame:?}");
    }
}

#[test]
fn what_is_off_screen_is_not_sent() {
    let mut world = World::new(11);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(2));
    let sid = world.sid(ann, "cam");
    let settings = proto::UpdateTrackSettings { track_sids: vec![sid.clone()], disabled: true, ..Default::default() };
    world.signal(bob, Request::TrackSetting(settings));
    world.run(Duration::from_millis(100));
    let before = seen(&world, bob, &sid).len();
    world.run(Duration::from_secs(2));
    assert_eq!(seen(&world, bob, &sid).len(), before);
    ask_for(&mut world, bob, &sid, VideoQuality::High);
    world.run(Duration::from_secs(2));
    assert!(seen(&world, bob, &sid).len() > before + 100);
    assert_decodable(&seen(&world, bob, &sid));
}

#[test]
fn a_lost_packet_comes_again() {
    let mut world = World::new(12);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 1);
    world.run(Duration::from_secs(1));
    world.weather(bob, Weather::losing(30));
    world.run(Duration::from_secs(10));
    world.weather(bob, Weather::default());
    world.run(Duration::from_secs(2));
    let sid = world.sid(ann, "cam");
    let mut seqs: Vec<_> = seen(&world, bob, &sid).iter().map(|heard| heard.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let missing = (seqs[seqs.len() - 1] - seqs[0] + 1) as usize - seqs.len();
    assert!(seqs.len() > 1500 && missing <= 5, "{missing} of {} never came", seqs.len());
}

#[test]
fn many_viewers_make_few_key_frame_requests() {
    let mut world = World::new(13);
    let ann = world.enter("ann");
    world.publish_video(ann, "cam", 1);
    world.run(Duration::from_secs(2));
    for viewer in 0..10 {
        world.join(&format!("viewer{viewer}"));
    }
    world.clients[ann].keyframes_asked = 0;
    world.run(Duration::from_secs(3));
    let asked = world.clients[ann].keyframes_asked;
    assert!((1..=6).contains(&asked), "{asked} requests for ten viewers");
    let sid = world.sid(ann, "cam");
    for viewer in 1..=10 {
        assert!(seen(&world, viewer, &sid).len() > 100);
    }
}

/// What is on its way takes as long as a request does.
#[test]
fn one_picture_answers_all_who_asked_before_it() {
    let mut world = World::new(17);
    let (ann, bob, cid) = (world.enter("ann"), world.enter("bob"), world.enter("cid"));
    world.weather(ann, Weather { delay: Duration::from_millis(150), ..Weather::default() });
    world.publish_video(ann, "cam", 1);
    world.run(Duration::from_secs(5));
    let sid = world.sid(ann, "cam");
    for viewer in [bob, cid] {
        let off = proto::UpdateTrackSettings { track_sids: vec![sid.clone()], disabled: true, ..Default::default() };
        world.signal(viewer, Request::TrackSetting(off));
    }
    world.run(Duration::from_secs(2));
    world.clients[ann].keyframes_asked = 0;
    ask_for(&mut world, bob, &sid, VideoQuality::High);
    world.run(Duration::from_millis(250));
    ask_for(&mut world, cid, &sid, VideoQuality::High);
    world.run(Duration::from_secs(3));
    for viewer in [bob, cid] {
        assert!(seen(&world, viewer, &sid).iter().filter(|h| h.at + Duration::from_secs(1) > world.now).count() > 150);
    }
    assert_eq!(world.clients[ann].keyframes_asked, 1);
}

#[test]
fn muted_video_stops_and_starts_with_a_picture() {
    let mut world = World::new(14);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 1);
    world.run(Duration::from_secs(2));
    let sid = world.sid(ann, "cam");
    world.signal(ann, Request::Mute(proto::MuteTrackRequest { sid: sid.clone(), muted: true }));
    world.run(Duration::from_millis(200));
    assert!(world.clients[bob].people["ann"].tracks[0].muted);
    let before = seen(&world, bob, &sid).len();
    world.run(Duration::from_secs(3));
    assert_eq!(seen(&world, bob, &sid).len(), before, "muted is muted, whatever the client sends");
    world.signal(ann, Request::Mute(proto::MuteTrackRequest { sid: sid.clone(), muted: false }));
    world.run(Duration::from_secs(1));
    let all = seen(&world, bob, &sid);
    assert!(all.len() > before + 60);
    assert!(Frame::read(&all[before].payload).unwrap().keyframe);
    assert_decodable(&all);
}

#[test]
fn a_voice_is_told_to_those_who_hear_it_and_its_end_too() {
    let mut world = World::new(15);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(3));
    let sid = world.clients[bob].people["ann"].sid.clone();
    let told = |world: &World| -> Vec<bool> {
        let speakers = world.clients[bob].responses.iter().filter_map(|r| match r {
            Response::SpeakersChanged(changed) => Some(changed.speakers.clone()),
            _ => None,
        });
        speakers.flatten().filter(|s| s.sid == sid).map(|s| s.active).collect()
    };
    assert_eq!(told(&world).first(), Some(&true));
    world.clients[ann].audio.as_mut().unwrap().on = false;
    world.run(Duration::from_secs(3));
    assert_eq!(told(&world).last(), Some(&false));
}

#[test]
fn who_does_not_hear_a_speaker_any_more_is_told_that_they_stopped() {
    let mut world = World::new(17);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(3));
    let (ann_sid, mic) = (world.clients[bob].people["ann"].sid.clone(), world.sid(ann, "mic"));
    let told = |world: &World| {
        world.clients[bob].responses.iter().rev().find_map(|response| match response {
            Response::SpeakersChanged(changed) => Some(changed.speakers.iter().find(|s| s.sid == ann_sid)?.active),
            _ => None,
        })
    };
    let subscribe = |world: &mut World, subscribe| {
        let track_sids = vec![mic.clone()];
        world.signal(
            bob,
            Request::Subscription(proto::UpdateSubscription { track_sids, subscribe, ..Default::default() }),
        );
        world.run(Duration::from_secs(1));
    };
    assert_eq!(told(&world), Some(true));
    subscribe(&mut world, false);
    assert_eq!(told(&world), Some(false));
    subscribe(&mut world, true);
    assert_eq!(told(&world), Some(true), "she has been speaking all the time");
    let connection = world.clients[ann].connection;
    let permission = proto::ParticipantPermission { can_subscribe: true, ..Default::default() };
    world.input(Input::Command { connection, command: Command::Permit(permission) });
    world.run(Duration::from_secs(2));
    assert_eq!(told(&world), Some(false), "her microphone is gone");
}

#[test]
fn a_publisher_that_was_away_is_told_again_what_to_send() {
    let mut world = World::new(18);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(2));
    let sid = world.sid(ann, "cam");
    ask_for(&mut world, bob, &sid, VideoQuality::Low);
    world.run(Duration::from_secs(7));
    assert_eq!(wanted(&world, ann), Some(vec![true, false, false]));
    let connection = world.clients[ann].connection;
    world.input(Input::Disconnect { connection });
    ask_for(&mut world, bob, &sid, VideoQuality::High);
    world.run(Duration::from_secs(2));
    assert_eq!(wanted(&world, ann), Some(vec![true, false, false]), "she does not hear it");
    assert!(world.resume(ann));
    world.run(Duration::from_secs(1));
    assert_eq!(wanted(&world, ann), Some(vec![true, true, true]));
}

/// Which qualities the publisher was told last that somebody wants.
fn wanted(world: &World, publisher: Name) -> Option<Vec<bool>> {
    world.clients[publisher].responses.iter().rev().find_map(|r| match r {
        Response::SubscribedQualityUpdate(update) => {
            let codec = &update.subscribed_codecs[0];
            assert_eq!(codec.codec, "vp8");
            Some(codec.qualities.iter().map(|q| q.enabled).collect::<Vec<_>>())
        }
        _ => None,
    })
}

#[test]
fn who_unmutes_does_not_speak_yet() {
    let mut world = World::new(18);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_audio(ann, "mic");
    world.run(Duration::from_secs(3));
    let mute = |world: &mut World, muted| {
        let sid = world.sid(ann, "mic");
        world.signal(ann, Request::Mute(proto::MuteTrackRequest { sid, muted }));
    };
    let active = |world: &World| {
        let told = world.clients[bob].responses.iter().filter_map(|r| match r {
            Response::SpeakersChanged(changed) => Some(&changed.speakers),
            _ => None,
        });
        told.flatten().filter(|speaker| speaker.active).count()
    };
    assert!(active(&world) > 0);
    mute(&mut world, true);
    world.clients[ann].audio.as_mut().unwrap().on = false;
    world.run(Duration::from_secs(3));
    let before = active(&world);
    mute(&mut world, false);
    world.run(Duration::from_secs(2));
    assert_eq!(active(&world), before, "nothing was said");
}

#[test]
fn a_publisher_need_not_send_what_nobody_sees() {
    let mut world = World::new(16);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 3);
    world.run(Duration::from_secs(2));
    let sid = world.sid(ann, "cam");
    let wanted = |world: &World| wanted(world, ann);
    assert_eq!(wanted(&world), Some(vec![true, true, true]));
    ask_for(&mut world, bob, &sid, VideoQuality::Low);
    world.run(Duration::from_secs(3));
    assert_eq!(wanted(&world), Some(vec![true, true, true]), "not at once");
    world.run(Duration::from_secs(4));
    assert_eq!(wanted(&world), Some(vec![true, false, false]));
    ask_for(&mut world, bob, &sid, VideoQuality::High);
    world.run(Duration::from_millis(300));
    assert_eq!(wanted(&world), Some(vec![true, true, true]), "more at once");
    world.signal(bob, Request::Leave(proto::LeaveRequest::default()));
    world.run(Duration::from_secs(6));
    assert_eq!(wanted(&world), Some(vec![false, false, false]));
}
