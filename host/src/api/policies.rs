//! `GET /v1/policies` and `POST /v1/policies/reload`.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use reeve_policy::PolicyStatus;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::json::Json;
use super::problem::Problem;
use crate::access::{Caller, Role};
use crate::reload::Cause;

#[derive(Serialize, ToSchema)]
pub(super) struct Policies {
    policies: Vec<PolicyStatus>,
}

/// The policies of pools that the caller may see.
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Json<Policies> {
    let mut policies = api.parts.registry.status();
    for policy in &mut policies {
        policy
            .bound
            .retain(|at| caller.may_in(Role::View, &at.pool));
    }
    policies.retain(|policy| !policy.bound.is_empty());
    Json(Policies { policies })
}

/// 200 if every policy file is active. 422 if a file was refused; its last good version, if any,
/// stays active. The body reports each file in both cases.
pub(super) async fn reload(State(api): State<Api>) -> Result<Response, Problem> {
    let report = api.parts.reloads.reload(Cause::Request).await;
    let report = report.map_err(|missing| Problem::internal(&missing.to_string()))?;
    let status = if report.is_good() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    Ok((status, Json(&report)).into_response())
}
