//! Selects the notices that a webhook wants.

use std::collections::BTreeSet;

use reeve_core::id::WorkerId;
use reeve_core::notice::{Level, Notice, Step};

/// The conditions on a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// At least this level.
    pub level: Level,
    /// Steps that are sent whatever their level.
    pub steps: Vec<Step>,
    /// Only notices about these workers. `None`: about all workers.
    pub workers: Option<BTreeSet<WorkerId>>,
}

impl Filter {
    /// Whether the webhook wants this notice.
    pub(crate) fn wants(&self, notice: &Notice) -> bool {
        let of_interest = notice.step.level() >= self.level || self.steps.contains(&notice.step);
        let workers = self.workers.as_ref();
        of_interest && workers.is_none_or(|workers| workers.contains(&notice.worker))
    }
}

impl Default for Filter {
    /// Warnings and errors about any worker.
    fn default() -> Self {
        Self {
            level: Level::Warning,
            steps: Vec::new(),
            workers: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &Filter, step: Step, worker: &str, expected: bool) {
        let notice = Notice {
            worker: WorkerId::from(worker),
            step,
            text: String::new(),
            fields: Vec::new(),
        };
        assert_eq!(
            filter.wants(&notice),
            expected,
            "{filter:?} {step:?} {worker}"
        );
    }

    #[test]
    fn every_kill_and_whatever_needs_an_operator_is_told_by_default() {
        let steps = [
            Step::InstanceEnding,
            Step::WorkerCycling,
            Step::WorkerUnresponsive,
            Step::BoxAlarm,
            Step::LaunchFailed,
            Step::PolicyFailed,
        ];
        for step in steps {
            check(&Filter::default(), step, "chat", true);
        }
        check(&Filter::default(), Step::ResolveServed, "chat", false);
    }

    #[test]
    fn a_named_step_is_told_whatever_its_level() {
        let filter = Filter {
            level: Level::Error,
            steps: vec![Step::InstanceLaunched],
            workers: None,
        };
        check(&filter, Step::InstanceLaunched, "chat", true);
        check(&filter, Step::ResolveServed, "chat", false);
        check(&filter, Step::InstanceEnding, "chat", false);
        check(&filter, Step::BoxAlarm, "chat", true);
    }

    #[test]
    fn other_workers_are_not_told_of() {
        let filter = Filter {
            workers: Some([WorkerId::from("chat")].into()),
            ..Filter::default()
        };
        check(&filter, Step::BoxAlarm, "chat", true);
        check(&filter, Step::BoxAlarm, "batch", false);
    }
}
