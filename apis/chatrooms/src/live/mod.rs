//! "Real-Time Communication with Socket.IO", in the namespaces `/` and `/socket.io`.
//!
//! From a client: `joinRoom`, `leaveRoom`, `chatroomMessage`, `typing`. To a client: `newMessage`, `userJoined`,
//! `userLeft`, `typing`, `error`. An event that asks for an acknowledgement gets `{ok: true, …}` or `{ok: false, error}`.

mod desk;
mod feed;
mod lag;
mod presence;
mod word;

use crate::wire;
use axum::http::header::AUTHORIZATION;
use convo_domain::{
    Asker, Error,
    error::{Kind, Result},
    user::Actor,
};
use convo_kit::{Shared, door::client_address, voice};
use convo_socketio::{App, Config, Connect, Denied, Event, Handshake, Later, Reason, Refusal, Reply, SocketIo};
use desk::Desk;
use feed::Socket;
use presence::Presence;
use serde_json::json;
use std::{net::IpAddr, sync::Arc, time::Duration};
use word::Namespace;

/// The Socket.IO server, to be mounted by [`SocketIo::router`] and shut down by [`SocketIo::close_all`].
pub fn socket_io(app: &Shared) -> SocketIo<Live> {
    SocketIo::new(Live { app: app.clone(), presence: Arc::default() }, config())
}

/// Who joins no namespace has not said who they are: they are few, and not for long.
fn config() -> Config {
    Config {
        connect_timeout: Duration::from_secs(10),
        max_homeless: 8_192,
        max_homeless_per_address: 1_024,
        ..Config::default()
    }
}

/// What the Socket.IO server asks: who may connect, and what an event does.
pub struct Live {
    app: Shared,
    presence: Arc<Presence>,
}

impl Live {
    async fn authenticate(&self, connect: &Connect) -> Result<Actor> {
        let needed = || Error::new(Kind::Unauthenticated, "Authentication required");
        self.app.domain.authenticate(token(connect).ok_or_else(needed)?).await
    }

    fn asker(&self, connect: &Connect, actor: &Actor) -> Asker {
        Asker::of(Some(actor), self.client_address(&connect.handshake))
    }

    fn client_address(&self, handshake: &Handshake) -> IpAddr {
        let peer = handshake.remote().map(|address| address.ip());
        client_address(&handshake.headers(), peer, &self.app.proxies)
    }
}

impl App for Live {
    type Socket = Socket;

    fn address(&self, handshake: &Handshake) -> Option<IpAddr> {
        Some(self.client_address(handshake))
    }

    async fn connect(&self, connect: &Connect) -> Result<Socket, Denied> {
        let namespace = Namespace::named(&connect.namespace).ok_or_else(Refusal::invalid_namespace)?;
        let actor = self.authenticate(connect).await.map_err(|error| denied(&error))?;
        let asker = self.asker(connect, &actor);
        let desk = Desk::new(self.app.clone(), self.presence.clone(), actor, asker);
        Ok(Socket::new(desk, namespace, connect.takes_offsets))
    }

    fn event(&self, socket: &mut Socket, event: Event<'_>) -> Reply {
        let (desk, command, wants_ack) = (socket.desk().clone(), socket.desk().command(&event), event.wants_ack);
        Box::pin(async move {
            let outcome = match command {
                Ok(command) => desk.run(command).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(ack) => Some(ack),
                Err(error) if wants_ack => desk::ack(&wire::Refused::from(&error)).ok(),
                Err(error) => {
                    desk.complain(wire::Complaint::from(&error));
                    None
                }
            }
        })
    }

    fn park(&self, socket: &mut Socket, _: Reason) -> Option<u128> {
        socket.desk().lost();
        match socket.desk().actor() {
            Actor::User(caller) => Some(caller.user.0.as_u128()),
            // Their seat is given back sooner than a parked socket.
            Actor::Guest(_) => None,
        }
    }

    /// Only the same log-in comes back, and only while it is good: it is what closes the socket when it ends.
    async fn recover(&self, socket: &mut Socket, connect: &Connect) -> Result<bool, Later> {
        match (self.authenticate(connect).await, socket.desk().actor()) {
            (Ok(Actor::User(comes)), Actor::User(was)) => Ok((comes.user, comes.login) == (was.user, was.login)),
            (Err(error), _) if is_fault(&error) => Err(Later),
            _ => Ok(false),
        }
    }

    fn recovered(&self, socket: &mut Socket) {
        socket.desk().found();
    }

    fn disconnect(&self, socket: Socket, _: Reason) {
        socket.desk().gone();
    }
}

/// The token in `auth.token`, or else in the `Authorization` header; either with or without `Bearer `.
fn token(connect: &Connect) -> Option<&str> {
    let sent = match &connect.auth["token"] {
        serde_json::Value::Null => "",
        token => bare(token.as_str()?),
    };
    let header = || connect.handshake.header(&AUTHORIZATION).map(bare);
    Some(sent).filter(|token| !token.is_empty()).or_else(header)
}

fn bare(token: &str) -> &str {
    match token.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => token.trim(),
    }
}

/// Clients stay away after a refusal, and that the database is away says nothing of their token.
fn denied(error: &Error) -> Denied {
    if is_fault(error) { Denied::Later } else { refusal(error).into() }
}

fn is_fault(error: &Error) -> bool {
    matches!(error.kind, Kind::Unavailable | Kind::Internal)
}

fn refusal(error: &Error) -> Refusal {
    Refusal::new(error.message.clone()).with_data(json!({"code": voice::code(error.kind)}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_with_or_without_its_scheme() {
        for same in ["a.b.c", "Bearer a.b.c", "bearer  a.b.c "] {
            assert_eq!(bare(same), "a.b.c");
        }
        assert_eq!(bare("Bearer "), "");
    }

    #[test]
    fn only_what_is_known_is_refused() {
        assert!(matches!(denied(&Error::unauthenticated("Invalid or expired token")), Denied::Refused(_)));
        for fault in [Error::unavailable("silent"), Error::internal("broken")] {
            assert!(matches!(denied(&fault), Denied::Later));
        }
    }

    #[test]
    fn a_refusal_is_worded_for_connect_error() {
        let refusal = refusal(&Error::unauthenticated("Invalid or expired token"));
        let expected = json!({"message": "Invalid or expired token", "data": {"code": "AUTHENTICATION_REQUIRED"}});
        assert_eq!(serde_json::to_value(refusal).unwrap(), expected);
    }
}
