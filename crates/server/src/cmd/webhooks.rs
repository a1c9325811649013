//! `convo webhooks`: what became of them, and sending them again. A running server notices within two seconds.

use crate::{compose, config::Config};
use anyhow::{Result, ensure};
use clap::Subcommand;
use convo_domain::webhook::Delivery;
use convo_kit::time::rfc3339;

/// Lines of a list.
const MOST: i64 = 1_000;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what is outstanding or was given up
    List {
        /// Those that were taken too, of the last week
        #[arg(long)]
        all: bool,
    },
    /// Send an event again, or all that were given up
    Replay {
        /// The event's id, EV_...
        id: Option<String>,
    },
}

pub(crate) async fn run(config: &Config, command: Command) -> Result<()> {
    let domain = compose::parts(config).await?.domain;
    match command {
        Command::List { all } => {
            let news = domain.news(all, MOST).await.map_err(compose::explain)?;
            news.iter().for_each(show);
        }
        Command::Replay { id } => {
            let asked = id.is_some();
            let deliveries = domain.replay_news(id).await.map_err(compose::explain)?;
            ensure!(deliveries > 0 || !asked, "there is no such event");
            println!("{deliveries} to be sent");
        }
    }
    Ok(())
}

fn show(delivery: &Delivery) {
    let state = match (delivery.done_at, &delivery.error) {
        (Some(_), None) => "taken".to_owned(),
        (Some(_), Some(error)) => format!("given up: {error}"),
        (None, Some(error)) => format!("next try {}: {error}", rfc3339(delivery.due_at)),
        (None, None) => "outstanding".to_owned(),
    };
    let Delivery { id, room, event, url, attempts, .. } = delivery;
    println!("{id}\t{}\t{room}\t{event}\t{url}\t{attempts}\t{state}", rfc3339(delivery.created_at));
}
