//! What the hands drive.

use convo_sfu::{Input, Output, Sfu};
use std::time::Instant;

/// A machine without sockets, clock and threads. [`Sfu`] in the product; something smaller in the tests of the hands.
///
/// The hands keep its one rule: after a batch of [`handle`](Self::handle) at one `now`, [`poll`](Self::poll) until
/// [`Output::Timeout`].
pub trait Brain: Send + 'static {
    fn handle(&mut self, now: Instant, input: Input<'_>);
    fn poll(&mut self, now: Instant) -> Output;
}

impl Brain for Sfu {
    fn handle(&mut self, now: Instant, input: Input<'_>) {
        Sfu::handle(self, now, input);
    }

    fn poll(&mut self, now: Instant) -> Output {
        Sfu::poll(self, now)
    }
}
