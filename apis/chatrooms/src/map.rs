//! The document's types to the domain's and back.

use crate::wire;
use convo_domain::{
    error::{Error, Result},
    id::UserId,
    message::{Draft, Message},
    room::{RoomRef, act::RoomView},
    text::required,
    user::{
        Party, User,
        act::{CredentialChange, ProfileChange, Registration},
        login::TokenPair,
        rules::{PasswordRule, split_name},
    },
};
use convo_kit::time::rfc3339;

/// Messages of one answer where only a part of them was asked for.
const MESSAGES: i64 = 1_000;

/// How a caller names an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserRef {
    Id(UserId),
    Number(i64),
}

/// A UUID, or the integer that `convo.md` knows the account by. Anything else names nobody.
pub(crate) fn user_ref(text: &str) -> Result<UserRef> {
    let number = || text.parse().ok().filter(|n| *n > 0).map(UserRef::Number);
    UserId::parse(text).map(UserRef::Id).or_else(number).ok_or_else(|| Error::not_found("User"))
}

/// A room's UUID or code. Anything else names no chatroom.
pub(crate) fn room_ref(text: &str) -> Result<RoomRef> {
    convo_domain::text::bounded("chatroom", text, 100)?;
    RoomRef::parse(text).ok_or_else(|| Error::not_found("Chatroom"))
}

pub(crate) fn registration(new: wire::NewUser) -> Result<Registration> {
    let name = required("name", new.name.or(new.username))?;
    let (first_name, last_name) = split_name(&name)?;
    Ok(Registration {
        first_name,
        last_name,
        display_name: Some(name),
        email: Some(new.email),
        phone: None,
        password: new.password,
        rule: PasswordRule::Length,
        avatar_url: None,
    })
}

/// A change's two halves: what concerns logging in, if it is touched, and the profile.
pub(crate) fn change(change: wire::UserChange) -> Result<(Option<CredentialChange>, ProfileChange)> {
    let wire::UserChange { name, email, password } = change;
    let touched = email.is_some() || password.is_some();
    let credentials = touched.then_some(CredentialChange { email, password });
    let Some(name) = name else { return Ok((credentials, ProfileChange::default())) };
    let (first, last) = split_name(&name)?;
    let profile = ProfileChange {
        first_name: Some(first),
        last_name: Some(last),
        display_name: Some(name),
        ..ProfileChange::default()
    };
    Ok((credentials, profile))
}

pub(crate) fn user(user: User) -> wire::User {
    wire::User { id: user.id.0, name: user.display_name, email: user.email }
}

pub(crate) fn token(pair: TokenPair) -> wire::Token {
    wire::Token { token: pair.access.clone(), access_token: pair.access, token_type: "bearer" }
}

pub(crate) fn chatroom(view: RoomView) -> wire::Chatroom {
    let member =
        |person: convo_domain::room::store::Person| wire::Person { id: Some(person.user.0), name: person.name };
    wire::Chatroom {
        id: view.room.id.0,
        name: view.room.title,
        members: view.people.into_iter().map(member).collect(),
        created_at: rfc3339(view.room.created_at),
    }
}

/// The room that a message is for, and the message. `key`: the `Idempotency-Key` header, which counts before the
/// body's own id.
pub(crate) fn post(new: wire::NewMessage, key: Option<String>) -> Result<(RoomRef, Draft)> {
    let room = room_ref(&required("chatroom", new.chatroom.or(new.chatroom_id))?)?;
    let nonce = key.or(new.client_message_id);
    let draft = Draft::new(&new.message).map_err(in_our_words)?.nonce(nonce.as_deref())?;
    Ok((room, draft))
}

/// The room that a socket's event is about.
pub(crate) fn named_room(event: wire::RoomEvent) -> Result<RoomRef> {
    room_ref(&required("chatroomId", event.chatroom_id)?)
}

/// The room where somebody types, or with `false` ceased to.
pub(crate) fn typing(event: wire::RoomEvent) -> Result<(RoomRef, bool)> {
    let is_typing = event.is_typing.unwrap_or(true);
    Ok((named_room(event)?, is_typing))
}

/// What the domain calls `content` is this document's `message`.
fn in_our_words(error: Error) -> Error {
    match error.field {
        Some("content") => Error::invalid("message", error.message.replacen("content", "message", 1)),
        _ => error,
    }
}

pub(crate) fn message(message: Message) -> wire::Message {
    wire::Message {
        id: message.id.0,
        chatroom_id: message.room.0,
        sender: person(message.sender, message.sender_name),
        message: message.content,
        timestamp: rfc3339(message.created_at),
        seq: message.seq,
        client_message_id: message.nonce,
    }
}

/// A guest has a name and no id.
pub(crate) fn person(party: Party, name: String) -> wire::Person {
    wire::Person { id: party.user().map(|id| id.0), name }
}

/// Which part of a history is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    Latest { before: Option<i64>, limit: i64 },
    After { seq: i64, limit: i64 },
}

pub(crate) fn part(range: &wire::Range) -> Result<Part> {
    if range.limit.is_some_and(|limit| !(1..=MESSAGES).contains(&limit)) {
        return Err(Error::invalid("limit", "limit must be from 1 to 1000"));
    }
    if range.before_seq.is_some_and(|seq| seq < 1) {
        return Err(Error::invalid("before_seq", "before_seq must be 1 or more"));
    }
    if range.since_seq.is_some_and(|seq| seq < 0) {
        return Err(Error::invalid("since_seq", "since_seq must be 0 or more"));
    }
    let limit = range.limit.unwrap_or(MESSAGES);
    match (range.since_seq, range.before_seq) {
        (Some(_), Some(_)) => Err(Error::invalid("since_seq", "since_seq and before_seq exclude each other")),
        (Some(seq), None) => Ok(Part::After { seq, limit }),
        (None, None) if range.limit.is_none() => Ok(Part::All),
        (None, before) => Ok(Part::Latest { before, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convo_domain::{
        clock::Timestamp,
        error::Kind,
        id::{MessageId, ParticipantId, RoomId},
        message::MessageKind,
    };
    use convo_kit::body::json;
    use serde_json::{Value, json};

    const ROOM: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn new_message(body: Value) -> Result<wire::NewMessage> {
        json(body.to_string().as_bytes())
    }

    fn stored(sender: Party, nonce: Option<&str>) -> Message {
        Message {
            id: MessageId::parse("01890a5d-ac96-774b-bcce-b302099a8058").unwrap(),
            number: 9,
            room: RoomId::parse(ROOM).unwrap(),
            room_number: 4,
            seq: 7,
            sender,
            sender_number: 1,
            sender_name: "Ann Lee".into(),
            content: "Hello World!".into(),
            kind: MessageKind::Text,
            recipient: None,
            nonce: nonce.map(str::to_owned),
            created_at: Timestamp::from_seconds(1_705_314_600),
        }
    }

    #[test]
    fn a_message_has_the_contracts_shape() {
        let ann = UserId::parse("01890a5d-ac96-774b-bcce-b302099a8059").unwrap();
        let shown = serde_json::to_value(message(stored(Party::User(ann), None))).unwrap();
        let expected = json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8058",
            "chatroomId": ROOM,
            "sender": {"id": ann.to_string(), "name": "Ann Lee"},
            "message": "Hello World!",
            "timestamp": "2024-01-15T10:30:00Z",
            "seq": 7,
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_guest_has_no_id_and_a_nonce_comes_back() {
        let guest = Party::Guest(ParticipantId::new());
        let shown = serde_json::to_value(message(stored(guest, Some("n1")))).unwrap();
        assert_eq!(shown["sender"], json!({"id": null, "name": "Ann Lee"}));
        assert_eq!(shown["clientMessageId"], "n1");
    }

    #[test]
    fn a_post_names_its_room_in_either_way() {
        for field in ["chatroom", "chatroomId"] {
            let (room, _) = post(new_message(json!({field: ROOM, "message": "hi"})).unwrap(), None).unwrap();
            assert_eq!(room, RoomRef::Id(RoomId::parse(ROOM).unwrap()));
        }
        for (body, kind, field) in [
            (json!({"message": "hi"}), Kind::Invalid, Some("chatroom")),
            (json!({"chatroom": "nonsense", "message": "hi"}), Kind::NotFound, None),
            (json!({"chatroom": ROOM, "message": ""}), Kind::Invalid, Some("message")),
            (json!({"chatroom": ROOM, "message": "a\0b"}), Kind::Invalid, Some("message")),
            (json!({"chatroom": ROOM, "message": "x".repeat(10_001)}), Kind::Invalid, Some("message")),
        ] {
            let error = post(new_message(body).unwrap(), None).unwrap_err();
            assert_eq!((error.kind, error.field), (kind, field));
            assert!(field.is_none_or(|field| error.message.contains(field)), "{error}");
        }
    }

    #[test]
    fn a_body_that_is_no_message_is_refused() {
        for bad in [json!({}), json!(7), json!("text"), json!({"message": 7}), json!({"message": {"a": []}})] {
            assert_eq!(new_message(bad.clone()).unwrap_err().kind, Kind::Invalid, "{bad}");
        }
    }

    #[test]
    fn events_about_a_room() {
        let event = |body: Value| json::<wire::RoomEvent>(body.to_string().as_bytes());
        let room = RoomRef::Id(RoomId::parse(ROOM).unwrap());
        assert_eq!(named_room(event(json!({"chatroomId": ROOM})).unwrap()).unwrap(), room);
        for (body, is_typing) in [
            (json!({"chatroomId": ROOM, "isTyping": false}), false),
            (json!({"chatroomId": ROOM, "is_typing": true}), true),
            (json!({"chatroomId": ROOM}), true),
        ] {
            assert_eq!(typing(event(body).unwrap()).unwrap(), (room.clone(), is_typing));
        }
        for bad in [
            json!(7),
            json!("text"),
            json!(null),
            json!({"chatroomId": 7}),
            json!({"chatroomId": ROOM, "isTyping": "no"}),
        ] {
            assert_eq!(event(bad.clone()).unwrap_err().kind, Kind::Invalid, "{bad}");
        }
        let unnamed = named_room(event(json!({})).unwrap()).unwrap_err();
        assert_eq!((unnamed.kind, unnamed.field), (Kind::Invalid, Some("chatroomId")));
        let unknown = named_room(event(json!({"chatroomId": "nonsense"})).unwrap()).unwrap_err();
        assert_eq!(unknown.kind, Kind::NotFound);
    }

    #[test]
    fn the_header_counts_before_the_bodys_own_id() {
        for id in ["client_message_id", "clientMessageId"] {
            let new = || new_message(json!({"chatroom": ROOM, "message": "hi", id: "body"})).unwrap();
            let drafted = |nonce| Draft::new("hi").unwrap().nonce(Some(nonce)).unwrap();
            assert_eq!(post(new(), None).unwrap().1, drafted("body"));
            assert_eq!(post(new(), Some("header".into())).unwrap().1, drafted("header"));
        }
    }

    #[test]
    fn a_registration_says_name_or_username() {
        for field in ["name", "username"] {
            let body = json!({field: "User Name", "email": "u@example.com", "password": "password123"});
            let wish = registration(serde_json::from_value(body).unwrap()).unwrap();
            assert_eq!((&wish.first_name[..], &wish.last_name[..]), ("User", "Name"));
            assert_eq!(wish.display_name.as_deref(), Some("User Name"));
            assert_eq!(wish.rule, PasswordRule::Length);
        }
        let nameless = serde_json::from_value(json!({"email": "u@example.com", "password": "password123"})).unwrap();
        assert_eq!(registration(nameless).err().unwrap().field, Some("name"));
    }

    #[test]
    fn a_change_touches_only_what_it_names() {
        let parse = |body: Value| change(serde_json::from_value(body).unwrap());
        let (credentials, profile) = parse(json!({"name": "Ann Roe"})).unwrap();
        assert!(credentials.is_none());
        assert_eq!(profile.display_name.as_deref(), Some("Ann Roe"));
        let (credentials, profile) = parse(json!({"email": "ann@example.com"})).unwrap();
        assert_eq!(credentials.unwrap().email.as_deref(), Some("ann@example.com"));
        assert!(profile.display_name.is_none() && profile.first_name.is_none());
        assert_eq!(parse(json!({"name": " "})).err().unwrap().field, Some("name"));
    }

    #[test]
    fn accounts_are_named_by_uuid_or_integer() {
        let id = UserId::new();
        assert_eq!(user_ref(&id.to_string()).unwrap(), UserRef::Id(id));
        assert_eq!(user_ref("7").unwrap(), UserRef::Number(7));
        for nobody in ["", "0", "-1", "x", "-9223372036854775809", "null"] {
            assert_eq!(user_ref(nobody).unwrap_err().kind, Kind::NotFound, "{nobody}");
        }
    }

    #[test]
    fn parts_of_a_history() {
        let range = |limit, before_seq, since_seq| part(&wire::Range { limit, before_seq, since_seq });
        assert_eq!(range(None, None, None).unwrap(), Part::All);
        assert_eq!(range(Some(50), None, None).unwrap(), Part::Latest { before: None, limit: 50 });
        assert_eq!(range(None, Some(9), None).unwrap(), Part::Latest { before: Some(9), limit: MESSAGES });
        assert_eq!(range(Some(2), None, Some(0)).unwrap(), Part::After { seq: 0, limit: 2 });
        for (bad, field) in [
            (range(Some(0), None, None), "limit"),
            (range(Some(1_001), None, None), "limit"),
            (range(None, Some(0), None), "before_seq"),
            (range(None, None, Some(-1)), "since_seq"),
            (range(None, Some(5), Some(1)), "since_seq"),
        ] {
            assert_eq!(bad.unwrap_err().field, Some(field));
        }
    }
}
