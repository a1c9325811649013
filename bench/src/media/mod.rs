//! Load for a media server that speaks LiveKit's protocol, and what it costs the server. `bench/README.md`, "Media", says
//! what each figure means.

mod client;
mod contender;
mod contest;
mod door;
mod floor;
mod net;
mod outcome;
mod scenario;
mod source;
mod stage;
mod stamp;
mod talk;
mod tally;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use self::contest::CompareOptions;
use self::door::Target;
use self::floor::FloorOptions;
use self::scenario::Scenario;
use self::stage::Pace;
use crate::machine;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct MediaOptions {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    load: Load,
}

#[derive(Subcommand)]
enum Other {
    /// Start servers, put them through the same scenarios, and print how they compare
    Compare(CompareOptions),
    /// Seal and send packets, nothing else: the machine's own limit
    Floor(FloorOptions),
}

/// One scenario against one running server.
#[derive(Args)]
struct Load {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    scenario: Scenario,
    #[command(flatten)]
    pace: Pace,
}

pub(crate) fn run(options: MediaOptions) -> Result<ExitCode> {
    machine::raise_file_limit()?;
    match options.other {
        Some(Other::Compare(compare)) => return Ok(status(contest::run(&compare)?)),
        Some(Other::Floor(floor)) => return floor::run(&floor).map(|()| ExitCode::SUCCESS),
        None => {}
    }
    let Load { target, scenario, pace } = options.load;
    let outcome = stage::run(&target, &scenario.normal(), &pace)?;
    println!("{}{}", outcome.table(), serde_json::to_string(&outcome)?);
    Ok(status(outcome.is_whole()))
}

fn status(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
