//! `POST /v1/workers/{name}/pause`, `/resume` and `/forget`: an operator's commands. The answer comes when what
//! was done is durable.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use reeve_core::operator::{Command, Operated};
use reeve_core::worker::WorkerStatus;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::{Api, body};

/// A reason is a line or two.
const BODY_BYTES_MAX: usize = 4 << 10;

type Name = Result<Path<String>, PathRejection>;

/// The worker as it is now, and what the command has done.
#[derive(Serialize)]
pub(super) struct Done {
    #[serde(flatten)]
    status: WorkerStatus,
    /// Whether anything is different from before.
    changed: bool,
    outcome: Operated,
}

/// What `pause` takes.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    reason: Option<String>,
}

/// Changes nothing in the cloud for the worker any more, until it is resumed.
pub(super) async fn pause(
    State(api): State<Api>,
    name: Name,
    body: Body,
) -> Result<Json<Done>, Problem> {
    let reason = reason(body::json(body, BODY_BYTES_MAX).await?)?;
    operate(&api, name, Command::Pause { reason }).await
}

/// Takes the pause back.
pub(super) async fn resume(State(api): State<Api>, name: Name) -> Result<Json<Done>, Problem> {
    operate(&api, name, Command::Resume).await
}

/// Learns the worker anew from the cloud.
pub(super) async fn forget(State(api): State<Api>, name: Name) -> Result<Json<Done>, Problem> {
    operate(&api, name, Command::Forget).await
}

async fn operate(api: &Api, name: Name, command: Command) -> Result<Json<Done>, Problem> {
    let worker = api.worker(&name)?;
    match api.0.handle.operate(worker, command).await? {
        Ok((outcome, status)) => Ok(Json(Done {
            status,
            changed: outcome.is_change(),
            outcome,
        })),
        Err(refused) => Err(Problem::not_followed(worker, &refused)),
    }
}

fn reason(body: PauseBody) -> Result<Option<String>, Problem> {
    let reason = body.reason.map(|reason| reason.trim().to_owned());
    let reason = reason.filter(|reason| !reason.is_empty());
    if reason
        .as_ref()
        .is_some_and(|reason| reason.chars().any(char::is_control))
    {
        let detail = "the reason has control characters; accepted is one line of text";
        return Err(Problem::bad_request(detail.to_owned()));
    }
    Ok(reason)
}
