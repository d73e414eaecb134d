//! The lease: only its holder may act for a worker (G6; docs/incidents.md#double-provision).

use super::Scene;
use crate::facts::Lease;
use crate::model::id::Epoch;
use crate::model::veto::{Rule, Veto};

impl Scene<'_> {
    /// Whether this host may write the worker's record. Every change rests on such a write, and
    /// only the holder of the lease may write.
    ///
    /// # Errors
    /// The veto: the record is not known, another host holds the lease, or a write is under way.
    pub fn may_write_record(&self) -> Result<(), Veto> {
        if self.facts.record.writing.is_some() {
            return Err(Veto::new(
                Rule::RecordBeingWritten,
                "the worker's record is being written; the next change waits for the store",
            ));
        }
        match self.lease() {
            Lease::Free | Lease::Ours => Ok(()),
            Lease::Unknown => Err(Veto::new(
                Rule::RecordUnknown,
                "the worker's record could not be read from the store, so the holder of its lease is unknown",
            )),
            Lease::Theirs { host, stale_at } => Err(Veto::new(
                Rule::LeaseHeld,
                format!(
                    "host {host} acts for the worker; its lease is stale in {} at the earliest",
                    stale_at.since(self.now)
                ),
            )
            .opening_at(stale_at)),
        }
    }

    /// The lease of the worker, as this host sees it.
    pub(crate) fn lease(&self) -> Lease {
        self.facts
            .record
            .lease(self.us, self.store_is_shared, self.lease)
    }

    /// The epoch of the next write: that of the lease if this host holds it, or else the next
    /// epoch, which takes the lease.
    pub(crate) fn epoch(&self) -> Epoch {
        let record = &self.facts.record;
        match self.lease() {
            Lease::Ours => record.epoch(),
            Lease::Free | Lease::Theirs { .. } | Lease::Unknown => {
                record.epoch().max(self.facts.epoch_floor).next()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::{WorkerFacts, Writing};
    use crate::guard::Proposal;
    use crate::guard::tests::{NOW, permitted, refused, scene_with, worker};
    use crate::model::cloud::MutationKind;
    use crate::model::id::{Epoch, HostId, Version};
    use crate::model::spec::LEASE;
    use crate::model::store::{Stored, WorkerRecord};
    use crate::model::time::{Instant, Millis};
    use crate::model::veto::Rule;

    /// A worker whose record names `host` as the holder of the lease, first seen `seen_before` ago.
    fn leased_to(host: &str, seen_before: Millis) -> WorkerFacts {
        let mut worker = worker();
        worker.record.stored = Some(Stored {
            version: Version::new(4),
            record: WorkerRecord {
                epoch: Epoch::new(9),
                lease: Some(HostId::from(host)),
                ..WorkerRecord::default()
            },
            ..Stored::default()
        });
        worker.record.read_at = NOW;
        worker.record.seen_at = Instant::from_ms(NOW.as_ms() - seen_before.get());
        worker
    }

    #[test]
    fn nothing_is_changed_while_another_host_holds_the_lease() {
        let worker = leased_to("another", Millis::new(LEASE.get() - 1));
        refused(&worker, &Proposal::Launch(0), Rule::LeaseHeld);
    }

    #[test]
    fn a_stale_lease_is_taken_over_with_the_next_epoch() {
        let worker = leased_to("another", LEASE);
        let permit = permitted(&worker, &Proposal::Launch(0), MutationKind::Launch);
        assert_eq!(permit.epoch(), Epoch::new(10));
    }

    #[test]
    fn a_lease_does_not_grow_stale_while_the_record_is_not_read() {
        let mut worker = leased_to("another", LEASE + LEASE);
        worker.record.read_at = worker.record.seen_at;
        refused(&worker, &Proposal::Launch(0), Rule::LeaseHeld);
    }

    #[test]
    fn a_host_takes_over_any_lease_in_a_private_store() {
        let worker = leased_to("an-earlier-life", Millis::ZERO);
        let epoch = scene_with(&worker, false, |mut scene| {
            scene.store_is_shared = false;
            scene
                .permit(&Proposal::Launch(0))
                .map(|permit| permit.epoch())
        });
        assert_eq!(epoch.ok(), Some(Epoch::new(10)));
    }

    #[test]
    fn the_holder_of_the_lease_keeps_its_epoch() {
        let worker = leased_to("us", Millis::ZERO);
        assert_eq!(
            permitted(&worker, &Proposal::Launch(0), MutationKind::Launch).epoch(),
            Epoch::new(9)
        );
    }

    #[test]
    fn epochs_rise_above_the_journals_if_the_store_lost_the_record() {
        let mut worker = worker();
        worker.epoch_floor = Epoch::new(41);
        assert_eq!(
            permitted(&worker, &Proposal::Launch(0), MutationKind::Launch).epoch(),
            Epoch::new(42)
        );
    }

    #[test]
    fn nothing_is_changed_while_the_record_is_not_known_or_being_written() {
        let mut worker = worker();
        worker.record.writing = Some(Writing {
            record: WorkerRecord::default(),
            waiting: None,
            since: NOW,
        });
        refused(&worker, &Proposal::Launch(0), Rule::RecordBeingWritten);
        worker.record.writing = None;
        worker.record.stored = None;
        refused(&worker, &Proposal::Launch(0), Rule::RecordUnknown);
    }
}
