//! The responses to callers, reporters and operators.

use reeve_core::answer::{Answer, NotYet};
use reeve_core::boxes::{Noted, Registered, Reply};
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::operator::{Operated, Refused};

use super::super::line::{Class, Line};
use super::journal;

/// Of a resolve.
pub(super) fn to_caller(worker: &WorkerId, request: RequestId, answer: &Answer) -> Line {
    let mut line = response(worker, request);
    match answer {
        Answer::Served(route) => line.object("served", |line| super::route(line, route)),
        Answer::NotYet(not_yet) => line.object("not-yet", |line| wait(line, not_yet)),
    }
    line
}

/// Of a register or a report.
pub(super) fn to_reporter(worker: &WorkerId, request: RequestId, reply: &Reply) -> Line {
    let mut line = response(worker, request);
    match reply {
        Reply::Registered(reply) => line.object("registered", |line| registered(line, reply)),
        Reply::Noted(reply) => line.object("noted", |line| noted(line, reply)),
        Reply::Refused(refusal) => line.object("refused", |line| {
            line.text("code", refusal.code.as_str());
            line.text("detail", &refusal.detail);
            let retry_after = refusal.retry_after.map(|after| after.get());
            line.maybe_number("retry-after", retry_after);
        }),
    }
    line
}

/// Of a command.
pub(super) fn to_operator(
    worker: &WorkerId,
    request: RequestId,
    result: &Result<Operated, Refused>,
) -> Line {
    let mut line = response(worker, request);
    journal::done_or_refused(&mut line, result);
    line
}

fn response(worker: &WorkerId, request: RequestId) -> Line {
    let mut line = Line::about("response", Class::Set, worker);
    line.number("request", request.get());
    line
}

fn wait(line: &mut Line, not_yet: &NotYet) {
    line.text("code", not_yet.code.as_str());
    line.text("detail", &not_yet.detail);
    line.number("retry-after", not_yet.retry_after.get());
    if let Some(decision) = not_yet.decision {
        line.decision("decision", decision);
    }
}

fn registered(line: &mut Line, registered: &Registered) {
    line.text("token", &registered.token.reveal());
    line.number("generation", registered.generation.get());
    line.number("heartbeat", registered.heartbeat.get());
}

fn noted(line: &mut Line, noted: &Noted) {
    line.text("outcome", noted.outcome.as_str());
    let token = noted.token.as_ref().map(|token| token.reveal());
    line.maybe_text("token", token.as_deref());
    line.maybe_number("heartbeat", noted.heartbeat.map(|every| every.get()));
}
