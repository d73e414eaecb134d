//! The product's loop on virtual time, with policies written as functions.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]
#![allow(
    clippy::print_stdout,
    reason = "a test that draws says with which seed"
)]

mod boxes;
mod delivered;
mod demand;
mod dry_run;
mod fargate;
mod health;
mod left_behind;
mod looked_up;
mod lost_launch;
mod operating;
mod orphans;
mod overdue;
mod ownership;
mod pace;
mod pointers;
mod reaping;
mod rebooting;
mod records;
mod refreshing;
mod refusals;
mod refused;
mod registering;
mod resolving;
mod restarting;
mod rig;
mod templates;
mod tokens;
mod unreachable;
mod verdicts;
mod wanted;
