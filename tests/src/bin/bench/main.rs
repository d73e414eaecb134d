//! `cargo xtask bench [--json FILE]`: the cost of a decision, a resolve and a durable change, each
//! compared with yardsticks of the same run.
//!
//! - [`decisions`]: the same decision by component, natively, and in Rego by regorus ([`rego`]),
//!   compared with a component that does nothing.
//! - [`http`]: a resolve through the whole shell, compared with a constant handler. [`load`] sends
//!   the requests.
//! - [`activity`]: the same for a report that is durable in SQLite, and in an emulator's DynamoDB.
//! - [`store`]: changes of a worker's record, compared with the syncs of the disk.
//! - [`memory`]: the resident memory of a host with many workers, and the cost of a scan of them.
//! - [`measure`]: the timing. [`report`]: the table and the JSON. [`aims`]: the aims.
//!
//! The benchmarks assert no times, because times depend on the machine. They assert that compared
//! pieces of work have the same result.

#![allow(clippy::print_stdout, reason = "a bench's table is its output")]

mod activity;
mod aims;
mod decisions;
mod http;
mod load;
mod measure;
mod memory;
mod rego;
mod report;
mod store;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use reeve_tests::artefacts::policies_dir;

use crate::report::Report;

fn main() -> Result<()> {
    let policies = policies_dir();
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq(memory::HOST_OF).is_some() {
        let workers = arguments.next().context("how many workers?")?.parse()?;
        return memory::host_of(workers, &policies);
    }
    let json_file = json_file(arguments)?;
    let decisions = decisions::measure(&policies)?;
    let http = http::measure(&policies)?;
    let in_sqlite = activity::measure_sqlite(&policies)?;
    let in_dynamodb = activity::measure_dynamodb(&policies)?;
    let durable = store::measure(policies.parent().unwrap_or(&policies))?;
    let memory = memory::measure()?;
    let report = Report::new(
        &decisions,
        &http,
        (&in_sqlite, &in_dynamodb),
        &durable,
        &memory,
    );
    print!("{}", report.text());
    if let Some(path) = json_file {
        let json = format!("{:#}\n", report.json());
        std::fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The file of `--json FILE`.
fn json_file(mut args: impl Iterator<Item = String>) -> Result<Option<PathBuf>> {
    match (args.next().as_deref(), args.next(), args.next()) {
        (None, _, _) => Ok(None),
        (Some("--json"), Some(file), None) => Ok(Some(file.into())),
        (Some("--json"), None, _) => bail!("--json names no file; accepted is `--json FILE`"),
        (Some(found), _, _) => bail!("found {found:?}; accepted is `--json FILE` and nothing else"),
    }
}
