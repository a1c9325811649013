//! The document's table of contents, by the budget that each part is held to.

use crate::{accounts, connection, conversations, messages, ticket::Tickets, users, voice::voice};
use axum::Extension;
use convo_kit::{
    Shared,
    limit::{Class, limited},
};
use std::sync::Arc;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes(app: &Shared) -> OpenApiRouter<Shared> {
    let authentication = OpenApiRouter::new().routes(routes!(accounts::register)).routes(routes!(accounts::login));
    let making = OpenApiRouter::new().routes(routes!(conversations::open));
    let reading = OpenApiRouter::new()
        .routes(routes!(conversations::list))
        .routes(routes!(messages::list))
        .routes(routes!(connection::ticket, connection::upgrade))
        .routes(routes!(conversations::cancel))
        .routes(routes!(users::list))
        .routes(routes!(users::read))
        .layer(Extension(Arc::new(Tickets::default())));
    OpenApiRouter::new()
        .merge(limited(app, Class::Auth, voice, authentication))
        .merge(limited(app, Class::Meeting, voice, making))
        .merge(limited(app, Class::General, voice, reading))
}
