//! Builds the inputs of policies from the facts. Each fact carries its age.

use std::net::IpAddr;

use super::{Act, Failure, KnownInstance, WorkerFacts};
use crate::model::cloud::{Mutation, MutationKind};
use crate::model::compute::LaunchSource;
use crate::model::id::InstanceId;
use crate::model::instance::{InstanceState, Owner};
use crate::model::point::{
    Age, Generation, InstanceFacts, Label, LocalTime, Origin, Tag, Usage, Worker, adopt, debounce,
    reap, resolve, retry_ip,
};
use crate::model::restart::RestartRequest;
use crate::model::spec::RestartBy;
use crate::model::store::Activity;
use crate::model::time::Instant;

/// How many instances a policy is shown at most; the oldest launches are left out. The limit bounds
/// the cost of one policy call.
const SHOWN_MAX: usize = 100;
/// The usage while no instance is adopted.
const NEVER_USED: Usage = Usage {
    handed_out: Age::None,
    last_activity: Age::None,
    heartbeat: Age::None,
    work_in_flight: 0,
    busy_remaining_ms: 0,
};

/// The URL that callers get. An IPv6 address stands in brackets.
pub fn url(ip: IpAddr, port: u16) -> String {
    match ip {
        IpAddr::V4(ip) => format!("http://{ip}:{port}"),
        IpAddr::V6(ip) => format!("http://[{ip}]:{port}"),
    }
}

impl WorkerFacts {
    /// The input of `resolve`: "where is my worker?". `adoption` is the result of `adopt` in this
    /// pass. `memo` is the state that the policy returned last time.
    pub fn resolve_input(
        &self,
        now: Instant,
        adoption: resolve::Adoption,
        memo: String,
    ) -> resolve::Input {
        let adopted = self.adopted_instance();
        let bad_signals = adopted.map(|known| self.bad_signals(known, now));
        let notices = adopted.map(|known| self.notices(&known.instance.id, now));
        resolve::Input {
            worker: self.worker_input(now),
            asker: match self.asking.has_callers {
                true => resolve::Asker::Caller,
                false => resolve::Asker::Host,
            },
            pointer: self.shown_pointer(now),
            adopted: match &self.adopted {
                Some(adopted) if !self.is_long_gone(&adopted.id) => {
                    resolve::Adopted::Instance(adopted.id.clone())
                }
                Some(_) | None => resolve::Adopted::None,
            },
            instances: self.shown_instances(now),
            scanned: Age::at(now, self.scanned_at),
            adoption,
            in_flight: self.in_flight_fact(now),
            failures: self.failures.iter().map(|it| failure(it, now)).collect(),
            capacity_options: u32::try_from(self.pool.launch.len()).unwrap_or(u32::MAX),
            unserved: self.unserved_in_row,
            ended_elsewhere: self.ended_elsewhere_in_row(),
            bad_signals: bad_signals.unwrap_or_default(),
            notices: notices.unwrap_or_default(),
            demand: self.demand_fact(now),
            settings: String::new(),
            memo,
        }
    }

    /// The input of `adopt`: "which running instance should the host adopt?".
    pub fn adopt_input(&self, now: Instant) -> adopt::Input {
        let candidates = self.candidates().into_iter().take(SHOWN_MAX);
        adopt::Input {
            worker: self.worker_input(now),
            candidates: candidates
                .map(|known| adopt::Candidate {
                    facts: facts(known, now),
                    origin: self.origin(known),
                    generation: self.generation_shown(known),
                    outdated: self.is_outdated(known),
                    bad_signals: self.bad_signals(known, now),
                    tags: self.shown_tags(known),
                })
                .collect(),
            settings: String::new(),
        }
    }

    /// The role of the instance for the worker.
    pub(crate) fn role_of(&self, id: &InstanceId) -> reap::Role {
        match &self.adopted {
            None => reap::Role::Unclaimed,
            Some(adopted) if &adopted.id == id => reap::Role::Adopted,
            Some(_) => reap::Role::Orphan,
        }
    }

    /// The input of `reap`: "may this instance be stopped?". `None` if the instance is not known.
    /// `memo` is the state that the policy returned last time for this instance.
    pub fn reap_input(&self, now: Instant, id: &InstanceId, memo: String) -> Option<reap::Input> {
        let known = self.instances.get(id)?;
        Some(reap::Input {
            worker: self.worker_input(now),
            instance: facts(known, now),
            role: self.role_of(id),
            origin: self.origin(known),
            generation: self.generation_shown(known),
            outdated: self.is_outdated(known),
            usage: self.usage(id, now),
            demand: self.demand_fact(now),
            bad_signals: self.bad_signals(known, now),
            notices: self.notices(id, now),
            tags: self.shown_tags(known),
            settings: String::new(),
            memo,
        })
    }

    /// The input of `debounce`: "a restart is asked for; do it?". `dropped` counts the requests
    /// that were dropped since the latest restart began.
    pub fn debounce_input(
        &self,
        now: Instant,
        request: &RestartRequest,
        dropped: u32,
    ) -> debounce::Input {
        let latest = self.restart.as_ref();
        let adopted = self.adopted_instance();
        let id = adopted.map(|known| &known.instance.id);
        let allowed = RestartBy::allowed(&self.pool.compute);
        debounce::Input {
            worker: self.worker_input(now),
            cause: request.cause.clone(),
            last_started: Age::at(now, latest.map(|restart| restart.started_at)),
            in_flight: self.is_restarting(),
            same_cause: latest.is_some_and(|restart| restart.request.cause == request.cause),
            dropped,
            deferred: self.deferred.is_some(),
            usage: id.map_or(NEVER_USED, |id| self.usage(id, now)),
            bad_signals: adopted.map_or_else(Vec::new, |known| self.bad_signals(known, now)),
            notices: id.map_or_else(Vec::new, |id| self.notices(id, now)),
            kinds: debounce::Kinds {
                reboot: allowed.contains(&RestartBy::Reboot),
                stop_start: allowed.contains(&RestartBy::StopStart),
                replace: allowed.contains(&RestartBy::Replace),
            },
            kind: request.kind.unwrap_or(self.pool.restart_by),
            settings: String::new(),
        }
    }

    /// The input of `retry-ip`: "it runs without an address; look again?", after this many readings
    /// without an address, the first of which was asked for at `since`. `None` if the instance is
    /// not known.
    pub(crate) fn retry_ip_input(
        &self,
        now: Instant,
        id: &InstanceId,
        tries: u32,
        since: Instant,
    ) -> Option<retry_ip::Input> {
        Some(retry_ip::Input {
            worker: self.worker_input(now),
            instance: facts(self.instances.get(id)?, now),
            tries,
            waited_ms: now.since(since).saturating_u32(),
            unserved: self.unserved_in_row,
            settings: String::new(),
        })
    }

    /// The worker as every input shows it. The context of the step adds how many others are up.
    fn worker_input(&self, now: Instant) -> Worker {
        let shown = self.pool.policy_labels.iter();
        let labels = shown.filter_map(|key| {
            let value = self.spec.labels.get(key)?.clone();
            Some(Label {
                key: key.clone(),
                value,
                others_up: 0,
            })
        });
        Worker {
            name: self.id.to_string(),
            labels: labels.collect(),
            wish: self.spec.wish,
            now: local_time(now, self.pool.utc_offset.at(now)),
        }
    }

    /// The signs that the instance is in use. Boxes report for the adopted one only.
    fn usage(&self, id: &InstanceId, now: Instant) -> Usage {
        let is_adopted = self.is_adopted(id);
        let activity = match is_adopted {
            true => self.record.activity(),
            false => Activity::default(),
        };
        let handed_out = self.handed_out_at(id);
        let last_activity = handed_out
            .max(activity.delivered_at)
            .max(activity.processed_at)
            .max(self.asked_at.filter(|_| is_adopted))
            .max(self.heartbeat_as_use().filter(|_| is_adopted));
        let work_in_flight = if is_adopted { self.work_in_flight() } else { 0 };
        let busy_remaining = activity.busy_until.map(|until| until.since(now));
        Usage {
            handed_out: Age::at(now, handed_out),
            last_activity: Age::at(now, last_activity),
            heartbeat: Age::at(now, activity.heartbeat_at),
            work_in_flight: u32::try_from(work_in_flight).unwrap_or(u32::MAX),
            busy_remaining_ms: busy_remaining.unwrap_or_default().saturating_u32(),
        }
    }

    fn origin(&self, known: &KnownInstance) -> Origin {
        match self.owner(&known.instance) {
            Owner::Ours => Origin::Ours,
            Owner::Unclaimed | Owner::Foreign(_) => Origin::Unclaimed,
        }
    }

    /// The attempt that the instance belongs to, by the record or by its tags.
    fn generation_shown(&self, known: &KnownInstance) -> Generation {
        let of_record = self.adopted.iter().find(|it| it.id == known.instance.id);
        let of_record = of_record.map(|adopted| adopted.generation);
        let by_tags = || known.instance.generation_for(&self.fleet, &self.id);
        match of_record.or_else(by_tags) {
            Some(generation) => {
                Generation::Number(u32::try_from(generation.get()).unwrap_or(u32::MAX))
            }
            None => Generation::Unknown,
        }
    }

    /// Whether the instance was launched from a template that is none of the pool's. EC2 tags each
    /// instance with the id of its template, so a pool that names its templates otherwise is not told.
    fn is_outdated(&self, known: &KnownInstance) -> bool {
        const TAG_TEMPLATE: &str = "aws:ec2launchtemplate:id";
        let Some(of) = known.instance.tags.get(TAG_TEMPLATE) else {
            return false;
        };
        let mut templates = self.pool.launch.iter().filter_map(LaunchSource::template);
        let are_ids = templates
            .clone()
            .all(|template| template.starts_with("lt-"));
        !self.pool.launch.is_empty() && are_ids && !templates.any(|template| template == of)
    }

    /// The capacity option of the launch under way; 0 if there is none, or its source is no option of
    /// the pool any longer.
    pub(crate) fn capacity_option_tried(&self) -> u32 {
        let tried = self.attempt.as_ref().map(|attempt| &attempt.mutation);
        let Some(Mutation::Launch { source: tried, .. }) = tried else {
            return 0;
        };
        // The launch names the version of its template, and the option may not.
        let is_tried = |source: &LaunchSource| {
            source == tried
                || source
                    .template()
                    .is_some_and(|it| Some(it) == tried.template())
        };
        let place = self.pool.launch.iter().position(is_tried);
        place
            .and_then(|at| u32::try_from(at).ok())
            .unwrap_or_default()
    }

    /// The launch under way as an act that may be refused.
    pub(crate) fn launch_act(&self) -> Act {
        Act::Launch(self.capacity_option_tried())
    }

    fn shown_instances(&self, now: Instant) -> Vec<InstanceFacts> {
        let mut shown: Vec<_> = self
            .newest_first()
            .into_iter()
            .filter(|known| self.owns(&known.instance.id))
            .filter(|known| !self.is_hidden(&known.instance.id, now))
            .take(SHOWN_MAX)
            .map(|known| facts(known, now))
            .collect();
        // The instances that the pointer and the record name are shown even before their first
        // reading.
        for id in [
            self.subject(),
            self.pointer.as_ref().and_then(Option::as_ref),
        ]
        .into_iter()
        .flatten()
        .filter(|id| !self.is_known_outside(id) && !self.is_hidden(id, now))
        {
            if !shown.iter().any(|facts| &facts.id == id) {
                shown.push(unread(id.clone()));
            }
        }
        shown
    }

    fn shown_tags(&self, known: &KnownInstance) -> Vec<Tag> {
        let wanted = self.pool.policy_tags.iter();
        wanted
            .filter_map(|key| {
                let value = known.instance.tags.get(key)?.clone();
                Some(Tag {
                    key: key.clone(),
                    value,
                })
            })
            .collect()
    }

    pub(crate) fn in_flight_fact(&self, now: Instant) -> resolve::InFlight {
        if let Some(since) = self.start_settles_since() {
            return resolve::InFlight::Starting(now.since(since).saturating_u32());
        }
        if let Some(attempt) = &self.attempt {
            return resolve::InFlight::Launching(now.since(attempt.since).saturating_u32());
        }
        let Some(in_flight) = &self.in_flight else {
            return resolve::InFlight::Nothing;
        };
        let since_ms = now.since(in_flight.since).saturating_u32();
        match in_flight.kind {
            MutationKind::Launch => resolve::InFlight::Launching(since_ms),
            MutationKind::Start => resolve::InFlight::Starting(since_ms),
            MutationKind::Stop | MutationKind::Terminate => resolve::InFlight::Stopping(since_ms),
            // The instance stays `running`, and callers hear of the restart.
            MutationKind::Reboot | MutationKind::WritePointer => resolve::InFlight::Nothing,
        }
    }
}

fn facts(known: &KnownInstance, now: Instant) -> InstanceFacts {
    InstanceFacts {
        id: known.instance.id.clone(),
        state: known.instance.state,
        observed: Age::at(now, known.read_at),
        in_state: Age::at(now, Some(known.in_state_since)),
        launched: Age::at(now, known.instance.launched_at),
        addresses: known.instance.addresses(),
    }
}

fn failure(failure: &Failure, now: Instant) -> resolve::Failure {
    resolve::Failure {
        act: failure.act,
        capacity_option: failure.capacity_option,
        kind: failure.kind,
        ago_ms: now.since(failure.at).saturating_u32(),
        count: failure.count,
    }
}

fn unread(id: InstanceId) -> InstanceFacts {
    InstanceFacts {
        id,
        state: InstanceState::Unknown,
        observed: Age::None,
        in_state: Age::None,
        launched: Age::None,
        addresses: Default::default(),
    }
}

/// The weekday, hour and minute at `now`, which counts from the Unix epoch (a Thursday).
fn local_time(now: Instant, utc_offset_min: i16) -> LocalTime {
    const MINUTES_A_DAY: i64 = 24 * 60;
    let utc_min = i64::try_from(now.as_ms() / 60_000).unwrap_or(i64::MAX / 2);
    let local_min = utc_min + i64::from(utc_offset_min);
    let minute_of_day = local_min.rem_euclid(MINUTES_A_DAY);
    let day = local_min.div_euclid(MINUTES_A_DAY);
    // Each remainder is below the bound of its type, so the conversions lose nothing.
    LocalTime {
        weekday: (day + 3).rem_euclid(7) as u8 + 1,
        hour: (minute_of_day / 60) as u8,
        minute: (minute_of_day % 60) as u8,
        offset_min: utc_offset_min,
    }
}
