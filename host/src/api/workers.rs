//! `GET /v1/workers` and `GET /v1/workers/{name}`: the status of workers.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use reeve_core::id::WorkerId;
use reeve_core::worker::WorkerStatus;
use serde::Serialize;

use super::Api;
use super::json::Json;
use super::problem::Problem;

#[derive(Serialize)]
pub(super) struct Workers {
    workers: Vec<WorkerStatus>,
}

pub(super) async fn all(State(api): State<Api>) -> Result<Json<Workers>, Problem> {
    let workers = api.parts.handle.workers().await?;
    Ok(Json(Workers { workers }))
}

pub(super) async fn one(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<WorkerStatus>, Problem> {
    let Path(name) = name.map_err(|error| Problem::bad_request(error.body_text()))?;
    let status = api.parts.handle.worker(WorkerId::new(&name)).await?;
    status
        .map(Json)
        .ok_or_else(|| Problem::unknown_worker(&name))
}
