//! One pass over a component's bytes before wasmtime sees them. Compilation can take thousands of
//! times the file's size in memory, and some files overflow the stack of a recursive parser. The
//! pass itself needs memory only for the file's nesting, and time in proportion to its size.
//!
//! - `bound`: the bounds, and the reason for each number.
//! - `types`: component types, which can nest without limit.
//! - `copies`: how many instances result from components that instantiate components.
//! - `contract`: imports and exports, which must be the contract's.

mod bound;
mod contract;
mod copies;
mod types;

use wasmparser::{
    ComponentAlias, ComponentExternName, Encoding, FunctionBody, Operator, Parser, Payload,
    SectionLimited, TypeRef,
};

use crate::error::{Failure, LoadErrorKind};
use crate::limits::{Limits, PAGE_BYTES, TABLE_ELEMENTS_MAX};

use bound::Tally;
pub use bound::{Bound, Excess};
use contract::Surface;
use copies::Copies;

/// Refuses bytes that exceed a [`Bound`], cannot be parsed, import something or offer nothing of the
/// contract.
///
/// # Errors
/// The first excess, with what was found and what is accepted.
pub(crate) fn check(bytes: &[u8], limits: &Limits) -> Result<(), LoadErrorKind> {
    let mut intake = Intake {
        bytes,
        limits,
        tally: Tally::default(),
        open: Vec::new(),
        copies: Copies::default(),
        surface: Surface::default(),
    };
    for payload in Parser::new(0).parse_all(bytes) {
        intake.take(payload?)?;
    }
    intake.surface.check()
}

/// The state of the pass.
struct Intake<'a> {
    bytes: &'a [u8],
    limits: &'a Limits,
    /// The counts for the whole file.
    tally: Tally,
    /// The counts per open component or module, outermost first.
    open: Vec<Tally>,
    copies: Copies,
    surface: Surface<'a>,
}

impl<'a> Intake<'a> {
    fn take(&mut self, payload: Payload<'a>) -> Result<(), LoadErrorKind> {
        match payload {
            Payload::Version {
                encoding, range, ..
            } => self.enter(encoding, range.start),
            Payload::End(_) => {
                self.open.pop();
                self.copies.leave();
                Ok(())
            }
            Payload::TypeSection(_)
            | Payload::ImportSection(_)
            | Payload::FunctionSection(_)
            | Payload::TableSection(_)
            | Payload::MemorySection(_)
            | Payload::GlobalSection(_)
            | Payload::ExportSection(_)
            | Payload::ElementSection(_)
            | Payload::DataSection(_)
            | Payload::CodeSectionEntry(_) => self.take_of_module(payload),
            _ => self.take_of_component(payload),
        }
    }

    fn enter(&mut self, encoding: Encoding, at: usize) -> Result<(), LoadErrorKind> {
        self.open.push(Tally::default());
        Bound::Nesting.check(self.open.len() as u64, at)?;
        if self.open.len() > 1 {
            self.tally.add(Bound::Parts, 1, at)?;
        }
        self.copies.enter(encoding == Encoding::Component);
        Ok(())
    }

    /// A section of a core module.
    fn take_of_module(&mut self, payload: Payload<'a>) -> Result<(), LoadErrorKind> {
        match payload {
            Payload::TypeSection(section) => {
                let at = section.range().start;
                for group in section {
                    let types = group?.types().len();
                    self.tally.add(Bound::Types, types as u64, at)?;
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports_with_offsets() {
                    let (at, import) = import?;
                    self.add_here(Bound::Imports, 1, at)?;
                    self.check_name(import.module, at)?;
                    self.check_name(import.name, at)?;
                    if matches!(import.ty, TypeRef::Memory(_)) {
                        self.add_here(Bound::MemoriesOfModule, 1, at)?;
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section.into_iter_with_offsets() {
                    let (at, export) = export?;
                    self.tally.add(Bound::Exports, 1, at)?;
                    self.check_name(export.name, at)?;
                }
            }
            Payload::MemorySection(section) => {
                let at = section.range().start;
                self.add_here(Bound::MemoriesOfModule, section.count().into(), at)?;
                for memory in section {
                    let bytes = memory?.initial.saturating_mul(PAGE_BYTES as u64);
                    check_size("bytes of memory", bytes, self.limits.memory_bytes_max)?;
                }
            }
            Payload::FunctionSection(section) => self.add_all(Bound::Functions, &section)?,
            Payload::TableSection(section) => {
                self.add_all(Bound::Tables, &section)?;
                for table in section {
                    let entries = table?.ty.initial;
                    check_size("entries of a table", entries, TABLE_ELEMENTS_MAX)?;
                }
            }
            Payload::GlobalSection(section) => self.add_all(Bound::Globals, &section)?,
            Payload::ElementSection(section) => self.add_all(Bound::Segments, &section)?,
            Payload::DataSection(section) => self.add_all(Bound::Segments, &section)?,
            Payload::CodeSectionEntry(body) => self.check_body(&body)?,
            _ => {}
        }
        Ok(())
    }

    /// A section of a component.
    fn take_of_component(&mut self, payload: Payload<'a>) -> Result<(), LoadErrorKind> {
        match payload {
            Payload::ComponentTypeSection(section) => {
                let types = types::check(self.bytes, &section, &mut self.tally)?;
                if self.is_outermost() {
                    self.surface.define(&types);
                }
            }
            Payload::CoreTypeSection(section) => {
                for ty in section.into_iter_with_offsets() {
                    let (at, ty) = ty?;
                    self.tally.add(Bound::Types, types::size_of_core(&ty), at)?;
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.into_iter_with_offsets() {
                    let (at, import) = import?;
                    self.add_here(Bound::Imports, 1, at)?;
                    self.check_extern_name(&import.name, at)?;
                    self.copies.import(&import.ty);
                    if self.is_outermost() {
                        self.surface.import(&import);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.into_iter_with_offsets() {
                    let (at, export) = export?;
                    self.tally.add(Bound::Exports, 1, at)?;
                    self.check_extern_name(&export.name, at)?;
                    if self.is_outermost() {
                        let instance = self.copies.instance(export.index);
                        self.surface.export(&export, instance);
                    }
                    self.copies.export(&export);
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section.into_iter_with_offsets() {
                    let (at, instance) = instance?;
                    self.tally.add(Bound::Definitions, 1, at)?;
                    self.copies.instantiate_core(&instance, at)?;
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.into_iter_with_offsets() {
                    let (at, instance) = instance?;
                    self.tally.add(Bound::Definitions, 1, at)?;
                    self.copies.instantiate(&instance, at)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.into_iter_with_offsets() {
                    let (at, alias) = alias?;
                    self.tally.add(Bound::Definitions, 1, at)?;
                    if let ComponentAlias::InstanceExport { name, .. }
                    | ComponentAlias::CoreInstanceExport { name, .. } = alias
                    {
                        self.check_name(name, at)?;
                    }
                    self.copies.alias(&alias);
                    if self.is_outermost() {
                        self.surface.alias(&alias);
                    }
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                self.add_all(Bound::Definitions, &section)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn check_body(&self, body: &FunctionBody<'_>) -> Result<(), LoadErrorKind> {
        let range = body.range();
        let (at, bytes) = (range.start, range.len() as u64);
        Bound::FunctionBytes.check_against(self.limits.function_bytes_max, bytes, at)?;

        let mut locals = 0_u64;
        for group in body.get_locals_reader()? {
            locals += u64::from(group?.0);
        }
        Bound::Locals.check(locals, at)?;

        let (mut blocks, mut loops) = (0, 0);
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Block { .. } | Operator::If { .. } => blocks += 1,
                Operator::Loop { .. } => loops += 1,
                _ => {}
            }
        }
        Bound::Blocks.check(blocks, at)?;
        Bound::Loops.check(loops, at)?;
        Ok(())
    }

    /// Whether the section is of the file's own component.
    fn is_outermost(&self) -> bool {
        self.open.len() == 1
    }

    /// Counts for the innermost open component or module.
    fn add_here(&mut self, bound: Bound, more: u64, at: usize) -> Result<(), Excess> {
        match self.open.last_mut() {
            Some(part) => part.add(bound, more, at),
            None => Ok(()),
        }
    }

    fn add_all<T>(&mut self, bound: Bound, section: &SectionLimited<'_, T>) -> Result<(), Excess> {
        self.tally
            .add(bound, section.count().into(), section.range().start)
    }

    fn check_extern_name(&self, name: &ComponentExternName<'_>, at: usize) -> Result<(), Excess> {
        types::check_extern_name(name, at)
    }

    fn check_name(&self, name: &str, at: usize) -> Result<(), Excess> {
        Bound::NameBytes.check(name.len() as u64, at)
    }
}

/// Refuses what would be refused when the component is instantiated.
fn check_size(what: &'static str, wanted: u64, max: usize) -> Result<(), LoadErrorKind> {
    if wanted <= max as u64 {
        return Ok(());
    }
    Err(LoadErrorKind::Trial {
        what: "instantiating it",
        failure: Failure::MemoryExceeded {
            what,
            wanted: usize::try_from(wanted).unwrap_or(usize::MAX),
            max,
        },
    })
}
