//! The room's messages as LiveKit's chat: text streams on the topic `lk.chat`.

use convo_domain::message::Message;
use convo_kit::time::rfc3339;
use livekit_protocol::{
    DataPacket,
    data_packet::Value,
    data_stream::{Chunk, Header, OperationType, TextHeader, Trailer, header::ContentHeader},
};
use std::collections::HashMap;

const TOPIC: &str = "lk.chat";
/// Bytes of one packet's text: data channels carry 16 KiB everywhere.
const CHUNK: usize = 15_000;
/// Destinations of one message at most: each is a message of its own.
pub(crate) const DESTINATIONS: usize = 20;

/// A chat message of a participant, as the media told it.
#[derive(Debug)]
pub(crate) struct Chat {
    /// The stream's id: a retry has the same.
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) destinations: Vec<String>,
}

/// The packets of one text stream, from `identity`.
pub(crate) fn packets(message: &Message, identity: &str) -> Vec<DataPacket> {
    let stream_id = message.id.to_string();
    let header = Header {
        stream_id: stream_id.clone(),
        timestamp: message.created_at.0.div_euclid(1_000),
        topic: TOPIC.into(),
        mime_type: "text/plain".into(),
        total_length: Some(message.content.len() as u64),
        attributes: attributes(message),
        content_header: Some(ContentHeader::TextHeader(TextHeader {
            operation_type: OperationType::Create as i32,
            ..TextHeader::default()
        })),
        ..Header::default()
    };
    let chunk = |(index, text): (usize, &str)| Chunk {
        stream_id: stream_id.clone(),
        chunk_index: index as u64,
        content: text.into(),
        ..Chunk::default()
    };
    let chunks = chunks(&message.content).enumerate().map(|numbered| Value::StreamChunk(chunk(numbered)));
    let trailer = Trailer { stream_id: stream_id.clone(), ..Trailer::default() };
    let values = std::iter::once(Value::StreamHeader(header)).chain(chunks);
    values
        .chain([Value::StreamTrailer(trailer)])
        .map(|value| DataPacket {
            participant_identity: identity.to_owned(),
            value: Some(value),
            ..DataPacket::default()
        })
        .collect()
}

/// What the other APIs show beside the text.
fn attributes(message: &Message) -> HashMap<String, String> {
    let mut attributes = HashMap::from([
        ("message_id".to_owned(), message.id.to_string()),
        ("seq".to_owned(), message.seq.to_string()),
        ("sender_name".to_owned(), message.sender_name.clone()),
        ("timestamp".to_owned(), rfc3339(message.created_at)),
    ]);
    if let Some(user) = message.sender_user() {
        attributes.insert("sender_user_id".into(), user.to_string());
    }
    if message.is_private() {
        attributes.insert("is_private".into(), "true".into());
    }
    attributes
}

/// The text in pieces, none of which ends within a character.
fn chunks(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(text.floor_char_boundary(CHUNK));
        text = rest;
        Some(piece).filter(|piece| !piece.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use convo_domain::{
        clock::Timestamp,
        id::{MessageId, RoomId, UserId},
        message::MessageKind,
        user::Party,
    };

    fn message(content: &str) -> Message {
        Message {
            id: MessageId::new(),
            number: 1,
            room: RoomId::new(),
            room_number: 1,
            seq: 7,
            sender: Party::User(UserId::new()),
            sender_number: 1,
            sender_name: "Ann".into(),
            content: content.into(),
            kind: MessageKind::Text,
            recipient: None,
            nonce: None,
            created_at: Timestamp::from_seconds(1_700_000_000),
        }
    }

    #[test]
    fn a_message_is_a_text_stream() {
        let packets = packets(&message("hello"), "ann_1");
        let [header, chunk, trailer] = &packets[..] else { panic!("{packets:?}") };
        assert!(packets.iter().all(|packet| packet.participant_identity == "ann_1"));
        let (Some(Value::StreamHeader(header)), Some(Value::StreamChunk(chunk)), Some(Value::StreamTrailer(trailer))) =
            (&header.value, &chunk.value, &trailer.value)
        else {
            panic!("{packets:?}")
        };
        assert_eq!((&header.topic[..], header.total_length, header.timestamp), ("lk.chat", Some(5), 1_700_000_000_000));
        assert_eq!(header.attributes["sender_name"], "Ann");
        assert_eq!(chunk.content, b"hello");
        assert!(chunk.stream_id == header.stream_id && trailer.stream_id == header.stream_id);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long = "x€".repeat(9_000);
        let pieces: Vec<_> = chunks(&long).collect();
        assert_eq!(pieces.concat(), long);
        assert!(pieces.len() == 3 && pieces.iter().all(|piece| piece.len() <= CHUNK));
        assert_eq!(chunks("").count(), 0);
    }
}
