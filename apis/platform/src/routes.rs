//! The document's table of contents.

use crate::{auth, chat, control, live, meetings, users, voice::voice};
use convo_kit::{
    Shared,
    limit::{Class, limited, limited_by_refresh_token},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes(app: &Shared) -> OpenApiRouter<Shared> {
    let auth = OpenApiRouter::new()
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::verify_email))
        .routes(routes!(auth::verify_phone))
        .routes(routes!(auth::resend));
    let refresh = OpenApiRouter::new().routes(routes!(auth::refresh));
    let meetings = OpenApiRouter::new()
        .routes(routes!(meetings::create))
        .routes(routes!(meetings::update))
        .routes(routes!(meetings::leave))
        .routes(routes!(meetings::end))
        .routes(routes!(control::admit))
        .routes(routes!(control::deny))
        .routes(routes!(control::mute))
        .routes(routes!(control::ask_unmute))
        .routes(routes!(control::remove))
        .routes(routes!(control::readmit))
        .routes(routes!(control::co_host))
        .routes(routes!(control::revoke_co_host))
        .routes(routes!(control::lower_hand))
        .routes(routes!(control::lock))
        .routes(routes!(control::unlock))
        .routes(routes!(control::mute_all));
    let chat = OpenApiRouter::new().routes(routes!(chat::send));
    let general = OpenApiRouter::new()
        .routes(routes!(auth::me))
        .routes(routes!(auth::logout))
        .routes(routes!(users::profile, users::update, users::delete))
        .routes(routes!(meetings::list))
        .routes(routes!(meetings::get))
        .routes(routes!(chat::history))
        .routes(routes!(live::connect));
    limited(app, Class::Auth, voice, auth)
        .merge(limited_by_refresh_token(app, voice, refresh))
        .merge(limited(app, Class::General, voice, general))
        .merge(limited(app, Class::Meeting, voice, meetings))
        .merge(limited(app, Class::Chat, voice, chat))
}
