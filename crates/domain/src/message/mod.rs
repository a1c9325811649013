//! Messages: stored before they are acknowledged, in one order per room for everybody.

pub mod act;
pub mod draft;
pub mod store;

use crate::{
    clock::Timestamp,
    id::{MessageId, RoomId, UserId},
    limit,
    user::Party,
};
pub use draft::Draft;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    /// `convo.md`'s integer id.
    pub number: i64,
    pub room: RoomId,
    /// The room's integer id, for `convo.md`.
    pub room_number: i64,
    /// Place in the room's order, from 1; private messages take a place too.
    pub seq: i64,
    pub sender: Party,
    /// The author's integer id (0 for a guest), for `convo.md`.
    pub sender_number: i64,
    pub sender_name: String,
    pub content: String,
    pub kind: MessageKind,
    /// Private: for the sender and this party alone.
    pub recipient: Option<Party>,
    /// The client's own id of the message, back to the client that retries.
    pub nonce: Option<String>,
    /// Rises strictly within a room, so that `since` is exact.
    pub created_at: Timestamp,
}

impl Message {
    pub fn is_private(&self) -> bool {
        self.recipient.is_some()
    }

    pub fn visible_to(&self, party: Party) -> bool {
        self.recipient.is_none_or(|recipient| recipient == party || self.sender == party)
    }

    pub fn sender_user(&self) -> Option<UserId> {
        self.sender.user()
    }
}

/// Ends a page that catches a session up where it has [`limit::CATCH_UP_BYTES`], after one message at least; whether it is
/// the last, which nothing can follow.
pub fn end_page(page: &mut Vec<Message>) -> bool {
    let is_full = page.len() as i64 >= limit::CATCH_UP;
    let mut bytes = 0;
    let end = page.iter().position(|message| {
        bytes += message.content.len();
        bytes >= limit::CATCH_UP_BYTES
    });
    page.truncate(end.map_or(page.len(), |last| last + 1));
    !is_full && end.is_none()
}

/// `platform.md`'s `message_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    Text,
    Emoji,
    File,
    System,
}
