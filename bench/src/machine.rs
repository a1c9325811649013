//! What the kernel knows: processors, clocks, memory.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// The calling thread, for the affinity calls.
const THIS_THREAD: Pid = Pid::from_raw(0);

/// Nanoseconds since the Unix epoch: the clock that the kernel stamps received packets with.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// A histogram of nanoseconds, up to a minute, exact to three digits.
pub(crate) fn latencies() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}

/// Keeps the calling thread, and what it starts from now on, on one processor.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(THIS_THREAD, &set).with_context(|| format!("processor {cpu} can't be used"))
}

/// Runs `act` on the given processor (`None`: on any), then returns the thread to where it was. A process that `act`
/// starts stays there.
pub(crate) fn on_cpu<T>(cpu: Option<usize>, act: impl FnOnce() -> T) -> Result<T> {
    let before = sched_getaffinity(THIS_THREAD)?;
    match cpu {
        Some(cpu) => pin(cpu)?,
        None => sched_setaffinity(THIS_THREAD, &every_cpu()?)?,
    }
    let result = act();
    sched_setaffinity(THIS_THREAD, &before)?;
    Ok(result)
}

/// The processors that process 1 may use stand for all there are: our own set may have been narrowed already.
fn every_cpu() -> Result<CpuSet> {
    Ok(sched_getaffinity(Pid::from_raw(1)).or_else(|_| sched_getaffinity(Pid::parent()))?)
}

/// Thousands of sockets need as many file descriptors, here and in the servers that inherit the limit.
pub(crate) fn raise_file_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// CPU time of this process, all threads.
pub(crate) fn own_cpu() -> Result<Duration> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?.into())
}

/// CPU time of the whole machine that went to anything but idling, in clock ticks' resolution (10 ms).
pub(crate) fn machine_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    // user nice system idle iowait irq softirq steal (proc_stat(5)); guest time is contained in user.
    let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).map_while(|field| field.parse().ok()).collect();
    let busy: u64 = ticks.iter().sum::<u64>() - ticks[3] - ticks[4];
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")?;
    Ok(Duration::from_secs_f64(busy as f64 / per_second as f64))
}

/// A server's process, to be watched from outside.
#[derive(Clone, Copy)]
pub(crate) struct Process {
    pid: Pid,
    clock: ClockId,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Result<Self> {
        let pid = Pid::from_raw(pid.try_into()?);
        Ok(Self { pid, clock: clock_getcpuclockid(pid)? })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// CPU time of all its threads, those that ended included, in nanoseconds' resolution.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(self.clock.now()?.into())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most that was ever resident, in bytes.
    pub(crate) fn peak_resident(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("the server's process is gone")?;
        Ok(kib.parse::<u64>()? * 1024)
    }
}

/// CPU time of a server, of this process and of everybody else over a stretch of wall time.
pub(crate) struct Stopwatch {
    process: Process,
    began: (u64, Duration, Duration, Duration),
}

/// What a [`Stopwatch`] saw, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Lap {
    pub(crate) wall: f64,
    /// CPU-seconds of the server.
    pub(crate) cpu: f64,
    /// Processors that work other than the server's and the loader's kept busy: how quiet the machine was.
    pub(crate) others: f64,
}

impl Stopwatch {
    pub(crate) fn start(process: Process) -> Result<Self> {
        Ok(Self { process, began: (now(), process.cpu()?, own_cpu()?, machine_cpu()?) })
    }

    pub(crate) fn lap(&self) -> Result<Lap> {
        let (began, server, own, machine) = self.began;
        let cpu = (self.process.cpu()? - server).as_secs_f64();
        let own = (own_cpu()? - own).as_secs_f64();
        let machine = machine_cpu()?.saturating_sub(machine).as_secs_f64();
        let wall = (now() - began) as f64 / 1e9;
        Ok(Lap { wall, cpu, others: ((machine - cpu - own) / wall).max(0.0) })
    }
}
