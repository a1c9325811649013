//! The document's table of contents, by the budget that each part is held to.

use crate::{accounts, live, meetings, messages, voice::voice};
use convo_kit::{
    Shared,
    limit::{Class, limited},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes(app: &Shared) -> OpenApiRouter<Shared> {
    let authentication = OpenApiRouter::new().routes(routes!(accounts::register)).routes(routes!(accounts::login));
    let making = OpenApiRouter::new().routes(routes!(meetings::create));
    let reading = OpenApiRouter::new()
        .routes(routes!(meetings::read))
        .routes(routes!(messages::list))
        .routes(routes!(live::connect));
    OpenApiRouter::new()
        .merge(limited(app, Class::Auth, voice, authentication))
        .merge(limited(app, Class::Meeting, voice, making))
        .merge(limited(app, Class::General, voice, reading))
}
