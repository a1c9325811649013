//! `SimulateScenario`: each failure happens when it is asked for, and only where the configuration allows it.

mod common;

use common::{Frame, Name, SERVER, World};
use convo_sfu::LocalAddress;
use livekit_protocol as proto;
use proto::{
    CandidateProtocol, signal_request::Message as Request, signal_response::Message as Response,
    simulate_scenario::Scenario,
};
use std::time::Duration;
use str0m::net::Protocol;

fn world(seed: u64) -> World {
    World::with(seed, |config| {
        config.simulate = true;
        let address = SERVER.parse().unwrap();
        config.addresses.push(LocalAddress { proto: Protocol::Tcp, bound: address, told: address });
    })
}

fn simulate(world: &mut World, name: Name, scenario: Scenario) {
    world.signal(name, Request::Simulate(proto::SimulateScenario { scenario: Some(scenario) }));
}

fn spoken(world: &World, name: Name) -> Vec<bool> {
    let changes = world.clients[name].responses.iter().filter_map(|response| match response {
        Response::SpeakersChanged(changed) => Some(changed.speakers.iter().map(|speaker| speaker.active)),
        _ => None,
    });
    changes.flatten().collect()
}

/// The protocols of the addresses in the last answer.
fn offered(world: &World, name: Name) -> Vec<String> {
    let mut answers = world.clients[name].responses.iter().filter_map(|response| match response {
        Response::Answer(answer) => Some(&answer.sdp),
        _ => None,
    });
    let sdp = answers.next_back().expect("an answer");
    let mut protocols: Vec<_> = sdp
        .lines()
        .filter(|line| line.starts_with("a=candidate:"))
        .map(|line| line.split(' ').nth(2).unwrap().to_lowercase())
        .collect();
    protocols.sort();
    protocols.dedup();
    protocols
}

#[test]
fn without_leave_nothing_happens() {
    let mut world = World::new(70);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    simulate(&mut world, ann, Scenario::ServerLeave(true));
    simulate(&mut world, ann, Scenario::SpeakerUpdate(3));
    assert!(!world.clients[ann].closed && spoken(&world, bob).is_empty());
}

#[test]
fn somebody_seems_to_speak_for_a_while() {
    let mut world = world(71);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    simulate(&mut world, ann, Scenario::SpeakerUpdate(3));
    world.run(Duration::from_millis(2_900));
    assert_eq!((spoken(&world, ann), spoken(&world, bob)), (vec![true], vec![true]));
    world.run(Duration::from_secs(1));
    assert_eq!((spoken(&world, ann), spoken(&world, bob)), (vec![true, false], vec![true, false]));
}

#[test]
fn the_next_session_has_the_preferred_protocol() {
    let mut world = world(72);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    assert_eq!(offered(&world, ann), ["tcp", "udp"]);
    simulate(&mut world, ann, Scenario::SwitchCandidateProtocol(CandidateProtocol::Tcp.into()));
    let by_tcp = world.join("ann");
    assert_eq!(offered(&world, by_tcp), ["tcp"]);
    simulate(&mut world, by_tcp, Scenario::SwitchCandidateProtocol(CandidateProtocol::Tls.into()));
    let by_tls = world.join("ann");
    let told = |name: Name| world.clients[name].joined.as_ref().unwrap().client_configuration.as_ref();
    assert_eq!(told(by_tls).unwrap().force_relay(), proto::ClientConfigSetting::Enabled);
    assert_eq!((told(by_tcp), told(bob)), (None, None));
    assert_eq!(offered(&world, bob), ["tcp", "udp"], "the others are not concerned");
}

#[test]
fn a_resume_breaks_off_once() {
    for (scenario, said) in
        [(Scenario::DisconnectSignalOnResume(true), true), (Scenario::DisconnectSignalOnResumeNoMessages(true), false)]
    {
        let mut world = world(73);
        let ann = world.enter("ann");
        simulate(&mut world, ann, scenario);
        assert!(!world.clients[ann].closed, "only when it resumes");
        assert!(!world.resume(ann));
        let heard = world.clients[ann].responses.iter().any(|r| matches!(r, Response::Reconnect(_)));
        assert_eq!(heard, said, "{scenario:?}");
        assert!(world.resume(ann), "{scenario:?}: the next one holds");
    }
}

#[test]
fn a_link_is_as_narrow_as_was_asked() {
    let mut world = world(74);
    let (ann, bob) = (world.enter("ann"), world.enter("bob"));
    world.publish_video(ann, "cam", 3);
    let best = |world: &mut World| {
        world.run(Duration::from_secs(15));
        let (client, since) = (&world.clients[bob], world.now - Duration::from_secs(2));
        let line = client.line_of(&world.sid(ann, "cam")).unwrap();
        let frames = client.heard_on(line).filter(|h| h.at >= since).filter_map(|h| Frame::read(&h.payload));
        frames.map(|frame| frame.layer).max()
    };
    assert_eq!(best(&mut world), Some(2));
    simulate(&mut world, bob, Scenario::SubscriberBandwidth(300_000));
    assert_eq!(best(&mut world), Some(0));
    simulate(&mut world, bob, Scenario::SubscriberBandwidth(0));
    assert_eq!(best(&mut world), Some(2));
}
