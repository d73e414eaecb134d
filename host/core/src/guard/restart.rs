//! Restarts: N triggers within the window are one cycle, whatever a policy says (G7, I4).

use super::ledger::Spending;
use super::veto::{Rule, Veto};
use super::{Permit, Scene};
use crate::cloud::Mutation;
use crate::id::InstanceId;
use crate::restart::{Initiator, RestartRequest};
use crate::spec::RestartBy;
use crate::time::Millis;

impl Scene<'_> {
    /// Whether a restart may begin now. A person's request is not held back by the window, nor by the one in
    /// flight, which it joins.
    ///
    /// # Errors
    /// The veto: a program asks while a restart is in flight, or within the window of the latest one's start.
    pub(crate) fn may_restart(&self, request: &RestartRequest) -> Result<(), Veto> {
        let Some(latest) = &self.worker.restart else {
            return Ok(());
        };
        if request.initiator == Initiator::Person {
            return Ok(());
        }
        let age = self.now.since(latest.started_at);
        if latest.is_in_flight() {
            let text = format!(
                "a restart ({}) is in flight for {age}",
                latest.request.cause
            );
            return Err(Veto::new(Rule::RestartInFlight, text));
        }
        let window = self.worker.pool.limits.restart_window;
        if age < window {
            return Err(Veto::new(
                Rule::RestartWindow,
                format!(
                    "the latest restart ({}) began {age} ago; `restart_window` is {window}",
                    latest.request.cause
                ),
            ));
        }
        Ok(())
    }

    /// Leave to end the adopted instance for a restart. Unlike a reap it may be in use: whoever asks wants it
    /// gone. A program asks again when nobody holds it busy.
    pub(super) fn restart(&self, id: &InstanceId, initiator: Initiator) -> Result<Permit, Veto> {
        let worker = self.worker;
        self.is_this_workers(id)?;
        self.nothing_in_flight()?;
        let busy_until = worker.record.activity().busy_until;
        if let Some(until) = busy_until.filter(|until| *until > self.now)
            && initiator == Initiator::Program
        {
            let left = until.since(self.now);
            let text =
                format!("{id} is held busy for {left} more; a person may restart it all the same");
            return Err(Veto::new(Rule::HeldBusy, text));
        }
        let read_at = worker.instances.get(id).and_then(|known| known.read_at);
        let age = read_at.map(|read_at| self.now.since(read_at));
        let fresh = worker.pool.limits.sweep_interval + worker.pool.limits.sweep_interval;
        if age.is_none_or(|age| age > fresh) {
            let age = age.unwrap_or(Millis::new(u64::MAX));
            let text = format!("the last reading of {id} is {age} old; {fresh} is the most");
            return Err(Veto::new(Rule::StaleReading, text));
        }
        self.within_budget(Spending::Stop)?;
        let region = worker.pool.region.clone();
        let clear_pointer = self.pointer_naming(id);
        let generation = worker.generation_of(id);
        let id = id.clone();
        let mutation = match worker.pool.restart_by {
            RestartBy::StopStart => Mutation::Stop {
                region,
                id,
                clear_pointer,
            },
            RestartBy::Replace => Mutation::Terminate {
                region,
                id,
                clear_pointer,
            },
        };
        Ok(self.grant(generation, mutation))
    }
}
