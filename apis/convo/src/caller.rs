//! In whose name a request is: the token's, and under `CONVO_API_OPEN`, where there is none, the one that the request
//! claims (contract.md, "Authentication").

use convo_domain::{
    error::{Error, Kind, Result},
    id::{LoginId, UserId},
    room::{Origin, Room, RoomKind, RoomRef},
    text,
    user::{self, Actor},
};
use convo_kit::Shared;

/// Who writes. `claimed` is the body's `field`, an account's integer: it must be the caller's own.
pub(crate) async fn writer(
    app: &Shared,
    actor: Option<Actor>,
    field: &'static str,
    claimed: Option<i64>,
) -> Result<Actor> {
    match actor {
        Some(actor) => {
            own(app, &actor, field, claimed).await?;
            Ok(actor)
        }
        None if app.open_convo => named(app, field, text::required(field, claimed)?).await,
        None => Err(needed()),
    }
}

async fn own(app: &Shared, actor: &Actor, field: &'static str, claimed: Option<i64>) -> Result<()> {
    let Some(claimed) = claimed else { return Ok(()) };
    let own = match actor {
        Actor::User(caller) => Some(app.domain.user(caller.user).await?.number),
        Actor::Guest(_) => None,
    };
    if own == Some(claimed) { Ok(()) } else { Err(Error::forbidden(format!("{field} is not the caller's"))) }
}

async fn named(app: &Shared, field: &'static str, number: i64) -> Result<Actor> {
    match app.domain.user_by_number(number).await {
        Ok(user) => Ok(stand_in(user.id)),
        Err(error) if error.kind == Kind::NotFound => Err(Error::invalid(field, format!("{field} is nobody's id"))),
        Err(error) => Err(error),
    }
}

/// Who reads a meeting.
pub(crate) enum Reader {
    Known(Actor),
    /// Nobody in particular, who sees all of this meeting but private messages.
    Anybody(Box<Room>),
}

pub(crate) async fn reader(app: &Shared, actor: Option<Actor>, by: &RoomRef) -> Result<Reader> {
    match actor {
        Some(actor) => Ok(Reader::Known(actor)),
        None if app.open_convo => {
            let room = app.domain.room(by.clone(), RoomKind::Meeting).await?;
            if room.origin == Origin::Convo { Ok(Reader::Anybody(Box::new(room))) } else { Err(needed()) }
        }
        None => Err(needed()),
    }
}

/// The account without a log-in.
fn stand_in(user: UserId) -> Actor {
    Actor::User(user::Caller { user, login: LoginId(user.0) })
}

fn needed() -> Error {
    Error::unauthenticated("Authentication required")
}
