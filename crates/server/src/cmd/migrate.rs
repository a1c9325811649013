//! `convo migrate`: bring the database up to date without serving.

use crate::{compose, config::Config};
use anyhow::Result;

pub(crate) async fn run(config: &Config) -> Result<()> {
    compose::parts(config).await?;
    println!("The database is up to date.");
    Ok(())
}
