//! Text from outside: bounded, and without the NUL that Postgres cannot keep.

use crate::{
    error::{Error, Result},
    limit,
};

/// A name or title: trimmed, not empty, at most [`limit::NAME_CHARS`].
pub fn name(field: &'static str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(field, format!("{field} must not be empty")));
    }
    bounded(field, text, limit::NAME_CHARS)
}

/// Any text up to `chars` characters.
pub fn bounded(field: &'static str, text: &str, chars: usize) -> Result<String> {
    if text.contains('\0') {
        return Err(Error::invalid(field, format!("{field} must not contain a NUL character")));
    }
    if text.len() > chars && text.chars().count() > chars {
        return Err(Error::invalid(field, format!("{field} must have at most {chars} characters")));
    }
    Ok(text.to_owned())
}

/// `field` must be present.
pub fn required<T>(field: &'static str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::invalid(field, format!("{field} is required")))
}
