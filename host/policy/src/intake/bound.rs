//! What is bounded, with the number of each bound.

use std::collections::BTreeMap;
use std::fmt;

use crate::limits::CORE_INSTANCES_MAX;

/// A quantity of a component that is bounded before the component is compiled.
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
    /// Blocks, loops and conditions of one function.
    Blocks,
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

impl Bound {
    /// The most that is accepted.
    pub fn max(self) -> u64 {
        match self {
            Self::Nesting => 8,
            Self::Parts => 64,
            Self::TypeNesting => 8,
            Self::Types => 10_000,
            Self::Imports => 1_000,
            Self::Exports => 10_000,
            Self::Definitions => 10_000,
            Self::CoreInstances => CORE_INSTANCES_MAX as u64,
            Self::ComponentInstances => 128,
            Self::Functions => 32_768,
            Self::FunctionBytes => 65536,
            Self::Locals => 2_000,
            Self::Blocks => 4_096,
            Self::MemoriesOfModule => 1,
            Self::Tables => 64,
            Self::Globals => 4_096,
            Self::Segments => 10_000,
            Self::NameBytes => 1_024,
        }
    }

    /// Refuses more than is accepted.
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
    "it has {found} {bound} (at byte {at}), accepted are at most {max}: larger ones can cost the host \
     its memory when they are compiled. Build the policy for size, or split it"
)]
pub struct Excess {
    /// What was counted.
    pub bound: Bound,
    /// How much of it there is, or was when counting stopped.
    pub found: u64,
    /// The most that is accepted.
    pub max: u64,
    /// Where in the file counting stopped.
    pub at: usize,
}

/// Counts by bound.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<Bound, u64>);

impl Tally {
    pub(super) fn add(&mut self, bound: Bound, more: u64, at: usize) -> Result<(), Excess> {
        let found = self.0.entry(bound).or_default();
        *found = found.saturating_add(more);
        bound.check(*found, at)
    }
}
