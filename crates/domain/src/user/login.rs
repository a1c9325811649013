//! Logging in, staying logged in, and logging out everywhere.

use super::{Actor, Caller, Guest, Login, Standing, User, password, rules};
use crate::{
    Asker, Domain,
    bus::{Tell, Whose},
    clock::Timestamp,
    error::{Error, Result},
    id::{LoginId, UserId},
    meeting::{Participant, Presence, seat},
    ports::{Claims, REFRESH_SECONDS},
    room::code,
    session::Close,
    store::{Key, Tx},
};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

/// A fresh pair of tokens. Has no `Debug`: tokens do not belong in logs.
pub struct TokenPair {
    pub access: String,
    pub refresh: String,
    pub user: User,
}

/// Log-ins that were good a moment ago, so that a request need not ask the store.
#[derive(Default)]
pub struct Logins {
    known: RwLock<HashMap<LoginId, Timestamp>>,
}

/// How long a log-in is believed without asking the store again. Ends made in this process are known at once, and those
/// made elsewhere (`convo user deactivate`) within the sweep's two seconds; this only bounds the table.
const BELIEVED: Duration = Duration::from_secs(60);
const KNOWN: usize = 50_000;

impl Logins {
    fn believes(&self, id: LoginId, now: Timestamp) -> bool {
        self.known.read().get(&id).is_some_and(|until| *until > now)
    }

    fn learn(&self, id: LoginId, now: Timestamp) {
        let mut known = self.known.write();
        if known.len() >= KNOWN {
            known.retain(|_, until| *until > now);
        }
        if known.len() < KNOWN {
            known.insert(id, now + BELIEVED);
        }
    }

    pub(crate) fn forget(&self, ids: &[LoginId]) {
        let mut known = self.known.write();
        known.retain(|id, _| !ids.contains(id));
    }
}

pub(crate) fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

pub(crate) fn invalid_token() -> Error {
    Error::unauthenticated("Invalid or expired token")
}

fn refused() -> Error {
    Error::unauthenticated("Invalid credentials")
}

impl Domain {
    /// Whose access token (or, for a guest, meeting token) this is.
    pub async fn authenticate(&self, token: &str) -> Result<Actor> {
        match self.tokens.read(token, self.now()).ok_or_else(invalid_token)? {
            Claims::Access { caller } => self.check_login(caller.into()).await.map(Actor::User),
            Claims::Meeting { participant, .. } => {
                let found = self.store.read(move |tx| tx.participant(participant)).await?;
                let guest = found.filter(|p| p.user.is_none() && p.seated()).ok_or_else(invalid_token)?;
                Ok(Actor::Guest(Guest { participant, room: guest.room }))
            }
            Claims::Refresh { .. } => Err(invalid_token()),
        }
    }

    /// For whom a socket counts that is opened with the token: the account whose it is, or else the address.
    pub async fn asker(&self, token: &str, address: IpAddr) -> Asker {
        let user = match self.tokens.read(token, self.now()) {
            Some(Claims::Access { caller }) => self.check_login(caller.into()).await.ok().map(|caller| caller.user),
            Some(Claims::Meeting { participant, .. }) => {
                let found = self.store.read(move |tx| tx.participant(participant)).await.ok().flatten();
                found.filter(|p| p.presence.present() || p.presence == Presence::Left).and_then(|p| p.user)
            }
            Some(Claims::Refresh { .. }) | None => None,
        };
        user.map_or_else(|| Asker::address(address), Asker::User)
    }

    /// For whom a refresh counts: the account whose refresh token it is, good or spent, or else the address.
    pub fn asker_of_refresh(&self, token: &str, address: IpAddr) -> Asker {
        match self.tokens.read(token, self.now()) {
            Some(Claims::Refresh { caller, .. }) => Asker::User(caller.user),
            _ => Asker::address(address),
        }
    }

    /// Whether the log-in behind an access token is still wanted.
    pub async fn check_login(&self, caller: Caller) -> Result<Caller> {
        let now = self.now();
        if self.logins.believes(caller.login, now) {
            return Ok(caller);
        }
        let good = self.store.read(move |tx| {
            let login = tx.login(caller.login)?;
            let user = tx.user(caller.user)?;
            Ok(login.is_some_and(|login| login.revoked_at.is_none() && login.user == caller.user)
                && user.is_some_and(|user| user.standing == Standing::Active))
        });
        if !good.await? {
            return Err(invalid_token());
        }
        self.logins.learn(caller.login, now);
        Ok(caller)
    }

    /// By e-mail address or phone number. Never tells whether there is such an account.
    pub async fn log_in(&self, email_or_phone: &str, secret: &str) -> Result<TokenPair> {
        let address = email_or_phone.to_owned();
        let found = self.store.read(move |tx| find_by_address(tx, &address)).await?;
        if secret.len() > crate::limit::PASSWORD_BYTES {
            return Err(refused());
        }
        let fits = password::verify(secret.to_owned(), found.as_ref().map(|user| user.password.clone())).await?;
        let user = found.filter(|_| fits).ok_or_else(refused)?;
        match user.standing {
            Standing::Active => {}
            Standing::Deactivated => return Err(Error::unauthenticated("Account deactivated")),
            Standing::Deleted | Standing::Agent => return Err(refused()),
        }
        if !self.courier.delivery().admits(&user) {
            return Err(Error::unauthenticated("Account not verified"));
        }
        self.open_login(user).await
    }

    /// For the account as it was when its password was verified.
    async fn open_login(&self, verified: User) -> Result<TokenPair> {
        let now = self.now();
        let refresh_id = code::hex(16);
        let login = Login {
            id: LoginId::new(),
            user: verified.id,
            refresh_hash: hash(&refresh_id),
            created_at: now,
            expires_at: now + Duration::from_secs(REFRESH_SECONDS),
            revoked_at: None,
        };
        let caller = Caller { user: verified.id, login: login.id };
        let user = self.store.write(Key::Any, move |tx| {
            tx.add_login(&login)?;
            // The row may have changed while the password was hashed.
            let still = |u: &User| u.standing == Standing::Active && u.password == verified.password;
            let mut user = tx.lock_user(verified.id)?.filter(still).ok_or_else(refused)?;
            user.last_login = Some(now);
            tx.save_user(&user)?;
            Ok(user)
        });
        let user = user.await?;
        Ok(TokenPair {
            access: self.tokens.access(caller, now),
            refresh: self.tokens.refresh(caller, &refresh_id, now),
            user,
        })
    }

    /// Trades a refresh token for a new pair. A token that was traded before is stolen or lost: its log-in ends. But who asks with
    /// a key of their own, and did not hear the answer, is answered the same when they ask again with it.
    pub async fn refresh(self: &Arc<Self>, token: &str, key: Option<&str>) -> Result<TokenPair> {
        let now = self.now();
        let Some(Claims::Refresh { caller, id }) = self.tokens.read(token, now) else { return Err(invalid_token()) };
        let caller = Caller::from(caller);
        let next = key.map_or_else(|| code::hex(16), |key| successor(&id, key));
        let next_hash = hash(&next);
        let domain = self.clone();
        let outcome = finish(async move {
            let outcome =
                domain.store.write(Key::Any, move |tx| rotate(tx, caller, &hash(&id), next_hash, now)).await?;
            if matches!(outcome, Rotation::Reused) {
                domain.logins.forget(&[caller.login]);
            }
            Ok(outcome)
        });
        match outcome.await? {
            Rotation::Done(user) => Ok(TokenPair {
                access: self.tokens.access(caller, now),
                refresh: self.tokens.refresh(caller, &next, now),
                user: *user,
            }),
            Rotation::Reused | Rotation::Unknown => Err(invalid_token()),
        }
    }

    /// Ends all of the user's log-ins on every API: tokens are dead, sockets close, meetings are left.
    pub async fn log_out(self: &Arc<Self>, caller: Caller) -> Result<()> {
        let (domain, now) = (self.clone(), self.now());
        finish(async move {
            let ended = domain.store.write(Key::Any, move |tx| {
                // First, so that what the person opens in this moment ends too.
                tx.lock_user(caller.user)?;
                revoke(tx, caller.user, None, now)
            });
            domain.logins.forget(&ended.await?);
            Ok(())
        })
        .await
    }
}

/// Runs to the end though the caller goes away: what follows a commit must follow it.
pub(crate) async fn finish<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(Error::internal)?
}

/// The id that follows a refresh token's when it is traded with the key: the same each time, and a secret as the token's is.
fn successor(id: &str, key: &str) -> String {
    let digest = Sha256::new().chain_update(id).chain_update([0]).chain_update(key).finalize();
    digest[..16].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn find_by_address(tx: &mut dyn Tx, address: &str) -> Result<Option<User>> {
    if let Ok(email) = rules::email(address) {
        return tx.user_by_email(&email);
    }
    match rules::phone(address) {
        Ok(phone) => tx.user_by_phone(&phone),
        Err(_) => Ok(None),
    }
}

enum Rotation {
    Done(Box<User>),
    Reused,
    Unknown,
}

fn rotate(tx: &mut dyn Tx, caller: Caller, spent: &[u8], next: Vec<u8>, now: Timestamp) -> Result<Rotation> {
    let user = tx.lock_user(caller.user)?.filter(|u| u.standing == Standing::Active);
    let login = tx.lock_login(caller.login)?.filter(|l| l.user == caller.user && l.revoked_at.is_none());
    let (Some(mut login), Some(user)) = (login, user) else { return Ok(Rotation::Unknown) };
    if login.refresh_hash == next {
        // The answer to the first try was lost.
        return Ok(Rotation::Done(Box::new(user)));
    }
    if login.refresh_hash != spent {
        login.revoked_at = Some(now);
        tx.save_login(&login)?;
        put_out(tx, caller.user, Some(&[login.id]), now)?;
        return Ok(Rotation::Reused);
    }
    login.refresh_hash = next;
    login.expires_at = now + Duration::from_secs(REFRESH_SECONDS);
    tx.save_login(&login)?;
    Ok(Rotation::Done(Box::new(user)))
}

/// Ends the user's log-ins, or all but one, with what was opened by them.
pub fn revoke(tx: &mut dyn Tx, user: UserId, except: Option<LoginId>, now: Timestamp) -> Result<Vec<LoginId>> {
    let ended = tx.revoke_logins(user, except, now)?;
    put_out(tx, user, except.map(|_| &ended[..]), now)?;
    Ok(ended)
}

/// What was opened by log-ins that ended: sockets close, meetings are left and their tokens are dead. `None`: by any.
fn put_out(tx: &mut dyn Tx, user: UserId, ended: Option<&[LoginId]>, now: Timestamp) -> Result<()> {
    let over = |p: &Participant| ended.is_none_or(|ended| p.login.is_none_or(|login| ended.contains(&login)));
    tx.lock_devices(user)?;
    for participant in tx.present_of(user)?.into_iter().filter(over) {
        seat::vacate(tx, participant, Presence::Gone, now)?;
    }
    match ended {
        None => {
            tx.forget_left(user, None)?;
            tx.tell(Tell::Close(Whose::User(user), Close::Revoked));
        }
        Some(ended) => {
            for login in ended {
                tx.forget_left(user, Some(*login))?;
                tx.tell(Tell::Close(Whose::Login(*login), Close::Revoked));
            }
        }
    }
    Ok(())
}
