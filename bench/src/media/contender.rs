//! The media servers that are compared: how they start, on ports of their own, and stop.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::door::Target;
use crate::{http, machine};

const KEY: &str = "benchkey";
const SECRET: &str = "a-secret-of-the-benchmark-32-bytes";

/// How long a server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks whether a server has started or stopped.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// LiveKit's own server
    Livekit,
    /// Convo with one worker
    Convo,
    /// Convo with two workers, on all processors
    ConvoTwo,
}

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Livekit => "livekit",
            Self::Convo => "convo",
            Self::ConvoTwo => "convo-two",
        }
    }
}

/// Where the programs and their data are, and which processors they run on.
#[derive(Args)]
pub(crate) struct Site {
    /// The livekit-server program
    #[arg(long, env = "LIVEKIT_SERVER")]
    livekit: Option<PathBuf>,
    /// The convo program
    #[arg(long, env = "CONVO_BIN", default_value = "target/bench-run/convo")]
    convo: PathBuf,
    /// Data and logs go here
    #[arg(long, default_value = "target/bench-data/media")]
    data: PathBuf,
    #[arg(long, default_value_t = 0)]
    pub(crate) server_cpu: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) loader_cpu: usize,
}

impl Site {
    /// Starts a server with an empty data directory and waits until it is ready.
    pub(crate) fn start(&self, contender: Contender) -> Result<Running> {
        let dir = self.data.join(contender.name());
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_tcp()?));
        let mut command = match contender {
            Contender::Livekit => self.livekit(address)?,
            Contender::Convo => self.convo(address, &dir, 1)?,
            Contender::ConvoTwo => self.convo(address, &dir, 2)?,
        };
        let log = dir.join("log.txt");
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let cpu = (contender != Contender::ConvoTwo).then_some(self.server_cpu);
        let child = machine::on_cpu(cpu, || command.spawn())?;
        let child = child.with_context(|| format!("{} doesn't start", command.get_program().display()))?;
        let target =
            Target { url: format!("ws://{address}"), key: KEY.into(), secret: SECRET.into(), pid: Some(child.id()) };
        let mut running = Running { target, child };
        running.wait(address, contender).with_context(|| format!("see {}", log.display()))?;
        Ok(running)
    }

    /// As one would run it for others: without --dev, whose log costs CPU.
    fn livekit(&self, address: SocketAddr) -> Result<Command> {
        let program = self.livekit.as_ref().context("where is livekit-server? (--livekit or LIVEKIT_SERVER)")?;
        let (port, tcp, udp) = (address.port(), free_tcp()?, free_udp()?);
        let config = format!(
            "port: {port}\nbind_addresses: [127.0.0.1]\nkeys: {{{KEY}: {SECRET}}}\nlogging: {{level: error}}\n\
             rtc: {{udp_port: {udp}, tcp_port: {tcp}, use_external_ip: false, enable_loopback_candidate: true}}\n"
        );
        let mut command = Command::new(program);
        command.args(["--node-ip", "127.0.0.1", "--config-body", &config]);
        Ok(command)
    }

    fn convo(&self, address: SocketAddr, dir: &Path, workers: usize) -> Result<Command> {
        ensure!(self.convo.exists(), "no convo at {} (set CONVO_BIN)", self.convo.display());
        let mut command = Command::new(&self.convo);
        command.arg("serve").env("CONVO_LISTEN", address.to_string()).env("CONVO_DATA_DIR", dir);
        command.env("LIVEKIT_API_KEY", KEY).env("LIVEKIT_API_SECRET", SECRET).env("CONVO_LOG", "error");
        for (name, value) in [("UDP", free_udp()?.to_string()), ("TCP", "off".into()), ("WORKERS", workers.to_string())]
        {
            command.env(format!("CONVO_MEDIA_{name}"), value);
        }
        command.env("CONVO_TURN", "off").env("CONVO_RATE_LIMIT", "off");
        Ok(command)
    }
}

/// A running server. Dropped, it is killed.
pub(crate) struct Running {
    pub(crate) target: Target,
    child: Child,
}

impl Running {
    fn wait(&mut self, address: SocketAddr, contender: Contender) -> Result<()> {
        let path = if contender == Contender::Livekit { "/" } else { "/readyz" };
        let request = http::request("GET", path, None, None);
        let deadline = Instant::now() + PATIENCE;
        let ready = || http::Client::connect(address).and_then(|mut client| client.exchange(&request));
        while !matches!(ready(), Ok((200, _))) {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            ensure!(Instant::now() < deadline, "the server isn't ready after {PATIENCE:?}");
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Ends the server in an orderly way and waits until it is gone, or ends it.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGTERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the process is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Ports that were free a moment ago.
fn free_tcp() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn free_udp() -> Result<u16> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
