//! Sessions of callers that have logged in by AWS IAM. Each lasts for a quarter of an hour, on every
//! host of the fleet, also while STS is away.
//!
//! A session's token is `rst1.SECRET`. The ledger has its hash and the identity, so what the store
//! keeps is of no use to its readers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reeve_core::ports::{Ledger, LedgerEntry};
use reeve_core::time::{Instant, Millis};
use reeve_identity::login::Principal;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::{Access, Caller, Identity, Unknown};

/// The first part of every session's token; another number would mean another form.
const FORM: &str = "rst1.";
/// How long a session lasts.
pub(crate) const LENGTH: Millis = Millis::from_secs(900);
/// Sessions that a host remembers. It looks the others up.
const KNOWN_MAX: usize = 100_000;
/// Tokens that are looked up at once. A flood of made-up ones leaves the store alone, and those that
/// this host knows already are not looked up.
const LOOK_UPS_MAX: usize = 4;

/// The sessions of a fleet.
pub(crate) struct Sessions {
    access: Arc<Access>,
    ledger: Arc<dyn Ledger>,
    known: Mutex<HashMap<Hash, (Caller, Instant)>>,
    looking_up: Semaphore,
}

/// The SHA-256 of a token.
type Hash = [u8; 32];

/// A session that has begun.
pub(crate) struct Begun {
    /// For the caller; it is shown this once.
    pub(crate) token: String,
    pub(crate) length: Millis,
    /// Whose it is.
    pub(crate) who: String,
}

/// Why no session begins.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotBegun {
    #[error("the system gives no randomness, so no token is made: {0}")]
    NoRandomness(getrandom::Error),
    #[error(transparent)]
    Store(#[from] reeve_core::store::StoreError),
}

/// Whether a token is a session's.
pub(super) fn is_session(token: &str) -> bool {
    token.starts_with(FORM)
}

impl Sessions {
    pub(crate) fn new(access: Arc<Access>, ledger: Arc<dyn Ledger>) -> Self {
        Self {
            access,
            ledger,
            known: Mutex::default(),
            looking_up: Semaphore::new(LOOK_UPS_MAX),
        }
    }

    /// Begins a session of this identity.
    ///
    /// # Errors
    /// [`NotBegun`].
    pub(crate) async fn begin(
        &self,
        principal: &Principal,
        now: Instant,
    ) -> Result<Begun, NotBegun> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(NotBegun::NoRandomness)?;
        let token = format!("{FORM}{}", URL_SAFE_NO_PAD.encode(secret));
        let hash = hash(&token);
        let entry = LedgerEntry {
            value: principal.to_string(),
            until: now + LENGTH,
        };
        self.ledger.enter(key(&hash), entry, now).await?;
        let caller = self
            .access
            .caller(Identity::Iam(Arc::new(principal.clone())));
        self.remember(hash, caller, now + LENGTH, now);
        Ok(Begun {
            token,
            length: LENGTH,
            who: principal.to_string(),
        })
    }

    /// Whose session has this token.
    ///
    /// # Errors
    /// [`Unknown`].
    pub(super) async fn caller(&self, token: &str, now: Instant) -> Result<Caller, Unknown> {
        let hash = hash(token);
        if let Some((caller, until)) = self.lock().get(&hash) {
            return match *until > now {
                true => Ok(caller.clone()),
                false => Err(Unknown::NotKnown),
            };
        }
        // Another host may have begun it.
        let _place = self.looking_up.try_acquire().map_err(|_| Unknown::Busy)?;
        let found = self.ledger.look_up(key(&hash), now).await;
        let entry = found
            .map_err(|_| Unknown::StoreAway)?
            .ok_or(Unknown::NotKnown)?;
        let principal: Principal = entry.value.parse().map_err(|_| Unknown::NotKnown)?;
        let caller = self.access.caller(Identity::Iam(Arc::new(principal)));
        self.remember(hash, caller.clone(), entry.until, now);
        Ok(caller)
    }

    fn remember(&self, hash: Hash, caller: Caller, until: Instant, now: Instant) {
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, (_, until)| *until > now);
        }
        if known.len() < KNOWN_MAX {
            known.insert(hash, (caller, until));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, (Caller, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token of 256 random bits is found by its hash alone: no caller can aim at a hash.
fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}

fn key(hash: &Hash) -> String {
    format!("session-{}", hex::encode(hash))
}

#[cfg(test)]
mod tests {
    use reeve_sim::store::MemoryLedger;

    use super::*;

    const ARN: &str = "arn:aws:sts::123456789012:assumed-role/chat-caller/a-function";

    fn sessions(ledger: &MemoryLedger) -> Sessions {
        Sessions::new(Arc::default(), Arc::new(ledger.clone()))
    }

    #[tokio::test]
    async fn a_session_counts_on_every_host_of_the_fleet_until_its_end() {
        let ledger = MemoryLedger::default();
        let (one, other) = (sessions(&ledger), sessions(&ledger));
        let now = Instant::from_ms(1_000_000);
        let begun = one.begin(&ARN.parse().unwrap(), now).await.unwrap();
        let late = now + Millis::new(LENGTH.get() - 1);
        for host in [&one, &other, &sessions(&ledger)] {
            let caller = host.caller(&begun.token, late).await.unwrap();
            assert_eq!(caller.identity().to_string(), ARN);
            let over = host.caller(&begun.token, now + LENGTH).await;
            assert_eq!(over.err(), Some(Unknown::NotKnown));
            let guessed = host.caller("rst1.guessed", now).await;
            assert_eq!(guessed.err(), Some(Unknown::NotKnown));
        }
    }
}
