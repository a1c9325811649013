//! Migrations: one text for both databases, run at start, never edited after a release.

use crate::sql::{Sql, values};
use convo_domain::{
    agent::{AGENT, AGENT_NAME},
    clock::{Clock, System},
    error::{Error, Result},
};

const ALL: [(i64, &str); 6] = [
    (1, include_str!("../migrations/0001_start.sql")),
    (2, include_str!("../migrations/0002_webhooks.sql")),
    (3, include_str!("../migrations/0003_tokens_of_those_who_left.sql")),
    (4, include_str!("../migrations/0004_departures.sql")),
    (5, include_str!("../migrations/0005_log_in_of_a_participant.sql")),
    (6, include_str!("../migrations/0006_assistants.sql")),
];

/// The words in which the databases differ.
pub(crate) struct Words {
    pub(crate) serial: &'static str,
    pub(crate) bytes: &'static str,
}

/// Brings the schema up to date. Runs inside a transaction that no other process is in.
pub(crate) fn run(sql: &mut dyn Sql, words: &Words) -> Result<()> {
    const HISTORY: &str = "CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, at BIGINT NOT NULL)";
    sql.execute(HISTORY, values![])?;
    let done = sql.count("SELECT COALESCE(MAX(version), 0) FROM migrations", values![])?;
    let newest = ALL.last().map_or(0, |(version, _)| *version);
    if done > newest {
        return Err(Error::internal(format!(
            "the database has schema {done}, this program knows up to {newest}: use a newer convo"
        )));
    }
    let now = System.now();
    for (version, text) in ALL.iter().filter(|(version, _)| *version > done) {
        sql.batch(&text.replace("{{serial}}", words.serial).replace("{{bytes}}", words.bytes))?;
        sql.execute("INSERT INTO migrations (version, at) VALUES (?1, ?2)", values![*version, now])?;
    }
    // The agent writes under an account like anybody else's, which nobody can log in to. Its number is 0: people
    // count from 1.
    const ADD_AGENT: &str = "INSERT INTO users (number, id, password, first_name, last_name, display_name, email_verified, \
         phone_verified, standing, admin, timezone, language, video_enabled, audio_enabled, auto_join, created_at, \
         updated_at) VALUES (0, ?1, '', ?2, '', ?2, 0, 0, 3, 0, 'UTC', 'en', 0, 0, 0, ?3, ?3) ON CONFLICT (id) DO NOTHING";
    if done == 0 {
        sql.execute(ADD_AGENT, values![&AGENT, AGENT_NAME, now])?;
    }
    Ok(())
}
