//! `[worker.NAME]`: each worker is in a pool, and no two workers share a tag or a pointer.

use std::collections::BTreeMap;

use reeve_core::id::{PointerName, PoolName, WorkerId};
use reeve_core::spec::WorkerSpec;
use toml::Spanned;

use super::{Checker, pool, value};
use crate::config::file::{Pool, Worker};
use crate::config::finding::Place;

/// All workers.
pub(super) fn all(
    checker: &mut Checker<'_>,
    workers: &BTreeMap<Spanned<String>, Worker>,
    pools: &BTreeMap<Spanned<String>, Pool>,
) -> BTreeMap<WorkerId, WorkerSpec> {
    if workers.is_empty() {
        checker.refuse(
            0..0,
            "there is no worker; accepted: at least one [worker.NAME]",
        );
    }
    nothing_shared(checker, workers, pools);
    let mut specs = BTreeMap::new();
    for (key, worker) in workers {
        let id = WorkerId::new(checker.check(key, |name| value::name(name)));
        let known = |name: &String| {
            pool_of(pools, name)
                .map(|_| ())
                .ok_or_else(|| unknown_pool(pools, name))
        };
        let tag_value = worker.tag_value.as_ref().unwrap_or(key);
        let spec = WorkerSpec {
            pool: PoolName::new(checker.check(&worker.pool, known)),
            tag_value: checker.check(tag_value, |value| value::tag_value(value)),
            pointer: PointerName::new(checker.check(&worker.pointer, |name| value::pointer(name))),
        };
        specs.insert(id, spec);
    }
    specs
}

fn pool_of<'a>(pools: &'a BTreeMap<Spanned<String>, Pool>, name: &str) -> Option<&'a Pool> {
    let found = pools.iter().find(|(key, _)| key.get_ref() == name);
    found.map(|(_, pool)| pool)
}

fn unknown_pool(pools: &BTreeMap<Spanned<String>, Pool>, name: &str) -> String {
    let names: Vec<_> = pools
        .keys()
        .map(|key| format!("{:?}", key.get_ref()))
        .collect();
    format!("there is no pool {name:?}; accepted: {}", names.join(", "))
}

/// Refuses shared tags and pointers. An instance with the tag of two workers would belong to both,
/// and two workers would overwrite each other's pointer.
fn nothing_shared(
    checker: &mut Checker<'_>,
    workers: &BTreeMap<Spanned<String>, Worker>,
    pools: &BTreeMap<Spanned<String>, Pool>,
) {
    let mut in_file: Vec<_> = workers.iter().collect();
    in_file.sort_by_key(|(key, _)| key.span().start);
    let mut tags = BTreeMap::new();
    let mut pointers = BTreeMap::new();
    for (key, worker) in in_file {
        let Some(pool) = pool_of(pools, worker.pool.get_ref()) else {
            continue;
        };
        let region = pool.region.get_ref();
        let tag_key = pool::tag_key(pool);
        let tag_value = worker.tag_value.as_ref().unwrap_or(key);
        if let Some(first) = tags.insert((region, tag_key, tag_value.get_ref()), key) {
            let found = format!(
                "the tag {tag_key}={} in {region} is already the worker {}'s; an instance must belong to one \
                 worker: give each worker its own `tag_value`",
                tag_value.get_ref(),
                named(checker, first),
            );
            checker.refuse(tag_value.span(), found);
        }
        let pointer = &worker.pointer;
        if let Some(first) = pointers.insert((region, pointer.get_ref()), key) {
            let found = format!(
                "the pointer {} in {region} is already the worker {}'s; give each worker its own",
                pointer.get_ref(),
                named(checker, first),
            );
            checker.refuse(pointer.span(), found);
        }
    }
}

fn named(checker: &Checker<'_>, key: &Spanned<String>) -> String {
    let place = Place::of(checker.text, key.span().start);
    format!("{:?} (line {})", key.get_ref(), place.line)
}
