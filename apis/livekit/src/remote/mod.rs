//! Rooms on an existing LiveKit server. Its clients come with Convo's tokens and go straight to it; in every room that is
//! one of Convo's meetings a [`steward`] of ours is there too, unseen, and each participant whom it meets gets the same
//! attendee as in the embedded server ([`crate::attendee`]). Orders go by the server's own API ([`service`]), chat by the
//! steward's data channel ([`link`]).
//!
//! Rooms are found by the server's webhooks, and by looking now and then, for servers that send none.

mod hook;
mod link;
mod service;
mod steward;

pub(crate) use service::Service;
pub(crate) use steward::Orders;

use crate::{
    host::{Host, Rooms},
    token::Keys,
};
use axum::{Router, extract::DefaultBodyLimit, routing::post};
use convo_domain::{error::Error, room::code};
use convo_kit::Shared;
use convo_sfu::Refusal;
use parking_lot::Mutex;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How often the server's rooms are looked at, without and with webhooks.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Bytes of a webhook.
const HOOK: usize = 1 << 20;

/// An existing LiveKit server, as Convo's media server.
pub struct Remote {
    host: Arc<Host>,
    service: Arc<Service>,
    /// The identity of our stewards: this process's own.
    me: String,
    /// Rooms that have a steward, or are asked about.
    kept: Mutex<HashSet<String>>,
    /// Webhooks come.
    hooked: AtomicBool,
}

impl Remote {
    /// `url`: the server's, as clients know it.
    ///
    /// # Errors
    /// There is no HTTP client.
    pub fn new(app: Shared, url: &str, keys: Keys) -> Result<Arc<Self>, Error> {
        let service = Arc::new(Service::new(url, keys)?);
        let host = Host::new(app, Rooms::There(service.clone()));
        let me = format!("convo_{}", code::hex(6));
        Ok(Arc::new(Self { host, service, me, kept: Mutex::default(), hooked: AtomicBool::new(false) }))
    }

    /// `POST /livekit/webhook`
    pub fn routes<S>(self: &Arc<Self>) -> Router<S> {
        let hook = Router::new().route("/livekit/webhook", post(hook::take));
        hook.layer(DefaultBodyLimit::max(HOOK)).with_state(self.clone())
    }

    /// Keeps a steward in every meeting that somebody's media is in. Runs until it is dropped.
    pub async fn run(self: Arc<Self>) {
        loop {
            match self.service.busy_rooms().await {
                Ok(rooms) => rooms.into_iter().for_each(|room| self.look(room)),
                Err(error) => tracing::warn!(%error, "the LiveKit server's rooms could not be looked at"),
            }
            let hooked = self.hooked.load(Ordering::Relaxed);
            tokio::time::sleep(if hooked { LOOK_AGAIN } else { LOOK }).await;
        }
    }

    /// There is somebody in the room.
    fn look(self: &Arc<Self>, name: String) {
        if !self.kept.lock().insert(name.clone()) {
            return;
        }
        let remote = self.clone();
        tokio::spawn(async move {
            match remote.host.meeting(&name).await {
                Ok(Some(room)) if room.code == name => steward::keep(&remote, room).await,
                Ok(_) => {}
                Err(error) => tracing::warn!(?error, "it could not be found out whether a room is a meeting"),
            }
            remote.kept.lock().remove(&name);
        });
    }
}

/// Whether the server answers, and takes the key and secret.
///
/// # Errors
/// What is wrong, in words.
pub async fn check(url: &str, keys: Keys) -> Result<(), String> {
    let service = Service::new(url, keys).map_err(|error| error.message.into_owned())?;
    service.busy_rooms().await.map(drop).map_err(|refusal: Refusal| refusal.to_string())
}
