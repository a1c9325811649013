//! One meeting's room on the other server: who is there becomes an attendee, what attendees order is carried out.

use super::{
    Remote, Service,
    link::{Link, News, Over},
};
use crate::{
    admit::{Place, Seat},
    attendee::Attendee,
    chat,
    hall::{self, Ears, Farewell, Line},
    host::{self, Host},
};
use convo_domain::{
    error::{Error, Result},
    room::{Room, RoomRef},
};
use convo_sfu::{Command, Refusal};
use livekit_protocol::{self as proto, DisconnectReason, TrackSource, TrackType, participant_info};
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

/// How long a steward stays in an empty room: somebody may come back.
const LINGER: Duration = Duration::from_secs(10);
/// How long it waits for who got a token: some look at their camera first.
pub(super) const AWAIT: Duration = Duration::from_secs(60);
/// A link that broke is made again, after this long, so often.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES: u32 = 10;
/// Packets that wait for the link.
const PACKETS: usize = 4_096;
/// Packets of somebody of whom the server has not told yet.
const HELD: usize = 256;
/// Convo's own tokens have this attribute; an operator's token says itself what its bearer may do.
const ROLE: &str = "role";

/// Orders for one participant of a room.
#[derive(Clone)]
pub(crate) struct Orders {
    identity: String,
    packets: mpsc::Sender<proto::DataPacket>,
    clerk: mpsc::UnboundedSender<(String, Command)>,
}

impl Orders {
    pub(crate) fn command(&self, command: Command) {
        let Command::Data(mut packet) = command else {
            // Without a clerk the room is no more, and its participants with it.
            let _ = self.clerk.send((self.identity.clone(), command));
            return;
        };
        packet.destination_identities = vec![self.identity.clone()];
        if self.packets.try_send(*packet).is_err() {
            tracing::warn!("the LiveKit server takes chat too slowly: some is lost");
        }
    }
}

/// Is in the room until nobody else is; whether it was so, rather than that the room went or was out of reach.
///
/// `told`: who came or went, as the server's webhooks say it. `hearing`: whether what is written there is heard.
pub(super) async fn keep(
    remote: &Arc<Remote>,
    room: Room,
    told: mpsc::UnboundedReceiver<proto::ParticipantInfo>,
    hearing: watch::Sender<bool>,
) -> bool {
    let (mut steward, mut inbox) = Steward::new(remote.clone(), room, told, hearing);
    let code = steward.room.code.clone();
    let (mut tries, mut emptied) = (0, false);
    while tries < TRIES {
        tries += 1;
        let over = match Link::open(&remote.service, &remote.me, &code).await {
            Ok((link, people)) => {
                tries = 0;
                let over = steward.serve(link, people, &mut inbox).await;
                steward.hearing.send_replace(false);
                over
            }
            Err(over) => Some(over),
        };
        match over {
            None => {
                emptied = true;
                break;
            }
            Some(Over::Dismissed) => break,
            Some(Over::Broken(error)) => {
                tracing::info!(room = code, error, "a room's link to the LiveKit server broke")
            }
        }
        sleep(AGAIN).await;
    }
    steward.part();
    emptied
}

struct Steward {
    remote: Arc<Remote>,
    room: Room,
    guests: HashMap<String, Guest>,
    /// Who wrote before the server told of them, with what they wrote; each is asked about.
    strangers: HashMap<String, Vec<proto::DataPacket>>,
    answers: mpsc::UnboundedSender<Answer>,
    packets: mpsc::Sender<proto::DataPacket>,
    clerk: mpsc::UnboundedSender<(String, Command)>,
    hearing: watch::Sender<bool>,
}

/// What is not of the link, for a steward who waits.
struct Inbox {
    /// For the room.
    packets: mpsc::Receiver<proto::DataPacket>,
    answers: mpsc::UnboundedReceiver<Answer>,
    /// By the server's webhooks, which come before its updates.
    told: mpsc::UnboundedReceiver<proto::ParticipantInfo>,
}

/// Who has the identity; `None`: nobody now, as far as is known.
type Answer = (String, Option<proto::ParticipantInfo>);

/// Somebody in the room, by identity.
struct Guest {
    sid: String,
    line: Arc<Line>,
}

impl Steward {
    fn new(
        remote: Arc<Remote>,
        room: Room,
        told: mpsc::UnboundedReceiver<proto::ParticipantInfo>,
        hearing: watch::Sender<bool>,
    ) -> (Self, Inbox) {
        let (packets, waiting) = mpsc::channel(PACKETS);
        let (answers, answered) = mpsc::unbounded_channel();
        let (clerk, orders) = mpsc::unbounded_channel();
        tokio::spawn(carry_out(remote.service.clone(), room.code.clone(), orders));
        let (guests, strangers) = (HashMap::new(), HashMap::new());
        let steward = Self { remote, room, guests, strangers, answers, packets, clerk, hearing };
        (steward, Inbox { packets: waiting, answers: answered, told })
    }

    /// `None`: everybody else has gone.
    async fn serve(&mut self, mut link: Link, people: Vec<proto::ParticipantInfo>, inbox: &mut Inbox) -> Option<Over> {
        self.compare(&people);
        people.into_iter().for_each(|someone| self.meet(someone));
        let mut leave = Instant::now() + LINGER;
        loop {
            tokio::select! {
                news = link.next() => match news {
                    Ok(News::Open) => drop(self.hearing.send_replace(true)),
                    Ok(News::People(people)) => people.into_iter().for_each(|someone| self.meet(someone)),
                    Ok(News::Packet(packet)) => self.hear(*packet),
                    Err(over) => return Some(over),
                },
                Some(packet) = inbox.packets.recv() => link.send(&packet),
                Some((identity, found)) = inbox.answers.recv() => self.answered(&identity, found),
                Some(someone) = inbox.told.recv() => self.told(someone),
                () = sleep_until(leave), if self.alone() => match self.remote.may_leave(&self.room.code, &self.hearing) {
                    Err(until) => leave = until,
                    Ok(()) => {
                        link.close().await;
                        return None;
                    }
                },
            }
            if !self.alone() {
                leave = Instant::now() + LINGER;
            }
        }
    }

    fn alone(&self) -> bool {
        self.guests.is_empty() && self.strangers.is_empty()
    }

    /// Who went while the link was broken.
    fn compare(&mut self, people: &[proto::ParticipantInfo]) {
        let here: HashSet<&str> = people.iter().map(|someone| &someone.identity[..]).collect();
        self.guests.retain(|identity, guest| {
            let stays = here.contains(&identity[..]);
            if !stays {
                guest.line.leave(Farewell::Lost);
            }
            stays
        });
    }

    fn meet(&mut self, someone: proto::ParticipantInfo) {
        use participant_info::{Kind, State};
        let hidden = someone.permission.as_ref().is_some_and(|may| may.hidden);
        if hidden || someone.kind() == Kind::Egress {
            self.strangers.remove(&someone.identity);
            return;
        }
        let known = self.guests.get(&someone.identity);
        if someone.state() == State::Disconnected {
            if known.is_some_and(|guest| guest.sid == someone.sid) {
                self.guests.remove(&someone.identity).inspect(|guest| guest.line.leave(hall::farewell(&someone)));
            }
            self.missed(&someone);
            return;
        }
        // Who was sent away and comes again is asked for anew.
        if known.is_none_or(|guest| guest.sid != someone.sid && guest.line.deserted()) {
            let line = self.admit(&someone);
            self.guests.insert(someone.identity.clone(), Guest { sid: String::new(), line });
        }
        let Some(guest) = self.guests.get_mut(&someone.identity) else { return };
        guest.sid = someone.sid.clone();
        if someone.state() == State::Active {
            guest.line.joined();
        }
        let on = |kind| someone.tracks.iter().any(|track| track.r#type() == kind && !track.muted);
        guest.line.media(on(TrackType::Audio), on(TrackType::Video));
        for packet in self.strangers.remove(&someone.identity).unwrap_or_default() {
            guest.line.packet(packet);
        }
    }

    /// Somebody has gone before they were met. What they wrote counts.
    fn missed(&mut self, someone: &proto::ParticipantInfo) {
        let held = self.strangers.remove(&someone.identity).unwrap_or_default();
        if held.is_empty() {
            return;
        }
        let line = self.admit(someone);
        held.into_iter().for_each(|packet| line.packet(packet));
        line.leave(Farewell::Lost);
    }

    /// Asks the meeting for a place, in the background; without one, they are sent away.
    fn admit(&self, someone: &proto::ParticipantInfo) -> Arc<Line> {
        let orders =
            Orders { identity: someone.identity.clone(), packets: self.packets.clone(), clerk: self.clerk.clone() };
        let (line, ears) = Line::new(host::Orders::There(orders.clone()));
        let (host, room, someone) = (self.remote.host.clone(), self.room.clone(), someone.clone());
        tokio::spawn(async move {
            match attend(host, room, &someone, ears).await {
                Ok(Some(attendee)) => attendee.run().await,
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(identity = someone.identity, %error, "somebody without a place is sent away");
                    orders.command(Command::Evict(DisconnectReason::ParticipantRemoved));
                }
            }
        });
        line
    }

    /// A webhook may come late: whoever it says is there is asked for.
    fn told(&mut self, someone: proto::ParticipantInfo) {
        if someone.state() == participant_info::State::Disconnected {
            self.meet(someone);
        } else if self.guests.get(&someone.identity).is_none_or(|guest| guest.sid != someone.sid) {
            self.stranger(someone.identity);
        }
    }

    /// LiveKit delivers at once what somebody writes, but tells of them up to three seconds after they came (updates of who
    /// publishes nothing are batched).
    fn hear(&mut self, packet: proto::DataPacket) {
        if let Some(guest) = self.guests.get(&packet.participant_identity) {
            return guest.line.packet(packet);
        }
        if self.strangers.contains_key(&packet.participant_identity) || chat::begins(&packet) {
            let held = self.stranger(packet.participant_identity.clone());
            if held.len() < HELD {
                held.push(packet);
            }
        }
    }

    /// Asks who it is, once.
    fn stranger(&mut self, identity: String) -> &mut Vec<proto::DataPacket> {
        self.strangers.entry(identity).or_insert_with_key(|identity| {
            let (service, room) = (self.remote.service.clone(), self.room.code.clone());
            tokio::spawn(ask(service, room, identity.clone(), self.answers.clone()));
            Vec::new()
        })
    }

    fn answered(&mut self, identity: &str, found: Option<proto::ParticipantInfo>) {
        // Else they were met, or missed, before the answer came.
        if self.strangers.contains_key(identity) {
            match found {
                Some(someone) => self.meet(someone),
                None => self.missed(&proto::ParticipantInfo { identity: identity.into(), ..Default::default() }),
            }
        }
    }

    /// The room is no more, or is out of reach.
    fn part(self) {
        self.guests.values().for_each(|guest| guest.line.leave(Farewell::Lost));
    }
}

/// The participant's place in the meeting: that of the join which made the identity, or else one for which the operator's
/// token vouches.
async fn attend(host: Arc<Host>, room: Room, someone: &proto::ParticipantInfo, ears: Ears) -> Result<Option<Attendee>> {
    let domain = host.app.domain.clone();
    let attendance = match domain.participant_named(room.id, &someone.identity).await? {
        Some(known) => domain.attend_as(known.id, RoomRef::Id(room.id)).await?,
        None => domain.vouch(room.id, &someone.identity, &someone.name).await?,
    };
    let seated = attendance.participant.clone().filter(|participant| participant.seated());
    let participant = seated.ok_or_else(|| Error::forbidden("You are in the waiting room"))?;
    // Where they are is not told; each is counted by themselves.
    let address = IpAddr::V6(Ipv6Addr::from(participant.id.0.as_u128().reverse_bits()));
    let vouched = !someone.attributes.contains_key(ROLE);
    let place = Place::Seat(Box::new(Seat { attendance, participant, vouched }));
    Attendee::open(host, address, place, ears).await
}

async fn ask(service: Arc<Service>, room: String, identity: String, answers: mpsc::UnboundedSender<Answer>) {
    let found = service.participant(&room, &identity).await;
    let found = found.inspect_err(|error| tracing::debug!(identity, %error, "nobody is there who wrote")).ok();
    // Without a steward nobody wants to know.
    let _ = answers.send((identity, found));
}

/// Carries out what attendees order, one after the other.
async fn carry_out(service: Arc<Service>, room: String, mut orders: mpsc::UnboundedReceiver<(String, Command)>) {
    while let Some((identity, command)) = orders.recv().await {
        let done = match command {
            // All of the room goes at once.
            Command::Evict(DisconnectReason::RoomDeleted) => Ok(()),
            Command::Evict(_) => service.remove(&room, &identity).await,
            Command::Mute(sources) => mute(&service, &room, &identity, &sources).await,
            Command::Permit(permission) => {
                let room = room.clone();
                let permission = Some(permission);
                service
                    .update(&proto::UpdateParticipantRequest { room, identity, permission, ..Default::default() })
                    .await
            }
            Command::Data(_) | Command::Say(_) => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(room, %error, "the LiveKit server did not do what a meeting wants");
        }
    }
}

async fn mute(service: &Service, room: &str, identity: &str, sources: &[TrackSource]) -> Result<(), Refusal> {
    let someone = match service.participant(room, identity).await {
        Err(Refusal::NotFound(_)) => return Ok(()),
        found => found?,
    };
    for track in someone.tracks.iter().filter(|track| !track.muted && is_of(track, sources)) {
        let ask = proto::MuteRoomTrackRequest {
            room: room.into(),
            identity: identity.into(),
            track_sid: track.sid.clone(),
            muted: true,
        };
        service.mute(&ask).await?;
    }
    Ok(())
}

/// Sound without a name (programs publish it) is a microphone's.
fn is_of(track: &proto::TrackInfo, sources: &[TrackSource]) -> bool {
    let source = match (track.source(), track.r#type()) {
        (TrackSource::Unknown, TrackType::Audio) => TrackSource::Microphone,
        (source, _) => source,
    };
    sources.contains(&source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mute_is_about() {
        let track = |source: TrackSource, kind: TrackType| proto::TrackInfo {
            source: source.into(),
            r#type: kind.into(),
            ..Default::default()
        };
        let audio = [TrackSource::Microphone, TrackSource::ScreenShareAudio];
        assert!(is_of(&track(TrackSource::Microphone, TrackType::Audio), &audio));
        assert!(is_of(&track(TrackSource::Unknown, TrackType::Audio), &audio));
        assert!(!is_of(&track(TrackSource::Unknown, TrackType::Video), &audio));
        assert!(!is_of(&track(TrackSource::Camera, TrackType::Video), &audio));
    }
}
