//! One client: its peer connection, what it sends on it and what it hears. What it says to the server's signalling is in
//! `talk.rs`.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use str0m::change::SdpPendingOffer;
use str0m::media::{MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tungstenite::WebSocket;

use super::net::{Datagram, Face, Net};
use super::scenario::{Kind, Person, Scenario};
use super::source::Source;
use super::tally::{Line, Tally};

/// After a connection has said that time shouldn't pass before it is polled again, it passes by that much.
const TICK: Duration = Duration::from_micros(500);

const NAME: &str = "bench-";

/// The identity of the person with that index in the room.
pub(crate) fn identity(index: usize) -> String {
    format!("{NAME}{index}")
}

/// The other way round.
pub(super) fn index(identity: &str) -> Option<usize> {
    identity.strip_prefix(NAME)?.parse().ok()
}

pub(crate) struct Client {
    pub(crate) person: Person,
    pub(crate) scenario: Arc<Scenario>,
    /// What it is to hear.
    pub(crate) lines: Vec<Line>,
    pub(crate) sources: Vec<Source>,
    /// When it was told to join, by [`crate::machine::now`].
    pub(crate) began: u64,
    pub(crate) socket: Option<WebSocket<TcpStream>>,
    pub(super) rtc: Rtc,
    face: Face,
    connected: bool,
    due: Instant,
    // What talk.rs keeps.
    pub(super) requests: Vec<Request>,
    pub(super) pending: Option<SdpPendingOffer>,
    /// Something has changed since the pending offer.
    pub(super) again: bool,
    pub(super) offers: u32,
    /// Lines to receive on, that have been offered and that are asked for.
    pub(super) receiving: Vec<Mid>,
    pub(super) wanted: Vec<MediaKind>,
    /// Tracks that the server knows of and the next offer will name, and those that the pending one names.
    pub(super) published: Vec<Kind>,
    pub(super) offered: Vec<(Kind, Mid)>,
    /// Tracks asked for, by their sids.
    pub(super) subscribed: Vec<String>,
    pub(super) next_ping: Instant,
}

impl Client {
    pub(crate) fn new(person: Person, scenario: Arc<Scenario>, face: Face, now: Instant) -> Result<Self> {
        let mut rtc =
            Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, false).enable_vp8(true).build(now);
        rtc.add_local_candidate(Candidate::host(face.address, "udp")?);
        let lines = (0..scenario.publishers).flat_map(|publisher| {
            let line = |kind| Some(Line::new(kind, publisher, scenario.view(&person, publisher, kind)?));
            [Kind::Audio, Kind::Video].into_iter().filter_map(line).collect::<Vec<_>>()
        });
        Ok(Self {
            lines: lines.collect(),
            person,
            scenario,
            sources: Vec::new(),
            began: 0,
            socket: None,
            rtc,
            face,
            connected: false,
            due: now,
            requests: Vec::new(),
            pending: None,
            again: false,
            offers: 0,
            receiving: Vec::new(),
            wanted: Vec::new(),
            published: Vec::new(),
            offered: Vec::new(),
            subscribed: Vec::new(),
            next_ping: now,
        })
    }

    /// It sends all that it is to send, and hears all that it is to hear.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_publishing() && self.lines.iter().all(|line| line.first.is_some())
    }

    pub(crate) fn is_publishing(&self) -> bool {
        let tracks = if self.person.publishes { self.scenario.kinds().count() } else { 0 };
        self.connected && self.sources.len() == tracks
    }

    /// When [`Client::advance`] has something to do.
    pub(crate) fn due(&self) -> Instant {
        let sources = self.sources.iter().filter(|_| self.connected).map(Source::due);
        sources.chain([self.due, self.next_ping]).min().unwrap_or(self.due)
    }

    pub(crate) fn advance(&mut self, now: Instant, net: &mut Net, tally: &mut Tally) -> Result<()> {
        self.ping(now);
        if self.connected {
            for source in &mut self.sources {
                source.advance(&mut self.rtc, &self.scenario, now);
            }
        }
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(now, net, tally, 0)
    }

    pub(crate) fn receive(
        &mut self,
        datagram: &Datagram<'_>,
        now: Instant,
        net: &mut Net,
        tally: &mut Tally,
    ) -> Result<()> {
        let Ok(receive) = Receive::new(Protocol::Udp, datagram.source, datagram.destination, datagram.contents) else {
            tally.foreign += 1;
            return Ok(());
        };
        self.rtc.handle_input(Input::Receive(now, receive))?;
        self.drain(now, net, tally, datagram.at)
    }

    /// Lets out all that the connection has; `at` is when the datagram came that it may have it from.
    pub(super) fn drain(&mut self, now: Instant, net: &mut Net, tally: &mut Tally, at: u64) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due.max(now + TICK);
                    net.flush();
                    return Ok(());
                }
                Output::Transmit(transmit) => net.send(self.face, transmit.destination, &transmit.contents),
                Output::Event(event) => self.hear(event, tally, at)?,
            }
        }
    }

    fn hear(&mut self, event: Event, tally: &mut Tally, at: u64) -> Result<()> {
        match event {
            Event::Connected => self.connected = true,
            Event::IceConnectionStateChange(state) if self.connected && state.is_disconnected() => {
                return Err(anyhow!("the connection is lost"));
            }
            Event::RtpPacket(packet) => {
                tally.hear(self.person.room, &mut self.lines, &packet.payload, packet.header.marker, at);
            }
            Event::KeyframeRequest(request) => {
                self.sources.iter_mut().for_each(|source| source.want_key(request.mid, request.rid));
            }
            _ => {}
        }
        Ok(())
    }

    /// The pending offer is answered: its tracks begin.
    pub(super) fn start_sources(&mut self) {
        for (kind, mid) in self.offered.drain(..) {
            self.sources.push(Source::new(kind, mid, &self.person, &self.scenario, Instant::now()));
        }
    }

    /// A candidate of the server's, as `RTCIceCandidateInit` writes it.
    pub(super) fn add_candidate(&mut self, init: &str) -> Result<()> {
        let init: serde_json::Value = serde_json::from_str(init)?;
        let text = init["candidate"].as_str().context("a candidate without a candidate")?;
        if let Ok(candidate) = Candidate::from_sdp_string(text)
            && candidate.proto() == Protocol::Udp
            && candidate.addr().is_ipv4()
        {
            self.rtc.add_remote_candidate(candidate);
        }
        Ok(())
    }
}
