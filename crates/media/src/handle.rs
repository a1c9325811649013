//! The side of the hands that asynchronous code holds: connections, questions, events.

use crate::{
    turn,
    worker::{Inbox, Work, home},
};
use convo_sfu::{Answer, Ask, AskId, Command, ConnectionId, Event, Join, LocalAddress, Refusal};
use livekit_protocol::{SignalRequest, SignalResponse};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Responses that may wait for a connection to read them. Clients read at once; who lets this many wait is as good as gone.
const OUTBOX: usize = 1_000;
/// Requests of one connection that may wait for the worker; more make the sender wait.
const UNREAD: usize = 64;

/// How often a drain looks whether all are gone.
const DRAINED: Duration = Duration::from_millis(10);

const GONE: Refusal = Refusal::Unavailable("the media worker stopped before it answered");

/// The media server. Cheap to clone; the last clone that is dropped stops the workers.
#[derive(Clone)]
pub struct Media(Arc<Shared>);

struct Shared {
    workers: Vec<Worker>,
    turn: Option<turn::Running>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Numbers for connections and questions; none is used twice.
    numbers: AtomicU64,
    /// Each connection holds one too.
    open: Arc<()>,
}

pub(crate) struct Worker {
    pub inbox: Inbox,
    pub addresses: Vec<LocalAddress>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn stop(&self) {
        self.workers.iter().for_each(|worker| worker.inbox.put(Work::Stop));
        self.turn.iter().for_each(turn::Running::stop);
    }
}

impl Media {
    pub(crate) fn new(workers: Vec<Worker>, turn: Option<turn::Running>, threads: Vec<JoinHandle<()>>) -> Self {
        Self(Arc::new(Shared {
            workers,
            turn,
            threads: Mutex::new(threads),
            numbers: AtomicU64::new(1),
            open: Arc::default(),
        }))
    }

    /// A signalling connection whose token was found good, to the worker of its room.
    pub fn connect(&self, join: Join) -> Connection {
        let id = ConnectionId(self.number());
        let worker = self.worker(&join.room).clone();
        let (outbox, responses) = mpsc::channel(OUTBOX);
        worker.put(Work::Connect { connection: id, join: Box::new(join), outbox });
        let open = self.0.open.clone();
        Connection { id, worker, responses, permits: Arc::new(Semaphore::new(UNREAD)), _open: open }
    }

    /// Asks the worker of the question's room; about all rooms, every worker.
    ///
    /// # Errors
    /// As the machine refuses; [`Refusal::Unavailable`] if the worker stops, or loses its rooms, before it answers.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Refusal> {
        match room_of(&ask) {
            Some(room) => answer(self.put(self.worker(room), ask)).await,
            None => self.ask_all(&ask).await,
        }
    }

    /// All are asked before any is waited for.
    async fn ask_all(&self, ask: &Ask) -> Result<Answer, Refusal> {
        let asked: Vec<_> = self.0.workers.iter().map(|worker| self.put(&worker.inbox, ask.clone())).collect();
        let mut merged = Answer::Done;
        for reply in asked {
            merged = merge(merged, answer(reply).await?);
        }
        Ok(merged)
    }

    fn put(&self, worker: &Inbox, ask: Ask) -> oneshot::Receiver<Result<Answer, Refusal>> {
        let (reply, answer) = oneshot::channel();
        worker.put(Work::Ask { id: AskId(self.number()), ask: Box::new(ask), reply });
        answer
    }

    /// Where clients reach the workers, in the workers' order.
    pub fn addresses(&self) -> impl Iterator<Item = &LocalAddress> {
        self.0.workers.iter().flat_map(|worker| &worker.addresses)
    }

    /// Where clients reach the embedded STUN and TURN server; none if there is none.
    pub fn turn_addresses(&self) -> &[LocalAddress] {
        self.0.turn.as_ref().map_or(&[], |turn| &turn.addresses)
    }

    /// Tells everybody to reconnect elsewhere. Returns when all connections have been told and are gone, or after `limit`.
    pub async fn drain(&self, limit: Duration) {
        let told = async {
            let _ = self.ask(Ask::Drain).await;
            while Arc::strong_count(&self.0.open) > 1 {
                tokio::time::sleep(DRAINED).await;
            }
        };
        if tokio::time::timeout(limit, told).await.is_err() {
            tracing::warn!("media was not drained in time");
        }
    }

    /// Stops the workers and the TURN server: connections end, sockets are closed. Returns when it is done.
    pub async fn stop(&self) {
        self.0.stop();
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let joined = tokio::task::spawn_blocking(|| threads.into_iter().try_for_each(JoinHandle::join));
        if !matches!(joined.await, Ok(Ok(()))) {
            tracing::error!("a media worker did not end well");
        }
    }

    fn number(&self) -> u64 {
        self.0.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn worker(&self, room: &str) -> &Inbox {
        let workers = &self.0.workers;
        &workers[home(room, workers.len())].inbox
    }
}

async fn answer(reply: oneshot::Receiver<Result<Answer, Refusal>>) -> Result<Answer, Refusal> {
    reply.await.unwrap_or(Err(GONE))
}

/// The room that a question is about; none: all.
fn room_of(ask: &Ask) -> Option<&str> {
    Some(match ask {
        Ask::ListRooms(_) | Ask::Drain => return None,
        Ask::CreateRoom(ask) => &ask.name,
        Ask::DeleteRoom(ask) => &ask.room,
        Ask::ListParticipants(ask) => &ask.room,
        Ask::GetParticipant(ask) | Ask::RemoveParticipant(ask) => &ask.room,
        Ask::MutePublishedTrack(ask) => &ask.room,
        Ask::UpdateParticipant(ask) => &ask.room,
        Ask::UpdateSubscriptions(ask) => &ask.room,
        Ask::SendData(ask) => &ask.room,
        Ask::UpdateRoomMetadata(ask) => &ask.room,
        Ask::PerformRpc(ask) => &ask.room,
        Ask::ForwardParticipant(ask) => &ask.room,
        Ask::MoveParticipant(ask) => &ask.room,
        Ask::Move { request, .. } => &request.room,
    })
}

fn merge(one: Answer, other: Answer) -> Answer {
    match (one, other) {
        (Answer::Rooms(mut rooms), Answer::Rooms(more)) => {
            rooms.extend(more);
            Answer::Rooms(rooms)
        }
        (Answer::Done, other) => other,
        (one, _) => one,
    }
}

/// One signalling connection. Dropped, it is gone without a `leave`: its participant may resume.
pub struct Connection {
    id: ConnectionId,
    worker: Inbox,
    responses: mpsc::Receiver<Box<SignalResponse>>,
    permits: Arc<Semaphore>,
    _open: Arc<()>,
}

impl Connection {
    /// As events name it.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// What the client said. Waits while too many of its requests wait for the worker.
    pub async fn send(&self, request: SignalRequest) {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
        self.worker.put(Work::Signal { connection: self.id, request: Box::new(request), permit });
    }

    /// What the holder orders for its participant.
    pub fn command(&self, command: Command) {
        self.commander().command(command);
    }

    /// Commands from elsewhere than where the connection is read.
    pub fn commander(&self) -> Commander {
        Commander { id: self.id, worker: self.worker.clone() }
    }

    /// What to say to the client. `None`: everything was said; close the connection. So it is too after the client read so
    /// slowly that 1,000 responses waited. Cancel safe.
    pub async fn next(&mut self) -> Option<Box<SignalResponse>> {
        self.responses.recv().await
    }

    /// As [`next`](Self::next), if it is there already: several can then leave in one write.
    pub fn try_next(&mut self) -> Option<Box<SignalResponse>> {
        self.responses.try_recv().ok()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.worker.put(Work::Disconnect { connection: self.id });
    }
}

/// Orders for a connection's participant; without effect after its end.
#[derive(Clone)]
pub struct Commander {
    id: ConnectionId,
    worker: Inbox,
}

impl Commander {
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    pub fn command(&self, command: Command) {
        self.worker.put(Work::Command { connection: self.id, command });
    }
}

/// What happens in all rooms; of one room in its order.
pub struct EventStream(pub(crate) mpsc::UnboundedReceiver<Event>);

impl EventStream {
    /// `None`: all workers have stopped. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_rooms_are_joined() {
        let room = |name: &str| livekit_protocol::Room { name: name.into(), ..Default::default() };
        let merged =
            [vec![room("a")], vec![], vec![room("b")]].into_iter().map(Answer::Rooms).fold(Answer::Done, merge);
        assert_eq!(merged, Answer::Rooms(vec![room("a"), room("b")]));
    }
}
