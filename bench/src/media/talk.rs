//! What a client says to the server and hears from it over the WebSocket, as LiveKit's SDKs do with one peer connection: the
//! first offer is in the join request, and all offers are the client's.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use str0m::change::SdpAnswer;
use str0m::channel::{ChannelConfig, Reliability};
use str0m::media::{Direction, MediaKind, Simulcast, SimulcastLayer};
use tungstenite::{Error, Message};

use super::client::{Client, index};
use super::scenario::{Kind, LADDER};

/// LiveKit's clients ping so often.
const PING: Duration = Duration::from_secs(5);

/// Lines of each kind to receive on in the first offer.
const SPARE: usize = 3;

impl From<Kind> for MediaKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Audio => Self::Audio,
            Kind::Video => Self::Video,
        }
    }
}

impl Client {
    /// The offer of the join request: data channels, and lines to receive on.
    pub(crate) fn first_offer(&mut self) -> Result<proto::SessionDescription> {
        if self.person.subscribes {
            self.wanted = [[MediaKind::Audio; SPARE], [MediaKind::Video; SPARE]].concat();
        }
        let mut sdp = self.rtc.sdp_api();
        for kind in self.wanted.drain(..) {
            self.receiving.push(sdp.add_media(kind, Direction::RecvOnly, None, None, None));
        }
        for (label, ordered) in [("_reliable", true), ("_lossy", false)] {
            let reliability =
                if ordered { Reliability::Reliable } else { Reliability::MaxRetransmits { retransmits: 0 } };
            let config = ChannelConfig { label: label.into(), ordered, reliability, ..ChannelConfig::default() };
            sdp.add_channel_with_config(config);
        }
        let (offer, pending) = sdp.apply().context("an offer of nothing")?;
        self.pending = Some(pending);
        Ok(self.described(offer.to_sdp_string()))
    }

    fn described(&mut self, sdp: String) -> proto::SessionDescription {
        self.offers += 1;
        let sdp = as_browsers_write(&sdp);
        proto::SessionDescription { r#type: "offer".into(), sdp, id: self.offers, ..Default::default() }
    }

    /// Offers what has changed, or as soon as the pending offer is answered.
    fn negotiate(&mut self) {
        self.again = self.pending.is_some();
        if self.again {
            return;
        }
        let simulcast = simulcast(&self.scenario.rungs());
        let mut sdp = self.rtc.sdp_api();
        for mid in &self.receiving {
            // An answer that had no use for a line yet has made it inactive.
            sdp.set_direction(*mid, Direction::RecvOnly);
        }
        for kind in self.wanted.drain(..) {
            self.receiving.push(sdp.add_media(kind, Direction::RecvOnly, None, None, None));
        }
        for kind in self.published.drain(..) {
            let layers = simulcast.clone().filter(|_| kind == Kind::Video);
            let (stream, track) = (Some("bench".to_owned()), Some(cid(kind)));
            self.offered.push((kind, sdp.add_media(kind.into(), Direction::SendOnly, stream, track, layers)));
        }
        match sdp.apply() {
            Some((offer, pending)) => {
                self.pending = Some(pending);
                let offer = self.described(offer.to_sdp_string());
                self.requests.push(Request::Offer(offer));
            }
            None => {
                // The server wants an offer though nothing has changed: one line more is a change.
                self.wanted.push(MediaKind::Audio);
                self.negotiate();
            }
        }
    }

    pub(super) fn ping(&mut self, now: Instant) {
        if now >= self.next_ping {
            self.next_ping = now + PING;
            if self.socket.is_some() {
                self.requests.push(Request::PingReq(proto::Ping::default()));
            }
        }
    }

    /// Reads all that the WebSocket has.
    pub(crate) fn listen(&mut self) -> Result<()> {
        while let Some(socket) = &mut self.socket {
            match socket.read() {
                Ok(Message::Binary(bytes)) => {
                    let response = proto::SignalResponse::decode(bytes)?;
                    if let Some(message) = response.message {
                        self.on_response(message)?;
                    }
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the server closed the connection"),
            }
        }
        Ok(())
    }

    /// Sends what there is to say. What the kernel doesn't take now leaves with what is said next, a ping at the latest.
    pub(crate) fn say(&mut self) -> Result<()> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        for request in self.requests.drain(..) {
            let bytes = proto::SignalRequest { message: Some(request) }.encode_to_vec();
            match socket.send(Message::Binary(bytes.into())) {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Says goodbye, so that the server need not wait for us.
    pub(crate) fn leave(&mut self) -> Result<()> {
        let reason = proto::DisconnectReason::ClientInitiated.into();
        self.requests.push(Request::Leave(proto::LeaveRequest { reason, ..Default::default() }));
        self.say()
    }

    fn on_response(&mut self, response: Response) -> Result<()> {
        match response {
            Response::Join(join) => {
                join.other_participants.iter().for_each(|other| self.meet(other));
                self.announce();
            }
            Response::Update(update) => update.participants.iter().for_each(|other| self.meet(other)),
            Response::Answer(answer) => self.accept(&answer)?,
            Response::Trickle(trickle) => self.add_candidate(&trickle.candidate_init)?,
            Response::TrackPublished(published) => {
                let kind = self.scenario.kinds().find(|kind| cid(*kind) == published.cid);
                self.published.push(kind.context("a track that nobody announced")?);
                if self.published.len() == self.scenario.kinds().count() {
                    self.negotiate();
                }
            }
            Response::MediaSectionsRequirement(more) => {
                let kinds = [(MediaKind::Audio, more.num_audios), (MediaKind::Video, more.num_videos)];
                self.wanted.extend(kinds.into_iter().flat_map(|(kind, more)| vec![kind; more as usize]));
                self.negotiate();
            }
            Response::Leave(leave) => bail!("the server says goodbye: {:?}", leave.reason()),
            _ => {}
        }
        Ok(())
    }

    fn accept(&mut self, answer: &proto::SessionDescription) -> Result<()> {
        ensure!(answer.id == self.offers, "an answer to offer {}, where {} is pending", answer.id, self.offers);
        let pending = self.pending.take().context("an answer without an offer")?;
        let parsed = SdpAnswer::from_sdp_string(&answer.sdp)?;
        self.rtc.sdp_api().accept_answer(pending, parsed)?;
        self.start_sources();
        if self.again {
            self.negotiate();
        }
        Ok(())
    }

    /// Says what it is going to send.
    fn announce(&mut self) {
        if !self.person.publishes {
            return;
        }
        for kind in self.scenario.kinds() {
            let request = match kind {
                Kind::Audio => proto::AddTrackRequest {
                    r#type: proto::TrackType::Audio.into(),
                    source: proto::TrackSource::Microphone.into(),
                    disable_red: true,
                    ..Default::default()
                },
                Kind::Video => camera(&self.scenario.rungs()),
            };
            let named = proto::AddTrackRequest { cid: cid(kind), name: cid(kind), ..request };
            self.requests.push(Request::AddTrack(named));
        }
    }

    /// Subscribes to what another has and this one is to see.
    fn meet(&mut self, other: &proto::ParticipantInfo) {
        let Some(publisher) = index(&other.identity) else { return };
        for track in &other.tracks {
            let kind = if track.r#type() == proto::TrackType::Video { Kind::Video } else { Kind::Audio };
            let line = self.lines.iter().find(|line| line.publisher == publisher && line.kind == kind);
            let Some(asked) = line.map(|line| line.asked).filter(|_| !self.subscribed.contains(&track.sid)) else {
                continue;
            };
            self.subscribed.push(track.sid.clone());
            let sids = vec![track.sid.clone()];
            self.requests.push(Request::Subscription(proto::UpdateSubscription {
                track_sids: sids.clone(),
                subscribe: true,
                participant_tracks: vec![proto::ParticipantTracks {
                    participant_sid: other.sid.clone(),
                    track_sids: sids.clone(),
                }],
            }));
            if kind == Kind::Video {
                self.requests.push(Request::TrackSetting(proto::UpdateTrackSettings {
                    track_sids: sids,
                    quality: asked as i32,
                    width: LADDER[asked].width.into(),
                    height: LADDER[asked].height.into(),
                    ..Default::default()
                }));
            }
        }
    }
}

/// Without names of streams where nothing is sent, which str0m writes too: LiveKit (1.13.3) takes such a line for that of the
/// camera which it waits for, and since it has no layers, mixes those up that the camera sends.
fn as_browsers_write(sdp: &str) -> String {
    let mut sections: Vec<String> = sdp.split("\r\nm=").map(str::to_owned).collect();
    for section in sections.iter_mut().filter(|section| section.contains("\r\na=recvonly")) {
        let named = |line: &&str| line.starts_with("a=msid:") || line.starts_with("a=ssrc");
        *section = section.split("\r\n").filter(|line| !named(line)).collect::<Vec<_>>().join("\r\n");
    }
    sections.join("\r\nm=")
}

/// Our own name for a track.
fn cid(kind: Kind) -> String {
    match kind {
        Kind::Audio => "microphone".into(),
        Kind::Video => "camera".into(),
    }
}

fn camera(rungs: &[usize]) -> proto::AddTrackRequest {
    let layer = |rung: &usize| proto::VideoLayer {
        quality: *rung as i32,
        width: LADDER[*rung].width.into(),
        height: LADDER[*rung].height.into(),
        bitrate: LADDER[*rung].rate,
        ..Default::default()
    };
    let layers: Vec<_> = rungs.iter().map(layer).collect();
    let (width, height) = layers.last().map_or((0, 0), |top| (top.width, top.height));
    let codec = proto::SimulcastCodec {
        codec: "vp8".into(),
        cid: cid(Kind::Video),
        layers: layers.clone(),
        ..Default::default()
    };
    proto::AddTrackRequest {
        r#type: proto::TrackType::Video.into(),
        source: proto::TrackSource::Camera.into(),
        width,
        height,
        layers,
        simulcast_codecs: vec![codec],
        ..Default::default()
    }
}

fn simulcast(rungs: &[usize]) -> Option<Simulcast> {
    (rungs.len() > 1).then(|| {
        let mut simulcast = Simulcast::new();
        rungs.iter().for_each(|rung| simulcast.add_send_layer(SimulcastLayer::new(LADDER[*rung].rid)));
        simulcast
    })
}
