//! Failures of launches and starts: they are counted, announced, and shown to `resolve`.

use super::adoption::release;
use crate::facts::{Act, Facts, Failure};
use crate::model::cloud::CloudError;
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::model::point::resolve::{self, FailureKind};
use crate::record;
use crate::turn::Turn;

/// Notes that the provider refused a launch or start.
pub(super) fn failed(facts: &mut Facts, turn: &mut Turn<'_>, tried: Tried, error: &CloudError) {
    fail(facts, turn, tried, error.kind.into(), error.to_string(), 1);
}

/// Notes that a launch with this capacity option was not sent, because this reading failed that it
/// rests on. The pause before the next try is that of a refused launch. Nothing is spent (V2).
pub(crate) fn launch_not_prepared(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    capacity_option: u32,
    error: &CloudError,
) {
    let act = Act::Launch(capacity_option);
    facts.change().refusals.note(act, error, turn.now);
    failed(facts, turn, Tried::launch(capacity_option), error);
    if record::may_write_soon(facts, turn) {
        record::write(facts, turn, None);
    }
}

/// An act that failed, and its capacity option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    act: resolve::Act,
    capacity_option: u32,
}

impl Tried {
    /// A launch with this capacity option.
    pub(super) fn launch(capacity_option: u32) -> Self {
        let act = resolve::Act::Launch;
        Self {
            act,
            capacity_option,
        }
    }

    /// Another act, which has no options.
    pub(super) fn of(act: resolve::Act) -> Self {
        Self {
            act,
            capacity_option: 0,
        }
    }
}

/// Notes a failure. `count_min` is the least length of its row.
pub(super) fn fail(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    tried: Tried,
    kind: FailureKind,
    text: String,
    count_min: u32,
) {
    let count = facts.change().failures.note(Failure {
        act: tried.act,
        capacity_option: tried.capacity_option,
        kind,
        text: text.clone(),
        at: turn.now,
        count: count_min,
        unknown: Default::default(),
    });
    turn.notice(
        facts,
        Step::LaunchFailed,
        text,
        &[("count", &count.to_string())],
    );
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
    let launches = !facts.pool.launch.is_empty();
    if launches && facts.is_adopted(id) && !facts.adopted_is_live(turn.now) {
        release(facts, turn);
    }
    if is_known {
        return;
    }
    let next = if launches {
        facts.change().failures.clear();
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
