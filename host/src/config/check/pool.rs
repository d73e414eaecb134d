//! `[pool.NAME]` and its sub-tables.

use std::collections::BTreeMap;

use reeve_core::compute::Compute;
use reeve_core::id::{PoolName, Region};
use reeve_core::point::Point;
use reeve_core::spec::{Limits, PoolSpec, RestartBy};
use serde_json::{Map, Value};
use toml::Spanned;

use super::{Checker, boxes, compute, demand, health, local_time, value};
use crate::config::file::{self, Policy, Pool};
use crate::config::finding::Place;
use crate::config::{BoundPolicy, settings};

/// The tag key that finds a worker's instances by default: the one the EC2 console shows as the
/// name.
const TAG_KEY: &str = "Name";
/// Each tag shown to a policy adds to the cost of every policy call. 20 are enough for a rule.
const POLICY_TAGS_MAX: usize = 20;

// Bounds of the limits, in milliseconds. Lower values would cause a storm of calls; higher ones
// would delay every reaction.
const SWEEP_INTERVAL_MS: (u64, u64) = (1_000, 3_600_000);
const PASS_MS_MAX: (u64, u64) = (100, 300_000);
const IDLE_MS_MIN: (u64, u64) = (1_000, 604_800_000);
const NOT_VISIBLE_GRACE_MS: (u64, u64) = (10_000, 3_600_000);
/// A minute lets EC2's readings settle. A grace shorter than the validity of `serve` verdicts would
/// end instances that another host may still hand out. More than a day of an orphan only costs
/// money.
const ORPHAN_GRACE_MS: (u64, u64) = (60_000, 86_400_000);
const DRAIN_MS: (u64, u64) = (0, 3_600_000);
const RESTART_WINDOW_MS: (u64, u64) = (1_000, 3_600_000);
const UNRESPONSIVE_AFTER_MS: (u64, u64) = (1_000, 86_400_000);

/// All pools, and every policy of each.
pub(super) fn all(
    checker: &mut Checker<'_>,
    pools: &BTreeMap<Spanned<String>, Pool>,
) -> (BTreeMap<PoolName, PoolSpec>, Vec<BoundPolicy>) {
    let mut specs = BTreeMap::new();
    let mut policies = Vec::new();
    if pools.is_empty() {
        checker.refuse(0..0, "there is no pool; accepted: at least one [pool.NAME]");
    }
    for (key, pool) in pools {
        let name = PoolName::new(checker.check(key, |name| value::name(name)));
        policies.extend(bound(checker, key, &name, &pool.policy));
        specs.insert(name, spec(checker, pool));
    }
    (specs, policies)
}

/// The tag key of a pool.
pub(super) fn tag_key(pool: &Pool) -> &str {
    pool.tag_key.as_ref().map_or(TAG_KEY, |key| key.get_ref())
}

fn spec(checker: &mut Checker<'_>, pool: &Pool) -> PoolSpec {
    if let Some(key) = &pool.tag_key {
        checker.check(key, |key| value::tag_key(key));
    }
    let (compute, launch) = compute::of_pool(checker, pool);
    PoolSpec {
        region: Region::new(checker.check(&pool.region, |region| value::region(region))),
        tag_key: tag_key(pool).to_owned(),
        port: checker.check(&pool.port, |port| value::within((*port).into(), (1, 65535))),
        launch,
        policy_tags: policy_tags(checker, &pool.policy_tags),
        restart_by: restart_by(checker, &compute, pool.restart.as_ref()),
        reap: pool.reap,
        utc_offset: local_time::of_pool(checker, pool),
        demand: pool
            .demand
            .as_ref()
            .map(|spec| demand::of_pool(checker, spec)),
        health: health::of_pool(checker, pool),
        boxes: pool
            .boxes
            .as_ref()
            .map(|spec| boxes::of_pool(checker, &compute, spec)),
        limits: limits(checker, &pool.limits),
        compute,
    }
}

fn policy_tags(checker: &mut Checker<'_>, keys: &[Spanned<String>]) -> Vec<String> {
    if let Some(extra) = keys.get(POLICY_TAGS_MAX) {
        let found = format!(
            "`policy_tags` has {} keys; accepted: at most {POLICY_TAGS_MAX}",
            keys.len()
        );
        checker.refuse(extra.span(), found);
    }
    let mut seen = Vec::with_capacity(keys.len());
    for key in keys {
        let text = checker.check(key, |key| value::tag_key(key));
        if seen.contains(&text) {
            checker.refuse(key.span(), format!("the tag key {text:?} is listed twice"));
        }
        seen.push(text);
    }
    seen
}

fn restart_by(
    checker: &mut Checker<'_>,
    compute: &Compute,
    value: Option<&Spanned<String>>,
) -> RestartBy {
    let default = match compute.can_start() {
        true => RestartBy::StopStart,
        false => RestartBy::Replace,
    };
    let Some(value) = value else {
        return default;
    };
    match value.get_ref().as_str() {
        "stop-start" => {
            if !compute.can_start() {
                let found = "found \"stop-start\", but a Fargate task that was stopped cannot be started again; accepted: \
                             \"replace\", which is the default here";
                checker.refuse(value.span(), found);
            }
            RestartBy::StopStart
        }
        "replace" => RestartBy::Replace,
        other => {
            let found = format!("found {other:?}; accepted: \"stop-start\", \"replace\"");
            checker.refuse(value.span(), found);
            default
        }
    }
}

fn limits(checker: &mut Checker<'_>, limits: &file::Limits) -> Limits {
    let default = Limits::default();
    Limits {
        scan_interval: checker.millis(
            limits.scan_interval_ms.as_ref(),
            SWEEP_INTERVAL_MS,
            default.scan_interval,
        ),
        pass_max: checker.millis(limits.pass_ms_max.as_ref(), PASS_MS_MAX, default.pass_max),
        idle_min: checker.millis(limits.idle_ms_min.as_ref(), IDLE_MS_MIN, default.idle_min),
        not_visible_grace: checker.millis(
            limits.not_visible_grace_ms.as_ref(),
            NOT_VISIBLE_GRACE_MS,
            default.not_visible_grace,
        ),
        orphan_grace: checker.millis(
            limits.orphan_grace_ms.as_ref(),
            ORPHAN_GRACE_MS,
            default.orphan_grace,
        ),
        drain: checker.millis(limits.drain_ms.as_ref(), DRAIN_MS, default.drain),
        restart_window: checker.millis(
            limits.restart_window_ms.as_ref(),
            RESTART_WINDOW_MS,
            default.restart_window,
        ),
        unresponsive_after: checker.millis(
            limits.unresponsive_after_ms.as_ref(),
            UNRESPONSIVE_AFTER_MS,
            default.unresponsive_after,
        ),
        worker_budget: checker.budget(&limits.worker_budget, default.worker_budget),
        pool_budget: checker.budget(&limits.pool_budget, default.pool_budget),
    }
}

/// The pool's policy at every point: the one that the file names, else the standard policy.
fn bound(
    checker: &mut Checker<'_>,
    pool_key: &Spanned<String>,
    pool: &PoolName,
    named: &BTreeMap<Spanned<String>, Policy>,
) -> Vec<BoundPolicy> {
    for key in named.keys() {
        if Point::from_name(key.get_ref()).is_none() {
            let points = Point::ALL.map(|point| format!("`{point}`")).join(", ");
            let found = format!("unknown point {:?}; accepted: {points}", key.get_ref());
            checker.refuse(key.span(), found);
        }
    }
    let mut bind = |point: Point| {
        let entry = named
            .iter()
            .find(|(key, _)| key.get_ref() == point.as_str());
        let span = entry.map_or(pool_key.span(), |(key, _)| key.span());
        let place = Place::of(checker.text, span.start);
        let policy = entry.map(|(_, policy)| policy);
        BoundPolicy {
            pool: pool.clone(),
            point,
            file: file_of(checker, point, policy),
            settings: settings_of(checker, policy),
            place,
        }
    };
    Point::ALL.into_iter().map(&mut bind).collect()
}

fn file_of(checker: &mut Checker<'_>, point: Point, policy: Option<&Policy>) -> String {
    match policy.and_then(|policy| policy.file.as_ref()) {
        Some(file) => checker.check(file, |file| value::policy_file(file)),
        None => format!("{point}.wasm"),
    }
}

fn settings_of(checker: &mut Checker<'_>, policy: Option<&Policy>) -> Map<String, Value> {
    let Some(table) = policy.and_then(|policy| policy.settings.as_ref()) else {
        return Map::new();
    };
    settings::to_json(table.get_ref()).unwrap_or_else(|finding| {
        checker.refuse(table.span(), finding);
        Map::new()
    })
}
