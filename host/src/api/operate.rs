//! `POST /v1/workers/{name}/restart`, `/pause`, `/resume`, `/forget` and `/adopt`: an operator's or
//! a program's commands. The host responds when the outcome is durable.

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use reeve_core::operator::{Command, CommandOutcome};
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::spec::RestartBy;
use reeve_core::text::{TEXT_BYTES_MAX, is_unsafe};
use reeve_core::worker::WorkerStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, SchemaType, Type};

use super::body::Instance;
use super::json::Json;
use super::problem::Problem;
use super::{Api, body};
use crate::access::Caller;

/// A cause is a label in metrics and texts: one word.
const CAUSE_BYTES_MAX: usize = 64;
/// A reason is one or two lines.
const BODY_BYTES_MAX: usize = 4 << 10;

type Name = Result<Path<String>, PathRejection>;

/// The worker's present status, and what the command did.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    #[serde(flatten)]
    status: WorkerStatus,
    /// Whether the command changed anything.
    changed: bool,
    outcome: CommandOutcome,
}

/// The body of `pause`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseBody {
    /// Why, for people.
    #[schema(schema_with = one_line)]
    reason: Option<String>,
}

/// The body of `adopt`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AdoptBody {
    /// The instance that the worker moves to.
    instance: Instance,
    /// The name of the person who asks, for readers of the journal. The host cannot check it.
    #[schema(schema_with = one_line)]
    by: Option<String>,
}

/// The body of `restart`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RestartBody {
    /// A word such as `secret-changed` or `probe-failed`, shared by requests of one kind. Optional
    /// for a person.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    cause: Option<String>,
    /// An explanation for people.
    #[schema(schema_with = one_line)]
    text: Option<String>,
    /// Who sends the request; `program` by default.
    #[serde(default = "program")]
    by: Initiator,
    /// How the worker is restarted; as its pool says by default. Only a person names it.
    kind: Option<RestartBy>,
}

fn program() -> Initiator {
    Initiator::Program
}

/// Ends the worker's instance and brings it up again. Concurrent requests share one restart.
pub(super) async fn restart(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    name: Name,
    body: Body,
) -> Result<Json<Done>, Problem> {
    let request = request(body::json(body, BODY_BYTES_MAX).await?)?;
    operate(&api, &caller, name, Command::Restart(request)).await
}

/// Stops all changes in the cloud for the worker until it is resumed.
pub(super) async fn pause(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    name: Name,
    body: Body,
) -> Result<Json<Done>, Problem> {
    let reason = reason(body::json(body, BODY_BYTES_MAX).await?)?;
    operate(&api, &caller, name, Command::Pause { reason }).await
}

/// Ends the pause.
pub(super) async fn resume(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    name: Name,
) -> Result<Json<Done>, Problem> {
    operate(&api, &caller, name, Command::Resume).await
}

/// Moves the worker to an instance that runs.
pub(super) async fn adopt(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    name: Name,
    body: Body,
) -> Result<Json<Done>, Problem> {
    let command = adoption(body::json(body, BODY_BYTES_MAX).await?)?;
    operate(&api, &caller, name, command).await
}

/// Discards what the host knows of the worker and reads it again from the cloud.
pub(super) async fn forget(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    name: Name,
) -> Result<Json<Done>, Problem> {
    operate(&api, &caller, name, Command::Forget).await
}

async fn operate(
    api: &Api,
    caller: &Caller,
    name: Name,
    command: Command,
) -> Result<Json<Done>, Problem> {
    let worker = api.worker(&name)?;
    let handle = &api.parts.handle;
    let outcome = handle
        .command(worker, command, caller.sender().clone())
        .await?
        .map_err(|refused| Problem::not_followed(worker, &refused))?;
    let status = handle.worker(worker.clone()).await?;
    let status = status.ok_or_else(|| Problem::unknown_worker(worker.as_str()))?;
    Ok(Json(Done {
        status,
        changed: outcome.is_change(),
        outcome,
    }))
}

pub(super) fn adoption(body: AdoptBody) -> Result<Command, Problem> {
    Ok(Command::Adopt {
        instance: body.instance.0,
        by: line("by", body.by)?,
    })
}

pub(super) fn reason(body: PauseBody) -> Result<Option<String>, Problem> {
    line("reason", body.reason)
}

pub(super) fn request(body: RestartBody) -> Result<RestartRequest, Problem> {
    let cause = match (body.cause, body.by) {
        (Some(cause), _) => cause,
        (None, Initiator::Person) => "operator".to_owned(),
        (None, Initiator::Program) => {
            let detail = "there is no `cause`; accepted is one word such as \"secret-changed\", or \"by\": \"person\"";
            return Err(Problem::bad_request(detail.to_owned()));
        }
    };
    if body.kind.is_some() && body.by == Initiator::Program {
        let detail = "found a `kind` in a program's request, whose restart is of its pool's kind; accepted: none, or \
                      \"by\": \"person\"";
        return Err(Problem::bad_request(detail.to_owned()));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !(1..=CAUSE_BYTES_MAX).contains(&cause.len()) || !cause.chars().all(fits) {
        return Err(Problem::bad_request(format!(
            "the cause {cause:?} cannot be used; accepted: 1 to {CAUSE_BYTES_MAX} letters, digits, `-`, `_` and `.`"
        )));
    }
    Ok(RestartRequest {
        cause,
        initiator: body.by,
        text: line("text", body.text)?,
        kind: body.kind,
        of: None,
        from: None,
        unknown: Default::default(),
    })
}

/// The texts that [`line`] accepts, as a schema.
fn one_line() -> Object {
    let visible = r"^[^\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]*$";
    let text = Object::builder().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    text.max_length(Some(TEXT_BYTES_MAX))
        .pattern(Some(visible))
        .build()
}

/// One line of text for people. `None`: it is empty.
fn line(what: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    let text = text.filter(|text| !text.trim().is_empty() || text.contains(is_unsafe));
    match &text {
        Some(found) if found.contains(is_unsafe) => Err(Problem::bad_request(format!(
            "the {what} has control characters or hidden ones; accepted is one line of text"
        ))),
        Some(found) if found.len() > TEXT_BYTES_MAX => Err(Problem::bad_request(format!(
            "the {what} has {} bytes; accepted are at most {TEXT_BYTES_MAX}",
            found.len()
        ))),
        _ => Ok(text.map(|text| text.trim().to_owned())),
    }
}
