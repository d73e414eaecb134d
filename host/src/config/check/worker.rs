//! `[worker.NAME]`: each worker is in a pool, and no two workers share a tag or a pointer.

use std::collections::BTreeMap;

use reeve_core::id::{PoolName, WorkerId};
use reeve_core::spec::WorkerSpec;

use crate::config::file::{Pool, Worker};
use crate::config::finding::Findings;
use crate::config::kind;
use crate::config::section::At;

/// All workers.
pub(super) fn all(
    findings: &mut Findings<'_>,
    workers: &[(At<String>, Worker)],
    pools: &[(At<String>, Pool)],
) -> BTreeMap<WorkerId, WorkerSpec> {
    if workers.is_empty() {
        findings.refuse(
            0..0,
            "there is no worker; accepted: at least one [worker.NAME]",
        );
    }
    nothing_shared(findings, workers, pools);
    let mut specs = BTreeMap::new();
    for (name, worker) in workers {
        let id = WorkerId::new(findings.check(name, |name| kind::name(name)));
        let pool = findings.check(&worker.pool, |pool| known(pool, "pool", pools));
        let spec = WorkerSpec {
            pool: PoolName::new(pool),
            tag_value: tag_value(name, worker).value.clone(),
            pointer: worker.pointer.value.clone(),
            wish: worker.wanted,
            labels: labels(worker),
        };
        specs.insert(id, spec);
    }
    specs
}

/// The worker's labels.
fn labels(worker: &Worker) -> BTreeMap<String, String> {
    let labels = worker.labels.as_ref().map(|labels| labels.value.clone());
    labels.into_iter().flatten().collect()
}

/// The value of the worker's tag: its name if the file has none.
fn tag_value<'a>(name: &'a At<String>, worker: &'a Worker) -> &'a At<String> {
    worker.tag_value.as_ref().unwrap_or(name)
}

/// Refuses a name that no section has.
pub(super) fn known<T>(name: &str, what: &str, all: &[(At<String>, T)]) -> Result<(), String> {
    if all.iter().any(|(known, _)| known.value == name) {
        return Ok(());
    }
    let names: Vec<_> = all
        .iter()
        .map(|(name, _)| format!("{:?}", name.value))
        .collect();
    Err(format!(
        "there is no {what} {name:?}; accepted: {}",
        names.join(", ")
    ))
}

/// Refuses shared tags and pointers. An instance with the tag of two workers would belong to both,
/// and two workers would overwrite each other's pointer.
fn nothing_shared(
    findings: &mut Findings<'_>,
    workers: &[(At<String>, Worker)],
    pools: &[(At<String>, Pool)],
) {
    let mut in_file: Vec<_> = workers.iter().collect();
    in_file.sort_by_key(|(name, _)| name.span.start);
    let mut tags = BTreeMap::new();
    let mut pointers = BTreeMap::new();
    for (name, worker) in in_file {
        let found = pools
            .iter()
            .find(|(pool, _)| pool.value == worker.pool.value);
        let Some((_, pool)) = found else { continue };
        let region = &pool.region.value;
        let tag_value = tag_value(name, worker);
        if let Some(first) = tags.insert((region, &pool.tag_key, &tag_value.value), name) {
            let found = format!(
                "the tag {}={} in {region} is already the worker {}'s; an instance must belong to one \
                 worker: give each worker its own `tag_value`",
                pool.tag_key,
                tag_value.value,
                named(findings, first),
            );
            findings.refuse(tag_value.span.clone(), found);
        }
        let pointer = &worker.pointer;
        if let Some(first) = pointers.insert((region, &pointer.value), name) {
            let found = format!(
                "the pointer {} in {region} is already the worker {}'s; give each worker its own",
                pointer.value,
                named(findings, first),
            );
            findings.refuse(pointer.span.clone(), found);
        }
    }
}

fn named(findings: &Findings<'_>, name: &At<String>) -> String {
    let line = findings.place(&name.span).line;
    format!("{:?} (line {line})", name.value)
}
