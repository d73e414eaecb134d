//! The report: a table for people, and one flat JSON object for programs.

mod over_http;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use self::over_http::{of_http, of_tls};
use crate::activity::{Dynamodb, Sqlite};
use crate::aims::{self, Aim};
use crate::bombs::Bombs;
use crate::decisions::Decision;
use crate::http::Http;
use crate::load::MANY;
use crate::memory::Memory;
use crate::neighbours::Neighbours;
use crate::reloads::Reloads;
use crate::store::Durable;
use crate::tls::OverTls;

/// One figure.
struct Line {
    /// The JSON key; `None`: the figure is only in the table.
    key: Option<String>,
    name: String,
    value: f64,
    unit: &'static str,
    /// The comparison with its yardstick, in words.
    compared: String,
}

impl Line {
    /// A figure that is also in the JSON.
    fn keyed(key: &str, name: &str, value: f64, unit: &'static str, compared: String) -> Self {
        Self {
            key: Some(key.to_owned()),
            name: name.to_owned(),
            value,
            unit,
            compared,
        }
    }
}

/// Everything that one run measured.
pub(crate) struct Measured {
    pub(crate) decisions: Vec<Decision>,
    pub(crate) http: Http,
    pub(crate) over_tls: OverTls,
    pub(crate) in_sqlite: Sqlite,
    pub(crate) in_dynamodb: Dynamodb,
    pub(crate) durable: Durable,
    pub(crate) memory: Vec<Memory>,
    pub(crate) reloads: Reloads,
    pub(crate) neighbours: Neighbours,
    pub(crate) bombs: Bombs,
}

/// The figures and the aims.
pub(crate) struct Report {
    lines: Vec<Line>,
    aims: Vec<Aim>,
}

impl Report {
    /// Compares the figures with their yardsticks.
    pub(crate) fn new(measured: &Measured) -> Self {
        let mut lines = Vec::new();
        // The floor does not depend on the input; the report shows the one of the aim's size.
        let at_ten = measured.decisions.iter().find(|one| one.instances == 10);
        lines.push(Line {
            key: Some("noop_component_fresh_us".to_owned()),
            name: "no-op component, fresh sandbox".to_owned(),
            value: at_ten.map_or(0.0, |one| one.floor_us),
            unit: "us",
            compared: "the floor of isolation".to_owned(),
        });
        lines.extend(measured.decisions.iter().flat_map(of_decision));
        lines.extend(of_http(&measured.http));
        lines.extend(of_tls(&measured.over_tls));
        lines.extend(of_activity(&measured.in_sqlite, &measured.in_dynamodb));
        lines.extend(of_store(&measured.durable));
        lines.extend(measured.memory.iter().flat_map(of_memory));
        lines.extend(of_reloads(&measured.reloads));
        lines.extend(of_neighbours(&measured.neighbours));
        lines.extend(of_bombs(&measured.bombs));
        let aims = aims::of(measured);
        Self { lines, aims }
    }

    /// The figures by key.
    pub(crate) fn json(&self) -> Value {
        let figure = |line: &Line| {
            // Nanoseconds and single requests are below the noise.
            let rounded = (line.value * 1000.0).round() / 1000.0;
            Some((line.key.clone()?, Value::from(rounded)))
        };
        Value::Object(self.lines.iter().filter_map(figure).collect::<Map<_, _>>())
    }

    /// The table and the aims.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for Line {
            name,
            value,
            unit,
            compared,
            ..
        } in &self.lines
        {
            let decimals = if *unit == "us" { 2 } else { 0 };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{name:<44} {value:>10.decimals$} {unit:<3}  {compared}"
            );
        }
        text.push('\n');
        for Aim {
            what,
            reached,
            found,
            bound_by,
        } in &self.aims
        {
            let _ = match reached {
                true => writeln!(text, "reached  {what}: {found}"),
                false => writeln!(text, "missed   {what}: {found}\n         {bound_by}"),
            };
        }
        text
    }
}

fn of_store(durable: &Durable) -> [Line; 3] {
    let line = |key: Option<&str>, name: &str, value: f64, compared: String| Line {
        key: key.map(str::to_owned),
        name: name.to_owned(),
        value,
        unit: "/s",
        compared,
    };
    let compared =
        |value: f64| format!("{:.2} x the disk's own syncs", value / durable.fsync_per_s);
    [
        line(
            Some("fsync_per_s"),
            "the disk: append and sync",
            durable.fsync_per_s,
            String::new(),
        ),
        line(
            None,
            "compare-and-set in SQLite, one worker",
            durable.one_per_s,
            compared(durable.one_per_s),
        ),
        line(
            Some("cas_sqlite_per_s"),
            "compare-and-set in SQLite, 64 workers at once",
            durable.many_per_s,
            compared(durable.many_per_s),
        ),
    ]
}

fn of_activity(in_sqlite: &Sqlite, in_dynamodb: &Dynamodb) -> [Line; 4] {
    let line = |key: Option<&str>, name: &str, value: f64, compared: String| Line {
        key: key.map(str::to_owned),
        name: name.to_owned(),
        value,
        unit: "/s",
        compared,
    };
    let (reported, constant) = (&in_sqlite.reported, &in_sqlite.constant);
    let share = 100.0 * reported.per_s / constant.per_s;
    let times = in_dynamodb.reported.per_s / in_dynamodb.bare_per_s;
    [
        line(
            Some("activity_sqlite_http_per_s"),
            "delivered over HTTP, durable in SQLite",
            reported.per_s,
            format!("{share:.0} % of the constant; {MANY} connections"),
        ),
        line(
            None,
            "constant over HTTP, as many connections",
            constant.per_s,
            String::new(),
        ),
        line(
            Some("activity_dynamodb_http_per_s"),
            "delivered over HTTP, in DynamoDB's emulator",
            in_dynamodb.reported.per_s,
            format!("{times:.2} x bare updates; {MANY} connections"),
        ),
        line(
            None,
            "bare updates of the item, as many at once",
            in_dynamodb.bare_per_s,
            "the limit of the emulator, a Python server: it bounds the line above".to_owned(),
        ),
    ]
}

fn of_memory(memory: &Memory) -> [Line; 3] {
    let workers = memory.workers;
    let line = |key: String, name: String, value: f64, unit, compared: String| Line {
        key: Some(key),
        name,
        value,
        unit,
        compared,
    };
    [
        line(
            format!("rss_{workers}_workers_mib"),
            format!("memory of a host with {workers} workers"),
            memory.resident_mib,
            "MiB",
            format!(
                "{:.1} KiB a worker, the program included",
                memory.resident_mib * 1024.0 / workers as f64
            ),
        ),
        line(
            format!("scan_{workers}_cpu_ms"),
            format!("a scan over {workers} workers, CPU"),
            memory.scan_cpu_ms,
            "ms",
            format!(
                "{:.1} us a worker",
                memory.scan_cpu_ms * 1000.0 / workers as f64
            ),
        ),
        line(
            format!("scan_{workers}_cloud_calls"),
            "… and questions to the cloud".to_owned(),
            memory.scan_calls,
            "",
            "each of them pages on AWS, none per worker".to_owned(),
        ),
    ]
}

fn of_reloads(reloads: &Reloads) -> [Line; 8] {
    let line = Line::keyed;
    let Reloads {
        cold_ms,
        warm_ms,
        reload,
        quiet,
        during,
        decisions,
    } = reloads;
    [
        line(
            "start_cold_ms",
            "five policies in force, compiled anew",
            *cold_ms,
            "ms",
            String::new(),
        ),
        line(
            "start_warm_ms",
            "… compiled by an earlier start",
            *warm_ms,
            "ms",
            format!("{:.2} x compiled anew", warm_ms / cold_ms),
        ),
        line(
            "reload_p50_us",
            "a small changed file in force, p50",
            reload.p50_us,
            "us",
            "read, compiled, tried, exchanged".to_owned(),
        ),
        line("reload_p99_us", "… p99", reload.p99_us, "us", String::new()),
        line(
            "decide_quiet_p50_us",
            "a small decision, no reloads, p50",
            quiet.p50_us,
            "us",
            String::new(),
        ),
        line(
            "decide_quiet_p99_us",
            "… p99",
            quiet.p99_us,
            "us",
            String::new(),
        ),
        line(
            "decide_during_reloads_p50_us",
            "a small decision, reloads all the time, p50",
            during.p50_us,
            "us",
            format!(
                "{:.2} x without; {decisions} decisions, none failed",
                during.p50_us / quiet.p50_us
            ),
        ),
        line(
            "decide_during_reloads_p99_us",
            "… p99",
            during.p99_us,
            "us",
            format!("{:.2} x without", during.p99_us / quiet.p99_us),
        ),
    ]
}

fn of_neighbours(neighbours: &Neighbours) -> Vec<Line> {
    let line = |key: String, name: String, value: f64, compared: String| Line {
        key: Some(key),
        name,
        value,
        unit: "us",
        compared,
    };
    let quiet = &neighbours.quiet;
    let mut lines = vec![
        line(
            "pool_quiet_p50_us".to_owned(),
            "a pool's decided resolves, quiet, p50".to_owned(),
            quiet.p50_us,
            format!("{:.0} a second", quiet.per_s),
        ),
        line(
            "pool_quiet_p99_us".to_owned(),
            "… p99".to_owned(),
            quiet.p99_us,
            String::new(),
        ),
    ];
    for next_to in &neighbours.next_to {
        let load = &next_to.load;
        lines.extend([
            line(
                format!("pool_next_to_{}_p50_us", next_to.name),
                format!("… next to `{}`, p50", next_to.name),
                load.p50_us,
                format!(
                    "{:.2} x quiet; it {}; {} failed",
                    load.p50_us / quiet.p50_us,
                    next_to.what,
                    next_to.failures
                ),
            ),
            line(
                format!("pool_next_to_{}_p99_us", next_to.name),
                format!("… next to `{}`, p99", next_to.name),
                load.p99_us,
                format!("{:.2} x quiet", load.p99_us / quiet.p99_us),
            ),
        ]);
    }
    lines
}

fn of_bombs(bombs: &Bombs) -> [Line; 5] {
    let line = Line::keyed;
    let Bombs { quiet, during, .. } = bombs;
    [
        line(
            "bombs_peak_mib",
            "a host's peak memory, 20 compile bombs",
            bombs.peak_mib,
            "MiB",
            format!(
                "{:.0} MiB before; all refused in {:.0} s",
                bombs.before_mib, bombs.refused_s
            ),
        ),
        line(
            "in_force_alone_ms",
            "a changed standard policy in force",
            bombs.alone_ms,
            "ms",
            "watched, compiled, tried, exchanged".to_owned(),
        ),
        line(
            "in_force_next_to_bomb_ms",
            "… while a bomb is compiled",
            bombs.next_to_one_ms,
            "ms",
            format!("{:.2} x alone", bombs.next_to_one_ms / bombs.alone_ms),
        ),
        line(
            "resolve_next_to_bombs_p50_us",
            "decided resolves, two bombs compiled, p50",
            during.p50_us,
            "us",
            format!("{:.2} x before; none failed", during.p50_us / quiet.p50_us),
        ),
        line(
            "resolve_next_to_bombs_p99_us",
            "… p99",
            during.p99_us,
            "us",
            format!("{:.2} x before", during.p99_us / quiet.p99_us),
        ),
    ]
}

fn of_decision(decision: &Decision) -> Vec<Line> {
    let instances = decision.instances;
    let line = |way: Option<&str>, name: &str, value: f64, compared: String| Line {
        key: way.map(|way| format!("decide_{way}_n{instances}_us")),
        name: format!("decision, {instances} instances, {name}"),
        value,
        unit: "us",
        compared,
    };
    let component_us = decision.component_us;
    let slower = |us: f64| format!("{:.2} x the component", us / component_us);
    vec![
        line(
            Some("component_fresh"),
            "component",
            component_us,
            format!(
                "{:.2} x the no-op of the same rounds",
                component_us / decision.floor_us
            ),
        ),
        line(
            Some("native_clone"),
            "native",
            decision.native_us,
            slower(decision.native_us),
        ),
        line(
            Some("regorus"),
            "regorus",
            decision.regorus_us,
            slower(decision.regorus_us),
        ),
        line(
            None,
            "regorus + parse",
            decision.regorus_parsed_us,
            slower(decision.regorus_parsed_us),
        ),
    ]
}
