//! The host's metrics, for `/metrics`. Names end in their unit. The configuration or the contract
//! bounds the values of every label.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use reeve_core::decision::Decision;
use reeve_core::health::{Probed, Sign, SignalKind};
use reeve_core::id::{PoolName, WorkerId};
use reeve_core::notice::Notice;
use reeve_core::response::Resolution;
use reeve_core::worker::SignalStatus;

use crate::notify::Counters;

/// Buckets in seconds for decisions and calls: from the tens of microseconds of a policy to the
/// half minute of a call that times out.
const SECONDS: [f64; 12] = [
    0.000_05, 0.000_2, 0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

/// All metrics of one host. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    resolves: Family<ResolveLabels, Counter>,
    notices: Family<NoticeLabels, Counter>,
    decisions: Family<DecisionLabels, Counter>,
    decision_seconds: Family<PointLabels, Histogram, fn() -> Histogram>,
    decision_fuel: Family<PointLabels, Counter>,
    cloud_calls: Family<CallLabels, Counter>,
    cloud_call_seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    journal_failures: Counter,
    journal_bytes: Gauge<u64, AtomicU64>,
    reloads: Family<ReloadLabels, Counter>,
    panics: Family<PlaceLabels, Counter>,
    turned_away: Family<CapLabels, Counter>,
    logins: Family<OutcomeLabels, Counter>,
    audit_lines_lost: Counter,
    workers: Family<ConditionLabels, Gauge>,
    notifications: Family<NotificationLabels, Counter>,
    probes: Family<ProbeLabels, Counter>,
    signals: Family<SignalLabels, Gauge>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResolveLabels {
    worker: String,
    answer: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NoticeLabels {
    worker: String,
    step: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DecisionLabels {
    pool: String,
    point: &'static str,
    result: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PointLabels {
    point: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    operation: &'static str,
    result: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PlaceLabels {
    place: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CapLabels {
    door: &'static str,
    cap: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConditionLabels {
    condition: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NotificationLabels {
    webhook: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProbeLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SignalLabels {
    signal: &'static str,
    reading: &'static str,
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    /// All metrics at zero.
    pub(crate) fn new() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("reeve"),
            resolves: Family::default(),
            notices: Family::default(),
            decisions: Family::default(),
            decision_seconds: Family::new_with_constructor(seconds),
            decision_fuel: Family::default(),
            cloud_calls: Family::default(),
            cloud_call_seconds: Family::new_with_constructor(seconds),
            journal_failures: Counter::default(),
            journal_bytes: Gauge::default(),
            reloads: Family::default(),
            panics: Family::default(),
            turned_away: Family::default(),
            logins: Family::default(),
            audit_lines_lost: Counter::default(),
            workers: Family::default(),
            notifications: Family::default(),
            probes: Family::default(),
            signals: Family::default(),
        };
        inner.register();
        Self(Arc::new(inner))
    }

    /// The counter of resolves served from a worker's published route. The route keeps it.
    pub(crate) fn resolves_from_route(&self, worker: &WorkerId) -> Counter {
        self.resolves(worker, "route")
    }

    /// Counts a response of the core.
    pub(crate) fn answered(&self, worker: &WorkerId, answer: &Resolution) {
        let answer = match answer {
            Resolution::Served(_) => "served",
            Resolution::NotYet(not_yet) => not_yet.code.as_str(),
        };
        self.resolves(worker, answer).inc();
    }

    fn resolves(&self, worker: &WorkerId, answer: &'static str) -> Counter {
        let labels = ResolveLabels {
            worker: worker.to_string(),
            answer,
        };
        self.0.resolves.get_or_create_owned(&labels)
    }

    /// Counts a notice of the core.
    pub(crate) fn noticed(&self, notice: &Notice) {
        let labels = NoticeLabels {
            worker: notice.worker.to_string(),
            step: notice.step.as_str(),
        };
        self.0.notices.get_or_create(&labels).inc();
    }

    /// The counters of one webhook's messages. The webhook's task keeps them.
    pub(crate) fn notifications(&self, webhook: &str) -> Counters {
        let of = |result| {
            let webhook = webhook.to_owned();
            let labels = NotificationLabels { webhook, result };
            self.0.notifications.get_or_create_owned(&labels)
        };
        Counters {
            sent: of("sent"),
            dropped: of("dropped"),
            left_out: of("left_out"),
            failed: of("failed"),
        }
    }

    /// Counts a decision and its duration, including the wait for a thread.
    pub(crate) fn decided(&self, pool: &PoolName, made: &Decision, took: Duration) {
        let point = made.input.point().as_str();
        let labels = DecisionLabels {
            pool: pool.to_string(),
            point,
            result: match &made.result {
                Ok(_) => "verdict".to_owned(),
                Err(failure) => failure.code.clone(),
            },
        };
        let of_point = PointLabels { point };
        self.0.decisions.get_or_create(&labels).inc();
        let histogram = self.0.decision_seconds.get_or_create(&of_point);
        histogram.observe(took.as_secs_f64());
        self.0
            .decision_fuel
            .get_or_create(&of_point)
            .inc_by(made.fuel_used);
    }

    /// Counts a call to the cloud. `result` is `ok` or the kind of error.
    pub(crate) fn called(&self, operation: &'static str, result: String, took: Duration) {
        let labels = CallLabels { operation, result };
        self.0.cloud_calls.get_or_create(&labels).inc();
        let of_operation = OperationLabels { operation };
        let histogram = self.0.cloud_call_seconds.get_or_create(&of_operation);
        histogram.observe(took.as_secs_f64());
    }

    /// Counts a finished probe.
    pub(crate) fn probed(&self, probed: &Probed) {
        let result = match probed {
            Probed::Connected => "connected",
            Probed::Answered(_) => "answered",
            Probed::Failed(_) => "failed",
            Probed::NotTried(_) => "not_tried",
        };
        self.0.probes.get_or_create(&ProbeLabels { result }).inc();
    }

    /// Counts an attempt to write the journal.
    pub(crate) fn journal_written(&self, written: bool, bytes: u64) {
        self.0.journal_bytes.set(bytes);
        if !written {
            self.0.journal_failures.inc();
        }
    }

    /// Counts a file of a reload: `activated`, `unchanged` or `refused`.
    pub(crate) fn reloaded(&self, result: &'static str) {
        self.0.reloads.get_or_create(&ReloadLabels { result }).inc();
    }

    /// Counts a caught panic by place.
    pub(crate) fn panicked(&self, place: &'static str) {
        self.0.panics.get_or_create(&PlaceLabels { place }).inc();
    }

    /// Counts a connection that a listener closed or refused, by cap: `peer` or `door`.
    pub(crate) fn turned_away(&self, door: &'static str, cap: &'static str) {
        let labels = CapLabels { door, cap };
        self.0.turned_away.get_or_create(&labels).inc();
    }

    /// Counts a line of the audit log that was not written.
    pub(crate) fn audit_lines_lost(&self) {
        self.0.audit_lines_lost.inc();
    }

    /// Counts a login by AWS IAM, by its outcome: `logged_in`, or the code of the refusal.
    pub(crate) fn login(&self, outcome: &'static str) {
        self.0
            .logins
            .get_or_create(&OutcomeLabels { outcome })
            .inc();
    }

    /// Sets how many workers are in each condition.
    pub(crate) fn set_workers<'a>(&self, conditions: impl Iterator<Item = &'a str>) {
        const ALL: [&str; 8] = [
            "paused",
            "restarting",
            "unresponsive",
            "unhealthy",
            "serving",
            "pending",
            "idle",
            "failing",
        ];
        let mut counts = [0; ALL.len()];
        for condition in conditions {
            if let Some(index) = ALL.iter().position(|one| *one == condition) {
                counts[index] += 1;
            }
        }
        for (condition, count) in ALL.into_iter().zip(counts) {
            self.0
                .workers
                .get_or_create(&ConditionLabels { condition })
                .set(count);
        }
    }

    /// Sets how many workers have each reading of each signal.
    pub(crate) fn set_signals<'a>(&self, signals: impl Iterator<Item = &'a SignalStatus>) {
        let kinds = SignalKind::ALL.into_iter();
        let mut counts: BTreeMap<_, i64> = kinds
            .flat_map(|kind| Sign::ALL.map(|sign| ((kind.as_str(), sign.as_str()), 0)))
            .collect();
        for found in signals {
            *counts
                .entry((found.signal, found.reading.as_str()))
                .or_default() += 1;
        }
        for ((signal, reading), count) in counts {
            let labels = SignalLabels { signal, reading };
            self.0.signals.get_or_create(&labels).set(count);
        }
    }

    /// All metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// None in practice: the text is written to memory.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

impl Inner {
    fn register(&mut self) {
        let registry = &mut self.registry;
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", version);
        registry.register(
            "resolves",
            "Responses to resolves: `route` from the published route, `served` from the core, else the code",
            self.resolves.clone(),
        );
        registry.register(
            "notices",
            "Notices about workers, by step",
            self.notices.clone(),
        );
        registry.register(
            "decisions",
            "Policy calls, by result: `verdict` or the code of the failure",
            self.decisions.clone(),
        );
        registry.register_with_unit(
            "decision_duration",
            "Time from the question to the verdict, including the wait for a thread",
            Unit::Seconds,
            self.decision_seconds.clone(),
        );
        registry.register(
            "decision_fuel",
            "Fuel that policies used",
            self.decision_fuel.clone(),
        );
        registry.register(
            "cloud_calls",
            "Calls to the cloud, by result: `ok` or the kind of error",
            self.cloud_calls.clone(),
        );
        registry.register_with_unit(
            "cloud_call_duration",
            "How long calls to the cloud took",
            Unit::Seconds,
            self.cloud_call_seconds.clone(),
        );
        registry.register(
            "journal_write_failures",
            "Attempts to write the journal that failed",
            self.journal_failures.clone(),
        );
        registry.register_with_unit(
            "journal_size",
            "Length of the current journal file",
            Unit::Bytes,
            self.journal_bytes.clone(),
        );
        registry.register(
            "policy_files",
            "Policy files read by reloads, by result",
            self.reloads.clone(),
        );
        registry.register("panics", "Caught panics, by place", self.panics.clone());
        registry.register(
            "connections_turned_away",
            "Connections that a listener closed or refused (`boxes`, `network`, `loopback`, `socket`), by cap: of one `peer`, or of the listener (`door`)",
            self.turned_away.clone(),
        );
        registry.register(
            "audit_lines_lost",
            "Lines of the audit log that could not be written",
            self.audit_lines_lost.clone(),
        );
        registry.register(
            "logins",
            "Logins by AWS IAM, by outcome: `logged_in`, or the code of the refusal",
            self.logins.clone(),
        );
        registry.register("workers", "Workers by condition", self.workers.clone());
        registry.register(
            "probes",
            "Probes of instances: `answered` (whatever the status), `connected`, `failed`, `not_tried` on this host",
            self.probes.clone(),
        );
        registry.register(
            "health_signals",
            "Workers by the reading of each health signal: `good`, `bad`, `unavailable`",
            self.signals.clone(),
        );
        registry.register(
            "notifications",
            "Messages for webhooks: `sent`, `dropped` (queue full, or the host ended), `left_out` (rate limit), `failed`",
            self.notifications.clone(),
        );
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
