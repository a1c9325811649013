//! Who is let in, who waits, who is refused: pure, and told all it needs.

use crate::{
    Asker,
    clock::Timestamp,
    error::{Error, Kind, Result},
    id::RoomId,
    limit,
    room::{Member, MemberStanding, Role, Room, RoomKind, Settings, Status, code, rules::open},
    text,
};

/// RFC 3339 writes years in four digits.
const YEAR_10000: Timestamp = Timestamp(253_402_300_800_000_000);

/// Whose wrong passcodes are counted: one caller's for one meeting, and everybody's for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guesser {
    Caller(RoomId, Asker),
    Anybody(RoomId),
}

/// What the door decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// In, with this role, while a seat is free.
    Seat(Role),
    Wait,
}

/// The order of the questions is the order of what a person at the door should hear first.
pub fn door(room: &Room, member: Option<&Member>, passcode: Option<&str>) -> Result<Door> {
    open(room)?;
    match member {
        Some(m) if m.standing == MemberStanding::Removed => {
            return Err(Error::forbidden("You were removed from this meeting"));
        }
        // Hosts, and whoever was let in before and not removed.
        Some(m) if m.role.controls() || before_host_is_over(room) => return Ok(Door::Seat(m.role)),
        Some(_) | None => {}
    }
    if member.is_none() && room.kind == RoomKind::Conversation {
        return Err(Error::meeting_not_found());
    }
    let known = member.is_some();
    if !known && room.locked {
        return Err(Error::new(Kind::MeetingLocked, "Meeting is locked"));
    }
    if let Some(right) = room.passcode.as_deref().filter(|_| !known)
        && !same(passcode.unwrap_or_default(), right)
    {
        return Err(Error::new(Kind::InvalidPasscode, "Invalid passcode"));
    }
    if !known && room.settings.waiting_room_enabled {
        return Ok(Door::Wait);
    }
    if !before_host_is_over(room) {
        return Err(Error::new(Kind::MeetingNotStarted, "Meeting has not started yet"));
    }
    Ok(Door::Seat(Role::Participant))
}

/// Whether people may come in without the host being the first.
pub(super) fn before_host_is_over(room: &Room) -> bool {
    room.settings.allow_join_before_host
        || room.settings.waiting_room_enabled
        || room.status == Status::Active
        || room.host.is_none()
}

/// Compares in a time that does not tell how much was right.
fn same(given: &str, right: &str) -> bool {
    given.len() == right.len() && given.bytes().zip(right.bytes()).fold(0, |acc, (a, b)| acc | (a ^ b)) == 0
}

/// A seat, or the meeting is full.
pub fn free_seat(room: &Room, taken: i64) -> Result<()> {
    if taken >= room.settings.max_participants {
        return Err(Error::new(Kind::MeetingFull, "Meeting has reached participant limit"));
    }
    Ok(())
}

pub fn settings(settings: Settings) -> Result<Settings> {
    if !(1..=limit::MAX_PARTICIPANTS).contains(&settings.max_participants) {
        return Err(Error::invalid("settings.max_participants", "max_participants must be from 1 to 10000"));
    }
    Ok(settings)
}

pub fn schedule(start: Option<Timestamp>, end: Option<Timestamp>) -> Result<()> {
    match (start, end) {
        (Some(start), Some(end)) if end <= start => {
            Err(Error::invalid("scheduled_end_time", "scheduled_end_time must be after scheduled_start_time"))
        }
        // Nobody may write it; a long meeting could be moved there.
        (_, Some(end)) if end >= YEAR_10000 => {
            Err(Error::invalid("scheduled_end_time", "scheduled_end_time must be before the year 10000"))
        }
        _ => Ok(()),
    }
}

/// The new times. A meeting whose start alone is moved keeps its length, as calendars do it.
pub fn moved(
    room: &Room,
    start: Option<Option<Timestamp>>,
    end: Option<Option<Timestamp>>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    match (start, end, room.scheduled_start, room.scheduled_end) {
        (Some(Some(start)), None, Some(was), Some(until)) => {
            (Some(start), Some(Timestamp(until.0 + (start.0 - was.0))))
        }
        (start, end, was, until) => (start.unwrap_or(was), end.unwrap_or(until)),
    }
}

/// The passcode in force: the host's own, else a generated one where one is required.
pub fn passcode(own: Option<&str>, required: bool) -> Result<Option<String>> {
    match own.map(str::trim).filter(|own| !own.is_empty()) {
        Some(own) => {
            let own = text::bounded("passcode", own, 64)?;
            Ok(Some(own))
        }
        None => Ok(required.then(code::six_digits)),
    }
}

/// A passcode in force is shown as required: a client may go by the flag, and what repeats it changes nothing.
pub fn truthful(settings: Settings, passcode: Option<&str>) -> Settings {
    Settings { require_password: settings.require_password || passcode.is_some(), ..settings }
}

/// A participant's LiveKit identity: `john_doe_a1b2c3d4`.
pub fn identity(name: &str, id: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase).take(48) {
        match c {
            c if c.is_alphanumeric() => slug.push(c),
            _ if !slug.ends_with('_') && !slug.is_empty() => slug.push('_'),
            _ => {}
        }
    }
    let slug = slug.trim_end_matches('_');
    let slug = if slug.is_empty() { "guest" } else { slug };
    format!("{slug}_{id}")
}

/// What an operator's token says of a person, as a name that a meeting shows: the name, or else the identity.
pub fn shown(name: &str, identity: &str) -> String {
    let clean = |text: &str| -> String {
        let plain: String = text.chars().filter(|c| !c.is_control()).take(limit::NAME_CHARS).collect();
        plain.trim().to_owned()
    };
    Some(clean(name)).filter(|name| !name.is_empty()).unwrap_or_else(|| clean(identity))
}

/// Whether one may share the screen.
pub fn may_share_screen(room: &Room, role: Role) -> bool {
    room.settings.screen_sharing_enabled || role.controls()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::UserId,
        room::{Origin, act},
    };

    fn room(change: impl FnOnce(&mut Room)) -> Room {
        let host = Some(UserId::new());
        let mut room = act::blank(RoomKind::Meeting, Origin::Platform, "Standup".into(), host, Timestamp(0));
        room.settings.allow_join_before_host = false;
        change(&mut room);
        room
    }

    fn member(room: &Room, role: Role, standing: MemberStanding) -> Member {
        Member { standing, ..act::member_of(room.id, UserId::new(), role, Timestamp(0)) }
    }

    fn kind(result: Result<Door>) -> Kind {
        result.unwrap_err().kind
    }

    #[test]
    fn before_the_host_nobody_sits() {
        let room = room(|_| {});
        assert_eq!(kind(door(&room, None, None)), Kind::MeetingNotStarted);
        let host = member(&room, Role::Host, MemberStanding::In);
        assert_eq!(door(&room, Some(&host), None).unwrap(), Door::Seat(Role::Host));
        let known = member(&room, Role::Participant, MemberStanding::In);
        assert_eq!(kind(door(&room, Some(&known), None)), Kind::MeetingNotStarted);
    }

    #[test]
    fn who_was_let_in_comes_back_past_passcode_lock_and_waiting_room() {
        let room = room(|r| {
            r.status = Status::Active;
            r.locked = true;
            r.passcode = Some("123456".into());
            r.settings.waiting_room_enabled = true;
        });
        let known = member(&room, Role::Participant, MemberStanding::In);
        assert_eq!(door(&room, Some(&known), None).unwrap(), Door::Seat(Role::Participant));
        assert_eq!(kind(door(&room, None, Some("123456"))), Kind::MeetingLocked);
        let removed = member(&room, Role::Participant, MemberStanding::Removed);
        assert_eq!(kind(door(&room, Some(&removed), Some("123456"))), Kind::Forbidden);
    }

    #[test]
    fn the_passcode_comes_before_the_waiting_room() {
        let room = room(|r| {
            r.passcode = Some("123456".into());
            r.settings.waiting_room_enabled = true;
        });
        for wrong in [None, Some(""), Some("12345"), Some("1234567"), Some("123457")] {
            assert_eq!(kind(door(&room, None, wrong)), Kind::InvalidPasscode, "{wrong:?}");
        }
        assert_eq!(door(&room, None, Some("123456")).unwrap(), Door::Wait);
    }

    #[test]
    fn over_is_over() {
        for status in [Status::Ended, Status::Cancelled] {
            let room = room(|r| r.status = status);
            let host = member(&room, Role::Host, MemberStanding::In);
            assert_eq!(kind(door(&room, Some(&host), None)), Kind::MeetingEnded);
        }
    }

    #[test]
    fn the_last_seat_is_one_seat() {
        let room = room(|r| r.settings.max_participants = 2);
        assert!(free_seat(&room, 1).is_ok());
        assert_eq!(free_seat(&room, 2).unwrap_err().kind, Kind::MeetingFull);
    }

    #[test]
    fn a_moved_meeting_keeps_its_length() {
        let at = |hour: i64| Timestamp::from_seconds(hour * 3600);
        let room = room(|r| (r.scheduled_start, r.scheduled_end) = (Some(at(15)), Some(at(16))));
        let to = |hour| Some(Some(at(hour)));
        assert_eq!(moved(&room, to(16), None), (Some(at(16)), Some(at(17))));
        assert_eq!(moved(&room, None, to(18)), (Some(at(15)), Some(at(18))));
        assert_eq!(moved(&room, to(17), to(18)), (Some(at(17)), Some(at(18))));
        assert_eq!(moved(&room, to(16), Some(None)), (Some(at(16)), None));
        assert_eq!(moved(&room, Some(None), None), (None, Some(at(16))));
    }

    #[test]
    fn a_moved_meeting_ends_before_the_year_10000() {
        let year = |year: i64| Timestamp::from_seconds((year - 1970) * 31_556_952);
        let room = room(|r| (r.scheduled_start, r.scheduled_end) = (Some(year(2000)), Some(year(9999))));
        let (start, end) = moved(&room, Some(Some(year(9000))), None);
        assert_eq!(schedule(start, end).unwrap_err().field, Some("scheduled_end_time"));
        assert!(schedule(Some(year(9000)), Some(year(9999))).is_ok());
    }

    #[test]
    fn identities() {
        assert_eq!(identity("John Doe", "a1b2c3d4"), "john_doe_a1b2c3d4");
        assert_eq!(identity("  --李 明!! ", "a1b2c3d4"), "李_明_a1b2c3d4");
        assert_eq!(identity("!!!", "a1b2c3d4"), "guest_a1b2c3d4");
    }
}
