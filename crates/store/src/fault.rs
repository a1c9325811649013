//! What a database error means: something taken, something that will pass, or a mistake of ours.

use convo_domain::error::{Error, Kind};
use postgres::error::{DbError, Severity, SqlState};

/// Unique things, by both databases' names for them, and the field that a caller knows.
const UNIQUE: [(&str, &str, &str); 7] = [
    ("users_email", "users.email", "email"),
    ("users_phone", "users.phone", "phone_number"),
    ("rooms_code", "rooms.code", "code"),
    ("rooms_pair", "rooms.pair", "pair"),
    ("messages_nonce", "messages.nonce", "client_message_id"),
    ("verifications_code", "verifications.code_hash", "verification_code"),
    ("participants_identity", "participants.identity", "identity"),
];

fn taken(found: impl Fn(&(&str, &str, &str)) -> bool, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let field = UNIQUE.iter().find(|row| found(row)).map(|row| row.2);
    let message = match field {
        Some("email") => "This e-mail address is already registered",
        Some("phone_number") => "This phone number is already registered",
        _ => "This is already taken",
    };
    Error { field, source: Some(source), ..Error::new(Kind::Conflict, message) }
}

pub(crate) fn sqlite(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::*;
    match error.sqlite_error_code() {
        Some(ConstraintViolation) => {
            let text = error.to_string();
            taken(|row| text.contains(row.1), error.into())
        }
        // A full disk, a lost file, another process's lock: nothing was stored, and it may pass.
        Some(DiskFull | SystemIoFailure | DatabaseBusy | DatabaseLocked | CannotOpen | ReadOnly | OutOfMemory) => {
            Error::unavailable(error)
        }
        _ => Error::internal(error),
    }
}

pub(crate) fn postgres(error: postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        // No word from the server: the connection is gone.
        return Error::unavailable(error);
    };
    let class = db.code().code().get(..2).unwrap_or_default().to_owned();
    match &class[..] {
        "23" => {
            let name = db.constraint().unwrap_or_default().to_owned();
            taken(|row| row.0 == name, error.into())
        }
        // Connection, transaction rollback (deadlock), resources, operator intervention, system error.
        "08" | "40" | "53" | "57" | "58" => Error::unavailable(error),
        // A failover left us on a server that only reads.
        "25" if *db.code() == SqlState::READ_ONLY_SQL_TRANSACTION => Error::unavailable(error),
        _ => Error::internal(error),
    }
}

/// What a failed COMMIT means. A server that refused it stored nothing; one that went down, or that is out of reach, may have
/// stored all of it before.
pub(crate) fn postgres_commit(error: postgres::Error) -> Error {
    let severity = error.as_db_error().and_then(DbError::parsed_severity);
    if severity == Some(Severity::Error) { postgres(error) } else { Error::unanswered(error) }
}

/// Whether the server refused because it only reads.
pub(crate) fn is_read_only(error: &Error) -> bool {
    let source = error.source.as_ref().and_then(|source| source.downcast_ref::<postgres::Error>());
    source.and_then(postgres::Error::code) == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}
