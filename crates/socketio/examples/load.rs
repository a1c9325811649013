//! Measures a running `echo` server from outside: `load PORT PID idle 3000` and `load PORT PID fanout 500`.
//!
//! `idle` tells the resident memory that each idle WebSocket client costs. `fanout` has one client speak to a room
//! of all, four messages under way, and tells deliveries per second of the server's processor time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

const FANOUT_TIME: Duration = Duration::from_secs(10);
const UNDER_WAY: usize = 4;

/// What a browser sends, so that the server has as much to keep.
const HEADERS: [(&str, &str); 7] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    ),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.9,de;q=0.8"),
    ("cache-control", "no-cache"),
    ("pragma", "no-cache"),
    ("origin", "http://localhost:8000"),
    ("cookie", "session=4f1c2b6d9e8a7f0b4f1c2b6d9e8a7f0b4f1c2b6d9e8a7f0b"),
];

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, pid, what, count] = &args[..] else { panic!("PORT PID idle|fanout COUNT") };
    let (port, pid, count) = (number(port) as u16, number(pid), number(count));
    match what.as_str() {
        "idle" => idle(port, pid, count).await,
        "fanout" => fanout(port, pid, count).await,
        other => panic!("{other}?"),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

async fn connect(port: u16) -> Client {
    let url = format!("ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket");
    let mut request = url.into_client_request().expect("a URL");
    for (name, value) in HEADERS {
        request.headers_mut().insert(name, value.parse().expect("a header"));
    }
    let (mut client, _) = connect_async(request).await.expect("a connection");
    next(&mut client).await;
    client.send(Message::text(r#"40{"token":"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"}"#)).await.expect("sent");
    // CONNECT's answer, then `auth`.
    next(&mut client).await;
    next(&mut client).await;
    client
}

async fn next(client: &mut Client) -> Message {
    client.next().await.expect("not closed").expect("no error")
}

async fn idle(port: u16, pid: usize, count: usize) {
    // The first clients pay for what is there once: buffers of the runtime and the allocator.
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(connect(port).await);
    }
    let before = rss_kib(pid);
    for _ in 0..count {
        clients.push(connect(port).await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = rss_kib(pid);
    let each = (after - before) as f64 / count as f64;
    println!("{before} KiB, with {count} idle clients {after} KiB: {each:.2} KiB each");
    let (start, cpu) = (Instant::now(), cpu_seconds(pid));
    let heartbeats = Duration::from_secs(30);
    let answering = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            while let Some(Ok(message)) = client.next().await {
                if message.to_text().is_ok_and(|text| text == "2") && client.send(Message::text("3")).await.is_err() {
                    break;
                }
            }
        })
    });
    let answering: Vec<_> = answering.collect();
    tokio::time::sleep(heartbeats).await;
    let cpu = (cpu_seconds(pid) - cpu) / start.elapsed().as_secs_f64();
    println!("heartbeats: {:.3} ms/s for 1,000 clients; now {} KiB", cpu * 1e6 / count as f64, rss_kib(pid));
    answering.iter().for_each(|task| task.abort());
}

async fn fanout(port: u16, pid: usize, count: usize) {
    let delivered = Arc::new(AtomicU64::new(0));
    for _ in 0..count {
        let mut client = connect(port).await;
        client.send(Message::text(r#"420["join"]"#)).await.expect("sent");
        next(&mut client).await;
        let delivered = delivered.clone();
        tokio::spawn(async move {
            let mut last = 0;
            while let Some(Ok(message)) = client.next().await {
                let text = message.to_text().unwrap_or_default();
                if text == "2" {
                    client.send(Message::text("3")).await.expect("sent");
                } else if let Some(rest) = text.strip_prefix(r#"42["said",{"n":"#) {
                    let n: u64 = rest.split(',').next().and_then(|n| n.parse().ok()).expect("a number");
                    assert!(last == 0 || n == last + 1, "{n} after {last}");
                    last = n;
                    delivered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let mut speaker = connect(port).await;
    let say = Message::text(format!(r#"421["say","{}"]"#, "lorem ipsum ".repeat(8)));
    for _ in 0..UNDER_WAY {
        speaker.send(say.clone()).await.expect("sent");
    }
    let (start, cpu, from) = (Instant::now(), cpu_seconds(pid), delivered.load(Ordering::Relaxed));
    let mut said = 0;
    while start.elapsed() < FANOUT_TIME {
        let message = next(&mut speaker).await;
        let answer = if message.to_text().is_ok_and(|text| text == "2") { Message::text("3") } else { say.clone() };
        said += 1;
        // Waits for the room, or the mailboxes would overflow.
        while delivered.load(Ordering::Relaxed) - from + (200 * count as u64) < said * count as u64 {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        speaker.send(answer).await.expect("sent");
    }
    let (time, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds(pid) - cpu);
    let deliveries = (delivered.load(Ordering::Relaxed) - from) as f64;
    println!(
        "{count} in the room: {deliveries} deliveries in {time:.1} s, {cpu:.2} CPU-s: {:.0} per CPU-second; {} KiB",
        deliveries / cpu,
        rss_kib(pid)
    );
}

fn rss_kib(pid: usize) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    number(line.split_whitespace().nth(1).expect("a value"))
}

/// Time on a processor, of all threads, from the scheduler's nanoseconds.
fn cpu_seconds(pid: usize) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let nanos = threads.map(|thread| {
        let path = thread.expect("a thread").path().join("schedstat");
        let stat = std::fs::read_to_string(path).expect("scheduler statistics");
        number(stat.split(' ').next().expect("a value"))
    });
    nanos.sum::<usize>() as f64 / 1e9
}
