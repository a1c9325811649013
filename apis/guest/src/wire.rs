//! The types of `livekit-meetings.md`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Created {
    #[schema(example = "abc-defg-hij")]
    pub meeting_id: String,
    #[schema(example = "http://localhost:3000/meeting/abc-defg-hij")]
    pub meeting_link: String,
    #[schema(example = "2024-01-15T10:30:00Z")]
    pub created_at: String,
    #[schema(example = "ws://localhost:7880")]
    pub livekit_url: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = GuestJoin)]
pub struct Join {
    #[schema(example = "John Doe")]
    pub user_name: String,
    /// Where the meeting asks for one.
    pub passcode: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = GuestJoined)]
pub struct Joined {
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9...")]
    pub token: String,
    #[schema(example = "abc-defg-hij")]
    pub meeting_id: String,
    #[schema(example = "John Doe")]
    pub user_name: String,
    #[schema(example = "ws://localhost:7880")]
    pub livekit_url: String,
    #[schema(example = "john_doe_a1b2c3d4")]
    pub user_id: String,
    #[schema(example = "participant-550e8400-e29b-41d4-a716-446655440000")]
    pub participant_id: String,
    /// `joined`, or `waiting` at the door of a meeting with a waiting room.
    #[schema(example = "joined")]
    pub status: &'static str,
    /// The meeting WebSocket, which takes the same token.
    pub websocket_url: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Info {
    #[schema(example = "abc-defg-hij")]
    pub meeting_id: String,
    pub exists: bool,
    #[schema(example = 2)]
    pub num_participants: i64,
    #[schema(example = "2024-01-15T10:30:00Z")]
    pub created_at: String,
    #[schema(example = 50)]
    pub max_participants: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Exists {
    pub exists: bool,
    #[schema(example = "abc-defg-hij")]
    pub meeting_id: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ParticipantList {
    #[schema(example = "abc-defg-hij")]
    pub meeting_id: String,
    pub participants: Vec<LiveParticipant>,
    #[schema(example = 1)]
    pub count: usize,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct LiveParticipant {
    /// Of LiveKit's form, and the same for as long as they are there. LiveKit gives each session an id of its own besides:
    /// its clients, its server API and its webhooks know the person by `identity`.
    #[schema(example = "PA_xxx")]
    pub sid: String,
    #[schema(example = "john_doe_a1b2c3d4")]
    pub identity: String,
    #[schema(example = "John Doe")]
    pub name: String,
    #[schema(example = "ACTIVE")]
    pub state: &'static str,
    /// Unix seconds.
    #[schema(example = 1705315800)]
    pub joined_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Deleted {
    pub success: bool,
    #[schema(example = "Meeting deleted successfully")]
    pub message: &'static str,
    #[schema(example = "abc-defg-hij")]
    pub meeting_id: String,
}
