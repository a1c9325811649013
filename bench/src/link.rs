//! Non-blocking sockets in one epoll loop, each read stamped by the kernel with the time the bytes came in.

use std::io::{ErrorKind, IoSliceMut, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, TimerSetTimeFlags};
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};

use crate::machine;

/// Bytes asked of the kernel in one read.
const READ_SIZE: usize = 64 * 1024;

/// Sockets served in one round of the loop.
const ROUND: usize = 1024;

/// The timer's place in the epoll set; sockets have their index.
const TIMER: u64 = u64::MAX;

/// A buffer for reads, shared by all links of a loop.
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    control: Vec<u8>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; READ_SIZE], control: cmsg_space!(TimeSpec) }
    }
}

/// One connection.
pub(crate) struct Link {
    stream: TcpStream,
    /// The beginning of something whose rest has not come yet.
    partial: Vec<u8>,
}

impl Link {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("no connection to {address}"))?;
        Self::adopt(stream)
    }

    pub(crate) fn adopt(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        setsockopt(&stream, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self { stream, partial: Vec::new() })
    }

    /// Sends it all. What the loader and the floor have under way fits in the kernel's buffer, so one that is full
    /// means that the other side has stopped reading.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<()> {
        let sent = (&self.stream).write(bytes).context("the other side closed the connection")?;
        ensure!(sent == bytes.len(), "the other side doesn't read");
        Ok(())
    }

    /// Reads once. `consume` is given all bytes at hand and the nanosecond they came in, and says how many it used;
    /// the rest comes again with the next read.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut Scratch,
        consume: impl FnOnce(&Self, &[u8], u64) -> Result<usize>,
    ) -> Result<()> {
        let kept = self.partial.len();
        if scratch.bytes.len() < kept + READ_SIZE {
            scratch.bytes.resize(kept + READ_SIZE, 0);
        }
        scratch.bytes[..kept].copy_from_slice(&self.partial);
        let mut room = [IoSliceMut::new(&mut scratch.bytes[kept..])];
        let flags = MsgFlags::MSG_DONTWAIT;
        let (read, at) = match recvmsg::<()>(self.stream.as_raw_fd(), &mut room, Some(&mut scratch.control), flags) {
            Ok(message) => (message.bytes, stamp(message.cmsgs()?)),
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            Err(error) => return Err(error).context("the other side closed the connection"),
        };
        ensure!(read > 0, "the other side closed the connection");
        let bytes = &scratch.bytes[..kept + read];
        let used = consume(self, bytes, at)?;
        self.partial.clear();
        self.partial.extend_from_slice(&bytes[used..]);
        Ok(())
    }
}

/// The kernel's receive time; its own clock's where it gave none (a read that met no new packet).
fn stamp(mut messages: impl Iterator<Item = ControlMessageOwned>) -> u64 {
    let stamped = messages.find_map(|message| match message {
        ControlMessageOwned::ScmTimestampns(at) => Some(at.tv_sec() as u64 * 1_000_000_000 + at.tv_nsec() as u64),
        _ => None,
    });
    stamped.unwrap_or_else(machine::now)
}

/// Waits for many sockets and one timer.
pub(crate) struct Poller {
    epoll: Epoll,
    timer: TimerFd,
    events: Vec<EpollEvent>,
}

impl Poller {
    pub(crate) fn new() -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Self { epoll, timer, events: vec![EpollEvent::empty(); ROUND] })
    }

    pub(crate) fn add(&self, link: &Link, index: usize) -> Result<()> {
        Ok(self.epoll.add(&link.stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?)
    }

    /// Anything else that can be read, under a number that is no link's.
    pub(crate) fn watch(&self, source: impl AsFd, index: usize) -> Result<()> {
        Ok(self.epoll.add(source, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?)
    }

    pub(crate) fn add_listener(&self, listener: &TcpListener, index: usize) -> Result<()> {
        Ok(self.epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?)
    }

    /// Waits until a socket can be read, or until the given time ([`machine::now`]), if one is given. A timer meets it to
    /// the microsecond, where epoll's own timeout counts in milliseconds. Returns the indices of the readable sockets.
    pub(crate) fn wait(&mut self, until: Option<u64>) -> Result<impl Iterator<Item = usize> + use<>> {
        let nap = until.map(|until| Duration::from_nanos(until.saturating_sub(machine::now())));
        let timeout = match nap {
            Some(Duration::ZERO) => EpollTimeout::ZERO,
            _ => EpollTimeout::NONE,
        };
        if let Some(nap) = nap.filter(|nap| !nap.is_zero()) {
            self.timer.set(Expiration::OneShot(nap.into()), TimerSetTimeFlags::empty())?;
        }
        let ready = match self.epoll.wait(&mut self.events, timeout) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(error) => bail!(error),
        };
        let indices: Vec<u64> = self.events[..ready].iter().map(EpollEvent::data).collect();
        Ok(indices.into_iter().filter(|&index| index != TIMER).map(|index| index as usize))
    }
}

/// Whether an error says only that nothing is there yet.
pub(crate) fn would_block(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}
