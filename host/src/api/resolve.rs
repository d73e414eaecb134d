//! `GET /v1/workers/{name}/resolve`: where is my worker?

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use reeve_core::response::Resolution;
use reeve_core::time::Millis;

use super::admission::Peer;
use super::problem::Problem;
use super::{Api, wait};
use crate::routes::ServedBody;

/// Responds from the published route while it is valid: no lock, no policy call, no cloud call.
/// Otherwise asks the drive loop.
pub(super) async fn resolve(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    peer: Option<Extension<Peer>>,
) -> Result<Response, Problem> {
    let api = &*api.parts;
    let Path(name) = name.map_err(|error| Problem::bad_request(error.body_text()))?;
    let wait = wait::parse(query.as_deref()).map_err(Problem::bad_request)?;
    let slot = api
        .routes
        .slot(&name)
        .ok_or_else(|| Problem::unknown_worker(&name))?;
    if let Some(body) = slot.answer(api.clock.now()) {
        return Ok(served(body));
    }
    let waiting = api.waits.take(peer.map(|Extension(Peer(peer))| peer));
    let wait = match &waiting {
        Some(_) => wait,
        None => Some(Millis::ZERO),
    };
    match api.handle.resolve(slot.worker(), wait).await? {
        Resolution::Served(route) => {
            let valid_for = route.valid_until.since(api.clock.now());
            Ok(served(ServedBody::new(&route).close(valid_for)))
        }
        Resolution::NotYet(not_yet) => Err(Problem::not_yet(slot.worker(), &not_yet)),
    }
}

fn served(body: String) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    // The body says how long it is valid; a cache between host and caller would not read that.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
