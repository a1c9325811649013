//! The domain's port to the media: who gets a token for a room finds its steward there.

use convo_domain::{ports::Media, room::Room};
use futures_util::{FutureExt, future::BoxFuture};
use std::time::Duration;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

/// Rooms that wait to be looked after; more are found later.
const WAITING: usize = 1024;
/// How long somebody's token waits for the steward. A server that is out of reach has no room to be heard in.
const PATIENCE: Duration = Duration::from_secs(2);

/// A room to which somebody gets a token.
#[derive(Debug)]
pub struct Expected {
    /// The room's code.
    pub(super) room: String,
    /// To be told when the steward hears the room.
    pub(super) heard: oneshot::Sender<()>,
}

/// Says which rooms are [`Expected`]. If nobody takes them, as with the embedded server, nobody waits.
pub struct Expecting(mpsc::Sender<Expected>);

/// For the domain, and for [`Remote::run`](super::Remote::run).
pub fn expecting() -> (Expecting, mpsc::Receiver<Expected>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Expecting(sender), receiver)
}

impl Media for Expecting {
    fn expect(&self, room: &Room) -> BoxFuture<'static, ()> {
        let (heard, there) = oneshot::channel();
        let told = self.0.try_send(Expected { room: room.code.clone(), heard }).is_ok();
        async move {
            if told && timeout(PATIENCE, there).await.is_err() {
                tracing::warn!("somebody got a token before their room on the LiveKit server was listened to");
            }
        }
        .boxed()
    }
}
