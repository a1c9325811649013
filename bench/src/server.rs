//! The servers under test as child processes: where their programs are, how they start, when they are ready.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};

use crate::floor::Fault;
use crate::machine::{self, Process};
use crate::{dialect::Dialect, http};

/// How long a server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks whether a server has started or stopped.
const LOOK: Duration = Duration::from_micros(500);

/// The three programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Convo,
    Node,
    /// It flushes each message to the disk, as Convo does.
    NodeFull,
    /// With a fault, it is the self-test's control server.
    Floor(Option<Fault>),
}

/// A program as seen through one protocol: what the tables have a row for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Contender {
    /// The Node peer's Socket.IO.
    Node,
    /// The same with `synchronous=FULL`: what it stores survives a loss of power, as with Convo.
    NodeFull,
    /// The bare broadcast.
    Floor,
    /// Convo's Socket.IO.
    ConvoSio,
    /// Convo's meeting WebSocket.
    ConvoWs,
}

impl Contender {
    pub(crate) fn program(self) -> Program {
        match self {
            Self::Node => Program::Node,
            Self::NodeFull => Program::NodeFull,
            Self::Floor => Program::Floor(None),
            Self::ConvoSio | Self::ConvoWs => Program::Convo,
        }
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Node | Self::NodeFull | Self::ConvoSio => Dialect::SocketIo,
            Self::ConvoWs => Dialect::Meeting,
            Self::Floor => Dialect::Floor,
        }
    }

    /// Whether this row stands for its program's REST API too: one row a program does.
    pub(crate) fn has_rest(self) -> bool {
        self.dialect() == Dialect::SocketIo
    }

    /// As the tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Node => "node-sio",
            Self::NodeFull => "node-sio-full",
            Self::Floor => "floor-ws",
            Self::ConvoSio => "convo-sio",
            Self::ConvoWs => "convo-ws",
        }
    }
}

/// Where the programs and their data are, and which processor is theirs.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) convo: PathBuf,
    pub(crate) node_peer: PathBuf,
    /// Each server gets a fresh directory in here.
    pub(crate) data: PathBuf,
    /// `None`: whichever the kernel gives them.
    pub(crate) server_cpu: Option<usize>,
}

impl Site {
    /// An empty directory of that name; what was there is deleted.
    pub(crate) fn fresh_dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.data.join(name);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir_all(&dir)?,
        }
        Ok(dir)
    }

    fn command(&self, program: Program, address: SocketAddr, dir: &Path) -> Result<Command> {
        let mut command;
        match program {
            Program::Convo => {
                ensure!(self.convo.exists(), "no convo at {} (set CONVO_BIN)", self.convo.display());
                command = Command::new(&self.convo);
                command.arg("serve").env("CONVO_LISTEN", address.to_string()).env("CONVO_DATA_DIR", dir);
                for (name, value) in
                    [("RATE_LIMIT", "off"), ("MEDIA_UDP", "off"), ("MEDIA_TCP", "off"), ("TURN", "off")]
                {
                    command.env(format!("CONVO_{name}"), value);
                }
            }
            Program::Node | Program::NodeFull => {
                let modules = self.node_peer.join("node_modules");
                ensure!(modules.exists(), "run `npm ci` in {} first", self.node_peer.display());
                command = Command::new("node");
                command.arg(self.node_peer.join("server.js"));
                command.env("PORT", address.port().to_string()).env("DATA_DIR", dir).env("NODE_ENV", "production");
                if program == Program::NodeFull {
                    command.env("SYNCHRONOUS", "FULL");
                }
            }
            Program::Floor(fault) => {
                command = Command::new(std::env::current_exe()?);
                command.args(["floor", "--listen", &address.to_string()]);
                if let Some(fault) = fault.as_ref().and_then(clap::ValueEnum::to_possible_value) {
                    command.args(["--fault", fault.get_name()]);
                }
            }
        }
        Ok(command)
    }

    /// Starts a server on that data directory and waits until it is ready.
    pub(crate) fn start(&self, program: Program, dir: &Path) -> Result<Server> {
        let address = free_address()?;
        let mut command = self.command(program, address, dir)?;
        let log = dir.join("log.txt");
        let output = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let began = Instant::now();
        let child = machine::on_cpu(self.server_cpu, || command.spawn())?;
        let child = child.with_context(|| format!("{} doesn't start", command.get_program().display()))?;
        let process = Process::new(child.id())?;
        let mut server = Server { address, process, started_in: Duration::ZERO, child };
        server.wait_until_ready(program).with_context(|| format!("see {}", log.display()))?;
        server.started_in = began.elapsed();
        Ok(server)
    }
}

/// A running server. Dropped, it is killed.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    /// From the start of the program until it was ready.
    pub(crate) started_in: Duration,
    child: Child,
}

impl Server {
    fn wait_until_ready(&mut self, program: Program) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_ready(program, self.address) {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            ensure!(Instant::now() < deadline, "the server isn't ready after {PATIENCE:?}");
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Ends the server in an orderly way and waits until it is gone.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill(self.process.pid(), Signal::SIGTERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "the server doesn't stop on SIGTERM");
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where the process is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn is_ready(program: Program, address: SocketAddr) -> bool {
    let path = match program {
        Program::Convo => "/readyz",
        Program::Node | Program::NodeFull => "/healthz",
        Program::Floor(_) => return TcpStream::connect(address).is_ok(),
    };
    let answer =
        http::Client::connect(address).and_then(|mut client| client.exchange(&http::request("GET", path, None, None)));
    matches!(answer, Ok((200, _)))
}

/// A port that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
