//! Webhooks: what happens in the rooms, told to programs elsewhere. Signed as LiveKit signs them; stored before they are
//! sent, so that a restart loses nothing; in order per room; tried again until they are taken.

use crate::{Doors, House};
use base64::{Engine, engine::general_purpose::STANDARD};
use convo_domain::{
    clock::Timestamp,
    room::code,
    webhook::{Delivery, News},
};
use convo_sfu::{Event, EventKind};
use futures_util::{StreamExt, stream::FuturesUnordered};
use livekit_protocol::{self as proto, WebhookEvent};
use reqwest::{Client, header, redirect};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, time::Duration};
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender},
    watch,
};

/// Recorded in one transaction at most.
const RECORDED: usize = 64;
/// Under way at once, to one address.
const SENT: i64 = 16;
/// How long an address may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The queue is looked at this often without being told: tries fall due, another process replays.
const LOOK: Duration = Duration::from_secs(2);
/// What was done long ago is forgotten this often.
const FORGET: Duration = Duration::from_secs(3600);
/// Seconds that a signature is good.
const SIGNATURE: i64 = 300;
/// The store did not answer; it is asked again after this.
const RETRY: Duration = Duration::from_secs(1);

/// The addresses.
pub(crate) struct Webhooks {
    urls: Vec<String>,
    /// Something was stored.
    news: watch::Sender<()>,
}

impl Webhooks {
    pub(crate) fn new(urls: Vec<String>) -> Self {
        Self { urls, news: watch::Sender::new(()) }
    }

    /// Hands an event to [`record`].
    pub(crate) fn tell(&self, event: Event, record: &UnboundedSender<News>, now: Timestamp) {
        if self.urls.is_empty() {
            return;
        }
        if let Some(news) = word(event, now) {
            let _ = record.send(news);
        }
    }
}

/// Stores what happened, in the order in which it did. Nothing is lost while the store does not answer.
pub(crate) async fn record(doors: House, mut recorded: UnboundedReceiver<News>) {
    let mut batch = Vec::with_capacity(RECORDED);
    while recorded.recv_many(&mut batch, RECORDED).await > 0 {
        while let Err(error) = doors.app.domain.record_news(batch.clone(), doors.webhooks.urls.clone()).await {
            tracing::warn!(%error, "webhooks wait for the store");
            tokio::time::sleep(RETRY).await;
        }
        batch.clear();
        doors.webhooks.news.send_replace(());
    }
}

/// Sends what is due, as long as the server runs; also what was left from before a restart, to whichever address. Each has a
/// sender of its own: one that takes long to answer keeps nobody else waiting.
pub(crate) async fn send(doors: House) {
    let client = Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none()).user_agent("Convo").build();
    let Ok(client) = client else { return tracing::error!("there is no HTTP client for webhooks") };
    let left = loop {
        match doors.app.domain.news_addresses().await {
            Ok(left) => break left,
            Err(error) => tracing::warn!(%error, "webhooks could not be read"),
        }
        tokio::time::sleep(RETRY).await;
    };
    let urls: BTreeSet<String> = doors.webhooks.urls.iter().cloned().chain(left).collect();
    for url in urls {
        tokio::spawn(send_to(doors.clone(), client.clone(), url));
    }
    loop {
        tokio::time::sleep(FORGET).await;
        if let Err(error) = doors.app.domain.forget_news().await {
            tracing::warn!(%error, "old webhooks could not be forgotten");
        }
    }
}

async fn send_to(doors: House, client: Client, url: String) {
    let mut news = doors.webhooks.news.subscribe();
    loop {
        if !send_due(&doors, &client, &url).await {
            let _ = tokio::time::timeout(LOOK, news.changed()).await;
        }
    }
}

/// One round: of each room the first that is due. Whether there was something, and what became of it is stored: what is not would
/// be sent again at once.
async fn send_due(doors: &House, client: &Client, url: &str) -> bool {
    let due = match doors.app.domain.due_news(url, SENT).await {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(%error, "webhooks could not be read");
            return false;
        }
    };
    let mut all_stored = !due.is_empty();
    let mut sending: FuturesUnordered<_> = due.into_iter().map(|delivery| deliver(doors, client, delivery)).collect();
    while let Some(stored) = sending.next().await {
        all_stored &= stored;
    }
    all_stored
}

/// Whether what became of it is stored.
async fn deliver(doors: &Doors, client: &Client, delivery: Delivery) -> bool {
    let outcome = post(doors, client, &delivery).await;
    if let Err(error) = &outcome {
        tracing::info!(url = delivery.url, event = delivery.event, id = delivery.id, error, "a webhook was not taken");
    }
    let settled = doors.app.domain.settle_news(delivery, outcome).await;
    if let Err(error) = &settled {
        tracing::warn!(%error, "what became of a webhook could not be stored");
    }
    settled.is_ok()
}

async fn post(doors: &Doors, client: &Client, delivery: &Delivery) -> Result<(), String> {
    let request = client
        .post(&delivery.url)
        .header(header::CONTENT_TYPE, "application/webhook+json")
        .header(header::AUTHORIZATION, doors.signature(&delivery.body))
        .body(delivery.body.clone());
    let response = request.send().await.map_err(|error| error.without_url().to_string())?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("status {}", status.as_u16())),
    }
}

impl Doors {
    /// A token with the body's hash, by which the receiver knows who sent it.
    fn signature(&self, body: &str) -> String {
        let now = self.app.domain.now().seconds();
        match json!({"nbf": now, "exp": now + SIGNATURE, "sha256": STANDARD.encode(Sha256::digest(body))}) {
            Value::Object(claims) => self.keys.sign(&claims),
            _ => String::new(),
        }
    }
}

/// The event as LiveKit words it; `None`: not for webhooks.
fn word(event: Event, now: Timestamp) -> Option<News> {
    let (name, participant, track, reason) = match event.kind {
        EventKind::RoomStarted => ("room_started", None, None, None),
        EventKind::RoomFinished(reason) => ("room_finished", None, None, Some(reason)),
        EventKind::ParticipantJoined { info, .. } => ("participant_joined", Some(info), None, None),
        EventKind::ParticipantLeft { info, .. } => ("participant_left", Some(info), None, None),
        EventKind::ParticipantAborted { info, .. } => ("participant_connection_aborted", Some(info), None, None),
        EventKind::TrackPublished { info, track } => ("track_published", Some(info), Some(track), None),
        EventKind::TrackUnpublished { info, track } => ("track_unpublished", Some(info), Some(track), None),
        EventKind::MediaState { .. } | EventKind::Renamed { .. } | EventKind::Chat { .. } => return None,
    };
    let (id, room) = (format!("EV_{}", code::hex(6)), event.room.name.clone());
    let told = WebhookEvent {
        event: name.into(),
        room: Some(event.room),
        participant,
        track,
        id: id.clone(),
        created_at: now.seconds(),
        room_end_reason: reason.unwrap_or(proto::RoomEndReason::default()) as i32,
        ..WebhookEvent::default()
    };
    // Protobuf messages are JSON objects without fail.
    let body = serde_json::to_string(&told).unwrap_or_default();
    Some(News { id, room, event: name.into(), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_as_livekit_words_it() {
        let room = proto::Room { name: "r".into(), sid: "RM_1".into(), ..Default::default() };
        let news =
            word(Event { room: room.clone(), kind: EventKind::RoomStarted }, Timestamp::from_seconds(7)).unwrap();
        let body: Value = serde_json::from_str(&news.body).unwrap();
        assert_eq!((&news.event[..], &news.room[..]), ("room_started", "r"));
        assert_eq!(
            (&body["event"], &body["createdAt"], &body["room"]["sid"]),
            (&json!("room_started"), &json!("7"), &json!("RM_1"))
        );
        assert_eq!(body["id"], json!(news.id));
        let chat = EventKind::MediaState { connection: convo_sfu::ConnectionId(1), audio: true, video: true };
        assert!(word(Event { room, kind: chat }, Timestamp(0)).is_none());
    }
}
