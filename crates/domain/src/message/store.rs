//! What a store keeps of messages.

use super::Message;
use crate::{
    clock::Timestamp,
    error::Result,
    id::RoomId,
    page::{Page, Window},
    user::Party,
};

pub trait MessageStore {
    /// Takes the room's next `seq` and a `created_at` after the last one, and stores the message with its number.
    fn append(&mut self, message: &mut Message) -> Result<()>;
    fn by_nonce(&mut self, room: RoomId, sender: Party, nonce: &str) -> Result<Option<Message>>;
    /// Messages after `seq`, oldest first, at most `limit`.
    fn after(&mut self, room: RoomId, viewer: Viewer, seq: i64, limit: i64) -> Result<Vec<Message>>;
    /// The newest `limit` messages before `before` (or at all), oldest first.
    fn latest(&mut self, room: RoomId, viewer: Viewer, before: Option<i64>, limit: i64) -> Result<Vec<Message>>;
    /// A page of those after `since`, oldest first.
    fn history(
        &mut self,
        room: RoomId,
        viewer: Viewer,
        since: Option<Timestamp>,
        window: Window,
    ) -> Result<Page<Message>>;
}

/// Through whose eyes a history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    Party(Party),
    /// The server itself, to deliver what live sessions missed.
    Server,
}
