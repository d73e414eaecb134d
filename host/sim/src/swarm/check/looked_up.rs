//! V5: an address is handed out only of what runs. A host publishes an instance only after a reading
//! by id or the answer to its launch has shown it up to that life of the host. Scans may lag for
//! minutes. Where readings have failed for a while, a scan is enough.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, Outcome, Query, Reading};
use reeve_core::guard::Permit;
use reeve_core::id::{InstanceId, PoolName, WorkerId};
use reeve_core::instance::Instance;
use reeve_core::notice::{Notice, Step};
use reeve_core::response::Route;
use reeve_core::time::{Instant, Millis};

use super::{Finding, Guarantee, Heard};
use crate::engine::Life;

/// The core waits for a reading by id for 30 s by a clock that may be too fast.
const FAIL_MIN: Millis = Millis::from_secs(29);

/// What a life of a host knows of an instance of a worker.
type Key = (Life, WorkerId, InstanceId);

/// The instances that each life of a host was shown up.
#[derive(Default)]
pub(super) struct LookedUp {
    shown: BTreeSet<Key>,
    /// When a reading of the instance by id was first asked for and failed; a success clears it.
    fails_since: BTreeMap<Key, Instant>,
    /// When any reading first showed the instance to the host.
    seen_since: BTreeMap<(Life, InstanceId), Instant>,
    limits: BTreeMap<(Life, PoolName), Limit>,
}

/// A rate limit of a pool's readings. A host that knows of it sends no query and counts a failure,
/// which is not seen here.
struct Limit {
    since: Instant,
    /// When the last one ended; `None` if one is in force.
    ended_at: Option<Instant>,
}

impl LookedUp {
    /// Notes a reading that a host asked for and got for a worker; `None`: for a pool.
    pub(super) fn read(
        &mut self,
        (asked, at): (Instant, Instant),
        by: Life,
        (worker, pool): (Option<&WorkerId>, &PoolName),
        query: &Query,
        result: &Result<Reading, CloudError>,
    ) {
        if !matches!(query, Query::Instance { .. } | Query::Scan { .. }) {
            return;
        }
        let limit = (by, pool.clone());
        match result {
            Ok(_) => {
                if let Some(limit) = self.limits.get_mut(&limit) {
                    limit.ended_at.get_or_insert(at);
                }
            }
            Err(error) if error.kind == CloudErrorKind::Throttled => {
                let since = self.limits.get(&limit).map_or(at, |limit| limit.since);
                let ended_at = None;
                self.limits.insert(limit, Limit { since, ended_at });
            }
            Err(_) => {}
        }
        match (worker, query, result) {
            (Some(worker), _, Ok(Reading::Instance(instance))) => {
                self.note(at, by, worker, instance);
            }
            (Some(worker), Query::Instance { id, .. }, Err(_)) => {
                let key = (by, worker.clone(), id.clone());
                self.fails_since.entry(key).or_insert(asked);
            }
            (_, _, Ok(Reading::Scan(found))) => {
                for instance in found {
                    let seen = (by, instance.id.clone());
                    self.seen_since.entry(seen).or_insert(at);
                }
            }
            _ => {}
        }
    }

    /// Notes the answer to a launch.
    pub(super) fn heard(&mut self, at: Instant, heard: &Heard<'_>) {
        if let Ok(Outcome::Launched(instance)) = heard.result {
            self.note(at, heard.by, heard.worker, instance);
        }
    }

    fn note(&mut self, at: Instant, by: Life, worker: &WorkerId, instance: &Instance) {
        let seen = (by, instance.id.clone());
        self.seen_since.entry(seen).or_insert(at);
        let key = (by, worker.clone(), instance.id.clone());
        self.fails_since.remove(&key);
        if instance.state.is_live() {
            self.shown.insert(key);
        }
    }

    /// Notes a start that a host sends: earlier readings do not show the life that it begins.
    pub(super) fn sent(&mut self, by: Life, permit: &Permit) {
        if let Mutation::Start { id, .. } = permit.mutation() {
            let key = (by, permit.worker().clone(), id.clone());
            self.shown.remove(&key);
        }
    }

    /// Notes that a host tells of a caller's report: it reads the instance again.
    pub(super) fn announced(&mut self, by: Life, notice: &Notice) {
        let field = notice.fields.iter().find(|(name, _)| name == "instance_id");
        if let (Step::AddressDoubted, Some((_, id))) = (notice.step, field) {
            let key = (by, notice.worker.clone(), InstanceId::from(id.as_str()));
            self.shown.remove(&key);
        }
    }

    /// Checks the instance of a route that a host publishes.
    pub(super) fn published(
        &self,
        at: Instant,
        by: Life,
        pool: &PoolName,
        route: &Route,
    ) -> Finding {
        let id = &route.instance;
        let key = (by, route.worker.clone(), id.clone());
        let fails_since = self.fails_since.get(&key);
        let fails = fails_since.is_some_and(|since| at.since(*since) >= FAIL_MIN);
        if self.shown.contains(&key) || fails || self.is_limited(at, by, pool, id) {
            return Ok(());
        }
        let text = format!("{id} is published, and only scans have shown it to the host");
        Err((Guarantee::V5, text))
    }

    /// Whether the host may have counted failures of the instance in a rate limit.
    fn is_limited(&self, at: Instant, by: Life, pool: &PoolName, id: &InstanceId) -> bool {
        let Some(limit) = self.limits.get(&(by, pool.clone())) else {
            return false;
        };
        let was_known = limit.ended_at.is_none_or(|ended_at| {
            let seen_since = self.seen_since.get(&(by, id.clone()));
            seen_since.is_some_and(|since| *since < ended_at)
        });
        was_known && at.since(limit.since) >= FAIL_MIN
    }
}
