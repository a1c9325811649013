//! Rooms on an existing LiveKit server. Its clients come with Convo's tokens and go straight to it; in every room that is
//! one of Convo's meetings a [`steward`] of ours is there too, unseen, and each participant whom it meets gets the same
//! attendee as in the embedded server ([`crate::attendee`]). Orders go by the server's own API ([`service`]), chat by the
//! steward's data channel ([`link`]).
//!
//! Who gets a token for a room finds the steward there ([`expect`]). Tokens that others gave out, and whoever comes
//! late, are found by the server's webhooks, and by looking now and then, for servers that send none.

mod clerk;
mod expect;
mod hook;
mod link;
mod service;
mod steward;

pub(crate) use clerk::Orders;
pub use expect::{Expected, Expecting, expecting};
pub(crate) use service::Service;

use crate::{
    attendee::{AGAIN, undecided},
    host::{Host, Rooms},
    token::Keys,
};
use axum::{Router, routing::post};
use convo_domain::{
    error::Error,
    room::{Room, code},
};
use convo_kit::Shared;
use convo_sfu::Refusal;
use livekit_protocol::ParticipantInfo;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

/// How often the server's rooms are looked at, without and with webhooks.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// An existing LiveKit server, as Convo's media server.
pub struct Remote {
    host: Arc<Host>,
    service: Arc<Service>,
    /// The identity of our stewards: this process's own.
    me: String,
    /// Rooms that have a steward, or are asked about.
    kept: Mutex<HashMap<String, Kept>>,
    /// Webhooks come.
    hooked: AtomicBool,
}

/// How a room's steward is spoken to.
struct Kept {
    /// Who came or went.
    told: mpsc::UnboundedSender<ParticipantInfo>,
    /// Whether the steward hears the room.
    hears: watch::Receiver<bool>,
    /// When somebody last got a token.
    expected: Option<Instant>,
}

impl Kept {
    /// Until when whoever got a token last is expected.
    fn awaits(&self) -> Option<Instant> {
        let until = self.expected? + steward::AWAIT;
        (until > Instant::now()).then_some(until)
    }
}

impl Remote {
    /// `url`: the server's, as clients know it.
    ///
    /// # Errors
    /// There is no HTTP client.
    pub fn new(app: Shared, url: &str, keys: Keys) -> Result<Arc<Self>, Error> {
        let service = Arc::new(Service::new(url, keys)?);
        let host = Host::new(app, Rooms::There);
        let me = format!("convo_{}", code::hex(6));
        Ok(Arc::new(Self { host, service, me, kept: Mutex::default(), hooked: AtomicBool::new(false) }))
    }

    /// `POST /livekit/webhook`
    pub fn routes<S>(self: &Arc<Self>) -> Router<S> {
        Router::new().route("/livekit/webhook", post(hook::take)).with_state(self.clone())
    }

    /// Keeps a steward in every meeting that somebody's media is in, or is about to be. Runs until it is dropped.
    ///
    /// `expected`: rooms to which somebody gets a token.
    pub async fn run(self: Arc<Self>, mut expected: mpsc::Receiver<Expected>) {
        let go_in = async {
            while let Some(Expected { room, mut heard }) = expected.recv().await {
                let remote = self.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        // In this order: a steward goes in though nobody waits for it.
                        biased;
                        () = remote.until_heard(room) => drop(heard.send(())),
                        () = heard.closed() => {}
                    }
                });
            }
        };
        // A server that takes long to say which rooms it has keeps nobody from going in.
        tokio::join!(go_in, self.patrol());
    }

    /// The room's meeting, if it is one's. Asks until there is an answer.
    async fn meeting(&self, name: &str) -> Option<Room> {
        loop {
            match self.host.meeting(name).await {
                Err(error) if undecided(&error) => {
                    tracing::warn!(?error, "it could not be found out whether a room is a meeting");
                    sleep(AGAIN).await;
                }
                found => return found.ok().flatten(),
            }
        }
    }

    /// Until the room, to which somebody gets a token, is heard; or its steward can't.
    async fn until_heard(self: &Arc<Self>, room: String) {
        let look = |room| self.look(room, Some(Instant::now()));
        if look(room.clone()).wait_for(|hears| *hears).await.is_err() {
            // That steward was on its way out: another goes in, if the room is still there.
            let _ = look(room).wait_for(|hears| *hears).await;
        }
    }

    async fn patrol(self: &Arc<Self>) {
        loop {
            self.look_at(&[]).await;
            sleep(if self.hooked.load(Ordering::Relaxed) { LOOK_AGAIN } else { LOOK }).await;
        }
    }

    /// `names`: of rooms; none for all.
    async fn look_at(self: &Arc<Self>, names: &[&str]) {
        match self.service.busy_rooms(names).await {
            Ok(rooms) => rooms.into_iter().for_each(|room| drop(self.look(room, None))),
            Err(error) => tracing::warn!(%error, "the LiveKit server's rooms could not be looked at"),
        }
    }

    /// The steward of an empty room may go, and hears it no more; or is to stay until then, as somebody is expected.
    fn may_leave(&self, room: &str, hearing: &watch::Sender<bool>) -> Result<(), Instant> {
        let kept = self.kept.lock();
        if let Some(until) = kept.get(room).and_then(Kept::awaits) {
            return Err(until);
        }
        // As long as nobody else can look: whoever gets a token from now on waits for the next steward.
        hearing.send_replace(false);
        Ok(())
    }

    /// Until when somebody is expected in the room, if anybody is.
    fn awaits(&self, room: &str) -> Option<Instant> {
        self.kept.lock().get(room).and_then(Kept::awaits)
    }

    /// To the room's steward, if there is one.
    fn tell(&self, room: &str, who: ParticipantInfo) {
        if let Some(steward) = self.kept.lock().get(room) {
            // One that is on its way out looks once more whether somebody is there.
            let _ = steward.told.send(who);
        }
    }

    /// There is somebody in the room, or will be soon: with a token of that time. Answers with whether its steward hears it.
    fn look(self: &Arc<Self>, name: String, expected: Option<Instant>) -> watch::Receiver<bool> {
        let (steward, told) = mpsc::unbounded_channel();
        let (hearing, hears) = watch::channel(false);
        match self.kept.lock().entry(name.clone()) {
            Entry::Occupied(mut kept) => {
                let kept = kept.get_mut();
                kept.expected = expected.or(kept.expected);
                return kept.hears.clone();
            }
            Entry::Vacant(free) => {
                free.insert(Kept { told: steward, hears: hears.clone(), expected });
            }
        }
        let remote = self.clone();
        tokio::spawn(async move {
            let emptied = match remote.meeting(&name).await {
                Some(room) if room.code == name => steward::keep(&remote, room, told, hearing.clone()).await,
                _ => false,
            };
            remote.kept.lock().remove(&name);
            // Who waited for this steward may look for another now.
            drop(hearing);
            // Somebody may have come as the steward went.
            if emptied {
                remote.look_at(&[&name]).await;
            }
        });
        hears
    }
}

/// Whether the server answers, and takes the key and secret.
///
/// # Errors
/// What is wrong, in words.
pub async fn check(url: &str, keys: Keys) -> Result<(), String> {
    let service = Service::new(url, keys).map_err(|error| error.message.into_owned())?;
    service.busy_rooms(&[]).await.map(drop).map_err(|refusal: Refusal| refusal.to_string())
}
