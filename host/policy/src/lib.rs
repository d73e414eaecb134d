//! Runs policies, and knows nothing else of the host: wasmtime on one side, the core's inputs and
//! verdicts on the other.
//!
//! ```text
//!  policy directory ──► file ──► component (LoadedPolicy) ──► registry ──► slots
//!                                    ▲      compile, check,       reload,     │
//!                                    │      try once              last good   │ (pool, point)
//!                       engine ──────┤                                        ▼
//!                       limits       └──────── sandbox ◄── lower ── input ── decide
//!                                              one call ── lift ──► bounds ──► verdict
//! ```
//!
//! - [`engine`], [`limits`], `gate`: one engine, what a call may use, how many run at a time.
//! - [`component`]: bytes to a policy that can decide. `sandbox`: one call of it.
//! - `intake`: bounds on a component's bytes, checked before it is compiled.
//! - `v0_1`: the contract's types and conversions, one folder for each released version.
//! - `bounds`: what an answer may say. [`error`]: what can go wrong, and its stable codes.
//! - [`slots`]: which policy answers for which pool. [`registry`], [`binding`], [`report`]: files in,
//!   bad ones kept out.
//! - [`cases`]: tests as data, for policy authors. [`floor`]: the yardstick of the benchmarks.

pub mod binding;
pub mod cases;
pub mod component;
pub mod description;
pub mod engine;
pub mod error;
pub mod floor;
pub mod limits;
pub mod registry;
pub mod report;
pub mod slots;

mod answers;
mod bounds;
mod file;
mod gate;
mod intake;
mod panics;
mod sandbox;
mod v0_1;

pub use binding::{Binding, BindingError};
pub use component::{Decided, LoadedPolicy};
pub use description::Description;
pub use engine::{Allocation, EngineError, PolicyEngine};
pub use error::{
    Cause, DecideError, Failure, LoadError, LoadErrorKind, PANICKED, PolicyRef, SettingsError,
};
pub use floor::Floor;
pub use intake::{Bound, Excess};
pub use limits::{Limits, TICK};
pub use registry::{Loader, Registry};
pub use report::{FileReport, Outcome, PolicyStatus, RebindError, ReloadError, ReloadReport};
pub use slots::{Decision, Slot, SlotMap, Slots};
