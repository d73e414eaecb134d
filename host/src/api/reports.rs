//! `POST /v1/workers/{name}/delivered`, `…/processed`, `…/busy`, and for boxes `…/heartbeat`:
//! reports about a worker. The same handlers serve applications on this machine, which need no
//! token, and boxes, which do.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use reeve_core::boxes::{
    Accepted, Receipt, Refusal, RefusalCode, Report, Reporter, SpotNotices, Statement,
};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::{Secret, Token};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::admission::Peer;
use super::body::Instance;
use super::json::Json;
use super::problem::Problem;
use super::{Api, Side, body};

/// A count and an instance id fit easily.
const BODY_BYTES_MAX: usize = 4 << 10;
/// A higher count in one report is a mistake of the sender.
const COUNT_MAX: u64 = 1_000_000;
/// A busy lease that its holder forgot ends within a day; a holder that needs longer renews it.
const BUSY_MAX: Millis = Millis::from_secs(86_400);

/// The name in the path.
type Name = Result<Path<String>, PathRejection>;

/// `{"count": 1, "instance": "i-…"}`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Count {
    /// How many; 1 by default.
    #[serde(default = "one", deserialize_with = "body::whole")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    count: u64,
    /// The instance an application delivered to. If set, it must still be the worker's instance.
    instance: Option<Instance>,
}

/// `{"for_ms": 600000}`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Busy {
    /// For how long from now.
    #[serde(deserialize_with = "body::whole")]
    #[schema(maximum = 86_400_000)]
    for_ms: u64,
}

/// `{"instance_action": {"action": "terminate", "time": "2026-01-31T08:22:00Z"}}`: what the
/// instance's metadata says of Spot, as it says it. EC2 may add fields to these documents.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Heartbeat {
    /// `spot/instance-action` of the metadata; missing or `null` without a notice.
    #[serde(default, deserialize_with = "body::object")]
    instance_action: Option<InstanceAction>,
    /// `events/recommendations/rebalance` of the metadata; missing or `null` without a notice.
    #[serde(default, deserialize_with = "body::object")]
    rebalance: Option<Rebalance>,
}

#[derive(Debug, Deserialize, ToSchema)]
struct InstanceAction {
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
}

#[derive(Debug, Deserialize, ToSchema)]
struct Rebalance {
    #[serde(rename = "noticeTime")]
    #[schema(value_type = String, format = DateTime)]
    notice_time: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub(super) struct AcceptedBody {
    /// `stored`, `not_running` or `not_stored`.
    outcome: &'static str,
    /// Replaces the token that the request showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_ms: Option<u64>,
    /// The box's instance is ended then, unless the box says that it is busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_in_ms: Option<u64>,
}

/// What a request shows about its sender.
pub(super) struct Shown {
    /// The `Authorization` header. `None`: it is missing, or not text.
    authorization: Option<String>,
    /// The peer address. `None`: the request came from this machine, or the listener has no
    /// admission.
    pub(super) peer: Option<IpAddr>,
}

impl<S: Sync> FromRequestParts<S> for Shown {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let shown = parts.headers.get(header::AUTHORIZATION);
        let text = shown.and_then(|value| value.to_str().ok());
        Ok(Self {
            authorization: text.map(str::to_owned),
            peer: parts.extensions.get().map(|Peer(address)| *address),
        })
    }
}

fn one() -> u64 {
    1
}

/// For applications only: a box does not know what was sent to it.
pub(super) async fn delivered(
    State(api): State<Api>,
    name: Name,
    shown: Shown,
    body: Body,
) -> Result<Response, Problem> {
    let counted = count(body).await?;
    let by = reporter(&api, &name, &shown, counted.instance)?;
    say(&api, name, &shown, by, Report::Delivered(counted.count)).await
}

pub(super) async fn processed(
    State(api): State<Api>,
    name: Name,
    shown: Shown,
    body: Body,
) -> Result<Response, Problem> {
    let counted = count(body).await?;
    let by = reporter(&api, &name, &shown, counted.instance)?;
    say(&api, name, &shown, by, Report::Processed(counted.count)).await
}

pub(super) async fn busy(
    State(api): State<Api>,
    name: Name,
    shown: Shown,
    body: Body,
) -> Result<Response, Problem> {
    let Busy { for_ms } = body::json(body, BODY_BYTES_MAX).await?;
    let lasting = Millis::new(for_ms);
    if lasting > BUSY_MAX {
        return Err(Problem::bad_request(format!(
            "found for_ms={for_ms}; accepted: at most {} (a day); renew a longer lease",
            BUSY_MAX.get()
        )));
    }
    let by = reporter(&api, &name, &shown, None)?;
    say(&api, name, &shown, by, Report::Busy(lasting)).await
}

pub(super) async fn heartbeat(
    State(api): State<Api>,
    name: Name,
    shown: Shown,
    body: Body,
) -> Result<Response, Problem> {
    let heartbeat: Heartbeat = body::json(body, BODY_BYTES_MAX).await?;
    let by = reporter(&api, &name, &shown, None)?;
    let report = Report::Heartbeat(SpotNotices {
        reclaim_at: heartbeat.instance_action.map(|it| instant(it.time)),
        rebalance_at: heartbeat.rebalance.map(|it| instant(it.notice_time)),
    });
    say(&api, name, &shown, by, report).await
}

/// A time before 1970 is none that AWS sends; it counts as long ago.
fn instant(time: Timestamp) -> Instant {
    Instant::from_ms(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

async fn count(body: Body) -> Result<Count, Problem> {
    let counted: Count = body::json(body, BODY_BYTES_MAX).await?;
    if !(1..=COUNT_MAX).contains(&counted.count) {
        return Err(Problem::bad_request(format!(
            "found count={}; accepted: 1 to {COUNT_MAX}",
            counted.count
        )));
    }
    Ok(counted)
}

/// Who reports: an application on this machine's interface, a box with a token on the interface for
/// boxes.
fn reporter(
    api: &Api,
    name: &Name,
    shown: &Shown,
    instance: Option<Instance>,
) -> Result<Reporter, Problem> {
    if api.side == Side::Application {
        return Ok(Reporter::Application(instance.map(|Instance(id)| id)));
    }
    let token = shown.authorization.as_deref();
    let token = token.and_then(|value| value.strip_prefix("Bearer "));
    let detail = match token.map(Token::parse) {
        Some(Ok(token)) => return Ok(Reporter::Box(token)),
        Some(Err(error)) => {
            format!("the token cannot be one of this host: {error}; register to get one")
        }
        None => "there is no `Authorization: Bearer` with a token; register to get one".to_owned(),
    };
    let worker = api.worker(name)?;
    let after = Millis::from_secs(1);
    let refusal = Refusal::come_back(RefusalCode::TokenUnknown, after, detail);
    Err(Problem::refused(worker, &refusal))
}

async fn say(
    api: &Api,
    name: Name,
    shown: &Shown,
    by: Reporter,
    report: Report,
) -> Result<Response, Problem> {
    let worker = api.worker(&name)?;
    let fresh = fresh()?;
    let said = Statement::Report { by, report };
    match api.parts.handle.state(worker, said, fresh).await? {
        Receipt::Accepted(accepted) => {
            api.heard(worker, shown);
            Ok(Json(AcceptedBody::from(accepted)).into_response())
        }
        Receipt::Refused(refusal) => Err(Problem::refused(worker, &refusal)),
        Receipt::Registered(_) => Err(Problem::internal("a report was answered as a register")),
    }
}

/// 256 random bits from the system.
pub(super) fn fresh() -> Result<Secret, Problem> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Problem::internal(&format!(
            "the system gives no randomness, so no token is made: {error}"
        ))
    })?;
    Ok(Secret::new(bytes))
}

impl From<Accepted> for AcceptedBody {
    fn from(accepted: Accepted) -> Self {
        Self {
            outcome: accepted.outcome.as_str(),
            token: accepted.token.map(|token| token.reveal()),
            heartbeat_ms: accepted.heartbeat.map(Millis::get),
            ending_in_ms: accepted.ending_in.map(Millis::get),
        }
    }
}
