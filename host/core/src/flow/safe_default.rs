//! The safe default of each decision point, for when no policy is bound, it failed, or its verdict
//! is out of bounds. A running instance keeps running, known addresses stay served, and nothing is
//! ended.

use crate::facts::WorkerFacts;
use crate::model::instance::AddressKind;
use crate::model::point::debounce::Choice;
use crate::model::point::resolve::Target;
use crate::model::point::retry_ip::Next;
use crate::model::spec::RestartBy;
use crate::model::time::Millis;

/// How long a safe `serve` is repeated: short, because no policy stands behind it.
pub(super) const SERVE_VALID: Millis = Millis::from_secs(5);

/// `resolve`: serve the first of these targets that the guard allows, or else wait. The targets are
/// the last good address, if its instance still runs.
pub(super) fn resolve(facts: &WorkerFacts) -> Vec<Target> {
    let adopted = facts.adopted.as_ref();
    let target = |address| {
        adopted.map(|adopted| Target {
            id: adopted.id.clone(),
            address,
        })
    };
    [AddressKind::Private, AddressKind::Public]
        .into_iter()
        .filter_map(target)
        .collect()
}

/// `adopt`: take none of the candidates, for the shortest time that an answer may hold.
pub(super) const ADOPT_VALID_MS: u32 = 0;

/// `retry-ip`: five readings half a second apart (the choice after docs/incidents.md#ip-race), then
/// come back in 2 s.
pub(super) fn retry_ip(tries: u32) -> Next {
    match tries {
        ..5 => Next::Again(500),
        _ => Next::GiveUp(2_000),
    }
}

/// How long a `give-up` of `retry-ip` answers later callers.
pub(super) const GIVE_UP_VALID: Millis = Millis::from_secs(2);

/// `debounce`: drop while a restart is in flight, else go as the request says, or as the pool does.
pub(super) fn debounce(facts: &WorkerFacts, asked: Option<RestartBy>) -> Choice {
    match facts.is_restarting() {
        true => Choice::Drop,
        false => Choice::Go(asked.unwrap_or(facts.pool.restart_by)),
    }
}

/// `reap`: keep the instance, and ask again at the next scan.
pub(super) fn reap(facts: &WorkerFacts) -> Millis {
    facts.pool.limits.scan_interval
}
