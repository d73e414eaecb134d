//! `reeve workers` and `reeve worker …`: shows what a running host knows of its workers. An
//! operator's commands are in [`operate`].

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::ask::HostArgs;
use super::journal::time;
use super::operate::{self, AdoptArgs, PauseArgs, RestartArgs, UnreachableArgs, WorkerArgs};
use crate::clock::Clock;
use crate::print;
use reeve_core::time::Instant;

/// Longer texts are cut in the table; `reeve worker show` prints them whole.
const TEXT_CHARS_MAX: usize = 60;

#[derive(Debug, Args)]
pub(super) struct WorkersArgs {
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum WorkerCommand {
    /// Show everything the host knows of one worker.
    Show(ShowArgs),
    /// End its instance and bring it up again; concurrent requests share one restart.
    Restart(RestartArgs),
    /// Change nothing in the cloud for it until it is resumed; a running instance stays in service.
    Pause(PauseArgs),
    /// End a pause.
    Resume(WorkerArgs),
    /// Discard what the host knows of it, and read it again from the cloud.
    Forget(WorkerArgs),
    /// Move it to an instance that runs; the present instance becomes an orphan.
    Adopt(AdoptArgs),
    /// Say that an instance does not answer: the host reads it before it hands it out again.
    Unreachable(UnreachableArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The worker.
    name: String,
    #[command(flatten)]
    host: HostArgs,
}

/// Prints a line per worker, with its last error.
pub(super) async fn list(args: &WorkersArgs) -> anyhow::Result<ExitCode> {
    let answer: Value = args.host.get("/v1/workers").await?;
    let workers = answer["workers"].as_array().cloned().unwrap_or_default();
    print::text(&table(&workers, Clock::start().now()))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the command for one worker.
pub(super) async fn run(command: &WorkerCommand) -> anyhow::Result<ExitCode> {
    match command {
        WorkerCommand::Show(args) => show(args).await,
        WorkerCommand::Restart(args) => operate::restart(args).await,
        WorkerCommand::Pause(args) => operate::pause(args).await,
        WorkerCommand::Resume(args) => operate::resume(args).await,
        WorkerCommand::Forget(args) => operate::forget(args).await,
        WorkerCommand::Adopt(args) => operate::adopt(args).await,
        WorkerCommand::Unreachable(args) => operate::unreachable(args).await,
    }
}

/// Prints all of one worker's status as indented JSON.
async fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let worker: Value = args.host.get(&path(&args.name)).await?;
    print::text(&format!("{worker:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The worker's path in the HTTP interface.
pub(super) fn path(name: &str) -> String {
    format!("/v1/workers/{}", escaped(name))
}

fn table(workers: &[Value], now: Instant) -> String {
    let head = [
        "WORKER",
        "CONDITION",
        "INSTANCE",
        "ADDRESS",
        "GENERATION",
        "DELIVERED",
        "PROCESSED",
        "HEARTBEAT",
        "LAST ERROR",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(workers.iter().map(|worker| row(worker, now)));
    print::columns(&rows)
}

fn row(worker: &Value, now: Instant) -> [String; 9] {
    let text = |key: &str| worker[key].as_str().unwrap_or("-").to_owned();
    [
        text("worker"),
        text("condition"),
        text("adopted"),
        text("url"),
        worker["generation"].to_string(),
        counted(&worker["activity"], "delivered", now),
        counted(&worker["activity"], "processed", now),
        age(&worker["activity"]["heartbeat_at"], now),
        last_error(&worker["last_error"]),
    ]
}

/// A count, and how long ago the last one was.
fn counted(activity: &Value, what: &str, now: Instant) -> String {
    let at = &activity[format!("{what}_at")];
    match at.is_u64() {
        true => format!("{}, {}", activity[what], age(at, now)),
        false => "-".to_owned(),
    }
}

/// An age in the largest unit that keeps it precise.
fn age(at: &Value, now: Instant) -> String {
    let Some(at) = at.as_u64().map(Instant::from_ms) else {
        return "-".to_owned();
    };
    match now.since(at).get() / 1000 {
        seconds @ ..120 => format!("{seconds} s ago"),
        seconds @ ..7200 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}

/// How often the last error occurred, when, and its text.
fn last_error(error: &Value) -> String {
    let Some(text) = error["text"].as_str() else {
        return "-".to_owned();
    };
    let at = error["at"].as_u64().map(Instant::from_ms);
    let cut: String = text.chars().take(TEXT_CHARS_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!(
        "{}x, {}: {cut}{more}",
        error["count"],
        at.map_or_else(|| "-".to_owned(), time)
    )
}

/// The name, escaped as one segment of a path.
fn escaped(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                path.push(char::from(byte));
            }
            _ => {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_has_a_line_per_worker_and_shows_the_last_error() {
        let workers = [
            json!({"worker": "chat", "condition": "serving", "adopted": "i-a", "url": "http://10.0.0.1:80",
                   "generation": 3, "last_error": null,
                   "activity": {"delivered": 7, "delivered_at": 1_000, "processed": 0, "processed_at": null,
                                "heartbeat_at": 9_990_000}}),
            json!({"worker": "ingest", "condition": "failing", "adopted": null, "url": null,
                   "generation": 7, "last_error": {"text": "x".repeat(70), "at": 0, "count": 4}}),
        ];
        let found = table(&workers, Instant::from_ms(10_000_000));
        let lines: Vec<_> = found.lines().collect();
        assert_eq!(lines.len(), 3);
        let squeezed = lines[1].split("  ").filter(|cell| !cell.is_empty());
        let cells: Vec<_> = squeezed.map(str::trim).collect();
        assert_eq!(
            cells[4..],
            ["3", "7, 2 h ago", "-", "10 s ago", "-"],
            "{found}"
        );
        let cut = format!("4x, 1970-01-01T00:00:00.000Z: {}…", "x".repeat(60));
        assert!(lines[2].ends_with(&cut), "{found}");
    }

    #[test]
    fn a_name_stays_one_part_of_the_path() {
        assert_eq!(escaped("chat-1"), "chat-1");
        assert_eq!(escaped("a/b?c"), "a%2Fb%3Fc");
    }
}
