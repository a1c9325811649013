//! LiveKit access tokens: JWTs signed with HS256 by the API secret, whose `iss` is the API key.

use convo_domain::{clock::Timestamp, id::ParticipantId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use livekit_protocol::{self as proto, TrackSource, participant_info::Kind};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Seconds by which the clocks of those who sign and ours may differ.
const LEEWAY: i64 = 60;
/// Seconds that a refreshed token lives at least.
const REFRESHED: i64 = 600;
/// Bytes of metadata and attributes that a refreshed token carries: a client comes back with it in an address.
const CARRIED: usize = 4 * 1024;
/// No source has this number.
const NO_SOURCE: i32 = -1;

/// The key pair that this server and the server SDKs share.
pub struct Keys {
    key: String,
    sign: EncodingKey,
    check: DecodingKey,
    rules: Validation,
}

/// A token that was found good.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) claims: Claims,
    /// Every claim as it came, so that a refreshed token says the same; but for what changed since.
    raw: Map<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Claims {
    /// The identity.
    pub(crate) sub: String,
    pub(crate) jti: String,
    nbf: Option<f64>,
    exp: Option<f64>,
    pub(crate) name: String,
    kind: String,
    pub(crate) metadata: String,
    pub(crate) attributes: HashMap<String, String>,
    pub(crate) room_config: Option<proto::RoomConfiguration>,
    pub(crate) video: Grants,
}

/// What the token allows in rooms. What may be absent has a default of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Grants {
    pub(crate) room_create: bool,
    pub(crate) room_list: bool,
    pub(crate) room_record: bool,
    pub(crate) room_admin: bool,
    pub(crate) room_join: bool,
    pub(crate) room: String,
    pub(crate) destination_room: String,
    pub(crate) ingress_admin: bool,
    pub(crate) hidden: bool,
    pub(crate) recorder: bool,
    pub(crate) agent: bool,
    can_publish: Option<bool>,
    can_subscribe: Option<bool>,
    can_publish_data: Option<bool>,
    can_publish_sources: Vec<String>,
    can_update_own_metadata: bool,
    can_subscribe_metrics: bool,
    can_manage_agent_session: bool,
}

impl Keys {
    pub fn new(key: &str, secret: &str) -> Self {
        let mut rules = Validation::new(Algorithm::HS256);
        // Times are checked by us, against the clock we are told.
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.set_issuer(&[key]);
        Self {
            key: key.into(),
            sign: EncodingKey::from_secret(secret.as_bytes()),
            check: DecodingKey::from_secret(secret.as_bytes()),
            rules,
        }
    }

    /// `None`: not signed with our secret, or not good at `now`.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Option<Token> {
        let raw = jsonwebtoken::decode::<Map<String, Value>>(token, &self.check, &self.rules).ok()?.claims;
        let claims: Claims = serde_json::from_value(without_nulls(Value::Object(raw.clone()))).ok()?;
        let now = now.seconds() as f64;
        let (from, until) = (claims.nbf.unwrap_or(f64::MIN), claims.exp?);
        (from - LEEWAY as f64 <= now && now < until + LEEWAY as f64).then_some(Token { claims, raw })
    }

    /// The token again, for a client that stays: good as long as it was, and ten minutes at least.
    pub(crate) fn refresh(&self, token: &Token, now: Timestamp) -> String {
        let mut claims = token.raw.clone();
        let until = token.claims.exp.unwrap_or_default().max((now.seconds() + REFRESHED) as f64);
        claims.insert("nbf".into(), json!(now.seconds() - LEEWAY));
        claims.insert("exp".into(), json!(until as i64));
        self.sign(&claims)
    }

    /// Signs claims as ours; `iss` is set here.
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> String {
        let mut claims = claims.clone();
        claims.insert("iss".into(), json!(self.key));
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign).unwrap_or_else(|error| {
            // HMAC over a JSON object does not fail; an empty token opens nothing.
            tracing::error!(%error, "a token could not be signed");
            String::new()
        })
    }
}

impl Token {
    /// A claim that is a text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.raw.get(claim)?.as_str()
    }

    /// Takes who the participant is now, and what they may, into the claims: a new session shall not undo what changed in this
    /// one. Whether something did.
    pub(crate) fn follow(&mut self, now: &proto::ParticipantInfo) -> bool {
        let may = now.permission.clone().unwrap_or_default();
        let Claims { name, metadata, attributes, video, .. } = &mut self.claims;
        let known = (&*name, &*metadata, &*attributes) == (&now.name, &now.metadata, &now.attributes);
        if known && video.permission() == may {
            return false;
        }
        name.clone_from(&now.name);
        metadata.clone_from(&now.metadata);
        attributes.clone_from(&now.attributes);
        self.raw.insert("name".into(), json!(now.name));
        // A grant that made the kind may be gone; the kind stays.
        self.raw.insert("kind".into(), json!(now.kind().as_str_name().to_lowercase()));
        let (metadata, attributes) = (json!(now.metadata), json!(now.attributes));
        if metadata.to_string().len() + attributes.to_string().len() <= CARRIED {
            self.raw.insert("metadata".into(), metadata);
            self.raw.insert("attributes".into(), attributes);
        }
        if let Value::Object(video) = self.raw.entry("video").or_insert_with(|| json!({})) {
            video.extend(grants(&may));
            let now = serde_json::from_value(without_nulls(Value::Object(video.clone())));
            self.claims.video = now.unwrap_or_default();
        }
        true
    }
}

impl Claims {
    /// The participant that a join through one of Convo's own APIs made, if the token came from one.
    pub(crate) fn participant(&self) -> Option<ParticipantId> {
        self.jti.starts_with("participant-").then(|| ParticipantId::parse(&self.jti)).flatten()
    }

    pub(crate) fn kind(&self) -> Kind {
        match Kind::from_str_name(&self.kind.to_uppercase()) {
            Some(kind) if !self.kind.is_empty() => kind,
            _ if self.video.agent => Kind::Agent,
            _ if self.video.recorder => Kind::Egress,
            _ => Kind::Standard,
        }
    }
}

impl Grants {
    pub(crate) fn may_update_own_metadata(&self) -> bool {
        self.can_update_own_metadata
    }

    /// May publish something at all.
    pub(crate) fn may_publish(&self) -> bool {
        self.can_publish.unwrap_or(true)
    }

    /// Takes the right to subscribe away: a second connection that only publishes.
    pub(crate) fn publish_only(&mut self) {
        self.can_subscribe = Some(false);
    }

    pub(crate) fn permission(&self) -> proto::ParticipantPermission {
        let source = |name: &String| TrackSource::from_str_name(&name.to_uppercase()).map_or(NO_SOURCE, i32::from);
        #[expect(deprecated, reason = "clients still read `recorder` and `agent`")]
        let mut permission = proto::ParticipantPermission {
            can_subscribe: self.can_subscribe.unwrap_or(true),
            can_publish: self.may_publish(),
            // Who may publish may send data, unless it is said otherwise.
            can_publish_data: self.can_publish_data.unwrap_or_else(|| self.may_publish()),
            can_publish_sources: self.can_publish_sources.iter().map(source).collect(),
            hidden: self.hidden,
            recorder: self.recorder,
            can_update_metadata: self.can_update_own_metadata,
            agent: self.agent,
            can_subscribe_metrics: self.can_subscribe_metrics,
            can_manage_agent_session: self.can_manage_agent_session,
        };
        keep_known_sources(&mut permission);
        permission
    }
}

/// Leaves sources out that nobody knows. An empty list allows every source: where none is left of what was allowed, nothing is.
pub(crate) fn keep_known_sources(may: &mut proto::ParticipantPermission) {
    let sources = &mut may.can_publish_sources;
    let said = !sources.is_empty();
    sources.retain(|source| TrackSource::try_from(*source).is_ok());
    may.can_publish &= !said || !sources.is_empty();
}

/// What a participant may do, as a token grants it.
fn grants(may: &proto::ParticipantPermission) -> Map<String, Value> {
    let name = |source: &i32| TrackSource::try_from(*source).ok().map(|source| source.as_str_name().to_lowercase());
    let sources: Vec<_> = may.can_publish_sources.iter().filter_map(name).collect();
    #[expect(deprecated, reason = "clients still read `recorder` and `agent`")]
    object(json!({
        "canSubscribe": may.can_subscribe,
        "canPublish": may.can_publish,
        "canPublishData": may.can_publish_data,
        "canPublishSources": sources,
        "canUpdateOwnMetadata": may.can_update_metadata,
        "canSubscribeMetrics": may.can_subscribe_metrics,
        "canManageAgentSession": may.can_manage_agent_session,
        "hidden": may.hidden,
        "recorder": may.recorder,
        "agent": may.agent,
    }))
}

/// The claims with which a participant goes to another room, as who and what they are.
pub(crate) fn passage(mover: &proto::ParticipantInfo, room: &str, now: i64) -> Map<String, Value> {
    let mut video = grants(&mover.permission.clone().unwrap_or_default());
    video.extend(object(json!({"room": room, "roomJoin": true, "agent": mover.kind() == Kind::Agent})));
    object(json!({
        "sub": mover.identity,
        "name": mover.name,
        "kind": mover.kind().as_str_name().to_lowercase(),
        "metadata": mover.metadata,
        "attributes": mover.attributes,
        "nbf": now - LEEWAY,
        "exp": now + REFRESHED,
        "video": video,
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// SDKs of some languages write what is not set as `null`.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    pub(crate) fn keys() -> Keys {
        Keys::new("devkey", "secret")
    }

    fn read(claims: Value, now: i64) -> Option<Token> {
        let Value::Object(claims) = claims else { unreachable!("claims are an object") };
        keys().read(&keys().sign(&claims), Timestamp::from_seconds(now))
    }

    #[test]
    fn a_minute_of_leeway_at_both_ends() {
        let claims = json!({"sub": "ann", "nbf": NOW, "exp": NOW + 100});
        for (at, good) in [(-61, false), (-59, true), (159, true), (160, false)] {
            assert_eq!(read(claims.clone(), NOW + at).is_some(), good, "{at}");
        }
        assert!(read(json!({"sub": "ann"}), NOW).is_none(), "a token without an end is none");
    }

    #[test]
    fn only_our_key_and_secret() {
        let Value::Object(claims) = json!({"sub": "ann", "exp": NOW + 100}) else { unreachable!() };
        let now = Timestamp::from_seconds(NOW);
        assert!(keys().read(&keys().sign(&claims), now).is_some());
        for other in [Keys::new("devkey", "other"), Keys::new("other", "secret")] {
            assert!(keys().read(&other.sign(&claims), now).is_none());
        }
        for bad in ["", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."] {
            assert!(keys().read(bad, now).is_none());
        }
    }

    #[test]
    fn what_is_not_said_is_allowed() {
        let permission = |video: Value| {
            let token = read(json!({"sub": "ann", "exp": NOW + 100, "video": video}), NOW).unwrap();
            token.claims.video.permission()
        };
        let all = permission(json!({"room": "r", "roomJoin": true, "canPublish": null}));
        assert!(all.can_publish && all.can_subscribe && all.can_publish_data && !all.can_update_metadata);
        let listener = permission(json!({"canPublish": false, "hidden": true}));
        assert!(!listener.can_publish && listener.can_subscribe && !listener.can_publish_data && listener.hidden);
        let sharer = permission(json!({"canPublishSources": ["camera", "screen_share_audio", "smell"]}));
        assert_eq!(sharer.can_publish_sources, [TrackSource::Camera as i32, TrackSource::ScreenShareAudio as i32]);
    }

    #[test]
    fn sources_that_nobody_knows_are_no_leave_to_publish_all() {
        let claims = json!({"sub": "ann", "exp": NOW + 100, "video": {"canPublishSources": ["mic", "smell"]}});
        let mut token = read(claims, NOW).unwrap();
        let may = token.claims.video.permission();
        assert!(!may.can_publish && may.can_publish_data && may.can_subscribe);
        // And a new session of theirs may not more.
        let now = proto::ParticipantInfo { name: "Ann".into(), permission: Some(may.clone()), ..Default::default() };
        assert!(token.follow(&now));
        assert_eq!(renewed(&token).claims.video.permission(), may);
    }

    #[test]
    fn kinds() {
        for (claims, kind) in [
            (json!({}), Kind::Standard),
            (json!({"kind": "agent"}), Kind::Agent),
            (json!({"kind": "sip"}), Kind::Sip),
            (json!({"kind": "robot"}), Kind::Standard),
            (json!({"video": {"agent": true}}), Kind::Agent),
            (json!({"video": {"recorder": true}}), Kind::Egress),
        ] {
            let claims: Claims = serde_json::from_value(claims).unwrap();
            assert_eq!(claims.kind(), kind, "{claims:?}");
        }
    }

    #[test]
    fn a_passage_is_for_the_same_person() {
        let permission = proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_sources: vec![TrackSource::ScreenShareAudio.into()],
            ..Default::default()
        };
        let mover = proto::ParticipantInfo {
            identity: "ann".into(),
            name: "Ann".into(),
            kind: Kind::Sip.into(),
            permission: Some(permission.clone()),
            ..Default::default()
        };
        let token = read(Value::Object(passage(&mover, "cellar", NOW)), NOW).unwrap();
        let Claims { sub, name, video, .. } = &token.claims;
        assert_eq!((&sub[..], &name[..], &video.room[..], token.claims.kind()), ("ann", "Ann", "cellar", Kind::Sip));
        assert_eq!((video.permission(), video.room_join), (permission, true));
    }

    #[test]
    fn a_refreshed_token_says_the_same() {
        let claims = json!({"sub": "ann", "exp": NOW + 100, "custom": [1], "roomConfig": {"maxParticipants": 7},
            "video": {"room": "r", "roomJoin": true}});
        let token = read(claims, NOW).unwrap();
        assert_eq!(token.claims.room_config.as_ref().map(|config| config.max_participants), Some(7));
        let at = |now| Timestamp::from_seconds(now);
        let again = keys().read(&keys().refresh(&token, at(NOW)), at(NOW)).unwrap();
        assert_eq!(again.claims.exp, Some((NOW + 600) as f64));
        assert_eq!((&again.raw["custom"], &again.raw["video"]), (&token.raw["custom"], &token.raw["video"]));
        let long = read(json!({"sub": "ann", "exp": NOW + 5_000}), NOW).unwrap();
        let again = keys().read(&keys().refresh(&long, at(NOW)), at(NOW)).unwrap();
        assert_eq!(again.claims.exp, Some((NOW + 5_000) as f64), "the end it had is kept");
    }

    fn renewed(token: &Token) -> Token {
        let now = Timestamp::from_seconds(NOW);
        keys().read(&keys().refresh(token, now), now).unwrap()
    }

    #[test]
    fn a_refreshed_token_says_what_changed() {
        let claims = json!({"sub": "ann", "name": "Ann", "exp": NOW + 100, "custom": [1], "attributes": {"a": "1"},
            "video": {"room": "r", "roomJoin": true, "roomAdmin": true, "agent": true, "canPublish": null}});
        let mut token = read(claims, NOW).unwrap();
        let before = proto::ParticipantInfo {
            identity: "ann".into(),
            name: "Ann".into(),
            kind: Kind::Agent.into(),
            attributes: [("a".to_owned(), "1".to_owned())].into(),
            permission: Some(token.claims.video.permission()),
            ..Default::default()
        };
        assert!(!token.follow(&before));
        assert_eq!(renewed(&token).raw["video"], token.raw["video"]);
        let permission = proto::ParticipantPermission {
            can_subscribe: true,
            can_publish_sources: vec![TrackSource::Camera.into()],
            ..Default::default()
        };
        let now = proto::ParticipantInfo {
            name: "A".into(),
            metadata: "m".into(),
            attributes: [("b".to_owned(), "2".to_owned())].into(),
            permission: Some(permission.clone()),
            ..before.clone()
        };
        assert!(token.follow(&now) && !token.follow(&now));
        let again = renewed(&token);
        let Claims { name, metadata, attributes, video, .. } = &again.claims;
        assert_eq!((&name[..], &metadata[..], attributes), ("A", "m", &now.attributes));
        assert_eq!((video.permission(), again.claims.kind()), (permission, Kind::Agent));
        assert_eq!((&video.room[..], video.room_join, video.room_admin), ("r", true, true));
        assert_eq!(again.raw["custom"], json!([1]));
        assert!(token.follow(&before), "and back");
    }

    #[test]
    fn a_refreshed_token_is_never_too_long_to_come_back_with() {
        let mut token = read(json!({"sub": "ann", "exp": NOW + 100, "metadata": "m", "video": {}}), NOW).unwrap();
        let permission = Some(proto::ParticipantPermission::default());
        let long = proto::ParticipantInfo { metadata: "\0".repeat(CARRIED), permission, ..Default::default() };
        assert!(token.follow(&long) && !token.follow(&long));
        let again = renewed(&token);
        assert_eq!((&again.claims.metadata[..], again.claims.video.may_publish()), ("m", false));
    }
}
