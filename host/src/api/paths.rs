//! Every path of the interfaces, with what it takes, asks for and gives. Routers and the OpenAPI
//! document are made of these tables, so no path is without a line here.

use axum::Router;
use axum::http::{Method, Uri};
use axum::routing::{MethodFilter, MethodRouter, on};
use reeve_core::worker::WorkerStatus;
use reeve_identity::login::Login as LoginBody;
use reeve_policy::ReloadReport;

use super::openapi::{Asks, Gives, body, json, nothing, text, wait};
use super::operate::{AdoptBody, Done, PauseBody, RestartBody};
use super::policies::Policies;
use super::problem::{Problem, no_such_method, no_such_path};
use super::register::{RegisterBody, RegisteredBody};
use super::reports::{AcceptedBody, Busy, Count, Heartbeat};
use super::unreachable::{LookedBody, UnreachableBody};
use super::workers::Workers;
use super::{Api, health, login, openapi, operate, policies, register, reports, resolve};
use super::{unreachable, workers};
use crate::access::Role;
use crate::readiness::Judgement;
use crate::routes::Served;

/// The paths of one interface.
#[derive(Clone, Copy)]
pub(super) struct Table(pub(super) &'static [Row]);

/// A path with one of its methods.
pub(super) struct Row {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) takes: Takes,
    /// The module and the name of the handler.
    pub(super) handled_by: (&'static str, &'static str),
    /// What the request does.
    pub(super) summary: &'static str,
    pub(super) asks: fn() -> Asks,
    pub(super) gives: fn() -> Gives,
    handler: fn() -> MethodRouter<Api>,
}

/// What a request of a path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// The proof of a caller in its body. At the interface for other machines only, and with TLS.
    Login,
    /// The proof of a box in its body.
    Proof,
    /// The token of the worker's box.
    Token,
    /// This role for the worker that the path names.
    ForWorker(Role),
    /// This role for any worker. The handler leaves out those without it.
    ForSome(Role),
    /// This role for all workers.
    ForAll(Role),
}

impl Takes {
    /// The role, if it takes one.
    pub(super) fn role(self) -> Option<Role> {
        match self {
            Self::Nothing | Self::Login | Self::Proof | Self::Token => None,
            Self::ForWorker(role) | Self::ForSome(role) | Self::ForAll(role) => Some(role),
        }
    }
}

use Role::{Deliver, Operate, Report, Resolve, View};
use Takes::{ForAll, ForSome, ForWorker, Login, Nothing, Proof, Token};

/// For each path: its method, what it takes, its handler, what it asks for and what it gives.
macro_rules! paths {
    ($(#[doc = $doc:literal])* $table:ident: $(
        #[doc = $summary:literal]
        $method:ident $path:literal $takes:expr => $module:ident::$name:ident, $asks:expr, $gives:expr;
    )+) => {
        $(#[doc = $doc])*
        pub(super) static $table: Table = Table(&[$( Row {
            method: Method::$method,
            path: $path,
            takes: $takes,
            handled_by: (stringify!($module), stringify!($name)),
            summary: $summary,
            asks: || $asks,
            gives: || $gives,
            handler: || on(MethodFilter::$method, $module::$name),
        } ),+]);
    };
}

paths! {
    /// The interface for applications and operators, on this machine and on others.
    CALLERS:
    /// Says where the worker is, and brings it up if it is down.
    POST "/v1/workers/{name}/resolve" ForWorker(Resolve)
        => resolve::resolve, wait(), json::<Served<'_>>();
    /// The same, for programs that can only read.
    GET "/v1/workers/{name}/resolve" ForWorker(Resolve)
        => resolve::resolve, wait(), json::<Served<'_>>();
    /// Says that a caller does not reach the instance that it was given.
    POST "/v1/workers/{name}/unreachable" ForWorker(Resolve)
        => unreachable::unreachable, body::<UnreachableBody>(), json::<LookedBody>();
    /// The status of every worker that the caller may see.
    GET "/v1/workers" ForSome(View)
        => workers::all, nothing(), json::<Workers>();
    /// The status of one worker.
    GET "/v1/workers/{name}" ForWorker(View)
        => workers::one, nothing(), json::<WorkerStatus>();
    /// Counts what was sent to the worker.
    POST "/v1/workers/{name}/delivered" ForWorker(Report)
        => reports::delivered, body::<Count>(), json::<AcceptedBody>();
    /// Counts what the worker has finished.
    POST "/v1/workers/{name}/processed" ForWorker(Report)
        => reports::processed, body::<Count>(), json::<AcceptedBody>();
    /// Keeps the worker from being ended as idle for a while.
    POST "/v1/workers/{name}/busy" ForWorker(Report)
        => reports::busy, body::<Busy>(), json::<AcceptedBody>();
    /// Ends the worker's instance and brings it up again. Concurrent requests share one restart.
    POST "/v1/workers/{name}/restart" ForWorker(Operate)
        => operate::restart, body::<RestartBody>(), json::<Done>();
    /// Stops all changes in the cloud for the worker until it is resumed.
    POST "/v1/workers/{name}/pause" ForWorker(Operate)
        => operate::pause, body::<PauseBody>(), json::<Done>();
    /// Ends the pause.
    POST "/v1/workers/{name}/resume" ForWorker(Operate)
        => operate::resume, nothing(), json::<Done>();
    /// Discards what the host knows of the worker and reads it again from the cloud.
    POST "/v1/workers/{name}/forget" ForWorker(Operate)
        => operate::forget, nothing(), json::<Done>();
    /// Moves the worker to an instance that runs.
    POST "/v1/workers/{name}/adopt" ForWorker(Operate)
        => operate::adopt, body::<AdoptBody>(), json::<Done>();
    /// The policies of pools that the caller may see.
    GET "/v1/policies" ForSome(View)
        => policies::list, nothing(), json::<Policies>();
    /// Reads the policy files again. 422: one was refused, and its last good version serves.
    POST "/v1/policies/reload" ForAll(Deliver)
        => policies::reload, nothing(), json::<ReloadReport>().or(422);
    /// Begins a session of a caller that proves its identity of AWS IAM.
    POST "/v1/login" Login
        => login::login, body::<LoginBody>(), json::<login::Session>();
    /// This document.
    GET "/v1/openapi.json" ForSome(View)
        => openapi::show, nothing(), json::<serde_json::Value>();
    /// Says that the process is alive.
    GET "/healthz" Nothing
        => health::alive, nothing(), text("text/plain; charset=utf-8");
    /// Says whether policies and a reading of the pools stand behind the host's responses. 503: not all do.
    GET "/readyz" ForAll(View)
        => health::ready, nothing(), json::<Judgement>().or(503);
    /// All metrics, as OpenMetrics text.
    GET "/metrics" ForAll(View)
        => health::metrics, nothing(), text(health::OPENMETRICS);
}

paths! {
    /// The interface for boxes.
    BOXES:
    /// Proves which instance the box runs on, and gives it a token.
    POST "/v1/workers/{name}/register" Proof
        => register::register, body::<RegisterBody>(), json::<RegisteredBody<'_>>();
    /// Says that the box is alive, and what EC2 announces to a Spot instance.
    POST "/v1/workers/{name}/heartbeat" Token
        => reports::heartbeat, body::<Heartbeat>(), json::<AcceptedBody>();
    /// Counts what the worker has finished.
    POST "/v1/workers/{name}/processed" Token
        => reports::processed, body::<Count>(), json::<AcceptedBody>();
    /// Keeps the worker from being ended as idle for a while.
    POST "/v1/workers/{name}/busy" Token
        => reports::busy, body::<Busy>(), json::<AcceptedBody>();
    /// Says that the process is alive.
    GET "/healthz" Nothing
        => health::alive, nothing(), text("text/plain; charset=utf-8");
}

impl Table {
    /// The row with the path and the method of this one.
    pub(super) fn same(self, row: &Row) -> Option<&'static Row> {
        let mut rows = self.0.iter();
        rows.find(|it| (it.path, &it.method) == (row.path, &row.method))
    }

    /// Serves every path; refuses all others, and other methods.
    pub(super) fn router(self) -> Router<Api> {
        let router = self.0.iter().fold(Router::new(), |router, row| {
            router.route(row.path, (row.handler)())
        });
        router
            .fallback(async move |method: Method, uri: Uri| self.refused(&method, &uri))
            .method_not_allowed_fallback(async move |method: Method, uri: Uri| {
                self.refused(&method, &uri)
            })
    }

    /// The answer to a request of a path or a method that the interface does not have.
    pub(super) fn refused(self, method: &Method, uri: &Uri) -> Problem {
        let rows = self.0.iter();
        let all: Vec<_> = rows
            .map(|row| format!("{} {}", row.method, row.path))
            .collect();
        let all = all.join(", ");
        match self.find(method, uri.path()) {
            Err(others) if !others.is_empty() => {
                no_such_method(method, uri, &all).allowing(&others)
            }
            _ => no_such_path(uri, &all),
        }
    }

    /// What a request takes, and the worker that its path names.
    ///
    /// # Errors
    /// The methods that the path has instead; none: there is no such path.
    pub(super) fn find<'p>(
        self,
        method: &Method,
        path: &'p str,
    ) -> Result<(Takes, Option<&'p str>), Vec<&'static str>> {
        // What answers GET answers HEAD as well.
        let method = match *method {
            Method::HEAD => &Method::GET,
            _ => method,
        };
        let mut others = Vec::new();
        for row in self.0 {
            match name_in(row.path, path) {
                Some(name) if row.method == *method => return Ok((row.takes, name)),
                Some(_) => others.push(row.method.as_str()),
                None => {}
            }
        }
        Err(others)
    }
}

/// `Some(name)` if the path is this one, with the name in it if there is one.
fn name_in<'p>(pattern: &str, path: &'p str) -> Option<Option<&'p str>> {
    let (mut name, mut found) = (None, path.split('/'));
    for part in pattern.split('/') {
        let found = found.next()?;
        match part {
            "{name}" => name = Some(found),
            part if part == found => {}
            _ => return None,
        }
    }
    found.next().is_none().then_some(name)
}
