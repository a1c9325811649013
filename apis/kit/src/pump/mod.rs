//! The pump between one WebSocket and one session: frames in become steps, events of the session become frames out.
//!
//! - Frames are looked at in order. A step that runs on ([`Step::Go`]) was polled once before the next frame is looked
//!   at, so posts reach the store in the order in which they came, though they are under way together.
//! - All that waits for the client leaves in one write, and a wake-up is one pass over what there can be: most are for one
//!   event to write.
//! - Until a write is done nothing else is: what the client does not read in time is bounded by its mailbox. A write that
//!   makes no progress closes the socket.
//! - While it sleeps, on a plain connection, whoever has an event for it writes the event ([`stand_in`]).

mod stand_in;

use axum::extract::ws::{CloseFrame, Message, OnFailedUpgrade, WebSocket, WebSocketUpgrade};
use bytes::{Buf, Bytes};
use convo_domain::{
    error::Result,
    event::Told,
    id::RoomId,
    message,
    session::{Close, Session},
};
use convo_tap::Tap;
use futures_util::{FutureExt, SinkExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use stand_in::{StandIn, text};
use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep};

/// Bytes of one frame or message from a client.
pub const FRAME_BYTES: usize = 1024 * 1024;
/// Bytes read from a socket at a time: a client's frames are small, and every idle client keeps this much.
pub const READ_BUFFER: usize = 2 * 1024;
/// Bytes gathered before a write: what waits for a client leaves together.
pub const WRITE_BUFFER: usize = 8 * 1024;
/// Steps under way for one client; above, its socket is not read.
const UNDER_WAY: usize = 64;
/// Frames read before other things get their turn.
const READ_BURST: usize = 32;
/// Tasks for which a client that waits for nothing keeps room.
const IDLE_TASKS: usize = 8;
/// A ping this often, and silence of twice that is a dead connection.
const PING: Duration = Duration::from_secs(25);
/// A write of which nothing leaves for longer has nobody at its other end.
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
    /// From now on the room is heard live, after this number.
    Heard(RoomId, i64),
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

/// The upgrade with our bounds, for a line that listens already: it hears no more if the connection does not come about.
pub fn listening<L: Live>(upgrade: WebSocketUpgrade, live: &Arc<L>) -> WebSocketUpgrade<impl OnFailedUpgrade> {
    let live = live.clone();
    sized(upgrade).on_failed_upgrade(move |_| drop(tokio::spawn(live.gone(false))))
}

/// Runs until either side ends it. `tap`: the socket's connection, if it is a plain one.
pub async fn run<L: Live>(socket: WebSocket, tap: Option<Tap>, live: Arc<L>) {
    let mut pump = Pump::new(socket, tap, live.clone());
    let end = pump.run().await;
    let socket = pump.socket;
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

/// What is to be done for the client, in this order.
enum Task {
    /// The rest of what was written past the library.
    Finish(Tap, Bytes),
    Send(Message),
    /// Send what the store has after a number, because the client asked, or because it read too slowly.
    CatchUp {
        room: RoomId,
        after: i64,
        asked: bool,
    },
    Close(u16, &'static str),
}

struct Pump<L> {
    socket: WebSocket,
    live: Arc<L>,
    stand_in: Arc<StandIn<L>>,
    tasks: VecDeque<Task>,
    under_way: FuturesUnordered<BoxFuture<'static, Vec<Reply>>>,
    waiting: Option<BoxFuture<'static, Vec<Reply>>>,
    ping: Interval,
    /// Something was written that has not left yet.
    unflushed: bool,
    life: Life,
}

/// What is known of whether the client is there.
struct Life {
    heard: Instant,
    /// What waits for the client must have moved by then.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Life {
    /// Some of what waited has left. Whoever reads, however slowly, is there: their deadline is new, and as they could not
    /// be asked meanwhile, for a ping stands behind what waits, they have been silent from now on only.
    fn has_taken(&mut self) {
        if self.deadline.take().is_some() {
            self.heard = Instant::now();
        }
    }
}

impl<L: Live> Pump<L> {
    fn new(socket: WebSocket, tap: Option<Tap>, live: Arc<L>) -> Self {
        let mut ping = interval_at(Instant::now() + PING, PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            socket,
            stand_in: Arc::new(StandIn::new(&live, tap)),
            live,
            tasks: VecDeque::new(),
            under_way: FuturesUnordered::new(),
            waiting: None,
            ping,
            unflushed: false,
            life: Life { heard: Instant::now(), deadline: None },
        }
    }

    async fn run(&mut self) -> End {
        loop {
            let done = match poll_fn(|cx| self.poll_turn(cx)).await {
                Ok(Task::CatchUp { room, after, asked }) => self.catch_up(room, after, asked).await,
                Ok(Task::Close(code, reason)) => self.close(code, reason).await,
                Ok(task @ (Task::Finish(..) | Task::Send(_))) => self.send([task].into()).await,
                Err(end) => Err(end),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Does all that can be done now. Ready with a task that takes time; pending when everything waits, each with its
    /// waker registered.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Task, End>> {
        loop {
            self.tasks.extend(self.stand_in.relieve());
            ready!(self.poll_send(cx))?;
            let stirred = self.work(cx) | self.read(cx)? | self.keep_time(cx)?;
            loop {
                ready!(self.poll_send(cx))?;
                if let Some(task) = self.tasks.pop_front() {
                    return Poll::Ready(Ok(task));
                }
                if !self.hear(cx) {
                    break;
                }
            }
            if !stirred {
                return Poll::Pending;
            }
        }
    }

    /// Writes the messages that wait, all of them in one write.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        match self.poll_flush(cx) {
            Poll::Ready(done) => {
                self.life.has_taken();
                Poll::Ready(done.map_err(|_| End::Lost))
            }
            Poll::Pending => {
                let deadline = self.life.deadline.get_or_insert_with(|| Box::pin(sleep(WRITE)));
                deadline.as_mut().poll(cx).map(|()| Err(End::Lost))
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if let Some(Task::Finish(tap, rest)) = self.tasks.front_mut() {
            while !rest.is_empty() {
                let taken = ready!(tap.poll_write(cx, rest)).map_err(axum::Error::new)?;
                self.life.has_taken();
                rest.advance(taken);
            }
            self.tasks.pop_front();
        }
        while let Some(Task::Send(_)) = self.tasks.front() {
            ready!(self.socket.poll_ready_unpin(cx))?;
            self.life.has_taken();
            if let Some(Task::Send(message)) = self.tasks.pop_front() {
                self.socket.start_send_unpin(message)?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(self.socket.poll_flush_unpin(cx))?;
            self.unflushed = false;
            self.tasks.shrink_to(IDLE_TASKS);
        }
        Poll::Ready(Ok(()))
    }

    /// Goes on with the steps that are under way; whether one was done.
    fn work(&mut self, cx: &mut Context<'_>) -> bool {
        let mut done = false;
        while let Poll::Ready(Some(replies)) = self.under_way.poll_next_unpin(cx) {
            self.reply(replies);
            done = true;
        }
        if let Some(work) = &mut self.waiting
            && let Poll::Ready(replies) = work.poll_unpin(cx)
        {
            self.waiting = None;
            self.reply(replies);
            done = true;
        }
        done
    }

    /// Reads frames; whether there were any.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        for count in 0..READ_BURST {
            if self.waiting.is_some() || self.under_way.len() >= UNDER_WAY {
                return Ok(count > 0);
            }
            // Whoever was put out is heard no more; how it ends is the next that is written.
            if self.live.session().mailbox().is_dismissed() {
                return Ok(count > 0);
            }
            let Poll::Ready(frame) = self.socket.poll_next_unpin(cx) else { return Ok(count > 0) };
            self.life.heard = Instant::now();
            self.frame(frame, cx)?;
        }
        Ok(true)
    }

    fn frame(&mut self, frame: Option<Result<Message, axum::Error>>, cx: &mut Context<'_>) -> Result<(), End> {
        let step = match frame {
            Some(Ok(Message::Text(text))) => self.live.frame(&text),
            Some(Ok(Message::Binary(bytes))) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.live.frame(text),
                Err(_) => Step::Now(vec![Reply::Close(1003, "text frames only")]),
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code);
                return Err(if matches!(code, 1000 | 1001 | 1005) { End::Goodbye } else { End::Lost });
            }
            Some(Err(_)) | None => return Err(End::Lost),
        };
        match step {
            Step::Now(replies) => self.reply(replies),
            Step::Go(mut work) => match work.poll_unpin(cx) {
                Poll::Ready(replies) => self.reply(replies),
                Poll::Pending => self.under_way.push(work),
            },
            Step::Wait(work) => self.waiting = Some(work),
        }
        Ok(())
    }

    fn reply(&mut self, replies: Vec<Reply>) {
        for reply in replies {
            self.tasks.push_back(match reply {
                Reply::Text(text) => Task::Send(Message::Text(text.into())),
                Reply::CatchUp(room, after) => Task::CatchUp { room, after, asked: true },
                Reply::Close(code, reason) => Task::Close(code, reason),
                Reply::Heard(room, after) => {
                    self.stand_in.sent().heard(room, after);
                    continue;
                }
            });
        }
    }

    /// Pings when it is time; an error when the client has been silent for too long.
    fn keep_time(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if self.ping.poll_tick(cx).is_pending() {
            return Ok(false);
        }
        if self.life.heard.elapsed() > PING * 2 + PING / 2 {
            return Err(End::Lost);
        }
        self.tasks.push_back(Task::Send(Message::Ping(Bytes::new())));
        Ok(true)
    }

    /// Takes from the mailbox what there is; whether there was anything.
    fn hear(&mut self, cx: &mut Context<'_>) -> bool {
        // What a step leads to leaves in one write with its replies, so the pump hears that itself.
        let is_idle = self.under_way.is_empty() && self.waiting.is_none();
        let heard = if is_idle { self.stand_in.poll_or_post(cx) } else { self.stand_in.poll(cx) };
        match heard {
            Poll::Ready(tasks) => {
                self.tasks.extend(tasks);
                true
            }
            Poll::Pending => false,
        }
    }

    /// Sends what the store has after a number, page by page; live events wait in the mailbox meanwhile.
    async fn catch_up(&mut self, room: RoomId, after: i64, asked: bool) -> Result<(), End> {
        let (mut seq, until) = self.stand_in.sent().begin(room, after, asked);
        loop {
            let mut page = match self.live.missed(room, seq).await {
                Ok(page) => page,
                // Who may not read the room any more has missed nothing, and goes on in the others.
                Err(error) if error.kind.shuts_out() => return Ok(()),
                Err(error) => {
                    tracing::warn!(?error, "a session could not be caught up");
                    return self.close(1011, "could not catch up; reconnect and resume").await;
                }
            };
            let is_last = message::end_page(&mut page);
            let read = page.len();
            page.retain(|message| message.seq < until);
            let done = is_last || page.len() < read;
            // Not what the client says to have: that may be of a store that was set back since, and hide what is new.
            if let Some(last) = page.last() {
                seq = last.seq;
                self.stand_in.sent().reach(room, seq);
            }
            // None of the page is kept while its words are written: that can take its client minutes.
            let words = page
                .into_iter()
                .filter_map(|message| self.live.word_message(&message))
                .filter_map(text)
                .map(Task::Send)
                .collect();
            self.send(words).await?;
            // Whoever was logged out meanwhile hears no more pages, and how it ends.
            if done || self.live.session().mailbox().is_closing() {
                return Ok(());
            }
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), End> {
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = self.send([Task::Send(Message::Close(Some(frame)))].into()).await;
        Err(End::Ours)
    }

    /// Writes these now, before the tasks that wait.
    async fn send(&mut self, first: VecDeque<Task>) -> Result<(), End> {
        let tasks = std::mem::replace(&mut self.tasks, first);
        poll_fn(|cx| self.poll_send(cx)).await?;
        self.tasks = tasks;
        Ok(())
    }
}
