//! The network between: loss, delay, jitter, doubles and a narrow link, all by a seed.

use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// What happens between the server and one client, both ways alike.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub delay: Duration,
    /// Up to so much more, at random: packets overtake each other.
    pub jitter: Duration,
    /// Parts of a thousand.
    pub loss: u32,
    pub doubles: u32,
    /// Bits per second towards the client; 0: unbounded. A queue of 200 ms, then packets fall.
    pub downlink: u64,
}

impl Default for Weather {
    fn default() -> Self {
        Self { delay: Duration::from_millis(10), jitter: Duration::ZERO, loss: 0, doubles: 0, downlink: 0 }
    }
}

impl Weather {
    pub fn losing(loss: u32) -> Self {
        Self { loss, ..Self::default() }
    }

    pub fn narrow(downlink: u64) -> Self {
        Self { downlink, ..Self::default() }
    }

    /// Nothing gets through.
    pub fn tunnel() -> Self {
        Self { loss: 1000, ..Self::default() }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

pub struct Net {
    random: StdRng,
    /// Of a client, whichever of its connections.
    weather: HashMap<IpAddr, Weather>,
    /// When the link towards a client is free again.
    free: HashMap<IpAddr, Instant>,
    flying: BinaryHeap<Reverse<(Instant, u64)>>,
    packets: HashMap<u64, Packet>,
    count: u64,
}

/// Longest queue before a narrow link.
const QUEUE: Duration = Duration::from_millis(200);

impl Net {
    pub fn new(seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self {
            random,
            weather: HashMap::new(),
            free: HashMap::new(),
            flying: BinaryHeap::new(),
            packets: HashMap::new(),
            count: 0,
        }
    }

    pub fn set(&mut self, client: SocketAddr, weather: Weather) {
        self.weather.insert(client.ip(), weather);
    }

    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let weather = self.weather.get(&from.ip()).or(self.weather.get(&to.ip())).copied().unwrap_or_default();
        let copies = 1 + u32::from(self.random.random_range(0..1000) < weather.doubles);
        for _ in 0..copies {
            if self.random.random_range(0..1000) < weather.loss {
                continue;
            }
            let Some(wait) = self.queue(now, to.ip(), bytes.len(), weather) else { continue };
            let jitter = self.random.random_range(0..=weather.jitter.as_micros() as u64);
            let at = now + wait + weather.delay + Duration::from_micros(jitter);
            self.count += 1;
            self.flying.push(Reverse((at, self.count)));
            self.packets.insert(self.count, Packet { from, to, bytes: bytes.clone() });
        }
    }

    /// How long the packet waits for a narrow link; `None`: it falls from the queue.
    fn queue(&mut self, now: Instant, to: IpAddr, bytes: usize, weather: Weather) -> Option<Duration> {
        if weather.downlink == 0 || !self.weather.contains_key(&to) {
            return Some(Duration::ZERO);
        }
        let free = self.free.get(&to).copied().unwrap_or(now).max(now);
        let wait = free - now;
        if wait > QUEUE {
            return None;
        }
        let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / weather.downlink as f64);
        self.free.insert(to, free + takes);
        Some(wait + takes)
    }

    pub fn next(&self) -> Option<Instant> {
        self.flying.peek().map(|Reverse((at, _))| *at)
    }

    /// What came until now, and when.
    pub fn arrive(&mut self, now: Instant) -> Option<(Instant, Packet)> {
        let Reverse((at, _)) = self.flying.peek()?;
        if *at > now {
            return None;
        }
        let Reverse((at, id)) = self.flying.pop()?;
        Some((at, self.packets.remove(&id)?))
    }
}
