//! G2: a record drops its adopted instance only when that instance is down, or an operator moves
//! the worker. G3: the generation of the adopted instance never falls, because the newer box would
//! be told that it is superseded. G4: no launch and no start while the adopted instance is up.

use std::collections::BTreeSet;

use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::operator::Command;
use reeve_core::spec::FleetSpec;
use reeve_core::store::{Adopted, Stored};

use super::{ByWorker, Finding, Guarantee, Written, is_live};
use crate::engine::Sent;
use crate::world::World;

/// The instance that each worker's record adopted last, and the moves that people asked for.
#[derive(Default)]
pub(super) struct Adoption {
    last: ByWorker<Adopted>,
    moved: BTreeSet<(WorkerId, InstanceId)>,
}

impl Adoption {
    /// Notes a move that an operator asks for.
    pub(super) fn commanded(&mut self, worker: &WorkerId, command: &Command) {
        if let Command::Adopt { instance, .. } = command {
            self.moved.insert((worker.clone(), instance.clone()));
        }
    }

    /// Notes that another system wrote the worker's pointer, which the worker may follow.
    pub(super) fn pointer_moved(&mut self, spec: &FleetSpec, worker: &WorkerId, id: InstanceId) {
        let pool = spec.workers.get(worker);
        let pool = pool.and_then(|worker| spec.pools.get(&worker.pool));
        if pool.is_some_and(|pool| pool.follow_pointer) {
            self.moved.insert((worker.clone(), id));
        }
    }

    /// Checks a written record. An instance that the record drops must be down (G2), the generation
    /// must not fall (G3), and the record must not announce a second instance while the adopted one
    /// is up (G4).
    pub(super) fn committed(&mut self, written: &Written<'_>, is_forgotten: bool) -> Finding {
        self.check_generation(written)?;
        let before = written.before.record.adopted.as_ref();
        let after = written.write.record.adopted.as_ref();
        let Some(before) = before else { return Ok(()) };
        let is_kept = after.is_some_and(|after| after.id == before.id);
        let is_up = is_live(written.world, &before.id);
        // The write after an operator's `forget` is excused: it names no instance.
        let forgets = is_forgotten && after.is_none();
        let move_to = |after: &Adopted| (written.worker.clone(), after.id.clone());
        let is_move = after.is_some_and(|after| self.moved.contains(&move_to(after)));
        if !is_kept && is_up && !forgets && !is_move {
            let text = format!(
                "{} was adopted and is up, and the record now names {}",
                before.id,
                after.map_or("none", |after| after.id.as_str())
            );
            return Err((Guarantee::G2, text));
        }
        let Some(permit) = written.permit else {
            return Ok(());
        };
        check_second_instance(permit.mutation(), &before.id, is_up)
    }

    fn check_generation(&mut self, written: &Written<'_>) -> Finding {
        let Some(after) = written.write.record.adopted.as_ref() else {
            return Ok(());
        };
        let before = self.last.insert(written.worker.clone(), after.clone());
        match before.filter(|before| after.generation < before.generation) {
            None => Ok(()),
            Some(before) => Err((
                Guarantee::G3,
                format!(
                    "{} of generation {} is adopted after {} of generation {}",
                    after.id, after.generation, before.id, before.generation
                ),
            )),
        }
    }
}

/// Checks G4 when a mutation reaches the cloud, against the record at that time.
pub(super) fn arrives(sent: &Sent, truth: &Stored, world: &World) -> Finding {
    let Some(adopted) = truth.record.adopted.as_ref() else {
        return Ok(());
    };
    if let Mutation::Launch { token, .. } = &sent.mutation
        && world.launched_by(token).is_some()
    {
        // A replayed token returns the first launch's instance and creates none.
        return Ok(());
    }
    check_second_instance(&sent.mutation, &adopted.id, is_live(world, &adopted.id))
}

fn check_second_instance(mutation: &Mutation, adopted: &InstanceId, is_up: bool) -> Finding {
    let brings_up = matches!(mutation.kind(), MutationKind::Launch | MutationKind::Start);
    if !brings_up || !is_up || mutation.instance() == Some(adopted) {
        return Ok(());
    }
    let text = format!(
        "a {} {} while {adopted} is adopted and up",
        mutation.kind(),
        mutation.instance().map_or("", |id| id.as_str())
    );
    Err((Guarantee::G4, text))
}
