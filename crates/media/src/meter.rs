//! The hands' figures: `convo_media_*`, one series per worker.
//!
//! A batch's size is packets by calls; a worker's load is the rate of its busy time.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use std::{io, time::Duration};

/// Says once what the figures mean.
pub(crate) fn describe() {
    describe_counter!("convo_media_packets_in_total", "Datagrams and TCP frames received");
    describe_counter!("convo_media_bytes_in_total", "Bytes of datagrams and TCP frames received");
    describe_counter!("convo_media_calls_in_total", "System calls that received datagrams");
    describe_counter!("convo_media_packets_out_total", "Datagrams and TCP frames sent");
    describe_counter!("convo_media_bytes_out_total", "Bytes of datagrams and TCP frames sent");
    describe_counter!("convo_media_calls_out_total", "System calls that sent datagrams");
    describe_counter!("convo_media_dropped_total", "Datagrams and TCP frames dropped by the server itself");
    describe_counter!("convo_media_errors_total", "Datagrams that the kernel refused");
    describe_counter!("convo_media_turns_total", "Turns of the workers' loops");
    describe_counter!("convo_media_busy_microseconds_total", "Time in which the workers did not wait");
    describe_counter!("convo_media_slow_turns_total", "Turns longer than 10 ms: media is late by as much");
    describe_counter!("convo_media_overflows_total", "Signalling connections closed because they read too slowly");
    describe_counter!("convo_media_panics_total", "Panics of a worker; each costs all of its rooms");
    describe_gauge!("convo_media_connections", "Signalling connections");
    describe_gauge!("convo_media_tcp_connections", "ICE-TCP connections");
}

/// Longer than this, a turn makes media late that a jitter buffer must hide.
const SLOW_TURN: Duration = Duration::from_millis(10);

/// One worker's figures; added up locally and published once a turn.
pub(crate) struct Meter {
    turn: Turn,
    packets_in: Counter,
    bytes_in: Counter,
    calls_in: Counter,
    packets_out: Counter,
    bytes_out: Counter,
    calls_out: Counter,
    dropped_in: Counter,
    dropped_out: Counter,
    errors_in: Counter,
    errors_out: Counter,
    turns: Counter,
    busy: Counter,
    slow: Counter,
    overflows: Counter,
    panics: Counter,
    connections: Gauge,
    tcp_connections: Gauge,
}

#[derive(Default)]
struct Turn {
    packets_in: u64,
    bytes_in: u64,
    calls_in: u64,
    packets_out: u64,
    bytes_out: u64,
    calls_out: u64,
}

impl Meter {
    /// A worker's number, or what else the thread is for.
    pub(crate) fn new(worker: String) -> Self {
        let count = |name: &'static str| counter!(name, "worker" => worker.clone());
        let way = |name: &'static str, way: &'static str| counter!(name, "worker" => worker.clone(), "way" => way);
        Self {
            turn: Turn::default(),
            packets_in: count("convo_media_packets_in_total"),
            bytes_in: count("convo_media_bytes_in_total"),
            calls_in: count("convo_media_calls_in_total"),
            packets_out: count("convo_media_packets_out_total"),
            bytes_out: count("convo_media_bytes_out_total"),
            calls_out: count("convo_media_calls_out_total"),
            dropped_in: way("convo_media_dropped_total", "in"),
            dropped_out: way("convo_media_dropped_total", "out"),
            errors_in: way("convo_media_errors_total", "in"),
            errors_out: way("convo_media_errors_total", "out"),
            turns: count("convo_media_turns_total"),
            busy: count("convo_media_busy_microseconds_total"),
            slow: count("convo_media_slow_turns_total"),
            overflows: count("convo_media_overflows_total"),
            panics: count("convo_media_panics_total"),
            connections: gauge!("convo_media_connections", "worker" => worker.clone()),
            tcp_connections: gauge!("convo_media_tcp_connections", "worker" => worker),
        }
    }

    pub(crate) fn received_call(&mut self) {
        self.turn.calls_in += 1;
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.turn.packets_in += 1;
        self.turn.bytes_in += bytes as u64;
    }

    pub(crate) fn sent(&mut self, packets: usize, bytes: usize) {
        self.turn.calls_out += 1;
        self.turn.packets_out += packets as u64;
        self.turn.bytes_out += bytes as u64;
    }

    /// Frames leave in fewer calls than there are frames; the calls are not counted.
    pub(crate) fn sent_frame(&mut self, bytes: usize) {
        self.turn.packets_out += 1;
        self.turn.bytes_out += bytes as u64;
    }

    pub(crate) fn dropped_in(&self, packets: usize) {
        self.dropped_in.increment(packets as u64);
    }

    pub(crate) fn dropped_out(&self, packets: usize) {
        self.dropped_out.increment(packets as u64);
    }

    pub(crate) fn receive_error(&self, error: &io::Error) {
        tracing::debug!(%error, "cannot receive");
        self.errors_in.increment(1);
    }

    /// Many destinations cannot be reached, and none of them is our business.
    pub(crate) fn send_error(&self, packets: usize, error: &io::Error) {
        tracing::trace!(%error, "cannot send");
        self.errors_out.increment(packets as u64);
    }

    pub(crate) fn overflow(&self) {
        self.overflows.increment(1);
    }

    pub(crate) fn panicked(&self) {
        self.panics.increment(1);
    }

    pub(crate) fn connections(&self, signalling: usize, tcp: usize) {
        self.connections.set(signalling as f64);
        self.tcp_connections.set(tcp as f64);
    }

    pub(crate) fn end_turn(&mut self, busy: Duration) {
        let turn = std::mem::take(&mut self.turn);
        self.packets_in.increment(turn.packets_in);
        self.bytes_in.increment(turn.bytes_in);
        self.calls_in.increment(turn.calls_in);
        self.packets_out.increment(turn.packets_out);
        self.bytes_out.increment(turn.bytes_out);
        self.calls_out.increment(turn.calls_out);
        self.turns.increment(1);
        self.busy.increment(busy.as_micros() as u64);
        if busy > SLOW_TURN {
            self.slow.increment(1);
        }
    }
}
