//! The room's messages as LiveKit's chat: text streams on the topic `lk.chat`.

use convo_domain::message::Message;
use convo_kit::time::rfc3339;
use convo_sfu::{CHAT_TOPIC, is_chat};
use flate2::read::DeflateDecoder;
use livekit_protocol::{
    DataPacket,
    data_packet::Value,
    data_stream::{Chunk, CompressionType, Header, OperationType, TextHeader, Trailer, header::ContentHeader},
};
use std::{collections::HashMap, io::Read};

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

/// Streams of one participant that may be under way at once; the oldest makes room.
const UNDER_WAY: usize = 32;
/// Bytes of a message, whole; whoever stores it counts characters.
const MESSAGE_BYTES: usize = 64 * 1024;

/// Puts the chat messages of one participant together again, from their packets.
#[derive(Debug, Default)]
pub(crate) struct Collector(Vec<Stream>);

#[derive(Debug)]
struct Stream {
    id: String,
    destinations: Vec<String>,
    compressed: bool,
    bytes: Vec<u8>,
}

/// Whether a message begins with this packet.
pub(crate) fn begins(packet: &DataPacket) -> bool {
    match &packet.value {
        Some(Value::StreamHeader(header)) => is_chat(header),
        Some(Value::ChatMessage(_)) => true,
        _ => false,
    }
}

impl Collector {
    /// The message that this packet completes. What is no chat, or too long, or not for us to read, is passed over.
    pub(crate) fn take(&mut self, packet: DataPacket) -> Option<Chat> {
        let destinations = packet.destination_identities;
        match packet.value? {
            Value::StreamHeader(header) if is_chat(&header) => self.begin(header, destinations),
            Value::StreamChunk(chunk) => {
                let stream = self.0.iter_mut().find(|stream| stream.id == chunk.stream_id)?;
                stream.bytes.extend_from_slice(&chunk.content);
                if stream.bytes.len() > MESSAGE_BYTES {
                    self.0.retain(|stream| stream.id != chunk.stream_id);
                }
                None
            }
            Value::StreamTrailer(trailer) => {
                let index = self.0.iter().position(|stream| stream.id == trailer.stream_id)?;
                self.0.remove(index).finish()
            }
            // As older SDKs send it.
            Value::ChatMessage(message) => Some(Chat { id: message.id, text: message.message, destinations }),
            _ => None,
        }
    }

    fn begin(&mut self, header: Header, destinations: Vec<String>) -> Option<Chat> {
        let compressed = header.compression() == CompressionType::DeflateRaw;
        let (whole, bytes) = (header.inline_content.is_some(), header.inline_content.unwrap_or_default());
        let stream = Stream { id: header.stream_id, destinations, compressed, bytes };
        if whole {
            return stream.finish();
        }
        if self.0.len() == UNDER_WAY {
            self.0.remove(0);
        }
        self.0.push(stream);
        None
    }
}

impl Stream {
    fn finish(self) -> Option<Chat> {
        let Self { id, destinations, compressed, bytes } = self;
        let text = if compressed { inflated(&bytes)? } else { String::from_utf8(bytes).ok()? };
        Some(Chat { id, text, destinations })
    }
}

/// Raw DEFLATE (RFC 1951); what would grow beyond a message is none.
fn inflated(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    let read = DeflateDecoder::new(bytes).take(MESSAGE_BYTES as u64 + 1).read_to_string(&mut text).ok()?;
    (read <= MESSAGE_BYTES).then_some(text)
}

/// The packets of one text stream, from `identity`.
pub(crate) fn packets(message: &Message, identity: &str) -> Vec<DataPacket> {
    let stream_id = message.id.to_string();
    let header = Header {
        stream_id: stream_id.clone(),
        timestamp: message.created_at.0.div_euclid(1_000),
        topic: CHAT_TOPIC.into(),
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

    fn collected(packets: Vec<DataPacket>) -> Option<Chat> {
        let mut collector = Collector::default();
        let mut chats: Vec<_> = packets.into_iter().filter_map(|packet| collector.take(packet)).collect();
        assert!(chats.len() < 2 && collector.0.is_empty(), "{chats:?}");
        chats.pop()
    }

    #[test]
    fn packets_make_the_message_again() {
        for text in ["hello".to_owned(), "x€".repeat(9_000)] {
            let message = message(&text);
            let chat = collected(packets(&message, "ann_1")).unwrap();
            assert_eq!((chat.text, chat.id), (text, message.id.to_string()));
        }
        assert!(collected(packets(&message(&"x".repeat(MESSAGE_BYTES + 1)), "ann_1")).is_none(), "too long");
        let mut elsewhere = packets(&message("hello"), "ann_1");
        if let Some(Value::StreamHeader(header)) = &mut elsewhere[0].value {
            header.topic = "other".into();
        }
        assert!(collected(elsewhere).is_none());
    }

    #[test]
    fn compressed_messages_within_a_bound() {
        use flate2::{Compression, read::DeflateEncoder};
        let sent = |text: &str| {
            let mut bytes = Vec::new();
            DeflateEncoder::new(text.as_bytes(), Compression::best()).read_to_end(&mut bytes).unwrap();
            let mut packets = packets(&message(""), "ann_1");
            let Some(Value::StreamHeader(header)) = &mut packets[0].value else { unreachable!("a header comes first") };
            header.compression = CompressionType::DeflateRaw.into();
            header.inline_content = Some(bytes);
            packets.truncate(1);
            collected(packets).map(|chat| chat.text)
        };
        assert_eq!(sent("hello").as_deref(), Some("hello"));
        assert_eq!(sent(&"x".repeat(MESSAGE_BYTES)).map(|text| text.len()), Some(MESSAGE_BYTES));
        assert_eq!(sent(&"x".repeat(10 << 20)), None, "a bomb");
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
