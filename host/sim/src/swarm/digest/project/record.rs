//! A worker's record in a commit.

use reeve_core::id::{Generation, HostId, InstanceId};
use reeve_core::restart::{Initiator, Restart, RestartRequest, RestartStage};
use reeve_core::spec::RestartBy;
use reeve_core::store::{
    Adopted, Credential, Draining, FailedStarts, How, Intent, LastError, Paused, WorkerRecord,
};

use super::super::line::Line;
use super::cloud;

pub(super) fn fields(line: &mut Line, record: &WorkerRecord) {
    line.number("epoch", record.epoch.get());
    line.maybe_text("lease", record.lease.as_ref().map(HostId::as_str));
    line.maybe_text("by", record.by.as_ref().map(HostId::as_str));
    line.number("generation", record.generation.get());
    line.text("phase", record.phase.as_str());
    part(line, "intent", record.intent.as_ref(), intent);
    part(line, "adopted", record.adopted.as_ref(), adopted);
    part(line, "former", record.former.as_ref(), |line, former| {
        which(line, &former.id, former.generation);
    });
    part(line, "last-error", record.last_error.as_ref(), last_error);
    for (spending, instants) in record.ledger.entries() {
        for at in instants {
            line.number(spending.as_str(), at.as_ms());
        }
    }
    for at in record.reaped.entries().flat_map(|(_, instants)| instants) {
        line.number("reaped", at.as_ms());
    }
    for (id, starts) in &record.failed_starts {
        line.object("failed-starts", |line| failed_starts(line, id, starts));
    }
    line.number("ended-elsewhere", u64::from(record.ended_elsewhere));
    let end = record.ended_elsewhere_last.as_ref();
    part(line, "ended-elsewhere-last", end, |line, end| {
        line.text("code", &end.reason.code);
        line.number("since", end.since.as_ms());
    });
    part(line, "credential", record.credential.as_ref(), credential);
    let register_error = record.register_error.as_ref();
    part(line, "register-error", register_error, last_error);
    part(line, "paused", record.paused.as_ref(), paused);
    part(line, "restart", record.restart.as_ref(), restart);
    part(
        line,
        "deferred",
        record.deferred.as_ref(),
        |line, deferred| {
            line.object("request", |line| request(line, &deferred.request));
            line.number("not-before", deferred.not_before.as_ms());
        },
    );
    part(line, "draining", record.draining.as_ref(), draining);
}

fn part<T>(line: &mut Line, name: &str, part: Option<&T>, write: impl FnOnce(&mut Line, &T)) {
    if let Some(part) = part {
        line.object(name, |line| write(line, part));
    }
}

fn which(line: &mut Line, instance: &InstanceId, generation: Generation) {
    line.text("instance", instance.as_str());
    line.number("generation", generation.get());
}

fn intent(line: &mut Line, intent: &Intent) {
    cloud::mutation(line, &intent.mutation);
    line.number("generation", intent.generation.get());
    line.number("epoch", intent.epoch.get());
    line.decision("decision", intent.decision);
    line.number("since", intent.since.as_ms());
}

pub(super) fn adopted(line: &mut Line, adopted: &Adopted) {
    which(line, &adopted.id, adopted.generation);
    line.number("since", adopted.since.as_ms());
    let how = match adopted.how {
        How::Launched => "launched",
        How::Started => "started",
        How::Found => "found",
    };
    line.text("how", how);
    line.number("unfinished-before", adopted.unfinished_before);
}

fn failed_starts(line: &mut Line, id: &InstanceId, starts: &FailedStarts) {
    line.text("instance", id.as_str());
    line.number("count", u64::from(starts.count));
    line.number("since", starts.since.as_ms());
    for (name, at) in [
        ("given-up-until", starts.given_up_until),
        ("fell-back", starts.fell_back),
    ] {
        if let Some(at) = at {
            line.number(name, at.as_ms());
        }
    }
}

fn last_error(line: &mut Line, error: &LastError) {
    line.text("code", &error.code);
    line.text("text", &error.text);
    line.number("at", error.at.as_ms());
    line.number("count", u64::from(error.count));
}

fn credential(line: &mut Line, credential: &Credential) {
    which(line, &credential.instance, credential.generation);
    line.contract("nonce", &credential.nonce);
    line.contract("token", &credential.token);
    line.number("minted-at", credential.minted_at.as_ms());
    part(line, "offered", credential.offered.as_ref(), |line, it| {
        line.contract("token", &it.token);
        line.number("at", it.at.as_ms());
    });
    part(
        line,
        "replaced",
        credential.replaced.as_ref(),
        |line, it| {
            line.contract("token", &it.token);
            line.number("until", it.until.as_ms());
        },
    );
}

fn paused(line: &mut Line, paused: &Paused) {
    line.number("since", paused.since.as_ms());
    line.maybe_text("reason", paused.reason.as_deref());
    line.text("by", paused.by.as_str());
}

fn restart(line: &mut Line, restart: &Restart) {
    line.object("request", |line| request(line, &restart.request));
    line.number("started-at", restart.started_at.as_ms());
    let instance = restart.instance.as_ref().map(InstanceId::as_str);
    line.maybe_text("instance", instance);
    let stage = match restart.stage {
        RestartStage::Ending => "ending",
        RestartStage::Provisioning => "provisioning",
        RestartStage::Done => "done",
        RestartStage::Failed => "failed",
    };
    line.text("stage", stage);
    line.text("kind", restart.kind.as_str());
    part(line, "reboot", restart.reboot.as_ref(), |line, reboot| {
        line.number("at", reboot.at.as_ms());
        line.text("is-accepted", &reboot.is_accepted.to_string());
        let given_up_at = reboot.given_up_at.map(|at| at.as_ms());
        line.maybe_number("given-up-at", given_up_at);
    });
}

/// Writes who asks for a restart, and why.
pub(super) fn request(line: &mut Line, request: &RestartRequest) {
    line.text("cause", &request.cause);
    let initiator = match request.initiator {
        Initiator::Person => "person",
        Initiator::Program => "program",
    };
    line.text("initiator", initiator);
    line.maybe_text("text", request.text.as_deref());
    line.maybe_text("kind", request.kind.map(RestartBy::as_str));
}

fn draining(line: &mut Line, draining: &Draining) {
    line.text("instance", draining.instance.as_str());
    line.number("since", draining.since.as_ms());
    line.decision("decision", draining.decision);
    line.text("choice", &draining.choice.to_string());
    super::reason(line, &draining.reason.of_policy());
}
