//! Permits the adoption of a running instance, and the pointer write that announces it (G2, G3,
//! G9).

use super::{Permit, SCAN_AGE_MAX, Scene};
use crate::facts::KnownInstance;
use crate::model::cloud::Mutation;
use crate::model::id::InstanceId;
use crate::model::instance::{InstanceState, Owner, TAG_FLEET, TAG_WORKER};
use crate::model::veto::{Rule, Veto};

impl Scene<'_> {
    pub(super) fn adopt(&self, id: &InstanceId) -> Result<Permit, Veto> {
        let worker = self.facts;
        if let Some(adopted) = &worker.adopted
            && adopted.id != *id
            && worker.adopted_is_live(self.now)
        {
            return Err(Veto::new(
                Rule::AnotherIsAdopted,
                format!(
                    "{} is adopted and may be running; a worker has one instance",
                    adopted.id
                ),
            ));
        }
        self.is_this_workers(id)?;
        let Some(known) = worker.instances.get(id) else {
            return Err(Veto::new(
                Rule::StaleReading,
                format!("nothing was read of {id} yet"),
            ));
        };
        if !known.instance.state.is_live() {
            return Err(Veto::new(
                Rule::WrongState,
                format!(
                    "{id} is {}; only a live instance is adopted",
                    known.instance.state.as_str()
                ),
            ));
        }
        self.nothing_in_flight()?;
        let generation = worker.generation_of(id);
        if worker.is_superseded(id) {
            return Err(Veto::new(
                Rule::OlderGeneration,
                format!(
                    "{id} is of generation {generation}, and one of a newer generation is or was adopted; the box \
                     of {id} was told that it is superseded, and has ended"
                ),
            ));
        }
        Ok(self.grant(generation, self.pointer_to(id)))
    }

    /// Permits a person's move of the worker to this instance. The present instance may run: the
    /// move makes it an orphan. The instance must carry the worker's tag or belong to nothing else.
    pub(super) fn adopt_by_hand(&self, id: &InstanceId) -> Result<Permit, Veto> {
        let worker = self.facts;
        self.nothing_in_flight()?;
        let known = worker.instances.get(id);
        let read_at = known.and_then(|known| known.read_at);
        self.is_fresh(&format!("the reading of {id}"), read_at, SCAN_AGE_MAX)?;
        let Some(known) = known else {
            return Err(Veto::new(
                Rule::NotVisible,
                format!("nothing was read of {id}"),
            ));
        };
        self.is_live(known)?;
        self.belongs_to_nothing_else(known)?;
        let generation = worker.generation_of(id);
        if worker.is_superseded(id) {
            return Err(Veto::new(
                Rule::OlderGeneration,
                format!(
                    "{id} is of generation {generation}, and one of a newer generation is or was adopted; its box was \
                     told that it is superseded, and has ended; launch another instance"
                ),
            ));
        }
        Ok(self.grant(generation, self.pointer_to(id)))
    }

    fn is_live(&self, known: &KnownInstance) -> Result<(), Veto> {
        let (id, state) = (&known.instance.id, known.instance.state);
        let (rule, text) = match state {
            _ if state.is_live() => return Ok(()),
            InstanceState::NotVisible | InstanceState::Unknown => (
                Rule::NotVisible,
                format!(
                    "EC2 or ECS shows no {id} in {}; check the id, and ask again in a minute if it is new",
                    self.facts.pool.region
                ),
            ),
            InstanceState::ShuttingDown | InstanceState::Terminated => (
                Rule::WrongState,
                format!(
                    "{id} is {}, which is final; name another one",
                    state.as_str()
                ),
            ),
            _ => (
                Rule::WrongState,
                format!(
                    "{id} is {}; a pending or running one is accepted: start it, and ask again",
                    state.as_str()
                ),
            ),
        };
        Err(Veto::new(rule, text))
    }

    /// G9: the instance is of no other fleet and of no other worker, as far as this host knows.
    fn belongs_to_nothing_else(&self, known: &KnownInstance) -> Result<(), Veto> {
        let worker = self.facts;
        let id = &known.instance.id;
        if let Owner::Foreign(fleet) = worker.owner(&known.instance) {
            let text = format!(
                "{id} is of the fleet `{fleet}` by its tag `{TAG_FLEET}`; the fleet `{}` leaves it alone. Take it out of \
                 that fleet first: remove the tag, and have that fleet forget it",
                worker.fleet
            );
            return Err(Veto::new(Rule::OfAnotherFleet, text));
        }
        let launched_for = known.instance.tags.get(TAG_WORKER);
        if let Some(other) = launched_for.filter(|it| **it != worker.id.as_str()) {
            let text =
                format!("{id} was launched for the worker {other:?} by its tag `{TAG_WORKER}`");
            return Err(Veto::new(Rule::NotThisWorkers, text));
        }
        if worker.is_outside(known) {
            let key = &worker.pool.tag_key;
            let text = format!(
                "{id} is not the worker's by its tag `{key}` ({}); accepted: {:?}, or no such tag since its launch",
                known
                    .instance
                    .tags
                    .get(key)
                    .map_or("removed", String::as_str),
                worker.spec.tag_value
            );
            return Err(Veto::new(Rule::NotThisWorkers, text));
        }
        let others = self.adopted.iter();
        let mut others = others.filter(|(other, adopted)| *adopted == id && **other != worker.id);
        match others.next() {
            None => Ok(()),
            Some((other, _)) => Err(Veto::new(
                Rule::AdoptedElsewhere,
                format!("{id} is the instance of the worker {other}; move that worker first"),
            )),
        }
    }

    /// Permits a pointer write if the pointer disagrees with the record, which is the authority.
    pub(super) fn repair_pointer(&self) -> Result<Permit, Veto> {
        let worker = self.facts;
        self.nothing_in_flight()?;
        match (&worker.adopted, &worker.pointer) {
            (Some(adopted), pointer) if pointer.as_ref() != Some(&Some(adopted.id.clone())) => {
                Ok(self.grant(adopted.generation, self.pointer_to(&adopted.id)))
            }
            _ => Err(Veto::new(
                Rule::NothingToRepair,
                "the pointer agrees with the record, or nothing is adopted",
            )),
        }
    }

    fn pointer_to(&self, id: &InstanceId) -> Mutation {
        Mutation::WritePointer {
            region: self.facts.pool.region.clone(),
            name: self.facts.spec.pointer.clone(),
            id: id.clone(),
        }
    }
}
