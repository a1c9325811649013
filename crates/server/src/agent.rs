//! The Agent port: any OpenAI-compatible endpoint, `POST {base}/chat/completions`, streamed as server-sent events.

use crate::{compose, config::Config};
use anyhow::Result;
use bytes::{Bytes, BytesMut};
use convo_domain::ports::{Agent, AgentFault, Turn};
use futures_util::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use reqwest::Client;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const CONNECT: Duration = Duration::from_secs(10);
/// The whole answer may take so many silences: an endpoint that only keeps the connection alive comes to an end as well.
const SILENCES: u32 = 5;
/// Bytes of one event of the stream; more is not an answer.
const EVENT_BYTES: usize = 256 * 1024;

const INSTRUCTIONS: &str = "You are the assistant of a chat. Answer helpfully and briefly.";

pub(crate) struct OpenAi {
    client: Client,
    url: String,
    key: Option<String>,
    model: String,
    /// Of the endpoint, before its first word and between words.
    silence: Duration,
}

impl OpenAi {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        // The endpoint may be slow, but never silent for long.
        let silence = config.ai_timeout;
        Ok(Self {
            client: compose::http_client(|| Client::builder().connect_timeout(CONNECT).read_timeout(silence))?,
            url: format!("{}/chat/completions", config.ai_base_url.trim_end_matches('/')),
            key: config.ai_api_key.as_ref().map(|key| key.0.clone()),
            model: config.ai_model.clone(),
            silence,
        })
    }
}

/// What a line of the stream says.
#[derive(Debug, PartialEq)]
enum Said {
    /// Words, perhaps none, and the reason if they are the last.
    Part(String, Option<End>),
    Done,
    Fault,
}

/// How an answer ends: the endpoint's `finish_reason`.
type End = Result<(), AgentFault>;

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
            let deadline = Instant::now() + silence * SILENCES;
            let response = match tokio::time::timeout(silence, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(fault(error, AgentFault::Unreachable)),
                Err(_) => return Err(AgentFault::TimedOut),
            };
            if !response.status().is_success() {
                return Err(AgentFault::Refused(response.status().as_u16()));
            }
            Ok(Lines::of(response.bytes_stream(), deadline))
        };
        futures_util::stream::once(started)
            .flat_map(|started| match started {
                Ok(lines) => lines.words().boxed(),
                Err(fault) => futures_util::stream::once(async { Err(fault) }).boxed(),
            })
            .inspect_err(|fault| tracing::warn!(%fault, "the agent's answer is not whole"))
            .boxed()
    }
}

/// A failed connection. The address may hold a password, and is not logged.
fn fault(error: reqwest::Error, otherwise: AgentFault) -> AgentFault {
    let error = error.without_url();
    tracing::warn!(?error, "the connection to the AI endpoint failed");
    if error.is_timeout() { AgentFault::TimedOut } else { otherwise }
}

/// The body of the answer, cut into lines (WHATWG HTML, "server-sent events").
struct Lines {
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    deadline: Instant,
    buffer: BytesMut,
    /// The endpoint said that the answer ends, and why; what still comes (what it cost) has no words.
    end: Option<End>,
    over: bool,
}

impl Lines {
    fn of(body: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static, deadline: Instant) -> Self {
        Self { body: body.boxed(), deadline, buffer: BytesMut::new(), end: None, over: false }
    }

    fn words(self) -> impl Stream<Item = Result<String, AgentFault>> {
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
            let Some(line) = self.next_line().await else { return self.ended(AgentFault::BrokenOff) };
            match line.map(|line| said(&line)) {
                Ok(Said::Part(words, end)) => {
                    self.end = end.or(self.end.take());
                    if !words.is_empty() {
                        return Some(Ok(words));
                    }
                }
                Ok(Said::Done) => return self.end.take().unwrap_or(Ok(())).err().map(Err),
                Ok(Said::Fault) => return Some(Err(AgentFault::BrokenOff)),
                Err(fault) => return self.ended(fault),
            }
        }
    }

    /// The body ends without "[DONE]": as the endpoint said before, or else for this reason.
    fn ended(&mut self, otherwise: AgentFault) -> Option<Result<String, AgentFault>> {
        self.end.take().unwrap_or(Err(otherwise)).err().map(Err)
    }

    /// `None` after the last, which need not have an end.
    async fn next_line(&mut self) -> Option<Result<BytesMut, AgentFault>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                return Some(Ok(self.buffer.split_to(end + 1)));
            }
            if self.buffer.len() > EVENT_BYTES {
                return Some(Err(AgentFault::BrokenOff));
            }
            match timeout_at(self.deadline, self.body.next()).await {
                Err(_) => return Some(Err(AgentFault::TimedOut)),
                Ok(Some(Ok(bytes))) => self.buffer.extend_from_slice(&bytes),
                Ok(Some(Err(error))) => return Some(Err(fault(error, AgentFault::BrokenOff))),
                Ok(None) if self.buffer.is_empty() => return None,
                Ok(None) => return Some(Ok(self.buffer.split())),
            }
        }
    }
}

/// Endpoints leave out, or say `null`, where they have nothing to say.
fn said(line: &[u8]) -> Said {
    let nothing = Said::Part(String::new(), None);
    let Some(data) = line.strip_prefix(b"data:") else { return nothing };
    match data.trim_ascii() {
        b"" => nothing,
        b"[DONE]" => Said::Done,
        data => serde_json::from_slice::<Value>(data).map_or(Said::Fault, |chunk| part(&chunk)),
    }
}

fn part(chunk: &Value) -> Said {
    if !chunk.is_object() || !chunk["error"].is_null() || chunk["object"] == "error" {
        return Said::Fault;
    }
    let choice = &chunk["choices"][0];
    let end = match choice["finish_reason"].as_str() {
        None | Some("") => None,
        Some("length") => Some(Err(AgentFault::CutOff)),
        Some("content_filter") => Some(Err(AgentFault::Filtered)),
        Some("error") => Some(Err(AgentFault::BrokenOff)),
        Some(_) => Some(Ok(())),
    };
    Said::Part(text(&choice["delta"]["content"]), end)
}

/// Thinking models say parts, of which some are for people.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter(|part| part["type"] == "text").filter_map(|part| part["text"].as_str()).collect()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(60);

    /// What is made of an answer that comes in these pieces.
    async fn told(pieces: &[&str]) -> (String, Option<AgentFault>) {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from(piece.to_string()))).collect();
        collect(Lines::of(futures_util::stream::iter(pieces), Instant::now() + SILENCE)).await
    }

    async fn collect(lines: Lines) -> (String, Option<AgentFault>) {
        let mut words = std::pin::pin!(lines.words());
        let mut text = String::new();
        while let Some(said) = words.next().await {
            match said {
                Ok(said) => text += &said,
                Err(fault) => return (text, Some(fault)),
            }
        }
        (text, None)
    }

    fn whole(text: &str) -> (String, Option<AgentFault>) {
        (text.into(), None)
    }

    fn broken(text: &str, fault: AgentFault) -> (String, Option<AgentFault>) {
        (text.into(), Some(fault))
    }

    const HI: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    #[tokio::test]
    async fn lines_of_the_stream() {
        for nothing in [
            "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\r\n\r\n",
            "data: {\"choices\":[{\"delta\":null}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":null},\"finish_reason\":null}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":5},\"finish_reason\":\"\"}]}\n\n",
            "data: {\"choices\":null,\"usage\":{\"total_tokens\":5}}\n\n",
            "data: {\"choices\":[],\"error\":null}\n\n",
            "data:\n\n",
            "data: \n\n",
            ": keep-alive\n\n",
            "event: message\n",
        ] {
            assert_eq!(told(&[HI, nothing, HI, DONE]).await, whole("HiHi"), "{nothing}");
        }
        let middle = HI.len() / 2;
        assert_eq!(told(&[&HI[..middle], &HI[middle..], DONE]).await, whole("Hi"));
        let thinking = "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"text\":\"Well\"},\
                        {\"type\":\"text\",\"text\":\"Hello\"}]}}]}\n\n";
        assert_eq!(told(&[thinking, DONE]).await, whole("Hello"));
    }

    #[tokio::test]
    async fn an_answer_is_whole_when_the_endpoint_says_so() {
        assert_eq!(told(&[HI, DONE]).await, whole("Hi"));
        assert_eq!(told(&[HI, "data: [DONE]"]).await, whole("Hi"));
        assert_eq!(told(&[HI, STOP]).await, whole("Hi"));
        assert_eq!(told(&[HI, STOP, "data: {\"choices\":[],\"usage\":{}}\n\n", DONE]).await, whole("Hi"));
        let last = "data: {\"choices\":[{\"delta\":{\"content\":\"!\"},\"finish_reason\":\"stop\"}]}";
        assert_eq!(told(&[HI, last]).await, whole("Hi!"));
        assert_eq!(told(&[HI]).await, broken("Hi", AgentFault::BrokenOff));
        assert_eq!(told(&[]).await, broken("", AgentFault::BrokenOff));
    }

    #[tokio::test]
    async fn an_answer_that_is_not_whole_says_why() {
        let ended =
            |reason: &str| format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n");
        assert_eq!(told(&[HI, &ended("length"), DONE]).await, broken("Hi", AgentFault::CutOff));
        assert_eq!(told(&[HI, &ended("length")]).await, broken("Hi", AgentFault::CutOff));
        assert_eq!(told(&[&ended("content_filter"), DONE]).await, broken("", AgentFault::Filtered));
        for fault in [
            "data: {\"error\":{\"message\":\"no\"}}\n\n",
            "data: {\"object\":\"error\",\"message\":\"no\"}\n\n",
            "data: nonsense\n\n",
            "data: \"nonsense\"\n\n",
        ] {
            assert_eq!(told(&[HI, fault, DONE]).await, broken("Hi", AgentFault::BrokenOff), "{fault}");
        }
    }

    #[tokio::test]
    async fn a_line_has_a_limit_and_a_burst_of_lines_has_none() {
        let burst = HI.repeat(2 * EVENT_BYTES / HI.len());
        let (text, fault) = told(&[&burst, DONE]).await;
        assert_eq!((text.len(), fault), (2 * burst.len() / HI.len(), None));
        let long = format!("data: {}", "x".repeat(EVENT_BYTES));
        assert_eq!(told(&[HI, &long, DONE]).await, broken("Hi", AgentFault::BrokenOff));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_only_keeps_alive_ends() {
        let alive = async |pieces: &'static [&str]| {
            let first = futures_util::stream::iter(pieces).map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
            let rest =
                futures_util::stream::repeat_with(|| Ok(Bytes::from_static(b": PROCESSING\n\n"))).then(async |alive| {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    alive
                });
            collect(Lines::of(first.chain(rest), Instant::now() + SILENCE * SILENCES)).await
        };
        let began = Instant::now();
        assert_eq!(alive(&[HI]).await, broken("Hi", AgentFault::TimedOut));
        assert_eq!(began.elapsed(), SILENCE * SILENCES);
        assert_eq!(alive(&[HI, STOP]).await, whole("Hi"));
    }
}
