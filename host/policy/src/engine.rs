//! The host's one wasmtime engine, configured so that the same input gives the same decision.

use std::sync::Arc;

use reeve_core::id::Digest;
use wasmtime::component::Component;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    Strategy,
};

use crate::compile::{Compile, Here};
use crate::error::LoadErrorKind;
use crate::gate::{Gate, Turn};
use crate::limits::{
    CORE_INSTANCES_MAX, Class, Limits, MEMORIES_MAX, PAGE_BYTES, TABLE_ELEMENTS_MAX, TABLES_MAX,
};
use crate::price;

/// Memory that stays mapped in a slot between calls, if the kernel can tell which pages the last
/// call wrote. It is more than a compiled policy uses, so that nothing is unmapped and faulted in
/// again.
const KEPT_RESIDENT_BYTES: usize = 2 * 1024 * 1024;

/// Runs policies within [`Limits`]. Clones share all state.
#[derive(Clone)]
pub struct PolicyEngine {
    wasm: Engine,
    /// The limits that the engine's memory is reserved for.
    made_for: Limits,
    /// The limits of a policy's calls.
    limits: Limits,
    allocation: Allocation,
    gate: Arc<Gate>,
    compiler: Arc<dyn Compile>,
}

/// Where a call's memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Slots that are reserved at start. A fresh call of a small policy took 14 µs where the kernel
    /// reports written pages (Linux 6.7), 22 µs elsewhere.
    Pooled,
    /// The system, on each call: 26 µs. Used where the address space cannot be reserved.
    OnDemand,
}

/// Why the engine could not be set up.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not set up the Wasm engine with {limits:?}; this machine must be one that wasmtime \
     compiles for, and the limits must fit its address space"
)]
pub struct EngineError {
    limits: Limits,
    #[source]
    source: wasmtime::Error,
}

impl PolicyEngine {
    /// An engine that enforces these limits on every call. It reserves address space for each call
    /// that may run at the same time: 8 memories of `memory_bytes_max`.
    ///
    /// # Errors
    /// Neither kind of memory allocation works here, or wasmtime cannot compile for this machine.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        // Calls are synchronous and only compute, so more than twice the cores at a time would not
        // be faster. The upper bound limits the reserved address space to 8 GiB for the small class,
        // 32 GiB for the large one.
        let cores = std::thread::available_parallelism().map_or(4, usize::from);
        let concurrent = (2 * cores).clamp(8, 64);

        let pooled = Engine::new(&pooled(&limits, concurrent));
        let (wasm, allocation) = match pooled {
            Ok(wasm) => (wasm, Allocation::Pooled),
            Err(_) => {
                let wasm = Engine::new(&deterministic(&limits))
                    .map_err(|source| EngineError { limits, source })?;
                (wasm, Allocation::OnDemand)
            }
        };
        Ok(Self {
            wasm,
            made_for: limits,
            limits,
            allocation,
            gate: Arc::new(Gate::new(concurrent)),
            compiler: Arc::new(Here),
        })
    }

    /// An engine that only compiles.
    ///
    /// # Errors
    /// As for [`PolicyEngine::new`].
    pub(crate) fn without_pool(limits: Limits) -> Result<Self, EngineError> {
        let wasm = Engine::new(&deterministic(&limits))
            .map_err(|source| EngineError { limits, source })?;
        Ok(Self {
            wasm,
            made_for: limits,
            limits,
            allocation: Allocation::OnDemand,
            gate: Arc::new(Gate::new(1)),
            compiler: Arc::new(Here),
        })
    }

    /// The same engine with another compiler.
    #[must_use]
    pub fn compiling_by(self, compiler: Arc<dyn Compile>) -> Self {
        Self { compiler, ..self }
    }

    /// The component of these bytes.
    ///
    /// # Errors
    /// The bytes are no valid component, or compiling them exceeds a limit.
    pub(crate) fn compile(&self, digest: Digest, bytes: &[u8]) -> Result<Component, LoadErrorKind> {
        self.compiler.compile(self, digest, bytes)
    }

    /// What people should know of the compiler; `None`: nothing.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.compiler.trouble()
    }

    /// Advances the clock of the deadlines. The shell calls it every [`crate::limits::TICK`] from a
    /// separate thread. Without it, only fuel ends a call.
    pub fn tick(&self) {
        self.wasm.increment_epoch();
    }

    /// The same engine for policies of this class. What is counted in bytes and what compiling may take
    /// become those of the class, at most what the engine was made for.
    #[must_use]
    pub fn for_class(&self, class: Class) -> Self {
        let (made_for, class) = (self.made_for, Limits::of(class));
        let limits = Limits {
            memory_bytes_max: class.memory_bytes_max.min(made_for.memory_bytes_max),
            component_bytes_max: class.component_bytes_max.min(made_for.component_bytes_max),
            function_bytes_max: class.function_bytes_max.min(made_for.function_bytes_max),
            compile: class.compile.at_most(&made_for.compile),
            ..made_for
        };
        Self {
            limits,
            ..self.clone()
        }
    }

    /// The limits of every call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The limits that native code is made for.
    pub(crate) fn made_for(&self) -> &Limits {
        &self.made_for
    }

    /// Where a call's memory comes from.
    pub fn allocation(&self) -> Allocation {
        self.allocation
    }

    /// Waits until a slot of the pool is free, and holds it.
    pub(crate) fn turn(&self) -> Turn<'_> {
        self.gate.enter()
    }

    pub(crate) fn wasm(&self) -> &Engine {
        &self.wasm
    }
}

/// Settings that make a call repeatable, and disable features that policies do not need.
fn deterministic(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // Fuel ends a call at the same instruction every time; the epoch is the last resort.
        .consume_fuel(true)
        .operator_cost(price::list())
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes_max)
        // Features whose results the Wasm specification leaves to the machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        // For the adapters that wasmtime creates between the instances of a composed component:
        // they copy from one memory to another. A policy's own modules have one memory each (see
        // `intake`).
        .wasm_multi_memory(true)
        // Reserves only what a memory may grow to, instead of the usual 4 GiB. That costs explicit
        // bounds checks (not measurable in a decision) and works in containers that limit address
        // space.
        .memory_reservation(reserved_bytes(limits) as u64)
        .memory_reservation_for_growth(0)
        .memory_guard_size(PAGE_BYTES as u64);
    config
}

fn pooled(limits: &Limits, concurrent: usize) -> Config {
    let count =
        |per_component: usize| u32::try_from(concurrent * per_component).unwrap_or(u32::MAX);
    let each = |per_component: usize| u32::try_from(per_component).unwrap_or(u32::MAX);

    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(1))
        .total_core_instances(count(CORE_INSTANCES_MAX))
        .total_memories(count(MEMORIES_MAX))
        .total_tables(count(TABLES_MAX))
        .max_core_instances_per_component(each(CORE_INSTANCES_MAX))
        .max_memories_per_component(each(MEMORIES_MAX))
        .max_tables_per_component(each(TABLES_MAX))
        .max_tables_per_module(each(TABLES_MAX))
        .max_memory_size(reserved_bytes(limits))
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_unused_warm_slots(count(1));
    // Without the kernel's help, resetting resident memory means writing all of it, which costs
    // more than unmapping it.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(KEPT_RESIDENT_BYTES)
            .table_keep_resident(PAGE_BYTES);
    }
    let mut config = deterministic(limits);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn reserved_bytes(limits: &Limits) -> usize {
    limits.memory_bytes_max.next_multiple_of(PAGE_BYTES)
}
