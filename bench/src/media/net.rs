//! The clients' UDP: many addresses on few sockets, batches in (GRO) and out (GSO), so that the generator costs little.

use std::collections::HashMap;
use std::io::{ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

use crate::machine;

/// The largest datagram, and the most that the kernel joins into one (GRO).
const DATAGRAM: usize = 65_535;

/// Room for what comes while the loop is elsewhere: a second at 256 Mbit/s. Above the system's limit it takes privileges.
const BUFFER: usize = 32 << 20;

/// A GSO run ends before the length of an IP packet does.
const RUN: usize = 65_000;

/// Where a client sends from: servers tell clients apart by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Face {
    socket: usize,
    pub(crate) address: SocketAddr,
}

pub(crate) struct Net {
    server: IpAddr,
    sockets: Vec<(UdpSocket, UdpSocketState)>,
    /// Clients by their address.
    clients: HashMap<SocketAddr, usize>,
    run: Option<Run>,
    /// Datagrams that the kernel didn't take.
    pub(crate) unsent: u64,
}

/// Datagrams of one length (the last may be shorter) from one client to one address.
struct Run {
    face: Face,
    destination: SocketAddr,
    segment: usize,
    count: usize,
    bytes: Vec<u8>,
}

impl Net {
    pub(crate) fn new(server: IpAddr) -> Self {
        Self { server, sockets: Vec::new(), clients: HashMap::new(), run: None, unsent: 0 }
    }

    /// An address for the next client. On loopback all of 127.0.0.0/8 is ours, so that one socket serves everybody; elsewhere
    /// each client has a socket.
    pub(crate) fn add(&mut self) -> Result<Face> {
        let client = self.clients.len();
        let address = if self.server == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            if self.sockets.is_empty() {
                self.bind()?;
            }
            let ip = u32::from(Ipv4Addr::new(127, 1, 0, 1)) + client as u32;
            SocketAddr::new(Ipv4Addr::from(ip).into(), self.port(0)?)
        } else {
            self.bind()?;
            let towards = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            towards.connect((self.server, 9)).context("no route to the server")?;
            SocketAddr::new(towards.local_addr()?.ip(), self.port(self.sockets.len() - 1)?)
        };
        self.clients.insert(address, client);
        Ok(Face { socket: self.sockets.len() - 1, address })
    }

    fn bind(&mut self) -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let state = UdpSocketState::new((&socket).into())?;
        // As far as permitted; where that is too little, it is seen as loss.
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            state.set_recv_buffer_size((&socket).into(), BUFFER)?;
        }
        state.set_send_buffer_size((&socket).into(), BUFFER)?;
        self.sockets.push((socket, state));
        Ok(())
    }

    fn port(&self, socket: usize) -> Result<u16> {
        Ok(self.sockets[socket].0.local_addr()?.port())
    }

    /// The sockets, for the poller.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.sockets.iter().map(|(socket, _)| socket)
    }

    pub(crate) fn client(&self, address: &SocketAddr) -> Option<usize> {
        self.clients.get(address).copied()
    }

    /// Fills the inbox; `false` if there is nothing more.
    pub(crate) fn receive(&self, socket: usize, inbox: &mut Inbox) -> Result<bool> {
        let (io, state) = &self.sockets[socket];
        let mut chunks = inbox.bytes.chunks_exact_mut(DATAGRAM);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        inbox.port = self.port(socket)?;
        inbox.filled = match state.recv(io.into(), &mut slices, &mut inbox.metas) {
            Ok(filled) => filled,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(inbox.filled > 0)
    }

    /// Sends with the next [`Net::flush`], or before.
    pub(crate) fn send(&mut self, face: Face, destination: SocketAddr, contents: &[u8]) {
        if self.run.as_mut().is_some_and(|run| run.take(face, destination, contents)) {
            return;
        }
        self.flush();
        let (segment, bytes) = (contents.len(), contents.to_vec());
        self.run = Some(Run { face, destination, segment, count: 1, bytes });
    }

    pub(crate) fn flush(&mut self) {
        let Some(run) = self.run.take() else { return };
        let (io, state) = &self.sockets[run.face.socket];
        let transmit = Transmit {
            destination: run.destination,
            ecn: None,
            contents: &run.bytes,
            segment_size: Some(run.segment),
            src_ip: Some(run.face.address.ip()),
        };
        if state.try_send(io.into(), &transmit).is_err() {
            self.unsent += run.count as u64;
        }
    }
}

impl Run {
    fn take(&mut self, face: Face, destination: SocketAddr, contents: &[u8]) -> bool {
        let fits = (self.face.address, self.destination) == (face.address, destination)
            && self.bytes.len() == self.segment * self.count
            && (1..=self.segment).contains(&contents.len())
            && self.count < 64
            && self.bytes.len() + contents.len() <= RUN;
        if fits {
            self.count += 1;
            self.bytes.extend_from_slice(contents);
        }
        fits
    }
}

/// What one call to the kernel received. 2 MiB of address space; memory is taken only as far as it is used.
pub(crate) struct Inbox {
    bytes: Box<[u8]>,
    metas: [RecvMeta; BATCH_SIZE],
    filled: usize,
    port: u16,
}

/// A datagram that came.
pub(crate) struct Datagram<'a> {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) contents: &'a [u8],
    /// The kernel's receive time, in nanoseconds since the Unix epoch.
    pub(crate) at: u64,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let bytes = vec![0; BATCH_SIZE * DATAGRAM].into_boxed_slice();
        Self { bytes, metas: [RecvMeta::default(); BATCH_SIZE], filled: 0, port: 0 }
    }

    pub(crate) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let filled = self.metas.iter().zip(self.bytes.chunks_exact(DATAGRAM)).take(self.filled);
        filled.flat_map(|(meta, bytes)| {
            let ip = meta.dst_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let (source, destination) = (meta.addr, SocketAddr::new(ip, self.port));
            let at = meta.timestamp.as_ref().map_or_else(machine::now, |at: &Duration| at.as_nanos() as u64);
            let contents = bytes[..meta.len].chunks(meta.stride.max(1));
            contents.map(move |contents| Datagram { source, destination, contents, at })
        })
    }
}
