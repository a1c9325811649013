//! What both meeting sockets do with a frame: the one of a single meeting (`/ws/meetings/{code}`), whose room and
//! participant are settled at its door, and the one of many (`/ws/`), whose frames each name their meeting.

use crate::{
    app::Shared,
    body,
    envelope::{self, Dialect, ParticipantView},
    limit::{Class, Frames},
    pump::{Live, Reply, Step},
};
use axum::extract::ws::{self, WebSocket};
use bytes::Bytes;
use convo_domain::{
    Asker,
    bus::Tell,
    error::{Error, Kind, Result},
    event::{Audience, Event, SignalKind, Told, Who},
    id::{ParticipantId, RoomId, UserId},
    limit,
    meeting::{
        Participant,
        act::Attendance,
        control::{Control, SelfChange},
        seat::seat_of,
    },
    message::{Draft, Message, MessageKind, draft::To},
    room::{Room, RoomKind, RoomRef, rules::open},
    session::{Owner, Session},
    user::{Actor, Party},
};
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};
use tokio::time::timeout;

/// Rooms that one socket of many hears.
const ROOMS: usize = 1_000;
/// Bytes of a reaction: an emoji with its modifiers.
const EMOJI_BYTES: usize = 64;
/// What is sent before the pump runs, and is not taken for longer, has nobody at its other end.
const TAKEN: Duration = Duration::from_secs(20);

/// One connection.
pub struct Desk {
    app: Shared,
    dialect: Dialect,
    slot: usize,
    address: IpAddr,
    session: Session,
    actor: RwLock<Option<Actor>>,
    /// The rooms heard, and who one is there.
    rooms: RwLock<HashMap<RoomId, Heard>>,
    /// Those that are heard since a moment ago, each after a message's number.
    fresh: Mutex<Vec<(RoomId, i64)>>,
    /// Those of them that are heard as a host: who knocked before is yet to be told.
    hosted: Mutex<Vec<RoomId>>,
    /// The room that frames are about when they name none.
    settled: Option<RoomId>,
    frames: Frames,
}

#[derive(Clone)]
struct Heard {
    who: Who,
    number: i64,
    waiting: bool,
}

/// A frame's type and data.
#[derive(Deserialize)]
struct Frame {
    r#type: String,
    #[serde(default)]
    data: Option<Map<String, Value>>,
}

impl Desk {
    /// The socket of one meeting.
    pub async fn of_meeting(app: Shared, slot: usize, address: IpAddr, who: Attendance) -> Result<Arc<Self>> {
        let Attendance { actor, room, participant, door } = who;
        let id = room.id;
        let owner = owner(&actor, participant.as_ref());
        let desk = Self::new(app, Dialect::Meeting, slot, address, owner, Some(actor.clone()), Some(id));
        match &participant {
            Some(participant) => {
                desk.take_seat(participant, room.number, room.seq).await?;
                let now = desk.app.domain.connected(id, participant.id).await?;
                // What happened between the door and here was told to nobody.
                let now = now.ok_or_else(|| Error::forbidden("You are not in this meeting any more"))?;
                if let Err(error) = desk.welcome(&now, &room, door).await {
                    // Connected already: the seat is not to be kept for a socket that does not come about.
                    Arc::new(desk).gone(false).await;
                    return Err(error);
                }
                if now.seated() && now.role.controls() {
                    desk.hosted.lock().push(id);
                }
            }
            None => drop(desk.hear(&actor, RoomRef::Id(id)).await?),
        }
        Ok(Arc::new(desk))
    }

    /// The socket of many meetings; `actor` may follow in an `authenticate` frame.
    pub async fn of_many(app: Shared, slot: usize, address: IpAddr, actor: Option<Actor>) -> Result<Arc<Self>> {
        let owner = actor.as_ref().map_or_else(Owner::default, |actor| owner(actor, None));
        let desk = Self::new(app, Dialect::Many, slot, address, owner, actor.clone(), None);
        Ok(Arc::new(desk))
    }

    fn new(
        app: Shared,
        dialect: Dialect,
        slot: usize,
        address: IpAddr,
        owner: Owner,
        actor: Option<Actor>,
        settled: Option<RoomId>,
    ) -> Self {
        let session = app.domain.bus.open(owner);
        let frames = Frames::new(app.domain.now());
        let (actor, rooms, fresh, hosted) = (RwLock::new(actor), RwLock::default(), Mutex::default(), Mutex::default());
        Self { app, dialect, slot, address, session, actor, rooms, fresh, hosted, settled, frames }
    }

    /// `door`: they came by the waiting room's token.
    async fn welcome(&self, participant: &Participant, room: &Room, door: bool) -> Result<()> {
        self.take_seat(participant, room.number, room.seq).await?;
        match door && participant.seated() {
            true => self.app.domain.tell_admitted(participant).await,
            false => Ok(()),
        }
    }

    async fn take_seat(&self, participant: &Participant, number: i64, seq: i64) -> Result<()> {
        let seat = seat_of(participant);
        self.app.domain.hear(&self.session, participant.room, seat, seq).await?;
        let who = convo_domain::meeting::control::who(participant);
        self.rooms.write().insert(participant.room, Heard { who, number, waiting: seat.waiting });
        Ok(())
    }

    /// Subscribes to a room as a member, or as whoever one is in it.
    async fn hear(&self, actor: &Actor, by: RoomRef) -> Result<RoomId> {
        if self.rooms.read().len() >= ROOMS {
            return Err(Error::invalid("meeting_id", "This socket hears too many meetings"));
        }
        let domain = &self.app.domain;
        let id = domain.find_room(by, RoomKind::Meeting).await?;
        let entry = domain.entry(actor, id, RoomKind::Meeting).await?;
        let who = Who { party: entry.party, participant: entry.participant, name: entry.name.clone() };
        let heard = Heard { who, number: entry.room.number, waiting: false };
        let again = domain.bus.hears(&self.session, id);
        let meets = entry.room.kind == RoomKind::Meeting && open(&entry.room).is_ok();
        let hosts = meets && entry.role.controls() && !again;
        // Known before it is heard: an event may come at once, and is worded by the room's number.
        let before = self.rooms.write().insert(id, heard);
        match domain.listen_as(&self.session, actor, entry, RoomKind::Meeting).await {
            Ok(entry) => {
                self.fresh.lock().push((id, entry.room.seq));
                if hosts {
                    self.hosted.lock().push(id);
                }
                Ok(id)
            }
            Err(error) => {
                let mut rooms = self.rooms.write();
                match before {
                    Some(heard) => rooms.insert(id, heard),
                    None => rooms.remove(&id),
                };
                Err(error)
            }
        }
    }

    /// The first frame on the socket of one meeting: where it stands.
    pub async fn greeting(&self) -> Result<String> {
        let Some(room) = self.settled else { return Ok(envelope::frame("connected", json!({}))) };
        let (me, waiting) = match self.rooms.read().get(&room) {
            Some(heard) => (heard.who.participant, heard.waiting),
            None => (None, true),
        };
        let people = if waiting { vec![] } else { self.app.domain.present(room).await? };
        // Of guests who never connected nobody hears that they go.
        let views: Vec<ParticipantView> = people.iter().filter(|p| p.counted).map(ParticipantView::from).collect();
        let head = self.app.domain.room(RoomRef::Id(room), RoomKind::Meeting).await?;
        let data = json!({
            "participant_id": me.map(|id| format!("participant-{id}")),
            "status": if waiting { "waiting" } else { "joined" },
            "seq": if waiting { None } else { Some(head.seq) },
            "meeting": if waiting { None } else { Some(envelope::meeting(&head)) },
            "participants": views,
        });
        Ok(envelope::frame("connected", data))
    }

    /// Tells a host who knocked before this socket was there, before the pump runs. `false`: it can't be told.
    pub async fn tell_knocks(&self, socket: &mut WebSocket) -> bool {
        let frames = match self.knocks().await {
            Ok(frames) => frames,
            Err(error) => {
                tracing::warn!(?error, "a host could not be told who waits");
                return false;
            }
        };
        for frame in frames {
            let sent = timeout(TAKEN, socket.send(ws::Message::Text(frame.into()))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return false;
            }
        }
        true
    }

    /// Who waits in the rooms that are heard as a host since a moment ago. Asked once they are heard, so that nobody is missed
    /// between; one who knocks just then may be told twice.
    async fn knocks(&self) -> Result<Vec<String>> {
        let rooms = std::mem::take(&mut *self.hosted.lock());
        if rooms.is_empty() {
            return Ok(vec![]);
        }
        match self.app.domain.waiting(rooms.clone()).await {
            Ok(waiting) => Ok(waiting.into_iter().filter_map(|p| self.knock(p)).collect()),
            Err(error) => {
                self.hosted.lock().extend(rooms);
                Err(error)
            }
        }
    }

    fn knock(&self, participant: Participant) -> Option<String> {
        let told = Told::new(participant.room, Audience::Hosts, Event::Waiting(participant));
        self.word(&told).and_then(|words| String::from_utf8(words.into()).ok())
    }

    fn actor(&self) -> Result<Actor> {
        self.actor.read().clone().ok_or_else(|| Error::new(Kind::Unauthenticated, "Authentication required"))
    }

    fn asker(&self) -> Asker {
        Asker::of(self.actor.read().as_ref(), self.address)
    }

    /// Whether somebody's token came.
    pub fn authenticated(&self) -> bool {
        self.actor.read().is_some()
    }

    fn step(self: &Arc<Self>, text: &str) -> Result<Step> {
        let frame: Frame = body::json(text.as_bytes())
            .map_err(|error| Error { field: None, ..Error::new(error.kind, error.message) })?;
        let mut data = frame.data.unwrap_or_default();
        let desk = self.clone();
        match &frame.r#type[..] {
            "ping" => return Ok(Step::Now(vec![Reply::Text(envelope::frame("pong", Value::Object(data)))])),
            "pong" => return Ok(Step::Now(vec![])),
            "chat_message" => {
                self.app.limits.spend(self.asker(), Class::Chat, self.app.domain.now())?;
                return Ok(Step::Go(Box::pin(async move { desk.answer(desk.post(data).await).await })));
            }
            _ => self.frames.spend(&self.app.limits, self.app.domain.now())?,
        }
        let kind = frame.r#type;
        if self.dialect == Dialect::Many && kind == "authenticate" {
            return Ok(Step::Wait(Box::pin(async move { desk.authenticate(&data).await })));
        }
        Ok(Step::Wait(Box::pin(async move {
            let done = desk.command(&kind, &mut data).await;
            desk.answer(done).await
        })))
    }

    async fn answer(&self, outcome: Result<Vec<Reply>>) -> Vec<Reply> {
        let replies = outcome.unwrap_or_else(|error| vec![Reply::Text(envelope::error(&error))]);
        // Those that cannot be asked for now are with the next answer.
        let knocks = self.knocks().await.unwrap_or_default();
        let fresh = std::mem::take(&mut *self.fresh.lock());
        let heard = fresh.into_iter().map(|(room, after)| Reply::Heard(room, after));
        heard.chain(replies).chain(knocks.into_iter().map(Reply::Text)).collect()
    }

    async fn authenticate(&self, data: &Map<String, Value>) -> Vec<Reply> {
        match self.whose(data).await {
            // What is heard for the one would go on for the other, and outlive the one's log-out.
            Ok(actor) if self.actor.read().as_ref().is_some_and(|known| known.party() != actor.party()) => {
                self.answer(Err(Error::forbidden("This connection is somebody else's already"))).await
            }
            Ok(actor) => {
                self.app.domain.bus.own(&self.session, owner(&actor, None));
                *self.actor.write() = Some(actor);
                let mut replies = vec![Reply::Text(envelope::frame("authenticated", json!({})))];
                replies.extend(self.answer(self.hear_all().await.map(|()| vec![])).await);
                replies
            }
            Err(error) => {
                let (code, reason) = match error.kind {
                    Kind::Unavailable | Kind::Internal => (1013, "try again later"),
                    _ => (4401, "authentication failed"),
                };
                vec![Reply::Text(envelope::error(&error)), Reply::Close(code, reason)]
            }
        }
    }

    async fn whose(&self, data: &Map<String, Value>) -> Result<Actor> {
        let token = text_of(data, "token")?.unwrap_or_default();
        self.app.domain.authenticate(token.strip_prefix("Bearer ").unwrap_or(&token)).await
    }

    /// On the socket of many: hears every room that the account is in, so that simple clients need not ask.
    pub async fn hear_all(&self) -> Result<()> {
        let actor = self.actor()?;
        let Actor::User(caller) = &actor else {
            let Actor::Guest(guest) = &actor else { return Ok(()) };
            return self.hear(&actor, RoomRef::Id(guest.room)).await.map(drop);
        };
        for room in self.app.domain.rooms(*caller, ROOMS / 2).await? {
            self.hear(&actor, RoomRef::Id(room)).await?;
        }
        Ok(())
    }

    /// The room that a frame is about; on the socket of many it is heard from then on.
    async fn room(&self, data: &Map<String, Value>) -> Result<RoomId> {
        if let Some(settled) = self.settled {
            if self.rooms.read().get(&settled).is_some_and(|heard| heard.waiting) {
                return Err(Error::forbidden("You are in the waiting room"));
            }
            if !self.still_hears(settled) {
                return self.hear(&self.actor()?, RoomRef::Id(settled)).await;
            }
            return Ok(settled);
        }
        let by = room_ref(data)?;
        let id = self.app.domain.find_room(by, RoomKind::Meeting).await?;
        if self.still_hears(id) {
            return Ok(id);
        }
        self.hear(&self.actor()?, RoomRef::Id(id)).await
    }

    /// Whether the room is heard: not by one who was removed, or left by another way.
    fn still_hears(&self, room: RoomId) -> bool {
        let heard = self.app.domain.bus.hears(&self.session, room);
        if !heard {
            self.rooms.write().remove(&room);
        }
        heard
    }

    fn who(&self, room: RoomId) -> Result<Who> {
        let rooms = self.rooms.read();
        rooms
            .get(&room)
            .map(|heard| heard.who.clone())
            .ok_or_else(|| Error::forbidden("You have not joined this meeting"))
    }

    /// The caller's participant in the room: the socket's own, or the one that a join made elsewhere.
    async fn me(&self, room: RoomId) -> Result<ParticipantId> {
        let who = self.who(room)?;
        if let Some(id) = who.participant {
            return Ok(id);
        }
        let present = self.app.domain.present(room).await?;
        let mine = present.iter().find(|p| p.party() == who.party).map(|p| p.id);
        mine.ok_or_else(|| Error::forbidden("You are not in this meeting"))
    }

    async fn post(&self, data: Map<String, Value>) -> Result<Vec<Reply>> {
        let actor = self.actor()?;
        let room = self.room(&data).await?;
        let content = required(&data, "content")?;
        let draft = Draft::new(&content)?
            .kind(message_kind(text_of(&data, "message_type")?.as_deref())?)
            .nonce(text_of(&data, "client_message_id")?.as_deref())?
            .to(private_to(data.get("is_private"), data.get("recipient_user_id"))?);
        let posted = self.app.domain.post(&actor, RoomRef::Id(room), RoomKind::Meeting, draft).await?;
        if posted.fresh {
            // The sender hears it like everybody else.
            return Ok(vec![]);
        }
        let again = self.word_message(&posted.message);
        Ok(again.into_iter().filter_map(|b| String::from_utf8(b.into()).ok()).map(Reply::Text).collect())
    }

    async fn command(&self, kind: &str, data: &mut Map<String, Value>) -> Result<Vec<Reply>> {
        let domain = &self.app.domain;
        match kind {
            "join_meeting" => self.join(data).await,
            "leave_meeting" => self.leave(data).await,
            "resume" => {
                let since = data.get("since_seq").and_then(Value::as_i64).filter(|seq| *seq >= 0);
                let since =
                    since.ok_or_else(|| Error::invalid("since_seq", "since_seq must be a number, 0 or more"))?;
                let room = self.room(data).await?;
                Ok(vec![Reply::CatchUp(room, since)])
            }
            "typing" => {
                let room = self.room(data).await?;
                let (from, is_typing) = (self.who(room)?, flag(data, "is_typing")?.unwrap_or(true));
                let others = Audience::Others(from.party);
                domain.bus.tell(vec![Tell::event(room, others, Event::Typing { from, is_typing })]);
                Ok(vec![])
            }
            "reaction" => {
                let room = self.room(data).await?;
                let emoji = required(data, "emoji")?;
                if emoji.is_empty() || emoji.len() > EMOJI_BYTES || emoji.contains('\0') {
                    return Err(Error::invalid("emoji", "emoji must be one emoji"));
                }
                let from = self.who(room)?;
                domain.bus.tell(vec![Tell::event(room, Audience::Room, Event::Reaction { from, emoji })]);
                Ok(vec![])
            }
            "raise_hand" => {
                let room = self.room(data).await?;
                let raised = Some(flag(data, "raised")?.unwrap_or(true));
                let change = SelfChange { hand_raised: raised, ..SelfChange::default() };
                domain.update_self(room, self.me(room).await?, change).await?;
                Ok(vec![])
            }
            "webrtc_offer" => self.relay(SignalKind::Offer, data).await,
            "webrtc_answer" => self.relay(SignalKind::Answer, data).await,
            "ice_candidate" => self.relay(SignalKind::Candidate, data).await,
            "lock_meeting" | "unlock_meeting" => {
                let room = self.room(data).await?;
                domain.lock_meeting(&self.actor()?, RoomRef::Id(room), kind == "lock_meeting").await?;
                Ok(vec![])
            }
            "mute_all" => {
                let room = self.room(data).await?;
                domain.mute_all(&self.actor()?, RoomRef::Id(room)).await?;
                Ok(vec![])
            }
            _ => match control(kind) {
                Some(control) => self.control(control, data).await,
                None => Err(Error::new(Kind::Malformed, format!("Unknown event type {:?}", shorten(kind)))),
            },
        }
    }

    async fn control(&self, control: Control, data: &Map<String, Value>) -> Result<Vec<Reply>> {
        let room = self.room(data).await?;
        let target = required(data, "participant_id")?;
        let target = ParticipantId::parse(&target).ok_or_else(|| Error::not_found("Participant"))?;
        self.app.domain.control(&self.actor()?, RoomRef::Id(room), target, control).await?;
        Ok(vec![])
    }

    /// On its own socket a participant says who they are; on the socket of many it is a subscription.
    async fn join(&self, data: &Map<String, Value>) -> Result<Vec<Reply>> {
        let room = self.room(data).await?;
        let change = SelfChange {
            display_name: text_of(data, "display_name")?,
            audio_enabled: flag(data, "audio_enabled")?,
            video_enabled: flag(data, "video_enabled")?,
            hand_raised: None,
        };
        if let Some(me) = self.who(room)?.participant {
            let me = self.app.domain.update_self(room, me, change).await?;
            if let Some(heard) = self.rooms.write().get_mut(&room) {
                heard.who.name = me.display_name;
            }
            return Ok(vec![]);
        }
        let head = self.app.domain.room(RoomRef::Id(room), RoomKind::Meeting).await?;
        let data = json!({"meeting_id": head.number, "meeting_uuid": room.to_string(), "seq": head.seq});
        Ok(vec![Reply::Text(envelope::frame("meeting_joined", data))])
    }

    async fn leave(&self, data: &Map<String, Value>) -> Result<Vec<Reply>> {
        if let Some(settled) = self.settled {
            let me = self.rooms.read().get(&settled).and_then(|heard| heard.who.participant);
            self.app.domain.leave(&self.actor()?, RoomRef::Id(settled), me).await?;
            return Ok(vec![]);
        }
        let room = self.app.domain.find_room(room_ref(data)?, RoomKind::Meeting).await?;
        let heard = self.rooms.write().remove(&room);
        self.app.domain.unlisten(&self.session, room, heard.and_then(|heard| heard.who.participant)).await;
        Ok(vec![Reply::Text(envelope::frame("meeting_left", json!({"meeting_uuid": room.to_string()})))])
    }

    /// WebRTC messages go to `data.to` alone; who they are from is not the sender's to say.
    async fn relay(&self, kind: SignalKind, data: &mut Map<String, Value>) -> Result<Vec<Reply>> {
        let room = self.room(data).await?;
        let to = required(data, "to")?;
        let from = self.who(room)?;
        let present = self.app.domain.present(room).await?;
        let nobody = || Error::invalid("to", "to must be a user or participant in this meeting");
        let by_participant = ParticipantId::parse(&to).filter(|id| present.iter().any(|p| p.id == *id));
        let by_user = UserId::parse(&to).filter(|id| present.iter().any(|p| p.user == Some(*id)));
        let audience = match (by_participant, by_user) {
            // One who is there by a socket of many has no socket of their own: then it goes to the person.
            (Some(id), _) if self.app.domain.bus.connections(room, id) > 0 => Audience::Participant(id),
            (Some(id), _) => {
                let party = present.iter().find(|p| p.id == id).map(Participant::party);
                Audience::Parties(party.into_iter().collect())
            }
            (None, Some(user)) => Audience::Parties(vec![Party::User(user)]),
            (None, None) => return Err(nobody()),
        };
        let mine = from.participant.or_else(|| present.iter().find(|p| p.party() == from.party).map(|p| p.id));
        let participant = mine.map(|id| format!("participant-{id}"));
        let sender = from.party.user().map(|id| id.to_string()).or_else(|| participant.clone());
        data.insert("from".into(), json!(sender));
        data.insert("from_participant_id".into(), json!(participant));
        let body = Value::Object(std::mem::take(data)).to_string();
        self.app.domain.bus.tell(vec![Tell::event(room, audience, Event::Signal { kind, from, body })]);
        Ok(vec![])
    }

    /// One at the door was let in, or a name or role changed: what the socket is in the room follows.
    fn follow(&self, event: &Event) {
        if let Event::Admitted { participant, .. } = event
            && let Some(heard) = self.rooms.write().get_mut(&participant.room)
        {
            heard.waiting = false;
        }
    }
}

impl Live for Desk {
    fn session(&self) -> &Session {
        &self.session
    }

    fn frame(self: &Arc<Self>, text: &str) -> Step {
        self.step(text).unwrap_or_else(|error| Step::Now(vec![Reply::Text(envelope::error(&error))]))
    }

    fn word(&self, told: &Told) -> Option<Bytes> {
        self.follow(&told.event);
        let number = || self.rooms.read().get(&told.room).map(|heard| heard.number);
        envelope::worded(self.slot, self.dialect, told, number)
    }

    fn word_message(&self, message: &Message) -> Option<Bytes> {
        envelope::chat(self.dialect, message)
    }

    fn missed(&self, room: RoomId, seq: i64) -> BoxFuture<'static, Result<Vec<Message>>> {
        let (app, actor) = (self.app.clone(), self.actor());
        Box::pin(async move { app.domain.messages_after(&actor?, room, RoomKind::Meeting, seq, limit::CATCH_UP).await })
    }

    fn gone(self: Arc<Self>, goodbye: bool) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let rooms: Vec<_> = self.rooms.read().iter().map(|(id, heard)| (*id, heard.who.participant)).collect();
            for (room, participant) in rooms {
                if self.settled.is_none() {
                    self.app.domain.unlisten(&self.session, room, participant).await;
                    continue;
                }
                self.app.domain.bus.unsubscribe(&self.session, room);
                let Some(participant) = participant else { continue };
                if let Err(error) = self.app.domain.disconnected(room, participant, goodbye).await {
                    tracing::warn!(?error, "a participant's seat could not be given back");
                }
            }
        })
    }
}

fn owner(actor: &Actor, participant: Option<&Participant>) -> Owner {
    let participant = participant.map(|p| p.id);
    match actor {
        Actor::User(caller) => Owner { user: Some(caller.user), login: Some(caller.login), participant },
        Actor::Guest(guest) => Owner { participant: Some(guest.participant), ..Owner::default() },
    }
}

fn control(kind: &str) -> Option<Control> {
    Some(match kind {
        "admit_participant" => Control::Admit,
        "deny_participant" => Control::Deny,
        "mute_participant" => Control::Mute,
        "ask_unmute" => Control::AskUnmute,
        "remove_participant" => Control::Remove,
        "readmit_participant" => Control::Readmit,
        "make_co_host" => Control::CoHost,
        "revoke_co_host" => Control::RevokeCoHost,
        "lower_hand" => Control::LowerHand,
        _ => return None,
    })
}

fn room_ref(data: &Map<String, Value>) -> Result<RoomRef> {
    let missing = || Error::invalid("meeting_id", "meeting_id is required");
    match data.get("meeting_id").ok_or_else(missing)? {
        Value::Number(number) => number.as_i64().map(RoomRef::Number).ok_or_else(Error::meeting_not_found),
        Value::String(text) => RoomRef::parse_or_number(text).ok_or_else(Error::meeting_not_found),
        _ => Err(Error::invalid("meeting_id", "meeting_id must be a number or a string")),
    }
}

/// `is_private` with `recipient_user_id`: whom the message is for. Neither makes sense without the other, but a
/// recipient alone is clear enough.
pub fn private_to(is_private: Option<&Value>, recipient: Option<&Value>) -> Result<Option<To>> {
    let private = match is_private {
        None | Some(Value::Null) => None,
        Some(Value::Bool(private)) => Some(*private),
        Some(_) => return Err(Error::invalid("is_private", "is_private must be true or false")),
    };
    let bad = || Error::invalid("recipient_user_id", "recipient_user_id must be the id of somebody in this meeting");
    let recipient = match recipient {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if id.starts_with("participant-") => {
            Some(To::Participant(ParticipantId::parse(id).ok_or_else(bad)?))
        }
        Some(Value::String(id)) => Some(To::User(UserId::parse(id).ok_or_else(bad)?)),
        Some(_) => return Err(bad()),
    };
    match (private, recipient) {
        (Some(true), None) => Err(Error::invalid("recipient_user_id", "A private message needs a recipient_user_id")),
        (Some(false), Some(_)) => {
            Err(Error::invalid("is_private", "A message with a recipient_user_id must be private"))
        }
        (_, recipient) => Ok(recipient),
    }
}

pub fn message_kind(kind: Option<&str>) -> Result<MessageKind> {
    match kind {
        None | Some("text") => Ok(MessageKind::Text),
        Some("emoji") => Ok(MessageKind::Emoji),
        Some("file") => Ok(MessageKind::File),
        Some(_) => Err(Error::invalid("message_type", "message_type must be text, emoji or file")),
    }
}

fn text_of(data: &Map<String, Value>, field: &'static str) -> Result<Option<String>> {
    match data.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(no_text(field)),
    }
}

fn required(data: &Map<String, Value>, field: &'static str) -> Result<String> {
    text_of(data, field)?.ok_or_else(|| no_text(field))
}

fn no_text(field: &'static str) -> Error {
    Error::invalid(field, format!("{field} must be a string"))
}

fn flag(data: &Map<String, Value>, field: &'static str) -> Result<Option<bool>> {
    match data.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(Error::invalid(field, format!("{field} must be true or false"))),
    }
}

fn shorten(kind: &str) -> String {
    kind.chars().take(64).collect()
}
