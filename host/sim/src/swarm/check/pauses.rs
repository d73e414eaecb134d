//! A pause holds against every request: nothing is announced for a paused worker, and only a resume
//! ends the pause.

use std::collections::BTreeMap;

use reeve_core::id::{RequestId, WorkerId};
use reeve_core::operator::Command;

use super::{Finding, Guarantee, Written};

/// The pauses of all workers.
#[derive(Default)]
pub(super) struct Pauses {
    /// Who has asked for an end of a pause, and was not told yet what came of it.
    resuming: BTreeMap<RequestId, WorkerId>,
}

impl Pauses {
    pub(super) fn commanded(&mut self, request: RequestId, worker: &WorkerId, command: &Command) {
        if *command == Command::Resume {
            self.resuming.insert(request, worker.clone());
        }
    }

    pub(super) fn reported(&mut self, request: RequestId) {
        self.resuming.remove(&request);
    }

    pub(super) fn committed(&self, written: &Written<'_>) -> Finding {
        if written.before.record.paused.is_none() {
            return Ok(());
        }
        if let Some(permit) = written.permit {
            return broken(format!(
                "a {} was announced while the record says that the worker is paused",
                permit.mutation().kind()
            ));
        }
        let is_wanted = self
            .resuming
            .values()
            .any(|worker| worker == written.worker);
        match written.write.record.paused.is_none() && !is_wanted {
            true => {
                broken("the pause has ended, and no operator has resumed the worker".to_owned())
            }
            false => Ok(()),
        }
    }
}

fn broken(text: String) -> Finding {
    Err((Guarantee::Pause, text))
}
