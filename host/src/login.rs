//! Logs callers in by AWS IAM, so that a Lambda function or an instance needs no secret of its own.
//! `reeve_identity::login` has the rules; this sends and remembers.
//!
//! ```text
//! body ─▶ question ─▶ refused or accepted before? ─▶ STS ─▶ a rule for it? ─▶ signature entered ─▶ session
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use reeve_core::ports::{Ledger, LedgerEntry};
use reeve_core::store::StoreError;
use reeve_core::time::Instant;
use reeve_identity::login::{
    Login, LoginError, Principal, Question, REPLY_BYTES_MAX, ReplyError, read_reply,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::access::{Access, Begun, Identity, NotBegun, Sessions};
use crate::clock::Clock;
use crate::outgoing::{Endpoint, Outgoing, To};

/// STS answers within a fraction of a second.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Questions to STS at once, over all callers.
const ASKING_MAX: usize = 8;
/// Questions to STS at once of one peer address.
const PEER_ASKING_MAX: usize = 2;
/// Refused signatures that are remembered, so that a caller that repeats one costs STS nothing.
const REFUSED_MAX: usize = 10_000;

/// Logs callers in.
pub(crate) struct Logins {
    /// The fleet, which a caller signs for.
    audience: String,
    regions: Vec<String>,
    /// Where STS is asked; `None`: at its own addresses.
    endpoint: Option<Endpoint>,
    outgoing: Outgoing,
    access: Arc<Access>,
    ledger: Arc<dyn Ledger>,
    sessions: Arc<Sessions>,
    clock: Clock,
    asking: Semaphore,
    peers: Mutex<BTreeMap<IpAddr, usize>>,
    refused: Mutex<VecDeque<[u8; 32]>>,
}

/// What logs callers in.
pub(crate) struct Parts {
    pub(crate) audience: String,
    pub(crate) regions: Vec<String>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) outgoing: Outgoing,
    pub(crate) access: Arc<Access>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) clock: Clock,
}

/// Why a caller is not logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLoggedIn {
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Sts(#[from] ReplyError),
    #[error(
        "this signature was accepted already, or refused; sign anew, a second later: signatures of the same second are the same"
    )]
    Replayed,
    #[error("no rule in [access] is for {0}; accepted: one of those that `arns` names there")]
    NoRule(Principal),
    #[error("the host verifies as many logins as it may at once; log in again in a second")]
    Busy,
    #[error("cannot ask STS: {0}; log in again in a second")]
    StsAway(String),
    #[error("cannot write the login down: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    NotBegun(#[from] NotBegun),
}

impl NotLoggedIn {
    /// The stable word in responses and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Login(error) => error.code(),
            Self::Sts(error) => error.code(),
            Self::Replayed => "login_replayed",
            Self::NoRule(_) => "forbidden",
            Self::Busy => "login_busy",
            Self::StsAway(_) => "sts_unreachable",
            Self::Store(_) => "store_unreachable",
            Self::NotBegun(_) => "internal",
        }
    }
}

impl Logins {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            audience: parts.audience,
            regions: parts.regions,
            endpoint: parts.endpoint,
            outgoing: parts.outgoing,
            access: parts.access,
            ledger: parts.ledger,
            sessions: parts.sessions,
            clock: parts.clock,
            asking: Semaphore::new(ASKING_MAX),
            peers: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Logs the sender of this body in, who speaks from this address.
    ///
    /// # Errors
    /// [`NotLoggedIn`].
    pub(crate) async fn log_in(&self, body: &[u8], peer: IpAddr) -> Result<Begun, NotLoggedIn> {
        let now = self.clock.now();
        let question = Login::read(body)?;
        let question = question.question(&self.audience, &self.regions, self.clock.timestamp())?;
        let signature = *question.signature_digest();
        let was_refused = lock(&self.refused).contains(&signature);
        if was_refused || self.ledger.look_up(key(&signature), now).await?.is_some() {
            return Err(NotLoggedIn::Replayed);
        }
        let principal = self.ask_in_turn(&question, peer).await;
        if matches!(principal, Err(NotLoggedIn::Sts(ReplyError::Refused { .. }))) {
            self.remember_refused(signature);
        }
        let principal = principal?;
        // Every identity of every account of AWS can be proven; only those that a rule names are kept.
        let identity = Identity::Iam(Arc::new(principal.clone()));
        if !self.access.has_rule_for(&identity) {
            self.remember_refused(signature);
            return Err(NotLoggedIn::NoRule(principal));
        }
        self.enter(&question, now).await?;
        Ok(self.sessions.begin(&principal, now).await?)
    }

    /// Enters the signature. Of two hosts or requests that have the same one, the first logs in.
    async fn enter(&self, question: &Question, now: Instant) -> Result<(), NotLoggedIn> {
        let mut attempt = [0; 16];
        getrandom::fill(&mut attempt).map_err(NotBegun::NoRandomness)?;
        let until = question.remember_until().as_millisecond();
        let entry = LedgerEntry {
            value: hex::encode(attempt),
            until: Instant::from_ms(u64::try_from(until).unwrap_or(0)),
        };
        let key = key(question.signature_digest());
        match self.ledger.enter(key, entry.clone(), now).await? == entry {
            true => Ok(()),
            false => Err(NotLoggedIn::Replayed),
        }
    }

    async fn ask_in_turn(
        &self,
        question: &Question,
        peer: IpAddr,
    ) -> Result<Principal, NotLoggedIn> {
        let _place = self.asking.try_acquire().map_err(|_| NotLoggedIn::Busy)?;
        let _turn = Turn::take(&self.peers, peer.to_canonical()).ok_or(NotLoggedIn::Busy)?;
        match timeout(ANSWER_MAX, self.ask(question)).await {
            Ok(answer) => answer,
            Err(_) => {
                let why = format!("no response within {} s", ANSWER_MAX.as_secs());
                Err(NotLoggedIn::StsAway(why))
            }
        }
    }

    async fn ask(&self, question: &Question) -> Result<Principal, NotLoggedIn> {
        let mut request = Request::builder()
            .method(question.method())
            .uri(question.path());
        for (name, value) in question.headers() {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(question.body()));
        let request = request.map_err(|error| NotLoggedIn::StsAway(error.to_string()))?;
        let to = match &self.endpoint {
            Some(endpoint) => endpoint.to(),
            None => To {
                host: question.host(),
                port: 443,
                tls: ServerName::try_from(question.host().to_owned()).ok(),
            },
        };
        // The connection ends with this call.
        let mut connection = JoinSet::new();
        let sent = self.outgoing.send(to, request, &mut connection).await;
        let response = sent.map_err(NotLoggedIn::StsAway)?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE).cloned();
        let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
        let body = to_bytes(Body::new(response.into_body()), REPLY_BYTES_MAX).await;
        let body = body.map_err(|_| {
            NotLoggedIn::StsAway("its reply broke off, or is longer than a reply is".to_owned())
        })?;
        Ok(read_reply(status, content_type, &body)?)
    }

    fn remember_refused(&self, signature: [u8; 32]) {
        let mut refused = lock(&self.refused);
        if refused.len() >= REFUSED_MAX {
            refused.pop_front();
        }
        refused.push_back(signature);
    }
}

/// A question of a peer that is under way.
struct Turn<'a> {
    peers: &'a Mutex<BTreeMap<IpAddr, usize>>,
    peer: IpAddr,
}

impl<'a> Turn<'a> {
    fn take(peers: &'a Mutex<BTreeMap<IpAddr, usize>>, peer: IpAddr) -> Option<Self> {
        let mut asking = lock(peers);
        let count = asking.entry(peer).or_default();
        if *count >= PEER_ASKING_MAX {
            return None;
        }
        *count += 1;
        Some(Self { peers, peer })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut asking = lock(self.peers);
        if let Some(count) = asking.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                asking.remove(&self.peer);
            }
        }
    }
}

fn key(signature: &[u8; 32]) -> String {
    format!("login-{}", hex::encode(signature))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
