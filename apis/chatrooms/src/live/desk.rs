//! What the events of one socket do.

use super::{lag::Lag, presence::Presence};
use crate::{map, wire};
use convo_domain::{
    Asker,
    bus::Tell,
    error::{Error, Kind, Result},
    event::{Audience, Event, Told, Who},
    id::RoomId,
    limit,
    message::{Draft, Message},
    room::{RoomKind, RoomRef},
    session::{Owner, Session},
    user::{Actor, Party},
};
use convo_kit::{
    Shared, body,
    limit::{Class, Frames},
};
use convo_socketio::Ack;
use futures_util::{future::BoxFuture, task::AtomicWaker};
use parking_lot::{Mutex, MutexGuard};
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, task::Context, time::Duration};

/// Rooms that one socket hears.
const ROOMS: usize = 1_000;
/// Errors that wait for one socket; a client that reads none of them needs no more.
const COMPLAINTS: usize = 16;
/// How long a lost connection is not spoken of. Official clients try to come back after 1, 2 and 4 seconds, about.
const MOMENT: Duration = Duration::from_secs(10);

/// One socket, as its events see it.
pub(crate) struct Desk {
    app: Shared,
    presence: Arc<Presence>,
    actor: Actor,
    asker: Asker,
    session: Session,
    frames: Frames,
    /// `None`: it is gone.
    joined: Mutex<Option<Joined>>,
    /// Held while a room is joined or left, for the events behind it are meant to find that done.
    turn: tokio::sync::Mutex<()>,
    complaints: Mutex<Vec<wire::Complaint>>,
    /// What the socket was too slow for. Boxed, for most never are.
    lag: Mutex<Option<Box<Lag>>>,
    reader: AtomicWaker,
}

/// The rooms that a socket joined, and who one is there; the bus may have ceased to tell it one ([`Desk::look_at`]).
#[derive(Default)]
struct Joined {
    rooms: Vec<(RoomId, Who)>,
    /// How often its connection was lost, or found again.
    changes: u64,
    /// Its connection is lost for longer than a moment: the rooms believe that it went.
    is_away: bool,
}

/// Who went from a room.
struct Gone {
    who: Who,
    /// The room believes so already.
    is_known: bool,
}

impl Joined {
    fn place(&self, room: RoomId) -> Option<usize> {
        self.rooms.iter().position(|(id, _)| *id == room)
    }

    fn remove(&mut self, place: usize) -> Gone {
        Gone { who: self.rooms.swap_remove(place).1, is_known: self.is_away }
    }
}

/// An event that made sense.
pub(crate) enum Command {
    Join(RoomRef),
    Leave(RoomRef),
    Post(RoomRef, Draft),
    Typing(RoomRef, bool),
}

impl Desk {
    pub(crate) fn new(app: Shared, presence: Arc<Presence>, actor: Actor, asker: Asker) -> Arc<Self> {
        let session = app.domain.bus.open(owner(&actor));
        let frames = Frames::new(app.domain.now());
        Arc::new(Self {
            app,
            presence,
            actor,
            asker,
            session,
            frames,
            joined: Mutex::new(Some(Joined::default())),
            turn: tokio::sync::Mutex::default(),
            complaints: Mutex::default(),
            lag: Mutex::default(),
            reader: AtomicWaker::new(),
        })
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Reads an event, and takes it out of its budget.
    pub(crate) fn command(&self, event: &convo_socketio::Event<'_>) -> Result<Command> {
        let (limits, now) = (&self.app.limits, self.app.domain.now());
        if event.name == "chatroomMessage" {
            limits.spend(self.asker, Class::Chat, now)?;
            let (room, draft) = map::post(argument(event)?, None)?;
            return Ok(Command::Post(room, draft));
        }
        self.frames.spend(limits, now)?;
        match &*event.name {
            "joinRoom" => Ok(Command::Join(map::named_room(argument(event)?)?)),
            "leaveRoom" => Ok(Command::Leave(map::named_room(argument(event)?)?)),
            "typing" => map::typing(argument(event)?).map(|(room, is_typing)| Command::Typing(room, is_typing)),
            _ => Err(Error::new(Kind::Malformed, "Unknown event")),
        }
    }

    /// Does what was asked, in turn: after the joins and leaves that came before. A post reaches the domain at the first
    /// poll, unless it waits for such a one.
    pub(crate) async fn run(self: &Arc<Self>, command: Command) -> Result<Ack> {
        // Unconstrained, or else tokio's budget could let a later event overtake this one.
        let turn = tokio::task::unconstrained(self.turn.lock()).await;
        // A client that does not read does not hear how its session ends, and could go on.
        if self.session.mailbox().is_dismissed() {
            return Err(Error::unauthenticated("Invalid or expired token"));
        }
        match command {
            Command::Join(room) => self.join(room).await,
            Command::Leave(room) => self.leave(room).await,
            Command::Post(room, draft) => {
                drop(turn);
                self.post(room, draft).await
            }
            Command::Typing(room, is_typing) => self.typing(room, is_typing).await,
        }
    }

    async fn join(&self, by: RoomRef) -> Result<Ack> {
        if self.joined.lock().as_ref().is_some_and(|joined| joined.rooms.len() >= ROOMS) {
            return Err(Error::invalid("chatroomId", "This socket is in too many chatrooms"));
        }
        let domain = &self.app.domain;
        let entry = match domain.listen(&self.session, &self.actor, by.clone(), RoomKind::Chatroom).await {
            Ok(entry) => entry,
            Err(error) => {
                // It may have heard the room until now.
                if let Ok(room) = domain.find_room(by, RoomKind::Chatroom).await {
                    self.look_at(room);
                }
                return Err(error);
            }
        };
        let (room, seq) = (entry.room.id, entry.room.seq);
        let who = Who { party: entry.party, participant: entry.participant, name: entry.name };
        if !self.enter(room, who) {
            domain.unlisten(&self.session, room, entry.participant).await;
        }
        ack(&wire::Joined { ok: true, chatroom_id: room.0, seq })
    }

    /// False: the client went while it was let in.
    fn enter(&self, room: RoomId, who: Who) -> bool {
        let mut joined = self.joined.lock();
        match joined.as_mut() {
            Some(joined) if joined.place(room).is_none() => {
                if !joined.is_away {
                    self.come(room, &who);
                }
                joined.rooms.push((room, who));
            }
            Some(_) => {}
            None => return false,
        }
        true
    }

    async fn leave(self: &Arc<Self>, by: RoomRef) -> Result<Ack> {
        let room = self.app.domain.find_room(by, RoomKind::Chatroom).await?;
        match self.forget(room) {
            Some(gone) => self.exit(room, &gone),
            None => self.app.domain.bus.unsubscribe(&self.session, room),
        }
        if let Some(lag) = &mut *self.lag.lock() {
            lag.forget(room);
        }
        ack(&wire::Left { ok: true, chatroom_id: room.0 })
    }

    fn forget(&self, room: RoomId) -> Option<Gone> {
        let mut joined = self.joined.lock();
        let joined = joined.as_mut()?;
        joined.place(room).map(|place| joined.remove(place))
    }

    /// Hears the room no more, and tells it so.
    fn exit(&self, room: RoomId, gone: &Gone) {
        self.app.domain.bus.unsubscribe(&self.session, room);
        self.went(room, gone, true);
        if let Some(guest) = gone.who.participant {
            let domain = self.app.domain.clone();
            tokio::spawn(async move { domain.guest_gone(room, guest).await });
        }
    }

    fn come(&self, room: RoomId, who: &Who) {
        self.presence.came(room, who.party, || self.tell_presence(room, who.clone(), true));
    }

    /// `told`: the room is to be told.
    fn went(&self, room: RoomId, gone: &Gone, told: bool) {
        if gone.is_known {
            return;
        }
        self.presence.went(room, gone.who.party, || {
            if told {
                self.tell_presence(room, gone.who.clone(), false);
            }
        });
    }

    /// The connection is lost. Most clients are back in a moment; if this one is not, its rooms are told that it went.
    pub(crate) fn lost(self: &Arc<Self>) {
        let Some(changes) = self.changed() else { return };
        let desk = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(MOMENT).await;
            let mut joined = desk.joined.lock();
            let is_lost = |joined: &&mut Joined| joined.changes == changes && !joined.is_away;
            let Some(joined) = joined.as_mut().filter(is_lost) else { return };
            for (room, who) in &joined.rooms {
                // Whoever left it meanwhile, elsewhere, is known to have gone.
                let told = desk.app.domain.bus.hears(&desk.session, *room);
                desk.went(*room, &Gone { who: who.clone(), is_known: false }, told);
            }
            joined.is_away = true;
        });
    }

    /// The client is back.
    pub(crate) fn found(&self) {
        self.changed();
        if let Some(joined) = self.joined.lock().as_mut()
            && std::mem::take(&mut joined.is_away)
        {
            joined.rooms.iter().for_each(|(room, who)| self.come(*room, who));
        }
    }

    fn changed(&self) -> Option<u64> {
        let mut joined = self.joined.lock();
        let joined = joined.as_mut()?;
        joined.changes += 1;
        Some(joined.changes)
    }

    fn tell_presence(&self, room: RoomId, who: Who, here: bool) {
        let others = Audience::Others(who.party);
        self.app.domain.bus.tell(vec![Tell::event(room, others, Event::Presence { who, here })]);
    }

    async fn post(&self, room: RoomRef, draft: Draft) -> Result<Ack> {
        let posted = self.app.domain.post(&self.actor, room, RoomKind::Chatroom, draft).await?;
        ack(&wire::Sent { ok: true, message: map::message(posted.message) })
    }

    async fn typing(&self, by: RoomRef, is_typing: bool) -> Result<Ack> {
        let room = self.app.domain.find_room(by, RoomKind::Chatroom).await?;
        self.look_at(room);
        let from = self.who(room).ok_or_else(|| Error::forbidden("Join the chatroom first"))?;
        let others = Audience::Others(from.party);
        self.app.domain.bus.tell(vec![Tell::event(room, others, Event::Typing { from, is_typing })]);
        ack(&wire::Accepted { ok: true })
    }

    fn who(&self, room: RoomId) -> Option<Who> {
        let joined = self.joined.lock();
        joined.as_ref()?.rooms.iter().find(|(id, _)| *id == room).map(|(_, who)| who.clone())
    }

    /// Whether the event says that the socket's own user went from the room.
    pub(crate) fn is_own_going(&self, told: &Told) -> bool {
        let gone = match &told.event {
            Event::MemberLeft { user, .. } => Party::User(*user),
            Event::Left(participant) => participant.party(),
            _ => return false,
        };
        gone == self.actor.party()
    }

    /// The socket's own user went from the room, and may be back already.
    pub(crate) fn own_user_went(&self, told: &Told) {
        match &told.event {
            // The room was told of it in the same words.
            Event::MemberLeft { .. } => {
                if let Some(gone) = self.forget_unheard(told.room) {
                    self.went(told.room, &gone, false);
                }
            }
            // Removed from a meeting, if the bus does not tell it any more.
            _ => self.look_at(told.room),
        }
    }

    /// Says that the socket went from a room that it hears no more, if it has not left it by itself.
    fn look_at(&self, room: RoomId) {
        if let Some(gone) = self.forget_unheard(room) {
            self.went(room, &gone, true);
        }
    }

    /// Looks under the lock, for who joins is told the room before this says so.
    fn forget_unheard(&self, room: RoomId) -> Option<Gone> {
        let mut joined = self.joined.lock();
        let joined = joined.as_mut()?;
        let place = joined.place(room)?;
        let is_heard = self.app.domain.bus.hears(&self.session, room);
        (!is_heard).then(|| joined.remove(place))
    }

    /// The socket is gone.
    pub(crate) fn gone(&self) {
        let Some(Joined { rooms, is_away, .. }) = self.joined.lock().take() else { return };
        rooms.into_iter().for_each(|(room, who)| self.exit(room, &Gone { who, is_known: is_away }));
    }

    /// An error of an event that asked for no acknowledgement, to be sent as an event.
    pub(crate) fn complain(&self, said: wire::Complaint) {
        let mut complaints = self.complaints.lock();
        if complaints.len() < COMPLAINTS {
            complaints.push(said);
        }
        drop(complaints);
        self.reader.wake();
    }

    /// The errors that wait. The task is woken by the next.
    pub(crate) fn complaints(&self, cx: &Context<'_>) -> Vec<wire::Complaint> {
        self.reader.register(cx.waker());
        std::mem::take(&mut *self.complaints.lock())
    }

    pub(crate) fn has_complaints(&self) -> bool {
        !self.complaints.lock().is_empty()
    }

    pub(crate) fn lag(&self) -> MutexGuard<'_, Option<Box<Lag>>> {
        self.lag.lock()
    }

    /// Messages after `seq` as this client may see them, a page.
    pub(crate) fn missed(&self, room: RoomId, seq: i64) -> BoxFuture<'static, Result<Vec<Message>>> {
        let (app, actor) = (self.app.clone(), self.actor.clone());
        Box::pin(async move { app.domain.messages_after(&actor, room, RoomKind::Chatroom, seq, limit::CATCH_UP).await })
    }
}

/// An acknowledgement with one argument.
pub(crate) fn ack(body: &impl Serialize) -> Result<Ack> {
    Ack::new(&(body,)).map_err(Error::internal)
}

/// An event's first argument; one that is missing reads as an empty object, so that the missing field is named.
fn argument<T: DeserializeOwned>(event: &convo_socketio::Event<'_>) -> Result<T> {
    body::json(event.args.raw(0).map_or("{}", |raw| raw.get()).as_bytes())
}

fn owner(actor: &Actor) -> Owner {
    match actor {
        Actor::User(caller) => Owner { user: Some(caller.user), login: Some(caller.login), participant: None },
        Actor::Guest(guest) => Owner { participant: Some(guest.participant), ..Owner::default() },
    }
}
