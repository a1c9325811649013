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
