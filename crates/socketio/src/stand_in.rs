//! The stand-in of a client's task that sleeps: whoever would wake the task for an event writes the event for it, and lets
//! it sleep. To wake a task for one packet costs half of what writing the packet does, and an event wakes all who hear it.
//!
//! - The stand-in is the waker that the feeds keep. It finds the session free only while the task is not at work.
//! - What cannot leave at once, or takes more than writing, is left to the task, and all that follows it: the order
//!   stays, and nobody waits for a slow reader.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use parking_lot::Mutex;

use crate::app::App;
use crate::registry::Handle;
use crate::session::Session;

struct StandIn<A: App> {
    /// `None` when it has ended: feeds may live on, and keep this waker.
    session: Mutex<Option<Session<A>>>,
    task: Arc<Handle>,
}

/// A client's task.
pub(crate) struct Task<A: App> {
    stand_in: Arc<StandIn<A>>,
    feeds: Waker,
}

impl<A: App> Task<A> {
    pub(crate) fn new(session: Session<A>) -> Self {
        let task = session.handle().clone();
        let stand_in = Arc::new(StandIn { session: Mutex::new(Some(session)), task });
        Self { feeds: stand_in.clone().into(), stand_in }
    }
}

impl<A: App> Future for Task<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut session = self.stand_in.session.lock();
        let Some(client) = &mut *session else { return Poll::Ready(()) };
        ready!(client.poll(cx, &mut Context::from_waker(&self.feeds)));
        *session = None;
        Poll::Ready(())
    }
}

/// The session ends with its task, also if that was aborted or has panicked.
impl<A: App> Drop for Task<A> {
    fn drop(&mut self) {
        *self.stand_in.session.lock() = None;
    }
}

impl<A: App> StandIn<A> {
    /// Writes what came; false where the task is to go on.
    fn write(self: &Arc<Self>) -> bool {
        // The task is at work, or somebody else is for it.
        let Some(mut session) = self.session.try_lock() else { return false };
        let Some(client) = &mut *session else { return true };
        let waker = self.clone().into();
        let written = catch_unwind(AssertUnwindSafe(|| client.write_beside(&mut Context::from_waker(&waker))));
        // What was taken from the feeds is lost: this client is to come again. Those behind it in the row are to be told.
        written.unwrap_or_else(|_| client.fail())
    }
}

impl<A: App> Wake for StandIn<A> {
    fn wake(self: Arc<Self>) {
        if !self.write() {
            self.task.wake();
        }
    }
}
