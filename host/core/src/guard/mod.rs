//! What must never happen, whatever a policy says. A proposal becomes a [`Permit`] or a [`Veto`];
//! there is no third way to change the cloud.
//!
//! Each rule names the guarantee of ARCHITECTURE.md (G1-G10) or the incident it stands for. Rules look at the
//! worker's snapshot only; they are tried in the order written, and the first that objects is the veto.

mod adopt;
mod launch;
mod lease;
mod orphan;
mod pause;
mod permit;
mod reap;
mod registration;
mod restart;
mod serve;
#[cfg(test)]
pub(crate) mod tests;

pub use crate::model::budget::{Ledger, Spending};
pub use crate::model::veto::{Rule, Veto};
pub(crate) use orphan::LOOK_AGE_MAX;
pub use permit::Permit;
pub(crate) use registration::Shown;

use crate::facts::{OrphanLook, WorkerFacts};
use crate::model::cloud::Mutation;
use crate::model::compute::Ending;
use crate::model::id::{DecisionId, Generation, HostId, InstanceId, PointerName};
use crate::model::restart::Initiator;
use crate::model::spec::Budget;
use crate::model::time::{Instant, Millis};

/// How old a tag scan may be for a launch or a start to rest on it. It is long enough for the calls of
/// one pass and for a scan that several workers share.
pub const SWEEP_AGE_MAX: Millis = Millis::from_secs(10);
/// How long a boot may take before what boots may be taken for dead: as long as a box may take to its first heartbeat.
const COMES_UP_MAX: Millis = Millis::from_secs(600);

/// What the guard is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// Hand out the address of this instance.
    Serve(crate::model::point::resolve::Target),
    /// Make this running instance the worker's and write the pointer.
    Adopt(InstanceId),
    /// Write the pointer again: it does not say what the record says.
    RepairPointer,
    /// Start this stopped instance.
    Start(InstanceId),
    /// Launch a new instance.
    Launch,
    /// Send the unanswered launch again, token and parameters unchanged.
    ReplayLaunch,
    /// Stop this instance.
    Stop(Reaping),
    /// Terminate this instance.
    Terminate(Reaping),
    /// End this instance for a restart.
    Restart {
        /// Which.
        id: InstanceId,
        /// Who wants it.
        initiator: Initiator,
    },
    /// End the orphan that this close look is about, without a policy having asked for it.
    EndOrphan(OrphanLook),
}

/// A proposal to end an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaping {
    /// Which.
    pub id: InstanceId,
    /// The reason's code: `idle` claims something that another code does not.
    pub reason_code: String,
}

/// What the rules hold a proposal against.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What is known of the worker it is for.
    pub facts: &'a WorkerFacts,
    /// The time.
    pub now: Instant,
    /// The decision it rests on.
    pub decision: DecisionId,
    /// This host.
    pub us: &'a HostId,
    /// Whether other hosts write the same store.
    pub store_is_shared: bool,
    /// The length of a lease.
    pub lease: Millis,
    /// The fleet's name, a part of launch tokens.
    pub fleet: &'a str,
    /// Nothing may be changed.
    pub dry_run: bool,
    /// What other workers of the pool have spent, and what the pool may.
    pub pool: (&'a Ledger, Budget),
    /// The same for the whole host.
    pub host: (&'a Ledger, Budget),
}

impl Scene<'_> {
    /// Asks for leave to change the cloud.
    ///
    /// # Errors
    /// The veto, with the rule that objects. [`Proposal::Serve`] changes nothing in the cloud and is put
    /// to [`Scene::check_serve`].
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
            Proposal::RepairPointer => self.repair_pointer(),
            Proposal::Start(id) => self.start(id),
            Proposal::Launch => self.launch(),
            Proposal::ReplayLaunch => self.replay_launch(),
            Proposal::Stop(reaping) => self.stop(reaping),
            Proposal::Terminate(reaping) => self.terminate(reaping),
            Proposal::Restart { id, initiator } => self.restart(id, *initiator),
            Proposal::EndOrphan(look) => self.end_orphan(look),
        }?;
        if self.dry_run {
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
        }
    }

    /// Leave to end an instance, in the way that is wanted or in the one that its kind allows. Every end is
    /// granted here.
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

    /// Single flight: one mutation at a time for a worker (G4; docs/incidents.md#double-provision). What follows a pointer write could be overtaken by
    /// it (G3).
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

    /// What is older than two scans means that the cloud does not answer: fail static. However frequent
    /// the scans are, what a launch may rest on is not too old for it: a slow cloud is not a silent one.
    fn is_of_late(&self, what: &str, at: Option<Instant>) -> Result<(), Veto> {
        let scan_interval = self.facts.pool.limits.scan_interval;
        let two_scans = scan_interval + scan_interval;
        self.is_fresh(what, at, two_scans.max(SWEEP_AGE_MAX))
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
