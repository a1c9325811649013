//! Datagrams to many addresses that leave in one call (sendmmsg): what a packet becomes that many hear. To one address
//! after the other, each by itself, is what costs a server of sound most.

use crate::udp::Run;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd,
};

/// The most that one call sends.
const MOST: usize = 64;

/// What waits for its call: in the order in which it was said, all from one of our addresses.
#[derive(Debug)]
pub(crate) struct Singles {
    source: SocketAddr,
    /// To where, and where it ends in `bytes`.
    datagrams: Vec<(SocketAddr, usize)>,
    bytes: Vec<u8>,
}

impl Singles {
    pub(crate) fn new(source: SocketAddr) -> Self {
        Self { source, datagrams: Vec::with_capacity(MOST), bytes: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.datagrams.len()
    }

    pub(crate) fn clear(&mut self) {
        self.datagrams.clear();
        self.bytes.clear();
    }

    /// Whether it can leave in the same call.
    pub(crate) fn takes(&self, run: &Run) -> bool {
        self.datagrams.is_empty() || (self.source == run.source && self.len() < MOST)
    }

    /// A run of one datagram.
    pub(crate) fn push(&mut self, run: &Run) {
        self.source = run.source;
        self.bytes.extend_from_slice(run.bytes());
        self.datagrams.push((run.destination, self.bytes.len()));
    }

    /// The datagrams' lengths from this one on, for `count` of them.
    pub(crate) fn lengths(&self, from: usize, count: usize) -> impl Iterator<Item = usize> {
        (from..from + count).map(|index| self.contents(index).len())
    }

    pub(crate) fn run(&self, index: usize) -> Run {
        let mut run = Run::new();
        run.start(self.source, self.datagrams[index].0, self.contents(index));
        run
    }

    fn contents(&self, index: usize) -> &[u8] {
        let begin = index.checked_sub(1).map_or(0, |before| self.datagrams[before].1);
        &self.bytes[begin..self.datagrams[index].1]
    }

    /// Sends from this one on, and returns how many: one at least. An error is the first one's. `named`: the kernel is told
    /// from which of our addresses, as the socket has several.
    #[cfg(target_os = "linux")]
    pub(crate) fn send(&self, from: usize, socket: &impl AsRawFd, named: bool) -> io::Result<usize> {
        use nix::{
            libc,
            sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg},
        };
        let (v4, v6);
        let (name, space) = match self.source.ip() {
            IpAddr::V4(ip) => {
                v4 = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                (ControlMessage::Ipv4PacketInfo(&v4), nix::cmsg_space!(libc::in_pktinfo))
            }
            IpAddr::V6(ip) => {
                v6 = libc::in6_pktinfo { ipi6_ifindex: 0, ipi6_addr: libc::in6_addr { s6_addr: ip.octets() } };
                (ControlMessage::Ipv6PacketInfo(&v6), nix::cmsg_space!(libc::in6_pktinfo))
            }
        };
        let (names, space) = if named { (&[name][..], Some(space)) } else { (&[][..], None) };
        let addresses: Vec<_> = self.datagrams[from..].iter().map(|(to, _)| Some(SockaddrStorage::from(*to))).collect();
        let slices: Vec<_> = (from..self.len()).map(|index| [io::IoSlice::new(self.contents(index))]).collect();
        let mut headers = MultiHeaders::preallocate(addresses.len(), space);
        let sent = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &addresses, names, MsgFlags::empty())?;
        Ok(sent.count())
    }

    /// Elsewhere each datagram is a run, and none comes here.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn send(&self, _from: usize, _socket: &impl AsRawFd, _named: bool) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
