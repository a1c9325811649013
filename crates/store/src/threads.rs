//! The way from the async world to the store's threads and back.
//!
//! What wakes a sleeping thread costs more than most jobs do. So a thread without work sleeps at once and does not spin,
//! and what a commit is to be known for goes back in one piece: the [`Herald`] tells it from inside the runtime, where
//! waking a session is a push to a queue and not a system call.

use async_channel::Sender;
use convo_domain::{
    bus::{Bus, Tell},
    error::{Error, Result},
    store::Job,
};
use std::{
    any::Any,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

pub(crate) type Answer = Result<Box<dyn Any + Send>>;

/// How long a caller waits.
#[derive(Clone, Copy)]
struct Patience {
    /// For its job to begin. Then it takes the job back, and nothing was stored for certain.
    beginning: Duration,
    /// From then on for the end of a job that had begun. Then it gives up, and nobody can say.
    end: Duration,
}

const PATIENCE: Patience = Patience { beginning: Duration::from_secs(10), end: Duration::from_secs(10) };
/// Tasks in one queue, at most: what was taken back leaves a little behind until its turn comes.
const QUEUE: usize = 100_000;

/// A job on its way to a thread.
pub(crate) struct Task {
    job: Place,
    begin_by: Instant,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// Where a job waits. Whoever takes it out decides: the thread runs it, a caller that waited too long drops it.
#[derive(Clone)]
struct Place(Arc<Mutex<Option<Job>>>);

impl Place {
    fn take(&self) -> Option<Job> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Task {
    /// The job, to be run now; an error if it is too late for that. A caller that went away took nothing back, but what is
    /// late is not run for it either: it can't mean it any more.
    pub(crate) fn claim(&self) -> Result<Job> {
        let job = self.job.take();
        job.filter(|_| !self.is_late()).ok_or_else(late)
    }

    /// Whether it is too late to begin.
    pub(crate) fn is_late(&self) -> bool {
        Instant::now() >= self.begin_by
    }
}

pub(crate) fn late() -> Error {
    Error::unavailable("the database was too slow for the job to begin")
}

/// Queues the job at the first poll, and waits for its answer, but not for ever.
pub(crate) async fn hand_over(queue: &Sender<Task>, job: Job) -> Answer {
    wait_for(queue, job, PATIENCE).await
}

async fn wait_for(queue: &Sender<Task>, job: Job, patience: Patience) -> Answer {
    let ended = || Error::unavailable("the store's thread has ended");
    if queue.len() >= QUEUE {
        return Err(late());
    }
    let (reply, mut answer) = oneshot::channel();
    let place = Place(Arc::new(Mutex::new(Some(job))));
    let begin_by = Instant::now() + patience.beginning;
    queue.try_send(Task { job: place.clone(), begin_by, reply }).map_err(|_| ended())?;
    if let Ok(answer) = timeout(patience.beginning, &mut answer).await {
        return answer.map_err(|_| ended())?;
    }
    if place.take().is_some() {
        return Err(late());
    }
    match timeout(patience.end, answer).await {
        Ok(answer) => answer.map_err(|_| ended())?,
        Err(_) => Err(Error::unanswered("the database did not come to an end with a job")),
    }
}

pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(body).map(drop).map_err(Error::unavailable)
}

/// What is to be made known of a finished transaction.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) tells: Vec<Tell>,
    pub(crate) answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

/// Makes news known, in the order in which it came.
#[derive(Clone)]
pub(crate) struct Herald(mpsc::UnboundedSender<News>);

impl Herald {
    /// Starts it on the runtime that the caller is in.
    pub(crate) fn start(bus: Arc<dyn Bus>) -> Self {
        let (herald, mut coming) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(News { tells, answers }) = coming.recv().await {
                if !tells.is_empty() {
                    bus.tell(tells);
                }
                // A caller that went away needs no answer.
                answers.into_iter().for_each(|(reply, answer)| drop(reply.send(answer)));
            }
        });
        Self(herald)
    }

    pub(crate) fn announce(&self, news: News) {
        // Without a runtime there is nobody left to hear it.
        let _ = self.0.send(news);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_channel::Receiver;
    use convo_domain::error::Kind;
    use futures_util::FutureExt;

    const SOON: Patience = Patience { beginning: Duration::from_millis(20), end: Duration::from_millis(20) };
    const NEVER: Duration = Duration::from_secs(3600);

    fn job() -> Job {
        Box::new(|_| Ok(Box::new(())))
    }

    fn refused(answer: Answer) -> String {
        let error = answer.err().unwrap();
        assert_eq!(error.kind, Kind::Unavailable);
        error.message.into_owned()
    }

    /// A queue, and what came into it.
    fn queue() -> (Sender<Task>, Receiver<Task>) {
        async_channel::unbounded()
    }

    #[tokio::test]
    async fn what_did_not_begin_in_time_is_taken_back_and_never_runs() {
        let (sender, queue) = queue();
        let message = refused(wait_for(&sender, job(), SOON).await);
        assert!(message.contains("nothing was stored"), "{message}");
        let task = queue.recv().await.unwrap();
        assert!(task.claim().is_err());
    }

    #[tokio::test]
    async fn of_what_began_nobody_says_that_it_was_not_stored() {
        let (sender, queue) = queue();
        let thread = async {
            let task = queue.recv().await.unwrap();
            assert!(task.job.take().is_some());
            // Kept, unanswered.
            task
        };
        let (answer, _task) = tokio::join!(wait_for(&sender, job(), SOON), thread);
        let message = refused(answer);
        assert!(message.contains("not known") && !message.contains("nothing"), "{message}");
    }

    #[tokio::test]
    async fn an_answer_is_waited_for_while_its_job_runs() {
        let (sender, queue) = queue();
        let patience = Patience { end: NEVER, ..SOON };
        let thread = async {
            let task = queue.recv().await.unwrap();
            let begun = task.job.take().is_some();
            tokio::time::sleep(patience.beginning * 2).await;
            task.reply.send(Ok(Box::new(begun))).unwrap();
        };
        let (answer, ()) = tokio::join!(wait_for(&sender, job(), patience), thread);
        assert!(answer.is_ok());
    }

    #[tokio::test]
    async fn who_went_away_is_served_unless_it_is_late() {
        let (sender, queue) = queue();
        for (beginning, runs) in [(NEVER, true), (Duration::ZERO, false)] {
            let patience = Patience { beginning, ..SOON };
            assert!(wait_for(&sender, job(), patience).now_or_never().is_none() || !runs);
            assert_eq!(queue.recv().await.unwrap().claim().is_ok(), runs);
        }
    }
}
