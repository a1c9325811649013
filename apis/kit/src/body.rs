//! Bodies, queries and paths, refused in the voice of the API that reads them.

use crate::{door::Again, voice::Voice};
use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::request::Parts,
};
use bytes::{Bytes, BytesMut};
use convo_domain::error::{Error, Kind};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{fmt, marker::PhantomData, pin::pin, time::Duration};
use tokio::time::timeout;

/// Bytes of one request body (contract.md, "Errors").
pub const BODY_BYTES: usize = 1024 * 1024;

/// Over which a body may come.
const BODY: Duration = Duration::from_secs(60);
/// Bytes of a body too large that are still read.
const DRAINED_BYTES: usize = 16 * BODY_BYTES;

/// A JSON body. Not JSON at all: 400. JSON that breaks the type's rules: 422, naming the field.
pub struct Body<T, V>(pub T, PhantomData<V>);

impl<T, V> Body<T, V> {
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<S: Send + Sync, T: DeserializeOwned, V: Voice> FromRequest<S> for Body<T, V> {
    type Rejection = V;

    async fn from_request(request: Request, _: &S) -> Result<Self, V> {
        let bytes = read(request).await?;
        Ok(Self(json(&bytes)?, PhantomData))
    }
}

/// The whole body, in time. Whose body has to be waited for is asked again who they are: they may have logged out meanwhile.
pub async fn read(request: Request) -> Result<Bytes, Error> {
    let again = request.extensions().get::<Again>().cloned();
    let mut whole = pin!(gather(request));
    if let Some(came_with_the_head) = whole.as_mut().now_or_never() {
        return came_with_the_head;
    }
    let late = |_| Error::new(Kind::Malformed, "The body took too long");
    let bytes = timeout(BODY, whole).await.map_err(late)??;
    match again {
        Some(again) => again.look().await.map(|()| bytes),
        None => Ok(bytes),
    }
}

/// One that is too large is read on for a while and thrown away: a client that is still sending would not
/// see our answer otherwise, but a broken connection (RFC 9112, 9.6).
async fn gather(request: Request) -> Result<Bytes, Error> {
    let mut body = request.into_body();
    let (mut kept, mut seen) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::new(Kind::Malformed, "The body could not be read"))?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen > DRAINED_BYTES {
            break;
        }
        if seen <= BODY_BYTES {
            kept.extend_from_slice(&data);
        }
    }
    if seen > BODY_BYTES {
        return Err(Error::new(Kind::TooLarge, "The body is larger than 1 MiB"));
    }
    Ok(kept.freeze())
}

/// Parses JSON in two steps, so that a syntax error and a broken rule are told apart.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // No body at all is as good as `null`: right where the body is optional, and a broken rule where it is not.
    let bytes: &[u8] = if bytes.trim_ascii().is_empty() { b"null" } else { bytes };
    if bytes.trim_ascii_start().starts_with(b"[") {
        // Serde would take a list of the fields' values for the object.
        return Err(match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Error::invalid("body", "A JSON object is expected"),
            Err(syntax) => explain(".", &syntax),
        });
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        // A text that is no JSON further on is malformed, whatever its beginning breaks.
        match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => explain(&error.path().to_string(), error.inner()),
            Err(syntax) => explain(".", &syntax),
        }
    })?;
    reader.end().map_err(|error| explain(".", &error))?;
    Ok(value)
}

/// As [`json`], from a value that was parsed to see whose it is.
pub fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, error.inner())
    })
}

/// A field that may be left out or `null`, and else is an object: serde would take a list of its fields' values for one.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    field.deserialize_any(Object(PhantomData))
}

/// A field that is there, be it `null`, which clears; one that is left out stays as it is.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// `path`: the field that the error is in, `.` for none.
fn explain(path: &str, error: &serde_json::Error) -> Error {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => {
            // "missing field `title` at line 1 column 2": for people, less the place in a text they did not write.
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or(&text);
            let text = match text.split_once(", expected struct ") {
                Some((found, _)) => format!("{found}, expected an object"),
                None => text.to_owned(),
            };
            Error::invalid("body", if path == "." { text } else { format!("{path}: {text}") })
        }
        Category::Syntax | Category::Eof | Category::Io => Error::new(Kind::Malformed, "The body is not valid JSON"),
    }
}

/// Query parameters.
pub struct Params<T, V>(pub T, PhantomData<V>);

impl<S: Send + Sync, T: DeserializeOwned, V: Voice> FromRequestParts<S> for Params<T, V> {
    type Rejection = V;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, V> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value, PhantomData)),
            Err(rejection) => Err(Error::invalid("query", rejection.body_text()).into()),
        }
    }
}

/// A path segment. One that cannot be a name of the thing is a name of nothing: 404.
pub struct Route<T, V>(pub T, PhantomData<V>);

impl<S: Send + Sync, T: DeserializeOwned + Send, V: Voice> FromRequestParts<S> for Route<T, V> {
    type Rejection = V;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, V> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value, PhantomData)),
            Err(_) => Err(Error::not_found("Resource").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Title {
        #[expect(dead_code, reason = "only its absence is of interest")]
        title: String,
    }

    #[test]
    fn syntax_is_400_and_rules_are_422() {
        let kind = |text: &[u8]| json::<Title>(text).unwrap_err().kind;
        assert_eq!(kind(b"{"), Kind::Malformed);
        assert_eq!(kind(b"{\"title\": \"\\ud800\"}"), Kind::Malformed);
        assert_eq!(kind(b"{\"title\": \"\xff\"}"), Kind::Malformed);
        assert_eq!(kind("[".repeat(100_000).as_bytes()), Kind::Malformed);
        assert_eq!(kind(b""), Kind::Invalid);
        let error = json::<Title>(b"{\"title\": 1}").unwrap_err();
        assert_eq!(
            (error.kind, &error.message[..]),
            (Kind::Invalid, "title: invalid type: integer `1`, expected a string")
        );
        assert_eq!(json::<Title>(b"{}").unwrap_err().message, "missing field `title`");
        assert_eq!(kind(b"{\"title\": 1} trailing"), Kind::Malformed);
        assert!(json::<Option<Title>>(b"").unwrap().is_none());
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Form {
        #[serde(default, deserialize_with = "object")]
        inner: Option<Inner>,
        #[serde(default, deserialize_with = "given")]
        note: Option<Option<String>>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Inner {
        on: bool,
    }

    #[test]
    fn an_object_is_no_list_of_its_values() {
        let refused = |text: &[u8]| {
            let error = json::<Form>(text).unwrap_err();
            (error.kind, error.message.into_owned())
        };
        assert_eq!(refused(b" [null, null]"), (Kind::Invalid, "A JSON object is expected".into()));
        assert_eq!(refused(b"[null").0, Kind::Malformed);
        assert_eq!(refused(b"7").1, "invalid type: integer `7`, expected an object");
        assert_eq!(refused(b"{\"inner\": [true]}").1, "inner: invalid type: sequence, expected an object");
        assert_eq!(refused(b"{\"inner\": {\"on\": 1}}").1, "inner.on: invalid type: integer `1`, expected a boolean");
    }

    #[test]
    fn a_field_that_is_null_is_told_from_one_left_out() {
        let form = |text: &[u8]| json::<Form>(text).unwrap();
        assert_eq!(form(b"{}"), Form { inner: None, note: None });
        assert_eq!(form(b"{\"inner\": null, \"note\": null}"), Form { inner: None, note: Some(None) });
        let full = Form { inner: Some(Inner { on: true }), note: Some(Some("x".into())) };
        assert_eq!(form(b"{\"inner\": {\"on\": true}, \"note\": \"x\"}"), full);
    }
}
