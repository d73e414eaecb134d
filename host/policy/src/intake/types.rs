//! Component types. They contain declarations, which contain types in turn. wasmparser follows them
//! by recursion, so 300 KB of them overflow the stack. This module uses an explicit list instead.

use wasmparser::{
    BinaryReader, ComponentDefinedType, ComponentExternName, ComponentImport, ComponentType,
    ComponentTypeRef, CoreType, InstanceTypeDeclaration, ModuleTypeDeclaration, SectionLimited,
    TypeBounds,
};

use super::bound::{Bound, Excess, Tally};
use crate::error::LoadErrorKind;

/// The first byte of a declaration that contains a type.
const DECLARES_TYPE: u8 = 0x01;
/// The first byte of an import, which only a component type has among its declarations.
const DECLARES_IMPORT: u8 = 0x03;
/// The first byte of a component type.
const COMPONENT: u8 = 0x41;
/// The first byte of an instance type.
const INSTANCE: u8 = 0x42;

/// A section or type that contains types or declarations, and how many are still unread.
struct Holder {
    kind: Kind,
    left: u32,
}

/// A declaration that was read.
#[derive(Default)]
struct Declared {
    /// The type that it declares, if its declarations follow.
    inner: Option<Holder>,
    /// Whether it exports a function, a resource or another thing than a type or an instance.
    is_more_than_type: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Section,
    Component,
    Instance,
}

/// Counts the section's types with all their declarations. Returns for each type whether it is of
/// instances that have more than types; instances inside instances are not looked into.
pub(super) fn check<T>(
    bytes: &[u8],
    section: &SectionLimited<'_, T>,
    tally: &mut Tally,
) -> Result<Vec<bool>, LoadErrorKind> {
    let range = section.range();
    let start = range.start;
    let mut reader = BinaryReader::new(bytes.get(range).unwrap_or_default(), start);
    let mut open = vec![Holder {
        kind: Kind::Section,
        left: reader.read_var_u32()?,
    }];
    let mut found = Vec::new();
    while let Some(holder) = open.last_mut() {
        if holder.left == 0 {
            open.pop();
            continue;
        }
        holder.left -= 1;
        let at = reader.original_position();
        let inner = match holder.kind {
            Kind::Section => {
                found.push(false);
                read_type(&mut reader, tally)?
            }
            kind => {
                let is_direct = kind == Kind::Instance && open.len() == 2;
                let declared = read_declaration(&mut reader, kind, tally)?;
                if let Some(last) = found.last_mut().filter(|_| is_direct) {
                    *last |= declared.is_more_than_type;
                }
                declared.inner
            }
        };
        if let Some(inner) = inner {
            open.push(inner);
            // The section itself is not a type.
            Bound::TypeNesting.check(open.len() as u64 - 1, at)?;
        }
    }
    Ok(found)
}

/// Reads a whole type, or a type up to its declarations.
fn read_type(
    reader: &mut BinaryReader<'_>,
    tally: &mut Tally,
) -> Result<Option<Holder>, LoadErrorKind> {
    let at = reader.original_position();
    let kind = match peek(reader)? {
        COMPONENT => Kind::Component,
        INSTANCE => Kind::Instance,
        _ => {
            let ty: ComponentType<'_> = reader.read()?;
            check_labels(&ty, at)?;
            tally.add(Bound::Types, 1 + fields(&ty) as u64, at)?;
            return Ok(None);
        }
    };
    tally.add(Bound::Types, 1, at)?;
    reader.read_u8()?;
    let left = reader.read_var_u32()?;
    Ok(Some(Holder { kind, left }))
}

fn read_declaration(
    reader: &mut BinaryReader<'_>,
    kind: Kind,
    tally: &mut Tally,
) -> Result<Declared, LoadErrorKind> {
    let at = reader.original_position();
    let mut declared = Declared::default();
    match peek(reader)? {
        DECLARES_TYPE => {
            reader.read_u8()?;
            declared.inner = read_type(reader, tally)?;
        }
        DECLARES_IMPORT if kind == Kind::Component => {
            reader.read_u8()?;
            let import: ComponentImport<'_> = reader.read()?;
            check_extern_name(&import.name, at)?;
            tally.add(Bound::Types, 1, at)?;
        }
        _ => {
            let size = match reader.read()? {
                InstanceTypeDeclaration::Export { name, ty } => {
                    check_extern_name(&name, at)?;
                    declared.is_more_than_type = !matches!(
                        ty,
                        ComponentTypeRef::Type(TypeBounds::Eq(_)) | ComponentTypeRef::Instance(_)
                    );
                    1
                }
                InstanceTypeDeclaration::CoreType(ty) => size_of_core(&ty),
                InstanceTypeDeclaration::Alias(_) | InstanceTypeDeclaration::Type(_) => 1,
            };
            tally.add(Bound::Types, size, at)?;
        }
    }
    Ok(declared)
}

fn peek(reader: &BinaryReader<'_>) -> wasmparser::Result<u8> {
    reader.clone().read_u8()
}

/// How many core types, imports and exports it contains.
pub(super) fn size_of_core(ty: &CoreType<'_>) -> u64 {
    let size = match ty {
        CoreType::Rec(group) => group.types().len(),
        CoreType::Module(declarations) => declarations
            .iter()
            .map(|declaration| match declaration {
                ModuleTypeDeclaration::Type(group) => group.types().len(),
                _ => 1,
            })
            .sum(),
    };
    1 + size as u64
}

/// How many fields, cases or parameters the type has.
fn fields(ty: &ComponentType<'_>) -> usize {
    match ty {
        ComponentType::Defined(ComponentDefinedType::Record(fields)) => fields.len(),
        ComponentType::Defined(ComponentDefinedType::Variant(cases)) => cases.len(),
        ComponentType::Defined(ComponentDefinedType::Tuple(types)) => types.len(),
        ComponentType::Defined(
            ComponentDefinedType::Flags(names) | ComponentDefinedType::Enum(names),
        ) => names.len(),
        ComponentType::Func(func) => func.params.len(),
        _ => 0,
    }
}

fn check_labels(ty: &ComponentType<'_>, at: usize) -> Result<(), Excess> {
    let check = |name: &str| Bound::NameBytes.check(name.len() as u64, at);
    match ty {
        ComponentType::Defined(ComponentDefinedType::Record(fields)) => {
            fields.iter().try_for_each(|(name, _)| check(name))
        }
        ComponentType::Defined(ComponentDefinedType::Variant(cases)) => {
            cases.iter().try_for_each(|case| check(case.name))
        }
        ComponentType::Defined(
            ComponentDefinedType::Flags(names) | ComponentDefinedType::Enum(names),
        ) => names.iter().try_for_each(|name| check(name)),
        ComponentType::Func(func) => func.params.iter().try_for_each(|(name, _)| check(name)),
        _ => Ok(()),
    }
}

pub(super) fn check_extern_name(name: &ComponentExternName<'_>, at: usize) -> Result<(), Excess> {
    let more = [name.implements, name.version_suffix, name.external_id];
    std::iter::once(name.name)
        .chain(more.into_iter().flatten())
        .try_for_each(|part| Bound::NameBytes.check(part.len() as u64, at))
}
