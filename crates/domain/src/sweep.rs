//! What must happen though nobody asks: seats run out, log-ins end in other processes, a lost hint is noticed.

use crate::{
    Domain,
    bus::{Tell, Whose},
    clock::Timestamp,
    error::Result,
    event::{Audience, Event},
    id::{ParticipantId, RoomId},
    limit,
    meeting::seat,
    session::Close,
    store::Key,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// How often; so long at most does a lost hint or another process's log-out go unnoticed.
const EVERY: Duration = Duration::from_secs(2);
/// Revocations are asked for a little further back than the last time: clocks and commits of others may lag.
const OVERLAP: Duration = Duration::from_secs(30);
/// Ended log-ins and codes are kept this long, so that a spent token is recognised.
const CREDENTIALS: Duration = Duration::from_secs(40 * 24 * 3600);

impl Domain {
    /// Before anybody comes in: nobody is connected, so every seat waits for its owner.
    pub async fn wake(&self) -> Result<()> {
        let until = self.now() + Duration::from_secs(limit::SEAT_SECONDS);
        self.store.write(Key::Any, move |tx| tx.unseat_all(until)).await
    }

    /// Runs until it is dropped.
    pub async fn sweep(self: Arc<Self>) {
        let (mut last, mut departed) = (self.now(), HashSet::new());
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let started = self.now();
            match self.sweep_once(last, &mut departed).await {
                Ok(()) => last = started,
                Err(error) => tracing::warn!(?error, "the sweep could not ask the store"),
            }
        }
    }

    /// `departed`: participants of whom it was seen that they are gone.
    async fn sweep_once(&self, last: Timestamp, departed: &mut HashSet<ParticipantId>) -> Result<()> {
        self.notice_revocations(last - OVERLAP).await?;
        self.notice_departures(last - OVERLAP, departed).await?;
        self.notice_missed().await?;
        self.expire_seats().await?;
        self.end_abandoned().await?;
        let before = self.now() - CREDENTIALS;
        // Once an hour is plenty; the clock decides, so that no state is kept.
        if self.now().seconds() % 3600 < EVERY.as_secs() as i64 {
            self.store.write(Key::Any, move |tx| tx.forget_credentials(before)).await?;
        }
        Ok(())
    }

    async fn notice_revocations(&self, since: Timestamp) -> Result<()> {
        let revoked = self.store.read(move |tx| tx.logins_revoked_since(since)).await?;
        if revoked.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = revoked.into_iter().map(|(id, _)| id).collect();
        self.logins.forget(&ids);
        self.bus.tell(ids.into_iter().map(|id| Tell::Close(Whose::Login(id), Close::Revoked)).collect());
        Ok(())
    }

    /// A deactivation or a log-out elsewhere ends meeting tokens, which no log-in leads to: sockets and media that go on by them
    /// are closed, and the meeting hears it.
    async fn notice_departures(&self, since: Timestamp, known: &mut HashSet<ParticipantId>) -> Result<()> {
        let lately = self.store.read(move |tx| tx.departed_since(since)).await?;
        let before = std::mem::replace(known, lately.iter().map(|(_, id, _)| *id).collect());
        for (room, id, how) in lately.into_iter().filter(|(_, id, _)| !before.contains(id)) {
            if self.bus.connections(room, id) > 0
                && let Some(participant) = self.store.read(move |tx| tx.participant(id)).await?
            {
                let left = Tell::event(room, Audience::Room, Event::Left(participant));
                self.bus.tell(vec![Tell::Close(Whose::Participant(id), seat::farewell(how)), left]);
            }
        }
        Ok(())
    }

    /// Rooms that moved while no hint came: their messages are told again; the bus drops what was heard.
    async fn notice_missed(&self) -> Result<()> {
        let heard = self.bus.heard();
        if heard.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = heard.iter().map(|(id, _)| *id).collect();
        let seqs = self.store.read(move |tx| tx.seqs(&ids)).await?;
        let before: HashMap<_, _> = heard.into_iter().collect();
        let moved: Vec<_> =
            seqs.into_iter().filter(|(id, seq)| before.get(id).is_some_and(|last| seq > last)).collect();
        if moved.is_empty() {
            return Ok(());
        }
        // Asked again: what was under way a moment ago has arrived by now.
        let now: HashMap<_, _> = self.bus.heard().into_iter().collect();
        for (id, seq) in moved {
            let Some(&last) = now.get(&id).filter(|last| **last < seq) else { continue };
            self.tell_missed(id, last).await?;
        }
        Ok(())
    }

    /// Tells again what the store has after `last`; what was heard already is dropped by the bus.
    pub(crate) async fn tell_missed(&self, id: RoomId, last: i64) -> Result<()> {
        let missed = self.catch_up(id, last).await?;
        if missed.is_empty() {
            return Ok(());
        }
        let tells = missed.into_iter().map(|message| {
            let audience = match message.recipient {
                Some(to) => Audience::Parties(vec![message.sender, to]),
                None => Audience::Room,
            };
            Tell::event(id, audience, Event::Posted(message))
        });
        self.bus.tell(tells.collect());
        Ok(())
    }
}
