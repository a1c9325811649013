//! The Agent port: any OpenAI-compatible endpoint, `POST {base}/chat/completions`, streamed as server-sent events.

use crate::{compose, config::Config};
use anyhow::Result;
use convo_domain::ports::{Agent, AgentFault, Turn};
use futures_util::{StreamExt, stream::BoxStream};
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(10);
/// Silence of the endpoint, before its first word and between words.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes of one event of the stream; more is not an answer.
const EVENT_BYTES: usize = 256 * 1024;

const INSTRUCTIONS: &str = "You are the assistant of a chat. Answer helpfully and briefly.";

pub(crate) struct OpenAi {
    client: Client,
    url: String,
    key: Option<String>,
    model: String,
    silence: Duration,
}

impl OpenAi {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        // The endpoint may be slow, but never silent for long.
        let silence = std::env::var("AI_TIMEOUT_SECONDS").ok().and_then(|s| s.parse().ok()).map(Duration::from_secs);
        let silence = silence.unwrap_or(SILENCE);
        Ok(Self {
            client: compose::http_client(|| Client::builder().connect_timeout(CONNECT).read_timeout(silence))?,
            url: format!("{}/chat/completions", config.ai_base_url.trim_end_matches('/')),
            key: config.ai_api_key.as_ref().map(|key| key.0.clone()),
            model: config.ai_model.clone(),
            silence,
        })
    }
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

/// What a line of the stream says.
enum Said {
    Words(String),
    Nothing,
    Done,
    Fault,
}

impl Agent for OpenAi {
    fn answer(&self, turns: Vec<Turn>) -> BoxStream<'static, Result<String, AgentFault>> {
        let mut messages = vec![json!({"role": "system", "content": INSTRUCTIONS})];
        messages.extend(
            turns
                .into_iter()
                .map(|turn| json!({"role": if turn.by_agent { "assistant" } else { "user" }, "content": turn.text})),
        );
        let body = json!({"model": self.model, "messages": messages, "stream": true});
        let mut request = self.client.post(&self.url).json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let silence = self.silence;
        let started = async move {
            let response = match tokio::time::timeout(silence, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(fault(&error)),
                Err(_) => return Err(AgentFault::TimedOut),
            };
            if !response.status().is_success() {
                return Err(AgentFault::Refused(response.status().as_u16()));
            }
            Ok(Lines { body: response.bytes_stream().boxed(), buffer: Vec::new(), over: false })
        };
        futures_util::stream::once(started)
            .flat_map(|started| match started {
                Ok(lines) => lines.words().boxed(),
                Err(fault) => futures_util::stream::once(async { Err(fault) }).boxed(),
            })
            .boxed()
    }
}

fn fault(error: &reqwest::Error) -> AgentFault {
    if error.is_timeout() { AgentFault::TimedOut } else { AgentFault::Unreachable }
}

/// The body of the answer, cut into lines (WHATWG HTML, "server-sent events").
struct Lines {
    body: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: Vec<u8>,
    over: bool,
}

impl Lines {
    fn words(self) -> impl futures_util::Stream<Item = Result<String, AgentFault>> {
        futures_util::stream::unfold(self, |mut lines| async move {
            if lines.over {
                return None;
            }
            let said = lines.next_words().await;
            lines.over = !matches!(said, Some(Ok(_)));
            said.map(|said| (said, lines))
        })
    }

    /// `None`: the answer is complete.
    async fn next_words(&mut self) -> Option<Result<String, AgentFault>> {
        loop {
            while let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                match said(&line) {
                    Said::Words(words) => return Some(Ok(words)),
                    Said::Nothing => {}
                    Said::Done => return None,
                    Said::Fault => return Some(Err(AgentFault::BrokenOff)),
                }
            }
            match self.body.next().await {
                Some(Ok(bytes)) if self.buffer.len() + bytes.len() <= EVENT_BYTES => self.buffer.extend(bytes),
                Some(Ok(_)) => return Some(Err(AgentFault::BrokenOff)),
                Some(Err(error)) if error.is_timeout() => return Some(Err(AgentFault::TimedOut)),
                // The stream ends with "[DONE]"; whatever else ends it broke it off.
                Some(Err(_)) | None => return Some(Err(AgentFault::BrokenOff)),
            }
        }
    }
}

fn said(line: &[u8]) -> Said {
    let Some(data) = line.strip_prefix(b"data:") else { return Said::Nothing };
    let data = data.trim_ascii();
    if data == b"[DONE]" {
        return Said::Done;
    }
    match serde_json::from_slice::<Chunk>(data) {
        Ok(Chunk { error: Some(_), .. }) | Err(_) => Said::Fault,
        Ok(chunk) => {
            let words: String = chunk.choices.into_iter().filter_map(|choice| choice.delta.content).collect();
            if words.is_empty() { Said::Nothing } else { Said::Words(words) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_stream() {
        let words = |line: &str| match said(line.as_bytes()) {
            Said::Words(words) => words,
            Said::Nothing => "-".into(),
            Said::Done => "done".into(),
            Said::Fault => "fault".into(),
        };
        assert_eq!(words("data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n"), "Hi");
        assert_eq!(words("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\r\n"), "-");
        assert_eq!(words(": keep-alive\n"), "-");
        assert_eq!(words("data: [DONE]\n"), "done");
        assert_eq!(words("data: {\"error\":{\"message\":\"no\"}}\n"), "fault");
        assert_eq!(words("data: nonsense\n"), "fault");
    }
}
