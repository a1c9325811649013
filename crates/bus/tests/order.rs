//! What a room's listeners hear, and in which order, whatever order the news comes in.

mod common;

use common::message;
use convo_bus::Hub;
use convo_domain::{
    bus::{Bus, Seat, Tell, Whose},
    event::{Audience, Event},
    id::{LoginId, ParticipantId, RoomId, UserId},
    session::{Batch, Close, Owner, Session},
    user::Party,
};
use std::task::{Context, Waker};

fn posted(room: RoomId, seq: i64) -> Tell {
    to(room, seq, Audience::Room)
}

fn to(room: RoomId, seq: i64, audience: Audience) -> Tell {
    Tell::event(room, audience, Event::Posted(message(room, seq)))
}

fn member(user: UserId) -> Seat {
    Seat { party: Party::User(user), participant: None, controls: false, waiting: false }
}

fn listener(hub: &Hub, room: RoomId, seq: i64) -> Session {
    let session = hub.open(Owner::default());
    hub.subscribe(&session, room, member(UserId::new()), seq);
    session
}

fn take(session: &Session) -> Batch {
    let mut batch = Batch::default();
    let _ = session.poll_batch(&mut Context::from_waker(Waker::noop()), usize::MAX, &mut batch);
    batch
}

fn heard(session: &Session) -> Vec<i64> {
    take(session).told.iter().filter_map(|told| told.seq()).collect()
}

#[test]
fn what_comes_early_waits_and_what_comes_twice_is_dropped() {
    let (hub, room) = (Hub::default(), RoomId::new());
    let ann = listener(&hub, room, 4);
    hub.tell(vec![posted(room, 7), posted(room, 6)]);
    assert!(heard(&ann).is_empty(), "5 is missing");
    hub.tell(vec![posted(room, 4), posted(room, 5), posted(room, 6), posted(room, 8)]);
    assert_eq!(heard(&ann), [5, 6, 7, 8]);
    assert_eq!(hub.heard(), [(room, 8)]);
}

/// Deterministic shuffles of one stream, told from four threads: each listener hears it whole and in order.
#[test]
fn every_listener_hears_the_one_order() {
    const MESSAGES: i64 = 200;
    for seed in 1..=20_u64 {
        let (hub, room) = (Hub::default(), RoomId::new());
        let listeners: Vec<_> = (0..3).map(|_| listener(&hub, room, 0)).collect();
        let mut order: Vec<i64> = (1..=MESSAGES).collect();
        let mut state = seed;
        for i in (1..order.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(i, (state >> 33) as usize % (i + 1));
        }
        std::thread::scope(|scope| {
            for part in order.chunks(MESSAGES as usize / 4) {
                let hub = &hub;
                scope.spawn(move || part.iter().for_each(|seq| hub.tell(vec![posted(room, *seq)])));
            }
        });
        for session in &listeners {
            assert_eq!(heard(session), (1..=MESSAGES).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}

#[test]
fn an_audience_is_kept() {
    let (hub, room) = (Hub::default(), RoomId::new());
    let (ann, bob, participant) = (UserId::new(), UserId::new(), ParticipantId::new());
    let seats = [
        Seat { controls: true, ..member(ann) },
        Seat { participant: Some(participant), ..member(bob) },
        Seat { waiting: true, ..member(UserId::new()) },
    ];
    let sessions: Vec<Session> = seats
        .into_iter()
        .map(|seat| {
            let session = hub.open(Owner::default());
            hub.subscribe(&session, room, seat, 0);
            session
        })
        .collect();
    let hears = |audience: Audience| {
        hub.tell(vec![Tell::event(room, audience, Event::Locked(true))]);
        sessions.iter().map(|session| take(session).told.len()).collect::<Vec<_>>()
    };
    assert_eq!(hears(Audience::Room), [1, 1, 0]);
    assert_eq!(hears(Audience::RoomAndDoor), [1, 1, 1]);
    assert_eq!(hears(Audience::Hosts), [1, 0, 0]);
    assert_eq!(hears(Audience::Participant(participant)), [0, 1, 0]);
    assert_eq!(hears(Audience::Parties(vec![Party::User(bob)])), [0, 1, 0]);
    assert_eq!(hears(Audience::Others(Party::User(bob))), [1, 0, 0]);
    hub.tell(vec![Tell::Regrade(room, Party::User(bob), true)]);
    assert_eq!(hears(Audience::Hosts), [1, 1, 0]);
    hub.tell(vec![Tell::Regrade(room, Party::User(bob), false)]);
    assert_eq!(hears(Audience::Hosts), [1, 0, 0]);
    hub.tell(vec![Tell::Unseat(room, Party::User(bob))]);
    assert_eq!(hears(Audience::Room), [1, 0, 0]);
}

#[test]
fn sessions_close_with_those_they_belong_to() {
    let hub = Hub::default();
    let (user, login, other) = (UserId::new(), LoginId::new(), LoginId::new());
    let phone = hub.open(Owner { user: Some(user), login: Some(login), participant: None });
    let laptop = hub.open(Owner::default());
    hub.own(&laptop, Owner { user: Some(user), login: Some(other), participant: None });
    hub.tell(vec![Tell::Close(Whose::Login(login), Close::Revoked)]);
    assert_eq!((take(&phone).close, take(&laptop).close), (Some(Close::Revoked), None));
    hub.tell(vec![Tell::Close(Whose::User(user), Close::Revoked)]);
    assert_eq!(take(&laptop).close, Some(Close::Revoked));
}

#[test]
fn a_session_that_is_gone_leaves_nothing_behind() {
    let (hub, room) = (Hub::default(), RoomId::new());
    let session = listener(&hub, room, 0);
    assert_eq!((hub.sessions(), hub.heard().len()), (1, 1));
    drop(session);
    assert_eq!((hub.sessions(), hub.heard().len()), (0, 0));
}

#[test]
fn a_big_transaction_throws_nobody_out() {
    let (hub, room) = (Hub::default(), RoomId::new());
    let ann = listener(&hub, room, 0);
    // As mute-all does in a big meeting.
    let many = || (0..300).map(|_| Tell::event(room, Audience::Room, Event::Locked(true))).collect();
    hub.tell(many());
    hub.tell(vec![posted(room, 1)]);
    hub.tell(vec![Tell::event(room, Audience::Room, Event::Locked(false))]);
    let batch = take(&ann);
    assert_eq!((batch.told.len(), batch.lagged, batch.close), (301, vec![(room, 0)], None));
    hub.tell(many());
    hub.tell(many());
    assert_eq!(take(&ann).close, Some(Close::TooSlow));
}

#[test]
fn who_leaves_a_room_hears_nothing_of_it_any_more() {
    let (hub, room, other) = (Hub::default(), RoomId::new(), RoomId::new());
    let ann = listener(&hub, room, 0);
    hub.subscribe(&ann, other, member(UserId::new()), 0);
    hub.tell(vec![posted(room, 1), posted(other, 1)]);
    hub.unsubscribe(&ann, room);
    let told: Vec<_> = take(&ann).told.iter().map(|told| told.room).collect();
    assert_eq!(told, [other]);
    hub.subscribe(&ann, room, member(UserId::new()), 1);
    hub.tell((2..=400).map(|seq| posted(room, seq)).collect());
    hub.unsubscribe(&ann, room);
    assert!(take(&ann).lagged.is_empty(), "nor is it told to read it");
}
