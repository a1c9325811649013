//! "User Management Endpoints".

use crate::{
    map,
    voice::{ErrorBody, Voice},
    wire,
};
use axum::extract::State;
use convo_kit::{Body, Caller, Json, Shared};

/// Get user profile information.
#[utoipa::path(get, operation_id = "platform_profile", path = "/api/v1/users/profile", tag = "platform: users", security(("bearer" = [])), responses(
    (status = 200, body = wire::Profile), (status = 401, body = ErrorBody), (status = 429, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(crate) async fn profile(State(app): State<Shared>, caller: Caller<Voice>) -> Result<Json<wire::Profile>, Voice> {
    Ok(Json(map::profile(app.domain.user(caller.0.user).await?)))
}

/// Update user profile information.
#[utoipa::path(put, operation_id = "platform_update_profile", path = "/api/v1/users/profile", tag = "platform: users", security(("bearer" = [])),
    request_body = wire::ProfileUpdate, responses((status = 200, body = wire::ProfileUpdated),
    (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn update(
    State(app): State<Shared>,
    caller: Caller<Voice>,
    body: Body<wire::ProfileUpdate, Voice>,
) -> Result<Json<wire::ProfileUpdated>, Voice> {
    let user = app.domain.update_profile(caller.0, map::profile_change(body.into_inner())).await?;
    Ok(Json(map::profile_updated(user)))
}

/// Delete one's own account. Rooms stay readable; the author becomes "Deleted user".
///
/// Scheduled meetings that one hosts are cancelled, running ones end.
#[utoipa::path(delete, operation_id = "platform_delete_profile", path = "/api/v1/users/profile", tag = "platform: users", security(("bearer" = [])), responses(
    (status = 200, body = wire::Said), (status = 401, body = ErrorBody), (status = 429, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(crate) async fn delete(State(app): State<Shared>, caller: Caller<Voice>) -> Result<Json<wire::Said>, Voice> {
    app.domain.delete_account(caller.0).await?;
    Ok(Json(wire::Said { message: "Account deleted successfully" }))
}
