//! A small server for the tests: it echoes, and it has one room.
//!
//! `cargo run -p convo-socketio --example echo` prints `listening on 127.0.0.1:PORT`. Events:
//!
//! * `message` comes back as `message-back`, `message-with-ack` in the acknowledgement;
//! * `append n ms` notes `n` at once, waits, and acknowledges everything noted before it;
//! * `join` enters the room, `say text` tells it `said {n, text}` (recoverable), `typing` tells it
//!   `typed {}` (not recoverable), `leave` leaves it;
//! * `ask` has the server ask `question`, and tell the client the answer as `answered`;
//! * `lag` makes as if the mailbox had overflowed, `kick` disconnects the client;
//! * `sockets` is acknowledged with the number of sockets that are connected or parked.
//!
//! The auth payload `{"token": "bad"}` is refused, at a return too, as is `{"revoked": true}`.
//! Environment, in milliseconds: `PING_INTERVAL`, `PING_TIMEOUT`, `CONNECT_TIMEOUT`, `RECOVERY_WINDOW`; and `PORT`.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::{Listener as _, ListenerExt as _};
use convo_socketio::{
    Ack, App, Args, Closed, Config, Connect, Denied, Event, EventPacket, Feed, Frame, Later, Packet, Reason, Refusal,
    Reply, Sid, SocketIo, event_packet,
};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Frames that wait for one socket before it has lagged.
const MAILBOX_FRAMES: usize = 1024;

/// The one user of this server.
const USER: u128 = 1;

#[derive(Default)]
struct Mailbox {
    queue: Mutex<Queue>,
    task: AtomicWaker,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    closed: bool,
}

impl Mailbox {
    fn push(&self, frame: Frame) {
        let mut queue = self.queue.lock();
        if queue.frames.len() >= MAILBOX_FRAMES {
            queue.frames.clear();
            queue.frames.push_back(Frame::Gap);
        }
        queue.frames.push_back(frame);
        drop(queue);
        self.task.wake();
    }

    fn close(&self) {
        self.queue.lock().closed = true;
        self.task.wake();
    }
}

struct Socket {
    sid: Sid,
    namespace: Arc<str>,
    takes_offsets: bool,
    mailbox: Arc<Mailbox>,
}

impl Socket {
    fn emit(&self, name: &str, args: &Value) {
        self.mailbox.push(Frame::Packet(event_packet(&self.namespace, name, args).expect("a JSON array")));
    }
}

impl Feed for Socket {
    fn poll_frames(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<Result<(), Closed>> {
        self.mailbox.task.register(cx.waker());
        let mut queue = self.mailbox.queue.lock();
        out.extend(std::mem::take(&mut queue.frames));
        match (queue.closed, out.is_empty()) {
            (true, _) => Poll::Ready(Err(Closed::Dismissed)),
            (false, true) => Poll::Pending,
            (false, false) => Poll::Ready(Ok(())),
        }
    }
}

#[derive(Default)]
struct Room {
    members: HashMap<Sid, (Arc<Mailbox>, bool)>,
    said: u64,
}

impl Room {
    /// Encodes once without and once with an offset, whatever the number of members.
    fn say(&mut self, text: &str) -> u64 {
        self.said += 1;
        let plain = event_packet("/", "said", &json!([{ "n": self.said, "text": text }])).expect("a JSON array");
        let offset: Arc<str> = format!("1-{}", self.said).into();
        let marked = Frame::Recoverable { packet: plain.with_offset(&offset), offset };
        let plain = Frame::Packet(plain);
        for (mailbox, takes_offsets) in self.members.values() {
            mailbox.push(if *takes_offsets { marked.clone() } else { plain.clone() });
        }
        self.said
    }

    fn tell(&self, packet: Packet) {
        self.members.values().for_each(|(mailbox, _)| mailbox.push(Frame::Packet(packet.clone())));
    }
}

#[derive(Default)]
struct Echo {
    room: Mutex<Room>,
    noted: Arc<Mutex<Vec<Value>>>,
    sockets: Arc<AtomicUsize>,
}

impl Echo {
    fn is_welcome(auth: &Value) -> bool {
        auth["token"] != "bad" && auth["revoked"] != true
    }
}

impl App for Echo {
    type Socket = Socket;

    async fn connect(&self, connect: &Connect) -> Result<Socket, Denied> {
        if !["/", "/custom", "/socket.io"].contains(&&*connect.namespace) {
            return Err(Refusal::invalid_namespace().into());
        }
        if !Self::is_welcome(&connect.auth) {
            return Err(Refusal::new("Bad token").with_data(json!({ "code": "BAD_TOKEN" })).into());
        }
        self.sockets.fetch_add(1, Ordering::Relaxed);
        let socket = Socket {
            sid: connect.sid,
            namespace: connect.namespace.clone(),
            takes_offsets: connect.takes_offsets,
            mailbox: Arc::default(),
        };
        socket.emit("auth", &json!([connect.auth]));
        Ok(socket)
    }

    fn event(&self, socket: &mut Socket, event: Event<'_>) -> Reply {
        let args: Vec<Value> = (0..event.args.len()).filter_map(|index| event.args.parse(index).ok()).collect();
        let done = |answer: Value| Ack::new(&[answer]).ok();
        let ack = match &*event.name {
            "message" => {
                let attachments = &event.attachments;
                let back = EventPacket { namespace: &socket.namespace, name: "message-back", ack: None, attachments };
                socket.mailbox.push(Frame::Packet(back.encode(&args).expect("a JSON array")));
                None
            }
            "message-with-ack" => Ack::new(&args).ok().map(|ack| ack.with_attachments(event.attachments)),
            "append" => return append(self.noted.clone(), args),
            "join" => {
                let member = (socket.mailbox.clone(), socket.takes_offsets);
                self.room.lock().members.insert(socket.sid, member);
                done(json!({ "ok": true }))
            }
            "leave" => {
                self.room.lock().members.remove(&socket.sid);
                done(json!({ "ok": true }))
            }
            "say" => {
                let n = self.room.lock().say(args.first().and_then(Value::as_str).unwrap_or_default());
                done(json!({ "ok": true, "n": n }))
            }
            "typing" => {
                self.room.lock().tell(event_packet("/", "typed", &json!([{}])).expect("a JSON array"));
                None
            }
            "ask" => {
                let question = EventPacket { ack: Some(7), ..EventPacket::new(&socket.namespace, "question") };
                socket.mailbox.push(Frame::Packet(question.encode(&args).expect("a JSON array")));
                None
            }
            "lag" => {
                socket.mailbox.push(Frame::Gap);
                None
            }
            "kick" => {
                socket.mailbox.close();
                None
            }
            "sockets" => done(json!(self.sockets.load(Ordering::Relaxed))),
            _ => None,
        };
        Box::pin(async move { ack })
    }

    fn ack(&self, socket: &mut Socket, id: u64, args: Args<'_>, attachments: Vec<bytes::Bytes>) {
        let args: Vec<Value> = (0..args.len()).filter_map(|index| args.parse(index).ok()).collect();
        let bytes: usize = attachments.iter().map(bytes::Bytes::len).sum();
        socket.emit("answered", &json!([{ "id": id, "args": args, "bytes": bytes }]));
    }

    fn park(&self, _: &mut Socket, _: Reason) -> Option<u128> {
        Some(USER)
    }

    async fn recover(&self, _: &mut Socket, connect: &Connect) -> Result<bool, Later> {
        Ok(Self::is_welcome(&connect.auth))
    }

    fn disconnect(&self, socket: Socket, reason: Reason) {
        self.room.lock().members.remove(&socket.sid);
        self.sockets.fetch_sub(1, Ordering::Relaxed);
        eprintln!("{} left {}: {reason}", socket.sid, socket.namespace);
    }
}

/// Notes the first argument now, and acknowledges with all that is noted after the second's milliseconds.
fn append(noted: Arc<Mutex<Vec<Value>>>, args: Vec<Value>) -> Reply {
    Box::pin(async move {
        let so_far = {
            let mut noted = noted.lock();
            noted.extend(args.first().cloned());
            noted.clone()
        };
        let wait = args.get(1).and_then(Value::as_u64).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        Ack::new(&[so_far]).ok()
    })
}

fn from_env(name: &str, default: Duration) -> Duration {
    let millis = std::env::var(name).ok().map(|value| value.parse().expect("milliseconds"));
    millis.map_or(default, Duration::from_millis)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let usual = Config::default();
    let config = Config {
        ping_interval: from_env("PING_INTERVAL", usual.ping_interval),
        ping_timeout: from_env("PING_TIMEOUT", usual.ping_timeout),
        connect_timeout: from_env("CONNECT_TIMEOUT", usual.connect_timeout),
        recovery_window: from_env("RECOVERY_WINDOW", usual.recovery_window),
        ..usual
    };
    let server = SocketIo::new(Echo::default(), config);
    let port = std::env::var("PORT").map_or(0, |port| port.parse().expect("a port"));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    // Small answers would wait for the client's delayed acknowledgement, 40 ms, if they came two in a row.
    let listener = listener.tap_io(|tcp| tcp.set_nodelay(true).expect("a TCP socket"));
    println!("listening on {}", listener.local_addr()?);

    let closing = server.clone();
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let router = server.router::<()>().into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            term.recv().await;
            closing.close_all().await;
        })
        .await
}
