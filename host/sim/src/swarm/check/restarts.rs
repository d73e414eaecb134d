//! G7: all requests within the window make one restart, and each request gets a response. A restart
//! is done when an instance was adopted after it began, or was rebooted, and a heartbeat came where
//! boxes register.
//! A deferred restart follows, unless the worker was brought up since.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::MutationKind;
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::notice::{Notice, Step};
use reeve_core::operator::{Command, CommandOutcome, Refused, RefusedCode};
use reeve_core::restart::{Adoption, Initiator, Restart, RestartStage};
use reeve_core::spec::RestartBy;
use reeve_core::time::{Instant, Millis};

use super::boxes::Boxes;
use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Written};
use crate::engine::Life;

/// The restarts of all workers.
#[derive(Default)]
pub(super) struct Restarts {
    /// When the latest restart began, by its host's clock. The write of that record may take ten
    /// seconds.
    began: ByWorker<Instant>,
    /// Restarts that began in a record and that no response has reported yet.
    begun: ByWorker<u64>,
    asked: BTreeMap<RequestId, WorkerId>,
    /// Restarts of which a life of a host has told people that they are over. The write that says so
    /// may wait for another one.
    over: BTreeSet<(Life, WorkerId)>,
    /// Workers that were brought up since a restart was deferred: the new life makes that restart
    /// needless.
    brought_up: BTreeSet<WorkerId>,
}

impl Restarts {
    pub(super) fn commanded(&mut self, request: RequestId, worker: &WorkerId, command: &Command) {
        if matches!(command, Command::Restart(_)) {
            self.asked.insert(request, worker.clone());
        }
    }

    /// Notes that people are told of the end of a restart.
    pub(super) fn announced(&mut self, by: Life, notice: &Notice) {
        if matches!(notice.step, Step::RestartDone | Step::RestartFailed) {
            self.over.insert((by, notice.worker.clone()));
        }
    }

    pub(super) fn committed(&mut self, written: &Written<'_>, boxes: &Boxes) -> Finding {
        let before = written.before.record.restart.as_ref();
        if let Some(MutationKind::Launch | MutationKind::Start) =
            written.permit.map(|permit| permit.mutation().kind())
        {
            self.brought_up.insert(written.worker.clone());
        }
        let Some(after) = written.write.record.restart.as_ref() else {
            return Ok(());
        };
        let is_new = before.is_none_or(|before| {
            (before.started_at, &before.request) != (after.started_at, &after.request)
        });
        if let (Some(before), false) = (before, is_new) {
            self.check_deferred(written)?;
            return check_done(written, before, after, boxes);
        }
        *self.begun.entry(written.worker.clone()).or_default() += 1;
        let last = self.began.insert(written.worker.clone(), after.started_at);
        let is_over = self.over.remove(&(written.by, written.worker.clone()));
        if before.is_some_and(|before| before.is_in_flight()) && !is_over {
            return broken("a restart begins while another is in flight".to_owned());
        }
        let window = written.pool.limits.restart_window.get();
        let window = Millis::new(window.saturating_sub(CLOCKS_APART.get()));
        let age = last.map(|last| after.started_at.since(last));
        let is_program = after.request.initiator == Initiator::Program;
        match age.filter(|age| *age < window && is_program && before.is_some()) {
            Some(age) => broken(format!(
                "a program's restart ({}) begins {age} after the one before",
                after.request.cause
            )),
            None => Ok(()),
        }
    }

    /// Checks that the record does not lose a deferred restart.
    fn check_deferred(&mut self, written: &Written<'_>) -> Finding {
        let before = &written.before.record.deferred;
        let adopted = written.write.record.adopted.as_ref();
        let is_of_another =
            |of: &Adoption| adopted.is_none_or(|it| (&it.id, it.since) != (&of.instance, of.since));
        match (before, &written.write.record.deferred) {
            (Some(deferred), None)
                if !self.brought_up.contains(written.worker)
                    && !deferred.request.of.as_ref().is_some_and(is_of_another) =>
            {
                let cause = &deferred.request.cause;
                broken(format!("a deferred restart ({cause}) is dropped"))
            }
            (before, Some(after)) if before.as_ref() != Some(after) => {
                self.brought_up.remove(written.worker);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn reported(
        &mut self,
        request: RequestId,
        result: &Result<CommandOutcome, Refused>,
    ) -> Finding {
        let Some(worker) = self.asked.remove(&request) else {
            return Ok(());
        };
        // A restart whose end the cloud refused has begun as well.
        let has_begun = match result {
            Ok(outcome) => *outcome == CommandOutcome::RestartBegun,
            Err(refused) => refused.code == RefusedCode::EndRefused,
        };
        if !has_begun {
            return Ok(());
        }
        let begun = self.begun.entry(worker).or_default();
        if *begun == 0 {
            return broken("a response reports a restart that no record has".to_owned());
        }
        *begun -= 1;
        Ok(())
    }
}

/// Checks that the worker is up again when its restart is done.
fn check_done(written: &Written<'_>, before: &Restart, after: &Restart, boxes: &Boxes) -> Finding {
    if before.stage == after.stage || after.stage != RestartStage::Done {
        return Ok(());
    }
    let adopted = written.write.record.adopted.as_ref();
    if after.kind == RestartBy::Reboot {
        return check_rebooted(written, after, boxes);
    }
    let Some(adopted) = adopted.filter(|adopted| adopted.since >= after.started_at) else {
        return broken("a restart is done, and nothing was adopted since it began".to_owned());
    };
    let is_heard = boxes.was_heard(written.worker, adopted.since);
    match written.pool.boxes.is_some() && !is_heard {
        true => broken(format!(
            "a restart is done, and the box of {} sent no heartbeat",
            adopted.id
        )),
        false => Ok(()),
    }
}

/// Checks that the box spoke after the reboot. The instance stays adopted all along.
fn check_rebooted(written: &Written<'_>, after: &Restart, boxes: &Boxes) -> Finding {
    let Some(reboot) = &after.reboot else {
        return broken("a restart by reboot is done, and no reboot was sent".to_owned());
    };
    let is_heard = boxes.was_heard(written.worker, reboot.at);
    match written.pool.boxes.is_some() && !is_heard {
        true => broken("a reboot is done, and the box sent no heartbeat since".to_owned()),
        false => Ok(()),
    }
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G7, text))
}
