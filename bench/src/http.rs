//! As much of an HTTP/1.1 client as the benchmark needs: keep-alive, bodies with `Content-Length`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

/// How long a set-up request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One whole response at the start of a buffer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Range<usize>,
}

/// The response that `bytes` begin with, or `None` while it is incomplete.
pub(crate) fn response(bytes: &[u8]) -> Result<Option<Response>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(begin) = head.parse(bytes)? else { return Ok(None) };
    let status = head.code.context("a response without a status")?;
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = match length {
        Some(header) => std::str::from_utf8(header.value)?.trim().parse()?,
        // 1xx and 204 have no body (RFC 9110, section 6.4.1).
        None if status < 200 || status == 204 => 0,
        None => return Err(anyhow!("a response without Content-Length (status {status})")),
    };
    let body = begin..begin + length;
    Ok((body.end <= bytes.len()).then_some(Response { status, body }))
}

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Vec<u8> {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}");
    let content = match body.len() {
        0 if method == "GET" => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!("{head}{content}\r\n{body}").into_bytes()
}

/// A blocking client, for setting things up.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Sends a request and reads the answer, whatever its status.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.stream.write_all(request)?;
        let mut bytes = Vec::new();
        loop {
            if let Some(response) = response(&bytes)? {
                return Ok((response.status, bytes[response.body].to_vec()));
            }
            let mut chunk = [0; 16 * 1024];
            let read = self.stream.read(&mut chunk)?;
            ensure!(read > 0, "the server closed the connection");
            bytes.extend_from_slice(&chunk[..read]);
        }
    }

    /// Sends a request whose answer must be a success with a JSON body.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value> {
        let (status, bytes) = self.exchange(&request(method, path, token, body))?;
        let text = String::from_utf8_lossy(&bytes);
        ensure!((200..300).contains(&status), "{method} {path} answered {status}: {text}");
        serde_json::from_slice(&bytes).with_context(|| format!("{method} {path} answered no JSON: {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_complete_with_its_last_byte() {
        let bytes = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1";
        let whole = response(bytes).unwrap().expect("it is complete");
        assert_eq!((whole.status, &bytes[whole.body]), (201, &b"{}"[..]));
        assert!(response(&bytes[..44]).unwrap().is_none());
    }
}
