//! The bare SQLite loop: message rows in transactions of a given size, flushed at each commit, and nothing else.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rusqlite::{Connection, Statement, TransactionBehavior, params};
use uuid::Uuid;

use crate::mark::Mark;

/// Messages as Convo stores them (`crates/store/migrations`): the same columns, the same indices.
const SCHEMA: &str = "
    CREATE TABLE messages (
        number          INTEGER PRIMARY KEY,
        id              BLOB NOT NULL,
        room            BIGINT NOT NULL,
        seq             BIGINT NOT NULL,
        sender          BLOB NOT NULL,
        sender_guest    BIGINT NOT NULL,
        sender_number   BIGINT NOT NULL,
        sender_name     TEXT NOT NULL,
        content         TEXT NOT NULL,
        kind            BIGINT NOT NULL,
        recipient       BLOB,
        recipient_guest BIGINT,
        nonce           TEXT,
        created_at      BIGINT NOT NULL
    );
    CREATE UNIQUE INDEX messages_seq ON messages (room, seq);
    CREATE UNIQUE INDEX messages_nonce ON messages (room, sender, nonce) WHERE nonce IS NOT NULL;
    CREATE INDEX messages_private ON messages (room, seq) WHERE recipient IS NOT NULL;";

const INSERT: &str = "
    INSERT INTO messages (id, room, seq, sender, sender_guest, sender_number, sender_name, content, kind, created_at)
    VALUES (?, ?, ?, ?, 0, 1, 'Bench 0', ?, 0, ?)";

/// Rooms that the rows go to in turn, one for each of the benchmark's 64 clients.
const ROOMS: usize = 64;

/// Rows a second, `batch` to a transaction, over `length`, in a new database in `dir`.
pub(crate) fn rows_per_second(dir: &Path, batch: usize, length: Duration) -> Result<f64> {
    let mut connection = Connection::open(dir.join(format!("loop-{batch}.sqlite")))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(SCHEMA)?;
    let sender = Uuid::now_v7();
    let mut rows = 0;
    let began = Instant::now();
    while began.elapsed() < length {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut insert = transaction.prepare_cached(INSERT)?;
        for _ in 0..batch {
            insert_row(&mut insert, &sender, rows)?;
            rows += 1;
        }
        drop(insert);
        transaction.commit()?;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

fn insert_row(insert: &mut Statement<'_>, sender: &Uuid, row: usize) -> Result<()> {
    let (room, seq) = ((row % ROOMS) as i64, (row / ROOMS) as i64 + 1);
    let content = Mark { stream: 0, number: row as u32 }.text();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64;
    insert.execute(params![Uuid::now_v7().as_bytes(), room, seq, sender.as_bytes(), content, now])?;
    Ok(())
}
