//! `convo-bench`: Convo's chat measured against a Node peer, a bare broadcast (the floor) and a bare SQLite loop.
//! `bench/README.md` says what each figure means.

mod crowd;
mod dialect;
mod fanout;
mod floor;
mod frame;
mod http;
mod ledger;
mod link;
mod machine;
mod mark;
mod media;
mod report;
mod rest;
mod selftest;
mod server;
mod setup;
mod sqlite_loop;
mod suite;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::fanout::Shape;
use crate::floor::Fault;
use crate::report::Report;
use crate::server::{Contender, Site};
use crate::suite::{Mode, Plan, Repetition};

#[derive(Parser)]
#[command(name = "convo-bench", about = "Measures Convo's chat against its peers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure the servers and print medians and ratios
    Chat(ChatOptions),
    /// Measure a media server that speaks LiveKit's protocol
    Media(media::MediaOptions),
    /// Show that the checks catch a server that misbehaves
    Selftest(Place),
    /// Run the bare SQLite loop
    SqliteLoop {
        /// Rows to a transaction
        #[arg(long, value_delimiter = ',', default_value = "1,8,16,32,64")]
        batches: Vec<usize>,
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        #[command(flatten)]
        place: Place,
    },
    /// Serve as the floor: a bare WebSocket broadcast on /rooms/NUMBER
    Floor {
        #[arg(long)]
        listen: SocketAddr,
        /// Misbehave now and then
        #[arg(long)]
        fault: Option<Fault>,
        /// Deliveries from one fault to the next
        #[arg(long, default_value_t = 97)]
        every: u64,
    },
}

/// Where things are, and which processors they run on.
#[derive(Args)]
struct Place {
    /// The convo program
    #[arg(long, env = "CONVO_BIN", default_value = "target/bench-run/convo")]
    convo: PathBuf,
    /// The Node peer's directory, with its node_modules
    #[arg(long, default_value = "bench/peers/node")]
    node_peer: PathBuf,
    /// Databases go here: a real disk, not a RAM disk, or flushes cost nothing
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    #[arg(long, default_value_t = 1)]
    loader_cpu: usize,
}

impl Place {
    /// Takes this process to its own processor.
    fn take(self) -> Result<Site> {
        machine::raise_file_limit()?;
        machine::pin(self.loader_cpu)?;
        let Self { convo, node_peer, data, server_cpu, .. } = self;
        Ok(Site { convo, node_peer, data, server_cpu: Some(server_cpu) })
    }
}

#[derive(Args)]
struct ChatOptions {
    /// About two and a half minutes: two shapes, one repetition, short phases. Options given beside it win
    #[arg(long)]
    quick: bool,
    /// All of them where none are named
    #[arg(long, value_enum, value_delimiter = ',')]
    modes: Option<Vec<Mode>>,
    #[arg(long, value_enum, value_delimiter = ',', default_value = "node,floor,convo-sio,convo-ws")]
    servers: Vec<Contender>,
    /// ROOMSxMEMBERS
    #[arg(long, value_delimiter = ',')]
    shapes: Option<Vec<Shape>>,
    /// Senders in a room
    #[arg(long, default_value_t = 1)]
    senders: usize,
    /// Deliveries a second in the rate mode
    #[arg(long, default_value_t = 5000.0)]
    rate: f64,
    /// Seconds measured in each phase
    #[arg(long)]
    seconds: Option<f64>,
    /// Seconds of the same load before each phase that don't count
    #[arg(long)]
    warm_up: Option<f64>,
    /// How often all of it is done
    #[arg(long)]
    repetitions: Option<usize>,
    /// Connections of the idle mode
    #[arg(long, value_delimiter = ',')]
    idle: Option<Vec<usize>>,
    /// Seconds to watch the CPU of idle connections; a heartbeat comes every 25
    #[arg(long)]
    idle_watch: Option<f64>,
    /// results.json and results.md go here
    #[arg(long, default_value = "target/bench-chat")]
    out: PathBuf,
    #[command(flatten)]
    place: Place,
}

impl ChatOptions {
    fn plan(self) -> Result<Plan> {
        let quick = self.quick;
        let either = |short: &str, long: &str| -> Result<Vec<Shape>> {
            (if quick { short } else { long }).split(',').map(str::parse).collect()
        };
        let seconds = |given: Option<f64>, short, long| {
            Duration::from_secs_f64(given.unwrap_or(if quick { short } else { long }))
        };
        Ok(Plan {
            shapes: self.shapes.map_or_else(|| either("1x500,100x10", "1x100,1x500,1x1000,100x10"), Ok)?,
            senders: self.senders,
            rate: self.rate,
            seconds: seconds(self.seconds, 1.5, 3.0),
            warm_up: seconds(self.warm_up, 0.5, 3.0),
            idle: self.idle.unwrap_or(if quick { vec![1000] } else { vec![1000, 3000, 6000] }),
            idle_watch: seconds(self.idle_watch, 0.0, 0.0),
            site: self.place.take()?,
        })
    }
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Chat(options) => chat(options),
        Command::Media(options) => media::run(options),
        Command::Selftest(place) => selftest::run(&place.take()?),
        Command::SqliteLoop { batches, seconds, place } => bare_loops(&place.take()?, &batches, seconds),
        Command::Floor { listen, fault, every } => match floor::serve(listen, fault.map(|fault| (fault, every)))? {},
    }
}

fn chat(options: ChatOptions) -> Result<ExitCode> {
    let modes = options.modes.clone().unwrap_or_else(|| Mode::value_variants().to_vec());
    let repetitions = options.repetitions.unwrap_or(if options.quick { 1 } else { 3 });
    let (mut servers, out) = (options.servers.clone(), options.out.clone());
    let plan = options.plan()?;
    let mut report = Report::default();
    for number in 0..repetitions {
        let mut repetition = Repetition { plan: &plan, number, report: &mut report };
        for &mode in modes.iter().filter(|mode| number == 0 || !mode.once()) {
            eprintln!("repetition {} of {repetitions}: {}", number + 1, mode.name());
            repetition.measure(mode, &servers);
        }
        // Every server gets every place in the order, so that what drifts on the machine meets all of them.
        servers.rotate_left(1);
    }
    println!("{}", report.write(&out)?);
    Ok(if report.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn bare_loops(site: &Site, batches: &[usize], seconds: f64) -> Result<ExitCode> {
    let dir = site.fresh_dir("sqlite-loop")?;
    for &batch in batches {
        let rate = sqlite_loop::rows_per_second(&dir, batch, Duration::from_secs_f64(seconds))?;
        println!("{batch:>4} rows a commit: {rate:.0} rows/s");
    }
    Ok(ExitCode::SUCCESS)
}
