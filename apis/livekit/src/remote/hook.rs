//! `POST /livekit/webhook`: what the LiveKit server tells of its rooms, signed with the key and secret that we share.

use super::Remote;
use crate::token::{Keys, Token};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use convo_domain::{clock::Timestamp, error::Kind};
use convo_kit::body;
use livekit_protocol::{ParticipantInfo, WebhookEvent, participant_info};
use sha2::{Digest, Sha256};
use std::sync::{Arc, atomic::Ordering};

pub(super) async fn take(State(remote): State<Arc<Remote>>, request: Request) -> StatusCode {
    // Who is not the LiveKit server is not waited for.
    let Some(token) = token(&remote.service.keys, request.headers(), remote.host.app.domain.now()) else {
        return StatusCode::UNAUTHORIZED;
    };
    let body = match body::read(request).await {
        Ok(body) => body,
        Err(error) if error.kind == Kind::TooLarge => return StatusCode::PAYLOAD_TOO_LARGE,
        Err(_) => return StatusCode::BAD_REQUEST,
    };
    if !signs(&token, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(event) = serde_json::from_slice::<WebhookEvent>(&body) else { return StatusCode::BAD_REQUEST };
    remote.hooked.store(true, Ordering::Relaxed);
    if let Some(News { room, who, over }) = news(event) {
        if !over {
            drop(remote.look(room.clone(), None));
        }
        if let Some(who) = who {
            remote.tell(&room, who);
        }
    }
    StatusCode::OK
}

/// LiveKit sends the bare token; its SDKs take it with `Bearer` too.
fn token(keys: &Keys, headers: &HeaderMap, now: Timestamp) -> Option<Token> {
    let signature = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    keys.read(signature.strip_prefix("Bearer ").unwrap_or(signature), now)
}

/// Whether the token was made for this body.
fn signs(token: &Token, body: &[u8]) -> bool {
    token.text("sha256") == Some(&STANDARD.encode(Sha256::digest(body)))
}

/// What an event says of a room.
#[derive(Debug, PartialEq)]
struct News {
    room: String,
    /// Who came, or went.
    who: Option<ParticipantInfo>,
    /// Rather than that somebody is there.
    over: bool,
}

/// `None`: nothing about anybody but a steward, whom nobody sees.
fn news(event: WebhookEvent) -> Option<News> {
    let over = matches!(&event.event[..], "room_finished" | "participant_left" | "participant_connection_aborted");
    let mut who = event.participant.filter(|_| over || event.event == "participant_joined");
    if who.as_ref().and_then(|who| who.permission.as_ref()).is_some_and(|may| may.hidden) {
        return None;
    }
    if let Some(who) = who.as_mut().filter(|_| over) {
        who.set_state(participant_info::State::Disconnected);
    }
    Some(News { room: event.room?.name, who, over })
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
        let signed = |signature: &str, body: &[u8]| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, signature.parse().unwrap())]);
            token(&keys(), &headers, now).is_some_and(|token| signs(&token, body))
        };
        let good = sign(&keys(), "body", NOW + 60);
        assert!(signed(&good, b"body") && signed(&format!("Bearer {good}"), b"body"));
        assert!(!signed(&good, b"another body"));
        assert!(!signed(&sign(&Keys::new("devkey", "other"), "body", NOW + 60), b"body"));
        assert!(!signed(&sign(&keys(), "body", NOW - 120), b"body"), "an old one, played again");
        assert!(!signed("", b"body") && token(&keys(), &HeaderMap::new(), now).is_none());
    }

    #[test]
    fn who_came_and_who_went() {
        let told = |name: &str, hidden: bool| {
            let participant = json!({"identity": "x", "permission": {"hidden": hidden}, "state": "ACTIVE"});
            let event = json!({"event": name, "room": {"name": "r"}, "participant": participant, "createdAt": "1"});
            let News { room, who, over } = news(serde_json::from_value(event).unwrap())?;
            assert_eq!(room, "r");
            Some((who.map(|who| who.state()), over))
        };
        assert_eq!(told("participant_joined", false), Some((Some(participant_info::State::Active), false)));
        assert_eq!(told("track_published", false), Some((None, false)));
        assert_eq!(told("participant_left", false), Some((Some(participant_info::State::Disconnected), true)));
        assert_eq!(told("participant_joined", true), None);
        assert_eq!(told("participant_left", true), None);
        assert_eq!(news(WebhookEvent::default()), None);
    }
}
