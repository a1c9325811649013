//! The document's types. `*Id` in camel case where the document's own events have it so.

use convo_domain::error::Error;
use convo_kit::voice;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Somebody who wants an account.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = chatrooms::NewUser, example = json!({
    "name": "Jane Doe", "email": "jane.doe@example.com", "password": "password123"
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
#[schema(as = chatrooms::Login, example = json!({"email": "jane.doe@example.com", "password": "password123"}))]
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
    #[schema(example = "Jane Doe")]
    pub(crate) name: String,
    /// `null` for an account that has a phone number alone.
    #[schema(example = "jane.doe@example.com")]
    pub(crate) email: Option<String>,
}

/// Which chatrooms to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// `true`: all chatrooms, not the caller's alone.
    #[serde(default, deserialize_with = "flag")]
    pub(crate) all: Option<bool>,
}

/// A truth value as clients write one into a query: Python's say `True`.
fn flag<'de, D: Deserializer<'de>>(field: D) -> Result<Option<bool>, D::Error> {
    let text = String::deserialize(field)?;
    match &text.to_ascii_lowercase()[..] {
        "true" | "1" | "yes" | "on" => Ok(Some(true)),
        "false" | "0" | "no" | "off" => Ok(Some(false)),
        _ => Err(de::Error::invalid_value(de::Unexpected::Str(&text), &"true or false")),
    }
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

// Socket.IO: what events and acknowledgements carry.

/// `joinRoom`, `leaveRoom` and `typing`, from a client.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object with chatroomId")]
pub(crate) struct RoomEvent {
    #[serde(rename = "chatroomId", alias = "chatroom")]
    pub(crate) chatroom_id: Option<String>,
    #[serde(rename = "isTyping", alias = "is_typing")]
    pub(crate) is_typing: Option<bool>,
}

/// `typing`, to the others in the chatroom.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Typing {
    pub(crate) chatroom_id: Uuid,
    pub(crate) user: Person,
    pub(crate) is_typing: bool,
}

/// `userJoined` and `userLeft`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Moved {
    pub(crate) chatroom_id: Uuid,
    pub(crate) user: Person,
}

/// `error`: why an event that asked for no acknowledgement failed.
#[derive(Debug, Serialize)]
pub(crate) struct Complaint {
    pub(crate) message: String,
    pub(crate) code: &'static str,
}

impl From<&Error> for Complaint {
    fn from(error: &Error) -> Self {
        Self { message: error.message.to_string(), code: voice::code(error.kind) }
    }
}

/// The acknowledgement of an event that failed.
#[derive(Debug, Serialize)]
pub(crate) struct Refused {
    pub(crate) ok: bool,
    pub(crate) error: String,
    pub(crate) code: &'static str,
}

impl From<&Error> for Refused {
    fn from(error: &Error) -> Self {
        Self { ok: false, error: error.message.to_string(), code: voice::code(error.kind) }
    }
}

/// The acknowledgement of `joinRoom`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joined {
    pub(crate) ok: bool,
    pub(crate) chatroom_id: Uuid,
    /// Of the chatroom's last message: what comes later is heard.
    pub(crate) seq: i64,
}

/// The acknowledgement of `leaveRoom`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Left {
    pub(crate) ok: bool,
    pub(crate) chatroom_id: Uuid,
}

/// The acknowledgement of `chatroomMessage`.
#[derive(Debug, Serialize)]
pub(crate) struct Sent {
    pub(crate) ok: bool,
    pub(crate) message: Message,
}

/// The acknowledgement of `typing`.
#[derive(Debug, Serialize)]
pub(crate) struct Accepted {
    pub(crate) ok: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn acknowledgements_and_errors_have_the_contracts_shape() {
        let id = Uuid::from_u128(1);
        let error = Error::forbidden("You are not a member of this chatroom");
        assert_eq!(
            serde_json::to_value(Refused::from(&error)).unwrap(),
            json!({"ok": false, "error": error.message, "code": "INSUFFICIENT_PERMISSIONS"})
        );
        assert_eq!(
            serde_json::to_value(Complaint::from(&error)).unwrap(),
            json!({"message": error.message, "code": "INSUFFICIENT_PERMISSIONS"})
        );
        assert_eq!(
            serde_json::to_value(Joined { ok: true, chatroom_id: id, seq: 7 }).unwrap(),
            json!({"ok": true, "chatroomId": id, "seq": 7})
        );
        assert_eq!(
            serde_json::to_value(Left { ok: true, chatroom_id: id }).unwrap(),
            json!({"ok": true, "chatroomId": id})
        );
    }

    #[test]
    fn a_token_is_there_under_both_its_names() {
        let token = Token { token: "a.b.c".into(), access_token: "a.b.c".into(), token_type: "bearer" };
        let expected = json!({"token": "a.b.c", "access_token": "a.b.c", "token_type": "bearer"});
        assert_eq!(serde_json::to_value(token).unwrap(), expected);
    }

    #[test]
    fn a_chatroom_has_the_contracts_shape() {
        let id = Uuid::from_u128(1);
        let members = vec![Person { id: Some(id), name: "Ann Lee".into() }];
        let created_at = "2024-01-15T10:30:00Z".to_owned();
        assert_eq!(
            serde_json::to_value(Chatroom { id, name: "Lobby".into(), members, created_at }).unwrap(),
            json!({"id": id, "name": "Lobby", "members": [{"id": id, "name": "Ann Lee"}], "created_at": "2024-01-15T10:30:00Z"})
        );
    }
}
