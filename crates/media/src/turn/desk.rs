//! The TURN server without its sockets: who is a client, what it may do, and what is to be sent.
//!
//! Each client has a protocol machine of its own: it goes with the client, with all it knows, and if it breaks it breaks
//! alone. What the machine cannot know is looked at before it: credentials, after whose end nothing is allocated (what was
//! may be refreshed), and peers that are not for relaying.

use super::{
    credentials::{Secret, identity},
    peers::Peers,
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use str0m::net::Protocol;
use turn_server_proto::{
    api::{SocketAllocateError, TurnServerApi, TurnServerPollRet},
    server::TurnServer,
    stun::{
        agent::Transmit,
        types::{
            AddressFamily, TransportType,
            attribute::{ErrorCode, Fingerprint, Username, XorMappedAddress},
            message::{
                BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass,
                MessageIntegrityCredentials, MessageWrite, MessageWriteExt, MessageWriteVec, TransactionId,
            },
            prelude::{Attribute, AttributeFromRaw, AttributeStaticType},
        },
    },
    types::{
        Instant as TurnInstant,
        attribute::XorPeerAddress,
        message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, SEND},
        prelude::DelayedTransmitBuild,
    },
};

/// RFC 8489, section 9.2: a name for humans, if anybody asks one for a password.
pub(super) const REALM: &str = "convo";
/// Who asked for nothing with good credentials after this long is forgotten.
const STRANGER_TIME: Duration = Duration::from_secs(10);
/// More at once, and the oldest is forgotten: addresses are easily invented.
const STRANGERS: usize = 4_096;
/// Peers that one client may have permissions and channels for: the machine looks through them with each packet. ICE has a few for each
/// address of the other side.
const PEERS: usize = 64;
/// And in one request.
const PEERS_AT_ONCE: usize = 16;
/// How long permissions and channels live (RFC 8656, sections 9 and 12).
const PERMISSION_TIME: Duration = Duration::from_secs(300);
const CHANNEL_TIME: Duration = Duration::from_secs(600);
/// For so long a request may be sent again (RFC 8489, section 6.3.1).
const REPEATS: Duration = Duration::from_secs(40);
const SWEEP: Duration = Duration::from_secs(1);

/// The way between a client and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Flow {
    pub proto: Protocol,
    pub local: SocketAddr,
    pub client: SocketAddr,
}

/// What the sockets are to do.
#[derive(Debug)]
pub(crate) enum Effect {
    ToClient {
        flow: Flow,
        contents: Vec<u8>,
    },
    ToPeer {
        relayed: SocketAddr,
        peer: SocketAddr,
        contents: Vec<u8>,
    },
    /// Open a socket and say where it is by [`Desk::allocated`].
    Allocate {
        flow: Flow,
        family: AddressFamily,
    },
    Release {
        relayed: SocketAddr,
    },
}

/// How many allocations there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub total: usize,
    pub per_identity: usize,
}

pub(crate) struct Desk {
    secret: Secret,
    /// The time of credentials, in Unix seconds.
    unix: fn() -> u64,
    peers: Peers,
    limits: Limits,
    clients: HashMap<Flow, Client>,
    /// By age; some of them have become known since, or gone.
    strangers: VecDeque<Flow>,
    relayed: Relayed,
    effects: VecDeque<Effect>,
    began: Instant,
    sweep: Instant,
}

fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Whose each relayed address is.
type Relayed = HashMap<SocketAddr, Flow>;

struct Client {
    machine: TurnServer,
    known: Option<Known>,
    relayed: HashSet<SocketAddr>,
    /// The peers of its permissions (with port 0) and channels, and until when.
    named: HashMap<SocketAddr, Instant>,
    /// The sockets that its machine waits for, and what became of those that were tried.
    awaited: usize,
    outcomes: Vec<(AddressFamily, Result<SocketAddr, SocketAllocateError>)>,
    /// The last request that sockets were wanted for, and its answer.
    allocate: Option<(TransactionId, Vec<u8>)>,
    answered: Instant,
    came: Instant,
}

/// A client whose credentials were found good.
struct Known {
    name: String,
    credentials: MessageIntegrityCredentials,
}

/// What is found before the machine is asked.
enum Verdict {
    Pass,
    Drop,
    Answer(Vec<u8>),
}

impl Desk {
    pub(crate) fn new(secret: Secret, peers: Peers, limits: Limits, now: Instant) -> Self {
        Self {
            secret,
            unix,
            peers,
            limits,
            clients: HashMap::new(),
            strangers: VecDeque::new(),
            relayed: HashMap::new(),
            effects: VecDeque::new(),
            began: now,
            sweep: now,
        }
    }

    /// The next thing to do.
    pub(crate) fn next(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(crate) fn client_said(&mut self, now: Instant, flow: Flow, contents: &[u8]) {
        let message = Message::from_bytes(contents).ok();
        if !self.clients.contains_key(&flow) && !self.welcome(now, flow, message.as_ref()) {
            return;
        }
        let Self { clients, secret, unix, peers, relayed, .. } = self;
        let Some(client) = clients.get_mut(&flow) else { return };
        let check = |name: &str| secret.check(name, unix());
        let examine = |message| client.examine(now, message, check, peers, relayed);
        let verdict = message.as_ref().map_or(Verdict::Pass, examine);
        match verdict {
            Verdict::Drop => {}
            Verdict::Answer(contents) => self.effects.push_back(Effect::ToClient { flow, contents }),
            Verdict::Pass => {
                self.ask_machine(now, flow, |machine, at| receive(machine, at, contents, flow.client, flow.local));
                if let Some(allocate) = message.filter(is_allocate)
                    && let Some(client) = self.clients.get_mut(&flow).filter(|client| client.awaited > 0)
                {
                    client.allocate = Some((allocate.transaction_id(), Vec::new()));
                }
            }
        }
    }

    pub(crate) fn peer_said(&mut self, now: Instant, relayed: SocketAddr, peer: SocketAddr, contents: &[u8]) {
        if self.peers.permits(peer) {
            self.relay(now, relayed, peer, contents);
        }
    }

    fn relay(&mut self, now: Instant, relayed: SocketAddr, peer: SocketAddr, contents: &[u8]) {
        let Some(&flow) = self.relayed.get(&relayed) else { return };
        self.ask_machine(now, flow, |machine, at| receive(machine, at, contents, peer, relayed));
    }

    /// The answer to [`Effect::Allocate`].
    pub(crate) fn allocated(
        &mut self,
        now: Instant,
        flow: Flow,
        family: AddressFamily,
        outcome: Result<SocketAddr, SocketAllocateError>,
    ) {
        let Some(client) = self.clients.get_mut(&flow) else {
            return self.effects.extend(outcome.ok().map(|relayed| Effect::Release { relayed }));
        };
        if let Ok(relayed) = outcome {
            client.relayed.insert(relayed);
            self.relayed.insert(relayed, flow);
        }
        client.outcomes.push((family, outcome));
        if client.outcomes.len() < client.awaited {
            return;
        }
        client.awaited = 0;
        let mut outcomes = std::mem::take(&mut client.outcomes);
        // Failures first: of a client whose last socket was not to be had the machine knows nothing, whatever it got before.
        outcomes.sort_by_key(|(_, outcome)| outcome.is_ok());
        for (family, outcome) in outcomes {
            self.ask_machine(now, flow, |machine, at| {
                let udp = TransportType::Udp;
                machine.allocated_socket(udp, flow.local, flow.client, udp, family, outcome, at);
                None
            });
        }
        if let Some(Effect::ToClient { flow: to, contents }) = self.effects.back()
            && *to == flow
            && let Some(client) = self.clients.get_mut(&flow)
            && let Some((_, answer)) = &mut client.allocate
        {
            answer.clone_from(contents);
            client.answered = now;
        }
    }

    /// Whether another allocation may be made for this client.
    pub(crate) fn has_room(&self, flow: Flow) -> bool {
        let Some(identity) = self.clients.get(&flow).and_then(Client::identity) else { return false };
        let theirs = self.clients.values().filter(|client| client.identity() == Some(identity));
        let taken: usize = theirs.map(|client| client.relayed.len()).sum();
        self.relayed.len() < self.limits.total && taken < self.limits.per_identity
    }

    pub(crate) fn has_allocation(&self, flow: Flow) -> bool {
        self.clients.get(&flow).is_some_and(|client| !client.relayed.is_empty())
    }

    /// Allocations now.
    pub(crate) fn len(&self) -> usize {
        self.relayed.len()
    }

    /// When to [`sweep`](Self::sweep) next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.clients.is_empty()).then_some(self.sweep)
    }

    /// Ends what has expired. `connected`: the flow's connection is still there.
    pub(crate) fn sweep(&mut self, now: Instant, connected: impl Fn(Flow) -> bool) {
        if now < self.sweep {
            return;
        }
        self.sweep = now + SWEEP;
        for flow in self.clients.keys().copied().collect::<Vec<_>>() {
            self.ask_machine(now, flow, |_, _| None);
            let over = |client: &Client| client.is_over(now) || !connected(flow);
            if self.clients.get(&flow).is_some_and(over) {
                self.remove(flow);
            }
        }
    }

    /// Takes a new client in, if it speaks STUN. `Binding` alone is answered without that.
    fn welcome(&mut self, now: Instant, flow: Flow, message: Option<&Message<'_>>) -> bool {
        let Some(message) = message.filter(|message| message.has_class(MessageClass::Request)) else { return false };
        if message.has_method(BINDING) {
            self.effects.push_back(Effect::ToClient { flow, contents: mapped_address(message, flow.client) });
            return false;
        }
        if self.strangers.len() >= STRANGERS
            && let Some(oldest) = self.strangers.pop_front()
            && self.clients.get(&oldest).is_some_and(|client| client.known.is_none())
        {
            self.remove(oldest);
        }
        self.strangers.push_back(flow);
        // TCP too is one message at a time here: the stream is cut before.
        let machine = TurnServer::new(TransportType::Udp, flow.local, REALM.to_owned());
        self.clients.insert(flow, Client::new(machine, now));
        true
    }

    /// Asks a client's machine, then carries out what it wants.
    fn ask_machine(
        &mut self,
        now: Instant,
        flow: Flow,
        ask: impl FnOnce(&mut TurnServer, TurnInstant) -> Option<Transmit<Vec<u8>>>,
    ) {
        let Some(client) = self.clients.get_mut(&flow) else { return };
        let at = TurnInstant::from_nanos(now.saturating_duration_since(self.began).as_nanos() as i64);
        let asked = catch_unwind(AssertUnwindSafe(|| quietly(|| drive(&mut client.machine, at, ask))));
        let Ok((said, wants)) = asked else {
            tracing::error!("a TURN client's machine broke");
            return self.remove(flow);
        };
        said.into_iter().for_each(|transmit| self.say(now, flow, transmit));
        wants.into_iter().for_each(|want| self.want(flow, want));
    }

    fn say(&mut self, now: Instant, flow: Flow, Transmit { data: contents, from, to, .. }: Transmit<Vec<u8>>) {
        if from == flow.local {
            self.effects.push_back(Effect::ToClient { flow, contents });
        } else if self.relayed.contains_key(&to) {
            // From one client to another, without the network: it may not know the way from here to our own told address.
            self.relay(now, to, from, &contents);
        } else if self.peers.permits(to) {
            self.effects.push_back(Effect::ToPeer { relayed: from, peer: to, contents });
        }
    }

    fn want(&mut self, flow: Flow, want: Want) {
        match want {
            Want::Allocate(family) => {
                self.effects.push_back(Effect::Allocate { flow, family });
                if let Some(client) = self.clients.get_mut(&flow) {
                    client.awaited += 1;
                }
            }
            Want::Release(relayed) => self.release(flow, relayed),
        }
    }

    fn release(&mut self, flow: Flow, relayed: SocketAddr) {
        if let Some(client) = self.clients.get_mut(&flow) {
            client.relayed.remove(&relayed);
            if client.relayed.is_empty() {
                client.named.clear();
            }
        }
        if self.relayed.remove(&relayed).is_some() {
            self.effects.push_back(Effect::Release { relayed });
        }
    }

    fn remove(&mut self, flow: Flow) {
        let Some(client) = self.clients.remove(&flow) else { return };
        client.relayed.into_iter().for_each(|relayed| self.release(flow, relayed));
    }
}

/// The library logs every stranger as an error, with addresses: what matters of it is counted or said here.
fn quietly<T>(act: impl FnOnce() -> T) -> T {
    tracing::dispatcher::with_default(&tracing::Dispatch::none(), act)
}

/// What the machine says, and wants, once it was asked.
fn drive(
    machine: &mut TurnServer,
    at: TurnInstant,
    ask: impl FnOnce(&mut TurnServer, TurnInstant) -> Option<Transmit<Vec<u8>>>,
) -> (Vec<Transmit<Vec<u8>>>, Vec<Want>) {
    let mut said: Vec<_> = ask(machine, at).into_iter().collect();
    let wants = wants(machine, at);
    said.extend(std::iter::from_fn(|| machine.poll_transmit(at)));
    (said, wants)
}

/// What a machine wants of its sockets.
enum Want {
    Allocate(AddressFamily),
    Release(SocketAddr),
}

fn wants(machine: &mut TurnServer, at: TurnInstant) -> Vec<Want> {
    let mut wants = Vec::new();
    loop {
        match machine.poll(at) {
            TurnServerPollRet::AllocateSocket { family, .. } => wants.push(Want::Allocate(family)),
            TurnServerPollRet::SocketClose { listen_addr, .. } => wants.push(Want::Release(listen_addr)),
            // Only of allocations for TCP (RFC 6062), which a machine for datagrams does not make.
            TurnServerPollRet::TcpConnect { .. } | TurnServerPollRet::TcpClose { .. } => {}
            TurnServerPollRet::WaitUntil(_) => return wants,
        }
    }
}

fn receive(
    machine: &mut TurnServer,
    at: TurnInstant,
    contents: &[u8],
    from: SocketAddr,
    to: SocketAddr,
) -> Option<Transmit<Vec<u8>>> {
    let transmit = machine.recv(Transmit::new(contents, TransportType::Udp, from, to), at)?;
    (!transmit.data.is_empty()).then(|| transmit.build())
}

impl Client {
    fn new(machine: TurnServer, now: Instant) -> Self {
        Self {
            machine,
            known: None,
            relayed: HashSet::new(),
            named: HashMap::new(),
            awaited: 0,
            outcomes: Vec::new(),
            allocate: None,
            answered: now,
            came: now,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.relayed.is_empty() && now.saturating_duration_since(self.came) > STRANGER_TIME
    }

    fn identity(&self) -> Option<&str> {
        self.known.as_ref().map(|known| identity(&known.name))
    }

    fn examine(
        &mut self,
        now: Instant,
        message: &Message<'_>,
        check: impl Fn(&str) -> Option<String>,
        peers: &Peers,
        relayed: &Relayed,
    ) -> Verdict {
        if is_allocate(message)
            && let Some(verdict) = self.repeat(now, message.transaction_id())
        {
            return verdict;
        }
        if let Some(verdict) = self.know(message, check) {
            return verdict;
        }
        // 403 and 508: RFC 8656, sections 10.2 and 12.2.
        if forbidden_peer(message, peers, relayed) {
            return self.refuse(message, ErrorCode::FORBIDDEN);
        }
        if !self.takes_peers(now, message) {
            return self.refuse(message, ErrorCode::INSUFFICIENT_CAPACITY);
        }
        Verdict::Pass
    }

    /// What becomes of an Allocate that may have come before: over UDP it is sent again until its answer comes, and has to get the same
    /// one (RFC 8656, section 7.2). The machine would make another allocation while it waits for the first, and deny it afterwards.
    fn repeat(&self, now: Instant, id: TransactionId) -> Option<Verdict> {
        if self.awaited > 0 {
            return Some(Verdict::Drop);
        }
        let recent = now.saturating_duration_since(self.answered) < REPEATS;
        let (_, answer) = self.allocate.as_ref().filter(|(last, _)| *last == id && recent)?;
        Some(Verdict::Answer(answer.clone()))
    }

    /// Whether there is room for the permissions or the channel that a request asks for. If so, it has them from now on.
    fn takes_peers(&mut self, now: Instant, message: &Message<'_>) -> bool {
        let any_port = message.has_method(CREATE_PERMISSION);
        if !message.has_class(MessageClass::Request) || !(any_port || message.has_method(CHANNEL_BIND)) {
            return true;
        }
        let named = peers_of(message).take(PEERS_AT_ONCE + 1);
        let named: Vec<_> = named.map(|peer| if any_port { SocketAddr::new(peer.ip(), 0) } else { peer }).collect();
        if named.len() > PEERS_AT_ONCE {
            return false;
        }
        // The machine gives nothing for what is not signed.
        if self.known.as_ref().is_none_or(|known| message.validate_integrity(&known.credentials).is_err()) {
            return true;
        }
        self.named.retain(|_, until| *until >= now);
        let new: HashSet<_> = named.iter().filter(|peer| !self.named.contains_key(peer)).collect();
        let fits = self.named.len() + new.len() <= PEERS;
        if fits {
            let until = now + if any_port { PERMISSION_TIME } else { CHANNEL_TIME };
            self.named.extend(named.into_iter().map(|peer| (peer, until)));
        }
        fits
    }

    /// Tells the machine the password, if the message proves that the client has it: user names are endless. Who asks for an allocation
    /// is looked at each time; what was allocated is its user's until it ends, also when the credentials have ended (so has coturn it:
    /// a call may last longer), and nobody else's.
    fn know(&mut self, message: &Message<'_>, check: impl Fn(&str) -> Option<String>) -> Option<Verdict> {
        let username = message.attribute::<Username>().ok().filter(|_| message.has_class(MessageClass::Request))?;
        let name = username.username().to_owned();
        let is_known = self.known.as_ref().is_some_and(|known| known.name == name);
        let taken = self.awaited > 0 || !self.relayed.is_empty();
        if is_known && (taken || !is_allocate(message)) {
            return None;
        }
        let password = check(&name);
        if is_known {
            if password.is_none() {
                self.start_over();
            }
            return None;
        }
        let password = password?;
        let credentials = LongTermKeyCredentials::new(name.clone(), password.clone(), REALM.to_owned()).into();
        let algorithm = message.validate_integrity(&credentials).ok()?;
        if taken {
            // RFC 8656, sections 5 and 7.2.
            let code = if is_allocate(message) { ErrorCode::ALLOCATION_MISMATCH } else { ErrorCode::WRONG_CREDENTIALS };
            return Some(error(message, code, &credentials, algorithm).map_or(Verdict::Drop, Verdict::Answer));
        }
        if self.known.is_some() {
            self.start_over();
        }
        self.known = Some(Known { name: name.clone(), credentials });
        self.machine.add_user(name, password);
        None
    }

    /// A machine knows its users for ever.
    fn start_over(&mut self) {
        self.machine = TurnServer::new(TransportType::Udp, self.machine.listen_address(), REALM.to_owned());
        self.known = None;
    }

    /// An error, to those who prove who they are; the machine tells the others to.
    fn refuse(&self, message: &Message<'_>, code: u16) -> Verdict {
        if !message.has_class(MessageClass::Request) {
            return Verdict::Drop;
        }
        let Some(known) = &self.known else { return Verdict::Pass };
        match message.validate_integrity(&known.credentials) {
            Ok(algorithm) => error(message, code, &known.credentials, algorithm).map_or(Verdict::Drop, Verdict::Answer),
            Err(_) => Verdict::Pass,
        }
    }
}

fn is_allocate(message: &Message<'_>) -> bool {
    message.has_class(MessageClass::Request) && message.has_method(ALLOCATE)
}

/// Whether the message names a peer that is not for relaying.
fn forbidden_peer(message: &Message<'_>, peers: &Peers, relayed: &Relayed) -> bool {
    let any_port = message.has_method(CREATE_PERMISSION);
    if !any_port && !message.has_method(CHANNEL_BIND) && !message.has_method(SEND) {
        return false;
    }
    peers_of(message).any(|peer| {
        !(if any_port { peers.permits_host(peer.ip()) } else { relayed.contains_key(&peer) || peers.permits(peer) })
    })
}

/// The peers that a message names.
fn peers_of(message: &Message<'_>) -> impl Iterator<Item = SocketAddr> {
    let named = message.iter_attributes().filter(|(_, raw)| raw.get_type() == XorPeerAddress::TYPE);
    let named = named.filter_map(|(_, raw)| XorPeerAddress::from_raw(raw).ok());
    named.map(|peer| peer.addr(message.transaction_id()))
}

fn error(
    message: &Message<'_>,
    code: u16,
    credentials: &MessageIntegrityCredentials,
    algorithm: IntegrityAlgorithm,
) -> Option<Vec<u8>> {
    let mut answer = Message::builder_error(message, MessageWriteVec::new());
    answer.add_attribute(&ErrorCode::builder(code).build().ok()?).ok()?;
    answer.add_message_integrity(credentials, algorithm).ok()?;
    answer.add_fingerprint().ok()?;
    Some(answer.finish())
}

/// RFC 8489, section 6.3.1: what a client's address looks like from here.
fn mapped_address(message: &Message<'_>, client: SocketAddr) -> Vec<u8> {
    let unknown = Message::check_attribute_types(message, &[Fingerprint::TYPE], &[], MessageWriteVec::new());
    let answer = unknown.unwrap_or_else(|| {
        let mut answer = Message::builder_success(message, MessageWriteVec::new());
        let mapped = XorMappedAddress::new(client, message.transaction_id());
        // A new message has room for both.
        if answer.add_attribute(&mapped).and_then(|()| answer.add_fingerprint()).is_err() {
            tracing::error!("a STUN answer was not made");
        }
        answer
    });
    answer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use turn_server_proto::{
        stun::types::{
            attribute::{Nonce, Realm},
            message::{MessageType, Method},
            prelude::AttributeWrite,
        },
        types::{
            attribute::{AdditionalAddressFamily, AddressErrorCode, Lifetime, RequestedTransport, XorRelayedAddress},
            message::REFRESH,
        },
    };

    const LATER: u64 = 4_000_000_000;

    /// A desk and one way to it.
    struct Story {
        desk: Desk,
        now: Instant,
        flow: Flow,
        nonce: String,
    }

    impl Story {
        fn new() -> Self {
            let address = |text: &str| text.parse().expect("an address");
            let flow = Flow { proto: Protocol::Udp, local: address("10.0.0.1:3478"), client: address("10.0.0.2:5000") };
            let limits = Limits { total: 10, per_identity: 10 };
            let now = Instant::now();
            let desk = Desk::new(Secret::new("north"), Peers::default(), limits, now);
            let mut story = Self { desk, now, flow, nonce: String::new() };
            let unsigned = Message::builder_request(ALLOCATE, MessageWriteVec::new()).finish();
            let challenge = story.ask(&unsigned);
            story.nonce = parse(&challenge).attribute::<Nonce>().expect("a nonce").nonce().to_owned();
            story
        }

        /// A signed request.
        fn request(&self, identity: &str, method: Method, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
            let id = TransactionId::generate();
            self.sign(identity, method, id, attributes)
        }

        fn sign(&self, identity: &str, method: Method, id: TransactionId, all: &[&dyn AttributeWrite]) -> Vec<u8> {
            let (name, password) = Secret::new("north").issue(identity, LATER);
            let kind = MessageType::from_class_method(MessageClass::Request, method);
            let mut request = Message::builder(kind, id, MessageWriteVec::new());
            all.iter().for_each(|attribute| request.add_attribute(*attribute).expect("room"));
            request.add_attribute(&Username::new(&name).expect("short")).expect("room");
            request.add_attribute(&Realm::new(REALM).expect("short")).expect("room");
            request.add_attribute(&Nonce::new(&self.nonce).expect("short")).expect("room");
            let credentials = LongTermKeyCredentials::new(name, password, REALM.to_owned()).into();
            request.add_message_integrity(&credentials, IntegrityAlgorithm::Sha1).expect("room");
            request.finish()
        }

        fn say(&mut self, contents: &[u8]) -> Vec<Effect> {
            self.desk.client_said(self.now, self.flow, contents);
            self.effects()
        }

        fn effects(&mut self) -> Vec<Effect> {
            std::iter::from_fn(|| self.desk.next()).collect()
        }

        /// What is answered, and nothing else.
        fn ask(&mut self, contents: &[u8]) -> Vec<u8> {
            match &self.say(contents)[..] {
                [Effect::ToClient { contents, .. }] => contents.clone(),
                effects => panic!("{effects:?}"),
            }
        }

        /// Ann has a relay on an address of the internet.
        fn allocate(&mut self) -> Vec<u8> {
            let request = self.request("ann", ALLOCATE, &[&RequestedTransport::new(17)]);
            assert!(matches!(self.say(&request)[..], [Effect::Allocate { family: AddressFamily::IPV4, .. }]));
            self.allocated(AddressFamily::IPV4, Ok(relay()))
        }

        fn allocated(&mut self, family: AddressFamily, outcome: Result<SocketAddr, SocketAllocateError>) -> Vec<u8> {
            self.desk.allocated(self.now, self.flow, family, outcome);
            match &self.effects()[..] {
                [Effect::ToClient { contents, .. }] => contents.clone(),
                effects => panic!("{effects:?}"),
            }
        }

        fn permit(&mut self, peers: impl IntoIterator<Item = [u8; 4]>) -> Result<(), u16> {
            let id = TransactionId::generate();
            let peers: Vec<_> = peers.into_iter().map(|ip| XorPeerAddress::new((ip, 9).into(), id)).collect();
            let peers: Vec<_> = peers.iter().map(|peer| peer as &dyn AttributeWrite).collect();
            let request = self.sign("ann", CREATE_PERMISSION, id, &peers);
            outcome(&self.ask(&request))
        }
    }

    fn relay() -> SocketAddr {
        ([8, 8, 8, 8], 50_000).into()
    }

    fn parse(bytes: &[u8]) -> Message<'_> {
        Message::from_bytes(bytes).expect("STUN")
    }

    fn outcome(answer: &[u8]) -> Result<(), u16> {
        match parse(answer).attribute::<ErrorCode>() {
            Ok(error) => Err(error.code()),
            Err(_) => Ok(()),
        }
    }

    fn relayed(answer: &[u8]) -> Option<SocketAddr> {
        let answer = parse(answer);
        Some(answer.attribute::<XorRelayedAddress>().ok()?.addr(answer.transaction_id()))
    }

    #[test]
    fn peers_are_limited_and_forgotten_in_time() {
        let mut story = Story::new();
        assert_eq!(relayed(&story.allocate()), Some(relay()));
        let peer = |nth: usize| [9, 9, (nth / 256) as u8, nth as u8];
        assert_eq!(story.permit((0..1_000).map(peer)), Err(508));
        for nth in (0..PEERS).step_by(PEERS_AT_ONCE) {
            assert_eq!(story.permit((nth..nth + PEERS_AT_ONCE).map(peer)), Ok(()));
        }
        assert_eq!(story.permit([peer(PEERS)]), Err(508));
        assert_eq!(story.permit([peer(PEERS - 1)]), Ok(()), "again");
        story.now += PERMISSION_TIME + Duration::from_secs(1);
        assert_eq!(story.permit([peer(PEERS)]), Ok(()), "the others are over");
    }

    #[test]
    fn of_two_addresses_one_may_fail_and_the_other_ends_in_time() {
        let v6: SocketAddr = "[2606:4700::1]:50000".parse().expect("an address");
        for (v4, v6) in [
            (Err(SocketAllocateError::InsufficientCapacity), Ok(v6)),
            (Ok(relay()), Err(SocketAllocateError::InsufficientCapacity)),
        ] {
            let mut story = Story::new();
            let both = AdditionalAddressFamily::new(AddressFamily::IPV6);
            let request = story.request("ann", ALLOCATE, &[&RequestedTransport::new(17), &both]);
            let wanted = story.say(&request).into_iter().map(|effect| match effect {
                Effect::Allocate { family, .. } => family,
                effect => panic!("{effect:?}"),
            });
            let [first, second] = wanted.collect::<Vec<_>>().try_into().expect("two");
            let result = |family| if family == AddressFamily::IPV4 { v4 } else { v6 };
            story.desk.allocated(story.now, story.flow, first, result(first));
            let answer = story.allocated(second, result(second));
            assert_eq!(relayed(&answer), v4.or(v6).ok());
            let failed = parse(&answer).attribute::<AddressErrorCode>().expect("the other failed").error().code();
            assert_eq!(failed, 508);
            assert_eq!(story.desk.len(), 1);
            let request = story.request("ann", REFRESH, &[&Lifetime::new(600)]);
            assert_eq!(outcome(&story.ask(&request)), Ok(()), "what is told is there");
            story.now += Duration::from_secs(7_200);
            story.desk.sweep(story.now, |_| true);
            assert!(matches!(story.effects()[..], [Effect::Release { .. }]));
            assert_eq!(story.desk.len(), 0);
        }
    }

    #[test]
    fn an_allocate_that_comes_again_is_the_same_one() {
        let mut story = Story::new();
        let request = story.request("ann", ALLOCATE, &[&RequestedTransport::new(17)]);
        assert!(matches!(story.say(&request)[..], [Effect::Allocate { .. }]));
        assert!(story.say(&request).is_empty(), "it is seen to");
        let answer = story.allocated(AddressFamily::IPV4, Ok(relay()));
        assert_eq!(relayed(&answer), Some(relay()));
        story.now += Duration::from_secs(30);
        assert_eq!(story.ask(&request), answer);
        let other = story.request("ann", ALLOCATE, &[&RequestedTransport::new(17)]);
        assert_eq!(outcome(&story.ask(&other)), Err(437), "another one is none");
        story.now += Duration::from_secs(11);
        assert_eq!(outcome(&story.ask(&request)), Err(437), "nobody asks for so long");
    }

    #[test]
    fn an_allocation_is_its_users_until_it_ends() {
        let mut story = Story::new();
        story.allocate();
        let udp = RequestedTransport::new(17);
        let request = story.request("bob", ALLOCATE, &[&udp]);
        assert_eq!(outcome(&story.ask(&request)), Err(437));
        let request = story.request("bob", REFRESH, &[&Lifetime::new(0)]);
        assert_eq!(outcome(&story.ask(&request)), Err(441));
        let release = story.request("ann", REFRESH, &[&Lifetime::new(0)]);
        let released = story.say(&release);
        assert!(released.iter().any(|effect| matches!(effect, Effect::Release { .. })), "{released:?}");
        // Now it is Bob's turn, with a nonce of his own.
        let request = story.request("bob", ALLOCATE, &[&udp]);
        let stale = story.ask(&request);
        assert_eq!(outcome(&stale), Err(438));
        story.nonce = parse(&stale).attribute::<Nonce>().expect("a nonce").nonce().to_owned();
        let request = story.request("bob", ALLOCATE, &[&udp]);
        assert!(matches!(story.say(&request)[..], [Effect::Allocate { .. }]));
    }

    #[test]
    fn after_their_end_credentials_keep_what_there_is_and_allocate_nothing() {
        let mut story = Story::new();
        story.allocate();
        story.desk.unix = || LATER;
        let request = story.request("ann", REFRESH, &[&Lifetime::new(600)]);
        assert_eq!(outcome(&story.ask(&request)), Ok(()));
        let request = story.request("ann", REFRESH, &[&Lifetime::new(0)]);
        story.say(&request);
        for code in [438, 401] {
            let request = story.request("ann", ALLOCATE, &[&RequestedTransport::new(17)]);
            let answer = story.ask(&request);
            assert_eq!(outcome(&answer), Err(code));
            story.nonce = parse(&answer).attribute::<Nonce>().expect("a nonce").nonce().to_owned();
        }
    }
}
