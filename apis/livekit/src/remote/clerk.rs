//! Carries out what a meeting orders for those in its room, by the other server's API. A server that is away for a while is
//! asked until it does it: an order is given once.

use super::Service;
use convo_sfu::{Command, Refusal, meant_source};
use livekit_protocol::{self as proto, DisconnectReason, TrackSource};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::{OnceCell, mpsc, watch},
    task::JoinSet,
    time::sleep,
};

/// A server that did not answer is asked again after this long, then after twice as long, at most so long.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_AT_MOST: Duration = Duration::from_secs(8);

/// Orders for one participant of a room.
#[derive(Clone)]
pub(crate) struct Orders {
    identity: String,
    packets: mpsc::Sender<proto::DataPacket>,
    changes: mpsc::UnboundedSender<Change>,
    /// Why they are to go.
    out: watch::Sender<Option<DisconnectReason>>,
}

/// What is done to a participant who stays.
enum Change {
    Mute(Vec<TrackSource>),
    Update(Box<proto::UpdateParticipantRequest>),
}

impl Orders {
    pub(crate) fn command(&self, command: Command) {
        match command {
            Command::Evict(why) => drop(self.out.send_replace(Some(why))),
            Command::Mute(sources) => self.change(Change::Mute(sources)),
            Command::Permit(permission) => {
                self.update(proto::UpdateParticipantRequest { permission: Some(permission), ..Default::default() });
            }
            Command::Data(packet) => self.send(*packet),
            Command::Say(_) => {}
        }
    }

    /// Changes what is shown of them, or what they may do.
    pub(crate) fn update(&self, update: proto::UpdateParticipantRequest) {
        self.change(Change::Update(Box::new(update)));
    }

    /// Who was to go, and is still there, is sent away again.
    pub(super) fn insist(&self) {
        self.out.send_if_modified(|why| why.is_some());
    }

    fn change(&self, change: Change) {
        // Without a clerk the participant is not there any more.
        let _ = self.changes.send(change);
    }

    fn send(&self, mut packet: proto::DataPacket) {
        packet.destination_identities = vec![self.identity.clone()];
        if self.packets.try_send(packet).is_err() {
            tracing::warn!("the LiveKit server takes chat too slowly: some is lost");
        }
    }
}

/// What the clerks of one room share.
pub(super) struct Office {
    service: Arc<Service>,
    room: String,
    /// With all who are in it.
    deleted: OnceCell<()>,
}

impl Office {
    pub(super) fn new(service: Arc<Service>, room: String) -> Arc<Self> {
        Arc::new(Self { service, room, deleted: OnceCell::new() })
    }

    /// The clerk of one participant works as long as the tasks are kept. Nobody waits for another's orders, nor one who is to
    /// go for what else was ordered.
    ///
    /// `packets`: what is to be sent in the room.
    pub(super) fn clerk(
        self: &Arc<Self>,
        identity: &str,
        packets: mpsc::Sender<proto::DataPacket>,
    ) -> (Orders, JoinSet<()>) {
        let (changes, ordered) = mpsc::unbounded_channel();
        let (out, going) = watch::channel(None);
        let mut clerk = JoinSet::new();
        clerk.spawn(self.clone().change(identity.to_owned(), ordered));
        clerk.spawn(self.clone().send_away(identity.to_owned(), going));
        (Orders { identity: identity.to_owned(), packets, changes, out }, clerk)
    }

    async fn change(self: Arc<Self>, identity: String, mut ordered: mpsc::UnboundedReceiver<Change>) {
        while let Some(change) = ordered.recv().await {
            until_done(|| self.carry_out(&identity, &change)).await;
        }
    }

    async fn send_away(self: Arc<Self>, identity: String, mut going: watch::Receiver<Option<DisconnectReason>>) {
        while going.changed().await.is_ok() {
            let why = *going.borrow();
            match why {
                Some(DisconnectReason::RoomDeleted) => self.delete().await,
                _ => until_done(|| self.service.remove(&self.room, &identity)).await,
            }
            // Once done, it is not done to whoever comes with this identity next.
            going.mark_unchanged();
        }
    }

    /// All of the room goes at once.
    async fn delete(&self) {
        let ask = proto::DeleteRoomRequest { room: self.room.clone() };
        self.deleted.get_or_init(|| until_done(|| self.service.delete(&ask))).await;
    }

    async fn carry_out(&self, identity: &str, change: &Change) -> Result<(), Refusal> {
        match change {
            Change::Mute(sources) => self.mute(identity, sources).await,
            Change::Update(update) => {
                let (room, identity) = (self.room.clone(), identity.to_owned());
                self.service.update(&proto::UpdateParticipantRequest { room, identity, ..(**update).clone() }).await
            }
        }
    }

    async fn mute(&self, identity: &str, sources: &[TrackSource]) -> Result<(), Refusal> {
        let someone = self.service.participant(&self.room, identity).await?;
        for track in someone.tracks.iter().filter(|track| !track.muted && sources.contains(&meant_source(track))) {
            let ask = proto::MuteRoomTrackRequest {
                room: self.room.clone(),
                identity: identity.into(),
                track_sid: track.sid.clone(),
                muted: true,
            };
            self.service.mute(&ask).await?;
        }
        Ok(())
    }
}

/// Asks until the server has done it, or does not want to.
async fn until_done<F: Future<Output = Result<(), Refusal>>>(ask: impl Fn() -> F) {
    let mut pause = AGAIN;
    loop {
        match ask().await {
            Err(Refusal::Unavailable(_)) => {
                sleep(pause).await;
                pause = (pause * 2).min(AGAIN_AT_MOST);
            }
            // They have gone.
            Ok(()) | Err(Refusal::NotFound(_)) => return,
            Err(error) => return tracing::warn!(%error, "the LiveKit server did not do what a meeting wants"),
        }
    }
}
