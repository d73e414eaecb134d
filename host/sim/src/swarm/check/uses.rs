//! G5: no instance in use is reaped, by the activity in the store at the moment of the write. The
//! store has every use, unless a fault keeps hosts from writing it. A program does not restart a
//! worker that is held busy.

use reeve_core::cloud::Mutation;
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::restart::{Initiator, Restart, RestartStage};
use reeve_core::store::{Activity, Adopted, Refresh};
use reeve_core::time::{Instant, Millis};

use super::super::fault::Fault;
use super::super::options::Options;
use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Written};

/// A host writes to the store once a minute that it handed an address out.
const TOLD_EVERY_MAX: Millis = Millis::from_secs(60);
/// After this time a host has read the activity in the store, and decides by it.
const KNOWN_AFTER: Millis = Millis::from_secs(60);
/// Faults that keep hosts from writing activity at once.
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

/// The uses of all workers.
pub(super) struct Uses {
    /// Whether hosts write every use to the store at once.
    are_told: bool,
    is_shared: bool,
    /// The instance that callers last got, and when.
    served: ByWorker<(InstanceId, Instant)>,
    /// Until when each worker was last held busy, and when the store learned it.
    held: ByWorker<(Instant, Instant)>,
    /// The deliveries that were unfinished when an instance was adopted: they belong to earlier
    /// instances.
    unfinished_before: ByWorker<(Adopted, u64)>,
    /// Deliveries that the store may have missed. Hosts count them, perhaps for an earlier
    /// instance.
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

    /// Notes the instance that a caller got.
    pub(super) fn served(&mut self, worker: &WorkerId, id: &InstanceId, at: Instant) {
        self.served.insert(worker.clone(), (id.clone(), at));
    }

    /// Notes a use that the store confirmed.
    pub(super) fn refreshed(&mut self, worker: &WorkerId, refresh: Refresh, at: Instant) {
        if let Refresh::Busy { until } = refresh {
            self.held.insert(worker.clone(), (until, at));
        }
    }

    /// Notes a delivery that the store did not confirm.
    pub(super) fn missed(&mut self, worker: &WorkerId, refresh: Refresh) {
        if let Refresh::Delivered { count, .. } = refresh {
            *self.missed.entry(worker.clone()).or_default() += count;
        }
    }

    /// Checks a write that marks the adopted instance for its end, or announces the end.
    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
        let unfinished_before = self.unfinished_before(written);
        let Some(adopted) = written.before.record.adopted.as_ref() else {
            return Ok(());
        };
        let record = &written.write.record;
        let ended = match written.permit.map(|permit| permit.mutation()) {
            Some(
                Mutation::Stop { id, .. }
                | Mutation::Terminate { id, .. }
                | Mutation::Reboot { id, .. },
            ) => Some(id),
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
            // A restart ends its instance on request, idle or not.
            return self.check_restart(written, id, restart);
        }
        let activity = &written.before.activity;
        if is_overdue(written, id) {
            // It serves no caller, so earlier uses were of earlier instances.
            return Ok(());
        }
        check_idle(written, id, activity)?;
        if ended.is_none() {
            // The mark ends nothing: before the end, the host reads the uses that other hosts
            // wrote.
            return Ok(());
        }
        self.check_last_caller(written, id)?;
        // The store may have missed that work was processed, so the true state of the box counts
        // too.
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

    /// The deliveries of earlier instances that were unfinished when the current one was adopted.
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

    /// Checks that a program's restart does not end a worker that is held busy. Other restarts may.
    /// Only a host with a store of its own is sure to know of the hold.
    fn check_restart(&self, written: &Written<'_>, id: &InstanceId, restart: &Restart) -> Finding {
        let Some((until, told_at)) = self.held.get(written.worker) else {
            return Ok(());
        };
        let was_known = *told_at + KNOWN_AFTER < written.at;
        let is_held = *until > written.at + CLOCKS_APART;
        let is_program = restart.request.initiator == Initiator::Program;
        if self.is_shared || !is_program || !was_known || !is_held {
            return Ok(());
        }
        let left = until.since(written.at);
        broken(format!(
            "{id} is restarted by a program while it is held busy for {left} more"
        ))
    }

    /// Checks that the end is not too soon after the last caller got the instance, where the store
    /// shows every use.
    fn check_last_caller(&self, written: &Written<'_>, id: &InstanceId) -> Finding {
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

/// Whether the instance is ended without a drain, and by the true state of the world has no address.
fn is_overdue(written: &Written<'_>, id: &InstanceId) -> bool {
    let draining = &written.before.record.draining;
    let is_drained = draining.as_ref().is_some_and(|it| &it.instance == id);
    let instance = written.world.instance(id);
    let has_address = instance.is_some_and(|instance| instance.private_ip().is_some());
    written.permit.is_some() && !is_drained && !has_address
}

/// Checks that the worker is idle by the activity in the store.
fn check_idle(written: &Written<'_>, id: &InstanceId, activity: &Activity) -> Finding {
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
        && until > written.at + CLOCKS_APART
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
