//! Runs policies, independent of the rest of the host: wasmtime on one side, the core's inputs and
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
//! - [`engine`], [`limits`], `gate`: one engine, the limits of a call, the limit of concurrent
//!   calls.
//! - [`component`]: turns bytes into a policy that can decide. `sandbox`: one call of a policy.
//! - [`compile`]: native code from a child process or a cache.
//! - `intake`: bounds on a component's bytes, checked before compilation.
//! - `v0_1`: the contract's types and conversions, one folder per released version.
//! - `bounds`: the bounds of a policy's output. [`error`]: errors and their stable codes.
//! - [`slots`]: the active policy of each pool and point. [`registry`], [`binding`], [`report`]:
//!   load files and refuse bad ones.
//! - [`cases`]: tests as data, for policy authors. [`floor`]: the baseline of the benchmarks.

pub mod binding;
pub mod cases;
pub mod compile;
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
mod price;
mod record;
mod sandbox;
mod signature;
mod trial;
mod turns;
mod v0_1;
mod versions;

pub use binding::{Binding, BindingError};
pub use compile::{Cache, CacheError, Compile, InChild, SpawnerError};
pub use component::{Decided, LoadedPolicy};
pub use description::Description;
pub use engine::{Allocation, EngineError, PolicyEngine};
pub use error::{
    Cause, DecideError, Failure, LoadError, LoadErrorKind, Need, PANICKED, PolicyRef, SettingsError,
};
pub use file::{read, shown};
pub use floor::Floor;
pub use intake::{Bound, Excess};
pub use limits::{Class, CompileLimits, Limits, TICK};
pub use registry::{Loader, Registry};
pub use report::{FileReport, Outcome, PolicyStatus, ReloadError, ReloadReport};
pub use signature::{NoKey, SignerKey};
pub use slots::{Decision, Slot, SlotMap, Slots};
