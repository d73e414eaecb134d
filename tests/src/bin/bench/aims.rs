//! The aims for the figures, and what bounds a figure that misses its aim.

use crate::activity::Sqlite;
use crate::bombs::Bombs;
use crate::decisions::Decision;
use crate::http::Http;
use crate::memory::Memory;
use crate::neighbours::Neighbours;
use crate::report::Measured;
use crate::tls::OverTls;

/// An aim, and whether it was reached.
pub(crate) struct Aim {
    pub(crate) what: String,
    pub(crate) reached: bool,
    pub(crate) found: String,
    /// What bounds the figure, for an engineer who wants to improve it.
    pub(crate) bound_by: &'static str,
}

/// All aims, for people to read.
pub(crate) fn of(measured: &Measured) -> Vec<Aim> {
    let decisions = measured.decisions.iter();
    decisions
        .flat_map(of_decision)
        .chain([
            of_throughput(&measured.http),
            of_reports(&measured.in_sqlite),
        ])
        .chain(of_tls(&measured.over_tls))
        .chain(measured.memory.iter().map(of_scan))
        .chain([of_neighbours(&measured.neighbours)])
        .chain(of_bombs(&measured.bombs))
        .collect()
}

/// How many times the no-op's time a decision may take, by the number of instances.
const FLOOR_TIMES: [(usize, f64); 2] = [(10, 1.5), (100, 4.0)];

fn of_decision(decision: &Decision) -> Vec<Aim> {
    let over_floor = decision.component_us / decision.floor_us;
    let under_regorus = decision.regorus_us / decision.component_us;
    let sizes = FLOOR_TIMES
        .into_iter()
        .filter(|(instances, _)| *instances == decision.instances);
    let aims = sizes.flat_map(|(instances, times)| {
        [
            Aim {
                what: format!("a decision at {instances} instances within {times} times the fresh no-op"),
                reached: over_floor <= times,
                found: format!("{over_floor:.2} times"),
                bound_by: "wasmtime writes the input's records into the sandbox field by field and compares the \
                           function's type in every fresh instance; the rest is the policy's own code, fuel counted",
            },
            Aim {
                what: format!(
                    "a decision at {instances} instances at least 10 times faster than regorus"
                ),
                reached: under_regorus >= 10.0,
                found: format!("{under_regorus:.1} times"),
                bound_by: "the sandbox is most of the decision, whatever the policy does",
            },
        ]
    });
    aims.collect()
}

fn of_reports(activity: &Sqlite) -> Aim {
    let share = 100.0 * activity.reported.per_s / activity.constant.per_s;
    Aim {
        what: "durable reports at 50 % or more of the constant handler's throughput".to_owned(),
        reached: share >= 50.0,
        found: format!("{share:.0} %"),
        bound_by: "each report is answered when it is on disk; a report that arrives during a write waits for the \
                   next one, so a caller waits for one to two of the disk's syncs, and for its turn on a busy machine",
    }
}

fn of_scan(memory: &Memory) -> Aim {
    Aim {
        what: "a scan within 1 s of CPU".to_owned(),
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
        what: "a pool's p99 next to a hostile policy within 2 times the quiet one".to_owned(),
        reached: times <= 2.0,
        found: format!("{times:.2} times at most"),
        bound_by: "not shown yet: `long` answers, so its workers are looked up again and again, and the core takes \
                   their readings in between the good pool's events",
    }
}

fn of_bombs(bombs: &Bombs) -> [Aim; 3] {
    let more_mib = bombs.peak_mib - bombs.before_mib;
    let times = bombs.during.p99_us / bombs.quiet.p99_us;
    [
        Aim {
            what: "20 compile bombs raise the host's peak memory by 32 MiB or less".to_owned(),
            reached: more_mib <= 32.0,
            found: format!("{more_mib:.0} MiB"),
            bound_by: "each file's bytes are read, at most 8 MiB of two files at a time",
        },
        Aim {
            what: "another team's changed file in force within 2 s while a bomb is compiled"
                .to_owned(),
            reached: bombs.next_to_one_ms <= 2_000.0,
            found: format!("{:.0} ms", bombs.next_to_one_ms),
            bound_by: "the watch takes the changes of a moment together; the rest is the compiler's time",
        },
        Aim {
            what: "a decision's p99 at most doubles while bombs are compiled".to_owned(),
            reached: times <= 2.0,
            found: format!("{times:.2} times"),
            bound_by: "two compilers, callers and the host share the cores",
        },
    ]
}

fn of_throughput(http: &Http) -> Aim {
    let share = 100.0 * http.resolve.per_s / http.constant.per_s;
    Aim {
        what: "a steady resolve at 70 % or more of the constant handler's throughput".to_owned(),
        reached: share >= 70.0,
        found: format!("{share:.0} %"),
        bound_by: "a resolve also pays for matching the path, two layers, the route's atomic read and \
                   counter, and rendering the remaining validity",
    }
}

fn of_tls(over_tls: &OverTls) -> Vec<Aim> {
    let constant = over_tls.constant.per_s;
    let aim = |how: &str, per_s: f64| {
        let share = 100.0 * per_s / constant;
        Aim {
            what: format!(
                "a resolve over TLS, by {how}, at 80 % or more of the constant's throughput"
            ),
            reached: share >= 80.0,
            found: format!("{share:.0} %"),
            bound_by: "a resolve also pays for the token's hash, the caller's pace and its rules",
        }
    };
    vec![
        aim("a token", over_tls.by_token.per_s),
        aim("a session", over_tls.by_session.per_s),
    ]
}
