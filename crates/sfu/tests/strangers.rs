//! What a client is told of people before it is told of their tracks: SDKs drop the track of somebody, and the track,
//! whom they do not know.

mod common;

use common::{Name, World};
use livekit_protocol as proto;
use proto::{participant_info::State, signal_request::Message as Request, signal_response::Message as Response};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// Whose track, and which, the lines of a description carry (`a=msid:PA_…|TR_… TR_…`).
fn carried(sdp: &str) -> impl Iterator<Item = (&str, &str)> {
    sdp.lines().filter_map(|line| line.strip_prefix("a=msid:")?.split(' ').next()?.split_once('|'))
}

/// The tracks on lines of descriptions that came before the news of them, or after the news of their end; and how many
/// lines were looked at.
fn strangers(world: &World, name: Name) -> (Vec<String>, usize) {
    let mut known: HashMap<&str, HashSet<&str>> = HashMap::new();
    let (mut strangers, mut lines) = (vec![], 0);
    for response in &world.clients[name].responses {
        let (people, description) = match response {
            Response::Join(join) => (&join.other_participants[..], None),
            Response::Update(update) => (&update.participants[..], None),
            Response::Answer(description) | Response::Offer(description) => (&[][..], Some(description)),
            _ => continue,
        };
        for info in people {
            match info.state() {
                State::Disconnected => known.remove(&info.sid[..]),
                _ => known.insert(&info.sid, info.tracks.iter().map(|track| &track.sid[..]).collect()),
            };
        }
        for (person, track) in description.iter().flat_map(|description| carried(&description.sdp)) {
            lines += 1;
            if !known.get(person).is_some_and(|tracks| tracks.contains(track)) {
                strangers.push(format!("{person}|{track}"));
            }
        }
    }
    (strangers, lines)
}

#[test]
fn a_track_is_named_after_its_publisher_was_and_not_after_they_went() {
    let mut world = World::new(70);
    let mut here = vec![];
    for round in 0..12_u64 {
        let name = world.join(&format!("person {round}"));
        world.until("connected", |world| world.clients[name].connected);
        world.publish_audio(name, "mic");
        world.publish_video(name, "cam", 1);
        here.push(name);
        // Now and then nobody is waited for: descriptions and departures cross.
        world.run(Duration::from_millis([0, 3, 40, 700][round as usize % 4]));
        if round % 2 == 1 {
            let gone = here.remove(round as usize % here.len());
            world.signal(gone, Request::Leave(proto::LeaveRequest::default()));
        }
    }
    world.run(Duration::from_secs(2));
    for name in 0..world.clients.len() {
        let (strangers, _) = strangers(&world, name);
        assert!(strangers.is_empty(), "{}: {strangers:?}", world.clients[name].identity);
    }
    let (_, lines) = strangers(&world, here[0]);
    assert!(lines > 8, "there was something to look at: {lines}");
}
