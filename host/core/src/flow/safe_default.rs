//! What holds at each point when no policy gives a usable answer: nothing is bound, it failed, or it said nonsense. What
//! runs keeps running, known addresses keep being served, nothing is ended.

use crate::facts::WorkerFacts;
use crate::model::instance::AddressKind;
use crate::model::point::debounce::Choice;
use crate::model::point::resolve::Target;
use crate::model::point::retry_ip::Next;
use crate::model::time::Millis;

/// How long a safe `serve` is repeated: short, because no policy stands behind it.
pub(super) const SERVE_VALID: Millis = Millis::from_secs(5);

/// `resolve`: the first of these that the guard lets be served, else wait. It is the last good address if its instance
/// still runs.
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

/// `adopt`: take none of the candidates. They no longer stand in the way of a launch for as short as may be.
pub(super) const ADOPT_VALID_MS: u32 = 0;

/// `retry-ip`: five looks half a second apart (the choice after `ip-race`), then come back in 2 s.
pub(super) fn retry_ip(tries: u32) -> Next {
    match tries {
        ..5 => Next::Again(500),
        _ => Next::GiveUp(2_000),
    }
}

/// How long the give-up of `retry-ip` answers later callers.
pub(super) const GIVE_UP_VALID: Millis = Millis::from_secs(2);

/// `debounce`: drop while a restart is in flight, else go.
pub(super) fn debounce(facts: &WorkerFacts) -> Choice {
    match facts.is_restarting() {
        true => Choice::Drop,
        false => Choice::Go,
    }
}

/// `reap`: keep the instance, and ask again at the next scan.
pub(super) fn reap(facts: &WorkerFacts) -> Millis {
    facts.pool.limits.scan_interval
}
