//! The envelope `{"type", "data"}` of the meeting sockets, and how events are worded in it. Two sockets speak it:
//! `/ws/meetings/{code}`, which is about one meeting, and `/ws/`, which names a `meeting_id` in every frame.

use crate::{time::rfc3339, voice};
use bytes::Bytes;
use convo_domain::{
    error::Error,
    event::{EndReason, Event, SignalKind, Told, Who},
    meeting::{Participant, Presence},
    message::{Message, MessageKind},
    room::{Role, Room},
    user::Party,
};
use serde::Serialize;
use serde_json::{Value, json};

/// A participant, as every event and every list shows one.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ParticipantView {
    /// `participant-` and a UUID.
    pub participant_id: String,
    /// `null` for a guest.
    pub user_id: Option<String>,
    pub display_name: String,
    /// `host`, `co_host` or `participant`.
    pub role: String,
    /// `waiting`, `joined`, `left`, `removed` or `denied`.
    pub status: String,
    pub identity: String,
    pub join_time: String,
    pub audio_enabled: bool,
    pub video_enabled: bool,
    pub hand_raised: bool,
}

impl From<&Participant> for ParticipantView {
    fn from(p: &Participant) -> Self {
        Self {
            participant_id: participant_id(p),
            user_id: p.user.map(|id| id.to_string()),
            display_name: p.display_name.clone(),
            role: role(p.role).into(),
            status: presence(p.presence).into(),
            identity: p.identity.clone(),
            join_time: rfc3339(p.joined_at),
            audio_enabled: p.audio_enabled,
            video_enabled: p.video_enabled,
            hand_raised: p.hand_raised.is_some(),
        }
    }
}

/// What everybody inside knows of their meeting.
pub fn meeting(room: &Room) -> Value {
    json!({
        "title": room.title,
        "description": room.description,
        "is_locked": room.locked,
        "chat_enabled": room.settings.chat_enabled,
        "screen_sharing_enabled": room.settings.screen_sharing_enabled,
    })
}

pub fn participant_id(p: &Participant) -> String {
    format!("participant-{}", p.id)
}

pub fn role(role: Role) -> &'static str {
    match role {
        Role::Host => "host",
        Role::CoHost => "co_host",
        Role::Participant => "participant",
    }
}

pub fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Waiting => "waiting",
        Presence::Joined => "joined",
        Presence::Left | Presence::Gone => "left",
        Presence::Removed => "removed",
        Presence::Denied => "denied",
    }
}

pub fn message_type(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Emoji => "emoji",
        MessageKind::File => "file",
        MessageKind::System => "system",
    }
}

/// `chat_message`'s data: `platform.md`'s five fields, and what a client needs to resume, to know its own and to answer
/// in private.
#[derive(Serialize)]
struct Chat<'a> {
    message_id: String,
    sender_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_participant_id: Option<String>,
    sender_name: &'a str,
    content: &'a str,
    message_type: &'static str,
    is_private: bool,
    recipient_user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_message_id: Option<&'a str>,
    timestamp: String,
    seq: i64,
    #[serde(flatten)]
    convo: Option<Convo>,
}

/// What `convo.md`'s clients know a message by.
#[derive(Serialize)]
struct Convo {
    id: i64,
    meeting_id: i64,
    sender_number: i64,
}

/// For whom an event is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The socket of one meeting.
    Meeting,
    /// The socket of many: `data.meeting_id` (integer) says which.
    Many,
}

pub fn chat(dialect: Dialect, message: &Message) -> Option<Bytes> {
    let party = |party: Party| party.user().map(|id| id.to_string());
    let data = Chat {
        message_id: format!("message-{}", message.id),
        sender_id: party(message.sender),
        sender_participant_id: match message.sender {
            Party::Guest(id) => Some(format!("participant-{id}")),
            Party::User(_) => None,
        },
        sender_name: &message.sender_name,
        content: &message.content,
        message_type: message_type(message.kind),
        is_private: message.is_private(),
        recipient_user_id: message.recipient.and_then(party),
        client_message_id: message.nonce.as_deref(),
        timestamp: rfc3339(message.created_at),
        seq: message.seq,
        convo: (dialect == Dialect::Many).then_some(Convo {
            id: message.number,
            meeting_id: message.room_number,
            sender_number: message.sender_number,
        }),
    };
    #[derive(Serialize)]
    struct Envelope<'a> {
        r#type: &'static str,
        data: Chat<'a>,
    }
    serde_json::to_vec(&Envelope { r#type: "chat_message", data }).ok().map(Bytes::from)
}

/// The event for this dialect's clients, worded once for all of them. `None`: not spoken of on these sockets, or this client is
/// not in the room (any more), so that there is no `number` to call it by.
pub fn worded(slot: usize, dialect: Dialect, told: &Told, number: impl FnOnce() -> Option<i64>) -> Option<Bytes> {
    let number = match (dialect, &told.event) {
        // Nor does a message need one: it brings its own.
        (Dialect::Meeting, _) | (Dialect::Many, Event::Posted(_)) => None,
        (Dialect::Many, _) => Some(number()?),
    };
    told.worded(slot, |told| word(dialect, told, number))
}

fn word(dialect: Dialect, told: &Told, number: Option<i64>) -> Option<Bytes> {
    if let Event::Posted(message) = &told.event {
        return chat(dialect, message);
    }
    let (kind, mut data) = spell(&told.event)?;
    if let (Some(number), Value::Object(fields)) = (number, &mut data) {
        fields.insert("meeting_id".into(), json!(number));
    }
    Some(frame(kind, data).into())
}

pub fn frame(kind: &str, data: Value) -> String {
    json!({"type": kind, "data": data}).to_string()
}

pub fn error(error: &Error) -> String {
    let mut data = json!({"code": voice::code(error.kind), "message": error.message});
    if let Some(seconds) = error.retry_after {
        data["retry_after"] = json!(seconds);
    }
    frame("error", data)
}

fn spell(event: &Event) -> Option<(&'static str, Value)> {
    let view = |p: &Participant| json!(ParticipantView::from(p));
    Some(match event {
        Event::Posted(_) | Event::Presence { .. } => return None,
        Event::Joined(p) => ("participant_joined", view(p)),
        Event::Left(p) => ("participant_left", view(p)),
        Event::Updated(p) => ("participant_updated", view(p)),
        Event::Waiting(p) => ("participant_waiting", view(p)),
        Event::Admitted { participant, token } => {
            let mut data = view(participant);
            data["meeting_token"] = json!(token);
            ("participant_admitted", data)
        }
        Event::Denied(p) => ("participant_denied", view(p)),
        Event::Removed(p) => ("participant_removed", view(p)),
        Event::Muted { participant, by } => {
            let mut data = view(participant);
            data["by"] = json!(by.to_string());
            ("participant_muted", data)
        }
        Event::UnmuteRequested { participant, by } => {
            ("unmute_requested", json!({"participant_id": format!("participant-{participant}"), "by": by.to_string()}))
        }
        Event::MeetingUpdated(room) => ("meeting_updated", meeting(room)),
        Event::Locked(locked) => {
            (if *locked { "meeting_locked" } else { "meeting_unlocked" }, json!({"locked": locked}))
        }
        Event::MeetingEnded { reason, room } => {
            let reason = match reason {
                EndReason::Ended => "ended",
                EndReason::Cancelled => "cancelled",
                EndReason::Deleted => "deleted",
            };
            (
                "meeting_ended",
                json!({"meeting_code": room.code, "reason": reason, "ended_at": room.actual_end.map(rfc3339)}),
            )
        }
        Event::MemberJoined { user, name } => {
            ("member_joined", json!({"user_id": user.to_string(), "display_name": name}))
        }
        Event::MemberLeft { user, name } => ("member_left", json!({"user_id": user.to_string(), "display_name": name})),
        Event::Typing { from, is_typing } => ("typing", with(from, json!({"is_typing": is_typing}))),
        Event::Reaction { from, emoji } => ("reaction", with(from, json!({"emoji": emoji}))),
        Event::HandRaised { from, participant } => {
            ("raise_hand", with(from, json!({"raised": participant.hand_raised.is_some()})))
        }
        Event::Signal { kind, body, .. } => (signal(*kind), serde_json::from_str(body).ok()?),
        Event::AgentDelta { text } => ("delta", json!({"delta": text})),
    })
}

pub fn signal(kind: SignalKind) -> &'static str {
    match kind {
        SignalKind::Offer => "webrtc_offer",
        SignalKind::Answer => "webrtc_answer",
        SignalKind::Candidate => "ice_candidate",
    }
}

/// The event's data with its author.
fn with(from: &Who, mut data: Value) -> Value {
    data["user_id"] = json!(from.party.user().map(|id| id.to_string()));
    data["participant_id"] = json!(from.participant.map(|id| format!("participant-{id}")));
    data["display_name"] = json!(from.name);
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot;
    use convo_domain::{event::Audience, id::RoomId};

    #[test]
    fn who_is_not_in_the_room_words_nothing_for_those_who_are() {
        let told = Told::new(RoomId::new(), Audience::Room, Event::Locked(true));
        assert_eq!(worded(slot::CONVO, Dialect::Many, &told, || None), None);
        let words = worded(slot::CONVO, Dialect::Many, &told, || Some(7)).unwrap();
        let expected = json!({"type": "meeting_locked", "data": {"locked": true, "meeting_id": 7}});
        assert_eq!(serde_json::from_slice::<Value>(&words).unwrap(), expected);
        assert_eq!(worded(slot::CONVO, Dialect::Many, &told, || Some(8)), Some(words), "worded once");
    }
}
