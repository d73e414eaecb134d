//! Permits the adoption of a running instance, and the pointer write that announces it (G2, G3,
//! G9).

use super::{Permit, Scene};
use crate::model::cloud::Mutation;
use crate::model::id::InstanceId;
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
