//! `POST /v1/workers/{name}/pause`, `/resume` and `/forget`: an operator's commands. The answer comes when what
//! was done is durable.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use reeve_core::operator::{Command, Operated};
use reeve_core::worker::WorkerStatus;
use serde::{Deserialize, Serialize};

use super::Api;
use super::problem::Problem;

/// A reason is a line or two.
const BODY_BYTES_MAX: usize = 4 << 10;
/// How long a client may take to send the body, as for the head.
const BODY_MAX: Duration = Duration::from_secs(10);
const JSON: &str = "application/json";

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

/// To be laid around a handler that reads a body.
pub(super) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_BYTES_MAX)
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
    request: Request,
) -> Result<Json<Done>, Problem> {
    let reason = reason(&read(request).await?)?;
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
    let api = &*api.0;
    let Path(name) = name.map_err(|error| Problem::bad_request(error.body_text()))?;
    let slot = api
        .routes
        .slot(&name)
        .ok_or_else(|| Problem::unknown_worker(&name))?;
    match api.handle.operate(slot.worker(), command).await? {
        Ok((outcome, status)) => Ok(Json(Done {
            status,
            changed: outcome.is_change(),
            outcome,
        })),
        Err(refused) => Err(Problem::not_followed(slot.worker(), &refused)),
    }
}

/// Reads a body that is small, prompt and JSON, or none.
async fn read(request: Request) -> Result<Bytes, Problem> {
    let is_json = is_json(request.headers());
    let reading = Bytes::from_request(request, &());
    let body = match tokio::time::timeout(BODY_MAX, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the body is longer than {BODY_BYTES_MAX} bytes");
            return Err(Problem::new("too_long", "The body is too long", detail));
        }
        Ok(Err(error)) => return Err(Problem::bad_request(error.body_text())),
        Err(_elapsed) => {
            let detail = format!("the body was not there within {} s", BODY_MAX.as_secs());
            return Err(Problem::new(
                "too_slow",
                "The body comes too slowly",
                detail,
            ));
        }
    };
    match is_json {
        Err(found) if !body.is_empty() => {
            let detail = format!("found the content type {found}; accepted is {JSON}, or no body");
            let title = "The body has another content type";
            Err(Problem::new("unsupported_media_type", title, detail))
        }
        _ => Ok(body),
    }
}

/// # Errors
/// What the headers call the body instead.
fn is_json(headers: &HeaderMap) -> Result<(), String> {
    let Some(found) = headers.get(header::CONTENT_TYPE) else {
        return Err("none".to_owned());
    };
    let found = found.to_str().unwrap_or("?");
    let media = found.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case(JSON) {
        Ok(())
    } else {
        Err(format!("{found:?}"))
    }
}

fn reason(body: &[u8]) -> Result<Option<String>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    let body: PauseBody = serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request(format!(
            "the body: {error}; accepted is {{\"reason\": \"…\"}}"
        ))
    })?;
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
