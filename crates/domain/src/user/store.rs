//! What a store keeps of people.

use super::{Channel, Login, User, Verification};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{LoginId, UserId},
};

pub trait UserStore {
    /// Stores a new account and gives it its number. A taken address is `Conflict`.
    fn add_user(&mut self, user: &mut User) -> Result<()>;
    fn user(&mut self, id: UserId) -> Result<Option<User>>;
    /// As `user`, and nobody else changes it until this transaction ends: who saves an account has read it so.
    fn lock_user(&mut self, id: UserId) -> Result<Option<User>>;
    fn user_by_number(&mut self, number: i64) -> Result<Option<User>>;
    /// Without regard to case.
    fn user_by_email(&mut self, email: &str) -> Result<Option<User>>;
    fn user_by_phone(&mut self, phone: &str) -> Result<Option<User>>;
    /// Active accounts, oldest first.
    fn users(&mut self) -> Result<Vec<User>>;
    /// Those of [`users`](Self::users), and who was deactivated.
    fn accounts(&mut self) -> Result<Vec<User>>;
    /// All that can change; a taken address is `Conflict`.
    fn save_user(&mut self, user: &User) -> Result<()>;
    /// Names of messages already written by the user, in every room: for a deletion.
    fn rename_author(&mut self, user: UserId, name: &str) -> Result<()>;

    fn add_login(&mut self, login: &Login) -> Result<()>;
    fn login(&mut self, id: LoginId) -> Result<Option<Login>>;
    /// As `login`, and nobody else changes it until this transaction ends: who saves a log-in has read it so.
    fn lock_login(&mut self, id: LoginId) -> Result<Option<Login>>;
    fn save_login(&mut self, login: &Login) -> Result<()>;
    /// Ends every log-in of the user but `except`; the ids of those ended.
    fn revoke_logins(&mut self, user: UserId, except: Option<LoginId>, now: Timestamp) -> Result<Vec<LoginId>>;
    /// Log-ins ended after `since`, whichever process ended them.
    fn logins_revoked_since(&mut self, since: Timestamp) -> Result<Vec<(LoginId, Timestamp)>>;
    /// Forgets log-ins and codes that ended before `before`.
    fn forget_credentials(&mut self, before: Timestamp) -> Result<()>;

    /// Stores the code in place of an older one for the same user and channel. `Conflict` when it is outstanding already.
    fn put_verification(&mut self, verification: &Verification) -> Result<()>;
    fn verification(&mut self, channel: Channel, code_hash: &[u8]) -> Result<Option<Verification>>;
    /// The user's code of the channel that was stored last, unless it was dropped.
    fn outstanding(&mut self, channel: Channel, user: UserId) -> Result<Option<Verification>>;
    fn drop_verification(&mut self, channel: Channel, user: UserId) -> Result<()>;
}
