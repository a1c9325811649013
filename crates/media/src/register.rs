//! Whom the machine has told of, and not yet told the end of: a machine that broke can say nothing more, and others wait
//! for that end (seats, webhooks, agents).

use convo_sfu::{ConnectionId, Event, EventKind, Join};
use livekit_protocol::{self as proto, DisconnectReason, participant_info::State};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(crate) struct Register {
    /// By name.
    rooms: HashMap<String, proto::Room>,
    /// By session id, each with its room's name.
    people: HashMap<String, (String, ConnectionId, proto::ParticipantInfo)>,
    /// Came, and was not yet told of: room and identity.
    coming: HashMap<ConnectionId, (String, String)>,
}

impl Register {
    pub(crate) fn connect(&mut self, connection: ConnectionId, join: &Join) {
        // Who resumes was told of already.
        if !join.request.reconnect {
            self.coming.insert(connection, (join.room.clone(), join.identity.clone()));
        }
    }

    pub(crate) fn note(&mut self, event: &Event) {
        let room = &event.room.name;
        match &event.kind {
            EventKind::RoomStarted => drop(self.rooms.insert(room.clone(), event.room.clone())),
            EventKind::RoomFinished(_) => drop(self.rooms.remove(room)),
            EventKind::ParticipantJoined { connection, info } => {
                self.coming.remove(connection);
                self.people.insert(info.sid.clone(), (room.clone(), *connection, info.clone()));
            }
            EventKind::ParticipantLeft { connection, info } | EventKind::ParticipantAborted { connection, info } => {
                self.coming.remove(connection);
                self.people.remove(&info.sid);
            }
            _ => {}
        }
    }

    /// A connection that was refused is told of by nobody.
    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.coming.remove(&connection);
    }

    /// The end of everything, people first.
    pub(crate) fn end(&mut self) -> Vec<Event> {
        let Self { rooms, people, coming } = std::mem::take(self);
        let place = |name: &String| rooms.get(name).cloned().unwrap_or_else(|| named(name));
        let left = people.into_values().map(|(room, connection, info)| Event {
            room: place(&room),
            kind: EventKind::ParticipantLeft { connection, info: gone(info) },
        });
        let aborted = coming.into_iter().map(|(connection, (room, identity))| Event {
            room: place(&room),
            kind: EventKind::ParticipantAborted {
                connection,
                info: gone(proto::ParticipantInfo { identity, ..Default::default() }),
            },
        });
        let mut events: Vec<_> = left.chain(aborted).collect();
        let reason = proto::RoomEndReason::default();
        events.extend(rooms.into_values().map(|room| Event { room, kind: EventKind::RoomFinished(reason) }));
        events
    }
}

fn named(name: &str) -> proto::Room {
    proto::Room { name: name.to_owned(), ..Default::default() }
}

fn gone(info: proto::ParticipantInfo) -> proto::ParticipantInfo {
    proto::ParticipantInfo {
        state: State::Disconnected.into(),
        disconnect_reason: DisconnectReason::MediaFailure.into(),
        tracks: vec![],
        ..info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind) -> Event {
        Event { room: named("room"), kind }
    }

    fn info(sid: &str) -> proto::ParticipantInfo {
        proto::ParticipantInfo { sid: sid.into(), identity: sid.to_lowercase(), ..Default::default() }
    }

    fn told(register: &mut Register) -> Vec<String> {
        let mut told: Vec<_> = register
            .end()
            .into_iter()
            .map(|event| match event.kind {
                EventKind::ParticipantLeft { connection, info } => format!("left {} {}", connection.0, info.identity),
                EventKind::ParticipantAborted { connection, info } => {
                    format!("aborted {} {}", connection.0, info.identity)
                }
                kind => format!("{kind:?}"),
            })
            .collect();
        told.sort();
        told
    }

    #[test]
    fn everybody_is_told_of_once() {
        let mut register = Register::default();
        let join = |identity: &str, reconnect| Join {
            room: "room".into(),
            room_config: Default::default(),
            identity: identity.into(),
            name: String::new(),
            metadata: String::new(),
            attributes: HashMap::new(),
            kind: proto::participant_info::Kind::Standard,
            permission: Default::default(),
            mode: convo_sfu::Mode::Single,
            request: proto::JoinRequest { reconnect, ..Default::default() },
            ice_servers: vec![],
            keeps_chat: false,
            create_room: true,
        };
        register.note(&event(EventKind::RoomStarted));
        for (number, identity) in [(1, "ann"), (2, "bob"), (3, "cid"), (4, "dan")] {
            register.connect(ConnectionId(number), &join(identity, false));
        }
        for (number, sid) in [(1, "ANN"), (2, "BOB")] {
            let connection = ConnectionId(number);
            register.note(&event(EventKind::ParticipantJoined { connection, info: info(sid) }));
        }
        // Ann resumes, Bob leaves, Dan is refused; Cid is still on his way.
        register.connect(ConnectionId(5), &join("ann", true));
        register.note(&event(EventKind::ParticipantLeft { connection: ConnectionId(2), info: info("BOB") }));
        register.close(ConnectionId(4));
        assert_eq!(told(&mut register), ["RoomFinished(RoomEndUnknown)", "aborted 3 cid", "left 1 ann"]);
        assert!(told(&mut register).is_empty(), "and only once");
    }
}
