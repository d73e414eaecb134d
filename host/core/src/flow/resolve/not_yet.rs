//! The code and the detail for a caller that is not served. The facts come first, then an
//! operator's pause, then the policy's answer.

use crate::facts::{Act, How, WorkerFacts};
use crate::model::cloud::{CloudError, CloudErrorKind, MutationKind};
use crate::model::id::DecisionId;
use crate::model::instance::InstanceState;
use crate::model::point::resolve::{FailureKind, InFlight};
use crate::model::response::{NotYet, NotYetCode};
use crate::model::store::StoreError;
use crate::model::time::{Instant, Millis};
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

/// The "not yet" of a caller whose wait has ended. `last` is the response to the last caller, with
/// what is left of its pause.
pub(super) fn timed_out(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    last: Option<NotYet>,
    has_pass: bool,
) -> NotYet {
    match (last, has_pass) {
        (Some(last), false) => last,
        (Some(last), true) if stands(last.code) => last,
        _ => {
            let code = standing(facts, turn).unwrap_or(NotYetCode::Timeout);
            let detail = "the wait ended before there was an answer; the host continues";
            not_yet(facts, code, detail, COME_BACK)
        }
    }
}

/// Whether a code holds until something other than the pass under way ends: a person's pause, or
/// the pause after a refusal.
fn stands(code: NotYetCode) -> bool {
    matches!(
        code,
        NotYetCode::Paused | NotYetCode::NoCapacity | NotYetCode::Throttled | NotYetCode::Denied
    )
}

/// The "not yet" after a veto. A refusal by the cloud behind the veto gives the code; the detail
/// says what the cloud refused, and what holds the next try off. `trouble` is the last error of the
/// cloud in this pass.
pub(super) fn vetoed(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    decision: DecisionId,
    veto: &Veto,
    trouble: Option<&CloudError>,
) -> NotYet {
    if let Some(code) = standing(facts, turn) {
        return resting_on(Some(decision), code, veto.to_string(), COME_BACK);
    }
    let opens_at = |at: Option<Instant>| at.map_or(COME_BACK, |at| at.since(turn.now));
    let (code, detail, retry_after) = match (veto.rule, facts.failures.latest(), trouble) {
        (Rule::Paused, ..) => (NotYetCode::Paused, veto.to_string(), COME_BACK),
        (Rule::BacksOff, ..) => {
            let code = refused_code(facts, turn, veto.opens_at);
            (code, veto.to_string(), opens_at(veto.opens_at))
        }
        (Rule::BudgetSpent | Rule::StartGivenUp, Some(failure), _) => {
            let detail = format!("the last launch or start failed ({}); {veto}", failure.text);
            (failure.kind.into(), detail, opens_at(veto.opens_at))
        }
        // The missing reading is the reason for the veto.
        (Rule::NotScanned | Rule::StaleReading, _, Some(trouble)) => {
            let detail = format!("{trouble}; {veto}");
            let again_at = turn.asks_again_at(facts);
            (trouble_code(trouble), detail, opens_at(again_at))
        }
        _ => {
            let retry_after = opens_at(veto.opens_at);
            (NotYetCode::Vetoed, veto.to_string(), retry_after)
        }
    };
    resting_on(Some(decision), code, detail, retry_after)
}

/// The code of the refused launch or start whose pause ends at this instant.
fn refused_code(facts: &WorkerFacts, turn: &Turn<'_>, until: Option<Instant>) -> NotYetCode {
    let options = (0..).take(facts.pool.launch.len());
    let refusals = options.map(Act::Launch).chain([Act::Start]);
    let mut refusals = refusals.filter_map(|act| facts.backs_off(act, turn.now));
    let refusal = refusals.find(|refusal| Some(refusal.until) == until);
    refusal.map_or(NotYetCode::Unavailable, |refusal| {
        FailureKind::from(refusal.error.kind).into()
    })
}

/// The code of a failed reading.
pub(super) fn trouble_code(trouble: &CloudError) -> NotYetCode {
    match trouble.kind {
        CloudErrorKind::Throttled => NotYetCode::Throttled,
        CloudErrorKind::Denied => NotYetCode::Denied,
        _ => NotYetCode::CloudUnreachable,
    }
}

/// The "not yet" of a policy that waits. `trouble` is the last error of the cloud in this pass. No
/// caller comes back before the cloud is asked again.
pub(super) fn waits(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    decision: DecisionId,
    why: &str,
    trouble: Option<&CloudError>,
    retry_after: Millis,
) -> NotYet {
    let again_at = trouble.and_then(|_| turn.asks_again_at(facts));
    let again_in = again_at.map_or(Millis::ZERO, |at| at.since(turn.now));
    let (code, detail) = match (standing(facts, turn), trouble) {
        (Some(code), _) => (code, why.to_owned()),
        (None, Some(trouble)) => (trouble_code(trouble), trouble.to_string()),
        (None, None) => (NotYetCode::Waiting, why.to_owned()),
    };
    resting_on(Some(decision), code, detail, retry_after.max(again_in))
}

/// The code of a policy's "unavailable": the last failure of a launch or start names it.
pub(super) fn unavailable_code(facts: &WorkerFacts) -> NotYetCode {
    let failure = facts.failures.latest();
    failure.map_or(NotYetCode::Unavailable, |failure| failure.kind.into())
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
