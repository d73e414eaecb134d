//! Ending an instance: never one in use, and never for an idleness that could not have been anything
//! else (G5, I1). The pointer that names it is cleared in the same action (G3).

use super::ledger::Spending;
use super::veto::{Rule, Veto};
use super::{Permit, Reaping, Scene};
use crate::cloud::Mutation;
use crate::id::{InstanceId, PointerName};
use crate::instance::InstanceState;
use crate::time::Millis;

/// The reason code that claims "nobody uses it".
const IDLE: &str = "idle";

impl Scene<'_> {
    pub(super) fn stop(&self, reaping: &Reaping) -> Result<Permit, Veto> {
        self.may_end(reaping)?;
        let state = self
            .worker
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
        let mutation = Mutation::Stop {
            region: self.worker.pool.region.clone(),
            id: reaping.id.clone(),
            clear_pointer: self.pointer_naming(&reaping.id),
        };
        Ok(self.grant(self.worker.generation_of(&reaping.id), mutation))
    }

    pub(super) fn terminate(&self, reaping: &Reaping) -> Result<Permit, Veto> {
        self.may_end(reaping)?;
        let mutation = Mutation::Terminate {
            region: self.worker.pool.region.clone(),
            id: reaping.id.clone(),
            clear_pointer: self.pointer_naming(&reaping.id),
        };
        Ok(self.grant(self.worker.generation_of(&reaping.id), mutation))
    }

    fn may_end(&self, reaping: &Reaping) -> Result<(), Veto> {
        let worker = self.worker;
        let id = &reaping.id;
        self.is_this_workers(id)?;
        self.nothing_in_flight()?;
        let limits = &worker.pool.limits;
        let Some(known) = worker.instances.get(id) else {
            return Err(Veto::new(
                Rule::StaleReading,
                format!("nothing was read of {id} yet"),
            ));
        };
        // A reading older than two sweeps means that the cloud does not answer: fail static.
        let fresh = limits.sweep_interval + limits.sweep_interval;
        let age = known.read_at.map(|read_at| self.now.since(read_at));
        if age.is_none_or(|age| age > fresh) {
            return Err(Veto::new(
                Rule::StaleReading,
                format!(
                    "the last reading of {id} is {} old; {fresh} is the most",
                    age.unwrap_or(Millis::new(u64::MAX))
                ),
            ));
        }
        let is_subject = worker.subject() == Some(id);
        if is_subject && (!worker.waiters.is_empty() || worker.pass.is_some()) {
            return Err(Veto::new(
                Rule::InUse,
                format!("{id} is being asked for right now"),
            ));
        }
        if worker
            .adopted
            .as_ref()
            .is_some_and(|adopted| &adopted.id == id)
        {
            self.is_not_at_work(id)?;
        }
        match worker.handed_out_at(id) {
            None if reaping.reason_code == IDLE => Err(Veto::new(
                Rule::NeverHandedOut,
                format!(
                    "{id} was never handed out: it is unreachable, not idle, and no demand can show"
                ),
            )),
            Some(at) if self.now.since(at) < limits.idle_min => Err(Veto::new(
                Rule::RecentActivity,
                format!(
                    "{id} was handed out {} ago; `idle_min` is {}",
                    self.now.since(at),
                    limits.idle_min
                ),
            )),
            _ => self.within_budget(Spending::Stop),
        }
    }

    /// G5, by what was reported. The store tests it again in the write that marks the end.
    fn is_not_at_work(&self, id: &InstanceId) -> Result<(), Veto> {
        let worker = self.worker;
        let activity = worker.record.activity();
        if let Some(until) = activity.busy_until.filter(|until| *until > self.now) {
            let left = until.since(self.now);
            let text = format!("{id} is held busy for {left} more");
            return Err(Veto::new(Rule::HeldBusy, text));
        }
        let work = worker.work_in_flight();
        if work > 0 {
            let text = format!("{id} has taken {work} deliveries that are not processed");
            return Err(Veto::new(Rule::WorkInFlight, text));
        }
        let idle_min = worker.pool.limits.idle_min;
        let used_at = activity.delivered_at.max(activity.processed_at);
        match used_at.max(worker.asked_at) {
            Some(at) if self.now.since(at) < idle_min => Err(Veto::new(
                Rule::RecentActivity,
                format!(
                    "{id} was last at work or asked for {} ago; `idle_min` is {idle_min}",
                    self.now.since(at)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// G3: stopping what the pointer names clears it in the same action. An unread pointer may name it,
    /// and a wrong `none` costs one tag scan, so it is cleared too.
    pub(super) fn pointer_naming(&self, id: &InstanceId) -> Option<PointerName> {
        let names_it = match &self.worker.pointer {
            None => self.worker.subject() == Some(id),
            Some(pointer) => pointer.as_ref() == Some(id),
        };
        names_it.then(|| self.worker.spec.pointer.clone())
    }
}
