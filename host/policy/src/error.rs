//! What can go wrong, each error naming the policy, its digest and, where there is one, the point.

use std::error::Error;
use std::fmt;

use reeve_core::id::Digest;
use reeve_core::point::Point;
use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::intake::Excess;

/// The code of a panic while a file was loaded or checked.
pub const PANICKED: &str = "panicked";

/// Which code: a policy's name and the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The name it gives itself in `about`, else the name it was loaded under.
    pub name: String,
    /// The SHA-256 of the component.
    pub digest: Digest,
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.digest.short())
    }
}

/// Why a call gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It aborted: a panic, an access outside its memory, a recursion that went too deep.
    #[error("it trapped: {0}; a policy returns an error instead of aborting")]
    Trap(String),
    /// It ran out of fuel.
    #[error("it used up its {fuel} units of fuel; look for an endless loop, or raise the limit")]
    FuelExhausted {
        /// What it had.
        fuel: u64,
    },
    /// It was interrupted although it had fuel left.
    #[error(
        "it was interrupted after {ticks} ticks with fuel left; the machine is overloaded, or the \
         limits of fuel and time do not fit together"
    )]
    Deadline {
        /// What it had.
        ticks: u64,
    },
    /// It asked for more memory than it may have.
    #[error("it asked for {wanted} {what} and may have {max}")]
    MemoryExceeded {
        /// `bytes of memory` or `entries of a table`.
        what: &'static str,
        /// What it would have had.
        wanted: usize,
        /// What is allowed.
        max: usize,
    },
    /// What it returned cannot be read: invalid UTF-8, a pointer outside its memory, a case that does
    /// not exist, more bytes than any answer may have.
    #[error("its answer cannot be read: {0}; bindings generated from wit/ do not produce this")]
    Malformed(String),
    /// It could not be instantiated for a reason that is not in its own code.
    #[error("it could not be instantiated: {0}")]
    NotInstantiated(String),
    /// Its own error text, at most 512 bytes.
    #[error("it refused: {0}")]
    Refused(String),
    /// It answered something the contract does not allow.
    #[error("its answer is out of bounds: {0}")]
    OutOfBounds(String),
    /// It has no such function.
    #[error("it does not offer this point; it offers {offered}")]
    NotOffered {
        /// The points it offers, separated by commas.
        offered: String,
    },
    /// There is no policy to ask.
    #[error("no policy is bound to this point, or none could be loaded yet")]
    NotBound,
}

impl Failure {
    /// A stable name for journal and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::FuelExhausted { .. } => "fuel-exhausted",
            Self::Deadline { .. } => "deadline",
            Self::MemoryExceeded { .. } => "memory-exceeded",
            Self::Malformed(_) => "malformed",
            Self::NotInstantiated(_) => "not-instantiated",
            Self::Refused(_) => "refused",
            Self::OutOfBounds(_) => "out-of-bounds",
            Self::NotOffered { .. } => "not-offered",
            Self::NotBound => "not-bound",
        }
    }
}

/// A decision could not be had; the point's safe default holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecideError {
    /// Which code was asked; `None` when nothing is bound.
    pub policy: Option<PolicyRef>,
    /// What was asked.
    pub point: Point,
    /// Why there is no answer.
    pub failure: Failure,
    /// The fuel that was used up nevertheless.
    pub fuel_used: u64,
}

impl DecideError {
    /// A stable name for journal and metrics.
    pub fn code(&self) -> &'static str {
        self.failure.code()
    }
}

impl fmt::Display for DecideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.policy {
            Some(policy) => write!(f, "policy {policy} at {}: {}", self.point, self.failure),
            None => write!(f, "{}: {}", self.point, self.failure),
        }
    }
}

// The failure is part of the text, so it is not a source as well.
impl Error for DecideError {}

/// A policy refused its settings, or failed while it looked at them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy {policy} does not take these settings: {failure}")]
pub struct SettingsError {
    /// Whose settings.
    pub policy: PolicyRef,
    /// Its own text names the field, what was found and what is accepted.
    pub failure: Failure,
}

/// A component was not accepted as a policy.
#[derive(Debug)]
pub struct LoadError {
    /// Which bytes, under the name they were loaded by.
    pub policy: PolicyRef,
    /// Why not.
    pub kind: LoadErrorKind,
}

impl LoadError {
    /// That loading these bytes panicked.
    pub(crate) fn panicked(name: &str, bytes: &[u8], message: String) -> Self {
        Self {
            policy: PolicyRef {
                name: name.to_owned(),
                digest: Digest::of(bytes),
            },
            kind: LoadErrorKind::Panicked(message),
        }
    }

    /// Whether the same bytes would fail again. A trial that the machine cut short may succeed later.
    pub(crate) fn lasts(&self) -> bool {
        !matches!(
            self.kind,
            LoadErrorKind::Trial {
                failure: Failure::Deadline { .. } | Failure::NotInstantiated(_),
                ..
            }
        )
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {} cannot be loaded: {}", self.policy, self.kind)
    }
}

impl Error for LoadError {
    /// The kind is part of the text; what follows is its own cause.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

/// Why a component was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum LoadErrorKind {
    /// There are no bytes.
    #[error("it is empty; was it read while it was being written?")]
    Empty,
    /// There are too many.
    #[error("it has {found} bytes, accepted are at most {max}")]
    TooLarge {
        /// The size.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// It is something else.
    #[error("it is not WebAssembly; a policy is a component, as `reeve policy build` makes them")]
    NotWasm,
    /// It was not made a component.
    #[error(
        "it is a core Wasm module, and a policy is a component: build it with `reeve policy build`, \
         or pass the module to wit-component (`wasm-tools component new`)"
    )]
    CoreModule,
    /// It exceeds a bound that is checked before it is compiled.
    #[error(transparent)]
    TooComplex(#[from] Excess),
    /// It instantiates a component that no bound can be checked of.
    #[error(
        "it instantiates a component that it imports or takes from an instance (at byte {at}); \
         accepted are components that it holds itself. Compose it with its components inside"
    )]
    UnknownComponent {
        /// Where in the file.
        at: usize,
    },
    /// It does not validate or compile.
    #[error("it does not compile as a component; is it complete?")]
    Invalid(#[source] Cause),
    /// The compiler panicked.
    #[error(
        "compiling it or trying it panicked: {0}. This is a fault of the host, and the file is not \
         tried again until it changes; please report it with the file"
    )]
    Panicked(String),
    /// It wants something from outside.
    #[error(
        "it imports {}; a policy may import nothing: it is given an empty linker, so that it decides \
         from its input alone. Build it for wasm32-unknown-unknown, which has no WASI", .0.join(", ")
    )]
    Imports(Vec<String>),
    /// It answers no question.
    #[error(
        "it exports {}, accepted is at least one of {}",
        if found.is_empty() { "nothing".to_owned() } else { found.join(", ") },
        accepted.join(", ")
    )]
    NothingOffered {
        /// What it exports.
        found: Vec<String>,
        /// The interfaces of the contract.
        accepted: Vec<String>,
    },
    /// An export has the right name and another type.
    #[error("its {interface} has another type than wit/ says")]
    WrongType {
        /// The interface.
        interface: String,
        /// What differs.
        #[source]
        source: Cause,
    },
    /// It failed when it was tried.
    #[error("{what} failed: {failure}")]
    Trial {
        /// What was tried.
        what: &'static str,
        /// How it failed.
        failure: Failure,
    },
}

impl LoadErrorKind {
    /// A stable name for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too-large",
            Self::NotWasm => "not-wasm",
            Self::CoreModule => "core-module",
            Self::TooComplex(_) => "too-complex",
            Self::UnknownComponent { .. } => "unknown-component",
            Self::Invalid(_) => "invalid",
            Self::Panicked(_) => PANICKED,
            Self::Imports(_) => "imports",
            Self::NothingOffered { .. } => "nothing-offered",
            Self::WrongType { .. } => "wrong-type",
            Self::Trial { .. } => "trial-failed",
        }
    }
}

impl LoadErrorKind {
    /// What wasmtime refuses.
    pub(crate) fn invalid(error: wasmtime::Error) -> Self {
        Self::Invalid(error.into())
    }
}

impl From<wasmparser::Error> for LoadErrorKind {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid(Cause::new(error.to_string()))
    }
}

/// What a library says is wrong, in one line of at most 512 bytes: it may repeat names that the component
/// chose, of any length and with any character.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    pub(crate) fn new(text: String) -> Self {
        Self(bounds::quotable(&text))
    }
}

impl From<wasmtime::Error> for Cause {
    fn from(error: wasmtime::Error) -> Self {
        Self::new(format!("{error:#}"))
    }
}
