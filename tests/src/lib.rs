//! What crosses crates, tested from outside: the incidents with the real components, the contract's loading
//! rules, hostile policies, and the real `reeve` process against an AWS emulator.
//!
//! - [`artefacts`]: where the built components, the host's binary and the emulator are.
//! - [`emulator`]: an AWS emulator on a free loopback port, asked with plain HTTP.
//! - [`gateway`]: stands between, counts what changes something, and holds a call where the test says.
//! - [`machines`]: machines other than the host's, in network namespaces that a test makes itself.
//! - [`process`]: the `reeve` process, started and stopped by the test itself.
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
