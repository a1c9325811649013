//! A line that carried a track carries another one later.

mod common;

use common::{Frame, Weather, World};
use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

#[test]
fn on_a_line_that_is_used_again_lost_packets_are_repeated() {
    let mut world = World::new(80);
    let bob = world.enter("bob");
    world.clients[bob].keeps_lines = true;
    let mut lines = BTreeSet::new();
    let line = loop {
        let ann = world.enter("ann");
        world.publish_video(ann, "cam", 1);
        world.run(Duration::from_secs(3));
        let line = world.clients[bob].line_of(&world.sid(ann, "cam")).expect("a line");
        if !lines.insert(line.to_string()) {
            break line;
        }
        assert!(lines.len() < 10, "lines are used again: {lines:?}");
        world.signal(ann, Request::Leave(proto::LeaveRequest::default()));
        world.run(Duration::from_secs(1));
    };

    world.weather(bob, Weather::losing(100));
    let since = world.now;
    world.run(Duration::from_secs(10));
    world.weather(bob, Weather::default());
    let until = world.now;
    world.run(Duration::from_secs(2));
    let heard = world.clients[bob].heard_on(line).filter(|h| h.at >= since && h.at < until);
    let mut frames = BTreeMap::<_, (u8, BTreeSet<_>)>::new();
    for frame in heard.filter_map(|h| Frame::read(&h.payload)) {
        let (packets, came) = frames.entry(frame.number).or_default();
        *packets = frame.packets;
        came.insert(frame.packet);
    }
    let broken = frames.values().filter(|(packets, came)| came.len() < usize::from(*packets)).count();
    assert!(broken < frames.len() / 20, "{broken} of {} frames are broken", frames.len());
}
