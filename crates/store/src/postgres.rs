//! Postgres (15 and later): a few connections, each on a thread of its own, each write in its own transaction.
//!
//! Writes to one room go to one connection, in the order in which they came; between nodes the room's row lock orders
//! them. A server that is silent holds its thread up, but nobody who waits for it (see [`threads`]). A lost connection, or one to a server that only reads, answers 503 and is opened anew for the next job.

use crate::{
    fault, migrate,
    sql::{Row, Sql, Value},
    threads::{self, Answer, Herald, News, Task, hand_over},
    tls::Tls,
    tx::Tx,
};
use async_channel::{Receiver, Sender};
use async_trait::async_trait;
use convo_domain::{
    bus::Tell,
    error::{Error, Result},
    id::RoomId,
    store::{Job, Key, Store},
};
use postgres::{
    Client, Config, NoTls, Statement,
    config::TargetSessionAttrs,
    types::{IsNull, ToSql, Type, private::BytesMut},
};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

pub(crate) struct Postgres {
    writers: Vec<Sender<Task>>,
    readers: Sender<Task>,
    next: AtomicUsize,
}

/// Connections that write. Each waits for the server's flush, so more than there are processors are of use.
const WRITERS: usize = 8;
const READERS: usize = 4;
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server's machine may leave what was sent unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// A connection on which nothing comes is probed after this long, this often, this many times.
const IDLE: Duration = Duration::from_secs(10);
const PROBE: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;
/// A room that there is not.
const NOWHERE: RoomId = RoomId(Uuid::nil());
/// Any number that every node of the cluster knows: the lock under which one of them migrates.
const MIGRATION_LOCK: &str = "SELECT CAST(pg_advisory_xact_lock(7881788278) AS TEXT)";

impl Postgres {
    pub(crate) fn open(url: &str, herald: Herald) -> Result<Self> {
        let (url, tls) = Tls::of(url)?;
        let config = settings(&url)?;
        let tls = tls.connector(&config)?;
        // A server that only reads (a failover left it behind) is as good as none for who writes. Readers make do with it,
        // but among several they read where it is written.
        let mut writing = config.clone();
        writing.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let writing = Arc::new(Target { config: writing, tls: tls.clone() });
        let several = config.get_hosts().len() > 1;
        let reading = if several { writing.clone() } else { Arc::new(Target { config, tls }) };
        let mut first = Connection::open(writing.clone())?;
        first.migrate()?;
        let (readers, read_queue) = async_channel::unbounded();
        let mut writers = Vec::new();
        for _ in 0..WRITERS {
            let (sender, queue) = async_channel::unbounded();
            writers.push(sender);
            spawn("store-writer", Connection::closed(writing.clone()), queue, "BEGIN", herald.clone())?;
        }
        for _ in 0..READERS {
            const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            spawn("store-reader", Connection::closed(reading.clone()), read_queue.clone(), SNAPSHOT, herald.clone())?;
        }
        Ok(Self { writers, readers, next: AtomicUsize::new(0) })
    }

    fn writer(&self, key: Key) -> &Sender<Task> {
        let n = match key {
            Key::Room(id) => {
                let mut hasher = DefaultHasher::new();
                id.hash(&mut hasher);
                hasher.finish() as usize
            }
            Key::Any => self.next.fetch_add(1, Ordering::Relaxed),
        };
        &self.writers[n % self.writers.len()]
    }
}

#[async_trait]
impl Store for Postgres {
    async fn run_read(&self, job: Job) -> Answer {
        hand_over(&self.readers, job).await
    }

    async fn run_write(&self, key: Key, job: Job) -> Answer {
        hand_over(self.writer(key), job).await
    }

    async fn ping(&self) -> Result<()> {
        let select: Job = Box::new(|tx| Ok(Box::new(tx.seqs(&[NOWHERE])?)));
        self.run_read(select).await?;
        // A lock is refused, as a write is, where the server only reads.
        let lock: Job = Box::new(|tx| Ok(Box::new(tx.lock_room(NOWHERE)?)));
        self.run_write(Key::Any, lock).await.map(drop)
    }
}

/// What the URL says, and where it is silent, what makes a lost server noticed in seconds. The kernel's own patience is two
/// hours with a connection on which nothing is sent, and a quarter of an hour where nothing is acknowledged.
fn settings(url: &str) -> Result<Config> {
    let mut config: Config = url.parse().map_err(fault::postgres)?;
    config.application_name("convo");
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(PROBE);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(PROBES);
    }
    Ok(config)
}

fn spawn(
    name: &str,
    mut connection: Connection,
    queue: Receiver<Task>,
    begin: &'static str,
    herald: Herald,
) -> Result<()> {
    threads::spawn(name, move || {
        while let Ok(task) = queue.recv_blocking() {
            let (outcome, tells) =
                connection.transaction(begin, &task).unwrap_or_else(|error| (Err(error), Vec::new()));
            herald.announce(News { tells, answers: vec![(task.reply, outcome)] });
        }
    })
}

/// Where connections lead.
struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

/// A connection that may be lost and is opened again when it is wanted.
struct Connection {
    target: Arc<Target>,
    open: Option<Open>,
}

struct Open {
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

impl Connection {
    fn closed(target: Arc<Target>) -> Self {
        Self { target, open: None }
    }

    fn open(target: Arc<Target>) -> Result<Self> {
        let open = Some(Open::new(&target)?);
        Ok(Self { target, open })
    }

    fn migrate(&mut self) -> Result<()> {
        const WORDS: migrate::Words =
            migrate::Words { serial: "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", bytes: "BYTEA" };
        let open = self.open.as_mut().ok_or_else(|| Error::unavailable("not connected"))?;
        open.batch("BEGIN")?;
        let outcome = open.query(MIGRATION_LOCK, &[], &mut |_| Ok(())).and_then(|()| migrate::run(open, &WORDS));
        open.batch(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        outcome
    }

    /// Runs the task's job in a transaction, and commits it if it is well. An error: it did not run.
    fn transaction(&mut self, begin: &'static str, task: &Task) -> Result<(Answer, Vec<Tell>)> {
        // What piled up while the server was silent is not worth asking it anything.
        if task.is_late() {
            return Err(threads::late());
        }
        let open = self.begin(begin)?;
        // The server answers: what is taken out now, runs.
        let job = match task.claim() {
            Ok(job) => job,
            Err(error) => return open.batch("ROLLBACK").and(Err(error)),
        };
        let mut tx = Tx::new(open);
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| job(&mut tx)));
        let tells = std::mem::take(&mut tx.tells);
        let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("a job panicked")));
        let ended = if outcome.is_ok() { open.commit() } else { open.batch("ROLLBACK") };
        // Where a server only reads, the one that writes is found by connecting anew.
        if open.client.is_closed() || outcome.as_ref().err().is_some_and(fault::is_read_only) {
            self.open = None;
        }
        Ok(match (ended, outcome) {
            (Ok(()), Ok(value)) => (Ok(value), tells),
            (Err(error), Ok(_)) | (_, Err(error)) => (Err(error), Vec::new()),
        })
    }

    /// Begins, on a fresh connection where the old one turns out to be lost: nothing was asked of it yet.
    fn begin(&mut self, begin: &str) -> Result<&mut Open> {
        let alive = self.open.as_mut().is_some_and(|open| open.batch(begin).is_ok());
        if !alive {
            self.open = None;
            let mut fresh = Open::new(&self.target)?;
            fresh.batch(begin)?;
            self.open = Some(fresh);
        }
        self.open.as_mut().ok_or_else(|| Error::unavailable("not connected"))
    }
}

impl Open {
    fn new(Target { config, tls }: &Target) -> Result<Self> {
        let client = match tls {
            Some(tls) => config.connect(tls.clone()),
            None => config.connect(NoTls),
        };
        Ok(Self { client: client.map_err(fault::postgres)?, statements: HashMap::new() })
    }

    fn commit(&mut self) -> Result<()> {
        self.client.batch_execute("COMMIT").map_err(fault::postgres_commit)
    }

    /// `suffix`: more text, always the same for the same `text`.
    fn prepare(&mut self, text: &'static str, suffix: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&(text.replace('?', "$") + suffix)).map_err(fault::postgres)?;
        self.statements.insert(text, statement.clone());
        Ok(statement)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(value) if *ty == Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
            Value::Int(value) => value.to_sql(ty, out),
            Value::Text(value) => value.to_sql(ty, out),
            Value::Bytes(value) => value.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    postgres::types::to_sql_checked!();
}

impl Sql for Open {
    fn query(
        &mut self,
        text: &'static str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()> {
        let statement = self.prepare(text, "")?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        for row in self.client.query(&statement, &values).map_err(fault::postgres)? {
            each(&Cells(row))?;
        }
        Ok(())
    }

    fn insert(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<i64> {
        let statement = self.prepare(text, " RETURNING number")?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let row = self.client.query_one(&statement, &values).map_err(fault::postgres)?;
        row.try_get(0).map_err(fault::postgres)
    }

    fn execute(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<u64> {
        let statement = self.prepare(text, "")?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.client.execute(&statement, &values).map_err(fault::postgres)
    }

    fn batch(&mut self, text: &str) -> Result<()> {
        self.client.batch_execute(text).map_err(fault::postgres)
    }

    fn locks_rows(&self) -> bool {
        true
    }
}

struct Cells(postgres::Row);

impl Row for Cells {
    fn int(&self, column: usize) -> Result<Option<i64>> {
        self.0.try_get(column).map_err(fault::postgres)
    }

    fn text(&self, column: usize) -> Result<Option<String>> {
        self.0.try_get(column).map_err(fault::postgres)
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>> {
        self.0.try_get(column).map_err(fault::postgres)
    }

    fn uuid(&self, column: usize) -> Result<Option<Uuid>> {
        let cell: Option<&[u8]> = self.0.try_get(column).map_err(fault::postgres)?;
        cell.map(|bytes| Uuid::from_slice(bytes).map_err(Error::internal)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_server_is_noticed_in_seconds_unless_the_url_says_otherwise() {
        let times = |url: &str| {
            let config = settings(url).unwrap();
            let seconds = [
                config.get_connect_timeout().copied(),
                config.get_tcp_user_timeout().copied(),
                Some(config.get_keepalives_idle()),
                config.get_keepalives_interval(),
            ];
            (seconds.map(|time| time.unwrap().as_secs()), config.get_keepalives_retries())
        };
        assert_eq!(times("postgres://app@db/app"), ([5, 10, 10, 5], Some(3)));
        let said = "postgres://app@db/app?connect_timeout=1&tcp_user_timeout=2&keepalives_idle=3&keepalives_interval=4\
                    &keepalives_retries=6";
        assert_eq!(times(said), ([1, 2, 3, 4], Some(6)));
    }
}
