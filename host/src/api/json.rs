//! A response as JSON, in which the texts of policies, boxes and AWS are escaped: a person may read
//! it on a terminal.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use reeve_core::text::to_json;
use serde::Serialize;

use super::problem::Problem;

/// The media type of every response but problems and metrics.
pub(super) const JSON: &str = "application/json";

/// A value to respond with.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match to_json(&self.0) {
            Ok(json) => ([(header::CONTENT_TYPE, JSON)], json).into_response(),
            Err(error) => Problem::internal(&error.to_string()).into_response(),
        }
    }
}
