//! One run of a scenario: everybody joins, sends and hears, on one thread, and what the server spends on it is measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::client::{Client, identity};
use super::door::{Call, Door, Target};
use super::net::{Inbox, Net};
use super::outcome::{Memory, Outcome};
use super::scenario::Scenario;
use super::tally::Tally;
use crate::link::Poller;
use crate::machine::{self, Process, Stopwatch};

/// Clients have their index in the poller; these are beyond.
const DOOR: usize = 1 << 20;
const SOCKETS: usize = DOOR + 1;

/// How long everybody may take to hear all that they are to hear, after the last has been told to join.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(250);

/// Batches taken from a socket before the others have their turn.
const BATCHES: usize = 8;

/// The longest that the loop sleeps.
const NAP: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, Args, Serialize)]
pub(crate) struct Pace {
    /// Seconds measured
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Seconds of the same load before, that don't count
    #[arg(long, default_value_t = 4.0)]
    pub(crate) warm_up: f64,
    /// How many join in a second
    #[arg(long, default_value_t = 40.0)]
    pub(crate) joins: f64,
}

/// Runs a scenario against a server.
pub(crate) fn run(target: &Target, scenario: &Scenario, pace: &Pace) -> Result<Outcome> {
    let process = target.pid.map(Process::new).transpose()?;
    let idle = process.map(|process| process.resident()).transpose()?;
    let mut stage = Stage::new(target, scenario)?;
    stage.fill(pace)?;
    stage.play(Duration::from_secs_f64(pace.warm_up), |_| Ok(()))?;
    stage.begin()?;
    let stopwatch = process.map(Stopwatch::start).transpose()?;
    // A sender on the same machine pays for waking whoever sleeps, which no network makes it pay: from here on nobody sleeps.
    stage.looked_in_vain = Some(Duration::ZERO);
    let (began, own) = (Instant::now(), machine::own_cpu()?);
    let mut memory = Memory::default();
    stage.play(Duration::from_secs_f64(pace.seconds), |_| {
        if let Some(process) = process {
            memory.look(process.resident()?);
        }
        Ok(())
    })?;
    let server = stopwatch.map(|stopwatch| stopwatch.lap()).transpose()?;
    let generator = (machine::own_cpu()? - own).saturating_sub(stage.looked_in_vain.unwrap_or_default()).as_secs_f64();
    let wall = began.elapsed().as_secs_f64();
    memory.idle = idle.unwrap_or(0);
    let outcome = Outcome::new(&stage, wall, generator, server, memory)?;
    stage.leave();
    Ok(outcome)
}

/// Everybody, and what they share.
pub(crate) struct Stage {
    pub(crate) clients: Vec<Client>,
    pub(crate) tally: Tally,
    pub(crate) net: Net,
    inbox: Inbox,
    poller: Poller,
    door: Door,
    /// While it is measured: the time in which nothing had come and nothing was due.
    looked_in_vain: Option<Duration>,
    /// Rooms have names that no run before had.
    name: String,
}

impl Stage {
    fn new(target: &Target, scenario: &Scenario) -> Result<Self> {
        let mut net = Net::new(target.address()?.ip());
        let scenario = Arc::new(scenario.clone());
        let now = Instant::now();
        let client = |person| Client::new(person, Arc::clone(&scenario), net.add()?, now);
        let clients = scenario.people().into_iter().map(client).collect::<Result<Vec<_>>>()?;
        let (poller, door) = (Poller::new()?, Door::open(target)?);
        poller.watch(&door, DOOR)?;
        for (index, socket) in net.sockets().enumerate() {
            poller.watch(socket, SOCKETS + index)?;
        }
        let name = format!("bench-{}", uuid::Uuid::new_v4());
        Ok(Self { clients, tally: Tally::new()?, net, inbox: Inbox::new(), poller, door, looked_in_vain: None, name })
    }

    /// Everybody joins, publishers first; returns when all hear what they are to hear, or don't.
    fn fill(&mut self, pace: &Pace) -> Result<()> {
        let publishers = self.clients.iter().filter(|client| client.person.publishes).count();
        for (first, after) in [(0, publishers), (publishers, self.clients.len())] {
            for client in first..after {
                let next = Instant::now() + Duration::from_secs_f64(1.0 / pace.joins);
                self.call(client)?;
                while Instant::now() < next {
                    self.turn(next)?;
                }
            }
            let deadline = Instant::now() + PATIENCE;
            while !self.clients[first..after].iter().all(Client::is_publishing) {
                ensure!(Instant::now() < deadline, "not everybody is connected after {PATIENCE:?}");
                self.turn(deadline)?;
            }
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && !self.clients.iter().all(Client::is_settled) {
            self.turn(deadline)?;
        }
        Ok(())
    }

    fn call(&mut self, index: usize) -> Result<()> {
        let client = &mut self.clients[index];
        client.began = machine::now();
        let room = format!("{}-{}", self.name, client.person.room);
        let identity = identity(client.person.index);
        self.door.call(Call { client: index, room, identity, offer: client.first_offer()? })
    }

    /// Lets time pass; `look` is called now and then.
    fn play(&mut self, time: Duration, mut look: impl FnMut(&Self) -> Result<()>) -> Result<()> {
        let end = Instant::now() + time;
        let mut next = Instant::now();
        while Instant::now() < end {
            if Instant::now() >= next {
                look(self)?;
                next += LOOK;
            }
            self.turn(end.min(next))?;
        }
        Ok(())
    }

    /// The measured phase begins.
    fn begin(&mut self) -> Result<()> {
        self.tally = Tally::new()?;
        self.net.unsent = 0;
        self.clients.iter_mut().flat_map(|client| &mut client.lines).for_each(|line| line.begin());
        Ok(())
    }

    /// Waits until something comes or is due, at most until the given time, and does what there is to do. While it is measured,
    /// it does not wait.
    fn turn(&mut self, until: Instant) -> Result<()> {
        let began = Instant::now();
        let due = self.clients.iter().filter(|client| client.socket.is_some()).map(Client::due).min();
        let nap = due.map_or(until, |due| due.min(until)).saturating_duration_since(began).min(NAP);
        let nap = if self.looked_in_vain.is_some() { Duration::ZERO } else { nap };
        let mut idle = true;
        for source in self.poller.wait(Some(machine::now() + nap.as_nanos() as u64))? {
            idle = false;
            match source {
                DOOR => self.let_in()?,
                SOCKETS.. => self.receive(source - SOCKETS)?,
                client => self.listen(client)?,
            }
        }
        let now = Instant::now();
        for (index, client) in self.clients.iter_mut().enumerate() {
            if client.socket.is_some() && client.due() <= now {
                idle = false;
                client.advance(now, &mut self.net, &mut self.tally).with_context(|| format!("client {index}"))?;
                client.say()?;
            }
        }
        if let Some(vain) = self.looked_in_vain.as_mut().filter(|_| idle) {
            *vain += began.elapsed();
        }
        Ok(())
    }

    fn let_in(&mut self) -> Result<()> {
        for (client, socket) in self.door.answered()? {
            let socket = socket.with_context(|| format!("client {client} doesn't get in"))?;
            self.poller.watch(socket.get_ref(), client)?;
            self.clients[client].socket = Some(socket);
        }
        Ok(())
    }

    fn receive(&mut self, socket: usize) -> Result<()> {
        for _ in 0..BATCHES {
            if !self.net.receive(socket, &mut self.inbox)? {
                break;
            }
            let now = Instant::now();
            for datagram in self.inbox.datagrams() {
                let Some(index) = self.net.client(&datagram.destination) else { continue };
                let client = &mut self.clients[index];
                let received = client.receive(&datagram, now, &mut self.net, &mut self.tally);
                received.with_context(|| format!("client {index}"))?;
            }
        }
        Ok(())
    }

    fn listen(&mut self, index: usize) -> Result<()> {
        let client = &mut self.clients[index];
        client.listen().with_context(|| format!("client {index}"))?;
        client.advance(Instant::now(), &mut self.net, &mut self.tally)?;
        client.say()
    }

    /// Times from when a subscriber began to join, or the publisher to send, until there was something to show, in
    /// nanoseconds.
    pub(crate) fn waits(&self) -> Result<Histogram<u64>> {
        let mut waits = machine::latencies()?;
        for client in &self.clients {
            for line in &client.lines {
                let of =
                    |other: &&Client| (other.person.room, other.person.index) == (client.person.room, line.publisher);
                let publisher = self.clients.iter().find(of).context("a line has a publisher")?;
                let source = publisher.sources.iter().find(|source| source.kind == line.kind);
                if let (Some(first), Some(sent)) = (line.first, source.and_then(|source| source.began)) {
                    waits.saturating_record(first.saturating_sub(sent.max(client.began)));
                }
            }
        }
        Ok(waits)
    }

    fn leave(&mut self) {
        for client in &mut self.clients {
            // The measurement is over: who can't say goodbye is gone already.
            client.leave().ok();
        }
    }
}
