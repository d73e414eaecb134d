//! A restart by reboot. EC2 shows the instance as `running` all along, with the same launch time
//! and addresses, so no reading says when the reboot is over. The box says it, or a probe, or time.

use super::request::comes_up;
use super::{Restarts, Wanted};
use crate::act;
use crate::facts::{Facts, WorkerFacts};
use crate::flow::shape::Proposed;
use crate::guard::Proposal;
use crate::happened::Happened;
use crate::model::health::{Probed, Sign};
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::model::restart::{Reboot, Restart, RestartStage};
use crate::model::spec::RestartBy;
use crate::model::time::{Instant, Millis};
use crate::record;
use crate::turn::Turn;

/// How long a reboot may take. EC2 reboots an operating system by force that has not shut down after
/// about four minutes (EC2 API reference, "RebootInstances"), and its software may take as long to
/// come up as after a start.
const REBOOT_MAX: Millis = Millis::from_secs(600);
/// How long after EC2's answer a heartbeat or a probe may still come from the life before. EC2 only
/// queues the request, and services stop within seconds of a shutdown.
const SETTLES: Millis = Millis::from_secs(30);
/// How long a reboot is taken to last if neither a box nor a probe can say it: an ordinary shutdown
/// and boot take a minute.
const UNSEEN: Millis = Millis::from_secs(120);
/// How old the record may be while a box may speak to another host: a third of a heartbeat.
const RECORD_AGE_MAX: Millis = Millis::from_secs(10);

impl Restarts {
    /// Waits for the end of a reboot. If it does not come within its bound, the instance is stopped
    /// and started.
    pub(super) fn follow_reboot(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        restart: &Restart,
        reboot: &Reboot,
    ) -> Option<Proposed> {
        self.check_later(facts, turn);
        let is_live = facts.adopted_is_live(turn.now);
        let instance = restart.instance.as_ref();
        let Some(id) = instance.filter(|id| is_live && facts.is_adopted(id)) else {
            // Something else ended the instance. Passes bring the worker up.
            act::note_restart(facts, |restart| restart.kind = RestartBy::StopStart);
            if record::may_write_soon(facts, turn) {
                record::write(facts, turn, None);
            }
            turn.tell(Happened::PassWanted);
            return None;
        };
        let age = turn.now.since(reboot.at);
        if age >= REBOOT_MAX && facts.in_flight.is_none() && record::may_write(facts, turn) {
            return Some(self.give_reboot_up(facts, turn, restart, id.clone()));
        }
        let is_old = turn.now.since(facts.record.read_at) >= RECORD_AGE_MAX;
        if turn.shared.store_is_shared && is_old {
            turn.read_record(facts);
        }
        None
    }

    /// Continues a restart, whose reboot brought nothing up, with a stop and a start.
    fn give_reboot_up(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        restart: &Restart,
        id: InstanceId,
    ) -> Proposed {
        let cause = &restart.request.cause;
        let text = format!(
            "{id} is not back {REBOOT_MAX} after its reboot ({cause}); it is stopped and started instead"
        );
        let fields = [("instance_id", id.as_str()), ("cause", cause)];
        turn.notice(facts, Step::RebootTimedOut, text, &fields);
        let now = turn.now;
        act::note_restart(facts, |restart| {
            restart.stage = RestartStage::Ending;
            restart.kind = RestartBy::StopStart;
            if let Some(reboot) = &mut restart.reboot {
                reboot.given_up_at = Some(now);
            }
        });
        self.proposed = Some(Wanted::GiveRebootUp);
        let proposal = Proposal::Restart {
            id,
            initiator: restart.request.initiator,
            kind: RestartBy::StopStart,
        };
        Proposed::new(facts.latest_decision(), proposal)
    }

    /// Takes in a probe of the adopted instance. Returns whether it may show the end of a reboot.
    pub(super) fn note_probe(
        &mut self,
        facts: &WorkerFacts,
        instance: &InstanceId,
        asked_at: Instant,
        probed: &Probed,
    ) -> bool {
        if !facts.is_rebooting() || !facts.is_adopted(instance) {
            return false;
        }
        let spec = facts.pool.health.as_ref();
        let probe = spec.and_then(|spec| spec.probe.as_ref());
        let is_good = probe.is_some_and(|it| it.kind.observation(probed).sign == Sign::Good);
        if is_good {
            self.answered_at = self.answered_at.max(Some(asked_at));
        }
        is_good
    }

    /// Whether the worker is back from its reboot: its box has sent a heartbeat since. If boxes do
    /// not register, a probe was answered; without a probe, only the time can tell. While another
    /// instance is being brought up by any host, the rebooted one is lost.
    pub(super) fn is_back(&self, facts: &WorkerFacts, now: Instant, reboot: &Reboot) -> bool {
        let known = facts.adopted_instance();
        if !known.is_some_and(|known| known.instance.is_reachable()) || comes_up(facts) {
            return false;
        }
        let settled_at = reboot.at + SETTLES;
        let is_of_new_life = |at: Option<Instant>| at.is_some_and(|at| at > settled_at);
        let health = facts.pool.health.as_ref();
        if facts.pool.boxes.is_some() {
            is_of_new_life(facts.record.activity().heartbeat_at)
        } else if health.is_some_and(|spec| spec.probe.is_some()) {
            is_of_new_life(self.answered_at)
        } else {
            now.since(reboot.at) >= UNSEEN
        }
    }
}
