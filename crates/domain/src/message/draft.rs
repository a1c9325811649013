//! A message before it is one: exists only when its text may be stored.

use super::MessageKind;
use crate::{
    error::{Error, Result},
    id::{ParticipantId, UserId},
    limit, text,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub(crate) content: String,
    pub(crate) kind: MessageKind,
    pub(crate) to: Option<To>,
    pub(crate) nonce: Option<String>,
}

/// Whom a private message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    User(UserId),
    Participant(ParticipantId),
}

impl Draft {
    pub fn new(content: &str) -> Result<Self> {
        if content.trim().is_empty() {
            return Err(Error::invalid("content", "content must not be empty"));
        }
        let content = text::bounded("content", content, limit::MESSAGE_CHARS)?;
        Ok(Self { content, kind: MessageKind::Text, to: None, nonce: None })
    }

    pub fn kind(self, kind: MessageKind) -> Self {
        Self { kind, ..self }
    }

    pub fn to(self, to: Option<To>) -> Self {
        Self { to, ..self }
    }

    /// The client's own id: posting the same again answers with the message that is there.
    pub fn nonce(self, nonce: Option<&str>) -> Result<Self> {
        let Some(nonce) = nonce.filter(|n| !n.is_empty()) else { return Ok(self) };
        if nonce.len() > limit::NONCE_BYTES || nonce.contains('\0') {
            return Err(Error::invalid(
                "client_message_id",
                "a client message id has at most 255 bytes, none of them NUL",
            ));
        }
        Ok(Self { nonce: Some(nonce.to_owned()), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_storable_text_becomes_a_draft() {
        assert!(Draft::new(&"é".repeat(limit::MESSAGE_CHARS)).is_ok());
        for bad in ["", " \n", "a\0b", &"é".repeat(limit::MESSAGE_CHARS + 1)] {
            assert_eq!(Draft::new(bad).unwrap_err().field, Some("content"));
        }
        assert!(Draft::new("x").unwrap().nonce(Some(&"n".repeat(256))).is_err());
    }
}
