//! The clients that are here, by session id, and how to reach their tasks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::app::Reason;
use crate::config::Config;
use crate::id::Sid;
use crate::transport::Socket;

/// What a client's task is told from outside.
pub(crate) enum Letter {
    /// A polling client waits for packets.
    Get(oneshot::Sender<String>),
    /// A polling client sends packets; answered when all were handled.
    Post(String, oneshot::Sender<()>),
    /// A WebSocket was probed: pending requests are to end.
    Probed,
    /// The probed WebSocket did not take over.
    ProbeFailed,
    /// The WebSocket takes over.
    Upgrade(Box<Socket>),
    /// The session is to end; the sender is dropped when it has.
    Close(Reason, Option<oneshot::Sender<()>>),
}

/// Reaches one client's task.
#[derive(Default)]
pub(crate) struct Handle {
    mailbox: Mutex<Mailbox>,
    task: AtomicWaker,
}

/// Letters are few: a client has one request of each kind open, or is closed for having more.
#[derive(Default)]
struct Mailbox {
    letters: Vec<Letter>,
    closed: bool,
    websocket: bool,
    upgrading: bool,
    posting: bool,
}

impl Handle {
    /// Gives back the letter when the session has ended.
    pub(crate) fn send(&self, letter: Letter) -> Result<(), Letter> {
        let mut mailbox = self.mailbox.lock();
        if mailbox.closed {
            return Err(letter);
        }
        mailbox.letters.push(letter);
        drop(mailbox);
        self.wake();
        Ok(())
    }

    /// Wakes the task.
    pub(crate) fn wake(&self) {
        self.task.wake();
    }

    /// Takes the letters, and has the task woken by the next.
    pub(crate) fn take(&self, cx: &Context<'_>) -> Vec<Letter> {
        self.task.register(cx.waker());
        std::mem::take(&mut self.mailbox.lock().letters)
    }

    /// Ends delivery; who waits for an answer learns that there is none.
    pub(crate) fn close(&self) {
        let mut mailbox = self.mailbox.lock();
        mailbox.closed = true;
        let undelivered = std::mem::take(&mut mailbox.letters);
        drop(mailbox);
        drop(undelivered);
    }

    pub(crate) fn is_websocket(&self) -> bool {
        self.mailbox.lock().websocket
    }

    /// Begins an upgrade, of which there is only one.
    pub(crate) fn begin_upgrade(&self) -> bool {
        let mut mailbox = self.mailbox.lock();
        let free = !mailbox.closed && !mailbox.websocket && !mailbox.upgrading;
        mailbox.upgrading |= free;
        free
    }

    pub(crate) fn end_upgrade(&self) {
        self.mailbox.lock().upgrading = false;
    }

    /// Begins a POST; false when one is under way.
    pub(crate) fn begin_post(&self) -> bool {
        !std::mem::replace(&mut self.mailbox.lock().posting, true)
    }

    pub(crate) fn end_post(&self) {
        self.mailbox.lock().posting = false;
    }
}

/// Packets and clients, counted.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) polling: AtomicUsize,
    pub(crate) websocket: AtomicUsize,
    pub(crate) packets_in: AtomicU64,
    pub(crate) packets_out: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Registry {
    clients: Mutex<Clients>,
    pub(crate) counters: Counters,
    emptied: Notify,
}

#[derive(Default)]
struct Clients {
    by_sid: HashMap<Sid, Arc<Handle>>,
    by_address: HashMap<IpAddr, usize>,
    homeless: Homeless,
    closed: bool,
}

/// Clients in no namespace, by age: anybody can be one, without saying who they are.
#[derive(Default)]
struct Homeless {
    last: u64,
    by_age: BTreeMap<u64, (Option<IpAddr>, Arc<Handle>)>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
}

impl Homeless {
    /// Adds the youngest; gives its age, and who makes room for it.
    fn add(&mut self, address: Option<IpAddr>, handle: Arc<Handle>, config: &Config) -> (u64, Option<Arc<Handle>>) {
        self.last += 1;
        self.by_age.insert(self.last, (address, handle));
        let neighbours = address.map(|address| self.by_address.entry(address).or_default());
        let over = |limit: usize, count: usize| limit > 0 && count > limit;
        let mut surplus = None;
        if let Some(neighbours) = neighbours {
            neighbours.insert(self.last);
            surplus = neighbours.first().copied().filter(|_| over(config.max_homeless_per_address, neighbours.len()));
        }
        if surplus.is_none() && over(config.max_homeless, self.by_age.len()) {
            surplus = self.by_age.keys().next().copied();
        }
        (self.last, surplus.and_then(|age| self.remove(age)))
    }

    fn remove(&mut self, age: u64) -> Option<Arc<Handle>> {
        let (address, handle) = self.by_age.remove(&age)?;
        if let Some(address) = address
            && let Some(neighbours) = self.by_address.get_mut(&address)
        {
            neighbours.remove(&age);
            if neighbours.is_empty() {
                self.by_address.remove(&address);
            }
        }
        Some(handle)
    }
}

/// Why there is no room for a client.
#[derive(Debug, PartialEq)]
pub(crate) enum Full {
    /// The server has enough clients, or shuts down.
    Server,
    /// This address has enough clients.
    Address,
}

impl Registry {
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>, config: &Config) -> Result<Seat, Full> {
        let mut clients = self.clients.lock();
        let over = |limit: usize, count: usize| limit > 0 && count >= limit;
        if clients.closed || over(config.max_clients, clients.by_sid.len()) {
            return Err(Full::Server);
        }
        if let Some(address) = address {
            let count = clients.by_address.entry(address).or_default();
            if over(config.max_clients_per_address, *count) {
                return Err(Full::Address);
            }
            *count += 1;
        }
        let (sid, handle) = (Sid::random(), Arc::<Handle>::default());
        clients.by_sid.insert(sid, handle.clone());
        drop(clients);
        self.counters.polling.fetch_add(1, Ordering::Relaxed);
        let mut seat = Seat { registry: self.clone(), sid, handle, address, websocket: false, homeless: None };
        seat.unsettle(config);
        Ok(seat)
    }

    pub(crate) fn get(&self, sid: &str) -> Option<Arc<Handle>> {
        self.clients.lock().by_sid.get(&sid.parse().ok()?).cloned()
    }

    /// Closes all clients, lets no more in, and returns when the last is gone.
    pub(crate) async fn close_all(&self) {
        let handles: Vec<_> = {
            let mut clients = self.clients.lock();
            clients.closed = true;
            clients.by_sid.values().cloned().collect()
        };
        for handle in handles {
            // One that has ended needs no telling.
            let _ = handle.send(Letter::Close(Reason::Shutdown, None));
        }
        loop {
            let emptied = self.emptied.notified();
            if self.clients.lock().by_sid.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn leave(&self, sid: Sid, address: Option<IpAddr>) {
        let mut clients = self.clients.lock();
        clients.by_sid.remove(&sid);
        if let Some(address) = address
            && let Some(count) = clients.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                clients.by_address.remove(&address);
            }
        }
        if clients.by_sid.is_empty() {
            self.emptied.notify_waiters();
        }
    }
}

/// A client's place in the registry, given up on drop.
pub(crate) struct Seat {
    registry: Arc<Registry>,
    pub(crate) sid: Sid,
    pub(crate) handle: Arc<Handle>,
    address: Option<IpAddr>,
    websocket: bool,
    /// Its age among the homeless.
    homeless: Option<u64>,
}

impl Seat {
    /// The client is in no namespace. The oldest of those may have to make room.
    pub(crate) fn unsettle(&mut self, config: &Config) {
        if self.homeless.is_none() {
            let mut clients = self.registry.clients.lock();
            let (age, surplus) = clients.homeless.add(self.address, self.handle.clone(), config);
            drop(clients);
            self.homeless = Some(age);
            // One that has ended needs no telling.
            let _ = surplus.map(|oldest| oldest.send(Letter::Close(Reason::ConnectTimeout, None)));
        }
    }

    /// The client is in a namespace, or about to be.
    pub(crate) fn settle(&mut self) {
        if let Some(age) = self.homeless.take() {
            self.registry.clients.lock().homeless.remove(age);
        }
    }

    /// The client is on a WebSocket from now on.
    pub(crate) fn set_websocket(&mut self) {
        if !self.websocket {
            self.websocket = true;
            self.handle.mailbox.lock().websocket = true;
            self.registry.counters.polling.fetch_sub(1, Ordering::Relaxed);
            self.registry.counters.websocket.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.handle.close();
        self.settle();
        self.registry.leave(self.sid, self.address);
        let counters = &self.registry.counters;
        let gauge = if self.websocket { &counters.websocket } else { &counters.polling };
        gauge.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn seats_are_limited_and_given_back() {
        let registry = Arc::<Registry>::default();
        let config = Config { max_clients: 3, max_clients_per_address: 2, ..Config::default() };
        let address = Some(IpAddr::from([127, 0, 0, 1]));
        let first = registry.admit(address, &config).unwrap();
        let _second = registry.admit(address, &config).unwrap();
        assert_eq!(registry.admit(address, &config).err(), Some(Full::Address));
        let _third = registry.admit(None, &config).unwrap();
        assert_eq!(registry.admit(None, &config).err(), Some(Full::Server));

        let (sid, handle) = (first.sid, first.handle.clone());
        assert!(registry.get(sid.as_str()).is_some());
        drop(first);
        assert!(registry.get(sid.as_str()).is_none());
        assert!(handle.send(Letter::Probed).is_err(), "nobody reads it any more");
        assert!(registry.admit(address, &config).is_ok());
    }

    #[tokio::test]
    async fn the_oldest_of_the_homeless_make_room() {
        let registry = Arc::<Registry>::default();
        let config = Config { max_homeless: 3, max_homeless_per_address: 2, ..Config::default() };
        let addresses = [1, 2].map(|last| Some(IpAddr::from([127, 0, 0, last])));
        let is_told = |seat: &Seat| !seat.handle.mailbox.lock().letters.is_empty();
        let mut settled = registry.admit(addresses[0], &config).unwrap();
        settled.settle();
        let first = registry.admit(addresses[0], &config).unwrap();
        let elsewhere = registry.admit(addresses[1], &config).unwrap();
        let second = registry.admit(addresses[0], &config).unwrap();
        assert!(![&settled, &first, &elsewhere, &second].into_iter().any(is_told));
        let third = registry.admit(addresses[0], &config).unwrap();
        assert!(is_told(&first), "the oldest of the address");
        let fourth = registry.admit(addresses[1], &config).unwrap();
        assert!(is_told(&elsewhere), "the oldest of all");
        settled.unsettle(&config);
        assert!(is_told(&second) && !is_told(&third) && !is_told(&settled), "who leaves a namespace is the youngest");
        drop((settled, first, elsewhere, second, third, fourth));
        let homeless = &registry.clients.lock().homeless;
        assert!(homeless.by_age.is_empty() && homeless.by_address.is_empty());
    }

    #[tokio::test]
    async fn closing_waits_for_the_last_and_admits_no_more() {
        let registry = Arc::<Registry>::default();
        let config = Config::default();
        let seat = registry.admit(None, &config).unwrap();
        let closing = tokio::spawn({
            let registry = registry.clone();
            async move { registry.close_all().await }
        });
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
        assert!(registry.admit(None, &config).is_err());
        drop(seat);
        closing.await.unwrap();
    }
}
