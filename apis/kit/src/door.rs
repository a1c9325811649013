//! Who asks: the bearer token becomes an [`Actor`] once per request, before anything else.

use crate::{
    app::{Proxies, Shared},
    voice::Voice,
};
use axum::{
    extract::{ConnectInfo, FromRequestParts, Query, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use convo_domain::{
    Asker,
    error::{Error, Kind, Result},
    user::{self, Actor},
};
use convo_tap::Tap;
use serde::Deserialize;
use std::{
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

/// What the middleware found out; in the request's extensions.
#[derive(Clone)]
pub struct Identity {
    pub address: IpAddr,
    /// `None`: no token came. `Err`: one came that is no good, and why.
    pub actor: Option<Result<Actor, Arc<Error>>>,
    /// For whom the request counts.
    pub asker: Asker,
}

impl Identity {
    /// The actor, if a token came; an error if it is no good.
    pub fn actor(&self) -> Result<Option<Actor>> {
        match &self.actor {
            None => Ok(None),
            Some(Ok(actor)) => Ok(Some(actor.clone())),
            Some(Err(error)) => {
                Err(Error { retry_after: error.retry_after, ..Error::new(error.kind, error.message.clone()) })
            }
        }
    }
}

/// Who a request is from was looked up when its head came. Its body may come much later.
#[derive(Clone)]
pub(crate) struct Again {
    app: Shared,
    token: Arc<str>,
}

impl Again {
    /// Whether the token is still good.
    pub(crate) async fn look(&self) -> Result<()> {
        self.app.domain.authenticate(&self.token).await.map(drop)
    }
}

/// Middleware: looks at the token and at the address.
pub async fn identify(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = client_address(request.headers(), peer, &app.proxies);
    let actor = match bearer(request.headers()) {
        Some(token) => {
            let token: Arc<str> = token.into();
            let actor = app.domain.authenticate(&token).await.map_err(Arc::new);
            if actor.is_ok() {
                request.extensions_mut().insert(Again { app: app.clone(), token });
            }
            Some(actor)
        }
        None => None,
    };
    let asker = match (&actor, socket_token(&request)) {
        (None, Some(token)) => app.domain.asker(&token, address).await,
        (actor, _) => Asker::of(actor.as_ref().and_then(|found| found.as_ref().ok()), address),
    };
    request.extensions_mut().insert(Identity { address, actor, asker });
    next.run(request).await
}

/// The token of a WebSocket's address: browsers can bring it nowhere else, and the sockets of one house share a network address.
fn socket_token(request: &Request) -> Option<String> {
    #[derive(Deserialize)]
    struct Access {
        token: Option<String>,
    }
    request.headers().get(header::UPGRADE)?;
    Query::<Access>::try_from_uri(request.uri()).ok()?.0.token
}

/// The token of `Authorization: Bearer …` (RFC 6750).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// The client's address: the peer's, or, where the peer is a trusted proxy, the last one in `X-Forwarded-For` that is
/// not a trusted proxy itself. Behind a hop that cannot be read, nothing is believed: whoever is there may have written
/// what stands before it.
pub fn client_address(headers: &HeaderMap, peer: Option<IpAddr>, proxies: &Proxies) -> IpAddr {
    let mut client = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev().map(|line| line.to_str().unwrap_or_default());
    let mut hops = lines.flat_map(|line| line.rsplit(',')).map_while(hop);
    while proxies.trust(client) {
        let Some(before) = hops.next() else { break };
        client = before;
    }
    client
}

/// An address as proxies write it: some with the port, and then IPv6 in brackets.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let found = text.parse().ok().or_else(with_port).or_else(bracketed)?;
    Some(found.to_canonical())
}

fn identity(parts: &Parts) -> Result<Identity> {
    parts.extensions.get::<Identity>().cloned().ok_or_else(|| Error::internal("the identity middleware did not run"))
}

fn needed() -> Error {
    Error::new(Kind::Unauthenticated, "Authentication required")
}

/// A logged-in account.
pub struct Caller<V>(pub user::Caller, PhantomData<V>);

impl<S: Send + Sync, V: Voice> FromRequestParts<S> for Caller<V> {
    type Rejection = V;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, V> {
        let actor = identity(parts)?.actor()?.ok_or_else(needed)?;
        Ok(Self(actor.account()?, PhantomData))
    }
}

/// An account, or a guest with a meeting token.
pub struct Signed<V>(pub Actor, PhantomData<V>);

impl<S: Send + Sync, V: Voice> FromRequestParts<S> for Signed<V> {
    type Rejection = V;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, V> {
        Ok(Self(identity(parts)?.actor()?.ok_or_else(needed)?, PhantomData))
    }
}

/// Anybody; but a token that is no good is 401.
pub struct Anyone<V>(pub Option<Actor>, PhantomData<V>);

impl<S: Send + Sync, V: Voice> FromRequestParts<S> for Anyone<V> {
    type Rejection = V;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, V> {
        Ok(Self(identity(parts)?.actor()?, PhantomData))
    }
}

/// Where the request comes from, for what is counted by caller.
pub struct Origin {
    pub address: IpAddr,
    pub asker: Asker,
    /// The way to its connection, if that is a plain one.
    pub tap: Option<Tap>,
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let tap = parts.extensions.get().cloned();
        Ok(match identity(parts) {
            Ok(identity) => Self { address: identity.address, asker: identity.asker, tap },
            Err(_) => Self { address: local, asker: Asker::address(local), tap },
        })
    }
}

/// The `Idempotency-Key` header: a retry of the same post carries the same.
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let value = parts.headers.get("idempotency-key").and_then(|value| value.to_str().ok());
        Ok(Self(value.map(str::to_owned)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn bearer_tokens() {
        assert_eq!(bearer(&headers(&[("authorization", "bearer abc")])), Some("abc"));
        for other in ["Basic abc", "Bearer", "Bearer ", "abc"] {
            assert_eq!(bearer(&headers(&[("authorization", other)])), None, "{other}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let proxies = Proxies(vec![("10.0.0.0".parse().unwrap(), 8)]);
        let forged = headers(&[("x-forwarded-for", "1.1.1.1, 9.9.9.9, 10.0.0.2")]);
        let from = |peer: &str| client_address(&forged, Some(peer.parse().unwrap()), &proxies).to_string();
        assert_eq!(from("8.8.8.8"), "8.8.8.8");
        assert_eq!(from("10.0.0.1"), "9.9.9.9");
        assert_eq!(client_address(&headers(&[]), Some("10.0.0.1".parse().unwrap()), &proxies).to_string(), "10.0.0.1");
    }

    #[test]
    fn what_a_proxy_wrote_is_read_from_its_end_and_no_further_than_it_can_be() {
        let proxies = Proxies(vec![("10.0.0.0".parse().unwrap(), 8)]);
        for (hops, client) in [
            ("1.1.1.1, 9.9.9.9:1234", "9.9.9.9"),
            ("1.1.1.1, [2001:db8::9]:1234", "2001:db8::9"),
            ("1.1.1.1, [2001:db8::9]", "2001:db8::9"),
            ("1.1.1.1, 2001:db8::9", "2001:db8::9"),
            ("1.1.1.1, 9.9.9.9, 10.0.0.2:1234", "9.9.9.9"),
            ("1.1.1.1, [::ffff:9.9.9.9]:1234", "9.9.9.9"),
            ("1.1.1.1, unknown", "10.0.0.1"),
            ("1.1.1.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("1.1.1.1,", "10.0.0.1"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ] {
            let given = headers(&[("x-forwarded-for", hops)]);
            let found = client_address(&given, Some("10.0.0.1".parse().unwrap()), &proxies);
            assert_eq!(found.to_string(), client, "{hops}");
        }
        // What cannot be read as text is no reason to believe the line before.
        let mut given = headers(&[("x-forwarded-for", "1.1.1.1")]);
        given.append("x-forwarded-for", axum::http::HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(client_address(&given, Some("10.0.0.1".parse().unwrap()), &proxies).to_string(), "10.0.0.1");
    }
}
