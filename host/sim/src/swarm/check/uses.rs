//! G5: nothing in use is reaped, by what the store knows of its use at the moment of the write; and
//! the store knows of it, where nothing keeps hosts from telling it. What is held busy is not
//! restarted by a program either.

use reeve_core::cloud::Mutation;
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::restart::{Initiator, Restart, RestartStage};
use reeve_core::store::{Activity, Adopted, Touch};
use reeve_core::time::{Instant, Millis};

use super::super::fault::Fault;
use super::super::options::Options;
use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Written, later};

/// A host tells the store once a minute that an address was handed out.
const TOLD_EVERY_MAX: Millis = Millis::from_secs(60);
/// A host has read by then what the store was told, and has decided by it.
const KNOWN_AFTER: Millis = Millis::from_secs(60);
/// What keeps hosts from telling the store at once.
const UNTOLD: [Fault; 8] = [
    Fault::StoreFails,
    Fault::StoreReplyLost,
    Fault::SlowStore,
    Fault::StoreDown,
    Fault::Crash,
    Fault::CrashAfterWrite,
    Fault::CrashAfterEffect,
    Fault::Pause,
];

/// What is known of the use of all workers.
pub(super) struct Uses {
    /// Whether hosts tell the store of every use at once.
    are_told: bool,
    is_shared: bool,
    /// Where callers were last sent, and when.
    served: ByWorker<(InstanceId, Instant)>,
    /// Until when each was last held busy, and when the store was told so.
    held: ByWorker<(Instant, Instant)>,
    /// What an instance had not to answer for when it was adopted: the deliveries that were
    /// unfinished then.
    unfinished_before: ByWorker<(Adopted, u64)>,
    /// Deliveries that the store may have missed: hosts count them all the same, and may take them
    /// for an earlier instance's.
    missed: ByWorker<u64>,
}

impl Uses {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            are_told: !UNTOLD.iter().any(|fault| options.faults.contains(fault)),
            is_shared: options.shared_store,
            served: ByWorker::default(),
            held: ByWorker::default(),
            unfinished_before: ByWorker::default(),
            missed: ByWorker::default(),
        }
    }

    /// A caller was sent to this instance.
    pub(super) fn served(&mut self, worker: &WorkerId, id: &InstanceId, at: Instant) {
        self.served.insert(worker.clone(), (id.clone(), at));
    }

    /// The store was told of a use.
    pub(super) fn touched(&mut self, worker: &WorkerId, touch: Touch, at: Instant) {
        if let Touch::Busy { until } = touch {
            self.held.insert(worker.clone(), (until, at));
        }
    }

    /// The store was told of a use, and did not say so.
    pub(super) fn missed(&mut self, worker: &WorkerId, touch: Touch) {
        if let Touch::Delivered { count, .. } = touch {
            *self.missed.entry(worker.clone()).or_default() += count;
        }
    }

    /// A write that marks the adopted instance for its end, or announces it.
    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
        let unfinished_before = self.unfinished_before(written);
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
        let restart = record.restart.as_ref().filter(|restart| {
            restart.stage == RestartStage::Ending && restart.instance.as_ref() == Some(id)
        });
        if let Some(restart) = restart {
            // A request for a restart wants it gone.
            return self.restarted(written, id, restart);
        }
        let activity = &written.before.activity;
        is_idle(written, id, activity)?;
        if ended.is_none() {
            // The mark alone ends nothing: between it and the end the host reads what others have
            // taken in.
            return Ok(());
        }
        self.is_told(written, id)?;
        // The store may have missed that the work was done, so the box has a word.
        let missed = self.missed.get(written.worker).copied().unwrap_or_default();
        let unfinished = activity.unfinished().saturating_sub(missed);
        if written.undone > 0 && unfinished > unfinished_before {
            return broken(format!(
                "{id} is ended with {} deliveries that are not processed",
                unfinished - unfinished_before
            ));
        }
        Ok(())
    }

    /// What was unfinished when the present instance was adopted, which an earlier one took with
    /// it.
    fn unfinished_before(&mut self, written: &Written<'_>) -> u64 {
        let before = self.unfinished_before.get(written.worker);
        let known = before.map_or(0, |(_, unfinished)| *unfinished);
        let after = written.write.record.adopted.as_ref();
        let is_same = |adopted: &Adopted| {
            before.is_some_and(|(of, _)| of.id == adopted.id && of.since == adopted.since)
        };
        if let Some(adopted) = after.filter(|adopted| !is_same(adopted)) {
            let unfinished = written.before.activity.unfinished();
            let of = (adopted.clone(), unfinished);
            self.unfinished_before.insert(written.worker.clone(), of);
        }
        known
    }

    /// A restart ends what is in use, and a program's does not end what is held busy. In a store of
    /// its own a host knows of the hold.
    fn restarted(&self, written: &Written<'_>, id: &InstanceId, restart: &Restart) -> Finding {
        let Some((until, told_at)) = self.held.get(written.worker) else {
            return Ok(());
        };
        let was_known = later(*told_at, KNOWN_AFTER) < written.at;
        let is_held = *until > later(written.at, CLOCKS_APART);
        let is_program = restart.request.initiator == Initiator::Program;
        if self.is_shared || !is_program || !was_known || !is_held {
            return Ok(());
        }
        let left = until.since(written.at);
        broken(format!(
            "{id} is restarted by a program while it is held busy for {left} more"
        ))
    }

    /// A caller that was sent to it is noted in the store, so it shows in its activity.
    fn is_told(&self, written: &Written<'_>, id: &InstanceId) -> Finding {
        let served = self.served.get(written.worker);
        let Some((_, at)) = served.filter(|(to, _)| to == id && self.are_told) else {
            return Ok(());
        };
        let idle = written.at.since(*at);
        let idle_min = written.pool.limits.idle_min.get();
        let told_every = TOLD_EVERY_MAX.get().min(idle_min / 2);
        match idle.get() + told_every + CLOCKS_APART.get() < idle_min {
            true => broken(format!(
                "{id} is ended {idle} after a caller was sent to it"
            )),
            false => Ok(()),
        }
    }
}

/// By what the store was told.
fn is_idle(written: &Written<'_>, id: &InstanceId, activity: &Activity) -> Finding {
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
    Ok(())
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G5, text))
}
