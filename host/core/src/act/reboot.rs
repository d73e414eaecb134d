//! The outcome of a reboot. The instance stays `running` for EC2 and keeps its addresses, so the
//! record alone says that it is down for a moment.

use crate::facts::{Facts, Lease, WorkerFacts};
use crate::model::cloud::{CloudError, Mutation};
use crate::model::id::InstanceId;
use crate::model::restart::{Reboot, RestartStage};
use crate::model::spec::RestartBy;
use crate::model::store::Intent;
use crate::model::time::Instant;

/// Takes in the provider's answer to a reboot. An unanswered one may have been carried out. It
/// counts as sent, because a second reboot would cut off the boot that the first one began.
pub(super) fn rebooted(
    facts: &mut Facts,
    now: Instant,
    id: &InstanceId,
    result: &Result<(), CloudError>,
) {
    if let Some(known) = facts.change().instances.get_mut(id) {
        match result {
            Err(error) if error.kind.is_definite() => known.note_refused_reboot(error, now),
            _ => known.reboot_sent = Some(now),
        }
    }
    let is_done = result.is_ok();
    let may_be_done = |error: &CloudError| !error.kind.is_definite();
    if is_done || result.as_ref().is_err_and(may_be_done) {
        begin_to_boot(facts, now, id, is_done);
    }
}

/// Counts a reboot of an unfinished intent as sent, if it may have been. Returns whether it may.
pub(super) fn count_as_sent(
    facts: &mut Facts,
    now: Instant,
    intent: &Intent,
    lease: &Lease,
) -> bool {
    let Some(id) = perhaps_rebooted(facts, intent, lease) else {
        return false;
    };
    begin_to_boot(facts, now, &id, false);
    true
}

/// The instance that an unfinished intent may have rebooted; a host knows which of its own reboots
/// it sent.
fn perhaps_rebooted(facts: &WorkerFacts, intent: &Intent, lease: &Lease) -> Option<InstanceId> {
    let Mutation::Reboot { id, .. } = &intent.mutation else {
        return None;
    };
    let sent = facts.instances.get(id).and_then(|known| known.reboot_sent);
    let was_sent = *lease != Lease::Ours || sent.is_some_and(|at| at >= intent.since);
    was_sent.then(|| id.clone())
}

fn begin_to_boot(facts: &mut Facts, now: Instant, id: &InstanceId, is_accepted: bool) {
    let restart = facts.change().restart.as_mut();
    let is_for_it = |kind, stage, instance: &Option<InstanceId>| {
        kind == RestartBy::Reboot && stage == RestartStage::Ending && instance.as_ref() == Some(id)
    };
    if let Some(restart) = restart.filter(|it| is_for_it(it.kind, it.stage, &it.instance)) {
        restart.stage = RestartStage::Provisioning;
        restart.reboot = Some(Reboot {
            at: now,
            is_accepted,
            given_up_at: None,
            unknown: Default::default(),
        });
    }
}
