//! The bounds, and the reason for each number.

use std::collections::BTreeMap;
use std::fmt;

use crate::limits::{CORE_INSTANCES_MAX, FUNCTION_BYTES_MAX, TABLES_MAX};

/// A quantity of a component that is bounded before compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// Components and modules inside each other.
    Nesting,
    /// Inner components and modules.
    Parts,
    /// Component and instance types inside each other.
    TypeNesting,
    /// Types with their fields, cases, parameters and declarations.
    Types,
    /// Imports of one component or module.
    Imports,
    /// Exports of all components and modules.
    Exports,
    /// Aliases, canonical functions and instances.
    Definitions,
    /// Core instances that instantiation makes.
    CoreInstances,
    /// Component instances that instantiation makes.
    ComponentInstances,
    /// Functions of all core modules.
    Functions,
    /// Bytes of one function.
    FunctionBytes,
    /// Locals of one function.
    Locals,
    /// Blocks and conditions of one function, loops not counted.
    Blocks,
    /// Loops of one function.
    Loops,
    /// Memories of one core module.
    MemoriesOfModule,
    /// Tables of all core modules.
    Tables,
    /// Globals of all core modules.
    Globals,
    /// Data and element segments of all core modules.
    Segments,
    /// Bytes of one name.
    NameBytes,
}

/// The comment at each number says what toolchains produce: for the standard policies (Rust), for a
/// JavaScript policy (componentize-qjs with and without `--opt-size`), and for a Python policy
/// (componentize-py), the largest of all.
impl Bound {
    /// The most that is accepted.
    pub fn max(self) -> u64 {
        match self {
            // Rust has 2, JavaScript 4. A depth of 5,000 takes half a gigabyte, and memory grows
            // with its square.
            Self::Nesting => 8,
            // JavaScript has 36, Python 41.
            Self::Parts => 64,
            // JavaScript has 25. Each part may be instantiated twice.
            Self::ComponentInstances => 128,
            Self::CoreInstances => CORE_INSTANCES_MAX as u64,
            Self::Tables => TABLES_MAX as u64,
            // Toolchains produce 1: an interface's type. A depth of 100,000 overflows the stack of
            // wasmtime's parser.
            Self::TypeNesting => 8,
            // Rust has 425, JavaScript 1,321, Python 1,648.
            Self::Types => 10_000,
            // Python has 918 in its largest module.
            Self::Imports => 1_000,
            // Python has 4,475.
            Self::Exports => 10_000,
            // JavaScript has 449, Python 1,557, nearly all aliases.
            Self::Definitions => 10_000,
            // JavaScript has 2,434, Python 13,482. 20,000 empty functions take 130 MiB.
            Self::Functions => 20_000,
            // The default of `Limits::function_bytes_max`, which is the one that applies.
            Self::FunctionBytes => FUNCTION_BYTES_MAX,
            // Rust has 56, JavaScript 86, Python 271. A local written inside blocks and read after
            // them costs memory per block and local: with 512, a function takes at most 150 MiB,
            // with 2,000 twice that.
            Self::Locals => 512,
            // Rust has 293, JavaScript 1,191, Python 3,112.
            Self::Blocks => 4_096,
            // JavaScript has 75, Python 81. The compile time of nested loops grows with more than
            // the square of their number: 16 KB of code took a minute and a half, 256 loops take 2
            // s.
            Self::Loops => 256,
            // Only the adapters that wasmtime itself creates need more.
            Self::MemoriesOfModule => 1,
            // Python has 871.
            Self::Globals => 4_096,
            // JavaScript has 5,508: a snapshot of its memory.
            Self::Segments => 10_000,
            // Python has 162.
            Self::NameBytes => 1_024,
        }
    }

    /// Refuses more than the bound.
    pub(super) fn check(self, found: u64, at: usize) -> Result<(), Excess> {
        self.check_against(self.max(), found, at)
    }

    pub(super) fn check_against(self, max: u64, found: u64, at: usize) -> Result<(), Excess> {
        if found <= max {
            return Ok(());
        }
        Err(Excess {
            bound: self,
            found,
            max,
            at,
        })
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nesting => "components and modules inside each other",
            Self::Parts => "inner components and modules",
            Self::TypeNesting => "types inside each other",
            Self::Types => "types with their fields and declarations",
            Self::Imports => "imports of one component or module",
            Self::Exports => "exports",
            Self::Definitions => "aliases, canonical functions and instances",
            Self::CoreInstances => "core instances",
            Self::ComponentInstances => "component instances",
            Self::Functions => "functions",
            Self::FunctionBytes => "bytes in one function",
            Self::Locals => "locals in one function",
            Self::Blocks => "blocks in one function",
            Self::Loops => "loops in one function",
            Self::MemoriesOfModule => "memories in one core module",
            Self::Tables => "tables",
            Self::Globals => "globals",
            Self::Segments => "data and element segments",
            Self::NameBytes => "bytes in one name",
        })
    }
}

/// A bound that a component exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it has {found} {bound} (at byte {at}), accepted are at most {max}, because compiling more can take \
     the host's memory. Build the policy for size, or split it"
)]
pub struct Excess {
    /// The counted quantity.
    pub bound: Bound,
    /// The count when the check stopped.
    pub found: u64,
    /// The bound.
    pub max: u64,
    /// The offset in the file where the check stopped.
    pub at: usize,
}

/// Counts per bound.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<Bound, u64>);

impl Tally {
    pub(super) fn add(&mut self, bound: Bound, more: u64, at: usize) -> Result<(), Excess> {
        let found = self.0.entry(bound).or_default();
        *found = found.saturating_add(more);
        bound.check(*found, at)
    }
}
