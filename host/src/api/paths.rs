//! Every path of the interface for applications and operators, with the role that it takes. The
//! router is made of this table, so no path is without a line here.

use axum::Router;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

use super::{Api, health, login, operate, policies, reports, resolve, unreachable, workers};
use crate::access::Role;

/// A path.
pub(super) struct Row {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) takes: Takes,
    handler: fn() -> MethodRouter<Api>,
}

/// What a request of a path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// The proof in its body. At the interface for other machines only, and with TLS.
    Login,
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
            Self::Nothing | Self::Login => None,
            Self::ForWorker(role) | Self::ForSome(role) | Self::ForAll(role) => Some(role),
        }
    }
}

use Role::{Deliver, Operate, Report, Resolve, View};
use Takes::{ForAll, ForSome, ForWorker, Login, Nothing};

/// A line for each path: its method, what it takes, its handler.
macro_rules! paths {
    ($( $method:ident $path:literal $takes:expr => $handler:expr; )+) => {
        static TABLE: &[Row] = &[$( Row {
            method: Method::$method,
            path: $path,
            takes: $takes,
            handler: || $handler,
        } ),+];
    };
}

paths! {
    POST "/v1/workers/{name}/resolve"     ForWorker(Resolve) => post(resolve::resolve);
    GET  "/v1/workers/{name}/resolve"     ForWorker(Resolve) => get(resolve::resolve);
    POST "/v1/workers/{name}/unreachable" ForWorker(Resolve) => post(unreachable::unreachable);
    GET  "/v1/workers"                    ForSome(View)      => get(workers::all);
    GET  "/v1/workers/{name}"             ForWorker(View)    => get(workers::one);
    POST "/v1/workers/{name}/delivered"   ForWorker(Report)  => post(reports::delivered);
    POST "/v1/workers/{name}/processed"   ForWorker(Report)  => post(reports::processed);
    POST "/v1/workers/{name}/busy"        ForWorker(Report)  => post(reports::busy);
    POST "/v1/workers/{name}/restart"     ForWorker(Operate) => post(operate::restart);
    POST "/v1/workers/{name}/pause"       ForWorker(Operate) => post(operate::pause);
    POST "/v1/workers/{name}/resume"      ForWorker(Operate) => post(operate::resume);
    POST "/v1/workers/{name}/forget"      ForWorker(Operate) => post(operate::forget);
    POST "/v1/workers/{name}/adopt"       ForWorker(Operate) => post(operate::adopt);
    GET  "/v1/policies"                   ForSome(View)      => get(policies::list);
    POST "/v1/policies/reload"            ForAll(Deliver)    => post(policies::reload);
    POST "/v1/login"                      Login              => post(login::login);
    GET  "/healthz"                       Nothing            => get(health::alive);
    GET  "/readyz"                        ForAll(View)       => get(health::ready);
    GET  "/metrics"                       ForAll(View)       => get(health::metrics);
}

/// All paths.
pub(super) fn router() -> Router<Api> {
    TABLE.iter().fold(Router::new(), |router, row| {
        router.route(row.path, (row.handler)())
    })
}

/// Every path with its method, for the answer to a request of another one.
pub(super) fn all() -> String {
    let all: Vec<_> = TABLE
        .iter()
        .map(|row| format!("{} {}", row.method, row.path))
        .collect();
    all.join(", ")
}

/// What a request takes, and the worker that its path names.
///
/// # Errors
/// The methods that the path has instead; none: there is no such path.
pub(super) fn find<'p>(
    method: &Method,
    path: &'p str,
) -> Result<(Takes, Option<&'p str>), Vec<&'static str>> {
    // What answers GET answers HEAD as well.
    let method = match *method {
        Method::HEAD => &Method::GET,
        _ => method,
    };
    let mut others = Vec::new();
    for row in TABLE {
        match name_in(row.path, path) {
            Some(name) if row.method == *method => return Ok((row.takes, name)),
            Some(_) => others.push(row.method.as_str()),
            None => {}
        }
    }
    Err(others)
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
