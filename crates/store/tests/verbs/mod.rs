//! Verbs that meet: on Postgres they run at the same time, and what one of them decided stands, whatever another had
//! read before.

mod town;

use convo_domain::{
    Domain,
    clock::Timestamp,
    error::{Kind, Result},
    id::{ParticipantId, RoomId},
    meeting::{
        Presence,
        act::{MeetingChange, SettingsChange},
        control::{Control, SelfChange},
    },
    room::RoomRef,
    store::{Key, Tx},
    user::{
        Actor, Caller, Channel, Standing,
        act::{CredentialChange, ProfileChange},
    },
};
use std::{sync::Arc, time::Duration};
use town::Town;

const OLD: &str = "OldPassword1";
const NEW: &str = "NewPassword1";

fn renamed() -> ProfileChange {
    ProfileChange { display_name: Some("Ann Roe".into()), ..Default::default() }
}

fn new_password() -> CredentialChange {
    CredentialChange { email: None, password: Some(NEW.into()) }
}

impl Town {
    async fn standing(&self, caller: Caller) -> Standing {
        self.domain.store.read(move |tx| tx.user(caller.user)).await.unwrap().unwrap().standing
    }

    async fn is_logged_in(&self, caller: Caller) -> bool {
        let login = self.domain.store.read(move |tx| tx.login(caller.login)).await.unwrap().unwrap();
        login.revoked_at.is_none()
    }

    /// The other is done, and well, while the verb has read the account and has not saved it yet.
    async fn done_beside<F, T>(&self, verb: impl FnOnce(Arc<Domain>) -> F, other: impl Future<Output = Result<T>>)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (_, done) = self.meet("users", verb(self.domain.clone()), other).await;
        done.unwrap();
    }

    async fn done_beside_a_saved_profile<T>(&self, whose: Caller, other: impl Future<Output = Result<T>>) {
        let save = move |domain: Arc<Domain>| async move { domain.update_profile(whose, renamed()).await.map(drop) };
        self.done_beside(save, other).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_ends_the_log_in_that_is_being_refreshed() {
    let town = Town::new().await;
    let (ann, refresh) = town.person("ann@example.com", OLD).await;
    let domain = town.domain.clone();
    let (_, gone) = town
        .meet("logins", async move { domain.refresh(&refresh, None).await.map(drop) }, town.domain.log_out(ann))
        .await;
    gone.unwrap();
    assert!(!town.is_logged_in(ann).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_traded_once_also_when_both_come_at_once() {
    let town = Town::new().await;
    let (ann, refresh) = town.person("ann@example.com", OLD).await;
    let (domain, same) = (town.domain.clone(), refresh.clone());
    let (first, second) = town
        .meet("logins", async move { domain.refresh(&same, None).await.map(drop) }, town.domain.refresh(&refresh, None))
        .await;
    first.unwrap();
    assert_eq!(second.err().unwrap().kind, Kind::Unauthenticated);
    assert!(!town.is_logged_in(ann).await, "a token that was traded before is stolen or lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deactivated_while_their_profile_is_saved_stays_it() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    town.done_beside_a_saved_profile(ann, town.domain.set_active(ann.user, false)).await;
    assert_eq!(town.standing(ann).await, Standing::Deactivated);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deactivated_while_their_address_is_proven_stays_it() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let code = town.code("ann@example.com").await;
    let prove = |domain: Arc<Domain>| async move { domain.verify(Channel::Email, &code, None, town::asker()).await };
    town.done_beside(prove, town.domain.set_active(ann.user, false)).await;
    assert_eq!(town.standing(ann).await, Standing::Deactivated);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deleted_while_their_profile_is_saved_stays_it() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    town.done_beside_a_saved_profile(ann, town.domain.delete_account(ann)).await;
    assert_eq!(town.standing(ann).await, Standing::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_stands_though_the_profile_is_saved_beside_it() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    town.done_beside_a_saved_profile(ann, town.domain.update_credentials(ann, new_password())).await;
    assert!(town.domain.log_in("ann@example.com", OLD).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_stands_though_somebody_logs_in_with_the_old_one() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let log_in = |domain: Arc<Domain>| async move { domain.log_in("ann@example.com", OLD).await.map(drop) };
    town.done_beside(log_in, town.domain.update_credentials(ann, new_password())).await;
    assert!(town.domain.log_in("ann@example.com", OLD).await.is_err());
    town.domain.log_in("ann@example.com", NEW).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_password_opens_nothing_any_more_though_it_fitted_a_moment_ago() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let domain = town.domain.clone();
    let change = async move { domain.update_credentials(ann, new_password()).await };
    let (changed, opened) = town.meet("users", change, town.domain.log_in("ann@example.com", OLD)).await;
    changed.unwrap();
    assert_eq!(opened.err().unwrap().message, "Invalid credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_log_ins_though_its_sender_has_gone() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let elsewhere = town.log_in("ann@example.com", OLD).await;
    let domain = town.domain.clone();
    let change = async move { domain.update_credentials(ann, new_password()).await };
    town.begin("users", change).await.abort();
    // Waits for the account, and so for the change.
    town.domain.update_profile(ann, renamed()).await.unwrap();
    assert!(!town.is_logged_in(elsewhere).await);
    assert!(town.is_logged_in(ann).await, "but not the one that changed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_not_said_to_be_lost_though_its_code_cannot_be_made() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    town.refuse("verifications");
    let moved = CredentialChange { email: Some("ann@example.org".into()), password: None };
    town.domain.update_credentials(ann, moved).await.unwrap();
    town.person("ben@example.com", OLD).await;
    town.domain.log_in("ann@example.org", OLD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivation_ends_the_log_ins_though_its_sender_has_gone() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let domain = town.domain.clone();
    town.begin("users", async move { domain.set_active(ann.user, false).await }).await.abort();
    town.domain.set_admin(ann.user, false).await.unwrap();
    assert!(!town.is_logged_in(ann).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_for_the_old_address_does_not_prove_the_new_one() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let (domain, code) = (town.domain.clone(), town.code("ann@example.com").await);
    let moved = CredentialChange { email: Some("ann@example.org".into()), password: None };
    let change = async move { domain.update_credentials(ann, moved).await };
    let verify = town.domain.verify(Channel::Email, &code, None, town::asker());
    let (changed, proven) = town.meet("users", change, verify).await;
    changed.unwrap();
    assert_eq!(proven.unwrap_err().field, Some("verification_code"));
    assert!(!town.domain.user(ann.user).await.unwrap().email_verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_codes_are_guessed_also_when_all_come_at_once() {
    let town = Town::new().await;
    town.person("ann@example.com", OLD).await;
    let guess = async |n: u32| {
        let answer = town.domain.verify(Channel::Email, &format!("wrong {n}"), None, town::asker()).await;
        answer.unwrap_err().kind
    };
    let answers = futures_util::future::join_all((0..30).map(guess)).await;
    assert_eq!(answers.iter().filter(|kind| **kind == Kind::Invalid).count(), 10);
    assert_eq!(answers.iter().filter(|kind| **kind == Kind::TooMany).count(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_code_is_no_guess() {
    let town = Town::new().await;
    for n in 0..11 {
        let email = format!("ann{n}@example.com");
        town.person(&email, OLD).await;
        town.domain.verify(Channel::Email, &town.code(&email).await, None, town::asker()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_code_is_answered_at_once_account_or_not() {
    let town = Town::new().await;
    town.person("ann@example.com", OLD).await;
    let first = town.code("ann@example.com").await;
    town.clock.stop_at(town.domain.now() + Duration::from_secs(60));
    let held = town.hold("verifications");
    for email in ["ann@example.com", "nobody@example.com"] {
        let answer = tokio::time::timeout(Duration::from_secs(5), town.domain.resend_codes(email)).await;
        answer.expect(email).unwrap();
    }
    drop(held);
    while town.code("ann@example.com").await == first {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_codes_a_day_are_sent_for_an_account_wherever_they_go() {
    let town = Town::new().await;
    let registered = Timestamp::from_seconds(1_700_000_000);
    town.clock.stop_at(registered);
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let is_sent_to = async |n: u32| {
        let moved = CredentialChange { email: Some(format!("ann{n}@example.com")), password: None };
        town.domain.update_credentials(ann, moved).await.unwrap();
        let last = town.domain.store.read(move |tx| tx.outstanding(Channel::Email, ann.user)).await;
        last.unwrap().is_some()
    };
    for n in 2..=10 {
        assert!(is_sent_to(n).await, "{n}");
    }
    assert!(!is_sent_to(11).await);
    town.domain.verify(Channel::Email, &town.code("ann10@example.com").await, None, town::asker()).await.unwrap_err();
    let (ben, _) = town.person("ben@example.com", OLD).await;
    town.domain.verify(Channel::Email, &town.code("ben@example.com").await, None, town::asker()).await.unwrap();
    assert!(town.domain.user(ben.user).await.unwrap().email_verified, "others have their own");
    town.clock.stop_at(registered + Duration::from_secs(24 * 3600));
    assert!(is_sent_to(12).await);
}

/// Ann's meeting, and Bob in it.
#[derive(Clone, Copy)]
struct Scene {
    ann: Caller,
    bob: Caller,
    room: RoomId,
    bobs: ParticipantId,
}

impl Town {
    async fn scene(&self) -> Scene {
        let (ann, _) = self.person("ann@example.com", OLD).await;
        let (bob, _) = self.person("bob@example.com", OLD).await;
        let room = self.meeting(ann).await;
        self.seat(ann, room).await;
        Scene { ann, bob, room, bobs: self.seat(bob, room).await }
    }

    /// Bob logs out while the verb has read him and has not saved him yet: he is out, and his meeting token is dead.
    async fn out_beside<F>(&self, scene: Scene, verb: impl FnOnce(Arc<Domain>) -> F)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (_, gone) = self.meet("participants", verb(self.domain.clone()), self.other.log_out(scene.bob)).await;
        gone.unwrap();
        let found = self.domain.store.read(move |tx| tx.participant(scene.bobs)).await.unwrap();
        assert_eq!(found.unwrap().presence, Presence::Gone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_while_a_socket_says_goodbye_is_out() {
    let town = Town::new().await;
    let scene @ Scene { room, bobs, .. } = town.scene().await;
    town.out_beside(scene, |domain| async move { domain.disconnected(room, bobs, true).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_while_a_socket_comes_is_out() {
    let town = Town::new().await;
    let scene @ Scene { room, bobs, .. } = town.scene().await;
    town.out_beside(scene, |domain| async move { domain.connected(room, bobs).await.map(drop) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_while_an_old_token_brings_them_back_is_out() {
    let town = Town::new().await;
    let scene @ Scene { room, bobs, .. } = town.scene().await;
    town.domain.disconnected(room, bobs, true).await.unwrap();
    let back = |domain: Arc<Domain>| async move { domain.attend_as(bobs, RoomRef::Id(room)).await.map(drop) };
    town.out_beside(scene, back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_while_they_raise_a_hand_is_out() {
    let town = Town::new().await;
    let scene @ Scene { room, bobs, .. } = town.scene().await;
    let hand = SelfChange { hand_raised: Some(true), ..Default::default() };
    town.out_beside(scene, |domain| async move { domain.update_self(room, bobs, hand).await.map(drop) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_while_the_host_mutes_them_is_out() {
    let town = Town::new().await;
    let scene @ Scene { ann, room, bobs, .. } = town.scene().await;
    let mute = |domain: Arc<Domain>| async move {
        domain.control(&Actor::User(ann), RoomRef::Id(room), bobs, Control::Mute).await.map(drop)
    };
    town.out_beside(scene, mute).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_while_the_host_mutes_everybody_is_out() {
    let town = Town::new().await;
    let scene @ Scene { ann, room, .. } = town.scene().await;
    let mute =
        |domain: Arc<Domain>| async move { domain.mute_all(&Actor::User(ann), RoomRef::Id(room)).await.map(drop) };
    town.out_beside(scene, mute).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deactivated_while_they_join_is_out() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let (domain, room) = (town.domain.clone(), town.meeting(ann).await);
    // The first to come starts the meeting, and so saves the room.
    let join = async move { domain.join(Some(&Actor::User(ann)), town::HERE, RoomRef::Id(room), town::wish()).await };
    let (joined, done) = town.meet("rooms", join, town.other.set_active(ann.user, false)).await;
    done.unwrap();
    let id = joined.ok().unwrap().participant.id;
    let found = town.domain.store.read(move |tx| tx.participant(id)).await.unwrap();
    assert_eq!(found.unwrap().presence, Presence::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_while_they_join_is_out() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let (domain, room) = (town.domain.clone(), town.meeting(ann).await);
    let join = async move { domain.join(Some(&Actor::User(ann)), town::HERE, RoomRef::Id(room), town::wish()).await };
    let (joined, gone) = town.meet("rooms", join, town.other.log_out(ann)).await;
    gone.unwrap();
    let id = joined.ok().unwrap().participant.id;
    let found = town.domain.store.read(move |tx| tx.participant(id)).await.unwrap();
    assert_eq!(found.unwrap().presence, Presence::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deleted_while_the_meeting_ends_keeps_no_name_there() {
    let town = Town::new().await;
    let Scene { ann, bob, room, bobs } = town.scene().await;
    let domain = town.domain.clone();
    let end = async move { domain.end_meeting(ann, RoomRef::Id(room)).await.map(drop) };
    let (_, done) = town.meet("participants", end, town.other.delete_account(bob)).await;
    done.unwrap();
    let found = town.domain.store.read(move |tx| tx.participant(bobs)).await.unwrap().unwrap();
    assert_eq!((found.presence, &found.display_name[..]), (Presence::Gone, "Deleted user"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logged_out_before_their_join_began_is_not_let_in() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let room = town.meeting(ann).await;
    // What the door had found good a moment before.
    let actor = Actor::User(town.domain.check_login(ann).await.unwrap());
    town.domain.log_out(ann).await.unwrap();
    let joined = town.domain.join(Some(&actor), town::HERE, RoomRef::Id(room), town::wish()).await;
    assert_eq!(joined.err().unwrap().kind, Kind::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_made_for_the_address_that_the_account_has() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let to = |address: &str| CredentialChange { email: Some(address.into()), password: None };
    let (domain, first, then) = (town.domain.clone(), to("ann@example.org"), to("ann@example.net"));
    // The first change is made, and its code is just being stored, when the second comes.
    let change = async move { domain.update_credentials(ann, first).await.map(drop) };
    let (_, changed) = town.meet("verifications", change, town.other.update_credentials(ann, then)).await;
    changed.unwrap();
    let old = town.code("ann@example.org").await;
    assert!(town.domain.verify(Channel::Email, &old, None, town::asker()).await.is_err());
    let code = town.code("ann@example.net").await;
    town.domain.verify(Channel::Email, &code, None, town::asker()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_admitted_keeps_the_seat_by_the_socket_that_waited() {
    let town = Town::new().await;
    let Scene { ann, room, .. } = town.scene().await;
    let (cleo, _) = town.person("cleo@example.com", OLD).await;
    let closed = SettingsChange { waiting_room_enabled: Some(true), ..Default::default() };
    let change = MeetingChange { settings: closed, ..Default::default() };
    town.domain.update_meeting(ann, RoomRef::Id(room), change).await.unwrap();
    let (with_a_socket, without) = (town.seat(cleo, room).await, town.seat(cleo, room).await);
    town.domain.connected(room, with_a_socket).await.unwrap();
    for (id, keeps) in [(with_a_socket, true), (without, false)] {
        let admitted = town.domain.control(&Actor::User(ann), RoomRef::Id(room), id, Control::Admit).await.unwrap();
        assert_eq!((admitted.presence, admitted.seat_until.is_none()), (Presence::Joined, keeps));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_has_left_with_the_devices_that_were_away_too() {
    let town = Town::new().await;
    let Scene { bob, room, bobs, .. } = town.scene().await;
    let away = town.seat(bob, room).await;
    let seconds = |n: i64| Timestamp(n * 1_000_000);
    let lost = move |tx: &mut dyn Tx, id: ParticipantId| {
        let mut device = tx.participant(id)?.unwrap();
        (device.presence, device.seat_until) = (Presence::Left, None);
        (device.joined_at, device.left_at) = (seconds(100), Some(seconds(160)));
        tx.save_participant(&device)
    };
    town.domain.store.write(Key::Any, move |tx| lost(tx, away)).await.unwrap();
    let presence = async |id| town.domain.store.read(move |tx| tx.participant(id)).await.unwrap().unwrap().presence;
    town.domain.leave(&Actor::User(bob), RoomRef::Id(room), Some(bobs)).await.unwrap();
    assert_eq!(presence(away).await, Presence::Left, "one device was named");
    let spent = town.domain.leave(&Actor::User(bob), RoomRef::Id(room), None).await.unwrap();
    assert_eq!((presence(away).await, spent), (Presence::Gone, 60));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_on_hearing_of_the_end_is_told_how_long_they_were_there() {
    let town = Town::new().await;
    let Scene { ann, bob, room, bobs } = town.scene().await;
    town.domain.end_meeting(ann, RoomRef::Id(room)).await.unwrap();
    let an_hour = move |tx: &mut dyn Tx| {
        let mut device = tx.participant(bobs)?.unwrap();
        (device.joined_at, device.left_at) = (Timestamp(0), Some(Timestamp(3_600_000_000)));
        tx.save_participant(&device)
    };
    town.domain.store.write(Key::Any, an_hour).await.unwrap();
    for which in [None, Some(bobs)] {
        let spent = town.domain.leave(&Actor::User(bob), RoomRef::Id(room), which).await.unwrap();
        assert_eq!(spent, 3_600, "{which:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seconds_that_somebody_was_there_and_that_a_meeting_took() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let (bob, _) = town.person("bob@example.com", OLD).await;
    let room = town.meeting(ann).await;
    let began = Timestamp::from_seconds(1_700_000_000);
    let at = |seconds| town.clock.stop_at(began + Duration::from_secs(seconds));
    at(0);
    town.seat(ann, room).await;
    at(25);
    town.seat(bob, room).await;
    at(1_825);
    let spent = town.domain.leave(&Actor::User(bob), RoomRef::Id(room), None).await.unwrap();
    assert_eq!(spent, 1_800);
    at(3_600);
    let (ended, people) = town.domain.end_meeting(ann, RoomRef::Id(room)).await.unwrap();
    let (start, end) = (ended.actual_start.unwrap(), ended.actual_end.unwrap());
    assert_eq!((start, end, people), (began, began + Duration::from_secs(3_600), 2));
}
