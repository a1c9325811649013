//! The AI agent of a conversation: answers what people write, one answer at a time, streamed while it is written and
//! stored at its end.

use crate::{
    Domain,
    bus::Tell,
    error::{Error, Kind, Result},
    event::{Audience, Event},
    id::{RoomId, UserId},
    limit,
    message::{Draft, Message, act::append, store::Viewer},
    ports::{AgentFault, Turn},
    room::{Role, RoomKind, RoomRef, act::Entry},
    store::Key,
    user::{Actor, Party},
};
use futures_util::StreamExt;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

/// The agent's own account, the same on every server.
pub const AGENT: UserId = UserId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00a1));
pub const AGENT_NAME: &str = "AI";

/// A token is about four characters of English, or one or two of Chinese, which have three bytes each.
const BYTES_PER_TOKEN: usize = 4;

/// How old a question may be that is answered when the server starts: it outlasts a night's outage, but nobody waits for the
/// answer to what was asked last week.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// An answer, and the question, outlast so short an outage of the store.
const RETRIES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// Answers that are written at the same time, and those of one account: who asks in many conversations at once lets others
/// have theirs. The rest wait for their turn.
const AT_ONCE: usize = 16;
const AT_ONCE_EACH: usize = 4;

/// Answers under way, one a conversation.
#[derive(Default)]
pub(crate) struct Answers {
    desk: Mutex<Desk>,
    queue: Queue,
}

#[derive(Default)]
struct Desk {
    running: HashMap<RoomId, Running>,
    /// The server stops: no answer begins any more.
    closed: bool,
}

struct Running {
    cancel: watch::Sender<Go>,
    /// Something was written meanwhile: answer that too, afterwards.
    again: bool,
}

struct Queue {
    all: Arc<Semaphore>,
    each: Mutex<HashMap<Party, Arc<Semaphore>>>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), each: Default::default() }
    }
}

impl Queue {
    /// It is the asker's turn as long as both are held. These semaphores are never closed.
    async fn turn(&self, asker: Party) -> [Option<OwnedSemaphorePermit>; 2] {
        let own = self.own(asker).acquire_owned().await.ok();
        [own, self.all.clone().acquire_owned().await.ok()]
    }

    fn own(&self, asker: Party) -> Arc<Semaphore> {
        let mut each = self.each.lock();
        // Whoever has nothing under way is forgotten.
        each.retain(|_, own| Arc::strong_count(own) > 1);
        each.entry(asker).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE_EACH))).clone()
    }
}

/// Whether an answer goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    /// Somebody has read enough.
    Cancelled,
    /// The server stops.
    Restart,
}

/// What a message in a conversation with the agent leads to, once it is stored: also where nobody waits to hear that it is. It
/// comes with the store's answer, and is dropped with it.
pub(crate) struct Call(Caller);

/// Who calls the agent, and where.
pub(crate) struct Caller {
    domain: Arc<Domain>,
    runtime: Handle,
    room: RoomId,
}

impl Caller {
    pub(crate) fn new(domain: &Arc<Domain>, room: RoomId) -> Self {
        Self { domain: domain.clone(), runtime: Handle::current(), room }
    }

    pub(crate) fn call(self) -> Call {
        Call(self)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Caller { domain, runtime, room } = &self.0;
        runtime.spawn(domain.clone().answer(*room));
    }
}

impl Domain {
    /// Breaks off the answer under way, if there is one; what was written of it is stored.
    pub async fn cancel_answer(&self, actor: &Actor, room: RoomId) -> Result<bool> {
        self.entry(actor, room, RoomKind::Conversation).await?;
        let desk = self.answers.desk.lock();
        Ok(desk.running.get(&room).is_some_and(|answer| answer.cancel.send(Go::Cancelled).is_ok()))
    }

    /// Before the server stops: breaks off what is under way, and waits until what people have read of it is stored. No answer
    /// begins any more.
    pub async fn finish_answers(&self, patience: Duration) {
        let running: Vec<_> = {
            let mut desk = self.answers.desk.lock();
            desk.closed = true;
            desk.running.values().map(|answer| answer.cancel.clone()).collect()
        };
        let stored = async {
            for answer in &running {
                answer.send_replace(Go::Restart);
            }
            for answer in &running {
                answer.closed().await;
            }
        };
        if timeout(patience, stored).await.is_err() {
            tracing::warn!("answers of the agent could not be stored in time");
        }
    }

    /// After a start: answers what was asked before the server went down, or just before the store did.
    pub async fn resume_answers(self: Arc<Self>) {
        let since = self.now() - STALE;
        match patiently(|| self.store.read(move |tx| tx.unanswered(AGENT, since))).await {
            Ok(rooms) => rooms.into_iter().for_each(|room| drop(tokio::spawn(self.clone().answer(room)))),
            Err(error) => tracing::warn!(?error, "what was asked of the agent before the start is not known"),
        }
    }

    async fn answer(self: Arc<Self>, room: RoomId) {
        let Some(mut cancelled) = self.begin(room) else { return };
        let mut told = None;
        loop {
            let more = self.answer_once(room, &mut told, &mut cancelled).await.unwrap_or_else(|error| {
                tracing::error!(?error, room.id = %room, "an answer of the agent could not be stored");
                false
            });
            let desk = &mut *self.answers.desk.lock();
            match desk.running.get_mut(&room) {
                Some(answer) if (more || answer.again) && !desk.closed => {
                    answer.again = false;
                    answer.cancel.send_replace(Go::On);
                    cancelled.mark_unchanged();
                }
                _ => {
                    desk.running.remove(&room);
                    return;
                }
            }
        }
    }

    /// `None`: an answer is under way; it will look again when it is done. Or the server stops.
    fn begin(&self, room: RoomId) -> Option<watch::Receiver<Go>> {
        let mut desk = self.answers.desk.lock();
        if let Some(answer) = desk.running.get_mut(&room) {
            answer.again = true;
            return None;
        }
        if desk.closed {
            return None;
        }
        let (cancel, cancelled) = watch::channel(Go::On);
        desk.running.insert(room, Running { cancel, again: false });
        Some(cancelled)
    }

    /// Whether something was asked that this answer, which is stored now, did not know of. `told`: up to which message the
    /// agent was told what people wrote.
    async fn answer_once(
        &self,
        room: RoomId,
        told: &mut Option<i64>,
        cancelled: &mut watch::Receiver<Go>,
    ) -> Result<bool> {
        let latest =
            patiently(|| self.store.read(move |tx| tx.latest(room, Viewer::Server, None, limit::PAGE))).await?;
        let answered = told.unwrap_or_else(|| newest(&latest, true));
        let asked = newest(&latest, false);
        if asked <= answered {
            return Ok(false);
        }
        *told = Some(asked);
        let seen = asked.max(newest(&latest, true));
        let Some(asker) = latest.iter().rfind(|message| message.seq == asked).map(|message| message.sender) else {
            return Ok(false);
        };
        let told = within_budget(questions_last(latest, answered), self.policy.agent_tokens * BYTES_PER_TOKEN);
        let mut text = String::new();
        let fault = tokio::select! {
            go = cancelled.wait_for(|go| *go != Go::On) => {
                go.is_ok_and(|go| *go == Go::Restart).then_some(AgentFault::Restart)
            }
            fault = self.write(room, asker, in_turn(told), &mut text) => fault,
        };
        if fault == Some(AgentFault::Restart) && text.trim().is_empty() {
            // Nobody has read a word: the next start begins anew.
            return Ok(false);
        }
        let text = conclude(text, fault);
        patiently(|| self.store_answer(room, text.clone(), seen)).await
    }

    /// Writes the answer to `text` and to who listens, when it is the asker's turn; and why it has no more, if it is not whole.
    async fn write(&self, room: RoomId, asker: Party, turns: Vec<Turn>, text: &mut String) -> Option<AgentFault> {
        let _turn = self.answers.queue.turn(asker).await;
        let mut pieces = self.agent.answer(turns);
        let mut left = limit::MESSAGE_CHARS;
        while let Some(piece) = pieces.next().await {
            let said = match piece {
                Ok(piece) => piece.replace('\0', ""),
                Err(fault) => return Some(fault),
            };
            let piece: String = said.chars().take(left).collect();
            let full = piece.len() < said.len();
            left -= piece.chars().count();
            text.push_str(&piece);
            if !piece.is_empty() {
                let delta = Event::AgentDelta { text: piece };
                self.bus.tell(vec![Tell::event(room, Audience::Room, delta)]);
            }
            if full {
                return Some(AgentFault::Full);
            }
        }
        None
    }

    /// Whether something was asked after `seen`. Only the transaction that stores the answer knows: what is stored just before
    /// it, in the same commit, calls the agent only after that, and would find itself answered.
    async fn store_answer(&self, room: RoomId, text: String, seen: i64) -> Result<bool> {
        let now = self.now();
        self.store
            .write(Key::Room(room), move |tx| {
                let found = tx.room(&RoomRef::Id(room))?.ok_or_else(|| Error::not_found("Conversation"))?;
                let agent = tx.user(AGENT)?.ok_or_else(|| Error::not_found("User"))?;
                let entry = Entry {
                    room: found,
                    party: Party::User(AGENT),
                    name: agent.display_name,
                    number: agent.number,
                    role: Role::Participant,
                    participant: None,
                };
                let since = tx.after(room, Viewer::Server, seen, limit::PAGE)?;
                // An earlier try may have been stored though the store did not say so.
                if !since.iter().any(|message| by_agent(message) && message.content == text) {
                    append(tx, &entry, Draft::new(&text)?, now)?;
                }
                Ok(since.iter().any(|message| !by_agent(message)))
            })
            .await
    }
}

/// The work on the store, again while the store is away for a moment.
async fn patiently<T, F: Future<Output = Result<T>>>(work: impl Fn() -> F) -> Result<T> {
    for pause in RETRIES {
        match work().await {
            Err(error) if error.kind == Kind::Unavailable => sleep(pause).await,
            done => return done,
        }
    }
    work().await
}

/// The stored answer: what was written, and in plain words why there is no more.
fn conclude(text: String, fault: Option<AgentFault>) -> String {
    let text = text.trim();
    match fault {
        None if text.is_empty() => "(no answer)".into(),
        None => text.into(),
        Some(fault) if text.is_empty() => format!("I can't answer right now: {fault}."),
        Some(fault) => {
            let note = format!("\n\n(The answer ends here: {fault}.)");
            let said = limit::MESSAGE_CHARS - note.chars().count();
            text.chars().take(said).chain(note.chars()).collect()
        }
    }
}

fn by_agent(message: &Message) -> bool {
    message.sender == Party::User(AGENT)
}

/// The number of the agent's last message, or of people's; 0 where there is none.
fn newest(messages: &[Message], agents: bool) -> i64 {
    messages.iter().filter(|message| by_agent(message) == agents).map(|message| message.seq).max().unwrap_or(0)
}

/// What was asked while the agent wrote stands before its answer, which is no answer to that.
fn questions_last(mut messages: Vec<Message>, answered: i64) -> Vec<Message> {
    messages.sort_by_key(|message| !by_agent(message) && message.seq > answered);
    messages
}

/// The conversation so far, newest kept, within the token budget.
fn within_budget(latest: Vec<Message>, mut bytes: usize) -> Vec<Turn> {
    let mut turns: Vec<Turn> = latest
        .into_iter()
        .rev()
        .enumerate()
        .map_while(|(age, message)| {
            let (by_agent, mut text) = (by_agent(&message), message.content);
            // The newest is always told, cut if it must be.
            if age > 0 && text.len() > bytes {
                return None;
            }
            text.truncate(text.floor_char_boundary(bytes));
            bytes -= text.len();
            Some(Turn { by_agent, text })
        })
        .collect();
    turns.reverse();
    turns
}

/// People begin, and then it is each side's turn: many models take no other conversation.
fn in_turn(told: Vec<Turn>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for turn in told.into_iter().skip_while(|turn| turn.by_agent) {
        match turns.last_mut() {
            Some(last) if last.by_agent == turn.by_agent => last.text = format!("{}\n\n{}", last.text, turn.text),
            _ => turns.push(turn),
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, id::MessageId, message::MessageKind};

    fn message(text: &str) -> Message {
        Message {
            id: MessageId::new(),
            number: 1,
            room: RoomId::new(),
            room_number: 1,
            seq: 1,
            sender: Party::User(UserId::new()),
            sender_number: 1,
            sender_name: "Ann".into(),
            content: text.into(),
            kind: MessageKind::Text,
            recipient: None,
            nonce: None,
            created_at: Timestamp(0),
        }
    }

    #[test]
    fn the_newest_turns_fit_the_budget() {
        let told = within_budget(vec![message("12345"), message("123"), message("12")], 5);
        let texts: Vec<_> = told.iter().map(|turn| turn.text.as_str()).collect();
        assert_eq!(texts, ["123", "12"]);
        assert_eq!(within_budget(vec![message("123456789")], 4)[0].text, "1234");
    }

    #[test]
    fn the_budget_knows_that_languages_differ() {
        let texts = |told: Vec<Turn>| told.into_iter().map(|turn| turn.text).collect::<Vec<_>>();
        assert_eq!(texts(within_budget(vec![message("你好你好"), message("你好")], 8)), ["你好"]);
        assert_eq!(texts(within_budget(vec![message("你好你好"), message("你好")], 18)), ["你好你好", "你好"]);
        assert_eq!(texts(within_budget(vec![message("你好")], 5)), ["你"]);
    }

    #[test]
    fn people_begin_and_nobody_has_two_turns_in_a_row() {
        let agents = |text: &str| Message { sender: Party::User(AGENT), ..message(text) };
        let long: Vec<_> = (0..100).map(|n| if n % 2 == 0 { agents("a") } else { message("q") }).collect();
        let told = in_turn(within_budget(long, 1_000));
        assert_eq!(told.len(), 99);
        assert!(told.iter().enumerate().all(|(place, turn)| turn.by_agent == (place % 2 == 1)));
        let told = in_turn(within_budget(vec![message("One?"), message("Two?"), agents("A."), message("Three?")], 100));
        let texts: Vec<_> = told.iter().map(|turn| turn.text.as_str()).collect();
        assert_eq!(texts, ["One?\n\nTwo?", "A.", "Three?"]);
    }

    #[test]
    fn a_fault_is_said_plainly() {
        assert_eq!(
            conclude(String::new(), Some(AgentFault::Unreachable)),
            "I can't answer right now: the AI service cannot be reached."
        );
        assert!(conclude("Half".into(), Some(AgentFault::BrokenOff)).starts_with("Half\n\n(The answer ends here"));
        assert_eq!(conclude(" whole ".into(), None), "whole");
        assert_eq!(conclude("é".repeat(limit::MESSAGE_CHARS), None), "é".repeat(limit::MESSAGE_CHARS));
        let full = conclude("é".repeat(limit::MESSAGE_CHARS), Some(AgentFault::Full));
        assert_eq!(full.chars().count(), limit::MESSAGE_CHARS);
        assert!(full.ends_with("é\n\n(The answer ends here: a message holds no more.)"));
    }
}
