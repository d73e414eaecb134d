//! G8, in addition to which box is given a token: one is minted for what embodies the worker only,
//! one that is handed out is in the store, and while one is shown there is no second one for the
//! same life of an instance.

use reeve_core::id::WorkerId;
use reeve_core::store::{Credential, WorkerRecord};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::{SecretHash, Token};

use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Written, later};

/// Beyond how far clocks are apart: a refresh of the store may take so long.
const STORED_AFTER: Millis = Millis::from_secs(12);

/// What boxes have said, and what stands in the store for them.
#[derive(Default)]
pub(super) struct Boxes {
    credentials: ByWorker<Vec<Credential>>,
    /// When each register was sent, by its nonce.
    registers: Vec<(SecretHash, Instant)>,
    /// When the store was last to be told of a heartbeat.
    heard: ByWorker<Instant>,
}

impl Boxes {
    /// A box registers.
    pub(super) fn registers(&mut self, nonce: SecretHash, at: Instant) {
        self.registers.push((nonce, at));
    }

    /// A heartbeat was accepted, whether or not the store will know of it.
    pub(super) fn heard(&mut self, worker: &WorkerId, at: Instant) {
        self.heard.insert(worker.clone(), at);
    }

    /// Whether the worker's box has been heard since then, by whichever host's clock that is.
    pub(super) fn was_heard(&self, worker: &WorkerId, since: Instant) -> bool {
        let heard = self.heard.get(worker);
        heard.is_some_and(|at| later(*at, CLOCKS_APART) >= since)
    }

    /// A record was written: a token that the box shows keeps its place.
    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
        let Some(after) = &written.write.record.credential else {
            return Ok(());
        };
        is_of_the_adopted(after, &written.write.record)?;
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
        // The host that was asked could know of it, and the token is live by every clock.
        let was_known = later(shown_at, CLOCKS_APART + STORED_AFTER) < *asked_at;
        let is_live = later(written.at, CLOCKS_APART) < shown_at + boxes.token_live();
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

    /// A token is handed out.
    pub(super) fn handed_out(&self, worker: &WorkerId, token: &Token) -> Finding {
        let is_stored = |credential: &Credential| {
            let hash = token.hash(credential.generation, &credential.instance);
            let offered = credential
                .offered
                .is_some_and(|offered| offered.token == hash);
            credential.token == hash || offered
        };
        let stored = self.credentials.get(worker);
        if stored.is_some_and(|credentials| credentials.iter().any(is_stored)) {
            return Ok(());
        }
        let text = "a box is given a token that the store does not know".to_owned();
        Err((Guarantee::G8, text))
    }
}

/// A token is minted for what embodies the worker. One of before that instance was adopted may
/// reach the store with its adoption.
fn is_of_the_adopted(credential: &Credential, record: &WorkerRecord) -> Finding {
    let another = record.adopted.as_ref();
    let another = another.filter(|adopted| adopted.id != credential.instance);
    match another.filter(|adopted| credential.minted_at > later(adopted.since, CLOCKS_APART)) {
        Some(adopted) => Err((
            Guarantee::G8,
            format!(
                "a token is minted for {} while {} embodies the worker",
                credential.instance, adopted.id
            ),
        )),
        None => Ok(()),
    }
}
