//! What attendees need, whichever media server the rooms are on: the embedded one, or LiveKit's own.

use crate::{remote, roster::Roster};
use convo_domain::{
    error::{Error, Kind},
    id::RoomId,
    room::{Room, RoomKind, RoomRef},
};
use convo_kit::Shared;
use convo_media::{Commander, Media};
use convo_sfu::{Ask, Command, Refusal};
use livekit_protocol as proto;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

pub(crate) struct Host {
    pub(crate) app: Shared,
    pub(crate) rooms: Rooms,
    rosters: Mutex<HashMap<RoomId, Weak<Roster>>>,
}

/// The media server.
pub(crate) enum Rooms {
    Here(Media),
    /// Orders go there by the participants' own clerks ([`remote::Orders`]).
    There,
}

/// Orders for one participant.
#[derive(Clone)]
pub(crate) enum Orders {
    /// By each connection that may be theirs, the oldest first. The media knows one of them, and follows no other.
    Here(Vec<Commander>),
    There(remote::Orders),
}

impl Host {
    pub(crate) fn new(app: Shared, rooms: Rooms) -> Arc<Self> {
        Arc::new(Self { app, rooms, rosters: Mutex::default() })
    }

    /// The meeting whose media room has this name: its code, or its id.
    pub(crate) async fn meeting(&self, name: &str) -> Result<Option<Room>, Error> {
        let Some(by) = RoomRef::parse(name) else { return Ok(None) };
        match self.app.domain.room(by, RoomKind::Meeting).await {
            Ok(room) => Ok(Some(room).filter(|room| room.kind == RoomKind::Meeting)),
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::MeetingNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Shared by all who are in the meeting.
    pub(crate) fn roster(&self, room: RoomId, code: &str) -> Arc<Roster> {
        let mut rosters = self.rosters.lock();
        if let Some(roster) = rosters.get(&room).and_then(Weak::upgrade) {
            return roster;
        }
        rosters.retain(|_, roster| roster.strong_count() > 0);
        let roster = Arc::new(Roster::new(code.to_owned()));
        rosters.insert(room, Arc::downgrade(&roster));
        roster
    }
}

impl Rooms {
    /// What a participant shows: of the one whom the orders are for.
    pub(crate) async fn update(&self, orders: &Orders, update: proto::UpdateParticipantRequest) -> Result<(), Refusal> {
        match (self, orders) {
            (Rooms::Here(media), _) => media.ask(Ask::UpdateParticipant(update)).await.map(drop),
            (Rooms::There, Orders::There(orders)) => {
                orders.update(update);
                Ok(())
            }
            (Rooms::There, Orders::Here(_)) => Ok(()),
        }
    }

    /// Elsewhere it goes with the first who is sent out of it.
    pub(crate) async fn delete(&self, room: String) -> Result<(), Refusal> {
        match self {
            Rooms::Here(media) => media.ask(Ask::DeleteRoom(proto::DeleteRoomRequest { room })).await.map(drop),
            Rooms::There => Ok(()),
        }
    }

    /// Whether chat reaches the other LiveKit clients by itself: only the embedded server keeps it back for us.
    pub(crate) fn spread_chat(&self) -> bool {
        matches!(self, Rooms::There)
    }
}

impl Orders {
    pub(crate) fn command(&self, command: Command) {
        match self {
            Orders::Here(commanders) => commanders.iter().for_each(|one| one.command(command.clone())),
            Orders::There(orders) => orders.command(command),
        }
    }
}
