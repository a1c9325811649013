//! Registering, proving an address, profiles, and going away.

use super::{
    Actor, Caller, Channel, DELETED_NAME, DeviceDefaults, PasswordHash, Standing, User, Verification, login, password,
    rules::{self, PasswordRule},
};
use crate::{
    Asker, Domain,
    clock::Timestamp,
    error::{Error, Kind, Result},
    id::{LoginId, UserId},
    limit,
    meeting::act::orphans,
    room::code,
    store::{Key, Tx},
    text,
};
use std::{sync::Arc, time::Duration};

/// Lifetimes of codes: a mail may lie for a day, six digits must not (contract.md, "Authentication").
const EMAIL_CODE: Duration = Duration::from_secs(24 * 3600);
const PHONE_CODE: Duration = Duration::from_secs(600);
/// So long a code is let arrive before another one goes to the same address.
const CODE_PAUSE: Duration = Duration::from_secs(60);

/// Who wants an account. Made by each API from its own fields.
pub struct Registration {
    pub first_name: String,
    pub last_name: String,
    pub display_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub password: String,
    pub rule: PasswordRule,
    pub avatar_url: Option<String>,
}

/// What of a profile to change; `None` leaves it.
#[derive(Debug, Default)]
pub struct ProfileChange {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
    pub timezone: Option<String>,
    pub language: Option<String>,
    pub video_enabled: Option<bool>,
    pub audio_enabled: Option<bool>,
    pub auto_join_audio: Option<bool>,
}

/// What of the credentials to change.
#[derive(Default)]
pub struct CredentialChange {
    pub email: Option<String>,
    pub password: Option<String>,
}

impl Domain {
    pub async fn register(self: &Arc<Self>, wish: Registration) -> Result<User> {
        let now = self.now();
        let mut user = new_user(&wish, now)?;
        rules::password(wish.rule, &wish.password)?;
        user.password = password::hash(wish.password).await?;
        let user = self.store.write(Key::Any, move |tx| {
            tx.add_user(&mut user)?;
            Ok(user)
        });
        let user = user.await?;
        self.offer_codes(&user).await;
        Ok(user)
    }

    /// A code for every address of the account that is not proven yet.
    async fn offer_codes(self: &Arc<Self>, user: &User) {
        for channel in [Channel::Email, Channel::Phone] {
            self.offer_code(user, channel).await;
        }
    }

    /// A code that cannot be made now undoes nothing of what is stored: it may be asked for again.
    async fn offer_code(self: &Arc<Self>, user: &User, channel: Channel) {
        if let Err(error) = self.send_code(user, channel).await {
            tracing::error!(?error, "a verification code could not be made");
        }
    }

    async fn send_code(self: &Arc<Self>, user: &User, channel: Channel) -> Result<()> {
        if let Some(to) = unproven(user, channel)
            && let Some(secret) = self.counted_code(user.id, channel, to).await?
        {
            match channel {
                Channel::Email => self.post_mail(to.to_owned(), secret),
                Channel::Phone => self.post_text(to.to_owned(), secret),
            }
        }
        Ok(())
    }

    fn post_text(self: &Arc<Self>, to: String, secret: String) {
        let domain = self.clone();
        tokio::spawn(async move {
            let text = format!("Your Convo code is {secret}. It is good for 10 minutes.");
            if let Err(error) = domain.courier.text(&to, &text).await {
                tracing::error!(?error, "a verification text could not be sent");
            }
        });
    }

    fn post_mail(self: &Arc<Self>, to: String, secret: String) {
        let domain = self.clone();
        tokio::spawn(async move {
            let body = format!(
                "Welcome to Convo.\n\nYour verification code is:\n\n{secret}\n\nIt is good for one day. \
                 If you did not register, ignore this mail.\n"
            );
            if let Err(error) = domain.courier.mail(&to, "Verify your e-mail address", &body).await {
                tracing::error!(?error, "a verification mail could not be sent");
            }
        });
    }

    /// As [`Domain::new_code`], while the account has not had its day's share: texts cost money, and whose address it is has
    /// not been proven.
    async fn counted_code(&self, user: UserId, channel: Channel, to: &str) -> Result<Option<String>> {
        let (key, now) = ((user, channel), self.now());
        if self.sent.take(key, limit::CODES_A_DAY, now).is_err() {
            tracing::info!(user = %user.0, ?channel, "no verification code: today's have been sent");
            return Ok(None);
        }
        let made = self.new_code(user, channel, to).await;
        if !matches!(made, Ok(Some(_))) {
            self.sent.give_back(&key, now);
        }
        made
    }

    /// A code for the address, which no other outstanding one equals. None, if the account has another address by now: a code
    /// proves the address that it was sent to. None also, if one went there a moment ago.
    async fn new_code(&self, user: UserId, channel: Channel, to: &str) -> Result<Option<String>> {
        let now = self.now();
        for _ in 0..20 {
            let (secret, life) = match channel {
                Channel::Email => (code::hex(16), EMAIL_CODE),
                Channel::Phone => (code::six_digits(), PHONE_CODE),
            };
            let row = Verification { channel, code_hash: login::hash(&secret), user, expires_at: now + life };
            let to = to.to_owned();
            match self.store.write(Key::Any, move |tx| put_code(tx, &row, &to)).await {
                Ok(stored) => return Ok(stored.then_some(secret)),
                Err(error) if error.kind == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::unavailable("no free verification code"))
    }

    /// Sends the codes again, where they are still missing and none went out a moment ago. Says nothing of whether there is such
    /// an account, not by its time either: nobody waits for the sending.
    pub async fn resend_codes(self: &Arc<Self>, email_or_phone: &str) -> Result<()> {
        let address = email_or_phone.to_owned();
        let user = self.store.read(move |tx| match rules::email(&address) {
            Ok(email) => tx.user_by_email(&email),
            Err(_) => rules::phone(&address).map_or(Ok(None), |phone| tx.user_by_phone(&phone)),
        });
        if let Some(user) = user.await?.filter(active) {
            let domain = self.clone();
            tokio::spawn(async move { domain.offer_codes(&user).await });
        }
        Ok(())
    }

    /// Proves an address. Where a token comes along, the code must be its owner's.
    pub async fn verify(&self, channel: Channel, secret: &str, actor: Option<&Actor>, asker: Asker) -> Result<()> {
        let now = self.now();
        let caller = actor.map(Actor::account).transpose()?;
        let code_hash = login::hash(secret.trim());
        self.codes.take(asker, limit::CODE_GUESSES, now)?;
        let proven = self.store.write(Key::Any, move |tx| prove(tx, channel, &code_hash, caller, now)).await;
        if let Ok(false) = proven {
            return Err(Error::invalid("verification_code", "Invalid or expired verification code"));
        }
        self.codes.give_back(&asker, now);
        proven.map(drop)
    }

    pub async fn user(&self, id: UserId) -> Result<User> {
        let found = self.store.read(move |tx| tx.user(id)).await?;
        found.filter(visible).ok_or_else(|| Error::not_found("User"))
    }

    pub async fn user_by_number(&self, number: i64) -> Result<User> {
        let found = self.store.read(move |tx| tx.user_by_number(number)).await?;
        found.filter(visible).ok_or_else(|| Error::not_found("User"))
    }

    pub async fn users(&self) -> Result<Vec<User>> {
        self.store.read(|tx| tx.users()).await
    }

    pub async fn update_profile(&self, caller: Caller, change: ProfileChange) -> Result<User> {
        let now = self.now();
        self.store
            .write(Key::Any, move |tx| {
                let mut user = locked_account(tx, caller)?;
                apply(&mut user, change)?;
                user.updated_at = now;
                tx.save_user(&user)?;
                Ok(user)
            })
            .await
    }

    /// Changes the address or the password. A new password ends the other log-ins; a new address is to be proven again.
    pub async fn update_credentials(self: &Arc<Self>, caller: Caller, change: CredentialChange) -> Result<User> {
        self.update_account(caller, change, ProfileChange::default()).await
    }

    /// As [`Domain::update_credentials`], and the profile with them: both, or neither.
    pub async fn update_account(
        self: &Arc<Self>,
        caller: Caller,
        change: CredentialChange,
        profile: ProfileChange,
    ) -> Result<User> {
        let email = change.email.as_deref().map(rules::email).transpose()?;
        let hashed = match change.password {
            Some(secret) => {
                rules::password(PasswordRule::Length, &secret)?;
                Some(password::hash(secret).await?)
            }
            None => None,
        };
        let (domain, now) = (self.clone(), self.now());
        login::finish(async move {
            let change = domain.store.write(Key::Any, move |tx| {
                let mut user = locked_account(tx, caller)?;
                apply(&mut user, profile)?;
                change_credentials(tx, user, caller, email, hashed, now)
            });
            let Changed { user, moved, ended } = change.await?;
            domain.logins.forget(&ended);
            if moved {
                domain.offer_code(&user, Channel::Email).await;
            }
            Ok(user)
        })
        .await
    }

    /// Deletes the caller's account, and the meetings that only its owner could end. Rooms stay readable; the author becomes
    /// "Deleted user".
    pub async fn delete_account(self: &Arc<Self>, caller: Caller) -> Result<()> {
        let (domain, now) = (self.clone(), self.now());
        login::finish(async move {
            let deleted = domain.store.write(Key::Any, move |tx| {
                let user = locked_account(tx, caller)?;
                let ended = login::revoke(tx, user.id, None, now)?;
                let meetings = orphans(tx, user.id)?;
                tx.rename_author(user.id, DELETED_NAME)?;
                tx.save_user(&tombstone(user, now))?;
                Ok((ended, meetings))
            });
            let (ended, meetings) = deleted.await?;
            domain.logins.forget(&ended);
            // Each in a job of its own: whoever has locked a person waits for no room.
            domain.delete_orphaned(meetings).await;
            Ok(())
        })
        .await
    }

    /// An operator's switch: nobody logs in to a deactivated account, and who was in is out.
    pub async fn set_active(self: &Arc<Self>, id: UserId, active: bool) -> Result<User> {
        let (domain, now) = (self.clone(), self.now());
        login::finish(async move {
            let switch = domain.store.write(Key::Any, move |tx| {
                let mut user = tx.lock_user(id)?.filter(person).ok_or_else(|| Error::not_found("User"))?;
                user.standing = if active { Standing::Active } else { Standing::Deactivated };
                user.updated_at = now;
                tx.save_user(&user)?;
                let ended = if active { vec![] } else { login::revoke(tx, id, None, now)? };
                Ok((user, ended))
            });
            let (user, ended) = switch.await?;
            domain.logins.forget(&ended);
            Ok(user)
        })
        .await
    }

    /// Makes an account an operator's, or takes that back.
    pub async fn set_admin(&self, id: UserId, admin: bool) -> Result<User> {
        let now = self.now();
        self.store
            .write(Key::Any, move |tx| {
                let mut user = tx.lock_user(id)?.filter(person).ok_or_else(|| Error::not_found("User"))?;
                user.admin = admin;
                user.updated_at = now;
                tx.save_user(&user)?;
                Ok(user)
            })
            .await
    }
}

fn new_user(wish: &Registration, now: Timestamp) -> Result<User> {
    let email = wish.email.as_deref().map(rules::email).transpose()?;
    let phone = wish.phone.as_deref().map(rules::phone).transpose()?;
    if email.is_none() && phone.is_none() {
        return Err(Error::invalid("email", "Either email or phone_number must be provided"));
    }
    let first_name = text::name("first_name", &wish.first_name)?;
    let last_name = text::bounded("last_name", wish.last_name.trim(), limit::NAME_CHARS)?;
    let full = format!("{first_name} {last_name}");
    let display_name = text::name("display_name", wish.display_name.as_deref().unwrap_or(&full).trim())?;
    let avatar_url = wish.avatar_url.as_deref().map(avatar).transpose()?;
    Ok(User {
        id: UserId::new(),
        number: 0,
        email,
        phone,
        password: PasswordHash::none(),
        first_name,
        last_name,
        display_name,
        avatar_url,
        email_verified: false,
        phone_verified: false,
        standing: Standing::Active,
        admin: false,
        timezone: "UTC".into(),
        language: "en".into(),
        devices: DeviceDefaults::default(),
        created_at: now,
        updated_at: now,
        last_login: None,
    })
}

/// The account's address that a code is to prove.
fn unproven(user: &User, channel: Channel) -> Option<&str> {
    let (address, proven) = match channel {
        Channel::Email => (&user.email, user.email_verified),
        Channel::Phone => (&user.phone, user.phone_verified),
    };
    address.as_deref().filter(|_| !proven)
}

/// `false`: it is not the account's address any more, or needs no proof; or its last code is so young that it may still be on
/// its way. That one stays good: else who keeps asking for another's codes keeps them out.
fn put_code(tx: &mut dyn Tx, code: &Verification, to: &str) -> Result<bool> {
    let Some(user) = tx.lock_user(code.user)?.filter(active) else { return Ok(false) };
    if unproven(&user, code.channel) != Some(to) {
        return Ok(false);
    }
    // It went to this address: a change of the address drops it. All of a channel live as long.
    let last = tx.outstanding(code.channel, code.user)?;
    if last.is_some_and(|last| last.expires_at + CODE_PAUSE > code.expires_at) {
        return Ok(false);
    }
    tx.put_verification(code).map(|()| true)
}

struct Changed {
    user: User,
    /// To an address that is to be proven.
    moved: bool,
    ended: Vec<LoginId>,
}

fn change_credentials(
    tx: &mut dyn Tx,
    mut user: User,
    caller: Caller,
    email: Option<String>,
    password: Option<PasswordHash>,
    now: Timestamp,
) -> Result<Changed> {
    let moved = email.is_some() && email != user.email;
    if moved {
        user.email = email;
        user.email_verified = false;
        tx.drop_verification(Channel::Email, user.id)?;
    }
    let ended = match password {
        Some(hash) => {
            user.password = hash;
            login::revoke(tx, user.id, Some(caller.login), now)?
        }
        None => vec![],
    };
    user.updated_at = now;
    tx.save_user(&user)?;
    Ok(Changed { user, moved, ended })
}

fn full_name(user: &User) -> String {
    format!("{} {}", user.first_name, user.last_name).trim().to_owned()
}

/// A picture's address: http or https, for it ends up in other people's pages.
fn avatar(url: &str) -> Result<String> {
    let url = text::bounded("avatar_url", url.trim(), 2_000)?;
    let web = url.starts_with("https://") || url.starts_with("http://");
    if !web || url.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>')) {
        return Err(Error::invalid("avatar_url", "avatar_url must be an http or https URL"));
    }
    Ok(url)
}

fn apply(user: &mut User, change: ProfileChange) -> Result<()> {
    // A name of its own stays when the others change.
    let follows = user.display_name == full_name(user);
    if let Some(first) = change.first_name {
        user.first_name = text::name("first_name", &first)?;
    }
    if let Some(last) = change.last_name {
        user.last_name = text::bounded("last_name", last.trim(), limit::NAME_CHARS)?;
    }
    match change.display_name {
        Some(name) => user.display_name = text::name("display_name", &name)?,
        None if follows => user.display_name = text::name("display_name", &full_name(user))?,
        None => {}
    }
    if let Some(url) = change.avatar_url {
        user.avatar_url = if url.is_empty() { None } else { Some(avatar(&url)?) };
    }
    if let Some(zone) = change.timezone {
        user.timezone = timezone(&zone)?;
    }
    if let Some(tag) = change.language {
        user.language = language(&tag)?;
    }
    let devices = &mut user.devices;
    devices.video_enabled = change.video_enabled.unwrap_or(devices.video_enabled);
    devices.audio_enabled = change.audio_enabled.unwrap_or(devices.audio_enabled);
    devices.auto_join_audio = change.auto_join_audio.unwrap_or(devices.auto_join_audio);
    Ok(())
}

/// An IANA time zone name, by its shape: new zones appear more often than we are built.
pub fn timezone(name: &str) -> Result<String> {
    let shape = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    if name.is_empty() || name.len() > 64 || !name.chars().all(shape) || name.starts_with('/') {
        return Err(Error::invalid("timezone", "timezone must be an IANA time zone such as Europe/Berlin"));
    }
    Ok(name.to_owned())
}

/// A language tag (BCP 47), by its shape.
fn language(tag: &str) -> Result<String> {
    let parts_ok = tag.split('-').all(|p| (1..=8).contains(&p.len()) && p.chars().all(|c| c.is_ascii_alphanumeric()));
    if tag.len() > 35 || !parts_ok {
        return Err(Error::invalid("preferred_language", "preferred_language must be a language tag such as en"));
    }
    Ok(tag.to_owned())
}

fn prove(tx: &mut dyn Tx, channel: Channel, code_hash: &[u8], caller: Option<Caller>, now: Timestamp) -> Result<bool> {
    let found = tx.verification(channel, code_hash)?;
    let good = found.filter(|v| v.expires_at > now && caller.is_none_or(|caller| caller.user == v.user));
    let Some(verification) = good else { return Ok(false) };
    let Some(mut user) = tx.lock_user(verification.user)?.filter(person) else { return Ok(false) };
    // Whoever had the account before us may have used the code, or changed the address that it was sent to.
    if tx.verification(channel, code_hash)?.is_none() {
        return Ok(false);
    }
    match channel {
        Channel::Email => user.email_verified = true,
        Channel::Phone => user.phone_verified = true,
    }
    user.updated_at = now;
    tx.save_user(&user)?;
    tx.drop_verification(channel, user.id)?;
    Ok(true)
}

pub(crate) fn own_account(tx: &mut dyn Tx, caller: Caller) -> Result<User> {
    tx.user(caller.user)?.filter(active).ok_or_else(login::invalid_token)
}

/// As [`own_account`], and it stays as it is until this transaction ends. The log-in is looked at again: it may have ended
/// since the caller showed their token.
pub(crate) fn locked_account(tx: &mut dyn Tx, caller: Caller) -> Result<User> {
    let user = tx.lock_user(caller.user)?.filter(active).ok_or_else(login::invalid_token)?;
    match tx.login(caller.login)?.filter(|login| login.revoked_at.is_none()) {
        Some(_) => Ok(user),
        None => Err(login::invalid_token()),
    }
}

fn active(user: &User) -> bool {
    user.standing == Standing::Active
}

fn visible(user: &User) -> bool {
    user.standing != Standing::Deleted
}

fn person(user: &User) -> bool {
    matches!(user.standing, Standing::Active | Standing::Deactivated)
}

fn tombstone(user: User, now: Timestamp) -> User {
    User {
        email: None,
        phone: None,
        password: PasswordHash::none(),
        first_name: DELETED_NAME.into(),
        last_name: String::new(),
        display_name: DELETED_NAME.into(),
        avatar_url: None,
        email_verified: false,
        phone_verified: false,
        standing: Standing::Deleted,
        admin: false,
        updated_at: now,
        last_login: None,
        ..user
    }
}
