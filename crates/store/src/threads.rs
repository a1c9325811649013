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
use std::{any::Any, sync::Arc};
use tokio::sync::{mpsc, oneshot};

pub(crate) type Answer = Result<Box<dyn Any + Send>>;

/// A job on its way to a thread.
pub(crate) struct Task {
    pub(crate) job: Job,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// Queues the job at the first poll, and waits for its answer.
pub(crate) async fn hand_over(queue: &Sender<Task>, job: Job) -> Answer {
    let ended = || Error::unavailable("the store's thread has ended");
    let (reply, answer) = oneshot::channel();
    queue.try_send(Task { job, reply }).map_err(|_| ended())?;
    answer.await.map_err(|_| ended())?
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
