//! `livekit-meetings.md`: meetings by link, without an account, under `/api/v1/meetings`.

mod handlers;
mod voice;
mod wire;

use convo_kit::{
    Api, Shared,
    limit::{Class, limited},
};
pub use handlers::join;
use utoipa_axum::{router::OpenApiRouter, routes};
pub use voice::{ErrorBody, voice};
pub use wire::{Join, Joined};

pub fn api(app: &Shared) -> Api {
    let meetings = OpenApiRouter::new().routes(routes!(handlers::create)).routes(routes!(handlers::delete));
    let reading = OpenApiRouter::new()
        .routes(routes!(handlers::info))
        .routes(routes!(handlers::exists))
        .routes(routes!(handlers::participants));
    let routes = limited(app, Class::Meeting, voice, meetings).merge(limited(app, Class::General, voice, reading));
    Api { name: "livekit-meetings", prefixes: &[], routes, voice }
}
