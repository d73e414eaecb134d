//! G8 for tokens, in addition to `scope`. A token is minted for the adopted instance only. A token
//! that a box gets is in the store. While a box shows its token, the same life of its instance gets
//! no second one.

use reeve_core::id::WorkerId;
use reeve_core::store::{Credential, WorkerRecord};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::{SecretHash, Token};

use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Written};

/// How long a heartbeat may take to reach the store, in addition to the difference between clocks.
const STORED_AFTER: Millis = Millis::from_secs(12);

/// The registers and heartbeats of boxes, and the credentials that the store held for them.
#[derive(Default)]
pub(super) struct Boxes {
    credentials: ByWorker<Vec<Credential>>,
    /// The time of each register, by its nonce.
    registers: Vec<(SecretHash, Instant)>,
    /// When a host last sent a worker's heartbeat to the store.
    heard: ByWorker<Instant>,
}

impl Boxes {
    /// Notes a register that a box sent.
    pub(super) fn registers(&mut self, nonce: SecretHash, at: Instant) {
        self.registers.push((nonce, at));
    }

    /// Notes a heartbeat that a host accepted, even if the store did not take it.
    pub(super) fn heard(&mut self, worker: &WorkerId, at: Instant) {
        self.heard.insert(worker.clone(), at);
    }

    /// Whether a host accepted a heartbeat of the worker's box after `since`, on any host's clock.
    pub(super) fn was_heard(&self, worker: &WorkerId, since: Instant) -> bool {
        let heard = self.heard.get(worker);
        heard.is_some_and(|at| *at + CLOCKS_APART >= since)
    }

    /// Checks that a written record does not replace a token that the box shows.
    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
        let Some(after) = &written.write.record.credential else {
            return Ok(());
        };
        check_minted_for_adopted(after, &written.write.record)?;
        let known = self.credentials.entry(written.worker.clone()).or_default();
        if known.last() != Some(after) {
            known.push(after.clone());
        }
        let (Some(before), Some(boxes)) = (&written.before.record.credential, written.pool.boxes)
        else {
            return Ok(());
        };
        let is_second = before.nonce != after.nonce
            && (&before.instance, before.generation) == (&after.instance, after.generation);
        let asked = self
            .registers
            .iter()
            .find(|(nonce, _)| *nonce == after.nonce);
        let shown_at = written.before.activity.heartbeat_at;
        let shown_at = shown_at.filter(|at| *at > before.minted_at);
        let (Some((_, asked_at)), Some(shown_at)) = (asked.filter(|_| is_second), shown_at) else {
            return Ok(());
        };
        // A violation needs a host that could know of the heartbeat, and a token that is live on
        // every clock.
        let was_known = shown_at + CLOCKS_APART + STORED_AFTER < *asked_at;
        let is_live = written.at + CLOCKS_APART < shown_at + boxes.token_live();
        if !was_known || !is_live {
            return Ok(());
        }
        let text = format!(
            "{} is given a second token {} after it has shown the first",
            after.instance,
            written.at.since(shown_at)
        );
        Err((Guarantee::G8, text))
    }

    /// Checks that the store holds a token that a box gets.
    pub(super) fn handed_out(&self, worker: &WorkerId, token: &Token) -> Finding {
        let is_stored = |credential: &Credential| {
            let hash = token.hash(credential.generation, &credential.instance);
            let offered = credential
                .offered
                .as_ref()
                .is_some_and(|offered| offered.token == hash);
            credential.token == hash || offered
        };
        let stored = self.credentials.get(worker);
        if stored.is_some_and(|credentials| credentials.iter().any(is_stored)) {
            return Ok(());
        }
        let text = "a box gets a token that the store does not hold".to_owned();
        Err((Guarantee::G8, text))
    }
}

/// Checks that a token is minted for the adopted instance. A token from before the adoption may
/// reach the store in the same write as the adoption.
fn check_minted_for_adopted(credential: &Credential, record: &WorkerRecord) -> Finding {
    let another = record.adopted.as_ref();
    let another = another.filter(|adopted| adopted.id != credential.instance);
    match another.filter(|adopted| credential.minted_at > adopted.since + CLOCKS_APART) {
        Some(adopted) => Err((
            Guarantee::G8,
            format!(
                "a token is minted for {} while {} is adopted",
                credential.instance, adopted.id
            ),
        )),
        None => Ok(()),
    }
}
