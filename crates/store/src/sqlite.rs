//! SQLite: one writer thread that commits many waiting writes together, and readers beside it (WAL).
//!
//! **A write is acknowledged after `COMMIT` with `synchronous=FULL`**: it is on disk, also under `kill -9` and power
//! loss. That costs one flush, so the writer takes all that waits into one transaction and flushes once for all.

use crate::{
    fault, migrate,
    sql::{Row, Sql, Value},
    threads::{Answer, Herald, News, Task, hand_over, spawn},
    tx::Tx,
};
use async_channel::{Receiver, Sender};
use async_trait::async_trait;
use convo_domain::{
    bus::Tell,
    error::{Error, Kind, Result},
    id::RoomId,
    store::{Job, Key, Store},
};
use rusqlite::{
    Connection, OpenFlags, Statement, ToSql,
    config::DbConfig,
    types::{ToSqlOutput, ValueRef},
};
use std::{
    collections::{HashMap, hash_map::Entry},
    panic::AssertUnwindSafe,
    path::Path,
    time::Duration,
};
use uuid::Uuid;

pub(crate) struct Sqlite {
    writes: Sender<Task>,
    reads: Sender<Task>,
}

/// Writes that share one flush, at most: bounds how long the first of them waits.
const GROUP: usize = 256;
/// Readers: as many as there are processors is as many as can run.
const READERS: usize = 2;
/// A room that there is not.
const NOWHERE: RoomId = RoomId(Uuid::nil());

impl Sqlite {
    pub(crate) fn open(file: &Path, herald: Herald) -> Result<Self> {
        let writer = connect(file, OpenFlags::default())?;
        migrate_schema(&writer)?;
        let (writes, write_queue) = async_channel::unbounded();
        let (reads, read_queue) = async_channel::unbounded();
        spawn("store-writer", move || Writer::new(&writer, herald).run(&write_queue))?;
        for _ in 0..READERS {
            let queue = read_queue.clone();
            let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            spawn("store-reader", move || run_reader(&connection, &queue))?;
        }
        Ok(Self { writes, reads })
    }
}

fn connect(file: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(file, flags).map_err(fault::sqlite)?;
    // Plans that don't depend on the parameters: else SQLite parses a statement with `LIMIT ?` anew for each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(fault::sqlite)?;
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
    let mut statements = Statements::new(connection);
    statements.run("BEGIN IMMEDIATE")?;
    let outcome = migrate::run(&mut Driver { statements: &mut statements, savepoint: false }, &WORDS);
    statements.run(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
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
        let select: Job = Box::new(|tx| Ok(Box::new(tx.seqs(&[NOWHERE])?)));
        self.run_read(select).await?;
        // Writes nothing, so it costs no flush; but see `Writer::begin`.
        self.run_write(Key::Any, Box::new(|_| Ok(Box::new(())))).await.map(drop)
    }
}

fn run_reader(connection: &Connection, queue: &Receiver<Task>) {
    let mut statements = Statements::new(connection);
    while let Ok(task) = queue.recv_blocking() {
        let outcome = statements.run("BEGIN").and_then(|()| {
            let outcome = run_job(&mut statements, &task).0;
            // Nothing was written; an error here can only mean that there is no transaction.
            let _ = statements.run("COMMIT");
            outcome
        });
        let _ = task.reply.send(outcome);
    }
}

struct Writer<'c> {
    statements: Statements<'c>,
    herald: Herald,
    /// The last group, or a write in it, failed for a reason that may pass: a full disk, or one that only reads.
    doubtful: bool,
}

impl<'c> Writer<'c> {
    fn new(connection: &'c Connection, herald: Herald) -> Self {
        Self { statements: Statements::new(connection), herald, doubtful: false }
    }

    fn run(mut self, queue: &Receiver<Task>) {
        while let Ok(first) = queue.recv_blocking() {
            let news = self.commit_group(first, queue);
            self.herald.announce(news);
        }
    }

    /// After a failure the transaction writes something of its own, so that its commit tells whether the disk is well
    /// again though the only job is a ping.
    fn begin(&mut self) -> Result<()> {
        self.statements.run("BEGIN IMMEDIATE")?;
        if !self.doubtful {
            return Ok(());
        }
        // There and back: SQLite leaves out a write that changes nothing.
        let there = self.statements.run("UPDATE migrations SET at = at + 1 WHERE version = 1");
        let back = there.and_then(|()| self.statements.run("UPDATE migrations SET at = at - 1 WHERE version = 1"));
        if back.is_err() {
            let _ = self.statements.run("ROLLBACK");
        }
        back
    }

    /// Runs all that waits, and what comes meanwhile, in one transaction, and commits it.
    fn commit_group(&mut self, first: Task, queue: &Receiver<Task>) -> News {
        if let Err(error) = self.begin() {
            return News { answers: vec![(first.reply, Err(error))], ..News::default() };
        }
        let mut news = News::default();
        let mut next = Some(first);
        while let Some(task) = next {
            let (outcome, told) = run_job(&mut self.statements, &task);
            news.tells.extend(told);
            news.answers.push((task.reply, outcome));
            next = if news.answers.len() < GROUP { queue.try_recv().ok() } else { None };
        }
        let committed = self.statements.run("COMMIT");
        let will_pass = |answer: &Answer| answer.as_ref().err().is_some_and(|error| error.kind == Kind::Unavailable);
        self.doubtful = committed.is_err() || news.answers.iter().any(|(_, answer)| will_pass(answer));
        match committed {
            Ok(()) => {
                metrics::histogram!("convo_store_batch_rows").record(news.answers.len() as f64);
                news
            }
            Err(error) => {
                tracing::error!(?error, writes = news.answers.len(), "a group of writes could not be committed");
                let _ = self.statements.run("ROLLBACK");
                let failed = |(reply, _)| (reply, Err(Error::unavailable("the commit failed")));
                News { tells: Vec::new(), answers: news.answers.into_iter().map(failed).collect() }
            }
        }
    }
}

/// Runs one job of a transaction. What a failed job wrote is undone, what its neighbours wrote is not.
fn run_job(statements: &mut Statements<'_>, task: &Task) -> (Answer, Vec<Tell>) {
    let job = match task.claim() {
        Ok(job) => job,
        Err(error) => return (Err(error), Vec::new()),
    };
    let mut driver = Driver { statements, savepoint: false };
    let mut tx = Tx::new(&mut driver);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| job(&mut tx)));
    let tells = std::mem::take(&mut tx.tells);
    let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("a job panicked")));
    match (driver.close_savepoint(outcome.is_ok()), outcome) {
        (Ok(()), Ok(value)) => (Ok(value), tells),
        (Err(error), Ok(_)) | (_, Err(error)) => (Err(error), Vec::new()),
    }
}

/// The prepared statements of one connection. Every text is a constant of this crate, so they are few, and a text's
/// place in memory names it: comparing that is cheaper than reading half a kilobyte of SQL for each use.
struct Statements<'c> {
    connection: &'c Connection,
    prepared: HashMap<(usize, usize), Statement<'c>>,
}

impl<'c> Statements<'c> {
    fn new(connection: &'c Connection) -> Self {
        Self { connection, prepared: HashMap::new() }
    }

    fn get(&mut self, text: &'static str) -> Result<&mut Statement<'c>> {
        match self.prepared.entry((text.as_ptr().addr(), text.len())) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(self.connection.prepare(text).map_err(fault::sqlite)?)),
        }
    }

    fn run(&mut self, text: &'static str) -> Result<()> {
        self.get(text)?.execute([]).map(drop).map_err(fault::sqlite)
    }
}

/// A connection, with a savepoint around what the job writes; a job that only reads pays for none.
struct Driver<'a, 'c> {
    statements: &'a mut Statements<'c>,
    savepoint: bool,
}

impl Driver<'_, '_> {
    fn close_savepoint(&mut self, keep: bool) -> Result<()> {
        if !std::mem::take(&mut self.savepoint) {
            return Ok(());
        }
        if !keep {
            self.statements.run("ROLLBACK TO job")?;
        }
        self.statements.run("RELEASE job")
    }

    fn open_savepoint(&mut self, text: &str) -> Result<()> {
        if !self.savepoint && !text.starts_with("SELECT") {
            self.statements.run("SAVEPOINT job")?;
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

impl Sql for Driver<'_, '_> {
    fn query(
        &mut self,
        text: &'static str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()> {
        self.open_savepoint(text)?;
        let mut rows = self.statements.get(text)?.query(rusqlite::params_from_iter(values)).map_err(fault::sqlite)?;
        while let Some(row) = rows.next().map_err(fault::sqlite)? {
            each(&Cells(row))?;
        }
        Ok(())
    }

    /// SQLite fills a temporary table for a RETURNING; asking for the last row's number costs nothing.
    fn insert(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<i64> {
        self.execute(text, values)?;
        Ok(self.statements.connection.last_insert_rowid())
    }

    fn execute(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<u64> {
        self.open_savepoint(text)?;
        let changed = self.statements.get(text)?.execute(rusqlite::params_from_iter(values)).map_err(fault::sqlite)?;
        Ok(changed as u64)
    }

    fn batch(&mut self, text: &str) -> Result<()> {
        self.statements.connection.execute_batch(text).map_err(fault::sqlite)
    }

    fn locks_rows(&self) -> bool {
        false
    }
}

struct Cells<'r>(&'r rusqlite::Row<'r>);

impl Cells<'_> {
    /// The cell, as `read` sees it; `None` where it is null. An error where it holds something else.
    fn read<'a, T>(&'a self, column: usize, read: impl FnOnce(ValueRef<'a>) -> Option<T>) -> Result<Option<T>> {
        let cell = self.0.get_ref(column).map_err(fault::sqlite)?;
        if cell == ValueRef::Null {
            return Ok(None);
        }
        read(cell).map(Some).ok_or_else(|| Error::internal(format!("column {column} holds something else")))
    }
}

impl Row for Cells<'_> {
    fn int(&self, column: usize) -> Result<Option<i64>> {
        self.read(column, |cell| cell.as_i64().ok())
    }

    fn text(&self, column: usize) -> Result<Option<String>> {
        self.read(column, |cell| cell.as_str().ok().map(str::to_owned))
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>> {
        self.read(column, |cell| cell.as_blob().ok().map(<[u8]>::to_owned))
    }

    fn uuid(&self, column: usize) -> Result<Option<Uuid>> {
        self.read(column, |cell| Uuid::from_slice(cell.as_blob().ok()?).ok())
    }
}
