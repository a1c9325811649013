//! `convo user`: what an operator does to accounts. A running server notices within two seconds.

use crate::{compose, config::Config};
use anyhow::{Context, Result};
use clap::Subcommand;
use convo_domain::{
    Domain,
    error::Error,
    user::{Standing, User, rules},
};
use std::sync::Arc;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the accounts, the deactivated ones too
    List,
    /// Nobody logs in to the account any more, and who was in is out
    Deactivate { who: String },
    /// Undo a deactivation
    Activate { who: String },
    /// Make the account an operator's
    Admin {
        who: String,
        /// Take it back
        #[arg(long)]
        revoke: bool,
    },
}

pub(crate) async fn run(config: &Config, command: Command) -> Result<()> {
    let domain = compose::parts(config).await?.domain;
    let user = match command {
        Command::List => {
            let users = domain.store.read(|tx| tx.accounts()).await.map_err(said)?;
            users.iter().for_each(show);
            return Ok(());
        }
        Command::Deactivate { who } => domain.set_active(find(&domain, &who).await?.id, false).await,
        Command::Activate { who } => domain.set_active(find(&domain, &who).await?.id, true).await,
        Command::Admin { who, revoke } => domain.set_admin(find(&domain, &who).await?.id, !revoke).await,
    };
    show(&user.map_err(said)?);
    Ok(())
}

fn said(error: Error) -> anyhow::Error {
    anyhow::anyhow!("{}", error.message)
}

/// By e-mail address, phone number, or id.
async fn find(domain: &Arc<Domain>, who: &str) -> Result<User> {
    let wanted = who.to_owned();
    let found = domain.store.read(move |tx| {
        if let Some(id) = convo_domain::id::UserId::parse(&wanted) {
            return tx.user(id);
        }
        match rules::email(&wanted) {
            Ok(email) => tx.user_by_email(&email),
            Err(_) => rules::phone(&wanted).map_or(Ok(None), |phone| tx.user_by_phone(&phone)),
        }
    });
    found.await.map_err(said)?.with_context(|| format!("there is no account {who}"))
}

fn show(user: &User) {
    let standing = match user.standing {
        Standing::Active => "active",
        Standing::Deactivated => "deactivated",
        Standing::Deleted => "deleted",
        Standing::Agent => "agent",
    };
    let address = user.email.as_deref().or(user.phone.as_deref()).unwrap_or("-");
    let admin = if user.admin { "admin" } else { "-" };
    println!("{}\t{address}\t{standing}\t{admin}\t{}", user.id, user.display_name);
}
