//! From a component's bytes to native code. The compiler is a large program that reads what any
//! team hands in: it may need more memory or time than a host has, or crash. So a host compiles in
//! a child process with limits ([`InChild`], [`child`]) and keeps what came out ([`Cache`]).
//!
//! ```text
//!  bytes ──► Cache ── hit ─────────────────────────────► file with native code ──► Component
//!              │ miss                                      ▲ Artefact
//!              └──► InChild ── pipe ──► child: rlimits, compile
//! ```

mod artefact;
mod cache;
pub mod child;
mod in_child;

use reeve_core::id::Digest;
use wasmtime::component::Component;

pub use cache::{Cache, CacheError};
pub use in_child::{InChild, SpawnerError};

use crate::engine::PolicyEngine;
use crate::error::LoadErrorKind;

/// Compiles components that passed the bounds of `intake`.
pub trait Compile: Send + Sync {
    /// The component, ready to be instantiated in this engine.
    ///
    /// # Errors
    /// The bytes are no valid component, or compiling them exceeds a limit.
    fn compile(
        &self,
        engine: &PolicyEngine,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<Component, LoadErrorKind>;

    /// What people should know although policies compile; `None`: nothing.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// Compiles in this process, without limits: for programs that end with the one policy they try.
pub struct Here;

impl Compile for Here {
    fn compile(
        &self,
        engine: &PolicyEngine,
        _: Digest,
        bytes: &[u8],
    ) -> Result<Component, LoadErrorKind> {
        Component::from_binary(engine.wasm(), bytes).map_err(LoadErrorKind::invalid)
    }
}
