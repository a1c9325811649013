//! What the machine is told, and what it says: closed enums, in and out.

pub use crate::room::relay::Relay;
use crate::rtp;
use livekit_protocol as proto;
use std::{net::SocketAddr, time::Instant};
use str0m::net::Protocol;

/// One signalling connection (a WebSocket), named by whoever holds it. Never used twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// No connection's: of who is in a room without one (a participant who is forwarded from another).
    pub const NONE: Self = Self(0);
}

/// A question's own number, repeated by its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AskId(pub u64);

#[derive(Debug)]
pub enum Input<'a> {
    /// One datagram, or one frame of an ICE-TCP connection (RFC 4571, without its length).
    Datagram(Datagram<'a>),
    /// A signalling connection whose token was found good. Answered by `join`, `reconnect` or `leave`.
    Connect {
        connection: ConnectionId,
        join: Box<Join>,
    },
    Signal {
        connection: ConnectionId,
        request: Box<proto::SignalRequest>,
    },
    /// The connection is gone, without a `leave`. Its participant is kept for a while: it may resume.
    Disconnect {
        connection: ConnectionId,
    },
    Command {
        connection: ConnectionId,
        command: Command,
    },
    Ask {
        id: AskId,
        ask: Box<Ask>,
    },
    /// What another room told one of this machine's.
    Relay(Relay),
    /// Nothing came, but `Output::Timeout`'s time did.
    Timeout,
}

#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    pub proto: Protocol,
    pub source: SocketAddr,
    /// Which of our addresses it came to.
    pub destination: SocketAddr,
    /// When it came: no later than it is handled. What is said of arrivals does not depend on when they are looked at.
    pub arrived: Instant,
    pub contents: &'a [u8],
}

impl Datagram<'_> {
    /// SRTCP: what is said of media. It can wait a few milliseconds.
    pub fn is_feedback(&self) -> bool {
        rtp::is(self.contents) && rtp::is_rtcp(self.contents)
    }
}

/// How many peer connections the client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One, for both directions; the client offers. `/rtc/v1`.
    Single,
    /// One to publish (the client offers) and one to subscribe (we offer). `/rtc`.
    Dual,
}

/// Who comes in, with what the token allows. The door has checked the token; what is here is true.
#[derive(Debug, Clone)]
pub struct Join {
    pub room: String,
    /// Settings of the room, if it is made by this join.
    pub room_config: proto::RoomConfiguration,
    pub identity: String,
    pub name: String,
    pub metadata: String,
    pub attributes: std::collections::HashMap<String, String>,
    pub kind: proto::participant_info::Kind,
    pub permission: proto::ParticipantPermission,
    pub mode: Mode,
    /// As the client sent it; version 0's query parameters are put into the same form.
    pub request: proto::JoinRequest,
    /// STUN and TURN servers for this client.
    pub ice_servers: Vec<proto::IceServer>,
    /// Chat (`lk.chat`) is stored by the host of this machine and comes back as [`Command::Data`]; it is told by
    /// [`Event::Chat`] and not forwarded.
    pub keeps_chat: bool,
    /// Rooms that do not exist are made; else the join is refused.
    pub create_room: bool,
}

/// What the holder of a connection may order for its participant.
#[derive(Debug, Clone)]
pub enum Command {
    /// Out of the room, with the reason that the client is told. Does not come back by `reconnect`.
    Evict(proto::DisconnectReason),
    /// Mutes all published tracks of these sources; the client is told.
    Mute(Vec<proto::TrackSource>),
    /// From now on these permissions hold; published tracks that they no longer cover are unpublished.
    Permit(proto::ParticipantPermission),
    /// To this participant alone, on the reliable channel.
    Data(Box<proto::DataPacket>),
    /// To the client as it is (refreshed tokens).
    Say(Box<proto::SignalResponse>),
}

/// The server API: LiveKit's RoomService. Requests are its own messages.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "questions are few, and boxed as a whole")]
pub enum Ask {
    CreateRoom(proto::CreateRoomRequest),
    ListRooms(proto::ListRoomsRequest),
    DeleteRoom(proto::DeleteRoomRequest),
    ListParticipants(proto::ListParticipantsRequest),
    GetParticipant(proto::RoomParticipantIdentity),
    RemoveParticipant(proto::RoomParticipantIdentity),
    MutePublishedTrack(proto::MuteRoomTrackRequest),
    UpdateParticipant(proto::UpdateParticipantRequest),
    UpdateSubscriptions(proto::UpdateSubscriptionsRequest),
    SendData(proto::SendDataRequest),
    UpdateRoomMetadata(proto::UpdateRoomMetadataRequest),
    PerformRpc(proto::PerformRpcRequest),
    ForwardParticipant(proto::ForwardParticipantRequest),
    MoveParticipant(proto::MoveParticipantRequest),
    /// As `MoveParticipant`, with the participant's token for the other room, which may live on another worker.
    Move {
        request: proto::MoveParticipantRequest,
        token: String,
    },
    /// Everybody is told to reconnect elsewhere; then the machine is empty.
    Drain,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Done,
    Room(Box<proto::Room>),
    Rooms(Vec<proto::Room>),
    Participant(Box<proto::ParticipantInfo>),
    Participants(Vec<proto::ParticipantInfo>),
    Track(Box<proto::TrackInfo>),
    Rpc(String),
}

/// Why a question was not answered; each is one of Twirp's error codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    NotFound(&'static str),
    #[error("{0}")]
    InvalidArgument(&'static str),
    #[error("{0}")]
    FailedPrecondition(&'static str),
    #[error("{0}")]
    Unimplemented(&'static str),
    /// The worker stopped, or lost its rooms, before it answered. Said by the hands, never by the machine.
    #[error("{0}")]
    Unavailable(&'static str),
    /// PerformRpc: the method's own error.
    #[error("{message}")]
    Rpc { code: u32, message: String, data: String },
}

#[derive(Debug)]
pub enum Output {
    Transmit(Transmit),
    Signal {
        connection: ConnectionId,
        response: Box<proto::SignalResponse>,
    },
    /// Nothing more will be said on this connection: send what was said, then close it.
    Close {
        connection: ConnectionId,
    },
    Event(Box<Event>),
    Answer {
        id: AskId,
        answer: Result<Answer, Refusal>,
    },
    /// For the machine in which the room of this name is, or will be: as [`Input::Relay`], in the order in which it was said.
    /// It may be this machine.
    Relay(Relay),
    /// There is nothing more to say until then, if no input comes.
    Timeout(Instant),
}

/// From where to where datagrams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub proto: Protocol,
    /// From which of our addresses.
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

/// Datagrams to send, one behind the other: of `segment` bytes each, the last may be shorter.
#[derive(Debug)]
pub struct Transmit {
    pub route: Route,
    pub contents: Vec<u8>,
    pub segment: usize,
}

impl Transmit {
    /// One datagram.
    pub fn one(route: Route, contents: Vec<u8>) -> Self {
        Self { route, segment: contents.len(), contents }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.contents.len().div_ceil(self.segment.max(1)).max(1)
    }

    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.contents.chunks(self.segment.max(1))
    }
}

/// What happened, for the host of this machine and for webhooks.
#[derive(Debug, Clone)]
pub struct Event {
    pub room: proto::Room,
    pub kind: EventKind,
}

#[derive(Debug, Clone)]
pub enum EventKind {
    RoomStarted,
    RoomFinished(proto::RoomEndReason),
    /// The participant's media is connected.
    ParticipantJoined {
        connection: ConnectionId,
        info: proto::ParticipantInfo,
    },
    /// `info.disconnect_reason` says why. `connection`: the last it had.
    ParticipantLeft {
        connection: ConnectionId,
        info: proto::ParticipantInfo,
    },
    /// Went before its media was connected.
    ParticipantAborted {
        connection: ConnectionId,
        info: proto::ParticipantInfo,
    },
    TrackPublished {
        info: proto::ParticipantInfo,
        track: proto::TrackInfo,
    },
    TrackUnpublished {
        info: proto::ParticipantInfo,
        track: proto::TrackInfo,
    },
    /// The client muted or unmuted its own tracks, or published: what others see of it.
    MediaState {
        connection: ConnectionId,
        audio: bool,
        video: bool,
    },
    /// The client gave itself another name.
    Renamed {
        connection: ConnectionId,
        name: String,
    },
    /// A piece of a chat message of a participant whose join said `keeps_chat`: a text stream's header, a chunk, its trailer,
    /// or a whole `ChatMessage`, in their order.
    Chat {
        connection: ConnectionId,
        packet: Box<proto::DataPacket>,
    },
}
