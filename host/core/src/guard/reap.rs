//! Permits the end of an instance: never of one in use, and never as idle if no caller could have
//! reached it (G5; docs/incidents.md#stale-pointer). The same action clears a pointer that names it
//! (G3).

use std::fmt;

use super::{Permit, Reaping, Scene};
use crate::facts::Refusal;
use crate::model::budget::Spending;
use crate::model::compute::Ending;
use crate::model::id::{InstanceId, PointerName};
use crate::model::instance::{InstanceState, Owner, TAG_FLEET};
use crate::model::time::Instant;
use crate::model::veto::{Rule, Veto};

/// The reason code that claims that no caller uses the instance.
const IDLE: &str = "idle";

impl Scene<'_> {
    pub(super) fn stop(&self, reaping: &Reaping) -> Result<Permit, Veto> {
        if self.facts.pool.compute.can_start() {
            return self.stop_or(reaping, Ending::Stop);
        }
        let text = format!(
            "{} cannot be stopped, only ended for good; `end` and `terminate` do that",
            reaping.id
        );
        Err(Veto::new(Rule::CannotStop, text))
    }

    /// Permits the end that the pool has for instances: see [`WorkerFacts::ending_of`].
    ///
    /// [`WorkerFacts::ending_of`]: crate::facts::WorkerFacts::ending_of
    pub(super) fn end(&self, reaping: &Reaping) -> Result<Permit, Veto> {
        let ending = self.facts.ending_of(&reaping.id, Ending::Stop);
        self.stop_or(reaping, ending)
    }

    fn stop_or(&self, reaping: &Reaping, ending: Ending) -> Result<Permit, Veto> {
        self.may_end(reaping)?;
        let state = self
            .facts
            .instances
            .get(&reaping.id)
            .map(|known| known.instance.state);
        if !state.is_some_and(InstanceState::is_live) {
            return Err(Veto::new(
                Rule::WrongState,
                format!(
                    "{} is {}; there is nothing to stop",
                    reaping.id,
                    state.unwrap_or_default().as_str()
                ),
            ));
        }
        self.is_not_refused(&reaping.id, ending)?;
        let clear_pointer = self.pointer_naming(&reaping.id);
        Ok(self.grant_end(&reaping.id, ending, clear_pointer))
    }

    pub(super) fn terminate(&self, reaping: &Reaping) -> Result<Permit, Veto> {
        self.may_end(reaping)?;
        self.may_be_terminated(&reaping.id)?;
        self.is_not_refused(&reaping.id, Ending::Terminate)?;
        let clear_pointer = self.pointer_naming(&reaping.id);
        Ok(self.grant_end(&reaping.id, Ending::Terminate, clear_pointer))
    }

    /// G9: an instance that this fleet did not launch may be stopped, which can be undone, but not
    /// terminated, unless the pool says so of adopted ones.
    fn may_be_terminated(&self, id: &InstanceId) -> Result<(), Veto> {
        let known = self.facts.instances.get(id);
        if known.is_some_and(|known| self.facts.may_be_terminated(known)) {
            return Ok(());
        }
        Err(Veto::new(
            Rule::LaunchedElsewhere,
            format!(
                "{id} was not launched by the fleet `{}` (its tag `{TAG_FLEET}` does not say so); it may be stopped, \
                 not terminated. The pool's `terminate_adopted = true` permits that for an adopted instance",
                self.facts.fleet
            ),
        ))
    }

    /// G2, G9: an instance that is not adopted is ended only if the pool's `orphans` covers it.
    pub(super) fn is_not_left_alone(&self, id: &InstanceId) -> Result<(), Veto> {
        let known = self.facts.instances.get(id);
        if known.is_some_and(|known| self.facts.may_be_ended(known)) {
            return Ok(());
        }
        let owner = known.map_or(Owner::Unclaimed, |known| self.facts.owner(&known.instance));
        Err(Veto::new(
            Rule::LeftAlone,
            format!(
                "{id} is not adopted and {}; `orphans` of the pool is \"{}\", which leaves it alone",
                owner.as_str(),
                self.facts.pool.orphans.as_str()
            ),
        ))
    }

    /// V2: an end that the provider refused is not tried again for a while. A try costs a drain, in
    /// which callers get no address.
    pub(super) fn is_not_refused(&self, id: &InstanceId, ending: Ending) -> Result<(), Veto> {
        match self.facts.end_held_by(id, ending, self.now) {
            Some(refusal) => Err(refused_end(self.now, id, ending, refusal)),
            None => Ok(()),
        }
    }

    fn may_end(&self, reaping: &Reaping) -> Result<(), Veto> {
        let worker = self.facts;
        let id = &reaping.id;
        self.is_this_workers(id)?;
        self.is_not_left_alone(id)?;
        self.nothing_in_flight()?;
        let limits = &worker.pool.limits;
        self.was_read_of_late(id)?;
        let is_subject = worker.subject() == Some(id);
        if is_subject && (worker.asking.has_callers || worker.asking.has_pass) {
            return Err(Veto::new(
                Rule::InUse,
                format!("{id} is being asked for right now"),
            ));
        }
        if worker.is_adopted(id) {
            self.is_not_at_work(id)?;
        }
        match worker.handed_out_at(id) {
            None if reaping.reason_code == IDLE && !worker.pool.heartbeats_are_use => {
                Err(Veto::new(
                    Rule::NeverHandedOut,
                    format!(
                        "{id} was never handed out: it is unreachable, not idle, and no demand can show"
                    ),
                ))
            }
            Some(at) if self.now.since(at) < limits.idle_min => Err(Veto::new(
                Rule::RecentActivity,
                format!(
                    "{id} was handed out {} ago; `idle_min` is {}",
                    self.now.since(at),
                    limits.idle_min
                ),
            )
            .opening_at(at + limits.idle_min)),
            _ => self.within_budget(Spending::Stop),
        }
    }

    /// G5, by the worker's wish and by the reports in the record. The store tests this again in the write that marks the
    /// end.
    fn is_not_at_work(&self, id: &InstanceId) -> Result<(), Veto> {
        let worker = self.facts;
        let activity = worker.record.activity();
        if worker.is_wanted_running() {
            let text = format!("{id} is the worker's, which is wanted running");
            return Err(Veto::new(Rule::WantedRunning, text));
        }
        self.is_not_held_busy(id)?;
        let work = worker.work_in_flight();
        if work > 0 {
            let text = format!("{id} has taken {work} deliveries that are not processed");
            return Err(Veto::new(Rule::WorkInFlight, text));
        }
        if worker.refreshes.values().any(|refresh| refresh.is_use()) {
            let text = format!("a report that {id} is in use is on its way to the store");
            return Err(Veto::new(Rule::InUse, text));
        }
        let idle_min = worker.pool.limits.idle_min;
        let used_at = activity
            .delivered_at
            .max(activity.processed_at)
            .max(worker.heartbeat_as_use());
        match used_at.max(worker.asked_at) {
            Some(at) if self.now.since(at) < idle_min => Err(Veto::new(
                Rule::RecentActivity,
                format!(
                    "{id} was last at work or asked for {} ago; `idle_min` is {idle_min}",
                    self.now.since(at)
                ),
            )
            .opening_at(at + idle_min)),
            _ => Ok(()),
        }
    }

    /// Refuses if the box of the adopted instance holds a busy lease.
    pub(super) fn is_not_held_busy(&self, id: &InstanceId) -> Result<(), Veto> {
        let busy_until = self.facts.record.activity().busy_until;
        match busy_until.filter(|until| *until > self.now) {
            Some(until) => Err(Veto::new(
                Rule::HeldBusy,
                format!("{id} is held busy for {} more", until.since(self.now)),
            )
            .opening_at(until)),
            None => Ok(()),
        }
    }

    /// Refuses to end an instance on an old reading.
    pub(super) fn was_read_of_late(&self, id: &InstanceId) -> Result<(), Veto> {
        let known = self.facts.instances.get(id);
        let read_at = known.and_then(|known| known.read_at);
        self.is_of_late(&format!("the reading of {id}"), read_at)
    }

    /// G3: the end of an instance also clears a pointer that names it. The last reading of the
    /// pointer may be old: other hosts write the pointer too. A host may also have died between its
    /// write of the record and that of the pointer. A wrong `none` costs one tag scan. So the
    /// pointer is left alone only if it names another instance, the one that the record names.
    pub(super) fn pointer_naming(&self, id: &InstanceId) -> Option<PointerName> {
        let worker = self.facts;
        let adopted = worker.adopted.as_ref().map(|adopted| &adopted.id);
        let named = worker.pointer.as_ref().and_then(Option::as_ref);
        let names_another = adopted.is_some_and(|adopted| adopted != id && named == Some(adopted));
        (!names_another).then(|| worker.spec.pointer.clone())
    }
}

/// The veto of an end or a reboot that the provider refused.
pub(super) fn refused_end(
    now: Instant,
    id: &InstanceId,
    act: impl fmt::Display,
    refusal: &Refusal,
) -> Veto {
    let text = format!(
        "the cloud refused to {act} {id} ({}), {} in a row; the next try may follow in {}",
        refusal.error,
        refusal.count,
        refusal.until.since(now)
    );
    Veto::new(Rule::EndRefused, text)
}

#[cfg(test)]
mod tests {
    use crate::facts::{InFlight, WorkerFacts};
    use crate::guard::tests::{NOW, adopt, instance, permitted, refused, see, stop, worker};
    use crate::guard::{Proposal, Reaping};
    use crate::model::cloud::{Mutation, MutationKind};
    use crate::model::id::{InstanceId, PointerName, RequestId};
    use crate::model::instance::{InstanceState, TAG_FLEET};
    use crate::model::restart::Initiator;
    use crate::model::spec::{Limits, OrphanRule, RestartBy};
    use crate::model::store::Refresh;
    use crate::model::time::Instant;
    use crate::model::veto::Rule;

    /// The pointer that a stop of the instance clears, if any.
    fn cleared(worker: &WorkerFacts, id: &str) -> Option<PointerName> {
        let permit = permitted(worker, &stop(id, "unreachable"), MutationKind::Stop);
        match permit.into_mutation() {
            Mutation::Stop { clear_pointer, .. } => clear_pointer,
            other => panic!("a stop was asked for, not {other:?}"),
        }
    }

    #[test]
    fn a_stop_clears_the_pointer_only_if_the_pointer_may_name_the_instance() {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        adopt(&mut worker, "i-one");
        worker.pointer = Some(Some("i-one".into()));
        assert_eq!(cleared(&worker, "i-one"), Some("/gpu".into()));
        see(&mut worker, "i-two", InstanceState::Running);
        assert_eq!(cleared(&worker, "i-two"), None);
    }

    #[test]
    fn an_end_clears_a_pointer_that_disagrees_with_the_record() {
        for read in [None, Some(None), Some(Some("i-before".into()))] {
            for adopted in ["i-one", "i-other"] {
                let mut worker = worker();
                see(&mut worker, "i-one", InstanceState::Running);
                adopt(&mut worker, adopted);
                worker.pointer.clone_from(&read);
                assert_eq!(cleared(&worker, "i-one"), Some("/gpu".into()));
                // Another host may have cleared, adopted and cleared the worker, and written the
                // pointer each time.
                worker.adopted = None;
                assert_eq!(cleared(&worker, "i-one"), Some("/gpu".into()));
            }
        }
    }

    /// A worker whose scan shows an instance of each owner.
    fn with_all_owners() -> WorkerFacts {
        let mut worker = worker();
        for (id, fleet) in [
            ("i-ours", Some("test")),
            ("i-foreign", Some("other")),
            ("i-unclaimed", None),
        ] {
            let mut seen = instance(id, InstanceState::Running);
            seen.tags.remove(TAG_FLEET);
            let tag = fleet.map(|fleet| (TAG_FLEET.to_owned(), fleet.to_owned()));
            seen.tags.extend(tag);
            worker.observe_instance(seen, NOW);
        }
        worker
    }

    fn terminate(id: &str) -> Proposal {
        Proposal::Terminate(Reaping {
            id: id.into(),
            reason_code: "unreachable".to_owned(),
        })
    }

    #[test]
    fn the_pools_rule_says_which_instances_are_ended_unadopted() {
        use OrphanRule::{EndOurs, EndUnclaimed, Leave};
        for (rule, ends_ours, ends_unclaimed) in [
            (EndOurs, true, false),
            (EndUnclaimed, true, true),
            (Leave, false, false),
        ] {
            let mut worker = with_all_owners();
            worker.pool.orphans = rule;
            for (id, ends) in [("i-ours", ends_ours), ("i-unclaimed", ends_unclaimed)] {
                let stop = stop(id, "unreachable");
                match ends {
                    true => drop(permitted(&worker, &stop, MutationKind::Stop)),
                    false => refused(&worker, &stop, Rule::LeftAlone),
                }
            }
        }
    }

    #[test]
    fn an_adopted_unclaimed_instance_is_stopped_and_terminated_only_if_the_pool_says_so() {
        let mut worker = with_all_owners();
        permitted(&worker, &terminate("i-ours"), MutationKind::Terminate);
        adopt(&mut worker, "i-unclaimed");
        let end = stop("i-unclaimed", "unreachable");
        permitted(&worker, &end, MutationKind::Stop);
        refused(&worker, &terminate("i-unclaimed"), Rule::LaunchedElsewhere);
        worker.pool.terminate_adopted = true;
        permitted(&worker, &terminate("i-unclaimed"), MutationKind::Terminate);
    }

    #[test]
    fn an_unadopted_unclaimed_instance_is_never_terminated() {
        let mut worker = with_all_owners();
        worker.pool.orphans = OrphanRule::EndUnclaimed;
        worker.pool.terminate_adopted = true;
        refused(&worker, &terminate("i-unclaimed"), Rule::LaunchedElsewhere);
    }

    #[test]
    fn nothing_is_done_to_an_instance_of_another_fleet() {
        let mut worker = with_all_owners();
        worker.pool.orphans = OrphanRule::EndUnclaimed;
        worker.pool.terminate_adopted = true;
        let id = InstanceId::from("i-foreign");
        let restart = Proposal::Restart {
            id: id.clone(),
            initiator: Initiator::Person,
            kind: RestartBy::StopStart,
        };
        // Not even if the pointer or the record names it.
        for named in [false, true] {
            if named {
                worker.pointer = Some(Some(id.clone()));
                adopt(&mut worker, "i-foreign");
            }
            for proposal in [
                Proposal::Adopt(id.clone()),
                Proposal::Start(id.clone()),
                stop("i-foreign", "unreachable"),
                terminate("i-foreign"),
                restart.clone(),
            ] {
                refused(&worker, &proposal, Rule::OfAnotherFleet);
            }
        }
    }

    #[test]
    fn nothing_is_ended_while_the_pointer_is_being_written() {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        adopt(&mut worker, "i-one");
        worker.in_flight = Some(InFlight {
            kind: MutationKind::WritePointer,
            instance: Some("i-one".into()),
            decision: Default::default(),
            since: NOW,
            is_ours: true,
        });
        refused(
            &worker,
            &stop("i-one", "unreachable"),
            Rule::MutationInFlight,
        );
    }

    #[test]
    fn an_instance_that_was_never_handed_out_is_not_ended_as_idle() {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        refused(&worker, &stop("i-one", "idle"), Rule::NeverHandedOut);
        permitted(&worker, &stop("i-one", "unreachable"), MutationKind::Stop);
    }

    #[test]
    fn an_instance_handed_out_within_idle_min_is_kept_to_the_millisecond() {
        let idle_min = Limits::default().idle_min.get();
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        let mut handed_out = |ago: u64| {
            let known = worker
                .instances
                .get_mut(&InstanceId::from("i-one"))
                .unwrap();
            known.handed_out = Some(Instant::from_ms(NOW.as_ms() - ago));
            worker.clone()
        };
        refused(
            &handed_out(idle_min - 1),
            &stop("i-one", "idle"),
            Rule::RecentActivity,
        );
        permitted(
            &handed_out(idle_min),
            &stop("i-one", "idle"),
            MutationKind::Stop,
        );
    }

    #[test]
    fn an_instance_with_a_pending_request_is_kept() {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        adopt(&mut worker, "i-one");
        worker.asking.has_callers = true;
        refused(&worker, &stop("i-one", "unreachable"), Rule::InUse);
    }

    #[test]
    fn an_instance_is_kept_while_a_report_of_use_is_being_stored() {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        adopt(&mut worker, "i-one");
        let end = stop("i-one", "unreachable");
        let heartbeat = Refresh::Heartbeat { at: NOW };
        worker.refreshes.insert(RequestId::new(1), heartbeat);
        permitted(&worker, &end, MutationKind::Stop);
        let busy = Refresh::Busy { until: NOW };
        worker.refreshes.insert(RequestId::new(2), busy);
        refused(&worker, &end, Rule::InUse);
    }

    #[test]
    fn an_instance_is_not_stopped_on_an_old_reading() {
        let mut worker = worker();
        let fresh = Limits::default().scan_interval.get() * 2;
        let read_at = Instant::from_ms(NOW.as_ms() - fresh - 1);
        worker.observe_instance(instance("i-one", InstanceState::Running), read_at);
        refused(&worker, &stop("i-one", "unreachable"), Rule::StaleReading);
    }
}
