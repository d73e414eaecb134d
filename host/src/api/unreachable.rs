//! `POST /v1/workers/{name}/unreachable`: a caller does not reach the instance that it was given.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use reeve_core::response::Looked;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Instance;
use super::json::Json;
use super::problem::Problem;
use super::{Api, body};

/// An instance id fits easily.
const BODY_BYTES_MAX: usize = 4 << 10;

/// `{"instance": "i-…"}`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnreachableBody {
    /// The instance, as the caller got it from a resolve.
    instance: Instance,
}

/// What the host does about it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LookedBody {
    /// `stale`, `looking`, `runs`, `down` or `not_read`.
    outcome: &'static str,
    detail: String,
    /// When to resolve again; 0: at once.
    retry_after_ms: u64,
}

pub(super) async fn unreachable(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<LookedBody>, Problem> {
    let UnreachableBody {
        instance: Instance(instance),
    } = body::json(body, BODY_BYTES_MAX).await?;
    let worker = api.worker(&name)?;
    let looked = api.parts.handle.unreachable(worker, instance).await?;
    Ok(Json(LookedBody::from(looked)))
}

impl From<Looked> for LookedBody {
    fn from(looked: Looked) -> Self {
        Self {
            outcome: looked.outcome.as_str(),
            detail: looked.detail,
            retry_after_ms: looked.retry_after.get(),
        }
    }
}
