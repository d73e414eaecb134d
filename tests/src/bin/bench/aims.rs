//! The aims for the figures, and what bounds a figure that misses its aim.

use crate::activity::Sqlite;
use crate::decisions::Decision;
use crate::http::Http;
use crate::memory::Memory;
use crate::neighbours::Neighbours;
use crate::report::Measured;

/// An aim, and whether it was reached.
pub(crate) struct Aim {
    pub(crate) what: &'static str,
    pub(crate) reached: bool,
    pub(crate) found: String,
    /// What bounds the figure, for an engineer who wants to improve it.
    pub(crate) bound_by: &'static str,
}

/// All aims, for people to read.
pub(crate) fn of(measured: &Measured) -> Vec<Aim> {
    let decisions = measured.decisions.iter();
    decisions
        .filter(|one| one.instances == 10)
        .flat_map(of_ten)
        .chain([
            of_throughput(&measured.http),
            of_reports(&measured.in_sqlite),
        ])
        .chain(measured.memory.iter().map(of_scan))
        .chain([of_neighbours(&measured.neighbours)])
        .collect()
}

fn of_ten(decision: &Decision) -> [Aim; 2] {
    let over_floor = decision.component_us / decision.floor_us;
    let under_regorus = decision.regorus_us / decision.component_us;
    [
        Aim {
            what: "a decision at 10 instances within 2 times the fresh no-op",
            reached: over_floor <= 2.0,
            found: format!("{over_floor:.2} times"),
            bound_by: "wasmtime writes the input's records into the sandbox field by field and compares the \
                       function's type in every fresh instance; the rest is the policy's own code, fuel counted",
        },
        Aim {
            what: "a decision at 10 instances at least 5 times faster than regorus",
            reached: under_regorus >= 5.0,
            found: format!("{under_regorus:.1} times"),
            bound_by: "the sandbox is most of the decision, whatever the policy does",
        },
    ]
}

fn of_reports(activity: &Sqlite) -> Aim {
    let share = 100.0 * activity.reported.per_s / activity.constant.per_s;
    Aim {
        what: "durable reports at 50 % or more of the constant handler's throughput",
        reached: share >= 50.0,
        found: format!("{share:.0} %"),
        bound_by: "each report is answered when it is on disk; a report that arrives during a write waits for the \
                   next one, so a caller waits for one to two of the disk's syncs, and for its turn on a busy machine",
    }
}

fn of_scan(memory: &Memory) -> Aim {
    Aim {
        what: "a scan within 1 s of CPU",
        reached: memory.scan_cpu_ms <= 1000.0,
        found: format!(
            "{:.0} ms for {} workers",
            memory.scan_cpu_ms, memory.workers
        ),
        bound_by: "the instances' tags are matched and folded one by one",
    }
}

fn of_neighbours(neighbours: &Neighbours) -> Aim {
    let quiet_us = neighbours.quiet.p99_us;
    let times = neighbours
        .next_to
        .iter()
        .map(|next_to| next_to.load.p99_us / quiet_us)
        .fold(0.0, f64::max);
    Aim {
        what: "a pool's p99 next to a hostile policy within 2 times the quiet one",
        reached: times <= 2.0,
        found: format!("{times:.2} times at most"),
        bound_by: "not shown yet: `long` answers, so its workers are looked up again and again, and the core takes \
                   their readings in between the good pool's events",
    }
}

fn of_throughput(http: &Http) -> Aim {
    let share = 100.0 * http.resolve.per_s / http.constant.per_s;
    Aim {
        what: "a steady resolve at 70 % or more of the constant handler's throughput",
        reached: share >= 70.0,
        found: format!("{share:.0} %"),
        bound_by: "a resolve also pays for matching the path, two layers, the route's atomic read and \
                   counter, and rendering the remaining validity",
    }
}
