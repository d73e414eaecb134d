//! `[pool.NAME]` and its sub-tables.

use std::collections::BTreeMap;

use reeve_core::compute::Compute;
use reeve_core::id::PoolName;
use reeve_core::point::Point;
use reeve_core::spec::{self, PoolSpec, RestartBy};

use super::{boxes, budget, compute, demand, given, health, local_time};
use crate::config::BoundPolicy;
use crate::config::file::{Limits, Pool, Use};
use crate::config::finding::Findings;
use crate::config::kind;
use crate::config::section::At;

/// All pools, and every policy of each.
pub(super) fn all(
    findings: &mut Findings<'_>,
    pools: &[(At<String>, Pool)],
) -> (BTreeMap<PoolName, PoolSpec>, Vec<BoundPolicy>) {
    let mut specs = BTreeMap::new();
    let mut policies = Vec::new();
    if pools.is_empty() {
        findings.refuse(0..0, "there is no pool; accepted: at least one [pool.NAME]");
    }
    for (at, pool) in pools {
        let name = PoolName::new(findings.check(at, |name| kind::name(name)));
        policies.extend(bound(findings, at, &name, pool));
        specs.insert(name, spec(findings, pool));
    }
    (specs, policies)
}

fn spec(findings: &mut Findings<'_>, pool: &Pool) -> PoolSpec {
    let (compute, launch) = compute::of_pool(findings, pool);
    let demand = pool.demand.as_ref();
    let boxes = pool.boxes.as_ref();
    PoolSpec {
        region: pool.region.value.clone(),
        tag_key: pool.tag_key.clone(),
        port: pool.port.value,
        launch,
        policy_labels: shown(findings, "label", list(pool.policy_labels.as_ref())),
        policy_tags: shown(findings, "tag key", &pool.policy_tags),
        restart_by: restart_by(findings, &compute, pool.restart.as_ref()),
        stop_refused: pool.stop_refused,
        reap: pool.reap,
        heartbeats_are_use: heartbeats_are_use(findings, pool),
        orphans: pool.orphans,
        terminate_adopted: pool.terminate_adopted,
        follow_pointer: pool.follow_pointer,
        utc_offset: local_time::of_pool(findings, pool),
        demand: demand.map(|at| demand::of_pool(findings, &at.value)),
        health: health::of_pool(findings, pool),
        boxes: boxes.map(|at| boxes::of_pool(findings, &compute, &at.value)),
        limits: limits(&pool.limits),
        compute,
    }
}

fn heartbeats_are_use(findings: &mut Findings<'_>, pool: &Pool) -> bool {
    let has = |wanted: Use| pool.r#use.iter().any(|listed| listed.value == wanted);
    if !Use::ALWAYS.into_iter().all(has) {
        let found = "`use` lacks one of \"hand-outs\" and \"reports\", which always count (guarantee G5); accepted: both, \
                     with \"heartbeats\" or without";
        let span = pool
            .r#use
            .first()
            .map_or(0..0, |listed| listed.span.clone());
        findings.refuse(span, found);
    }
    if has(Use::Heartbeats) && pool.boxes.is_none() {
        let found = "the heartbeats of boxes are to count as use, and there is no [pool.NAME.boxes]; accepted: with it";
        let listed = pool
            .r#use
            .iter()
            .find(|listed| listed.value == Use::Heartbeats);
        findings.refuse(listed.map_or(0..0, |listed| listed.span.clone()), found);
    }
    has(Use::Heartbeats)
}

fn list(list: Option<&At<Vec<At<String>>>>) -> &[At<String>] {
    list.map_or(&[], |list| &list.value)
}

/// What policies are shown, each once.
fn shown(findings: &mut Findings<'_>, what: &str, keys: &[At<String>]) -> Vec<String> {
    let mut seen = Vec::with_capacity(keys.len());
    for key in keys {
        if seen.contains(&key.value) {
            let found = format!("the {what} {:?} is listed twice", key.value);
            findings.refuse(key.span.clone(), found);
        }
        seen.push(key.value.clone());
    }
    seen
}

fn restart_by(
    findings: &mut Findings<'_>,
    compute: &Compute,
    written: Option<&At<RestartBy>>,
) -> RestartBy {
    let default = match compute.can_start() {
        true => RestartBy::StopStart,
        false => RestartBy::Replace,
    };
    let Some(written) = written else {
        return default;
    };
    if !RestartBy::allowed(compute).contains(&written.value) {
        let found = format!(
            "found \"{}\", but a Fargate task cannot be rebooted, or started again after a stop; accepted: \"replace\", \
             which is the default here",
            written.value
        );
        findings.refuse(written.span.clone(), found);
    }
    written.value
}

fn limits(limits: &Limits) -> spec::Limits {
    let default = spec::Limits::default();
    let worker_budget = limits.worker_budget.as_ref();
    let pool_budget = limits.pool_budget.as_ref();
    spec::Limits {
        scan_interval: limits.scan_interval_ms,
        pass_max: limits.pass_ms_max,
        idle_min: limits.idle_ms_min,
        not_visible_grace: limits.not_visible_grace_ms,
        launch_timeout: limits.launch_timeout_ms,
        address_timeout: limits.address_timeout_ms,
        stopping_timeout: limits.stopping_timeout_ms,
        start_failures_max: limits.start_failures_max,
        start_give_up: limits.start_give_up_ms,
        orphan_grace: limits.orphan_grace_ms,
        drain: limits.drain_ms,
        reap_pace: spec::Pace {
            percent: limits.reap_percent_max,
            window: limits.reap_window_ms,
        },
        restart_window: limits.restart_window_ms,
        unresponsive_after: limits.unresponsive_after_ms,
        worker_budget: worker_budget.map_or(default.worker_budget, |at| {
            budget(&at.value, default.worker_budget)
        }),
        pool_budget: pool_budget.map_or(default.pool_budget, |at| {
            budget(&at.value, default.pool_budget)
        }),
    }
}

/// The pool's policy at every point: the one that the file names, else the standard policy.
fn bound(
    findings: &mut Findings<'_>,
    at: &At<String>,
    name: &PoolName,
    pool: &Pool,
) -> Vec<BoundPolicy> {
    let named = &pool.policy;
    for (point, _) in named {
        if Point::from_name(&point.value).is_none() {
            let points = Point::ALL.map(|point| format!("`{point}`")).join(", ");
            let found = format!("unknown point {:?}; accepted: {points}", point.value);
            findings.refuse(point.span.clone(), found);
        }
    }
    let bind = |point: Point| {
        let entry = named.iter().find(|(name, _)| name.value == point.as_str());
        let (at, policy) = entry.map_or((at, None), |(at, policy)| (at, Some(policy)));
        let file = policy.and_then(|policy| given(policy.file.as_ref()));
        let settings = policy.and_then(|policy| given(policy.settings.as_ref()));
        let digest = policy.and_then(|policy| given(policy.digest.as_ref()));
        BoundPolicy {
            pool: name.clone(),
            point,
            file: file.unwrap_or_else(|| format!("{point}.wasm")),
            settings: settings.unwrap_or_default(),
            class: pool.policy_class,
            digest,
            place: findings.place(&at.span),
        }
    };
    Point::ALL.into_iter().map(bind).collect()
}
