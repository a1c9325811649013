//! Answers in JSON.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// As axum's `Json`, for answers alone, and encoded with SIMD: most of what a page of history costs is looking for
/// characters to escape.
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        const KIND: HeaderValue = HeaderValue::from_static("application/json");
        match sonic_rs::to_vec(&self.0) {
            Ok(text) => ([(header::CONTENT_TYPE, KIND)], Body::from(text)).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be encoded");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn every_character_comes_back() {
        let text: String = ('\0'..='\u{2ff}').chain(['\u{2028}', '\u{fffd}', '\u{1f600}']).collect();
        let said = json!({"text": text, "none": null, "list": [1, -1, i64::MAX, 0.5, true], "empty": {}});
        let response = Json(&said).into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), said);
    }
}
