//! Fargate tasks of an ECS cluster as instances: the same questions and changes as for EC2, in ECS's words.
//!
//! - `convert`: a task as an instance, its two statuses as one state.
//! - `query`: one task by its id, or all of a cluster that carry a tag.
//! - `mutate`: running a task, ending one.
//!
//! A task's public address is not in what ECS says of it, and is not read: it would take another question to
//! EC2, with a permission of its own.

mod convert;
mod mutate;
mod query;

pub(crate) use mutate::{cannot, end, run};
pub(crate) use query::{describe, scan};
