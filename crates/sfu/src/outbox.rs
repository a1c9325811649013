//! Datagrams on their way out of the machine. What is said to one client while the machine is told what came lies together
//! in memory from the start, so that it leaves in one call (UDP GSO) and is copied nowhere.

use crate::io::{Route, Transmit};
use std::collections::VecDeque;

/// The most of one run: as many as the kernel takes in one call, within an IP packet less the headers of IPv6 and UDP.
const DATAGRAMS: usize = 64;
const BYTES: usize = 65_535 - 48;
/// Longer datagrams travel alone. One that is over the interface's MTU fails by itself with EMSGSIZE, but in a run with
/// EINVAL, which also says "no GSO here" and would end it for everybody.
const SEGMENT: usize = 1_400;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    runs: VecDeque<Transmit>,
    /// The number of the first of them.
    first: u64,
}

/// The number of the run that was said last to a client.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Last(Option<u64>);

impl Outbox {
    pub(crate) fn pop(&mut self) -> Option<Transmit> {
        let run = self.runs.pop_front()?;
        self.first += 1;
        Some(run)
    }

    /// Room for a datagram of so many bytes: they are appended to what is there.
    fn room(&mut self, route: Route, last: &mut Last, bytes: usize) -> &mut Vec<u8> {
        let place = last.0.and_then(|number| number.checked_sub(self.first)).map(|place| place as usize);
        let place = place.filter(|place| self.runs.get(*place).is_some_and(|run| takes(run, route, bytes)));
        let place = place.unwrap_or_else(|| {
            let contents = Vec::with_capacity(bytes);
            self.runs.push_back(Transmit { route, contents, segment: bytes });
            self.runs.len() - 1
        });
        *last = Last(Some(self.first + place as u64));
        &mut self.runs[place].contents
    }
}

/// Whether it can leave in the same call.
fn takes(run: &Transmit, route: Route, bytes: usize) -> bool {
    let Transmit { contents, segment, .. } = run;
    run.route == route
        && (1..=(*segment).min(SEGMENT)).contains(&bytes)
        && *segment <= SEGMENT
        && contents.len().is_multiple_of(*segment)
        && contents.len() / segment < DATAGRAMS
        && contents.len() + bytes <= BYTES
}

/// The way to one client.
pub(crate) struct Way<'a> {
    pub(crate) route: Route,
    pub(crate) last: &'a mut Last,
    pub(crate) out: &'a mut Outbox,
}

impl Way<'_> {
    /// Room for a datagram of so many bytes: exactly as many are to be appended.
    pub(crate) fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        self.out.room(self.route, self.last, bytes)
    }

    pub(crate) fn say(&mut self, datagram: &[u8]) {
        self.room(datagram.len()).extend_from_slice(datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::net::Protocol;

    fn route(port: u16) -> Route {
        let at = |port| ([127, 0, 0, 1], port).into();
        Route { proto: Protocol::Udp, source: at(1), destination: at(port) }
    }

    /// What is left of what was said: to whom, and how long each datagram is.
    fn left(out: &mut Outbox) -> Vec<(u16, Vec<usize>)> {
        let runs = std::iter::from_fn(|| out.pop());
        runs.map(|run| (run.route.destination.port(), run.datagrams().map(<[u8]>::len).collect())).collect()
    }

    #[test]
    fn a_run_is_of_one_length_to_one_client() {
        let (mut out, mut ann, mut bob) = (Outbox::default(), Last::default(), Last::default());
        let mut say = |port, last: &mut Last, bytes: usize| {
            Way { route: route(port), last, out: &mut out }.say(&vec![port as u8; bytes]);
        };
        for bytes in [100, 100] {
            say(2, &mut ann, bytes);
            say(3, &mut bob, bytes + 1);
        }
        say(2, &mut ann, 40); // The last may be shorter,
        say(2, &mut ann, 40); // and is the last.
        say(3, &mut bob, 102);
        say(4, &mut ann, 40); // By another way.
        let expected = [(2, vec![100, 100, 40]), (3, vec![101, 101]), (2, vec![40]), (3, vec![102]), (4, vec![40])];
        assert_eq!(left(&mut out), expected);
    }

    #[test]
    fn a_run_has_bounds() {
        let (mut out, mut last) = (Outbox::default(), Last::default());
        let mut say = |count, bytes: usize| {
            (0..count).for_each(|_| Way { route: route(2), last: &mut last, out: &mut out }.say(&vec![0; bytes]));
            left(&mut out).into_iter().map(|(_, run)| run.len()).collect::<Vec<_>>()
        };
        assert_eq!(say(65, 100), [64, 1], "as many as the kernel takes");
        assert_eq!(say(50, 1_400), [46, 4], "as long as a packet");
        assert_eq!(say(2, 1_401), [1, 1], "perhaps over the MTU");
    }

    #[test]
    fn what_has_left_is_not_added_to() {
        let (mut out, mut last) = (Outbox::default(), Last::default());
        for _ in 0..3 {
            Way { route: route(2), last: &mut last, out: &mut out }.say(&[7; 100]);
            assert_eq!(left(&mut out), [(2, vec![100])]);
        }
    }
}
