//! The bridge between a participant's media and the meeting, for as long as the media knows the participant, which may be
//! over several connections.
//!
//! From the meeting come: who is removed, muted, renamed, promoted; its end; its messages. From the media come: that it is
//! connected, or gone; which devices are on; chat.

use crate::{
    admit::{Place, ROLE, Seat, Shown},
    chat::{self, Chat},
    hall::{Farewell, Standing},
    host::Host,
    roster::Roster,
};
use convo_domain::{
    Asker, bus,
    error::{Error, Kind, Result},
    event::{Event, Told},
    id::{ParticipantId, RoomId},
    meeting::{Participant, control::SelfChange, rules::shown, seat::seat_of},
    message::{Draft, Message, draft::To},
    room::{Room, RoomKind, RoomRef},
    session::{Batch, Close, Owner, Session},
    user::{Actor, Party},
};
use convo_kit::limit::Class;
use convo_sfu::Command;
use livekit_protocol::{self as proto, DisconnectReason, TrackSource};
use std::{collections::HashSet, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// How long until the store is asked again, if it did not answer.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);
/// Events taken from the mailbox at a time.
const BATCH: usize = 128;
/// What a host's mute switches off.
const AUDIO: [TrackSource; 2] = [TrackSource::Microphone, TrackSource::ScreenShareAudio];

pub(crate) struct Attendee {
    host: Arc<Host>,
    address: IpAddr,
    standing: watch::Receiver<Standing>,
    session: Session,
    roster: Arc<Roster>,
    room: Room,
    party: Party,
    me: Option<Me>,
    /// The last message that was heard.
    seq: i64,
    /// Messages of this client on their way into the room: it has them already.
    written: HashSet<String>,
    /// When to follow the media again: the store could not be told.
    again: Option<Instant>,
}

/// A participant, rather than somebody who only watches.
struct Me {
    actor: Actor,
    participant: Participant,
    /// The operator's token says what they may do, not the meeting.
    vouched: bool,
    /// By the media, as far as it was told.
    shown: Shown,
    joined: bool,
    /// How often they gave themselves a name there, as far as the meeting was told.
    named: u64,
}

impl Attendee {
    /// Begins to listen to the meeting. `None`: the room is no meeting.
    pub(crate) async fn open(
        host: Arc<Host>,
        address: IpAddr,
        place: Place,
        standing: watch::Receiver<Standing>,
    ) -> Result<Option<Self>> {
        let (room, me) = match place {
            Place::Elsewhere => return Ok(None),
            Place::Watch(room) => (*room, None),
            Place::Seat(seat) => {
                let Seat { attendance, participant, vouched, shown } = *seat;
                (
                    attendance.room,
                    Some(Me { actor: attendance.actor, participant, vouched, shown, joined: false, named: 0 }),
                )
            }
        };
        let owner = me.as_ref().map_or_else(Owner::default, |me| Owner {
            user: me.participant.user,
            login: None,
            participant: Some(me.participant.id),
        });
        let watcher = Party::Guest(ParticipantId::new());
        let party = me.as_ref().map_or(watcher, |me| me.participant.party());
        let seat = me.as_ref().map_or_else(|| unseen(party), |me| seat_of(&me.participant));
        let domain = host.app.domain.clone();
        let session = domain.bus.open(owner);
        let seq = domain.hear(&session, room.id, seat, room.seq).await?;
        let roster = host.roster(room.id, &room.code);
        for participant in domain.present(room.id).await? {
            roster.joined(&participant);
        }
        let (written, again) = (HashSet::new(), None);
        let mut attendee = Self { host, address, standing, session, roster, room, party, me, seq, written, again };
        attendee.look_again().await?;
        Ok(Some(attendee))
    }

    /// What happened before the session listened was told to nobody: their last session's end may have taken the seat.
    async fn look_again(&mut self) -> Result<()> {
        let Some(me) = &mut self.me else { return Ok(()) };
        let by = RoomRef::Id(self.room.id);
        let now = self.host.app.domain.attend_as(me.participant.id, by).await?;
        self.room = now.room;
        me.participant = now.participant.unwrap_or_else(|| me.participant.clone());
        self.show().await;
        Ok(())
    }

    /// Until the participant is gone from the media, or the meeting says so.
    ///
    /// `chats`: what they write there.
    pub(crate) async fn run(mut self, mut chats: mpsc::Receiver<Chat>) {
        let farewell = loop {
            let again = self.again.unwrap_or_else(Instant::now);
            tokio::select! {
                batch = self.session.next(BATCH) => {
                    if let Some(why) = self.hear(batch).await {
                        self.evict(why).await;
                        break Farewell::Lost;
                    }
                    continue;
                }
                Some(chat) = chats.recv() => {
                    self.post(chat).await;
                    continue;
                }
                Ok(()) = self.standing.changed() => {}
                () = sleep_until(again), if self.again.is_some() => {}
            }
            self.follow().await;
            // Whatever it was that woke us: of what has been followed nothing more is heard.
            let left = self.standing.borrow().left;
            if let Some(farewell) = left {
                self.last_words(&mut chats).await;
                break farewell;
            }
        };
        self.close(farewell).await;
    }

    async fn close(self, farewell: Farewell) {
        let Self { host, session, room, me, .. } = self;
        // Before the seat is asked about: this session would hold it.
        drop(session);
        let Some(me) = me else { return };
        let goodbye = farewell == Farewell::Goodbye;
        if let Err(error) = host.app.domain.disconnected(room.id, me.participant.id, goodbye).await {
            tracing::warn!(?error, "a participant's seat could not be given back");
        }
    }

    fn command(&self, command: Command) {
        self.standing.borrow().orders.command(command);
    }

    // From the meeting.

    async fn hear(&mut self, batch: Batch) -> Option<Close> {
        for told in &batch.told {
            self.on_event(told).await;
        }
        for (room, seq) in batch.lagged {
            if let Err(error) = self.catch_up(room, seq).await {
                tracing::warn!(?error, "a LiveKit client's chat could not be caught up");
            }
        }
        batch.close
    }

    async fn on_event(&mut self, told: &Told) {
        match &told.event {
            Event::Posted(message) => self.deliver(message),
            Event::Joined(participant) => self.roster.joined(participant),
            Event::Left(participant) => self.roster.left(participant),
            Event::Updated(participant) if self.is_me(participant.id) => self.update(participant.clone()).await,
            Event::Muted { participant, .. } if self.is_me(participant.id) => {
                self.command(Command::Mute(AUDIO.to_vec()));
            }
            Event::MeetingUpdated(room) => {
                self.room = room.clone();
                self.show().await;
            }
            // Participants' sessions are closed with the meeting; who only watches hears it here.
            Event::MeetingEnded { .. } if self.me.is_none() => self.evict(Close::MeetingEnded).await,
            _ => {}
        }
    }

    fn is_me(&self, id: ParticipantId) -> bool {
        self.me.as_ref().is_some_and(|me| me.participant.id == id)
    }

    async fn update(&mut self, now: Participant) {
        if let Some(me) = &mut self.me {
            me.participant = now;
            self.show().await;
        }
    }

    /// A name, a role, or what one may do, changed here, shows in the media room too. What is as it was is left alone: an
    /// operator may have changed it there.
    async fn show(&mut self) {
        let Some(me) = &mut self.me else { return };
        let now = Shown::of(&self.room, &me.participant);
        let before = std::mem::replace(&mut me.shown, now.clone());
        let (vouched, identity) = (me.vouched, me.participant.identity.clone());
        if before.permission != now.permission && !vouched {
            self.command(Command::Permit(now.permission.clone()));
        }
        if (&before.name, &before.role) == (&now.name, &now.role) {
            return;
        }
        let update = proto::UpdateParticipantRequest {
            room: self.room.code.clone(),
            identity,
            name: now.name,
            attributes: [(ROLE.to_owned(), now.role)].into(),
            ..Default::default()
        };
        let orders = self.standing.borrow().orders.clone();
        if let Err(error) = self.host.rooms.update(&orders, update).await {
            tracing::debug!(%error, "a participant could not be renamed in the media room");
        }
    }

    async fn evict(&self, why: Close) {
        let reason = match why {
            // Everybody is told to come back, by the drain.
            Close::Restart => return,
            Close::MeetingEnded => DisconnectReason::RoomDeleted,
            Close::Left => DisconnectReason::ClientInitiated,
            Close::TooSlow => DisconnectReason::StateMismatch,
            Close::Revoked | Close::Removed | Close::Denied => DisconnectReason::ParticipantRemoved,
        };
        self.command(Command::Evict(reason));
        if why == Close::MeetingEnded && self.roster.close() {
            let room = self.roster.code.clone();
            // Already gone is as good.
            let _ = self.host.rooms.delete(room).await;
        }
    }

    async fn catch_up(&mut self, room: RoomId, mut seq: i64) -> Result<()> {
        loop {
            let page = self.host.app.domain.catch_up(room, seq).await?;
            let Some(last) = page.last() else { return Ok(()) };
            seq = last.seq;
            let party = self.party;
            page.iter().filter(|message| message.visible_to(party)).for_each(|message| self.deliver(message));
        }
    }

    /// To this client, unless it has the message: as its author, or from before.
    fn deliver(&mut self, message: &Message) {
        if message.seq <= self.seq {
            return;
        }
        self.seq = message.seq;
        let own = message.sender == self.party && message.nonce.as_ref().is_some_and(|id| self.written.remove(id));
        if own || self.roster.has(message) {
            return;
        }
        for packet in chat::packets(message, &self.roster.identity(message.sender)) {
            self.command(Command::Data(Box::new(packet)));
        }
    }

    // From the media.

    /// Tells the meeting where the media stands now. A store that does not answer decides nothing: it is asked again.
    async fn follow(&mut self) {
        let standing = self.standing.borrow_and_update().clone();
        let told = self.try_follow(&standing).await;
        self.again = told.is_err().then(|| Instant::now() + AGAIN);
    }

    /// An error is one that may pass.
    async fn try_follow(&mut self, standing: &Standing) -> Result<()> {
        let (domain, room) = (self.host.app.domain.clone(), self.room.id);
        let Some(me) = &mut self.me else { return Ok(()) };
        let id = me.participant.id;
        if standing.joined && !me.joined {
            match domain.connected(room, id).await {
                Err(error) if undecided(&error) => return Err(error),
                Err(error) => {
                    me.joined = true;
                    tracing::info!(%error, "a participant found the meeting full");
                    self.command(Command::Evict(DisconnectReason::JoinFailure));
                    return Ok(());
                }
                Ok(_) => me.joined = true,
            }
        }
        if let Some((times, name)) = standing.name.as_ref().filter(|(times, _)| me.named != *times) {
            let name = shown(name, &me.participant.identity);
            let change = SelfChange { display_name: Some(name), ..SelfChange::default() };
            match domain.update_self(room, id, change).await {
                Err(error) if undecided(&error) => return Err(error),
                Err(error) => tracing::debug!(%error, "a participant's new name could not be told"),
                Ok(_) => {}
            }
            me.named = *times;
        }
        let Some((audio, video)) = standing.media else { return Ok(()) };
        if (audio, video) == (me.participant.audio_enabled, me.participant.video_enabled) {
            return Ok(());
        }
        let change = SelfChange { audio_enabled: Some(audio), video_enabled: Some(video), ..SelfChange::default() };
        match domain.update_self(room, id, change).await {
            Err(error) if undecided(&error) => return Err(error),
            Err(error) => tracing::debug!(%error, "what a participant's devices do could not be told"),
            Ok(_) => {}
        }
        (me.participant.audio_enabled, me.participant.video_enabled) = (audio, video);
        Ok(())
    }

    /// What was written before they went.
    async fn last_words(&mut self, chats: &mut mpsc::Receiver<Chat>) {
        while let Ok(chat) = chats.try_recv() {
            self.post(chat).await;
        }
    }

    async fn post(&mut self, chat: Chat) {
        if let Err(error) = self.try_post(&chat).await {
            // LiveKit's chat has no way to say no.
            tracing::info!(%error, "a chat message of a LiveKit client was not taken");
        }
    }

    /// One message for everybody, or one for each person it is for: private messages have one recipient.
    async fn try_post(&mut self, chat: &Chat) -> Result<()> {
        let Some(me) = &self.me else { return Ok(()) };
        let actor = me.actor.clone();
        if chat.destinations.is_empty() {
            return self.post_one(&actor, chat, chat.id.clone(), None).await;
        }
        let there = self.there(chat).await?;
        if there.is_empty() {
            return Err(Error::not_found("Participant"));
        }
        for to in there {
            let id = match &chat.destinations[..] {
                [_] => chat.id.clone(),
                _ => format!("{}/{}", chat.id, to.identity),
            };
            self.post_one(&actor, chat, id, Some(To::Participant(to.id))).await?;
        }
        Ok(())
    }

    /// The people a message is for that are there, each once: all their devices hear what is for one.
    async fn there(&self, chat: &Chat) -> Result<Vec<Participant>> {
        let mut there: Vec<Participant> = vec![];
        for identity in chat.destinations.iter().take(chat::DESTINATIONS) {
            let found = self.host.app.domain.participant_named(self.room.id, identity).await?;
            if let Some(found) = found.filter(Participant::seated)
                && there.iter().all(|other| other.party() != found.party())
            {
                there.push(found);
            }
        }
        Ok(there)
    }

    async fn post_one(&mut self, actor: &Actor, chat: &Chat, id: String, to: Option<To>) -> Result<()> {
        let app = &self.host.app;
        app.limits.spend(Asker::of(Some(actor), self.address), Class::Chat, app.domain.now())?;
        let draft = Draft::new(&chat.text)?.nonce(Some(&id))?.to(to);
        // Before it is stored: its news may come before the answer.
        self.written.insert(id.clone());
        if self.host.rooms.spread_chat() {
            self.roster.spread(self.party, &id);
        }
        let posted = app.domain.post(actor, RoomRef::Id(self.room.id), RoomKind::Meeting, draft).await;
        if !posted.as_ref().is_ok_and(|posted| posted.fresh) {
            self.written.remove(&id);
        }
        posted.map(drop)
    }
}

/// The store had an accident, rather than said no.
pub(crate) fn undecided(error: &Error) -> bool {
    matches!(error.kind, Kind::Unavailable | Kind::Internal)
}

/// Hears what the room hears, and is nobody in it.
fn unseen(party: Party) -> bus::Seat {
    bus::Seat { party, participant: None, controls: false, waiting: false }
}
