//! Reads EC2's status checks of a pool: one query for all its workers, with each scan.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::Effect;
use crate::event::Asker;
use crate::model::cloud::{CloudError, Query, Reading};
use crate::model::id::{InstanceId, PoolName, WorkerId};
use crate::model::time::Instant;
use crate::turn::Turn;
use crate::worker::Worker;

/// Asks for the checks of all watched instances, unless the last answer is still awaited.
pub(super) fn ask(workers: &BTreeMap<WorkerId, Worker>, turn: &mut Turn<'_>, name: &PoolName) {
    let Some(pool) = turn.shared.pools.get_mut(name) else {
        return;
    };
    if !pool.spec.has_status_checks() || pool.status_checks_in_flight {
        return;
    }
    let of_pool = workers.values().filter(|it| &it.spec.pool == name);
    let ids: BTreeSet<&InstanceId> = of_pool
        .filter_map(|worker| worker.checked_instance())
        .collect();
    if ids.is_empty() {
        return;
    }
    let query = Query::StatusChecks {
        region: pool.spec.region.clone(),
        ids: ids.into_iter().cloned().collect(),
    };
    pool.status_checks_in_flight = true;
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
    ids: &[InstanceId],
    result: Result<Reading, CloudError>,
) {
    if let Some(pool) = turn.shared.pools.get_mut(name) {
        pool.status_checks_in_flight = false;
    }
    let found = match result {
        Ok(Reading::StatusChecks(found)) => Ok(found),
        // Any other reading says nothing about the checks.
        Ok(_) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    };
    for worker in workers.values_mut().filter(|it| &it.spec.pool == name) {
        let adopted = worker.adopted.as_ref().map(|adopted| adopted.id.clone());
        let Some(id) = adopted.filter(|id| ids.binary_search(id).is_ok()) else {
            continue;
        };
        let checks = match &found {
            Ok(found) => Ok(found.get(&id).cloned()),
            Err(error) => Err(error.clone()),
        };
        worker.on_status_checks(turn, asked_at, &id, checks);
    }
}
