//! Ends of instances. An end is announced when the provider has accepted it, so that nothing is
//! announced that does not happen (V2).

use crate::facts::{Announcement, Facts, Fate};
use crate::model::cloud::CloudError;
use crate::model::compute::Ending;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::notice::Step;
use crate::model::restart::RestartStage;
use crate::turn::Turn;

/// Keeps the announcement of a permitted end until the provider answers.
pub(crate) fn announce_later(facts: &mut Facts, announcement: Announcement) {
    facts.change().announcement = Some(announcement);
}

/// Announces the end that rests on this decision, if the provider accepted it.
pub(super) fn tell_ending(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    is_accepted: bool,
) {
    let Some(announcement) = facts.change().announcement.take() else {
        return;
    };
    if announcement.decision == decision && is_accepted {
        let fields = announcement.fields.iter();
        let fields: Vec<_> = fields.map(|(key, value)| (*key, value.as_str())).collect();
        turn.notice(facts, Step::InstanceEnding, announcement.text, &fields);
    }
}

/// Takes in the end of a stop or termination.
pub(super) fn ended(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    pointer_cleared: bool,
    is_ok: bool,
) {
    if let Some(known) = facts.change().instances.get_mut(id) {
        // If the instance lives on as an orphan, its grace begins again.
        known.orphan = None;
    }
    if pointer_cleared {
        // On success the pointer is `none`. After a failure either step may have failed.
        facts.change().pointer = is_ok.then_some(None);
    }
    if !is_ok {
        return;
    }
    if facts.is_adopted(id) {
        facts.change().leave_adopted();
    }
    ended_by_host(facts, turn, id);
    if let Some(restart) = facts.change().restart.as_mut() {
        let is_for_it =
            restart.stage == RestartStage::Ending && restart.instance.as_ref() == Some(id);
        if is_for_it {
            restart.stage = RestartStage::Provisioning;
        }
    }
}

/// Notes that the provider refused to end an instance. The first refusal for good is announced; a
/// restart announces its own failure.
pub(super) fn end_refused(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    ending: Ending,
    error: &CloudError,
) {
    let is_told_by_restart = facts.is_ended_by_restart(id);
    let known = facts.change().instances.get_mut(id);
    let refused = known.and_then(|known| known.note_refused_end(ending, error, turn.now));
    let Some(refused) = refused.filter(|_| error.kind.is_for_good()).cloned() else {
        return;
    };
    if is_told_by_restart || refused.count > 1 {
        return;
    }
    let follows = match facts.ending_of(id, ending) {
        other if other != ending => format!("the next try may {other} it"),
        _ => format!(
            "the next try may follow in {}; remove what refuses it, and forget the worker for a try at once",
            refused.until.since(turn.now)
        ),
    };
    let text = format!("{ending} {id}: {error}; {id} stays in service, and {follows}");
    let fields = [
        ("instance_id", id.as_str()),
        ("operation", &error.operation),
        ("code", &error.code),
    ];
    turn.notice(facts, Step::EndRefused, text, &fields);
}

/// Notes the end of an instance that this host ended.
fn ended_by_host(facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId) {
    let Some(known) = facts.change().instances.get_mut(id) else {
        return;
    };
    known.ended_by_host = true;
    let is_served = known.handed_out.is_some();
    count_end(facts, turn, id, is_served);
}

/// Counts an instance that went down, and announces a worker that cycles. The first notice of a row
/// of ends by another program says what to do about that program.
pub(super) fn count_end(facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId, is_served: bool) {
    let Some(cycling) = facts.change().count_end(id, is_served, turn.now) else {
        return;
    };
    let text = cycling.text(turn.now);
    let count = cycling.count.to_string();
    if let Fate::EndedElsewhere(reason) = &cycling.fate
        && !std::mem::replace(&mut facts.change().controller_told, true)
    {
        let what = format!(
            "{text}; find out what ends {id} (CloudTrail shows the caller of the last stop), and exempt the worker \
             there, or pause it here"
        );
        let fields = [("instance_id", id.as_str()), ("code", &reason.code)];
        turn.notice(facts, Step::ForeignController, what, &fields);
    }
    turn.notice(facts, Step::WorkerCycling, text, &[("in_row", &count)]);
}
