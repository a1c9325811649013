//! Where clients reach us: which addresses are bound, and which are told as ICE candidates.

use convo_sfu::LocalAddress;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    time::{Duration, Instant},
};
use str0m::net::Protocol as Transport;
use turn_server_proto::stun::types::{
    attribute::XorMappedAddress,
    message::{BINDING, Message, MessageWrite, MessageWriteVec},
};

/// A bound socket that does not block. An IPv6 socket is for IPv6 alone.
pub(crate) fn bind(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let named = |error: io::Error| {
        let name = if kind == Type::STREAM { "TCP" } else { "UDP" };
        io::Error::new(error.kind(), format!("cannot use {name} {address} for media: {error}"))
    };
    let socket = Socket::new(Domain::for_address(address), kind, None::<Protocol>).map_err(named)?;
    if address.is_ipv6() {
        socket.set_only_v6(true).map_err(named)?;
    }
    if kind == Type::STREAM {
        // Connections of an earlier process that linger do not keep us from listening.
        socket.set_reuse_address(true).map_err(named)?;
    }
    socket.set_nonblocking(true).map_err(named)?;
    socket.bind(&SockAddr::from(address)).map_err(named)?;
    Ok(socket)
}

/// Binds a port on every address; `open` makes the socket and says where it is. Port 0 is any port that is free on all
/// of them. No addresses: all interfaces, IPv6 only where the machine has it.
pub(crate) fn bind_all<S>(
    addresses: &[IpAddr],
    port: u16,
    open: impl Fn(SocketAddr) -> io::Result<(S, SocketAddr)>,
) -> io::Result<Vec<S>> {
    /// Of so many free ports of the first address, one will be free on the others too.
    const ATTEMPTS: usize = 20;
    let mut outcome = try_bind_all(addresses, port, &open);
    for _ in 1..ATTEMPTS {
        match &outcome {
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            _ => break,
        }
        outcome = try_bind_all(addresses, port, &open);
    }
    outcome
}

fn try_bind_all<S>(
    addresses: &[IpAddr],
    port: u16,
    open: impl Fn(SocketAddr) -> io::Result<(S, SocketAddr)>,
) -> io::Result<Vec<S>> {
    let everywhere = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let chosen = if addresses.is_empty() { &everywhere } else { addresses };
    let mut port = port;
    let mut sockets = Vec::new();
    for &ip in chosen {
        match open(SocketAddr::new(ip, port)) {
            Ok((socket, local)) => {
                port = local.port();
                sockets.push(socket);
            }
            Err(error) if addresses.is_empty() && ip.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse => {
                tracing::debug!(%error, "no media over IPv6");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

/// The addresses of this machine's interfaces.
pub(crate) fn interfaces() -> io::Result<Vec<IpAddr>> {
    Ok(if_addrs::get_if_addrs()?.into_iter().filter(|interface| !interface.is_link_local()).map(|i| i.ip()).collect())
}

/// What is told of sockets bound to `bound`.
pub(crate) struct Told<'a> {
    pub interfaces: &'a [IpAddr],
    /// 127.0.0.1 is told beside the others, for clients on this machine.
    pub loopback: bool,
    /// Addresses that a NAT, or a cloud's router, maps to this machine port by port.
    pub external: &'a [IpAddr],
}

impl Told<'_> {
    /// One entry per address that clients are told.
    pub(crate) fn of(&self, proto: Transport, bound: &[SocketAddr]) -> Vec<LocalAddress> {
        let hosts: Vec<SocketAddr> = bound.iter().flat_map(|&bound| self.hosts(bound)).collect();
        let external = self.external.iter().filter(|ip| hosts.iter().all(|host| host.ip() != **ip));
        let mapped = external.filter_map(|&ip| {
            let host = behind(ip, &hosts)?;
            Some(LocalAddress { proto, bound: host, told: SocketAddr::new(ip, host.port()) })
        });
        hosts.iter().map(|&host| LocalAddress { proto, bound: host, told: host }).chain(mapped).collect()
    }

    /// The concrete addresses of one socket.
    fn hosts(&self, bound: SocketAddr) -> Vec<SocketAddr> {
        if !bound.ip().is_unspecified() {
            return vec![bound];
        }
        let family = self.interfaces.iter().filter(|ip| ip.is_ipv4() == bound.is_ipv4());
        let (loopback, mut told): (Vec<IpAddr>, Vec<IpAddr>) = family.partition(|ip| ip.is_loopback());
        // Without any network there is still this machine.
        if told.is_empty() || (self.loopback && bound.is_ipv4()) {
            told.extend(loopback);
        }
        told.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect()
    }
}

/// Which of our addresses an external one is mapped to: that from which the way to it leads, else the first of its family.
fn behind(external: IpAddr, hosts: &[SocketAddr]) -> Option<SocketAddr> {
    let family = || hosts.iter().copied().filter(|host| host.is_ipv4() == external.is_ipv4());
    let out = way_out(external);
    family()
        .find(|host| out == Some(host.ip()))
        .or_else(|| family().find(|host| !host.ip().is_loopback()))
        .or_else(|| family().next())
}

/// This machine's address as a STUN server on the internet sees it, for [`crate::Config::external`]. Blocks for up to
/// `limit`. `server` is `host:port`.
///
/// # Errors
/// The name is not found, or nobody answers in time.
pub fn discover(server: &str, limit: Duration) -> io::Result<IpAddr> {
    /// RFC 8489, section 6.2.1.
    const FIRST_WAIT: Duration = Duration::from_millis(500);
    // IPv6 has no need of it.
    let server = server.to_socket_addrs()?.min_by_key(SocketAddr::is_ipv6);
    let server = server.ok_or_else(|| io::Error::other("the STUN server has no address"))?;
    let socket = UdpSocket::bind((unspecified(server.ip()), 0))?;
    socket.connect(server)?;
    let request = Message::builder_request(BINDING, MessageWriteVec::new()).finish();
    let (deadline, mut wait) = (Instant::now() + limit, FIRST_WAIT);
    loop {
        socket.send(&request)?;
        if let Some(ip) = await_mapped(&socket, &request, deadline.min(Instant::now() + wait))? {
            return Ok(ip);
        }
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the STUN server did not answer"));
        }
        wait *= 2;
    }
}

/// The address in the answer to `request`, if it comes in time.
fn await_mapped(socket: &UdpSocket, request: &[u8], deadline: Instant) -> io::Result<Option<IpAddr>> {
    let asked = Message::from_bytes(request).ok().map(|request| request.transaction_id());
    let mut bytes = [0; 1_500];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut bytes) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error),
        };
        let Ok(answer) = Message::from_bytes(&bytes[..length]) else { continue };
        if Some(answer.transaction_id()) == asked
            && let Ok(mapped) = answer.attribute::<XorMappedAddress>()
        {
            return Ok(Some(mapped.addr(answer.transaction_id()).ip()));
        }
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// The address from which packets to `ip` would leave. Nothing is sent.
fn way_out(ip: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((unspecified(ip), 0)).ok()?;
    socket.connect((ip, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips<const N: usize>(ips: [&str; N]) -> Vec<IpAddr> {
        ips.iter().map(|ip| ip.parse().expect("an address")).collect()
    }

    fn told(interfaces: &[IpAddr], loopback: bool, external: &[IpAddr], bound: &[&str]) -> Vec<String> {
        let bound: Vec<SocketAddr> = bound.iter().map(|address| address.parse().expect("an address")).collect();
        Told { interfaces, loopback, external }
            .of(Transport::Udp, &bound)
            .iter()
            .map(|address| format!("{} as {}", address.bound, address.told))
            .collect()
    }

    #[test]
    fn a_wildcard_is_told_as_its_interfaces() {
        let interfaces = ips(["127.0.0.1", "10.0.0.5", "::1", "fd00::2"]);
        assert_eq!(
            told(&interfaces, false, &[], &["0.0.0.0:7882", "[::]:7882"]),
            ["10.0.0.5:7882 as 10.0.0.5:7882", "[fd00::2]:7882 as [fd00::2]:7882"]
        );
        assert_eq!(
            told(&interfaces, true, &[], &["0.0.0.0:7882"]),
            ["10.0.0.5:7882 as 10.0.0.5:7882", "127.0.0.1:7882 as 127.0.0.1:7882"]
        );
    }

    #[test]
    fn without_a_network_there_is_this_machine() {
        assert_eq!(told(&ips(["127.0.0.1"]), false, &[], &["0.0.0.0:1"]), ["127.0.0.1:1 as 127.0.0.1:1"]);
    }

    #[test]
    fn a_bound_address_is_told_alone() {
        let interfaces = ips(["127.0.0.1", "10.0.0.5"]);
        assert_eq!(told(&interfaces, true, &[], &["127.0.0.1:1"]), ["127.0.0.1:1 as 127.0.0.1:1"]);
    }

    #[test]
    fn an_external_address_is_told_of_the_one_behind_it() {
        let interfaces = ips(["127.0.0.1", "10.0.0.5"]);
        let external = ips(["203.0.113.9", "10.0.0.5", "2001:db8::9"]);
        assert_eq!(
            told(&interfaces, true, &external, &["0.0.0.0:1"]),
            ["10.0.0.5:1 as 10.0.0.5:1", "127.0.0.1:1 as 127.0.0.1:1", "10.0.0.5:1 as 203.0.113.9:1"],
            "not its own address again, and nothing of a family that is not bound"
        );
    }

    #[test]
    fn any_free_port_is_the_same_everywhere() {
        let open = |address| {
            let socket = bind(address, Type::DGRAM)?;
            let local = socket.local_addr()?.as_socket().expect("an IP address");
            Ok(((socket, local), local))
        };
        let sockets = bind_all(&ips(["127.0.0.1", "127.0.0.2"]), 0, open).expect("a free port");
        assert_eq!(sockets[0].1.port(), sockets[1].1.port());
        let taken = bind_all(&ips(["127.0.0.2"]), sockets[0].1.port(), open).map(|_| ()).expect_err("taken");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        let named = format!("cannot use UDP {} for media: ", sockets[1].1);
        assert!(taken.to_string().starts_with(&named), "{taken}");
    }
}
