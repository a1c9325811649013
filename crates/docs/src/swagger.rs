//! `/docs`: Swagger UI, from the crate that carries it. The page and what starts it are our own, since theirs are an
//! inline script and relative references, which a path without a trailing slash would not bear.

use crate::asset::{Asset, serve};
use axum::Router;
use std::{borrow::Cow, sync::Arc};
use utoipa_swagger_ui::Config;

pub(crate) fn routes() -> Router {
    let carried = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];
    let router = Router::new()
        .route("/docs", serve(Asset::new("text/html; charset=utf-8", include_bytes!("../pages/swagger.html"))))
        .route("/docs/swagger.js", serve(Asset::new("text/javascript", include_bytes!("../pages/swagger.js"))))
        .route("/docs/pages.css", serve(Asset::new("text/css", include_bytes!("../pages/pages.css"))));
    carried.into_iter().fold(router, |router, name| router.route(&format!("/docs/{name}"), serve(file(name))))
}

fn file(name: &str) -> Asset {
    let config = Arc::new(Config::default());
    let file = utoipa_swagger_ui::serve(name, config).ok().flatten().expect("Swagger UI is in the build");
    match file.bytes {
        Cow::Borrowed(gzipped) if file.gzpipped => Asset::packed(&file.content_type, gzipped),
        content => Asset::new(&file.content_type, &content),
    }
}
