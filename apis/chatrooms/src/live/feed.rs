//! What a socket is sent: its session's events in their shared wording, and out of the store what it was too slow for.

use super::{
    desk::Desk,
    word::{self, Namespace},
};
use convo_domain::{
    error::{Kind, Result},
    event::Told,
    message::Message,
    session::{Batch, Close},
};
use convo_socketio::{Closed, Feed, Frame, Packet};
use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Events taken from the mailbox at a time.
const BATCH: usize = 128;

/// One client in one namespace.
pub struct Socket {
    desk: Arc<Desk>,
    namespace: Namespace,
    takes_offsets: bool,
    /// By these the socket itself may have gone from a room, which is yet to be looked at.
    goings: Vec<Arc<Told>>,
    /// The session is over.
    close: Option<Close>,
}

impl Socket {
    pub(crate) fn new(desk: Arc<Desk>, namespace: Namespace, takes_offsets: bool) -> Self {
        Self { desk, namespace, takes_offsets, goings: Vec::new(), close: None }
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// The errors that wait, each an event.
    fn complaints(&self, cx: &Context<'_>) -> impl Iterator<Item = Frame> {
        let namespace = self.namespace;
        let complaints = self.desk.complaints(cx).into_iter();
        complaints.filter_map(move |said| namespace.packet("error", &said)).map(Frame::Packet)
    }

    /// What was missed before, then what is new.
    fn poll_news(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<Result<(), Closed>> {
        // Whoever was logged out meanwhile hears no more pages, and how it ends.
        if !self.desk.session().mailbox().is_closing() {
            match ready!(self.poll_missed(cx)) {
                Some(Ok(page)) => {
                    out.extend(page.iter().filter_map(|message| self.frame_again(message)));
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => {
                    tracing::warn!(?error, "a socket could not be caught up");
                    // What is behind is kept, and read when the client is back.
                    let is_over = error.kind == Kind::Unauthenticated;
                    return Poll::Ready(Err(if is_over { Closed::Dismissed } else { Closed::Lost }));
                }
                None => {}
            }
        }
        let mut batch = Batch::default();
        ready!(self.desk.session().poll_batch(cx, BATCH, &mut batch));
        self.take(batch, out);
        Poll::Ready(Ok(()))
    }

    /// Whether there is nothing but events to be sent as they come.
    fn is_live(&self) -> bool {
        self.close.is_none() && self.goings.is_empty() && self.desk.lag().is_none()
    }

    /// The next page of what was missed.
    fn poll_missed(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<Message>>>> {
        match &mut *self.desk.lag() {
            Some(lag) => lag.poll_page(cx, |room, seq| self.desk.missed(room, seq)),
            None => Poll::Ready(None),
        }
    }

    fn take(&mut self, batch: Batch, out: &mut Vec<Frame>) {
        let mut lag = self.desk.lag();
        for told in &batch.told {
            if self.desk.is_own_going(told) {
                self.goings.push(told.clone());
            }
            if !lag.as_mut().is_some_and(|lag| lag.has_sent(told)) {
                out.extend(self.frame(told));
            }
        }
        if !batch.lagged.is_empty() {
            lag.get_or_insert_default().add(batch.lagged);
        }
        lag.take_if(|lag| lag.is_over());
        drop(lag);
        self.close = batch.close;
    }

    /// The event in the words that all clients of the namespace share.
    fn frame(&self, told: &Told) -> Option<Frame> {
        let Some(offset) = word::offset(told).filter(|_| self.takes_offsets) else {
            let words =
                told.worded(self.namespace.slot(), |told| Some(word::event(self.namespace, told)?.into_bytes()));
            return words.and_then(Packet::from_bytes).map(Frame::Packet);
        };
        let words = told.worded(self.namespace.offset_slot(), |told| {
            Some(word::event(self.namespace, told)?.with_offset(&offset).into_bytes())
        });
        Some(Frame::Recoverable { packet: Packet::from_bytes(words?)?, offset: offset.into() })
    }

    /// A message that was read again.
    fn frame_again(&self, message: &Message) -> Option<Frame> {
        let packet = word::new_message(self.namespace, message)?;
        if !self.takes_offsets {
            return Some(Frame::Packet(packet));
        }
        let offset = word::message_offset(message);
        Some(Frame::Recoverable { packet: packet.with_offset(&offset), offset: offset.into() })
    }
}

impl Feed for Socket {
    fn poll_frames(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<Result<(), Closed>> {
        let before = out.len();
        out.extend(self.complaints(cx));
        loop {
            self.goings.drain(..).for_each(|told| self.desk.own_user_went(&told));
            if out.len() > before {
                return Poll::Ready(Ok(()));
            }
            match self.close {
                // The server closes the connection itself, in a way that has the client come back.
                Some(Close::Restart) => return Poll::Pending,
                Some(why) if why.is_dismissal() => return Poll::Ready(Err(Closed::Dismissed)),
                Some(_) => return Poll::Ready(Err(Closed::Lost)),
                None => {}
            }
            if let Err(closed) = ready!(self.poll_news(cx, out)) {
                return Poll::Ready(Err(closed));
            }
        }
    }

    fn poll_beside(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<bool> {
        if !self.is_live() || self.desk.has_complaints() {
            return Poll::Ready(false);
        }
        let mut batch = Batch::default();
        ready!(self.desk.session().poll_batch(cx, BATCH, &mut batch));
        self.take(batch, out);
        Poll::Ready(self.is_live())
    }
}
