//! Whom a TURN client may reach. A relay inside a network must not be a way into that network, nor to what listens on its
//! own machine; but our own media ports are what most clients need it for.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// The workers' addresses, bound and told.
    pub media: HashSet<SocketAddr>,
    /// All addresses of this machine.
    pub own: HashSet<IpAddr>,
    /// Private networks and this machine may be reached too.
    pub private: bool,
}

impl Peers {
    pub(crate) fn permits(&self, peer: SocketAddr) -> bool {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let foreign = is_public(peer.ip()) && !self.own.contains(&peer.ip());
        self.media.contains(&peer) || (peer.port() != 0 && (foreign || (self.private && is_host(peer.ip()))))
    }

    /// Whether a permission, which is for all ports, makes sense. Each packet is looked at again.
    pub(crate) fn permits_host(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let any_port = SocketAddr::new(ip, 9);
        self.own.contains(&ip) || self.media.iter().any(|media| media.ip() == ip) || self.permits(any_port)
    }
}

/// Some machine, wherever it is.
fn is_host(ip: IpAddr) -> bool {
    let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(ip.is_unspecified() || ip.is_multicast() || broadcast)
}

/// On the internet, by IANA's registries of special-purpose addresses (RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        // This network; shared (RFC 6598); IETF protocols; the 6to4 relay; benchmarks; the future's.
        [0, ..] | [100, 64..128, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..20, ..] | [240..=255, ..] => true,
        _ => false,
    };
    !(special
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    // Global unicast is 2000::/3; in it are Teredo and other protocols, documentation, and 6to4, which holds an IPv4 address.
    match ip.segments() {
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn peers() -> Peers {
        Peers {
            media: ["127.0.0.1:7882", "10.0.0.5:7882", "9.9.9.9:7882"].map(address).into(),
            own: ["127.0.0.1", "10.0.0.5", "9.9.9.9"].map(|ip| ip.parse().expect("an address")).into(),
            private: false,
        }
    }

    #[test]
    fn our_media_is_reached_and_nothing_else_here() {
        for media in ["127.0.0.1:7882", "10.0.0.5:7882", "9.9.9.9:7882", "[::ffff:10.0.0.5]:7882"] {
            assert!(peers().permits(address(media)), "{media}");
        }
        for own in ["127.0.0.1:8000", "10.0.0.5:22", "9.9.9.9:22", "[::ffff:127.0.0.1]:8000", "[::1]:7882"] {
            assert!(!peers().permits(address(own)), "{own}");
        }
    }

    #[test]
    fn the_world_is_reached_and_no_network_behind_us() {
        for public in ["8.8.8.8:1", "100.63.0.1:1", "172.32.0.1:1", "[2606:4700::1]:1", "[2001:4860::1]:1"] {
            assert!(peers().permits(address(public)), "{public}");
        }
        let special = "0.0.0.0 10.1.1.1 100.64.0.1 127.9.9.9 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 192.0.0.1 \
            192.0.2.1 192.88.99.1 198.18.0.1 198.19.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 \
            :: ::1 ::ffff:10.0.0.1 ::10.0.0.1 64:ff9b::a00:1 fc00::1 fd00::1 fe80::1 fec0::1 ff02::1 2001::1 2001:db8::1 \
            2002:a00:1::1";
        for ip in special.split_whitespace() {
            let ip: IpAddr = ip.parse().expect("an address");
            assert!(!peers().permits(SocketAddr::new(ip, 9)), "{ip}");
            assert!(!peers().permits_host(ip), "{ip}");
        }
        assert!(!peers().permits(address("8.8.8.8:0")), "no port");
    }

    #[test]
    fn private_networks_are_an_operators_choice() {
        let open = Peers { private: true, ..peers() };
        for ip in ["10.1.1.1:1", "127.0.0.1:8000", "[fd00::1]:1"] {
            assert!(open.permits(address(ip)), "{ip}");
        }
        for ip in ["224.0.0.1:1", "255.255.255.255:1", "0.0.0.0:1", "[ff02::1]:1"] {
            assert!(!open.permits(address(ip)), "{ip}");
        }
    }
}
