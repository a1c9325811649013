//! The pump between one WebSocket and one session: frames in become steps, events of the session become frames out.
//!
//! - Frames are looked at in order. A step that runs on ([`Step::Go`]) was polled once before the next frame is looked
//!   at, so posts reach the store in the order in which they came, though they are under way together.
//! - All that waits for the client leaves in one write.
//! - A write that makes no progress closes the socket; what the client may not read in time is bounded by its mailbox.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use convo_domain::{
    error::Result,
    event::Told,
    id::RoomId,
    limit, message,
    session::{Batch, Close, Session},
};
use futures_util::{SinkExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{collections::HashMap, future::poll_fn, sync::Arc, task::Poll, time::Duration};
use tokio::time::{Instant, MissedTickBehavior};

/// Bytes of one frame or message from a client.
pub const FRAME_BYTES: usize = 1024 * 1024;
/// Bytes read from a socket at a time: a client's frames are small, and every idle client keeps this much.
pub const READ_BUFFER: usize = 2 * 1024;
/// Bytes gathered before a write: what waits for a client leaves together.
pub const WRITE_BUFFER: usize = 8 * 1024;
/// Steps under way for one client; above, its socket is not read.
const UNDER_WAY: usize = 64;
/// Events taken from the mailbox at a time.
const BATCH: usize = 128;
/// A ping this often, and silence of twice that is a dead connection.
const PING: Duration = Duration::from_secs(25);
/// A write that takes longer has nobody at its other end.
const WRITE: Duration = Duration::from_secs(20);
/// How long the other side may take over its half of the goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

/// The upgrade with our bounds and buffers.
pub fn sized(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(FRAME_BYTES)
        .max_frame_size(FRAME_BYTES)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
}

/// What a frame leads to.
pub enum Step {
    /// Done already.
    Now(Vec<Reply>),
    /// Goes on beside the frames that follow.
    Go(BoxFuture<'static, Vec<Reply>>),
    /// Must be done before the next frame is looked at.
    Wait(BoxFuture<'static, Vec<Reply>>),
}

/// What a step asks the pump to do.
pub enum Reply {
    Text(String),
    /// Send what the room has after this number, then go on live.
    CatchUp(RoomId, i64),
    Close(u16, &'static str),
}

/// One API's words on its socket.
pub trait Live: Send + Sync + 'static {
    fn session(&self) -> &Session;
    fn frame(self: &Arc<Self>, text: &str) -> Step;
    /// The event in this API's words, UTF-8; `None`: not spoken of here.
    fn word(&self, told: &Told) -> Option<Bytes>;
    /// A message read again from the store.
    fn word_message(&self, message: &message::Message) -> Option<Bytes>;
    /// Messages after `seq` as this client may see them, a page.
    fn missed(&self, room: RoomId, seq: i64) -> BoxFuture<'static, Result<Vec<message::Message>>>;
    /// The close code and reason.
    fn farewell(&self, why: Close) -> (u16, &'static str) {
        farewell(why)
    }
    /// The connection is over; `goodbye`: the client closed it in order.
    fn gone(self: Arc<Self>, goodbye: bool) -> BoxFuture<'static, ()>;
}

/// WebSocket close codes (RFC 6455, 7.4; 4000 and up are ours).
pub fn farewell(why: Close) -> (u16, &'static str) {
    match why {
        Close::Revoked => (4401, "logged out"),
        Close::Removed => (4403, "removed"),
        Close::Denied => (4403, "denied"),
        Close::MeetingEnded => (1000, "meeting ended"),
        Close::Left => (1000, "left"),
        Close::TooSlow => (1013, "too slow; reconnect and resume"),
        Close::Restart => (1012, "the server restarts; reconnect"),
    }
}

/// Runs until either side ends it.
pub async fn run<L: Live>(socket: WebSocket, live: Arc<L>) {
    let (end, socket) = {
        let mut pump = Pump {
            socket,
            live: live.clone(),
            floors: HashMap::new(),
            firsts: HashMap::new(),
            under_way: FuturesUnordered::new(),
            waiting: None,
            heard: Instant::now(),
        };
        (pump.run().await, pump.socket)
    };
    tokio::join!(live.gone(matches!(end, End::Goodbye)), hang_up(socket));
}

/// Ends a connection in order (RFC 6455, 7.1.2): the client's close frame is answered, the answer to ours is waited for. A
/// socket that is just dropped is an abnormal end (1006) to the client, whatever was said before.
pub async fn hang_up(mut socket: WebSocket) {
    let rest = async { while let Some(Ok(_)) = socket.next().await {} };
    let _ = tokio::time::timeout(GOODBYE, rest).await;
}

enum End {
    Goodbye,
    Lost,
    Ours,
}

struct Pump<L> {
    socket: WebSocket,
    live: Arc<L>,
    /// Up to which number a room was sent out of the store: live events up to there were sent already.
    floors: HashMap<RoomId, i64>,
    /// The first message of a room that this connection was sent: all after it were sent too, or are on their way.
    firsts: HashMap<RoomId, i64>,
    under_way: FuturesUnordered<BoxFuture<'static, Vec<Reply>>>,
    waiting: Option<BoxFuture<'static, Vec<Reply>>>,
    heard: Instant,
}

impl<L: Live> Pump<L> {
    async fn run(&mut self) -> End {
        let mut ping = tokio::time::interval_at(Instant::now() + PING, PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reads = self.waiting.is_none() && self.under_way.len() < UNDER_WAY;
            let ended = tokio::select! {
                frame = self.socket.next(), if reads => self.frame(frame).await,
                Some(replies) = self.under_way.next() => self.reply(replies).await,
                replies = wait(&mut self.waiting), if self.waiting.is_some() => {
                    self.waiting = None;
                    self.reply(replies).await
                }
                batch = self.live.session().next(BATCH) => self.batch(batch).await,
                _ = ping.tick() => self.ping().await,
            };
            if let Some(end) = ended {
                return end;
            }
        }
    }

    async fn frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Option<End> {
        self.heard = Instant::now();
        let step = match frame {
            Some(Ok(Message::Text(text))) => self.live.frame(&text),
            Some(Ok(Message::Binary(bytes))) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.live.frame(text),
                Err(_) => return self.close(1003, "text frames only").await,
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return None,
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code);
                return Some(if matches!(code, 1000 | 1001 | 1005) { End::Goodbye } else { End::Lost });
            }
            Some(Err(_)) | None => return Some(End::Lost),
        };
        match step {
            Step::Now(replies) => self.reply(replies).await,
            Step::Go(mut work) => match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
                Poll::Ready(replies) => self.reply(replies).await,
                Poll::Pending => {
                    self.under_way.push(work);
                    None
                }
            },
            Step::Wait(work) => {
                self.waiting = Some(work);
                None
            }
        }
    }

    async fn reply(&mut self, replies: Vec<Reply>) -> Option<End> {
        let mut out = Vec::new();
        for reply in replies {
            match reply {
                Reply::Text(text) => out.push(Message::Text(text.into())),
                Reply::CatchUp(room, seq) => {
                    if let Some(end) = self.send(std::mem::take(&mut out)).await {
                        return Some(end);
                    }
                    // What came live before the client asked is not sent again.
                    let until = self.firsts.get(&room).copied().unwrap_or(i64::MAX);
                    if let Some(end) = self.catch_up(room, seq, until).await {
                        return Some(end);
                    }
                }
                Reply::Close(code, reason) => {
                    if let Some(end) = self.send(std::mem::take(&mut out)).await {
                        return Some(end);
                    }
                    return self.close(code, reason).await;
                }
            }
        }
        self.send(out).await
    }

    async fn batch(&mut self, batch: Batch) -> Option<End> {
        let mut out = Vec::with_capacity(batch.told.len());
        for told in &batch.told {
            if self.sent_already(told) {
                continue;
            }
            out.extend(self.live.word(told).and_then(text));
        }
        if let Some(end) = self.send(out).await {
            return Some(end);
        }
        for (room, seq) in batch.lagged {
            if let Some(end) = self.catch_up(room, seq, i64::MAX).await {
                return Some(end);
            }
        }
        let why = batch.close?;
        let (code, reason) = self.live.farewell(why);
        self.close(code, reason).await
    }

    fn sent_already(&mut self, told: &Told) -> bool {
        let Some(seq) = told.seq() else { return false };
        if self.floors.get(&told.room).is_some_and(|floor| seq <= *floor) {
            return true;
        }
        // Live has caught up with the store.
        self.floors.remove(&told.room);
        self.firsts.entry(told.room).or_insert(seq);
        false
    }

    /// Sends what the store has after `seq` and before `until`, page by page; live events wait in the mailbox meanwhile.
    async fn catch_up(&mut self, room: RoomId, mut seq: i64, until: i64) -> Option<End> {
        let first = self.firsts.entry(room).or_insert(seq + 1);
        *first = (seq + 1).min(*first);
        loop {
            let mut page = match self.live.missed(room, seq).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(?error, "a session could not be caught up");
                    return self.close(1011, "could not catch up; reconnect and resume").await;
                }
            };
            let full = page.len() as i64 >= limit::CATCH_UP;
            page.retain(|message| message.seq < until);
            let done = !full || (page.len() as i64) < limit::CATCH_UP;
            seq = page.last().map_or(seq, |message| message.seq);
            let out = page.iter().filter_map(|message| self.live.word_message(message)).filter_map(text).collect();
            let floor = self.floors.entry(room).or_insert(seq);
            *floor = seq.max(*floor);
            if let Some(end) = self.send(out).await {
                return Some(end);
            }
            if done {
                return None;
            }
        }
    }

    async fn ping(&mut self) -> Option<End> {
        if self.heard.elapsed() > PING * 2 + PING / 2 {
            return Some(End::Lost);
        }
        self.send(vec![Message::Ping(Bytes::new())]).await
    }

    /// All of it in one write.
    async fn send(&mut self, out: Vec<Message>) -> Option<End> {
        if out.is_empty() {
            return None;
        }
        let write = async {
            for message in out {
                self.socket.feed(message).await?;
            }
            self.socket.flush().await
        };
        match tokio::time::timeout(WRITE, write).await {
            Ok(Ok(())) => None,
            Ok(Err(_)) | Err(_) => Some(End::Lost),
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Option<End> {
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = self.send(vec![Message::Close(Some(frame))]).await;
        Some(End::Ours)
    }
}

async fn wait(waiting: &mut Option<BoxFuture<'static, Vec<Reply>>>) -> Vec<Reply> {
    match waiting {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

fn text(bytes: Bytes) -> Option<Message> {
    Utf8Bytes::try_from(bytes).ok().map(Message::Text)
}
