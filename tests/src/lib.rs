//! Tests that cross crates, from outside: the incidents with the real components, the contract's
//! loading rules, and the real `reeve` process against an AWS emulator.
//!
//! - [`artefacts`]: the paths of the built components, the host's binary and the emulator.
//! - [`emulator`]: an AWS emulator on a free loopback port, called with plain HTTP.
//! - [`gateway`]: a proxy between host and emulator that counts mutating calls and can hold one.
//! - [`machines`]: machines other than the host's, in network namespaces that a test makes.
//! - [`process`]: the `reeve` process, started and ended by the test.
//! - [`scene`]: one worker in the emulator's account, for most tests of the process.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

pub mod artefacts;
pub mod emulator;
pub mod gateway;
pub mod machines;
pub mod process;
pub mod scene;
