//! The Tokens port: signed JWTs (RFC 7519). Access and refresh tokens with `JWT_SECRET`; meeting tokens are LiveKit
//! access tokens, signed with the LiveKit secret.

use crate::{
    config::JwtAlgorithm,
    secrets::Secrets,
    seen::{Good, Seen},
};
use convo_domain::{
    clock::Timestamp,
    id::{LoginId, ParticipantId, UserId},
    meeting::{Participant, Presence, rules::may_share_screen},
    ports::{ACCESS_SECONDS, CallerClaims, Claims, MEETING_SECONDS, REFRESH_SECONDS, Tokens},
    room::Room,
    user::Caller,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;

pub(crate) struct Jwt {
    header: Header,
    sign: EncodingKey,
    check: DecodingKey,
    rules: Validation,
    livekit: LiveKit,
    seen: Seen,
}

struct LiveKit {
    key: String,
    sign: EncodingKey,
    check: DecodingKey,
    rules: Validation,
}

#[derive(Serialize, Deserialize)]
struct Account {
    /// The user.
    sub: Uuid,
    /// The log-in.
    sid: Uuid,
    /// `access` or `refresh`: one is never taken for the other.
    #[serde(rename = "use")]
    purpose: Purpose,
    /// A refresh token's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    iat: i64,
    exp: i64,
}

#[derive(Serialize, Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Purpose {
    Access,
    Refresh,
}

/// A LiveKit access token, as its SDKs read it.
#[derive(Serialize, Deserialize)]
struct Meeting {
    iss: String,
    /// The participant's identity.
    sub: String,
    name: String,
    nbf: i64,
    exp: i64,
    /// Which participant, for us.
    jti: String,
    video: Grants,
    #[serde(default)]
    attributes: HashMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grants {
    room: String,
    room_join: bool,
    can_publish: bool,
    can_subscribe: bool,
    can_publish_data: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    can_publish_sources: Option<Vec<String>>,
    can_update_own_metadata: bool,
}

impl Jwt {
    pub(crate) fn new(secrets: &Secrets, algorithm: JwtAlgorithm) -> Self {
        let algorithm = match algorithm {
            JwtAlgorithm::Hs256 => Algorithm::HS256,
            JwtAlgorithm::Hs384 => Algorithm::HS384,
            JwtAlgorithm::Hs512 => Algorithm::HS512,
        };
        let livekit = secrets.livekit_secret.0.as_bytes();
        let mut livekit_rules = rules(Algorithm::HS256);
        livekit_rules.set_issuer(&[&secrets.livekit_key]);
        Self {
            header: Header::new(algorithm),
            sign: EncodingKey::from_secret(secrets.jwt.0.as_bytes()),
            check: DecodingKey::from_secret(secrets.jwt.0.as_bytes()),
            rules: rules(algorithm),
            livekit: LiveKit {
                key: secrets.livekit_key.clone(),
                sign: EncodingKey::from_secret(livekit),
                check: DecodingKey::from_secret(livekit),
                rules: livekit_rules,
            },
            seen: Seen::default(),
        }
    }

    fn account(&self, caller: Caller, purpose: Purpose, jti: Option<String>, now: Timestamp, life: u64) -> String {
        let iat = now.seconds();
        let claims = Account { sub: caller.user.0, sid: caller.login.0, purpose, jti, iat, exp: iat + life as i64 };
        sign(&self.header, &claims, &self.sign)
    }

    fn check_account(&self, token: &str) -> Option<Good> {
        let claims = jsonwebtoken::decode::<Account>(token, &self.check, &self.rules).ok()?.claims;
        let caller = CallerClaims { user: UserId(claims.sub), login: LoginId(claims.sid) };
        let until = claims.exp;
        let claims = match (claims.purpose, claims.jti) {
            (Purpose::Access, _) => Claims::Access { caller },
            (Purpose::Refresh, id) => Claims::Refresh { caller, id: id? },
        };
        Some(Good { claims, until })
    }

    fn check_meeting(&self, token: &str) -> Option<Good> {
        let livekit = &self.livekit;
        let claims = jsonwebtoken::decode::<Meeting>(token, &livekit.check, &livekit.rules).ok()?.claims;
        let participant = ParticipantId::parse(&claims.jti)?;
        let door = !claims.video.room_join;
        Some(Good { claims: Claims::Meeting { room_code: claims.video.room, participant, door }, until: claims.exp })
    }
}

impl Tokens for Jwt {
    fn access(&self, caller: Caller, now: Timestamp) -> String {
        self.account(caller, Purpose::Access, None, now, ACCESS_SECONDS)
    }

    fn refresh(&self, caller: Caller, id: &str, now: Timestamp) -> String {
        self.account(caller, Purpose::Refresh, Some(id.to_owned()), now, REFRESH_SECONDS)
    }

    fn meeting(&self, room: &Room, participant: &Participant, now: Timestamp) -> String {
        let seated = participant.presence == Presence::Joined;
        let sources = ["camera", "microphone"].map(str::to_owned).to_vec();
        let may_share = may_share_screen(room, participant.role);
        let mut attributes =
            HashMap::from([("role".to_owned(), convo_kit::envelope::role(participant.role).to_owned())]);
        if let Some(user) = participant.user {
            attributes.insert("user_id".into(), user.to_string());
        }
        let claims = Meeting {
            iss: self.livekit.key.clone(),
            sub: participant.identity.clone(),
            name: participant.display_name.clone(),
            nbf: now.seconds() - 10,
            exp: now.seconds() + MEETING_SECONDS as i64,
            // The prefix tells it from what a LiveKit server SDK may put here.
            jti: format!("participant-{}", participant.id),
            video: Grants {
                room: room.code.clone(),
                room_join: seated,
                can_publish: seated,
                can_subscribe: seated,
                can_publish_data: seated,
                can_publish_sources: (!may_share).then_some(sources),
                can_update_own_metadata: false,
            },
            attributes,
        };
        sign(&Header::new(Algorithm::HS256), &claims, &self.livekit.sign)
    }

    fn read(&self, token: &str, now: Timestamp) -> Option<Claims> {
        self.seen.read(token, now, || self.check_account(token).or_else(|| self.check_meeting(token)))
    }
}

/// One algorithm, and `exp` checked by us against the clock we are told.
fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules
}

fn sign<T: Serialize>(header: &Header, claims: &T, key: &EncodingKey) -> String {
    match jsonwebtoken::encode(header, claims, key) {
        Ok(token) => token,
        // HMAC over plain structs does not fail; an empty token opens nothing.
        Err(error) => {
            tracing::error!(%error, "a token could not be signed");
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn jwt(secret: &str) -> Jwt {
        let livekit_secret = Secret("livekit".into());
        let (livekit_key, turn) = ("APIkey".into(), Secret("turn".into()));
        let secrets = Secrets { jwt: Secret(secret.into()), livekit_key, livekit_secret, turn };
        Jwt::new(&secrets, JwtAlgorithm::Hs512)
    }

    /// The same signature under another text.
    fn with_other_claims(token: &str) -> String {
        let (header, rest) = token.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        format!("{header}.{}.{signature}", claims.to_uppercase())
    }

    #[test]
    fn a_token_is_read_for_what_it_is() {
        let (jwt, now) = (jwt("one"), Timestamp::from_seconds(1_700_000_000));
        let caller = Caller { user: UserId::new(), login: LoginId::new() };
        let claims = CallerClaims { user: caller.user, login: caller.login };
        let access = jwt.access(caller, now);
        assert_eq!(jwt.read(&access, now), Some(Claims::Access { caller: claims }));
        assert_eq!(jwt.read(&access, Timestamp::from_seconds(1_700_003_600)), None, "after an hour it is over");
        assert_eq!(jwt.read(&access, now), Some(Claims::Access { caller: claims }), "and again within it");
        let refresh = jwt.refresh(caller, "id", now);
        assert_eq!(jwt.read(&refresh, now), Some(Claims::Refresh { caller: claims, id: "id".into() }));
        assert_eq!(super::tests::jwt("two").read(&access, now), None);
        for bad in ["", "a.b.c", &access[..access.len() - 2], &with_other_claims(&access), "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(jwt.read(bad, now), None);
        }
    }
}
