//! G7: however many ask within the window, there is one restart, and everybody is told what became
//! of their request. It is done when the worker is really there: adopted since it began and, where
//! boxes register, heard. One that was put off follows, unless the worker was brought up anew
//! since.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::MutationKind;
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::operator::{Command, CommandOutcome, Refused};
use reeve_core::restart::{Initiator, Restart, RestartStage};
use reeve_core::time::{Instant, Millis};

use super::boxes::Boxes;
use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Written};

/// The restarts of all workers.
#[derive(Default)]
pub(super) struct Restarts {
    /// When the latest one began, as its host says: the write that tells of it may have taken ten
    /// seconds.
    began: ByWorker<Instant>,
    /// Restarts that were begun and not yet reported.
    begun: ByWorker<u64>,
    asked: BTreeMap<RequestId, WorkerId>,
    /// Workers that were brought up since a restart was put off: what it was for has reached the
    /// new life.
    brought_up: BTreeSet<WorkerId>,
}

impl Restarts {
    pub(super) fn commanded(&mut self, request: RequestId, worker: &WorkerId, command: &Command) {
        if matches!(command, Command::Restart(_)) {
            self.asked.insert(request, worker.clone());
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
            self.goes_on(written, before, after)?;
            return is_really_there(written, before, after, boxes);
        }
        *self.begun.entry(written.worker.clone()).or_default() += 1;
        let last = self.began.insert(written.worker.clone(), after.started_at);
        if before.is_some_and(|before| before.is_in_flight()) {
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

    /// What was put off is not lost.
    fn goes_on(&mut self, written: &Written<'_>, before: &Restart, after: &Restart) -> Finding {
        match (&before.deferred, &after.deferred) {
            (Some(request), None) if !self.brought_up.contains(written.worker) => broken(format!(
                "a restart ({}) that was put off is dropped",
                request.cause
            )),
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
        if !matches!(result, Ok(CommandOutcome::RestartBegun)) {
            return Ok(());
        }
        let begun = self.begun.entry(worker).or_default();
        if *begun == 0 {
            return broken("an operator is told of a restart that no record has".to_owned());
        }
        *begun -= 1;
        Ok(())
    }
}

/// A restart that is over: is the worker there?
fn is_really_there(
    written: &Written<'_>,
    before: &Restart,
    after: &Restart,
    boxes: &Boxes,
) -> Finding {
    if before.stage == after.stage || after.stage != RestartStage::Done {
        return Ok(());
    }
    let adopted = written.write.record.adopted.as_ref();
    let Some(adopted) = adopted.filter(|adopted| adopted.since >= after.started_at) else {
        return broken("a restart is done, and nothing was adopted since it began".to_owned());
    };
    let is_heard = boxes.was_heard(written.worker, adopted.since);
    match written.pool.boxes.is_some() && !is_heard {
        true => broken(format!(
            "a restart is done, and the box of {} was never heard",
            adopted.id
        )),
        false => Ok(()),
    }
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G7, text))
}
