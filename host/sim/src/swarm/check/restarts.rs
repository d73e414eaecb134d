//! G7: however many ask within the window, there is one restart, and everybody is told what became of their request.

use std::collections::BTreeMap;

use reeve_core::id::{RequestId, WorkerId};
use reeve_core::operator::{Command, Operated, Refused};
use reeve_core::restart::Initiator;
use reeve_core::time::{Instant, Millis};

use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Written};

/// The restarts of all workers.
#[derive(Default)]
pub(super) struct Restarts {
    /// When the latest one was written.
    began: ByWorker<Instant>,
    /// Restarts that were begun and not yet reported.
    begun: ByWorker<u64>,
    asked: BTreeMap<RequestId, WorkerId>,
}

impl Restarts {
    pub(super) fn commanded(&mut self, request: RequestId, worker: &WorkerId, command: &Command) {
        if matches!(command, Command::Restart(_)) {
            self.asked.insert(request, worker.clone());
        }
    }

    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
        let before = written.before.record.restart.as_ref();
        let Some(after) = written.write.record.restart.as_ref() else {
            return Ok(());
        };
        let is_new = before.is_none_or(|before| {
            (before.started_at, &before.request) != (after.started_at, &after.request)
        });
        if !is_new {
            return Ok(());
        }
        *self.begun.entry(written.worker.clone()).or_default() += 1;
        let last = self.began.insert(written.worker.clone(), written.at);
        if before.is_some_and(|before| before.is_in_flight()) {
            return broken("a restart begins while another is in flight".to_owned());
        }
        let window = written.pool.limits.restart_window.get();
        let window = Millis::new(window.saturating_sub(CLOCKS_APART.get()));
        let age = last.map(|last| written.at.since(last));
        let is_program = after.request.initiator == Initiator::Program;
        match age.filter(|age| *age < window && is_program && before.is_some()) {
            Some(age) => broken(format!(
                "a program's restart ({}) begins {age} after the one before",
                after.request.cause
            )),
            None => Ok(()),
        }
    }

    pub(super) fn reported(
        &mut self,
        request: RequestId,
        result: &Result<Operated, Refused>,
    ) -> Finding {
        let Some(worker) = self.asked.remove(&request) else {
            return Ok(());
        };
        if !matches!(result, Ok(Operated::RestartBegun)) {
            return Ok(());
        }
        let begun = self.begun.entry(worker).or_default();
        if *begun == 0 {
            return broken("somebody is told of a restart that no record has".to_owned());
        }
        *begun -= 1;
        Ok(())
    }
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G7, text))
}
