//! SQLite: one writer thread that commits many waiting writes together, and readers beside it (WAL).
//!
//! **A write is acknowledged after `COMMIT` with `synchronous=FULL`**: it is on disk, also under `kill -9` and power
//! loss. That costs one flush, so the writer takes all that waits into one transaction and flushes once for all.

use crate::{
    fault, migrate,
    sql::{Row, Sql, Value},
    tx::Tx,
};
use async_trait::async_trait;
use convo_domain::{
    bus::{Bus, Tell},
    error::{Error, Result},
    store::{Job, Key, Store},
};
use crossbeam_channel::{Receiver, Sender};
use rusqlite::{Connection, OpenFlags, ToSql, types::ToSqlOutput, types::ValueRef};
use std::{any::Any, panic::AssertUnwindSafe, path::Path, sync::Arc, time::Duration};
use tokio::sync::oneshot;
use uuid::Uuid;

type Answer = Result<Box<dyn Any + Send>>;

struct Task {
    job: Job,
    answer: oneshot::Sender<Answer>,
}

pub(crate) struct Sqlite {
    writes: Sender<Task>,
    reads: Sender<Task>,
}

/// Writes that share one flush, at most: bounds how long the first of them waits.
const GROUP: usize = 256;
/// Readers: as many as there are processors is as many as can run.
const READERS: usize = 2;
/// Prepared statements a connection keeps; there are fewer.
const STATEMENTS: usize = 128;

impl Sqlite {
    pub(crate) fn open(file: &Path, bus: Arc<dyn Bus>) -> Result<Self> {
        let writer = connect(file, OpenFlags::default())?;
        migrate_schema(&writer)?;
        let (writes, write_queue) = crossbeam_channel::unbounded();
        let (reads, read_queue) = crossbeam_channel::unbounded();
        spawn("store-writer", move || Writer { connection: writer, bus }.run(&write_queue))?;
        for _ in 0..READERS {
            let queue = read_queue.clone();
            let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            spawn("store-reader", move || run_reader(connection, &queue))?;
        }
        Ok(Self { writes, reads })
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(body).map(drop).map_err(Error::unavailable)
}

fn connect(file: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(file, flags).map_err(fault::sqlite)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(Duration::from_secs(5)).map_err(fault::sqlite)?;
    if !flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        connection.pragma_update(None, "journal_mode", "WAL").map_err(fault::sqlite)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(fault::sqlite)?;
    }
    // KiB, as SQLite spells it: 8 MiB of pages a connection.
    connection.pragma_update(None, "cache_size", -8192).map_err(fault::sqlite)?;
    Ok(connection)
}

fn migrate_schema(connection: &Connection) -> Result<()> {
    const WORDS: migrate::Words = migrate::Words { serial: "INTEGER PRIMARY KEY", bytes: "BLOB" };
    connection.execute_batch("BEGIN IMMEDIATE").map_err(fault::sqlite)?;
    let outcome = migrate::run(&mut Driver { connection, savepoint: false }, &WORDS);
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.execute_batch(end).map_err(fault::sqlite)?;
    outcome
}

#[async_trait]
impl Store for Sqlite {
    async fn run_read(&self, job: Job) -> Answer {
        hand_over(&self.reads, job).await
    }

    async fn run_write(&self, _key: Key, job: Job) -> Answer {
        // One writer: everything is in order, whatever the key.
        hand_over(&self.writes, job).await
    }

    async fn ping(&self) -> Result<()> {
        let select: Job = Box::new(|tx| Ok(Box::new(tx.seqs(&[])?)));
        self.run_read(select).await.map(drop)
    }
}

async fn hand_over(queue: &Sender<Task>, job: Job) -> Answer {
    let (answer, answered) = oneshot::channel();
    queue.send(Task { job, answer }).map_err(|_| Error::unavailable("the store's thread has ended"))?;
    answered.await.map_err(|_| Error::unavailable("the store's thread has ended"))?
}

fn run_reader(connection: Connection, queue: &Receiver<Task>) {
    while let Ok(task) = queue.recv() {
        let outcome = begin(&connection, "BEGIN").and_then(|()| {
            let outcome = run_job(&connection, task.job).0;
            // Nothing was written; an error here can only mean that there is no transaction.
            let _ = connection.execute_batch("COMMIT");
            outcome
        });
        let _ = task.answer.send(outcome);
    }
}

fn begin(connection: &Connection, how: &'static str) -> Result<()> {
    let mut statement = connection.prepare_cached(how).map_err(fault::sqlite)?;
    statement.execute([]).map(drop).map_err(fault::sqlite)
}

struct Writer {
    connection: Connection,
    bus: Arc<dyn Bus>,
}

impl Writer {
    fn run(self, queue: &Receiver<Task>) {
        while let Ok(first) = queue.recv() {
            self.commit_group(first, queue);
        }
    }

    /// Runs all that waits, and what comes meanwhile, in one transaction; then commits, tells, and answers.
    fn commit_group(&self, first: Task, queue: &Receiver<Task>) {
        if let Err(error) = begin(&self.connection, "BEGIN IMMEDIATE") {
            let _ = first.answer.send(Err(error));
            return;
        }
        let (mut answers, mut tells) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(task) = next {
            let (outcome, told) = run_job(&self.connection, task.job);
            tells.extend(told);
            answers.push((task.answer, outcome));
            next = if answers.len() < GROUP { queue.try_recv().ok() } else { None };
        }
        match begin(&self.connection, "COMMIT") {
            Ok(()) => {
                metrics::histogram!("convo_store_batch_rows").record(answers.len() as f64);
                if !tells.is_empty() {
                    self.bus.tell(tells);
                }
                for (answer, outcome) in answers {
                    let _ = answer.send(outcome);
                }
            }
            Err(error) => {
                tracing::error!(?error, writes = answers.len(), "a group of writes could not be committed");
                let _ = self.connection.execute_batch("ROLLBACK");
                for (answer, _) in answers {
                    let _ = answer.send(Err(Error::unavailable("the commit failed")));
                }
            }
        }
    }
}

/// Runs one job of a transaction. What a failed job wrote is undone, what its neighbours wrote is not.
fn run_job(connection: &Connection, job: Job) -> (Answer, Vec<Tell>) {
    let mut driver = Driver { connection, savepoint: false };
    let mut tx = Tx::new(&mut driver);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| job(&mut tx)));
    let tells = std::mem::take(&mut tx.tells);
    let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("a job panicked")));
    match (driver.close_savepoint(outcome.is_ok()), outcome) {
        (Ok(()), Ok(value)) => (Ok(value), tells),
        (Err(error), Ok(_)) | (_, Err(error)) => (Err(error), Vec::new()),
    }
}

/// A connection, with a savepoint around what the job writes; a job that only reads pays for none.
struct Driver<'a> {
    connection: &'a Connection,
    savepoint: bool,
}

impl Driver<'_> {
    fn close_savepoint(&mut self, keep: bool) -> Result<()> {
        if !std::mem::take(&mut self.savepoint) {
            return Ok(());
        }
        if !keep {
            begin(self.connection, "ROLLBACK TO job")?;
        }
        begin(self.connection, "RELEASE job")
    }

    fn open_savepoint(&mut self, text: &str) -> Result<()> {
        if !self.savepoint && !text.starts_with("SELECT") {
            begin(self.connection, "SAVEPOINT job")?;
            self.savepoint = true;
        }
        Ok(())
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

impl Sql for Driver<'_> {
    fn query(
        &mut self,
        text: &'static str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()> {
        self.open_savepoint(text)?;
        let mut statement = self.connection.prepare_cached(text).map_err(fault::sqlite)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(fault::sqlite)?;
        while let Some(row) = rows.next().map_err(fault::sqlite)? {
            each(&Cells(row))?;
        }
        Ok(())
    }

    fn execute(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<u64> {
        self.open_savepoint(text)?;
        let mut statement = self.connection.prepare_cached(text).map_err(fault::sqlite)?;
        let changed = statement.execute(rusqlite::params_from_iter(values)).map_err(fault::sqlite)?;
        Ok(changed as u64)
    }

    fn batch(&mut self, text: &str) -> Result<()> {
        self.connection.execute_batch(text).map_err(fault::sqlite)
    }

    fn locks_rows(&self) -> bool {
        false
    }
}

struct Cells<'r>(&'r rusqlite::Row<'r>);

impl Row for Cells<'_> {
    fn int(&self, column: usize) -> Result<Option<i64>> {
        self.0.get(column).map_err(fault::sqlite)
    }

    fn text(&self, column: usize) -> Result<Option<String>> {
        self.0.get(column).map_err(fault::sqlite)
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>> {
        self.0.get(column).map_err(fault::sqlite)
    }

    fn uuid(&self, column: usize) -> Result<Option<Uuid>> {
        let cell = self.0.get_ref(column).map_err(fault::sqlite)?;
        match cell {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => Uuid::from_slice(bytes).map(Some).map_err(Error::internal),
            _ => Err(Error::internal(format!("column {column} is no id"))),
        }
    }
}
