//! The types of `platform.md`, spelled as it spells them.

use convo_kit::{
    body::{given, object},
    envelope::ParticipantView,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

// Authentication.

#[derive(Deserialize, ToSchema)]
pub(crate) struct Register {
    #[schema(example = "John")]
    pub first_name: String,
    #[schema(example = "Doe")]
    pub last_name: String,
    #[schema(example = "john.doe@example.com")]
    pub email: Option<String>,
    #[schema(example = "+1234567890")]
    pub phone_number: Option<String>,
    /// At least 8 characters, with an uppercase letter, a lowercase letter and a digit.
    #[schema(example = "SecurePassword123")]
    pub password: String,
    #[schema(example = "SecurePassword123")]
    pub confirm_password: String,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Login {
    #[schema(example = "john.doe@example.com")]
    pub email_or_phone: String,
    #[schema(example = "SecurePassword123")]
    pub password: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9...")]
    pub access_token: String,
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9...")]
    pub refresh_token: String,
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// Seconds.
    #[schema(example = 3600)]
    pub expires_in: u64,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Verify {
    #[schema(example = "abc123def456ghi789")]
    pub verification_code: String,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Resend {
    #[schema(example = "john.doe@example.com")]
    pub email_or_phone: String,
}

/// Where the refresh token does not come as the bearer token.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Refresh {
    pub refresh_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Said {
    #[schema(example = "Email verified successfully")]
    pub message: &'static str,
}

/// An account, as `register` and `me` show it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    #[schema(example = "550e8400-e29b-41d4-a716-446655440000")]
    pub id: String,
    /// The integer id of `convo.md`.
    #[schema(example = 1)]
    pub number: i64,
    #[schema(example = "john.doe@example.com")]
    pub email: Option<String>,
    #[schema(example = "+1234567890")]
    pub phone_number: Option<String>,
    #[schema(example = "John")]
    pub first_name: String,
    #[schema(example = "Doe")]
    pub last_name: String,
    #[schema(example = "John Doe")]
    pub display_name: String,
    pub avatar_url: Option<String>,
    pub email_verified: bool,
    pub phone_verified: bool,
    pub is_verified: bool,
    #[schema(example = "2024-01-15T10:30:00Z")]
    pub created_at: String,
}

// Users.

#[derive(Serialize, ToSchema)]
pub(crate) struct Profile {
    #[serde(flatten)]
    pub account: Account,
    #[schema(example = "2024-01-16T08:30:00Z")]
    pub last_login: Option<String>,
    #[schema(example = "UTC")]
    pub timezone: String,
    #[schema(example = "en")]
    pub preferred_language: String,
    pub meeting_settings: MeetingSettings,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MeetingSettings {
    pub default_video_enabled: bool,
    pub default_audio_enabled: bool,
    pub auto_join_audio: bool,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct ProfileUpdate {
    #[schema(example = "John")]
    pub first_name: Option<String>,
    #[schema(example = "Smith")]
    pub last_name: Option<String>,
    #[schema(example = "John Smith")]
    pub display_name: Option<String>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub avatar_url: Option<Option<String>>,
    #[schema(example = "America/New_York")]
    pub timezone: Option<String>,
    #[schema(example = "en")]
    pub preferred_language: Option<String>,
    #[serde(default, deserialize_with = "object")]
    pub meeting_settings: Option<MeetingSettingsUpdate>,
}

#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct MeetingSettingsUpdate {
    pub default_video_enabled: Option<bool>,
    pub default_audio_enabled: Option<bool>,
    pub auto_join_audio: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileUpdated {
    #[schema(example = "550e8400-e29b-41d4-a716-446655440000")]
    pub id: String,
    #[schema(example = "John")]
    pub first_name: String,
    #[schema(example = "Smith")]
    pub last_name: String,
    #[schema(example = "John Smith")]
    pub display_name: String,
    #[schema(example = "2024-01-16T10:30:00Z")]
    pub updated_at: String,
}

// Meetings.

#[derive(Deserialize, ToSchema)]
pub(crate) struct MeetingCreate {
    #[schema(example = "Weekly Team Standup")]
    pub title: String,
    #[schema(example = "Weekly team synchronization meeting")]
    pub description: Option<String>,
    #[schema(example = "2024-01-20T15:00:00Z")]
    pub scheduled_start_time: Option<String>,
    #[schema(example = "2024-01-20T16:00:00Z")]
    pub scheduled_end_time: Option<String>,
    #[schema(example = "UTC")]
    pub timezone: Option<String>,
    #[serde(default, deserialize_with = "object")]
    pub settings: Option<SettingsUpdate>,
    /// The host's own; else one of six digits is made where `settings.require_password` asks for one.
    pub passcode: Option<String>,
}

#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct MeetingUpdate {
    #[schema(example = "Updated Meeting Title")]
    pub title: Option<String>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "Updated description")]
    pub description: Option<Option<String>>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "2024-01-20T16:00:00Z")]
    pub scheduled_start_time: Option<Option<String>>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub scheduled_end_time: Option<Option<String>>,
    pub timezone: Option<String>,
    #[serde(default, deserialize_with = "object")]
    pub settings: Option<SettingsUpdate>,
    pub passcode: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
pub(crate) struct SettingsUpdate {
    pub waiting_room_enabled: Option<bool>,
    pub require_password: Option<bool>,
    pub allow_join_before_host: Option<bool>,
    pub recording_enabled: Option<bool>,
    pub auto_recording: Option<bool>,
    pub chat_enabled: Option<bool>,
    pub screen_sharing_enabled: Option<bool>,
    #[schema(example = 50, minimum = 1, maximum = 10000)]
    pub max_participants: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Settings {
    pub waiting_room_enabled: bool,
    pub require_password: bool,
    pub allow_join_before_host: bool,
    pub recording_enabled: bool,
    pub auto_recording: bool,
    pub chat_enabled: bool,
    pub screen_sharing_enabled: bool,
    #[schema(example = 50)]
    pub max_participants: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Meeting {
    #[schema(example = "meeting-550e8400-e29b-41d4-a716-446655440000")]
    pub id: String,
    #[schema(example = "123-456-789")]
    pub meeting_id: String,
    /// The integer id of `convo.md`.
    #[schema(example = 1)]
    pub number: i64,
    #[schema(example = "Weekly Team Standup")]
    pub title: String,
    #[schema(example = "Weekly team synchronization meeting")]
    pub description: Option<String>,
    #[schema(example = "550e8400-e29b-41d4-a716-446655440000")]
    pub host_user_id: Option<String>,
    #[schema(example = "2024-01-20T15:00:00Z")]
    pub scheduled_start_time: Option<String>,
    #[schema(example = "2024-01-20T16:00:00Z")]
    pub scheduled_end_time: Option<String>,
    #[schema(example = "UTC")]
    pub timezone: String,
    /// `scheduled`, `active`, `ended` or `cancelled`.
    #[schema(example = "scheduled")]
    pub status: &'static str,
    #[schema(example = "https://yourdomain.com/meeting/123-456-789")]
    pub join_url: String,
    /// Hosts alone see it.
    pub passcode: Option<String>,
    pub settings: Settings,
    #[schema(example = "2024-01-16T10:30:00Z")]
    pub created_at: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MeetingDetails {
    #[serde(flatten)]
    pub meeting: Meeting,
    #[schema(example = "2024-01-20T15:02:00Z")]
    pub actual_start_time: Option<String>,
    pub actual_end_time: Option<String>,
    #[schema(example = 12)]
    pub current_participant_count: i64,
    pub is_locked: bool,
    pub updated_at: String,
    /// For members; others see none.
    pub participants: Vec<ParticipantView>,
    /// For hosts: people with an account who were removed and not let back in.
    pub removed: Vec<ParticipantView>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MeetingRow {
    #[schema(example = "meeting-550e8400-e29b-41d4-a716-446655440000")]
    pub id: String,
    #[schema(example = "123-456-789")]
    pub meeting_id: String,
    #[schema(example = "Weekly Team Standup")]
    pub title: String,
    #[schema(example = "2024-01-20T15:00:00Z")]
    pub scheduled_start_time: Option<String>,
    #[schema(example = "2024-01-20T16:00:00Z")]
    pub scheduled_end_time: Option<String>,
    #[schema(example = "scheduled")]
    pub status: &'static str,
    #[schema(example = 0)]
    pub participant_count: i64,
    #[schema(example = 50)]
    pub max_participants: i64,
    pub host_user_id: Option<String>,
    pub created_at: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Pagination {
    #[schema(example = 1)]
    pub page: i64,
    #[schema(example = 10)]
    pub limit: i64,
    #[schema(example = 25)]
    pub total: i64,
    #[schema(example = 3)]
    pub pages: i64,
    pub has_next: bool,
    pub has_prev: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MeetingList {
    pub meetings: Vec<MeetingRow>,
    pub pagination: Pagination,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MeetingQuery {
    /// Page number, from 1.
    #[param(minimum = 1, default = 1)]
    pub page: Option<i64>,
    /// Items per page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<i64>,
    /// `scheduled`, `active`, `ended` or `cancelled`.
    pub status: Option<String>,
    /// Meetings from this date (ISO 8601) on.
    pub start_date: Option<String>,
    /// Meetings until this date (ISO 8601).
    pub end_date: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MeetingUpdated {
    #[schema(example = "meeting-550e8400-e29b-41d4-a716-446655440000")]
    pub id: String,
    #[schema(example = "Updated Meeting Title")]
    pub title: String,
    #[schema(example = "Updated description")]
    pub description: Option<String>,
    #[schema(example = "2024-01-20T16:00:00Z")]
    pub scheduled_start_time: Option<String>,
    pub scheduled_end_time: Option<String>,
    pub timezone: String,
    pub passcode: Option<String>,
    pub settings: Settings,
    #[schema(example = "2024-01-16T11:00:00Z")]
    pub updated_at: String,
}

#[derive(Deserialize, ToSchema)]
pub struct Join {
    #[schema(example = "John Doe")]
    pub display_name: Option<String>,
    pub video_enabled: Option<bool>,
    pub audio_enabled: Option<bool>,
    #[schema(example = "optional_meeting_passcode")]
    pub passcode: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Joined {
    #[schema(example = "participant-550e8400-e29b-41d4-a716-446655440000")]
    pub participant_id: String,
    /// `joined`, or `waiting` at the door of a meeting with a waiting room.
    #[schema(example = "joined")]
    pub status: &'static str,
    #[schema(example = "host")]
    pub role: &'static str,
    /// For the meeting WebSocket, and for LiveKit clients of the room.
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9...")]
    pub meeting_token: String,
    pub webrtc_config: WebRtcConfig,
    #[schema(example = "wss://api.yourdomain.com/ws/meetings/123-456-789")]
    pub websocket_url: String,
    #[schema(example = "wss://api.yourdomain.com")]
    pub livekit_url: String,
    pub user_id: Option<String>,
    #[schema(example = "john_doe_a1b2c3d4")]
    pub identity: String,
}

#[derive(Serialize, ToSchema)]
pub struct WebRtcConfig {
    #[serde(rename = "iceServers")]
    pub ice_servers: Vec<IceServer>,
}

#[derive(Serialize, ToSchema)]
pub struct IceServer {
    #[schema(example = "turn:your-turn-server.com:3478")]
    pub urls: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "turnuser")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "turnpass")]
    pub credential: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Leave {
    /// The one device to leave with; all of the caller's without it.
    pub participant_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Left {
    #[schema(example = "Left meeting successfully")]
    pub message: &'static str,
    #[schema(example = 1825)]
    pub duration_seconds: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Ended {
    #[schema(example = "Meeting ended successfully")]
    pub message: &'static str,
    #[schema(example = "2024-01-20T16:05:00Z")]
    pub ended_at: Option<String>,
    #[schema(example = 3900)]
    pub total_duration_seconds: i64,
    #[schema(example = 15)]
    pub total_participants: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct LockState {
    #[schema(example = "meeting-550e8400-e29b-41d4-a716-446655440000")]
    pub id: String,
    pub is_locked: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MutedAll {
    pub participants: Vec<ParticipantView>,
}

// Chat.

#[derive(Deserialize, ToSchema)]
pub(crate) struct MessageCreate {
    #[schema(example = "Hello everyone!")]
    pub content: String,
    /// `text`, `emoji` or `file`.
    #[schema(example = "text")]
    pub message_type: Option<String>,
    #[schema(value_type = Option<String>)]
    pub recipient_user_id: Option<serde_json::Value>,
    #[schema(value_type = Option<bool>)]
    pub is_private: Option<serde_json::Value>,
    /// The client's own id: posting the same again makes no second message. As the `Idempotency-Key` header.
    pub client_message_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Message {
    #[schema(example = "message-550e8400-e29b-41d4-a716-446655440000")]
    pub id: String,
    #[schema(example = "meeting-550e8400-e29b-41d4-a716-446655440000")]
    pub meeting_id: String,
    /// `null` for a guest.
    #[schema(example = "550e8400-e29b-41d4-a716-446655440000")]
    pub sender_user_id: Option<String>,
    #[schema(example = "John Doe")]
    pub sender_name: String,
    #[schema(example = "Hello everyone!")]
    pub content: String,
    #[schema(example = "text")]
    pub message_type: &'static str,
    pub is_private: bool,
    pub recipient_user_id: Option<String>,
    /// Place in the room's order.
    #[schema(example = 1)]
    pub seq: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
    #[schema(example = "2024-01-20T15:30:00Z")]
    pub created_at: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessageQuery {
    /// Page number, from 1; page 1 holds the oldest messages.
    #[param(minimum = 1, default = 1)]
    pub page: Option<i64>,
    /// Messages per page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<i64>,
    /// Messages after this moment (ISO 8601).
    pub since: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MessageList {
    pub messages: Vec<Message>,
    pub pagination: Pagination,
}
