//! Datagrams to many addresses that leave in one call (sendmmsg): what a packet becomes that many hear. To one address
//! after the other, each by itself, is what costs a server of sound most.

use convo_sfu::Transmit;
use std::{io, net::IpAddr, os::fd::AsRawFd};

/// The most that one call sends.
const MOST: usize = 64;

/// What waits for its call: in the order in which it was said, all from one of our addresses.
#[derive(Debug, Default)]
pub(crate) struct Singles(Vec<Transmit>);

impl Singles {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn take(&mut self) -> impl Iterator<Item = Transmit> {
        self.0.drain(..)
    }

    /// Whether it can leave in the same call.
    pub(crate) fn takes(&self, single: &Transmit) -> bool {
        self.0.first().is_none_or(|first| first.route.source == single.route.source && self.len() < MOST)
    }

    /// A run of one datagram.
    pub(crate) fn push(&mut self, single: Transmit) {
        self.0.push(single);
    }

    /// The datagrams' lengths from this one on, for `count` of them.
    pub(crate) fn lengths(&self, from: usize, count: usize) -> impl Iterator<Item = usize> {
        self.0[from..from + count].iter().map(|single| single.contents.len())
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
        let Some(first) = self.0.get(from) else { return Ok(0) };
        let (name, space) = match first.route.source.ip() {
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
        let singles = self.0[from..].iter();
        let addresses: Vec<_> =
            singles.clone().map(|single| Some(SockaddrStorage::from(single.route.destination))).collect();
        let slices: Vec<_> = singles.map(|single| [io::IoSlice::new(&single.contents)]).collect();
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
