//! `platform.md`'s types into domain types and back.

use crate::wire;
use convo_domain::{
    clock::Timestamp,
    error::{Error, Result},
    meeting::act::{Joined, MeetingChange, MeetingView, MeetingWish, SettingsChange},
    message,
    page::Page,
    ports::ACCESS_SECONDS,
    room::{Origin, Room, RoomRef, Settings, Status},
    user::{User, act::ProfileChange, act::Registration, login::TokenPair, rules::PasswordRule},
};
use convo_kit::{
    App,
    envelope::{self, ParticipantView},
    time::{parse, rfc3339},
};

pub(crate) fn room_ref(text: &str) -> Result<RoomRef> {
    RoomRef::parse(text).ok_or_else(Error::meeting_not_found)
}

// In.

pub(crate) fn registration(body: wire::Register) -> Result<Registration> {
    if body.password != body.confirm_password {
        return Err(Error::invalid("confirm_password", "confirm_password must be the same as password"));
    }
    Ok(Registration {
        first_name: body.first_name,
        last_name: body.last_name,
        display_name: None,
        email: body.email,
        phone: body.phone_number,
        password: body.password,
        rule: PasswordRule::Strong,
        avatar_url: None,
    })
}

pub(crate) fn profile_change(body: wire::ProfileUpdate) -> ProfileChange {
    let devices = body.meeting_settings.unwrap_or_default();
    ProfileChange {
        first_name: body.first_name,
        last_name: body.last_name,
        display_name: body.display_name,
        // An empty one clears it.
        avatar_url: body.avatar_url.map(Option::unwrap_or_default),
        timezone: body.timezone,
        language: body.preferred_language,
        video_enabled: devices.default_video_enabled,
        audio_enabled: devices.default_audio_enabled,
        auto_join_audio: devices.auto_join_audio,
    }
}

/// `platform.md` leaves the defaults open: what its example shows a careful host choosing, less the waiting room.
const DEFAULTS: Settings = Settings {
    waiting_room_enabled: false,
    require_password: false,
    allow_join_before_host: false,
    recording_enabled: false,
    auto_recording: false,
    chat_enabled: true,
    screen_sharing_enabled: true,
    max_participants: convo_domain::limit::DEFAULT_PARTICIPANTS,
};

pub(crate) fn meeting_wish(body: wire::MeetingCreate) -> Result<MeetingWish> {
    Ok(MeetingWish {
        origin: Origin::Platform,
        title: body.title,
        description: body.description,
        start: moment("scheduled_start_time", body.scheduled_start_time)?,
        end: moment("scheduled_end_time", body.scheduled_end_time)?,
        timezone: body.timezone,
        settings: settings_change(body.settings.unwrap_or_default()).on(DEFAULTS),
        passcode: body.passcode,
    })
}

pub(crate) fn meeting_change(body: wire::MeetingUpdate) -> Result<MeetingChange> {
    Ok(MeetingChange {
        title: body.title,
        description: body.description,
        start: body.scheduled_start_time.map(|t| moment("scheduled_start_time", t)).transpose()?,
        end: body.scheduled_end_time.map(|t| moment("scheduled_end_time", t)).transpose()?,
        timezone: body.timezone,
        settings: settings_change(body.settings.unwrap_or_default()),
        passcode: body.passcode,
    })
}

fn moment(field: &'static str, text: Option<String>) -> Result<Option<Timestamp>> {
    text.map(|text| parse(field, &text)).transpose()
}

fn settings_change(s: wire::SettingsUpdate) -> SettingsChange {
    SettingsChange {
        waiting_room_enabled: s.waiting_room_enabled,
        require_password: s.require_password,
        allow_join_before_host: s.allow_join_before_host,
        recording_enabled: s.recording_enabled,
        auto_recording: s.auto_recording,
        chat_enabled: s.chat_enabled,
        screen_sharing_enabled: s.screen_sharing_enabled,
        max_participants: s.max_participants,
    }
}

pub(crate) fn status_filter(text: &str) -> Result<Status> {
    match text {
        "scheduled" => Ok(Status::Scheduled),
        "active" => Ok(Status::Active),
        "ended" => Ok(Status::Ended),
        "cancelled" => Ok(Status::Cancelled),
        _ => Err(Error::invalid("status", "status must be scheduled, active, ended or cancelled")),
    }
}

// Out.

pub(crate) fn tokens(pair: TokenPair) -> wire::Tokens {
    wire::Tokens {
        access_token: pair.access,
        refresh_token: pair.refresh,
        token_type: "bearer",
        expires_in: ACCESS_SECONDS,
    }
}

pub(crate) fn account(user: User) -> wire::Account {
    wire::Account {
        is_verified: user.verified(),
        id: user.id.to_string(),
        number: user.number,
        email: user.email,
        phone_number: user.phone,
        first_name: user.first_name,
        last_name: user.last_name,
        display_name: user.display_name,
        avatar_url: user.avatar_url,
        email_verified: user.email_verified,
        phone_verified: user.phone_verified,
        created_at: rfc3339(user.created_at),
    }
}

pub(crate) fn profile(user: User) -> wire::Profile {
    wire::Profile {
        last_login: user.last_login.map(rfc3339),
        timezone: user.timezone.clone(),
        preferred_language: user.language.clone(),
        meeting_settings: wire::MeetingSettings {
            default_video_enabled: user.devices.video_enabled,
            default_audio_enabled: user.devices.audio_enabled,
            auto_join_audio: user.devices.auto_join_audio,
        },
        account: account(user),
    }
}

pub(crate) fn profile_updated(user: User) -> wire::ProfileUpdated {
    wire::ProfileUpdated {
        id: user.id.to_string(),
        first_name: user.first_name,
        last_name: user.last_name,
        display_name: user.display_name,
        updated_at: rfc3339(user.updated_at),
    }
}

pub(crate) fn meeting_id(room: &Room) -> String {
    format!("meeting-{}", room.id)
}

pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Scheduled => "scheduled",
        Status::Active => "active",
        Status::Ended => "ended",
        Status::Cancelled => "cancelled",
    }
}

fn settings(s: Settings) -> wire::Settings {
    wire::Settings {
        waiting_room_enabled: s.waiting_room_enabled,
        require_password: s.require_password,
        allow_join_before_host: s.allow_join_before_host,
        recording_enabled: s.recording_enabled,
        auto_recording: s.auto_recording,
        chat_enabled: s.chat_enabled,
        screen_sharing_enabled: s.screen_sharing_enabled,
        max_participants: s.max_participants,
    }
}

/// `passcode`: whether the one who asks may see it.
pub(crate) fn meeting(app: &App, room: Room, passcode: bool) -> wire::Meeting {
    wire::Meeting {
        id: meeting_id(&room),
        number: room.number,
        join_url: format!("{}/meeting/{}", app.frontend_url, room.code),
        meeting_id: room.code,
        title: room.title,
        description: room.description,
        host_user_id: room.host.map(|id| id.to_string()),
        scheduled_start_time: room.scheduled_start.map(rfc3339),
        scheduled_end_time: room.scheduled_end.map(rfc3339),
        timezone: room.timezone,
        status: status(room.status),
        passcode: room.passcode.filter(|_| passcode),
        settings: settings(room.settings),
        created_at: rfc3339(room.created_at),
    }
}

pub(crate) fn details(app: &App, view: MeetingView) -> wire::MeetingDetails {
    let MeetingView { room, live, participants, removed, role } = view;
    let controls = role.is_some_and(|role| role.controls());
    wire::MeetingDetails {
        actual_start_time: room.actual_start.map(rfc3339),
        actual_end_time: room.actual_end.map(rfc3339),
        current_participant_count: live,
        is_locked: room.locked,
        updated_at: rfc3339(room.updated_at),
        // Who waits at the door is the hosts' business.
        participants: participants
            .iter()
            .flatten()
            .filter(|p| controls || p.seated())
            .map(ParticipantView::from)
            .collect(),
        removed: removed.iter().map(ParticipantView::from).collect(),
        meeting: meeting(app, room, controls),
    }
}

pub(crate) fn row((room, live): (Room, i64)) -> wire::MeetingRow {
    wire::MeetingRow {
        id: meeting_id(&room),
        meeting_id: room.code,
        title: room.title,
        scheduled_start_time: room.scheduled_start.map(rfc3339),
        scheduled_end_time: room.scheduled_end.map(rfc3339),
        status: status(room.status),
        participant_count: live,
        max_participants: room.settings.max_participants,
        host_user_id: room.host.map(|id| id.to_string()),
        created_at: rfc3339(room.created_at),
    }
}

pub(crate) fn meeting_updated(room: Room) -> wire::MeetingUpdated {
    wire::MeetingUpdated {
        id: meeting_id(&room),
        title: room.title,
        description: room.description,
        scheduled_start_time: room.scheduled_start.map(rfc3339),
        scheduled_end_time: room.scheduled_end.map(rfc3339),
        timezone: room.timezone,
        passcode: room.passcode,
        settings: settings(room.settings),
        updated_at: rfc3339(room.updated_at),
    }
}

pub(crate) fn joined(app: &App, joined: Joined) -> wire::Joined {
    let Joined { room, participant, token } = joined;
    let ice = app.ice.for_participant(&participant.identity, app.domain.now());
    let ice_servers = ice
        .into_iter()
        .map(|s| wire::IceServer { urls: s.urls, username: s.username, credential: s.credential })
        .collect();
    wire::Joined {
        participant_id: envelope::participant_id(&participant),
        status: envelope::presence(participant.presence),
        role: envelope::role(participant.role),
        meeting_token: token,
        webrtc_config: wire::WebRtcConfig { ice_servers },
        websocket_url: format!("{}/ws/meetings/{}", app.websocket_url(), room.code),
        livekit_url: app.livekit_url.clone(),
        user_id: participant.user.map(|id| id.to_string()),
        identity: participant.identity,
    }
}

pub(crate) fn ended((room, people): (Room, i64)) -> wire::Ended {
    let length = room.actual_start.zip(room.actual_end).map_or(0, |(start, end)| end.seconds_since(start));
    wire::Ended {
        message: "Meeting ended successfully",
        ended_at: room.actual_end.map(rfc3339),
        total_duration_seconds: length,
        total_participants: people,
    }
}

pub(crate) fn message(m: message::Message) -> wire::Message {
    wire::Message {
        id: format!("message-{}", m.id),
        meeting_id: format!("meeting-{}", m.room),
        sender_user_id: m.sender_user().map(|id| id.to_string()),
        is_private: m.is_private(),
        recipient_user_id: m.recipient.and_then(|party| party.user()).map(|id| id.to_string()),
        sender_name: m.sender_name,
        content: m.content,
        message_type: envelope::message_type(m.kind),
        seq: m.seq,
        client_message_id: m.nonce,
        created_at: rfc3339(m.created_at),
    }
}

pub(crate) fn pagination<T>(page: &Page<T>) -> wire::Pagination {
    wire::Pagination {
        page: page.window.page,
        limit: page.window.limit,
        total: page.total,
        pages: page.pages(),
        has_next: page.has_next(),
        has_prev: page.has_prev(),
    }
}
