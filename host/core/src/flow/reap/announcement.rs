//! What is told of a reap when the cloud has accepted it.

use crate::facts::{Announcement, WorkerFacts};
use crate::guard::Permit;
use crate::model::id::InstanceId;
use crate::model::point::Reason;
use crate::turn::Turn;

/// The announcement of the end with its reason, the last activity and its age
/// (docs/incidents.md#frozen-activity).
pub(super) fn of(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    id: &InstanceId,
    permit: &Permit,
    reason: &Reason,
) -> Announcement {
    let last = match facts.handed_out_at(id) {
        None => "never handed out".to_owned(),
        Some(at) => format!("last handed out {} ago", turn.now.since(at)),
    };
    let is_adopted = facts.is_adopted(id);
    let in_flight = if is_adopted {
        facts.work_in_flight()
    } else {
        0
    };
    let in_flight = in_flight.to_string();
    Announcement {
        decision: permit.decision(),
        text: format!(
            "{} {id}: {} ({last}; {in_flight} in flight)",
            permit.mutation().kind(),
            reason.text
        ),
        fields: vec![
            ("instance_id", id.to_string()),
            ("reason", reason.code.clone()),
            ("last_activity", last),
            ("work_in_flight", in_flight),
        ],
    }
}
