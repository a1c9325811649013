//! The Engine.IO packet codec (protocol document, "Packet encoding").

use axum::extract::ws::Utf8Bytes;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;

use crate::config::Config;
use crate::id::Sid;

/// Stands between the packets of a polling payload.
pub(crate) const SEPARATOR: char = '\x1e';

pub(crate) const CLOSE: &str = "1";
pub(crate) const PING: &str = "2";
pub(crate) const PROBE: &str = "2probe";
pub(crate) const PROBE_ANSWER: &str = "3probe";
pub(crate) const UPGRADE: &str = "5";
pub(crate) const NOOP: &str = "6";

/// Padding is written, but not insisted on: some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One packet as a transport carries it, in or out: a WebSocket message, or a part of a polling payload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wire {
    Text(Utf8Bytes),
    Binary(Bytes),
}

impl Wire {
    pub(crate) const fn text(text: &'static str) -> Self {
        Self::Text(Utf8Bytes::from_static(text))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.as_str().len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Appends the packet to a polling payload.
    pub(crate) fn push_to(&self, payload: &mut String) {
        if !payload.is_empty() {
            payload.push(SEPARATOR);
        }
        match self {
            Self::Text(text) => payload.push_str(text.as_str()),
            Self::Binary(bytes) => {
                payload.push('b');
                STANDARD.encode_string(bytes, payload);
            }
        }
    }

    /// Reads one packet of a polling payload.
    pub(crate) fn from_payload(part: &str) -> Result<Self, Malformed> {
        match part.strip_prefix('b') {
            Some(base64) => Ok(Self::Binary(BASE64.decode(base64).map_err(|_| Malformed)?.into())),
            None => Ok(Self::Text(part.into())),
        }
    }
}

/// A text packet by its type.
#[derive(Debug, PartialEq)]
pub(crate) enum Packet<'a> {
    Close,
    Ping,
    Pong,
    Message(&'a str),
    /// `open`, `upgrade` and `noop` mean nothing to an open session.
    Other,
}

/// The peer broke the protocol.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed;

pub(crate) fn decode(text: &str) -> Result<Packet<'_>, Malformed> {
    let mut chars = text.chars();
    match chars.next() {
        Some('1') => Ok(Packet::Close),
        Some('2') => Ok(Packet::Ping),
        Some('3') => Ok(Packet::Pong),
        Some('4') => Ok(Packet::Message(chars.as_str())),
        Some('0' | '5' | '6') => Ok(Packet::Other),
        _ => Err(Malformed),
    }
}

/// The `open` packet, with which the server accepts a client.
pub(crate) fn open(sid: Sid, upgrades: &[&str], config: &Config) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Open<'a> {
        sid: &'a str,
        upgrades: &'a [&'a str],
        ping_interval: u64,
        ping_timeout: u64,
        max_payload: usize,
    }
    let open = Open {
        sid: sid.as_str(),
        upgrades,
        ping_interval: millis(config.ping_interval),
        ping_timeout: millis(config.ping_timeout),
        max_payload: config.max_payload,
    };
    format!("0{}", serde_json::to_string(&open).expect("strings and numbers"))
}

fn millis(time: std::time::Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(packets: &[Wire]) -> String {
        let mut payload = String::new();
        packets.iter().for_each(|packet| packet.push_to(&mut payload));
        payload
    }

    fn parts(payload: &str) -> Result<Vec<Wire>, Malformed> {
        payload.split(SEPARATOR).map(Wire::from_payload).collect()
    }

    #[test]
    fn payloads_of_the_document() {
        let several = [Wire::text("4hello"), Wire::text("2"), Wire::text("4world")];
        assert_eq!(payload(&several), "4hello\x1e2\x1e4world");
        assert_eq!(parts("4hello\x1e2\x1e4world").unwrap(), several);

        let binary = [Wire::text("4hello"), Wire::Binary(Bytes::from_static(&[1, 2, 3, 4]))];
        assert_eq!(payload(&binary), "4hello\x1ebAQIDBA==");
        assert_eq!(parts("4hello\x1ebAQIDBA==").unwrap(), binary);
    }

    #[test]
    fn payloads_come_back() {
        for len in 0..70_u8 {
            let bytes: Vec<u8> = (0..len).map(|i| i.wrapping_mul(37).wrapping_add(len)).collect();
            let packets = [Wire::Binary(bytes.into()), Wire::Text("4é\u{1f600}".into()), Wire::text("3")];
            assert_eq!(parts(&payload(&packets)).unwrap(), packets);
        }
    }

    #[test]
    fn base64_must_be_base64() {
        assert_eq!(Wire::from_payload("b!"), Err(Malformed));
        assert_eq!(Wire::from_payload("bAQIDBA").unwrap(), Wire::Binary(Bytes::from_static(&[1, 2, 3, 4])));
    }

    #[test]
    fn packet_types() {
        assert_eq!(decode("4hello"), Ok(Packet::Message("hello")));
        assert_eq!(decode("4"), Ok(Packet::Message("")));
        assert_eq!(decode("1"), Ok(Packet::Close));
        assert_eq!(decode("2"), Ok(Packet::Ping));
        assert_eq!(decode("3"), Ok(Packet::Pong));
        for other in ["0", "5", "6"] {
            assert_eq!(decode(other), Ok(Packet::Other));
        }
        for bad in ["", "7", "abc", "é"] {
            assert_eq!(decode(bad), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn open_packet_of_the_document() {
        let sid = "lv_VI97HAXpY6yYWAAAC".parse().unwrap();
        assert_eq!(
            open(sid, &["websocket"], &Config::default()),
            r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
    }
}
