//! People, log-ins, codes.

use crate::{
    codec::Code,
    sql::{Row, values},
    tx::Tx,
};
use convo_domain::{
    clock::Timestamp,
    error::Result,
    id::{LoginId, UserId},
    user::{Channel, DeviceDefaults, Login, PasswordHash, Standing, User, Verification, store::UserStore},
};

/// All but the number, which the database gives.
macro_rules! user_fields {
    () => {
        "id, email, phone, password, first_name, last_name, display_name, avatar_url, email_verified, \
         phone_verified, standing, admin, timezone, language, video_enabled, audio_enabled, auto_join, created_at, \
         updated_at, last_login"
    };
}

macro_rules! user_columns {
    () => {
        concat!("number, ", user_fields!())
    };
}

fn user(row: &dyn Row) -> Result<User> {
    Ok(User {
        number: row.req_int(0)?,
        id: UserId(row.req_uuid(1)?),
        email: row.text(2)?,
        phone: row.text(3)?,
        password: PasswordHash(row.req_text(4)?),
        first_name: row.req_text(5)?,
        last_name: row.req_text(6)?,
        display_name: row.req_text(7)?,
        avatar_url: row.text(8)?,
        email_verified: row.flag(9)?,
        phone_verified: row.flag(10)?,
        standing: Standing::decode(row.req_int(11)?)?,
        admin: row.flag(12)?,
        timezone: row.req_text(13)?,
        language: row.req_text(14)?,
        devices: DeviceDefaults {
            video_enabled: row.flag(15)?,
            audio_enabled: row.flag(16)?,
            auto_join_audio: row.flag(17)?,
        },
        created_at: row.time(18)?,
        updated_at: row.time(19)?,
        last_login: row.opt_time(20)?,
    })
}

macro_rules! login_columns {
    () => {
        "id, user_id, refresh_hash, created_at, expires_at, revoked_at"
    };
}

fn login(row: &dyn Row) -> Result<Login> {
    Ok(Login {
        id: LoginId(row.req_uuid(0)?),
        user: UserId(row.req_uuid(1)?),
        refresh_hash: row.req_bytes(2)?,
        created_at: row.time(3)?,
        expires_at: row.time(4)?,
        revoked_at: row.opt_time(5)?,
    })
}

impl UserStore for Tx<'_> {
    fn add_user(&mut self, u: &mut User) -> Result<()> {
        const ADD: &str = concat!(
            "INSERT INTO users (",
            user_fields!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)"
        );
        let values = values![
            &u.id,
            u.email.as_ref(),
            u.phone.as_ref(),
            &u.password.0,
            &u.first_name,
            &u.last_name,
            &u.display_name,
            u.avatar_url.as_ref(),
            u.email_verified,
            u.phone_verified,
            u.standing.code(),
            u.admin,
            &u.timezone,
            &u.language,
            u.devices.video_enabled,
            u.devices.audio_enabled,
            u.devices.auto_join_audio,
            u.created_at,
            u.updated_at,
            u.last_login,
        ];
        u.number = self.sql.insert(ADD, values)?;
        Ok(())
    }

    fn user(&mut self, id: UserId) -> Result<Option<User>> {
        self.sql.row(concat!("SELECT ", user_columns!(), " FROM users WHERE id = ?1"), values![&id], user)
    }

    fn lock_user(&mut self, id: UserId) -> Result<Option<User>> {
        const LOCK: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = ?1 FOR UPDATE");
        if self.sql.locks_rows() {
            return self.sql.row(LOCK, values![&id], user);
        }
        self.user(id)
    }

    fn user_by_number(&mut self, number: i64) -> Result<Option<User>> {
        self.sql.row(concat!("SELECT ", user_columns!(), " FROM users WHERE number = ?1"), values![number], user)
    }

    fn user_by_email(&mut self, email: &str) -> Result<Option<User>> {
        self.sql.row(concat!("SELECT ", user_columns!(), " FROM users WHERE email = ?1"), values![email], user)
    }

    fn user_by_phone(&mut self, phone: &str) -> Result<Option<User>> {
        self.sql.row(concat!("SELECT ", user_columns!(), " FROM users WHERE phone = ?1"), values![phone], user)
    }

    fn users(&mut self) -> Result<Vec<User>> {
        const ALL: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE standing = ?1 ORDER BY number");
        self.sql.rows(ALL, values![Standing::Active.code()], user)
    }

    fn accounts(&mut self) -> Result<Vec<User>> {
        const ALL: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE standing IN (?1, ?2) ORDER BY number");
        self.sql.rows(ALL, values![Standing::Active.code(), Standing::Deactivated.code()], user)
    }

    fn save_user(&mut self, u: &User) -> Result<()> {
        const SAVE: &str = "UPDATE users SET email = ?2, phone = ?3, password = ?4, first_name = ?5, last_name = ?6, \
             display_name = ?7, avatar_url = ?8, email_verified = ?9, phone_verified = ?10, standing = ?11, \
             admin = ?12, timezone = ?13, language = ?14, video_enabled = ?15, audio_enabled = ?16, \
             auto_join = ?17, updated_at = ?18, last_login = ?19 WHERE id = ?1";
        let values = values![
            &u.id,
            u.email.as_ref(),
            u.phone.as_ref(),
            &u.password.0,
            &u.first_name,
            &u.last_name,
            &u.display_name,
            u.avatar_url.as_ref(),
            u.email_verified,
            u.phone_verified,
            u.standing.code(),
            u.admin,
            &u.timezone,
            &u.language,
            u.devices.video_enabled,
            u.devices.audio_enabled,
            u.devices.auto_join_audio,
            u.updated_at,
            u.last_login,
        ];
        self.sql.execute(SAVE, values).map(drop)
    }

    fn rename_author(&mut self, id: UserId, name: &str) -> Result<()> {
        // Through the rooms the person is in: the messages have no index by author, and need none for anything else.
        const MESSAGES: &str = "UPDATE messages SET sender_name = ?2 WHERE sender = ?1 AND room IN \
             (SELECT r.number FROM members m JOIN rooms r ON r.id = m.room WHERE m.user_id = ?1)";
        const PARTICIPANTS: &str = "UPDATE participants SET display_name = ?2 WHERE user_id = ?1";
        self.sql.execute(MESSAGES, values![&id, name])?;
        self.sql.execute(PARTICIPANTS, values![&id, name]).map(drop)
    }

    fn add_login(&mut self, l: &Login) -> Result<()> {
        const ADD: &str = concat!("INSERT INTO logins (", login_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        let values = values![&l.id, &l.user, &l.refresh_hash, l.created_at, l.expires_at, l.revoked_at];
        self.sql.execute(ADD, values).map(drop)
    }

    fn login(&mut self, id: LoginId) -> Result<Option<Login>> {
        self.sql.row(concat!("SELECT ", login_columns!(), " FROM logins WHERE id = ?1"), values![&id], login)
    }

    fn lock_login(&mut self, id: LoginId) -> Result<Option<Login>> {
        const LOCK: &str = concat!("SELECT ", login_columns!(), " FROM logins WHERE id = ?1 FOR UPDATE");
        if self.sql.locks_rows() {
            return self.sql.row(LOCK, values![&id], login);
        }
        self.login(id)
    }

    fn save_login(&mut self, l: &Login) -> Result<()> {
        const SAVE: &str = "UPDATE logins SET refresh_hash = ?2, expires_at = ?3, revoked_at = ?4 WHERE id = ?1";
        self.sql.execute(SAVE, values![&l.id, &l.refresh_hash, l.expires_at, l.revoked_at]).map(drop)
    }

    fn revoke_logins(&mut self, user: UserId, except: Option<LoginId>, now: Timestamp) -> Result<Vec<LoginId>> {
        const REVOKE: &str = "UPDATE logins SET revoked_at = ?3 WHERE user_id = ?1 AND id <> ?2 \
             AND revoked_at IS NULL RETURNING id";
        let except = except.unwrap_or(LoginId(uuid::Uuid::nil()));
        self.sql.rows(REVOKE, values![&user, &except, now], |row| Ok(LoginId(row.req_uuid(0)?)))
    }

    fn logins_revoked_since(&mut self, since: Timestamp) -> Result<Vec<(LoginId, Timestamp)>> {
        const SINCE: &str = "SELECT id, revoked_at FROM logins WHERE revoked_at > ?1 AND revoked_at IS NOT NULL";
        self.sql.rows(SINCE, values![since], |row| Ok((LoginId(row.req_uuid(0)?), row.time(1)?)))
    }

    fn forget_credentials(&mut self, before: Timestamp) -> Result<()> {
        const LOGINS: &str = "DELETE FROM logins WHERE expires_at < ?1 OR revoked_at < ?1";
        self.sql.execute(LOGINS, values![before])?;
        self.sql.execute("DELETE FROM verifications WHERE expires_at < ?1", values![before]).map(drop)
    }

    fn put_verification(&mut self, v: &Verification) -> Result<()> {
        const PUT: &str = "INSERT INTO verifications (channel, code_hash, user_id, expires_at) \
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (channel, user_id) \
             DO UPDATE SET code_hash = excluded.code_hash, expires_at = excluded.expires_at";
        self.sql.execute(PUT, values![v.channel.code(), &v.code_hash, &v.user, v.expires_at]).map(drop)
    }

    fn verification(&mut self, channel: Channel, code_hash: &[u8]) -> Result<Option<Verification>> {
        const ONE: &str = "SELECT user_id, expires_at FROM verifications WHERE channel = ?1 AND code_hash = ?2";
        self.sql.row(ONE, values![channel.code(), code_hash], |row| {
            let code_hash = code_hash.to_vec();
            Ok(Verification { channel, code_hash, user: UserId(row.req_uuid(0)?), expires_at: row.time(1)? })
        })
    }

    fn outstanding(&mut self, channel: Channel, user: UserId) -> Result<Option<Verification>> {
        const LAST: &str = "SELECT code_hash, expires_at FROM verifications WHERE channel = ?1 AND user_id = ?2";
        self.sql.row(LAST, values![channel.code(), &user], |row| {
            Ok(Verification { channel, code_hash: row.req_bytes(0)?, user, expires_at: row.time(1)? })
        })
    }

    fn drop_verification(&mut self, channel: Channel, user: UserId) -> Result<()> {
        const DROP: &str = "DELETE FROM verifications WHERE channel = ?1 AND user_id = ?2";
        self.sql.execute(DROP, values![channel.code(), &user]).map(drop)
    }
}
