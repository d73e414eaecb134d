//! The responses to callers, reporters and operators.

use reeve_core::boxes::{Accepted, Receipt, Registered};
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::response::{NotYet, Resolution, Response};

use super::super::line::{Class, Line};
use super::journal;

/// The line of a response.
pub(super) fn line(worker: &WorkerId, request: RequestId, response: &Response) -> Line {
    let mut line = Line::about("response", Class::Set, worker);
    line.number("request", request.get());
    match response {
        Response::Resolve(resolution) => to_resolve(&mut line, resolution),
        Response::Statement(receipt) => to_statement(&mut line, receipt),
        Response::Command(result) => journal::done_or_refused(&mut line, result),
        Response::Unreachable(looked) => line.object("looked", |line| {
            line.text("outcome", looked.outcome.as_str());
            line.text("detail", &looked.detail);
            line.number("retry-after", looked.retry_after.get());
        }),
    }
    line
}

fn to_resolve(line: &mut Line, resolution: &Resolution) {
    match resolution {
        Resolution::Served(route) => line.object("served", |line| super::route(line, route)),
        Resolution::NotYet(not_yet) => line.object("not-yet", |line| wait(line, not_yet)),
    }
}

fn to_statement(line: &mut Line, receipt: &Receipt) {
    match receipt {
        Receipt::Registered(receipt) => line.object("registered", |line| registered(line, receipt)),
        Receipt::Accepted(receipt) => line.object("noted", |line| accepted(line, receipt)),
        Receipt::Refused(refusal) => line.object("refused", |line| {
            line.text("code", refusal.code.as_str());
            line.text("detail", &refusal.detail);
            let retry_after = refusal.retry_after.map(|after| after.get());
            line.maybe_number("retry-after", retry_after);
        }),
    }
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

fn accepted(line: &mut Line, accepted: &Accepted) {
    line.text("outcome", accepted.outcome.as_str());
    let token = accepted.token.as_ref().map(|token| token.reveal());
    line.maybe_text("token", token.as_deref());
    line.maybe_number("heartbeat", accepted.heartbeat.map(|every| every.get()));
    line.maybe_number("ending-in", accepted.ending_in.map(|length| length.get()));
}
