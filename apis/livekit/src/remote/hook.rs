//! `POST /livekit/webhook`: what the LiveKit server tells of its rooms, signed with the key and secret that we share.

use super::Remote;
use crate::token::Keys;
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use convo_domain::clock::Timestamp;
use livekit_protocol::WebhookEvent;
use sha2::{Digest, Sha256};
use std::sync::{Arc, atomic::Ordering};

pub(super) async fn take(State(remote): State<Arc<Remote>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !signed(&remote.service.keys, signature, &body, remote.host.app.domain.now()) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(event) = serde_json::from_slice::<WebhookEvent>(&body) else { return StatusCode::BAD_REQUEST };
    remote.hooked.store(true, Ordering::Relaxed);
    if let Some(room) = busy(event) {
        remote.look(room);
    }
    StatusCode::OK
}

/// LiveKit sends the bare token; its SDKs take it with `Bearer` too.
fn signed(keys: &Keys, signature: &str, body: &[u8], now: Timestamp) -> bool {
    let token = signature.strip_prefix("Bearer ").unwrap_or(signature);
    let told = keys.read(token, now);
    told.is_some_and(|token| token.text("sha256") == Some(&STANDARD.encode(Sha256::digest(body))))
}

/// The room, if the event says that somebody is in it: somebody else than a steward, whom nobody sees.
fn busy(event: WebhookEvent) -> Option<String> {
    let hidden = event.participant.is_some_and(|someone| someone.permission.is_some_and(|may| may.hidden));
    let over = matches!(&event.event[..], "room_finished" | "participant_left" | "participant_connection_aborted");
    event.room.filter(|_| !hidden && !over).map(|room| room.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::keys;
    use serde_json::{Value, json};

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn only_what_was_signed_with_the_secret() {
        let now = Timestamp::from_seconds(NOW);
        let sign = |keys: &Keys, body: &str, exp: i64| {
            let Value::Object(claims) = json!({"exp": exp, "sha256": STANDARD.encode(Sha256::digest(body))}) else {
                unreachable!("claims are an object")
            };
            keys.sign(&claims)
        };
        let good = sign(&keys(), "body", NOW + 60);
        assert!(signed(&keys(), &good, b"body", now) && signed(&keys(), &format!("Bearer {good}"), b"body", now));
        assert!(!signed(&keys(), &good, b"another body", now));
        assert!(!signed(&keys(), &sign(&Keys::new("devkey", "other"), "body", NOW + 60), b"body", now));
        assert!(!signed(&keys(), &sign(&keys(), "body", NOW - 120), b"body", now), "an old one, played again");
        assert!(!signed(&keys(), "", b"body", now));
    }

    #[test]
    fn which_rooms_have_somebody() {
        let event = |name: &str, hidden: bool| -> WebhookEvent {
            let participant = json!({"identity": "x", "permission": {"hidden": hidden}});
            let event = json!({"event": name, "room": {"name": "r"}, "participant": participant, "createdAt": "1"});
            serde_json::from_value(event).unwrap()
        };
        assert_eq!(busy(event("participant_joined", false)).as_deref(), Some("r"));
        assert_eq!(busy(event("participant_joined", true)), None);
        assert_eq!(busy(event("participant_left", false)), None);
        assert_eq!(busy(WebhookEvent::default()), None);
    }
}
