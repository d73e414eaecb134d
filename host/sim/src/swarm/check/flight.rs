//! Single flight (docs/incidents.md#double-provision): a host sends no mutation for a worker while
//! its mutation before has no outcome. A write of another host ends that wait, because the writer
//! took the lease and answers for the mutation. G6 covers the mutations of other hosts and of
//! earlier lives.

use std::collections::BTreeMap;

use reeve_core::cloud::{CloudError, Mutation, MutationKind, Outcome};
use reeve_core::guard::Permit;
use reeve_core::id::{DecisionId, WorkerId};

use super::{Finding, Guarantee, Written};
use crate::engine::Life;

/// The mutations that are under way.
#[derive(Default)]
pub(super) struct Flight {
    /// By host and worker.
    under_way: BTreeMap<(usize, WorkerId), UnderWay>,
}

/// The outcome of a mutation, as a host learned it.
pub(in crate::swarm) struct Heard<'a> {
    pub(in crate::swarm) by: Life,
    pub(in crate::swarm) worker: &'a WorkerId,
    pub(in crate::swarm) decision: DecisionId,
    pub(in crate::swarm) mutation: &'a Mutation,
    pub(in crate::swarm) result: &'a Result<Outcome, CloudError>,
}

struct UnderWay {
    life: u32,
    decision: DecisionId,
    kind: MutationKind,
}

impl Flight {
    /// Checks a mutation that a host sends.
    pub(super) fn sent(&mut self, by: Life, permit: &Permit) -> Finding {
        let sent = UnderWay {
            life: by.life,
            decision: permit.decision(),
            kind: permit.mutation().kind(),
        };
        let key = (by.host, permit.worker().clone());
        let before = self.under_way.insert(key, sent);
        match before.filter(|before| before.life == by.life) {
            None => Ok(()),
            Some(before) => Err((
                Guarantee::SingleFlight,
                format!(
                    "a {} is sent while a {} has no outcome",
                    permit.mutation().kind(),
                    before.kind
                ),
            )),
        }
    }

    /// A written record ends the wait of the other hosts: the writer answers for their mutations.
    pub(super) fn committed(&mut self, written: &Written<'_>) {
        self.under_way
            .retain(|(host, worker), _| *host == written.by.host || worker != written.worker);
    }

    /// Notes that a host learned the outcome of a mutation.
    pub(super) fn heard(&mut self, heard: &Heard<'_>) {
        let Heard { by, decision, .. } = *heard;
        let key = (by.host, heard.worker.clone());
        let kind = heard.mutation.kind();
        let is_it = |it: &UnderWay| (it.life, it.decision, it.kind) == (by.life, decision, kind);
        if self.under_way.get(&key).is_some_and(is_it) {
            self.under_way.remove(&key);
        }
    }
}
