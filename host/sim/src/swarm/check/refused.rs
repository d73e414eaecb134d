//! V2: a definite refusal costs nothing. An end is announced only if the cloud accepted it. After
//! the cloud refused for good to end the adopted instance, the host that heard so neither drains
//! the instance nor sends the end again for ten minutes, a person's restart excepted, and callers
//! do not hear of a restart for long.

use std::collections::BTreeMap;

use reeve_core::cloud::{CloudError, Mutation, MutationKind, Outcome};
use reeve_core::compute::Ending;
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::notice::{Notice, Step};
use reeve_core::point::reap;
use reeve_core::response::{NotYetCode, Resolution};
use reeve_core::restart::{Initiator, Restart, RestartStage};
use reeve_core::spec::StopRefused;
use reeve_core::store::Stored;
use reeve_core::time::{Instant, Millis};

use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Heard, Written};
use crate::engine::{Life, Sent};
use crate::world::World;

/// The first pause after a refusal for good, less what clocks differ by.
const PAUSE: Millis = Millis::from_secs(600 - CLOCKS_APART.get() / 1_000);
/// How long after a host heard of the refusal callers may hear that the worker restarts. The store
/// may be down for two minutes, and a host may stand still for a minute and a half.
const RESTARTING_MAX: Millis = Millis::from_secs(300);

/// The refusals that hosts heard of.
#[derive(Default)]
pub(super) struct Refused {
    /// How many ends of each instance the cloud accepted, and how many hosts announced.
    accepted: BTreeMap<InstanceId, (u32, u32)>,
    /// The last refusal for good of each kind that a life of a host heard of.
    heard: BTreeMap<(Life, InstanceId, MutationKind), Instant>,
    /// When a host last heard that the restart of a worker cannot end its instance, and which.
    restarts: ByWorker<(Instant, InstanceId)>,
}

impl Refused {
    /// Notes the cloud's answer to an end.
    pub(super) fn concluded(&mut self, sent: &Sent, result: &Result<Outcome, CloudError>) {
        if let Some(id) = ended_by(&sent.mutation).filter(|_| result.is_ok()) {
            self.accepted.entry(id.clone()).or_default().0 += 1;
        }
    }

    /// Checks an announcement.
    pub(super) fn announced(&mut self, notice: &Notice) -> Finding {
        let id = notice.fields.iter().find(|(key, _)| key == "instance_id");
        let Some((_, id)) = id.filter(|_| notice.step == Step::InstanceEnding) else {
            return Ok(());
        };
        let (accepted, announced) = self
            .accepted
            .entry(InstanceId::from(id.as_str()))
            .or_default();
        *announced += 1;
        match announced > accepted {
            true => broken(format!(
                "the end of {id} is announced, and the cloud has not accepted it"
            )),
            false => Ok(()),
        }
    }

    /// Notes that a host heard the outcome of a mutation; `truth` is the worker's record then.
    pub(super) fn heard(&mut self, at: Instant, heard: &Heard<'_>, truth: &Stored) {
        let Heard {
            by,
            worker,
            mutation,
            result,
            ..
        } = *heard;
        let Some(id) = ended_by(mutation) else {
            return;
        };
        let record = &truth.record;
        let is_awaited = record.lease == Some(by.id())
            && record.intent.as_ref().map(|intent| &intent.mutation) == Some(mutation);
        let is_refused = result.as_ref().is_err_and(|error| error.kind.is_for_good());
        if !is_awaited || !is_refused {
            self.restarts.remove(worker);
            return;
        }
        let key = (by, id.clone(), mutation.kind());
        self.heard.insert(key, at);
        let restart = record.restart.as_ref();
        let is_ending =
            |it: &Restart| it.stage == RestartStage::Ending && it.instance.as_ref() == Some(id);
        if restart.is_some_and(is_ending) {
            self.restarts.insert(worker.clone(), (at, id.clone()));
        }
    }

    /// Checks a written record.
    pub(super) fn committed(&mut self, written: &Written<'_>, is_forgotten: bool) -> Finding {
        let (before, after) = (&written.before.record, &written.write.record);
        let restart = after.restart.as_ref();
        // A restart that begins after this one is over is another one. A host that does not know of
        // the refusal, since its write was lost, continues once the instance went down by itself.
        let is_same =
            restart.map(|it| it.started_at) == before.restart.as_ref().map(|it| it.started_at);
        let refused = self.restarts.get(written.worker);
        let adopted = after.adopted.as_ref().map(|adopted| &adopted.id);
        let is_up = |id| {
            let instance = written.world.instance(id);
            instance.is_some_and(|it| !it.state.is_down())
        };
        let is_held = refused.is_some_and(|(_, id)| adopted == Some(id) && is_up(id));
        if !is_same || !is_held || restart.is_none_or(|it| !it.is_in_flight()) {
            self.restarts.remove(written.worker);
        }
        let left = before.adopted.as_ref().map(|adopted| &adopted.id);
        if left != adopted {
            // A host forgets an instance when a scan leaves it out while it is not adopted.
            let changed = [left, adopted];
            self.heard
                .retain(|(_, id, _), _| !changed.contains(&Some(id)));
        }
        let Some(adopted) = before.adopted.as_ref().filter(|_| !is_forgotten) else {
            return Ok(());
        };
        let is_by_person = restart.is_some_and(|restart| {
            restart.is_in_flight() && restart.request.initiator == Initiator::Person
        });
        let id = &adopted.id;
        let sent = written.permit.map(|permit| permit.mutation());
        let sent = sent.filter(|mutation| ended_by(mutation) == Some(id) && !is_by_person);
        if let Some(mutation) = sent {
            self.check_pause(written, id, mutation.kind(), "sent")?;
        }
        let drains = after.draining.as_ref().filter(|it| &it.instance == id);
        let Some(draining) = drains.filter(|_| before.draining.is_none()) else {
            return Ok(());
        };
        let wanted = match draining.choice {
            reap::Choice::Keep => return Ok(()),
            // A termination may follow in place of the refused stop.
            reap::Choice::End if written.pool.stop_refused == StopRefused::Terminate => {
                return Ok(());
            }
            reap::Choice::End | reap::Choice::Stop => Ending::Stop,
            reap::Choice::Terminate => Ending::Terminate,
        };
        let kind = MutationKind::from(written.pool.compute.ending(wanted));
        self.check_pause(written, id, kind, "drained for")
    }

    /// Checks that the pause after the last refusal is over, if the instance is still in the state
    /// in which its end was refused.
    fn check_pause(
        &self,
        written: &Written<'_>,
        id: &InstanceId,
        kind: MutationKind,
        what: &str,
    ) -> Finding {
        let Some(refused_at) = self.heard.get(&(written.by, id.clone(), kind)) else {
            return Ok(());
        };
        let is_the_same = is_unchanged_since(written.world, id, *refused_at);
        let age = written.at.since(*refused_at);
        match is_the_same && age < PAUSE {
            true => broken(format!(
                "a {kind} of {id} is {what} {age} after the cloud refused it for good"
            )),
            false => Ok(()),
        }
    }

    /// Checks the answer to a caller.
    pub(super) fn answered(&self, at: Instant, worker: &WorkerId, answer: &Resolution) -> Finding {
        let Resolution::NotYet(not_yet) = answer else {
            return Ok(());
        };
        let refused_at = self.restarts.get(worker);
        match refused_at.map(|(refused_at, _)| at.since(*refused_at)) {
            Some(age) if not_yet.code == NotYetCode::Restarting && age > RESTARTING_MAX => {
                broken(format!(
                    "a caller hears of a restart {age} after the cloud refused for good to end the instance"
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the instance did not change its state since shortly before this instant. A host may have
/// read the change a while later.
pub(super) fn is_unchanged_since(world: &World, id: &InstanceId, at: Instant) -> bool {
    /// The age of the oldest reading, the longest query and a pause of a host.
    const READ_LATE: Millis = Millis::from_secs(180);
    let instance = world.instance(id);
    instance.is_some_and(|instance| instance.state_since + READ_LATE < at)
}

/// The instance that the mutation ends.
fn ended_by(mutation: &Mutation) -> Option<&InstanceId> {
    match mutation {
        Mutation::Stop { id, .. }
        | Mutation::Terminate { id, .. }
        | Mutation::Reboot { id, .. } => Some(id),
        _ => None,
    }
}

fn broken(text: String) -> Finding {
    Err((Guarantee::V2, text))
}
