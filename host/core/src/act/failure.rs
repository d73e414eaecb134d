//! Failures of launches and starts: they are counted, announced, and shown to `resolve`.

use super::adoption::release;
use crate::facts::{Act, Facts, Failure};
use crate::model::cloud::CloudError;
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::model::point::resolve::FailureKind;
use crate::record;
use crate::turn::Turn;

/// Notes that the provider refused a launch or start.
pub(super) fn failed(facts: &mut Facts, turn: &mut Turn<'_>, error: &CloudError) {
    fail(facts, turn, error.kind.into(), error.to_string());
}

/// Notes that a launch was not sent, because this reading failed that it rests on. The pause before
/// the next try is that of a refused launch. Nothing is spent (V2).
pub(crate) fn launch_not_prepared(facts: &mut Facts, turn: &mut Turn<'_>, error: &CloudError) {
    facts.change().refusals.note(Act::Launch, error, turn.now);
    failed(facts, turn, error);
    if record::may_write_soon(facts, turn) {
        record::write(facts, turn, None);
    }
}

fn fail(facts: &mut Facts, turn: &mut Turn<'_>, kind: FailureKind, text: String) {
    let last = facts.last_failure.as_ref();
    let count = last.map_or(0, |failure| failure.count).saturating_add(1);
    turn.notice(
        facts,
        Step::LaunchFailed,
        text.clone(),
        &[("count", &count.to_string())],
    );
    facts.change().last_failure = Some(Failure {
        kind,
        text,
        at: turn.now,
        count,
        unknown: Default::default(),
    });
}

/// Notes that a launch or start failed for a reason other than an answer of the provider.
pub(super) fn fail_with(facts: &mut Facts, turn: &mut Turn<'_>, why: String) {
    fail(facts, turn, FailureKind::Other, why);
}

/// Counts a failed start. If that gives the start up and the pool launches, the instance is the
/// worker's no more, and another is launched without a pause. The caller has the record written.
pub(super) fn count_failed_start(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    why: &str,
) {
    let before = facts.failed_starts.get(id);
    let is_known = before.is_some_and(|starts| starts.given_up_until.is_some());
    let (count, is_given_up) = facts.change().count_failed_start(id, turn.now);
    if !is_given_up {
        return;
    }
    let launches = facts.pool.launch.is_some();
    if launches && facts.is_adopted(id) && !facts.adopted_is_live(turn.now) {
        release(facts, turn);
    }
    if is_known {
        return;
    }
    let next = if launches {
        facts.change().last_failure = None;
        "another instance is launched; the stopped one keeps its disks and is tried again later if no launch succeeds"
    } else {
        "the pool launches nothing, so it is tried again after pauses that grow to an hour"
    };
    turn.notice(
        facts,
        Step::StartGivenUp,
        format!("{count} starts of {id} in a row failed (last: {why}); {next}"),
        &[
            ("instance_id", id.as_str()),
            ("count", &count.to_string()),
            ("launches", if launches { "true" } else { "false" }),
        ],
    );
}
