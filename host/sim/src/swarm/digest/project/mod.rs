//! Turns the core's effects into lines; no other module knows both. Each file writes the part that
//! its name says. A field's name belongs to this module and does not follow the core's.

mod cloud;
mod journal;
mod record;
mod response;

use reeve_core::effect::{Effect, Question};
use reeve_core::event::{Asker, PoolTimer, Timer, WorkerTimer};
use reeve_core::guard::Permit;
use reeve_core::health::{Ask, Target};
use reeve_core::id::{DecisionId, InstanceId, RequestId, WorkerId};
use reeve_core::notice::{Level, Notice};
use reeve_core::point::{Input, Reason};
use reeve_core::response::Route;
use reeve_core::store::{Refresh, Write};
use reeve_core::time::Instant;

use super::line::{Class, Line};

/// The lines of one effect.
pub(super) fn lines(effect: &Effect) -> Vec<Line> {
    let mut lines = Vec::with_capacity(2);
    match effect {
        Effect::Query { asker, query } => {
            let mut line = match asker {
                Asker::Worker(worker) => Line::about("query", Class::Set, worker),
                Asker::Pool(pool) => Line::about_pool("query", Class::Set, pool.as_str()),
            };
            cloud::query(&mut line, query);
            lines.push(line);
        }
        Effect::Probe {
            worker,
            instance,
            asked_at,
            target,
        } => lines.push(probe(worker, instance, *asked_at, target)),
        Effect::Decide(asked) => lines.push(question(asked)),
        Effect::Journal(entry) => lines.push(journal::line(entry)),
        Effect::ReadRecord(worker) => {
            lines.push(Line::about("read-record", Class::Set, worker));
        }
        Effect::Commit { write, then } => {
            lines.push(commit(write));
            lines.extend(then.as_ref().map(mutation));
        }
        Effect::Refresh {
            worker,
            request,
            refresh,
        } => lines.push(activity(worker, *request, refresh)),
        Effect::Timer { at, timer: which } => lines.push(timer(*at, which)),
        Effect::Respond {
            worker,
            request,
            response,
        } => lines.push(response::line(worker, *request, response)),
        Effect::Publish(published) => {
            let mut line = Line::about("publish", Class::Route, &published.worker);
            route(&mut line, published);
            lines.push(line);
        }
        Effect::Withdraw(worker) => lines.push(Line::about("withdraw", Class::Route, worker)),
        Effect::Notice(told) => lines.push(notice(told)),
    }
    lines
}

fn probe(worker: &WorkerId, instance: &InstanceId, asked_at: Instant, target: &Target) -> Line {
    let mut line = Line::about("probe", Class::Set, worker);
    line.text("instance", instance.as_str());
    line.number("asked-at", asked_at.as_ms());
    line.text("address", &target.address.to_string());
    match &target.ask {
        Ask::Tcp => line.text("ask", "tcp"),
        Ask::Http(path) => line.text("ask", &format!("http {path}")),
    }
    line.number("timeout", target.timeout.get());
    line
}

fn question(asked: &Question) -> Line {
    let mut line = Line::about("decide", Class::Set, &asked.worker);
    line.text("pool", asked.pool.as_str());
    line.decision("decision", asked.decision);
    input(&mut line, &asked.input);
    line
}

/// Writes the input of a policy, in the contract's JSON.
fn input(line: &mut Line, input: &Input) {
    line.text("point", input.point().as_str());
    match input {
        Input::Resolve(input) => line.contract("input", input),
        Input::Adopt(input) => line.contract("input", input),
        Input::RetryIp(input) => line.contract("input", input),
        Input::Debounce(input) => line.contract("input", input),
        Input::Reap(input) => line.contract("input", input),
    }
}

fn reason(line: &mut Line, reason: &Reason) {
    line.object("reason", |line| {
        line.text("code", &reason.code);
        line.text("text", &reason.text);
    });
}

fn commit(write: &Write) -> Line {
    let mut line = Line::about("commit", Class::Change, &write.worker);
    line.number("expected-version", write.expected.get());
    if let Some(test) = &write.if_idle {
        line.object("if-idle", |line| {
            line.number("since", test.since.as_ms());
            line.number("now", test.now.as_ms());
        });
    }
    line.object("record", |line| record::fields(line, &write.record));
    line
}

/// The mutation that the host sends once the commit of the line before is written.
fn mutation(permit: &Permit) -> Line {
    let mut line = Line::about("mutation", Class::Change, permit.worker());
    line.decision("decision", permit.decision());
    line.number("generation", permit.generation().get());
    line.number("epoch", permit.epoch().get());
    cloud::mutation(&mut line, permit.mutation());
    line
}

fn activity(worker: &WorkerId, request: RequestId, refresh: &Refresh) -> Line {
    let mut line = Line::about("activity", Class::Set, worker);
    line.number("request", request.get());
    let (what, at, count) = match refresh {
        Refresh::HandedOut { at } => ("handed-out", at, None),
        Refresh::Delivered { at, count } => ("delivered", at, Some(*count)),
        Refresh::Processed { at, count } => ("processed", at, Some(*count)),
        Refresh::Heartbeat { at } => ("heartbeat", at, None),
        Refresh::Busy { until } => ("busy-until", until, None),
    };
    line.number(what, at.as_ms());
    line.maybe_number("count", count);
    line
}

fn timer(at: Instant, timer: &Timer) -> Line {
    let (mut line, what) = match timer {
        Timer::Pool(pool, timer) => (
            Line::about_pool("timer", Class::Timer, pool.as_str()),
            match timer {
                PoolTimer::Scan => "scan",
                PoolTimer::ReadDemand => "read-demand",
            },
        ),
        Timer::Worker(worker, timer) => (
            Line::about("timer", Class::Timer, worker),
            match timer {
                WorkerTimer::Probe => "probe",
                WorkerTimer::Follow => "follow",
                WorkerTimer::LookForAddress => "look-for-address",
                WorkerTimer::ReplayLaunch => "replay-launch",
                WorkerTimer::Recover => "recover",
                WorkerTimer::RenewLease => "renew-lease",
                WorkerTimer::Drained => "drained",
                WorkerTimer::FollowRestart => "follow-restart",
                WorkerTimer::HandOuts => "hand-outs",
                WorkerTimer::Deadline(_) => "deadline",
            },
        ),
    };
    line.text("what", what);
    line.number("at", at.as_ms());
    if let Timer::Worker(_, WorkerTimer::Deadline(request)) = timer {
        line.number("request", request.get());
    }
    line
}

/// Writes a route without its worker, which the line has already.
fn route(line: &mut Line, route: &Route) {
    line.text("url", &route.url);
    line.text("instance", route.instance.as_str());
    line.number("generation", route.generation.get());
    line.decision("decision", route.decision);
    if let Some(component) = route.digest {
        line.component("component", component);
    }
    line.number("valid-until", route.valid_until.as_ms());
}

fn notice(notice: &Notice) -> Line {
    let mut line = Line::about("notice", Class::Set, &notice.worker);
    line.text("step", notice.step.as_str());
    line.text(
        "level",
        match notice.step.level() {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        },
    );
    line.text("text", &notice.text);
    line.object("fields", |line| {
        for (name, value) in &notice.fields {
            match value.parse() {
                Ok(id) if name == "decision" => line.decision(name, DecisionId::new(id)),
                _ => line.text(name, value),
            }
        }
    });
    line
}
