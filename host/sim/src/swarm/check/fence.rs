//! G6: only the lease's holder writes a record, or a host that saw the lease unchanged for its
//! length. Epochs and generations only rise. A mutation carries the epoch that was current when its
//! intent was committed.

use std::collections::BTreeSet;

use reeve_core::cloud::MutationKind;
use reeve_core::guard::Permit;
use reeve_core::id::{Epoch, InstanceId, WorkerId};
use reeve_core::spec::LEASE;
use reeve_core::store::Stored;
use reeve_core::time::{Instant, Millis};

use super::{ByWorker, Finding, Guarantee, Written};
use crate::engine::Sent;

/// By how much a lease may look longer to a host whose clock runs fast.
const RATES_APART: Millis = Millis::new(100);

/// When each record changed, and the mutations that records announced.
#[derive(Default)]
pub(super) struct Fence {
    changed_at: ByWorker<Instant>,
    /// The host is not part of the key. Two hosts that repair the same pointer may write equal
    /// records: the store accepts both, and both write the same pointer.
    announced: BTreeSet<(WorkerId, Epoch, MutationKind, Option<InstanceId>)>,
}

impl Fence {
    pub(super) fn committed(&mut self, written: &Written<'_>, is_shared: bool) -> Finding {
        let (before, after) = (&written.before.record, &written.write.record);
        let since = self
            .changed_at
            .insert(written.worker.clone(), written.at)
            .map(|at| written.at.since(at));
        if let Some(permit) = written.permit {
            self.announced.insert((
                written.worker.clone(),
                permit.epoch(),
                permit.mutation().kind(),
                permit.mutation().instance().cloned(),
            ));
        }
        if after.epoch < before.epoch || after.generation < before.generation {
            return broken(format!(
                "epoch {} and generation {} follow on {} and {}",
                after.epoch, after.generation, before.epoch, before.generation
            ));
        }
        let is_holder = before.lease.as_ref() == Some(&written.host);
        if !is_holder && after.epoch == before.epoch && written.before.version.get() > 0 {
            return broken(format!(
                "{} writes without the lease, and with epoch {} that was used",
                written.host, after.epoch
            ));
        }
        if let (Some(holder), Some(since)) = (&before.lease, since)
            && !is_holder
            && is_shared
            && since + RATES_APART < LEASE
        {
            return broken(format!(
                "{} takes the lease of {holder}, whose record changed {since} ago",
                written.host
            ));
        }
        check_intent(written)
    }

    /// Checks that a record announced the mutation that reaches the cloud.
    pub(super) fn arrives(&self, sent: &Sent) -> Finding {
        let key = (
            sent.worker.clone(),
            sent.epoch,
            sent.mutation.kind(),
            sent.mutation.instance().cloned(),
        );
        if self.announced.contains(&key) {
            return Ok(());
        }
        broken(format!(
            "a {} arrives with epoch {} that no record announces",
            sent.mutation.kind(),
            sent.epoch
        ))
    }
}

/// Checks that the record still has the permit's epoch when the host sends the mutation.
pub(super) fn sent(permit: &Permit, truth: &Stored) -> Finding {
    if permit.epoch() == truth.record.epoch {
        return Ok(());
    }
    broken(format!(
        "a {} is sent with epoch {}, and the record has {}",
        permit.mutation().kind(),
        permit.epoch(),
        truth.record.epoch
    ))
}

/// Checks that the written record announces the mutation of its permit.
fn check_intent(written: &Written<'_>) -> Finding {
    let Some(permit) = written.permit else {
        return Ok(());
    };
    let record = &written.write.record;
    if permit.epoch() != record.epoch {
        return broken(format!(
            "a {} carries epoch {} and its record {}",
            permit.mutation().kind(),
            permit.epoch(),
            record.epoch
        ));
    }
    let announced = record.intent.as_ref().map(|intent| &intent.mutation);
    if announced == Some(permit.mutation()) {
        return Ok(());
    }
    broken(format!(
        "a {} follows a record that does not announce it",
        permit.mutation().kind()
    ))
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G6, text))
}
