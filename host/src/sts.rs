//! Finds out who signed a login, so that a Lambda function, an instance or a task needs no secret of
//! its own. `reeve_identity::login` has the rules; this sends and remembers.
//!
//! ```text
//! login ─▶ question ─▶ refused or accepted before? ─▶ STS ─▶ is it wanted? ─▶ signature entered
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

use crate::clock::Clock;
use crate::outgoing::{Endpoint, Outgoing, OutgoingError, To};

/// STS answers within a fraction of a second.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Questions to STS at once, over all peers.
const ASKING_MAX: usize = 8;
/// Questions to STS at once of one peer address.
const PEER_ASKING_MAX: usize = 2;
/// Refused signatures that are remembered, so that a caller that repeats one costs STS nothing.
const REFUSED_MAX: usize = 10_000;

/// How identities of AWS IAM are verified.
pub struct IamOptions {
    /// The regions whose STS may be signed for.
    pub regions: Vec<String>,
    /// Where STS is asked; `None`: at its own addresses.
    pub endpoint: Option<Endpoint>,
    /// Where accepted signatures and sessions are written down. Hosts of one fleet share it.
    pub ledger: Arc<dyn Ledger>,
}

/// Asks STS whose signature a login has.
pub(crate) struct Sts {
    /// The fleet, which a login is signed for.
    audience: String,
    options: IamOptions,
    outgoing: Outgoing,
    clock: Clock,
    asking: Semaphore,
    peers: Mutex<BTreeMap<IpAddr, usize>>,
    refused: Mutex<VecDeque<[u8; 32]>>,
}

/// Why it is not proven who signed a login.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotProven {
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Sts(#[from] ReplyError),
    #[error(
        "this signature was accepted already, or refused; sign anew, a second later: signatures of the same second are the same"
    )]
    Replayed,
    #[error("{0} has signed, who is none of those that are accepted here")]
    NotWanted(Principal),
    #[error("the host verifies as many logins as it may at once; try again in a second")]
    Busy,
    #[error("cannot ask STS: {0}; try again in a second")]
    StsAway(String),
    #[error("cannot write the login down: {0}")]
    Store(#[from] StoreError),
    #[error("the system gives no randomness, so nothing is written down: {0}")]
    NoRandomness(getrandom::Error),
}

impl NotProven {
    /// The stable word in responses and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Login(error) => error.code(),
            Self::Sts(error) => error.code(),
            Self::Replayed => "login_replayed",
            Self::NotWanted(_) => "forbidden",
            Self::Busy => "login_busy",
            Self::StsAway(_) => "sts_unreachable",
            Self::Store(_) => "store_unreachable",
            Self::NoRandomness(_) => "internal",
        }
    }
}

impl Sts {
    pub(crate) fn new(
        audience: &str,
        options: IamOptions,
        clock: Clock,
    ) -> Result<Self, OutgoingError> {
        let outgoing = match &options.endpoint {
            Some(endpoint) if !endpoint.is_tls() => Outgoing::plain(),
            _ => Outgoing::with_system_roots()?,
        };
        Ok(Self {
            audience: audience.to_owned(),
            options,
            outgoing,
            clock,
            asking: Semaphore::new(ASKING_MAX),
            peers: Mutex::default(),
            refused: Mutex::default(),
        })
    }

    /// Where accepted signatures and sessions are written down.
    pub(crate) fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.options.ledger)
    }

    /// Who signed this login, which came from this address. Every identity of every account of AWS
    /// can be proven; a signature is accepted once, and only of one that is wanted.
    ///
    /// # Errors
    /// [`NotProven`].
    pub(crate) async fn signer(
        &self,
        login: &Login,
        peer: IpAddr,
        is_wanted: impl FnOnce(&Principal) -> bool,
    ) -> Result<Principal, NotProven> {
        let now = self.clock.now();
        let question = login.question(
            &self.audience,
            &self.options.regions,
            self.clock.timestamp(),
        )?;
        let signature = *question.signature_digest();
        let was_refused = lock(&self.refused).contains(&signature);
        let ledger = &self.options.ledger;
        if was_refused || ledger.look_up(key(&signature), now).await?.is_some() {
            return Err(NotProven::Replayed);
        }
        let principal = self.ask_in_turn(&question, peer).await;
        if matches!(principal, Err(NotProven::Sts(ReplyError::Refused { .. }))) {
            self.remember_refused(signature);
        }
        let principal = principal?;
        if !is_wanted(&principal) {
            self.remember_refused(signature);
            return Err(NotProven::NotWanted(principal));
        }
        self.enter(&question, now).await?;
        Ok(principal)
    }

    /// Enters the signature. Of two hosts or requests that have the same one, the first is accepted.
    async fn enter(&self, question: &Question, now: Instant) -> Result<(), NotProven> {
        let mut attempt = [0; 16];
        getrandom::fill(&mut attempt).map_err(NotProven::NoRandomness)?;
        let until = question.remember_until().as_millisecond();
        let entry = LedgerEntry {
            value: hex::encode(attempt),
            until: Instant::from_ms(u64::try_from(until).unwrap_or(0)),
        };
        let key = key(question.signature_digest());
        match self.options.ledger.enter(key, entry.clone(), now).await? == entry {
            true => Ok(()),
            false => Err(NotProven::Replayed),
        }
    }

    async fn ask_in_turn(&self, question: &Question, peer: IpAddr) -> Result<Principal, NotProven> {
        let _place = self.asking.try_acquire().map_err(|_| NotProven::Busy)?;
        let _turn = Turn::take(&self.peers, peer.to_canonical()).ok_or(NotProven::Busy)?;
        match timeout(ANSWER_MAX, self.ask(question)).await {
            Ok(answer) => answer,
            Err(_) => {
                let why = format!("no response within {} s", ANSWER_MAX.as_secs());
                Err(NotProven::StsAway(why))
            }
        }
    }

    async fn ask(&self, question: &Question) -> Result<Principal, NotProven> {
        let mut request = Request::builder()
            .method(question.method())
            .uri(question.path());
        for (name, value) in question.headers() {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(question.body()));
        let request = request.map_err(|error| NotProven::StsAway(error.to_string()))?;
        let to = match &self.options.endpoint {
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
        let response = sent.map_err(NotProven::StsAway)?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE).cloned();
        let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
        let body = to_bytes(Body::new(response.into_body()), REPLY_BYTES_MAX).await;
        let body = body.map_err(|_| {
            NotProven::StsAway("its reply broke off, or is longer than a reply is".to_owned())
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
