//! The guard refuses what must never happen, even if a policy asks for it. A proposal becomes a
//! [`Permit`] or a [`Veto`]; there is no third way to change the cloud.
//!
//! Each rule names the guarantee (G1-G10 in ARCHITECTURE.md) or the incident behind it. Rules read
//! the worker's facts only. The guard tries the rules in the order written, and the first that
//! objects is the veto.

mod adopt;
mod launch;
mod lease;
mod orphan;
mod overdue;
mod pace;
mod pause;
mod permit;
mod reap;
mod reason;
mod registration;
mod restart;
mod serve;
#[cfg(test)]
pub(crate) mod tests;

pub use crate::model::budget::{Ledgers, Spending};
pub use crate::model::veto::{Rule, Veto};
pub(crate) use orphan::CHECK_AGE_MAX;
pub use permit::Permit;
pub(crate) use registration::Shown;

use std::collections::BTreeMap;

use crate::facts::{OrphanCheck, OverdueCheck, Reaps, WorkerFacts};
use crate::model::cloud::{Mutation, MutationKind};
use crate::model::compute::Ending;
use crate::model::id::{DecisionId, Generation, HostId, InstanceId, PointerName, WorkerId};
use crate::model::restart::Initiator;
use crate::model::spec::{Budget, RestartBy};
use crate::model::time::{Instant, Millis};

/// How old a tag scan may be for a launch or a start to rest on it. Ten seconds are enough for the
/// calls of one pass and for a scan that several workers share.
pub const SCAN_AGE_MAX: Millis = Millis::from_secs(10);
/// How long a boot may take before the instance may be taken for dead: as long as a box may take to
/// its first heartbeat.
const COMES_UP_MAX: Millis = Millis::from_secs(600);

/// An action that a flow wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// Hand out the address of an instance.
    Serve(crate::model::point::resolve::Target),
    /// Make a running instance the worker's, and write the pointer.
    Adopt(InstanceId),
    /// Make this instance the worker's because a person says so, and write the pointer. The present
    /// instance may run.
    AdoptByHand(InstanceId),
    /// Write the pointer again, because it disagrees with the record.
    RepairPointer,
    /// Start this stopped instance.
    Start(InstanceId),
    /// Launch a new instance with this capacity option of the pool.
    Launch(u32),
    /// Send the unanswered launch again, token and parameters unchanged.
    ReplayLaunch,
    /// End this instance: stop it where it can be started again.
    End(Reaping),
    /// Stop this instance, and nothing else.
    Stop(Reaping),
    /// Terminate this instance.
    Terminate(Reaping),
    /// End or reboot this instance for a restart.
    Restart {
        /// The instance that is up.
        id: InstanceId,
        /// The initiator of the restart.
        initiator: Initiator,
        /// How the instance is restarted.
        kind: RestartBy,
    },
    /// End the orphan that this check is about. No policy asks for it.
    EndOrphan(OrphanCheck),
    /// End the adopted instance that this check is about, because it does not come up. No policy
    /// asks for it.
    EndOverdue(OverdueCheck),
}

/// A proposal to end an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaping {
    /// The instance to end.
    pub id: InstanceId,
    /// The code of the reason. Some codes make a claim, which the guard checks.
    pub reason_code: String,
}

/// What the rules check a proposal against.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The facts of the worker.
    pub facts: &'a WorkerFacts,
    /// The time.
    pub now: Instant,
    /// The decision that the proposal rests on.
    pub decision: DecisionId,
    /// This host.
    pub us: &'a HostId,
    /// Whether other hosts write the same store.
    pub store_is_shared: bool,
    /// The length of a lease.
    pub lease: Millis,
    /// Whether the host changes no instance. Its writes go to a [`Shadow`](crate::shadow::Shadow).
    pub dry_run: bool,
    /// The adopted instance of each worker of this host.
    pub adopted: &'a BTreeMap<WorkerId, InstanceId>,
    /// The spendings of the pool's workers, and the pool's budget.
    pub pool: (&'a Ledgers, Budget),
    /// The reaps of the pool's workers, and the pace as a budget.
    pub reaps: (&'a Reaps, Budget),
    /// The same for the whole host.
    pub host: (&'a Ledgers, Budget),
}

impl Scene<'_> {
    /// Asks for leave to change the cloud.
    ///
    /// # Errors
    /// The veto, with the rule that objects. [`Proposal::Serve`] changes nothing in the cloud and
    /// belongs to [`Scene::check_serve`].
    pub fn permit(&self, proposal: &Proposal) -> Result<Permit, Veto> {
        if !matches!(proposal, Proposal::Serve(_)) {
            self.not_paused()?;
            self.may_write_record()?;
        }
        let permit = match proposal {
            Proposal::Serve(_) => Err(Veto::new(
                Rule::NotAMutation,
                "serving changes nothing in the cloud and takes no permit",
            )),
            Proposal::Adopt(id) => self.adopt(id),
            Proposal::AdoptByHand(id) => self.adopt_by_hand(id),
            Proposal::RepairPointer => self.repair_pointer(),
            Proposal::Start(id) => self.start(id),
            Proposal::Launch(capacity_option) => self.launch(*capacity_option),
            Proposal::ReplayLaunch => self.replay_launch(),
            Proposal::End(reaping) => self.end(reaping),
            Proposal::Stop(reaping) => self.stop(reaping),
            Proposal::Terminate(reaping) => self.terminate(reaping),
            Proposal::Restart {
                id,
                initiator,
                kind,
            } => self.restart(id, *initiator, *kind),
            Proposal::EndOrphan(check) => self.end_orphan(check),
            Proposal::EndOverdue(check) => self.end_overdue(check),
        }?;
        if self.dry_run && permit.mutation.kind() != MutationKind::WritePointer {
            return Err(Veto::new(
                Rule::DryRun,
                format!(
                    "dry run: this would have been done: {} {}",
                    permit.mutation.kind(),
                    permit.mutation.instance().map_or("", InstanceId::as_str)
                ),
            ));
        }
        Ok(permit)
    }

    fn grant(&self, generation: Generation, mutation: Mutation) -> Permit {
        Permit {
            worker: self.facts.id.clone(),
            generation,
            epoch: self.epoch(),
            decision: self.decision,
            mutation,
            is_reap: false,
        }
    }

    /// Grants the end of an instance: the wanted ending, or the one that its kind of compute
    /// allows. Every end is granted here.
    fn grant_end(
        &self,
        id: &InstanceId,
        wanted: Ending,
        clear_pointer: Option<PointerName>,
    ) -> Permit {
        let pool = &self.facts.pool;
        let (region, compute, id) = (pool.region.clone(), pool.compute.clone(), id.clone());
        let generation = self.facts.generation_of(&id);
        let mutation = match compute.ending(wanted) {
            Ending::Stop => Mutation::Stop {
                region,
                compute,
                id,
                clear_pointer,
            },
            Ending::Terminate => Mutation::Terminate {
                region,
                compute,
                id,
                clear_pointer,
            },
        };
        self.grant(generation, mutation)
    }

    /// Single flight: one mutation at a time for a worker (G4; docs/incidents.md#double-provision).
    /// This includes pointer writes: a pointer write could arrive after a mutation that follows it
    /// (G3).
    fn nothing_in_flight(&self) -> Result<(), Veto> {
        if let Some(in_flight) = &self.facts.in_flight {
            return Err(Veto::new(
                Rule::MutationInFlight,
                format!(
                    "a {} is under way for {} and its outcome is not known yet",
                    in_flight.kind,
                    self.now.since(in_flight.since)
                ),
            ));
        }
        if let Some(attempt) = &self.facts.attempt {
            return Err(Veto::new(
                Rule::MutationInFlight,
                format!(
                    "the launch of generation {} has no definite answer yet; it is replayed, never renewed",
                    attempt.generation
                ),
            ));
        }
        Ok(())
    }

    /// Refuses a reading that is older than two scan intervals: the cloud does not answer, and the
    /// host fails static. A reading that is young enough for a launch always passes, because
    /// frequent scans do not make a slow cloud a silent one.
    fn is_of_late(&self, what: &str, at: Option<Instant>) -> Result<(), Veto> {
        let scan_interval = self.facts.pool.limits.scan_interval;
        let two_scans = scan_interval + scan_interval;
        self.is_fresh(what, at, two_scans.max(SCAN_AGE_MAX))
    }

    fn is_fresh(&self, what: &str, at: Option<Instant>, most: Millis) -> Result<(), Veto> {
        match at.map(|at| self.now.since(at)) {
            Some(age) if age <= most => Ok(()),
            Some(age) => Err(Veto::new(
                Rule::StaleReading,
                format!("{what} is {age} old; {most} is the most"),
            )),
            None => Err(Veto::new(Rule::StaleReading, format!("{what} is missing"))),
        }
    }
}
