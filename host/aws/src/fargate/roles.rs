//! The roles that tasks run with. A task shows its role only if the launch named one; otherwise its
//! definition has it, and a revision of a definition never changes (ECS developer guide, "Task
//! definition parameters").

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::Task;
use reeve_core::cloud::{CloudError, CloudErrorKind};

use crate::convert::name_in;
use crate::error;

const OPERATION: &str = "DescribeTaskDefinition";

/// The roles of the definitions that were read.
pub(crate) struct TaskRoles {
    /// Whether anything depends on them: reading them takes a permission of its own.
    are_wanted: bool,
    known: Mutex<BTreeMap<String, Option<String>>>,
}

impl TaskRoles {
    pub(crate) fn new(are_wanted: bool) -> Self {
        Self {
            are_wanted,
            known: Mutex::default(),
        }
    }

    /// The task's role, without a call. `None`: it has none, or its definition was not read.
    pub(super) fn known(&self, task: &Task) -> Option<String> {
        let named = task
            .overrides()
            .and_then(|overrides| overrides.task_role_arn());
        if let Some(arn) = named.filter(|arn| !arn.is_empty()) {
            return name_in(arn);
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(task.task_definition_arn()?).cloned().flatten()
    }

    /// The task's role. `None`: it has none, none is wanted, or the host may not read the definition.
    pub(super) async fn read(
        &self,
        ecs: &Client,
        task: &Task,
    ) -> Result<Option<String>, CloudError> {
        let known = self.known(task);
        let Some(definition) = task.task_definition_arn().filter(|_| self.are_wanted) else {
            return Ok(known);
        };
        if known.is_some() || self.has_read(definition) {
            return Ok(known);
        }
        let described = ecs.describe_task_definition().task_definition(definition);
        let described = match described.send().await {
            Ok(described) => described,
            Err(failure) => {
                let error = error::sorted(OPERATION, &failure);
                return match error.kind {
                    CloudErrorKind::Denied => Ok(None),
                    _ => Err(error),
                };
            }
        };
        let found = described.task_definition();
        let role = found.and_then(|found| name_in(found.task_role_arn()?));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(definition.to_owned(), role.clone());
        Ok(role)
    }

    fn has_read(&self, definition: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(definition)
    }
}
