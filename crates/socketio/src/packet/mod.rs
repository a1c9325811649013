//! The Socket.IO packet codec (protocol document, "Packet encoding").

pub(crate) mod args;
pub(crate) mod decode;

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use serde::Serialize;
use serde::ser::Error as _;

use crate::app::{Ack, Refusal};
use crate::engine::Wire;
use crate::id::Sid;

/// Packet types, as their digit on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect = 0,
    Disconnect = 1,
    Event = 2,
    Ack = 3,
    ConnectError = 4,
    BinaryEvent = 5,
    BinaryAck = 6,
}

/// An encoded Socket.IO packet, ready for any number of clients: a clone shares the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// With Engine.IO's `4` in front, so that every client's WebSocket takes these very bytes.
    text: Utf8Bytes,
    attachments: Option<Arc<[Bytes]>>,
}

impl Packet {
    /// The text's own bytes, to be kept beside an event; attachments are dropped.
    pub fn into_bytes(self) -> Bytes {
        self.text.into()
    }

    /// A packet without attachments out of bytes that [`Packet::into_bytes`] gave. `None`: they are no event's.
    pub fn from_bytes(text: Bytes) -> Option<Self> {
        let text = Utf8Bytes::try_from(text).ok()?;
        text.as_str().starts_with("42").then_some(Self { text, attachments: None })
    }

    /// The text as it goes over the wire, Engine.IO's message type `4` first.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The same event with `offset` as its last argument, for sockets that take offsets
    /// ([`crate::Connect::takes_offsets`]). The packet must be an event.
    pub fn with_offset(&self, offset: &str) -> Self {
        let open = self.as_str().strip_suffix(']').expect("an event ends with its arguments");
        let text = format!("{open},{}]", json_string(offset));
        Self { text: text.into(), attachments: self.attachments.clone() }
    }

    pub(crate) fn push_to(self, out: &mut impl Extend<Wire>) {
        let attachments = self.attachments.iter().flat_map(|all| all.iter().cloned().map(Wire::Binary));
        out.extend(std::iter::once(Wire::Text(self.text)).chain(attachments));
    }

    pub(crate) fn connect(namespace: &str, sid: Sid, pid: Option<Sid>) -> Self {
        let sid = sid.as_str();
        let answer = match pid {
            Some(pid) => format!(r#"{{"sid":"{sid}","pid":"{pid}"}}"#),
            None => format!(r#"{{"sid":"{sid}"}}"#),
        };
        Self::plain(Kind::Connect, namespace, None, &answer)
    }

    pub(crate) fn connect_error(namespace: &str, refusal: &Refusal) -> Self {
        let body = serde_json::to_string(refusal).expect("a string and a JSON value");
        Self::plain(Kind::ConnectError, namespace, None, &body)
    }

    pub(crate) fn disconnect(namespace: &str) -> Self {
        Self::plain(Kind::Disconnect, namespace, None, "")
    }

    pub(crate) fn ack(namespace: &str, id: u64, ack: Ack) -> Self {
        let Ack { args, attachments } = ack;
        match attachments.len() {
            0 => Self::plain(Kind::Ack, namespace, Some(id), &args),
            count => Self {
                text: head(Kind::BinaryAck, count, namespace, Some(id), args.len() + 1, |text| text.push_str(&args)),
                attachments: Some(attachments.into()),
            },
        }
    }

    fn plain(kind: Kind, namespace: &str, id: Option<u64>, body: &str) -> Self {
        Self { text: head(kind, 0, namespace, id, body.len(), |text| text.push_str(body)), attachments: None }
    }
}

/// An event to encode; the arguments come with [`EventPacket::encode`].
#[derive(Clone, Copy, Debug)]
pub struct EventPacket<'a> {
    /// The namespace, e.g. `/`.
    pub namespace: &'a str,
    /// The event's name.
    pub name: &'a str,
    /// Asks the client to acknowledge; the answer comes to [`crate::App::ack`] with this number, which
    /// must be the only one of its value under way on a socket.
    pub ack: Option<u64>,
    /// Binary arguments. In the JSON a [`Placeholder`](crate::Placeholder) stands for each.
    pub attachments: &'a [Bytes],
}

impl<'a> EventPacket<'a> {
    /// An event without acknowledgement and attachments.
    pub fn new(namespace: &'a str, name: &'a str) -> Self {
        Self { namespace, name, ack: None, attachments: &[] }
    }

    /// Encodes the event with `args`: a tuple, slice or list.
    ///
    /// # Errors
    /// When `args` can't be written as JSON, or is anything but a sequence.
    pub fn encode(&self, args: &(impl Serialize + ?Sized)) -> Result<Packet, serde_json::Error> {
        let args = sequence(args)?;
        let (kind, count) = match self.attachments.len() {
            0 => (Kind::Event, 0),
            count => (Kind::BinaryEvent, count),
        };
        let name = json_string(self.name);
        let text = head(kind, count, self.namespace, self.ack, name.len() + args.len() + 1, |text| {
            text.push('[');
            text.push_str(&name);
            if args != "[]" {
                text.push(',');
            }
            text.push_str(&args[1..]);
        });
        Ok(Packet { text, attachments: (count > 0).then(|| self.attachments.into()) })
    }
}

/// Encodes an event once, for all clients of a namespace.
///
/// # Errors
/// As [`EventPacket::encode`].
pub fn event_packet(
    namespace: &str,
    name: &str,
    args: &(impl Serialize + ?Sized),
) -> Result<Packet, serde_json::Error> {
    EventPacket::new(namespace, name).encode(args)
}

/// Writes `args` as a JSON array.
pub(crate) fn sequence(args: &(impl Serialize + ?Sized)) -> Result<String, serde_json::Error> {
    let args = serde_json::to_string(args)?;
    if args.starts_with('[') { Ok(args) } else { Err(serde_json::Error::custom("arguments must be a sequence")) }
}

/// `4<type>[<attachments>-][<namespace>,][<id>]`, then what `body` writes.
fn head(
    kind: Kind,
    attachments: usize,
    namespace: &str,
    id: Option<u64>,
    body_len: usize,
    body: impl FnOnce(&mut String),
) -> Utf8Bytes {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(16 + namespace.len() + body_len);
    text.push('4');
    text.push(char::from(b'0' + kind as u8));
    if matches!(kind, Kind::BinaryEvent | Kind::BinaryAck) {
        write!(text, "{attachments}-").expect("a String takes everything");
    }
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
    if let Some(id) = id {
        write!(text, "{id}").expect("a String takes everything");
    }
    body(&mut text);
    text.into()
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::packet::args::Placeholder;

    fn event(namespace: &str, name: &str, ack: Option<u64>, attachments: &[Bytes], args: serde_json::Value) -> Packet {
        EventPacket { namespace, name, ack, attachments }.encode(&args).unwrap()
    }

    #[test]
    fn events_of_the_document() {
        assert_eq!(
            event_packet("/", "foo", &()).map(|_| ()).map_err(|e| e.to_string()).unwrap_err(),
            "arguments must be a sequence"
        );
        assert_eq!(event("/", "foo", None, &[], json!([])).as_str(), r#"42["foo"]"#);
        assert_eq!(event("/admin", "bar", None, &[], json!([])).as_str(), r#"42/admin,["bar"]"#);
        assert_eq!(event("/", "foo", Some(12), &[], json!([])).as_str(), r#"4212["foo"]"#);
        assert_eq!(event("/", "hey", None, &[], json!(["Jude"])).as_str(), r#"42["hey","Jude"]"#);
        let one = [Bytes::from_static(&[1, 2, 3, 4])];
        assert_eq!(
            event("/", "baz", None, &one, json!([Placeholder::new(0)])).as_str(),
            r#"451-["baz",{"_placeholder":true,"num":0}]"#
        );
        let two = [Bytes::from_static(&[1, 2]), Bytes::from_static(&[3, 4])];
        assert_eq!(
            event("/admin", "baz", None, &two, json!([Placeholder::new(0), Placeholder::new(1)])).as_str(),
            r#"452-/admin,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#
        );
    }

    #[test]
    fn other_packets_of_the_document() {
        let sid = "oSO0OpakMV_3jnilAAAA".parse().unwrap();
        assert_eq!(Packet::connect("/admin", sid, None).as_str(), r#"40/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}"#);
        assert_eq!(
            Packet::connect_error("/", &Refusal::new("Not authorized")).as_str(),
            r#"44{"message":"Not authorized"}"#
        );
        assert_eq!(Packet::ack("/admin", 13, Ack::new(&["bar"]).unwrap()).as_str(), r#"43/admin,13["bar"]"#);
        let binary = Ack::new(&("bar", Placeholder::new(0))).unwrap().with_attachments(vec![Bytes::from_static(&[1])]);
        assert_eq!(Packet::ack("/", 15, binary).as_str(), r#"461-15["bar",{"_placeholder":true,"num":0}]"#);
        assert_eq!(Packet::disconnect("/").as_str(), "41");
        assert_eq!(Packet::disconnect("/admin").as_str(), "41/admin,");
    }

    #[test]
    fn offset_is_one_more_argument() {
        assert_eq!(event("/", "a", None, &[], json!([])).with_offset("1-2").as_str(), r#"42["a","1-2"]"#);
        assert_eq!(
            event("/", "a", None, &[], json!([{"b": []}])).with_offset("x\"").as_str(),
            r#"42["a",{"b":[]},"x\""]"#
        );
    }

    #[test]
    fn attachments_follow_their_packet() {
        let packet = event("/", "baz", None, &[Bytes::from_static(&[7])], json!([Placeholder::new(0)]));
        let mut out = Vec::new();
        packet.clone().push_to(&mut out);
        assert_eq!(out, [Wire::Text(packet.as_str().into()), Wire::Binary(Bytes::from_static(&[7]))]);
    }
}
