//! The cloud as hosts see it: the simulated world behind late readings, empty token buckets, lost
//! requests and lost replies. The world is the true state; a reading may differ from it.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, Outcome, Query, Reading};
use reeve_core::id::InstanceId;
use reeve_core::instance::{Instance, TAG_FLEET};
use reeve_core::time::{Instant, Millis};

use super::buckets::{Api, Buckets};
use super::chance::{Chance, Stream};
use super::fault::Fault;
use crate::world::{Boot, EventKind, Trouble, World, WorldEvent};

/// A new instance may be missing from a tag scan for this long, and from a look-up by id for twice
/// as long.
const FRESH: Millis = Millis::from_secs(60);
/// The age of the oldest reading.
const LAG_MS_MAX: u64 = 10_000;
/// Longer than any run.
const FOREVER: Millis = Millis::from_secs(1_000_000);
/// Readings kept of each instance: more than change within the longest lag.
const PAST_MAX: usize = 12;

/// The world, and the faults between the world and the hosts.
pub(super) struct Clouds {
    pub(super) world: World,
    /// The readings of each instance, each with the time of its change, oldest first.
    past: BTreeMap<InstanceId, Vec<(Instant, Instance)>>,
    /// Old readings that tag scans still show, and until when.
    frozen: BTreeMap<InstanceId, (Instance, Instant)>,
    buckets: Buckets,
    down_until: Instant,
    pointers_down_until: Instant,
    /// Values of the workers' tag. A scan for one of them is refused.
    unscannable: BTreeSet<String>,
}

/// The result of a mutation.
pub(super) struct Changed {
    /// The response that the host gets.
    pub(super) result: Result<Outcome, CloudError>,
    /// Whether the mutation reached the world.
    pub(super) arrived: bool,
    /// How much later than usual the host gets the response.
    pub(super) later: Millis,
}

impl Clouds {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            past: BTreeMap::new(),
            frozen: BTreeMap::new(),
            buckets: Buckets::default(),
            down_until: Instant::default(),
            pointers_down_until: Instant::default(),
            unscannable: BTreeSet::new(),
        }
    }

    /// Lets the API fail until `until`.
    pub(super) fn take_down(&mut self, until: Instant) {
        self.down_until = until;
    }

    /// Lets every reading of a pointer fail until `until`.
    pub(super) fn take_pointers_down(&mut self, until: Instant) {
        self.pointers_down_until = self.pointers_down_until.max(until);
    }

    /// Refuses every scan for one of these values of the workers' tag.
    pub(super) fn refuse_scans(&mut self, tag_values: BTreeSet<String>) {
        self.unscannable.extend(tag_values);
    }

    /// Whether no pointer can be read.
    pub(super) fn pointers_are_down(&self, now: Instant) -> bool {
        now < self.pointers_down_until
    }

    /// Lets other users of the account empty its buckets until `until`.
    pub(super) fn drain_buckets(&mut self, until: Instant) {
        self.buckets.drain(until);
    }

    /// Keeps a reading of each instance that changed.
    pub(super) fn note(&mut self, events: &[WorldEvent]) {
        for event in events {
            let now = self
                .world
                .instances()
                .find(|instance| instance.id == event.id);
            let Some(now) = now.map(|instance| instance.reading()) else {
                continue;
            };
            let past = self.past.entry(event.id.clone()).or_default();
            if past.len() == PAST_MAX {
                past.remove(0);
            }
            past.push((event.at, now));
        }
    }

    /// Answers a query.
    pub(super) fn query(
        &mut self,
        now: Instant,
        query: &Query,
        chance: &mut Chance,
    ) -> Result<Reading, CloudError> {
        let operation = operation_of(query);
        self.refused(now, Api::of_query(query), operation, chance)?;
        if chance.happens(Fault::QueryFails) {
            return Err(transient(operation, "InternalError"));
        }
        match query {
            Query::Scan { tag_values, .. }
                if tag_values.iter().any(|tag| self.unscannable.contains(tag)) =>
            {
                let code = "UnauthorizedOperation";
                Err(error(operation, CloudErrorKind::Denied, code))
            }
            Query::Pointer { .. } if self.pointers_are_down(now) => {
                let code = "AccessDeniedException";
                Err(error(operation, CloudErrorKind::Denied, code))
            }
            Query::Demand { metrics, .. } => {
                let metrics = metrics.values();
                let partial = metrics
                    .filter(|_| chance.happens(Fault::PartialMetrics))
                    .map(|metric| metric.instance.clone());
                let partial_metrics = partial.collect();
                self.world.set_trouble(Trouble {
                    partial_metrics,
                    ..Trouble::default()
                });
                self.world.query(query)
            }
            _ => {
                let reading = self.world.query(query)?;
                Ok(self.as_seen(now, reading, chance))
            }
        }
    }

    /// The reading that a host gets instead of the true one.
    fn as_seen(&mut self, now: Instant, reading: Reading, chance: &mut Chance) -> Reading {
        match reading {
            Reading::Instance(truth) => {
                let is_fresh = self.age(now, &truth) < FRESH + FRESH;
                if is_fresh && chance.happens(Fault::NotFoundAfterLaunch) {
                    return Reading::Instance(Instance::not_visible(truth.id));
                }
                let id = truth.id.clone();
                let seen = self.of_late(now, truth, chance);
                Reading::Instance(seen.unwrap_or_else(|| Instance::not_visible(id)))
            }
            Reading::Scan(found) => {
                let mut seen: Vec<_> = found
                    .into_iter()
                    .filter(|truth| self.age(now, truth) >= FRESH || !chance.happens(Fault::TagLag))
                    .collect();
                seen = seen
                    .into_iter()
                    .filter_map(|truth| {
                        let seen = self.of_late(now, truth, chance)?;
                        Some(self.of_frozen_scan(now, seen, chance))
                    })
                    .collect();
                if !seen.is_empty() && chance.happens(Fault::PartialScan) {
                    seen.remove(chance.pick(Stream::Detail, seen.len()));
                }
                Reading::Scan(seen)
            }
            other => other,
        }
    }

    /// The true reading, or an older one; `None`: the instance did not exist then.
    fn of_late(&self, now: Instant, truth: Instance, chance: &mut Chance) -> Option<Instance> {
        if !chance.happens(Fault::StaleReading) {
            return Some(truth);
        }
        let lag = chance.between(Stream::Detail, 200, LAG_MS_MAX);
        let as_of = Instant::from_ms(now.as_ms() - lag);
        let past = self.past.get(&truth.id)?;
        let then = past.iter().rev().find(|(since, _)| *since <= as_of);
        then.map(|(_, reading)| reading.clone())
    }

    /// The reading of an instance in a scan, which may be frozen for a while.
    fn of_frozen_scan(&mut self, now: Instant, seen: Instance, chance: &mut Chance) -> Instance {
        if let Some((then, until)) = self.frozen.get(&seen.id)
            && now < *until
        {
            return then.clone();
        }
        if seen.state.is_live() && chance.happens(Fault::FrozenScan) {
            let until = now + chance.millis(Stream::Detail, 10_000, 180_000);
            self.frozen.insert(seen.id.clone(), (seen.clone(), until));
        }
        seen
    }

    fn age(&self, now: Instant, instance: &Instance) -> Millis {
        let past = self.past.get(&instance.id).and_then(|past| past.first());
        past.map_or(Millis::ZERO, |(since, _)| now.since(*since))
    }

    /// Carries a mutation out, or not, and returns the response that the host gets.
    pub(super) fn mutate(
        &mut self,
        now: Instant,
        mutation: &Mutation,
        chance: &mut Chance,
    ) -> Changed {
        let operation = mutation.kind().to_string();
        if let Err(error) = self.refused(now, Api::of_mutation(mutation), &operation, chance) {
            return Changed::at_once(Err(error), false);
        }
        if let Some(error) = self.refused_by_chance(mutation, &operation, chance) {
            return Changed::at_once(Err(error), false);
        }
        if chance.happens(Fault::RequestLost) {
            return Changed {
                result: Err(transient(&operation, "Timeout")),
                arrived: false,
                later: chance.millis(Stream::Detail, 5_000, 60_000),
            };
        }
        self.prepare(mutation, chance);
        let result = self.world.apply(mutation);
        if chance.happens(Fault::Duplicate) {
            // No host gets the response to the duplicate.
            let _ = self.world.apply(mutation);
        }
        if result.is_ok() && chance.happens(Fault::ReplyLost) {
            return Changed {
                result: Err(transient(&operation, "Timeout")),
                arrived: true,
                later: chance.millis(Stream::Detail, 5_000, 60_000),
            };
        }
        Changed::at_once(result, true)
    }

    /// Draws how long the boot, the reboot or the stop of this mutation takes.
    fn prepare(&mut self, mutation: &Mutation, chance: &mut Chance) {
        if let Mutation::Launch { .. } = mutation {
            let are_one_time = chance.happens(Fault::OneTimeSpot);
            self.world.set_launches_one_time_spot(are_one_time);
        }
        match mutation {
            Mutation::Launch { .. } | Mutation::Start { .. } => {
                let slow = chance.happens(Fault::SlowBoot);
                let late = chance.happens(Fault::LateAddress);
                // Only what the host may terminate gets stuck: the rest is left to people.
                let is_ours = match mutation {
                    Mutation::Start { id, .. } => self
                        .world
                        .instance(id)
                        .is_some_and(|instance| instance.tags.contains_key(TAG_FLEET)),
                    _ => true,
                };
                let stuck = chance.happens(Fault::StuckPending) && is_ours;
                let never = chance.happens(Fault::NoAddressEver) && is_ours;
                if matches!(mutation, Mutation::Start { .. })
                    && chance.happens(Fault::StartFallsBack)
                {
                    let after = chance.millis(Stream::Detail, 1_000, 60_000);
                    self.world.set_next_fall_back(after);
                }
                let pending = match slow {
                    _ if stuck => FOREVER,
                    true => chance.millis(Stream::Detail, 20_000, 180_000),
                    false => chance.millis(Stream::Detail, 12_000, 20_000),
                };
                let address_after = match late {
                    _ if never => FOREVER,
                    true => chance.millis(Stream::Detail, 5_000, 60_000),
                    false => chance.millis(Stream::Detail, 0, 5_000),
                };
                self.world.set_next_boot(Boot {
                    pending,
                    address_after,
                });
            }
            Mutation::Stop { compute, .. } | Mutation::Terminate { compute, .. } => {
                let slow = chance.happens(Fault::SlowStop);
                // A container has two minutes at the most (ECS task definition, `stopTimeout`).
                let slowest = if compute.is_ec2() { 1_200_000 } else { 120_000 };
                let is_stop = matches!(mutation, Mutation::Stop { .. });
                let stuck = is_stop && chance.happens(Fault::StuckStopping);
                let stop = match slow {
                    _ if stuck => FOREVER,
                    true => chance.millis(Stream::Detail, 40_000, slowest),
                    false => chance.millis(Stream::Detail, 5_000, 40_000),
                };
                self.world.set_next_stop(stop);
            }
            Mutation::Reboot { .. } => {
                let length = match chance.happens(Fault::RebootHangs) {
                    true if chance.percent(Stream::Detail, 50) => FOREVER,
                    true => chance.millis(Stream::Detail, 60_000, 700_000),
                    false => chance.millis(Stream::Detail, 15_000, 60_000),
                };
                self.world.set_next_reboot(length);
            }
            Mutation::WritePointer { .. } => {}
        }
    }

    fn refused(
        &mut self,
        now: Instant,
        api: Api,
        operation: &str,
        chance: &mut Chance,
    ) -> Result<(), CloudError> {
        if now < self.down_until {
            return Err(transient(operation, "ServiceUnavailable"));
        }
        if self.buckets.take(api, now) {
            return Ok(());
        }
        chance.count(Fault::Throttled);
        Err(error(
            operation,
            CloudErrorKind::Throttled,
            "RequestLimitExceeded",
        ))
    }

    fn refused_by_chance(
        &self,
        mutation: &Mutation,
        operation: &str,
        chance: &mut Chance,
    ) -> Option<CloudError> {
        let lacks_capacity = match mutation {
            // A replayed launch gets its first instance, even without capacity.
            Mutation::Launch { token, .. } => {
                self.world.launched_by(token).is_none()
                    && chance.happens(Fault::NoCapacityForLaunch)
            }
            Mutation::Start { .. } => chance.happens(Fault::NoCapacityForStart),
            _ => false,
        };
        if lacks_capacity {
            let code = "InsufficientInstanceCapacity";
            return Some(error(operation, CloudErrorKind::NoCapacity, code));
        }
        if let Mutation::Launch { token, .. } = mutation
            && self.world.launched_by(token).is_some()
            && chance.happens(Fault::ReplayMismatch)
        {
            let code = "IdempotentParameterMismatch";
            return Some(error(operation, CloudErrorKind::Conflict, code));
        }
        let denied = chance.happens(Fault::Denied);
        denied.then(|| error(operation, CloudErrorKind::Denied, "UnauthorizedOperation"))
    }
}

impl Changed {
    fn at_once(result: Result<Outcome, CloudError>, arrived: bool) -> Self {
        Self {
            result,
            arrived,
            later: Millis::ZERO,
        }
    }
}

fn operation_of(query: &Query) -> &'static str {
    match query {
        Query::Pointer { .. } => "GetParameter",
        Query::Instance { compute, .. } | Query::Scan { compute, .. } => match compute.is_ec2() {
            true => "DescribeInstances",
            false => "DescribeTasks",
        },
        Query::Demand { .. } => "GetMetricData",
        Query::StatusChecks { .. } => "DescribeInstanceStatus",
        Query::TemplateVersion { .. } => "DescribeLaunchTemplateVersions",
    }
}

fn transient(operation: &str, code: &str) -> CloudError {
    error(operation, CloudErrorKind::Transient, code)
}

fn error(operation: &str, kind: CloudErrorKind, code: &str) -> CloudError {
    CloudError {
        operation: operation.to_owned(),
        kind,
        code: code.to_owned(),
        message: "the random world says so".to_owned(),
        retry_after: None,
    }
}

/// Whether the change begins a life of an instance.
pub(super) fn begins_life(what: &EventKind) -> bool {
    matches!(what, EventKind::Launched | EventKind::Started)
}
