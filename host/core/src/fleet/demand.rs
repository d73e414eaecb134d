//! Reads the demand metrics of a pool: one query for all its workers, on its own timer.

use std::collections::BTreeMap;

use crate::effect::Effect;
use crate::event::{Asker, PoolTimer, Timer};
use crate::model::cloud::{CloudError, CloudErrorKind, Query, Reading};
use crate::model::demand::{Metric, Sample};
use crate::model::id::{PoolName, WorkerId};
use crate::model::time::{Instant, Millis};
use crate::turn::{Pool, Turn};
use crate::worker::Worker;

/// Sets the timer of the next round, unless no metric is configured or no policy reads demand.
pub(super) fn schedule(turn: &mut Turn<'_>, name: &PoolName) {
    let Some(every) = turn.shared.pools.get(name).and_then(interval) else {
        return;
    };
    turn.effects.push(Effect::Timer {
        at: turn.now + every,
        timer: Timer::Pool(name.clone(), PoolTimer::ReadDemand),
    });
}

/// The interval between readings. Only `reap` gets the demand, so a pool without `reap` reads none,
/// because readings cost money.
fn interval(pool: &Pool) -> Option<Millis> {
    let demand = pool.spec.demand.as_ref()?;
    pool.spec.reap.then_some(demand.every)
}

/// Asks for the metrics of all workers with a live instance, unless the last round has not ended.
pub(super) fn ask(workers: &BTreeMap<WorkerId, Worker>, turn: &mut Turn<'_>, name: &PoolName) {
    let now = turn.now;
    let Some(pool) = turn.shared.pools.get_mut(name) else {
        return;
    };
    let Some(spec) = &pool.spec.demand else {
        return;
    };
    if pool.demand_in_flight {
        return;
    }
    let metrics: BTreeMap<WorkerId, Metric> = workers
        .values()
        .filter(|worker| &worker.spec.pool == name)
        .filter_map(|worker| {
            let instance = worker.measured_instance()?;
            let metric = spec.metric_of(&worker.id, &worker.spec.tag_value, instance);
            Some((worker.id.clone(), metric))
        })
        .collect();
    if metrics.is_empty() {
        return;
    }
    pool.demand_in_flight = true;
    let (since, until) = spec.window_at(now);
    let query = Query::Demand {
        region: pool.spec.region.clone(),
        period: spec.period,
        since,
        until,
        metrics,
    };
    turn.effects.push(Effect::Query {
        asker: Asker::Pool(name.clone()),
        query,
    });
}

/// Gives each of these workers its part of the answer. A missing part is unavailable.
pub(super) fn distribute(
    workers: &mut BTreeMap<WorkerId, Worker>,
    turn: &mut Turn<'_>,
    name: &PoolName,
    asked_at: Instant,
    metrics: BTreeMap<WorkerId, Metric>,
    result: Result<Reading, CloudError>,
) {
    if let Some(pool) = turn.shared.pools.get_mut(name) {
        pool.demand_in_flight = false;
    }
    let mut answers = match result {
        Ok(Reading::Demand(answers)) => Ok(answers),
        Ok(_) => Err(missing()),
        Err(error) => Err(error),
    };
    for (id, metric) in metrics {
        let samples: Result<Vec<Sample>, CloudError> = match &mut answers {
            Ok(answers) => answers.remove(&id).unwrap_or_else(|| Err(missing())),
            Err(error) => Err(error.clone()),
        };
        if let Some(worker) = workers.get_mut(&id) {
            if let Err(error) = &samples {
                turn.cloud_failed(worker, error);
            }
            worker.on_demand(asked_at, &metric, samples.as_deref().ok());
        }
    }
}

fn missing() -> CloudError {
    CloudError {
        operation: "demand".to_owned(),
        kind: CloudErrorKind::Transient,
        code: "Response".to_owned(),
        message: "the answer has no data for this worker's metric".to_owned(),
        retry_after: None,
    }
}
