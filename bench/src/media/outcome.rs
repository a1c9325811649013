//! What a run has shown, for people and for programs.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::scenario::LADDER;
use super::stage::Stage;
use crate::machine::{self, Lap};

/// Packets lost, per million, up to which a run counts.
const MOST_LOST_PPM: f64 = 1_000.0;

/// The server's resident memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Before anybody joined.
    pub(crate) idle: u64,
    peak: u64,
    sum: u64,
    looks: u64,
}

impl Memory {
    pub(crate) fn look(&mut self, resident: u64) {
        self.peak = self.peak.max(resident);
        self.sum += resident;
        self.looks += 1;
    }
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Times {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Times {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// The figures of a run. What there was nothing to measure of is 0.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// Seconds measured.
    pub(crate) wall: f64,
    pub(crate) people: usize,
    pub(crate) tracks_expected: usize,
    pub(crate) tracks_received: usize,
    /// Tracks that came and were gone a second before the end.
    pub(crate) tracks_stopped: usize,
    /// Packets that subscribers got, and bytes of RTP payload in them.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Packets in a frame, in the mean: what can leave in one call to one receiver.
    pub(crate) burst: f64,
    /// Packets that never came, per million.
    pub(crate) lost_ppm: f64,
    /// Packets that nobody sent so, or not to that subscriber.
    pub(crate) foreign: u64,
    pub(crate) audio: Times,
    pub(crate) video: Times,
    /// From the join, or the publisher's first packet, to the first that can be shown.
    pub(crate) first_frame: Times,
    /// Video packets delivered of the 180, 360 and 720 lines.
    pub(crate) layers: [u64; LADDER.len()],
    /// Share of a processor that the generator took.
    pub(crate) generator: f64,
    pub(crate) server: Option<Server>,
}

/// What the server spent.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Server {
    pub(crate) cpu_seconds: f64,
    /// CPU time for a packet delivered, in microseconds, the share of receiving it included.
    pub(crate) cpu_per_packet: f64,
    pub(crate) packets_per_cpu_second: f64,
    /// MiB resident.
    pub(crate) idle: f64,
    pub(crate) mean: f64,
    pub(crate) peak: f64,
    /// KiB over the idle server for each person, mean and peak.
    pub(crate) mean_each: f64,
    pub(crate) peak_each: f64,
    /// Processors that other programs kept busy.
    pub(crate) others: f64,
}

const MIB: f64 = (1 << 20) as f64;

impl Outcome {
    pub(crate) fn new(stage: &Stage, wall: f64, generator: f64, lap: Option<Lap>, memory: Memory) -> Result<Self> {
        let (tally, now) = (&stage.tally, machine::now());
        let lines = || stage.clients.iter().flat_map(|client| &client.lines);
        let lost = tally.lost + lines().map(|line| line.missing()).sum::<u64>();
        let server = lap.filter(|_| tally.packets > 0).map(|lap| {
            let packets = tally.packets as f64;
            let mean = memory.sum as f64 / memory.looks.max(1) as f64;
            let (idle, peak) = (memory.idle as f64, memory.peak as f64);
            let each = |bytes: f64| (bytes - idle) / 1024.0 / stage.clients.len() as f64;
            Server {
                cpu_seconds: lap.cpu,
                cpu_per_packet: lap.cpu * 1e6 / packets,
                packets_per_cpu_second: packets / lap.cpu,
                idle: idle / MIB,
                mean: mean / MIB,
                peak: peak / MIB,
                mean_each: each(mean),
                peak_each: each(peak),
                others: lap.others,
            }
        });
        Ok(Self {
            wall,
            people: stage.clients.len(),
            tracks_expected: lines().count(),
            tracks_received: lines().filter(|line| line.packets > 0).count(),
            tracks_stopped: lines().filter(|line| line.has_stopped(now)).count(),
            packets: tally.packets,
            bytes: tally.bytes,
            burst: tally.packets as f64 / tally.frames.max(1) as f64,
            lost_ppm: lost as f64 * 1e6 / (tally.packets + lost).max(1) as f64,
            foreign: tally.foreign,
            audio: Times::of(&tally.audio),
            video: Times::of(&tally.video),
            first_frame: Times::of(&stage.waits()?),
            layers: tally.rungs,
            generator: generator / wall,
            server,
        })
    }

    /// Bytes of payload in a packet, in the mean.
    pub(crate) fn packet_bytes(&self) -> usize {
        (self.bytes / self.packets.max(1)) as usize
    }

    /// Everything that was to come came, up to the end, and nothing else. Who drops what is late has the better latency, and
    /// has not done the work.
    pub(crate) fn is_whole(&self) -> bool {
        let received = self.tracks_received == self.tracks_expected && self.tracks_stopped == 0;
        received && self.foreign == 0 && self.lost_ppm <= MOST_LOST_PPM
    }

    /// A table for people.
    pub(crate) fn table(&self) -> String {
        let times = |times: Times| format!("p50 {:.2} ms, p99 {:.2} ms", times.p50, times.p99);
        let mut rows = vec![
            ("people", self.people.to_string()),
            ("tracks received", format!("{} of {}", self.tracks_received, self.tracks_expected)),
            ("tracks stopped", self.tracks_stopped.to_string()),
            ("packets", format!("{} ({:.0}/s)", self.packets, self.packets as f64 / self.wall)),
            ("payload", format!("{:.2} Mbit/s", self.bytes as f64 * 8.0 / 1e6 / self.wall)),
            ("lost, foreign", format!("{:.0} per million, {}", self.lost_ppm, self.foreign)),
            ("layers 180/360/720", format!("{:?}", self.layers)),
            ("audio latency", times(self.audio)),
            ("video latency", times(self.video)),
            ("join to first frame", times(self.first_frame)),
            ("generator", format!("{:.0} % of a processor", self.generator * 100.0)),
        ];
        if let Some(server) = self.server {
            rows.extend([
                ("server CPU", format!("{:.2} s in {:.1} s", server.cpu_seconds, self.wall)),
                ("CPU per packet", format!("{:.2} µs", server.cpu_per_packet)),
                ("packets per CPU-second", format!("{:.0}", server.packets_per_cpu_second)),
                ("memory", format!("{:.1} MiB idle, {:.1} mean, {:.1} peak", server.idle, server.mean, server.peak)),
                ("memory each", format!("{:.0} KiB mean, {:.0} peak", server.mean_each, server.peak_each)),
                ("others", format!("{:.2} processors", server.others)),
            ]);
        }
        rows.into_iter().map(|(name, value)| format!("{name:<24}{value}\n")).collect()
    }
}
