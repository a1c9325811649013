//! The same scenarios on several servers, one after the other, and how they compare.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::contender::{Contender, Site};
use super::floor::{Cipher, Floor};
use super::outcome::{Outcome, Server};
use super::scenario::{Layout, Resolution, Scenario};
use super::stage::{self, Pace};
use crate::machine;

/// RTP header with extensions, and the tag, over a packet's payload.
const OVERHEAD: usize = 36;

/// How long the floor is measured for each scenario.
const FLOOR: Duration = Duration::from_secs(1);

/// Servers that delivered bytes within this share of each other did the same work.
const EQUAL: f64 = 0.03;

/// A scenario that servers are compared on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Match {
    /// An audio room: 10 talk, 10 listen
    #[value(name = "audio-10x10")]
    AudioSmall,
    /// 3 of 10 talk at a time, 100 listen
    #[value(name = "audio-10x100")]
    Audio,
    /// 1 of 10 talks at a time, 300 listen: with 3, one processor is not enough for every server
    #[value(name = "audio-10x300")]
    AudioLarge,
    /// 12 see 9 others in medium size and hear everybody, simulcast
    #[value(name = "meeting-12x12")]
    Meeting,
    /// 12 see one large and 5 small, and hear everybody, simulcast
    #[value(name = "speaker-12x12")]
    Speaker,
    /// One sends 720 lines and sound to 100
    #[value(name = "stream-1x100")]
    Stream,
    /// One sends 180 lines and sound to 300: with 720, one processor is not enough for every server
    #[value(name = "stream-1x300")]
    StreamLarge,
    /// Two meetings of 12 at once: for servers with two workers
    #[value(name = "two-meetings")]
    TwoMeetings,
}

impl Match {
    fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }

    fn scenario(self) -> Scenario {
        let audio = |subscribers, talkers| Scenario {
            rooms: 1,
            publishers: 10,
            subscribers,
            meeting: false,
            audio: true,
            video: false,
            talkers,
            audio_kbps: 32,
            resolution: Resolution::High,
            simulcast: false,
            layout: Layout::Speaker,
        };
        let meeting = |rooms, layout| Scenario {
            rooms,
            publishers: 12,
            subscribers: 0,
            meeting: true,
            video: true,
            simulcast: true,
            layout,
            ..audio(0, Some(3))
        };
        let stream = |subscribers| Scenario { publishers: 1, video: true, ..audio(subscribers, None) };
        match self {
            Self::AudioSmall => audio(10, None),
            Self::Audio => audio(100, Some(3)),
            Self::AudioLarge => audio(300, Some(1)),
            Self::Meeting => meeting(1, Layout::Nine),
            Self::Speaker => meeting(1, Layout::Speaker),
            Self::Stream => stream(100),
            Self::StreamLarge => Scenario { resolution: Resolution::Low, ..stream(300) },
            Self::TwoMeetings => meeting(2, Layout::Nine),
        }
    }
}

#[derive(Args)]
pub(crate) struct CompareOptions {
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "audio-10x10,audio-10x100,audio-10x300,meeting-12x12,speaker-12x12,stream-1x100,stream-1x300"
    )]
    scenarios: Vec<Match>,
    /// The first is what the others are compared with
    #[arg(long, value_enum, value_delimiter = ',', default_value = "livekit,convo")]
    servers: Vec<Contender>,
    /// How often all of it is done
    #[arg(long, default_value_t = 1)]
    repetitions: usize,
    /// results.json and results.md go here
    #[arg(long, default_value = "target/bench-media")]
    out: PathBuf,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    site: Site,
}

/// What one server did in one scenario.
struct Entry {
    contender: Contender,
    outcome: Outcome,
    server: Server,
    /// Packets per CPU-second of sealing and sending alone: as many as it can, and as many as the server sent.
    floor: f64,
    paced: f64,
}

const HEAD: &str = "\
| scenario | server | tracks | lost ppm | Mbit/s | packets/CPU-s | of the floor | of the paced floor | µs/packet | audio p99 ms | video p99 ms \
| first frame p99 ms | KiB each | others | CPU ratio | memory ratio | bytes ratio |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

pub(crate) fn run(options: &CompareOptions) -> Result<bool> {
    machine::pin(options.site.loader_cpu)?;
    fs::create_dir_all(&options.out)?;
    let (mut table, mut all, mut good) = (HEAD.to_owned(), Vec::new(), true);
    let mut servers = options.servers.clone();
    for repetition in 0..options.repetitions {
        for &case in &options.scenarios {
            let mut entries = Vec::new();
            for &contender in &servers {
                eprintln!("{} on {}", case.name(), contender.name());
                let entry = measure(options, contender, &case.scenario())?;
                good &= entry.outcome.is_whole();
                all.push(json!({
                    "scenario": case.name(), "server": contender.name(), "repetition": repetition,
                    "floor": entry.floor, "paced": entry.paced, "outcome": entry.outcome,
                }));
                entries.push(entry);
            }
            let rows = rows(&case.name(), options.servers[0], &entries);
            eprint!("{rows}");
            table += &rows;
            fs::write(options.out.join("results.json"), serde_json::to_vec_pretty(&all)?)?;
            fs::write(options.out.join("results.md"), &table)?;
        }
        // Every server gets every place in the order, so that what drifts on the machine meets all of them.
        servers.rotate_left(1);
    }
    println!("{table}");
    Ok(good)
}

fn measure(options: &CompareOptions, contender: Contender, scenario: &Scenario) -> Result<Entry> {
    let running = options.site.start(contender)?;
    let outcome = stage::run(&running.target, scenario, &options.pace)?;
    running.stop()?;
    let floor = Floor {
        cipher: Cipher::Aes256,
        bytes: outcome.packet_bytes() + OVERHEAD,
        burst: outcome.burst.round() as usize,
        receivers: outcome.people,
        pace: None,
        cpus: (options.site.server_cpu, options.site.loader_cpu),
    };
    let pace = Some(outcome.packets as f64 / outcome.wall);
    let paced = Floor { pace, ..floor }.packets_per_cpu_second(FLOOR)?;
    let floor = floor.packets_per_cpu_second(FLOOR)?;
    let server = outcome.server.context("nothing was delivered")?;
    Ok(Entry { contender, outcome, server, floor, paced })
}

/// Lines of the table. Ratios are to the server that is compared with; those of CPU mean little where the bytes differ.
fn rows(name: &str, base: Contender, entries: &[Entry]) -> String {
    let Some(base) = entries.iter().find(|entry| entry.contender == base) else { return String::new() };
    let row = |entry: &Entry| {
        let whole = if entry.outcome.is_whole() { "" } else { " (not whole)" };
        let Entry { contender, outcome, server, floor, paced } = entry;
        let bytes = (outcome.bytes as f64 / outcome.wall) / (base.outcome.bytes as f64 / base.outcome.wall);
        format!(
            "| {name} | {}{whole} | {}/{} | {:.0} | {:.1} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2}{} |\n",
            contender.name(),
            outcome.tracks_received,
            outcome.tracks_expected,
            outcome.lost_ppm,
            outcome.bytes as f64 * 8.0 / 1e6 / outcome.wall,
            server.packets_per_cpu_second,
            server.packets_per_cpu_second / floor,
            server.packets_per_cpu_second / paced,
            server.cpu_per_packet,
            outcome.audio.p99,
            outcome.video.p99,
            outcome.first_frame.p99,
            server.mean_each,
            server.others,
            server.cpu_per_packet / base.server.cpu_per_packet,
            server.mean_each / base.server.mean_each,
            bytes,
            if (bytes - 1.0).abs() > EQUAL { " (unequal)" } else { "" },
        )
    };
    entries.iter().map(row).collect()
}
