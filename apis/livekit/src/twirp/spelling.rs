//! JSON as LiveKit's server answers with: fields by their names in the protocol (`num_participants`), those too that say nothing.
//! (Its webhooks have `numParticipants`, and leave out what says nothing: they are written as the types write themselves.)

use Kind::{Enum, Flag, List, Long, Map, Message, Messages, Number, Optional, OptionalMessage, Text};
use livekit_protocol as proto;
use serde_json::{Value, json};

/// The fields of a message, by their names in the protocol.
pub(crate) type Fields = &'static [(&'static str, Kind)];

/// What a field is: what stands there if it says nothing.
pub(crate) enum Kind {
    Text,
    Number,
    /// Of 64 bits: a text in JSON.
    Long,
    Flag,
    /// The name of the first.
    Enum(&'static str),
    List,
    Messages(Fields),
    /// Whose keys are not names of fields.
    Map,
    Message(Fields),
    /// Left out if it says nothing.
    Optional,
    OptionalMessage(Fields),
}

/// What is answered with.
pub(crate) trait Spelled {
    const FIELDS: Fields = &[];
}

/// What a type wrote of itself, as LiveKit writes it.
pub(super) fn spell(written: Value, fields: Fields) -> Value {
    let Value::Object(mut written) = written else { return written };
    let spelled = fields.iter().filter_map(|(name, kind)| {
        let value = match written.remove(&camel(name)) {
            Some(value) => kind.spell(value),
            None => kind.unsaid()?,
        };
        Some(((*name).to_owned(), value))
    });
    Value::Object(spelled.collect())
}

impl Kind {
    fn spell(&self, value: Value) -> Value {
        match (self, value) {
            (Message(fields) | OptionalMessage(fields), value) => spell(value, fields),
            (Messages(fields), Value::Array(values)) => values.into_iter().map(|value| spell(value, fields)).collect(),
            (_, value) => value,
        }
    }

    fn unsaid(&self) -> Option<Value> {
        Some(match self {
            Text => json!(""),
            Number => json!(0),
            Long => json!("0"),
            Flag => json!(false),
            Enum(first) => json!(first),
            List | Messages(_) => json!([]),
            Map => json!({}),
            Message(_) => Value::Null,
            Optional | OptionalMessage(_) => return None,
        })
    }
}

/// `num_participants` as `numParticipants`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| camel + &word[..1].to_uppercase() + &word[1..])
}

impl Spelled for proto::DeleteRoomResponse {}
impl Spelled for proto::RemoveParticipantResponse {}
impl Spelled for proto::UpdateSubscriptionsResponse {}
impl Spelled for proto::SendDataResponse {}
impl Spelled for proto::ForwardParticipantResponse {}
impl Spelled for proto::MoveParticipantResponse {}

impl Spelled for proto::PerformRpcResponse {
    const FIELDS: Fields = &[("payload", Text)];
}

impl Spelled for proto::ListRoomsResponse {
    const FIELDS: Fields = &[("rooms", Messages(proto::Room::FIELDS))];
}

impl Spelled for proto::ListParticipantsResponse {
    const FIELDS: Fields = &[("participants", Messages(proto::ParticipantInfo::FIELDS))];
}

impl Spelled for proto::MuteRoomTrackResponse {
    const FIELDS: Fields = &[("track", Message(TRACK))];
}

impl Spelled for proto::ListAgentDispatchResponse {
    const FIELDS: Fields = &[("agent_dispatches", Messages(proto::AgentDispatch::FIELDS))];
}

impl Spelled for proto::Room {
    const FIELDS: Fields = &[
        ("sid", Text),
        ("name", Text),
        ("empty_timeout", Number),
        ("departure_timeout", Number),
        ("max_participants", Number),
        ("creation_time", Long),
        ("creation_time_ms", Long),
        ("turn_password", Text),
        ("enabled_codecs", Messages(CODEC)),
        ("metadata", Text),
        ("num_participants", Number),
        ("num_publishers", Number),
        ("active_recording", Flag),
        ("version", Message(VERSION)),
    ];
}

impl Spelled for proto::ParticipantInfo {
    const FIELDS: Fields = &[
        ("sid", Text),
        ("identity", Text),
        ("state", Enum("JOINING")),
        ("tracks", Messages(TRACK)),
        ("metadata", Text),
        ("joined_at", Long),
        ("joined_at_ms", Long),
        ("name", Text),
        ("version", Number),
        ("permission", Message(PERMISSION)),
        ("region", Text),
        ("is_publisher", Flag),
        ("kind", Enum("STANDARD")),
        ("attributes", Map),
        ("disconnect_reason", Enum("UNKNOWN_REASON")),
        ("kind_details", List),
        ("data_tracks", Messages(DATA_TRACK)),
        ("client_protocol", Number),
        ("capabilities", List),
    ];
}

impl Spelled for proto::AgentDispatch {
    const FIELDS: Fields = &[
        ("id", Text),
        ("agent_name", Text),
        ("room", Text),
        ("metadata", Text),
        ("state", Message(DISPATCH_STATE)),
        ("restart_policy", Enum("JRP_ON_FAILURE")),
        ("deployment", Text),
        ("attributes", Map),
    ];
}

const CODEC: Fields = &[("mime", Text), ("fmtp_line", Text)];

const VERSION: Fields = &[("unix_micro", Long), ("ticks", Number)];

const PERMISSION: Fields = &[
    ("can_subscribe", Flag),
    ("can_publish", Flag),
    ("can_publish_data", Flag),
    ("can_publish_sources", List),
    ("hidden", Flag),
    ("recorder", Flag),
    ("can_update_metadata", Flag),
    ("agent", Flag),
    ("can_subscribe_metrics", Flag),
    ("can_manage_agent_session", Flag),
];

const TRACK: Fields = &[
    ("sid", Text),
    ("type", Enum("AUDIO")),
    ("name", Text),
    ("muted", Flag),
    ("width", Number),
    ("height", Number),
    ("simulcast", Flag),
    ("disable_dtx", Flag),
    ("source", Enum("UNKNOWN")),
    ("layers", Messages(LAYER)),
    ("mime_type", Text),
    ("mid", Text),
    ("codecs", Messages(SIMULCAST_CODEC)),
    ("stereo", Flag),
    ("disable_red", Flag),
    ("encryption", Enum("NONE")),
    ("stream", Text),
    ("version", Message(VERSION)),
    ("audio_features", List),
    ("backup_codec_policy", Enum("PREFER_REGRESSION")),
    ("packet_trailer_features", List),
];

const LAYER: Fields = &[
    ("quality", Enum("LOW")),
    ("width", Number),
    ("height", Number),
    ("bitrate", Number),
    ("ssrc", Number),
    ("spatial_layer", Number),
    ("rid", Text),
    ("repair_ssrc", Number),
];

const SIMULCAST_CODEC: Fields = &[
    ("mime_type", Text),
    ("mid", Text),
    ("cid", Text),
    ("layers", Messages(LAYER)),
    ("video_layer_mode", Enum("MODE_UNUSED")),
    ("sdp_cid", Text),
];

const DATA_TRACK: Fields = &[
    ("pub_handle", Number),
    ("sid", Text),
    ("name", Text),
    ("encryption", Enum("NONE")),
    ("frame_encoding", OptionalMessage(ENCODING)),
    ("schema", OptionalMessage(SCHEMA)),
];

const SCHEMA: Fields = &[("name", Text), ("encoding", Message(ENCODING))];

/// Of frames, and of schemas. One of the two is said.
const ENCODING: Fields = &[("well_known", Optional), ("custom", Optional)];

const DISPATCH_STATE: Fields = &[("jobs", Messages(JOB)), ("created_at", Long), ("deleted_at", Long)];

const JOB: Fields = &[
    ("id", Text),
    ("dispatch_id", Text),
    ("type", Enum("JT_ROOM")),
    ("room", Message(proto::Room::FIELDS)),
    ("participant", OptionalMessage(proto::ParticipantInfo::FIELDS)),
    ("namespace", Text),
    ("metadata", Text),
    ("agent_name", Text),
    ("state", Message(JOB_STATE)),
    ("enable_recording", Flag),
    ("deployment", Text),
    ("attributes", Map),
    ("enable_redaction", Flag),
];

const JOB_STATE: Fields = &[
    ("status", Enum("JS_PENDING")),
    ("error", Text),
    ("started_at", Long),
    ("ended_at", Long),
    ("updated_at", Long),
    ("participant_identity", Text),
    ("worker_id", Text),
    ("agent_id", Text),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{
        Deserialize, Deserializer,
        de::{Error as _, Visitor, value::Error},
        forward_to_deserialize_any,
    };
    use std::collections::BTreeSet;

    /// Hears which fields a type would read.
    struct Asked<'a>(&'a mut BTreeSet<&'static str>);

    impl<'de> Deserializer<'de> for Asked<'_> {
        type Error = Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.0.extend(fields);
            Err(Error::custom("asked"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("no message"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
            seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn check<'de, T: Deserialize<'de>>(fields: Fields) {
        let mut known = BTreeSet::new();
        let _ = T::deserialize(Asked(&mut known));
        let named: BTreeSet<String> = fields.iter().flat_map(|(name, _)| [(*name).to_owned(), camel(name)]).collect();
        assert_eq!(named, known.into_iter().map(str::to_owned).collect(), "{}", std::any::type_name::<T>());
    }

    #[test]
    fn no_field_is_forgotten() {
        fn answer<'de, T: Deserialize<'de> + Spelled>() {
            check::<T>(T::FIELDS);
        }
        answer::<proto::DeleteRoomResponse>();
        answer::<proto::RemoveParticipantResponse>();
        answer::<proto::UpdateSubscriptionsResponse>();
        answer::<proto::SendDataResponse>();
        answer::<proto::ForwardParticipantResponse>();
        answer::<proto::MoveParticipantResponse>();
        answer::<proto::PerformRpcResponse>();
        answer::<proto::ListRoomsResponse>();
        answer::<proto::ListParticipantsResponse>();
        answer::<proto::MuteRoomTrackResponse>();
        answer::<proto::ListAgentDispatchResponse>();
        answer::<proto::Room>();
        answer::<proto::ParticipantInfo>();
        answer::<proto::AgentDispatch>();
        check::<proto::Codec>(CODEC);
        check::<proto::TimedVersion>(VERSION);
        check::<proto::ParticipantPermission>(PERMISSION);
        check::<proto::TrackInfo>(TRACK);
        check::<proto::VideoLayer>(LAYER);
        check::<proto::SimulcastCodecInfo>(SIMULCAST_CODEC);
        check::<proto::DataTrackInfo>(DATA_TRACK);
        check::<proto::DataTrackSchemaId>(SCHEMA);
        check::<proto::DataTrackSchemaEncoding>(ENCODING);
        check::<proto::DataTrackFrameEncoding>(ENCODING);
        check::<proto::AgentDispatchState>(DISPATCH_STATE);
        check::<proto::Job>(JOB);
        check::<proto::JobState>(JOB_STATE);
    }

    #[test]
    fn names_within_messages_change_and_those_in_maps_stay() {
        let info = proto::ParticipantInfo {
            attributes: [("lkAgent_name".to_owned(), "a".to_owned())].into(),
            tracks: vec![proto::TrackInfo { mime_type: "audio/opus".into(), ..Default::default() }],
            ..Default::default()
        };
        let written = spell(serde_json::to_value(&info).unwrap(), proto::ParticipantInfo::FIELDS);
        assert_eq!(written["attributes"], json!({"lkAgent_name": "a"}));
        let track = &written["tracks"][0];
        assert_eq!((&track["mime_type"], &track["type"]), (&json!("audio/opus"), &json!("AUDIO")));
        assert_eq!((&written["joined_at_ms"], &written["permission"]), (&json!("0"), &Value::Null));
    }
}
