//! Finding rooms, entering them, and the chatrooms and conversations that are little more than a room.

use super::{
    Member, MemberStanding, Origin, Role, Room, RoomKind, RoomRef, Settings, Status, code,
    rules::{self, Admission},
    store::{Person, Visitor},
};
use crate::{
    Domain,
    agent::AGENT,
    bus::{Seat, Subscribed, Tell},
    clock::Timestamp,
    error::{Error, Kind, Result},
    event::{Audience, Event},
    id::{ParticipantId, RoomId, UserId},
    limit,
    meeting::Participant,
    message::{Message, store::Viewer},
    page::{Page, Window},
    room::store::MeetingFilter,
    session::Session,
    store::{Key, Tx},
    text,
    user::{Actor, Caller, Party, Standing, act::own_account, login::invalid_token},
};
use parking_lot::RwLock;
use std::collections::HashMap;

/// Codes and numbers of rooms that were found before. They never change, so what is known stays true.
#[derive(Default)]
pub struct Names {
    known: RwLock<HashMap<RoomRef, RoomId>>,
}

const NAMES: usize = 100_000;

/// Proof that the caller may use the room now; only [`enter`] makes one.
#[derive(Debug, Clone)]
pub struct Entry {
    pub room: Room,
    pub party: Party,
    pub name: String,
    pub number: i64,
    pub role: Role,
    pub participant: Option<ParticipantId>,
}

/// A room as lists show it to one who is in it.
#[derive(Debug, Clone)]
pub struct RoomView {
    pub room: Room,
    pub people: Vec<Person>,
    pub last_message: Option<Message>,
}

impl Domain {
    /// The room's id, from whatever the caller named it by.
    pub async fn find_room(&self, by: RoomRef, missing: RoomKind) -> Result<RoomId> {
        if let RoomRef::Id(id) = by {
            return Ok(id);
        }
        if let Some(id) = self.rooms.known.read().get(&by) {
            return Ok(*id);
        }
        let wanted = by.clone();
        let found = self.store.read(move |tx| tx.room(&wanted)).await?;
        let room = found.ok_or_else(|| rules::not_found(missing))?;
        let mut known = self.rooms.known.write();
        if known.len() >= NAMES {
            known.clear();
        }
        known.insert(by, room.id);
        Ok(room.id)
    }

    pub async fn room(&self, by: RoomRef, missing: RoomKind) -> Result<Room> {
        let found = self.store.read(move |tx| tx.room(&by)).await?;
        found.ok_or_else(|| rules::not_found(missing))
    }

    /// Lets the session hear the room, as whoever `actor` is there; the room with the number of the message after which it is
    /// told all.
    pub async fn listen(&self, session: &Session, actor: &Actor, by: RoomRef, missing: RoomKind) -> Result<Entry> {
        let id = self.find_room(by, missing).await?;
        let entry = self.entry(actor, id, missing).await?;
        self.listen_as(session, actor, entry, missing).await
    }

    /// As [`Domain::listen`], for one whose entry was made just now.
    pub async fn listen_as(
        &self,
        session: &Session,
        actor: &Actor,
        mut entry: Entry,
        missing: RoomKind,
    ) -> Result<Entry> {
        let id = entry.room.id;
        let seat = Seat {
            party: entry.party,
            participant: entry.participant,
            controls: entry.role.controls(),
            waiting: false,
        };
        entry.room.seq = self.hear(session, id, seat, entry.room.seq).await?;
        // Who was removed since the first look was not yet there to be silenced.
        let still = match entry.participant {
            None => self.entry(actor, id, missing).await.map(drop),
            Some(guest) => self.seat_guest(id, guest).await,
        };
        if still.is_err() {
            self.bus.unsubscribe(session, id);
        }
        still.map(|()| entry)
    }

    /// A guest who listens is there, and counts.
    async fn seat_guest(&self, room: RoomId, guest: ParticipantId) -> Result<()> {
        let seated = self.connected(room, guest).await?.filter(Participant::seated);
        seated.map(drop).ok_or_else(|| Error::forbidden("You are not in this meeting any more"))
    }

    /// The session hears the room no more. A guest whose last session it was keeps the seat for a little.
    pub async fn unlisten(&self, session: &Session, room: RoomId, participant: Option<ParticipantId>) {
        self.bus.unsubscribe(session, room);
        if let Some(guest) = participant {
            self.guest_gone(room, guest).await;
        }
    }

    pub async fn guest_gone(&self, room: RoomId, guest: ParticipantId) {
        if let Err(error) = self.disconnected(room, guest, false).await {
            tracing::warn!(?error, "a guest's seat could not be given back");
        }
    }

    /// Subscribes, and makes good for what was posted between the reading of `seq` and the subscription. After which number the
    /// session is told all.
    pub async fn hear(&self, session: &Session, id: RoomId, seat: Seat, seq: i64) -> Result<i64> {
        let Subscribed { after, first } = self.bus.subscribe(session, id, seat, seq);
        if first {
            self.tell_missed(id, after).await?;
        }
        Ok(after)
    }

    /// The caller's entry to the room; makes a member of one who joins by use.
    pub async fn entry(&self, actor: &Actor, id: RoomId, missing: RoomKind) -> Result<Entry> {
        let (asker, now) = (actor.clone(), self.now());
        let look = self.store.read(move |tx| enter(tx, &asker, id, missing, Join::Not, now)).await;
        match look {
            Err(error) if error.kind == Kind::Forbidden && error.field == Some(JOINS_BY_USE) => {
                let asker = actor.clone();
                self.store.write(Key::Room(id), move |tx| enter(tx, &asker, id, missing, Join::ByUse, now)).await
            }
            other => other,
        }
    }

    // Chatrooms.

    pub async fn create_chatroom(&self, caller: Caller, name: &str) -> Result<RoomView> {
        let name = text::name("name", name)?;
        let room = blank(RoomKind::Chatroom, Origin::Chatrooms, name, Some(caller.user), self.now());
        self.found_room(caller, room, vec![]).await
    }

    /// The caller's chatrooms, or all there are.
    pub async fn chatrooms(&self, caller: Caller, all: bool) -> Result<Vec<RoomView>> {
        self.store
            .read(move |tx| {
                own_account(tx, caller)?;
                let rooms = if all { tx.chatrooms()? } else { tx.rooms_of(caller.user, RoomKind::Chatroom)? };
                rooms.into_iter().map(|room| view(tx, room, None)).collect()
            })
            .await
    }

    /// A room with its members, for a member.
    pub async fn room_with_people(&self, actor: &Actor, by: RoomRef, missing: RoomKind) -> Result<RoomView> {
        let id = self.find_room(by, missing).await?;
        let entry = self.entry(actor, id, missing).await?;
        self.store.read(move |tx| view(tx, entry.room, None)).await
    }

    pub async fn join_chatroom(&self, caller: Caller, by: RoomRef) -> Result<RoomView> {
        let id = self.find_room(by, RoomKind::Chatroom).await?;
        let now = self.now();
        self.store
            .write(Key::Room(id), move |tx| {
                let user = own_account(tx, caller)?;
                let room = tx.room(&RoomRef::Id(id))?.ok_or_else(|| rules::not_found(RoomKind::Chatroom))?;
                match room.kind {
                    RoomKind::Chatroom => {}
                    RoomKind::Conversation => return Err(rules::not_found(RoomKind::Chatroom)),
                    RoomKind::Meeting => return Err(Error::forbidden("A meeting is joined by its own API")),
                }
                let member = tx.member(id, user.id)?;
                if member.as_ref().is_some_and(|m| m.standing == MemberStanding::Removed) {
                    return Err(Error::forbidden("You were removed from this chatroom"));
                }
                if member.is_none() {
                    tx.put_member(&member_of(id, user.id, Role::Participant, now))?;
                    let joined = Event::MemberJoined { user: user.id, name: user.display_name };
                    tx.tell(Tell::event(id, Audience::Room, joined));
                }
                view(tx, room, None)
            })
            .await
    }

    pub async fn leave_chatroom(&self, caller: Caller, by: RoomRef) -> Result<RoomId> {
        let id = self.find_room(by, RoomKind::Chatroom).await?;
        let actor = Actor::User(caller);
        let now = self.now();
        self.store
            .write(Key::Room(id), move |tx| {
                let entry = enter(tx, &actor, id, RoomKind::Chatroom, Join::Not, now)?;
                if entry.room.kind != RoomKind::Chatroom {
                    return Err(Error::forbidden("This room is not left this way"));
                }
                tx.drop_member(id, caller.user)?;
                let left = Event::MemberLeft { user: caller.user, name: entry.name };
                tx.tell(Tell::event(id, Audience::Room, left));
                tx.tell(Tell::Unseat(id, Party::User(caller.user)));
                Ok(id)
            })
            .await
    }

    // Conversations.

    /// A conversation with the agent, or with people; the same two people share one. `true`: it is new.
    pub async fn open_conversation(
        &self,
        caller: Caller,
        is_ai: bool,
        with: Vec<UserId>,
        title: Option<String>,
    ) -> Result<(RoomView, bool)> {
        let mut others: Vec<UserId> = with.into_iter().filter(|id| *id != caller.user).collect();
        others.sort_unstable();
        others.dedup();
        if is_ai {
            others = vec![AGENT];
        }
        if others.is_empty() {
            return Err(Error::invalid("participant_ids", "participant_ids must name at least one other person"));
        }
        if !is_ai && others.contains(&AGENT) {
            return Err(Error::invalid(
                "participant_ids",
                "participant_ids names the AI agent: it answers where is_ai is true",
            ));
        }
        if others.len() >= limit::CONVERSATION_PEOPLE {
            return Err(Error::invalid("participant_ids", "participant_ids must name at most 99 people"));
        }
        let title = title.map(|t| text::name("title", &t)).transpose()?.unwrap_or_default();
        let mut room = blank(RoomKind::Conversation, Origin::Conversations, title, Some(caller.user), self.now());
        room.is_ai = is_ai;
        if let ([other], false) = (&others[..], is_ai) {
            let (a, b) = (caller.user.min(*other), caller.user.max(*other));
            room.pair = Some(format!("{a}:{b}"));
        }
        if let Some(found) = self.shared_conversation(caller, room.pair.clone()).await? {
            return Ok((found, false));
        }
        match self.found_room(caller, room.clone(), others).await {
            Ok(view) => Ok((view, true)),
            // The other one asked at the same moment.
            Err(error) if error.kind == Kind::Conflict => {
                let found = self.shared_conversation(caller, room.pair).await?;
                found.map(|view| (view, false)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn shared_conversation(&self, caller: Caller, pair: Option<String>) -> Result<Option<RoomView>> {
        let Some(pair) = pair else { return Ok(None) };
        self.store
            .read(move |tx| {
                let found = tx.room_by_pair(&pair)?;
                found.map(|room| view(tx, room, Some(Party::User(caller.user)))).transpose()
            })
            .await
    }

    /// The caller's conversations, newest activity first.
    pub async fn conversations(&self, caller: Caller) -> Result<Vec<RoomView>> {
        self.store
            .read(move |tx| {
                let rooms = tx.rooms_of(caller.user, RoomKind::Conversation)?;
                rooms.into_iter().map(|room| view(tx, room, Some(Party::User(caller.user)))).collect()
            })
            .await
    }

    /// The rooms of every kind that the caller is in and that still live, at most `most`, the last active first.
    pub async fn rooms(&self, caller: Caller, most: usize) -> Result<Vec<RoomId>> {
        self.store
            .read(move |tx| {
                let mut rooms = Vec::new();
                for kind in [RoomKind::Meeting, RoomKind::Conversation, RoomKind::Chatroom] {
                    rooms.extend(tx.rooms_of(caller.user, kind)?);
                }
                rooms.retain(|room| rules::open(room).is_ok());
                rooms.sort_by_key(|room| std::cmp::Reverse(room.last_activity));
                Ok(rooms.into_iter().map(|room| room.id).take(most).collect())
            })
            .await
    }

    /// The caller's meetings, newest first.
    pub async fn meetings(&self, caller: Caller, filter: MeetingFilter, window: Window) -> Result<Page<(Room, i64)>> {
        self.store
            .read(move |tx| {
                let page = tx.meetings_of(caller.user, &filter, window)?;
                let rows = page.rows.into_iter().map(|room| Ok((tx.live_count(room.id)?, room)));
                let rows = rows.map(|row: Result<_>| row.map(|(n, room)| (room, n))).collect::<Result<_>>()?;
                Ok(Page { rows, total: page.total, window })
            })
            .await
    }

    /// Stores a new room with its owner and others in it, trying codes until one is free.
    pub(crate) async fn found_room(&self, caller: Caller, room: Room, others: Vec<UserId>) -> Result<RoomView> {
        for _ in 0..8 {
            let mut room = room.clone();
            room.code = match room.origin {
                Origin::Platform | Origin::Convo => code::digits(),
                _ => code::letters(),
            };
            let others = others.clone();
            let attempt = self.store.write(Key::Any, move |tx| {
                let owner = own_account(tx, caller)?;
                check_people(tx, &others)?;
                tx.add_room(&mut room)?;
                tx.put_member(&member_of(room.id, owner.id, Role::Host, room.created_at))?;
                for other in others {
                    tx.put_member(&member_of(room.id, other, Role::Participant, room.created_at))?;
                }
                view(tx, room, None)
            });
            match attempt.await {
                Err(error) if error.kind == Kind::Conflict && error.field == Some("code") => {}
                other => return other,
            }
        }
        Err(Error::unavailable("no free room code"))
    }
}

fn check_people(tx: &mut dyn Tx, people: &[UserId]) -> Result<()> {
    for id in people {
        let known = tx.user(*id)?.is_some_and(|u| matches!(u.standing, Standing::Active | Standing::Agent));
        if !known {
            return Err(Error::invalid("participant_ids", format!("participant_ids names nobody: {id}")));
        }
    }
    Ok(())
}

fn view(tx: &mut dyn Tx, room: Room, last_for: Option<Party>) -> Result<RoomView> {
    let people = tx.people(room.id)?;
    let last_message = match last_for {
        Some(party) => tx.latest(room.id, Viewer::Party(party), None, 1)?.pop(),
        None => None,
    };
    Ok(RoomView { room, people, last_message })
}

pub(crate) fn member_of(room: RoomId, user: UserId, role: Role, since: Timestamp) -> Member {
    Member { room, user, role, standing: MemberStanding::In, since }
}

/// A room with nothing particular about it.
pub(crate) fn blank(kind: RoomKind, origin: Origin, title: String, host: Option<UserId>, now: Timestamp) -> Room {
    Room {
        id: RoomId::new(),
        number: 0,
        kind,
        origin,
        code: String::new(),
        title,
        description: None,
        host,
        scheduled_start: None,
        scheduled_end: None,
        timezone: "UTC".into(),
        status: Status::Scheduled,
        actual_start: None,
        actual_end: None,
        passcode: None,
        locked: false,
        settings: Settings::open(),
        is_ai: false,
        pair: None,
        seq: 0,
        private_messages: 0,
        created_at: now,
        updated_at: now,
        last_activity: now,
    }
}

/// Whether entering may make a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    Not,
    ByUse,
}

/// Marks the refusal that a second try with [`Join::ByUse`] lifts.
const JOINS_BY_USE: &str = "joins_by_use";

/// The one door to a room's messages and events: every read, post and subscription passes here.
pub(crate) fn enter(
    tx: &mut dyn Tx,
    actor: &Actor,
    id: RoomId,
    missing: RoomKind,
    join: Join,
    now: Timestamp,
) -> Result<Entry> {
    let room = tx.room(&RoomRef::Id(id))?.ok_or_else(|| rules::not_found(missing))?;
    match actor {
        Actor::Guest(guest) => {
            let participant = tx.participant(guest.participant)?.filter(|p| p.room == id && p.seated());
            let participant =
                participant.ok_or_else(|| Error::forbidden("A guest's token is good for its meeting alone"))?;
            Ok(Entry {
                room,
                party: participant.party(),
                name: participant.display_name,
                number: 0,
                role: participant.role,
                participant: Some(participant.id),
            })
        }
        Actor::User(caller) => {
            let visitor = tx.visitor(id, caller.user)?.filter(|visitor| visitor.standing == Standing::Active);
            let Visitor { name, number, member, .. } = visitor.ok_or_else(invalid_token)?;
            let role = match rules::admit(&room, member.as_ref(), missing)? {
                Admission::In => member.map_or(Role::Participant, |m| m.role),
                Admission::JoinsByUse if join == Join::ByUse => {
                    tx.put_member(&member_of(id, caller.user, Role::Participant, now))?;
                    Role::Participant
                }
                Admission::JoinsByUse => {
                    return Err(Error {
                        field: Some(JOINS_BY_USE),
                        ..Error::forbidden("You have not joined this meeting")
                    });
                }
            };
            Ok(Entry { room, party: Party::User(caller.user), name, number, role, participant: None })
        }
    }
}
