//! Plain data: ids, time, instances, specs, inputs of policies, store records, responses. Nothing
//! here decides anything.

pub(crate) mod backoff;
pub mod boxes;
pub mod budget;
pub mod cloud;
pub mod compute;
pub mod decision;
pub mod demand;
pub mod health;
pub mod id;
pub mod instance;
pub mod journal;
pub mod notice;
pub mod operator;
pub mod point;
pub mod request;
pub mod response;
pub mod restart;
pub mod spec;
mod state_reason;
pub mod store;
pub mod text;
pub mod time;
pub mod token;
pub mod veto;
