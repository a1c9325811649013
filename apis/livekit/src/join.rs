//! How a client says what it wants when it connects: version 1 in one `join_request`, version 0 in query parameters.
//! Both become a [`JoinRequest`].

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use convo_sfu::Mode;
use flate2::read::GzDecoder;
use livekit_protocol::{
    ClientInfo, ConnectionSettings, JoinRequest, ReconnectReason, WrappedJoinRequest,
    client_info::{Capability, Sdk},
    wrapped_join_request::Compression,
};
use prost::Message;
use std::{
    collections::HashMap,
    io::{self, Read},
};

/// Bytes of a join request once it is unpacked.
const JOIN_REQUEST: u64 = 1024 * 1024;

/// The query parameters.
pub(crate) type Query = HashMap<String, String>;

/// Which path was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// `/rtc`
    Zero,
    /// `/rtc/v1`
    One,
}

/// What the client asks for, as far as it is its to ask.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wish {
    pub(crate) mode: Mode,
    pub(crate) request: JoinRequest,
    /// A second connection that publishes only: what goes behind the identity.
    pub(crate) publish: Option<String>,
}

/// Reads the query; an error is for the client.
pub(crate) fn read(version: Version, query: &Query) -> Result<Wish, &'static str> {
    match (query.get("join_request").filter(|packed| !packed.is_empty()), version) {
        (Some(packed), _) => {
            let mut request = unpack(packed)?;
            // Here what is absent means no; in version 0 it means the server's default.
            if let Some(settings) = &mut request.connection_settings {
                settings.subscriber_allow_pause.get_or_insert(false);
                settings.auto_subscribe_data_track.get_or_insert(false);
            }
            Ok(Wish { mode: Mode::Single, request, publish: None })
        }
        (None, Version::One) => Err("join_request is required"),
        (None, Version::Zero) => {
            let publish = query.get("publish").filter(|publish| !publish.is_empty()).cloned();
            Ok(Wish { mode: Mode::Dual, request: from_query(query)?, publish })
        }
    }
}

fn unpack(packed: &str) -> Result<JoinRequest, &'static str> {
    let bytes = unbase64(packed).ok_or("join_request is not base64")?;
    let wrapped = WrappedJoinRequest::decode(&bytes[..]).map_err(|_| "join_request is no WrappedJoinRequest")?;
    let plain = match wrapped.compression() {
        Compression::None => wrapped.join_request,
        Compression::Gzip => gunzip(&wrapped.join_request).map_err(|_| "join_request is damaged")?,
    };
    if plain.len() as u64 > JOIN_REQUEST {
        return Err("join_request is too large");
    }
    JoinRequest::decode(&plain[..]).map_err(|_| "join_request holds no JoinRequest")
}

/// At most one byte more than is allowed.
fn gunzip(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(packed).take(JOIN_REQUEST + 1).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Either alphabet, with padding or without (RFC 4648, 4 and 5). A `+` that nobody escaped came as a space.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    URL_SAFE.decode(text.replace(['+', ' '], "-").replace('/', "_")).ok()
}

fn from_query(query: &Query) -> Result<JoinRequest, &'static str> {
    let text = |name: &str| query.get(name).cloned().unwrap_or_default();
    let flag = |name: &str| query.get(name).filter(|value| !value.is_empty()).map(|value| yes(value));
    let reconnect = flag("reconnect").unwrap_or(false);
    let settings = ConnectionSettings {
        auto_subscribe: flag("auto_subscribe").unwrap_or(true),
        adaptive_stream: flag("adaptive_stream").unwrap_or(false),
        subscriber_allow_pause: flag("subscriber_allow_pause"),
        disable_ice_lite: flag("disable_ice_lite").unwrap_or(false),
        auto_subscribe_data_track: flag("auto_subscribe_data_track"),
    };
    Ok(JoinRequest {
        client_info: Some(client_info(query)),
        connection_settings: Some(settings),
        participant_attributes: attributes(query)?,
        reconnect,
        reconnect_reason: number(query, "reconnect_reason").unwrap_or(ReconnectReason::RrUnknown as i32),
        participant_sid: if reconnect { text("sid") } else { String::new() },
        ..JoinRequest::default()
    })
}

fn attributes(query: &Query) -> Result<HashMap<String, String>, &'static str> {
    let Some(packed) = query.get("attributes").filter(|packed| !packed.is_empty()) else {
        return Ok(HashMap::new());
    };
    let plain = unbase64(packed).ok_or("attributes are not base64")?;
    serde_json::from_slice(&plain).map_err(|_| "attributes are not a JSON object of strings")
}

fn client_info(query: &Query) -> ClientInfo {
    let text = |name: &str| query.get(name).cloned().unwrap_or_default();
    let capabilities = text("capabilities");
    let capabilities = capabilities.split(',').filter_map(|name| Capability::from_str_name(name.trim()));
    ClientInfo {
        sdk: sdk(&text("sdk")) as i32,
        version: text("version"),
        protocol: number(query, "protocol").unwrap_or(0),
        os: text("os"),
        os_version: text("os_version"),
        device_model: text("device_model"),
        browser: text("browser"),
        browser_version: text("browser_version"),
        address: String::new(),
        network: text("network"),
        other_sdks: text("other_sdks"),
        client_protocol: number(query, "client_protocol").unwrap_or(0),
        capabilities: capabilities.map(|capability| capability as i32).collect(),
    }
}

fn sdk(name: &str) -> Sdk {
    match name {
        "ios" => Sdk::Swift,
        "reactnative" => Sdk::ReactNative,
        "unityweb" => Sdk::UnityWeb,
        other => Sdk::from_str_name(&other.to_uppercase()).unwrap_or(Sdk::Unknown),
    }
}

fn yes(value: &str) -> bool {
    matches!(value, "1" | "true" | "True" | "TRUE")
}

fn number(query: &Query, name: &str) -> Option<i32> {
    query.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use flate2::{Compression as Level, write::GzEncoder};
    use std::io::Write;

    fn request() -> JoinRequest {
        JoinRequest {
            client_info: Some(ClientInfo { protocol: 18, version: "ÿþý?>".into(), ..ClientInfo::default() }),
            connection_settings: Some(ConnectionSettings { auto_subscribe: true, ..ConnectionSettings::default() }),
            metadata: "m".into(),
            ..JoinRequest::default()
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Level::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    fn wrap(compression: Compression, join_request: Vec<u8>) -> Vec<u8> {
        WrappedJoinRequest { compression: compression as i32, join_request }.encode_to_vec()
    }

    fn ask(version: Version, pairs: &[(&str, &str)]) -> Result<Wish, &'static str> {
        let query = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        read(version, &query)
    }

    #[test]
    fn a_join_request_in_any_base64_packed_or_not() {
        let plain = wrap(Compression::None, request().encode_to_vec());
        let packed = wrap(Compression::Gzip, gzip(&request().encode_to_vec()));
        for bytes in [plain, packed] {
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                let text = engine.encode(&bytes);
                for text in [text.clone(), text.replace('+', " ")] {
                    let wish = ask(Version::One, &[("join_request", &text)]).unwrap();
                    assert_eq!(wish.request.client_info, request().client_info);
                    assert_eq!(wish.mode, Mode::Single);
                    let settings = wish.request.connection_settings.unwrap();
                    assert_eq!((settings.auto_subscribe, settings.auto_subscribe_data_track), (true, Some(false)));
                }
            }
        }
    }

    #[test]
    fn the_old_path_with_a_join_request_has_one_peer_connection() {
        let text = URL_SAFE.encode(wrap(Compression::None, request().encode_to_vec()));
        assert_eq!(ask(Version::Zero, &[("join_request", &text)]).unwrap().mode, Mode::Single);
        assert_eq!(ask(Version::Zero, &[]).unwrap().mode, Mode::Dual);
        assert_eq!(ask(Version::One, &[]), Err("join_request is required"));
    }

    #[test]
    fn what_can_not_be_right_is_refused() {
        let bomb = JoinRequest { metadata: "0".repeat(JOIN_REQUEST as usize), ..JoinRequest::default() };
        let bomb = bomb.encode_to_vec();
        let mut cut = gzip(&request().encode_to_vec());
        cut.truncate(12);
        for (bytes, error) in [
            (wrap(Compression::Gzip, gzip(&bomb)), "join_request is too large"),
            (wrap(Compression::None, bomb), "join_request is too large"),
            (wrap(Compression::Gzip, b"no gzip".to_vec()), "join_request is damaged"),
            (wrap(Compression::Gzip, cut), "join_request is damaged"),
            (wrap(Compression::None, vec![0xff; 9]), "join_request holds no JoinRequest"),
            (vec![0xff; 9], "join_request is no WrappedJoinRequest"),
        ] {
            assert_eq!(ask(Version::One, &[("join_request", &URL_SAFE.encode(bytes))]), Err(error));
        }
        assert_eq!(ask(Version::One, &[("join_request", "%%%")]), Err("join_request is not base64"));
        assert_eq!(ask(Version::Zero, &[("attributes", "e30x")]), Err("attributes are not a JSON object of strings"));
    }

    #[test]
    fn version_zero_in_query_parameters() {
        let attributes = URL_SAFE.encode(r#"{"a": "b"}"#);
        let wish = ask(
            Version::Zero,
            &[
                ("auto_subscribe", "0"),
                ("adaptive_stream", "1"),
                ("reconnect", "1"),
                ("sid", "PA_1"),
                ("reconnect_reason", "2"),
                ("attributes", &attributes),
                ("sdk", "reactnative"),
                ("protocol", "16"),
                ("client_protocol", "1"),
                ("capabilities", "CAP_PACKET_TRAILER,CAP_UNHEARD_OF"),
                ("publish", "cam"),
            ],
        )
        .unwrap();
        let (info, settings) = (wish.request.client_info.unwrap(), wish.request.connection_settings.unwrap());
        assert_eq!((info.sdk(), info.protocol, info.client_protocol), (Sdk::ReactNative, 16, 1));
        assert_eq!(info.capabilities, [Capability::CapPacketTrailer as i32]);
        assert!(!settings.auto_subscribe && settings.adaptive_stream);
        assert_eq!((settings.subscriber_allow_pause, settings.auto_subscribe_data_track), (None, None));
        assert_eq!((wish.request.reconnect, &wish.request.participant_sid[..]), (true, "PA_1"));
        assert_eq!(wish.request.reconnect_reason, 2);
        assert_eq!(wish.request.participant_attributes["a"], "b");
        assert_eq!(wish.publish.as_deref(), Some("cam"));
        let bare = ask(Version::Zero, &[]).unwrap().request;
        assert!(bare.connection_settings.unwrap().auto_subscribe, "who says nothing is subscribed");
    }
}
