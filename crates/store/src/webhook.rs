//! Deliveries of webhooks.

use crate::{
    sql::{Row, values},
    tx::Tx,
};
use convo_domain::{
    clock::Timestamp,
    error::Result,
    webhook::{Delivery, News, store::WebhookStore},
};

macro_rules! columns {
    () => {
        "number, id, url, room, event, body, created_at, attempts, due_at, done_at, error"
    };
}

fn delivery(row: &dyn Row) -> Result<Delivery> {
    Ok(Delivery {
        number: row.req_int(0)?,
        id: row.req_text(1)?,
        url: row.req_text(2)?,
        room: row.req_text(3)?,
        event: row.req_text(4)?,
        body: row.req_text(5)?,
        created_at: row.time(6)?,
        attempts: row.req_int(7)?,
        due_at: row.time(8)?,
        done_at: row.opt_time(9)?,
        error: row.text(10)?,
    })
}

impl WebhookStore for Tx<'_> {
    fn add_delivery(&mut self, news: &News, url: &str, now: Timestamp) -> Result<()> {
        const ADD: &str = "INSERT INTO deliveries (id, url, room, event, body, created_at, attempts, due_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?6)";
        self.sql.execute(ADD, values![&news.id, url, &news.room, &news.event, &news.body, now])?;
        Ok(())
    }

    fn due_deliveries(&mut self, url: &str, now: Timestamp, most: i64) -> Result<Vec<Delivery>> {
        const DUE: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM deliveries d WHERE done_at IS NULL AND url = ?1 AND due_at <= ?2 AND number = (SELECT MIN(number) \
             FROM deliveries WHERE done_at IS NULL AND url = d.url AND room = d.room) ORDER BY number LIMIT ?3"
        );
        self.sql.rows(DUE, values![url, now, most], delivery)
    }

    fn delivery_addresses(&mut self) -> Result<Vec<String>> {
        const OPEN: &str = "SELECT DISTINCT url FROM deliveries WHERE done_at IS NULL";
        self.sql.rows(OPEN, values![], |row| row.req_text(0))
    }

    fn save_delivery(&mut self, d: &Delivery) -> Result<()> {
        const SAVE: &str =
            "UPDATE deliveries SET attempts = ?2, due_at = ?3, done_at = ?4, error = ?5 WHERE number = ?1";
        self.sql.execute(SAVE, values![d.number, d.attempts, d.due_at, d.done_at, d.error.as_ref()])?;
        Ok(())
    }

    fn deliveries(&mut self, all: bool, most: i64) -> Result<Vec<Delivery>> {
        const ALL: &str = concat!("SELECT ", columns!(), " FROM deliveries ORDER BY number DESC LIMIT ?1");
        const OPEN: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM deliveries WHERE done_at IS NULL OR error IS NOT NULL ORDER BY number DESC LIMIT ?1"
        );
        self.sql.rows(if all { ALL } else { OPEN }, values![most], delivery)
    }

    fn replay_deliveries(&mut self, id: Option<&str>, now: Timestamp) -> Result<u64> {
        const ONE: &str = "UPDATE deliveries SET attempts = 0, due_at = ?1, done_at = NULL WHERE id = ?2";
        const GIVEN_UP: &str = "UPDATE deliveries SET attempts = 0, due_at = ?1, done_at = NULL \
             WHERE done_at IS NOT NULL AND error IS NOT NULL";
        match id {
            Some(id) => self.sql.execute(ONE, values![now, id]),
            None => self.sql.execute(GIVEN_UP, values![now]),
        }
    }

    fn forget_deliveries(&mut self, done_before: Timestamp) -> Result<()> {
        self.sql.execute("DELETE FROM deliveries WHERE done_at < ?1", values![done_before])?;
        Ok(())
    }
}
