//! `POST /v1/login`: a caller proves its identity of AWS IAM, and gets a session's token.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use reeve_identity::login::LOGIN_BYTES_MAX;
use serde::Serialize;
use utoipa::ToSchema;

use super::admission::Peer;
use super::json::Json;
use super::problem::Problem;
use super::{Api, body};

#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    /// For `Authorization: Bearer` of the next requests, on every host of the fleet.
    token: String,
    expires_in_ms: u64,
}

pub(super) async fn login(
    State(api): State<Api>,
    Extension(Peer(peer)): Extension<Peer>,
    body: Body,
) -> Result<Json<Session>, Problem> {
    let logins = api.parts.logins.as_ref();
    let logins = logins.ok_or_else(|| Problem::internal("this host logs no callers in"))?;
    let body = body::bytes(body, LOGIN_BYTES_MAX).await?;
    let begun = logins.log_in(&body, peer).await;
    let outcome = begun
        .as_ref()
        .err()
        .map_or("logged_in", |error| error.code());
    api.parts.metrics.login(outcome);
    match &begun {
        Ok(begun) => (api.parts.audit).command(&begun.who, "POST", "/v1/login", 200),
        Err(_) => api.parts.audit.stranger(Some(peer)),
    }
    let begun = begun.map_err(|error| Problem::not_logged_in(&error))?;
    Ok(Json(Session {
        token: begun.token,
        expires_in_ms: begun.length.get(),
    }))
}
