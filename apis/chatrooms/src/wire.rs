//! The document's types. `*Id` in camel case where the document's own events have it so.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Somebody who wants an account.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = chatrooms::NewUser, example = json!({
    "name": "John Doe", "email": "john.doe@example.com", "password": "password123"
}))]
pub(crate) struct NewUser {
    /// Required, unless `username` is given.
    pub(crate) name: Option<String>,
    /// The same as `name`.
    pub(crate) username: Option<String>,
    pub(crate) email: String,
    /// At least 8 characters.
    pub(crate) password: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = chatrooms::Login, example = json!({"email": "john.doe@example.com", "password": "password123"}))]
pub(crate) struct Login {
    pub(crate) email: String,
    pub(crate) password: String,
}

/// `token` and `access_token` are the same JWT.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = chatrooms::Token)]
pub(crate) struct Token {
    #[schema(example = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...")]
    pub(crate) token: String,
    #[schema(example = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...")]
    pub(crate) access_token: String,
    #[schema(example = "bearer")]
    pub(crate) token_type: &'static str,
}

/// What of the own account to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = chatrooms::UserChange, example = json!({"name": "John Smith"}))]
pub(crate) struct UserChange {
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    /// At least 8 characters. Ends the account's other sessions.
    pub(crate) password: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = chatrooms::User)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    #[schema(example = "John Doe")]
    pub(crate) name: String,
    /// `null` for an account that has a phone number alone.
    #[schema(example = "john.doe@example.com")]
    pub(crate) email: Option<String>,
}

/// Which chatrooms to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// `true`: all chatrooms, not the caller's alone.
    pub(crate) all: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = chatrooms::NewChatroom, example = json!({"name": "Lobby"}))]
pub(crate) struct NewChatroom {
    pub(crate) name: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = chatrooms::Chatroom)]
pub(crate) struct Chatroom {
    pub(crate) id: Uuid,
    #[schema(example = "Lobby")]
    pub(crate) name: String,
    pub(crate) members: Vec<Person>,
    /// RFC 3339, UTC.
    #[schema(example = "2024-01-15T10:30:00Z")]
    pub(crate) created_at: String,
}

/// Somebody as others see them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = chatrooms::Person)]
pub(crate) struct Person {
    /// `null` for a guest.
    pub(crate) id: Option<Uuid>,
    #[schema(example = "John Doe")]
    pub(crate) name: String,
}

/// A message to post, over REST or in the event `chatroomMessage`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = chatrooms::NewMessage, example = json!({
    "chatroomId": "01890a5d-ac96-774b-bcce-b302099a8057", "message": "Hello World!"
}))]
#[serde(expecting = "an object with chatroomId and message")]
pub(crate) struct NewMessage {
    /// The chatroom's id. Required, unless `chatroomId` is given.
    pub(crate) chatroom: Option<String>,
    /// The same as `chatroom`.
    #[serde(rename = "chatroomId")]
    pub(crate) chatroom_id: Option<String>,
    /// At most 10,000 characters.
    pub(crate) message: String,
    /// The client's own id of the message: sent again with the same id, it is stored once. The `Idempotency-Key` header
    /// counts before it.
    #[serde(alias = "clientMessageId")]
    pub(crate) client_message_id: Option<String>,
}

/// Which messages to read; without any of these, all.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// How many messages, 1 to 1,000: the newest, or with `since_seq` the oldest after it.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<i64>,
    /// Messages before this `seq`.
    #[param(minimum = 1)]
    pub(crate) before_seq: Option<i64>,
    /// Messages after this `seq`; not together with `before_seq`.
    #[param(minimum = 0)]
    pub(crate) since_seq: Option<i64>,
}

/// A message, as `newMessage` has it too.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = chatrooms::Message)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) chatroom_id: Uuid,
    pub(crate) sender: Person,
    #[schema(example = "Hello World!")]
    pub(crate) message: String,
    /// RFC 3339, UTC.
    #[schema(example = "2024-01-15T10:30:00.123456Z")]
    pub(crate) timestamp: String,
    /// The message's place in the chatroom's order, from 1. A member who does not see private messages of others
    /// sees gaps.
    #[schema(example = 1)]
    pub(crate) seq: i64,
    /// The sender's own id of the message, if it came with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_message_id: Option<String>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = chatrooms::Done)]
pub(crate) struct Done {
    #[schema(example = "You left the chatroom")]
    pub(crate) message: &'static str,
}
