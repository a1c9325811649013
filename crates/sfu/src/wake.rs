//! Who has something to do: peers with packets queued, and what wants to be called at a time.

use crate::peer::Source;
use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
    time::Instant,
};

slotmap::new_key_type! {
    pub(crate) struct RoomKey;
    pub(crate) struct ParticipantKey;
    pub(crate) struct TrackKey;
    pub(crate) struct SubscriptionKey;
}

/// Which of a participant's peer connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// The client's own offers; in a single connection, everything.
    Publisher,
    Subscriber,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PeerRef {
    pub(crate) room: RoomKey,
    pub(crate) participant: ParticipantKey,
    pub(crate) target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Peer(PeerRef),
    Room(RoomKey),
    /// The machine's own housekeeping.
    Sweep,
    /// The connections of who was removed are hung up.
    HangUp,
}

#[derive(Debug)]
struct Timer {
    at: Instant,
    due: Due,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Timer {}
impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timer {
    /// The earliest is the greatest: `BinaryHeap` gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

/// Never a scan over all peers: a list of those changed, and a heap of times. A time that moved stays on the heap until
/// it comes up; then its owner, who knows for which time it waits, lets it fall.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    pub(crate) dirty: Vec<PeerRef>,
    heap: BinaryHeap<Timer>,
}

impl Wake {
    pub(crate) fn at(&mut self, at: Instant, due: Due) {
        self.heap.push(Timer { at, due });
    }

    /// What is due, and for when it was put here.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, Due)> {
        match self.heap.peek() {
            Some(timer) if timer.at <= now => self.heap.pop().map(|timer| (timer.at, timer.due)),
            _ => None,
        }
    }

    pub(crate) fn next(&self) -> Option<(Instant, Due)> {
        self.heap.peek().map(|timer| (timer.at, timer.due))
    }
}

/// Addresses from which one peer's checks are answered while its ICE credentials are the same. A client has a few for each of its
/// interfaces and relays, and a new one each time a NAT forgets it; the ICE agent keeps them all and looks through them.
const MOST_SOURCES: usize = 128;

/// Whose a datagram is: by address once ICE has checked it, before that by the STUN request's ufrag.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    by_source: HashMap<Source, PeerRef>,
    by_ufrag: HashMap<String, PeerRef>,
    known: HashMap<PeerRef, Known>,
}

/// By what a peer is found.
#[derive(Debug, Default)]
struct Known {
    ufrag: String,
    /// Where its checks were answered since its credentials are these.
    sources: Vec<Source>,
    /// And while they were the ones before: media go on there until the new ones have found a way.
    earlier: Vec<Source>,
}

impl Known {
    fn takes(&self, source: Source) -> bool {
        self.sources.len() < MOST_SOURCES || self.sources.contains(&source)
    }
}

impl Demux {
    /// The peer's fragment is this one, and no other any more.
    pub(crate) fn learn_ufrag(&mut self, ufrag: String, peer: PeerRef) {
        let known = self.known.entry(peer).or_default();
        if known.ufrag == ufrag {
            return;
        }
        self.by_ufrag.remove(&std::mem::replace(&mut known.ufrag, ufrag.clone()));
        self.by_ufrag.insert(ufrag, peer);
        if !known.sources.is_empty() {
            let forgotten = std::mem::replace(&mut known.earlier, std::mem::take(&mut known.sources));
            let forgotten: Vec<_> = forgotten.into_iter().filter(|source| !known.earlier.contains(source)).collect();
            self.forget_sources(&forgotten, peer);
        }
    }

    /// STUN names the peer, and what comes from its address afterwards is the same peer's: another peer's datagrams
    /// from there are refused by their keys. Anything but STUN from an unknown address is nobody's.
    pub(crate) fn find(&mut self, source: Source, datagram: &[u8]) -> Option<PeerRef> {
        if crate::stun::is(datagram)
            && let Some(ufrag) = crate::stun::ufrag(datagram)
        {
            let peer = *self.by_ufrag.get(ufrag)?;
            return self.known.get(&peer).is_some_and(|known| known.takes(source)).then_some(peer);
        }
        self.by_source.get(&source).copied()
    }

    /// The peer's ICE agent took a request from this address.
    pub(crate) fn learn_source(&mut self, source: Source, peer: PeerRef) {
        let Some(known) = self.known.get_mut(&peer) else { return };
        if !known.sources.contains(&source) {
            known.sources.push(source);
        }
        self.by_source.insert(source, peer);
    }

    pub(crate) fn forget(&mut self, peer: PeerRef) {
        let Some(Known { ufrag, sources, earlier }) = self.known.remove(&peer) else { return };
        self.by_ufrag.remove(&ufrag);
        self.forget_sources(&sources, peer);
        self.forget_sources(&earlier, peer);
    }

    fn forget_sources(&mut self, sources: &[Source], peer: PeerRef) {
        for source in sources {
            // Another peer may have it now.
            if self.by_source.get(source) == Some(&peer) {
                self.by_source.remove(source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap::Key;
    use str0m::net::Protocol;

    fn peer(target: Target) -> PeerRef {
        PeerRef { room: RoomKey::null(), participant: ParticipantKey::null(), target }
    }

    fn source(port: usize) -> Source {
        (Protocol::Udp, ([10, 0, 0, 1], port as u16).into())
    }

    #[test]
    fn a_peer_is_found_where_it_was_before_its_last_restart_and_no_longer() {
        let (ann, bob) = (peer(Target::Publisher), peer(Target::Subscriber));
        let mut demux = Demux::default();
        demux.learn_ufrag("bob".into(), bob);
        for restart in 0..1_000 {
            demux.learn_ufrag(format!("ann{restart}"), ann);
            demux.learn_source(source(1), ann);
            demux.learn_source(source(10 + restart), ann);
        }
        assert_eq!(demux.by_ufrag.len(), 2, "of each the last");
        let found = |demux: &mut Demux, port| demux.find(source(port), &[0x80]);
        assert_eq!([1, 1_009, 1_008].map(|port| found(&mut demux, port)), [Some(ann); 3]);
        assert_eq!(found(&mut demux, 1_007), None);
        assert_eq!(demux.by_source.len(), 3);
        // A restart that finds no way takes nothing from the one before.
        demux.learn_ufrag("ann".into(), ann);
        demux.learn_ufrag("anne".into(), ann);
        assert_eq!(found(&mut demux, 1_009), Some(ann));
        demux.learn_source(source(1_009), bob);
        demux.forget(ann);
        assert_eq!([1, 1_008, 1_009].map(|port| found(&mut demux, port)), [None, None, Some(bob)]);
        demux.forget(bob);
        assert!(demux.by_source.is_empty() && demux.by_ufrag.is_empty() && demux.known.is_empty());
    }
}
