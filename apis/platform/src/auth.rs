//! "Authentication Endpoints".

use crate::{
    map,
    voice::{ErrorBody, Voice},
    wire,
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use convo_domain::{error::Error, user::Channel};
use convo_kit::{Anyone, Body, Caller, IdempotencyKey, Json, Origin, Shared, door::bearer};

type Answer<T> = Result<Json<T>, Voice>;

/// Register a new user with email or phone number.
#[utoipa::path(post, operation_id = "platform_register", path = "/api/v1/auth/register", tag = "platform: auth", request_body = wire::Register, responses(
    (status = 201, body = wire::Account), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody),
    (status = 422, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn register(
    State(app): State<Shared>,
    body: Body<wire::Register, Voice>,
) -> Result<(StatusCode, Json<wire::Account>), Voice> {
    let user = app.domain.register(map::registration(body.into_inner())?).await?;
    Ok((StatusCode::CREATED, Json(map::account(user))))
}

/// Authenticate user and receive access tokens.
#[utoipa::path(post, operation_id = "platform_login", path = "/api/v1/auth/login", tag = "platform: auth", request_body = wire::Login, responses(
    (status = 200, body = wire::Tokens), (status = 400, body = ErrorBody),
    (status = 401, description = "Invalid credentials; account not verified; account deactivated", body = ErrorBody),
    (status = 422, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn login(State(app): State<Shared>, body: Body<wire::Login, Voice>) -> Answer<wire::Tokens> {
    let body = body.into_inner();
    Ok(Json(map::tokens(app.domain.log_in(&body.email_or_phone, &body.password).await?)))
}

/// Verify user's email address with verification token.
#[utoipa::path(post, operation_id = "platform_verify_email", path = "/api/v1/auth/verify-email", tag = "platform: auth", request_body = wire::Verify,
    responses((status = 200, body = wire::Said), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 422, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn verify_email(
    State(app): State<Shared>,
    actor: Anyone<Voice>,
    origin: Origin,
    body: Body<wire::Verify, Voice>,
) -> Answer<wire::Said> {
    let code = body.into_inner().verification_code;
    app.domain.verify(Channel::Email, &code, actor.0.as_ref(), origin.asker).await?;
    Ok(Json(wire::Said { message: "Email verified successfully" }))
}

/// Verify user's phone number with SMS verification code.
#[utoipa::path(post, operation_id = "platform_verify_phone", path = "/api/v1/auth/verify-phone", tag = "platform: auth", request_body = wire::Verify,
    responses((status = 200, body = wire::Said), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 422, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn verify_phone(
    State(app): State<Shared>,
    actor: Anyone<Voice>,
    origin: Origin,
    body: Body<wire::Verify, Voice>,
) -> Answer<wire::Said> {
    let code = body.into_inner().verification_code;
    app.domain.verify(Channel::Phone, &code, actor.0.as_ref(), origin.asker).await?;
    Ok(Json(wire::Said { message: "Phone number verified successfully" }))
}

/// Send the verification codes again. The answer never tells whether there is such an account. Nothing is sent to an address whose
/// last code is less than a minute old, nor more than ten codes a day for an account by mail, and as many by text.
#[utoipa::path(post, operation_id = "platform_resend", path = "/api/v1/auth/resend-verification", tag = "platform: auth", request_body = wire::Resend,
    responses((status = 200, body = wire::Said), (status = 400, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn resend(State(app): State<Shared>, body: Body<wire::Resend, Voice>) -> Answer<wire::Said> {
    app.domain.resend_codes(&body.into_inner().email_or_phone).await?;
    Ok(Json(wire::Said { message: "If the account waits for a code, a new one is on its way" }))
}

/// Get authenticated user's information.
#[utoipa::path(get, operation_id = "platform_me", path = "/api/v1/auth/me", tag = "platform: auth", security(("bearer" = [])), responses(
    (status = 200, body = wire::Account), (status = 401, body = ErrorBody), (status = 429, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(crate) async fn me(State(app): State<Shared>, caller: Caller<Voice>) -> Answer<wire::Account> {
    Ok(Json(map::account(app.domain.user(caller.0.user).await?)))
}

/// Refresh access token using refresh token, which comes as the bearer token (or in the body).
#[utoipa::path(post, operation_id = "platform_refresh", path = "/api/v1/auth/refresh", tag = "platform: auth", security(("bearer" = [])),
    request_body(content = Option<wire::Refresh>), params(("Idempotency-Key" = Option<String>, Header,
    description = "Of the client's making, hard to guess, 16 characters or more: who repeats the request with it, because the answer was lost, is \
    answered the same refresh token again")), responses((status = 200, body = wire::Tokens),
    (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn refresh(
    State(app): State<Shared>,
    headers: HeaderMap,
    key: IdempotencyKey,
    body: Body<Option<wire::Refresh>, Voice>,
) -> Answer<wire::Tokens> {
    let given = body.into_inner().and_then(|body| body.refresh_token);
    let token = given.or_else(|| bearer(&headers).map(str::to_owned));
    let token = token.ok_or_else(|| Error::unauthenticated("A refresh token is required"))?;
    // One that can be guessed would make a spent token worth something to a thief.
    let key = key.0.as_deref().filter(|key| key.len() >= 16);
    Ok(Json(map::tokens(app.domain.refresh(&token, key).await?)))
}

/// Logout user and revoke all active sessions, on every API.
#[utoipa::path(post, operation_id = "platform_logout", path = "/api/v1/auth/logout", tag = "platform: auth", security(("bearer" = [])), responses(
    (status = 200, body = wire::Said), (status = 401, body = ErrorBody), (status = 429, body = ErrorBody),
    (status = 503, body = ErrorBody)))]
pub(crate) async fn logout(State(app): State<Shared>, caller: Caller<Voice>) -> Answer<wire::Said> {
    app.domain.log_out(caller.0).await?;
    Ok(Json(wire::Said { message: "Logged out successfully" }))
}
