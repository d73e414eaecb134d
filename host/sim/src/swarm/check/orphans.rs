//! G2: where no policy is asked, an instance next to the adopted one is ended only by the host's
//! own rule: after its grace, and never one of a newer generation whose launch is not over by the
//! record.

use reeve_core::cloud::Mutation;
use reeve_core::id::Generation;
use reeve_core::instance::TAG_GENERATION;
use reeve_core::time::Millis;

use super::{CLOCKS_APART, Finding, Guarantee, Written};

/// A record was written: is an end announced that the rule does not allow?
pub(super) fn committed(written: &Written<'_>) -> Finding {
    let id = match written.permit.map(|permit| permit.mutation()) {
        Some(Mutation::Stop { id, .. } | Mutation::Terminate { id, .. }) => id,
        _ => return Ok(()),
    };
    let before = &written.before.record;
    let restarts = before.restart.iter().chain(&written.write.record.restart);
    let is_restarted = restarts
        .filter_map(|restart| restart.instance.as_ref())
        .any(|it| it == id);
    let Some(adopted) = before.adopted.as_ref().filter(|adopted| &adopted.id != id) else {
        return Ok(());
    };
    let Some(instance) = written.world.instance(id) else {
        return Ok(());
    };
    if written.pool.reap || is_restarted {
        return Ok(());
    }
    let tag = instance
        .tags
        .get(TAG_GENERATION)
        .and_then(|tag| tag.parse().ok());
    let is_launching = before
        .intent
        .as_ref()
        .is_some_and(|intent| matches!(intent.mutation, Mutation::Launch { .. }));
    let come_to = match is_launching {
        true => adopted.generation,
        false => adopted.generation.max(before.generation),
    };
    if let Some(generation) = tag.map(Generation::new)
        && generation > come_to
    {
        return broken(format!(
            "{id} of generation {generation} is ended as an orphan of {}, and the launches up to {come_to} are over",
            adopted.id
        ));
    }
    let grace = written.pool.limits.orphan_grace.get();
    let grace = Millis::new(grace.saturating_sub(CLOCKS_APART.get()));
    let age = written.at.since(instance.launched_at);
    match age < grace {
        true => broken(format!("{id} is ended as an orphan {age} after its launch")),
        false => Ok(()),
    }
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G2, text))
}
