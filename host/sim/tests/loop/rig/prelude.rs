//! What every test file of the loop imports.

pub(crate) use reeve_core::time::{Instant, Millis};
pub(crate) use reeve_sim::incidents::{self, TAG};
pub(crate) use reeve_sim::world::World;

pub(crate) use super::clock::{BEGINS, HOUR, MINUTE, SECOND};
pub(crate) use super::policies::{Native, sensible};
pub(crate) use super::{
    OURS, Rig, by_person, by_person_as, by_program, outage, pause, running_b, stopped_a,
};
