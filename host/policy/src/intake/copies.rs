//! Counts the instances that a component creates. A component that instantiates the previous one
//! twice doubles the count. Forty of them in a kilobyte would be a million million instances, and
//! wasmtime lays out each one when it compiles. On the way it notes which functions of the contract
//! each component and instance exports.

use wasmparser::{
    ComponentAlias, ComponentExport, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Instance,
};

use super::bound::Bound;
use super::contract::Functions;
use crate::error::LoadErrorKind;

/// The instances that one instantiation creates.
#[derive(Clone, Copy, Default)]
struct Yield {
    core: u64,
    components: u64,
}

/// A component whose content is known.
#[derive(Clone, Copy, Default)]
struct Known {
    yields: Yield,
    functions: Functions,
}

/// The components visible at the current place of the file.
#[derive(Default)]
pub(super) struct Copies {
    /// One scope per open component or module, outermost first.
    open: Vec<Scope>,
}

#[derive(Default)]
struct Scope {
    is_component: bool,
    /// What this scope creates and exports so far.
    known: Known,
    /// The components of this scope by index. `None`: only an instantiation could tell which
    /// component it is.
    components: Vec<Option<Known>>,
    /// The functions of the component instances of this scope by index. `None`: as for components.
    instances: Vec<Option<Functions>>,
}

impl Copies {
    pub(super) fn enter(&mut self, is_component: bool) {
        self.open.push(Scope {
            is_component,
            ..Scope::default()
        });
    }

    pub(super) fn leave(&mut self) {
        let Some(left) = self.open.pop() else {
            return;
        };
        if left.is_component {
            self.define(Some(left.known));
        }
    }

    pub(super) fn import(&mut self, ty: &ComponentTypeRef) {
        match ty.kind() {
            ComponentExternalKind::Component => self.define(None),
            ComponentExternalKind::Instance => self.define_instance(None),
            _ => {}
        }
    }

    pub(super) fn export(&mut self, export: &ComponentExport<'_>) {
        if let Some(scope) = self.open.last_mut() {
            scope.known.functions.add(export);
        }
        match export.kind {
            ComponentExternalKind::Component => self.define(self.component(0, export.index)),
            ComponentExternalKind::Instance => self.define_instance(self.instance(export.index)),
            _ => {}
        }
    }

    /// The functions of the innermost component's instance with this index, if they are known.
    pub(super) fn instance(&self, index: u32) -> Option<Functions> {
        let instances = &self.open.last()?.instances;
        instances.get(index as usize).copied()?
    }

    pub(super) fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match alias {
            ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::Component,
                count,
                index,
            } => self.define(self.component(*count, *index)),
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Component,
                ..
            } => self.define(None),
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Instance,
                ..
            } => self.define_instance(None),
            _ => {}
        }
    }

    pub(super) fn instantiate_core(
        &mut self,
        instance: &Instance<'_>,
        at: usize,
    ) -> Result<(), LoadErrorKind> {
        match instance {
            Instance::Instantiate { .. } => self.add(
                Yield {
                    core: 1,
                    components: 0,
                },
                at,
            ),
            Instance::FromExports(_) => Ok(()),
        }
    }

    pub(super) fn instantiate(
        &mut self,
        instance: &ComponentInstance<'_>,
        at: usize,
    ) -> Result<(), LoadErrorKind> {
        match instance {
            ComponentInstance::Instantiate {
                component_index, ..
            } => {
                let of = self.component(0, *component_index);
                let of = of.ok_or(LoadErrorKind::UnknownComponent { at })?;
                self.define_instance(Some(of.functions));
                self.add(
                    Yield {
                        core: of.yields.core,
                        components: of.yields.components.saturating_add(1),
                    },
                    at,
                )
            }
            ComponentInstance::FromExports(exports) => {
                self.define_instance(Some(Functions::among(exports)));
                Ok(())
            }
        }
    }

    fn add(&mut self, more: Yield, at: usize) -> Result<(), LoadErrorKind> {
        let Some(scope) = self.open.last_mut() else {
            return Ok(());
        };
        let yields = &mut scope.known.yields;
        yields.core = yields.core.saturating_add(more.core);
        yields.components = yields.components.saturating_add(more.components);
        Bound::CoreInstances.check(yields.core, at)?;
        Bound::ComponentInstances.check(yields.components, at)?;
        Ok(())
    }

    fn define(&mut self, component: Option<Known>) {
        if let Some(scope) = self.open.last_mut() {
            scope.components.push(component);
        }
    }

    fn define_instance(&mut self, functions: Option<Functions>) {
        if let Some(scope) = self.open.last_mut() {
            scope.instances.push(functions);
        }
    }

    /// The component with this index, that many scopes outward.
    fn component(&self, outwards: u32, index: u32) -> Option<Known> {
        let scope = (self.open.len().checked_sub(1)?).checked_sub(outwards as usize)?;
        self.open[scope].components.get(index as usize).copied()?
    }
}
