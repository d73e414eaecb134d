//! The minimal cost of isolation: a fresh sandbox with code that does nothing. Only benchmarks use
//! it, to compare a decision with it.

use wasmtime::component::{Component, ComponentExportIndex, Linker};

use crate::engine::PolicyEngine;
use crate::error::{Failure, LoadErrorKind};
use crate::sandbox::{Linked, Sandbox};

/// A component with one function that takes and returns nothing. It is called like a policy,
/// through the same engine, gate, limits and sandbox.
pub struct Floor {
    engine: PolicyEngine,
    linked: Linked,
    function: ComponentExportIndex,
}

impl Floor {
    /// Compiles the component and calls its exported `function` once. The component may import
    /// nothing.
    ///
    /// # Errors
    /// The component does not compile, has imports, has no such function, or the call fails.
    pub fn load(
        engine: &PolicyEngine,
        bytes: &[u8],
        function: &str,
    ) -> Result<Self, LoadErrorKind> {
        let component =
            Component::from_binary(engine.wasm(), bytes).map_err(LoadErrorKind::invalid)?;
        let linked = Linker::new(engine.wasm())
            .instantiate_pre(&component)
            .map_err(LoadErrorKind::invalid)?;
        let function = component.get_export_index(None, function).ok_or_else(|| {
            let missing = format!("it has no function {function:?}");
            LoadErrorKind::invalid(wasmtime::Error::msg(missing))
        })?;
        let floor = Self {
            engine: engine.clone(),
            linked,
            function,
        };
        floor.call().map_err(|failure| LoadErrorKind::Trial {
            what: "calling it",
            failure,
        })?;
        Ok(floor)
    }

    /// Calls the function in a fresh sandbox and returns the fuel used.
    ///
    /// # Errors
    /// Any [`Failure`] of the code itself.
    pub fn call(&self) -> Result<u64, Failure> {
        let mut sandbox =
            Sandbox::open(&self.engine, &self.linked).map_err(|(failure, _)| failure)?;
        sandbox.call::<(), ()>(&self.function, ())?;
        Ok(sandbox.fuel_used())
    }
}
