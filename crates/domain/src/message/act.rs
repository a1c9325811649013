//! Posting and reading.
//!
//! **A message is acknowledged only after it is on disk, and live clients hear it in the order of its `seq`.**

use super::{Draft, Message, draft::To, store::Viewer};
use crate::{
    Domain, agent,
    bus::Tell,
    clock::Timestamp,
    error::{Error, Kind, Result},
    event::{Audience, Event},
    id::{MessageId, RoomId},
    limit,
    page::{Page, Window},
    room::{
        RoomKind, RoomRef,
        act::{Entry, Join, enter},
        rules,
    },
    store::{Key, Tx},
    user::{Actor, Party, Standing},
};
use std::sync::Arc;

/// A message, and whether this call made it (or found it made by an earlier try).
#[derive(Debug, Clone)]
pub struct Posted {
    pub message: Message,
    pub fresh: bool,
}

impl Domain {
    /// Posts to a room. Posts of one caller to one room that are under way together are stored in the order of the calls'
    /// first polls, provided the room is named by id or was found before.
    pub async fn post(self: &Arc<Self>, actor: &Actor, by: RoomRef, missing: RoomKind, draft: Draft) -> Result<Posted> {
        let id = self.find_room(by, missing).await?;
        let (poster, now, retry) = (actor.clone(), self.now(), draft.clone());
        let caller = agent::Caller::new(self, id);
        let post = self.store.write(Key::Room(id), move |tx| {
            let entry = enter(tx, &poster, id, missing, Join::ByUse, now)?;
            Ok((append(tx, &entry, draft, now)?, entry.room.is_ai.then(|| caller.call())))
        });
        match post.await {
            Ok((posted, _)) => Ok(posted),
            // Another node stored the same client message id in the same moment: theirs is the message.
            Err(error) if error.kind == Kind::Conflict => self.earlier(actor, id, missing, &retry).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    async fn earlier(&self, actor: &Actor, id: RoomId, missing: RoomKind, draft: &Draft) -> Result<Option<Posted>> {
        let party = self.entry(actor, id, missing).await?.party;
        let draft = draft.clone();
        self.store.read(move |tx| same_nonce(tx, id, party, &draft)).await
    }

    /// A page of what the caller may see, oldest first.
    pub async fn history(
        &self,
        actor: &Actor,
        by: RoomRef,
        missing: RoomKind,
        since: Option<Timestamp>,
        window: Window,
    ) -> Result<Page<Message>> {
        let id = self.find_room(by, missing).await?;
        self.reading(actor, id, missing, move |tx, viewer| tx.history(id, viewer, since, window)).await
    }

    /// Everything after `seq`, at most `limit`, oldest first.
    pub async fn messages_after(
        &self,
        actor: &Actor,
        id: RoomId,
        missing: RoomKind,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<Message>> {
        self.reading(actor, id, missing, move |tx, viewer| tx.after(id, viewer, seq, limit)).await
    }

    /// The newest `limit` before `before`, oldest first.
    pub async fn latest_messages(
        &self,
        actor: &Actor,
        by: RoomRef,
        missing: RoomKind,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Message>> {
        let id = self.find_room(by, missing).await?;
        self.reading(actor, id, missing, move |tx, viewer| tx.latest(id, viewer, before, limit)).await
    }

    /// The whole history, for the documents that know no pages.
    pub async fn all_messages(&self, actor: &Actor, by: RoomRef, missing: RoomKind) -> Result<Vec<Message>> {
        let id = self.find_room(by, missing).await?;
        let (mut all, mut seq) = (Vec::new(), 0);
        loop {
            let page = self.messages_after(actor, id, missing, seq, 1_000).await?;
            let Some(last) = page.last() else { return Ok(all) };
            seq = last.seq;
            all.extend(page);
        }
    }

    /// The whole history as nobody in particular sees it: without what is private.
    pub async fn public_messages(&self, id: RoomId) -> Result<Vec<Message>> {
        let (mut all, mut seq) = (Vec::new(), 0);
        loop {
            let page = self.catch_up(id, seq).await?;
            let Some(last) = page.last() else { return Ok(all) };
            seq = last.seq;
            all.extend(page.into_iter().filter(|message| !message.is_private()));
        }
    }

    async fn reading<T: Send + 'static>(
        &self,
        actor: &Actor,
        id: RoomId,
        missing: RoomKind,
        read: impl FnOnce(&mut dyn Tx, Viewer) -> Result<T> + Clone + Send + 'static,
    ) -> Result<T> {
        let (asker, now, again) = (actor.clone(), self.now(), read.clone());
        let first = self.store.read(move |tx| {
            let entry = enter(tx, &asker, id, missing, Join::Not, now)?;
            read(tx, Viewer::Party(entry.party))
        });
        match first.await {
            // Perhaps one who joins by reading.
            Err(error) if error.kind == Kind::Forbidden && error.field.is_some() => {
                let entry = self.entry(actor, id, missing).await?;
                self.store.read(move |tx| again(tx, Viewer::Party(entry.party))).await
            }
            other => other,
        }
    }

    /// Messages that live sessions missed, as the bus asks for them.
    pub async fn catch_up(&self, id: RoomId, after: i64) -> Result<Vec<Message>> {
        self.store.read(move |tx| tx.after(id, Viewer::Server, after, limit::CATCH_UP)).await
    }
}

/// Stores the draft as the room's next message and tells the room.
pub(crate) fn append(tx: &mut dyn Tx, entry: &Entry, draft: Draft, now: Timestamp) -> Result<Posted> {
    if let Some(earlier) = same_nonce(tx, entry.room.id, entry.party, &draft)? {
        return Ok(earlier);
    }
    rules::may_post(&entry.room)?;
    let recipient = draft.to.map(|to| recipient(tx, entry, to)).transpose()?;
    let mut message = Message {
        id: MessageId::new(),
        number: 0,
        room: entry.room.id,
        room_number: entry.room.number,
        seq: 0,
        sender: entry.party,
        sender_number: entry.number,
        sender_name: entry.name.clone(),
        content: draft.content,
        kind: draft.kind,
        recipient,
        nonce: draft.nonce,
        created_at: now,
    };
    tx.append(&mut message)?;
    let audience = match recipient {
        Some(to) => Audience::Parties(vec![entry.party, to]),
        None => Audience::Room,
    };
    tx.tell(Tell::event(entry.room.id, audience, Event::Posted(message.clone())));
    Ok(Posted { message, fresh: true })
}

/// The message that an earlier try of the same draft made. The same id on other words, or to somebody else, is a client's
/// mistake.
fn same_nonce(tx: &mut dyn Tx, id: RoomId, party: Party, draft: &Draft) -> Result<Option<Posted>> {
    let Some(nonce) = &draft.nonce else { return Ok(None) };
    let Some(message) = tx.by_nonce(id, party, nonce)? else { return Ok(None) };
    let same = message.content == draft.content && message.kind == draft.kind;
    if !same || !is_to(tx, draft.to, message.recipient)? {
        return Err(Error::invalid("client_message_id", "This Idempotency-Key was used for another message"));
    }
    Ok(Some(Posted { message, fresh: false }))
}

/// Whether a draft's address names the recipient, who may have left since.
fn is_to(tx: &mut dyn Tx, to: Option<To>, recipient: Option<Party>) -> Result<bool> {
    Ok(match (to, recipient) {
        (None, None) => true,
        (Some(To::User(user)), Some(Party::User(recipient))) => user == recipient,
        (Some(To::User(user)), Some(Party::Guest(recipient))) => user.0 == recipient.0,
        (Some(To::Participant(id)), Some(recipient)) => tx.participant(id)?.is_some_and(|p| p.party() == recipient),
        (None, Some(_)) | (Some(_), None) => false,
    })
}

/// The one a private message is for: somebody in the room.
fn recipient(tx: &mut dyn Tx, entry: &Entry, to: To) -> Result<Party> {
    let nobody = || Error::invalid("recipient_user_id", "recipient_user_id must be somebody in this meeting");
    let id = entry.room.id;
    match to {
        To::User(user) => {
            let member = tx.member(id, user)?.filter(|m| m.standing == crate::room::MemberStanding::In);
            if member.is_some() {
                // Who deleted the account is still a member, and reads nothing any more.
                let there = tx.user(user)?.filter(|user| user.standing != Standing::Deleted);
                return there.map(|user| Party::User(user.id)).ok_or_else(nobody);
            }
            // A guest has no user id; their participant id stands for it.
            let guest = tx.participant(crate::id::ParticipantId(user.0))?;
            guest.filter(|p| p.room == id && p.seated()).map(|p| p.party()).ok_or_else(nobody)
        }
        To::Participant(participant) => {
            let found = tx.participant(participant)?.filter(|p| p.room == id && p.seated());
            found.map(|p| p.party()).ok_or_else(nobody)
        }
    }
}
