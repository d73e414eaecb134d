//! `[notify.NAME]`: which webhooks get which notices.

use std::collections::BTreeSet;
use std::path::Path;

use reeve_core::id::WorkerId;

use super::given;
use super::worker::known;
use crate::config::file::{Notify, Whole};
use crate::config::finding::Findings;
use crate::config::kind;
use crate::config::section::At;
use crate::notify::Webhook;
use crate::notify::filter::Filter;
use crate::notify::webhook::AddressSource;

/// All webhooks. A webhook without an address is left out; the finding is recorded.
pub(super) fn all(findings: &mut Findings<'_>, base: &Path, file: &Whole) -> Vec<Webhook> {
    let mut webhooks = Vec::new();
    for (name, notify) in &file.notify {
        findings.check(name, |name| kind::name(name));
        let address = address(findings, base, name, notify);
        let steps = notify.steps.iter().flat_map(|steps| &steps.value);
        let filter = Filter {
            level: notify.level,
            steps: steps.map(|step| step.value).collect(),
            workers: workers(findings, notify, file),
        };
        let Some(address) = address else { continue };
        webhooks.push(Webhook {
            name: name.value.clone(),
            address,
            format: notify.format.value,
            filter,
            template: given(notify.template.as_ref()).unwrap_or_default(),
            per_minute_max: notify.per_minute_max,
        });
    }
    webhooks
}

fn address(
    findings: &mut Findings<'_>,
    base: &Path,
    name: &At<String>,
    notify: &Notify,
) -> Option<AddressSource> {
    let found = match (&notify.url, &notify.url_file) {
        (Some(url), None) => return Some(AddressSource::Written(url.value.clone())),
        (None, Some(file)) => return Some(AddressSource::File(base.join(&file.value))),
        (Some(_), Some(_)) => "has `url` and `url_file`",
        (None, None) => "has no address",
    };
    let found = format!(
        "[notify.{}] {found}; accepted: either `url`, or `url_file` with the name of a file that holds it",
        name.value
    );
    findings.refuse(name.span.clone(), found);
    None
}

/// The named workers and the workers of the named pools. `None`: all workers.
fn workers(
    findings: &mut Findings<'_>,
    notify: &Notify,
    file: &Whole,
) -> Option<BTreeSet<WorkerId>> {
    if notify.workers.is_none() && notify.pools.is_none() {
        return None;
    }
    let mut wanted = BTreeSet::new();
    for name in notify.workers.iter().flat_map(|list| &list.value) {
        let worker = findings.check(name, |name| known(name, "worker", &file.worker));
        wanted.insert(WorkerId::new(worker));
    }
    for name in notify.pools.iter().flat_map(|list| &list.value) {
        findings.check(name, |name| known(name, "pool", &file.pool));
        let of_pool = file
            .worker
            .iter()
            .filter(|(_, worker)| worker.pool.value == name.value);
        wanted.extend(of_pool.map(|(name, _)| WorkerId::new(name.value.clone())));
    }
    Some(wanted)
}
