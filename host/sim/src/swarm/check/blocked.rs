//! V3: one way blocked, take the next. A host that has seen a start fail as often as the pool allows
//! lets the instance rest, so that another one is launched. After a capacity option without capacity
//! it tries the other one. After a stop that is refused for good it terminates where the pool allows
//! it, and else tells people once.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::LaunchSource;
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::instance::{InstanceState, StateReason, TAG_WORKER};
use reeve_core::notice::{Notice, Step};
use reeve_core::point::reap;
use reeve_core::restart::{Restart, RestartStage};
use reeve_core::spec::{PoolSpec, StopRefused};
use reeve_core::store::{How, Stored};
use reeve_core::time::{Instant, Millis};

use super::refused::is_unchanged_since;
use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Heard, Written, is_ours};
use crate::engine::Life;
use crate::swarm::fault::Fault;
use crate::swarm::options::Options;
use crate::world::SimInstance;

/// The first pause of a start that a host has given up. It doubles with each further failure.
const REST_FIRST: Millis = Millis::from_secs(60);
/// The longest pause.
const REST_MAX: Millis = Millis::from_secs(3_600);
/// The standard policies' longest pause of a capacity option.
const OPTION_RESTS_MAX: Millis = Millis::from_secs(600);
/// Their first pause.
const OPTION_RESTS: Millis = Millis::from_secs(60);

/// The failures that each life of a host has seen.
pub(super) struct Blocked {
    /// Whether no policy answers at random: the choice of an option is a policy's.
    options_are_chosen: bool,
    /// Whether every write of the store is answered. A host that does not know whether its write
    /// arrived reads the record again, which may be without the last failed start.
    starts_are_kept: bool,
    starts: BTreeMap<(Life, WorkerId, InstanceId), Starts>,
    /// When the capacity options of a worker were last refused for want of capacity, and which life
    /// of a host heard so, by template.
    options: ByWorker<BTreeMap<String, (Instant, Life)>>,
    /// The ends that were refused for good, each by the last refusal in a row.
    ends: BTreeMap<(Life, WorkerId, InstanceId, MutationKind), Instant>,
    /// Refusals that people must hear of, before anything else happens.
    untold: BTreeSet<(Life, InstanceId)>,
    /// Workers that were cleared with `forget`. Which hosts count their refused ends anew is not seen
    /// here.
    forgotten: BTreeSet<WorkerId>,
    /// Instances whose refused ends some hosts may count anew: those that were stopped, whose next life
    /// has none, and those that were not adopted, which a host forgets when a scan leaves them out.
    unclear: BTreeSet<InstanceId>,
}

/// The starts of an instance that have failed in a row.
#[derive(Clone, Copy)]
struct Starts {
    failed: u32,
    first_failed_at: Instant,
    failed_at: Instant,
    /// When the last start was announced whose outcome has not been seen.
    open_since: Option<Instant>,
}

impl Blocked {
    pub(super) fn new(options: &Options) -> Self {
        let faults = |of: &[Fault]| of.iter().any(|fault| options.faults.contains(fault));
        Self {
            options_are_chosen: !faults(&[Fault::PolicyLies, Fault::PoolPoliciesFail]),
            starts_are_kept: !faults(&[
                Fault::StoreFails,
                Fault::StoreReplyLost,
                Fault::StoreDown,
                Fault::RecordUnreadable,
            ]),
            starts: BTreeMap::new(),
            options: BTreeMap::new(),
            ends: BTreeMap::new(),
            untold: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            unclear: BTreeSet::new(),
        }
    }

    /// Notes that an instance has its address, so that its start succeeded.
    pub(super) fn came_up(&mut self, id: &InstanceId) {
        self.starts.retain(|(_, _, of), _| of != id);
    }

    /// Notes that an instance is stopped: its next life begins without refusals.
    pub(super) fn stopped(&mut self, id: &InstanceId) {
        self.unclear.insert(id.clone());
    }

    /// Whether some hosts may count the refused ends of the instance anew, and others not.
    fn is_unclear(&self, worker: &WorkerId, id: &InstanceId) -> bool {
        self.forgotten.contains(worker) || self.unclear.contains(id)
    }

    /// Notes that a host has given a start up: it launches, whichever option failed before.
    pub(super) fn gave_start_up(&mut self, worker: &WorkerId) {
        self.options.remove(worker);
    }

    /// Notes that hosts count a worker's failures anew.
    pub(super) fn counted_anew(&mut self, worker: &WorkerId) {
        self.starts.retain(|(_, of, _), _| of != worker);
        self.options.remove(worker);
        self.ends.retain(|(_, of, _, _), _| of != worker);
        self.forgotten.insert(worker.clone());
    }

    /// Checks a written record.
    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
        self.check_untold(written.by)?;
        // Another host may take over what this one counted, or have seen the instance come up.
        self.starts
            .retain(|(life, of, _), _| *life == written.by || of != written.worker);
        let (before, after) = (&written.before.record, &written.write.record);
        let launched = after.adopted.as_ref().filter(|it| it.how == How::Launched);
        if launched.is_some() && before.adopted.as_ref() != launched {
            // Also an instance that a launch brought up whose answer was lost.
            self.options.remove(written.worker);
        }
        match written.permit.map(|permit| permit.mutation()) {
            Some(Mutation::Start { id, .. }) => self.check_start(written, id),
            Some(launch @ Mutation::Launch { source, .. }) => {
                let intent = written.before.record.intent.as_ref();
                match intent.is_some_and(|intent| &intent.mutation == launch) {
                    // A launch whose outcome is not known is sent again as it was.
                    true => Ok(()),
                    false => self.check_option(written, source),
                }
            }
            Some(Mutation::Stop { id, .. }) => self.check_stop(written, id),
            _ => Ok(()),
        }
    }

    /// Checks that a start does not follow too soon on the failures that give it up.
    fn check_start(&mut self, written: &Written<'_>, id: &InstanceId) -> Finding {
        let key = (written.by, written.worker.clone(), id.clone());
        let starts = self.starts.entry(key).or_insert(Starts {
            failed: 0,
            first_failed_at: written.at,
            failed_at: written.at,
            open_since: None,
        });
        let fell_back_at = starts
            .open_since
            .and_then(|since| fell_back(written.world.instance(id)?, since));
        if let Some(at) = fell_back_at {
            starts.fail(at);
        }
        starts.open_since = Some(written.at);
        let limits = &written.pool.limits;
        let tried_for = starts.failed_at.since(starts.first_failed_at);
        let is_given_up = starts.failed >= limits.start_failures_max
            || (starts.failed > 0 && tried_for >= limits.start_give_up + CLOCKS_APART);
        let more = starts.failed.saturating_sub(limits.start_failures_max);
        let rest = Millis::new(REST_FIRST.get() << more.min(6)).min(REST_MAX);
        let age = written.at.since(starts.failed_at);
        match self.starts_are_kept && is_given_up && age + CLOCKS_APART < rest {
            true => broken(format!(
                "{id} is started again {age} after start {} in a row failed; the pool allows {} and has it rest for {rest}",
                starts.failed, limits.start_failures_max
            )),
            false => Ok(()),
        }
    }

    /// Checks that a launch does not use an option that has just been without capacity, while
    /// another one is untried.
    fn check_option(&self, written: &Written<'_>, source: &LaunchSource) -> Finding {
        let refused = self.options.get(written.worker);
        let (Some(refused), Some(template)) = (refused, source.template()) else {
            return Ok(());
        };
        let is_refused = refused.get(template).is_some_and(|(at, by)| {
            *by == written.by
                && written.at.since(*at) + CLOCKS_APART < OPTION_RESTS
                && !has_launched_since(written, *at)
        });
        let Some(untried) = untried(written.pool, refused, written.at) else {
            return Ok(());
        };
        match is_refused && self.options_are_chosen {
            true => broken(format!(
                "{template} is without capacity and is launched from again; {untried} was not tried"
            )),
            false => Ok(()),
        }
    }

    /// Checks that a stop that was refused for good is not sent again where the pool has the
    /// instance terminated.
    fn check_stop(&self, written: &Written<'_>, id: &InstanceId) -> Finding {
        let kind = MutationKind::Stop;
        let key = (written.by, written.worker.clone(), id.clone(), kind);
        let refused_at = self.ends.get(&key);
        let (Some(refused_at), Some(instance)) = (refused_at, written.world.instance(id)) else {
            return Ok(());
        };
        let (before, after) = (&written.before.record, &written.write.record);
        let is_adopted = before.adopted.as_ref().is_some_and(|it| &it.id == id);
        // A host forgets one that is not when a scan leaves it out.
        let is_unclear = !is_adopted || self.is_unclear(written.worker, id);
        let may_terminate = written.pool.stop_refused == StopRefused::Terminate
            && (is_ours(instance) || written.pool.terminate_adopted);
        let restarts = before.restart.iter().chain(&after.restart);
        let by_restart = restarts
            .filter(|it| it.is_in_flight())
            .any(|it| it.instance.as_ref() == Some(id));
        let draining = before.draining.as_ref().filter(|it| &it.instance == id);
        let is_chosen = draining.is_some_and(|it| it.choice == reap::Choice::Stop);
        let is_the_same = is_unchanged_since(written.world, id, *refused_at);
        if !may_terminate || by_restart || is_chosen || !is_the_same || is_unclear {
            return Ok(());
        }
        broken(format!(
            "a stop of {id} is sent again {} after the cloud refused it for good; the pool has it terminated",
            written.at.since(*refused_at)
        ))
    }

    /// Notes the outcome of a mutation; `truth` is the worker's record then.
    pub(super) fn heard(&mut self, at: Instant, heard: &Heard<'_>, truth: &Stored) -> Finding {
        self.check_untold(heard.by)?;
        let (by, worker) = (heard.by, heard.worker);
        let error = heard.result.as_ref().err().map(|error| error.kind);
        match heard.mutation {
            Mutation::Start { id, .. } => {
                let key = (by, worker.clone(), id.clone());
                if error.is_none() {
                    self.options.remove(worker);
                }
                let Some(starts) = self.starts.get_mut(&key) else {
                    return Ok(());
                };
                // A rate limit says nothing about the instance.
                let counts =
                    |it: CloudErrorKind| it.is_refusal() && it != CloudErrorKind::Throttled;
                match error {
                    Some(error) if counts(error) => starts.fail(at),
                    Some(error) if error.is_definite() => starts.open_since = None,
                    _ => {}
                }
            }
            Mutation::Launch { source, .. } => {
                let options = self.options.entry(worker.clone()).or_default();
                match (error, source.template()) {
                    (None, _) => options.clear(),
                    (Some(CloudErrorKind::NoCapacity), Some(template)) => {
                        options.insert(template.to_owned(), (at, by));
                    }
                    _ => {}
                }
            }
            Mutation::Stop { id, .. } | Mutation::Terminate { id, .. } => {
                let is_for_good = error.is_some_and(CloudErrorKind::is_for_good);
                let key = (by, worker.clone(), id.clone(), heard.mutation.kind());
                let before = match error {
                    Some(_) if is_for_good => self.ends.insert(key, at),
                    // A call that was not sent, or not answered, says nothing.
                    Some(error) if !error.is_refusal() => None,
                    _ => self.ends.remove(&key),
                };
                let record = &truth.record;
                let is_awaited = record.lease == Some(by.id())
                    && record.intent.as_ref().map(|intent| &intent.mutation)
                        == Some(heard.mutation);
                let is_ending = |it: &Restart| {
                    it.stage == RestartStage::Ending && it.instance.as_ref() == Some(id)
                };
                let by_restart = record.restart.as_ref().is_some_and(is_ending);
                let adopted = record.adopted.as_ref().map(|adopted| &adopted.id);
                if adopted != Some(id) {
                    self.unclear.insert(id.clone());
                }
                let is_first = before.is_none() && !self.is_unclear(worker, id);
                if is_for_good && is_awaited && !by_restart && is_first {
                    self.untold.insert((by, id.clone()));
                }
            }
            Mutation::Reboot { .. } | Mutation::WritePointer { .. } => {}
        }
        Ok(())
    }

    /// Checks a notice: one refusal is told once.
    pub(super) fn announced(&mut self, by: Life, notice: &Notice) -> Finding {
        let id = notice.fields.iter().find(|(key, _)| key == "instance_id");
        let Some((_, id)) = id.filter(|_| notice.step == Step::EndRefused) else {
            return Ok(());
        };
        let instance = InstanceId::from(id.as_str());
        let is_unclear = self.is_unclear(&notice.worker, &instance);
        match self.untold.remove(&(by, instance)) || is_unclear {
            true => Ok(()),
            false => broken(format!("people hear again that {id} cannot be ended")),
        }
    }

    fn check_untold(&mut self, by: Life) -> Finding {
        let untold = self.untold.iter().find(|(life, _)| *life == by);
        match untold {
            None => Ok(()),
            Some((_, id)) => broken(format!("no notice says that the cloud refuses to end {id}")),
        }
    }
}

impl Starts {
    fn fail(&mut self, at: Instant) {
        if self.failed == 0 {
            self.first_failed_at = at;
        }
        self.failed += 1;
        self.failed_at = at;
        self.open_since = None;
    }
}

/// When a start that was announced at `since` ended in `stopped` by itself; `None` if it did not.
fn fell_back(instance: &SimInstance, since: Instant) -> Option<Instant> {
    let by_request = instance
        .state_reason
        .as_ref()
        .is_some_and(StateReason::is_by_request);
    let is_down = instance.state == InstanceState::Stopped && instance.launched_at >= since;
    (is_down && !by_request).then_some(instance.state_since)
}

/// Whether a launch for the worker was carried out after this, also if its answer was lost and its
/// instance has ended.
fn has_launched_since(written: &Written<'_>, at: Instant) -> bool {
    let mut ours = written.world.instances().filter(|it| is_ours(it));
    ours.any(|it| {
        let worker = it.tags.get(TAG_WORKER).map(String::as_str);
        worker == Some(written.worker.as_str()) && it.launched_at > at
    })
}

/// A capacity option that was not refused within the longest pause of one.
fn untried<'a>(
    pool: &'a PoolSpec,
    refused: &BTreeMap<String, (Instant, Life)>,
    at: Instant,
) -> Option<&'a str> {
    let templates = pool.launch.iter().filter_map(LaunchSource::template);
    let rests = |template: &str| {
        let refused_at = refused.get(template);
        refused_at.is_some_and(|(it, _)| at.since(*it) < OPTION_RESTS_MAX + CLOCKS_APART)
    };
    templates.into_iter().find(|template| !rests(template))
}

fn broken(text: String) -> Finding {
    Err((Guarantee::V3, text))
}
