//! The floor: a WebSocket broadcast that does nothing else. One thread, one frame built a message, one write a
//! member. No server that writes once a member and message can cost less. With a [`Fault`] it misbehaves now and then,
//! to show that the loader's checks catch it.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::link::{Link, Poller, Scratch, would_block};
use crate::{frame, machine};

/// The listener's place in the epoll set; clients come after it.
const LISTENER: usize = usize::MAX / 2;

/// How the control server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Sends a delivery twice.
    Double,
    /// Sends a delivery after the one that follows it.
    Reorder,
    /// Leaves a delivery out.
    Drop,
    /// Sends a delivery to a member of another room as well.
    Leak,
    /// Changes a message's text.
    Garble,
}

/// A message as the meeting WebSocket would send it: the same bytes, so that the figures compare.
#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'a str,
    data: Chat<'a>,
}

#[derive(Serialize)]
struct Chat<'a> {
    message_id: &'a str,
    sender_id: &'a str,
    sender_name: &'a str,
    content: &'a str,
    message_type: &'a str,
    is_private: bool,
    recipient_user_id: Option<&'a str>,
    timestamp: &'a str,
    seq: u64,
}

struct Member {
    /// `None` once it has left.
    link: Option<Link>,
    /// `None` until the upgrade.
    room: Option<usize>,
}

struct Floor {
    poller: Poller,
    members: Vec<Member>,
    rooms: Vec<Vec<usize>>,
    /// What to do wrong, and at every how many deliveries.
    fault: Option<(Fault, u64)>,
    /// Frames that [`Fault::Reorder`] holds back, each until its member gets the next.
    held: Vec<(usize, Vec<u8>)>,
    deliveries: u64,
    messages: u64,
}

/// Serves until the process is ended.
pub(crate) fn serve(address: SocketAddr, fault: Option<(Fault, u64)>) -> Result<Infallible> {
    machine::raise_file_limit()?;
    let listener = TcpListener::bind(address).with_context(|| format!("can't listen on {address}"))?;
    listener.set_nonblocking(true)?;
    let poller = Poller::new()?;
    poller.add_listener(&listener, LISTENER)?;
    let mut floor =
        Floor { poller, members: Vec::new(), rooms: Vec::new(), fault, held: Vec::new(), deliveries: 0, messages: 0 };
    let mut scratch = Scratch::new();
    loop {
        for index in floor.poller.wait(None)? {
            match index {
                LISTENER => floor.accept(&listener)?,
                index => floor.serve_member(index, &mut scratch),
            }
        }
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) -> Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if would_block(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let link = Link::adopt(stream)?;
            self.poller.add(&link, self.members.len())?;
            self.members.push(Member { link: Some(link), room: None });
        }
    }

    /// Reads from one member. Whatever goes wrong with a member ends that member alone.
    fn serve_member(&mut self, index: usize, scratch: &mut Scratch) {
        let Some(mut link) = self.members[index].link.take() else { return };
        let read = link.receive(scratch, |link, bytes, _| self.take(index, link, bytes));
        match read {
            Ok(()) => self.members[index].link = Some(link),
            Err(_) => self.leave(index),
        }
    }

    fn take(&mut self, index: usize, link: &Link, bytes: &[u8]) -> Result<usize> {
        let Some(room) = self.members[index].room else { return self.upgrade(index, link, bytes) };
        let mut used = 0;
        while let Some(frame) = frame::first(&bytes[used..])? {
            let mut payload = bytes[used..][frame.payload.clone()].to_vec();
            used += frame.payload.end;
            if let (OpCode::Data(Data::Text), Some(mask)) = (frame.opcode, frame.mask) {
                frame::apply_mask(&mut payload, mask);
                self.broadcast(room, index, link, std::str::from_utf8(&payload)?)?;
            }
        }
        Ok(used)
    }

    fn upgrade(&mut self, index: usize, link: &Link, bytes: &[u8]) -> Result<usize> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(used) = request.parse(bytes)? else { return Ok(0) };
        let room = request.path.and_then(|path| path.strip_prefix("/rooms/"));
        let room: usize = room.context("the path is /rooms/NUMBER")?.parse()?;
        let key = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"));
        let accept = derive_accept_key(key.context("no WebSocket upgrade")?.value);
        if self.rooms.len() <= room {
            self.rooms.resize_with(room + 1, Vec::new);
        }
        self.rooms[room].push(index);
        self.members[index].room = Some(room);
        link.send(
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )
            .as_bytes(),
        )?;
        Ok(used)
    }

    fn leave(&mut self, index: usize) {
        if let Some(room) = self.members[index].room.take() {
            self.rooms[room].retain(|&member| member != index);
        }
    }

    /// One ready frame, one write a member. The sender's link is out of its place while its bytes are read.
    fn broadcast(&mut self, room: usize, sender: usize, sender_link: &Link, text: &str) -> Result<()> {
        self.messages += 1;
        let frame = chat_frame(text, self.messages)?;
        for &index in &self.rooms[room] {
            let link = if index == sender { Some(sender_link) } else { self.members[index].link.as_ref() };
            let Some(link) = link else { continue };
            self.deliveries += 1;
            let sent = match self.fault.filter(|(_, every)| self.deliveries.is_multiple_of(*every)) {
                None => link.send(&frame),
                Some((Fault::Reorder, _)) => {
                    self.held.push((index, frame.clone()));
                    continue;
                }
                Some((fault, _)) => self.misbehave(fault, room, link, &frame),
            };
            // A member that has gone away is noticed when its own link is read.
            sent.ok();
            if let Some(late) = self.held.iter().position(|(member, _)| *member == index) {
                link.send(&self.held.swap_remove(late).1).ok();
            }
        }
        Ok(())
    }

    fn misbehave(&self, fault: Fault, room: usize, link: &Link, frame: &[u8]) -> Result<()> {
        match fault {
            Fault::Double => link.send(&[frame, frame].concat()),
            Fault::Drop | Fault::Reorder => Ok(()),
            Fault::Garble => link.send(&garbled(frame)),
            Fault::Leak => {
                let other = self.rooms[(room + 1) % self.rooms.len()].first();
                if let Some(link) = other.and_then(|&index| self.members[index].link.as_ref()) {
                    link.send(frame)?;
                }
                link.send(frame)
            }
        }
    }
}

fn chat_frame(text: &str, seq: u64) -> Result<Vec<u8>> {
    let data = Chat {
        message_id: "message-0193a1f2-7c3e-7d10-9a64-5b1f0c2d3e4f",
        sender_id: "0193a1f2-7c3e-7d10-9a64-000000000001",
        sender_name: "Bench Mark",
        content: text,
        message_type: "text",
        is_private: false,
        recipient_user_id: None,
        timestamp: "2026-01-01T00:00:00.000000Z",
        seq,
    };
    frame::server_text(&serde_json::to_vec(&Envelope { r#type: "chat_message", data })?)
}

fn garbled(frame: &[u8]) -> Vec<u8> {
    frame.iter().map(|&byte| if byte == b'q' { b'k' } else { byte }).collect()
}
