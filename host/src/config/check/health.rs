//! `[pool.NAME.health]`: which signals are read, and what an unhealthy worker leads to.

use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec};
use reeve_core::time::Millis;

use super::given;
use crate::config::file::{Health, Pool};
use crate::config::finding::Findings;

const TIMEOUT: Millis = Millis::from_secs(2);

/// The health checks of a pool.
pub(super) fn of_pool(findings: &mut Findings<'_>, pool: &Pool) -> Option<HealthSpec> {
    let at = pool.health.as_ref()?;
    let section = &at.value;
    let probe = probe(findings, section);
    if probe.is_none() && !section.status_checks && pool.boxes.is_none() {
        let found = "there is no signal to read; accepted: `http = \"/path\"`, `tcp = true`, `status_checks = true`, or \
                     boxes that register, whose heartbeats are a signal";
        findings.refuse(at.span.clone(), found);
    }
    if section.status_checks && pool.fargate.is_some() {
        let found = "`status_checks` are EC2's, and the instances of this pool are Fargate tasks; accepted: `http` or `tcp`";
        findings.refuse(at.span.clone(), found);
    }
    Some(HealthSpec {
        probe,
        every: section.every_ms,
        unhealthy_after: section.unhealthy_after,
        healthy_after: section.healthy_after,
        boot_grace: section.boot_grace_ms,
        status_checks: section.status_checks,
        restart: section.restart,
        storm_percent: section.storm_percent,
    })
}

fn probe(findings: &mut Findings<'_>, section: &Health) -> Option<ProbeSpec> {
    let statuses = statuses(findings, section);
    let timeout = timeout(findings, section);
    let tcp = section.tcp.as_ref().filter(|tcp| tcp.value);
    if let (Some(_), Some(tcp)) = (&section.http, tcp) {
        let found = "`http` and `tcp` are both set; accepted: one of them; `http` connects as well";
        findings.refuse(tcp.span.clone(), found);
    }
    let kind = match (&section.http, tcp) {
        (Some(path), _) => ProbeKind::Http {
            path: path.value.clone(),
            statuses,
        },
        (None, Some(_)) => ProbeKind::Tcp,
        (None, None) => {
            let port = section.port.as_ref().map(|at| &at.span);
            let timeout = section.timeout_ms.as_ref().map(|at| &at.span);
            for span in port.into_iter().chain(timeout) {
                let found = "there is no probe to use it; accepted: with `http` or `tcp`";
                findings.refuse(span.clone(), found);
            }
            return None;
        }
    };
    Some(ProbeSpec {
        kind,
        port: given(section.port.as_ref()),
        timeout,
    })
}

/// A probe must end before the next one begins, which may be a tenth of `every_ms` early.
fn timeout(findings: &mut Findings<'_>, section: &Health) -> Millis {
    let least_pause = section.every_ms.get() / 10 * 9;
    let Some(written) = &section.timeout_ms else {
        return TIMEOUT.min(Millis::new(least_pause / 2));
    };
    if written.value.get() >= least_pause {
        let found = format!(
            "found {}; accepted: less than {least_pause}, the shortest pause between two probes at this `every_ms`",
            written.value.get()
        );
        findings.refuse(written.span.clone(), found);
    }
    written.value
}

fn statuses(findings: &mut Findings<'_>, section: &Health) -> Vec<u16> {
    let Some(listed) = &section.statuses else {
        return Vec::new();
    };
    if section.http.is_none() {
        let found = "only HTTP has statuses; accepted: with `http`";
        findings.refuse(listed.span.clone(), found);
    }
    if listed.value.is_empty() {
        let found = "the list is empty, so no response would count as healthy; accepted: some, such as [200, 401], or no \
                     `statuses`, which means 200 to 299";
        findings.refuse(listed.span.clone(), found);
    }
    listed.value.iter().map(|status| status.value).collect()
}
