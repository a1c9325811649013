//! The documentation that the server gives away: the OpenAPI document, and what is made of it.
//!
//! | path | what |
//! | --- | --- |
//! | `/openapi.json` | OpenAPI 3.1 |
//! | `/docs` | Swagger UI, to try requests |
//! | `/docs/postman-collection.json` | a Postman collection, v2.1 |
//! | `/redoc` | ReDoc, to read; where it was not packed into the build, a plain page |
//!
//! Everything is made once, when the server starts, and held in memory. **The pages ask no other host**, and
//! [`POLICY`] keeps their scripts from it.

mod asset;
mod document;
mod postman;
mod redoc;
mod reference;
mod swagger;

pub use postman::postman;

use asset::{Asset, serve};
use axum::Router;
use document::Document;
use http::{HeaderValue, StatusCode, header::CONTENT_SECURITY_POLICY};
use serde_json::Value;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::{
    OpenApi,
    content::Content,
    path::{HttpMethod, OperationBuilder},
    response::ResponseBuilder,
};

/// The pages' Content-Security-Policy. Both user interfaces write style attributes; ReDoc runs its search in a worker
/// made from a blob.
pub const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const JSON: &str = "application/json";

/// The pages of `openapi`, which they are themselves added to. `public_url`: where clients reach the server, without a
/// trailing slash; the Postman collection's `base_url`.
///
/// # Panics
/// When `openapi` can't be JSON, which no document made by utoipa is.
pub fn routes(mut openapi: OpenApi, public_url: &str) -> Router {
    describe(&mut openapi);
    let mut value = serde_json::to_value(&openapi).expect("an OpenAPI document is JSON");
    explain(&mut value);
    let collection = postman(&value, public_url);
    Router::new()
        .route("/openapi.json", serve(json(&value)))
        .route("/docs/postman-collection.json", serve(json(&collection)))
        .merge(swagger::routes())
        .merge(redoc::routes(&Document(&value)))
        .layer(SetResponseHeaderLayer::overriding(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)))
}

/// OpenAPI 3.1 asks for a description of every response: where its author wrote none, the status's own words.
fn explain(openapi: &mut Value) {
    let operations = members(&mut openapi["paths"]).flat_map(|(_, item)| members(item));
    let responses = operations.filter_map(|(_, operation)| operation.get_mut("responses")).flat_map(members);
    for (status, response) in responses.filter(|(_, response)| response.get("$ref").is_none()) {
        let reason = status.parse().ok().and_then(|status: StatusCode| status.canonical_reason());
        let Some(response) = response.as_object_mut() else { continue };
        response.entry("description").or_insert_with(|| reason.unwrap_or(status).into());
    }
}

fn members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flatten()
}

fn json(value: &Value) -> Asset {
    Asset::new(JSON, value.to_string().as_bytes())
}

/// Adds the pages' own operations.
fn describe(openapi: &mut OpenApi) {
    let pages = [
        ("/openapi.json", "get_openapi", "The OpenAPI document", JSON),
        ("/docs", "get_docs", "Swagger UI, to try requests in the browser", "text/html"),
        ("/docs/postman-collection.json", "get_postman_collection", "The Postman collection", JSON),
        ("/redoc", "get_redoc", "ReDoc, to read", "text/html"),
    ];
    for (path, id, summary, kind) in pages {
        let answer = ResponseBuilder::new().description(summary).content(kind, Content::default());
        let operation = OperationBuilder::new()
            .operation_id(Some(id))
            .summary(Some(summary))
            .tag("documentation")
            .securities(Some([]))
            .response("200", answer.build());
        openapi.paths.add_path_operation(path, vec![HttpMethod::Get], operation.build());
    }
}

#[cfg(test)]
mod tests;
