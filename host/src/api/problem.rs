//! Refusals as `application/problem+json` (RFC 9457), each with a stable code.

use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use reeve_core::boxes::{Refusal, RefusalKind};
use reeve_core::id::{DecisionId, WorkerId};
use reeve_core::operator::{Refused, RefusedCode};
use reeve_core::response::NotYet;
use reeve_core::text;
use reeve_identity::login::ReplyError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Caller, Identity, Role, Unknown};
use crate::drive::LoopEnded;
use crate::login::NotLoggedIn;
use crate::sts::NotProven;

/// The media type of every problem.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was refused, or is not answered yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemBody {
    /// `urn:reeve:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The code in words.
    title: String,
    /// The status of the response.
    status: u16,
    /// What was found, what is accepted, what to do.
    detail: String,
    /// Stable, for programs.
    code: &'static str,
    /// When to come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// The worker that the request is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<WorkerId>,
    /// The decision that the response rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionId>,
}

/// A response that refuses a request.
#[derive(Debug)]
pub(super) struct Problem {
    /// Boxed, because a handler returns it by value.
    body: Box<ProblemBody>,
    status: StatusCode,
    retry_after_s: Option<u64>,
    /// The methods that the path takes; empty where that is not the problem.
    allowed: String,
}

impl Problem {
    /// A refusal of the request itself. The code decides the HTTP status.
    pub(super) fn new(code: &'static str, title: &str, detail: String) -> Self {
        let status = match code {
            "not_found" | "unknown_worker" => StatusCode::NOT_FOUND,
            "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
            "unauthenticated" => StatusCode::UNAUTHORIZED,
            "cross_site" | "forbidden" | "needs_tls" => StatusCode::FORBIDDEN,
            "too_many" => StatusCode::TOO_MANY_REQUESTS,
            "too_slow" => StatusCode::REQUEST_TIMEOUT,
            "too_long" => StatusCode::PAYLOAD_TOO_LARGE,
            "wrong_host" => StatusCode::MISDIRECTED_REQUEST,
            "internal" => StatusCode::INTERNAL_SERVER_ERROR,
            "shut_down" | "busy" | "store_unreachable" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::with_status(status, code, title, detail)
    }

    /// The request does not parse, or has values that are not accepted, which the detail may repeat.
    pub(super) fn bad_request(detail: String) -> Self {
        let detail = text::bounded(&detail);
        Self::new("bad_request", "The request cannot be understood", detail)
    }

    /// The configuration has no such worker.
    pub(super) fn unknown_worker(name: &str) -> Self {
        let name = text::bounded(name);
        let detail =
            format!("no worker {name:?} is configured; GET /v1/workers shows those that are");
        Self::new("unknown_worker", "There is no such worker", detail)
    }

    /// The caller lacks a role for what it may see.
    pub(super) fn forbidden(caller: &Caller, role: Role, of: &str) -> Self {
        let who = caller.identity();
        let how = match who {
            Identity::Loopback => {
                "the Unix socket of the host, which `--config FILE` names, has more; [access] in the configuration \
                 says who may do what"
            }
            _ => "[access] in the configuration says who may do what",
        };
        let detail = format!("{who} lacks the role `{role}` for {of}; {how}");
        Self::new("forbidden", "The caller may not do this", detail)
    }

    /// It is not known who sends the request.
    pub(super) fn unauthenticated(why: Unknown) -> Self {
        let found = match why {
            Unknown::NothingShown => "the request shows nothing",
            Unknown::NotAToken => "the `Authorization` of the request is no token of this host",
            Unknown::NotKnown => "the token is unknown, revoked or over",
            Unknown::Busy | Unknown::StoreAway => return Self::not_looked_up(why),
        };
        let detail = format!(
            "{found}; accepted: `Authorization: Bearer` with a token of `reeve token create` or of POST /v1/login, or a \
             connection with a client's certificate"
        );
        Self::new(
            "unauthenticated",
            "The host does not know the caller",
            detail,
        )
    }

    /// A session's token could not be looked up.
    fn not_looked_up(why: Unknown) -> Self {
        let (code, found) = match why {
            Unknown::StoreAway => ("store_unreachable", "the store does not answer"),
            _ => ("busy", "the host looks up as many tokens as it may at once"),
        };
        let detail = format!(
            "{found}, and this host does not know the session's token; ask again in a second"
        );
        let mut problem = Self::new(code, "The token cannot be looked up", detail);
        problem.retry_after_s = Some(1);
        problem
    }

    /// A login was refused, or could not be verified.
    pub(super) fn not_logged_in(error: &NotLoggedIn) -> Self {
        let title = "The caller is not logged in";
        let status = match error {
            NotLoggedIn::NotProven(why) => return Self::not_proven(title, why),
            NotLoggedIn::NoRule(_) => StatusCode::FORBIDDEN,
            NotLoggedIn::NotBegun(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::with_status(status, error.code(), title, error.to_string())
    }

    /// It is not proven who signed a login.
    pub(super) fn not_proven(title: &str, why: &NotProven) -> Self {
        let (status, retry_after_s) = match why {
            NotProven::Login(_) | NotProven::Sts(ReplyError::Refused { .. }) => {
                (StatusCode::UNAUTHORIZED, None)
            }
            NotProven::Replayed => (StatusCode::UNAUTHORIZED, Some(1)),
            NotProven::NotWanted(_) => (StatusCode::FORBIDDEN, None),
            NotProven::NoRandomness(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
            NotProven::Sts(_) | NotProven::Busy | NotProven::StsAway(_) | NotProven::Store(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(1))
            }
        };
        let mut problem = Self::with_status(status, why.code(), title, why.to_string());
        problem.retry_after_s = retry_after_s;
        problem
    }

    /// The caller has sent too many requests.
    pub(super) fn too_many(wait: Duration) -> Self {
        let detail = format!(
            "the caller sends more requests a second than its rule in [access] allows; accepted again in {} ms",
            wait.as_millis() + 1
        );
        let mut problem = Self::new("too_many", "The caller sends too many requests", detail);
        problem.retry_after_s = Some(wait.as_secs() + 1);
        problem
    }

    /// The door has no TLS.
    pub(super) fn needs_tls(what: &str) -> Self {
        let detail = format!(
            "this door has no TLS, and takes no {what}; accepted: the same over TLS, or through the host's socket"
        );
        Self::new("needs_tls", "The request needs TLS", detail)
    }

    /// The worker has no address to serve at present.
    pub(super) fn not_yet(worker: &WorkerId, not_yet: &NotYet) -> Self {
        let code = not_yet.code;
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let mut problem = Self::with_status(
            unavailable,
            code.as_str(),
            code.title(),
            not_yet.detail.clone(),
        );
        problem.body.retry_after_ms = Some(not_yet.retry_after.get());
        problem.body.worker = Some(worker.clone());
        problem.body.decision = not_yet.decision;
        // A zero would make clients retry in a tight loop.
        problem.retry_after_s = Some(not_yet.retry_after.ceil_secs().max(1));
        problem
    }

    /// A register or report was refused.
    pub(super) fn refused(worker: &WorkerId, refusal: &Refusal) -> Self {
        let code = refusal.code;
        let status = match code.kind() {
            RefusalKind::Retry => StatusCode::UNAUTHORIZED,
            RefusalKind::Superseded => StatusCode::CONFLICT,
            RefusalKind::Alarm => StatusCode::FORBIDDEN,
            RefusalKind::Trouble => StatusCode::SERVICE_UNAVAILABLE,
            RefusalKind::NotOffered => StatusCode::NOT_FOUND,
        };
        let detail = refusal.detail.clone();
        let mut problem = Self::with_status(status, code.as_str(), code.title(), detail);
        problem.body.worker = Some(worker.clone());
        if let Some(after) = refusal.retry_after {
            problem.body.retry_after_ms = Some(after.get());
            problem.retry_after_s = Some(after.ceil_secs().max(1));
        }
        problem
    }

    /// An operator's command was refused.
    pub(super) fn not_followed(worker: &WorkerId, refused: &Refused) -> Self {
        let code = refused.code;
        let status = match code {
            RefusedCode::StoreUnreachable | RefusedCode::CloudUnreachable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            RefusedCode::LeaseHeld
            | RefusedCode::MutationInFlight
            | RefusedCode::RecordChanged
            | RefusedCode::DryRun
            | RefusedCode::Paused
            | RefusedCode::EndRefused
            | RefusedCode::RestartKind
            | RefusedCode::InstanceForeign
            | RefusedCode::InstanceOfAnotherWorker
            | RefusedCode::InstanceNotVisible
            | RefusedCode::InstanceNotLive
            | RefusedCode::InstanceSuperseded
            | RefusedCode::Vetoed => StatusCode::CONFLICT,
        };
        let mut problem =
            Self::with_status(status, code.as_str(), code.title(), refused.text.clone());
        problem.body.worker = Some(worker.clone());
        problem
    }

    /// The host failed; the request itself is not at fault.
    pub(super) fn internal(detail: &str) -> Self {
        Self::new("internal", "The host failed to answer", detail.to_owned())
    }

    fn with_status(status: StatusCode, code: &'static str, title: &str, detail: String) -> Self {
        Self {
            body: Box::new(ProblemBody {
                kind: format!("urn:reeve:problem:{code}"),
                title: title.to_owned(),
                status: status.as_u16(),
                detail,
                code,
                retry_after_ms: None,
                worker: None,
                decision: None,
            }),
            status,
            retry_after_s: None,
            allowed: String::new(),
        }
    }

    /// The same, with the methods that the path takes.
    pub(super) fn allowing(mut self, methods: &[&str]) -> Self {
        self.allowed = methods.join(", ");
        self
    }

    /// The body of the response.
    pub(super) fn text(&self) -> String {
        // Strings and numbers always have a JSON form.
        text::to_json(&*self.body).unwrap_or_default() + "\n"
    }
}

impl From<LoopEnded> for Problem {
    fn from(ended: LoopEnded) -> Self {
        Self::new("shut_down", "This host is shut down", ended.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.text()).into_response();
        let headers = response.headers_mut();
        let content = HeaderValue::from_static(PROBLEM_JSON);
        headers.insert(header::CONTENT_TYPE, content);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 15.5.2: a 401 says how to authenticate.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Ok(allowed) = HeaderValue::from_str(&self.allowed)
            && !allowed.is_empty()
        {
            headers.insert(header::ALLOW, allowed);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// There is nothing at the path.
pub(super) fn no_such_path(uri: &Uri, paths: &str) -> Problem {
    let path = text::bounded(uri.path());
    let detail = format!("there is nothing at {path}; there are: {paths}");
    Problem::new("not_found", "There is nothing at this path", detail)
}

/// The path takes another method.
pub(super) fn no_such_method(method: &Method, uri: &Uri, paths: &str) -> Problem {
    let (method, path) = (text::bounded(method.as_str()), text::bounded(uri.path()));
    let detail = format!("{method} is not accepted at {path}; accepted are: {paths}");
    Problem::new(
        "method_not_allowed",
        "The path takes another method",
        detail,
    )
}
