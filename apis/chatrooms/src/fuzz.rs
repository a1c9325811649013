//! Entry point for fuzzing: an event's payload is understood or refused, never a panic.

use crate::map;
use convo_domain::error::{Kind, Result};
use convo_kit::body;

/// The first argument of any Socket.IO event, which is also the body of `POST /api/message`.
pub fn fuzz_event(input: &[u8]) {
    judge(body::json(input).and_then(|new| map::post(new, None)));
    judge(body::json(input).and_then(map::named_room));
    judge(body::json(input).and_then(map::typing));
}

fn judge<T>(outcome: Result<T>) {
    let refused = outcome.err().map(|error| error.kind);
    assert!(matches!(refused, None | Some(Kind::Malformed | Kind::Invalid | Kind::NotFound)));
}
