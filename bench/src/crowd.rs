//! Many clients in one thread: they connect, join their rooms, and report what they hear.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::dialect::{Dialect, Heard, Seat};
use crate::link::{Link, Poller, Scratch};
use crate::mark::{Mark, MarkReader};
use crate::{frame, http, machine};

/// Clients on their way in at the same time: enough to keep a server busy, few enough for its listen queue.
const CONNECTING: usize = 32;

/// Nanoseconds after which an unanswered join counts as lost and is sent again.
const JOIN_PATIENCE: u64 = 5_000_000_000;

/// Joins sent again before the benchmark gives up.
const JOIN_TRIES: u32 = 3;

/// Something a client heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// The client's index, which is its seat's.
    pub(crate) client: usize,
    /// When it came in, by the kernel's clock ([`machine::now`]).
    pub(crate) at: u64,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// A room message; `None` where its text isn't what anybody sent.
    Message(Option<Mark>),
    Acknowledged {
        number: u32,
        accepted: bool,
    },
    /// The server refused something after the client had joined.
    Refused,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Upgrading,
    Joining { since: u64, tries: u32 },
    Joined,
}

struct Client {
    link: Link,
    stage: Stage,
}

/// The clients of one benchmark, all of one dialect.
pub(crate) struct Crowd {
    dialect: Dialect,
    address: SocketAddr,
    seats: Vec<Seat>,
    clients: Vec<Client>,
    joined: usize,
    /// Joins that were never answered.
    pub(crate) first_events_lost: u64,
    /// Payload bytes of room messages, and how many there were.
    pub(crate) message_bytes: (u64, u64),
    poller: Poller,
    scratch: Scratch,
    marks: MarkReader,
    events: Vec<Event>,
}

impl Crowd {
    /// Connects one client a seat and waits until all are in their rooms.
    pub(crate) fn gather(address: SocketAddr, dialect: Dialect, seats: Vec<Seat>) -> Result<Self> {
        let mut crowd = Self {
            dialect,
            address,
            clients: Vec::with_capacity(seats.len()),
            seats,
            joined: 0,
            first_events_lost: 0,
            message_bytes: (0, 0),
            poller: Poller::new()?,
            scratch: Scratch::new(),
            marks: MarkReader::new(),
            events: Vec::new(),
        };
        let mut next_check = machine::now() + JOIN_PATIENCE;
        while crowd.joined < crowd.seats.len() {
            while crowd.clients.len() < crowd.seats.len() && crowd.clients.len() - crowd.joined < CONNECTING {
                crowd.open()?;
            }
            crowd.listen(next_check)?;
            if machine::now() >= next_check {
                crowd.join_again()?;
                next_check += JOIN_PATIENCE;
            }
        }
        Ok(crowd)
    }

    pub(crate) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Says `text` to the client's room.
    pub(crate) fn say(&self, client: usize, number: u32, text: &str) -> Result<()> {
        let frame = frame::client_text(self.dialect.say(&self.seats[client], number, text).as_bytes())?;
        self.clients[client].link.send(&frame)
    }

    /// Waits until the given time for something to be heard. The events are in the order of arrival for each client.
    pub(crate) fn listen(&mut self, until: u64) -> Result<std::vec::Drain<'_, Event>> {
        for client in self.poller.wait(Some(until))? {
            self.read(client).with_context(|| format!("client {client}"))?;
        }
        Ok(self.events.drain(..))
    }

    fn open(&mut self) -> Result<()> {
        let index = self.clients.len();
        let link = Link::connect(self.address)?;
        link.send(upgrade_request(&self.dialect.path(&self.seats[index])).as_bytes())?;
        self.poller.add(&link, index)?;
        self.clients.push(Client { link, stage: Stage::Upgrading });
        Ok(())
    }

    fn read(&mut self, index: usize) -> Result<()> {
        let Client { link, stage } = &mut self.clients[index];
        let mut ears = Ears {
            dialect: self.dialect,
            seat: &self.seats[index],
            client: index,
            stage: *stage,
            marks: &self.marks,
            events: &mut self.events,
            message_bytes: &mut self.message_bytes,
        };
        link.receive(&mut self.scratch, |link, bytes, at| ears.take(link, bytes, at))?;
        if *stage != Stage::Joined && ears.stage == Stage::Joined {
            self.joined += 1;
        }
        *stage = ears.stage;
        Ok(())
    }

    /// Repeats the joins that have waited too long, and counts them.
    fn join_again(&mut self) -> Result<()> {
        let now = machine::now();
        for (client, seat) in self.clients.iter_mut().zip(&self.seats) {
            let Stage::Joining { since, tries } = &mut client.stage else { continue };
            if now.saturating_sub(*since) < JOIN_PATIENCE {
                continue;
            }
            ensure!(*tries < JOIN_TRIES, "a client was never let into its room");
            (*since, *tries) = (now, *tries + 1);
            self.first_events_lost += 1;
            if let Some(join) = self.dialect.join(seat) {
                client.link.send(&frame::client_text(join.as_bytes())?)?;
            }
        }
        Ok(())
    }
}

/// What one client makes of the bytes that came in.
struct Ears<'a> {
    dialect: Dialect,
    seat: &'a Seat,
    client: usize,
    stage: Stage,
    marks: &'a MarkReader,
    events: &'a mut Vec<Event>,
    message_bytes: &'a mut (u64, u64),
}

impl Ears<'_> {
    /// Takes all that is whole; returns how many bytes that was.
    fn take(&mut self, link: &Link, bytes: &[u8], at: u64) -> Result<usize> {
        let mut used = 0;
        if self.stage == Stage::Upgrading {
            match self.upgraded(link, bytes)? {
                Some(head) => used = head,
                None => return Ok(0),
            }
        }
        while let Some(frame) = frame::first(&bytes[used..])? {
            let payload = &bytes[used..][frame.payload.clone()];
            used += frame.payload.end;
            match frame.opcode {
                OpCode::Data(Data::Text) => self.hear(link, payload, at)?,
                OpCode::Control(Control::Ping) => link.send(&frame::client_pong(payload)?)?,
                OpCode::Control(Control::Close) => {
                    bail!("the server closed the WebSocket: {}", String::from_utf8_lossy(payload))
                }
                _ => {}
            }
        }
        Ok(used)
    }

    /// The length of the answer to the upgrade, once it is whole.
    fn upgraded(&mut self, link: &Link, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(response) = http::response(bytes)? else { return Ok(None) };
        let status = response.status;
        ensure!(status == 101, "no upgrade ({status}): {}", String::from_utf8_lossy(&bytes[response.body]));
        self.stage = match self.dialect.joins_by_upgrade() {
            true => Stage::Joined,
            false => Stage::Joining { since: machine::now(), tries: 0 },
        };
        if let Some(opening) = self.dialect.opening() {
            link.send(&frame::client_text(opening.as_bytes())?)?;
        }
        Ok(Some(response.body.end))
    }

    fn hear(&mut self, link: &Link, payload: &[u8], at: u64) -> Result<()> {
        let what = match self.dialect.hear(self.seat, payload) {
            Heard::Message => {
                self.message_bytes.0 += payload.len() as u64;
                self.message_bytes.1 += 1;
                What::Message(self.marks.read(payload))
            }
            Heard::Acknowledged { number, accepted } => What::Acknowledged { number, accepted },
            Heard::Refused if self.stage == Stage::Joined => What::Refused,
            Heard::Refused => bail!("not let into the room: {}", String::from_utf8_lossy(payload)),
            Heard::Answer(text) => return link.send(&frame::client_text(text.as_bytes())?),
            Heard::Joined => {
                self.stage = Stage::Joined;
                return Ok(());
            }
            Heard::Other => return Ok(()),
        };
        self.events.push(Event { client: self.client, at, what });
        Ok(())
    }
}

/// The key is RFC 6455's example: servers only hash it.
fn upgrade_request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}
