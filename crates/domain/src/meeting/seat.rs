//! Taking a seat, keeping it, and giving it back. Each function is part of a transaction that holds the room's lock.

use super::{
    Participant, Presence,
    rules::{self, Door},
};
use crate::{
    Domain,
    bus::{Seat, Tell, Whose},
    clock::Timestamp,
    error::{Error, Kind, Result},
    event::{Audience, Event},
    id::{ParticipantId, RoomId},
    limit,
    room::{
        MemberStanding, Room, Status,
        act::member_of,
        rules::{not_found, open},
    },
    session::Close,
    store::{Key, Tx},
    user::Party,
};
use std::time::Duration;

const SEAT: Duration = Duration::from_secs(limit::SEAT_SECONDS);
const RECONNECT: Duration = Duration::from_secs(limit::RECONNECT_SECONDS);
/// Between two tries while the store is away.
const AGAIN: Duration = Duration::from_secs(2);

/// Gives the participant a seat: counts it, starts the meeting, makes the account a member.
pub(crate) fn take(tx: &mut dyn Tx, room: &mut Room, participant: &mut Participant, now: Timestamp) -> Result<()> {
    if !participant.assists {
        rules::free_seat(room, tx.live_count(room.id)?)?;
    }
    participant.presence = Presence::Joined;
    participant.joined_at = now;
    participant.left_at = None;
    participant.seat_until = Some(now + SEAT);
    // An agent that is made ready beforehand begins nothing.
    if room.status == Status::Scheduled && !participant.assists {
        room.status = Status::Active;
        room.actual_start = Some(now);
        room.updated_at = now;
        tx.save_room(room)?;
    }
    if let Some(user) = participant.user {
        participant.counted = true;
        if tx.member(room.id, user)?.is_none_or(|m| m.standing != MemberStanding::In) {
            tx.put_member(&member_of(room.id, user, participant.role, now))?;
        }
    }
    Ok(())
}

/// Puts the participant to the door, for as long as a socket of theirs is there.
pub(crate) fn wait(participant: &mut Participant, now: Timestamp) {
    participant.presence = Presence::Waiting;
    participant.left_at = None;
    participant.seat_until = Some(now + SEAT);
}

/// Takes the participant out of the meeting (or from its door) and closes what it has open.
pub(crate) fn vacate(tx: &mut dyn Tx, mut participant: Participant, how: Presence, now: Timestamp) -> Result<()> {
    let (was, heard) = (participant.presence, heard_of(&participant));
    participant.presence = how;
    participant.left_at = Some(now);
    participant.seat_until = None;
    participant.hand_raised = None;
    tx.save_participant(&participant)?;
    let audience = match was {
        Presence::Waiting => Audience::Hosts,
        _ => Audience::Room,
    };
    let (room, id) = (participant.room, participant.id);
    let why = farewell(how);
    match how {
        Presence::Denied => {
            tx.tell(Tell::event(room, Audience::Participant(id), Event::Denied(participant.clone())));
        }
        Presence::Removed => {
            tx.tell(Tell::event(room, Audience::Participant(id), Event::Removed(participant.clone())));
        }
        _ => {}
    }
    tx.tell(Tell::Close(Whose::Participant(id), why));
    if heard {
        tx.tell(Tell::event(room, audience, Event::Left(participant)));
    }
    Ok(())
}

/// Devices of the party that had lost their seats, all or the one named: their tokens bring them back no more. The seconds that
/// the last to go had spent there.
pub(super) fn forget_left(
    tx: &mut dyn Tx,
    room: &Room,
    party: Party,
    which: Option<ParticipantId>,
) -> Result<Option<i64>> {
    let Party::User(user) = party else { return Ok(None) };
    let mut left = tx.left_of(room.id, user)?;
    left.retain(|p| which.is_none_or(|id| id == p.id));
    let last = left.iter().max_by_key(|p| p.left_at);
    let spent = last.and_then(|p| Some(p.left_at?.seconds_since(p.joined_at)));
    for mut device in left {
        device.presence = Presence::Gone;
        tx.save_participant(&device)?;
    }
    Ok(spent)
}

/// The seconds that the party, or the device of theirs that is named, had spent in the meeting when it went last.
pub(super) fn spent(tx: &mut dyn Tx, room: &Room, party: Party, which: Option<ParticipantId>) -> Result<Option<i64>> {
    let last = match (which, party) {
        (Some(id), _) | (None, Party::Guest(id)) => tx.participant(id)?,
        (None, Party::User(user)) => tx.last_of(room.id, user)?,
    };
    Ok(last.and_then(|p| Some(p.left_at?.seconds_since(p.joined_at))))
}

/// Why the sessions are closed of one who goes so.
pub(crate) fn farewell(how: Presence) -> Close {
    match how {
        Presence::Removed => Close::Removed,
        Presence::Denied => Close::Denied,
        _ => Close::Left,
    }
}

/// Locks all that the party has in the meeting, for what is done to all of it.
pub(crate) fn hold(tx: &mut dyn Tx, party: Party) -> Result<()> {
    match party {
        Party::User(user) => tx.lock_devices(user),
        Party::Guest(id) => tx.lock_participant(id).map(drop),
    }
}

/// Whether connecting gives the participant a seat: guests get theirs only then.
fn takes_seat(participant: &Participant) -> bool {
    participant.seated() && !participant.counted
}

/// Whether the room was told of the participant: of guests only once they connect.
fn heard_of(participant: &Participant) -> bool {
    participant.presence == Presence::Waiting || participant.counted
}

impl Domain {
    /// A socket or media of the participant is there: the seat is kept while it is. The participant as they are now; none, if they
    /// are not in the meeting any more, nor at its door.
    pub async fn connected(&self, room: RoomId, id: ParticipantId) -> Result<Option<Participant>> {
        self.store
            .write(Key::Room(room), move |tx| {
                if tx.participant(id)?.is_some_and(|p| takes_seat(&p)) {
                    tx.lock_room(room)?;
                }
                let here = tx.lock_participant(id)?.filter(|p| p.presence.present());
                let Some(mut participant) = here else { return Ok(None) };
                let first = takes_seat(&participant);
                if first && !participant.assists {
                    // A guest takes the seat only now; it may be gone.
                    let head = tx.lock_room(room)?.ok_or_else(Error::meeting_not_found)?;
                    rules::free_seat(&head, tx.live_count(room)?)?;
                }
                participant.counted |= first;
                participant.seat_until = None;
                tx.save_participant(&participant)?;
                if first {
                    tx.tell(Tell::event(room, Audience::Room, Event::Joined(participant.clone())));
                }
                Ok(Some(participant))
            })
            .await
    }

    /// The last connection of the participant is gone: at once for who said goodbye, else the seat waits a little. While the
    /// store is away this waits, unless they come back: nothing else would ever free the seat.
    pub async fn disconnected(&self, room: RoomId, id: ParticipantId, goodbye: bool) -> Result<()> {
        while self.bus.connections(room, id) == 0 {
            match self.give_up(room, id, goodbye).await {
                Err(error) if error.kind == Kind::Unavailable => tokio::time::sleep(AGAIN).await,
                done => return done,
            }
        }
        Ok(())
    }

    async fn give_up(&self, room: RoomId, id: ParticipantId, goodbye: bool) -> Result<()> {
        let (bus, now) = (self.bus.clone(), self.now());
        self.store
            .write(Key::Room(room), move |tx| {
                let here = tx.lock_participant(id)?.filter(|p| p.presence.present());
                // Asked again: they may have come back meanwhile.
                let Some(mut participant) = here.filter(|_| bus.connections(room, id) == 0) else { return Ok(()) };
                if goodbye {
                    return vacate(tx, participant, Presence::Left, now);
                }
                participant.seat_until = Some(now + RECONNECT);
                tx.save_participant(&participant)
            })
            .await
    }

    /// Gives back the seats whose time is over.
    pub async fn expire_seats(&self) -> Result<()> {
        let now = self.now();
        let expired = self.store.read(move |tx| tx.expired_seats(now)).await?;
        for (room, id) in expired {
            let give_back = self.store.write(Key::Room(room), move |tx| {
                let still = tx.lock_participant(id)?.filter(|p| p.presence.present());
                match still.filter(|p| p.seat_until.is_some_and(|until| until <= now)) {
                    Some(participant) => vacate(tx, participant, Presence::Left, now),
                    None => Ok(()),
                }
            });
            give_back.await?;
        }
        Ok(())
    }

    /// Lets one back whose seat was given away: the token is good while there is room. Who has only waited waits again.
    pub(crate) async fn reseat(&self, room: RoomId, id: ParticipantId) -> Result<Option<Participant>> {
        let now = self.now();
        self.store
            .write(Key::Room(room), move |tx| {
                let mut room = tx.lock_room(room)?.ok_or_else(|| not_found(crate::room::RoomKind::Meeting))?;
                let found = tx.lock_participant(id)?;
                let Some(mut participant) = found.filter(|p| p.room == room.id && p.presence == Presence::Left) else {
                    return Ok(None);
                };
                match way_back(tx, &room, &participant)? {
                    Door::Seat(role) => {
                        participant.role = role;
                        take(tx, &mut room, &mut participant, now)?;
                        tx.save_participant(&participant)?;
                        if participant.counted {
                            tx.tell(Tell::event(room.id, Audience::Room, Event::Joined(participant.clone())));
                        }
                    }
                    Door::Wait => {
                        wait(&mut participant, now);
                        tx.save_participant(&participant)?;
                        tx.tell(Tell::event(room.id, Audience::Hosts, Event::Waiting(participant.clone())));
                    }
                }
                Ok(Some(participant))
            })
            .await
    }
}

/// To the seat that one had, or to the door for who never had one. They knew the passcode when they came.
pub(super) fn way_back(tx: &mut dyn Tx, room: &Room, participant: &Participant) -> Result<Door> {
    open(room)?;
    let role = match participant.user {
        None => participant.counted.then_some(participant.role),
        Some(user) => match tx.member(room.id, user)? {
            // As it is now: they may have been made co-host, or no longer be it, on another device.
            Some(member) if member.standing == MemberStanding::In => Some(member.role),
            // Removed while away: the old token opens nothing.
            Some(_) => return Err(Error::forbidden("You were removed from this meeting")),
            None => None,
        },
    };
    match role {
        Some(role) => Ok(Door::Seat(role)),
        None => rules::door(room, None, room.passcode.as_deref()),
    }
}

/// What the participant's session is in the room.
pub fn seat_of(participant: &Participant) -> Seat {
    Seat {
        party: participant.party(),
        participant: Some(participant.id),
        controls: participant.role.controls(),
        waiting: participant.presence == Presence::Waiting,
    }
}
