//! The end of a restart's instance: sent again while its outcome is not known, and given up when
//! the cloud refuses it.

use super::{Restarts, Wanted};
use crate::facts::{Adopted, Facts, WorkerFacts};
use crate::flow::shape::Proposed;
use crate::guard::Proposal;
use crate::happened::Happened;
use crate::model::cloud::CloudError;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::restart::{Initiator, Restart, RestartStage};
use crate::model::time::Millis;
use crate::turn::Turn;
use crate::{act, record};

/// The pause before a stop that was not answered, or was refused for the moment, is sent again: by
/// then the cloud shows whether it was carried out.
const END_AGAIN: Millis = Millis::from_secs(30);
/// How long a restart tries to end its instance. Callers get no address in that time, and four
/// tries outlast a rate limit (EC2 developer guide, "Request throttling") and an ordinary boot.
const END_MAX: Millis = Millis::from_secs(120);

impl Restarts {
    /// Ends a restart that cannot end its instance. The instance serves on, as if no restart had
    /// been asked for.
    pub(super) fn fail_to_end(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        id: &InstanceId,
        error: Option<&CloudError>,
    ) {
        let why = match error {
            Some(error) => error.to_string(),
            None => format!("it is still up, and the host tried for {END_MAX}"),
        };
        let restart = facts.restart.as_ref();
        let cause = restart.map_or("", |restart| &restart.request.cause);
        let text = format!(
            "the cloud did not take {id} down for the restart ({cause}): {why}; {id} stays in service"
        );
        self.end(facts, turn, RestartStage::Failed, &text, error);
        turn.tell(Happened::PassWanted);
    }

    /// Decides by the cloud's readings about a stop whose outcome is not known.
    pub(super) fn end_again(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        restart: &Restart,
        age: Millis,
    ) -> Option<Proposed> {
        if !record::may_write(facts, turn) {
            return None;
        }
        let Some(id) = still_up(facts, restart) else {
            act::note_restart(facts, |restart| restart.stage = RestartStage::Provisioning);
            record::write(facts, turn, None);
            return None;
        };
        if let Some(error) = refused_by(facts, turn, restart, &id) {
            self.fail_to_end(facts, turn, &id, Some(&error));
            return None;
        }
        if age >= END_MAX && is_read_of_late(facts, turn, &id) {
            self.fail_to_end(facts, turn, &id, None);
            return None;
        }
        let is_time = age >= END_AGAIN && self.end_again.is_none_or(|at| turn.now >= at);
        if !is_time {
            return None;
        }
        self.end_again = Some(turn.now + END_AGAIN);
        self.proposed = Some(Wanted::EndAgain);
        let initiator = restart.request.initiator;
        Some(Proposed::new(
            facts.latest_decision(),
            Proposal::Restart {
                id,
                initiator,
                kind: restart.kind,
            },
        ))
    }

    /// Fails a restart whose instance counted as ended, by a reading that was late or lost, and was
    /// never ended. It serves on: no other instance is brought up while it is up.
    pub(super) fn notice_old_life(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        restart: &Restart,
        age: Millis,
    ) {
        let is_of_old_life = |it: &Adopted| it.since < restart.started_at;
        let is_adopted_still = facts.adopted.as_ref().is_some_and(is_of_old_life);
        let Some(id) = still_up(facts, restart).filter(|_| is_adopted_still) else {
            return;
        };
        if age >= END_MAX && is_read_of_late(facts, turn, &id) {
            self.fail_to_end(facts, turn, &id, None);
        }
    }
}

/// The refusal for good because of which the restart does not end the instance: its own, if the
/// write that it has failed was lost, or an earlier one, if another host began a program's restart
/// and did not know of it.
fn refused_by(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    restart: &Restart,
    id: &InstanceId,
) -> Option<CloudError> {
    let is_program = restart.request.initiator == Initiator::Program;
    turn.scene(facts, DecisionId::default(), |scene| {
        let refusal = scene.restart_held_by(id, restart.kind)?;
        let counts = is_program || refusal.at >= restart.tried_since();
        counts.then(|| refusal.error.clone())
    })
}

/// The instance of the restart, if it is adopted and up by the last reading.
fn still_up(facts: &WorkerFacts, restart: &Restart) -> Option<InstanceId> {
    restart.instance.clone().filter(|id| {
        let known = facts.instances.get(id);
        facts.is_adopted(id) && known.is_some_and(|known| known.instance.state.is_live())
    })
}

/// Whether the instance was read since a stop could have been sent again.
fn is_read_of_late(facts: &WorkerFacts, turn: &Turn<'_>, id: &InstanceId) -> bool {
    let read_at = facts.instances.get(id).and_then(|known| known.read_at);
    read_at.is_some_and(|at| turn.now.since(at) < END_AGAIN)
}
