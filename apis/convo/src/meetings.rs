//! "Meetings".

use crate::{
    caller::{self, Reader},
    map,
    voice::{Anyone, BadBody, BadToken, Body, Busy, ErrorBody, Route, Voice},
    wire::{Meeting, MeetingName, NewMeeting},
};
use axum::{extract::State, http::StatusCode};
use convo_domain::{
    error::{Kind, Result},
    room::{Room, RoomKind, RoomRef},
    user::Actor,
};
use convo_kit::{Json, Shared};

#[utoipa::path(
    post,
    path = "/api/meetings",
    operation_id = "convo_create_meeting",
    tag = "convo: meetings",
    summary = "Create a meeting",
    description = "The meeting is open: any account may use it, and joins it by that.",
    security(("bearer" = [])),
    request_body = NewMeeting,
    responses((status = 201, description = "The meeting", body = Meeting), BadBody, BadToken, Busy)
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    actor: Anyone,
    body: Body<NewMeeting>,
) -> Result<(StatusCode, Json<Meeting>), Voice> {
    let body = body.into_inner();
    let creator = caller::writer(&app, actor.0, "creator_id", body.creator_id).await?.account()?;
    let room = app.domain.create_meeting(creator, map::wish(body)?).await.map_err(map::our_field)?;
    Ok((StatusCode::CREATED, Json(shown(&app, room).await?)))
}

#[utoipa::path(
    get,
    path = "/api/meetings/{id}",
    operation_id = "convo_get_meeting",
    tag = "convo: meetings",
    summary = "Get a meeting by id",
    security(("bearer" = [])),
    params(("id" = MeetingName, Path, description = "The meeting's integer, its UUID or its code", example = 1)),
    responses(
        (status = 200, description = "The meeting", body = Meeting),
        (status = 404, description = "No such meeting", body = ErrorBody),
        BadToken,
        Busy,
    )
)]
pub(crate) async fn read(State(app): State<Shared>, actor: Anyone, id: Route<String>) -> Result<Json<Meeting>, Voice> {
    let by = map::path_ref(&id.0)?;
    let room = match caller::reader(&app, actor.0, &by).await? {
        Reader::Known(actor) => find(&app, &actor, by).await?,
        Reader::Anybody(room) => *room,
    };
    Ok(Json(shown(&app, room).await?))
}

/// The meeting, for one who is in it, joins it by this, or looks at it before joining.
async fn find(app: &Shared, actor: &Actor, by: RoomRef) -> Result<Room> {
    let id = app.domain.find_room(by.clone(), RoomKind::Meeting).await?;
    match app.domain.entry(actor, id, RoomKind::Meeting).await {
        // Whoever has the code may look; an integer is anybody's guess.
        Err(error)
            if matches!(error.kind, Kind::Forbidden | Kind::MeetingLocked) && !matches!(by, RoomRef::Number(_)) =>
        {
            Ok(app.domain.meeting(actor.account()?, by).await?.room)
        }
        entry => Ok(entry?.room),
    }
}

async fn shown(app: &Shared, room: Room) -> Result<Meeting> {
    let creator = match room.host {
        Some(host) => app.domain.user(host).await.map(|user| Some(user.number)),
        None => Ok(None),
    };
    match creator {
        Ok(creator) => Ok(map::meeting(room, creator)),
        Err(error) if error.kind == Kind::NotFound => Ok(map::meeting(room, None)),
        Err(error) => Err(error),
    }
}
