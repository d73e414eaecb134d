//! `cargo xtask bench [--json FILE]`: the cost of a decision, a resolve and a durable change, each
//! compared with yardsticks of the same run.
//!
//! - [`decisions`]: the same decision by component, natively, and in Rego by regorus ([`rego`]),
//!   compared with a component that does nothing.
//! - [`http`]: a resolve through the whole shell, compared with a constant handler. [`load`] sends
//!   the requests.
//! - [`tls`]: the same over TLS, with a token and with a session of a login by AWS IAM, whose STS is
//!   [`sts`].
//! - [`activity`]: the same for a report that is durable in SQLite, and in an emulator's DynamoDB.
//! - [`store`]: changes of a worker's record, compared with the syncs of the disk.
//! - [`memory`]: the resident memory of a host with many workers, and the cost of a scan of them.
//! - [`reloads`]: how long policies take to come into force, and what decisions notice of it.
//! - [`neighbours`]: what a pool notices of another one's hostile policy.
//! - [`bombs`]: what a host notices of files that the compiler cannot bear.
//! - `component`: policies written as text, of the tests of `host/policy`.
//! - [`measure`]: the timing. [`report`]: the table and the JSON. [`aims`]: the aims.
//!
//! The benchmarks assert no times, because times depend on the machine. They assert that compared
//! pieces of work have the same result.

#![allow(clippy::print_stdout, reason = "a bench's table is its output")]

mod activity;
mod aims;
mod bombs;
#[path = "../../../../host/policy/tests/support/mod.rs"]
#[allow(
    clippy::expect_used,
    clippy::panic,
    reason = "it is shared with tests, whose fixtures are valid"
)]
mod component;
mod decisions;
mod http;
mod load;
mod measure;
mod memory;
mod neighbours;
mod rego;
mod reloads;
mod report;
mod store;
#[path = "../../../support/sts.rs"]
mod sts;
mod tls;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use reeve_policy::compile::child;
use reeve_tests::artefacts::policies_dir;

use crate::report::{Measured, Report};

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1).peekable();
    // A compiler has no environment.
    if arguments.next_if_eq(child::COMMAND).is_some() {
        return Ok(child::main());
    }
    let policies = policies_dir();
    if arguments.next_if_eq(memory::HOST_OF).is_some() {
        let workers = arguments.next().context("how many workers?")?.parse()?;
        memory::host_of(workers, &policies)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.next_if_eq(bombs::HOST).is_some() {
        let bombs = arguments.next().context("where are the bombs?")?;
        bombs::host(&policies, bombs.as_ref())?;
        return Ok(ExitCode::SUCCESS);
    }
    let json_file = json_file(arguments)?;
    let report = Report::new(&Measured {
        decisions: decisions::measure(&policies)?,
        http: http::measure(&policies)?,
        over_tls: tls::measure(&policies)?,
        in_sqlite: activity::measure_sqlite(&policies)?,
        in_dynamodb: activity::measure_dynamodb(&policies)?,
        durable: store::measure(policies.parent().unwrap_or(&policies))?,
        memory: memory::measure()?,
        reloads: reloads::measure(&policies)?,
        neighbours: neighbours::measure(&policies)?,
        bombs: bombs::measure()?,
    });
    print!("{}", report.text());
    if let Some(path) = json_file {
        let json = format!("{:#}\n", report.json());
        std::fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
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
