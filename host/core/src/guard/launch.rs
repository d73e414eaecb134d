//! Permits launches and starts: never while another instance serves the worker or could (G1, G4;
//! docs/incidents.md#stale-pointer, docs/incidents.md#ip-race).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{COMES_UP_MAX, Permit, SCAN_AGE_MAX, Scene};
use crate::facts::{Act, KnownInstance, TEMPLATE_AGE_MAX};
use crate::model::budget::{Spending, Spent};
use crate::model::cloud::Mutation;
use crate::model::compute::{Compute, LaunchSource, TemplateVersion};
use crate::model::id::{Generation, InstanceId, LaunchToken, WorkerId};
use crate::model::instance::{
    Instance, InstanceState, Owner, TAG_FLEET, TAG_GENERATION, TAG_WORKER,
};
use crate::model::veto::{Rule, Veto};

/// The token of one launch attempt. The token is derived, so that every replay by any process sends
/// the same one, and no two attempts share one. It has 48 of the 64 characters that EC2 and ECS
/// allow.
pub(super) fn launch_token(fleet: &str, worker: &WorkerId, generation: Generation) -> LaunchToken {
    let mut hash = Sha256::new();
    // Lengths keep ("ab", "c") apart from ("a", "bc").
    for part in [fleet, worker.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(generation.get().to_be_bytes());
    LaunchToken::new(format!("reeve-{}", hex::encode(&hash.finalize()[..21])))
}

impl Scene<'_> {
    pub(super) fn launch(&self, capacity_option: u32) -> Result<Permit, Veto> {
        let pool = &self.facts.pool;
        let Some(source) = pool.launch.get(capacity_option as usize) else {
            let missing = match pool.compute {
                Compute::Ec2 => "launch_template",
                Compute::Fargate { .. } => "task_definition",
            };
            let text = format!("the pool has no `{missing}`, so it launches nothing");
            return Err(Veto::new(Rule::NoLaunchTemplate, text));
        };
        self.nothing_else_up()?;
        self.is_not_backing_off(Act::Launch(capacity_option))?;
        self.is_not_cycling()?;
        self.within_budget(Spending::Launch)?;
        let generation = self.facts.generation.next();
        let tags = BTreeMap::from([
            (pool.tag_key.clone(), self.facts.spec.tag_value.clone()),
            (TAG_FLEET.to_owned(), self.facts.fleet.clone()),
            (TAG_WORKER.to_owned(), self.facts.id.to_string()),
            (TAG_GENERATION.to_owned(), generation.to_string()),
        ]);
        let mutation = Mutation::Launch {
            region: pool.region.clone(),
            source: self.resolved(source, capacity_option)?,
            token: launch_token(&self.facts.fleet, &self.facts.id, generation),
            tags,
        };
        Ok(self.grant(generation, mutation))
    }

    /// The source with the version of its template, which the attempt keeps (G1).
    fn resolved(&self, source: &LaunchSource, capacity_option: u32) -> Result<LaunchSource, Veto> {
        let LaunchSource::LaunchTemplate(template) = source else {
            return Ok(source.clone());
        };
        match self.facts.template_version(capacity_option, self.now) {
            Some(version) => Ok(LaunchSource::LaunchTemplateVersion(TemplateVersion {
                launch_template: template.clone(),
                version,
            })),
            None => Err(Veto::new(
                Rule::TemplateUnresolved,
                format!(
                    "the default version of the launch template {template} was not read within {TEMPLATE_AGE_MAX}"
                ),
            )),
        }
    }

    /// Permits a replay. A replay spends no budget and passes no new rule: the attempt was
    /// permitted already, and its token makes the provider launch once (G1). A token that the
    /// provider may have forgotten is not sent again.
    pub(super) fn replay_launch(&self) -> Result<Permit, Veto> {
        let Some(attempt) = &self.facts.attempt else {
            return Err(Veto::new(
                Rule::WrongState,
                "there is no unanswered launch to send again",
            ));
        };
        let token_lasts = match &attempt.mutation {
            Mutation::Launch { source, .. } => source.token_lasts(),
            _ => None,
        };
        let age = self.now.since(attempt.since);
        match token_lasts {
            Some(most) if age >= most => Err(Veto::new(
                Rule::TokenExpired,
                format!(
                    "the launch of generation {} was first sent {age} ago and never answered; \
                     the provider remembers its token for {most}, and a replay after that could launch another",
                    attempt.generation
                ),
            )),
            _ => Ok(self.grant(attempt.generation, attempt.mutation.clone())),
        }
    }

    pub(super) fn start(&self, id: &InstanceId) -> Result<Permit, Veto> {
        self.is_this_workers(id)?;
        if !self.facts.pool.compute.can_start() {
            return Err(Veto::new(
                Rule::CannotStart,
                format!(
                    "{id} is a Fargate task, and a task that has stopped is not started again; launch another"
                ),
            ));
        }
        self.nothing_else_up()?;
        let state = self
            .facts
            .instances
            .get(id)
            .map(|known| known.instance.state);
        if state != Some(InstanceState::Stopped) {
            let found = state.unwrap_or_default().as_str();
            return Err(Veto::new(
                Rule::WrongState,
                format!("{id} is {found}; only a stopped instance can be started"),
            ));
        }
        self.is_not_given_up(id)?;
        self.last_start_is_counted(id)?;
        self.is_not_backing_off(Act::Start)?;
        self.is_not_cycling()?;
        self.within_budget(Spending::Start)?;
        let mutation = Mutation::Start {
            region: self.facts.pool.region.clone(),
            compute: self.facts.pool.compute.clone(),
            id: id.clone(),
        };
        Ok(self.grant(self.facts.generation.next(), mutation))
    }

    /// Refuses a start of an instance whose starts keep failing (V3).
    fn is_not_given_up(&self, id: &InstanceId) -> Result<(), Veto> {
        let Some(until) = self.facts.given_up_until(id, self.now) else {
            return Ok(());
        };
        let starts = self.facts.failed_starts.get(id);
        let why = match starts.map_or(0, |starts| starts.count) {
            0 => format!("a policy gave {id} up"),
            count => format!("{count} starts of {id} in a row failed"),
        };
        let pause = until.since(self.now);
        let text = format!("{why}; the next one is tried in {pause} at the earliest");
        Err(Veto::new(Rule::StartGivenUp, text).opening_at(until))
    }

    /// Refuses a start while the one before has fallen back and is not counted as failed (V3). It is
    /// not counted while another mutation is under way, and the next reading by id counts it.
    fn last_start_is_counted(&self, id: &InstanceId) -> Result<(), Veto> {
        let fallen_back = self.facts.fallen_back();
        if fallen_back.is_none_or(|(fallen, _)| &fallen != id) {
            return Ok(());
        }
        let text = format!(
            "the last start of {id} was accepted, and it is stopped again; it is read before the next start"
        );
        Err(Veto::new(Rule::StaleReading, text))
    }

    /// G9: refuses an id that a policy made up or copied from another worker, and an instance of
    /// another fleet.
    pub(super) fn is_this_workers(&self, id: &InstanceId) -> Result<(), Veto> {
        if self.facts.owns(id) {
            return Ok(());
        }
        let known = self.facts.instances.get(id);
        if let Some(Owner::Foreign(fleet)) = known.map(|known| self.facts.owner(&known.instance)) {
            let text = format!(
                "{id} is of the fleet `{fleet}` by its tag `{TAG_FLEET}`; the fleet `{}` leaves it alone",
                self.facts.fleet
            );
            return Err(Veto::new(Rule::OfAnotherFleet, text));
        }
        Err(Veto::new(
            Rule::NotThisWorkers,
            format!("{id} neither carries the worker's tag nor is named by its pointer or record"),
        ))
    }

    fn nothing_else_up(&self) -> Result<(), Veto> {
        let worker = self.facts;
        if let Some(adopted) = &worker.adopted
            && worker.adopted_is_live(self.now)
        {
            let state = worker.adopted_instance().map(|known| known.instance.state);
            return Err(Veto::new(
                Rule::AdoptedIsLive,
                format!(
                    "{} is adopted and {}; no second instance is started or launched",
                    adopted.id,
                    state.unwrap_or_default().as_str()
                ),
            ));
        }
        self.nothing_in_flight()?;
        let scanned = worker
            .scanned_at
            .map(|scanned_at| self.now.since(scanned_at));
        if scanned.is_none_or(|age| age > SCAN_AGE_MAX) {
            return Err(Veto::new(
                Rule::NotScanned,
                match scanned {
                    None => "running instances were never scanned for by tag".to_owned(),
                    Some(age) => format!(
                        "running instances were last scanned for by tag {age} ago; {SCAN_AGE_MAX} is the most"
                    ),
                },
            ));
        }
        let candidates = worker.candidates();
        candidates
            .into_iter()
            .try_for_each(|known| self.is_out_of_the_way(known))
    }

    /// Passes over a candidate that `adopt` has declined, unless the candidate only has no address
    /// yet (docs/incidents.md#ip-race).
    fn is_out_of_the_way(&self, known: &KnownInstance) -> Result<(), Veto> {
        let Instance { id, state, .. } = &known.instance;
        if !self.facts.is_declined(id, self.now) {
            let text = format!(
                "{id} carries the worker's tag and is {}; `adopt` has to see it first",
                state.as_str()
            );
            return Err(Veto::new(Rule::CandidateRuns, text));
        }
        let began = known.instance.launched_at.unwrap_or(known.in_state_since);
        let age = self.now.since(began);
        if !known.instance.is_reachable() && age < COMES_UP_MAX {
            let text = format!(
                "{id} carries the worker's tag and came up {age} ago; it is passed over when it has its address, or \
                 {COMES_UP_MAX} after it began to boot"
            );
            return Err(Veto::new(Rule::ComesUp, text).opening_at(began + COMES_UP_MAX));
        }
        Ok(())
    }

    /// Delays the next try of an act that the cloud refused, for longer after each refusal in a
    /// row. A refusal costs no budget (V2), so this rule alone keeps refused tries apart.
    fn is_not_backing_off(&self, act: Act) -> Result<(), Veto> {
        let Some(refusal) = self.facts.backs_off(act, self.now) else {
            return Ok(());
        };
        let text = format!(
            "{act} was refused ({}; {} in a row); the next try is in {} at the earliest",
            refusal.error,
            refusal.count,
            refusal.until.since(self.now)
        );
        Err(Veto::new(Rule::BacksOff, text).opening_at(refusal.until))
    }

    /// Delays the next instance of a cycling worker, for longer after each further one
    /// (docs/incidents.md#stale-pointer).
    fn is_not_cycling(&self) -> Result<(), Veto> {
        let cycling = self.facts.cycling();
        let Some(cycling) = cycling.filter(|it| it.until > self.now) else {
            return Ok(());
        };
        Err(Veto::new(Rule::Cycling, cycling.text(self.now)).opening_at(cycling.until))
    }

    /// G10: refuses what a level has no budget for. The veto is that of the level that opens last, so
    /// that its time is when all levels allow it.
    pub(super) fn within_budget(&self, spending: Spending) -> Result<(), Veto> {
        let of_worker = self.facts.pool.limits.worker_budget;
        let (pool, of_pool) = self.pool;
        let (all, of_host) = self.host;
        let ledger = &self.facts.ledger;
        let levels = [
            (
                "worker",
                of_worker,
                ledger.spent(self.now, spending, of_worker),
            ),
            ("pool", of_pool, pool.spent(self.now, spending, of_pool)),
            ("host", of_host, all.spent(self.now, spending, of_host)),
        ];
        // A budget that allows none never opens.
        let opens_at = |spent: &Spent| (spent.opens_at().is_none(), spent.opens_at());
        let refusing = levels.iter().rev().filter(|it| !it.2.affords_one());
        let last = refusing.max_by_key(|(_, _, spent)| opens_at(spent));
        let Some((level, budget, spent)) = last else {
            return Ok(());
        };
        let (count, window) = (spent.count(), budget.window);
        let used = format!("the {level} has used its {count} {spending} allowed within {window}");
        Err(match spent.opens_at() {
            None => Veto::new(Rule::BudgetSpent, used),
            Some(at) => {
                let text = format!("{used}; the next is allowed in {}", at.since(self.now));
                Veto::new(Rule::BudgetSpent, text).opening_at(at)
            }
        })
    }
}

#[cfg(test)]
mod tests;
