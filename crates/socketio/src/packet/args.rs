//! The arguments of an event or an acknowledgement.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_json::value::RawValue;

use crate::engine::Malformed;

/// Arguments that one packet may have. An argument costs 16 bytes here and may be one byte on the wire,
/// so without a bound a client could have the server allocate eight times what it sends.
const MAX_ARGS: usize = 256;

/// Names that the protocol keeps for itself.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Arguments as slices of the received text: checked to be JSON, parsed only on demand.
#[derive(Debug)]
pub struct Args<'a>(Vec<&'a RawValue>);

impl<'a> Args<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without arguments.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An argument's JSON.
    pub fn raw(&self, index: usize) -> Option<&'a RawValue> {
        self.0.get(index).copied()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a RawValue> + '_ {
        self.0.iter().copied()
    }

    /// Parses an argument; one that is missing reads as `null`, as it would in JavaScript.
    ///
    /// # Errors
    /// When the JSON does not fit `T`.
    pub fn parse<T: Deserialize<'a>>(&self, index: usize) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.raw(index).map_or("null", RawValue::get))
    }

    /// Reads the data of an acknowledgement.
    pub(crate) fn decode(data: &'a str) -> Result<Self, Malformed> {
        serde_json::from_str(data).map_err(|_| Malformed)
    }

    /// Reads the data of an event: its name, then its arguments.
    pub(crate) fn decode_event(data: &'a str) -> Result<(Cow<'a, str>, Self), Malformed> {
        let mut args = Self::decode(data)?;
        if args.is_empty() {
            return Err(Malformed);
        }
        let name = event_name(args.0.remove(0))?;
        Ok((name, args))
    }

    /// Whether every placeholder in the arguments names one of `count` attachments.
    pub(crate) fn placeholders_within(&self, count: usize) -> bool {
        self.iter().all(|arg| serde_json::from_str(arg.get()).is_ok_and(|value| within(&value, count)))
    }
}

fn within(value: &serde_json::Value, count: usize) -> bool {
    match value {
        serde_json::Value::Array(items) => items.iter().all(|item| within(item, count)),
        serde_json::Value::Object(map) if map.get("_placeholder") == Some(&true.into()) => {
            map.get("num").and_then(serde_json::Value::as_u64).is_some_and(|num| num < count as u64)
        }
        serde_json::Value::Object(map) => map.values().all(|item| within(item, count)),
        _ => true,
    }
}

/// A string, or a number as its digits; not one of the reserved names.
fn event_name(raw: &RawValue) -> Result<Cow<'_, str>, Malformed> {
    let json = raw.get();
    let name = match json.as_bytes()[0] {
        b'"' if json.contains('\\') => Cow::Owned(serde_json::from_str(json).map_err(|_| Malformed)?),
        b'"' => Cow::Borrowed(&json[1..json.len() - 1]),
        b'-' | b'0'..=b'9' => Cow::Borrowed(json),
        _ => return Err(Malformed),
    };
    if RESERVED.contains(&name.as_ref()) { Err(Malformed) } else { Ok(name) }
}

impl<'de> Deserialize<'de> for Args<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Args<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of arguments")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Args<'de>, S::Error> {
                let mut args = Vec::new();
                while let Some(arg) = seq.next_element()? {
                    if args.len() == MAX_ARGS {
                        return Err(S::Error::custom("too many arguments"));
                    }
                    args.push(arg);
                }
                Ok(Args(args))
            }
        }
        deserializer.deserialize_seq(Bounded)
    }
}

/// What stands in the JSON for a binary attachment: `{"_placeholder": true, "num": 0}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, DeriveDeserialize)]
pub struct Placeholder {
    #[serde(rename = "_placeholder")]
    placeholder: bool,
    /// The attachment's index.
    pub num: usize,
}

impl Placeholder {
    /// Stands for attachment number `num`.
    pub fn new(num: usize) -> Self {
        Self { placeholder: true, num }
    }
}

/// Parses the auth payload of a CONNECT: an object, or nothing.
pub(crate) fn auth<T: DeserializeOwned>(data: &str) -> Result<T, Malformed> {
    match data {
        "" => serde_json::from_str("{}").map_err(|_| Malformed),
        data if data.starts_with('{') => serde_json::from_str(data).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_with_arguments() {
        let (name, args) = Args::decode_event(r#"["message", 1, "2", {"3":[true]}]"#).unwrap();
        assert_eq!(name, "message");
        assert_eq!(args.iter().map(RawValue::get).collect::<Vec<_>>(), ["1", r#""2""#, r#"{"3":[true]}"#]);
        assert_eq!(args.parse::<String>(1).unwrap(), "2");
        assert_eq!(args.parse::<Option<u8>>(3).unwrap(), None, "a missing argument is null");
        assert!(args.parse::<u8>(1).is_err());
    }

    #[test]
    fn names() {
        assert_eq!(Args::decode_event(r#"["a\"b"]"#).unwrap().0, "a\"b");
        assert_eq!(Args::decode_event("[7]").unwrap().0, "7");
        for bad in
            ["[]", "{}", "", "[null]", "[{}]", r#"["connect"]"#, r#"["disconnecting",1]"#, r#"["a"] x"#, r#"["a""#]
        {
            assert!(Args::decode_event(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hostile_json_is_refused_or_survived() {
        let many = format!("[\"a\"{}]", ",1".repeat(MAX_ARGS));
        assert!(Args::decode_event(&many).is_err());
        let deep = format!("[\"a\",{}{}]", "[".repeat(200_000), "]".repeat(200_000));
        let (_, args) = Args::decode_event(&deep).unwrap();
        assert!(args.parse::<serde_json::Value>(0).is_err(), "serde_json's depth limit");
        assert!(!args.placeholders_within(1));
    }

    #[test]
    fn placeholders_must_exist() {
        let args = |json| Args::decode(json).unwrap();
        assert!(
            args(r#"[{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1}]}]"#).placeholders_within(2)
        );
        assert!(!args(r#"[{"_placeholder":true,"num":2}]"#).placeholders_within(2));
        assert!(!args(r#"[{"_placeholder":true,"num":-1}]"#).placeholders_within(2));
        assert!(!args(r#"[{"_placeholder":true}]"#).placeholders_within(2));
    }

    #[test]
    fn auth_is_an_object_or_nothing() {
        assert_eq!(auth::<serde_json::Value>("").unwrap(), serde_json::json!({}));
        assert_eq!(auth::<serde_json::Value>(r#"{"token":"123"}"#).unwrap()["token"], "123");
        for bad in ["[]", "1", "{", "null"] {
            assert!(auth::<serde_json::Value>(bad).is_err(), "{bad}");
        }
    }
}
