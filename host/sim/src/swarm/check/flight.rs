//! Single flight (docs/incidents.md#double-provision): a host sends nothing for a worker while it
//! has not heard what came of what it sent before, unless another host has taken the lease over in
//! between and answered for it. What another host or an earlier life has sent is the business of
//! G6.

use std::collections::BTreeMap;

use reeve_core::cloud::MutationKind;
use reeve_core::guard::Permit;
use reeve_core::id::{DecisionId, WorkerId};

use super::{Finding, Guarantee, Written};
use crate::engine::Life;

/// What is under way.
#[derive(Default)]
pub(super) struct Flight {
    /// By host and worker.
    under_way: BTreeMap<(usize, WorkerId), UnderWay>,
}

struct UnderWay {
    life: u32,
    decision: DecisionId,
    kind: MutationKind,
}

impl Flight {
    /// A host sends a mutation off.
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
                    "a {} is sent while a {} is not answered",
                    permit.mutation().kind(),
                    before.kind
                ),
            )),
        }
    }

    /// A record was written: what other hosts had under way was left to the writer.
    pub(super) fn committed(&mut self, written: &Written<'_>) {
        self.under_way
            .retain(|(host, worker), _| *host == written.by.host || worker != written.worker);
    }

    /// A host hears what came of a mutation.
    pub(super) fn heard(
        &mut self,
        by: Life,
        worker: &WorkerId,
        decision: DecisionId,
        kind: MutationKind,
    ) {
        let key = (by.host, worker.clone());
        let is_it = |it: &UnderWay| (it.life, it.decision, it.kind) == (by.life, decision, kind);
        if self.under_way.get(&key).is_some_and(is_it) {
            self.under_way.remove(&key);
        }
    }
}
