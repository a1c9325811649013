//! All APIs on one origin: their routes merged, what they share around them, and a miss answered in the voice of the
//! API whose path it was.

use crate::{crossroads, headers, observe, web::Web};
use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, Uri},
    middleware,
    response::{IntoResponse, Response},
};
use convo_domain::error::{Error, Kind};
use convo_kit::{
    Api, Shared,
    body::BODY_BYTES,
    door::{self, Identity},
    limit::{Class, counted},
    voice::Voiced,
};
use std::sync::Arc;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    OpenApi,
    openapi::{
        Server,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

#[derive(OpenApi)]
#[openapi(info(
    title = "Convo",
    description = "Meetings and chat: five public APIs on one origin, one set of accounts and one kind of room. \
                   WebSockets are described with the operations that open them; Socket.IO is at /socket.io."
))]
struct Description;

/// Path prefixes and the voice that answers for them, the longest first.
type Voices = Arc<Vec<(&'static str, Voiced)>>;

/// The whole server as one router. `extra`: what stands outside the five documents.
pub(crate) fn mount(app: &Shared, apis: Vec<Api>, extra: Router<Shared>, web: Web) -> Router {
    let mut voices: Vec<(&'static str, Voiced)> = Vec::new();
    let mut routes = OpenApiRouter::with_openapi(Description::openapi()).merge(crossroads::routes(app));
    for api in apis {
        voices.extend(api.prefixes.iter().map(|prefix| (*prefix, api.voice)));
        routes = routes.merge(api.routes);
    }
    voices.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    let voices: Voices = Arc::new(voices);
    let (routes, openapi) = routes.split_for_parts();
    // One stack, the outermost first: a layer of its own would cost each request a box and a clone of all below it.
    let security = headers::Security::new(&app.public_url);
    let around = ServiceBuilder::new()
        .layer(middleware::from_fn(observe::request))
        .map_response(move |response: axum::http::Response<_>| security.write(response))
        .layer(headers::cors(&app.frontend_url))
        .layer(CatchPanicLayer::custom(|_| convo_platform::voice(Error::internal("a handler panicked"))))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(Extension(voices))
        .layer(Extension(web.clone()))
        .layer(middleware::from_fn_with_state(app.clone(), door::identify));
    routes
        .merge(extra)
        .merge(web.routes())
        .merge(convo_docs::routes(describe(openapi), &app.public_url).with_state(()))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(around)
        .with_state(app.clone())
}

fn describe(mut openapi: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    openapi.info.version = env!("CARGO_PKG_VERSION").into();
    openapi.servers = Some(vec![Server::new("/")]);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    openapi.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    openapi
}

async fn not_found(
    app: State<Shared>,
    identity: Extension<Identity>,
    voices: Extension<Voices>,
    Extension(web): Extension<Web>,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Response {
    if web.opens(&method, uri.path(), &headers) {
        return web.page(&headers);
    }
    miss(app, identity, voices, uri, Error::not_found("Resource")).await
}

async fn wrong_method(
    app: State<Shared>,
    identity: Extension<Identity>,
    voices: Extension<Voices>,
    uri: Uri,
) -> Response {
    miss(app, identity, voices, uri, Error::new(Kind::MethodNotAllowed, "Method not allowed")).await
}

async fn miss(
    State(app): State<Shared>,
    Extension(identity): Extension<Identity>,
    Extension(voices): Extension<Voices>,
    uri: Uri,
    error: Error,
) -> Response {
    let voice = voice_of(&voices, uri.path());
    counted(&app, &identity, Class::General, voice, async { voice(error).into_response() }).await
}

fn voice_of(voices: &[(&'static str, Voiced)], path: &str) -> Voiced {
    let owns = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    voices.iter().find(|(prefix, _)| owns(prefix)).map_or(convo_platform::voice, |(_, voice)| *voice)
}
