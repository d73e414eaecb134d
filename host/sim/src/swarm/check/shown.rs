//! What each life of a host was shown of the records. While the record announces a mutation that is
//! not over, the host that was shown it does not hand out an instance that is being ended (G5), and
//! reports no restart as done while an instance is being brought up (G7). While another host restarts
//! the worker, it hands out none (G5).
//!
//! A host with a write of its own under way may know better: it writes the outcome.

use std::collections::BTreeMap;

use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::guard::Permit;
use reeve_core::id::{InstanceId, Version, WorkerId};
use reeve_core::notice::{Notice, Step};
use reeve_core::restart::Restart;
use reeve_core::store::{Committed, StoreError, Stored};

use super::{Finding, Guarantee, Heard};
use crate::engine::Life;

/// What all lives of hosts were shown.
#[derive(Default)]
pub(super) struct Shown {
    of: BTreeMap<(Life, WorkerId), Known>,
}

/// What a life of a host knows of a worker's record.
#[derive(Default)]
struct Known {
    version: Version,
    /// The mutation that the record announces, if this life did not write that record.
    announced: Option<Mutation>,
    /// Whether that record shows a restart in flight, of whose end this life has not told people.
    is_restarting: bool,
    /// Whether this life has told people of the end of a restart.
    has_told: bool,
    /// The mutation that this life has sent and has no outcome of.
    sent: Option<Mutation>,
    is_writing: bool,
}

impl Known {
    fn take_over(&mut self, stored: &Stored) {
        // A life begins with the record, which is not seen here. The first reading may be the same.
        let is_first = self.version == Version::default();
        self.version = stored.version;
        let intent = stored.record.intent.as_ref();
        self.announced = intent.map(|intent| intent.mutation.clone());
        let restart = stored.record.restart.as_ref();
        let is_known = is_first && self.has_told;
        self.is_restarting = restart.is_some_and(Restart::is_in_flight) && !is_known;
        // Another host answers for what this one has sent.
        self.sent = None;
    }

    /// The mutation that this life must take to be under way.
    fn under_way(&self) -> Option<&Mutation> {
        let announced = self.announced.as_ref().filter(|_| !self.is_writing);
        self.sent.as_ref().or(announced)
    }
}

impl Shown {
    fn known(&mut self, by: Life, worker: &WorkerId) -> &mut Known {
        self.of.entry((by, worker.clone())).or_default()
    }

    /// Notes that a life of a host begins a write.
    pub(super) fn writes(&mut self, by: Life, worker: &WorkerId) {
        self.known(by, worker).is_writing = true;
    }

    /// Notes that a life of a host learns the end of its write.
    pub(super) fn written(
        &mut self,
        by: Life,
        worker: &WorkerId,
        result: &Result<Committed, StoreError>,
    ) {
        let known = self.known(by, worker);
        known.is_writing = false;
        match result {
            Ok(Committed::Written(version)) => {
                known.version = *version;
                known.announced = None;
                known.is_restarting = false;
            }
            Ok(Committed::Lost(Some(stored))) => known.take_over(stored),
            // The host goes back to the record before.
            Ok(Committed::Lost(None) | Committed::InUse(_)) | Err(_) => {}
        }
    }

    /// Notes that a life of a host gets a reading of the record, which it passes over while its own
    /// write is under way. Returns whether the life learns of what another has written.
    pub(super) fn read(&mut self, by: Life, worker: &WorkerId, stored: &Stored) -> bool {
        let known = self.known(by, worker);
        let is_new = !known.is_writing && known.version < stored.version;
        if is_new {
            known.take_over(stored);
        }
        is_new
    }

    /// Notes that a life of a host sends a mutation.
    pub(super) fn sent(&mut self, by: Life, permit: &Permit) {
        let mutation = permit.mutation().clone();
        self.known(by, permit.worker()).sent = Some(mutation);
    }

    /// Notes that a life of a host learns the outcome of a mutation.
    pub(super) fn heard(&mut self, heard: &Heard<'_>) {
        let known = self.known(heard.by, heard.worker);
        known.sent.take_if(|sent| sent == heard.mutation);
    }

    fn under_way(&self, by: Life, worker: &WorkerId) -> Option<&Mutation> {
        self.of.get(&(by, worker.clone()))?.under_way()
    }

    /// Checks an instance that a host publishes or hands out.
    pub(super) fn handed_out(&self, by: Life, worker: &WorkerId, id: &InstanceId) -> Finding {
        let ends = |mutation: &&Mutation| {
            let kind = mutation.kind();
            let is_end = matches!(
                kind,
                MutationKind::Stop | MutationKind::Terminate | MutationKind::Reboot
            );
            is_end && mutation.instance() == Some(id)
        };
        let known = self.of.get(&(by, worker.clone()));
        if known.is_some_and(|known| known.is_restarting && !known.is_writing) {
            let text = format!("{id} is handed out while the record shows a restart in flight");
            return Err((Guarantee::G5, text));
        }
        let Some(end) = self.under_way(by, worker).filter(ends) else {
            return Ok(());
        };
        let text = format!("{id} is handed out while the record shows a {}", end.kind());
        Err((Guarantee::G5, text))
    }

    /// Checks that a restart that a host reports as done waits for no launch or start. The host may
    /// be unable to write so while another one holds the lease.
    pub(super) fn announced(&mut self, by: Life, notice: &Notice) -> Finding {
        if matches!(notice.step, Step::RestartDone | Step::RestartFailed) {
            let known = self.known(by, &notice.worker);
            known.is_restarting = false;
            known.has_told = true;
        }
        let comes_up = |mutation: &&Mutation| {
            matches!(mutation.kind(), MutationKind::Launch | MutationKind::Start)
        };
        let under_way = self.under_way(by, &notice.worker).filter(comes_up);
        match under_way.filter(|_| notice.step == Step::RestartDone) {
            Some(mutation) => {
                let kind = mutation.kind();
                let text = format!("a restart is done while the record shows a {kind}");
                Err((Guarantee::G7, text))
            }
            None => Ok(()),
        }
    }
}
