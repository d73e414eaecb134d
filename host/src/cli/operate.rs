//! `reeve worker restart`, `pause`, `resume`, `forget`, `adopt` and `unreachable`: an operator's
//! commands and reports to a running host.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::ask::HostArgs;
use super::workers::path;
use crate::print;

#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// Why, for people who find the worker paused.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    worker: WorkerArgs,
}

#[derive(Debug, Args)]
pub(super) struct RestartArgs {
    /// Why, for readers of the journal.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How: "reboot", "stop-start" or "replace". As the pool says by default.
    #[arg(long, value_name = "KIND", value_parser = ["reboot", "stop-start", "replace"])]
    kind: Option<String>,
    #[command(flatten)]
    worker: WorkerArgs,
}

#[derive(Debug, Args)]
pub(super) struct UnreachableArgs {
    /// The worker.
    name: String,
    /// The instance that does not answer, as `resolve` named it.
    instance: String,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Debug, Args)]
pub(super) struct AdoptArgs {
    /// The worker.
    name: String,
    /// The instance that it moves to.
    instance: String,
    /// Who asks, for readers of the journal. The user of this shell by default.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// The worker.
    name: String,
    #[command(flatten)]
    host: HostArgs,
}

/// A command typed by a person skips the debounce window, and joins a restart that already runs.
pub(super) async fn restart(args: &RestartArgs) -> anyhow::Result<ExitCode> {
    let mut body = json!({ "by": "person", "text": args.reason });
    // A host of an earlier version takes no `kind`.
    if let Some(kind) = &args.kind {
        body["kind"] = json!(kind);
    }
    tell(&args.worker, "restart", Some(&body)).await
}

pub(super) async fn pause(args: &PauseArgs) -> anyhow::Result<ExitCode> {
    let body = args
        .reason
        .as_ref()
        .map(|reason| json!({ "reason": reason }));
    tell(&args.worker, "pause", body.as_ref()).await
}

pub(super) async fn resume(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    tell(args, "resume", None).await
}

pub(super) async fn forget(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    tell(args, "forget", None).await
}

/// A person moves the worker.
pub(super) async fn adopt(args: &AdoptArgs) -> anyhow::Result<ExitCode> {
    let path = format!("{}/adopt", path(&args.name));
    let by = args.by.clone().or_else(|| std::env::var("USER").ok());
    let body = json!({ "instance": args.instance, "by": by });
    let done: Value = args.host.post(&path, Some(&body)).await?;
    print::line(sentence(&args.name, &done))?;
    Ok(ExitCode::SUCCESS)
}

/// What a caller reports. The host says what it does about it.
pub(super) async fn unreachable(args: &UnreachableArgs) -> anyhow::Result<ExitCode> {
    let path = format!("{}/unreachable", path(&args.name));
    let body = json!({ "instance": args.instance });
    let looked: Value = args.host.post(&path, Some(&body)).await?;
    let detail = looked["detail"].as_str().unwrap_or_default();
    print::line(format_args!("{}: {detail}", args.name))?;
    Ok(ExitCode::SUCCESS)
}

async fn tell(args: &WorkerArgs, command: &str, body: Option<&Value>) -> anyhow::Result<ExitCode> {
    let path = format!("{}/{command}", path(&args.name));
    let done: Value = args.host.post(&path, body).await?;
    print::line(sentence(&args.name, &done))?;
    Ok(ExitCode::SUCCESS)
}

/// The outcome in one sentence.
fn sentence(name: &str, done: &Value) -> String {
    let reason = done["paused"]["reason"].as_str();
    let because = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let is_paused = done["paused"].is_object();
    match done["outcome"].as_str().unwrap_or_default() {
        "paused" => format!(
            "{name} is paused{because}: the host changes nothing in the cloud for it until `reeve worker resume {name}`"
        ),
        "reason_changed" => format!("{name} was paused already; its reason has changed{because}"),
        "already_paused" => {
            format!("{name} was paused already{because}; nothing has changed")
        }
        "restart_begun" => {
            format!("{name} restarts; `reeve worker show {name}` shows its progress")
        }
        "restart_joined" => {
            format!("{name} is already restarting or starting; nothing more is done")
        }
        "adopted" => format!(
            "{name} has moved to {}; the instance before is an orphan if it runs",
            done["adopted"].as_str().unwrap_or("the instance")
        ),
        "already_adopted" => format!("{name} has that instance already; nothing has changed"),
        "resumed" => format!("{name} is resumed"),
        "not_paused" => format!("{name} is not paused; nothing has changed"),
        "forgotten" if is_paused => format!(
            "{name} is forgotten and still paused{because}: nothing is adopted for it until `reeve worker resume \
             {name}`"
        ),
        "forgotten" => format!(
            "{name} is forgotten; the next call reads it again from AWS (generation stays {})",
            done["generation"]
        ),
        outcome => format!("{name}: {outcome}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_one_sentence_about_the_worker() {
        let paused = json!({ "reason": "disk copy" });
        let cases = [
            ("paused", &paused, "chat is paused (disk copy): the host"),
            (
                "paused",
                &json!({ "reason": null }),
                "chat is paused: the host",
            ),
            (
                "reason_changed",
                &paused,
                "chat was paused already; its reason has changed (disk copy)",
            ),
            (
                "already_paused",
                &paused,
                "chat was paused already (disk copy); nothing has changed",
            ),
            ("restart_begun", &Value::Null, "chat restarts"),
            ("restart_joined", &Value::Null, "already restarting"),
            ("adopted", &Value::Null, "chat has moved to"),
            ("already_adopted", &Value::Null, "nothing has changed"),
            ("resumed", &Value::Null, "chat is resumed"),
            (
                "not_paused",
                &Value::Null,
                "chat is not paused; nothing has changed",
            ),
            ("forgotten", &Value::Null, "generation stays 7"),
            (
                "forgotten",
                &paused,
                "chat is forgotten and still paused (disk copy)",
            ),
        ];
        for (outcome, paused, part) in cases {
            let done = json!({ "outcome": outcome, "paused": paused, "generation": 7 });
            let found = sentence("chat", &done);
            assert!(found.contains(part), "{part} in {found}");
        }
    }
}
