//! The embedded TURN server and a small client, over real sockets of this machine.

mod support;

use convo_media::{
    Config, Media, addresses,
    turn::{self, Secret},
};
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};
use str0m::net::Protocol;
use support::{Echo, PATIENCE};
use turn_server_proto::{
    stun::types::{
        AddressFamily,
        attribute::{ErrorCode, Nonce, Realm, Username, XorMappedAddress},
        message::{
            BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageIntegrityCredentials,
            MessageType, MessageWrite, MessageWriteExt, MessageWriteVec, Method, TransactionId,
        },
        prelude::AttributeWrite,
    },
    types::{
        attribute::{
            ChannelNumber, Data, Lifetime, RequestedAddressFamily, RequestedTransport, XorPeerAddress,
            XorRelayedAddress,
        },
        message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND},
    },
};

const REALM: &str = "convo";
const LATER: u64 = 4_000_000_000;

fn secret() -> Secret {
    Secret::new("north")
}

fn start(change: impl FnOnce(&mut turn::Config)) -> Media {
    let mut turn = turn::Config::new(0, secret());
    change(&mut turn);
    let bind = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let config = Config { workers: 1, udp: Some(0), tcp: Some(0), turn: Some(turn), bind, ..Config::default() };
    Media::start_with(config, Echo::new).expect("free ports").0
}

fn media_port(media: &Media) -> SocketAddr {
    media.addresses().find(|address| address.proto == Protocol::Udp).expect("a UDP port").told
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Wire {
    fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream) => stream.local_addr(),
        }
        .expect("an address")
    }

    fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Udp(socket) => drop(socket.send(bytes).expect("sent")),
            Self::Tcp(stream) => {
                stream.write_all(bytes).expect("written");
                stream.write_all(&[0; 3][..bytes.len().next_multiple_of(4) - bytes.len()]).expect("written");
            }
        }
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 2_000];
        let length = match self {
            Self::Udp(socket) => socket.recv(&mut bytes).expect("a datagram"),
            Self::Tcp(stream) => {
                stream.read_exact(&mut bytes[..4]).expect("a header");
                let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
                let whole = if bytes[0] < 0x40 { 20 + length } else { 4 + length };
                stream.read_exact(&mut bytes[4..whole.next_multiple_of(4)]).expect("a whole message");
                whole
            }
        };
        bytes.truncate(length);
        bytes
    }
}

struct Client {
    wire: Wire,
    username: String,
    password: String,
    nonce: Option<String>,
}

impl Client {
    fn new(media: &Media, proto: Protocol, (username, password): (String, String)) -> Self {
        let server = media.turn_addresses().iter().find(|address| address.proto == proto).expect("a port").told;
        let wire = if proto == Protocol::Udp {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            socket.connect(server).expect("connected");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            Wire::Udp(socket)
        } else {
            let stream = TcpStream::connect(server).expect("connected");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            Wire::Tcp(stream)
        };
        Self { wire, username, password, nonce: None }
    }

    fn ann(media: &Media) -> Self {
        Self::new(media, Protocol::Udp, secret().issue("ann", LATER))
    }

    /// The answer's bytes: its attributes borrow from them.
    fn request(&mut self, method: Method, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
        let mut request = Message::builder_request(method, MessageWriteVec::new());
        attributes.iter().for_each(|attribute| request.add_attribute(*attribute).expect("room"));
        self.finish(request)
    }

    /// A permission or a channel names its peer in a way that depends on the transaction.
    fn ask_for(&mut self, method: Method, channel: Option<u16>, peer: SocketAddr) -> Result<(), u16> {
        let (mut request, id) = begin(MessageClass::Request, method);
        request.add_attribute(&XorPeerAddress::new(peer, id)).expect("room");
        channel.iter().for_each(|channel| request.add_attribute(&ChannelNumber::new(*channel)).expect("room"));
        outcome(&self.finish(request))
    }

    fn finish(&mut self, request: MessageWriteVec) -> Vec<u8> {
        let request = self.sign(request);
        self.wire.send(&request);
        self.wire.receive()
    }

    fn sign(&self, mut request: MessageWriteVec) -> Vec<u8> {
        if let Some(nonce) = &self.nonce {
            request.add_attribute(&Username::new(&self.username).expect("short")).expect("room");
            request.add_attribute(&Realm::new(REALM).expect("short")).expect("room");
            request.add_attribute(&Nonce::new(nonce).expect("short")).expect("room");
            request.add_message_integrity(&self.credentials(), IntegrityAlgorithm::Sha1).expect("room");
        }
        request.finish()
    }

    fn credentials(&self) -> MessageIntegrityCredentials {
        LongTermKeyCredentials::new(self.username.clone(), self.password.clone(), REALM.to_owned()).into()
    }

    /// First without credentials, by which the nonce is learnt; then with them.
    fn allocate(&mut self) -> Result<SocketAddr, u16> {
        self.learn_nonce();
        let answer = self.request(ALLOCATE, &[&RequestedTransport::new(17)]);
        self.relayed(&answer)
    }

    fn learn_nonce(&mut self) {
        if self.nonce.is_none() {
            let challenge = self.request(ALLOCATE, &[&RequestedTransport::new(17)]);
            assert_eq!(outcome(&challenge), Err(401));
            let nonce = parse(&challenge).attribute::<Nonce>().expect("a nonce").nonce().to_owned();
            self.nonce = Some(nonce);
        }
    }

    fn relayed(&self, answer: &[u8]) -> Result<SocketAddr, u16> {
        outcome(answer)?;
        let answer = parse(answer);
        answer.validate_integrity(&self.credentials()).expect("signed");
        let relayed = answer.attribute::<XorRelayedAddress>().expect("an address");
        Ok(relayed.addr(answer.transaction_id()))
    }

    fn permit(&mut self, peer: SocketAddr) -> Result<(), u16> {
        self.ask_for(CREATE_PERMISSION, None, peer)
    }

    fn bind_channel(&mut self, peer: SocketAddr) -> Result<(), u16> {
        self.ask_for(CHANNEL_BIND, Some(0x4000), peer)
    }

    fn indicate(&mut self, peer: SocketAddr, contents: &[u8]) {
        let (mut message, id) = begin(MessageClass::Indication, SEND);
        message.add_attribute(&XorPeerAddress::new(peer, id)).expect("room");
        message.add_attribute(&Data::new(contents)).expect("room");
        self.wire.send(&message.finish());
    }

    /// From whom, and what, in a Data indication.
    fn indicated(&mut self) -> (SocketAddr, Vec<u8>) {
        let bytes = self.wire.receive();
        let message = parse(&bytes);
        let peer = message.attribute::<XorPeerAddress>().expect("a peer").addr(message.transaction_id());
        (peer, message.attribute::<Data<'_>>().expect("data").data().to_vec())
    }
}

fn parse(bytes: &[u8]) -> Message<'_> {
    Message::from_bytes(bytes).expect("STUN")
}

fn begin(class: MessageClass, method: Method) -> (MessageWriteVec, TransactionId) {
    let id = TransactionId::generate();
    (Message::builder(MessageType::from_class_method(class, method), id, MessageWriteVec::new()), id)
}

fn outcome(answer: &[u8]) -> Result<(), u16> {
    match parse(answer).attribute::<ErrorCode>() {
        Ok(error) => Err(error.code()),
        Err(_) => Ok(()),
    }
}

#[test]
fn stun_tells_clients_their_address() {
    let media = start(|_| {});
    for proto in [Protocol::Udp, Protocol::Tcp] {
        let mut client = Client::new(&media, proto, secret().issue("ann", LATER));
        let answer = client.request(BINDING, &[]);
        let answer = parse(&answer);
        let mapped = answer.attribute::<XorMappedAddress>().expect("an address").addr(answer.transaction_id());
        assert_eq!(mapped, client.wire.local());
    }
}

#[test]
fn a_server_learns_its_own_address() {
    let media = start(|_| {});
    let server = media.turn_addresses()[0].told.to_string();
    assert_eq!(addresses::discover(&server, PATIENCE).expect("an answer"), Ipv4Addr::LOCALHOST);
    // Nobody answers here: the socket is not read.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let silent = silent.local_addr().expect("an address").to_string();
    assert!(addresses::discover(&silent, Duration::from_millis(1)).is_err());
}

#[test]
fn media_is_reached_over_udp_and_tcp() {
    let media = start(|_| {});
    let peer = media_port(&media);
    for proto in [Protocol::Udp, Protocol::Tcp] {
        let mut client = Client::new(&media, proto, secret().issue("ann", LATER));
        client.allocate().expect("an allocation");
        client.permit(peer).expect("permitted");
        client.indicate(peer, b"hello");
        assert_eq!(client.indicated(), (peer, b"A:hello".to_vec()));

        client.bind_channel(peer).expect("bound");
        for contents in ["odd", "even"] {
            let length = contents.len() as u8;
            client.wire.send(&[&[0x40, 0, 0, length], contents.as_bytes()].concat());
            let answer = [&[0x40, 0, 0, length + 2], b"A:".as_slice(), contents.as_bytes()].concat();
            assert_eq!(client.wire.receive(), answer);
        }
    }
}

#[test]
fn what_is_not_media_is_not_reached_here() {
    let media = start(|_| {});
    let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let own = other.local_addr().expect("an address");
    let mut client = Client::ann(&media);
    client.allocate().expect("an allocation");
    for peer in ["192.168.1.1:80", "10.0.0.1:80", "169.254.169.254:80", "127.0.0.9:80", "224.0.0.1:80"] {
        assert_eq!(client.permit(peer.parse().expect("an address")), Err(403), "{peer}");
    }
    assert_eq!(client.bind_channel(own), Err(403));
    // A permission is for all ports of an address, and media is on one of them.
    client.permit(media_port(&media)).expect("permitted");
    client.indicate(own, b"hello");
    client.indicate(media_port(&media), b"after");
    assert_eq!(client.indicated().1, b"A:after");
    other.set_nonblocking(true).expect("nonblocking");
    assert!(other.recv(&mut [0; 8]).is_err(), "it came through");
}

#[test]
fn an_operator_may_open_private_networks() {
    let media = start(|turn| turn.private_peers = true);
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let address = peer.local_addr().expect("an address");
    let mut client = Client::ann(&media);
    let relayed = client.allocate().expect("an allocation");
    client.permit(address).expect("permitted");
    client.indicate(address, b"hello");
    let mut bytes = [0; 8];
    let (length, source) = peer.recv_from(&mut bytes).expect("a datagram");
    assert_eq!((&bytes[..length], source), (&b"hello"[..], relayed));
    peer.send_to(b"back", relayed).expect("sent");
    assert_eq!(client.indicated(), (address, b"back".to_vec()));
}

#[test]
fn credentials_are_checked() {
    let media = start(|_| {});
    let (username, password) = secret().issue("ann", LATER);
    let expired = secret().issue("ann", 1_000);
    let longer = (format!("{}:ann", LATER + 1), password.clone());
    for wrong in [(username, "wrong".to_owned()), expired, longer, ("ann".to_owned(), password)] {
        let name = wrong.0.clone();
        assert_eq!(Client::new(&media, Protocol::Udp, wrong).allocate(), Err(401), "{name}");
    }
}

#[test]
fn two_clients_reach_each_other() {
    let media = start(|_| {});
    let (mut ann, mut bob) = (Client::ann(&media), Client::new(&media, Protocol::Tcp, secret().issue("bob", LATER)));
    let (at_ann, at_bob) = (ann.allocate().expect("an allocation"), bob.allocate().expect("an allocation"));
    ann.permit(at_bob).expect("permitted");
    bob.bind_channel(at_ann).expect("bound");
    ann.indicate(at_bob, b"hello");
    assert_eq!(bob.wire.receive(), b"\x40\0\0\x05hello");
    bob.wire.send(b"\x40\0\0\x02hi");
    assert_eq!(ann.indicated(), (at_bob, b"hi".to_vec()));
}

#[test]
fn allocations_are_limited_and_given_back() {
    let media = start(|turn| turn.most_per_identity = 1);
    let (mut first, mut second) = (Client::ann(&media), Client::ann(&media));
    first.allocate().expect("an allocation");
    assert_eq!(second.allocate(), Err(508));
    Client::new(&media, Protocol::Udp, secret().issue("bob", LATER)).allocate().expect("another's");
    assert_eq!(outcome(&first.request(REFRESH, &[&Lifetime::new(0)])), Ok(()));
    second.allocate().expect("there is room again");
}

#[test]
fn peers_of_a_client_are_limited() {
    let media = start(|_| {});
    let mut client = Client::ann(&media);
    client.allocate().expect("an allocation");
    let peer = |nth: u8| SocketAddr::from(([9, 9, 9, nth], 9));
    for nth in 0..64 {
        client.permit(peer(nth)).expect("permitted");
    }
    assert_eq!(client.permit(peer(64)), Err(508));
    assert_eq!(client.bind_channel(peer(64)), Err(508));
    client.permit(peer(63)).expect("permitted again");
}

#[test]
fn an_allocate_sent_again_gets_the_same_relay() {
    let media = start(|_| {});
    let mut client = Client::ann(&media);
    client.learn_nonce();
    let mut request = Message::builder_request(ALLOCATE, MessageWriteVec::new());
    request.add_attribute(&RequestedTransport::new(17)).expect("room");
    let request = client.sign(request);
    let relays = [0; 2].map(|_| {
        client.wire.send(&request);
        let answer = client.wire.receive();
        client.relayed(&answer).expect("an allocation")
    });
    assert_eq!(relays[0], relays[1]);
}

#[test]
fn who_comes_on_anothers_way_gets_no_allocation_there() {
    let media = start(|_| {});
    let mut ann = Client::ann(&media);
    ann.allocate().expect("an allocation");
    let mut bob = Client::new(&media, Protocol::Udp, secret().issue("bob", LATER));
    let Wire::Udp(socket) = &ann.wire else { unreachable!("asked for") };
    bob.wire = Wire::Udp(socket.try_clone().expect("cloned"));
    assert_eq!(bob.allocate(), Err(437));
    ann.permit(media_port(&media)).expect("hers is still there");
}

#[test]
fn a_relay_is_of_a_family_that_is_bound() {
    let media = start(|_| {});
    let mut client = Client::ann(&media);
    client.learn_nonce();
    let v6 = RequestedAddressFamily::new(AddressFamily::IPV6);
    let answer = client.request(ALLOCATE, &[&RequestedTransport::new(17), &v6]);
    assert_eq!(outcome(&answer), Err(440));
    client.allocate().expect("one of the other family");
}
