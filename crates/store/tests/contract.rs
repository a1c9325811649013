//! One contract for every store: the same stories on SQLite and on Postgres. Postgres is the one that
//! `TEST_DATABASE_URL` names, or one started here when Debian's binaries are installed.

mod cluster;
mod schemas;
mod verbs;

use convo_domain::{
    agent::AGENT,
    bus::{Bus, Seat, Subscribed, Tell},
    clock::{Clock, System, Timestamp},
    error::{Error, Kind, Result},
    event::{Audience, Event},
    id::{LoginId, MessageId, ParticipantId, RoomId, UserId},
    meeting::{Participant, Presence},
    message::{Message, MessageKind, store::Viewer},
    page::Window,
    room::{Member, MemberStanding, Origin, Role, Room, RoomKind, RoomRef, Settings, Status, store::MeetingFilter},
    session::{Owner, Session},
    store::{Key, Store, Tx},
    user::{Channel, DeviceDefaults, Login, Party, PasswordHash, Standing, User, Verification},
    webhook::{Delivery, News},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Keeps what was told, in order.
#[derive(Default)]
struct Ear(Mutex<Vec<Tell>>);

impl Bus for Ear {
    fn tell(&self, tells: Vec<Tell>) {
        self.0.lock().unwrap().extend(tells);
    }
    fn open(&self, _: Owner) -> Session {
        Session::new(0, Default::default(), Arc::new(|_| {}))
    }
    fn own(&self, _: &Session, _: Owner) {}
    fn subscribe(&self, _: &Session, _: RoomId, _: Seat, after: i64) -> Subscribed {
        Subscribed { after, first: false }
    }
    fn unsubscribe(&self, _: &Session, _: RoomId) {}
    fn hears(&self, _: &Session, _: RoomId) -> bool {
        false
    }
    fn connections(&self, _: RoomId, _: ParticipantId) -> usize {
        0
    }
    fn heard(&self) -> Vec<(RoomId, i64)> {
        vec![]
    }
}

struct World {
    store: Arc<dyn Store>,
    ear: Arc<Ear>,
    _folder: tempfile::TempDir,
}

async fn sqlite() -> World {
    let folder = tempfile::tempdir().unwrap();
    let ear = Arc::new(Ear::default());
    let store = convo_store::open(None, folder.path(), ear.clone()).await.unwrap();
    World { store, ear, _folder: folder }
}

async fn postgres() -> World {
    let folder = tempfile::tempdir().unwrap();
    let ear = Arc::new(Ear::default());
    let url = cluster::fresh_database();
    let store = convo_store::open(Some(&url), folder.path(), ear.clone()).await.unwrap();
    World { store, ear, _folder: folder }
}

/// Every story becomes a test on each store.
macro_rules! contract {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite { $(#[tokio::test(flavor = "multi_thread")] async fn $story() { super::$story(super::sqlite().await).await; })* }
        mod on_postgres { $(#[tokio::test(flavor = "multi_thread")] async fn $story() { super::$story(super::postgres().await).await; })* }
    };
}

contract! {
    users_come_back_as_they_were_stored,
    an_address_belongs_to_one_account,
    log_ins_end_but_for_the_one_kept,
    codes_are_unique_while_outstanding,
    rooms_are_found_by_each_of_their_names,
    a_passcode_without_the_flag_is_required_all_the_same,
    two_people_share_one_conversation,
    meetings_are_listed_newest_first_and_filtered,
    members_and_participants_come_and_go,
    messages_stand_in_one_order,
    private_messages_are_for_two,
    pages_count_what_the_viewer_may_see,
    since_is_exact,
    a_nonce_makes_one_message,
    a_failed_job_leaves_nothing_and_tells_nothing,
    writes_of_one_room_keep_the_order_of_their_calls,
    seats_run_out,
    a_meeting_is_abandoned_when_nothing_happens_in_it,
    a_question_to_the_agent_is_unanswered_while_it_is_the_last_word,
    a_deleted_author_keeps_no_name,
    the_agent_has_an_account,
    news_of_a_room_wait_for_each_other,
    what_is_locked_is_read_by_the_next_as_it_was_saved,
    who_is_locked_is_read_by_the_next_as_they_were_saved,
}

fn user(email: &str) -> User {
    User {
        id: UserId::new(),
        number: 0,
        email: Some(email.into()),
        phone: None,
        password: PasswordHash("hash".into()),
        first_name: "Ann".into(),
        last_name: "Lee".into(),
        display_name: "Ann Lee".into(),
        avatar_url: Some("https://example.com/a.png".into()),
        email_verified: true,
        phone_verified: false,
        standing: Standing::Active,
        admin: false,
        timezone: "Europe/Berlin".into(),
        language: "de".into(),
        devices: DeviceDefaults { video_enabled: false, audio_enabled: true, auto_join_audio: false },
        created_at: Timestamp(1_000_001),
        updated_at: Timestamp(2_000_002),
        last_login: None,
    }
}

fn login(user: UserId) -> Login {
    Login {
        id: LoginId::new(),
        user,
        refresh_hash: vec![1, 2, 3],
        created_at: Timestamp(1),
        expires_at: Timestamp(1_000),
        revoked_at: None,
    }
}

fn room(code: &str, host: Option<UserId>) -> Room {
    Room {
        id: RoomId::new(),
        number: 0,
        kind: RoomKind::Meeting,
        origin: Origin::Platform,
        code: code.into(),
        title: "Standup — 立ち会い 🎉".into(),
        description: Some("daily".into()),
        host,
        scheduled_start: Some(Timestamp(5_000_000)),
        scheduled_end: None,
        timezone: "UTC".into(),
        status: Status::Scheduled,
        actual_start: None,
        actual_end: None,
        passcode: Some("123456".into()),
        locked: true,
        settings: Settings { max_participants: 7, require_password: true, ..Settings::open() },
        is_ai: false,
        pair: None,
        seq: 0,
        private_messages: 0,
        created_at: Timestamp(3),
        updated_at: Timestamp(4),
        last_activity: Timestamp(3),
    }
}

fn message(room: RoomId, sender: Party, content: &str) -> Message {
    Message {
        id: MessageId::new(),
        number: 0,
        room,
        room_number: 0,
        seq: 0,
        sender,
        sender_number: 1,
        sender_name: "Ann Lee".into(),
        content: content.into(),
        kind: MessageKind::Text,
        recipient: None,
        nonce: None,
        created_at: Timestamp(10),
    }
}

fn participant(room: RoomId, user: Option<UserId>) -> Participant {
    let id = ParticipantId::new();
    Participant {
        id,
        room,
        user,
        identity: format!("ann_{id}"),
        display_name: "Ann".into(),
        role: Role::Participant,
        presence: Presence::Joined,
        joined_at: Timestamp(5),
        left_at: None,
        video_enabled: true,
        audio_enabled: false,
        hand_raised: Some(Timestamp(6)),
        counted: true,
        assists: false,
        seat_until: Some(Timestamp(100)),
        login: user.map(|user| LoginId(user.0)),
    }
}

impl World {
    async fn read<T: Send + 'static>(&self, job: impl FnOnce(&mut dyn Tx) -> Result<T> + Send + 'static) -> T {
        self.store.read(job).await.unwrap()
    }

    async fn write<T: Send + 'static>(&self, job: impl FnOnce(&mut dyn Tx) -> Result<T> + Send + 'static) -> T {
        self.store.write(Key::Any, job).await.unwrap()
    }

    async fn person(&self, email: &str) -> User {
        let mut user = user(email);
        self.write(move |tx| {
            tx.add_user(&mut user)?;
            Ok(user)
        })
        .await
    }

    async fn room(&self, code: &str, host: &User) -> Room {
        let (mut room, host) = (room(code, Some(host.id)), host.id);
        self.write(move |tx| {
            tx.add_room(&mut room)?;
            tx.put_member(&member(room.id, host, Role::Host))?;
            Ok(room)
        })
        .await
    }

    async fn post(&self, mut message: Message) -> Message {
        self.write(move |tx| {
            tx.append(&mut message)?;
            Ok(message)
        })
        .await
    }
}

fn member(room: RoomId, user: UserId, role: Role) -> Member {
    Member { room, user, role, standing: MemberStanding::In, since: Timestamp(9) }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|m| m.content.as_str()).collect()
}

async fn users_come_back_as_they_were_stored(w: World) {
    let ann = w.person("ann@example.com").await;
    let bob = w.person("bob@example.com").await;
    assert!(ann.number >= 1 && bob.number == ann.number + 1);
    let id = ann.id;
    let found = w.read(move |tx| tx.user(id)).await.unwrap();
    assert_eq!(format!("{found:?}"), format!("{ann:?}"));
    let number = bob.number;
    assert_eq!(w.read(move |tx| tx.user_by_number(number)).await.unwrap().id, bob.id);
    assert_eq!(w.read(|tx| tx.user_by_email("bob@example.com")).await.unwrap().id, bob.id);
    let mut changed = found.clone();
    changed.display_name = "Änn".into();
    changed.phone = Some("+4930123456".into());
    changed.last_login = Some(Timestamp(77));
    let saved = changed.clone();
    w.write(move |tx| tx.save_user(&saved)).await;
    let again = w.read(|tx| tx.user_by_phone("+4930123456")).await.unwrap();
    assert_eq!(format!("{again:?}"), format!("{changed:?}"));
    assert_eq!(w.read(|tx| tx.users()).await.iter().map(|u| u.id).collect::<Vec<_>>(), [ann.id, bob.id]);
}

async fn an_address_belongs_to_one_account(w: World) {
    w.person("ann@example.com").await;
    let mut second = user("ann@example.com");
    let refused = w.store.write(Key::Any, move |tx| tx.add_user(&mut second)).await.unwrap_err();
    assert_eq!((refused.kind, refused.field), (Kind::Conflict, Some("email")));
    // The next transaction is not spoiled by the failed one.
    w.person("bob@example.com").await;
}

async fn log_ins_end_but_for_the_one_kept(w: World) {
    let ann = w.person("ann@example.com").await;
    let ids: Vec<_> = (0..3).map(|_| LoginId::new()).collect();
    for id in ids.clone() {
        let login = Login { id, ..login(ann.id) };
        w.write(move |tx| tx.add_login(&login)).await;
    }
    let (keep, user) = (ids[1], ann.id);
    let mut ended = w.write(move |tx| tx.revoke_logins(user, Some(keep), Timestamp(50))).await;
    ended.sort_unstable();
    assert_eq!(ended, [ids[0], ids[2]]);
    assert_eq!(w.read(move |tx| tx.login(keep)).await.unwrap().revoked_at, None);
    assert_eq!(w.read(|tx| tx.logins_revoked_since(Timestamp(49))).await.len(), 2);
    assert!(w.read(|tx| tx.logins_revoked_since(Timestamp(50))).await.is_empty());
    assert_eq!(w.write(move |tx| tx.revoke_logins(user, None, Timestamp(60))).await, [keep]);
    w.write(|tx| tx.forget_credentials(Timestamp(55))).await;
    assert!(w.read(move |tx| tx.login(keep)).await.is_some());
    let gone = ids[0];
    assert!(w.read(move |tx| tx.login(gone)).await.is_none());
}

/// Runs both at the same time, and the second begins when the first has read.
async fn meet<A: Send + 'static>(
    w: &World,
    first: impl FnOnce(&mut dyn Tx, &dyn Fn()) -> Result<A> + Send + 'static,
    second: impl FnOnce(&mut dyn Tx) -> Result<()> + Send + 'static,
) {
    let (read, has_read) = std::sync::mpsc::channel();
    let (saved, has_saved) = std::sync::mpsc::channel();
    let first = w.write(move |tx| {
        // Where nothing is locked, the second is done long before; where the row is, it waits for us, and we for nobody.
        let wait = move || {
            read.send(()).unwrap();
            let _ = has_saved.recv_timeout(Duration::from_millis(300));
        };
        first(tx, &wait)
    });
    let second = async {
        tokio::task::spawn_blocking(move || has_read.recv()).await.unwrap().unwrap();
        w.write(second).await;
        let _ = saved.send(());
    };
    tokio::join!(first, second);
}

async fn what_is_locked_is_read_by_the_next_as_it_was_saved(w: World) {
    let ann = w.person("ann@example.com").await.id;
    let rename = move |tx: &mut dyn Tx, wait: &dyn Fn()| {
        let mut user = tx.lock_user(ann)?.unwrap();
        wait();
        user.display_name = "Ann Roe".into();
        tx.save_user(&user)
    };
    let deactivate = move |tx: &mut dyn Tx| {
        let mut user = tx.lock_user(ann)?.unwrap();
        user.standing = Standing::Deactivated;
        tx.save_user(&user)
    };
    meet(&w, rename, deactivate).await;
    let saved = w.read(move |tx| tx.user(ann)).await.unwrap();
    assert_eq!((saved.standing, &saved.display_name[..]), (Standing::Deactivated, "Ann Roe"));

    let login = login(ann);
    let id = login.id;
    w.write(move |tx| tx.add_login(&login)).await;
    let rotate = move |tx: &mut dyn Tx, wait: &dyn Fn()| {
        let mut login = tx.lock_login(id)?.unwrap();
        wait();
        login.refresh_hash = vec![4, 5, 6];
        tx.save_login(&login)
    };
    meet(&w, rotate, move |tx| tx.revoke_logins(ann, None, Timestamp(50)).map(drop)).await;
    let saved = w.read(move |tx| tx.login(id)).await.unwrap();
    assert_eq!((saved.revoked_at, saved.refresh_hash), (Some(Timestamp(50)), vec![4, 5, 6]));
}

async fn who_is_locked_is_read_by_the_next_as_they_were_saved(w: World) {
    let ann = w.person("ann@example.com").await;
    let room = w.room("123-456-789", &ann).await.id;
    let phone = participant(room, Some(ann.id));
    let (id, ann) = (phone.id, ann.id);
    w.write(move |tx| tx.add_participant(&phone)).await;
    let save = move |presence| {
        move |tx: &mut dyn Tx| {
            let now = tx.participant(id)?.unwrap();
            tx.save_participant(&Participant { presence, ..now })
        }
    };
    let come_back = move |tx: &mut dyn Tx, wait: &dyn Fn()| {
        let found = tx.lock_participant(id)?.unwrap();
        wait();
        tx.save_participant(&Participant { presence: Presence::Joined, ..found })
    };
    // Of each sort that the lock of all devices means; the other locks what is present.
    for was in [Presence::Waiting, Presence::Joined, Presence::Left] {
        w.write(save(was)).await;
        let revoke = move |tx: &mut dyn Tx| {
            tx.lock_devices(ann)?;
            assert_eq!(tx.present_of(ann)?.len(), 1, "{was:?}");
            save(Presence::Gone)(tx)
        };
        meet(&w, come_back, revoke).await;
        assert_eq!(w.read(move |tx| tx.participant(id)).await.unwrap().presence, Presence::Gone);
    }
    w.write(save(Presence::Waiting)).await;
    let end = move |tx: &mut dyn Tx| {
        tx.lock_present(room)?;
        assert_eq!(tx.present(room)?[0].presence, Presence::Joined);
        save(Presence::Gone)(tx)
    };
    meet(&w, come_back, end).await;
    assert_eq!(w.read(move |tx| tx.participant(id)).await.unwrap().presence, Presence::Gone);
}

async fn codes_are_unique_while_outstanding(w: World) {
    let (ann, bob) = (w.person("ann@example.com").await, w.person("bob@example.com").await);
    let code = |user, hash: u8| Verification {
        channel: Channel::Phone,
        code_hash: vec![hash; 32],
        user,
        expires_at: Timestamp(9),
    };
    let first = code(ann.id, 1);
    w.write(move |tx| tx.put_verification(&first)).await;
    let same = code(bob.id, 1);
    let refused = w.store.write(Key::Any, move |tx| tx.put_verification(&same)).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    let newer = code(ann.id, 2);
    w.write(move |tx| tx.put_verification(&newer)).await;
    assert!(w.read(|tx| tx.verification(Channel::Phone, &[1; 32])).await.is_none());
    assert_eq!(w.read(|tx| tx.verification(Channel::Phone, &[2; 32])).await.unwrap().user, ann.id);
    assert!(w.read(|tx| tx.verification(Channel::Email, &[2; 32])).await.is_none());
    let last = w.read(move |tx| tx.outstanding(Channel::Phone, ann.id)).await.unwrap();
    assert_eq!((last.code_hash, last.expires_at), (vec![2; 32], Timestamp(9)));
    assert!(w.read(move |tx| tx.outstanding(Channel::Email, ann.id)).await.is_none());
    assert!(w.read(move |tx| tx.outstanding(Channel::Phone, bob.id)).await.is_none());
    w.write(move |tx| tx.drop_verification(Channel::Phone, ann.id)).await;
    assert!(w.read(|tx| tx.verification(Channel::Phone, &[2; 32])).await.is_none());
    assert!(w.read(move |tx| tx.outstanding(Channel::Phone, ann.id)).await.is_none());
}

async fn rooms_are_found_by_each_of_their_names(w: World) {
    let ann = w.person("ann@example.com").await;
    let made = w.room("123-456-789", &ann).await;
    for by in [RoomRef::Id(made.id), RoomRef::Code("123-456-789".into()), RoomRef::Number(made.number)] {
        let found = w.read(move |tx| tx.room(&by)).await.unwrap();
        assert_eq!(format!("{found:?}"), format!("{made:?}"));
    }
    assert!(w.read(|tx| tx.room(&RoomRef::Code("000-000-000".into()))).await.is_none());
    let mut twin = room("123-456-789", None);
    let refused = w.store.write(Key::Any, move |tx| tx.add_room(&mut twin)).await.unwrap_err();
    assert_eq!((refused.kind, refused.field), (Kind::Conflict, Some("code")));
    let mut changed = made.clone();
    changed.status = Status::Active;
    changed.actual_start = Some(Timestamp(44));
    changed.settings.chat_enabled = false;
    changed.passcode = None;
    let saved = changed.clone();
    w.write(move |tx| tx.save_room(&saved)).await;
    let found = w.write(move |tx| tx.lock_room(made.id)).await.unwrap();
    assert_eq!(format!("{found:?}"), format!("{changed:?}"));
}

async fn a_passcode_without_the_flag_is_required_all_the_same(w: World) {
    let ann = w.person("ann@example.com").await;
    let mut room = w.room("123-456-789", &ann).await;
    room.settings.require_password = false;
    let (id, earlier) = (room.id, room.clone());
    w.write(move |tx| tx.save_room(&earlier)).await;
    assert!(w.read(move |tx| tx.room(&RoomRef::Id(id))).await.unwrap().settings.require_password);
    room.passcode = None;
    w.write(move |tx| tx.save_room(&room)).await;
    assert!(!w.read(move |tx| tx.room(&RoomRef::Id(id))).await.unwrap().settings.require_password);
}

async fn two_people_share_one_conversation(w: World) {
    let mut first = Room { pair: Some("a:b".into()), kind: RoomKind::Conversation, ..room("abc-defg-hij", None) };
    let mut second = Room { id: RoomId::new(), code: "abc-defg-hik".into(), ..first.clone() };
    let id = first.id;
    w.write(move |tx| tx.add_room(&mut first)).await;
    let refused = w.store.write(Key::Any, move |tx| tx.add_room(&mut second)).await.unwrap_err();
    assert_eq!((refused.kind, refused.field), (Kind::Conflict, Some("pair")));
    assert_eq!(w.read(|tx| tx.room_by_pair("a:b")).await.unwrap().id, id);
}

async fn meetings_are_listed_newest_first_and_filtered(w: World) {
    let (ann, bob) = (w.person("ann@example.com").await, w.person("bob@example.com").await);
    let mut made = vec![];
    for n in 0..5 {
        made.push(w.room(&format!("123-456-78{n}"), &ann).await);
    }
    let mut active = made[3].clone();
    active.status = Status::Active;
    active.scheduled_start = Some(Timestamp(9_000_000));
    let saved = active.clone();
    w.write(move |tx| tx.save_room(&saved)).await;
    let list = |user: UserId, filter: MeetingFilter, page, limit| {
        let window = Window { page, limit };
        w.read(move |tx| tx.meetings_of(user, &filter, window))
    };
    let all = list(ann.id, MeetingFilter::default(), 1, 2).await;
    assert_eq!((all.total, all.rows[0].id, all.rows[1].id), (5, made[4].id, made[3].id));
    assert_eq!(list(ann.id, MeetingFilter::default(), 3, 2).await.rows[0].id, made[0].id);
    let filter = MeetingFilter { status: Some(Status::Active), ..Default::default() };
    assert_eq!(list(ann.id, filter, 1, 9).await.rows.iter().map(|r| r.id).collect::<Vec<_>>(), [active.id]);
    let filter = MeetingFilter { from: Some(Timestamp(9_000_000)), until: Some(Timestamp(9_000_000)), status: None };
    assert_eq!(list(ann.id, filter, 1, 9).await.total, 1);
    assert_eq!(list(bob.id, MeetingFilter::default(), 1, 9).await.total, 0);
    let out = Member { standing: MemberStanding::Removed, ..member(made[0].id, bob.id, Role::Participant) };
    w.write(move |tx| tx.put_member(&out)).await;
    assert_eq!(list(bob.id, MeetingFilter::default(), 1, 9).await.total, 0, "who was removed does not see it");
}

async fn members_and_participants_come_and_go(w: World) {
    let (ann, bob) = (w.person("ann@example.com").await, w.person("bob@example.com").await);
    let room = w.room("123-456-789", &ann).await;
    let (id, joined) = (room.id, member(room.id, bob.id, Role::Participant));
    w.write(move |tx| tx.put_member(&joined)).await;
    let people = w.read(move |tx| tx.people(id)).await;
    assert_eq!(
        people.iter().map(|p| (p.user, p.role)).collect::<Vec<_>>(),
        [(ann.id, Role::Host), (bob.id, Role::Participant)]
    );
    let visitor = w.read(move |tx| tx.visitor(id, bob.id)).await.unwrap();
    assert_eq!((visitor.name, visitor.number, visitor.standing), (bob.display_name, bob.number, Standing::Active));
    assert_eq!(visitor.member.map(|m| (m.role, m.standing)), Some((Role::Participant, MemberStanding::In)));
    let (mut on_laptop, on_phone, guest) =
        (participant(id, Some(bob.id)), participant(id, Some(bob.id)), participant(id, None));
    for p in [on_laptop.clone(), on_phone.clone(), guest.clone()] {
        w.write(move |tx| tx.add_participant(&p)).await;
    }
    let agent = Participant { assists: true, ..participant(id, None) };
    let (sent, seen) = (agent.clone(), agent.id);
    w.write(move |tx| tx.add_participant(&sent)).await;
    assert_eq!(w.read(move |tx| tx.participant(seen)).await.unwrap(), agent);
    assert_eq!(w.read(move |tx| tx.live_count(id)).await, 3, "an agent takes nobody's place");
    assert_eq!(w.read(move |tx| tx.total_participants(id)).await, 2, "one person on two devices is one");
    let gone = Participant { presence: Presence::Gone, assists: false, ..agent };
    let saved = gone.clone();
    w.write(move |tx| tx.save_participant(&saved)).await;
    assert_eq!(w.read(move |tx| tx.participant(seen)).await.unwrap(), gone);
    assert_eq!(w.read(move |tx| tx.present_of(bob.id)).await.len(), 2);
    let identity = guest.identity.clone();
    assert_eq!(w.read(move |tx| tx.participant_by_identity(id, &identity)).await.unwrap(), guest);
    on_laptop.presence = Presence::Left;
    on_laptop.left_at = Some(Timestamp(50));
    on_laptop.hand_raised = None;
    let saved = on_laptop.clone();
    w.write(move |tx| tx.save_participant(&saved)).await;
    assert_eq!(w.read(move |tx| tx.participant(on_laptop.id)).await.unwrap(), on_laptop);
    assert_eq!(w.read(move |tx| tx.live_count(id)).await, 2);
    let present = w.read(move |tx| tx.present(id)).await;
    assert_eq!(present.iter().map(|p| p.id).collect::<Vec<_>>(), [on_phone.id, guest.id]);
    let presence = async |id| w.read(move |tx| tx.participant(id)).await.unwrap().presence;
    w.write(move |tx| tx.forget_left(bob.id, Some(LoginId::new()))).await;
    assert_eq!(presence(on_laptop.id).await, Presence::Left, "it came by another log-in");
    w.write(move |tx| tx.forget_left(bob.id, on_laptop.login)).await;
    assert_eq!(presence(on_laptop.id).await, Presence::Gone);
    let again = on_laptop.clone();
    w.write(move |tx| tx.save_participant(&again)).await;
    w.write(move |tx| tx.forget_left(bob.id, None)).await;
    assert_eq!(presence(on_laptop.id).await, Presence::Gone);
    assert_eq!(presence(on_phone.id).await, Presence::Joined, "who is there is not meant");
    let last = async || w.read(move |tx| tx.last_of(id, bob.id)).await.map(|p| p.id);
    assert_eq!(last().await, Some(on_laptop.id), "the phone has not gone");
    let beside = |joined| Participant {
        presence: Presence::Gone,
        joined_at: Timestamp(joined),
        left_at: Some(Timestamp(60)),
        ..participant(id, Some(bob.id))
    };
    let (short, long, uncounted) = (beside(20), beside(10), Participant { counted: false, ..beside(1) });
    let longest = long.id;
    for p in [short, long, uncounted] {
        w.write(move |tx| tx.add_participant(&p)).await;
    }
    assert_eq!(last().await, Some(longest));
    w.write(move |tx| tx.drop_member(id, bob.id)).await;
    assert!(w.read(move |tx| tx.member(id, bob.id)).await.is_none());
    assert!(w.read(move |tx| tx.visitor(id, bob.id)).await.unwrap().member.is_none(), "an account, but no member");
    assert!(w.read(move |tx| tx.visitor(id, UserId::new())).await.is_none());
}

async fn messages_stand_in_one_order(w: World) {
    let ann = w.person("ann@example.com").await;
    let (room, other) = (w.room("123-456-789", &ann).await, w.room("123-456-780", &ann).await);
    let me = Party::User(ann.id);
    let mut last = Timestamp(0);
    for n in 1..=5 {
        let posted = w.post(message(room.id, me, &format!("{n}"))).await;
        assert_eq!((posted.seq, posted.room_number), (n, room.number));
        assert!(posted.created_at > last, "times rise strictly, though the clock stands");
        last = posted.created_at;
    }
    assert_eq!(w.post(message(other.id, me, "x")).await.seq, 1);
    let id = room.id;
    assert_eq!(texts(&w.read(move |tx| tx.after(id, Viewer::Party(me), 3, 9)).await), ["4", "5"]);
    assert_eq!(texts(&w.read(move |tx| tx.latest(id, Viewer::Party(me), None, 2)).await), ["4", "5"]);
    assert_eq!(texts(&w.read(move |tx| tx.latest(id, Viewer::Party(me), Some(4), 2)).await), ["2", "3"]);
    let (a, b) = (room.id, other.id);
    let mut seqs = w.read(move |tx| tx.seqs(&[a, b, RoomId::new()])).await;
    seqs.sort_by_key(|(_, seq)| *seq);
    assert_eq!(seqs, [(b, 1), (a, 5)]);
}

async fn private_messages_are_for_two(w: World) {
    let (ann, bob, eve) =
        (w.person("a@example.com").await, w.person("b@example.com").await, w.person("e@example.com").await);
    let id = w.room("123-456-789", &ann).await.id;
    let secret = Message { recipient: Some(Party::User(bob.id)), ..message(id, Party::User(ann.id), "secret") };
    w.post(secret).await;
    w.post(message(id, Party::User(ann.id), "open")).await;
    let guest = Party::Guest(ParticipantId::new());
    w.post(Message { recipient: Some(guest), ..message(id, Party::User(ann.id), "for a guest") }).await;
    let see = |viewer| w.read(move |tx| tx.after(id, viewer, 0, 9));
    assert_eq!(texts(&see(Viewer::Party(Party::User(ann.id))).await), ["secret", "open", "for a guest"]);
    assert_eq!(texts(&see(Viewer::Party(Party::User(bob.id))).await), ["secret", "open"]);
    assert_eq!(texts(&see(Viewer::Party(Party::User(eve.id))).await), ["open"]);
    let guests = see(Viewer::Party(guest)).await;
    assert_eq!(texts(&guests), ["open", "for a guest"]);
    assert_eq!(guests[1].recipient, Some(guest));
    assert_eq!(see(Viewer::Server).await.len(), 3);
}

async fn pages_count_what_the_viewer_may_see(w: World) {
    let (ann, bob, eve) =
        (w.person("a@example.com").await, w.person("b@example.com").await, w.person("e@example.com").await);
    let id = w.room("123-456-789", &ann).await.id;
    for n in 1..=7 {
        w.post(message(id, Party::User(ann.id), &format!("{n}"))).await;
    }
    let page = |viewer: UserId, page| {
        let window = Window { page, limit: 3 };
        w.read(move |tx| tx.history(id, Viewer::Party(Party::User(viewer)), None, window))
    };
    let third = page(eve.id, 3).await;
    assert_eq!((texts(&third.rows), third.total, third.has_next()), (vec!["7"], 7, false));
    assert!(page(eve.id, 4).await.rows.is_empty());
    w.post(Message { recipient: Some(Party::User(bob.id)), ..message(id, Party::User(ann.id), "secret") }).await;
    w.post(message(id, Party::User(ann.id), "8")).await;
    let third = page(eve.id, 3).await;
    assert_eq!((texts(&third.rows), third.total), (vec!["7", "8"], 8));
    let third = page(bob.id, 3).await;
    assert_eq!((texts(&third.rows), third.total), (vec!["7", "secret", "8"], 9));
}

async fn since_is_exact(w: World) {
    let ann = w.person("a@example.com").await;
    let id = w.room("123-456-789", &ann).await.id;
    let mut times = vec![];
    for n in 1..=9 {
        times.push(w.post(message(id, Party::User(ann.id), &format!("{n}"))).await.created_at);
    }
    let window = Window { page: 1, limit: 50 };
    let viewer = Viewer::Party(Party::User(ann.id));
    for (n, time) in times.into_iter().enumerate() {
        let after = w.read(move |tx| tx.history(id, viewer, Some(time), window)).await;
        assert_eq!((after.total as usize, after.rows.len()), (8 - n, 8 - n));
    }
    assert_eq!(w.read(move |tx| tx.history(id, viewer, Some(Timestamp(0)), window)).await.total, 9);
    assert_eq!(w.read(move |tx| tx.history(id, viewer, Some(System.now()), window)).await.total, 0);
}

async fn a_nonce_makes_one_message(w: World) {
    let ann = w.person("a@example.com").await;
    let id = w.room("123-456-789", &ann).await.id;
    let me = Party::User(ann.id);
    let tagged = || Message { nonce: Some("n1".into()), ..message(id, me, "once") };
    let first = w.post(tagged()).await;
    let mut again = tagged();
    let refused = w.store.write(Key::Any, move |tx| tx.append(&mut again)).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    assert_eq!(w.read(move |tx| tx.by_nonce(id, me, "n1")).await.unwrap(), first);
    assert!(w.read(move |tx| tx.by_nonce(id, Party::User(AGENT), "n1")).await.is_none());
    assert_eq!(w.post(message(id, me, "next")).await.seq, 2, "the refused try took no number");
}

async fn a_failed_job_leaves_nothing_and_tells_nothing(w: World) {
    let ann = w.person("a@example.com").await;
    let id = w.room("123-456-789", &ann).await.id;
    let me = Party::User(ann.id);
    let locked = |on| Tell::event(id, Audience::Room, Event::Locked(on));
    let (good, bad) = (locked(true), locked(false));
    let failing = w.store.write(Key::Room(id), move |tx| {
        tx.append(&mut message(id, me, "lost"))?;
        tx.tell(bad);
        Err::<(), _>(Error::forbidden("no"))
    });
    let working = w.store.write(Key::Room(id), move |tx| {
        let mut kept = message(id, me, "kept");
        tx.append(&mut kept)?;
        tx.tell(good);
        Ok(kept.seq)
    });
    let panicking = w.store.write(Key::Room(id), move |tx| -> Result<()> {
        tx.append(&mut message(id, me, "lost too"))?;
        panic!("a mistake of ours");
    });
    let (failed, kept, panicked) = tokio::join!(failing, working, panicking);
    assert_eq!((failed.unwrap_err().kind, kept.unwrap()), (Kind::Forbidden, 1));
    assert_eq!(panicked.unwrap_err().kind, Kind::Internal);
    assert_eq!(texts(&w.read(move |tx| tx.after(id, Viewer::Server, 0, 9)).await), ["kept"]);
    assert_eq!(w.ear.0.lock().unwrap().len(), 1);
}

async fn writes_of_one_room_keep_the_order_of_their_calls(w: World) {
    let ann = w.person("a@example.com").await;
    let id = w.room("123-456-789", &ann).await.id;
    let me = Party::User(ann.id);
    let posts = (0..300).map(|n| {
        w.store.write(Key::Room(id), move |tx| {
            let mut posted = message(id, me, &format!("{n}"));
            tx.append(&mut posted)?;
            tx.tell(Tell::event(id, Audience::Room, Event::Posted(posted.clone())));
            Ok(posted.seq)
        })
    });
    let seqs: Vec<i64> = futures_util::future::try_join_all(posts).await.unwrap();
    assert_eq!(seqs, (1..=300).collect::<Vec<_>>());
    let told: Vec<i64> = w
        .ear
        .0
        .lock()
        .unwrap()
        .iter()
        .filter_map(|tell| match tell {
            Tell::Event(told) => told.seq(),
            _ => None,
        })
        .collect();
    assert_eq!(told, seqs, "they are told in commit order");
}

async fn seats_run_out(w: World) {
    let ann = w.person("a@example.com").await;
    let id = w.room("123-456-789", &ann).await.id;
    let waiting = participant(id, Some(ann.id));
    let connected = Participant { seat_until: None, ..participant(id, None) };
    for p in [waiting.clone(), connected.clone()] {
        w.write(move |tx| tx.add_participant(&p)).await;
    }
    assert!(w.read(|tx| tx.expired_seats(Timestamp(99))).await.is_empty());
    assert_eq!(w.read(|tx| tx.expired_seats(Timestamp(100))).await, [(id, waiting.id)]);
    w.write(|tx| tx.unseat_all(Timestamp(200))).await;
    assert_eq!(w.read(move |tx| tx.participant(connected.id)).await.unwrap().seat_until, Some(Timestamp(200)));
    assert_eq!(w.read(move |tx| tx.participant(waiting.id)).await.unwrap().seat_until, Some(Timestamp(100)));
}

async fn a_meeting_is_abandoned_when_nothing_happens_in_it(w: World) {
    let ann = w.person("a@example.com").await;
    let mut held = room("123-456-789", Some(ann.id));
    let id = held.id;
    (held.scheduled_end, held.last_activity) = (Some(Timestamp(1_000)), Timestamp(900));
    let mut visit = Participant { seat_until: None, ..participant(id, Some(ann.id)) };
    let visitor = visit.clone();
    w.write(move |tx| {
        tx.add_room(&mut held)?;
        held.status = Status::Active;
        tx.save_room(&held)?;
        tx.add_participant(&visitor)
    })
    .await;
    let abandoned = async |since| w.read(move |tx| tx.abandoned(Timestamp(since))).await;
    assert_eq!(abandoned(5_000).await, [], "she is there");
    (visit.presence, visit.left_at) = (Presence::Left, Some(Timestamp(3_000)));
    w.write(move |tx| tx.save_participant(&visit)).await;
    assert_eq!(abandoned(3_000).await, [], "she has just left");
    assert_eq!(abandoned(3_001).await, [id]);
    let mut posted = message(id, Party::User(ann.id), "by REST");
    posted.created_at = Timestamp(4_000);
    w.post(posted).await;
    assert_eq!(abandoned(3_001).await, [], "she has written since");
    assert_eq!(abandoned(4_001).await, [id]);
    assert_eq!(abandoned(1_000).await, [], "its time is not over");
}

async fn a_question_to_the_agent_is_unanswered_while_it_is_the_last_word(w: World) {
    let ann = w.person("a@example.com").await;
    let [mut with, mut without] =
        [("123-456-789", true), ("123-456-780", false)].map(|(code, is_ai)| Room { is_ai, ..room(code, Some(ann.id)) });
    let (id, other) = (with.id, without.id);
    w.write(move |tx| tx.add_room(&mut with).and_then(|()| tx.add_room(&mut without))).await;
    let unanswered = async |since| w.read(move |tx| tx.unanswered(AGENT, Timestamp(since))).await;
    assert_eq!(unanswered(0).await, [], "nothing was asked");
    w.post(message(other, Party::User(ann.id), "to nobody")).await;
    let asked = w.post(message(id, Party::User(ann.id), "a question")).await.created_at.0;
    assert_eq!(unanswered(asked).await, [id]);
    assert_eq!(unanswered(asked + 1).await, [], "that is long ago");
    w.post(message(id, Party::User(AGENT), "an answer")).await;
    assert_eq!(unanswered(0).await, []);
    w.post(message(id, Party::User(ann.id), "another")).await;
    assert_eq!(unanswered(0).await, [id]);
    w.write(move |tx| {
        let mut ended = tx.lock_room(id)?.unwrap();
        ended.status = Status::Ended;
        tx.save_room(&ended)
    })
    .await;
    assert_eq!(unanswered(0).await, [], "nobody may answer any more");
}

async fn a_deleted_author_keeps_no_name(w: World) {
    let (ann, bob) = (w.person("a@example.com").await, w.person("b@example.com").await);
    let id = w.room("123-456-789", &ann).await.id;
    w.post(message(id, Party::User(ann.id), "mine")).await;
    w.post(Message { sender_name: "Bob".into(), ..message(id, Party::User(bob.id), "his") }).await;
    w.write(move |tx| tx.rename_author(ann.id, "Deleted user")).await;
    let names = w.read(move |tx| tx.after(id, Viewer::Server, 0, 9)).await;
    assert_eq!(names.iter().map(|m| m.sender_name.as_str()).collect::<Vec<_>>(), ["Deleted user", "Bob"]);
}

async fn the_agent_has_an_account(w: World) {
    let agent = w.read(|tx| tx.user(AGENT)).await.unwrap();
    assert_eq!((agent.standing, agent.number), (Standing::Agent, 0));
    let first = tokio::time::timeout(Duration::from_secs(30), w.person("a@example.com")).await.unwrap();
    assert_eq!(first.number, 1, "people count from 1");
}

async fn news_of_a_room_wait_for_each_other(w: World) {
    let news = |id: &str, room: &str| News {
        id: id.into(),
        room: room.into(),
        event: "room_started".into(),
        body: format!("{{\"id\":\"{id}\"}}"),
    };
    let all = [news("EV_1", "a"), news("EV_2", "a"), news("EV_3", "b")];
    w.store
        .write(Key::Any, move |tx| {
            let urls = ["http://one", "http://two"];
            let pairs = all.iter().flat_map(|news| urls.map(|url| (news, url)));
            pairs.into_iter().try_for_each(|(news, url)| tx.add_delivery(news, url, Timestamp(10)))
        })
        .await
        .unwrap();
    let due = async |now| {
        let both = w.store.read(move |tx| {
            let mut both = tx.due_deliveries("http://one", Timestamp(now), 10)?;
            both.extend(tx.due_deliveries("http://two", Timestamp(now), 10)?);
            Ok(both)
        });
        let mut both = both.await.unwrap();
        both.sort_by_key(|delivery| delivery.number);
        both
    };
    let names = |due: &[Delivery]| due.iter().map(|d| (d.id.clone(), d.url.clone())).collect::<Vec<_>>();
    let pair = |id: &str, url: &str| (id.to_owned(), format!("http://{url}"));
    assert_eq!(due(9).await, []);
    let mut addresses = w.read(|tx| tx.delivery_addresses()).await;
    addresses.sort_unstable();
    assert_eq!(addresses, ["http://one", "http://two"]);
    let first = due(10).await;
    assert_eq!(names(&first), [pair("EV_1", "one"), pair("EV_1", "two"), pair("EV_3", "one"), pair("EV_3", "two")]);
    assert_eq!((&first[0].body[..], first[0].attempts), ("{\"id\":\"EV_1\"}", 0));
    let settle = async |d: &Delivery, outcome| {
        let tried = d.clone().tried(outcome, Timestamp(20));
        w.store.write(Key::Any, move |tx| tx.save_delivery(&tried)).await.unwrap();
    };
    settle(&first[0], Ok(())).await;
    settle(&first[1], Err("refused".to_owned())).await;
    let next = due(20).await;
    assert_eq!(names(&next), [pair("EV_2", "one"), pair("EV_3", "one"), pair("EV_3", "two")], "two's a waits its time");
    let list = async |all| w.store.read(move |tx| tx.deliveries(all, 10)).await.unwrap().len();
    assert_eq!((list(false).await, list(true).await), (5, 6));
    let replay = async |id: Option<&'static str>| {
        w.store.write(Key::Any, move |tx| tx.replay_deliveries(id, Timestamp(30))).await.unwrap()
    };
    assert_eq!((replay(None).await, replay(Some("EV_1")).await, replay(Some("EV_9")).await), (0, 2, 0));
    assert_eq!(names(&due(30).await)[..2], [pair("EV_1", "one"), pair("EV_1", "two")]);
    settle(&first[0], Ok(())).await;
    w.store.write(Key::Any, |tx| tx.forget_deliveries(Timestamp(21))).await.unwrap();
    assert_eq!(list(true).await, 5);
}
