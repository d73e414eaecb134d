//! The HTTP interface, on loopback and a Unix socket. Handlers read published state or ask the loop; they
//! decide nothing and call no cloud.
//!
//! - [`resolve`]: where is my worker? [`operate`]: an operator's commands. [`workers`], [`policies`], [`health`]:
//!   everything else.
//! - [`problem`]: what a refusal looks like. [`door`]: what every request passes.
//! - [`listen`]: sockets. [`server`]: connections.

mod door;
mod health;
mod listen;
mod operate;
mod policies;
mod problem;
mod resolve;
mod server;
mod wait;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use reeve_policy::Registry;

use crate::clock::Clock;
use crate::drive::Handle;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::reload::Reloads;
use crate::routes::Routes;
use door::{Door, Names};
use problem::Problem;

pub use listen::ListenError;
pub(crate) use listen::{SocketFile, tcp, unix};
pub(crate) use server::serve;

/// Every path there is, for whoever asked for another one.
const PATHS: &str = "GET /v1/workers, GET /v1/workers/{name}, GET /v1/workers/{name}/resolve, \
                     POST /v1/workers/{name}/pause, POST /v1/workers/{name}/resume, \
                     POST /v1/workers/{name}/forget, GET /v1/policies, POST /v1/policies/reload, GET /healthz, GET /readyz, GET /metrics";

/// What handlers work with; clones share it.
#[derive(Clone)]
pub(crate) struct Api(Arc<Inner>);

struct Inner {
    routes: Arc<Routes>,
    handle: Handle,
    registry: Arc<Registry>,
    reloads: Reloads,
    readiness: Readiness,
    metrics: Metrics,
    clock: Clock,
}

impl Api {
    pub(crate) fn new(
        routes: Arc<Routes>,
        handle: Handle,
        registry: Arc<Registry>,
        reloads: Reloads,
        readiness: Readiness,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner {
            routes,
            handle,
            registry,
            reloads,
            readiness,
            metrics,
            clock,
        }))
    }

    /// The interface for a TCP listener, which web pages may reach through a browser.
    pub(crate) fn for_loopback(&self) -> Door {
        Door::new(self.router(), self.0.metrics.clone(), Names::Loopback)
    }

    /// The interface for a Unix socket.
    pub(crate) fn for_socket(&self) -> Door {
        Door::new(self.router(), self.0.metrics.clone(), Names::Any)
    }

    fn router(&self) -> Router {
        // Who reads a body limits it; one that is sent to another path is not taken in.
        Router::new()
            .route("/v1/workers", get(workers::all))
            .route("/v1/workers/{name}", get(workers::one))
            .route("/v1/workers/{name}/resolve", get(resolve::resolve))
            .route(
                "/v1/workers/{name}/pause",
                post(operate::pause).layer(operate::body_limit()),
            )
            .route("/v1/workers/{name}/resume", post(operate::resume))
            .route("/v1/workers/{name}/forget", post(operate::forget))
            .route("/v1/policies", get(policies::list))
            .route("/v1/policies/reload", post(policies::reload))
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(health::metrics))
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .with_state(self.clone())
    }
}

async fn no_such_path(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}; there are: {PATHS}", uri.path());
    Problem::new("not_found", "There is nothing at this path", detail)
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!(
        "{method} is not accepted at {}; accepted are: {PATHS}",
        uri.path()
    );
    Problem::new(
        "method_not_allowed",
        "The path takes another method",
        detail,
    )
}
