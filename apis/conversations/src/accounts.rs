//! "Authentication".

use crate::{
    map,
    voice::{BadBody, Body, Busy, ErrorBody, Voice},
    wire::{Login, Profile, Registration, Token},
};
use axum::{extract::State, http::StatusCode};
use convo_kit::{Json, Shared};

#[utoipa::path(
    post,
    path = "/api/auth/register",
    operation_id = "conversations_register",
    tag = "conversations: authentication",
    summary = "Register",
    request_body = Registration,
    responses(
        (status = 201, description = "The account", body = Profile),
        (status = 409, description = "The address is taken", body = ErrorBody),
        BadBody,
        Busy,
    )
)]
pub(crate) async fn register(
    State(app): State<Shared>,
    body: Body<Registration>,
) -> Result<(StatusCode, Json<Profile>), Voice> {
    let user = app.domain.register(map::registration(body.into_inner())?).await?;
    Ok((StatusCode::CREATED, Json(map::profile(user))))
}

#[utoipa::path(
    post,
    path = "/api/auth/login",
    operation_id = "conversations_login",
    tag = "conversations: authentication",
    summary = "Log in",
    request_body = Login,
    responses(
        (status = 200, description = "The access token", body = Token),
        (status = 401, description = "Wrong credentials, or an account that may not log in", body = ErrorBody),
        BadBody,
        Busy,
    )
)]
pub(crate) async fn login(State(app): State<Shared>, body: Body<Login>) -> Result<Json<Token>, Voice> {
    let Login { email, password } = body.into_inner();
    let tokens = app.domain.log_in(&email, &password).await?;
    Ok(Json(Token { token: tokens.access }))
}
