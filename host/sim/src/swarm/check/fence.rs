//! G6: a record is written by its lease's holder, or by a host that saw the lease unchanged for its
//! length; epochs and generations only rise; and a mutation carries the epoch that was current when
//! it was announced.

use std::collections::BTreeSet;

use reeve_core::cloud::MutationKind;
use reeve_core::guard::Permit;
use reeve_core::id::{Epoch, InstanceId, WorkerId};
use reeve_core::spec::LEASE;
use reeve_core::store::Stored;
use reeve_core::time::{Instant, Millis};

use super::{ByWorker, Finding, Guarantee, Written};
use crate::engine::Sent;

/// By how much a lease may look longer to a clock that runs fast.
const RATES_APART: Millis = Millis::new(100);

/// What was written, and what was announced in it.
#[derive(Default)]
pub(super) struct Fence {
    changed_at: ByWorker<Instant>,
    /// By whom is left out: two hosts that write the very same record for a pointer that both find
    /// wrong are answered alike, and write the same pointer.
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
        announces_what_it_does(written)
    }

    /// What arrives was announced.
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

/// What is sent off is still the latest.
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

fn announces_what_it_does(written: &Written<'_>) -> Finding {
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
