//! `POST /v1/workers/{name}/register`: a box proves which instance it runs on, and gets a token.

use std::net::Ipv4Addr;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use reeve_core::boxes::{Claim, Receipt, Statement};
use reeve_core::id::WorkerId;
use reeve_core::token::SecretHash;
use reeve_identity::login::Login;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Instance;
use super::json::Json;
use super::problem::Problem;
use super::reports::{Shown, fresh};
use super::{Api, body};

/// An identity document has 2 to 3 KiB; the nonce and the JSON around it need a little more.
const BODY_BYTES_MAX: usize = 64 << 10;
/// The length of a nonce: long enough to be unique when drawn at random, short enough to store.
const NONCE_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// `{"nonce": "…", "document": "…"}`, `{"nonce": "…", "login": {…}}`, or `{"nonce": "…", "instance":
/// "i-…", "secret": "…"}`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterBody {
    /// Drawn by the box for this register. A retry sends the same nonce.
    #[schema(min_length = 16, max_length = 128)]
    nonce: String,
    /// The identity document with its RSA-2048 signature, as the instance metadata service returns
    /// it.
    document: Option<String>,
    /// A login with the role of the box's instance or task. The instance is the session's name, and
    /// no member of the request.
    #[serde(default, deserialize_with = "body::object")]
    login: Option<Login>,
    /// The box's instance, where the proof is a shared secret.
    instance: Option<Instance>,
    /// The shared secret.
    secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RegisteredBody<'a> {
    worker: &'a str,
    generation: u64,
    token: String,
    heartbeat_ms: u64,
}

pub(super) async fn register(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    shown: Shown,
    body: Body,
) -> Result<Response, Problem> {
    let worker = api.worker(&name)?;
    let asked: RegisterBody = body::json(body, BODY_BYTES_MAX).await?;
    if !NONCE_BYTES.contains(&asked.nonce.len()) {
        return Err(Problem::bad_request(format!(
            "the nonce has {} bytes; accepted: {} to {}, drawn at random for this register",
            asked.nonce.len(),
            NONCE_BYTES.start(),
            NONCE_BYTES.end()
        )));
    }
    let nonce = SecretHash::of_nonce(&asked.nonce);
    let said = match claim(&api, worker, asked, &shown).await? {
        Ok(claim) => Statement::Register { claim, nonce },
        Err(text) => Statement::Unproven { text },
    };
    match api.parts.handle.state(worker, said, fresh()?).await? {
        Receipt::Registered(registered) => {
            api.heard(worker, &shown);
            let body = RegisteredBody {
                worker: worker.as_str(),
                generation: registered.generation.get(),
                token: registered.token.reveal(),
                heartbeat_ms: registered.heartbeat.get(),
            };
            Ok(Json(body).into_response())
        }
        Receipt::Refused(refusal) => Err(Problem::refused(worker, &refusal)),
        Receipt::Accepted(_) => Err(Problem::internal("a register was answered as a report")),
    }
}

/// Checks the proof. `Ok(Err(_))` is a proof that failed, which goes to the worker's facts;
/// `Err(_)` is a request that is malformed or cannot be checked, which does not.
async fn claim(
    api: &Api,
    worker: &WorkerId,
    asked: RegisterBody,
    shown: &Shown,
) -> Result<Result<Claim, String>, Problem> {
    let Some(proofs) = &api.parts.proofs else {
        return Err(Problem::internal("this host checks no proofs of boxes"));
    };
    let slot = api.parts.routes.slot(worker.as_str());
    let slot = slot.ok_or_else(|| Problem::unknown_worker(worker.as_str()))?;
    match (asked.document, asked.login, asked.instance, asked.secret) {
        (Some(document), None, None, None) => Ok(proofs.document(&document)),
        (None, Some(login), None, None) => {
            let Some(sts) = &api.parts.sts else {
                return Ok(Err("role_not_accepted: no pool of this host has a `role`".to_owned()));
            };
            // The door for boxes on this machine knows no peers.
            let peer = shown.peer.unwrap_or(Ipv4Addr::LOCALHOST.into());
            let claim = proofs.role(slot.pool(), &login, (sts, peer)).await;
            claim.map_err(|why| Problem::not_proven("The box is not proven", &why))
        }
        (None, None, Some(Instance(instance)), Some(secret)) => {
            Ok(proofs.secret(slot.pool(), instance, &secret))
        }
        _ => Err(Problem::bad_request(
            "a register has either `document`, or `login`, or `instance` and `secret`; see docs/boxes.md"
                .to_owned(),
        )),
    }
}
