//! The document's types, with its own examples.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Body of `POST /api/auth/register`.
#[derive(Deserialize, ToSchema)]
#[schema(
    as = ConversationsRegistration,
    example = json!({
        "email": "user@example.com",
        "password": "password123",
        "name": "John Doe",
        "profile_picture": "https://example.com/profile.jpg"
    })
)]
pub struct Registration {
    pub email: String,
    /// At least 8 characters.
    #[schema(min_length = 8)]
    pub password: String,
    pub name: String,
    /// An http or https address.
    pub profile_picture: Option<String>,
}

/// Body of `POST /api/auth/login`.
#[derive(Deserialize, ToSchema)]
#[schema(as = ConversationsLogin, example = json!({"email": "user@example.com", "password": "password123"}))]
pub struct Login {
    pub email: String,
    pub password: String,
}

/// The access token, good for every API for an hour.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationsToken, example = json!({"token": "jwt_token"}))]
pub struct Token {
    pub token: String,
}

/// A person, or the AI agent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(
    as = ConversationsProfile,
    example = json!({
        "user_id": "01890000-0000-7000-8000-000000000001",
        "email": "user@example.com",
        "name": "John Doe",
        "profile_picture": "https://example.com/profile.jpg"
    })
)]
pub struct Profile {
    pub user_id: String,
    /// `null` for an account with a phone number alone, and for the agent.
    pub email: Option<String>,
    pub name: String,
    pub profile_picture: Option<String>,
}

/// Body of `POST /api/conversations`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewConversation, example = json!({"is_ai": true}))]
pub struct NewConversation {
    /// With the AI agent; `participant_ids` is not looked at then.
    pub is_ai: bool,
    /// The other people. Two people share one conversation.
    #[serde(default)]
    pub participant_ids: Option<Vec<String>>,
    #[schema(max_length = 200)]
    pub title: Option<String>,
}

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(
    example = json!({
        "conversation_id": "01890000-0000-7000-8000-0000000000c1",
        "is_ai": false,
        "participants": [
            {"user_id": "01890000-0000-7000-8000-000000000001", "name": "John Doe"},
            {"user_id": "01890000-0000-7000-8000-000000000002", "name": "Jane Roe"}
        ],
        "created_at": "2025-02-22T12:00:00Z",
        "title": null,
        "last_message": null
    })
)]
pub struct Conversation {
    pub conversation_id: String,
    pub is_ai: bool,
    pub participants: Vec<Participant>,
    pub created_at: String,
    pub title: Option<String>,
    /// The newest message that the caller may see.
    pub last_message: Option<Message>,
}

/// Somebody in a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversationParticipant)]
pub struct Participant {
    pub user_id: String,
    pub name: String,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(
    as = ConversationMessage,
    example = json!({
        "message_id": "01890000-0000-7000-8000-0000000000a1",
        "sender_id": "01890000-0000-7000-8000-000000000001",
        "sender_name": "John Doe",
        "message": "Hi, how are you?",
        "timestamp": "2025-02-22T12:01:00Z",
        "seq": 1
    })
)]
pub struct Message {
    pub message_id: String,
    /// `null` for a guest, who has no account.
    pub sender_id: Option<String>,
    pub sender_name: String,
    pub message: String,
    pub timestamp: String,
    /// Place in the conversation's order.
    pub seq: i64,
}

/// Body of `POST /api/messages`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    as = ConversationsNewMessage,
    example = json!({
        "conversation_id": "01890000-0000-7000-8000-0000000000c1",
        "message": "Hello, how are you?"
    })
)]
pub struct NewMessage {
    /// The UUID of a conversation, or of a room of another kind.
    pub conversation_id: String,
    /// The caller's; may be left out.
    pub sender_id: Option<String>,
    /// At most 10,000 characters.
    #[schema(min_length = 1, max_length = 10_000)]
    pub message: String,
}

/// A message that was stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(
    as = ConversationsPosted,
    example = json!({
        "message_id": "01890000-0000-7000-8000-0000000000a1",
        "message": "Hello, how are you?",
        "timestamp": "2025-02-22T12:03:00Z",
        "seq": 3
    })
)]
pub struct Posted {
    pub message_id: String,
    pub message: String,
    pub timestamp: String,
    /// Place in the conversation's order.
    pub seq: i64,
}

/// Query of `GET /api/conversations/{conversation_id}`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Slice {
    /// Only messages after this `seq`; at most `limit` of them, 100 where that is left out.
    #[param(minimum = 0)]
    pub since_seq: Option<i64>,
    /// At most so many messages; without `since_seq`, the newest.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<i64>,
}

/// Answer to `POST …/connect`.
#[derive(Serialize, ToSchema)]
#[schema(
    as = ConversationConnection,
    example = json!({
        "status": "WebSocket connected",
        "conversation_id": "01890000-0000-7000-8000-0000000000c1",
        "websocket_url": "ws://localhost:8000/api/conversations/01890000-0000-7000-8000-0000000000c1/connect?ticket=…"
    })
)]
pub struct Connection {
    pub status: &'static str,
    pub conversation_id: String,
    /// Good for one connection, within a minute.
    pub websocket_url: String,
}

/// Answer to `POST …/cancel`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversationCancelled)]
pub struct Cancelled {
    pub conversation_id: String,
    /// Whether an answer of the agent was under way.
    pub cancelled: bool,
}

/// Query of `GET …/connect`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Access {
    /// From `POST …/connect`; good once.
    pub ticket: Option<String>,
    /// The access token, for clients that can set no header.
    pub token: Option<String>,
}

/// A frame from a client: a message where there is no `type`.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame {
    #[serde(default)]
    pub(crate) r#type: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) client_message_id: Option<String>,
    #[serde(default)]
    pub(crate) is_typing: Option<bool>,
    #[serde(default)]
    pub(crate) since_seq: Option<i64>,
}

/// A message to a client.
#[derive(Debug, Serialize)]
pub(crate) struct MessageFrame<'a> {
    pub(crate) message_id: String,
    pub(crate) conversation_id: String,
    pub(crate) sender_id: Option<String>,
    pub(crate) sender_name: &'a str,
    pub(crate) message: &'a str,
    pub(crate) timestamp: String,
    pub(crate) seq: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_message_id: Option<&'a str>,
}

/// What is not a message, to a client.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Notice<'a> {
    /// A piece of the agent's answer, as it is written.
    Delta {
        conversation_id: String,
        delta: &'a str,
    },
    Typing {
        conversation_id: String,
        user_id: Option<String>,
        name: &'a str,
        is_typing: bool,
    },
    Pong,
}
