//! A large room wakes its listeners for the first word at once, and for what follows in a moment, all together.

mod common;

use common::message;
use convo_bus::Hub;
use convo_domain::{
    bus::{Bus, Seat, Tell},
    event::{Audience, Event},
    id::{RoomId, UserId},
    session::{Batch, Owner, Session},
    user::Party,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};
use tokio::{
    task::yield_now,
    time::{advance, sleep},
};

/// Listeners that sleep until they are woken.
struct Crowd {
    hub: Hub,
    room: RoomId,
    members: Vec<(Party, Session)>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Crowd {
    fn asleep(size: usize) -> Self {
        let (hub, room) = (Hub::default(), RoomId::new());
        let members = (0..size).map(|_| {
            let party = Party::User(UserId::new());
            let session = hub.open(Owner::default());
            hub.subscribe(&session, room, Seat { party, participant: None, controls: false, waiting: false }, 0);
            (party, session)
        });
        let members = members.collect();
        let crowd = Self { hub, room, members, woken: Arc::default() };
        crowd.all_hear(&[]);
        crowd
    }

    /// Tells a message; how many it woke, here and in other tasks.
    async fn say(&self, seq: i64, audience: Audience) -> usize {
        self.tell(Tell::event(self.room, audience, Event::Posted(message(self.room, seq)))).await
    }

    async fn tell(&self, tell: Tell) -> usize {
        self.hub.tell(vec![tell]);
        yield_now().await;
        self.woken()
    }

    /// How many were woken since the last call.
    fn woken(&self) -> usize {
        self.woken.0.swap(0, Ordering::Relaxed)
    }

    /// What a member has heard; they sleep again.
    fn hears(&self, member: usize) -> Vec<i64> {
        let waker = Waker::from(self.woken.clone());
        let (mut cx, mut batch) = (Context::from_waker(&waker), Batch::default());
        let session = &self.members[member].1;
        let _ = session.poll_batch(&mut cx, usize::MAX, &mut batch);
        assert!(session.poll_batch(&mut cx, usize::MAX, &mut Batch::default()).is_pending());
        batch.told.iter().filter_map(|told| told.seq()).collect()
    }

    fn all_hear(&self, seqs: &[i64]) {
        (0..self.members.len()).for_each(|member| assert_eq!(self.hears(member), seqs));
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_waits_for_the_end_of_the_rest() {
    let crowd = Crowd::asleep(100);
    assert_eq!(crowd.say(1, Audience::Room).await, 100, "the first goes at once");
    crowd.all_hear(&[1]);
    advance(Duration::from_millis(1)).await;
    assert_eq!((crowd.say(2, Audience::Room).await, crowd.say(3, Audience::Room).await), (0, 0));
    sleep(Duration::from_millis(10)).await;
    assert_eq!(crowd.woken(), 100, "once for both");
    crowd.all_hear(&[2, 3]);
    sleep(Duration::from_millis(10)).await;
    assert_eq!((crowd.woken(), crowd.say(4, Audience::Room).await), (0, 100), "it has rested");
}

#[tokio::test(start_paused = true)]
async fn a_word_for_one_goes_at_once_with_what_waits() {
    let crowd = Crowd::asleep(100);
    crowd.say(1, Audience::Room).await;
    crowd.all_hear(&[1]);
    advance(Duration::from_millis(1)).await;
    crowd.say(2, Audience::Room).await;
    assert_eq!(crowd.say(3, Audience::Parties(vec![crowd.members[7].0])).await, 1);
    assert_eq!(crowd.hears(7), [2, 3]);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(crowd.woken(), 99, "all but the one who has heard it");
}

#[tokio::test(start_paused = true)]
async fn who_must_leave_hears_what_was_said_before() {
    let crowd = Crowd::asleep(100);
    crowd.say(1, Audience::Room).await;
    crowd.all_hear(&[1]);
    advance(Duration::from_millis(1)).await;
    crowd.say(2, Audience::Room).await;
    assert_eq!(crowd.tell(Tell::Unseat(crowd.room, crowd.members[7].0)).await, 100);
    assert_eq!(crowd.hears(7), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_waits_for_no_clock() {
    let crowd = Crowd::asleep(100);
    crowd.say(1, Audience::Room).await;
    crowd.all_hear(&[1]);
    advance(Duration::from_millis(1)).await;
    for seq in 2..66 {
        assert_eq!(crowd.say(seq, Audience::Room).await, 0);
    }
    assert_eq!(crowd.say(66, Audience::Room).await, 100, "long before a mailbox is full");
    crowd.all_hear(&(2..=66).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_small_room_never_rests() {
    let crowd = Crowd::asleep(20);
    for seq in 1..5 {
        assert_eq!(crowd.say(seq, Audience::Room).await, 20);
        crowd.all_hear(&[seq]);
        advance(Duration::from_micros(1)).await;
    }
}
