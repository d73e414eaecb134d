//! The HTTP interface: for applications and operators on loopback and a Unix socket, for boxes on
//! an address of its own. Handlers read published state or send requests to the drive loop. They
//! make no decision and no cloud call.
//!
//! - [`login`]: who is a caller? [`resolve`]: where is my worker? [`operate`]: an operator's commands. [`workers`],
//!   [`policies`], [`health`]: state of the host.
//! - [`register`], [`reports`]: what boxes and applications report about a worker.
//! - [`problem`]: the form of a refusal. [`body`]: reads request bodies. [`json`]: responses.
//!   [`paths`]: every path, and the role that it takes. [`openapi`]: the same for programs. [`door`]: checks every
//!   request. [`refusals`]: what is refused of any bytes, for fuzzing.
//! - [`listen`]: sockets. [`server`]: connections. [`admission`]: which connections of boxes are
//!   accepted. [`leftover`]: what handlers leave of a body.

mod admission;
mod body;
mod door;
mod health;
mod json;
mod leftover;
mod listen;
mod login;
pub(crate) mod openapi;
mod operate;
mod paths;
mod policies;
mod problem;
pub(crate) mod refusals;
mod register;
mod reports;
mod resolve;
mod server;
mod unreachable;
mod wait;
mod waits;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use reeve_core::id::WorkerId;
use reeve_policy::Registry;

use crate::audit::Audit;
use crate::boxes::Proofs;
use crate::clock::Clock;
use crate::drive::Handle;
use crate::hearing::Hearing;
use crate::login::Logins;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::reload::Reloads;
use crate::routes::{Routes, Slot};
use crate::sts::Sts;
use door::{Guard, Names};
use paths::{BOXES, CALLERS};
use problem::Problem;
use reports::Shown;

pub(crate) use admission::{Admission, Caps};
pub(crate) use door::Door;
pub use listen::ListenError;
pub(crate) use listen::{SocketFile, any_tcp, tcp, unix};
pub(crate) use server::{Reception, serve, serve_others};
pub(crate) use waits::Waits;

/// Who sends requests over this interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// An application on this machine.
    Application,
    /// A box, or any other client on the network: every request needs a proof or a token.
    Box,
}

/// What handlers share; a clone is cheap.
#[derive(Clone)]
pub(crate) struct Api {
    parts: Arc<ApiParts>,
    side: Side,
}

/// The parts of the host that handlers use.
pub(crate) struct ApiParts {
    pub(crate) routes: Arc<Routes>,
    pub(crate) handle: Handle,
    pub(crate) registry: Arc<Registry>,
    pub(crate) reloads: Reloads,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    /// Logs callers in by AWS IAM. `None`: no rule is for such a caller.
    pub(crate) logins: Option<Logins>,
    /// Finds out who signed the login of a box. `None`: neither callers nor boxes of this host log in.
    pub(crate) sts: Option<Arc<Sts>>,
    /// Checks the proofs of boxes. `None`: this host has no interface for boxes.
    pub(crate) proofs: Option<Proofs>,
    /// The address from which each worker's box was last heard.
    pub(crate) hearing: Hearing,
    /// Who asked for what.
    pub(crate) audit: Audit,
    /// The callers that wait, through all doors.
    pub(crate) waits: Waits,
}

impl Api {
    pub(crate) fn new(parts: ApiParts) -> Self {
        Self {
            parts: Arc::new(parts),
            side: Side::Application,
        }
    }

    /// The interface for a TCP listener, which web pages may reach through a browser.
    pub(crate) fn for_loopback(&self) -> Door {
        self.with_roles(Names::Loopback, false)
    }

    /// The interface for a Unix socket.
    pub(crate) fn for_socket(&self) -> Door {
        self.with_roles(Names::Any, false)
    }

    /// The interface for other machines, under any name. A page in a browser has no token to show.
    pub(crate) fn for_network(&self, is_plain: bool) -> Door {
        self.with_roles(Names::Any, is_plain)
    }

    fn with_roles(&self, names: Names, is_plain: bool) -> Door {
        let guard = Guard::Roles {
            routes: Arc::clone(&self.parts.routes),
            clock: self.parts.clock,
            audit: self.parts.audit.clone(),
            is_plain,
        };
        Door::new(self.router(), self.parts.metrics.clone(), names, guard)
    }

    /// The interface for boxes, which connect from other machines under any name. Every request
    /// needs a proof or a token.
    pub(crate) fn for_boxes(&self) -> Door {
        Door::new(
            self.router_for_boxes(),
            self.parts.metrics.clone(),
            Names::Any,
            Guard::Handlers,
        )
    }

    fn router(&self) -> Router {
        CALLERS.router().with_state(self.clone())
    }

    fn router_for_boxes(&self) -> Router {
        let parts = Arc::clone(&self.parts);
        let side = Side::Box;
        BOXES.router().with_state(Self { parts, side })
    }

    /// Records that a box of the worker proved itself from this address.
    fn heard(&self, worker: &WorkerId, shown: &Shown) {
        if let Some(peer) = shown.peer {
            self.parts.hearing.heard(worker, peer);
        }
    }

    /// The worker that the path names.
    fn worker(&self, name: &Result<Path<String>, PathRejection>) -> Result<&WorkerId, Problem> {
        let Path(name) = name
            .as_ref()
            .map_err(|error| Problem::bad_request(error.body_text()))?;
        let slot = self.parts.routes.slot(name);
        slot.map(Slot::worker)
            .ok_or_else(|| Problem::unknown_worker(name))
    }
}
