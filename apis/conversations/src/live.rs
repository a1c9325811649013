//! One client on a conversation's WebSocket.

use crate::{
    map::{self, Wish},
    voice,
};
use bytes::Bytes;
use convo_domain::{
    Asker,
    bus::Tell,
    error::{Error, Result},
    event::{Audience, Event, Told, Who},
    id::RoomId,
    limit,
    message::{Draft, Message},
    room::{RoomKind, RoomRef},
    session::{Owner, Session},
    user::Actor,
};
use convo_kit::{
    Shared,
    limit::{Class, Frames},
    pump::{Live, Reply, Step},
    slot,
};
use futures_util::future::BoxFuture;
use std::{net::IpAddr, sync::Arc};

/// The client's end of the conversation.
pub(crate) struct Line {
    app: Shared,
    session: Session,
    room: RoomId,
    actor: Actor,
    who: Who,
    asker: Asker,
    frames: Frames,
}

impl Line {
    /// Subscribes the actor to the room, if they may hear it.
    pub(crate) async fn open(app: Shared, actor: Actor, room: RoomId, address: IpAddr) -> Result<Arc<Self>> {
        let session = app.domain.bus.open(owner(&actor));
        let entry = app.domain.listen(&session, &actor, RoomRef::Id(room), RoomKind::Conversation).await?;
        let who = Who { party: entry.party, participant: entry.participant, name: entry.name };
        let asker = Asker::of(Some(&actor), address);
        let frames = Frames::new(app.domain.now());
        Ok(Arc::new(Self { app, session, room, actor, who, asker, frames }))
    }

    fn step(self: &Arc<Self>, text: &str) -> Result<Step> {
        let wish = map::wish(text)?;
        if self.app.domain.bus.hears(&self.session, self.room) {
            return self.grant(wish);
        }
        self.spend_frame()?;
        Ok(Step::Wait(Box::pin(self.clone().come_back(wish))))
    }

    /// Who left, or was removed, is back by now, or is out: they hear the room before they do anything in it.
    async fn come_back(self: Arc<Self>, wish: Wish) -> Vec<Reply> {
        let by = RoomRef::Id(self.room);
        let entry = match self.app.domain.listen(&self.session, &self.actor, by, RoomKind::Conversation).await {
            Ok(entry) => entry,
            Err(error) => return turned_away(&error),
        };
        let mut replies = vec![Reply::Heard(self.room, entry.room.seq)];
        replies.extend(match self.grant(wish) {
            Ok(Step::Now(done)) => done,
            Ok(Step::Go(work) | Step::Wait(work)) => work.await,
            Err(error) => answer(Err(error)),
        });
        replies
    }

    fn grant(self: &Arc<Self>, wish: Wish) -> Result<Step> {
        let line = self.clone();
        match wish {
            Wish::Post(draft) => {
                self.app.limits.spend(self.asker, Class::Chat, self.app.domain.now())?;
                Ok(Step::Go(Box::pin(async move { answer(line.post(draft).await) })))
            }
            Wish::Ping => Ok(Step::Now(vec![Reply::Text(map::pong())])),
            Wish::Nothing => Ok(Step::Now(vec![])),
            Wish::Typing(is_typing) => {
                self.spend_frame()?;
                self.tell_typing(is_typing);
                Ok(Step::Now(vec![]))
            }
            Wish::Resume(seq) => {
                self.spend_frame()?;
                Ok(Step::Now(vec![Reply::CatchUp(self.room, seq)]))
            }
            Wish::Cancel => {
                self.spend_frame()?;
                Ok(Step::Wait(Box::pin(async move {
                    let cancelled = line.app.domain.cancel_answer(&line.actor, line.room).await;
                    answer(cancelled.map(|_| vec![]))
                })))
            }
        }
    }

    fn spend_frame(&self) -> Result<()> {
        self.frames.spend(&self.app.limits, self.app.domain.now())
    }

    async fn post(&self, draft: Draft) -> Result<Vec<Reply>> {
        let by = RoomRef::Id(self.room);
        let posted = self.app.domain.post(&self.actor, by, RoomKind::Conversation, draft).await?;
        if posted.fresh {
            // The sender hears it like everybody else.
            return Ok(vec![]);
        }
        let again = map::message_frame(&posted.message).and_then(|frame| String::from_utf8(frame.into()).ok());
        Ok(again.map(Reply::Text).into_iter().collect())
    }

    fn tell_typing(&self, is_typing: bool) {
        let event = Event::Typing { from: self.who.clone(), is_typing };
        self.app.domain.bus.tell(vec![Tell::event(self.room, Audience::Others(self.who.party), event)]);
    }
}

fn owner(actor: &Actor) -> Owner {
    match actor {
        Actor::User(caller) => Owner { user: Some(caller.user), login: Some(caller.login), participant: None },
        Actor::Guest(guest) => Owner { participant: Some(guest.participant), ..Owner::default() },
    }
}

fn answer(outcome: Result<Vec<Reply>>) -> Vec<Reply> {
    outcome.unwrap_or_else(|error| vec![Reply::Text(voice::frame(&error))])
}

/// The socket is of this one room.
fn turned_away(error: &Error) -> Vec<Reply> {
    let told = Reply::Text(voice::frame(error));
    let end = error.kind.shuts_out().then_some(Reply::Close(4403, "removed"));
    [told].into_iter().chain(end).collect()
}

impl Live for Line {
    fn session(&self) -> &Session {
        &self.session
    }

    fn frame(self: &Arc<Self>, text: &str) -> Step {
        self.step(text).unwrap_or_else(|error| Step::Now(vec![Reply::Text(voice::frame(&error))]))
    }

    fn word(&self, told: &Told) -> Option<Bytes> {
        told.worded(slot::CONVERSATIONS, map::event)
    }

    fn word_message(&self, message: &Message) -> Option<Bytes> {
        map::message_frame(message)
    }

    fn missed(&self, room: RoomId, seq: i64) -> BoxFuture<'static, Result<Vec<Message>>> {
        let (app, actor) = (self.app.clone(), self.actor.clone());
        Box::pin(
            async move { app.domain.messages_after(&actor, room, RoomKind::Conversation, seq, limit::CATCH_UP).await },
        )
    }

    fn gone(self: Arc<Self>, _: bool) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.app.domain.unlisten(&self.session, self.room, self.who.participant).await })
    }
}
