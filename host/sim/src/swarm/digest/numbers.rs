//! Ids numbered anew, so that a number says which of them it is and not how many others were given
//! before it.

use std::collections::BTreeMap;

use reeve_core::id::{HostId, WorkerId};

use super::line::{Id, Line};

/// Who gave which id: a host gives each of its lives' ids anew.
type Key = (WorkerId, HostId, Id);

/// The numbers that the ids of one world have got, from 1 for each worker.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    given: BTreeMap<Key, u64>,
    /// The last number of a worker's decisions, and of its policies' components.
    last: BTreeMap<WorkerId, [u64; 2]>,
}

impl Numbers {
    /// The number of an id; the next one of the worker when it appears for the first time.
    pub(super) fn of(&mut self, host: &HostId, worker: &WorkerId, id: Id) -> u64 {
        // A component is the same for every host.
        let giver = match id {
            Id::Decision(_) => host.clone(),
            Id::Component(_) => HostId::new(""),
        };
        let last = self.last.entry(worker.clone()).or_default();
        *self
            .given
            .entry((worker.clone(), giver, id))
            .or_insert_with(|| {
                let last = match id {
                    Id::Decision(_) => &mut last[0],
                    Id::Component(_) => &mut last[1],
                };
                *last += 1;
                *last
            })
    }

    /// Numbers the ids of lines without an order: for each worker as they rise.
    pub(super) fn see<'a>(&mut self, host: &HostId, lines: impl Iterator<Item = &'a Line>) {
        let mut found: Vec<_> = lines
            .flat_map(|line| line.ids().map(|id| (line.worker(), id)))
            .collect();
        found.sort();
        for (worker, id) in found {
            self.of(host, worker, id);
        }
    }
}
