//! Connection state recovery: what a lost client missed, and its sockets while it is away.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::app::Reason;
use crate::client::Joined;
use crate::id::Sid;
use crate::packet::Packet;
use crate::registry::{Handle, Letter};

/// How long a returning client waits for its old connection's task to let go.
const SURRENDER_TIMEOUT: Duration = Duration::from_secs(5);

/// What makes a socket recoverable.
pub(crate) struct Recovery {
    /// The private id by which the client asks for its state: knowing it is half of the right to it.
    pub(crate) pid: Sid,
    pub(crate) ring: Ring,
}

/// The last recoverable frames that were taken from the feed, sent or not.
#[derive(Default)]
pub(crate) struct Ring {
    frames: VecDeque<(Arc<str>, Packet)>,
    /// Frames from before the first one here are unknown.
    truncated: bool,
}

impl Ring {
    pub(crate) fn push(&mut self, offset: Arc<str>, packet: Packet, capacity: usize) {
        if self.frames.len() >= capacity {
            self.frames.pop_front();
            self.truncated = true;
        }
        self.frames.push_back((offset, packet));
    }

    /// Forgets everything: what comes next does not follow from what was.
    pub(crate) fn cut(&mut self) {
        self.frames.clear();
        self.truncated = true;
    }

    /// The frames after `offset`, or all there ever were for a client that has seen none: it names no offset, or one of another
    /// socket, for socket.io-client keeps its last one when it gets a new socket. `None` when they are not known any more.
    pub(crate) fn after(&self, offset: Option<&str>) -> Option<Vec<Packet>> {
        let last = offset.and_then(|offset| self.frames.iter().rposition(|(other, _)| &**other == offset));
        let start = match last {
            Some(last) => last + 1,
            None if self.truncated => return None,
            None => 0,
        };
        Some(self.frames.range(start..).map(|(_, packet)| packet.clone()).collect())
    }
}

/// Where the sockets of lost clients wait.
pub(crate) struct Lot<S>(Mutex<Inner<S>>);

struct Inner<S> {
    parked: HashMap<Sid, Parked<S>>,
    /// The parked sockets of each key, oldest first.
    keys: HashMap<u128, VecDeque<Sid>>,
    /// Recoverable sockets whose connection is not lost, as far as is known.
    live: HashMap<Sid, Arc<Handle>>,
}

pub(crate) struct Parked<S> {
    pub(crate) joined: Joined<S>,
    pub(crate) reason: Reason,
    key: u128,
    until: Instant,
}

/// Bounds of the lot.
pub(crate) struct Room {
    pub(crate) total: usize,
    pub(crate) per_key: usize,
    pub(crate) window: Duration,
}

impl<S> Default for Lot<S> {
    fn default() -> Self {
        Self(Mutex::new(Inner { parked: HashMap::new(), keys: HashMap::new(), live: HashMap::new() }))
    }
}

impl<S> Lot<S> {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().parked.len()
    }

    /// A recoverable socket is connected.
    pub(crate) fn arrive(&self, pid: Sid, handle: Arc<Handle>) {
        self.0.lock().live.insert(pid, handle);
    }

    /// A recoverable socket is gone, or about to be parked.
    pub(crate) fn depart(&self, pid: Sid) {
        self.0.lock().live.remove(&pid);
    }

    /// Parks a socket; gives back what there is no room for, the newcomer or an older one of its key.
    pub(crate) fn park(
        &self,
        pid: Sid,
        joined: Joined<S>,
        key: u128,
        reason: Reason,
        room: &Room,
    ) -> Option<Parked<S>> {
        let mut inner = self.0.lock();
        let parked = Parked { joined, reason, key, until: Instant::now() + room.window };
        let same_key = inner.keys.get(&key).map_or(0, VecDeque::len);
        let evicted = if same_key >= room.per_key {
            let oldest = inner.keys.get(&key).and_then(|pids| pids.front().copied());
            oldest.and_then(|oldest| inner.take(oldest))
        } else {
            None
        };
        if room.per_key == 0 || inner.parked.len() >= room.total {
            return Some(parked);
        }
        inner.keys.entry(key).or_default().push_back(pid);
        inner.parked.insert(pid, parked);
        evicted
    }

    /// Takes a parked socket for its returning client. If its connection is still thought to be alive,
    /// that ends first.
    pub(crate) async fn claim(&self, pid: Sid) -> Option<Parked<S>> {
        let live = {
            let mut inner = self.0.lock();
            if let Some(parked) = inner.take(pid) {
                return Some(parked);
            }
            inner.live.get(&pid).cloned()?
        };
        let (ended, wait) = oneshot::channel();
        if live.send(Letter::Close(Reason::Replaced, Some(ended))).is_ok() {
            // Ends with an error, for the sender is dropped; only that it has ended matters.
            let _ = tokio::time::timeout(SURRENDER_TIMEOUT, wait).await;
        }
        self.0.lock().take(pid)
    }

    /// Takes a parked socket whose time is over.
    pub(crate) fn expire(&self, pid: Sid) -> Option<Parked<S>> {
        let mut inner = self.0.lock();
        let over = inner.parked.get(&pid).is_some_and(|parked| parked.until <= Instant::now());
        if over { inner.take(pid) } else { None }
    }

    /// Takes all parked sockets.
    pub(crate) fn clear(&self) -> Vec<Parked<S>> {
        let mut inner = self.0.lock();
        inner.keys.clear();
        inner.parked.drain().map(|(_, parked)| parked).collect()
    }
}

impl<S> Inner<S> {
    fn take(&mut self, pid: Sid) -> Option<Parked<S>> {
        let parked = self.parked.remove(&pid)?;
        if let Some(pids) = self.keys.get_mut(&parked.key) {
            pids.retain(|other| *other != pid);
            if pids.is_empty() {
                self.keys.remove(&parked.key);
            }
        }
        Some(parked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(n: usize) -> Packet {
        crate::event_packet("/", "n", &[n]).unwrap()
    }

    fn ring(count: usize, capacity: usize) -> Ring {
        let mut ring = Ring::default();
        (1..=count).for_each(|n| ring.push(n.to_string().into(), packet(n), capacity));
        ring
    }

    #[test]
    fn what_was_missed() {
        let ring = ring(3, 8);
        assert_eq!(ring.after(Some("1")), Some(vec![packet(2), packet(3)]));
        assert_eq!(ring.after(Some("3")), Some(vec![]));
        assert_eq!(ring.after(None), Some(vec![packet(1), packet(2), packet(3)]));
        assert_eq!(ring.after(Some("other")), ring.after(None), "it has seen none of these");
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let mut ring = ring(9, 8);
        assert_eq!(ring.after(Some("1")), None, "fell out");
        assert_eq!(ring.after(Some("other")), None);
        assert_eq!(ring.after(None), None);
        assert_eq!(ring.after(Some("8")), Some(vec![packet(9)]));
        ring.cut();
        assert_eq!(ring.after(Some("9")), None);
        ring.push("10".into(), packet(10), 8);
        ring.push("11".into(), packet(11), 8);
        assert_eq!(ring.after(Some("10")), Some(vec![packet(11)]));
        assert_eq!(ring.after(None), None);
    }

    fn joined(state: u32) -> Joined<u32> {
        Joined { namespace: "/".into(), sid: Sid::random(), state, recovery: None }
    }

    const ROOM: Room = Room { total: 3, per_key: 2, window: Duration::from_secs(120) };

    #[tokio::test(start_paused = true)]
    async fn parked_sockets_are_bounded() {
        let lot = Lot::default();
        let pids: Vec<Sid> = (0..5).map(|_| Sid::random()).collect();
        let park = |n: usize, key| {
            lot.park(pids[n], joined(n as u32), key, Reason::TransportClose, &ROOM).map(|parked| parked.joined.state)
        };
        assert_eq!(park(0, 7), None);
        assert_eq!(park(1, 7), None);
        assert_eq!(park(2, 7), Some(0), "the oldest of its key makes room");
        assert_eq!(park(3, 8), None);
        assert_eq!(park(4, 9), Some(4), "the lot is full");
        assert_eq!(lot.len(), 3);
        assert!(lot.claim(pids[0]).await.is_none());
        assert_eq!(lot.claim(pids[1]).await.unwrap().joined.state, 1);
        assert!(lot.claim(pids[1]).await.is_none(), "only once");
        assert_eq!(lot.clear().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn parked_sockets_expire() {
        let lot = Lot::default();
        let pid = Sid::random();
        assert!(lot.park(pid, joined(1), 7, Reason::PingTimeout, &ROOM).is_none());
        tokio::time::advance(ROOM.window - Duration::from_secs(1)).await;
        assert!(lot.expire(pid).is_none(), "not yet");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(lot.expire(pid).unwrap().reason, Reason::PingTimeout);
    }
}
