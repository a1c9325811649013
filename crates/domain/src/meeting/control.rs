//! What hosts do to participants, and what participants do for themselves while they are in.

use super::{Participant, Presence, seat};
use crate::{
    Domain,
    bus::Tell,
    clock::Timestamp,
    error::{Error, Kind, Result},
    event::{Audience, Event, Who},
    id::{ParticipantId, RoomId, UserId},
    limit,
    ports::Tokens,
    room::{MemberStanding, Role, Room, RoomKind, RoomRef, act::member_of, rules::open},
    store::{Key, Tx},
    text,
    user::{Actor, Party},
};
use std::sync::Arc;

/// What a host may do to one participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Admit,
    Deny,
    Mute,
    AskUnmute,
    Remove,
    /// Lets a removed person come back.
    Readmit,
    CoHost,
    /// A co-host is a participant like others again.
    RevokeCoHost,
    LowerHand,
}

/// What a participant changes about themselves.
#[derive(Debug, Clone, Default)]
pub struct SelfChange {
    pub display_name: Option<String>,
    pub audio_enabled: Option<bool>,
    pub video_enabled: Option<bool>,
    pub hand_raised: Option<bool>,
}

impl Domain {
    /// A host's or co-host's word about one participant of the meeting.
    pub async fn control(
        &self,
        actor: &Actor,
        by: RoomRef,
        target: ParticipantId,
        control: Control,
    ) -> Result<Participant> {
        let id = self.find_room(by, RoomKind::Meeting).await?;
        let caller = actor.account()?;
        let (now, tokens) = (self.now(), self.tokens.clone());
        let done = self.store.write(Key::Room(id), move |tx| {
            let (mut room, role) = controlled(tx, caller.user, id)?;
            let found = tx.participant(target)?.filter(|p| p.room == id);
            let participant = locked(tx, found)?.ok_or_else(|| Error::not_found("Participant"))?;
            let participant = apply(tx, &mut room, (caller.user, role), participant, control, &tokens, now)?;
            Ok((room, participant))
        });
        let (room, participant) = done.await?;
        if control == Control::Admit {
            // They have their token; the host need not wait.
            drop(self.media.expect(&room));
        }
        Ok(participant)
    }

    /// The operator's removal: as a host's, though it reaches the host too, who may come back. `false`: nobody of that
    /// identity ever was there.
    pub async fn expel(&self, id: RoomId, identity: &str) -> Result<bool> {
        let (identity, now) = (text::bounded("identity", identity, limit::IDENTITY_CHARS)?, self.now());
        self.store
            .write(Key::Room(id), move |tx| {
                let room = tx.lock_room(id)?.ok_or_else(Error::meeting_not_found)?;
                let found = tx.participant_by_identity(id, &identity)?;
                let Some(participant) = locked(tx, found)? else { return Ok(false) };
                let is_host = participant.user.is_some() && participant.user == room.host;
                match is_host {
                    true if participant.presence.present() => seat::vacate(tx, participant, Presence::Gone, now)?,
                    true => {}
                    false => drop(remove(tx, &room, participant, now)?),
                }
                Ok(true)
            })
            .await
    }

    /// Nobody new comes in while a meeting is locked.
    pub async fn lock_meeting(&self, actor: &Actor, by: RoomRef, locked: bool) -> Result<Room> {
        let id = self.find_room(by, RoomKind::Meeting).await?;
        let (caller, now) = (actor.account()?, self.now());
        self.store
            .write(Key::Room(id), move |tx| {
                let (mut room, _) = controlled(tx, caller.user, id)?;
                room.locked = locked;
                room.updated_at = now;
                tx.save_room(&room)?;
                tx.tell(Tell::event(id, Audience::Room, Event::Locked(locked)));
                Ok(room)
            })
            .await
    }

    /// Who was let in before their socket listened hears it now.
    pub async fn tell_admitted(&self, participant: &Participant) -> Result<()> {
        let room = self.room(RoomRef::Id(participant.room), RoomKind::Meeting).await?;
        self.bus.tell(vec![admitted(&room, participant, &*self.tokens, self.now())]);
        Ok(())
    }

    /// Mutes everybody but hosts and co-hosts; those muted.
    pub async fn mute_all(&self, actor: &Actor, by: RoomRef) -> Result<Vec<Participant>> {
        let id = self.find_room(by, RoomKind::Meeting).await?;
        let caller = actor.account()?;
        self.store
            .write(Key::Room(id), move |tx| {
                controlled(tx, caller.user, id)?;
                tx.lock_present(id)?;
                let open = |p: &Participant| p.seated() && p.counted && p.audio_enabled && !p.role.controls();
                let loud: Vec<_> = tx.present(id)?.into_iter().filter(open).collect();
                loud.into_iter().map(|participant| mute(tx, caller.user, participant)).collect()
            })
            .await
    }

    /// A participant's own name, devices and hand.
    pub async fn update_self(&self, room: RoomId, me: ParticipantId, change: SelfChange) -> Result<Participant> {
        let name = change.display_name.as_deref().map(|n| text::name("display_name", n)).transpose()?;
        let now = self.now();
        self.store
            .write(Key::Room(room), move |tx| {
                let found = tx.lock_participant(me)?.filter(Participant::seated);
                let mut p = found.ok_or_else(|| Error::forbidden("You are not in this meeting"))?;
                let hand = change.hand_raised.filter(|up| *up != p.hand_raised.is_some());
                p.display_name = name.unwrap_or(p.display_name);
                p.audio_enabled = change.audio_enabled.unwrap_or(p.audio_enabled);
                p.video_enabled = change.video_enabled.unwrap_or(p.video_enabled);
                if let Some(up) = hand {
                    p.hand_raised = up.then_some(now);
                }
                tx.save_participant(&p)?;
                if hand.is_some() {
                    tell_hand(tx, &p);
                }
                tx.tell(Tell::event(room, Audience::Room, Event::Updated(p.clone())));
                Ok(p)
            })
            .await
    }

    /// The participant a WebRTC message is for: a participant id, or a user id (all of that person's devices).
    pub async fn present(&self, room: RoomId) -> Result<Vec<Participant>> {
        self.store.read(move |tx| Ok(tx.present(room)?.into_iter().filter(Participant::seated).collect())).await
    }

    /// Who is at the rooms' doors, each room's in the order in which they knocked.
    pub async fn waiting(&self, rooms: Vec<RoomId>) -> Result<Vec<Participant>> {
        self.store
            .read(move |tx| {
                let mut waiting = vec![];
                for room in rooms {
                    waiting.extend(at_door(tx, room)?);
                }
                Ok(waiting)
            })
            .await
    }
}

/// In the order in which they knocked.
fn at_door(tx: &mut dyn Tx, room: RoomId) -> Result<Vec<Participant>> {
    let waits = |p: &Participant| p.presence == Presence::Waiting;
    Ok(tx.present(room)?.into_iter().filter(waits).collect())
}

pub fn who(participant: &Participant) -> Who {
    Who { party: participant.party(), participant: Some(participant.id), name: participant.display_name.clone() }
}

/// The room, locked, for its host or a co-host.
fn controlled(tx: &mut dyn Tx, user: UserId, id: RoomId) -> Result<(Room, Role)> {
    let room = tx.lock_room(id)?.filter(|room| room.kind == RoomKind::Meeting);
    let room = room.ok_or_else(Error::meeting_not_found)?;
    open(&room)?;
    let member = tx.member(id, user)?.filter(|m| m.standing == MemberStanding::In && m.role.controls());
    match member {
        Some(member) => Ok((room, member.role)),
        None => Err(Error::forbidden("Only a host or co-host may do this")),
    }
}

/// To who was let in: the token that opens the meeting.
fn admitted(room: &Room, participant: &Participant, tokens: &dyn Tokens, now: Timestamp) -> Tell {
    let token = tokens.meeting(room, participant, now);
    let event = Event::Admitted { participant: participant.clone(), token };
    Tell::event(room.id, Audience::Participant(participant.id), event)
}

/// The participant as they are now, with all their devices locked: some of what hosts do is done to all of them.
fn locked(tx: &mut dyn Tx, found: Option<Participant>) -> Result<Option<Participant>> {
    let Some(found) = found else { return Ok(None) };
    seat::hold(tx, found.party())?;
    tx.lock_participant(found.id)
}

fn apply(
    tx: &mut dyn Tx,
    room: &mut Room,
    (by, role): (UserId, Role),
    participant: Participant,
    control: Control,
    tokens: &Arc<dyn Tokens>,
    now: Timestamp,
) -> Result<Participant> {
    let is_host = participant.user.is_some() && participant.user == room.host;
    let present = |p: Participant, ok: bool| if ok { Ok(p) } else { Err(Error::not_found("Participant")) };
    match control {
        Control::Admit => match participant.presence {
            Presence::Waiting => admit(tx, room, participant, &**tokens, now),
            Presence::Joined => Ok(participant),
            _ => Err(Error::not_found("Participant")),
        },
        Control::Deny => {
            let waiting = participant.presence == Presence::Waiting;
            let p = present(participant, waiting)?;
            seat::vacate(tx, p.clone(), Presence::Denied, now)?;
            Ok(Participant { presence: Presence::Denied, ..p })
        }
        Control::Mute => {
            let seated = participant.seated();
            mute(tx, by, present(participant, seated)?)
        }
        Control::AskUnmute => {
            let seated = participant.seated();
            let p = present(participant, seated)?;
            let ask = Event::UnmuteRequested { participant: p.id, by };
            tx.tell(Tell::event(room.id, Audience::Participant(p.id), ask));
            Ok(p)
        }
        Control::Remove if is_host => Err(Error::forbidden("The host cannot be removed")),
        Control::Remove => remove(tx, room, participant, now),
        Control::Readmit => {
            let Some(user) = participant.user else {
                return Err(Error::forbidden("A guest comes back by the link"));
            };
            let member = tx.member(room.id, user)?.filter(|m| m.standing == MemberStanding::Removed);
            if member.is_some() {
                tx.drop_member(room.id, user)?;
            }
            Ok(participant)
        }
        Control::CoHost | Control::RevokeCoHost if role != Role::Host => {
            Err(Error::forbidden("Only the host names co-hosts"))
        }
        Control::CoHost | Control::RevokeCoHost => {
            let role = if control == Control::CoHost { Role::CoHost } else { Role::Participant };
            // The power stays with who has stepped out, and so it is taken from them too.
            let there = participant.seated() || (control == Control::RevokeCoHost && is_in(tx, &participant)?);
            let p = present(participant, there)?;
            if is_host { Ok(p) } else { name(tx, room, p, role, now) }
        }
        Control::LowerHand => {
            let seated = participant.seated();
            let mut p = present(participant, seated)?;
            if p.hand_raised.take().is_some() {
                tx.save_participant(&p)?;
                tell_hand(tx, &p);
                tx.tell(Tell::event(room.id, Audience::Room, Event::Updated(p.clone())));
            }
            Ok(p)
        }
    }
}

fn admit(
    tx: &mut dyn Tx,
    room: &mut Room,
    mut p: Participant,
    tokens: &dyn Tokens,
    now: Timestamp,
) -> Result<Participant> {
    let connected = p.seat_until.is_none();
    seat::take(tx, room, &mut p, now)?;
    if connected {
        // The socket that waited is in the meeting now, and no other need come.
        p.seat_until = None;
    }
    p.counted = true;
    tx.save_participant(&p)?;
    tx.tell(admitted(room, &p, tokens, now));
    tx.tell(Tell::Reseat(room.id, p.id, seat::seat_of(&p)));
    tx.tell(Tell::event(room.id, Audience::Room, Event::Joined(p.clone())));
    Ok(p)
}

/// Admits those who wait, as they knocked, until the meeting is full; whether there was one.
pub(super) fn admit_all(tx: &mut dyn Tx, room: &mut Room, tokens: &dyn Tokens, now: Timestamp) -> Result<bool> {
    tx.lock_present(room.id)?;
    let mut any = false;
    for waiting in at_door(tx, room.id)? {
        match admit(tx, room, waiting, tokens, now) {
            Ok(_) => any = true,
            Err(error) if error.kind == Kind::MeetingFull => break,
            Err(error) => return Err(error),
        }
    }
    Ok(any)
}

/// Whether the person is a member: let in, and not removed.
fn is_in(tx: &mut dyn Tx, participant: &Participant) -> Result<bool> {
    let Some(user) = participant.user else { return Ok(false) };
    Ok(tx.member(participant.room, user)?.is_some_and(|m| m.standing == MemberStanding::In))
}

/// A role for a person with all their devices.
fn name(tx: &mut dyn Tx, room: &Room, participant: Participant, role: Role, now: Timestamp) -> Result<Participant> {
    let user = participant.user.ok_or_else(|| Error::forbidden("A guest cannot be co-host"))?;
    let did_control = tx.member(room.id, user)?.is_some_and(|m| m.role.controls());
    tx.put_member(&member_of(room.id, user, role, now))?;
    // Of sockets that are no device's too.
    tx.tell(Tell::Regrade(room.id, Party::User(user), role.controls()));
    let mut named = participant;
    if !named.presence.present() {
        named.role = role;
        tx.save_participant(&named)?;
    }
    for mut device in tx.present_of(user)?.into_iter().filter(|d| d.room == room.id && d.seated()) {
        device.role = role;
        tx.save_participant(&device)?;
        tx.tell(Tell::event(room.id, Audience::Room, Event::Updated(device.clone())));
        if device.id == named.id {
            named = device;
        }
    }
    if role.controls() && !did_control {
        // Who knocked before was told to others alone.
        for waiting in at_door(tx, room.id)? {
            let theirs = Audience::Parties(vec![Party::User(user)]);
            tx.tell(Tell::event(room.id, theirs, Event::Waiting(waiting)));
        }
    }
    Ok(named)
}

fn tell_hand(tx: &mut dyn Tx, p: &Participant) {
    let raised = Event::HandRaised { from: who(p), participant: p.clone() };
    tx.tell(Tell::event(p.room, Audience::Room, raised));
}

fn mute(tx: &mut dyn Tx, by: UserId, mut p: Participant) -> Result<Participant> {
    p.audio_enabled = false;
    tx.save_participant(&p)?;
    let muted = Event::Muted { participant: p.clone(), by };
    tx.tell(Tell::event(p.room, Audience::Participant(p.id), muted));
    tx.tell(Tell::event(p.room, Audience::Room, Event::Updated(p.clone())));
    Ok(p)
}

/// Out with every device, and kept out: the membership says so, and the old tokens are dead.
fn remove(tx: &mut dyn Tx, room: &Room, participant: Participant, now: Timestamp) -> Result<Participant> {
    let out = Participant { presence: Presence::Removed, ..participant.clone() };
    match participant.user {
        Some(user) => {
            let mut member = member_of(room.id, user, Role::Participant, now);
            member.standing = MemberStanding::Removed;
            tx.put_member(&member)?;
            for device in tx.present_of(user)?.into_iter().filter(|d| d.room == room.id) {
                seat::vacate(tx, device, Presence::Removed, now)?;
            }
            // Devices that had left could come back on their old token.
            if !participant.presence.present() {
                tx.save_participant(&out)?;
            }
            tx.tell(Tell::Unseat(room.id, participant.party()));
        }
        None if participant.presence.present() => seat::vacate(tx, participant, Presence::Removed, now)?,
        None => tx.save_participant(&out)?,
    }
    Ok(out)
}
