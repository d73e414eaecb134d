//! For reeve policies in Rust.
//!
//! ```text
//! wit/*.wit ──wit-bindgen──▶ bindings   resolve  adopt  retry_ip  debounce  reap  about   one module per interface
//!                               │       types                                            the records they share
//!                            facts      questions that policies ask of the shared records
//!                            verdict    what to do and why, in one expression
//! JSON settings ───────────▶ settings   typed, with defaults, ranges and errors that name the field
//!                            decide     from a question to its answer
//!                            policy     `policy!`: decisions and settings ──▶ the component's exports
//!                            text       lengths of time in a reason's sentence
//! memory.grow ◀───────────── memory     what every component allocates from
//! cases/*.json ────────────▶ testing    runs a policy's case files natively, derives its schema (feature `testing`)
//! ```
//!
//! A policy is a function for each point it answers, its settings, and one [`policy!`] line:
//!
//! ```text
//! use reeve_policy_sdk::debounce::{Choice, Input, Verdict};
//!
//! reeve_policy_sdk::policy!(debounce: decide, Settings);
//!
//! fn decide(input: &Input, settings: &Settings) -> Verdict {
//!     Choice::Go(input.kind).because("first-restart", "No restart came before.")
//! }
//! ```
//!
//! The same function runs in the component, in native tests and in benchmarks.

mod bindings;
mod decide;
mod facts;
#[cfg(any(target_arch = "wasm32", test))]
mod memory;
mod policy;
pub mod settings;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;
pub mod text;
mod verdict;

pub use bindings::{about, adopt, debounce, reap, resolve, retry_ip, types};
pub use decide::{Answer, Decide, Question, answer};
#[doc(hidden)]
pub use policy::__describe;
