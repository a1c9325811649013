//! `/redoc`: ReDoc where the build has it (see `build.rs`), else the plain reference.

use crate::{
    asset::{Asset, serve},
    document::Document,
    reference,
};
use axum::Router;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript";

/// Empty where the build has none.
static BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/redoc.js.gz"));

pub(crate) fn routes(document: &Document<'_>) -> Router {
    match BUNDLE {
        [] => plain(document),
        bundle => full(bundle),
    }
}

fn full(bundle: &'static [u8]) -> Router {
    Router::new()
        .route("/redoc", serve(Asset::new(HTML, include_bytes!("../pages/redoc.html"))))
        .route("/redoc/redoc.js", serve(Asset::new(SCRIPT, include_bytes!("../pages/redoc.js"))))
        .route("/redoc/redoc.standalone.js", serve(Asset::packed(SCRIPT, bundle)))
}

pub(crate) fn plain(document: &Document<'_>) -> Router {
    Router::new()
        .route("/redoc", serve(Asset::new(HTML, reference::page(document).as_bytes())))
        .route("/redoc/reference.js", serve(Asset::new(SCRIPT, include_bytes!("../pages/reference.js"))))
        .route("/redoc/reference.css", serve(Asset::new("text/css", include_bytes!("../pages/reference.css"))))
}
