//! A pump that sleeps: whoever has an event for its client writes it, as far as the client reads. And stories: a reader of any
//! speed, whatever comes when, is sent every message once. And time: who reads stays, who is silent does not.

use axum::{
    Router,
    extract::{
        ConnectInfo, State, WebSocketUpgrade, connect_info::Connected, ws::rejection::WebSocketUpgradeRejection,
    },
    response::Response,
    routing::any,
    serve::{IncomingStream, Listener},
};
use bytes::Bytes;
use convo_domain::{
    clock::Timestamp,
    error,
    event::{Audience, Event, Told},
    id::{MessageId, RoomId, UserId},
    limit,
    message::{Message, MessageKind},
    session::{Close, Mailbox, Session},
    user::Party,
};
use convo_kit::pump::{self, Live, Reply, Step};
use convo_tap::{Tap, Tapped};
use futures_util::future::BoxFuture;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpSocket, TcpStream},
    task::yield_now,
    time::Instant,
};

/// Far less than what the tests say, so that a client that does not read soon fills it.
const SOCKET_BYTES: u32 = 4 * 1024;
/// Characters of a long message: some of them fill a socket, and none ends where it is full.
const LONG: usize = 1_500;
/// Messages of this length, a second each, make a line of the slow kind.
const LONGER: usize = 8_000;
const PING: u8 = 0x89;
/// Under the mask that changes nothing.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];
/// The number of a message that there are no words for.
const UNSPEAKABLE: i64 = 1_000_000;

/// What is stored in a room that the client may not read any more.
const SHUT: i64 = -1;

/// One client's session; the store behind it has all messages up to `stored`.
struct Client {
    session: Session,
    room: RoomId,
    length: usize,
    stored: Arc<AtomicI64>,
}

impl Live for Client {
    fn session(&self) -> &Session {
        &self.session
    }

    fn frame(self: &Arc<Self>, text: &str) -> Step {
        let after = text.strip_prefix("resume ").map(|after| after.parse().unwrap());
        Step::Now(vec![after.map_or_else(|| Reply::Text(text.into()), |after| Reply::CatchUp(self.room, after))])
    }

    fn word(&self, told: &Told) -> Option<Bytes> {
        assert_ne!(told.seq(), Some(UNSPEAKABLE), "a defect");
        self.word_message(told.event.message()?)
    }

    fn word_message(&self, message: &Message) -> Option<Bytes> {
        let number = message.seq.to_string();
        Some(format!("{}{number}", "0".repeat(self.length - number.len())).into())
    }

    fn missed(&self, room: RoomId, seq: i64) -> BoxFuture<'static, error::Result<Vec<Message>>> {
        let (stored, content) = (self.stored.clone(), "x".repeat(self.length));
        Box::pin(async move {
            yield_now().await;
            if stored.load(Ordering::Relaxed) == SHUT {
                return Err(error::Error::forbidden("out"));
            }
            let last = stored.load(Ordering::Relaxed).min(seq + limit::CATCH_UP);
            let page = (seq + 1..=last).map(|seq| Message { content: content.clone(), ..message(room, seq) }).collect();
            yield_now().await;
            Ok(page)
        })
    }

    fn gone(self: Arc<Self>, _: bool) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

fn message(room: RoomId, seq: i64) -> Message {
    Message {
        id: MessageId::new(),
        number: seq,
        room,
        room_number: 1,
        seq,
        sender: Party::User(UserId::new()),
        sender_number: 1,
        sender_name: "Ann".into(),
        content: "hi".into(),
        kind: MessageKind::Text,
        recipient: None,
        nonce: None,
        created_at: Timestamp(seq),
    }
}

/// Accepts plain connections with small buffers.
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

/// Accepts the one connection that there is, in memory: its time is the test's.
struct InMemory(Option<DuplexStream>);

impl Listener for InMemory {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.take() {
            Some(stream) => (stream, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone)]
struct Door(Option<Tap>);

impl Connected<IncomingStream<'_, Plain>> for Door {
    fn connect_info(stream: IncomingStream<'_, Plain>) -> Self {
        Self(Some(stream.io().tap()))
    }
}

impl Connected<IncomingStream<'_, InMemory>> for Door {
    fn connect_info(_: IncomingStream<'_, InMemory>) -> Self {
        Self(None)
    }
}

async fn door(
    ConnectInfo(Door(tap)): ConnectInfo<Door>,
    State(client): State<Arc<Client>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, WebSocketUpgradeRejection> {
    Ok(pump::sized(upgrade?).on_upgrade(move |socket| pump::run(socket, tap, client)))
}

/// The server's end of a client, and the client's own.
struct Pair<S = TcpStream> {
    room: RoomId,
    mailbox: Arc<Mailbox>,
    stored: Arc<AtomicI64>,
    stream: S,
}

impl Pair {
    /// A client whose pump sleeps.
    async fn connected(length: usize, stored: i64) -> Self {
        let listener = small().listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        Self::over(length, stored, Plain(listener), small().connect(address).await.unwrap()).await
    }
}

impl Pair<DuplexStream> {
    async fn in_memory(length: usize, stored: i64) -> Self {
        let (client, server) = tokio::io::duplex(SOCKET_BYTES as usize);
        Self::over(length, stored, InMemory(Some(server)), client).await
    }

    /// Frames of a client that reads one each second, as they are: the numbers of `count` messages. Pings are answered.
    async fn hear_slowly(&mut self, count: usize) -> Vec<i64> {
        let mut heard = Vec::new();
        while heard.len() < count {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match self.frame().await {
                (0x81, text) => heard.push(String::from_utf8(text).unwrap().parse().unwrap()),
                (first, _) => {
                    assert_eq!(first, PING);
                    self.stream.write_all(&PONG).await.unwrap();
                }
            }
        }
        heard
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pair<S> {
    async fn over<L>(length: usize, stored: i64, listener: L, stream: S) -> Self
    where
        L: Listener,
        L::Addr: std::fmt::Debug,
        Door: for<'a> Connected<IncomingStream<'a, L>>,
    {
        let (mailbox, room) = (Arc::new(Mailbox::default()), RoomId::new());
        let session = Session::new(1, mailbox.clone(), Arc::new(|_| {}));
        let stored = Arc::new(AtomicI64::new(stored));
        let client = Arc::new(Client { session, room, length, stored: stored.clone() });
        let router = Router::new().route("/", any(door)).with_state(client);
        let service = router.into_make_service_with_connect_info::<Door>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let mut pair = Self { room, mailbox, stored, stream };
        pair.upgrade().await;
        pair.greet().await;
        pair
    }

    async fn upgrade(&mut self) {
        const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        self.stream.write_all(REQUEST).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    }

    /// When its word comes back the pump has nothing else to do.
    async fn greet(&mut self) {
        self.say("hi").await;
        assert_eq!(self.frame().await, (0x81, b"hi".to_vec()));
    }

    /// Under the mask that changes nothing.
    async fn say(&mut self, text: &str) {
        let head = [0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        self.stream.write_all(&[&head, text.as_bytes()].concat()).await.unwrap();
    }

    /// Puts messages into the mailbox, and wakes whoever is to be woken.
    fn tell(&self, seqs: impl IntoIterator<Item = i64>) {
        for seq in seqs {
            let event = Event::Posted(message(self.room, seq));
            self.mailbox.hold(&Arc::new(Told::new(self.room, Audience::Room, event)), 1);
        }
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.mailbox.stir() {
            waker.wake();
        }
    }

    /// The next frame: its first byte and its payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let first = self.stream.read_u8().await.unwrap();
        let length = match self.stream.read_u8().await.unwrap() {
            126 => self.stream.read_u16().await.unwrap().into(),
            127 => self.stream.read_u64().await.unwrap() as usize,
            length => length.into(),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.unwrap();
        (first, payload)
    }

    /// The message of the next frame, which has `length` characters.
    async fn hear(&mut self, length: usize) -> i64 {
        let (first, text) = self.frame().await;
        assert_eq!((first, text.len()), (0x81, length));
        String::from_utf8(text).unwrap().parse().unwrap()
    }
}

fn small() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(SOCKET_BYTES).unwrap();
    socket.set_recv_buffer_size(SOCKET_BYTES).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

/// Bytes that lie in the client's end, read while no task can run.
fn lying_there(pair: Pair) -> (Vec<u8>, Pair) {
    use io::Read as _;
    let Pair { room, mailbox, stored, stream } = pair;
    let mut stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut bytes = vec![0; 64 * 1024];
    let read = stream.read(&mut bytes);
    bytes.truncate(read.unwrap_or(0));
    stream.set_nonblocking(true).unwrap();
    (bytes, Pair { room, mailbox, stored, stream: TcpStream::from_std(stream).unwrap() })
}

#[tokio::test]
async fn an_event_is_written_by_who_brings_it() {
    let pair = Pair::connected(2, 0).await;
    pair.tell(1..=3);
    let (bytes, mut pair) = lying_there(pair);
    assert_eq!(bytes, b"\x81\x0201\x81\x0202\x81\x0203", "no task has run");
    // The pump is as good as before.
    pair.greet().await;
    pair.tell([4]);
    let (bytes, _) = lying_there(pair);
    assert_eq!(bytes, b"\x81\x0204");
}

#[tokio::test]
async fn frames_of_every_length() {
    for length in [1, 125, 126, 127, 65_535, 65_536] {
        let mut pair = Pair::connected(length, 0).await;
        pair.tell(1..=2);
        assert_eq!((pair.hear(length).await, pair.hear(length).await), (1, 2));
    }
}

#[tokio::test]
async fn a_slow_reader_holds_up_nobody_and_misses_no_byte() {
    let (mut slow, mut fast) = (Pair::connected(LONG, 0).await, Pair::connected(LONG, 0).await);
    let last = limit::MAILBOX as i64;
    for seq in 1..=last {
        slow.tell([seq]);
        fast.tell([seq]);
        assert_eq!(fast.hear(LONG).await, seq);
    }
    assert!(slow.mailbox.len() > 100, "what does not leave waits in the mailbox");
    for seq in 1..=last {
        assert_eq!(slow.hear(LONG).await, seq);
    }
    slow.greet().await;
    slow.tell([last + 1]);
    assert_eq!(slow.hear(LONG).await, last + 1);
}

#[tokio::test]
async fn a_reader_too_slow_for_its_mailbox_gets_the_rest_from_the_store() {
    let all = 3 * limit::MAILBOX as i64;
    let mut slow = Pair::connected(LONG, all).await;
    for seq in 1..=all {
        slow.tell([seq]);
        yield_now().await;
    }
    for seq in 1..=all {
        assert_eq!(slow.hear(LONG).await, seq);
    }
    slow.greet().await;
}

#[tokio::test]
async fn what_the_mailbox_loses_while_the_store_is_read_is_sent_once() {
    let (begun, all) = (2 * limit::MAILBOX as i64, 4 * limit::MAILBOX as i64);
    let mut slow = Pair::connected(LONG, all).await;
    slow.tell(1..=begun);
    for seq in 1..=begun {
        assert_eq!(slow.hear(LONG).await, seq);
    }
    slow.tell(begun + 1..=all);
    for seq in begun + 1..=all {
        assert_eq!(slow.hear(LONG).await, seq);
    }
    slow.greet().await;
}

#[tokio::test]
async fn who_is_shut_out_of_a_room_has_missed_nothing_there_and_stays_for_the_others() {
    let mut slow = Pair::connected(LONG, SHUT).await;
    slow.tell(1..=2 * limit::MAILBOX as i64);
    slow.greet().await;
}

#[tokio::test]
async fn a_session_that_ends_while_the_store_is_read_is_read_no_further() {
    let all = 20 * limit::MAILBOX as i64;
    let mut slow = Pair::connected(LONGER, all).await;
    slow.tell(1..=2 * limit::MAILBOX as i64);
    assert_eq!(slow.hear(LONGER).await, 1);
    if let Some(waker) = slow.mailbox.close(Close::Revoked) {
        waker.wake();
    }
    let mut heard = 1;
    let end = loop {
        match slow.frame().await {
            (0x81, _) => heard += 1,
            end => break end,
        }
    };
    // A page ends by its bytes, too.
    assert!(heard <= limit::CATCH_UP_BYTES / LONGER + 1, "{heard} of {all}");
    assert_eq!(end, (0x88, [&4401_u16.to_be_bytes()[..], b"logged out"].concat()));
}

#[tokio::test]
async fn who_is_put_out_is_heard_no_more() {
    let mut pair = Pair::connected(2, 0).await;
    // Nobody is woken for the end: the frame finds the pump as it is before it has seen that.
    let asleep = pair.mailbox.close(Close::Revoked);
    pair.say("hi").await;
    assert_eq!(pair.frame().await, (0x88, [&4401_u16.to_be_bytes()[..], b"logged out"].concat()));
    drop(asleep);
}

#[tokio::test]
async fn the_end_of_a_session_comes_after_what_was_said() {
    let mut pair = Pair::connected(2, 0).await;
    pair.mailbox.hold(&Arc::new(Told::new(pair.room, Audience::Room, Event::Posted(message(pair.room, 1)))), 1);
    pair.mailbox.close(Close::Removed).unwrap().wake();
    assert_eq!(pair.hear(2).await, 1);
    assert_eq!(pair.frame().await, (0x88, [&4403_u16.to_be_bytes()[..], b"removed"].concat()));
}

#[tokio::test]
async fn who_breaks_is_told_to_come_again_and_breaks_nobody_else() {
    let (mut broken, mut other) = (Pair::connected(7, 0).await, Pair::connected(7, 0).await);
    broken.tell([1, UNSPEAKABLE]);
    other.tell([1]);
    assert_eq!(broken.frame().await, (0x88, [&1011_u16.to_be_bytes()[..], b"internal error"].concat()));
    assert_eq!(other.hear(7).await, 1);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_stays_though_no_ping_gets_through() {
    let (missed, all) = (limit::CATCH_UP, limit::CATCH_UP + 128);
    let mut slow = Pair::in_memory(LONGER, missed).await;
    slow.say("resume 0").await;
    assert_eq!(slow.hear_slowly(missed as usize).await, (1..=missed).collect::<Vec<_>>());
    slow.tell(missed + 1..=all);
    assert_eq!(slow.hear_slowly((all - missed) as usize).await, (missed + 1..=all).collect::<Vec<_>>());
    // It is asked whether it is there, now that this can reach it.
    assert_eq!(slow.frame().await.0, PING);
    slow.stream.write_all(&PONG).await.unwrap();
    slow.greet().await;
}

#[tokio::test(start_paused = true)]
async fn who_answers_no_ping_is_not_kept() {
    let mut silent = Pair::in_memory(LONGER, limit::CATCH_UP).await;
    silent.say("resume 0").await;
    silent.hear_slowly(limit::CATCH_UP as usize).await;
    let fell_silent = Instant::now();
    let mut pings = Vec::new();
    silent.stream.read_to_end(&mut pings).await.unwrap();
    assert!(pings.starts_with(&[PING, 0]) && fell_silent.elapsed().as_secs() <= 100, "{:?}", fell_silent.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_is_not_kept() {
    let mut stuck = Pair::in_memory(LONGER, limit::CATCH_UP).await;
    stuck.say("resume 0").await;
    tokio::time::sleep(Duration::from_secs(21)).await;
    let mut taken = Vec::new();
    stuck.stream.read_to_end(&mut taken).await.unwrap();
    assert!(taken.len() < 2 * LONGER, "{}", taken.len());
}

/// Messages of a room whose numbers up to `before` were there before the client was.
struct Story {
    random: StdRng,
    pair: Pair,
    before: i64,
    /// Up to here they were told live.
    told: i64,
    /// After which number the client asked for what it had missed.
    resumed: Option<i64>,
    heard: Vec<i64>,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let before = random.random_range(0..600);
        let pair = Pair::connected(LONG, before).await;
        Self { random, pair, before, told: before, resumed: None, heard: vec![] }
    }

    /// A message is stored before it is told.
    fn tell(&mut self, count: i64) {
        let last = self.told + count;
        let ahead = last + self.random.random_range(0..20);
        self.pair.stored.fetch_max(ahead, Ordering::Relaxed);
        self.pair.tell(self.told + 1..=last);
        self.told = last;
    }

    /// How many the client is still to be sent, at least.
    fn missing(&self) -> usize {
        let missed = self.resumed.map_or(0, |after| self.before - after);
        let before = self.heard.iter().filter(|seq| **seq <= self.told).count();
        (missed + self.told - self.before) as usize - before
    }

    async fn hear(&mut self, most: usize) {
        for _ in 0..most {
            if self.missing() == 0 {
                return;
            }
            self.heard.push(self.pair.hear(LONG).await);
        }
    }

    async fn go_on(&mut self) {
        match self.random.random_range(0..8) {
            0 | 1 => {
                let count = self.random.random_range(1..20);
                self.tell(count);
            }
            2 => {
                let count = self.random.random_range(100..2 * limit::MAILBOX as i64);
                self.tell(count);
            }
            3 | 4 => self.hear(20).await,
            5 => self.hear(400).await,
            6 if self.resumed.is_none() => {
                let after = self.random.random_range(0..=self.before);
                self.resumed = Some(after);
                self.pair.say(&format!("resume {after}")).await;
            }
            _ => yield_now().await,
        }
    }

    /// Everything once, what is new in its order.
    async fn end(mut self) {
        let last = self.pair.stored.load(Ordering::Relaxed);
        self.pair.tell(self.told + 1..=last);
        self.told = last;
        self.hear(usize::MAX).await;
        self.pair.greet().await;
        let (new, mut old): (Vec<i64>, Vec<i64>) = self.heard.iter().partition(|seq| **seq > self.before);
        assert_eq!(new, (self.before + 1..=last).collect::<Vec<_>>());
        let after = self.resumed.unwrap_or(self.before);
        old.sort_unstable();
        assert_eq!(old, (after + 1..=self.before).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn every_message_is_sent_once_however_it_is_read() {
    for seed in 0..60 {
        println!("story {seed}");
        let told = async {
            let mut story = Story::begin(seed).await;
            for _ in 0..40 {
                story.go_on().await;
            }
            story.end().await;
        };
        tokio::time::timeout(Duration::from_secs(60), told).await.expect("it goes on");
    }
}
