//! Who has something to do: peers with packets queued, and what wants to be called at a time.

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

/// Whose a datagram is: by address once ICE has checked it, before that by the STUN request's ufrag.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    by_source: HashMap<crate::peer::Source, PeerRef>,
    by_ufrag: HashMap<String, PeerRef>,
}

impl Demux {
    pub(crate) fn learn_ufrag(&mut self, ufrag: String, peer: PeerRef) {
        self.by_ufrag.insert(ufrag, peer);
    }

    /// STUN names the peer, and what comes from its address afterwards is the same peer's: another peer's datagrams
    /// from there are refused by their keys. Anything but STUN from an unknown address is nobody's.
    pub(crate) fn find(&mut self, source: crate::peer::Source, datagram: &[u8]) -> Option<PeerRef> {
        if crate::stun::is(datagram)
            && let Some(ufrag) = crate::stun::ufrag(datagram)
        {
            return self.by_ufrag.get(ufrag).copied();
        }
        self.by_source.get(&source).copied()
    }

    /// The peer's ICE agent took a request from this address.
    pub(crate) fn learn_source(&mut self, source: crate::peer::Source, peer: PeerRef) {
        self.by_source.insert(source, peer);
    }

    pub(crate) fn forget(&mut self, peer: PeerRef) {
        self.by_ufrag.retain(|_, p| *p != peer);
        self.by_source.retain(|_, p| *p != peer);
    }
}
