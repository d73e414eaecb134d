//! G5: nothing in use is reaped, by what the store knows of its use at the moment of the write.

use reeve_core::cloud::Mutation;
use reeve_core::restart::RestartStage;
use reeve_core::time::{Instant, Millis};

use super::{CLOCKS_APART, Finding, Guarantee, Written};

/// A write that marks the adopted instance for its end, or announces it.
pub(super) fn committed(written: &Written<'_>) -> Finding {
    let Some(adopted) = written.before.record.adopted.as_ref() else {
        return Ok(());
    };
    let record = &written.write.record;
    let ended = match written.permit.map(|permit| permit.mutation()) {
        Some(Mutation::Stop { id, .. } | Mutation::Terminate { id, .. }) => Some(id),
        _ => None,
    };
    let marked = record.draining.as_ref().map(|draining| &draining.instance);
    let was_marked = written.before.record.draining.as_ref();
    let newly_marked = marked.filter(|_| was_marked != record.draining.as_ref());
    let Some(id) = ended.or(newly_marked).filter(|id| **id == adopted.id) else {
        return Ok(());
    };
    let restarts = record.restart.as_ref().is_some_and(|restart| {
        restart.stage == RestartStage::Ending && restart.instance.as_ref() == Some(id)
    });
    if restarts {
        // Whoever asks for a restart wants it gone.
        return Ok(());
    }
    let activity = &written.before.activity;
    let newest = [
        activity.handed_out_at,
        activity.delivered_at,
        activity.processed_at,
    ];
    let idle_min = written.pool.limits.idle_min.get();
    let idle_min = Millis::new(idle_min.saturating_sub(CLOCKS_APART.get()));
    for used_at in newest.into_iter().flatten() {
        let idle = written.at.since(used_at);
        if idle < idle_min {
            return broken(format!("{id} is ended {idle} after it was used"));
        }
    }
    if let Some(until) = activity.busy_until
        && until > later(written.at, CLOCKS_APART)
    {
        let left = until.since(written.at);
        return broken(format!(
            "{id} is ended while it is held busy for {left} more"
        ));
    }
    let unfinished = activity.unfinished();
    // The store may have missed that the work was done, so the box has a word. The mark alone ends nothing: between it
    // and the end the host reads what others have taken in.
    let is_at_work = ended.is_some() && written.undone > 0;
    if is_at_work && unfinished > adopted.unfinished_before {
        return broken(format!(
            "{id} is ended with {} deliveries that are not processed",
            unfinished - adopted.unfinished_before
        ));
    }
    Ok(())
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G5, text))
}

fn later(at: Instant, by: Millis) -> Instant {
    at + by
}
