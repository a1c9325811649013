//! What an application implements, and what it is told.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use serde::Serialize;

use crate::handshake::Handshake;
use crate::id::Sid;
use crate::packet::args::Args;
use crate::packet::{Packet, sequence};

/// The application's side of a server.
///
/// A socket is one client in one namespace. It begins with [`App::connect`] and ends with
/// [`App::disconnect`], exactly once each. All calls for one client come from one task.
pub trait App: Send + Sync + 'static {
    /// What the application keeps for each socket.
    type Socket: Feed;

    /// Where a client comes from, for the limits of one address. By default [`Handshake::remote`].
    fn address(&self, handshake: &Handshake) -> Option<IpAddr> {
        handshake.remote().map(|remote| remote.ip())
    }

    /// A client asks to join a namespace: look at [`Connect::namespace`] and at who it is.
    ///
    /// CONNECT is answered when this is done, so no event can come before the socket is there. It is
    /// never cancelled: a socket whose client went away meanwhile is disconnected.
    fn connect(&self, connect: &Connect) -> impl Future<Output = Result<Self::Socket, Denied>> + Send;

    /// A client sent an event.
    ///
    /// The future is polled at once, before the client's next event is looked at: what happens before its first
    /// `Pending` happens in the order of arrival. Then it runs beside others of the same client, and to its
    /// end, also when the client is gone. Its output is sent if the client asked for an acknowledgement.
    fn event(&self, socket: &mut Self::Socket, event: Event<'_>) -> Reply;

    /// A client acknowledged an event that was sent with [`crate::EventPacket::ack`] set to `id`.
    fn ack(&self, socket: &mut Self::Socket, id: u64, args: Args<'_>, attachments: Vec<Bytes>) {
        let _ = (socket, id, args, attachments);
    }

    /// The connection to a client was lost, and the client knows how to come back.
    ///
    /// `Some(key)` keeps the socket for the recovery window; how many are kept under one key is
    /// limited ([`crate::Config::max_parked_per_key`]), so the key should be the user. Its feed fills
    /// meanwhile. `None` ends the socket now.
    fn park(&self, socket: &mut Self::Socket, reason: Reason) -> Option<u128> {
        let _ = (socket, reason);
        None
    }

    /// A client comes back for its parked socket: is it still the same user, and still welcome?
    ///
    /// With `false` the old socket is disconnected and [`App::connect`] decides afresh. With [`Later`] it is kept.
    fn recover(
        &self,
        socket: &mut Self::Socket,
        connect: &Connect,
    ) -> impl Future<Output = Result<bool, Later>> + Send {
        let _ = (socket, connect);
        async { Ok(false) }
    }

    /// The client is back, and [`App::recover`] has let it: its feed was polled for what it missed.
    fn recovered(&self, socket: &mut Self::Socket) {
        let _ = socket;
    }

    /// The socket is gone for good.
    fn disconnect(&self, socket: Self::Socket, reason: Reason);
}

/// What becomes of an event: the acknowledgement, if there is to be one.
pub type Reply = Pin<Box<dyn Future<Output = Option<Ack>> + Send>>;

/// Where a socket's frames come from: the application's bounded mailbox.
pub trait Feed: Send + 'static {
    /// Appends the frames that are ready to `out`.
    ///
    /// `Ready(Ok(()))` when there were some; `Pending` when there were none, and the task is then woken
    /// by the next. `Ready(Err(_))` ends the socket, after what was appended, as [`Closed`] says.
    /// Called only when the client's transport can take more.
    fn poll_frames(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<Result<(), Closed>>;

    /// As [`Feed::poll_frames`], for whoever brings the frames while the client's task sleeps: on any thread, outside of any
    /// runtime, perhaps with locks held under which the application wakes its feeds.
    ///
    /// `Ready(false)` when there is, or may be, more to do than to append frames: the task is woken to go on, after what was
    /// appended.
    fn poll_beside(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<bool> {
        let _ = (cx, out);
        Poll::Ready(false)
    }
}

/// How a feed ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The application is done with the socket. The client is told by DISCONNECT, and official clients do not come back
    /// after that.
    Dismissed,
    /// The feed can't go on: its client is too slow for it, or what it reads from has failed. The connection ends like one
    /// that broke, so that the client comes back; the socket may be parked meanwhile.
    Lost,
}

/// Something to send.
#[derive(Clone, Debug)]
pub enum Frame {
    /// Sent if the client is there, and forgotten.
    Packet(Packet),
    /// Remembered until the client comes back, and then sent again if it was missed.
    ///
    /// Only for sockets that take offsets ([`Connect::takes_offsets`]).
    Recoverable {
        /// Has the offset as its last argument ([`Packet::with_offset`]).
        packet: Packet,
        /// Names the frame, the same for all sockets.
        offset: Arc<str>,
    },
    /// Frames were lost here, because the mailbox was full: a client that missed something from before
    /// can't recover.
    Gap,
}

/// A client's request to join a namespace.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connect {
    /// E.g. `/` or `/admin`.
    pub namespace: Arc<str>,
    /// The socket's id, which the client knows too, and which may be shown to others. Recovery keeps it.
    pub sid: Sid,
    /// The auth payload: an object, empty when the client sent none.
    pub auth: serde_json::Value,
    /// The HTTP request with which the client came.
    pub handshake: Arc<Handshake>,
    /// Whether the socket can recover, so that its feed may give [`Frame::Recoverable`] with an offset
    /// as last argument. True for JavaScript clients, which do not mind one more argument, unless `{"recovery": false}`
    /// in the auth payload says no, and for who asks for it with `{"recovery": true}`.
    pub takes_offsets: bool,
}

/// An event from a client.
#[derive(Debug)]
pub struct Event<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its arguments.
    pub args: Args<'a>,
    /// The binary arguments, for which the JSON has a [`crate::Placeholder`].
    pub attachments: Vec<Bytes>,
    /// Whether the client waits for an acknowledgement.
    pub wants_ack: bool,
}

/// An acknowledgement's arguments.
#[derive(Clone, Debug)]
pub struct Ack {
    pub(crate) args: String,
    pub(crate) attachments: Vec<Bytes>,
}

impl Ack {
    /// Acknowledges with `args`: a tuple, slice or list.
    ///
    /// # Errors
    /// When `args` can't be written as JSON, or is anything but a sequence.
    pub fn new(args: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        Ok(Self { args: sequence(args)?, attachments: Vec::new() })
    }

    /// With binary arguments, for which `args` has a [`crate::Placeholder`] each.
    pub fn with_attachments(mut self, attachments: Vec<Bytes>) -> Self {
        self.attachments = attachments;
        self
    }
}

/// Why a client is not let in.
#[derive(Clone, Debug)]
pub enum Denied {
    /// It may not join. It is told by CONNECT_ERROR, and official JavaScript clients do not try again after that.
    Refused(Refusal),
    /// As [`Later`] says.
    Later,
}

/// Whether a client may join can't be said now: what that depends on does not answer. The connection ends like one that
/// broke, so that the client comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later;

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Later> for Denied {
    fn from(_: Later) -> Self {
        Self::Later
    }
}

/// Why a client may not join, as its `connect_error` tells it.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<serde_json::Value>,
}

impl Refusal {
    /// The text becomes the client's `error.message`.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// What the official server says of a namespace that does not exist.
    pub fn invalid_namespace() -> Self {
        Self::new("Invalid namespace")
    }

    /// The value becomes the client's `error.data`.
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }
}

/// Why a socket is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client left the namespace.
    ClientDisconnect,
    /// The feed closed: [`Closed::Dismissed`].
    ServerDisconnect,
    /// The feed can't go on: [`Closed::Lost`].
    FeedLost,
    /// Whether the client may join could not be said: [`Later`].
    PutOff,
    /// The client closed the connection.
    TransportClose,
    /// The connection broke.
    TransportError,
    /// A ping was not answered.
    PingTimeout,
    /// The client does not read what it is sent.
    SlowReader,
    /// The client was in no namespace for too long.
    ConnectTimeout,
    /// The client broke the protocol.
    ParseError,
    /// The client came back before its old connection was known to be lost.
    Replaced,
    /// The client came back, but its state was out of date or [`App::recover`] refused it.
    RecoveryRefused,
    /// The server shuts down.
    Shutdown,
}

impl Reason {
    /// Whether the client did not mean to go, so that it may come back.
    pub(crate) fn is_loss(self) -> bool {
        matches!(
            self,
            Self::FeedLost
                | Self::PutOff
                | Self::TransportClose
                | Self::TransportError
                | Self::PingTimeout
                | Self::SlowReader
                | Self::Replaced
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientDisconnect => "client namespace disconnect",
            Self::ServerDisconnect => "server namespace disconnect",
            Self::FeedLost => "feed lost",
            Self::PutOff => "put off",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::SlowReader => "slow reader",
            Self::ConnectTimeout => "connect timeout",
            Self::ParseError => "parse error",
            Self::Replaced => "replaced",
            Self::RecoveryRefused => "recovery refused",
            Self::Shutdown => "server shutting down",
        })
    }
}
