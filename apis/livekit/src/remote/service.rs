//! The other server's RoomService: Twirp with protobuf bodies.

use crate::token::Keys;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use convo_domain::{
    clock::{Clock, System},
    error::Error,
};
use convo_sfu::Refusal;
use livekit_protocol as proto;
use prost::Message;
use rand::RngCore;
use reqwest::{Client, StatusCode, Upgraded, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds that a token for one call lives, and from how long ago on it is good: clocks differ.
const TOKEN: i64 = 600;
const SKEW: i64 = 60;
/// A server that does not answer is asked again, so often and after this long; all calls may be made twice.
const TRIES: u32 = 3;
const RETRY: Duration = Duration::from_millis(300);

/// An existing LiveKit server, by its address, key and secret.
pub(crate) struct Service {
    http: Client,
    /// `http(s)://…`, without a slash at its end.
    base: String,
    pub(crate) keys: Keys,
}

/// A Twirp error, as far as it matters here.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fault {
    code: String,
    msg: String,
}

/// Why a call failed.
enum Failure {
    /// The server did not answer, or could not.
    Away(String),
    Refused(Refusal),
}

impl Service {
    /// `url`: `ws(s)` or `http(s)`.
    pub(crate) fn new(url: &str, keys: Keys) -> Result<Self, Error> {
        let http = Client::builder().connect_timeout(PATIENCE).http1_only().user_agent("Convo").build();
        let base = url.trim_end_matches('/');
        // `ws` is `http` and `wss` is `https`, to the letter.
        let base = base.strip_prefix("ws").map_or_else(|| base.to_owned(), |rest| format!("http{rest}"));
        Ok(Self { http: http.map_err(Error::internal)?, base, keys })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The rooms with somebody in them: of those named, or of all.
    pub(crate) async fn busy_rooms(&self, names: &[&str]) -> Result<Vec<String>, Refusal> {
        let ask = proto::ListRoomsRequest { names: names.iter().map(|&name| name.into()).collect() };
        let rooms: proto::ListRoomsResponse = self.call("ListRooms", json!({"roomList": true}), &ask).await?;
        Ok(rooms.rooms.into_iter().filter(|room| room.num_participants > 0).map(|room| room.name).collect())
    }

    pub(crate) async fn delete(&self, ask: &proto::DeleteRoomRequest) -> Result<(), Refusal> {
        let done: Result<proto::DeleteRoomResponse, _> =
            self.call("DeleteRoom", json!({"roomCreate": true}), ask).await;
        gone_is_done(done.map(drop))
    }

    pub(crate) async fn remove(&self, room: &str, identity: &str) -> Result<(), Refusal> {
        let ask = proto::RoomParticipantIdentity { room: room.into(), identity: identity.into(), ..Default::default() };
        let done: Result<proto::RemoveParticipantResponse, _> = self.call("RemoveParticipant", admin(room), &ask).await;
        gone_is_done(done.map(drop))
    }

    pub(crate) async fn update(&self, ask: &proto::UpdateParticipantRequest) -> Result<(), Refusal> {
        self.call::<_, proto::ParticipantInfo>("UpdateParticipant", admin(&ask.room), ask).await.map(drop)
    }

    pub(crate) async fn participant(&self, room: &str, identity: &str) -> Result<proto::ParticipantInfo, Refusal> {
        let ask = proto::RoomParticipantIdentity { room: room.into(), identity: identity.into(), ..Default::default() };
        self.call("GetParticipant", admin(room), &ask).await
    }

    pub(crate) async fn mute(&self, ask: &proto::MuteRoomTrackRequest) -> Result<(), Refusal> {
        let muted: Result<proto::MuteRoomTrackResponse, _> =
            self.call("MutePublishedTrack", admin(&ask.room), ask).await;
        gone_is_done(muted.map(drop))
    }

    /// A signalling WebSocket for one who comes with `claims`, before its first frame.
    pub(crate) async fn signalling(&self, claims: Value, join: &proto::JoinRequest) -> Result<Upgraded, String> {
        let wrapped = proto::WrappedJoinRequest { join_request: join.encode_to_vec(), ..Default::default() };
        let url = format!("{}/rtc/v1?join_request={}", self.base, URL_SAFE.encode(wrapped.encode_to_vec()));
        let mut key = [0; 16];
        rand::rng().fill_bytes(&mut key);
        let request = self
            .http
            .get(url)
            .bearer_auth(self.token(claims))
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, STANDARD.encode(key));
        let words = |error: reqwest::Error| error.without_url().to_string();
        let answer = tokio::time::timeout(PATIENCE, request.send()).await.map_err(|_| "it does not answer")?;
        let answer = answer.map_err(words)?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => answer.upgrade().await.map_err(words),
            status => Err(format!("status {status}")),
        }
    }

    async fn call<Q: Message, A: Message + Default>(&self, method: &str, grants: Value, ask: &Q) -> Result<A, Refusal> {
        let (body, mut tries) = (ask.encode_to_vec(), 0);
        loop {
            tries += 1;
            match self.try_call(method, &grants, body.clone()).await {
                Ok(bytes) => return A::decode(&bytes[..]).map_err(|_| UNREADABLE),
                Err(Failure::Refused(refusal)) => return Err(refusal),
                Err(Failure::Away(error)) if tries == TRIES => {
                    tracing::warn!(method, error, "the LiveKit server does not do what it is asked");
                    return Err(AWAY);
                }
                Err(Failure::Away(_)) => tokio::time::sleep(RETRY * tries).await,
            }
        }
    }

    async fn try_call(&self, method: &str, grants: &Value, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let away = |error: reqwest::Error| Failure::Away(error.without_url().to_string());
        let request = self
            .http
            .post(format!("{}/twirp/livekit.RoomService/{method}", self.base))
            .timeout(PATIENCE)
            .bearer_auth(self.token(json!({"video": grants})))
            .header(header::CONTENT_TYPE, "application/protobuf")
            .body(body);
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(away)?;
        if status.is_success() {
            return Ok(bytes.into());
        }
        let Fault { mut code, msg } = serde_json::from_slice(&bytes).unwrap_or_default();
        if status == StatusCode::UNAUTHORIZED {
            // LiveKit refuses a token that it cannot check before Twirp is asked, in plain text.
            code = "unauthenticated".into();
        }
        Err(match &code[..] {
            "not_found" => Failure::Refused(Refusal::NotFound("the LiveKit server knows nothing of it")),
            "unauthenticated" | "permission_denied" => {
                tracing::error!(method, msg, "the LiveKit server does not take LIVEKIT_API_KEY and LIVEKIT_API_SECRET");
                Failure::Refused(Refusal::FailedPrecondition("the LiveKit server does not take the key and secret"))
            }
            // It asked another one, which took too long; or it is asked too much.
            _ if matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => {
                Failure::Away(format!("status {status}: {msg}"))
            }
            _ if status.is_client_error() => {
                tracing::warn!(method, code, msg, "the LiveKit server refused a call");
                Failure::Refused(Refusal::FailedPrecondition("the LiveKit server refused"))
            }
            _ => Failure::Away(format!("status {status}: {msg}")),
        })
    }

    fn token(&self, claims: Value) -> String {
        let now = System.now().seconds();
        let mut all = Map::from_iter([("nbf".into(), json!(now - SKEW)), ("exp".into(), json!(now + TOKEN))]);
        if let Value::Object(claims) = claims {
            all.extend(claims);
        }
        self.keys.sign(&all)
    }
}

const AWAY: Refusal = Refusal::Unavailable("the LiveKit server does not answer");
const UNREADABLE: Refusal = Refusal::Unavailable("the LiveKit server's answer cannot be read");

fn admin(room: &str) -> Value {
    json!({"roomAdmin": true, "room": room})
}

/// Who is to go and is not there has gone.
fn gone_is_done(outcome: Result<(), Refusal>) -> Result<(), Refusal> {
    match outcome {
        Err(Refusal::NotFound(_)) => Ok(()),
        other => other,
    }
}
