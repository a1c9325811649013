//! LiveKit's doors: what of its client and server protocols is HTTP, and the bridge from its rooms to Convo's meetings.
//!
//! The rooms themselves are in `convo-sfu`, run by `convo-media`. Here are: who may come in ([`admit`]), the signalling
//! WebSocket ([`socket`]), and, for each participant of one of Convo's meetings, an [`attendee`] that carries the meeting's
//! word to the media and the media's news to the meeting.

mod admit;
mod agent;
mod attendee;
mod chat;
mod door;
mod hall;
mod host;
mod join;
mod line;
mod remote;
mod roster;
mod socket;
mod token;
mod twirp;
mod webhook;

use axum::{
    Router,
    http::Uri,
    routing::{get, post},
};
use convo_kit::Shared;
use convo_media::{EventStream, Media};
use host::{Host, Rooms};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowHeaders, Any, CorsLayer},
};

pub use remote::{Expected, Expecting, Remote, check, expecting};
pub use token::Keys;

/// What every door shares.
pub struct Doors {
    app: Shared,
    host: Arc<Host>,
    media: Media,
    keys: Keys,
    hall: hall::Hall,
    agents: agent::Agents,
    webhooks: webhook::Webhooks,
}

/// The state of the handlers here.
pub type House = Arc<Doors>;

impl Doors {
    /// `webhooks`: the addresses that hear what happens in the rooms.
    pub fn new(app: Shared, media: Media, keys: Keys, webhooks: Vec<String>) -> House {
        Arc::new(Self {
            host: Host::new(app.clone(), Rooms::Here(media.clone())),
            app,
            media,
            keys,
            hall: Default::default(),
            agents: Default::default(),
            webhooks: webhook::Webhooks::new(webhooks),
        })
    }
}

/// LiveKit's paths. Any page of any origin may call them: the token is all that counts.
pub fn routes<S>(doors: House) -> Router<S> {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(Duration::from_secs(86_400));
    Router::new()
        .route("/rtc", get(door::connect_v0))
        .route("/rtc/validate", get(door::validate_v0))
        .route("/rtc/v1", get(door::connect_v1))
        .route("/rtc/v1/validate", get(door::validate_v1))
        .route("/twirp/{service}/{method}", post(twirp::serve).fallback(twirp::wrong_method))
        .layer(CatchPanicLayer::new())
        .layer(cors)
        .route("/agent", get(agent::connect))
        .with_state(doors)
}

/// The address without double slashes, if it had some and is one of ours: clients paste `/rtc` behind a URL that ends in `/`.
pub fn tidied(uri: &Uri) -> Option<Uri> {
    let given = uri.path_and_query()?;
    if !given.path().contains("//") {
        return None;
    }
    let parts = given.path().split('/').filter(|part| !part.is_empty());
    let path = parts.fold(String::new(), |path, part| path + "/" + part);
    if !["/rtc", "/twirp"].iter().any(|ours| path.starts_with(ours)) {
        return None;
    }
    let query = given.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut tidied = uri.clone().into_parts();
    tidied.path_and_query = Some(format!("{path}{query}").parse().ok()?);
    Uri::from_parts(tidied).ok()
}

/// Carries what happens in the rooms to whom it concerns. Runs until the media stops.
pub async fn run(doors: House, mut events: EventStream) {
    let (record, recorded) = mpsc::unbounded_channel();
    tokio::spawn(webhook::record(doors.clone(), recorded));
    tokio::spawn(webhook::send(doors.clone()));
    while let Some(event) = events.next().await {
        doors.hall.tell(&event);
        doors.tell_agents(&event);
        doors.webhooks.tell(event, &record, doors.app.domain.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn double_slashes() {
        let tidy = |text: &'static str| tidied(&Uri::from_static(text)).map(|uri| uri.to_string());
        assert_eq!(tidy("//rtc//v1?access_token=a//b").as_deref(), Some("/rtc/v1?access_token=a//b"));
        assert_eq!(
            tidy("http://host//twirp/livekit.RoomService/ListRooms").as_deref(),
            Some("http://host/twirp/livekit.RoomService/ListRooms")
        );
        assert_eq!(tidy("/rtc?a=//"), None);
        assert_eq!(tidy("//api//v1"), None);
    }
}
