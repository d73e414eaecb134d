//! Restarts: N triggers within the window are one cycle, even if a policy wants more (G7;
//! docs/incidents.md#self-fire).

use std::fmt;

use super::reap::refused_end;
use super::{COMES_UP_MAX, Permit, Scene};
use crate::facts::{How, Refusal};
use crate::model::budget::Spending;
use crate::model::cloud::Mutation;
use crate::model::compute::Ending;
use crate::model::id::InstanceId;
use crate::model::instance::InstanceState;
use crate::model::restart::{Initiator, RestartRequest};
use crate::model::spec::RestartBy;
use crate::model::veto::{Rule, Veto};

/// What a restart does to the instance that is up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RestartAct {
    Reboot,
    End(Ending),
}

impl fmt::Display for RestartAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reboot => f.write_str("reboot"),
            Self::End(ending) => ending.fmt(f),
        }
    }
}

impl Scene<'_> {
    /// Whether a restart may begin now. The window does not hold back a person's request, and a
    /// restart in flight does not either: the request joins it.
    ///
    /// # Errors
    /// The veto: a program asks while a restart is in flight, within the window after the start of
    /// the latest one, while the worker boots, or soon after the provider refused for good to end
    /// the instance. A person may have removed what refused it, and so may try at once.
    pub(crate) fn may_restart(&self, request: &RestartRequest) -> Result<(), Veto> {
        if request.initiator == Initiator::Person {
            return Ok(());
        }
        self.window_is_over()?;
        self.does_not_come_up()?;
        self.end_may_be_accepted(self.restart_kind(request))
    }

    /// How this request restarts the worker: as it says, or as the pool does by default.
    pub(crate) fn restart_kind(&self, request: &RestartRequest) -> RestartBy {
        request.kind.unwrap_or(self.facts.pool.restart_by)
    }

    /// Whether the pool's instances can be restarted in the way that the request names.
    ///
    /// # Errors
    /// The veto: the compute does not allow it, or no instance would follow.
    pub(crate) fn offers_restart(&self, request: &RestartRequest) -> Result<(), Veto> {
        let Some(kind) = request.kind else {
            return Ok(());
        };
        let pool = &self.facts.pool;
        let allowed = RestartBy::allowed(&pool.compute);
        if !allowed.contains(&kind) {
            let allowed: Vec<_> = allowed.iter().map(|it| format!("\"{it}\"")).collect();
            let text = format!(
                "found the kind \"{kind}\", and ECS can only end a task for good; accepted: {}",
                allowed.join(", ")
            );
            return Err(Veto::new(Rule::RestartKind, text));
        }
        if kind == RestartBy::Replace && pool.launch.is_empty() {
            let text = "found the kind \"replace\", and the pool launches nothing; accepted: \"stop-start\", \"reboot\"";
            return Err(Veto::new(Rule::RestartKind, text));
        }
        Ok(())
    }

    /// Whether a policy may give this instance up for another one: a stopped one (V3), or the adopted
    /// one that is up and has no work in hand (G5).
    ///
    /// # Errors
    /// The veto.
    pub(crate) fn may_replace(&self, id: &InstanceId) -> Result<(), Veto> {
        self.not_paused()?;
        self.may_write_record()?;
        self.nothing_in_flight()?;
        self.is_this_workers(id)?;
        let worker = self.facts;
        if worker.pool.launch.is_empty() {
            let text = format!("the pool launches nothing, so nothing would come in place of {id}");
            return Err(Veto::new(Rule::NoLaunchTemplate, text));
        }
        if worker.is_adopted(id) && worker.adopted_is_live(self.now) {
            self.is_not_held_busy(id)?;
            let work = worker.work_in_flight();
            if work > 0 && worker.unresponsive_for(self.now).is_none() {
                let text = format!("{id} has taken {work} deliveries that are not processed");
                return Err(Veto::new(Rule::WorkInFlight, text));
            }
            return Ok(());
        }
        let known = worker.instances.get(id);
        let state = known.map(|known| known.instance.state).unwrap_or_default();
        if state == InstanceState::Stopped {
            return Ok(());
        }
        let text = format!(
            "{id} is {} and not adopted; a stopped instance or the adopted one can be replaced",
            state.as_str()
        );
        Err(Veto::new(Rule::WrongState, text))
    }

    /// V2: a restart whose end is certainly refused changes nothing.
    fn end_may_be_accepted(&self, kind: RestartBy) -> Result<(), Veto> {
        let adopted = self.facts.adopted.as_ref();
        let Some(adopted) = adopted.filter(|_| self.facts.adopted_is_live(self.now)) else {
            return Ok(());
        };
        match self.restart_held_by(&adopted.id, kind) {
            Some(refusal) => {
                let act = self.restart_act(&adopted.id, kind);
                Err(refused_end(self.now, &adopted.id, act, refusal))
            }
            None => Ok(()),
        }
    }

    /// The refusal for good that holds the end or the reboot of this instance for a restart back.
    pub(crate) fn restart_held_by(&self, id: &InstanceId, kind: RestartBy) -> Option<&Refusal> {
        match self.restart_act(id, kind) {
            RestartAct::Reboot => self.facts.reboot_held_for_good_by(id, self.now),
            RestartAct::End(ending) => self.facts.end_held_for_good_by(id, ending, self.now),
        }
    }

    /// What a restart of this kind does to the instance.
    fn restart_act(&self, id: &InstanceId, kind: RestartBy) -> RestartAct {
        let known = self.facts.instances.get(id);
        let may_terminate = known.is_some_and(|known| self.facts.may_be_terminated(known));
        let wanted = match kind {
            RestartBy::Reboot if self.facts.pool.compute.can_start() => return RestartAct::Reboot,
            RestartBy::Replace if may_terminate => Ending::Terminate,
            // EC2 stops no instance that has never run, and nothing on it is lost.
            _ if may_terminate && self.boots_first(id) => Ending::Terminate,
            RestartBy::Replace | RestartBy::StopStart | RestartBy::Reboot => Ending::Stop,
        };
        RestartAct::End(self.facts.pool.compute.ending(wanted))
    }

    /// Whether a host launched the instance, and it is still in its first boot.
    fn boots_first(&self, id: &InstanceId) -> bool {
        let adopted = self.facts.adopted.as_ref();
        let is_launched = adopted.is_some_and(|it| &it.id == id && it.how == How::Launched);
        let known = self.facts.instances.get(id);
        is_launched && known.is_some_and(|it| it.instance.state == InstanceState::Pending)
    }

    fn window_is_over(&self) -> Result<(), Veto> {
        let Some(latest) = &self.facts.restart else {
            return Ok(());
        };
        let age = self.now.since(latest.started_at);
        if latest.is_in_flight() {
            let text = format!(
                "a restart ({}) is in flight for {age}",
                latest.request.cause
            );
            return Err(Veto::new(Rule::RestartInFlight, text));
        }
        let window = self.facts.pool.limits.restart_window;
        if age < window {
            return Err(Veto::new(
                Rule::RestartWindow,
                format!(
                    "the latest restart ({}) began {age} ago; `restart_window` is {window}",
                    latest.request.cause
                ),
            )
            .opening_at(latest.started_at + window));
        }
        Ok(())
    }

    /// A worker that boots looks dead, whether or not a restart has made it boot.
    fn does_not_come_up(&self) -> Result<(), Veto> {
        let Some(adopted) = &self.facts.adopted else {
            return Ok(());
        };
        let known = self.facts.adopted_instance();
        let is_reachable = known.is_some_and(|known| known.instance.is_reachable());
        let age = self.now.since(adopted.since);
        let comes_up = self.facts.adopted_is_live(self.now) && !is_reachable && age < COMES_UP_MAX;
        if !comes_up {
            return Ok(());
        }
        let text = format!(
            "{} was brought up {age} ago and has no address yet; after {COMES_UP_MAX} a restart may help",
            adopted.id
        );
        Err(Veto::new(Rule::ComesUp, text).opening_at(adopted.since + COMES_UP_MAX))
    }

    /// Permits the end or the reboot of the adopted instance for a restart. Unlike a reap, a
    /// restart may end an instance in use, because its initiator wants that. A program must wait
    /// until no busy lease is held. An instance that must not be terminated is stopped instead: the
    /// restart is wanted, and a stop and a start carry it out.
    pub(super) fn restart(
        &self,
        id: &InstanceId,
        initiator: Initiator,
        kind: RestartBy,
    ) -> Result<Permit, Veto> {
        self.is_this_workers(id)?;
        self.is_not_left_alone(id)?;
        self.nothing_in_flight()?;
        if initiator == Initiator::Program {
            let held_busy = |veto: Veto| {
                let text = format!("{}; a person may still restart it", veto.text);
                Veto { text, ..veto }
            };
            self.is_not_held_busy(id).map_err(held_busy)?;
        }
        self.was_read_of_late(id)?;
        let act = self.restart_act(id, kind);
        if act == RestartAct::Reboot {
            self.can_be_rebooted(id)?;
        }
        self.within_budget(Spending::Stop)?;
        Ok(match act {
            RestartAct::Reboot => self.grant_reboot(id),
            RestartAct::End(ending) => self.grant_end(id, ending, self.pointer_naming(id)),
        })
    }

    /// EC2 reboots a running instance only.
    fn can_be_rebooted(&self, id: &InstanceId) -> Result<(), Veto> {
        let known = self.facts.instances.get(id);
        let state = known.map_or(InstanceState::Unknown, |known| known.instance.state);
        match state {
            InstanceState::Running => Ok(()),
            _ => Err(Veto::new(
                Rule::WrongState,
                format!(
                    "{id} is {}, and only a running instance can be rebooted; ask for the kind \"stop-start\"",
                    state.as_str()
                ),
            )),
        }
    }

    fn grant_reboot(&self, id: &InstanceId) -> Permit {
        let mutation = Mutation::Reboot {
            region: self.facts.pool.region.clone(),
            id: id.clone(),
        };
        self.grant(self.facts.generation_of(id), mutation)
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::How;
    use crate::guard::tests::{NOW, adopt, instance, permitted, refused, see, worker};
    use crate::guard::{Proposal, SCAN_AGE_MAX, Spending};
    use crate::model::cloud::MutationKind;
    use crate::model::instance::{InstanceState, TAG_FLEET};
    use crate::model::restart::Initiator;
    use crate::model::spec::{Limits, RestartBy};
    use crate::model::store::Activity;
    use crate::model::time::{Instant, Millis};
    use crate::model::veto::Rule;

    fn restart(initiator: Initiator) -> Proposal {
        Proposal::Restart {
            id: "i-one".into(),
            initiator,
            kind: RestartBy::StopStart,
        }
    }

    /// A person's restart of this kind.
    fn restart_by(kind: RestartBy) -> Proposal {
        Proposal::Restart {
            id: "i-one".into(),
            initiator: Initiator::Person,
            kind,
        }
    }

    #[test]
    fn a_busy_lease_holds_off_a_programs_restart_and_not_a_persons() {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        adopt(&mut worker, "i-one");
        for (more_ms, is_busy) in [(1, true), (0, false)] {
            worker.record.stored.as_mut().unwrap().activity = Activity {
                busy_until: Some(Instant::from_ms(NOW.as_ms() + more_ms)),
                ..Activity::default()
            };
            permitted(&worker, &restart(Initiator::Person), MutationKind::Stop);
            if is_busy {
                refused(&worker, &restart(Initiator::Program), Rule::HeldBusy);
            } else {
                permitted(&worker, &restart(Initiator::Program), MutationKind::Stop);
            }
        }
    }

    #[test]
    fn a_replacing_restart_stops_what_must_not_be_terminated() {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        adopt(&mut worker, "i-one");
        let restart = restart_by(RestartBy::Replace);
        permitted(&worker, &restart, MutationKind::Terminate);
        let mut unclaimed = instance("i-one", InstanceState::Running);
        unclaimed.tags.remove(TAG_FLEET);
        worker.observe_instance(unclaimed, NOW);
        permitted(&worker, &restart, MutationKind::Stop);
        worker.pool.terminate_adopted = true;
        permitted(&worker, &restart, MutationKind::Terminate);
    }

    #[test]
    fn a_restart_in_the_first_boot_terminates_what_cannot_be_stopped_yet() {
        use InstanceState::{Pending, Running};
        use MutationKind::{Stop, Terminate};
        for (how, state, end) in [
            (How::Launched, Pending, Terminate),
            (How::Launched, Running, Stop),
            (How::Started, Pending, Stop),
            (How::Found, Pending, Stop),
        ] {
            let mut worker = worker();
            see(&mut worker, "i-one", state);
            adopt(&mut worker, "i-one");
            worker.adopted.as_mut().unwrap().how = how;
            permitted(&worker, &restart(Initiator::Person), end);
        }
    }

    #[test]
    fn only_a_running_instance_is_rebooted() {
        for state in [InstanceState::Running, InstanceState::Pending] {
            let mut worker = worker();
            see(&mut worker, "i-one", state);
            adopt(&mut worker, "i-one");
            let reboot = restart_by(RestartBy::Reboot);
            match state {
                InstanceState::Running => {
                    permitted(&worker, &reboot, MutationKind::Reboot);
                }
                _ => refused(&worker, &reboot, Rule::WrongState),
            }
        }
    }

    #[test]
    fn a_reboot_spends_the_budget_of_stops() {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        adopt(&mut worker, "i-one");
        worker.pool.limits.worker_budget.stops = 1;
        let window = worker.pool.limits.worker_budget.window;
        worker.ledger.enter(NOW, Spending::Stop, window);
        refused(&worker, &restart_by(RestartBy::Reboot), Rule::BudgetSpent);
    }

    /// A person's restart may rest on a reading of this age, and not on one a millisecond older.
    #[track_caller]
    fn rests_on(reading: Millis, scan_interval: Millis) {
        for (age, is_old) in [(reading.get(), false), (reading.get() + 1, true)] {
            let mut worker = worker();
            worker.pool.limits.scan_interval = scan_interval;
            let read_at = Instant::from_ms(NOW.as_ms() - age);
            worker.observe_instance(instance("i-one", InstanceState::Running), read_at);
            adopt(&mut worker, "i-one");
            if is_old {
                refused(&worker, &restart(Initiator::Person), Rule::StaleReading);
            } else {
                permitted(&worker, &restart(Initiator::Person), MutationKind::Stop);
            }
        }
    }

    #[test]
    fn a_persons_restart_does_not_rest_on_an_old_reading() {
        let scan_interval = Limits::default().scan_interval;
        rests_on(scan_interval + scan_interval, scan_interval);
    }

    #[test]
    fn frequent_scans_do_not_make_a_slow_cloud_a_silent_one() {
        rests_on(SCAN_AGE_MAX, Millis::from_secs(1));
    }
}
