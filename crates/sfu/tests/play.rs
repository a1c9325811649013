//! What the fuzzer of signal requests does, for a moment: its seeds, and bytes by chance.

mod common;

use common::{World, play};
use livekit_protocol as proto;
use proto::signal_response::Message as Response;
use rand::{Rng, SeedableRng, rngs::StdRng};

fn seed(name: &str) -> World {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/sfu_signals/");
    play(&std::fs::read(format!("{path}{name}")).expect("a seed"))
}

/// Else the fuzzer would begin at the doorstep.
#[test]
fn the_seeds_tell_what_they_are_named_for() {
    let said = |world: &World, name: usize, what: fn(&Response) -> bool| world.clients[name].responses.iter().any(what);
    let world = seed("layers_and_wishes");
    assert!(world.clients[1].heard.len() > 10, "bob saw ann: {}", world.clients[1].heard.len());
    let world = seed("a_resume");
    assert!((0..2).all(|name| said(&world, name, |r| matches!(r, Response::Reconnect(_)))));
    let mut world = seed("data");
    assert!(
        !world.clients[0].data.is_empty() && world.clients[1].data.len() > 1 && !world.clients[0].frames.is_empty()
    );
    assert!(matches!(world.answer(), Some(Ok(convo_sfu::Answer::Rpc(_)))));
    let world = seed("another_room");
    let copy = |world: &World, name: usize| world.clients[name].people.contains_key("ann");
    assert!(copy(&world, 2), "cid is shown ann from the other room");
    let world = seed("descriptions_that_are_wrong");
    assert!(world.clients.iter().any(|client| client.closed));
    let world = seed("a_second_codec_and_an_audience");
    assert!(said(&world, 1, |r| matches!(r, Response::SubscriptionPermissionUpdate(_))));
}

#[test]
fn people_do_anything_in_any_order() {
    for story in 0..40 {
        let mut random = StdRng::seed_from_u64(story);
        let bytes: Vec<u8> = (0..random.random_range(0..300)).map(|_| random.random()).collect();
        println!("story {story}: {bytes:?}");
        play(&bytes);
    }
}
