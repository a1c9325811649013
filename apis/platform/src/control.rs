//! Host controls (contract.md, "Host controls").

use crate::{
    map,
    voice::{ErrorBody, Voice},
    wire,
};
use axum::extract::State;
use convo_domain::{error::Error, id::ParticipantId, meeting::control::Control, user::Actor};
use convo_kit::{Json, Route, Shared, Signed, envelope::ParticipantView};

type Answer<T> = Result<Json<T>, Voice>;
type Target = Route<(String, String), Voice>;

async fn apply(app: &Shared, actor: &Actor, target: &(String, String), control: Control) -> Answer<ParticipantView> {
    let (meeting, participant) = target;
    let participant = ParticipantId::parse(participant).ok_or_else(|| Error::not_found("Participant"))?;
    let done = app.domain.control(actor, map::room_ref(meeting)?, participant, control).await?;
    Ok(Json(ParticipantView::from(&done)))
}

/// One route a control: each is an operation of its own in the documentation.
macro_rules! controls {
    ($($(#[$doc:meta])* $name:ident = $path:literal => $control:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "platform: host controls", security(("bearer" = [])),
            params(("meeting_id" = String, Path), ("participant_id" = String, Path)),
            responses((status = 200, body = ParticipantView), (status = 400, body = ErrorBody),
            (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
            (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
        pub(crate) async fn $name(
            State(app): State<Shared>,
            actor: Signed<Voice>,
            target: Target,
        ) -> Answer<ParticipantView> {
            apply(&app, &actor.0, &target.0, $control).await
        }
    )*};
}

controls! {
    /// Let one in from the waiting room.
    admit = "/api/v1/meetings/{meeting_id}/participants/{participant_id}/admit" => Control::Admit;
    /// Turn one away from the waiting room.
    deny = "/api/v1/meetings/{meeting_id}/participants/{participant_id}/deny" => Control::Deny;
    /// Mute a participant.
    mute = "/api/v1/meetings/{meeting_id}/participants/{participant_id}/mute" => Control::Mute;
    /// Ask a participant to unmute; nobody can do it for them.
    ask_unmute = "/api/v1/meetings/{meeting_id}/participants/{participant_id}/ask-unmute" => Control::AskUnmute;
    /// Remove a participant, and keep them out.
    remove = "/api/v1/meetings/{meeting_id}/participants/{participant_id}/remove" => Control::Remove;
    /// Let a removed person come back.
    readmit = "/api/v1/meetings/{meeting_id}/participants/{participant_id}/readmit" => Control::Readmit;
    /// Make a participant co-host (host only).
    co_host = "/api/v1/meetings/{meeting_id}/participants/{participant_id}/co-host" => Control::CoHost;
    /// Make a co-host a participant like others again (host only).
    revoke_co_host = "/api/v1/meetings/{meeting_id}/participants/{participant_id}/revoke-co-host" => Control::RevokeCoHost;
    /// Lower a participant's raised hand.
    lower_hand = "/api/v1/meetings/{meeting_id}/participants/{participant_id}/lower-hand" => Control::LowerHand;
}

async fn set_lock(app: &Shared, actor: &Actor, id: &str, locked: bool) -> Answer<wire::LockState> {
    let room = app.domain.lock_meeting(actor, map::room_ref(id)?, locked).await?;
    Ok(Json(wire::LockState { id: map::meeting_id(&room), is_locked: room.locked }))
}

/// Lock a meeting: nobody new comes in.
#[utoipa::path(post, operation_id = "platform_lock", path = "/api/v1/meetings/{meeting_id}/lock", tag = "platform: host controls",
    security(("bearer" = [])), params(("meeting_id" = String, Path)),
    responses((status = 200, body = wire::LockState), (status = 400, body = ErrorBody),
    (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn lock(
    State(app): State<Shared>,
    actor: Signed<Voice>,
    id: Route<String, Voice>,
) -> Answer<wire::LockState> {
    set_lock(&app, &actor.0, &id.0, true).await
}

/// Unlock a meeting.
#[utoipa::path(post, operation_id = "platform_unlock", path = "/api/v1/meetings/{meeting_id}/unlock", tag = "platform: host controls",
    security(("bearer" = [])), params(("meeting_id" = String, Path)),
    responses((status = 200, body = wire::LockState), (status = 400, body = ErrorBody),
    (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn unlock(
    State(app): State<Shared>,
    actor: Signed<Voice>,
    id: Route<String, Voice>,
) -> Answer<wire::LockState> {
    set_lock(&app, &actor.0, &id.0, false).await
}

/// Mute everybody but hosts and co-hosts.
#[utoipa::path(post, operation_id = "platform_mute_all", path = "/api/v1/meetings/{meeting_id}/mute-all", tag = "platform: host controls",
    security(("bearer" = [])), params(("meeting_id" = String, Path)),
    responses((status = 200, body = wire::MutedAll), (status = 400, body = ErrorBody),
    (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn mute_all(
    State(app): State<Shared>,
    actor: Signed<Voice>,
    id: Route<String, Voice>,
) -> Answer<wire::MutedAll> {
    let muted = app.domain.mute_all(&actor.0, map::room_ref(&id.0)?).await?;
    Ok(Json(wire::MutedAll { participants: muted.iter().map(ParticipantView::from).collect() }))
}
