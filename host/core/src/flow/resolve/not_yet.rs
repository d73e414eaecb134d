//! The code and the detail for a caller that is not served. The facts come first, then an
//! operator's pause, then the policy's answer.

use crate::facts::{How, WorkerFacts};
use crate::model::cloud::MutationKind;
use crate::model::id::DecisionId;
use crate::model::instance::InstanceState;
use crate::model::point::resolve::{FailureKind, InFlight};
use crate::model::response::{NotYet, NotYetCode};
use crate::model::store::StoreError;
use crate::model::time::Millis;
use crate::model::veto::{Rule, Veto};
use crate::turn::Turn;

/// The retry interval of callers after a veto or a failed policy, and when nothing better is known.
pub(super) const COME_BACK: Millis = Millis::from_secs(2);
/// The retry interval of callers of a paused worker: people end a pause, and take longer than
/// seconds.
const PAUSED_RETRY_AFTER: Millis = Millis::from_secs(10);

/// A "not yet" that rests on the latest decision.
pub(super) fn not_yet(
    facts: &WorkerFacts,
    code: NotYetCode,
    detail: impl Into<String>,
    retry_after: Millis,
) -> NotYet {
    let decision = facts.last_decision.as_ref().map(|last| last.id);
    resting_on(decision, code, detail, retry_after)
}

/// A "not yet" that rests on this decision.
pub(super) fn resting_on(
    decision: Option<DecisionId>,
    code: NotYetCode,
    detail: impl Into<String>,
    retry_after: Millis,
) -> NotYet {
    NotYet {
        code,
        detail: detail.into(),
        retry_after,
        decision,
    }
}

/// The "not yet" after a failed call to the store, which is tried again after the pause.
pub(super) fn store_unreachable(facts: &WorkerFacts, error: &StoreError, pause: Millis) -> NotYet {
    not_yet(
        facts,
        NotYetCode::StoreUnreachable,
        error.to_string(),
        pause,
    )
}

/// The "not yet" of a caller whose wait has ended. `last` is the response to the last caller.
pub(super) fn timed_out(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    last: Option<&NotYet>,
    has_pass: bool,
) -> NotYet {
    match (last, has_pass) {
        (Some(last), false) => last.clone(),
        (Some(last), true) if last.code == NotYetCode::Paused => last.clone(),
        _ => {
            let code = standing(facts, turn).unwrap_or(NotYetCode::Timeout);
            let detail = "the wait ended before there was an answer; the host continues";
            not_yet(facts, code, detail, COME_BACK)
        }
    }
}

/// The "not yet" after a veto.
pub(super) fn vetoed(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    decision: DecisionId,
    veto: &Veto,
) -> NotYet {
    let code = standing(facts, turn).unwrap_or(match veto.rule {
        Rule::Paused => NotYetCode::Paused,
        Rule::StartGivenUp => unavailable_code(facts),
        _ => NotYetCode::Vetoed,
    });
    resting_on(Some(decision), code, veto.to_string(), COME_BACK)
}

/// The "not yet" of a policy that waits. `trouble` is the last error of the cloud in this pass.
pub(super) fn waits(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    decision: DecisionId,
    why: &str,
    trouble: Option<String>,
    retry_after: Millis,
) -> NotYet {
    let (code, detail) = match (standing(facts, turn), trouble) {
        (Some(code), _) => (code, why.to_owned()),
        (None, Some(trouble)) => (NotYetCode::CloudUnreachable, trouble),
        (None, None) => (NotYetCode::Waiting, why.to_owned()),
    };
    resting_on(Some(decision), code, detail, retry_after)
}

/// The code of a policy's "unavailable": the last failure of a launch or start names it.
pub(super) fn unavailable_code(facts: &WorkerFacts) -> NotYetCode {
    match facts.last_failure.as_ref().map(|failure| failure.kind) {
        Some(FailureKind::NoCapacity) => NotYetCode::NoCapacity,
        Some(FailureKind::Throttled) => NotYetCode::Throttled,
        Some(FailureKind::Denied) => NotYetCode::Denied,
        Some(FailureKind::Other) | None => NotYetCode::Unavailable,
    }
}

/// The code that the facts alone give a worker that is not served, whatever a policy calls it.
pub(super) fn standing(facts: &WorkerFacts, turn: &Turn<'_>) -> Option<NotYetCode> {
    if facts.is_restarting() {
        return Some(NotYetCode::Restarting);
    }
    match facts.in_flight_fact(turn.now) {
        InFlight::Launching(_) => return Some(NotYetCode::Launching),
        InFlight::Starting(_) => return Some(NotYetCode::Starting),
        InFlight::Stopping(_) => return Some(NotYetCode::Stopping),
        InFlight::Nothing => {}
    }
    let adopted = facts.adopted.as_ref()?;
    let state = facts.adopted_instance()?.instance.state;
    match (state, adopted.how) {
        (InstanceState::Running, _) if address_pending(facts) => Some(NotYetCode::IpPending),
        (InstanceState::Pending, How::Started) => Some(NotYetCode::Starting),
        (InstanceState::Pending, _) => Some(NotYetCode::Launching),
        (InstanceState::NotVisible | InstanceState::Unknown, How::Launched) => {
            Some(NotYetCode::Launching)
        }
        (InstanceState::Stopping, _) => Some(NotYetCode::Stopping),
        _ => None,
    }
}

/// Whether the adopted instance runs and has no address.
pub(super) fn address_pending(facts: &WorkerFacts) -> bool {
    facts.adopted_instance().is_some_and(|known| {
        let instance = &known.instance;
        instance.state == InstanceState::Running && !instance.is_reachable()
    })
}

/// Replaces the code by `paused` for a paused worker, unless an answer may still arrive. A mutation
/// that was sent before the pause still ends, and a failed reading may succeed next time.
pub(super) fn as_told(facts: &WorkerFacts, turn: &Turn<'_>, not_yet: NotYet) -> NotYet {
    let Err(veto) = turn.scene(facts, Default::default(), |scene| scene.not_paused()) else {
        return not_yet;
    };
    let sent = facts.in_flight.as_ref().is_some_and(|it| {
        it.is_ours && matches!(it.kind, MutationKind::Launch | MutationKind::Start)
    });
    let comes = sent || facts.adopted_is_live(turn.now);
    let unasked = matches!(
        not_yet.code,
        NotYetCode::CloudUnreachable | NotYetCode::StoreUnreachable
    );
    if not_yet.code != NotYetCode::Paused && (comes || unasked) {
        return not_yet;
    }
    NotYet {
        code: NotYetCode::Paused,
        detail: veto.text,
        retry_after: PAUSED_RETRY_AFTER,
        decision: not_yet.decision,
    }
}
