//! A WebSocket that carries protobuf messages, in either of LiveKit's framings: binary, or JSON as text. The server speaks
//! what the client spoke last.

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use convo_kit::pump;
use futures_util::{SinkExt, StreamExt};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// Bytes of one message.
const MESSAGE_BYTES: usize = 2 * 1024 * 1024;
/// A write that takes longer has nobody at its other end.
const WRITE: Duration = Duration::from_secs(20);

pub(crate) type Frame = Option<Result<Message, axum::Error>>;

/// The connection is over.
#[derive(Debug)]
pub(crate) struct Over;

pub(crate) struct Line {
    socket: WebSocket,
    json: bool,
}

/// The upgrade with our bounds.
pub(crate) fn sized(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    pump::sized(upgrade).max_message_size(MESSAGE_BYTES).max_frame_size(MESSAGE_BYTES)
}

impl Line {
    pub(crate) fn new(socket: WebSocket) -> Self {
        Self { socket, json: false }
    }

    /// The next frame, for [`Line::hear`]. Cancel safe.
    pub(crate) async fn next(&mut self) -> Frame {
        self.socket.next().await
    }

    /// What the frame says; `None`: nothing (a ping). What can not be right ends the connection, with the reason.
    pub(crate) async fn hear<T>(&mut self, frame: Frame) -> Result<Option<T>, Over>
    where
        T: prost::Message + Default + DeserializeOwned,
    {
        let message = match frame {
            Some(Ok(Message::Binary(bytes))) => {
                self.json = false;
                T::decode(bytes).ok()
            }
            Some(Ok(Message::Text(text))) => {
                self.json = true;
                serde_json::from_str(&text).ok()
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(None),
            Some(Ok(Message::Close(_))) | None => return Err(Over),
            Some(Err(error)) => {
                tracing::debug!(%error, "a LiveKit client's connection broke");
                return self.close(close_code::SIZE, "the message is too large or broken").await.map(|()| None);
            }
        };
        match message {
            Some(message) => Ok(Some(message)),
            None => self.close(close_code::INVALID, "the message cannot be read").await.map(|()| None),
        }
    }

    pub(crate) fn word<T: prost::Message + Serialize>(&self, message: &T) -> Message {
        match self.json {
            // Protobuf messages are JSON objects without fail.
            true => Message::Text(serde_json::to_string(message).unwrap_or_default().into()),
            false => Message::Binary(message.encode_to_vec().into()),
        }
    }

    /// All of it in one write.
    pub(crate) async fn send(&mut self, out: Vec<Message>) -> Result<(), Over> {
        let write = async {
            for message in out {
                self.socket.feed(message).await?;
            }
            self.socket.flush().await
        };
        match tokio::time::timeout(WRITE, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Over),
        }
    }

    /// After the last word of either side.
    pub(crate) async fn hang_up(self) {
        pump::hang_up(self.socket).await;
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), Over> {
        let _ = self.send(vec![Message::Close(Some(CloseFrame { code, reason: reason.into() }))]).await;
        Err(Over)
    }
}
