//! `GET /v1/workers` and `GET /v1/workers/{name}`: the status of workers.

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use reeve_core::id::WorkerId;
use reeve_core::worker::WorkerStatus;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::json::Json;
use super::problem::Problem;
use crate::access::{Caller, Role};

#[derive(Serialize, ToSchema)]
pub(super) struct Workers {
    workers: Vec<WorkerStatus>,
}

/// The workers that the caller may see.
pub(super) async fn all(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Workers>, Problem> {
    let mut workers = api.parts.handle.workers().await?;
    workers.retain(|status| caller.may(Role::View, &status.worker, &status.pool));
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
