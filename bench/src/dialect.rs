//! How each protocol says "here I am", "to the room" and "that's yours".

use memchr::memmem;
use serde_json::{Value, json};

/// A place in a room.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    /// The room's index in the crowd.
    pub(crate) room: usize,
    /// What the server calls the room.
    pub(crate) room_id: String,
    /// What lets the client in.
    pub(crate) token: String,
}

/// What a text frame means to the loader.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// A message of the room. The caller reads the mark from the frame.
    Message,
    /// The answer to the message that was said with this number.
    Acknowledged { number: u32, accepted: bool },
    /// The client is in its room.
    Joined,
    /// Something that must be answered with this text.
    Answer(String),
    /// The server won't have it.
    Refused,
    /// Nothing that concerns the loader: presence, greetings.
    Other,
}

/// One of the three protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Socket.IO 5 over Engine.IO 4, the WebSocket transport alone, as in the chatrooms API.
    SocketIo,
    /// The meeting WebSocket: `{"type", "data"}`.
    Meeting,
    /// The floor: any text goes to the room.
    Floor,
}

/// The acknowledgement id of `joinRoom`; messages follow with 1 and up.
const JOIN_ID: u32 = 0;

impl Dialect {
    /// The path to upgrade on.
    pub(crate) fn path(self, seat: &Seat) -> String {
        match self {
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket".to_owned(),
            Self::Meeting => format!("/ws/meetings/{}?token={}", seat.room_id, seat.token),
            Self::Floor => format!("/rooms/{}", seat.room_id),
        }
    }

    /// The first frame of a client, right after the upgrade.
    pub(crate) fn opening(self) -> Option<String> {
        match self {
            // Engine.IO's server speaks first; the floor has nothing to say.
            Self::SocketIo | Self::Floor => None,
            // The answer tells that the server has taken the client in.
            Self::Meeting => Some(json!({"type": "ping", "data": {}}).to_string()),
        }
    }

    /// Whether the upgrade alone puts a client into its room.
    pub(crate) fn joins_by_upgrade(self) -> bool {
        self == Self::Floor
    }

    /// The client's first event: it asks to join. Sent again where the answer never came.
    pub(crate) fn join(self, seat: &Seat) -> Option<String> {
        match self {
            Self::SocketIo => Some(event(JOIN_ID, "joinRoom", json!({"chatroomId": seat.room_id}))),
            Self::Meeting => self.opening(),
            Self::Floor => None,
        }
    }

    /// Whether senders get an answer to each message.
    pub(crate) fn acknowledges(self) -> bool {
        self == Self::SocketIo
    }

    /// The frame that says `text` to the room.
    pub(crate) fn say(self, seat: &Seat, number: u32, text: &str) -> String {
        match self {
            Self::SocketIo => {
                event(number + JOIN_ID + 1, "chatroomMessage", json!({"chatroomId": seat.room_id, "message": text}))
            }
            Self::Meeting => json!({"type": "chat_message", "data": {"content": text}}).to_string(),
            Self::Floor => text.to_owned(),
        }
    }

    /// What a text frame means. Room messages come first: they are nearly all there is.
    pub(crate) fn hear(self, seat: &Seat, frame: &[u8]) -> Heard {
        match self {
            Self::SocketIo => hear_socket_io(self, seat, frame),
            Self::Meeting => hear_meeting(frame),
            Self::Floor => Heard::Message,
        }
    }
}

fn event(id: u32, name: &str, data: Value) -> String {
    format!("42{id}{}", json!([name, data]))
}

fn hear_socket_io(dialect: Dialect, seat: &Seat, frame: &[u8]) -> Heard {
    match frame {
        [b'4', b'2', rest @ ..] if rest.starts_with(b"[\"newMessage\"") => Heard::Message,
        [b'4', b'3', rest @ ..] => hear_acknowledgement(rest),
        [b'4', b'0', ..] => dialect.join(seat).map_or(Heard::Other, Heard::Answer),
        [b'4', b'4', ..] => Heard::Refused,
        [b'0', ..] => Heard::Answer(format!("40{}", json!({"token": format!("Bearer {}", seat.token)}))),
        [b'2', rest @ ..] => Heard::Answer(format!("3{}", String::from_utf8_lossy(rest))),
        _ => Heard::Other,
    }
}

/// `<id>[{"ok": true, ..}]`
fn hear_acknowledgement(frame: &[u8]) -> Heard {
    let digits = frame.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let id = frame[..digits].iter().fold(0, |id: u32, digit| id * 10 + u32::from(digit - b'0'));
    let accepted = memmem::find(&frame[digits..], b"\"ok\":true").is_some();
    match id {
        JOIN_ID if accepted => Heard::Joined,
        JOIN_ID => Heard::Refused,
        _ => Heard::Acknowledged { number: id - JOIN_ID - 1, accepted },
    }
}

fn hear_meeting(frame: &[u8]) -> Heard {
    let says = |kind: &[u8]| memmem::find(frame, kind).is_some();
    if says(b"\"type\":\"chat_message\"") {
        Heard::Message
    } else if says(b"\"type\":\"pong\"") {
        Heard::Joined
    } else if says(b"\"type\":\"ping\"") {
        Heard::Answer(json!({"type": "pong", "data": {}}).to_string())
    } else if says(b"\"type\":\"error\"") {
        Heard::Refused
    } else {
        Heard::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(dialect: Dialect, frame: &str) -> Heard {
        let seat = Seat { room: 0, room_id: "r".to_owned(), token: "t".to_owned() };
        dialect.hear(&seat, frame.as_bytes())
    }

    #[test]
    fn socket_io_packets() {
        let answer = |text: &str| Heard::Answer(text.to_owned());
        for (packet, meaning) in [
            (r#"0{"sid":"x","upgrades":[]}"#, answer(r#"40{"token":"Bearer t"}"#)),
            (r#"40{"sid":"y"}"#, answer(r#"420["joinRoom",{"chatroomId":"r"}]"#)),
            (r#"430[{"ok":true}]"#, Heard::Joined),
            (r#"430[{"ok":false,"error":"no"}]"#, Heard::Refused),
            (r#"4312[{"ok":true,"id":"z"}]"#, Heard::Acknowledged { number: 11, accepted: true }),
            (r#"42["newMessage",{"message":"hi"}]"#, Heard::Message),
            (r#"42["userJoined",{}]"#, Heard::Other),
            (r#"44{"message":"Invalid token"}"#, Heard::Refused),
            ("2", answer("3")),
        ] {
            assert_eq!(hear(Dialect::SocketIo, packet), meaning, "{packet}");
        }
    }

    #[test]
    fn meeting_envelopes() {
        for (envelope, meaning) in [
            (r#"{"type":"chat_message","data":{}}"#, Heard::Message),
            (r#"{"data":{},"type":"chat_message"}"#, Heard::Message),
            (r#"{"type":"pong"}"#, Heard::Joined),
            (r#"{"type":"participant_joined","data":{}}"#, Heard::Other),
            (r#"{"type":"error","data":{"code":"X"}}"#, Heard::Refused),
        ] {
            assert_eq!(hear(Dialect::Meeting, envelope), meaning, "{envelope}");
        }
    }
}
