//! "User Profile".

use crate::{
    map,
    voice::{BadToken, Busy, Caller, ErrorBody, Route, Voice},
    wire::Profile,
};
use axum::extract::State;
use convo_kit::{Json, Shared};

#[utoipa::path(
    get,
    path = "/api/users",
    operation_id = "conversations_list_users",
    tag = "conversations: users",
    summary = "Get all users' profiles",
    security(("bearer" = [])),
    responses((status = 200, description = "The profiles", body = [Profile]), BadToken, Busy)
)]
pub(crate) async fn list(State(app): State<Shared>, _: Caller) -> Result<Json<Vec<Profile>>, Voice> {
    let users = app.domain.users().await?;
    Ok(Json(users.into_iter().map(map::profile).collect()))
}

#[utoipa::path(
    get,
    path = "/api/users/{user_id}",
    operation_id = "conversations_get_user",
    tag = "conversations: users",
    summary = "Get a user's profile",
    security(("bearer" = [])),
    params(("user_id" = String, Path, description = "The user's UUID")),
    responses(
        (status = 200, description = "The profile", body = Profile),
        (status = 404, description = "No such user", body = ErrorBody),
        BadToken,
        Busy,
    )
)]
pub(crate) async fn read(State(app): State<Shared>, _: Caller, id: Route<String>) -> Result<Json<Profile>, Voice> {
    let user = app.domain.user(map::path_user(&id.0)?).await?;
    Ok(Json(map::profile(user)))
}
