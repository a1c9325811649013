//! Making good what a mailbox could not hold: rooms read again from the store, page by page, and told apart from what
//! is live.

use convo_domain::{
    error::{Error, Result},
    event::Told,
    id::RoomId,
    message::{self, Message},
};
use futures_util::future::BoxFuture;
use std::{
    collections::HashMap,
    task::{Context, Poll},
};

/// A page of a room's messages on its way out of the store.
pub(crate) type Page = BoxFuture<'static, Result<Vec<Message>>>;

/// Rooms that a socket was too slow for. Live events wait in the mailbox while there are any to read.
#[derive(Default)]
pub(crate) struct Lag {
    /// Rooms yet to be read, each after a message number.
    behind: Vec<(RoomId, i64)>,
    /// Up to which number a room was sent out of the store: live events up to there were sent already.
    floors: HashMap<RoomId, i64>,
    /// Of the last room in `behind`.
    page: Option<Page>,
}

impl Lag {
    /// Adds rooms, each to be read after a number; or after what came out of the store before, for the mailbox runs over while
    /// the store is read, too.
    pub(crate) fn add(&mut self, rooms: Vec<(RoomId, i64)>) {
        for (room, seq) in rooms {
            let floor = self.floors.get(&room).copied().unwrap_or_default();
            self.behind.push((room, seq.max(floor)));
        }
    }

    /// The next page; `None` when all is read. `read` gives the messages of a room after a number.
    pub(crate) fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(RoomId, i64) -> Page,
    ) -> Poll<Option<Result<Vec<Message>>>> {
        let Some((room, seq)) = self.behind.last_mut() else { return Poll::Ready(None) };
        let page = self.page.get_or_insert_with(|| read(*room, *seq));
        let Poll::Ready(page) = page.as_mut().poll(cx) else { return Poll::Pending };
        self.page = None;
        let mut page = match page.or_else(left_meanwhile) {
            Ok(page) => page,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        let is_last = message::end_page(&mut page);
        *seq = page.last().map_or(*seq, |message| message.seq);
        let floor = self.floors.entry(*room).or_insert(*seq);
        *floor = (*floor).max(*seq);
        if is_last {
            self.behind.pop();
        }
        Poll::Ready(Some(Ok(page)))
    }

    /// The room was left: the rest of it is not wanted.
    pub(crate) fn forget(&mut self, room: RoomId) {
        self.page.take_if(|_| self.behind.last().is_some_and(|(id, _)| *id == room));
        self.behind.retain(|(id, _)| *id != room);
        self.floors.remove(&room);
    }

    /// Whether a live event was sent out of the store already.
    pub(crate) fn has_sent(&mut self, told: &Told) -> bool {
        let (Some(seq), Some(floor)) = (told.seq(), self.floors.get(&told.room)) else { return false };
        if seq > *floor {
            // Live has caught up with the store.
            self.floors.remove(&told.room);
            return false;
        }
        true
    }

    /// Nothing is left to read, nor to tell apart.
    pub(crate) fn is_over(&self) -> bool {
        self.behind.is_empty() && self.floors.is_empty()
    }
}

/// Who may not read the room any more has missed nothing.
fn left_meanwhile(error: Error) -> Result<Vec<Message>> {
    if error.kind.shuts_out() { Ok(Vec::new()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::word::tests::posted;
    use convo_domain::{error::Kind, limit};
    use std::task::Waker;

    const ALL: i64 = limit::CATCH_UP + 3;

    /// A store with messages 1 to [`ALL`].
    fn store(room: RoomId, after: i64) -> Page {
        let last = ALL.min(after + limit::CATCH_UP);
        let page = (after + 1..=last).map(|seq| posted(room, seq).event.message().unwrap().clone()).collect();
        Box::pin(async move { Ok(page) })
    }

    fn next(lag: &mut Lag, read: impl FnOnce(RoomId, i64) -> Page) -> Poll<Option<Result<Vec<Message>>>> {
        lag.poll_page(&mut Context::from_waker(Waker::noop()), read)
    }

    fn page(lag: &mut Lag) -> Option<Vec<i64>> {
        match next(lag, store) {
            Poll::Ready(page) => page.map(|page| page.unwrap().iter().map(|message| message.seq).collect()),
            Poll::Pending => panic!("the store answers at once"),
        }
    }

    #[test]
    fn a_room_is_read_to_its_end_and_then_goes_on_live() {
        let (room, mut lag) = (RoomId::new(), Lag::default());
        lag.add(vec![(room, 1)]);
        assert_eq!(page(&mut lag).unwrap(), (2..=limit::CATCH_UP + 1).collect::<Vec<_>>());
        assert_eq!(page(&mut lag).unwrap(), [ALL - 1, ALL]);
        assert_eq!(page(&mut lag), None);
        assert!(lag.has_sent(&posted(room, ALL - 1)) && lag.has_sent(&posted(room, ALL)));
        assert!(!lag.has_sent(&posted(RoomId::new(), 1)), "another room");
        assert!(!lag.is_over());
        assert!(!lag.has_sent(&posted(room, ALL + 1)));
        assert!(lag.is_over());
    }

    #[test]
    fn a_page_of_long_messages_is_short() {
        const LONG: usize = limit::CATCH_UP_BYTES / 3;
        let (room, mut lag) = (RoomId::new(), Lag::default());
        lag.add(vec![(room, 0)]);
        for pages in 0.. {
            let long = |room, after| -> Page {
                let short = store(room, after);
                Box::pin(async {
                    let mut page = short.await?;
                    page.iter_mut().for_each(|message| message.content = "x".repeat(LONG));
                    Ok(page)
                })
            };
            let Poll::Ready(page) = next(&mut lag, long) else { panic!("the store answers at once") };
            let Some(page) = page else { break };
            let seqs: Vec<_> = page.unwrap().iter().map(|message| message.seq).collect();
            assert_eq!(seqs, (4 * pages + 1..=ALL.min(4 * pages + 4)).collect::<Vec<_>>());
        }
        assert!(lag.has_sent(&posted(room, ALL)), "read to its end");
    }

    #[test]
    fn what_the_mailbox_loses_while_the_store_is_read_is_sent_once() {
        let (room, mut lag) = (RoomId::new(), Lag::default());
        lag.add(vec![(room, 1)]);
        while page(&mut lag).is_some() {}
        lag.add(vec![(room, ALL - 2), (RoomId::new(), ALL - 2)]);
        assert_eq!(page(&mut lag).unwrap(), [ALL - 1, ALL], "another room");
        assert!(page(&mut lag).unwrap().is_empty());
        assert_eq!(page(&mut lag), None);
    }

    #[test]
    fn a_page_under_way_is_waited_for() {
        let mut lag = Lag::default();
        lag.add(vec![(RoomId::new(), 0)]);
        assert!(next(&mut lag, |_, _| Box::pin(std::future::pending())).is_pending());
        assert!(next(&mut lag, store).is_pending(), "it is not asked for twice");
    }

    #[test]
    fn a_room_that_was_left_is_not_read_on() {
        let (room, other, mut lag) = (RoomId::new(), RoomId::new(), Lag::default());
        lag.add(vec![(other, ALL - 1), (room, 1)]);
        assert!(next(&mut lag, |_, _| Box::pin(std::future::pending())).is_pending(), "on its way");
        lag.forget(room);
        assert_eq!(page(&mut lag).unwrap(), [ALL], "of the other room");
        assert_eq!(page(&mut lag), None);
        assert!(!lag.has_sent(&posted(room, 2)), "it may be joined again");
    }

    #[test]
    fn who_left_has_missed_nothing_and_a_fault_is_told() {
        let mut lag = Lag::default();
        lag.add(vec![(RoomId::new(), 0)]);
        let Poll::Ready(Some(Err(error))) = next(&mut lag, |_, _| Box::pin(async { Err(Error::unavailable("down")) }))
        else {
            panic!("a fault is told")
        };
        assert_eq!(error.kind, Kind::Unavailable);
        let Poll::Ready(Some(Ok(page))) = next(&mut lag, |_, _| Box::pin(async { Err(Error::forbidden("out")) }))
        else {
            panic!("nothing was missed")
        };
        assert!(page.is_empty());
        assert!(matches!(next(&mut lag, store), Poll::Ready(None)));
    }
}
