//! The measurements, one function a mode. Each starts its own server on its own data and adds rows to the report.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde_json::{Value, json};

use crate::crowd::Crowd;
use crate::dialect::{Dialect, Seat};
use crate::fanout::{Load, Pace, Phase, Shape};
use crate::machine::{self, Lap};
use crate::mark::Mark;
use crate::report::{Check, Figure, Report, Row, median, surroundings};
use crate::rest::{Askers, Run};
use crate::server::{Contender, Program, Server, Site};
use crate::{http, setup, sqlite_loop};

/// Members of a room in the idle mode.
const IDLE_ROOM: usize = 10;

/// Before memory is read: time for a server to come to rest.
const SETTLE: Duration = Duration::from_secs(2);

/// Keep-alive connections of the REST mode; fewer for requests that hash a password.
const REST_CONNECTIONS: usize = 16;
const HASH_CONNECTIONS: usize = 8;

/// Messages of a page of history.
const PAGE: usize = 50;

/// Clients of the durable mode.
const WRITERS: usize = 64;

/// Posts of each of them under way, over a WebSocket.
const UNDER_WAY: [usize; 2] = [1, 8];

/// Sizes of transaction that the SQLite loop is run with beside the one that the server's metrics tell.
const LOOP_BATCHES: [usize; 5] = [1, 8, 16, 32, WRITERS];

/// Messages in the database that the start mode starts on.
const START_MESSAGES: u64 = 5_000;

/// Starts of which the start mode takes the median.
const STARTS: usize = 5;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Rooms at a fixed rate of deliveries
    Rate,
    /// Rooms as fast as they go
    Closed,
    /// Connections that do nothing
    Idle,
    /// Requests per CPU-second
    Rest,
    /// Durable posts against the bare SQLite loop
    Durable,
    /// From exec to ready
    Start,
}

impl Mode {
    /// As the tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Rest => "rest",
            Self::Durable => "durable",
            Self::Start => "start",
        }
    }

    /// A program's REST API and start are measured once, whatever sockets it has; the floor has neither.
    fn applies_to(self, server: Contender) -> bool {
        match self {
            Self::Rate | Self::Closed | Self::Idle => true,
            Self::Rest | Self::Durable | Self::Start => server.has_rest(),
        }
    }

    /// Memory and starting hardly depend on what else the machine does: once is enough.
    pub(crate) fn once(self) -> bool {
        matches!(self, Self::Idle | Self::Start)
    }
}

/// How much to measure.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) site: Site,
    pub(crate) shapes: Vec<Shape>,
    /// Senders to a room.
    pub(crate) senders: usize,
    /// Deliveries a second in the rate mode.
    pub(crate) rate: f64,
    pub(crate) seconds: Duration,
    pub(crate) warm_up: Duration,
    /// Connections of the idle mode.
    pub(crate) idle: Vec<usize>,
    /// How long idle connections are watched for what they cost; zero: not at all.
    pub(crate) idle_watch: Duration,
}

/// One repetition: collects the rows of one contender.
pub(crate) struct Repetition<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) number: usize,
    pub(crate) report: &'a mut Report,
}

impl Repetition<'_> {
    /// Measures one server after the other. One that fails is noted and the others go on.
    pub(crate) fn measure(&mut self, mode: Mode, servers: &[Contender]) {
        for &server in servers.iter().filter(|server| mode.applies_to(**server)) {
            let outcome = self.measure_server(mode, server);
            self.note(mode, server.name(), outcome);
        }
        let outcome = match mode {
            Mode::Rest => self.hash(),
            Mode::Durable => self.bare_loops(),
            Mode::Rate | Mode::Closed | Mode::Idle | Mode::Start => Ok(()),
        };
        self.note(mode, "the bare loop", outcome);
    }

    fn measure_server(&mut self, mode: Mode, server: Contender) -> Result<()> {
        let rate = self.plan.rate;
        match mode {
            Mode::Rate => self.fanout(mode, server, |_| Pace::Rate(rate)),
            Mode::Closed => self.fanout(mode, server, saturating),
            Mode::Idle => self.idle(server),
            Mode::Rest => self.rest(server),
            Mode::Durable => self.durable(server),
            Mode::Start => self.start(server),
        }
    }

    fn note(&mut self, mode: Mode, who: &str, outcome: Result<()>) {
        if let Err(error) = outcome {
            let failure = format!("{who}, {}, repetition {}: {error:#}", mode.name(), self.number);
            eprintln!("{failure}");
            self.report.failures.push(failure);
        }
    }

    fn add(&mut self, mode: Mode, case: impl ToString, contender: &str, figures: Vec<Figure>) {
        let contender = contender.to_owned();
        self.report.rows.push(Row {
            mode: mode.name(),
            case: case.to_string(),
            contender,
            repetition: self.number,
            figures,
        });
    }

    /// Rooms of each shape.
    fn fanout(&mut self, mode: Mode, contender: Contender, pace: impl Fn(Shape) -> Pace) -> Result<()> {
        let plan = self.plan;
        let server = plan.site.start(contender.program(), &plan.site.fresh_dir(contender.name())?)?;
        for &shape in &plan.shapes {
            let seats = setup::seats(server.address, contender.dialect(), shape)?;
            let mut load = Load::gather(server.address, contender.dialect(), shape, seats, plan.senders)?;
            let warm_up = load.run(pace(shape), plan.warm_up, server.process)?;
            let phase = load.run(pace(shape), plan.seconds, server.process)?;
            self.add(mode, shape, contender.name(), fanout_figures(&phase, &load, &server)?);
            self.report.checks.push(Check {
                case: format!("{} {shape}", mode.name()),
                contender: contender.name().to_owned(),
                repetition: self.number,
                deliveries: warm_up.deliveries + phase.deliveries,
                faults: load.faults(),
            });
        }
        server.stop()
    }

    /// Memory and CPU of connections that do nothing. People and rooms are made in a first process; each count gets a
    /// fresh one on the same data, so that what making them left in the heap is not in the figures.
    fn idle(&mut self, contender: Contender) -> Result<()> {
        let plan = self.plan;
        let dir = plan.site.fresh_dir(contender.name())?;
        let most = plan.idle.iter().copied().max().unwrap_or(0);
        let maker = plan.site.start(contender.program(), &dir)?;
        let shape = Shape { rooms: most.div_ceil(IDLE_ROOM), members: IDLE_ROOM };
        let seats = setup::seats(maker.address, contender.dialect(), shape)?;
        maker.stop()?;
        for &count in &plan.idle {
            let server = plan.site.start(contender.program(), &dir)?;
            thread::sleep(SETTLE);
            let (base, cpu_before) = (server.process.resident()?, server.process.cpu()?);
            let mut crowd = Crowd::gather(server.address, contender.dialect(), seats[..count].to_vec())?;
            let connected = server.process.cpu()? - cpu_before;
            rest_for(&mut crowd, SETTLE)?;
            let resident = server.process.resident()?;
            let each = resident.saturating_sub(base) as f64 / count as f64;
            let mut figures = vec![
                ("KB each", each / 1000.0),
                ("base MiB", mib(base)),
                ("with them MiB", mib(resident)),
                ("connect cpu ms each", connected.as_secs_f64() * 1e3 / count as f64),
            ];
            if !plan.idle_watch.is_zero() {
                let before = server.process.cpu()?;
                rest_for(&mut crowd, plan.idle_watch)?;
                let milliseconds = (server.process.cpu()? - before).as_secs_f64() * 1e3;
                let thousands = count as f64 / 1000.0;
                figures.push(("idle cpu ms/s per 1000", milliseconds / plan.idle_watch.as_secs_f64() / thousands));
            }
            self.add(Mode::Idle, count, contender.name(), figures);
            drop(crowd);
            server.stop()?;
        }
        Ok(())
    }

    /// Requests per CPU-second.
    fn rest(&mut self, contender: Contender) -> Result<()> {
        let plan = self.plan;
        let server = plan.site.start(contender.program(), &plan.site.fresh_dir(contender.name())?)?;
        let mut client = http::Client::connect(server.address)?;
        let token = setup::account(&mut client, "Bench 0")?;
        let room = setup::chatroom(&mut client, &token, "Room")?;
        let post = post_request(&token, &room);
        for _ in 0..PAGE + 10 {
            let (status, _) = client.exchange(&post)?;
            ensure!(status == 201, "a post answered {status}");
        }
        setup::register(&mut client, "Bench 1", "bench1@bench.example")?;
        let history = http::request("GET", &format!("/api/message/{room}?limit={PAGE}"), Some(&token), None);
        check_page(&mut client, &history)?;
        let health = http::request("GET", "/healthz", None, None);
        self.ask("GET 50", contender, &server, REST_CONNECTIONS, 200, |_| history.clone())?;
        self.ask("POST", contender, &server, REST_CONNECTIONS, 201, |_| post.clone())?;
        self.ask("healthz", contender, &server, REST_CONNECTIONS, 200, |_| health.clone())?;
        let login = json!({"email": "bench1@bench.example", "password": setup::PASSWORD});
        let login = http::request("POST", "/api/user/login", None, Some(&login));
        self.ask("register", contender, &server, HASH_CONNECTIONS, 201, |_| register_request())?;
        self.ask("login", contender, &server, HASH_CONNECTIONS, 200, |_| login.clone())?;
        server.stop()
    }

    fn ask(
        &mut self,
        case: &str,
        contender: Contender,
        server: &Server,
        connections: usize,
        status: u16,
        request: impl FnMut(usize) -> Vec<u8>,
    ) -> Result<()> {
        let mut askers = Askers::connect(server.address, connections, status, request)?;
        askers.run(self.plan.warm_up, server.process)?;
        let run = askers.run(self.plan.seconds, server.process)?;
        self.add(Mode::Rest, case, contender.name(), rest_figures(&run));
        Ok(())
    }

    /// What the password hash alone costs, with the parameters that the servers use: 19 MiB, 2 passes, 1 lane.
    fn hash(&mut self) -> Result<()> {
        const HASHES: u32 = 20;
        let params = Params::new(19_456, 2, 1, None)?;
        // The memory is taken once, as an allocator that keeps what is freed would.
        let mut memory = vec![Block::default(); params.block_count()];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let (password, salt) = (setup::PASSWORD.as_bytes(), b"a salt of 16 B..");
        let mut hash = || argon2.hash_password_into_with_memory(password, salt, &mut [0; 32], &mut memory);
        let before = machine::own_cpu()?;
        machine::on_cpu(self.plan.site.server_cpu, || (0..HASHES).try_for_each(|_| hash()))??;
        let cpu = (machine::own_cpu()? - before).as_secs_f64() / f64::from(HASHES);
        for case in ["register", "login"] {
            self.add(
                Mode::Rest,
                case,
                "argon2id-alone",
                vec![("requests/cpu s", 1.0 / cpu), ("cpu ms each", cpu * 1e3)],
            );
        }
        Ok(())
    }

    /// Posts of 64 clients, by wall time, over REST and over Socket.IO. Both processors are the server's to use, as they
    /// are the loop's.
    fn durable(&mut self, contender: Contender) -> Result<()> {
        let plan = self.plan;
        let site = Site { server_cpu: None, ..plan.site.clone() };
        let server = site.start(contender.program(), &site.fresh_dir(contender.name())?)?;
        let shape = Shape { rooms: WRITERS, members: 1 };
        let seats = setup::seats(server.address, Dialect::SocketIo, shape)?;

        // As fast as a request can come and be answered that stores nothing.
        let health = http::request("GET", "/healthz", None, None);
        let mut askers = Askers::connect(server.address, WRITERS, 200, |_| health.clone())?;
        let (run, _) = self.settled(&server, |length| askers.run(length, server.process))?;
        self.add(Mode::Durable, "healthz", contender.name(), rest_figures(&run));
        drop(askers);

        let requests: Vec<Vec<u8>> = seats.iter().map(|seat| post_request(&seat.token, &seat.room_id)).collect();
        let mut askers = Askers::connect(server.address, WRITERS, 201, |index| requests[index].clone())?;
        let (run, batch) = self.settled(&server, |length| askers.run(length, server.process))?;
        self.add_durable("REST", contender, (run.requests, run.lap), batch)?;
        drop(askers);

        self.durable_socket(contender, &server, seats, (Dialect::SocketIo, 1))?;
        if contender.program() == Program::Convo {
            for under_way in UNDER_WAY {
                let seats = setup::seats(server.address, Dialect::Meeting, shape)?;
                self.durable_socket(contender, &server, seats, (Dialect::Meeting, under_way))?;
            }
        }
        server.stop()
    }

    /// The same over a socket, with so many posts of each client under way.
    fn durable_socket(
        &mut self,
        contender: Contender,
        server: &Server,
        seats: Vec<Seat>,
        (dialect, under_way): (Dialect, usize),
    ) -> Result<()> {
        let shape = Shape { rooms: WRITERS, members: 1 };
        let mut load = Load::gather(server.address, dialect, shape, seats, 1)?;
        let pace = Pace::Closed(under_way);
        let (phase, batch) = self.settled(server, |length| load.run(pace, length, server.process))?;
        let name = if dialect == Dialect::Meeting { "WebSocket" } else { "Socket.IO" };
        self.add_durable(&format!("{name}, {under_way} under way"), contender, (phase.deliveries, phase.lap), batch)
    }

    /// What a load gives once it is warm, and how many rows the server then committed at a time.
    fn settled<T>(&self, server: &Server, mut load: impl FnMut(Duration) -> Result<T>) -> Result<(T, Option<f64>)> {
        load(self.plan.warm_up)?;
        let before = commits(server);
        let measured = load(self.plan.seconds)?;
        Ok((measured, mean_batch(before, commits(server))))
    }

    /// A server's rate beside that of the loop with the same transactions; the largest where it doesn't tell its own.
    fn add_durable(
        &mut self,
        case: &str,
        contender: Contender,
        (rows, lap): (u64, Lap),
        batch: Option<f64>,
    ) -> Result<()> {
        let rate = rows as f64 / lap.wall;
        let size = batch.map_or(WRITERS, |batch| batch.round().max(1.0) as usize);
        let bare = self.sqlite_loop(size)?;
        let mut figures = vec![
            ("rows/s", rate),
            ("of the loop", rate / bare),
            ("loop's rows a commit", size as f64),
            ("cpu ms each", lap.cpu * 1e3 / rows as f64),
        ];
        figures.extend(batch.map(|batch| ("own rows a commit", batch)));
        self.add(Mode::Durable, case, contender.name(), figures);
        Ok(())
    }

    fn sqlite_loop(&self, batch: usize) -> Result<f64> {
        let dir = self.plan.site.fresh_dir("sqlite-loop")?;
        machine::on_cpu(None, || sqlite_loop::rows_per_second(&dir, batch, self.plan.seconds))?
    }

    /// The bare loop by itself, for a list of sizes.
    fn bare_loops(&mut self) -> Result<()> {
        for batch in LOOP_BATCHES {
            let rate = self.sqlite_loop(batch)?;
            self.add(Mode::Durable, format!("batches of {batch}"), "sqlite-loop", vec![("rows/s", rate)]);
        }
        Ok(())
    }

    /// From exec to ready on a database with something in it, and memory at rest.
    fn start(&mut self, contender: Contender) -> Result<()> {
        let plan = self.plan;
        let dir = plan.site.fresh_dir(contender.name())?;
        fill(&plan.site.start(contender.program(), &dir)?)?;
        let (mut started_in, mut resident) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let server = plan.site.start(contender.program(), &dir)?;
            started_in.push(server.started_in.as_secs_f64() * 1e3);
            thread::sleep(SETTLE);
            resident.push(mib(server.process.resident()?));
            server.stop()?;
        }
        let figures = [("ready after ms", median(started_in)), ("idle MiB", median(resident))];
        let figures = figures.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.add(Mode::Start, "on existing data", contender.name(), figures);
        Ok(())
    }
}

/// As much under way as keeps a server busy: four in a single room, one in each of many.
fn saturating(shape: Shape) -> Pace {
    Pace::Closed(if shape.rooms == 1 { 4 } else { 1 })
}

fn fanout_figures(phase: &Phase, load: &Load, server: &Server) -> Result<Vec<Figure>> {
    let deliveries = phase.deliveries as f64;
    let quantile = |q| phase.latency.value_at_quantile(q) as f64 / 1e6;
    let mut figures = vec![
        ("deliveries/cpu s", deliveries / phase.lap.cpu),
        ("deliveries/s", deliveries / phase.lap.wall),
        ("p50 ms", quantile(0.5)),
        ("p99 ms", quantile(0.99)),
        ("p99.9 ms", quantile(0.999)),
        ("frame bytes", load.frame_bytes()),
        ("peak MiB", mib(server.process.peak_resident()?)),
    ];
    figures.extend(surroundings(phase.lap));
    Ok(figures)
}

fn rest_figures(run: &Run) -> Vec<Figure> {
    let requests = run.requests as f64;
    let mut figures = vec![
        ("requests/cpu s", requests / run.lap.cpu),
        ("cpu ms each", run.lap.cpu * 1e3 / requests),
        ("requests/s", requests / run.lap.wall),
        ("p99 ms", run.latency.value_at_quantile(0.99) as f64 / 1e6),
    ];
    figures.extend(surroundings(run.lap));
    figures
}

fn post_request(token: &str, room: &str) -> Vec<u8> {
    let body = json!({"chatroom": room, "message": Mark { stream: 0, number: 0 }.text()});
    http::request("POST", "/api/message/", Some(token), Some(&body))
}

fn register_request() -> Vec<u8> {
    let email = format!("{}@bench.example", uuid::Uuid::new_v4());
    let body = json!({"name": "Bench", "email": email, "password": setup::PASSWORD});
    http::request("POST", "/api/user/", None, Some(&body))
}

/// A page must hold what was asked for, or the figures of two servers mean different things.
fn check_page(client: &mut http::Client, request: &[u8]) -> Result<()> {
    let (_, body) = client.exchange(request)?;
    let page: Value = serde_json::from_slice(&body)?;
    let messages = page.as_array().or_else(|| page["messages"].as_array()).context("a page is no list of messages")?;
    ensure!(messages.len() == PAGE, "a page of {PAGE} has {} messages", messages.len());
    Ok(())
}

/// Posts to a room until the database has something in it.
fn fill(server: &Server) -> Result<()> {
    let mut client = http::Client::connect(server.address)?;
    let token = setup::account(&mut client, "Bench 0")?;
    let room = setup::chatroom(&mut client, &token, "Room")?;
    let post = post_request(&token, &room);
    let mut askers = Askers::connect(server.address, REST_CONNECTIONS, 201, |_| post.clone())?;
    let mut posted = 0;
    while posted < START_MESSAGES {
        posted += askers.run(Duration::from_millis(200), server.process)?.requests;
    }
    Ok(())
}

/// Keeps answering pings while nothing else goes on.
fn rest_for(crowd: &mut Crowd, length: Duration) -> Result<()> {
    let end = machine::now() + length.as_nanos() as u64;
    while machine::now() < end {
        crowd.listen(end)?;
    }
    Ok(())
}

/// Rows and commits so far, where the server's metrics tell: the histogram `convo_store_batch_rows`.
fn commits(server: &Server) -> Option<(f64, f64)> {
    let request = http::request("GET", "/metrics", None, None);
    let (_, body) = http::Client::connect(server.address).ok()?.exchange(&request).ok()?;
    let body = String::from_utf8(body).ok()?;
    let value = |name: &str| body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some((value("convo_store_batch_rows_sum ")?, value("convo_store_batch_rows_count ")?))
}

fn mean_batch(before: Option<(f64, f64)>, after: Option<(f64, f64)>) -> Option<f64> {
    let ((rows_before, commits_before), (rows, commits)) = (before?, after?);
    (commits > commits_before).then(|| (rows - rows_before) / (commits - commits_before))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
