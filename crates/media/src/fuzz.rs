//! Entry points for fuzzing: what clients and peers send is understood or refused, never a panic.

pub use crate::{tcp::fuzz::framing, turn::fuzz::turn};
