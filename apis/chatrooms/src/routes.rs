//! The document's table of contents.

use crate::{messages, rooms, users, voice::voice};
use convo_kit::{
    Shared,
    limit::{Class, limited},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes(app: &Shared) -> OpenApiRouter<Shared> {
    let auth = OpenApiRouter::new().routes(routes!(users::create)).routes(routes!(users::login));
    let rooms =
        OpenApiRouter::new().routes(routes!(rooms::create)).routes(routes!(rooms::join)).routes(routes!(rooms::leave));
    let chat = OpenApiRouter::new().routes(routes!(messages::send));
    let general = OpenApiRouter::new()
        .routes(routes!(users::list))
        .routes(routes!(users::get, users::update, users::delete))
        .routes(routes!(rooms::list))
        .routes(routes!(rooms::get))
        .routes(routes!(messages::history));
    limited(app, Class::Auth, voice, auth)
        .merge(limited(app, Class::Meeting, voice, rooms))
        .merge(limited(app, Class::Chat, voice, chat))
        .merge(limited(app, Class::General, voice, general))
}
