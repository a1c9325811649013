//! The domain on a fresh Postgres, with stand-ins for its smaller ports.

use crate::{Ear, cluster};
use async_trait::async_trait;
use convo_domain::{
    Asker, Domain, Policy, Ports,
    clock::{Clock, System, Timestamp},
    error::Result,
    id::{LoginId, ParticipantId, RoomId, UserId},
    meeting::{
        Participant,
        act::{JoinWish, MeetingWish},
    },
    ports::{Agent, AgentFault, CallerClaims, Claims, Courier, Media, Tokens, Turn},
    room::{Origin, Room, RoomRef, Settings},
    store::Store,
    user::{
        Actor, Caller,
        act::Registration,
        login::TokenPair,
        rules::{Delivery, PasswordRule},
    },
};
use futures_util::{
    future::BoxFuture,
    stream::{self, BoxStream, StreamExt},
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::task::JoinHandle;

pub(super) struct Town {
    pub(super) domain: Arc<Domain>,
    /// A second node on the same database: on one, a room's writes and others may share a connection.
    pub(super) other: Arc<Domain>,
    pub(super) clock: Arc<Watch>,
    url: String,
    outbox: Arc<Outbox>,
    _folder: tempfile::TempDir,
}

pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) fn wish() -> JoinWish {
    JoinWish { display_name: None, video_enabled: true, audio_enabled: true, passcode: None }
}

pub(super) fn asker() -> Asker {
    Asker::address(HERE)
}

impl Town {
    pub(super) async fn new() -> Self {
        let (folder, url) = (tempfile::tempdir().unwrap(), cluster::fresh_database());
        let ear = Arc::new(Ear::default());
        let (outbox, clock) = (Arc::new(Outbox::default()), Arc::new(Watch::default()));
        let node = async || {
            let store = convo_store::open(Some(&url), folder.path(), ear.clone()).await.unwrap();
            domain(store, ear.clone(), outbox.clone(), clock.clone())
        };
        let (domain, other) = (node().await, node().await);
        Self { domain, other, clock, url, outbox, _folder: folder }
    }

    /// Somebody who registered and logged in, with their refresh token.
    pub(super) async fn person(&self, email: &str, password: &str) -> (Caller, String) {
        let wish = Registration {
            first_name: "Ann".into(),
            last_name: "Lee".into(),
            display_name: None,
            email: Some(email.into()),
            phone: None,
            password: password.into(),
            rule: PasswordRule::Length,
            avatar_url: None,
        };
        self.domain.register(wish).await.unwrap();
        let pair = self.domain.log_in(email, password).await.unwrap();
        (caller(&pair), pair.refresh)
    }

    /// One more log-in.
    pub(super) async fn log_in(&self, email: &str, password: &str) -> Caller {
        caller(&self.domain.log_in(email, password).await.unwrap())
    }

    pub(super) async fn meeting(&self, host: Caller) -> RoomId {
        let wish = MeetingWish {
            origin: Origin::Platform,
            title: "Standup".into(),
            description: None,
            start: None,
            end: None,
            timezone: None,
            settings: Settings::open(),
            passcode: None,
        };
        self.domain.create_meeting(host, wish).await.unwrap().id
    }

    pub(super) async fn seat(&self, who: Caller, room: RoomId) -> ParticipantId {
        let joined = self.domain.join(Some(&Actor::User(who)), HERE, RoomRef::Id(room), wish()).await;
        joined.unwrap().participant.id
    }

    /// The code that was mailed there last.
    pub(super) async fn code(&self, email: &str) -> String {
        loop {
            let mailed = self.outbox.0.lock().unwrap().get(email).cloned();
            if let Some(text) = mailed {
                return text.lines().nth(4).unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Runs both at the same time, the second when the first has read all it goes by, but has saved nothing yet.
    pub(super) async fn meet<A: Send + 'static, B>(
        &self,
        table: &str,
        first: impl Future<Output = A> + Send + 'static,
        second: impl Future<Output = B>,
    ) -> (A, B) {
        let first = self.begin(table, first).await;
        let second = second.await;
        (first.await.unwrap(), second)
    }

    /// Starts it, and is back when it has read all it goes by, but has saved nothing yet.
    pub(super) async fn begin<A: Send + 'static>(
        &self,
        table: &str,
        work: impl Future<Output = A> + Send + 'static,
    ) -> JoinHandle<A> {
        let text = linger(table);
        self.sql(move |db| db.batch_execute(&text).unwrap());
        let working = tokio::spawn(work);
        while !self.sql(|db| db.query_one("SELECT is_called FROM saves", &[]).unwrap().get::<_, bool>(0)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        working
    }

    /// Nothing is put into the table any more.
    pub(super) fn refuse(&self, table: &str) {
        let check = format!("ALTER TABLE {table} ADD CHECK (false) NOT VALID");
        self.sql(move |db| db.batch_execute(&check).unwrap());
    }

    /// Nobody gets at the table until what is returned is dropped.
    pub(super) fn hold(&self, table: &str) -> mpsc::Sender<()> {
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        let (url, (locked, has_locked), (held, end)) = (self.url.clone(), mpsc::channel(), mpsc::channel());
        std::thread::spawn(move || {
            let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
            client.batch_execute(&lock).unwrap();
            locked.send(()).unwrap();
            let _ = end.recv();
        });
        has_locked.recv().unwrap();
        held
    }

    /// On a thread of its own: the driver's client brings its own runtime, which must not run inside another.
    fn sql<T: Send + 'static>(&self, work: impl FnOnce(&mut postgres::Client) -> T + Send + 'static) -> T {
        let url = self.url.clone();
        let work = move || work(&mut postgres::Client::connect(&url, postgres::NoTls).unwrap());
        std::thread::spawn(work).join().unwrap()
    }
}

fn caller(pair: &TokenPair) -> Caller {
    let Some(Claims::Access { caller }) = Plain.read(&pair.access, Timestamp(0)) else { panic!("no token") };
    caller.into()
}

/// The next save to the table waits a little before it touches a row.
fn linger(table: &str) -> String {
    format!(
        "DROP SEQUENCE IF EXISTS saves; CREATE SEQUENCE saves; \
         CREATE OR REPLACE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('saves') = 1 THEN PERFORM pg_sleep(0.3); END IF; RETURN NULL; END $$; \
         CREATE OR REPLACE TRIGGER linger BEFORE UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION linger()"
    )
}

fn domain(store: Arc<dyn Store>, bus: Arc<Ear>, courier: Arc<Outbox>, clock: Arc<Watch>) -> Arc<Domain> {
    let ports = Ports {
        store,
        bus,
        clock,
        tokens: Arc::new(Plain),
        media: Arc::new(Nowhere),
        courier,
        agent: Arc::new(Nowhere),
    };
    Domain::new(ports, Policy::default())
}

/// The machine's clock, until it is stopped.
#[derive(Default)]
pub(super) struct Watch(Mutex<Option<Timestamp>>);

impl Watch {
    /// From now on it is this time.
    pub(super) fn stop_at(&self, time: Timestamp) {
        *self.0.lock().unwrap() = Some(time);
    }
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().unwrap_or_else(|| System.now())
    }
}

/// What was sent last to each address.
#[derive(Default)]
struct Outbox(Mutex<HashMap<String, String>>);

#[async_trait]
impl Courier for Outbox {
    async fn mail(&self, to: &str, _: &str, text: &str) -> Result<()> {
        self.text(to, text).await
    }
    async fn text(&self, to: &str, text: &str) -> Result<()> {
        self.0.lock().unwrap().insert(to.into(), text.into());
        Ok(())
    }
    fn delivery(&self) -> Delivery {
        Delivery::default()
    }
}

/// Tokens that say what they are.
struct Plain;

impl Tokens for Plain {
    fn access(&self, caller: Caller, _: Timestamp) -> String {
        format!("{} {}", caller.user.0, caller.login.0)
    }
    fn refresh(&self, caller: Caller, id: &str, _: Timestamp) -> String {
        format!("{} {} {id}", caller.user.0, caller.login.0)
    }
    fn meeting(&self, room: &Room, participant: &Participant, _: Timestamp) -> String {
        format!("{} {}", room.code, participant.id.0)
    }
    fn read(&self, token: &str, _: Timestamp) -> Option<Claims> {
        let mut words = token.split(' ');
        let (user, login) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let caller = CallerClaims { user: UserId(user), login: LoginId(login) };
        Some(match words.next() {
            Some(id) => Claims::Refresh { caller, id: id.into() },
            None => Claims::Access { caller },
        })
    }
}

struct Nowhere;

impl Media for Nowhere {
    fn expect(&self, _: &Room) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Agent for Nowhere {
    fn answer(&self, _: Vec<Turn>) -> BoxStream<'static, Result<String, AgentFault>> {
        stream::empty().boxed()
    }
}
