//! Events in the words of Socket.IO, encoded once for all clients of a namespace.

use crate::{map, wire};
use convo_domain::{
    event::{Event, Told},
    id::RoomId,
    message::Message,
    user::Party,
};
use convo_kit::slot;
use convo_socketio::{Packet, event_packet};
use serde::Serialize;
use std::sync::LazyLock;
use uuid::Uuid;

/// The two documented ways to connect: `io("http://…")` and `io("http://…/socket.io")`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    Root,
    Named,
}

impl Namespace {
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Namespace::Root, Namespace::Named].into_iter().find(|namespace| namespace.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Namespace::Root => "/",
            Namespace::Named => "/socket.io",
        }
    }

    /// Where the wording of an event is kept.
    pub(crate) fn slot(self) -> usize {
        match self {
            Namespace::Root => slot::CHATROOMS,
            Namespace::Named => slot::CHATROOMS_NAMED,
        }
    }

    /// Where the wording with an offset is kept.
    pub(crate) fn offset_slot(self) -> usize {
        match self {
            Namespace::Root => slot::CHATROOMS_OFFSET,
            Namespace::Named => slot::CHATROOMS_NAMED_OFFSET,
        }
    }

    /// An event with one argument.
    pub(crate) fn packet(self, name: &str, data: &impl Serialize) -> Option<Packet> {
        let packet = event_packet(self.name(), name, &(data,));
        packet.inspect_err(|error| tracing::error!(%error, name, "an event could not be encoded")).ok()
    }
}

/// The event, if this API speaks of it.
pub(crate) fn event(namespace: Namespace, told: &Told) -> Option<Packet> {
    let moved = |name, party, person: &str| namespace.packet(name, &moved(told.room, party, person));
    match &told.event {
        Event::Posted(message) => new_message(namespace, message),
        Event::Presence { who, here: true } => moved("userJoined", who.party, &who.name),
        Event::Presence { who, here: false } => moved("userLeft", who.party, &who.name),
        Event::MemberJoined { user, name } => moved("userJoined", Party::User(*user), name),
        Event::MemberLeft { user, name } => moved("userLeft", Party::User(*user), name),
        Event::Typing { from, is_typing } => {
            let user = map::person(from.party, from.name.clone());
            namespace.packet("typing", &wire::Typing { chatroom_id: told.room.0, user, is_typing: *is_typing })
        }
        // What else happens in a meeting is said in its own document's socket.
        _ => None,
    }
}

fn moved(room: RoomId, party: Party, name: &str) -> wire::Moved {
    wire::Moved { chatroom_id: room.0, user: map::person(party, name.to_owned()) }
}

pub(crate) fn new_message(namespace: Namespace, message: &Message) -> Option<Packet> {
    namespace.packet("newMessage", &map::message(message.clone()))
}

/// Names an event for connection state recovery, the same for all sockets. `None`: one that is not sent again, for the next
/// one makes it stale anyway.
pub(crate) fn offset(told: &Told) -> Option<String> {
    match &told.event {
        Event::Posted(message) => Some(message_offset(message)),
        Event::Presence { .. } | Event::MemberJoined { .. } | Event::MemberLeft { .. } => {
            // Clients may name an offset of the process before this one.
            static PROCESS: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);
            Some(format!("{:x}.{}", PROCESS.as_fields().0, told.number))
        }
        _ => None,
    }
}

/// The offset of a message, also when it is read again.
pub(crate) fn message_offset(message: &Message) -> String {
    format!("{}-{}", message.room_number, message.seq)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use convo_domain::{
        clock::Timestamp,
        event::{Audience, Who},
        id::{MessageId, ParticipantId, UserId},
        message::MessageKind,
    };

    const ROOM: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const ANN: &str = "01890a5d-ac96-774b-bcce-b302099a8059";

    fn ann() -> UserId {
        UserId::parse(ANN).unwrap()
    }

    fn told(event: Event) -> Told {
        Told::new(RoomId::parse(ROOM).unwrap(), Audience::Room, event)
    }

    pub(crate) fn posted(room: RoomId, seq: i64) -> Told {
        let message = Message {
            id: MessageId::parse("01890a5d-ac96-774b-bcce-b302099a8058").unwrap(),
            number: 9,
            room,
            room_number: 4,
            seq,
            sender: Party::User(ann()),
            sender_number: 1,
            sender_name: "Ann".into(),
            content: "Hello World!".into(),
            kind: MessageKind::Text,
            recipient: None,
            nonce: None,
            created_at: Timestamp::from_seconds(1_705_314_600),
        };
        Told::new(room, Audience::Room, Event::Posted(message))
    }

    fn text(namespace: Namespace, told: &Told) -> Option<String> {
        event(namespace, told).map(|packet| packet.as_str().to_owned())
    }

    #[test]
    fn the_namespaces_of_the_document() {
        for namespace in [Namespace::Root, Namespace::Named] {
            assert_eq!(Namespace::named(namespace.name()), Some(namespace));
        }
        assert_eq!(Namespace::named("/elsewhere"), None);
    }

    #[test]
    fn a_new_message_has_the_contracts_shape() {
        let told = posted(RoomId::parse(ROOM).unwrap(), 7);
        let message = format!(
            r#"{{"id":"01890a5d-ac96-774b-bcce-b302099a8058","chatroomId":"{ROOM}","sender":{{"id":"{ANN}","name":"Ann"}},"message":"Hello World!","timestamp":"2024-01-15T10:30:00Z","seq":7}}"#
        );
        assert_eq!(text(Namespace::Root, &told).unwrap(), format!(r#"42["newMessage",{message}]"#));
        assert_eq!(text(Namespace::Named, &told).unwrap(), format!(r#"42/socket.io,["newMessage",{message}]"#));
        assert_eq!(offset(&told).unwrap(), "4-7");
    }

    #[test]
    fn who_comes_and_goes() {
        let user = format!(r#"{{"chatroomId":"{ROOM}","user":{{"id":"{ANN}","name":"Ann"}}}}"#);
        let who = || Who { party: Party::User(ann()), participant: None, name: "Ann".into() };
        for (event, name) in [
            (Event::Presence { who: who(), here: true }, "userJoined"),
            (Event::Presence { who: who(), here: false }, "userLeft"),
            (Event::MemberJoined { user: ann(), name: "Ann".into() }, "userJoined"),
            (Event::MemberLeft { user: ann(), name: "Ann".into() }, "userLeft"),
        ] {
            let (first, second) = (told(event.clone()), told(event));
            assert_eq!(text(Namespace::Root, &first).unwrap(), format!(r#"42["{name}",{user}]"#));
            assert_ne!(offset(&first).unwrap(), offset(&second).unwrap());
        }
    }

    #[test]
    fn a_guest_types_under_their_name() {
        let guest = ParticipantId::new();
        let from = Who { party: Party::Guest(guest), participant: Some(guest), name: "Gus".into() };
        let expected =
            format!(r#"42["typing",{{"chatroomId":"{ROOM}","user":{{"id":null,"name":"Gus"}},"isTyping":true}}]"#);
        let typing = told(Event::Typing { from, is_typing: true });
        assert_eq!(text(Namespace::Root, &typing).unwrap(), expected);
        assert_eq!(offset(&typing), None);
    }

    #[test]
    fn what_is_not_spoken_of_here() {
        assert_eq!(text(Namespace::Root, &told(Event::Locked(true))), None);
        assert_eq!(text(Namespace::Root, &told(Event::AgentDelta { text: "H".into() })), None);
    }
}
