//! `reeve journal`: what was decided, why, and what followed.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use reeve_core::cloud::{Mutation, Outcome};
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::journal::{Content, Entry};
use reeve_core::time::Instant;

use crate::config::Config;
use crate::journal::history;
use crate::print;

/// Which entries are shown, and how.
#[derive(Debug, Args)]
pub(super) struct JournalArgs {
    /// The host's configuration file, which says where the journal is.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Show only entries about this worker.
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
    /// Show only entries of the last stretch of time, such as 30m or 72h.
    #[arg(long, value_name = "TIME")]
    since: Option<SignedDuration>,
    /// Print each entry as its line of JSON, with the policy's whole input.
    #[arg(long)]
    json: bool,
}

/// Prints the entries asked for, oldest first.
pub(super) fn run(args: &JournalArgs) -> anyhow::Result<ExitCode> {
    let dir = Config::read(&args.config)?.state_dir;
    let worker = args.worker.as_deref().map(WorkerId::from);
    let from = args.since.map(|since| Timestamp::now() - since);
    let from = from.map_or(0, |from| u64::try_from(from.as_millisecond()).unwrap_or(0));
    let wanted = |entry: &Entry| {
        entry.at.as_ms() >= from && worker.as_ref().is_none_or(|worker| &entry.worker == worker)
    };
    let mut printed = Ok(());
    let passed_over = history::each(&dir, |entry| {
        if printed.is_ok() && wanted(&entry) {
            printed = show(&entry, args.json);
        }
    })
    .with_context(|| format!("cannot read the journal in {}", dir.display()))?;
    printed?;
    if passed_over > 0 {
        print::error(format_args!(
            "passed over: {passed_over} lines that are no entries"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(entry: &Entry, as_json: bool) -> anyhow::Result<()> {
    match as_json {
        true => print::line(serde_json::to_string(entry)?)?,
        false => print::line(line(entry))?,
    }
    Ok(())
}

/// The time, worker, decision and content of an entry.
pub(crate) fn line(entry: &Entry) -> String {
    format!(
        "{}  {}  #{}  {}",
        time(entry.at),
        entry.worker,
        entry.decision,
        what(entry)
    )
}

/// The instant in UTC with milliseconds, as people write it.
pub(super) fn time(at: Instant) -> String {
    let timestamp = i64::try_from(at.as_ms()).ok();
    timestamp
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(
            || format!("{} ms", at.as_ms()),
            |timestamp| format!("{timestamp:.3}"),
        )
}

fn what(entry: &Entry) -> String {
    match &entry.content {
        Content::Decided(made) => {
            let point = made.input.point();
            let digest = made.digest.map(|digest| format!(" [{}]", digest.short()));
            let digest = digest.unwrap_or_default();
            match &made.result {
                Ok(verdict) => {
                    let reason = verdict.reason();
                    format!(
                        "{point} → {} ({}: {}){digest}",
                        verdict.summary(),
                        reason.code,
                        reason.text
                    )
                }
                Err(failure) => format!(
                    "{point} → the safe default ({}: {}){digest}",
                    failure.code, failure.text
                ),
            }
        }
        Content::Ruled(ruling) => format!(
            "the host's own rule → {} {} ({}: {})",
            ruling.action, ruling.instance, ruling.reason.code, ruling.reason.text
        ),
        Content::Intent {
            generation,
            epoch,
            mutation,
        } => format!(
            "intent {}, generation {generation}, epoch {epoch}",
            about(mutation)
        ),
        Content::Vetoed(veto) => format!("VETO {veto}"),
        Content::Outcome(Ok(Outcome::Launched(instance))) => {
            format!("done: launched {}", instance.id)
        }
        Content::Outcome(Ok(Outcome::Accepted)) => "done".to_owned(),
        Content::Outcome(Err(error)) => format!("FAILED {error}"),
        Content::Commanded(command) => match &entry.from {
            Some(from) => format!("command by {from}: {command}"),
            None => format!("command: {command}"),
        },
        Content::Answered(Ok(outcome)) => format!("answer: {}", outcome.as_str()),
        Content::Answered(Err(refused)) => format!("answer: REFUSED {refused}"),
        Content::HandedOut {
            instance,
            since,
            count,
        } => format!(
            "handed out {instance} {count} times in {}",
            entry.at.since(*since)
        ),
    }
}

fn about(mutation: &Mutation) -> String {
    let instance = mutation.instance().map_or("", InstanceId::as_str);
    format!("{} {instance}", mutation.kind())
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use reeve_core::cloud::MutationKind;
    use reeve_core::decision::Ruling;
    use reeve_core::point::Reason;
    use reeve_core::store::{Adopted, How};

    use reeve_core::journal::FORMAT;

    use super::*;

    #[test]
    fn a_ruling_of_the_host_is_not_shown_as_a_policys_verdict() {
        let ruling = Ruling {
            action: MutationKind::Terminate,
            instance: "i-old".into(),
            generation: None,
            since: Instant::from_ms(0),
            adopted: Adopted {
                id: "i-home".into(),
                generation: Default::default(),
                since: Instant::from_ms(0),
                how: How::Found,
                unfinished_before: 0,
                launched_before: None,
                unknown: Default::default(),
            },
            reason: Reason::new("orphan", "it lived on"),
        };
        let entry = Entry {
            format: FORMAT,
            pool: "gpu".into(),
            at: Instant::from_ms(0),
            worker: "chat".into(),
            decision: Default::default(),
            from: None,
            content: Content::Ruled(Box::new(ruling)),
        };
        assert_eq!(
            line(&entry),
            "1970-01-01T00:00:00.000Z  chat  #0  the host's own rule → terminate i-old (orphan: it lived on)"
        );
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
    }
}
