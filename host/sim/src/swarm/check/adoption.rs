//! G2: the adopted instance is given up only when it is down. G3: none is adopted of an older
//! generation than the one before, whose box would be told that it is superseded. G4: nothing is
//! launched or started while one is up.

use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::id::InstanceId;
use reeve_core::store::{Adopted, Stored};

use super::{ByWorker, Finding, Guarantee, Written, is_live};
use crate::engine::Sent;
use crate::world::World;

/// Who embodied the workers last.
#[derive(Default)]
pub(super) struct Adoption {
    last: ByWorker<Adopted>,
}

impl Adoption {
    /// A record was written: is what it names not of an older life?
    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
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

/// A record was written: is the instance it no longer names really down, and is nothing announced
/// while it is up?
pub(super) fn committed(written: &Written<'_>, is_forgotten: bool) -> Finding {
    let before = written.before.record.adopted.as_ref();
    let after = written.write.record.adopted.as_ref();
    let Some(before) = before else { return Ok(()) };
    let is_kept = after.is_some_and(|after| after.id == before.id);
    let is_up = is_live(written.world, &before.id);
    // Only the write that forgets is excused, and that one names none.
    let forgets = is_forgotten && after.is_none();
    if !is_kept && is_up && !forgets {
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
    while_up(permit.mutation(), &before.id, is_up)
}

/// It arrives: what the record names by now counts.
pub(super) fn arrives(sent: &Sent, truth: &Stored, world: &World) -> Finding {
    let Some(adopted) = truth.record.adopted.as_ref() else {
        return Ok(());
    };
    if let Mutation::Launch { token, .. } = &sent.mutation
        && world.launched_by(token).is_some()
    {
        // A replay, which makes nothing.
        return Ok(());
    }
    while_up(&sent.mutation, &adopted.id, is_live(world, &adopted.id))
}

fn while_up(mutation: &Mutation, adopted: &InstanceId, is_up: bool) -> Finding {
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
