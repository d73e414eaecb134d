//! What a component imports and exports, as far as its bytes tell, so that a file with nothing of the
//! contract costs no compiler. It refuses only what a load would refuse as well. What the bytes do not
//! tell at once, such as the types of functions, is checked after compilation.

use wasmparser::{
    ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImport,
    ComponentOuterAliasKind, ComponentTypeRef, TypeBounds,
};

use reeve_core::point::Point;

use crate::error::LoadErrorKind;
use crate::v0_1;

/// Which functions of the contract a component or an instance exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Functions {
    decide: bool,
    describe: bool,
    validate: bool,
}

impl Functions {
    /// Those among the exports.
    pub(super) fn among(exports: &[ComponentExport<'_>]) -> Self {
        let mut functions = Self::default();
        exports.iter().for_each(|export| functions.add(export));
        functions
    }

    /// Adds the export, if it is one.
    pub(super) fn add(&mut self, export: &ComponentExport<'_>) {
        if export.kind != ComponentExternalKind::Func {
            return;
        }
        match export.name.name {
            v0_1::DECIDE => self.decide = true,
            v0_1::DESCRIBE => self.describe = true,
            v0_1::VALIDATE => self.validate = true,
            _ => {}
        }
    }

    fn has(self, name: &str) -> bool {
        match name {
            v0_1::DECIDE => self.decide,
            v0_1::DESCRIBE => self.describe,
            v0_1::VALIDATE => self.validate,
            _ => false,
        }
    }
}

/// The imports, exports and types of the outermost component.
#[derive(Default)]
pub(super) struct Surface<'a> {
    /// For each type by index: whether it is of instances that have more than types.
    types: Vec<bool>,
    /// The imports that are more than types.
    imports: Vec<&'a str>,
    exports: Vec<Export<'a>>,
}

struct Export<'a> {
    name: &'a str,
    /// The functions of the exported instance; all of them may be missing. `None`: only an
    /// instantiation tells which.
    functions: Option<Functions>,
}

impl<'a> Surface<'a> {
    /// Notes the types of a section.
    pub(super) fn define(&mut self, types: &[bool]) {
        self.types.extend(types);
    }

    pub(super) fn alias(&mut self, alias: &ComponentAlias<'_>) {
        let is_type = match alias {
            ComponentAlias::InstanceExport { kind, .. } => *kind == ComponentExternalKind::Type,
            ComponentAlias::Outer { kind, .. } => *kind == ComponentOuterAliasKind::Type,
            ComponentAlias::CoreInstanceExport { .. } => false,
        };
        if is_type {
            self.types.push(false);
        }
    }

    pub(super) fn import(&mut self, import: &ComponentImport<'a>) {
        let is_more_than_types = match import.ty {
            ComponentTypeRef::Type(TypeBounds::Eq(_)) => false,
            ComponentTypeRef::Instance(ty) => self.ty(ty),
            _ => true,
        };
        if is_more_than_types {
            self.imports.push(import.name.name);
        }
        if matches!(import.ty, ComponentTypeRef::Type(_)) {
            self.types.push(false);
        }
    }

    /// Notes an export, with the functions that the exported instance is known to have.
    pub(super) fn export(&mut self, export: &ComponentExport<'a>, instance: Option<Functions>) {
        if export.kind == ComponentExternalKind::Type {
            self.types.push(self.ty(export.index));
        }
        let functions = match export.kind {
            ComponentExternalKind::Instance => instance,
            _ => Some(Functions::default()),
        };
        self.exports.push(Export {
            name: export.name.name,
            functions,
        });
    }

    /// Refuses imports, and exports that are not the contract's.
    pub(super) fn check(&self) -> Result<(), LoadErrorKind> {
        if !self.imports.is_empty() {
            return Err(LoadErrorKind::imports(self.imports.iter().copied()));
        }
        let mut is_offered = false;
        for interface in Point::ALL.map(v0_1::interface) {
            is_offered |= self.check_interface(&interface, &[v0_1::DECIDE])?;
        }
        if !is_offered {
            let found = self.exports.iter().map(|export| export.name);
            return Err(LoadErrorKind::nothing_offered(found));
        }
        self.check_interface(v0_1::ABOUT, &[v0_1::DESCRIBE, v0_1::VALIDATE])
            .map(drop)
    }

    /// Whether the interface is exported.
    fn check_interface(&self, name: &str, functions: &[&str]) -> Result<bool, LoadErrorKind> {
        let Some(export) = self.exports.iter().find(|export| export.name == name) else {
            return Ok(false);
        };
        let known = export.functions;
        let missing = known.and_then(|known| functions.iter().find(|name| !known.has(name)));
        match missing {
            Some(missing) => Err(LoadErrorKind::no_function(name, missing)),
            None => Ok(true),
        }
    }

    fn ty(&self, index: u32) -> bool {
        self.types.get(index as usize).copied().unwrap_or_default()
    }
}
