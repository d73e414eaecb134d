//! A line of the journal.

use reeve_core::decision::{Decision, Ruling};
use reeve_core::journal::{Content, Entry};
use reeve_core::operator::{Command, CommandOutcome, Refused};
use reeve_core::point::Verdict;

use super::super::line::{Class, Line};
use super::{cloud, record};

pub(super) fn line(written: &Entry) -> Line {
    let mut line = Line::about("journal", Class::Journal, &written.worker);
    line.number("at", written.at.as_ms());
    line.decision("decision", written.decision);
    match &written.content {
        Content::Decided(made) => line.object("decided", |line| decided(line, made)),
        Content::Ruled(ruling) => line.object("ruled", |line| ruled(line, ruling)),
        Content::Intent {
            generation,
            epoch,
            mutation,
        } => line.object("intent", |line| {
            line.number("generation", generation.get());
            line.number("epoch", epoch.get());
            cloud::mutation(line, mutation);
        }),
        Content::Vetoed(veto) => line.object("vetoed", |line| {
            line.text("rule", veto.rule.as_str());
            line.text("text", &veto.text);
        }),
        Content::Outcome(result) => line.object("outcome", |line| cloud::outcome(line, result)),
        Content::Commanded(told) => line.object("commanded", |line| command(line, told)),
        Content::HandedOut {
            instance,
            since,
            count,
        } => line.object("handed-out", |line| {
            line.text("instance", instance.as_str());
            line.number("since", since.as_ms());
            line.number("count", *count);
        }),
        Content::Answered(result) => line.object("answered", |line| done_or_refused(line, result)),
    }
    line
}

fn decided(line: &mut Line, made: &Decision) {
    line.maybe_text("policy", made.policy.as_deref());
    if let Some(component) = made.digest {
        line.component("component", component);
    }
    super::input(line, &made.input);
    match &made.result {
        Ok(Verdict::Resolve(verdict)) => line.contract("verdict", verdict),
        Ok(Verdict::Adopt(verdict)) => line.contract("verdict", verdict),
        Ok(Verdict::RetryIp(verdict)) => line.contract("verdict", verdict),
        Ok(Verdict::Debounce(verdict)) => line.contract("verdict", verdict),
        Ok(Verdict::Reap(verdict)) => line.contract("verdict", verdict),
        Err(failure) => line.object("failed", |line| {
            line.text("code", &failure.code);
            line.text("text", &failure.text);
        }),
    }
}

fn ruled(line: &mut Line, ruling: &Ruling) {
    line.text("action", &ruling.action.to_string());
    line.text("instance", ruling.instance.as_str());
    let generation = ruling.generation.map(|generation| generation.get());
    line.maybe_number("generation", generation);
    line.number("since", ruling.since.as_ms());
    line.object("adopted", |line| record::adopted(line, &ruling.adopted));
    super::reason(line, &ruling.reason);
}

fn command(line: &mut Line, command: &Command) {
    match command {
        Command::Pause { reason } => {
            line.text("what", "pause");
            line.maybe_text("reason", reason.as_deref());
        }
        Command::Resume => line.text("what", "resume"),
        Command::Forget => line.text("what", "forget"),
        Command::Adopt { instance, by } => {
            line.text("what", "adopt");
            line.text("instance", instance.as_str());
            line.maybe_text("by", by.as_deref());
        }
        Command::Restart(request) => {
            line.text("what", "restart");
            record::request(line, request);
        }
    }
}

/// Writes the result of a command.
pub(super) fn done_or_refused(line: &mut Line, result: &Result<CommandOutcome, Refused>) {
    match result {
        Ok(done) => line.text("done", done.as_str()),
        Err(refused) => line.object("refused", |line| {
            line.text("code", refused.code.as_str());
            line.text("detail", &refused.text);
        }),
    }
}
