//! Errors. Each names the policy, its digest and, where there is one, the point.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use reeve_core::id::Digest;
use reeve_core::point::Point;
use reeve_core::text;
use serde::{Deserialize, Serialize};

use crate::intake::{Bound, Excess};
use crate::{bounds, v0_1};

/// The error code for a panic while a file was loaded or checked.
pub const PANICKED: &str = "panicked";

/// A policy's name and the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The name in its `about`, else the name it was loaded under.
    pub name: String,
    /// The SHA-256 of the component.
    pub digest: Digest,
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.digest.short())
    }
}

/// Why a call gave no usable verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The policy aborted: a panic, an access outside its memory, a recursion that was too deep.
    #[error("it trapped: {0}; a policy returns an error instead of aborting")]
    Trap(String),
    /// The policy ran out of fuel.
    #[error("it used up its {fuel} units of fuel; look for an endless loop, or raise the limit")]
    FuelExhausted {
        /// The fuel it was given.
        fuel: u64,
    },
    /// The policy was interrupted although it had fuel left.
    #[error(
        "it was interrupted after {ticks} ticks with fuel left; the machine is overloaded, or the \
         limits of fuel and time do not fit together"
    )]
    Deadline {
        /// The number of ticks it was given.
        ticks: u64,
    },
    /// The policy requested more memory than its limit.
    #[error("it asked for {wanted} {what} and may have {max}")]
    MemoryExceeded {
        /// `bytes of memory` or `entries of a table`.
        what: &'static str,
        /// The size that it requested in total.
        wanted: usize,
        /// The limit.
        max: usize,
    },
    /// The result cannot be read: invalid UTF-8, a pointer outside its memory, an unknown case, or
    /// more bytes than a result may have.
    #[error("its answer cannot be read: {0}; bindings generated from wit/ do not produce this")]
    Malformed(String),
    /// The component could not be instantiated, for a reason outside its own code.
    #[error("it could not be instantiated: {0}")]
    NotInstantiated(String),
    /// The policy returned an error with this text, at most 512 bytes.
    #[error("it refused: {0}")]
    Refused(String),
    /// The result violates the contract.
    #[error("its answer is out of bounds: {0}")]
    OutOfBounds(String),
    /// The component has no such function.
    #[error("it does not offer this point; it offers {offered}")]
    NotOffered {
        /// The points it offers, separated by commas.
        offered: String,
    },
    /// No policy is bound or loaded.
    #[error("no policy is bound to this point, or none could be loaded yet")]
    NotBound,
}

impl Failure {
    /// A stable name for the journal and metrics.
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

    /// Whether the policy is at fault, and not the configuration or a host without room. A deadline
    /// counts as the policy's: some work costs no fuel.
    pub(crate) fn is_of_policy(&self) -> bool {
        !matches!(
            self,
            Self::NotInstantiated(_) | Self::NotOffered { .. } | Self::NotBound
        )
    }

    /// Whether time ran out, for which a busy machine may be to blame as well.
    pub(crate) fn is_deadline(&self) -> bool {
        matches!(self, Self::Deadline { .. })
    }

    /// Whether the policy ended without an answer by its own fault.
    pub(crate) fn is_crash(&self) -> bool {
        self.is_of_policy() && !matches!(self, Self::Refused(_) | Self::OutOfBounds(_))
    }
}

/// A failed decision; the point's safe default applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecideError {
    /// The policy that was asked. `None`: no policy is bound.
    pub policy: Option<PolicyRef>,
    /// The point it was asked at.
    pub point: Point,
    /// Why there is no verdict.
    pub failure: Failure,
    /// The fuel used before the failure.
    pub fuel_used: u64,
}

impl DecideError {
    /// A stable name for the journal and metrics.
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

// The text contains the failure, so it is not a source too.
impl Error for DecideError {}

/// The policy refused its settings, or failed while it checked them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy {policy} does not take these settings: {failure}")]
pub struct SettingsError {
    /// The policy that refused.
    pub policy: PolicyRef,
    /// The policy's own text names the field, what was found and what is accepted.
    pub failure: Failure,
}

/// A component was not accepted as a policy.
#[derive(Debug)]
pub struct LoadError {
    /// The digest of the bytes, and the name they were loaded under.
    pub policy: PolicyRef,
    /// The reason.
    pub kind: LoadErrorKind,
}

impl LoadError {
    /// The error for a panic while these bytes were loaded.
    pub(crate) fn panicked(name: &str, bytes: &[u8], message: String) -> Self {
        Self {
            policy: PolicyRef {
                name: name.to_owned(),
                digest: Digest::of(bytes),
            },
            kind: LoadErrorKind::Panicked(message),
        }
    }

    /// Whether the same bytes would fail again. What the machine interrupted may succeed later.
    pub(crate) fn lasts(&self) -> bool {
        match &self.kind {
            LoadErrorKind::NoCompiler(_) | LoadErrorKind::NeedsMore(Need::Time(_)) => false,
            LoadErrorKind::Trial { failure, .. } => {
                failure.is_of_policy() && !failure.is_deadline()
            }
            _ => true,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {} cannot be loaded: {}", self.policy, self.kind)
    }
}

impl Error for LoadError {
    /// The text contains the kind, so the source is the kind's own cause.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

/// Why a component was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum LoadErrorKind {
    /// The file has no bytes.
    #[error("it is empty; was it read while it was being written?")]
    Empty,
    /// The file has too many bytes.
    #[error("it has {found} bytes, and its pool's `policy_class` accepts at most {max}")]
    TooLarge {
        /// The size.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// The file is not WebAssembly.
    #[error("it is not WebAssembly; a policy is a component, as `reeve policy build` makes them")]
    NotWasm,
    /// The file is a core module, not a component.
    #[error(
        "it is a core Wasm module, and a policy is a component: build it with `reeve policy build`, \
         or pass the module to wit-component (`wasm-tools component new`)"
    )]
    CoreModule,
    /// The component exceeds a bound that is checked before compilation.
    #[error(transparent)]
    TooComplex(#[from] Excess),
    /// The component instantiates a component whose bounds cannot be checked.
    #[error(
        "it instantiates a component that it imports or takes from an instance (at byte {at}); \
         accepted are components that it holds itself. Compose it with its components inside"
    )]
    UnknownComponent {
        /// The offset in the file.
        at: usize,
    },
    /// The component does not validate or compile.
    #[error("it does not compile as a component; is it complete?")]
    Invalid(#[source] Cause),
    /// Compiling it exceeds a limit of the compiler.
    #[error(
        "compiling it needs more than {0}; make it smaller, or its pool's `policy_class` larger"
    )]
    NeedsMore(Need),
    /// The compiler ended without an answer.
    #[error(
        "the compiler ended at it: {0}. This is a fault of the compiler, and the file is not tried again \
         until it changes; please report it with the file"
    )]
    CompilerCrashed(Cause),
    /// No compiler could be started, or the system ended it.
    #[error("it could not be compiled, and is tried again: {0}")]
    NoCompiler(#[source] std::io::Error),
    /// The compiler panicked.
    #[error(
        "compiling it or trying it panicked: {0}. This is a fault of the host, and the file is not \
         tried again until it changes; please report it with the file"
    )]
    Panicked(String),
    /// The component has imports.
    #[error(
        "it imports {}; a policy may import nothing: it is given an empty linker, so that it decides \
         from its input alone. Build it for wasm32-unknown-unknown, which has no WASI", .0.join(", ")
    )]
    Imports(Vec<String>),
    /// The component offers no point.
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
    /// An export has the right name but another type.
    #[error("its {interface} has another type than wit/ says")]
    WrongType {
        /// The interface.
        interface: String,
        /// The difference.
        #[source]
        source: Cause,
    },
    /// The component failed when it was tried.
    #[error("{what} failed: {failure}")]
    Trial {
        /// The function that was tried.
        what: &'static str,
        /// How the function failed.
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
            Self::NeedsMore(_) => "needs-more",
            Self::CompilerCrashed(_) => "compiler-crashed",
            Self::NoCompiler(_) => "no-compiler",
            Self::Panicked(_) => PANICKED,
            Self::Imports(_) => "imports",
            Self::NothingOffered { .. } => "nothing-offered",
            Self::WrongType { .. } => "wrong-type",
            Self::Trial { .. } => "trial-failed",
        }
    }
}

impl LoadErrorKind {
    /// Whether a larger class may accept the component.
    pub fn is_of_size(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::NeedsMore(_) => true,
            Self::TooComplex(excess) => excess.bound == Bound::FunctionBytes,
            Self::Trial { failure, .. } => matches!(failure, Failure::MemoryExceeded { .. }),
            _ => false,
        }
    }

    /// The error for a component with these imports.
    pub(crate) fn imports<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self::Imports(bounds::listed(names))
    }

    /// The error for a component with these exports, none of which is a point's interface.
    pub(crate) fn nothing_offered<'a>(exports: impl Iterator<Item = &'a str>) -> Self {
        Self::NothingOffered {
            found: bounds::listed(exports),
            accepted: Point::ALL.map(v0_1::interface).to_vec(),
        }
    }

    /// The error for an interface without its function.
    pub(crate) fn no_function(interface: &str, name: &str) -> Self {
        Self::WrongType {
            interface: interface.to_owned(),
            source: Cause::new(format!("it has no function {name:?}")),
        }
    }

    /// An error of wasmtime.
    pub(crate) fn invalid(error: wasmtime::Error) -> Self {
        Self::Invalid(error.into())
    }
}

impl From<wasmparser::Error> for LoadErrorKind {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid(Cause::new(error.to_string()))
    }
}

/// What compiling a component needs more of than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Bytes of memory.
    Memory(u64),
    /// CPU time.
    Cpu(Duration),
    /// Bytes of native code.
    Native(u64),
    /// Time by the clock; on a machine with less to do it may be enough.
    Time(Duration),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "{} MiB of memory", bytes >> 20),
            Self::Cpu(time) => write!(f, "{} s of CPU time", time.as_secs()),
            Self::Native(bytes) => write!(f, "{} MiB of native code", bytes >> 20),
            Self::Time(time) => write!(f, "{} s, on this machine as busy as it is", time.as_secs()),
        }
    }
}

/// A library's error text as one line of at most 512 bytes. It may repeat names from the component,
/// which can have any length and any character.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    pub(crate) fn new(text: String) -> Self {
        Self(text::bounded(&text))
    }
}

impl From<wasmtime::Error> for Cause {
    fn from(error: wasmtime::Error) -> Self {
        Self::new(format!("{error:#}"))
    }
}
