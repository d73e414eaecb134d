//! Whose the worker's instances are (G9). An instance of another fleet with the worker's tag is told
//! of once and left alone. An adopted instance that is not the worker's by its tags is given up, or
//! the worker would wait for it forever: the host may neither serve, start nor end it.

use std::collections::BTreeSet;

use crate::facts::{Facts, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::happened::Happened;
use crate::model::cloud::Query;
use crate::model::id::InstanceId;
use crate::model::instance::{Owner, TAG_FLEET};
use crate::model::notice::Step;
use crate::turn::Turn;
use crate::{act, record};

/// The state of this flow. The facts say whose each instance is.
#[derive(Clone, Debug, Default)]
pub(super) struct Ownership {
    /// Instances of other fleets that a notice has named, each with its fleet.
    told: BTreeSet<(InstanceId, String)>,
    has_heard: bool,
}

impl Flow for Ownership {
    fn hear(&mut self, _facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        self.has_heard |= match happened {
            Happened::Scanned { error, .. } => error.is_none(),
            Happened::Queried { query, result, .. } => {
                matches!(query, Query::Instance { .. } | Query::Pointer { .. }) && result.is_ok()
            }
            // A write that was under way held the release up.
            Happened::Written(_) | Happened::RecordRead { .. } => true,
            _ => false,
        };
    }

    fn has_heard(&self) -> bool {
        self.has_heard
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        if !std::mem::take(&mut self.has_heard) {
            return None;
        }
        self.tell_foreign(facts, turn);
        if !facts.is_changing() && record::may_act(facts, turn) {
            release_if_outside(facts, turn);
        }
        None
    }

    fn waits_for(&self, _facts: &WorkerFacts) -> Option<Wait> {
        None
    }
}

impl Ownership {
    /// Names each instance of another fleet once, as long as the facts have it.
    fn tell_foreign(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let mut foreign = BTreeSet::new();
        for (id, known) in &facts.instances {
            if let Owner::Foreign(fleet) = facts.owner(&known.instance) {
                foreign.insert((id.clone(), fleet));
            }
        }
        for (id, fleet) in foreign.difference(&self.told) {
            let text = format!(
                "{id} is of the fleet {fleet:?} by its tag `{TAG_FLEET}` and is left alone: this fleet, {:?}, does not \
                 adopt, start or end it",
                facts.fleet
            );
            let fields = [("instance_id", id.as_str()), ("fleet", fleet)];
            turn.notice(facts, Step::InstanceForeign, text, &fields);
        }
        self.told = foreign;
    }
}

/// Gives the adopted instance up if readings say that it is not the worker's.
fn release_if_outside(facts: &mut Facts, turn: &mut Turn<'_>) {
    let Some(known) = facts.adopted_outside() else {
        return;
    };
    let key = &facts.pool.tag_key;
    let why = match (facts.owner(&known.instance), known.instance.tags.get(key)) {
        (Owner::Foreign(fleet), _) => format!("its tag `{TAG_FLEET}` names the fleet {fleet:?}"),
        (_, Some(value)) => format!(
            "its tag `{key}` says {value:?}, and the worker's is {:?}",
            facts.spec.tag_value
        ),
        (_, None) => format!(
            "its tag `{key}` is gone for {}",
            facts.pool.limits.not_visible_grace
        ),
    };
    act::release_outside(facts, turn, &why);
}
