//! From text to a packet. The data stays text: who needs it parses it.

use super::Kind;
use crate::engine::Malformed;

/// A packet whose parts are still slices of the received text.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded<'a> {
    pub(crate) kind: Kind,
    pub(crate) attachments: usize,
    pub(crate) namespace: &'a str,
    pub(crate) id: Option<u64>,
    /// JSON, not yet looked at; empty when there is none.
    pub(crate) data: &'a str,
}

/// Reads `<type>[<attachments>-][<namespace>,][<id>][<data>]`.
pub(crate) fn decode(text: &str, max_attachments: usize) -> Result<Decoded<'_>, Malformed> {
    let kind = kind(text.bytes().next())?;
    let rest = &text[1..];
    let (attachments, rest) = match kind {
        Kind::BinaryEvent | Kind::BinaryAck => attachments(rest, max_attachments)?,
        _ => (0, rest),
    };
    let (namespace, rest) = match rest.starts_with('/') {
        true => rest.split_once(',').unwrap_or((rest, "")),
        false => ("/", rest),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (id, data) = match rest.split_at(digits) {
        ("", data) => (None, data),
        (id, data) => (Some(id.parse().map_err(|_| Malformed)?), data),
    };
    Ok(Decoded { kind, attachments, namespace, id, data })
}

fn kind(digit: Option<u8>) -> Result<Kind, Malformed> {
    Ok(match digit {
        Some(b'0') => Kind::Connect,
        Some(b'1') => Kind::Disconnect,
        Some(b'2') => Kind::Event,
        Some(b'3') => Kind::Ack,
        Some(b'4') => Kind::ConnectError,
        Some(b'5') => Kind::BinaryEvent,
        Some(b'6') => Kind::BinaryAck,
        _ => return Err(Malformed),
    })
}

fn attachments(text: &str, max: usize) -> Result<(usize, &str), Malformed> {
    let (count, rest) = text.split_once('-').ok_or(Malformed)?;
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    match count.parse() {
        Ok(count) if count <= max => Ok((count, rest)),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet<'a>(kind: Kind, attachments: usize, namespace: &'a str, id: Option<u64>, data: &'a str) -> Decoded<'a> {
        Decoded { kind, attachments, namespace, id, data }
    }

    #[test]
    fn packets_of_the_document() {
        let cases = [
            ("0", packet(Kind::Connect, 0, "/", None, "")),
            (
                r#"0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}"#,
                packet(Kind::Connect, 0, "/admin", None, r#"{"sid":"oSO0OpakMV_3jnilAAAA"}"#),
            ),
            (
                r#"4{"message":"Not authorized"}"#,
                packet(Kind::ConnectError, 0, "/", None, r#"{"message":"Not authorized"}"#),
            ),
            (r#"2["foo"]"#, packet(Kind::Event, 0, "/", None, r#"["foo"]"#)),
            (r#"2/admin,["bar"]"#, packet(Kind::Event, 0, "/admin", None, r#"["bar"]"#)),
            (
                r#"51-["baz",{"_placeholder":true,"num":0}]"#,
                packet(Kind::BinaryEvent, 1, "/", None, r#"["baz",{"_placeholder":true,"num":0}]"#),
            ),
            (r#"52-/admin,["baz"]"#, packet(Kind::BinaryEvent, 2, "/admin", None, r#"["baz"]"#)),
            (r#"212["foo"]"#, packet(Kind::Event, 0, "/", Some(12), r#"["foo"]"#)),
            (r#"3/admin,13["bar"]"#, packet(Kind::Ack, 0, "/admin", Some(13), r#"["bar"]"#)),
            (
                r#"61-15["bar",{"_placeholder":true,"num":0}]"#,
                packet(Kind::BinaryAck, 1, "/", Some(15), r#"["bar",{"_placeholder":true,"num":0}]"#),
            ),
            ("1", packet(Kind::Disconnect, 0, "/", None, "")),
            ("1/admin,", packet(Kind::Disconnect, 0, "/admin", None, "")),
            ("0/admin", packet(Kind::Connect, 0, "/admin", None, "")),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text, 10).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn malformed_packets() {
        for text in ["", "7", "abc", "é", "5", "5-[]", "51[]", "5+1-[]", "511-[]", "299999999999999999999[]"] {
            assert_eq!(decode(text, 10), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn encoded_packets_come_back() {
        for namespace in ["/", "/a", "/socket.io"] {
            for ack in [None, Some(0), Some(u64::MAX)] {
                for count in 0..3 {
                    let attachments = vec![bytes::Bytes::new(); count];
                    let event = crate::EventPacket { namespace, name: "n,/1-\"", ack, attachments: &attachments };
                    let encoded = event.encode(&[1, 2]).unwrap();
                    let decoded = decode(&encoded.as_str()[1..], 10).unwrap();
                    assert_eq!((decoded.namespace, decoded.id, decoded.attachments), (namespace, ack, count));
                    assert_eq!(decoded.data, r#"["n,/1-\"",1,2]"#);
                }
            }
        }
    }
}
