//! One meeting's room on the other server: who is there becomes an attendee, what attendees order is carried out.

use super::{
    Remote, Service,
    clerk::{Office, Orders},
    link::{Link, News, Over},
};
use crate::{
    admit::{Place, ROLE, Seat, Shown, assists},
    attendee::{AGAIN as ASK_AGAIN, Attendee, undecided},
    chat,
    hall::{self, Ears, Farewell, Line},
    host::{self, Host},
};
use convo_domain::{
    error::{Error, Result},
    room::{Room, RoomRef},
};
use convo_sfu::{Command, meant_source};
use livekit_protocol::{self as proto, DisconnectReason, TrackSource, participant_info};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

/// How long a steward stays in an empty room: somebody may come back.
const LINGER: Duration = Duration::from_secs(10);
/// How long it waits for who got a token: some look at their camera first.
pub(super) const AWAIT: Duration = Duration::from_secs(60);
/// A link that broke is made again, at most this often, so many times in vain.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES: u32 = 10;
/// Packets that wait for the link.
const PACKETS: usize = 4_096;
/// Packets of somebody of whom the server has not told yet.
const HELD: usize = 256;

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
        let began = Instant::now();
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
            // Empty for too long, it was closed; but who is expected finds it made again.
            Some(Over::Dismissed(DisconnectReason::RoomClosed)) if remote.awaits(&code).is_some() => {}
            Some(Over::Dismissed(_)) => break,
            Some(Over::Broken(error)) => {
                tracing::info!(room = code, error, "a room's link to the LiveKit server broke")
            }
        }
        sleep_until(began + AGAIN).await;
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
    office: Arc<Office>,
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
    orders: Orders,
    /// Carries the orders out, until they have gone.
    _clerk: JoinSet<()>,
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
        let office = Office::new(remote.service.clone(), room.code.clone());
        let (guests, strangers) = (HashMap::new(), HashMap::new());
        let steward = Self { remote, room, guests, strangers, answers, packets, office, hearing };
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

    /// Who went while the link was broken, and who was to go and did not.
    fn compare(&mut self, people: &[proto::ParticipantInfo]) {
        let here: HashMap<&str, &str> =
            people.iter().map(|someone| (&someone.identity[..], &someone.sid[..])).collect();
        self.guests.retain(|identity, guest| {
            let sid = here.get(&identity[..]);
            match sid {
                None => guest.line.leave(Farewell::Lost),
                Some(&sid) if sid == guest.sid => guest.orders.insist(),
                // Another connection is asked for anew.
                Some(_) => {}
            }
            sid.is_some()
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
            let guest = self.admit(&someone);
            self.guests.insert(someone.identity.clone(), guest);
        }
        let Some(guest) = self.guests.get_mut(&someone.identity) else { return };
        guest.sid = someone.sid.clone();
        if someone.state() == State::Active {
            guest.line.joined();
        }
        let on = |source| someone.tracks.iter().any(|track| meant_source(track) == source && !track.muted);
        guest.line.media(on(TrackSource::Microphone), on(TrackSource::Camera));
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
        let Guest { line, .. } = self.admit(someone);
        held.into_iter().for_each(|packet| line.packet(packet));
        line.leave(Farewell::Lost);
    }

    /// Asks the meeting for a place, in the background; without one, they are sent away.
    fn admit(&self, someone: &proto::ParticipantInfo) -> Guest {
        let (orders, clerk) = self.office.clerk(&someone.identity, self.packets.clone());
        let (line, ears) = Line::new(host::Orders::There(orders.clone()));
        let guest = Guest { sid: someone.sid.clone(), line, orders: orders.clone(), _clerk: clerk };
        let (host, room, someone) = (self.remote.host.clone(), self.room.clone(), someone.clone());
        tokio::spawn(async move {
            match attend(&host, &room, &someone, &ears).await {
                Ok(Some(attendee)) => attendee.run(ears.chats).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(identity = someone.identity, %error, "somebody without a place is sent away");
                    orders.command(Command::Evict(DisconnectReason::ParticipantRemoved));
                }
            }
        });
        guest
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

/// Asks until there is an answer: a store that is away for a while has nobody sent away. `None`: they went meanwhile, and
/// wrote nothing.
async fn attend(
    host: &Arc<Host>,
    room: &Room,
    someone: &proto::ParticipantInfo,
    ears: &Ears,
) -> Result<Option<Attendee>> {
    let mut standing = ears.standing.clone();
    loop {
        match try_attend(host, room, someone, ears).await {
            Err(error) if undecided(&error) => {
                tracing::warn!(%error, "somebody's place in a meeting cannot be looked up now");
            }
            decided => return decided,
        }
        let left = timeout(ASK_AGAIN, standing.wait_for(|standing| standing.left.is_some())).await.is_ok();
        if left && ears.chats.is_empty() {
            return Ok(None);
        }
        if left {
            sleep(ASK_AGAIN).await;
        }
    }
}

/// The participant's place in the meeting: that of the join which made the identity, or else one for which the operator's
/// token vouches, which it does for who was here before too.
async fn try_attend(
    host: &Arc<Host>,
    room: &Room,
    someone: &proto::ParticipantInfo,
    ears: &Ears,
) -> Result<Option<Attendee>> {
    let domain = host.app.domain.clone();
    let vouched = !someone.attributes.contains_key(ROLE);
    let known = domain.participant_named(room.id, &someone.identity).await?;
    let attendance = match known.filter(|_| !vouched) {
        Some(known) => domain.attend_as(known.id, RoomRef::Id(room.id)).await?,
        None => domain.vouch(room.id, &someone.identity, &someone.name, assists(someone)).await?,
    };
    let seated = attendance.participant.clone().filter(|participant| participant.seated());
    let participant = seated.ok_or_else(|| Error::forbidden("You are in the waiting room"))?;
    // Where they are is not told; each is counted by themselves.
    let address = IpAddr::V6(Ipv6Addr::from(participant.id.0.as_u128().reverse_bits()));
    let shown = match vouched {
        true => Shown::of(&attendance.room, &participant),
        // Their token may be older than what they are now.
        false => Shown::by(someone),
    };
    let place = Place::Seat(Box::new(Seat { attendance, participant, vouched, shown }));
    Attendee::open(host.clone(), address, place, ears.standing.clone()).await
}

async fn ask(service: Arc<Service>, room: String, identity: String, answers: mpsc::UnboundedSender<Answer>) {
    let found = service.participant(&room, &identity).await;
    let found = found.inspect_err(|error| tracing::debug!(identity, %error, "nobody is there who wrote")).ok();
    // Without a steward nobody wants to know.
    let _ = answers.send((identity, found));
}
