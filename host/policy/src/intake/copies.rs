//! Counts the instances that a component creates. A component that instantiates the previous one
//! twice doubles the count. Forty of them in a kilobyte would be a million million instances, and
//! wasmtime lays out each one when it compiles.

use wasmparser::{
    ComponentAlias, ComponentExport, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Instance,
};

use super::bound::Bound;
use crate::error::LoadErrorKind;

/// The instances that one instantiation creates.
#[derive(Clone, Copy, Default)]
struct Yield {
    core: u64,
    components: u64,
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
    /// The instances that this scope creates so far.
    yields: Yield,
    /// The components of this scope by index. `None`: only an instantiation could tell which
    /// component it is.
    components: Vec<Option<Yield>>,
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
            self.define(Some(left.yields));
        }
    }

    pub(super) fn import(&mut self, ty: &ComponentTypeRef) {
        if ty.kind() == ComponentExternalKind::Component {
            self.define(None);
        }
    }

    pub(super) fn export(&mut self, export: &ComponentExport<'_>) {
        if export.kind == ComponentExternalKind::Component {
            self.define(self.component(0, export.index));
        }
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
        let ComponentInstance::Instantiate {
            component_index, ..
        } = instance
        else {
            return Ok(());
        };
        let of = self.component(0, *component_index);
        let of = of.ok_or(LoadErrorKind::UnknownComponent { at })?;
        self.add(
            Yield {
                core: of.core,
                components: of.components.saturating_add(1),
            },
            at,
        )
    }

    fn add(&mut self, more: Yield, at: usize) -> Result<(), LoadErrorKind> {
        let Some(scope) = self.open.last_mut() else {
            return Ok(());
        };
        let yields = &mut scope.yields;
        yields.core = yields.core.saturating_add(more.core);
        yields.components = yields.components.saturating_add(more.components);
        Bound::CoreInstances.check(yields.core, at)?;
        Bound::ComponentInstances.check(yields.components, at)?;
        Ok(())
    }

    fn define(&mut self, component: Option<Yield>) {
        if let Some(scope) = self.open.last_mut() {
            scope.components.push(component);
        }
    }

    /// The component with this index, that many scopes outward.
    fn component(&self, outwards: u32, index: u32) -> Option<Yield> {
        let scope = (self.open.len().checked_sub(1)?).checked_sub(outwards as usize)?;
        self.open[scope].components.get(index as usize).copied()?
    }
}
