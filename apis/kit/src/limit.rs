//! Rate limits as `platform.md` documents them: fixed windows by class, over all APIs, per account or else per address.

use crate::{
    app::Shared,
    door::{Identity, bearer},
    voice::Voiced,
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue},
    middleware::Next,
    response::Response,
};
use convo_domain::{
    Asker,
    clock::Timestamp,
    error::{Error, Result},
};
use parking_lot::Mutex;
use std::collections::HashMap;
use utoipa_axum::router::OpenApiRouter;

/// What kind of request it is; each has a budget of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Log-in, registration, verification, refresh.
    Auth,
    /// Making and changing rooms of any kind.
    Meeting,
    /// Every posted message, by whatever way.
    Chat,
    General,
}

impl Class {
    /// Requests, and the seconds in which they may come.
    fn budget(self) -> (u32, i64) {
        match self {
            Class::Auth => (10, 60),
            Class::Meeting => (60, 60),
            Class::Chat => (100, 60),
            Class::General => (1_000, 3_600),
        }
    }
}

/// Counters of the running windows, in shards so that requests seldom meet.
pub struct Limits {
    enforced: bool,
    shards: [Mutex<HashMap<(Asker, Class), Window>>; SHARDS],
}

const SHARDS: usize = 16;
/// Callers remembered in one shard; when there are more, those of past windows go.
const CALLERS: usize = 10_000;

#[derive(Clone, Copy)]
struct Window {
    resets: i64,
    used: u32,
}

/// Where a caller stands, for the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub limit: u32,
    pub remaining: u32,
    /// Unix seconds.
    pub reset: i64,
    pub over: bool,
}

impl Limits {
    pub fn new(enforced: bool) -> Self {
        Self { enforced, shards: Default::default() }
    }

    /// Whether limits are on at all.
    pub fn enforced(&self) -> bool {
        self.enforced
    }

    /// Counts one request.
    pub fn count(&self, asker: Asker, class: Class, now: Timestamp) -> Account {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let (limit, seconds) = class.budget();
        let resets = (now.seconds().div_euclid(seconds) + 1) * seconds;
        if !self.enforced {
            return Account { limit, remaining: limit, reset: resets, over: false };
        }
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(asker);
        let mut shard = self.shards[hash as usize % SHARDS].lock();
        if shard.len() >= CALLERS {
            shard.retain(|_, window| window.resets > now.seconds());
        }
        let window = shard.entry((asker, class)).or_insert(Window { resets, used: 0 });
        if window.resets <= now.seconds() {
            *window = Window { resets, used: 0 };
        }
        let over = window.used >= limit;
        window.used += u32::from(!over);
        Account { limit, remaining: limit - window.used, reset: window.resets, over }
    }

    /// As [`Limits::count`], for sockets: an error where the budget is spent.
    pub fn spend(&self, asker: Asker, class: Class, now: Timestamp) -> Result<()> {
        let account = self.count(asker, class, now);
        if account.over { Err(account.refusal(now)) } else { Ok(()) }
    }
}

impl Account {
    fn refusal(&self, now: Timestamp) -> Error {
        Error::too_many("Too many requests", (self.reset - now.seconds()).max(1) as u64)
    }

    fn write(&self, headers: &mut HeaderMap) {
        headers.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("x-ratelimit-reset", HeaderValue::from(self.reset));
    }
}

/// The frames of one socket, other than posts: so many a second, and so many at once, are more than a person makes.
pub struct Frames {
    left: Mutex<(f64, Timestamp)>,
}

const FRAMES_PER_SECOND: f64 = 50.0;
const FRAMES_AT_ONCE: f64 = 200.0;

impl Frames {
    pub fn new(now: Timestamp) -> Self {
        Self { left: Mutex::new((FRAMES_AT_ONCE, now)) }
    }

    /// Takes one frame out of the bucket; an error where it is empty.
    pub fn spend(&self, limits: &Limits, now: Timestamp) -> Result<()> {
        if !limits.enforced() {
            return Ok(());
        }
        let mut left = self.left.lock();
        let passed = (now.0 - left.1.0).max(0) as f64 / 1e6;
        *left = ((left.0 + passed * FRAMES_PER_SECOND).min(FRAMES_AT_ONCE), now);
        if left.0 < 1.0 {
            return Err(Error::too_many("Too many frames", 1));
        }
        left.0 -= 1.0;
        Ok(())
    }
}

/// Middleware of a group of routes: counts, refuses in the API's voice, and says where the caller stands.
pub async fn enforce(
    State((app, class, voice)): State<(Shared, Class, Voiced)>,
    request: Request,
    next: Next,
) -> Response {
    match request.extensions().get::<Identity>().cloned() {
        Some(identity) => counted(&app, &identity, class, voice, next.run(request)).await,
        None => next.run(request).await,
    }
}

/// The answer, if the caller's budget has room for it; either way with the headers that say where the caller stands.
pub async fn counted(
    app: &Shared,
    identity: &Identity,
    class: Class,
    voice: Voiced,
    answer: impl Future<Output = Response>,
) -> Response {
    // Who guesses passwords has no account; a token must not buy more guesses.
    let asker = if class == Class::Auth { Asker::address(identity.address) } else { identity.asker };
    held(app, asker, class, voice, answer).await
}

async fn held(
    app: &Shared,
    asker: Asker,
    class: Class,
    voice: Voiced,
    answer: impl Future<Output = Response>,
) -> Response {
    let now = app.domain.now();
    let account = app.limits.count(asker, class, now);
    let mut response = if account.over { voice(account.refusal(now)) } else { answer.await };
    account.write(response.headers_mut());
    response
}

/// The routes, held to the budget of a class.
pub fn limited(app: &Shared, class: Class, voice: Voiced, routes: OpenApiRouter<Shared>) -> OpenApiRouter<Shared> {
    routes.route_layer(axum::middleware::from_fn_with_state((app.clone(), class, voice), enforce))
}

/// The routes that trade a refresh token, held to the budget of [`Class::Auth`] for the account whose token is the bearer.
/// Nothing is guessed there, and the people of one house, who came together, renew together.
pub fn limited_by_refresh_token(app: &Shared, voice: Voiced, routes: OpenApiRouter<Shared>) -> OpenApiRouter<Shared> {
    routes.route_layer(axum::middleware::from_fn_with_state((app.clone(), voice), enforce_by_refresh_token))
}

async fn enforce_by_refresh_token(
    State((app, voice)): State<(Shared, Voiced)>,
    request: Request,
    next: Next,
) -> Response {
    let Some(address) = request.extensions().get::<Identity>().map(|identity| identity.address) else {
        return next.run(request).await;
    };
    let asker = match bearer(request.headers()) {
        Some(token) => app.domain.asker_of_refresh(token, address),
        None => Asker::address(address),
    };
    held(&app, asker, Class::Auth, voice, next.run(request)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_fixed_and_its_own() {
        let limits = Limits::new(true);
        let ann = Asker::address("10.0.0.1".parse().unwrap());
        let bob = Asker::address("10.0.0.2".parse().unwrap());
        let at = Timestamp::from_seconds;
        for left in (0..10).rev() {
            let account = limits.count(ann, Class::Auth, at(61));
            assert_eq!((account.limit, account.remaining, account.reset, account.over), (10, left, 120, false));
        }
        assert_eq!(limits.spend(ann, Class::Auth, at(90)).unwrap_err().retry_after, Some(30));
        limits.spend(ann, Class::Chat, at(90)).unwrap();
        limits.spend(bob, Class::Auth, at(90)).unwrap();
        limits.spend(ann, Class::Auth, at(120)).unwrap();
    }

    #[test]
    fn off_is_off() {
        let limits = Limits::new(false);
        let ann = Asker::address("10.0.0.1".parse().unwrap());
        assert!((0..1_000).all(|_| !limits.count(ann, Class::Auth, Timestamp(0)).over));
    }
}
