//! Ids: one UUID (v7, so that they sort by age) for every entity, each with a type of its own.

use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id, time-ordered (RFC 9562, version 7).
            #[expect(clippy::new_without_default, reason = "an id is minted, never defaulted")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The bare UUID, or one behind a presentation prefix (`meeting-…`).
            pub fn parse(text: &str) -> Option<Self> {
                parse_uuid(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    UserId, RoomId, MessageId, ParticipantId,
    /// One log-in: the family of access and refresh tokens that came from it.
    LoginId,
}

/// Prefixes that the documents put before an id for people to read.
const PREFIXES: [&str; 3] = ["meeting-", "message-", "participant-"];

fn parse_uuid(text: &str) -> Option<Uuid> {
    let bare = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    // Only the hyphenated form: the others (braces, URN, simple) are nobody's documented spelling.
    (bare.len() == 36).then(|| Uuid::try_parse(bare).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_presentation() {
        let id = RoomId::new();
        assert_eq!(RoomId::parse(&format!("meeting-{id}")), Some(id));
        assert_eq!(RoomId::parse(&id.to_string()), Some(id));
        assert_eq!(RoomId::parse("meeting-1"), None);
        assert_eq!(RoomId::parse(&id.0.simple().to_string()), None);
    }
}
