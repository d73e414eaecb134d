//! Which pools were read in this life of the host, and what their latest scan said.
//!
//! A pool that cannot be read is its own fault once another pool was read: it is shown and does not
//! make the host unready (V7). If no pool was read, the fault is likely the host's own.

use std::collections::BTreeMap;

use reeve_core::cloud::{CloudError, CloudErrorKind, Reading};
use reeve_core::compute::Compute;
use reeve_core::id::{PoolName, Region};
use reeve_core::spec::FleetSpec;
use serde::Serialize;
use utoipa::ToSchema;

/// The scans of all pools that have workers.
pub(super) struct Scans(BTreeMap<PoolName, Scanned>);

/// What the host knows of one pool's instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PoolReading {
    /// Whether a scan has succeeded in this life of the host.
    read: bool,
    /// What the pool lacks, and what to do; `None` if nothing.
    problem: Option<String>,
}

/// The scans of one pool.
struct Scanned {
    region: Region,
    compute: Compute,
    /// Whether a scan has succeeded in this life of the host. A later failure does not reset it (fail
    /// static): the host serves what it read, and an unready host would take that from its callers.
    is_read: bool,
    /// Why the latest scan failed. `None`: it succeeded, or none has ended yet.
    failed: Option<CloudError>,
}

impl Scans {
    /// No scan has ended. A pool without workers is never scanned, so it needs none.
    pub(super) fn awaited(spec: &FleetSpec) -> Self {
        let workers = spec.workers.values();
        let pools = workers.filter_map(|worker| {
            let pool = spec.pools.get(&worker.pool)?;
            let scanned = Scanned {
                region: pool.region.clone(),
                compute: pool.compute.clone(),
                is_read: false,
                failed: None,
            };
            Some((worker.pool.clone(), scanned))
        });
        Self(pools.collect())
    }

    /// Takes in the end of a pool's scan. The log has the first failure of each code, and the first
    /// success, until the pool is read.
    pub(super) fn ended(&mut self, pool: &PoolName, result: &Result<Reading, CloudError>) {
        let Some(scanned) = self.0.get_mut(pool) else {
            return;
        };
        match result {
            Ok(Reading::Scan(_)) => {
                if !scanned.is_read {
                    tracing::info!(%pool, "the pool is read for the first time");
                }
                scanned.is_read = true;
                scanned.failed = None;
            }
            // Any other reading does not answer a scan.
            Ok(_) => {}
            Err(error) => {
                let is_known = matches!(&scanned.failed, Some(last) if last.code == error.code);
                if !scanned.is_read && !is_known {
                    tracing::warn!(%pool, "the pool is not read: {}", scanned.unread(Some(error)));
                }
                scanned.failed = Some(error.clone());
            }
        }
    }

    /// Why the host is not ready: pools whose first scan has not ended, or all pools if none was
    /// read.
    pub(super) fn reasons(&self) -> impl Iterator<Item = String> {
        self.problems(|scanned, one_is_read| {
            let is_excused = one_is_read && scanned.has_failed();
            !scanned.is_read && !is_excused
        })
    }

    /// The failures of pools that do not make the host unready.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.problems(|scanned, one_is_read| scanned.has_failed() && one_is_read)
    }

    /// Each pool by itself.
    pub(super) fn pools(&self) -> BTreeMap<PoolName, PoolReading> {
        let pools = self.0.iter().map(|(pool, scanned)| {
            let reading = PoolReading {
                read: scanned.is_read,
                problem: scanned.problem(),
            };
            (pool.clone(), reading)
        });
        pools.collect()
    }

    /// The problems of the pools that are chosen by their scans and by whether any pool was read.
    fn problems(&self, is_chosen: fn(&Scanned, bool) -> bool) -> impl Iterator<Item = String> {
        let one_is_read = self.0.values().any(|scanned| scanned.is_read);
        let chosen = self.0.iter();
        let chosen = chosen.filter(move |(_, scanned)| is_chosen(scanned, one_is_read));
        chosen.filter_map(|(pool, scanned)| Some(format!("pool {pool}: {}", scanned.problem()?)))
    }
}

impl Scanned {
    fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// What the pool lacks, and what to do; `None` if nothing.
    fn problem(&self) -> Option<String> {
        match (&self.failed, self.is_read) {
            (failed, false) => Some(self.unread(failed.as_ref())),
            (Some(error), true) => Some(format!(
                "the latest scan failed, so the host serves from what it read before: {error}"
            )),
            (None, true) => None,
        }
    }

    /// What the pool lacks, what was tried last, and what to do.
    fn unread(&self, failed: Option<&CloudError>) -> String {
        let missing = match &self.compute {
            Compute::Ec2 => format!("its instances in {} were never read", self.region),
            Compute::Fargate { cluster } => {
                format!(
                    "its tasks in cluster {cluster} in {} were never read",
                    self.region
                )
            }
        };
        match failed {
            None => format!("{missing}; the first scan is under way, wait for its end"),
            Some(error) => format!(
                "{missing}; the latest scan: {error}; {}, the host scans again by itself",
                self.remedy(error)
            ),
        }
    }

    /// What to do about a scan that failed. The host tries again after each of them.
    fn remedy(&self, error: &CloudError) -> String {
        let credentials = "give the host credentials: a role of the machine or container, which needs no restart of \
                           the host, or keys in its environment or profile";
        match (error.kind, error.code.as_str()) {
            (CloudErrorKind::Denied, "Credentials") => credentials.to_owned(),
            (CloudErrorKind::Denied, _) => {
                let service = match self.compute {
                    Compute::Ec2 => "ec2",
                    Compute::Fargate { .. } => "ecs",
                };
                format!(
                    "give the host valid credentials that allow {service}:{} (docs/iam.md)",
                    error.operation
                )
            }
            (CloudErrorKind::Transient, "Credentials") => {
                format!("see whether the source of credentials responds, or {credentials}")
            }
            (CloudErrorKind::Transient, _) => {
                "see whether this machine reaches AWS in this region (network, `endpoint_url`)"
                    .to_owned()
            }
            (CloudErrorKind::Throttled | CloudErrorKind::NoCapacity, _) => "wait".to_owned(),
            _ => match &self.compute {
                Compute::Ec2 => "correct the pool's `region`".to_owned(),
                Compute::Fargate { .. } => "correct the pool's `region` or `cluster`".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use reeve_core::cloud::PointerReading;

    use crate::common::spec;

    use super::*;

    fn failed(kind: CloudErrorKind, code: &str) -> Result<Reading, CloudError> {
        Err(CloudError {
            operation: "DescribeInstances".to_owned(),
            kind,
            code: code.to_owned(),
            message: format!("said {code}"),
            retry_after: None,
        })
    }

    fn read() -> Result<Reading, CloudError> {
        Ok(Reading::Scan(Vec::new()))
    }

    fn gpu() -> PoolName {
        PoolName::from("gpu")
    }

    /// Reasons and warnings.
    fn told(scans: &Scans) -> (Vec<String>, Vec<String>) {
        (scans.reasons().collect(), scans.warnings().collect())
    }

    #[test]
    fn a_pool_is_unread_until_a_scan_succeeds_and_then_read_for_good() {
        let mut scans = Scans::awaited(&spec());
        let (reasons, warnings) = told(&scans);
        let waits = "pool gpu: its instances in us-east-1 were never read; \
                     the first scan is under way, wait for its end";
        assert_eq!(reasons, [waits]);
        assert!(warnings.is_empty(), "{warnings:?}");

        scans.ended(&gpu(), &failed(CloudErrorKind::Transient, "Timeout"));
        let (reasons, warnings) = told(&scans);
        assert!(reasons[0].contains("DescribeInstances failed: Timeout: said Timeout"));
        assert!(warnings.is_empty(), "{warnings:?}");

        scans.ended(&gpu(), &read());
        assert_eq!(told(&scans), (vec![], vec![]));

        scans.ended(
            &gpu(),
            &failed(CloudErrorKind::Denied, "UnauthorizedOperation"),
        );
        let (reasons, warnings) = told(&scans);
        assert!(reasons.is_empty(), "{reasons:?}");
        assert!(warnings[0].contains("serves from what it read before"));
        assert!(warnings[0].contains("said UnauthorizedOperation"));
    }

    #[test]
    fn each_failure_says_what_to_do() {
        use CloudErrorKind::{Denied, Permanent, Throttled, Transient};
        let cases = [
            (Denied, "Credentials", "give the host credentials"),
            (
                Denied,
                "UnauthorizedOperation",
                "allow ec2:DescribeInstances",
            ),
            (Transient, "Credentials", "the source of credentials"),
            (Transient, "Connection", "reaches AWS"),
            (Throttled, "RequestLimitExceeded", "wait"),
            (
                Permanent,
                "InvalidParameterValue",
                "correct the pool's `region`",
            ),
        ];
        for (kind, code, advice) in cases {
            let mut scans = Scans::awaited(&spec());
            scans.ended(&gpu(), &failed(kind, code));
            let (reasons, _) = told(&scans);
            let found = &reasons[0];
            assert!(found.contains(&format!("{code}: said {code}")), "{found}");
            assert!(found.contains(advice), "{found}");
        }
    }

    #[test]
    fn a_fargate_pool_names_its_cluster() {
        let mut spec = spec();
        let pool = spec.pools.get_mut(&gpu()).unwrap();
        pool.compute = Compute::Fargate {
            cluster: "agents".to_owned(),
        };
        let mut scans = Scans::awaited(&spec);
        scans.ended(
            &gpu(),
            &failed(CloudErrorKind::Permanent, "ClusterNotFoundException"),
        );
        let (reasons, _) = told(&scans);
        assert!(reasons[0].contains("cluster agents in us-east-1"));
        assert!(reasons[0].contains("`region` or `cluster`"));
    }

    #[test]
    fn each_pool_is_read_by_its_own_scan() {
        two_pools_and_one_read();
    }

    /// The pool `gpu` is read, and the first scan of `cpu` is under way.
    #[track_caller]
    fn two_pools_and_one_read() -> Scans {
        let mut spec = spec();
        let pool = spec.pools[&gpu()].clone();
        spec.pools.insert(PoolName::from("cpu"), pool);
        let mut worker = spec.workers.values().next().unwrap().clone();
        worker.pool = PoolName::from("cpu");
        spec.workers.insert("batch".into(), worker);
        let mut scans = Scans::awaited(&spec);
        scans.ended(&gpu(), &read());
        let (reasons, _) = told(&scans);
        assert!(reasons[0].starts_with("pool cpu: "), "{reasons:?}");
        assert_eq!(reasons.len(), 1);
        scans
    }

    #[test]
    fn a_pool_that_cannot_be_read_keeps_no_other_unready() {
        let mut scans = two_pools_and_one_read();
        let denied = failed(CloudErrorKind::Denied, "UnauthorizedOperation");
        scans.ended(&PoolName::from("cpu"), &denied);
        let (reasons, warnings) = told(&scans);
        assert!(reasons.is_empty(), "{reasons:?}");
        assert!(warnings[0].contains("were never read"), "{warnings:?}");
        let pools = scans.pools();
        assert!(pools[&gpu()].read && pools[&gpu()].problem.is_none());
        let cpu = &pools[&PoolName::from("cpu")];
        let problem = cpu.problem.as_ref().unwrap();
        assert!(!cpu.read && problem.contains("said UnauthorizedOperation"));
    }

    #[test]
    fn a_host_that_reads_no_pool_is_not_ready_and_names_each() {
        let mut scans = two_pools_and_one_read();
        let none = failed(CloudErrorKind::Denied, "Credentials");
        scans
            .0
            .values_mut()
            .for_each(|scanned| scanned.is_read = false);
        for pool in ["cpu", "gpu"] {
            scans.ended(&PoolName::from(pool), &none);
        }
        let (reasons, warnings) = told(&scans);
        assert_eq!((reasons.len(), warnings.len()), (2, 0));
        assert!(reasons[0].contains("give the host credentials"));
    }

    #[test]
    fn a_pool_without_workers_needs_no_scan() {
        let mut spec = spec();
        spec.workers.clear();
        assert_eq!(told(&Scans::awaited(&spec)), (vec![], vec![]));
    }

    #[test]
    fn another_reading_reads_no_pool() {
        let mut scans = Scans::awaited(&spec());
        scans.ended(&gpu(), &Ok(Reading::Pointer(PointerReading::default())));
        assert_eq!(scans.reasons().count(), 1);
    }
}
