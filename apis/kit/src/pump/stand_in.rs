//! The stand-in of a pump that sleeps: whoever would wake the pump for an event writes the event for it, and lets it
//! sleep. To wake a task for one frame costs half of what writing the frame does, and a message wakes all who hear it.
//!
//! - The stand-in is the waker that the mailbox keeps. It is on duty only while the pump sleeps with nothing begun, and
//!   the pump relieves it before it does anything else.
//! - What cannot leave at once, or takes more than writing, is left to the pump, and all that follows it: the order
//!   stays, and nobody waits for a slow reader.

use super::{Live, Task};
use axum::extract::ws::{Message, Utf8Bytes};
use bytes::Bytes;
use convo_domain::{event::Told, id::RoomId, session::Batch};
use convo_tap::Tap;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use std::{
    collections::{HashMap, VecDeque},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    task::{Context, Poll, Wake, Waker},
};

/// Events taken from the mailbox at a time.
const BATCH: usize = 128;
/// RFC 6455, 7.4.1.
const INTERNAL_ERROR: u16 = 1011;

pub(super) struct StandIn<L> {
    /// Weak, for the mailbox keeps the stand-in.
    live: Weak<L>,
    tap: Option<Tap>,
    duty: Mutex<Duty>,
}

#[derive(Default)]
struct Duty {
    /// The sleeping pump; `None` while it is awake.
    pump: Option<Waker>,
    /// What is left to it.
    left: VecDeque<Task>,
    sent: Sent,
}

/// What the client was sent of its rooms.
#[derive(Default)]
pub(super) struct Sent(HashMap<RoomId, SentOf>);

#[derive(Clone, Copy)]
struct SentOf {
    /// It is told live what comes after this number.
    after: i64,
    /// The first message: all after it were sent too, or are on their way.
    first: i64,
    /// Up to here it came out of the store: live events up to there were sent already.
    stored: i64,
}

impl<L: Live> StandIn<L> {
    pub(super) fn new(live: &Arc<L>, tap: Option<Tap>) -> Self {
        Self { live: Arc::downgrade(live), tap, duty: Mutex::default() }
    }

    /// For the pump, which is awake: what there is to do for the events that came.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<VecDeque<Task>> {
        self.duty.lock().poll(self.live.upgrade().as_deref(), cx)
    }

    /// As [`StandIn::poll`]. Where nothing came, the stand-in is on duty from then on, if the connection allows it.
    pub(super) fn poll_or_post(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<VecDeque<Task>> {
        if !self.tap.as_ref().is_some_and(Tap::is_open) {
            return self.poll(cx);
        }
        let mut duty = self.duty.lock();
        let polled = duty.poll(self.live.upgrade().as_deref(), &mut Context::from_waker(&self.clone().into()));
        if polled.is_pending() {
            duty.pump = Some(cx.waker().clone());
        }
        polled
    }

    /// Takes the stand-in off its duty; what it has left.
    pub(super) fn relieve(&self) -> VecDeque<Task> {
        let mut duty = self.duty.lock();
        duty.pump = None;
        mem::take(&mut duty.left)
    }

    pub(super) fn sent(&self) -> MappedMutexGuard<'_, Sent> {
        MutexGuard::map(self.duty.lock(), |duty| &mut duty.sent)
    }

    /// Writes what came; false where something is left to the pump.
    fn write(self: &Arc<Self>, duty: &mut Duty) -> bool {
        let (Some(live), Some(tap)) = (self.live.upgrade(), &self.tap) else { return false };
        let waker = Waker::from(self.clone());
        while let Poll::Ready(tasks) = duty.poll(Some(&*live), &mut Context::from_waker(&waker)) {
            duty.left = match frames(&tasks) {
                Some(frames) => write(tap, frames),
                None => tasks,
            };
            if !duty.left.is_empty() {
                return false;
            }
        }
        true
    }
}

impl<L: Live> Wake for StandIn<L> {
    fn wake(self: Arc<Self>) {
        let mut duty = self.duty.lock();
        // Where it is awake already, it looks into its mailbox before it sleeps.
        let Some(pump) = duty.pump.take() else { return };
        match catch_unwind(AssertUnwindSafe(|| self.write(&mut duty))) {
            Ok(true) => return duty.pump = Some(pump),
            Ok(false) => {}
            // What was taken is lost: this client is to come again, and those behind it in the row are to be woken.
            Err(_) => duty.left = [Task::Close(INTERNAL_ERROR, "internal error")].into(),
        }
        drop(duty);
        pump.wake();
    }
}

impl Duty {
    fn poll(&mut self, live: Option<&impl Live>, cx: &mut Context<'_>) -> Poll<VecDeque<Task>> {
        let Some(live) = live else { return Poll::Pending };
        let mut batch = Batch::default();
        live.session().poll_batch(cx, BATCH, &mut batch).map(|()| self.tasks(live, batch))
    }

    fn tasks(&mut self, live: &impl Live, batch: Batch) -> VecDeque<Task> {
        let told = batch.told.iter().filter(|told| !self.sent.has(told));
        let mut tasks: VecDeque<_> = told.filter_map(|told| text(live.word(told)?)).map(Task::Send).collect();
        let lagged = batch.lagged.into_iter().map(|(room, after)| Task::CatchUp { room, after, asked: false });
        tasks.extend(lagged);
        if let Some(why) = batch.close {
            let (code, reason) = live.farewell(why);
            tasks.push_back(Task::Close(code, reason));
        }
        tasks
    }
}

impl SentOf {
    const NOTHING: Self = Self { after: 0, first: i64::MAX, stored: 0 };
}

impl Sent {
    /// The client comes into the room, perhaps again.
    pub(super) fn heard(&mut self, room: RoomId, after: i64) {
        let sent = self.0.entry(room).or_insert(SentOf::NOTHING);
        (sent.after, sent.first) = (after, after.saturating_add(1));
    }

    /// Whether the client has it out of the store.
    fn has(&mut self, told: &Told) -> bool {
        let Some(seq) = told.seq() else { return false };
        let sent = self.0.entry(told.room).or_insert(SentOf::NOTHING);
        // What comes late of an earlier time in the room says nothing of what came between.
        if seq > sent.after {
            sent.first = sent.first.min(seq);
        }
        seq <= sent.stored
    }

    /// Messages after `seq` are to be sent out of the store, because the client `asked` or because the mailbox ran over: after
    /// which number, and before which, they were not sent yet.
    pub(super) fn begin(&mut self, room: RoomId, seq: i64, asked: bool) -> (i64, i64) {
        let sent = self.0.entry(room).or_insert(SentOf::NOTHING);
        let first = sent.first;
        sent.first = first.min(seq.saturating_add(1));
        match asked {
            // What came live before it asked.
            true => (seq, first),
            // What the mailbox lost may have come out of the store already: it runs over while the store is read, too.
            false => (seq.max(sent.stored), i64::MAX),
        }
    }

    /// The client has been sent everything up to `seq` out of the store.
    pub(super) fn reach(&mut self, room: RoomId, seq: i64) {
        if let Some(sent) = self.0.get_mut(&room) {
            sent.stored = sent.stored.max(seq);
        }
    }
}

/// Writes as much as leaves at once; the rest is a task.
fn write(tap: &Tap, frames: Vec<u8>) -> VecDeque<Task> {
    let taken = tap.try_write(&frames);
    let rest = (taken < frames.len()).then(|| Task::Finish(tap.clone(), Bytes::from(frames).slice(taken..)));
    rest.into_iter().collect()
}

/// The bytes of these tasks; `None` where one is not just a text to be written.
fn frames(tasks: &VecDeque<Task>) -> Option<Vec<u8>> {
    let mut frames = Vec::new();
    for task in tasks {
        let Task::Send(Message::Text(text)) = task else { return None };
        convo_tap::push_text(text, &mut frames);
    }
    Some(frames)
}

/// A text to be sent; `None` where it is none.
pub(super) fn text(bytes: Bytes) -> Option<Message> {
    Utf8Bytes::try_from(bytes).ok().map(Message::Text)
}
