//! "User Routes".

use crate::{
    map::{self, UserRef},
    voice::{ErrorBody, Voice},
    wire,
};
use axum::{extract::State, http::StatusCode};
use convo_domain::{
    Error,
    id::UserId,
    user::{self, User},
};
use convo_kit::{Body, Caller, Json, Route, Shared};

/// Create a new user.
#[utoipa::path(post, path = "/api/user", operation_id = "chatrooms_create_user", tag = "chatrooms: users",
    request_body = wire::NewUser, responses(
    (status = 201, description = "The account", body = wire::User),
    (status = 400, description = "Not JSON", body = ErrorBody),
    (status = 409, description = "The address is taken", body = ErrorBody),
    (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
    (status = 422, description = "A field breaks a rule", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<Shared>,
    body: Body<wire::NewUser, Voice>,
) -> Result<(StatusCode, Json<wire::User>), Voice> {
    let user = app.domain.register(map::registration(body.into_inner())?).await?;
    Ok((StatusCode::CREATED, Json(map::user(user))))
}

/// Log in and get a JWT.
#[utoipa::path(post, path = "/api/user/login", operation_id = "chatrooms_login", tag = "chatrooms: users",
    request_body = wire::Login, responses(
    (status = 200, description = "The token", body = wire::Token),
    (status = 400, description = "Not JSON", body = ErrorBody),
    (status = 401, description = "Invalid credentials; account not verified; account deactivated", body = ErrorBody),
    (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
    (status = 422, description = "A field breaks a rule", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn login(
    State(app): State<Shared>,
    body: Body<wire::Login, Voice>,
) -> Result<Json<wire::Token>, Voice> {
    let wire::Login { email, password } = body.into_inner();
    Ok(Json(map::token(app.domain.log_in(&email, &password).await?)))
}

/// Get all users.
#[utoipa::path(get, path = "/api/user", operation_id = "chatrooms_list_users", tag = "chatrooms: users",
    security(("bearer" = [])), responses(
    (status = 200, description = "All accounts, oldest first", body = Vec<wire::User>),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "A guest's token", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn list(State(app): State<Shared>, _: Caller<Voice>) -> Result<Json<Vec<wire::User>>, Voice> {
    Ok(Json(app.domain.users().await?.into_iter().map(map::user).collect()))
}

/// Get a user by id.
#[utoipa::path(get, path = "/api/user/{id}", operation_id = "chatrooms_get_user", tag = "chatrooms: users",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The account's UUID, or its integer")), responses(
    (status = 200, description = "The account", body = wire::User),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "A guest's token", body = ErrorBody),
    (status = 404, description = "There is no such account", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn get(
    State(app): State<Shared>,
    _: Caller<Voice>,
    id: Route<String, Voice>,
) -> Result<Json<wire::User>, Voice> {
    Ok(Json(map::user(named(&app, &id.0).await?)))
}

/// Update one's own name, e-mail address or password.
#[utoipa::path(put, path = "/api/user/{id}", operation_id = "chatrooms_update_user", tag = "chatrooms: users",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The caller's UUID, or integer")),
    request_body = wire::UserChange, responses(
    (status = 200, description = "The account as it is now", body = wire::User),
    (status = 400, description = "Not JSON", body = ErrorBody),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "Somebody else's account", body = ErrorBody),
    (status = 404, description = "There is no such account", body = ErrorBody),
    (status = 409, description = "The address is taken", body = ErrorBody),
    (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
    (status = 422, description = "A field breaks a rule", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn update(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    id: Route<String, Voice>,
    body: Body<wire::UserChange, Voice>,
) -> Result<Json<wire::User>, Voice> {
    let caller = myself(&app, caller.0, &id.0).await?;
    let (credentials, profile) = map::change(body.into_inner())?;
    let user = match credentials {
        Some(credentials) => app.domain.update_account(caller, credentials, profile).await?,
        None => app.domain.update_profile(caller, profile).await?,
    };
    Ok(Json(map::user(user)))
}

/// Delete one's own account. The messages stay, the author becomes "Deleted user".
///
/// Scheduled meetings that one hosts are cancelled, running ones end.
#[utoipa::path(delete, path = "/api/user/{id}", operation_id = "chatrooms_delete_user", tag = "chatrooms: users",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The caller's UUID, or integer")), responses(
    (status = 200, description = "It is gone", body = wire::Done, example = json!({"message": "User deleted"})),
    (status = 401, description = "No token, or a bad one", body = ErrorBody),
    (status = 403, description = "Somebody else's account", body = ErrorBody),
    (status = 404, description = "There is no such account", body = ErrorBody),
    (status = 429, description = "Too many requests", body = ErrorBody),
    (status = 503, description = "The database does not answer", body = ErrorBody)))]
pub(crate) async fn delete(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    id: Route<String, Voice>,
) -> Result<Json<wire::Done>, Voice> {
    let caller = myself(&app, caller.0, &id.0).await?;
    app.domain.delete_account(caller).await?;
    Ok(Json(wire::Done { message: "User deleted" }))
}

async fn named(app: &Shared, id: &str) -> Result<User, Error> {
    match map::user_ref(id)? {
        UserRef::Id(id) => app.domain.user(id).await,
        UserRef::Number(number) => app.domain.user_by_number(number).await,
    }
}

/// The caller, provided that the path names them.
async fn myself(app: &Shared, caller: user::Caller, id: &str) -> Result<user::Caller, Error> {
    let meant: UserId = named(app, id).await?.id;
    if meant == caller.user { Ok(caller) } else { Err(Error::forbidden("You may only change your own account")) }
}
