//! Making, changing, joining, leaving and ending meetings.

use super::{
    Participant, Presence,
    control::admit_all,
    rules::{self, Door, Guesser},
    seat,
};
use crate::{
    Asker, Domain,
    bus::{Tell, Whose},
    clock::Timestamp,
    error::{Error, Kind, Result},
    event::{Audience, EndReason, Event},
    id::{LoginId, ParticipantId, RoomId, UserId},
    limit,
    ports::Claims,
    room::{
        MemberStanding, Origin, Role, Room, RoomKind, RoomRef, Settings, Status,
        act::{Join, blank, enter},
        code,
        rules::{not_found, open},
    },
    session::Close,
    store::{Key, Tx},
    text,
    user::{
        Actor, Caller,
        act::{locked_account, own_account, timezone},
        guess::Guesses,
    },
};
use std::net::IpAddr;

/// A meeting to be made.
#[derive(Debug, Clone)]
pub struct MeetingWish {
    pub origin: Origin,
    pub title: String,
    pub description: Option<String>,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub timezone: Option<String>,
    pub settings: Settings,
    pub passcode: Option<String>,
}

/// What of a meeting to change; `None` leaves it, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct MeetingChange {
    pub title: Option<String>,
    pub description: Option<Option<String>>,
    pub start: Option<Option<Timestamp>>,
    pub end: Option<Option<Timestamp>>,
    pub timezone: Option<String>,
    pub settings: SettingsChange,
    pub passcode: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct SettingsChange {
    pub waiting_room_enabled: Option<bool>,
    pub require_password: Option<bool>,
    pub allow_join_before_host: Option<bool>,
    pub recording_enabled: Option<bool>,
    pub auto_recording: Option<bool>,
    pub chat_enabled: Option<bool>,
    pub screen_sharing_enabled: Option<bool>,
    pub max_participants: Option<i64>,
}

impl SettingsChange {
    pub fn on(self, s: Settings) -> Settings {
        Settings {
            waiting_room_enabled: self.waiting_room_enabled.unwrap_or(s.waiting_room_enabled),
            require_password: self.require_password.unwrap_or(s.require_password),
            allow_join_before_host: self.allow_join_before_host.unwrap_or(s.allow_join_before_host),
            recording_enabled: self.recording_enabled.unwrap_or(s.recording_enabled),
            auto_recording: self.auto_recording.unwrap_or(s.auto_recording),
            chat_enabled: self.chat_enabled.unwrap_or(s.chat_enabled),
            screen_sharing_enabled: self.screen_sharing_enabled.unwrap_or(s.screen_sharing_enabled),
            max_participants: self.max_participants.unwrap_or(s.max_participants),
        }
    }
}

/// Somebody who wants in.
#[derive(Debug, Clone)]
pub struct JoinWish {
    /// `None`: the account's own name.
    pub display_name: Option<String>,
    pub video_enabled: bool,
    pub audio_enabled: bool,
    pub passcode: Option<String>,
}

/// Who is in, or at the door, with the token for it. No `Debug`: tokens do not belong in logs.
pub struct Joined {
    pub room: Room,
    pub participant: Participant,
    pub token: String,
}

/// A meeting with how many are there, and, for its members, who.
#[derive(Debug, Clone)]
pub struct MeetingView {
    pub room: Room,
    pub live: i64,
    /// `None`: the caller is not a member.
    pub participants: Option<Vec<Participant>>,
    /// Accounts that were removed and not let back in, each as they last were there. For hosts; else empty.
    pub removed: Vec<Participant>,
    /// The caller's role, if a member.
    pub role: Option<Role>,
}

/// Who comes through the socket's door.
#[derive(Debug, Clone)]
pub struct Attendance {
    pub actor: Actor,
    pub room: Room,
    /// `None`: a member who listens to a room that is no meeting.
    pub participant: Option<Participant>,
    /// By the waiting room's token: who was let in by now is yet to get the meeting's.
    pub door: bool,
}

impl Domain {
    pub async fn create_meeting(&self, caller: Caller, wish: MeetingWish) -> Result<Room> {
        let room = new_meeting(&wish, Some(caller.user), self.now())?;
        Ok(self.found_room(caller, room, vec![]).await?.room)
    }

    /// A meeting by link. Made without an account it belongs to nobody.
    pub async fn create_guest_meeting(&self, caller: Option<Caller>) -> Result<Room> {
        self.guests_allowed(caller.is_some())?;
        let mut room = blank(RoomKind::Meeting, Origin::Guest, "Meeting".into(), caller.map(|c| c.user), self.now());
        if let Some(caller) = caller {
            return Ok(self.found_room(caller, room, vec![]).await?.room);
        }
        for _ in 0..8 {
            room.code = code::letters();
            let mut attempt = room.clone();
            let stored = self.store.write(Key::Any, move |tx| {
                tx.add_room(&mut attempt)?;
                Ok(attempt)
            });
            match stored.await {
                Err(error) if error.kind == Kind::Conflict => {}
                other => return other,
            }
        }
        Err(Error::unavailable("no free room code"))
    }

    fn guests_allowed(&self, account: bool) -> Result<()> {
        if account || self.policy.guests {
            return Ok(());
        }
        Err(Error::forbidden("This server does not admit guests"))
    }

    /// Details, for any account with the code; who is in it, for its members.
    pub async fn meeting(&self, caller: Caller, by: RoomRef) -> Result<MeetingView> {
        self.store
            .read(move |tx| {
                own_account(tx, caller)?;
                let room = tx.room(&by)?.ok_or_else(Error::meeting_not_found)?;
                let member = tx.member(room.id, caller.user)?;
                let member = member.filter(|m| m.standing == MemberStanding::In);
                if member.is_none() && room.kind == RoomKind::Conversation {
                    return Err(Error::meeting_not_found());
                }
                let live = tx.live_count(room.id)?;
                let participants = match member {
                    Some(_) => Some(tx.present(room.id)?.into_iter().filter(|p| p.counted || !p.seated()).collect()),
                    None => None,
                };
                let role = member.map(|m| m.role);
                let removed = if role.is_some_and(Role::controls) { tx.removed(room.id)? } else { vec![] };
                let out = |p| Participant { presence: Presence::Removed, ..p };
                let removed = removed.into_iter().map(out).collect();
                Ok(MeetingView { room, live, participants, removed, role })
            })
            .await
    }

    /// A meeting as `livekit-meetings.md` shows it to whoever knows the code.
    pub async fn meeting_by_code(&self, by: RoomRef) -> Result<(Room, i64)> {
        self.store
            .read(move |tx| {
                let room = tx.room(&by)?.filter(shown_by_code).ok_or_else(Error::meeting_not_found)?;
                let live = tx.live_count(room.id)?;
                Ok((room, live))
            })
            .await
    }

    /// Who is connected, for whoever knows a guest meeting's code; of other meetings, for members.
    pub async fn participants(&self, actor: Option<&Actor>, by: RoomRef) -> Result<(Room, Vec<Participant>)> {
        let (asker, now) = (actor.cloned(), self.now());
        self.store
            .read(move |tx| {
                let room = tx.room(&by)?.filter(shown_by_code).ok_or_else(Error::meeting_not_found)?;
                if room.origin != Origin::Guest {
                    let asker = asker.ok_or_else(|| Error::unauthenticated("Authentication required"))?;
                    enter(tx, &asker, room.id, RoomKind::Meeting, Join::Not, now)?;
                }
                let present = tx.present(room.id)?.into_iter().filter(|p| p.seated() && p.counted).collect();
                Ok((room, present))
            })
            .await
    }

    /// Changes a meeting. Where the waiting room is no more, who waits in it comes in, if they would now.
    pub async fn update_meeting(&self, caller: Caller, by: RoomRef, change: MeetingChange) -> Result<Room> {
        let id = self.find_room(by, RoomKind::Meeting).await?;
        let (now, tokens) = (self.now(), self.tokens.clone());
        let updated = self.store.write(Key::Room(id), move |tx| {
            let mut room = hosted(tx, caller, id)?;
            open(&room)?;
            let waited = room.settings.waiting_room_enabled;
            amend(&mut room, change)?;
            room.updated_at = now;
            tx.save_room(&room)?;
            tx.tell(Tell::event(id, Audience::Room, Event::MeetingUpdated(room.clone())));
            let opened = waited && !room.settings.waiting_room_enabled && rules::before_host_is_over(&room);
            let came = opened && admit_all(tx, &mut room, &*tokens, now)?;
            Ok((room, came))
        });
        let (room, came) = updated.await?;
        if came {
            // They have their tokens; the host need not wait.
            drop(self.media.expect(&room));
        }
        Ok(room)
    }

    /// Comes in, or to the door. Each join is a participant of its own.
    pub async fn join(&self, actor: Option<&Actor>, address: IpAddr, by: RoomRef, wish: JoinWish) -> Result<Joined> {
        let caller = match actor {
            Some(actor) => Some(actor.account()?),
            None => None,
        };
        self.guests_allowed(caller.is_some())?;
        let id = self.find_room(by, RoomKind::Meeting).await?;
        let (now, passcodes, asker) = (self.now(), self.passcodes.clone(), Asker::of(actor, address));
        let name = wish.display_name.as_deref().map(|n| text::name("display_name", n)).transpose()?;
        let joined = self.store.write(Key::Room(id), move |tx| {
            let mut room = tx.lock_room(id)?.ok_or_else(Error::meeting_not_found)?;
            come_in(tx, &mut room, caller, name, &wish, |door| guarded(&passcodes, id, asker, now, door), now)
                .map(|participant| (room, participant))
        });
        let (room, participant) = joined.await?;
        if participant.seated() {
            self.media.expect(&room).await;
        }
        let token = self.tokens.meeting(&room, &participant, now);
        Ok(Joined { room, participant, token })
    }

    /// The socket's door: by a meeting token, or by the plain access token of a member.
    pub async fn attend(&self, token: &str, address: IpAddr, by: RoomRef) -> Result<Attendance> {
        let dead = || Error::unauthenticated("Invalid or expired token");
        match self.tokens.read(token, self.now()).ok_or_else(dead)? {
            Claims::Meeting { participant, door, .. } => {
                let attendance = self.attend_as(participant, by).await?;
                Ok(Attendance { door, ..attendance })
            }
            Claims::Access { caller } => {
                let caller = self.check_login(caller.into()).await?;
                self.attend_with_account(caller, address, by).await
            }
            Claims::Refresh { .. } => Err(dead()),
        }
    }

    /// Whether the door would be opened to the token now, as far as can be told without coming in.
    pub async fn would_attend(&self, token: &str, by: RoomRef) -> Result<()> {
        let dead = || Error::unauthenticated("Invalid or expired token");
        match self.tokens.read(token, self.now()).ok_or_else(dead)? {
            Claims::Meeting { participant, .. } => self.may_attend(participant, by).await.map(drop),
            Claims::Access { caller } => {
                self.check_login(caller.into()).await?;
                let room = self.store.read(move |tx| tx.room(&by)).await?;
                open(&room.ok_or_else(Error::meeting_not_found)?)
            }
            Claims::Refresh { .. } => Err(dead()),
        }
    }

    /// Comes in as the participant of a meeting token, which the caller has checked.
    pub async fn attend_as(&self, id: ParticipantId, by: RoomRef) -> Result<Attendance> {
        let (room, participant) = self.may_attend(id, by).await?;
        let dead = || Error::unauthenticated("Invalid or expired token");
        let participant = match participant.presence {
            Presence::Left => self.reseat(room.id, id).await?.ok_or_else(dead)?,
            _ => participant,
        };
        Ok(Attendance { actor: actor_of(&participant), room, participant: Some(participant), door: false })
    }

    /// Whether the participant of a meeting token may come in now; changes nothing.
    pub async fn may_attend(&self, id: ParticipantId, by: RoomRef) -> Result<(Room, Participant)> {
        let dead = || Error::unauthenticated("Invalid or expired token");
        let found = self.store.read(move |tx| {
            let room = tx.room(&by)?.ok_or_else(Error::meeting_not_found)?;
            let taken = tx.live_count(room.id)?;
            let participant = tx.participant(id)?.filter(|p| p.room == room.id);
            let back = match participant.as_ref().filter(|p| p.presence == Presence::Left) {
                Some(left) => Some(seat::way_back(tx, &room, left)?),
                None => None,
            };
            Ok((room, participant, back, taken))
        });
        let (room, participant, back, taken) = found.await?;
        let participant = participant.ok_or_else(dead)?;
        open(&room)?;
        let back = matches!(back, Some(Door::Seat(_)));
        if !participant.assists && (back || (participant.seated() && !participant.counted)) {
            // Said early, while there is still a status to say it with; the seat is given by `connected`.
            rules::free_seat(&room, taken)?;
        }
        match participant.presence {
            Presence::Waiting | Presence::Joined | Presence::Left => Ok((room, participant)),
            Presence::Removed => Err(Error::forbidden("You were removed from this meeting")),
            Presence::Denied => Err(Error::forbidden("You were not admitted to this meeting")),
            Presence::Gone => Err(dead()),
        }
    }

    async fn attend_with_account(&self, caller: Caller, address: IpAddr, by: RoomRef) -> Result<Attendance> {
        let actor = Actor::User(caller);
        let (room, mine) = self
            .store
            .read(move |tx| {
                let room = tx.room(&by)?.ok_or_else(Error::meeting_not_found)?;
                let mine = tx.present_of(caller.user)?.into_iter().filter(|p| p.room == room.id);
                // Of this device, if it can be told; a join that still waits for its socket, rather than one connected.
                let rank = |p: &Participant| (p.login == Some(caller.login), p.seat_until.is_some(), p.joined_at);
                let mine = mine.max_by_key(rank);
                Ok((room, mine))
            })
            .await?;
        if room.kind != RoomKind::Meeting {
            let entry = self.entry(&actor, room.id, RoomKind::Meeting).await?;
            return Ok(Attendance { actor, room: entry.room, participant: None, door: false });
        }
        if let Some(participant) = mine {
            return Ok(Attendance { actor, room, participant: Some(participant), door: false });
        }
        self.entry(&actor, room.id, RoomKind::Meeting).await?;
        let wish = JoinWish { display_name: None, video_enabled: true, audio_enabled: true, passcode: None };
        let joined = self.join(Some(&actor), address, RoomRef::Id(room.id), wish).await?;
        Ok(Attendance { actor, room: joined.room, participant: Some(joined.participant), door: false })
    }

    /// Seats whom the operator's own token names, by identity: a guest, or whoever has that identity already. The operator
    /// answers for them at the passcode, the lock and the waiting room; who was removed stays out. A guest has the name that the
    /// operator says last, if any; a user has their own.
    pub async fn vouch(&self, id: RoomId, identity: &str, name: &str, assists: bool) -> Result<Attendance> {
        let (identity, now) = (text::bounded("identity", identity, limit::IDENTITY_CHARS)?, self.now());
        let says_a_name = !rules::shown(name, "").is_empty();
        let name = text::name("display_name", &rules::shown(name, &identity))?;
        self.store
            .write(Key::Room(id), move |tx| {
                let mut room = tx.lock_room(id)?.ok_or_else(Error::meeting_not_found)?;
                let known = match vouched(tx, &room, &identity, assists)? {
                    Some(known) => tx.lock_participant(known.id)?,
                    None => None,
                };
                let (mut participant, new) = match known {
                    Some(participant) => (participant, false),
                    None => (guest(&room, identity, name.clone(), now), true),
                };
                let renamed = says_a_name && participant.user.is_none() && participant.display_name != name;
                if renamed {
                    participant.display_name = name;
                }
                if participant.seated() && participant.counted && renamed {
                    tx.tell(Tell::event(room.id, Audience::Room, Event::Updated(participant.clone())));
                }
                participant.assists = assists && participant.user.is_none();
                if !participant.seated() {
                    let waited = participant.presence == Presence::Waiting;
                    participant.counted = false;
                    seat::take(tx, &mut room, &mut participant, now)?;
                    if waited {
                        tx.tell(Tell::Reseat(room.id, participant.id, seat::seat_of(&participant)));
                    }
                    if participant.counted {
                        tx.tell(Tell::event(room.id, Audience::Room, Event::Joined(participant.clone())));
                    }
                }
                match new {
                    true => tx.add_participant(&participant)?,
                    false => tx.save_participant(&participant)?,
                }
                Ok(Attendance { actor: actor_of(&participant), room, participant: Some(participant), door: false })
            })
            .await
    }

    /// Whether [`Domain::vouch`] would let them in; changes nothing.
    pub async fn may_vouch(&self, id: RoomId, identity: &str, assists: bool) -> Result<()> {
        let identity = text::bounded("identity", identity, limit::IDENTITY_CHARS)?;
        self.store
            .read(move |tx| {
                let room = tx.room(&RoomRef::Id(id))?.ok_or_else(Error::meeting_not_found)?;
                vouched(tx, &room, &identity, assists).map(drop)
            })
            .await
    }

    /// Who has the LiveKit identity in the room.
    pub async fn participant_named(&self, id: RoomId, identity: &str) -> Result<Option<Participant>> {
        let identity = text::bounded("identity", identity, limit::IDENTITY_CHARS)?;
        self.store.read(move |tx| tx.participant_by_identity(id, &identity)).await
    }

    /// Leaves with all the caller's devices, or the one named; the seconds spent there by the one there longest.
    pub async fn leave(&self, actor: &Actor, by: RoomRef, which: Option<ParticipantId>) -> Result<i64> {
        let id = self.find_room(by, RoomKind::Meeting).await?;
        let (actor, now) = (actor.clone(), self.now());
        self.store
            .write(Key::Room(id), move |tx| {
                let room = tx.room(&RoomRef::Id(id))?.ok_or_else(Error::meeting_not_found)?;
                seat::hold(tx, actor.party())?;
                let mine = |p: &Participant| p.party() == actor.party() && which.is_none_or(|id| id == p.id);
                let mine: Vec<_> = tx.present(room.id)?.into_iter().filter(mine).collect();
                if mine.is_empty() {
                    // Leaving twice is leaving; but only who was let in may ask, and of their own.
                    enter(tx, &actor, id, RoomKind::Meeting, Join::Not, now)?;
                    own_participant(tx, &actor, id, which)?;
                }
                let longest = mine.iter().map(|p| now.seconds_since(p.joined_at)).max();
                for participant in mine {
                    seat::vacate(tx, participant, Presence::Gone, now)?;
                }
                let before = match open(&room) {
                    Ok(()) => seat::forget_left(tx, &room, actor.party(), which)?,
                    // Who leaves on hearing of the end was put out by it.
                    Err(_) => seat::spent(tx, &room, actor.party(), which)?,
                };
                Ok(longest.or(before).unwrap_or(0))
            })
            .await
    }

    /// Ends the meeting for everybody.
    pub async fn end_meeting(&self, caller: Caller, by: RoomRef) -> Result<(Room, i64)> {
        let id = self.find_room(by, RoomKind::Meeting).await?;
        let now = self.now();
        self.store
            .write(Key::Room(id), move |tx| {
                let room = hosted(tx, caller, id)?;
                open(&room)?;
                end(tx, room, Status::Ended, EndReason::Ended, now)
            })
            .await
    }

    /// The operator's word: the meeting is over. `false`: it was before.
    pub async fn close_meeting(&self, id: RoomId) -> Result<bool> {
        let now = self.now();
        self.store
            .write(Key::Room(id), move |tx| {
                let room = tx.lock_room(id)?.ok_or_else(Error::meeting_not_found)?;
                if open(&room).is_err() {
                    return Ok(false);
                }
                end(tx, room, Status::Ended, EndReason::Deleted, now).map(|_| true)
            })
            .await
    }

    /// Deletes a meeting: a scheduled one is cancelled, a running one ends. One made without an account belongs to
    /// whoever knows its code.
    pub async fn delete_meeting(&self, actor: Option<&Actor>, by: RoomRef) -> Result<Room> {
        let id = self.find_room(by, RoomKind::Meeting).await?;
        let caller = match actor {
            Some(Actor::User(caller)) => Some(*caller),
            _ => None,
        };
        self.guests_allowed(caller.is_some())?;
        let (now, anonymous) = (self.now(), actor.is_none());
        self.store
            .write(Key::Room(id), move |tx| {
                let room = tx.lock_room(id)?.filter(shown_by_code).ok_or_else(Error::meeting_not_found)?;
                match room.host {
                    None => {}
                    Some(host) if caller.is_some_and(|c| c.user == host) => {}
                    Some(_) if anonymous => {
                        return Err(Error::unauthenticated("Authentication required"));
                    }
                    Some(_) => return Err(Error::forbidden("Only the host may delete this meeting")),
                }
                open(&room)?;
                delete(tx, room, now)
            })
            .await
    }

    /// Deletes meetings whose host is no more, as their host would: nobody else could.
    pub(crate) async fn delete_orphaned(&self, rooms: Vec<RoomId>) {
        let now = self.now();
        for id in rooms {
            let gone = self.store.write(Key::Room(id), move |tx| {
                let room = tx.lock_room(id)?.filter(|room| open(room).is_ok());
                room.map_or(Ok(()), |room| delete(tx, room, now).map(drop))
            });
            if let Err(error) = gone.await {
                tracing::error!(?error, "a meeting whose host is gone could not be ended");
            }
        }
    }

    /// Ends meetings whose time is over and in which nothing has happened for an hour.
    pub async fn end_abandoned(&self) -> Result<()> {
        let now = self.now();
        let quiet = std::time::Duration::from_secs(3600);
        let abandoned = self.store.read(move |tx| tx.abandoned(now - quiet)).await?;
        for id in abandoned {
            let close = self.store.write(Key::Room(id), move |tx| {
                let Some(room) = tx.lock_room(id)?.filter(|r| r.status == Status::Active) else { return Ok(()) };
                if tx.present(id)?.is_empty() {
                    end(tx, room, Status::Ended, EndReason::Ended, now)?;
                }
                Ok(())
            });
            close.await?;
        }
        Ok(())
    }
}

/// A guest meeting that was deleted is gone for those who only know its link.
fn shown_by_code(room: &Room) -> bool {
    room.kind == RoomKind::Meeting
        && !(room.origin == Origin::Guest && matches!(room.status, Status::Ended | Status::Cancelled))
}

fn new_meeting(wish: &MeetingWish, host: Option<UserId>, now: Timestamp) -> Result<Room> {
    rules::schedule(wish.start, wish.end)?;
    let title = text::name("title", &wish.title)?;
    let description = wish.description.as_deref();
    let description = description.map(|d| text::bounded("description", d, limit::DESCRIPTION_CHARS)).transpose()?;
    let passcode = rules::passcode(wish.passcode.as_deref(), wish.settings.require_password)?;
    Ok(Room {
        description,
        scheduled_start: wish.start,
        scheduled_end: wish.end,
        timezone: wish.timezone.as_deref().map(timezone).transpose()?.unwrap_or_else(|| "UTC".into()),
        settings: rules::settings(rules::truthful(wish.settings, passcode.as_deref()))?,
        passcode,
        ..blank(RoomKind::Meeting, wish.origin, title, host, now)
    })
}

fn amend(room: &mut Room, change: MeetingChange) -> Result<()> {
    if let Some(title) = change.title {
        room.title = text::name("title", &title)?;
    }
    if let Some(description) = change.description {
        let bounded = |d: String| text::bounded("description", &d, limit::DESCRIPTION_CHARS);
        room.description = description.map(bounded).transpose()?;
    }
    (room.scheduled_start, room.scheduled_end) = rules::moved(room, change.start, change.end);
    rules::schedule(room.scheduled_start, room.scheduled_end)?;
    if let Some(zone) = change.timezone {
        room.timezone = timezone(&zone)?;
    }
    let wanted = change.settings.require_password;
    room.settings = rules::settings(change.settings.on(room.settings))?;
    room.passcode = match (change.passcode, wanted) {
        (Some(own), _) => rules::passcode(Some(&own), room.settings.require_password)?,
        (None, Some(true)) if room.passcode.is_none() => rules::passcode(None, true)?,
        (None, Some(false)) => None,
        (None, _) => room.passcode.take(),
    };
    room.settings = rules::truthful(room.settings, room.passcode.as_deref());
    Ok(())
}

/// Who names a participant to leave with means one of their own here.
fn own_participant(tx: &mut dyn Tx, actor: &Actor, room: RoomId, which: Option<ParticipantId>) -> Result<()> {
    let Some(id) = which else { return Ok(()) };
    let found = tx.participant(id)?.filter(|p| p.room == room && p.party() == actor.party());
    found.map(drop).ok_or_else(|| Error::not_found("Participant"))
}

/// The room, locked, for its host alone.
fn hosted(tx: &mut dyn Tx, caller: Caller, id: RoomId) -> Result<Room> {
    own_account(tx, caller)?;
    let room = tx.lock_room(id)?.ok_or_else(Error::meeting_not_found)?;
    if room.kind != RoomKind::Meeting {
        return Err(not_found(RoomKind::Meeting));
    }
    if room.host != Some(caller.user) {
        return Err(Error::forbidden("Only the host may do this"));
    }
    Ok(room)
}

/// Checks the guess limits around the door's decision, and counts a wrong guess.
fn guarded(
    passcodes: &Guesses<Guesser>,
    room: RoomId,
    asker: Asker,
    now: Timestamp,
    door: impl FnOnce() -> Result<Door>,
) -> Result<Door> {
    let (caller, anybody) = (Guesser::Caller(room, asker), Guesser::Anybody(room));
    passcodes.check(&caller, limit::PASSCODE_GUESSES, now)?;
    passcodes.check(&anybody, limit::PASSCODE_GUESSES_ALL, now)?;
    let decision = door();
    if decision.as_ref().is_err_and(|error| error.kind == Kind::InvalidPasscode) {
        passcodes.wrong(caller, now);
        passcodes.wrong(anybody, now);
    }
    decision
}

fn come_in(
    tx: &mut dyn Tx,
    room: &mut Room,
    caller: Option<Caller>,
    name: Option<String>,
    wish: &JoinWish,
    guard: impl FnOnce(&mut dyn FnMut() -> Result<Door>) -> Result<Door>,
    now: Timestamp,
) -> Result<Participant> {
    // Locked: who is put out of all meetings in this moment is put out of this one too.
    let user = caller.map(|caller| locked_account(tx, caller)).transpose()?;
    let member = match &user {
        Some(user) => tx.member(room.id, user.id)?,
        None => None,
    };
    let mut ask = || rules::door(room, member.as_ref(), wish.passcode.as_deref());
    // Who brings none does not guess: clients ask their person for it when the door has asked them.
    let guesses = wish.passcode.as_deref().is_some_and(|passcode| !passcode.is_empty());
    let asks_passcode = room.passcode.is_some() && member.is_none();
    let decision = if asks_passcode && guesses { guard(&mut ask)? } else { ask()? };
    let name = name.or_else(|| user.as_ref().map(|u| u.display_name.clone()));
    let name = text::required("display_name", name)?;
    let mut participant = Participant {
        id: ParticipantId::new(),
        room: room.id,
        user: user.map(|u| u.id),
        login: caller.map(|caller| caller.login),
        identity: rules::identity(&name, &code::hex(4)),
        display_name: name,
        role: Role::Participant,
        presence: Presence::Waiting,
        joined_at: now,
        left_at: None,
        video_enabled: wish.video_enabled,
        audio_enabled: wish.audio_enabled,
        hand_raised: None,
        counted: false,
        assists: false,
        seat_until: None,
    };
    match decision {
        Door::Seat(role) => {
            participant.role = role;
            seat::take(tx, room, &mut participant, now)?;
            tx.add_participant(&participant)?;
            if participant.counted {
                tx.tell(Tell::event(room.id, Audience::Room, Event::Joined(participant.clone())));
            }
        }
        Door::Wait => {
            seat::wait(&mut participant, now);
            tx.add_participant(&participant)?;
            tx.tell(Tell::event(room.id, Audience::Hosts, Event::Waiting(participant.clone())));
        }
    }
    Ok(participant)
}

/// The participant of that identity, if the operator's word lets them in.
fn vouched(tx: &mut dyn Tx, room: &Room, identity: &str, assists: bool) -> Result<Option<Participant>> {
    open(room)?;
    let known = tx.participant_by_identity(room.id, identity)?;
    let removed_account = match known.as_ref().and_then(|p| p.user) {
        Some(user) => tx.member(room.id, user)?.is_some_and(|m| m.standing == MemberStanding::Removed),
        None => false,
    };
    if removed_account || known.as_ref().is_some_and(|p| p.presence == Presence::Removed) {
        return Err(Error::forbidden("You were removed from this meeting"));
    }
    let has_place = known.as_ref().is_some_and(|known| known.seated() && !known.assists);
    if !assists && !has_place {
        rules::free_seat(room, tx.live_count(room.id)?)?;
    }
    Ok(known)
}

fn guest(room: &Room, identity: String, display_name: String, now: Timestamp) -> Participant {
    Participant {
        id: ParticipantId::new(),
        room: room.id,
        user: None,
        login: None,
        identity,
        display_name,
        role: Role::Participant,
        presence: Presence::Waiting,
        joined_at: now,
        left_at: None,
        // Off until their media says otherwise.
        video_enabled: false,
        audio_enabled: false,
        hand_raised: None,
        counted: false,
        assists: false,
        seat_until: None,
    }
}

fn actor_of(participant: &Participant) -> Actor {
    match participant.user {
        // Who came before log-ins were noted has none; then nothing else is of it.
        Some(user) => Actor::User(Caller { user, login: participant.login.unwrap_or(LoginId(participant.id.0)) }),
        None => Actor::Guest(crate::user::Guest { participant: participant.id, room: participant.room }),
    }
}

/// The meetings of the user that go with the account. One of `convo.md` asks for no host.
pub(crate) fn orphans(tx: &mut dyn Tx, user: UserId) -> Result<Vec<RoomId>> {
    let theirs = |r: &Room| r.host == Some(user) && r.origin != Origin::Convo && open(r).is_ok();
    Ok(tx.rooms_of(user, RoomKind::Meeting)?.into_iter().filter(theirs).map(|room| room.id).collect())
}

/// A scheduled meeting is cancelled, a running one ends.
fn delete(tx: &mut dyn Tx, room: Room, now: Timestamp) -> Result<Room> {
    let (status, reason) = match room.status {
        Status::Scheduled => (Status::Cancelled, EndReason::Cancelled),
        _ => (Status::Ended, EndReason::Deleted),
    };
    end(tx, room, status, reason, now).map(|(room, _)| room)
}

/// Ends the room; everybody hears it, then sockets close. With how many people ever were there.
fn end(tx: &mut dyn Tx, mut room: Room, status: Status, reason: EndReason, now: Timestamp) -> Result<(Room, i64)> {
    room.status = status;
    room.actual_end = Some(now);
    room.updated_at = now;
    tx.save_room(&room)?;
    let total = tx.total_participants(room.id)?;
    tx.tell(Tell::event(room.id, Audience::RoomAndDoor, Event::MeetingEnded { reason, room: room.clone() }));
    tx.lock_present(room.id)?;
    for mut participant in tx.present(room.id)? {
        participant.presence = Presence::Gone;
        participant.left_at = Some(now);
        participant.seat_until = None;
        tx.save_participant(&participant)?;
        tx.tell(Tell::Close(Whose::Participant(participant.id), Close::MeetingEnded));
    }
    Ok((room, total))
}
