//! Which workers of a pool are up, by their labels: for policies that limit how many of a tenant's
//! workers run. A fact of the pool.

use std::collections::{BTreeMap, BTreeSet};

use super::WorkerFacts;
use crate::model::id::WorkerId;
use crate::model::point::Worker;

/// The workers that are up, counted by each label that the pool shows to policies.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    up: BTreeSet<WorkerId>,
    counts: BTreeMap<(String, String), u32>,
}

impl Peers {
    /// Notes whether the worker's instance is pending or running by its last reading.
    pub(crate) fn note(&mut self, facts: &WorkerFacts) {
        if facts.pool.policy_labels.is_empty() {
            return;
        }
        let known = facts.adopted_instance();
        let is_up = known.is_some_and(|known| known.instance.state.is_live());
        if is_up == self.up.contains(&facts.id) {
            return;
        }
        match is_up {
            true => self.up.insert(facts.id.clone()),
            false => self.up.remove(&facts.id),
        };
        for key in &facts.pool.policy_labels {
            let Some(value) = facts.spec.labels.get(key) else {
                continue;
            };
            let count = self.counts.entry((key.clone(), value.clone()));
            let count = count.or_default();
            *count = match is_up {
                true => count.saturating_add(1),
                false => count.saturating_sub(1),
            };
        }
    }

    /// Counts, for each label of this worker, the others that are up.
    pub(crate) fn count(&self, id: &WorkerId, worker: &mut Worker) {
        let itself = u32::from(self.up.contains(id));
        for label in &mut worker.labels {
            let key = (label.key.clone(), label.value.clone());
            let count = self.counts.get(&key).copied().unwrap_or_default();
            label.others_up = count.saturating_sub(itself);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{adopt, see, worker};
    use crate::model::instance::InstanceState;
    use crate::model::point::{Input, Label, Point};

    fn of_tenant(id: &str, tenant: &str, state: InstanceState) -> WorkerFacts {
        let mut facts = worker();
        facts.id = id.into();
        facts.pool.policy_labels = vec!["tenant".to_owned()];
        facts.spec.labels = [("tenant".to_owned(), tenant.to_owned())].into();
        see(&mut facts, "i-one", state);
        adopt(&mut facts, "i-one");
        facts
    }

    fn others_up(peers: &Peers, id: &str, tenant: &str) -> u32 {
        let mut input = Input::neutral(Point::Resolve).unwrap();
        let shown = input.worker_mut();
        shown.labels.push(Label {
            key: "tenant".to_owned(),
            value: tenant.to_owned(),
            others_up: 0,
        });
        peers.count(&id.into(), shown);
        shown.labels[0].others_up
    }

    #[test]
    fn others_of_a_label_are_counted_while_they_are_up() {
        let mut peers = Peers::default();
        peers.note(&of_tenant("a", "acme", InstanceState::Running));
        peers.note(&of_tenant("b", "acme", InstanceState::Pending));
        peers.note(&of_tenant("c", "other", InstanceState::Running));
        assert_eq!(others_up(&peers, "a", "acme"), 1, "not itself");
        assert_eq!(others_up(&peers, "d", "acme"), 2);
        peers.note(&of_tenant("b", "acme", InstanceState::Stopped));
        peers.note(&of_tenant("b", "acme", InstanceState::Stopped));
        assert_eq!(others_up(&peers, "d", "acme"), 1);
        assert_eq!(others_up(&peers, "d", "none"), 0);
    }
}
