//! What both suites say.

use convo_domain::{
    clock::Timestamp,
    id::{MessageId, RoomId, UserId},
    message::{Message, MessageKind},
    user::Party,
};

/// A message of the room whose number in it is also its text.
pub(crate) fn message(room: RoomId, seq: i64) -> Message {
    Message {
        id: MessageId::new(),
        number: seq,
        room,
        room_number: 1,
        seq,
        sender: Party::User(UserId::new()),
        sender_number: 1,
        sender_name: "Ann".into(),
        content: seq.to_string(),
        kind: MessageKind::Text,
        recipient: None,
        nonce: None,
        created_at: Timestamp(seq),
    }
}
