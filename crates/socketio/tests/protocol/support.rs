//! A server with a scripted application, and clients that can misbehave.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use convo_socketio::{
    Ack, App, Closed, Config, Connect, Denied, Event, EventPacket, Feed, Frame, Later, Reason, Refusal, Reply,
    SocketIo, event_packet,
};
use convo_tap::{Tap, Tapped};
use futures_util::task::AtomicWaker;
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longer than anything here takes, and a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What the application is told to do by its events:
///
/// * `echo` sends arguments and attachments back; `flood` sends for ever; `burst n` sends n events;
/// * `hold n` logs `start n`, waits for the gate, logs `end n`, and acknowledges;
/// * `close` says `bye` and closes the feed; `lose` closes it for a while, as if it had run over; `panic` panics; `lag` puts a gap into the feed.
///
/// The auth payload `{"slow": true}` has the connect wait for the gate, and `{"later": true}` is put off; `/none`
/// is no namespace.
pub(crate) struct Script {
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    pub(crate) gate: Arc<Semaphore>,
    /// Frames that the flood has given.
    pub(crate) flooded: Arc<Mutex<usize>>,
    /// Of all sockets, in the order in which they came.
    mailboxes: Mutex<Vec<Arc<Mailbox>>>,
}

#[derive(Default)]
struct Mailbox {
    state: Mutex<(Vec<Frame>, bool, Option<Closed>)>,
    task: AtomicWaker,
    /// Who takes the frames beside the task is to find a defect.
    broken: AtomicBool,
}

pub(crate) struct Socket {
    namespace: Arc<str>,
    takes_offsets: bool,
    said: u64,
    mailbox: Arc<Mailbox>,
    flooded: Arc<Mutex<usize>>,
}

impl Mailbox {
    fn push(&self, frames: impl IntoIterator<Item = Frame>) {
        self.state.lock().0.extend(frames);
        self.task.wake();
    }
}

impl Socket {
    fn push(&self, frames: impl IntoIterator<Item = Frame>) {
        self.mailbox.push(frames);
    }
}

impl Feed for Socket {
    fn poll_frames(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<Result<(), Closed>> {
        self.mailbox.task.register(cx.waker());
        let mut state = self.mailbox.state.lock();
        let (frames, flooding, closed) = &mut *state;
        out.append(frames);
        if *flooding {
            out.push(Frame::Packet(event_packet(&self.namespace, "flood", &["x".repeat(10_000)]).unwrap()));
            *self.flooded.lock() += 1;
        }
        match (closed.take(), out.is_empty()) {
            (Some(closed), _) => Poll::Ready(Err(closed)),
            (_, true) => Poll::Pending,
            (_, false) => Poll::Ready(Ok(())),
        }
    }

    fn poll_beside(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<bool> {
        assert!(!self.mailbox.broken.load(Ordering::Relaxed), "as the test asked");
        self.mailbox.task.register(cx.waker());
        match &mut *self.mailbox.state.lock() {
            (frames, false, None) if frames.is_empty() => Poll::Pending,
            (frames, false, None) => {
                out.append(frames);
                Poll::Ready(true)
            }
            _ => Poll::Ready(false),
        }
    }
}

impl App for Script {
    type Socket = Socket;

    async fn connect(&self, connect: &Connect) -> Result<Socket, Denied> {
        if &*connect.namespace == "/none" {
            return Err(Refusal::invalid_namespace().into());
        }
        if connect.auth["later"] == true {
            return Err(Denied::Later);
        }
        if connect.auth["slow"] == true {
            self.log.lock().push("connecting".into());
            self.gate.acquire().await.unwrap().forget();
        }
        self.log.lock().push(format!("connect {}", connect.namespace));
        let remote = connect.handshake.remote().map(|address| address.ip().to_string());
        let seen = json!([{
            "remote": remote,
            "token": connect.handshake.query("token"),
            "agent": connect.handshake.header(&http::header::USER_AGENT),
        }]);
        let socket = Socket {
            namespace: connect.namespace.clone(),
            takes_offsets: connect.takes_offsets,
            said: 0,
            mailbox: Arc::default(),
            flooded: self.flooded.clone(),
        };
        self.mailboxes.lock().push(socket.mailbox.clone());
        if connect.auth["tell"] == true {
            socket.push([Frame::Packet(event_packet(&socket.namespace, "seen", &seen).unwrap())]);
        }
        Ok(socket)
    }

    fn event(&self, socket: &mut Socket, event: Event<'_>) -> Reply {
        let args: Vec<Value> = (0..event.args.len()).map(|index| event.args.parse(index).unwrap()).collect();
        match &*event.name {
            "echo" => {
                let back =
                    EventPacket { attachments: &event.attachments, ..EventPacket::new(&socket.namespace, "echo") };
                socket.push([Frame::Packet(back.encode(&args).unwrap())]);
            }
            "hold" => return hold(self.log.clone(), self.gate.clone(), args[0].clone()),
            "burst" => {
                let frames: Vec<_> = (0..args[0].as_u64().unwrap()).map(|_| say(socket)).collect();
                socket.push(frames);
            }
            "flood" => {
                socket.mailbox.state.lock().1 = true;
                socket.mailbox.task.wake();
            }
            "lag" => socket.push([Frame::Gap]),
            "close" => {
                socket.push([Frame::Packet(event_packet(&socket.namespace, "bye", &[1]).unwrap())]);
                socket.mailbox.state.lock().2 = Some(Closed::Dismissed);
            }
            "lose" => {
                let last = say(socket);
                socket.push([last]);
                socket.mailbox.state.lock().2 = Some(Closed::Lost);
            }
            "panic" => panic!("as the test asked"),
            other => panic!("{other}?"),
        }
        Box::pin(async { Ack::new(&["ok"]).ok() })
    }

    fn park(&self, _: &mut Socket, reason: Reason) -> Option<u128> {
        self.log.lock().push(format!("park {reason}"));
        Some(1)
    }

    async fn recover(&self, _: &mut Socket, connect: &Connect) -> Result<bool, Later> {
        if connect.auth["later"] == true { Err(Later) } else { Ok(connect.auth["revoked"] != true) }
    }

    fn disconnect(&self, socket: Socket, reason: Reason) {
        self.log.lock().push(format!("disconnect {} {reason}", socket.namespace));
    }
}

/// The next numbered event, recoverable where that is possible.
fn say(socket: &mut Socket) -> Frame {
    socket.said += 1;
    let packet = event_packet(&socket.namespace, "n", &[socket.said]).unwrap();
    let offset: Arc<str> = format!("o{}", socket.said).into();
    match socket.takes_offsets {
        true => Frame::Recoverable { packet: packet.with_offset(&offset), offset },
        false => Frame::Packet(packet),
    }
}

fn hold(log: Arc<Mutex<Vec<String>>>, gate: Arc<Semaphore>, n: Value) -> Reply {
    Box::pin(async move {
        log.lock().push(format!("start {n}"));
        gate.acquire().await.unwrap().forget();
        log.lock().push(format!("end {n}"));
        Ack::new(&[n]).ok()
    })
}

pub(crate) struct Server {
    pub(crate) socketio: SocketIo<Script>,
    pub(crate) address: SocketAddr,
    waiting: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start(config: Config) -> Self {
        let script = Script {
            log: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            flooded: Arc::default(),
            mailboxes: Mutex::default(),
        };
        let socketio = SocketIo::new(script, config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = Arc::<AtomicUsize>::default();
        let router = socketio.router::<()>().layer(from_fn_with_state(waiting.clone(), count_waiting));
        let service = router.into_make_service_with_connect_info::<Door>();
        tokio::spawn(async move { axum::serve(Plain(listener), service).await });
        Self { socketio, address, waiting }
    }

    /// Sends a GET, and returns when the server has it and lets it wait.
    pub(crate) async fn pending_get(&self, query: &str) -> TcpStream {
        self.pending("GET", query, "", "").await
    }

    /// Sends a request, all of it or not, and returns when the server has it and lets it wait.
    pub(crate) async fn pending(&self, method: &str, query: &str, headers: &str, body: &str) -> TcpStream {
        let before = self.waiting.load(Ordering::Relaxed);
        let stream = self.send(method, query, headers, body).await;
        until(|| self.waiting.load(Ordering::Relaxed) > before, || "a request that waits".into()).await;
        stream
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.socketio.app().log.lock().clone()
    }

    /// Gives frames to the socket that came as number `index`, and wakes whoever is to be woken.
    pub(crate) fn tell(&self, index: usize, frames: impl IntoIterator<Item = Frame>) {
        let mailbox = self.socketio.app().mailboxes.lock()[index].clone();
        mailbox.push(frames);
    }

    /// Whoever takes frames of this socket beside its task finds a defect.
    pub(crate) fn break_down(&self, index: usize) {
        self.socketio.app().mailboxes.lock()[index].broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn gate(&self) -> &Semaphore {
        &self.socketio.app().gate
    }

    /// Waits until the application's log has `entry`.
    pub(crate) async fn logged(&self, entry: &str) {
        let what = || format!("{entry:?} in {:?}", self.log());
        until(|| self.log().iter().any(|other| other == entry), what).await;
    }

    pub(crate) async fn get(&self, query: &str) -> (u16, String) {
        self.request("GET", query, "").await
    }

    pub(crate) async fn post(&self, query: &str, body: &str) -> (u16, String) {
        self.request("POST", query, body).await
    }

    /// One HTTP request on a connection of its own: status and body.
    pub(crate) async fn request(&self, method: &str, query: &str, body: &str) -> (u16, String) {
        let mut stream = self.send(method, query, &format!("content-length: {}\r\n", body.len()), body).await;
        response(&mut stream).await
    }

    /// Sends a request and leaves its answer to the caller.
    pub(crate) async fn send(&self, method: &str, query: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("{method} /socket.io/?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Opens a polling session; gives the query of its requests.
    pub(crate) async fn polling(&self) -> String {
        let (status, body) = self.get("EIO=4&transport=polling").await;
        assert_eq!(status, 200);
        let open: Value = serde_json::from_str(body.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(open["upgrades"], json!(["websocket"]));
        format!("EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap())
    }

    /// A WebSocket after its `open` packet.
    pub(crate) async fn websocket(&self) -> WebSocket {
        let mut socket = self.upgrade("EIO=4&transport=websocket").await;
        let open = socket.text().await;
        assert!(open.starts_with("0{") && open.contains(r#""upgrades":[]"#), "{open}");
        socket
    }

    /// A WebSocket in a namespace.
    pub(crate) async fn joined(&self) -> WebSocket {
        let mut socket = self.websocket().await;
        socket.send("40").await;
        let answer = socket.text().await;
        assert!(answer.starts_with(r#"40{"sid":""#), "{answer}");
        socket
    }

    pub(crate) async fn upgrade(&self, query: &str) -> WebSocket {
        let url = format!("ws://{}/socket.io/?{query}", self.address);
        WebSocket(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }
}

/// Accepts plain connections, each with its tap.
struct Plain(TcpListener);

impl Listener for Plain {
    type Io = Tapped;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Tapped, SocketAddr) {
        let (stream, peer) = self.0.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        (Tapped::new(stream), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[derive(Clone)]
struct Door(Tap, SocketAddr);

impl Connected<IncomingStream<'_, Plain>> for Door {
    fn connect_info(stream: IncomingStream<'_, Plain>) -> Self {
        Self(stream.io().tap(), *stream.remote_addr())
    }
}

/// Tells the server of the connection, and counts the requests whose handler has begun and could not answer at once.
async fn count_waiting(
    State(waiting): State<Arc<AtomicUsize>>,
    ConnectInfo(Door(tap, peer)): ConnectInfo<Door>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(tap);
    let mut response = pin!(next.run(request));
    let mut polled_before = false;
    poll_fn(|cx| {
        let polled = response.as_mut().poll(cx);
        if polled.is_pending() && !std::mem::replace(&mut polled_before, true) {
            waiting.fetch_add(1, Ordering::Relaxed);
        }
        polled
    })
    .await
}

pub(crate) async fn response(stream: &mut TcpStream) -> (u16, String) {
    let mut response = String::new();
    within(stream.read_to_string(&mut response)).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {response:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub(crate) struct WebSocket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl WebSocket {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.0.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Message {
        within(self.0.next()).await.expect("an open socket").expect("no error")
    }

    pub(crate) async fn text(&mut self) -> String {
        self.next().await.into_text().unwrap().to_string()
    }

    /// What lies in the client's end, read while no task can run.
    pub(crate) fn lying_there(&self) -> Vec<u8> {
        use std::io::Read as _;
        let MaybeTlsStream::Plain(stream) = self.0.get_ref() else { panic!("a plain connection") };
        let mut stream = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned().unwrap());
        let mut bytes = vec![0; 64 * 1024];
        let read = stream.read(&mut bytes);
        bytes.truncate(read.unwrap_or(0));
        bytes
    }

    /// Waits for the end, past anything else; gives the close code if there was one.
    pub(crate) async fn closed(&mut self) -> Option<CloseCode> {
        let mut code = None;
        while let Some(Ok(message)) = within(self.0.next()).await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| frame.code);
            }
        }
        code
    }
}

/// The future's output, or a failed test.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// Waits until `check` holds.
pub(crate) async fn until(check: impl Fn() -> bool, what: impl Fn() -> String) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !check() {
        assert!(tokio::time::Instant::now() < end, "{}", what());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
