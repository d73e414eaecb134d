//! The sandbox of one call: a store that lives for this call, and the classification of how the
//! call ended.

use reeve_core::text;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower, TypedFunc,
};
use wasmtime::{ResourceLimiter, Store, Trap};

use crate::engine::PolicyEngine;
use crate::error::Failure;
use crate::gate::Turn;
use crate::limits::{
    ANSWER_BYTES_MAX, CORE_INSTANCES_MAX, Limits, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX,
};

/// A compiled component with its (empty) imports resolved.
pub(crate) type Linked = InstancePre<Held>;

/// A fresh instance for one call. A decision must not depend on earlier ones: a policy's memory is
/// dropped with the sandbox, and only a memo passes to the next call. The pool makes fresh
/// instances cheap.
pub(crate) struct Sandbox<'engine> {
    instance: Instance,
    store: Store<Held>,
    limits: &'engine Limits,
    // Declared last, so that the slot becomes free only after the store is dropped.
    _turn: Turn<'engine>,
}

impl<'engine> Sandbox<'engine> {
    /// Instantiates the component with full fuel.
    ///
    /// # Errors
    /// The start function failed, or the component needs more than the limits allow. Includes the
    /// fuel used.
    pub(crate) fn open(
        engine: &'engine PolicyEngine,
        linked: &Linked,
    ) -> Result<Self, (Failure, u64)> {
        let limits = engine.limits();
        let turn = engine.turn();
        let mut store = Store::new(engine.wasm(), Held::new(limits.memory_bytes_max));
        store.limiter(|held| held);
        store.set_epoch_deadline(limits.deadline_ticks);
        store.set_hostcall_fuel(ANSWER_BYTES_MAX);
        store
            .set_fuel(limits.fuel)
            .map_err(|error| (Failure::NotInstantiated(cause(&error)), 0))?;

        match linked.instantiate(&mut store) {
            Ok(instance) => Ok(Self {
                instance,
                store,
                limits,
                _turn: turn,
            }),
            Err(error) => {
                let failure = judge(&error, limits)
                    .unwrap_or_else(|| Failure::NotInstantiated(cause(&error)));
                Err((failure, fuel_used(&store, limits)))
            }
        }
    }

    /// The exported function with these parameter and result types.
    ///
    /// # Errors
    /// The function has another type.
    pub(crate) fn function<P, R>(
        &mut self,
        index: &ComponentExportIndex,
    ) -> wasmtime::Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        self.instance.get_typed_func(&mut self.store, index)
    }

    /// Calls the exported function. Its type was checked when the component was loaded.
    ///
    /// # Errors
    /// Any [`Failure`] of the code itself.
    pub(crate) fn call<P, R>(
        &mut self,
        index: &ComponentExportIndex,
        parameters: P,
    ) -> Result<R, Failure>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        self.function::<P, R>(index)
            .and_then(|function| function.call(&mut self.store, parameters))
            .map_err(|error| {
                judge(&error, self.limits).unwrap_or_else(|| Failure::Malformed(cause(&error)))
            })
    }

    /// The fuel used since the sandbox was opened.
    pub(crate) fn fuel_used(&self) -> u64 {
        fuel_used(&self.store, self.limits)
    }
}

fn fuel_used(store: &Store<Held>, limits: &Limits) -> u64 {
    limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0))
}

/// The innermost cause. It may repeat the component's own names.
fn cause(error: &wasmtime::Error) -> String {
    text::bounded(&error.root_cause().to_string())
}

/// The failure, if the code itself or one of its limits ended the call.
fn judge(error: &wasmtime::Error, limits: &Limits) -> Option<Failure> {
    if let Some(denied) = error.downcast_ref::<Denied>() {
        return Some(Failure::MemoryExceeded {
            what: denied.what,
            wanted: denied.wanted,
            max: denied.max,
        });
    }
    let failure = match error.downcast_ref::<Trap>()? {
        Trap::OutOfFuel => Failure::FuelExhausted { fuel: limits.fuel },
        Trap::Interrupt => Failure::Deadline {
            ticks: limits.deadline_ticks,
        },
        trap => Failure::Trap(trap.to_string()),
    };
    Some(failure)
}

/// The memory that the call uses, and its limit.
pub(crate) struct Held {
    memory_bytes: usize,
    memory_bytes_max: usize,
}

/// The policy requested more than its limit. This is raised as a trap, because most policies abort
/// without a message if an allocation fails.
#[derive(Debug, thiserror::Error)]
#[error("asked for {wanted} {what}, allowed are {max}")]
struct Denied {
    what: &'static str,
    wanted: usize,
    max: usize,
}

impl Held {
    fn new(memory_bytes_max: usize) -> Self {
        Self {
            memory_bytes: 0,
            memory_bytes_max,
        }
    }
}

impl ResourceLimiter for Held {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self
            .memory_bytes
            .saturating_add(desired.saturating_sub(current));
        if wanted > self.memory_bytes_max {
            return Err(wasmtime::Error::new(Denied {
                what: "bytes of memory",
                wanted,
                max: self.memory_bytes_max,
            }));
        }
        self.memory_bytes = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            return Err(wasmtime::Error::new(Denied {
                what: "entries of a table",
                wanted: desired,
                max: TABLE_ELEMENTS_MAX,
            }));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }
}
