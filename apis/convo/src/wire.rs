//! The document's types, with its own examples.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Body of `POST /api/register`.
#[derive(Deserialize, ToSchema)]
#[schema(
    as = ConvoRegistration,
    example = json!({"name": "User Name", "email": "user.name@example.com", "password": "password123"})
)]
pub struct Registration {
    pub name: String,
    pub email: String,
    /// At least 8 characters.
    #[schema(min_length = 8)]
    pub password: String,
}

/// A new account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(
    as = ConvoUser,
    example = json!({"id": 1, "name": "User Name", "email": "user.name@example.com", "password": "hashed_password"})
)]
pub struct User {
    pub id: i64,
    pub name: String,
    pub email: Option<String>,
    /// Always the text `hashed_password`: no hash leaves the server.
    pub password: &'static str,
}

/// Body of `POST /api/login`.
#[derive(Deserialize, ToSchema)]
#[schema(as = ConvoLogin, example = json!({"email": "user.name@example.com", "password": "password123"}))]
pub struct Login {
    pub email: String,
    pub password: String,
}

/// The access token, good for every API for an hour.
#[derive(Serialize, ToSchema)]
#[schema(as = ConvoToken, example = json!({"token": "jwt_token"}))]
pub struct Token {
    pub token: String,
}

/// Body of `POST /api/meetings`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    as = ConvoNewMeeting,
    example = json!({
        "title": "Meeting Title",
        "description": "Meeting Description",
        "start_time": "2024-09-07T10:00:00",
        "end_time": "2024-09-07T11:00:00"
    })
)]
pub struct NewMeeting {
    pub title: String,
    pub description: Option<String>,
    /// UTC where there is no zone.
    pub start_time: Option<String>,
    /// After `start_time`.
    pub end_time: Option<String>,
    /// The caller's; may be left out.
    pub creator_id: Option<i64>,
}

/// A meeting.
#[derive(Debug, Serialize, ToSchema)]
#[schema(
    as = ConvoMeeting,
    example = json!({
        "id": 1,
        "title": "Meeting Title",
        "description": "Meeting Description",
        "start_time": "2024-09-07T10:00:00",
        "end_time": "2024-09-07T11:00:00",
        "creator_id": 1
    })
)]
pub struct Meeting {
    pub id: i64,
    pub title: String,
    pub description: Option<String>,
    /// UTC, without a zone.
    pub start_time: Option<String>,
    /// UTC, without a zone.
    pub end_time: Option<String>,
    /// `null` where the meeting belongs to nobody.
    pub creator_id: Option<i64>,
}

/// A meeting's integer, or its UUID.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged, expecting = "meeting_id must be an integer or a UUID")]
#[schema(as = ConvoMeetingName)]
pub enum MeetingName {
    Number(i64),
    Text(String),
}

/// Body of `POST /api/messages`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    as = ConvoNewMessage,
    example = json!({"content": "Hello, this is a message!", "meeting_id": 1})
)]
pub struct NewMessage {
    /// At most 10,000 characters.
    #[schema(min_length = 1, max_length = 10_000)]
    pub content: String,
    /// The caller's; may be left out.
    pub sender_id: Option<i64>,
    pub meeting_id: MeetingName,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(
    as = ConvoMessage,
    example = json!({
        "id": 1,
        "content": "Hello, this is a message!",
        "sender_id": 1,
        "meeting_id": 1,
        "timestamp": "2024-09-07T10:15:00",
        "sender_name": "User Name",
        "seq": 1
    })
)]
pub struct Message {
    pub id: i64,
    pub content: String,
    /// `null` for a guest, who has no account.
    pub sender_id: Option<i64>,
    pub meeting_id: i64,
    /// UTC, without a zone.
    pub timestamp: String,
    pub sender_name: String,
    /// Place in the meeting's order, for `resume` on the socket.
    pub seq: i64,
}

/// Query of `GET /ws`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Access {
    /// The access token, for clients that can set no header.
    pub token: Option<String>,
}
