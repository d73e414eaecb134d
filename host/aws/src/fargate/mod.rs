//! Fargate tasks of an ECS cluster as instances: the same queries and mutations as for EC2.
//!
//! - `convert`: a task as an instance, with its two statuses as one state.
//! - `query`: one task by id, or the tasks of a cluster with a tag. `roles`: the roles of tasks.
//! - `mutate`: runs a task, ends a task.
//!
//! ECS does not report a task's public address, so it is not read. That would take another EC2
//! query with its own permission.

mod convert;
mod mutate;
mod query;
mod roles;

pub(crate) use mutate::{cannot, end, run};
pub(crate) use query::{describe, scan};
pub(crate) use roles::TaskRoles;
