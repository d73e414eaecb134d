//! Permits the end of an instance: never of one in use, and never as idle if no caller could have
//! reached it or it may still boot (G5; docs/incidents.md#stale-pointer). The same action clears a
//! pointer that names it (G3).

use std::fmt;

use super::{COMES_UP_MAX, Permit, Reaping, Scene};
use crate::facts::Refusal;
use crate::model::budget::Spending;
use crate::model::compute::Ending;
use crate::model::id::{InstanceId, PointerName};
use crate::model::instance::{InstanceState, Owner, TAG_FLEET};
use crate::model::time::Instant;
use crate::model::veto::{Rule, Veto};

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
        Ok(self.grant_reap(&reaping.id, ending))
    }

    pub(super) fn terminate(&self, reaping: &Reaping) -> Result<Permit, Veto> {
        self.may_end(reaping)?;
        self.may_be_terminated(&reaping.id)?;
        self.is_not_refused(&reaping.id, Ending::Terminate)?;
        Ok(self.grant_reap(&reaping.id, Ending::Terminate))
    }

    fn grant_reap(&self, id: &InstanceId, ending: Ending) -> Permit {
        Permit {
            is_reap: true,
            ..self.grant_end(id, ending, self.pointer_naming(id))
        }
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
        if let Some(at) = worker.handed_out_at(id)
            && self.now.since(at) < limits.idle_min
        {
            let text = format!(
                "{id} was handed out {} ago; `idle_min` is {}",
                self.now.since(at),
                limits.idle_min
            );
            return Err(Veto::new(Rule::RecentActivity, text).opening_at(at + limits.idle_min));
        }
        self.shows_reason(reaping)?;
        self.is_not_booting(id)?;
        self.within_budget(Spending::Stop)?;
        self.keeps_reap_pace(id)
    }

    /// Refuses to end an instance in the time that a boot may take, unless a caller has got its
    /// address: until then no facts tell a boot from disuse. An instance that does not come up is
    /// ended by [`Scene::end_overdue`].
    fn is_not_booting(&self, id: &InstanceId) -> Result<(), Veto> {
        let known = self.facts.instances.get(id);
        let Some(known) = known.filter(|_| self.facts.handed_out_at(id).is_none()) else {
            return Ok(());
        };
        let bound = match known.instance.state {
            InstanceState::Pending => self.facts.pool.limits.launch_timeout,
            InstanceState::Running => COMES_UP_MAX,
            _ => return Ok(()),
        };
        let began = known.instance.launched_at.unwrap_or(known.in_state_since);
        let age = self.now.since(began);
        if age >= bound {
            return Ok(());
        }
        let text = format!("{id} came up {age} ago and may boot for {bound}");
        Err(Veto::new(Rule::ComesUp, text).opening_at(began + bound))
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
mod tests;
