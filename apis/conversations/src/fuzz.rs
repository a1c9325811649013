//! Entry point for fuzzing: a frame is understood or refused, never a panic.

use crate::map::{self, Wish};
use convo_domain::error::Kind;

/// A frame on a conversation's WebSocket.
pub fn fuzz_frame(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match map::wish(text) {
        Ok(Wish::Resume(seq)) => assert!(seq >= 0),
        Ok(_) => {}
        Err(error) => assert!(matches!(error.kind, Kind::Malformed | Kind::Invalid)),
    }
}
