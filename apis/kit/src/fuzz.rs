//! Entry points for fuzzing: what clients send is understood or refused, never a panic.

use crate::{app::Proxies, body, desk, door, time};
use axum::http::{HeaderMap, HeaderValue, header};
use convo_domain::{clock::Timestamp, error::Kind, message::Draft};
use serde_json::{Map, Value};
use std::net::{IpAddr, Ipv4Addr};

/// The data of a chat frame on a meeting socket, as far as it can be judged without the meeting.
pub fn fuzz_chat(input: &[u8]) {
    let data = match body::json::<Map<String, Value>>(input) {
        Ok(data) => data,
        Err(error) => return assert!(matches!(error.kind, Kind::Malformed | Kind::Invalid)),
    };
    let text = |field: &str| data.get(field).and_then(Value::as_str);
    let _ = Draft::new(text("content").unwrap_or_default()).and_then(|draft| draft.nonce(text("client_message_id")));
    let _ = desk::message_kind(text("message_type"));
    let private = data.get("is_private");
    match desk::private_to(private, data.get("recipient_user_id")) {
        Ok(Some(_)) => assert_ne!(private, Some(&Value::Bool(false)), "what has a recipient is private"),
        Ok(None) => assert_ne!(private, Some(&Value::Bool(true)), "what is private has a recipient"),
        Err(error) => assert_eq!(error.kind, Kind::Invalid),
    }
}

/// A moment. Written in either way, it is read as the same moment.
pub fn fuzz_time(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(at) = time::parse("field", text) else { return };
    for written in [time::rfc3339(at), time::without_zone(at)] {
        assert_eq!(time::parse("field", &written).ok(), Some(at), "{written}");
    }
    let Timestamp(end) = time::parse_end("field", text).expect("what is a moment may be the end of a period");
    assert!((0..24 * 3_600 * 1_000_000).contains(&(end - at.0)));
}

/// The headers that say who asks: the first line is `Authorization`, the others are `X-Forwarded-For`.
pub fn fuzz_door(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let mut headers = HeaderMap::new();
    headers.extend(lines.next().map(|line| (header::AUTHORIZATION, line)));
    for line in lines {
        headers.append("x-forwarded-for", line);
    }
    if let Some(token) = door::bearer(&headers) {
        assert!(!token.is_empty() && token == token.trim());
    }
    let near = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let far = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let proxies = Proxies(vec![(near, 8), (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 9)]);
    assert_eq!(door::client_address(&headers, Some(far), &proxies), far, "nobody else's headers are believed");
    let found = door::client_address(&headers, Some(near), &proxies);
    assert!(found == near || headers.contains_key("x-forwarded-for"));
    assert_eq!(found, found.to_canonical());
}
