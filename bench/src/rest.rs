//! The REST load: keep-alive connections, each with one request under way, in one thread.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use crate::http;
use crate::link::{Link, Poller, Scratch};
use crate::machine::{self, Lap, Process, Stopwatch};

/// Nanoseconds that a request may take.
const PATIENCE: u64 = 10_000_000_000;

/// What one stretch of requests gave.
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) lap: Lap,
    /// Nanoseconds from sending to the answer's arrival.
    pub(crate) latency: Histogram<u64>,
}

/// Connections that ask again as soon as they are answered.
pub(crate) struct Askers<'a> {
    links: Vec<Link>,
    /// When each sent its request; `None` when it waits for none.
    asked: Vec<Option<u64>>,
    poller: Poller,
    scratch: Scratch,
    /// The bytes of a connection's next request.
    request: Box<dyn FnMut(usize) -> Vec<u8> + 'a>,
    /// The status of a success; any other ends the benchmark.
    status: u16,
}

impl<'a> Askers<'a> {
    pub(crate) fn connect(
        address: SocketAddr,
        connections: usize,
        status: u16,
        request: impl FnMut(usize) -> Vec<u8> + 'a,
    ) -> Result<Self> {
        let poller = Poller::new()?;
        let links = (0..connections).map(|_| Link::connect(address)).collect::<Result<Vec<_>>>()?;
        for (index, link) in links.iter().enumerate() {
            poller.add(link, index)?;
        }
        let asked = vec![None; connections];
        Ok(Self { links, asked, poller, scratch: Scratch::new(), request: Box::new(request), status })
    }

    /// Asks for `length`, then waits for the last answers.
    pub(crate) fn run(&mut self, length: Duration, process: Process) -> Result<Run> {
        let watch = Stopwatch::start(process)?;
        let mut latency = machine::latencies()?;
        let mut requests = 0;
        let end = machine::now() + length.as_nanos() as u64;
        for index in 0..self.links.len() {
            self.ask(index)?;
        }
        while self.asked.iter().any(Option::is_some) {
            let now = machine::now();
            ensure!(now < end + PATIENCE, "a request was never answered");
            for index in self.poller.wait(Some(end.max(now) + PATIENCE))? {
                let Some(took) = self.answered(index)? else { continue };
                latency.saturating_record(took);
                requests += 1;
                if machine::now() < end {
                    self.ask(index)?;
                }
            }
        }
        Ok(Run { requests, lap: watch.lap()?, latency })
    }

    fn ask(&mut self, index: usize) -> Result<()> {
        self.asked[index] = Some(machine::now());
        self.links[index].send(&(self.request)(index))
    }

    /// Reads from a connection; nanoseconds that its request took, once the answer is whole.
    fn answered(&mut self, index: usize) -> Result<Option<u64>> {
        let mut answered_at = None;
        self.links[index].receive(&mut self.scratch, |_, bytes, at| {
            let Some(response) = http::response(bytes)? else { return Ok(0) };
            let status = response.status;
            ensure!(status == self.status, "answered {status}: {}", String::from_utf8_lossy(&bytes[response.body]));
            answered_at = Some(at);
            Ok(response.body.end)
        })?;
        let Some(at) = answered_at else { return Ok(None) };
        let asked = self.asked[index].take().context("an answer that nobody asked for")?;
        Ok(Some(at.saturating_sub(asked)))
    }
}
