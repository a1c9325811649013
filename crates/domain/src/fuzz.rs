//! Entry points for fuzzing: text from outside is taken or refused, never a panic, and what was taken keeps the rules.

use crate::{
    limit,
    message::Draft,
    room::{RoomRef, code},
    user::rules::{self, PasswordRule},
};

/// A room's code, and every other way to name a room.
pub fn fuzz_code(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(code) = code::normalise(text) {
        assert_eq!(code::normalise(&code).as_ref(), Some(&code), "a stored code names itself");
    }
    match RoomRef::parse_or_number(text) {
        Some(RoomRef::Id(id)) => assert_eq!(RoomRef::parse(&id.to_string()), Some(RoomRef::Id(id))),
        Some(RoomRef::Code(code)) => assert_eq!(RoomRef::parse(&code), Some(RoomRef::Code(code))),
        Some(RoomRef::Number(number)) => assert!(number > 0),
        None => assert_eq!(RoomRef::parse(text), None),
    }
}

/// What an account is made of.
pub fn fuzz_person(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(email) = rules::email(text) {
        assert!(email.len() <= limit::EMAIL_BYTES);
        assert_eq!(rules::email(&email).ok(), Some(email), "a stored address is an address");
    }
    if let Ok(phone) = rules::phone(text) {
        assert!((8..=16).contains(&phone.len()));
        assert_eq!(rules::phone(&phone).ok(), Some(phone), "a stored number is a number");
    }
    if let Ok((first, last)) = rules::split_name(text) {
        assert!(!first.is_empty() && !first.contains(char::is_whitespace) && last == last.trim());
        assert!(first.chars().count() + last.chars().count() <= limit::NAME_CHARS);
    }
    if rules::password(PasswordRule::Strong, text).is_ok() {
        assert!(rules::password(PasswordRule::Length, text).is_ok());
    }
}

/// A message's text.
pub fn fuzz_draft(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(draft) = Draft::new(text) else { return };
    assert_eq!(draft.content, text);
    assert!(!text.contains('\0') && text.chars().count() <= limit::MESSAGE_CHARS);
    let with_nonce = draft.nonce(Some(text));
    assert!(with_nonce.is_err() || text.len() <= limit::NONCE_BYTES);
}
