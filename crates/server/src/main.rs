//! The binary: configuration, composition, listeners, draining.

mod agent;
mod cmd;
mod compose;
mod config;
mod courier;
mod crossroads;
mod headers;
mod ice;
mod listen;
mod media;
mod mount;
mod observe;
mod secrets;
mod seen;
mod tokens;
mod unread;
mod web;

use anyhow::Result;
use clap::{Parser, Subcommand};
use config::{Config, Given};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Meetings and chat in one server
#[derive(Parser)]
#[command(name = "convo", version)]
struct Line {
    #[command(flatten)]
    given: Given,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve,
    /// Print the configuration in force, secrets masked
    Config,
    /// Manage accounts
    User {
        #[command(subcommand)]
        command: cmd::user::Command,
    },
    /// Look at webhooks, and send them again
    Webhooks {
        #[command(subcommand)]
        command: cmd::webhooks::Command,
    },
    /// Bring the database up to date and stop
    Migrate,
    /// Say what works and what will not
    Doctor,
}

fn main() -> std::process::ExitCode {
    match start() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            // One clear line.
            eprintln!("convo: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn start() -> Result<()> {
    let line = Line::parse();
    // Whatever this process writes is its owner's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // One provider of cryptography for all of TLS.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Config::resolve(line.given)?;
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match line.command {
            Command::Serve => cmd::serve::run(config).await,
            Command::Config => {
                cmd::config::run(&config);
                Ok(())
            }
            Command::User { command } => cmd::user::run(&config, command).await,
            Command::Webhooks { command } => cmd::webhooks::run(&config, command).await,
            Command::Migrate => cmd::migrate::run(&config).await,
            Command::Doctor => cmd::doctor::run(&config).await,
        }
    })
}

/// Each connection takes a descriptor. What the system gives unasked, often 1,024, is for programs that use select(2).
fn raise_descriptors() {
    use rustix::process::{Resource::Nofile, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Nofile).maximum;
    // Where it does not rise, there are fewer connections.
    let _ = setrlimit(Nofile, Rlimit { current: maximum, maximum });
}
