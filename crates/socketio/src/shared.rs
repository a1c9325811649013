//! What all clients of a server share, and the handle that its owner has.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::routing::{MethodRouter, any};

use crate::app::{App, Reason};
use crate::client::Joined;
use crate::config::Config;
use crate::http;
use crate::recovery::{Lot, Room};
use crate::registry::Registry;

pub(crate) struct Shared<A: App> {
    pub(crate) app: A,
    pub(crate) config: Config,
    pub(crate) registry: Arc<Registry>,
    pub(crate) lot: Lot<A::Socket>,
}

impl<A: App> Shared<A> {
    /// Ends a socket for good.
    pub(crate) fn end(&self, socket: Joined<A::Socket>, reason: Reason) {
        if let Some(recovery) = &socket.recovery {
            self.lot.depart(recovery.pid);
        }
        self.app.disconnect(socket.state, reason);
    }

    /// Parks the socket of a lost client, or ends it.
    pub(crate) fn lose(self: &Arc<Self>, mut socket: Joined<A::Socket>, reason: Reason) {
        let Some(pid) = socket.recovery.as_ref().map(|recovery| recovery.pid).filter(|_| reason.is_loss()) else {
            return self.end(socket, reason);
        };
        let Some(key) = self.app.park(&mut socket.state, reason) else { return self.end(socket, reason) };
        let config = &self.config;
        let room =
            Room { total: config.max_parked, per_key: config.max_parked_per_key, window: config.recovery_window };
        self.lot.depart(pid);
        if let Some(evicted) = self.lot.park(pid, socket, key, reason, &room) {
            self.app.disconnect(evicted.joined.state, evicted.reason);
        }
        let shared = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(room.window).await;
            if let Some(expired) = shared.lot.expire(pid) {
                shared.app.disconnect(expired.joined.state, expired.reason);
            }
        });
    }
}

/// A Socket.IO server. Clones are the same server.
pub struct SocketIo<A: App>(Arc<Shared<A>>);

impl<A: App> Clone for SocketIo<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What a server has done so far, and who is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Clients on HTTP long-polling.
    pub polling: usize,
    /// Clients on WebSocket.
    pub websocket: usize,
    /// Sockets of lost clients that are kept for their return.
    pub parked: usize,
    /// Engine.IO packets received.
    pub packets_in: u64,
    /// Engine.IO packets sent.
    pub packets_out: u64,
}

impl<A: App> SocketIo<A> {
    /// A server for `app`. It needs no task of its own; clients' tasks run where they are served.
    pub fn new(app: A, config: Config) -> Self {
        Self(Arc::new(Shared { app, config, registry: Arc::default(), lot: Lot::default() }))
    }

    /// The application.
    pub fn app(&self) -> &A {
        &self.0.app
    }

    /// The server at its usual path, `/socket.io/`, with and without the last slash.
    ///
    /// CORS is the caller's. A `ConnectInfo<SocketAddr>` in the request becomes [`crate::Handshake::remote`].
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new().route("/socket.io/", self.method_router()).route("/socket.io", self.method_router())
    }

    /// The server, to be mounted at another path.
    pub fn method_router<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        let shared = self.0.clone();
        any(move |request| http::serve(shared, request))
    }

    /// Shuts down: closes all connections in a way that has clients reconnect, ends all sockets, lets nobody in
    /// any more. Returns when the last is gone, which waits for no client.
    pub async fn close_all(&self) {
        self.0.registry.close_all().await;
        for parked in self.0.lot.clear() {
            self.0.app.disconnect(parked.joined.state, Reason::Shutdown);
        }
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        let counters = &self.0.registry.counters;
        Stats {
            polling: counters.polling.load(Ordering::Relaxed),
            websocket: counters.websocket.load(Ordering::Relaxed),
            parked: self.0.lot.len(),
            packets_in: counters.packets_in.load(Ordering::Relaxed),
            packets_out: counters.packets_out.load(Ordering::Relaxed),
        }
    }
}
