//! What every API needs and none owns: the caller behind a bearer token, bodies and their limits, how errors become
//! statuses, rate limits, times as text, and the pump between a socket and a session.
//!
//! **An API does not know that another API exists.** It knows the domain and this kit.

pub mod app;
pub mod body;
pub mod desk;
pub mod door;
pub mod envelope;
#[doc(hidden)]
pub mod fuzz;
pub mod json;
pub mod limit;
pub mod pump;
pub mod time;
pub mod voice;

pub use app::{Api, App, Shared, slot};
pub use body::{Body, Params, Route};
pub use door::{Anyone, Caller, IdempotencyKey, Origin, Signed};
pub use json::Json;
pub use voice::Voice;
