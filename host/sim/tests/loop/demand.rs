//! Demand from a metric: what is asked for, and what is made of the answers.

use crate::rig::desk::Desk;
use crate::rig::prelude::*;
use std::collections::BTreeMap;

use reeve_core::cloud::{CloudError, CloudErrorKind, MutationKind, Query, Reading};
use reeve_core::demand::{DemandSpec, Metric, Sample, Statistic};
use reeve_core::effect::Effect;
use reeve_core::event::{Asker, Event, PoolTimer, Timer, WorkerEvent};
use reeve_core::facts::{Adopted, How};
use reeve_core::fleet::{Fleet, Identity, Recovered};
use reeve_core::id::{HostId, InstanceId, WorkerId};
use reeve_core::instance::{Instance, InstanceState};
use reeve_core::notice::Step;
use reeve_core::point;
use reeve_core::spec::{FleetSpec, WorkerSpec};
use reeve_core::store::{Paused, Stored};
use reeve_sim::world::{Asked, Trouble};

/// When the instances of these tests came up: an hour before the host.
const LAUNCHED: Instant = Instant::from_ms(BEGINS.as_ms() - HOUR.get());

fn metric() -> DemandSpec {
    DemandSpec {
        namespace: "Gpu".to_owned(),
        metric: "Invocations".to_owned(),
        statistic: Statistic::Sum,
        dimensions: BTreeMap::from([("InstanceId".to_owned(), "{instance}".to_owned())]),
        period: MINUTE,
        window: Millis::from_secs(600),
        samples_min: 2,
        every: MINUTE,
    }
}

/// The incidents' pool with the metric, and so many workers.
fn spec(workers: usize) -> FleetSpec {
    let mut spec = incidents::fleet();
    spec.workers = (0..workers).map(worker).collect();
    spec.pools.get_mut(&incidents::pool()).unwrap().demand = Some(metric());
    spec
}

fn worker(number: usize) -> (WorkerId, WorkerSpec) {
    let worker = WorkerSpec {
        pool: incidents::pool(),
        tag_value: format!("tag-{number}"),
        pointer: format!("/pointer/{number}").as_str().into(),
        wish: Default::default(),
        labels: Default::default(),
    };
    (name(number), worker)
}

fn name(number: usize) -> WorkerId {
    WorkerId::from(format!("w-{number}").as_str())
}

fn instance(number: usize) -> InstanceId {
    InstanceId::from(format!("i-{number}").as_str())
}

/// A core whose cloud is the test.
struct Alone(Desk);

impl Alone {
    /// Every worker has an instance that was launched an hour ago, runs, and is known to.
    fn new(spec: FleetSpec) -> Self {
        let records = (0..spec.workers.len()).map(|number| (name(number), adopted(number)));
        let count = spec.workers.len();
        let mut alone = Self(Desk::new(spec, false, records.collect()));
        alone.0.take_in(Event::Started);
        for number in 0..count {
            alone.read(number, InstanceState::Running, LAUNCHED);
        }
        alone
    }

    /// The cloud says so of the worker's instance.
    fn read(&mut self, number: usize, state: InstanceState, launched_at: Instant) {
        let reading = Instance {
            id: instance(number),
            state,
            private_ip: Some([10, 0, 0, 7].into()),
            public_ip: None,
            launched_at: Some(launched_at),
            role: None,
            state_reason: None,
            tags: BTreeMap::from([(TAG.0.to_owned(), format!("tag-{number}"))]),
        };
        self.0.show(name(number), reading);
    }

    /// What is asked of the cloud when the timer fires.
    fn round(&mut self) -> Vec<Query> {
        self.0.queries.clear();
        self.0.take_in(due());
        std::mem::take(&mut self.0.queries)
    }

    /// The metrics asked for in one round.
    fn metrics(&mut self) -> BTreeMap<WorkerId, Metric> {
        match self.round().as_slice() {
            [Query::Demand { metrics, .. }] => metrics.clone(),
            [] => BTreeMap::new(),
            other => panic!("more than one query: {other:?}"),
        }
    }

    /// The cloud answers a round; tells what people are told of it.
    fn answer(&mut self, query: Query, result: Result<Reading, CloudError>) -> Vec<String> {
        let asker = Asker::Pool(incidents::pool());
        self.0.notices.clear();
        let event = Event::queried(asker, query, self.0.now, result);
        self.0.take_in(event);
        let notices = self.0.notices.iter();
        let failed = notices.filter(|notice| notice.step == Step::CloudCallFailed);
        let told = failed.map(|notice| format!("{}: {}", notice.worker, notice.text));
        told.collect()
    }

    /// One round in which every worker's metric counted nothing in each of the window's minutes,
    /// but for what `change` makes of it.
    fn read_zeros(&mut self, change: impl FnOnce(&mut Answers)) -> Vec<String> {
        let [query] = self.round().try_into().unwrap();
        let result = Ok(Reading::Demand(zeros(&query, change)));
        self.answer(query, result)
    }

    /// Another host has adopted another instance for the first worker.
    fn replaced_by_another_host(&mut self) {
        let mut stored = adopted(1);
        stored.version = stored.version.next();
        let (asked_at, result) = (self.0.now, Ok(Some(stored)));
        let read = WorkerEvent::RecordRead { asked_at, result };
        self.0.take_in(Event::of(name(0), read));
        let worker = self.0.fleet.worker(&name(0)).unwrap();
        assert_eq!(worker.adopted.as_ref().unwrap().id, instance(1));
    }

    fn demand_of(&self, number: usize) -> point::Demand {
        let worker = self.0.fleet.worker(&name(number)).unwrap();
        let input = worker.reap_input(self.0.now, &instance(number)).unwrap();
        input.demand
    }
}

/// The next round is due.
fn due() -> Event {
    Timer::Pool(incidents::pool(), PoolTimer::ReadDemand).into()
}

type Answers = BTreeMap<WorkerId, Result<Vec<Sample>, CloudError>>;

fn zeros(query: &Query, change: impl FnOnce(&mut Answers)) -> Answers {
    let Query::Demand { since, metrics, .. } = query else {
        panic!("no demand: {query:?}");
    };
    let minute = |minutes: u64| Sample {
        at: *since + Millis::new(minutes * MINUTE.get()),
        count: 0,
    };
    let samples: Vec<_> = (0..10).map(minute).collect();
    let every = metrics.keys().map(|id| (id.clone(), Ok(samples.clone())));
    let mut answers = every.collect();
    change(&mut answers);
    answers
}

fn adopted(number: usize) -> Stored {
    let mut stored = Stored::default();
    stored.record.adopted = Some(Adopted {
        id: instance(number),
        generation: Default::default(),
        since: LAUNCHED,
        how: How::Launched,
        unfinished_before: 0,
        launched_before: None,
        unknown: Default::default(),
    });
    stored
}

fn failure(kind: CloudErrorKind, code: &str) -> CloudError {
    CloudError {
        operation: "GetMetricData".to_owned(),
        kind,
        code: code.to_owned(),
        message: "said so".to_owned(),
        retry_after: None,
    }
}

/// Nothing asked for in ten minutes, as of now.
fn nothing_in_ten_minutes() -> point::Demand {
    point::Demand::Requests(point::Sample {
        count: 0,
        window_ms: 600_000,
        ago_ms: 0,
    })
}

#[test]
fn the_metrics_of_all_workers_of_a_pool_are_asked_for_in_one_query() {
    let mut alone = Alone::new(spec(700));
    let [query] = alone.round().try_into().unwrap();
    let Query::Demand {
        region,
        period,
        since,
        until,
        metrics,
    } = query
    else {
        panic!("no demand: {query:?}");
    };
    assert_eq!((region, period), ("us-east-1".into(), MINUTE));
    assert_eq!(until.since(since), Millis::from_secs(600));
    assert_eq!(metrics.len(), 700);
    let of_seven = &metrics[&name(7)];
    assert_eq!(of_seven.dimensions["InstanceId"], "i-7");
}

#[test]
fn a_round_begins_at_each_interval_unless_the_last_one_has_not_ended() {
    let mut alone = Alone::new(spec(1));
    for queries in [1, 0] {
        alone.0.now += MINUTE;
        let effects = alone.0.fleet.step(alone.0.now, due());
        let again = Effect::Timer {
            at: alone.0.now + MINUTE,
            timer: Timer::Pool(incidents::pool(), PoolTimer::ReadDemand),
        };
        assert!(effects.contains(&again), "{effects:?}");
        let asked = |effect: &&Effect| matches!(effect, Effect::Query { .. });
        assert_eq!(effects.iter().filter(asked).count(), queries);
    }
}

#[test]
fn nothing_is_asked_for_without_an_instance_that_is_up() {
    let mut alone = Alone::new(spec(2));
    alone.read(0, InstanceState::Stopped, LAUNCHED);
    let asked: Vec<_> = alone.metrics().into_keys().collect();
    assert_eq!(asked, [name(1)]);
    let mut alone = Alone::new(spec(1));
    alone.read(0, InstanceState::Terminated, LAUNCHED);
    assert!(alone.round().is_empty(), "not even an empty query");
}

#[test]
fn nothing_is_asked_for_a_worker_that_is_paused() {
    let mut alone = Alone::new(spec(1));
    let mut stored = adopted(0);
    stored.version = stored.version.next();
    stored.record.paused = Some(Paused {
        since: alone.0.now,
        reason: None,
        by: HostId::from("host"),
        from: None,
        unknown: Default::default(),
    });
    let event = Event::of(
        name(0),
        WorkerEvent::RecordRead {
            asked_at: alone.0.now,
            result: Ok(Some(stored)),
        },
    );
    alone.0.fleet.step(alone.0.now, event);
    assert!(alone.round().is_empty());
}

#[test]
fn nothing_is_asked_for_where_reap_is_not_asked() {
    let mut spec = spec(1);
    spec.pools.get_mut(&incidents::pool()).unwrap().reap = false;
    let identity = Identity {
        host: HostId::from("host"),
        store_is_shared: false,
    };
    let mut fleet = Fleet::new(spec, identity, Recovered::default());
    let effects = fleet.step(BEGINS, Event::Started);
    let sets_it = |effect: &Effect| {
        matches!(
            effect,
            Effect::Timer {
                timer: Timer::Pool(_, PoolTimer::ReadDemand),
                ..
            }
        )
    };
    assert!(!effects.iter().any(sets_it));
}

#[test]
fn what_was_counted_reaches_the_policy_with_its_window_and_its_age() {
    let mut alone = Alone::new(spec(2));
    assert_eq!(alone.demand_of(0), point::Demand::Unavailable, "not read");
    alone.read_zeros(|answers| {
        let busy = answers.get_mut(&name(1)).unwrap().as_mut().unwrap();
        busy[3].count = 4;
    });
    assert_eq!(alone.demand_of(0), nothing_in_ten_minutes());
    alone.0.now += Millis::from_secs(30);
    let busy = point::Demand::Requests(point::Sample {
        count: 4,
        window_ms: 600_000,
        ago_ms: 30_000,
    });
    assert_eq!(alone.demand_of(1), busy);
}

#[test]
fn a_failed_a_partial_and_a_missing_answer_are_unavailable_and_never_zero() {
    let mut alone = Alone::new(spec(3));
    alone.read_zeros(|_| {});
    alone.0.now += MINUTE;
    let told = alone.read_zeros(|answers| {
        let partial = failure(CloudErrorKind::Transient, "PartialData");
        answers.insert(name(0), Err(partial));
        answers.remove(&name(1));
    });
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("w-0") && told[0].contains("PartialData"));
    assert_eq!(alone.demand_of(0), point::Demand::Unavailable);
    assert_eq!(alone.demand_of(1), point::Demand::Unavailable);
    assert_eq!(alone.demand_of(2), nothing_in_ten_minutes());

    let [query] = alone.round().try_into().unwrap();
    let denied = failure(CloudErrorKind::Denied, "AccessDenied");
    let told = alone.answer(query, Err(denied));
    assert_eq!(told.len(), 3, "each worker is told of: {told:?}");
    assert_eq!(alone.demand_of(2), point::Demand::Unavailable);

    alone.read_zeros(|_| {});
    assert_eq!(alone.demand_of(2), nothing_in_ten_minutes(), "it recovers");
}

#[test]
fn an_answer_of_another_kind_is_no_answer_and_does_not_end_the_rounds() {
    let mut alone = Alone::new(spec(1));
    let [query] = alone.round().try_into().unwrap();
    alone.answer(query, Ok(Reading::Scan(Vec::new())));
    assert_eq!(alone.demand_of(0), point::Demand::Unavailable);
    assert_eq!(alone.round().len(), 1);
}

#[test]
fn too_few_samples_are_said_to_be_too_few() {
    let mut alone = Alone::new(spec(2));
    alone.read_zeros(|answers| {
        answers.insert(name(0), Ok(Vec::new()));
        answers
            .get_mut(&name(1))
            .unwrap()
            .as_mut()
            .unwrap()
            .truncate(1);
    });
    assert_eq!(alone.demand_of(0), point::Demand::TooFew);
    assert_eq!(alone.demand_of(1), point::Demand::TooFew);
}

#[test]
fn the_window_of_a_young_instance_is_its_life() {
    let mut alone = Alone::new(spec(2));
    let young = Instant::from_ms(BEGINS.as_ms() - 150_000);
    alone.read(0, InstanceState::Running, young);
    let newborn = Instant::from_ms(BEGINS.as_ms() - 59_000);
    alone.read(1, InstanceState::Running, newborn);
    alone.read_zeros(|_| {});
    let life = point::Demand::Requests(point::Sample {
        count: 0,
        window_ms: 150_000,
        ago_ms: 0,
    });
    assert_eq!(alone.demand_of(0), life);
    assert_eq!(alone.demand_of(1), point::Demand::TooFew);
}

#[test]
fn a_reading_that_two_rounds_have_not_renewed_is_unavailable() {
    let mut alone = Alone::new(spec(1));
    alone.read_zeros(|_| {});
    let read_at = alone.0.now;
    alone.0.now = read_at + MINUTE + MINUTE;
    assert!(matches!(alone.demand_of(0), point::Demand::Requests(_)));
    alone.0.now += Millis::new(1);
    assert_eq!(alone.demand_of(0), point::Demand::Unavailable);
}

#[test]
fn an_answer_about_an_instance_that_was_replaced_since_is_dropped() {
    let mut alone = Alone::new(spec(1));
    let [query] = alone.round().try_into().unwrap();
    let answers = zeros(&query, |_| {});
    alone.replaced_by_another_host();
    alone.answer(query, Ok(Reading::Demand(answers)));
    assert_eq!(alone.demand_of(0), point::Demand::Unavailable);
}

#[test]
fn what_was_read_of_an_instance_does_not_pass_to_its_successor() {
    let mut alone = Alone::new(spec(1));
    alone.read_zeros(|_| {});
    assert_eq!(alone.demand_of(0), nothing_in_ten_minutes());
    alone.replaced_by_another_host();
    assert_eq!(alone.demand_of(0), point::Demand::Unavailable);
}

/// B runs, is adopted and was handed out; its metric is read by the host itself.
fn measured_b() -> Rig {
    let mut spec = incidents::fleet();
    spec.pools.get_mut(&incidents::pool()).unwrap().demand = Some(metric());
    let mut rig = Rig::with_fleet(spec, running_b(), Native::sensible());
    rig.ask_and_run(SECOND);
    rig
}

#[test]
fn an_instance_whose_metric_stays_at_zero_is_reaped_and_a_used_one_kept() {
    let mut rig = measured_b();
    rig.run(Millis::from_secs(1200));
    assert_eq!(rig.count(MutationKind::Stop), 1);

    let mut rig = measured_b();
    for _ in 0..40 {
        rig.world.invoke(&"i-bbbb".into());
        rig.run(MINUTE);
    }
    assert_eq!(rig.count(MutationKind::Stop), 0);
}

#[test]
fn while_the_metric_cannot_be_read_whole_nothing_is_concluded_from_it() {
    let troubles = [
        Trouble {
            unanswered: [Asked::Demand].into(),
            ..Trouble::default()
        },
        Trouble {
            partial_metrics: ["i-bbbb".into()].into(),
            ..Trouble::default()
        },
    ];
    for trouble in troubles {
        let mut rig = measured_b();
        rig.world.set_trouble(trouble);
        rig.run(HOUR);
        assert_eq!(rig.count(MutationKind::Stop), 0);
        rig.world.set_trouble(Trouble::default());
        rig.run(Millis::from_secs(180));
        assert_eq!(rig.count(MutationKind::Stop), 1, "read again, it is told");
    }
}
