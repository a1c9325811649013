//! The two paths that two documents share (contract.md, "Where two documents meet"): the body says whose it is, and
//! the answer, errors included, is in that API's voice.

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use convo_domain::{
    clock::{Clock, System},
    error::Error,
};
use convo_kit::{
    App, IdempotencyKey, Json, Shared, body,
    door::Identity,
    limit::{Class, limited},
    time::rfc3339,
    voice,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr,
        schema::{AnyOfBuilder, Schema},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes(app: &Shared) -> OpenApiRouter<Shared> {
    let joining = OpenApiRouter::new().routes(routes!(join));
    let posting = OpenApiRouter::new().routes(routes!(post_message));
    limited(app, Class::Meeting, convo_platform::voice, joining).merge(limited(app, Class::Chat, nobodys, posting))
}

/// Join a meeting. `platform.md`: with an account, as `{display_name?, video_enabled?, audio_enabled?, passcode?}`;
/// `livekit-meetings.md`: also as a guest, as `{user_name, passcode?}`.
#[utoipa::path(post, path = "/api/v1/meetings/{meeting_id}/join", tag = "platform: meetings",
    security((), ("bearer" = [])), params(("meeting_id" = String, Path, description = "Prefixed id, UUID or code",
    example = "123-456-789")), request_body = Option<JoinBody>, responses((status = 200, body = JoinAnswer),
    (status = 400, description = "Malformed, or the meeting has ended", body = JoinError),
    (status = 401, description = "No account", body = JoinError),
    (status = 403, description = "Passcode, lock, limit, removed, or not started", body = JoinError),
    (status = 404, description = "No such meeting", body = JoinError),
    (status = 413, description = "Too large", body = JoinError),
    (status = 422, description = "A rule is broken", body = JoinError),
    (status = 429, description = "Too many requests or guesses", body = JoinError),
    (status = 503, description = "The database does not answer", body = JoinError)))]
async fn join(
    State(app): State<Shared>,
    identity: axum::Extension<Identity>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let Ok(Path(id)) = id else { return convo_platform::voice(Error::not_found("Meeting")) };
    let parsed = body::read(request).await.and_then(|bytes| body::json::<Option<Map<String, Value>>>(&bytes));
    // Every field of a join may be left out, and so may its body.
    let parsed = parsed.map(|body| Value::Object(body.unwrap_or_default()));
    let by_link = parsed.as_ref().is_ok_and(|body| body.get("user_name").is_some());
    let refuse = if by_link { convo_guest::voice } else { convo_platform::voice };
    match join_as(&app, &identity, &id, parsed, by_link).await {
        Ok(response) => response,
        Err(error) => refuse(error),
    }
}

async fn join_as(
    app: &Arc<App>,
    identity: &Identity,
    id: &str,
    parsed: Result<Value, Error>,
    by_link: bool,
) -> Result<Response, Error> {
    let (body, actor) = (parsed?, identity.actor()?);
    if by_link {
        let joined = convo_guest::join(app, actor, identity.address, id, body::from_value(body)?).await?;
        return Ok((StatusCode::OK, Json(joined)).into_response());
    }
    let joined = convo_platform::meetings::join(app, actor, identity.address, id, body::from_value(body)?).await?;
    Ok((StatusCode::OK, Json(joined)).into_response())
}

/// Send a message: to a conversation (`conversations.md`), or to a meeting (`convo.md`).
#[utoipa::path(post, path = "/api/messages", tag = "messages", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The client's own id of the message")),
    request_body = MessageBody, responses((status = 200, description = "Stored (conversation)", body = MessageAnswer),
    (status = 201, description = "Stored (meeting)", body = MessageAnswer),
    (status = 400, description = "Malformed", body = MessageError),
    (status = 401, description = "No token", body = MessageError),
    (status = 403, description = "Not the caller's to send", body = MessageError),
    (status = 404, description = "No such room", body = MessageError),
    (status = 413, description = "Too large", body = MessageError),
    (status = 422, description = "A rule is broken", body = MessageError),
    (status = 429, description = "Too many requests", body = MessageError),
    (status = 503, description = "The database does not answer", body = MessageError)))]
async fn post_message(
    State(app): State<Shared>,
    identity: axum::Extension<Identity>,
    key: IdempotencyKey,
    request: Request,
) -> Response {
    let bytes = match body::read(request).await {
        Ok(bytes) => bytes,
        Err(error) => return nobodys(error),
    };
    let whose = match body::json::<Whose>(&bytes) {
        Ok(whose) => whose,
        Err(error) => return nobodys(error),
    };
    let (actor, key) = (identity.actor(), key.0.as_deref());
    match (whose.conversation_id, whose.meeting_id) {
        (Some(_), _) => convo_conversations::post_message(&app, actor, key, &bytes).await,
        (None, Some(_)) => convo_legacy::post_message(&app, actor, key, &bytes).await,
        (None, None) => nobodys(Error::invalid("body", "The body needs a conversation_id or a meeting_id")),
    }
}

/// An error of a body that is neither document's, in both their shapes.
fn nobodys(error: Error) -> Response {
    let code = voice::status(error.kind).as_u16();
    let body = json!({
        "error": {"message": error.message, "status": code},
        "detail": error.message,
        "error_code": voice::code(error.kind),
        "timestamp": rfc3339(System.now()),
    });
    voice::answer(&error, Json(body))
}

/// As much of the body as says which document it follows.
#[derive(Deserialize)]
struct Whose {
    conversation_id: Option<IgnoredAny>,
    meeting_id: Option<IgnoredAny>,
}

/// For the documentation: what either of two documents describes. "Any of" and not "one of": a guest's body is one of
/// the platform's too, whose every field may be left out, and an error here may be in both shapes at once.
macro_rules! either {
    ($name:ident, $first:ty, $second:ty) => {
        enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let names = [<$first>::name(), <$second>::name()];
                names.into_iter().fold(AnyOfBuilder::new(), |any, name| any.item(Ref::from_schema_name(name))).into()
            }
        }

        impl ToSchema for $name {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                schemas.push((<$first>::name().into_owned(), <$first>::schema()));
                schemas.push((<$second>::name().into_owned(), <$second>::schema()));
                <$first>::schemas(schemas);
                <$second>::schemas(schemas);
            }
        }
    };
}

either!(JoinBody, convo_platform::wire::Join, convo_guest::Join);
either!(JoinAnswer, convo_platform::wire::Joined, convo_guest::Joined);
either!(JoinError, convo_platform::ErrorBody, convo_guest::ErrorBody);
either!(MessageBody, convo_conversations::wire::NewMessage, convo_legacy::wire::NewMessage);
either!(MessageAnswer, convo_conversations::wire::Posted, convo_legacy::wire::Message);
either!(MessageError, convo_conversations::ErrorBody, convo_legacy::ErrorBody);
