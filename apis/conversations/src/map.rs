//! The document's types into the domain's, and back.

use crate::wire;
use bytes::Bytes;
use convo_domain::{
    error::{Error, Kind, Result},
    event::{Event, Told},
    id::{RoomId, UserId},
    limit,
    message::{Draft, Message},
    room::{RoomRef, act::RoomView},
    user::{
        Actor, User,
        act::Registration,
        rules::{self, PasswordRule},
    },
};
use convo_kit::{body, time::rfc3339};

pub(crate) fn registration(body: wire::Registration) -> Result<Registration> {
    let (first_name, last_name) = rules::split_name(&body.name)?;
    Ok(Registration {
        first_name,
        last_name,
        display_name: Some(body.name),
        email: Some(body.email),
        phone: None,
        password: body.password,
        rule: PasswordRule::Length,
        avatar_url: body.profile_picture,
    })
}

pub(crate) fn profile(user: User) -> wire::Profile {
    wire::Profile {
        user_id: user.id.to_string(),
        email: user.email,
        name: user.display_name,
        profile_picture: user.avatar_url,
    }
}

/// A user named in a path; what cannot be an id is the id of nobody.
pub(crate) fn path_user(id: &str) -> Result<UserId> {
    UserId::parse(id).ok_or_else(|| Error::not_found("User"))
}

pub(crate) fn people(ids: Vec<String>) -> Result<Vec<UserId>> {
    let parse = |id: &String| {
        let nobody = || Error::invalid("participant_ids", "participant_ids must be a list of user UUIDs");
        UserId::parse(id).ok_or_else(nobody)
    };
    ids.iter().map(parse).collect()
}

/// A conversation named in a path; what cannot be a name is the name of nothing.
pub(crate) fn path_ref(id: &str) -> Result<RoomRef> {
    RoomRef::parse(id).ok_or_else(|| Error::not_found("Conversation"))
}

/// A conversation named in a body.
pub(crate) fn body_ref(id: &str) -> Result<RoomRef> {
    RoomRef::parse(id).ok_or_else(|| Error::invalid("conversation_id", "conversation_id must be a UUID"))
}

/// `sender_id` may be left out; else it must be the caller's own.
pub(crate) fn own_name(actor: &Actor, sender: Option<&str>) -> Result<()> {
    let Some(sender) = sender else { return Ok(()) };
    let sender = UserId::parse(sender).ok_or_else(|| Error::invalid("sender_id", "sender_id must be a UUID"))?;
    match actor {
        Actor::User(caller) if caller.user == sender => Ok(()),
        Actor::User(_) | Actor::Guest(_) => Err(Error::forbidden("sender_id is not the caller's")),
    }
}

/// A message's text, whose field is `message` here.
pub(crate) fn draft(text: &str, nonce: Option<&str>) -> Result<Draft> {
    let draft = Draft::new(text).map_err(|error| Error {
        message: error.message.replace("content", "message").into(),
        field: Some("message"),
        ..error
    });
    draft?.nonce(nonce)
}

/// Which messages a reader asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Range {
    All,
    /// The newest, at most so many.
    Newest(i64),
    /// After a `seq`, at most so many.
    After(i64, i64),
}

pub(crate) fn range(slice: &wire::Slice) -> Result<Range> {
    if slice.limit.is_some_and(|limit| !(1..=limit::PAGE).contains(&limit)) {
        return Err(Error::invalid("limit", "limit must be from 1 to 100"));
    }
    match (slice.since_seq.map(since).transpose()?, slice.limit) {
        (None, None) => Ok(Range::All),
        (None, Some(limit)) => Ok(Range::Newest(limit)),
        (Some(seq), limit) => Ok(Range::After(seq, limit.unwrap_or(limit::PAGE))),
    }
}

fn since(seq: i64) -> Result<i64> {
    if seq < 0 { Err(Error::invalid("since_seq", "since_seq must be 0 or more")) } else { Ok(seq) }
}

pub(crate) fn conversation(view: RoomView) -> wire::Conversation {
    let person = |p: convo_domain::room::store::Person| wire::Participant { user_id: p.user.to_string(), name: p.name };
    wire::Conversation {
        conversation_id: view.room.id.to_string(),
        is_ai: view.room.is_ai,
        participants: view.people.into_iter().map(person).collect(),
        created_at: rfc3339(view.room.created_at),
        title: Some(view.room.title).filter(|title| !title.is_empty()),
        last_message: view.last_message.map(message),
    }
}

pub(crate) fn message(message: Message) -> wire::Message {
    wire::Message {
        message_id: message.id.to_string(),
        sender_id: message.sender_user().map(|id| id.to_string()),
        sender_name: message.sender_name,
        message: message.content,
        timestamp: rfc3339(message.created_at),
        seq: message.seq,
    }
}

pub(crate) fn posted(message: Message) -> wire::Posted {
    wire::Posted {
        message_id: message.id.to_string(),
        message: message.content,
        timestamp: rfc3339(message.created_at),
        seq: message.seq,
    }
}

/// What a client's frame asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Post(Draft),
    Typing(bool),
    /// Break off the agent's answer.
    Cancel,
    /// Send again what came after this `seq`.
    Resume(i64),
    Ping,
    Nothing,
}

pub(crate) fn wish(text: &str) -> Result<Wish> {
    let frame: wire::Frame = body::json(text.as_bytes())?;
    match frame.r#type.as_deref() {
        None | Some("message") => {
            let text = frame.message.ok_or_else(|| Error::invalid("message", "message is required"))?;
            Ok(Wish::Post(draft(&text, frame.client_message_id.as_deref())?))
        }
        Some("typing") => Ok(Wish::Typing(frame.is_typing.unwrap_or(true))),
        Some("cancel") => Ok(Wish::Cancel),
        Some("resume") => {
            let seq = frame.since_seq.ok_or_else(|| Error::invalid("since_seq", "since_seq is required"))?;
            Ok(Wish::Resume(since(seq)?))
        }
        Some("ping") => Ok(Wish::Ping),
        Some("pong") => Ok(Wish::Nothing),
        Some(_) => Err(Error::new(Kind::Malformed, "type must be message, typing, cancel, resume or ping")),
    }
}

/// An event for the clients of its room; `None`: not spoken of here.
pub(crate) fn event(told: &Told) -> Option<Bytes> {
    match &told.event {
        Event::Posted(message) => message_frame(message),
        Event::AgentDelta { text } => {
            notice(&wire::Notice::Delta { conversation_id: told.room.to_string(), delta: text })
        }
        Event::Typing { from, is_typing } => notice(&wire::Notice::Typing {
            conversation_id: told.room.to_string(),
            user_id: from.party.user().map(|id| id.to_string()),
            name: &from.name,
            is_typing: *is_typing,
        }),
        _ => None,
    }
}

pub(crate) fn message_frame(message: &Message) -> Option<Bytes> {
    let RoomId(room) = message.room;
    let frame = wire::MessageFrame {
        message_id: message.id.to_string(),
        conversation_id: room.to_string(),
        sender_id: message.sender_user().map(|id| id.to_string()),
        sender_name: &message.sender_name,
        message: &message.content,
        timestamp: rfc3339(message.created_at),
        seq: message.seq,
        client_message_id: message.nonce.as_deref(),
    };
    serde_json::to_vec(&frame).ok().map(Bytes::from)
}

fn notice(notice: &wire::Notice<'_>) -> Option<Bytes> {
    serde_json::to_vec(notice).ok().map(Bytes::from)
}

pub(crate) fn pong() -> String {
    serde_json::to_string(&wire::Notice::Pong).unwrap_or_default()
}

/// The document's examples, and frames.
#[cfg(test)]
mod tests {
    use super::*;
    use convo_domain::{
        clock::Timestamp,
        event::{Audience, Who},
        id::{LoginId, MessageId, ParticipantId},
        message::MessageKind,
        room::{Origin, Role, Room, RoomKind, Settings, Status, store::Person},
        user::{Caller, DeviceDefaults, Guest, Party, PasswordHash, Standing},
    };
    use convo_kit::time::parse;
    use serde::{Serialize, de::DeserializeOwned};
    use serde_json::{Value, json};

    fn from<T: DeserializeOwned>(example: Value) -> Result<T> {
        body::json(example.to_string().as_bytes())
    }

    fn to(value: impl Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    fn spoken(bytes: Option<Bytes>) -> Value {
        serde_json::from_slice(&bytes.expect("words")).unwrap()
    }

    fn refused<T>(outcome: Result<T>) -> (Kind, String) {
        let error = outcome.err().expect("a refusal");
        (error.kind, error.message.into_owned())
    }

    fn account() -> User {
        User {
            id: UserId::new(),
            number: 1,
            email: Some("user@example.com".into()),
            phone: None,
            password: PasswordHash("$argon2id$secret".into()),
            first_name: "John".into(),
            last_name: "Doe".into(),
            display_name: "John Doe".into(),
            avatar_url: Some("https://example.com/profile.jpg".into()),
            email_verified: false,
            phone_verified: false,
            standing: Standing::Active,
            admin: false,
            timezone: "UTC".into(),
            language: "en".into(),
            devices: DeviceDefaults::default(),
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            last_login: None,
        }
    }

    fn room() -> Room {
        Room {
            id: RoomId::new(),
            number: 1,
            kind: RoomKind::Conversation,
            origin: Origin::Conversations,
            code: "abc-defg-hij".into(),
            title: String::new(),
            description: None,
            host: None,
            scheduled_start: None,
            scheduled_end: None,
            timezone: "UTC".into(),
            status: Status::Scheduled,
            actual_start: None,
            actual_end: None,
            passcode: None,
            locked: false,
            settings: Settings::open(),
            is_ai: false,
            pair: None,
            seq: 0,
            private_messages: 0,
            created_at: parse("t", "2025-02-22T12:00:00Z").unwrap(),
            updated_at: Timestamp(0),
            last_activity: Timestamp(0),
        }
    }

    fn said(sender: Party, text: &str) -> Message {
        Message {
            id: MessageId::new(),
            number: 1,
            room: RoomId::new(),
            room_number: 1,
            seq: 7,
            sender,
            sender_number: 1,
            sender_name: "John Doe".into(),
            content: text.into(),
            kind: MessageKind::Text,
            recipient: None,
            nonce: None,
            created_at: parse("t", "2025-02-22T12:01:00Z").unwrap(),
        }
    }

    #[test]
    fn accounts() {
        let body = json!({
            "email": "user@example.com",
            "password": "password123",
            "name": "John Doe",
            "profile_picture": "https://example.com/profile.jpg"
        });
        let wish = registration(from(body).unwrap()).unwrap();
        assert_eq!((&wish.first_name[..], &wish.last_name[..]), ("John", "Doe"));
        assert_eq!((wish.display_name.as_deref(), wish.email.as_deref()), (Some("John Doe"), Some("user@example.com")));
        assert_eq!(wish.avatar_url.as_deref(), Some("https://example.com/profile.jpg"));
        assert_eq!((&wish.password[..], wish.rule), ("password123", PasswordRule::Length));
        let user = account();
        let example = json!({
            "user_id": user.id.to_string(),
            "email": "user@example.com",
            "name": "John Doe",
            "profile_picture": "https://example.com/profile.jpg"
        });
        assert_eq!(to(profile(user)), example);
        let login: wire::Login = from(json!({"email": "user@example.com", "password": "password123"})).unwrap();
        assert_eq!((&login.email[..], &login.password[..]), ("user@example.com", "password123"));
        assert_eq!(to(wire::Token { token: "jwt_token".into() }), json!({"token": "jwt_token"}));
        assert_eq!(path_user("nonsense").unwrap_err().kind, Kind::NotFound);
    }

    #[test]
    fn opening_a_conversation() {
        let body: wire::NewConversation = from(json!({"is_ai": true, "title": "With the machine"})).unwrap();
        assert_eq!((body.is_ai, body.participant_ids, body.title.as_deref()), (true, None, Some("With the machine")));
        let other = UserId::new();
        assert_eq!(people(vec![other.to_string()]).unwrap(), [other]);
        for (field, bad) in [
            ("is_ai", json!({})),
            ("is_ai", json!({"is_ai": "no"})),
            ("participant_ids", json!({"is_ai": false, "participant_ids": "all"})),
            ("participant_ids", json!({"is_ai": false, "participant_ids": ["nonsense"]})),
        ] {
            let parsed = from::<wire::NewConversation>(bad);
            let (kind, message) = refused(parsed.and_then(|body| people(body.participant_ids.unwrap_or_default())));
            assert_eq!(kind, Kind::Invalid);
            assert!(message.contains(field), "{message}");
        }
    }

    #[test]
    fn a_conversation() {
        let (room, user, last) = (room(), UserId::new(), said(Party::User(UserId::new()), "Hi, how are you?"));
        let people = vec![Person { user, name: "John Doe".into(), role: Role::Host }];
        let expected = json!({
            "conversation_id": room.id.to_string(),
            "is_ai": false,
            "participants": [{"user_id": user.to_string(), "name": "John Doe"}],
            "created_at": "2025-02-22T12:00:00Z",
            "title": null,
            "last_message": to(message(last.clone()))
        });
        assert_eq!(to(conversation(RoomView { room, people, last_message: Some(last) })), expected);
    }

    #[test]
    fn messages() {
        let id = RoomId::new();
        let ann = UserId::new();
        let body: wire::NewMessage = from(json!({
            "conversation_id": id.to_string(),
            "sender_id": ann.to_string(),
            "message": "Hello, how are you?"
        }))
        .unwrap();
        assert_eq!(body_ref(&body.conversation_id).unwrap(), RoomRef::Id(id));
        assert_eq!(draft(&body.message, None).unwrap(), Draft::new("Hello, how are you?").unwrap());
        let stored = said(Party::User(ann), "Hi, how are you?");
        let example = json!({
            "sender_id": ann.to_string(),
            "message": "Hi, how are you?",
            "timestamp": "2025-02-22T12:01:00Z",
            "message_id": stored.id.to_string(),
            "sender_name": "John Doe",
            "seq": 7
        });
        assert_eq!(to(message(stored.clone())), example);
        let example = json!({
            "message_id": stored.id.to_string(),
            "message": "Hi, how are you?",
            "timestamp": "2025-02-22T12:01:00Z",
            "seq": 7
        });
        assert_eq!(to(posted(stored)), example);
    }

    #[test]
    fn a_message_is_its_senders_own() {
        let (ann, ben) = (UserId::new(), UserId::new());
        let actor = Actor::User(Caller { user: ann, login: LoginId(ann.0) });
        let guest = Actor::Guest(Guest { participant: ParticipantId(ann.0), room: RoomId::new() });
        assert!(own_name(&actor, None).is_ok());
        assert!(own_name(&actor, Some(&ann.to_string())).is_ok());
        assert!(own_name(&guest, None).is_ok());
        assert_eq!(own_name(&actor, Some(&ben.to_string())).unwrap_err().kind, Kind::Forbidden);
        assert_eq!(own_name(&guest, Some(&ann.to_string())).unwrap_err().kind, Kind::Forbidden);
        assert_eq!(own_name(&actor, Some("me")).unwrap_err().field, Some("sender_id"));
    }

    #[test]
    fn errors_name_this_documents_fields() {
        for bad in ["", " ", "a\0b", &"x".repeat(10_001)] {
            let (kind, message) = refused(draft(bad, None));
            assert_eq!(kind, Kind::Invalid);
            assert!(message.starts_with("message must"), "{message}");
        }
        for bad in ["", "nonsense", "a\0b"] {
            assert_eq!(body_ref(bad).unwrap_err().field, Some("conversation_id"));
            assert_eq!(path_ref(bad).unwrap_err().kind, Kind::NotFound);
        }
    }

    #[test]
    fn parts_of_a_history() {
        let range = |since_seq, limit| super::range(&wire::Slice { since_seq, limit });
        assert_eq!(range(None, None).unwrap(), Range::All);
        assert_eq!(range(None, Some(20)).unwrap(), Range::Newest(20));
        assert_eq!(range(Some(0), None).unwrap(), Range::After(0, 100));
        assert_eq!(range(Some(5), Some(20)).unwrap(), Range::After(5, 20));
        assert_eq!(range(Some(-1), None).unwrap_err().field, Some("since_seq"));
        for limit in [0, 101, -1] {
            assert_eq!(range(None, Some(limit)).unwrap_err().field, Some("limit"));
        }
    }

    #[test]
    fn frames_in() {
        let hello = draft("Hello", None).unwrap();
        let known = draft("Hello", Some("c-1")).unwrap();
        for (frame, meant) in [
            (r#"{"message": "Hello"}"#, Wish::Post(hello.clone())),
            (r#"{"type": "message", "message": "Hello"}"#, Wish::Post(hello)),
            (r#"{"message": "Hello", "client_message_id": "c-1"}"#, Wish::Post(known)),
            (r#"{"type": "typing"}"#, Wish::Typing(true)),
            (r#"{"type": "typing", "is_typing": false}"#, Wish::Typing(false)),
            (r#"{"type": "cancel"}"#, Wish::Cancel),
            (r#"{"type": "resume", "since_seq": 3}"#, Wish::Resume(3)),
            (r#"{"type": "ping", "data": {}}"#, Wish::Ping),
            (r#"{"type": "pong"}"#, Wish::Nothing),
        ] {
            assert_eq!(wish(frame).unwrap(), meant, "{frame}");
        }
    }

    #[test]
    fn bad_frames_in() {
        for frame in ["nonsense", r#"{"message": "#, r#"{"message": "\ud800"}"#, r#"{"type": "nonsense"}"#] {
            assert_eq!(wish(frame).unwrap_err().kind, Kind::Malformed, "{frame}");
        }
        for frame in [
            "",
            "7",
            "null",
            "{}",
            r#"{"message": 7}"#,
            r#"{"message": null}"#,
            r#"{"message": ""}"#,
            r#"{"message": []}"#,
            r#"{"message": "a\u0000b"}"#,
            r#"{"type": 7}"#,
            r#"{"type": "resume"}"#,
            r#"{"type": "resume", "since_seq": -1}"#,
            r#"{"type": "resume", "since_seq": 1.5}"#,
            r#"{"type": "typing", "is_typing": "yes"}"#,
        ] {
            assert_eq!(wish(frame).unwrap_err().kind, Kind::Invalid, "{frame}");
        }
        let endless = format!(r#"{{"message": "Hello", "client_message_id": "{}"}}"#, "n".repeat(256));
        assert_eq!(wish(&endless).unwrap_err().kind, Kind::Invalid);
    }

    #[test]
    fn frames_out() {
        let ann = UserId::new();
        let stored = Message { nonce: Some("c-1".into()), ..said(Party::User(ann), "Hello, how are you?") };
        let room = stored.room;
        let tell = |event| super::event(&Told::new(room, Audience::Room, event));
        let expected = json!({
            "message_id": stored.id.to_string(),
            "conversation_id": room.to_string(),
            "sender_id": ann.to_string(),
            "message": "Hello, how are you?",
            "timestamp": "2025-02-22T12:01:00Z",
            "sender_name": "John Doe",
            "seq": 7,
            "client_message_id": "c-1"
        });
        assert_eq!(spoken(tell(Event::Posted(stored))), expected);
        let delta = json!({"type": "delta", "conversation_id": room.to_string(), "delta": "Hel"});
        assert_eq!(spoken(tell(Event::AgentDelta { text: "Hel".into() })), delta);
        let from = Who { party: Party::User(ann), participant: None, name: "John Doe".into() };
        let typing = json!({
            "type": "typing",
            "conversation_id": room.to_string(),
            "user_id": ann.to_string(),
            "name": "John Doe",
            "is_typing": true
        });
        assert_eq!(spoken(tell(Event::Typing { from, is_typing: true })), typing);
        assert!(tell(Event::Locked(true)).is_none());
        assert_eq!(pong(), r#"{"type":"pong"}"#);
    }

    #[test]
    fn a_guest_has_a_name_but_no_id() {
        let frame = spoken(message_frame(&said(Party::Guest(ParticipantId::new()), "Hi")));
        assert_eq!((&frame["sender_id"], &frame["sender_name"]), (&Value::Null, &json!("John Doe")));
        assert!(frame.get("client_message_id").is_none());
    }
}
