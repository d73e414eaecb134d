//! `GET /healthz`, `GET /readyz`, `GET /metrics`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Api;
use super::json::Json;
use super::problem::Problem;

/// The media type of the OpenMetrics text format.
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Shows only that the process is alive. If it depended on more, restarts by a supervisor would
/// make an outage worse.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether active policies and a reading of the pools stand behind the host's responses; a 503 with
/// the reasons if not. The body has each pool by itself.
pub(super) async fn ready(State(api): State<Api>) -> Response {
    let judgement = api.parts.readiness.judge();
    let status = if judgement.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(judgement)).into_response()
}

/// All metrics. The gauges of worker conditions and health signals are computed on each request.
pub(super) async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let api = &*api.parts;
    let workers = api.handle.workers().await?;
    api.metrics
        .set_workers(workers.iter().map(|worker| worker.condition));
    let health = workers.iter().filter_map(|worker| worker.health.as_ref());
    api.metrics
        .set_signals(health.flat_map(|health| &health.signals));
    let text = api
        .metrics
        .text()
        .map_err(|error| Problem::internal(&error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response())
}
