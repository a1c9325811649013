//! Who is connected: from the connections that the media's events name to the attendees whom they concern.

use crate::{
    chat::{Chat, Collector},
    host::Orders,
};
use convo_media::Commander;
use convo_sfu::{ConnectionId, Event, EventKind};
use livekit_protocol::{DataPacket, DisconnectReason, ParticipantInfo};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{mpsc, watch};

/// Chat messages that wait for the store, of one attendee. Who writes faster for longer loses the rest.
const CHATS: usize = 1024;

/// An identity in a media room.
pub(crate) type Name = (String, String);

/// What the media side knows of an attendee now; each change replaces what was.
#[derive(Clone)]
pub(crate) struct Standing {
    /// To the participant, also while no connection is there.
    pub(crate) orders: Orders,
    /// Media is connected.
    pub(crate) joined: bool,
    /// Audio and video are on.
    pub(crate) media: Option<(bool, bool)>,
    /// The name that the client gave itself last, and how often it gave itself one: it may return to that of before.
    pub(crate) name: Option<(u64, String)>,
    pub(crate) left: Option<Farewell>,
}

/// How a participant went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// Said goodbye.
    Goodbye,
    Lost,
}

/// The media's end of an attendee.
pub(crate) struct Line {
    standing: watch::Sender<Standing>,
    chat: Mutex<Collector>,
    chats: mpsc::Sender<Chat>,
}

/// The attendee's end.
pub(crate) struct Ears {
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) chats: mpsc::Receiver<Chat>,
}

#[derive(Default)]
pub(crate) struct Hall {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lines: HashMap<ConnectionId, Arc<Line>>,
    names: HashMap<Name, Arc<Line>>,
}

impl Line {
    pub(crate) fn new(orders: Orders) -> (Arc<Self>, Ears) {
        let (standing, heard) = watch::channel(Standing { orders, joined: false, media: None, name: None, left: None });
        let (chats, written) = mpsc::channel(CHATS);
        (Arc::new(Self { standing, chat: Mutex::default(), chats }), Ears { standing: heard, chats: written })
    }

    pub(crate) fn joined(&self) {
        self.standing.send_modify(|standing| standing.joined = true);
    }

    /// Whether audio and video are on.
    pub(crate) fn media(&self, audio: bool, video: bool) {
        self.standing.send_modify(|standing| standing.media = Some((audio, video)));
    }

    fn renamed(&self, name: &str) {
        self.standing.send_modify(|standing| {
            let before = standing.name.as_ref().map_or(0, |(times, _)| *times);
            standing.name = Some((before + 1, name.to_owned()));
        });
    }

    /// A data packet of the participant, which may complete a chat message.
    pub(crate) fn packet(&self, packet: DataPacket) {
        let chat = self.chat.lock().take(packet);
        if chat.is_some_and(|chat| self.chats.try_send(chat).is_err()) {
            tracing::warn!("a LiveKit client writes faster than messages are stored: some is lost");
        }
    }

    fn commanders(&self, change: impl FnOnce(&mut Vec<Commander>)) {
        self.standing.send_modify(|standing| {
            if let Orders::Here(commanders) = &mut standing.orders {
                change(commanders);
            }
        });
    }

    /// Nobody listens at the attendee's end any more.
    pub(crate) fn deserted(&self) -> bool {
        self.chats.is_closed()
    }

    pub(crate) fn leave(&self, farewell: Farewell) {
        self.standing.send_modify(|standing| standing.left = Some(farewell));
    }
}

impl Hall {
    /// A connection of the one called `name`. A client that resumes goes on with the attendee it has; else the ears are for a
    /// new one. Whether it may is yet to be seen: until then orders go by the connections of before, too.
    pub(crate) fn connected(&self, name: &Name, commander: Commander, resumes: bool) -> Option<Ears> {
        let id = commander.id();
        let mut state = self.state.lock();
        if let Some(line) = state.names.get(name).filter(|_| resumes).cloned() {
            line.commanders(|commanders| commanders.push(commander));
            state.lines.insert(id, line);
            return None;
        }
        let (line, ears) = Line::new(Orders::Here(vec![commander]));
        state.lines.insert(id, line.clone());
        state.names.insert(name.clone(), line);
        Some(ears)
    }

    /// The connection was let in: those of before are over.
    pub(crate) fn let_in(&self, connection: ConnectionId) {
        let past = |commanders: &mut Vec<Commander>| commanders.retain(|one| one.id() >= connection);
        self.line(connection, |line| line.commanders(past));
    }

    /// The connection was refused: whoever was made for it is not needed.
    pub(crate) fn refused(&self, connection: ConnectionId) {
        let mut state = self.state.lock();
        let Some(line) = state.lines.remove(&connection) else { return };
        line.commanders(|commanders| commanders.retain(|one| one.id() != connection));
        if !state.lines.values().any(|other| Arc::ptr_eq(other, &line)) {
            state.names.retain(|_, other| !Arc::ptr_eq(other, &line));
            line.leave(Farewell::Lost);
        }
    }

    pub(crate) fn tell(&self, event: &Event) {
        match &event.kind {
            EventKind::ParticipantJoined { connection, .. } => self.line(*connection, Line::joined),
            EventKind::MediaState { connection, audio, video } => {
                self.line(*connection, |line| line.media(*audio, *video));
            }
            EventKind::Renamed { connection, name } => self.line(*connection, |line| line.renamed(name)),
            EventKind::Chat { connection, packet } => self.line(*connection, |line| line.packet((**packet).clone())),
            EventKind::ParticipantLeft { connection, info } | EventKind::ParticipantAborted { connection, info } => {
                self.left(*connection, farewell(info));
            }
            _ => {}
        }
    }

    fn line(&self, connection: ConnectionId, tell: impl FnOnce(&Line)) {
        let line = self.state.lock().lines.get(&connection).cloned();
        if let Some(line) = line {
            tell(&line);
        }
    }

    fn left(&self, connection: ConnectionId, farewell: Farewell) {
        let mut state = self.state.lock();
        let Some(line) = state.lines.remove(&connection) else { return };
        state.lines.retain(|_, other| !Arc::ptr_eq(other, &line));
        state.names.retain(|_, other| !Arc::ptr_eq(other, &line));
        line.leave(farewell);
    }
}

pub(crate) fn farewell(info: &ParticipantInfo) -> Farewell {
    match info.disconnect_reason() {
        DisconnectReason::ClientInitiated => Farewell::Goodbye,
        _ => Farewell::Lost,
    }
}
