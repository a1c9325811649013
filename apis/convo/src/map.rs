//! The document's types into the domain's, and back.

use crate::wire;
use convo_domain::{
    error::{Error, Result},
    meeting::act::MeetingWish,
    message::Message,
    room::{Origin, Room, RoomRef, Settings},
    user::{
        User,
        act::Registration,
        rules::{self, PasswordRule},
    },
};
use convo_kit::time::{parse, without_zone};

/// What stands in the field `password` of an account.
const HASHED: &str = "hashed_password";

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
        avatar_url: None,
    })
}

pub(crate) fn user(user: User) -> wire::User {
    wire::User { id: user.number, name: user.display_name, email: user.email, password: HASHED }
}

pub(crate) fn wish(body: wire::NewMeeting) -> Result<MeetingWish> {
    Ok(MeetingWish {
        origin: Origin::Convo,
        title: body.title,
        description: body.description,
        start: body.start_time.as_deref().map(|text| parse("start_time", text)).transpose()?,
        end: body.end_time.as_deref().map(|text| parse("end_time", text)).transpose()?,
        timezone: None,
        settings: Settings::open(),
        passcode: None,
    })
}

/// The error with this document's name of the field: the domain's times are `scheduled_start_time` and so on.
pub(crate) fn our_field(error: Error) -> Error {
    Error { message: error.message.replace("scheduled_", "").into(), ..error }
}

/// `creator`: the integer of the meeting's host.
pub(crate) fn meeting(room: Room, creator: Option<i64>) -> wire::Meeting {
    wire::Meeting {
        id: room.number,
        title: room.title,
        description: room.description,
        start_time: room.scheduled_start.map(without_zone),
        end_time: room.scheduled_end.map(without_zone),
        creator_id: creator,
    }
}

pub(crate) fn message(message: Message) -> wire::Message {
    wire::Message {
        id: message.number,
        sender_id: message.sender_user().map(|_| message.sender_number),
        content: message.content,
        meeting_id: message.room_number,
        timestamp: without_zone(message.created_at),
        sender_name: message.sender_name,
        seq: message.seq,
    }
}

/// A meeting named in a path; what cannot be a name is the name of nothing.
pub(crate) fn path_ref(id: &str) -> Result<RoomRef> {
    RoomRef::parse_or_number(id).ok_or_else(Error::meeting_not_found)
}

/// A meeting named in a body.
pub(crate) fn body_ref(id: &wire::MeetingName) -> Result<RoomRef> {
    match id {
        wire::MeetingName::Number(number) => Ok(RoomRef::Number(*number)),
        wire::MeetingName::Text(text) => RoomRef::parse_or_number(text)
            .ok_or_else(|| Error::invalid("meeting_id", "meeting_id must be an integer or a UUID")),
    }
}

/// The document's examples.
#[cfg(test)]
mod tests {
    use super::*;
    use convo_domain::{
        clock::Timestamp,
        error::Kind,
        id::{MessageId, ParticipantId, RoomId, UserId},
        message::MessageKind,
        room::{RoomKind, Status},
        user::{DeviceDefaults, Party, PasswordHash, Standing},
    };
    use convo_kit::body;
    use serde::{Serialize, de::DeserializeOwned};
    use serde_json::{Value, json};

    fn from<T: DeserializeOwned>(example: Value) -> Result<T> {
        body::json(example.to_string().as_bytes())
    }

    fn to(value: impl Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        parse("t", text).unwrap()
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
            first_name: "User".into(),
            last_name: "Name".into(),
            display_name: "User Name".into(),
            avatar_url: None,
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

    fn room(wish: MeetingWish) -> Room {
        Room {
            id: RoomId::new(),
            number: 1,
            kind: RoomKind::Meeting,
            origin: wish.origin,
            code: "123-456-789".into(),
            title: wish.title,
            description: wish.description,
            host: Some(UserId::new()),
            scheduled_start: wish.start,
            scheduled_end: wish.end,
            timezone: "UTC".into(),
            status: Status::Scheduled,
            actual_start: None,
            actual_end: None,
            passcode: wish.passcode,
            locked: false,
            settings: wish.settings,
            is_ai: false,
            pair: None,
            seq: 0,
            private_messages: 0,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            last_activity: Timestamp(0),
        }
    }

    fn said(sender: Party, number: i64) -> Message {
        Message {
            id: MessageId::new(),
            number: 1,
            room: RoomId::new(),
            room_number: 1,
            seq: 7,
            sender,
            sender_number: number,
            sender_name: "User Name".into(),
            content: "Hello, this is a message!".into(),
            kind: MessageKind::Text,
            recipient: None,
            nonce: None,
            created_at: at("2024-09-07T10:15:00Z"),
        }
    }

    #[test]
    fn registering() {
        let example = json!({"name": "User Name", "email": "user@example.com", "password": "password123"});
        let wish = registration(from(example.clone()).unwrap()).unwrap();
        assert_eq!((&wish.first_name[..], &wish.last_name[..]), ("User", "Name"));
        assert_eq!(
            (wish.display_name.as_deref(), wish.email.as_deref()),
            (Some("User Name"), Some("user@example.com"))
        );
        assert_eq!((&wish.password[..], wish.rule), ("password123", PasswordRule::Length));
        let answer = json!({"id": 1, "name": "User Name", "email": "user@example.com", "password": "hashed_password"});
        assert_eq!(to(user(account())), answer);
        for field in ["name", "email", "password"] {
            let mut lacking = example.clone();
            lacking.as_object_mut().unwrap().remove(field);
            let mut wrong = example.clone();
            wrong[field] = json!(5);
            for bad in [lacking, wrong] {
                let (kind, message) = refused(from::<wire::Registration>(bad));
                assert_eq!(kind, Kind::Invalid);
                assert!(message.contains(field), "{message}");
            }
        }
        let nameless = wire::Registration { name: " ".into(), email: String::new(), password: String::new() };
        assert!(refused(registration(nameless)).1.contains("name"));
    }

    #[test]
    fn logging_in() {
        let body: wire::Login = from(json!({"email": "user@example.com", "password": "password123"})).unwrap();
        assert_eq!((&body.email[..], &body.password[..]), ("user@example.com", "password123"));
        assert_eq!(to(wire::Token { token: "jwt_token".into() }), json!({"token": "jwt_token"}));
    }

    fn example_meeting() -> Value {
        json!({
            "title": "Meeting Title",
            "description": "Meeting Description",
            "start_time": "2024-09-07T10:00:00",
            "end_time": "2024-09-07T11:00:00",
            "creator_id": 1
        })
    }

    #[test]
    fn meetings() {
        let body: wire::NewMeeting = from(example_meeting()).unwrap();
        assert_eq!(body.creator_id, Some(1));
        let wish = wish(body).unwrap();
        assert_eq!((wish.start, wish.end), (Some(at("2024-09-07T10:00:00Z")), Some(at("2024-09-07T11:00:00Z"))));
        assert_eq!((wish.origin, wish.settings), (Origin::Convo, Settings::open()));
        let mut answer = example_meeting();
        answer["id"] = json!(1);
        assert_eq!(to(meeting(room(wish), Some(1))), answer);
    }

    #[test]
    fn a_meeting_needs_only_a_title() {
        let wish = wish(from(json!({"title": "T", "description": null})).unwrap()).unwrap();
        let nobodys = json!({
            "id": 1, "title": "T", "description": null, "start_time": null, "end_time": null, "creator_id": null
        });
        assert_eq!(to(meeting(room(wish), None)), nobodys);
        assert!(refused(from::<wire::NewMeeting>(json!({}))).1.contains("title"));
        for (field, value) in [("start_time", json!("soon")), ("end_time", json!(7)), ("creator_id", json!("one"))] {
            let mut bad = example_meeting();
            bad[field] = value;
            let (kind, message) = refused(from(bad).and_then(super::wish));
            assert_eq!(kind, Kind::Invalid);
            assert!(message.contains(field), "{message}");
        }
        let domains = Error::invalid("scheduled_end_time", "scheduled_end_time must be after scheduled_start_time");
        assert_eq!(our_field(domains).message, "end_time must be after start_time");
    }

    #[test]
    fn messages() {
        let example = json!({"content": "Hello, this is a message!", "sender_id": 1, "meeting_id": 1});
        let body: wire::NewMessage = from(example.clone()).unwrap();
        assert_eq!((&body.content[..], body.sender_id), ("Hello, this is a message!", Some(1)));
        assert_eq!(body_ref(&body.meeting_id).unwrap(), RoomRef::Number(1));
        let mut answer = example;
        answer["id"] = json!(1);
        answer["timestamp"] = json!("2024-09-07T10:15:00");
        let extras = json!({"sender_name": "User Name", "seq": 7});
        answer.as_object_mut().unwrap().extend(extras.as_object().unwrap().clone());
        assert_eq!(to(message(said(Party::User(UserId::new()), 1))), answer);
    }

    #[test]
    fn a_guest_has_a_name_but_no_number() {
        let shown = to(message(said(Party::Guest(ParticipantId::new()), 0)));
        assert_eq!((&shown["sender_id"], &shown["sender_name"]), (&Value::Null, &json!("User Name")));
    }

    #[test]
    fn names_of_meetings() {
        let id = RoomId::new();
        let body = |name| body::from_value::<wire::MeetingName>(name).and_then(|name| body_ref(&name));
        assert_eq!(body(json!(id.to_string())).unwrap(), RoomRef::Id(id));
        assert_eq!(body(json!("5")).unwrap(), RoomRef::Number(5));
        for bad in [json!("a\0b"), json!(1.5), json!(null), json!([]), json!("nonsense")] {
            let (kind, message) = refused(body(bad));
            assert_eq!(kind, Kind::Invalid);
            assert!(message.contains("meeting_id"), "{message}");
        }
        assert_eq!(path_ref("123-456-789").unwrap(), RoomRef::Code("123-456-789".into()));
        assert_eq!(path_ref("1").unwrap(), RoomRef::Number(1));
        for bad in ["0", "-1", "99999999999999999999", "nonsense", "1;drop table users"] {
            assert_eq!(path_ref(bad).unwrap_err().kind, Kind::MeetingNotFound, "{bad}");
        }
    }
}
