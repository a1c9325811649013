//! One-time tickets, which open a conversation's WebSocket for clients that can set no header.

use convo_domain::{
    clock::Timestamp,
    error::{Error, Result},
    id::RoomId,
    room::code,
    user::Actor,
};
use parking_lot::Mutex;
use std::{collections::HashMap, time::Duration};

/// From the answer to the connection takes a client a moment.
const LIFE: Duration = Duration::from_secs(60);
/// Outstanding at once; above, nobody gets one until some ran out.
const OUTSTANDING: usize = 100_000;
/// Random bytes of a ticket.
const BYTES: usize = 16;

/// The tickets that wait for their connection. In memory: who loses one asks for another.
#[derive(Default)]
pub(crate) struct Tickets {
    outstanding: Mutex<HashMap<String, Ticket>>,
}

struct Ticket {
    actor: Actor,
    room: RoomId,
    expires_at: Timestamp,
}

impl Tickets {
    pub(crate) fn issue(&self, actor: Actor, room: RoomId, now: Timestamp) -> Result<String> {
        let mut outstanding = self.outstanding.lock();
        if outstanding.len() >= OUTSTANDING {
            outstanding.retain(|_, ticket| ticket.expires_at > now);
        }
        if outstanding.len() >= OUTSTANDING {
            return Err(Error::too_many("Too many connections are being made", LIFE.as_secs()));
        }
        let name = code::hex(BYTES);
        outstanding.insert(name.clone(), Ticket { actor, room, expires_at: now + LIFE });
        Ok(name)
    }

    /// Whose the ticket is, if it is good for the room. It is spent either way.
    pub(crate) fn spend(&self, name: &str, room: RoomId, now: Timestamp) -> Result<Actor> {
        let ticket = self.outstanding.lock().remove(name);
        let good = ticket.filter(|ticket| ticket.room == room && ticket.expires_at > now);
        good.map(|ticket| ticket.actor).ok_or_else(|| Error::unauthenticated("Invalid or expired ticket"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convo_domain::{
        id::{ParticipantId, UserId},
        user::Guest,
    };

    fn ann(room: RoomId) -> Actor {
        Actor::Guest(Guest { participant: ParticipantId(UserId::new().0), room })
    }

    #[test]
    fn a_ticket_opens_its_room_once_and_soon() {
        let (tickets, room, now) = (Tickets::default(), RoomId::new(), Timestamp::from_seconds(1_000));
        let issue = || tickets.issue(ann(room), room, now).unwrap();
        let later = |seconds| now + Duration::from_secs(seconds);
        let ticket = issue();
        assert!(tickets.spend(&ticket, room, later(59)).is_ok());
        assert!(tickets.spend(&ticket, room, later(59)).is_err(), "spent");
        assert!(tickets.spend(&issue(), room, later(60)).is_err(), "too late");
        assert!(tickets.spend(&issue(), RoomId::new(), now).is_err(), "another room");
        assert!(tickets.spend("", room, now).is_err());
    }

    #[test]
    fn their_number_is_bounded() {
        let (tickets, room, now) = (Tickets::default(), RoomId::new(), Timestamp::from_seconds(1_000));
        for _ in 0..OUTSTANDING {
            tickets.issue(ann(room), room, now).unwrap();
        }
        assert_eq!(tickets.issue(ann(room), room, now).unwrap_err().retry_after, Some(60));
        assert!(tickets.issue(ann(room), room, now + LIFE).is_ok());
    }
}
