use super::*;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;
use utoipa::openapi::{Info, Paths};

fn router() -> Router {
    routes(OpenApi::new(Info::new("Convo", "1"), Paths::new()), "http://localhost:8000")
}

/// The text at `path`, of a router that must have it.
async fn text(router: Router, path: &str) -> String {
    let answer = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a page fetches or leads to.
fn references(page: &str) -> Vec<&str> {
    let attributes = ["src=\"", "href=\""];
    attributes.iter().flat_map(|name| page.split(name).skip(1)).filter_map(|rest| rest.split('"').next()).collect()
}

async fn assert_complete(router: Router, path: &str) {
    let page = text(router.clone(), path).await;
    let references = references(&page);
    assert!(references.iter().any(|reference| reference.ends_with(".js")));
    for reference in references {
        // Relative ones would lead elsewhere with and without a trailing slash.
        assert!(reference.starts_with('/') && !reference.starts_with("//"), "{path} asks {reference}");
        if !["/docs", "/redoc"].contains(&reference) {
            text(router.clone(), reference).await;
        }
    }
    for other in ["http:", "https:", "<script>", "onload="] {
        assert!(!page.contains(other), "{path} has {other}");
    }
}

#[tokio::test]
async fn the_pages_have_what_they_ask_for_and_ask_nobody_else() {
    for path in ["/docs", "/redoc"] {
        assert_complete(router(), path).await;
    }
    for own in ["/docs/swagger.js", "/docs/pages.css"] {
        assert!(!text(router(), own).await.contains("http"), "{own}");
    }
}

#[tokio::test]
async fn redocs_bundle_fetches_nothing_where_the_build_has_it() {
    let page = text(router(), "/redoc").await;
    for script in references(&page).into_iter().filter(|reference| reference.ends_with(".js")) {
        assert!(!text(router(), script).await.contains("//cdn."), "{script}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_policy() {
    for path in ["/docs", "/redoc", "/openapi.json", "/docs/swagger-ui-bundle.js"] {
        let answer = router().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.headers()[CONTENT_SECURITY_POLICY], POLICY, "{path}");
    }
}

#[tokio::test]
async fn the_document_holds_its_own_pages() {
    let document: Value = serde_json::from_str(&text(router(), "/openapi.json").await).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    for path in ["/openapi.json", "/docs", "/redoc", "/docs/postman-collection.json"] {
        assert_eq!(document["paths"][path]["get"]["security"], json!([]), "{path}");
    }
    let collection: Value = serde_json::from_str(&text(router(), "/docs/postman-collection.json").await).unwrap();
    assert_eq!(collection["item"][0]["name"], "documentation");
}

#[test]
fn every_response_has_a_description() {
    let mut document = json!({"paths": {"/rooms": {"parameters": [], "get": {"responses": {
        "200": {"description": "The rooms"}, "404": {}, "default": {}, "422": {"$ref": "#/components/responses/Bad"},
    }}}}});
    explain(&mut document);
    let expected = json!({
        "200": {"description": "The rooms"}, "404": {"description": "Not Found"},
        "default": {"description": "default"}, "422": {"$ref": "#/components/responses/Bad"},
    });
    assert_eq!(document["paths"]["/rooms"]["get"]["responses"], expected);
}

#[tokio::test]
async fn without_redoc_there_is_a_plain_reference() {
    let document = json!({"paths": {"/rooms/{id}": {"put": {
        "tags": ["rooms & halls"], "summary": "Rename", "description": "<b>Not</b> markup.",
        "parameters": [{"name": "id", "in": "path", "required": true, "description": "The room's"}],
        "requestBody": {"content": {"application/json": {"example": {"name": "Lobby"}}}},
        "responses": {"200": {"description": "The room"}, "404": {"description": "No such room"}},
    }}}});
    // Its icon and its neighbours are Swagger UI's.
    let router = redoc::plain(&Document(&document)).merge(swagger::routes()).merge(
        Router::new()
            .route("/openapi.json", serve(json(&document)))
            .route("/docs/postman-collection.json", serve(json(&document))),
    );
    let page = text(router.clone(), "/redoc").await;
    for part in [
        "make docs-ui",
        "<h2>rooms &amp; halls</h2>",
        "<b>PUT</b> <code>/rooms/{id}</code><span>Rename</span>",
        "&lt;b&gt;Not&lt;/b&gt; markup.",
        "<td>path, required</td>",
        "&quot;Lobby&quot;",
        "<td>No such room</td>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_complete(router, "/redoc").await;
}
