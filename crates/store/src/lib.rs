//! The Store port on SQLite (the default, one file) and Postgres.
//!
//! The SQL is written once, in [`user`], [`room`], [`message`] and [`webhook`], over the small driver in [`sql`]; the two databases
//! differ in how they are opened, how writes queue up, and in the words of [`migrate`].

mod codec;
mod fault;
mod message;
mod migrate;
mod postgres;
mod room;
mod sql;
mod sqlite;
mod threads;
mod tls;
mod tx;
mod user;
mod webhook;

use convo_domain::{bus::Bus, error::Result, store::Store};
use std::{path::Path, sync::Arc};
use threads::Herald;

/// Opens the database that `url` names (`postgres://…`), or `convo.db` in `data_dir`, and brings its schema up to date.
pub async fn open(url: Option<&str>, data_dir: &Path, bus: Arc<dyn Bus>) -> Result<Arc<dyn Store>> {
    let herald = Herald::start(bus);
    match url {
        Some(url) => {
            let url = url.to_owned();
            blocking(move || Ok(Arc::new(postgres::Postgres::open(&url, herald)?) as Arc<dyn Store>)).await
        }
        None => {
            let file = data_dir.join("convo.db");
            blocking(move || Ok(Arc::new(sqlite::Sqlite::open(&file, herald)?) as Arc<dyn Store>)).await
        }
    }
}

async fn blocking<T: Send + 'static>(open: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(open).await.map_err(convo_domain::Error::internal)?
}
