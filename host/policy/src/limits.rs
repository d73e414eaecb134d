//! The limits of one policy call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often the shell calls [`crate::PolicyEngine::tick`]. The deadline is only a last resort
/// after fuel, so it may be coarse. Ten wake-ups a second cost nothing.
pub const TICK: Duration = Duration::from_millis(100);

/// The bytes that a call may return in all its strings together. The longest result within bounds
/// is a description with its 64 KiB schema, twice that in UTF-16; a verdict needs less than 4 KiB.
/// A longer string is refused before it is copied out of the sandbox.
pub(crate) const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Core instances in one component, including those that wasmtime adds for its adapters. A Rust
/// policy has one, a JavaScript policy of componentize-qjs 13, a Python policy of componentize-py
/// 38.
pub(crate) const CORE_INSTANCES_MAX: usize = 64;

/// Linear memories in one component. They share [`Limits::memory_bytes_max`]. A component composed
/// of several policies has one per policy, and JavaScript policies have three.
pub(crate) const MEMORIES_MAX: usize = 8;

/// Tables in one component: one per core instance.
pub(crate) const TABLES_MAX: usize = 64;

/// The default of [`Limits::function_bytes_max`]. The largest function of a standard policy has 17
/// KB, of a JavaScript policy 37 KB (54 KB without `--opt-size`): an interpreter's loop over its
/// instructions.
pub(crate) const FUNCTION_BYTES_MAX: u64 = 64 * 1024;

/// A Wasm page: memories are sized and reserved in whole pages.
pub(crate) const PAGE_BYTES: usize = 64 * 1024;

/// Entries in one table. Compilers keep function pointers there: a large policy has hundreds.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 10_000;

/// How large a policy may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Compiled languages, and JavaScript by componentize-qjs: files of 8 MiB, 16 MiB of memory.
    #[default]
    Small,
    /// Interpreters that are large themselves, such as componentize-py's: files of 32 MiB, 64 MiB of
    /// memory, and up to a minute to compile.
    Large,
}

/// The limits of one policy. The defaults are those of [`Class::Small`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Fuel of one call: about one unit per instruction and per byte moved in bulk, more for what takes
    /// long (`price.rs`). A standard decision uses 13,000 over 10 instances and 82,000 over 100. The
    /// default is 600 times the latter, and ends an endless loop within a tenth of a second.
    pub fuel: u64,
    /// Linear memory of one call in bytes, for all its memories together. A Rust policy starts with
    /// about 1 MiB, nearly all of it stack.
    pub memory_bytes_max: usize,
    /// The native stack of one call in bytes, which bounds the depth of a recursion. It is a
    /// quarter of a Rust thread's stack, so the host's own frames have room.
    pub stack_bytes_max: usize,
    /// Ticks of [`TICK`] until a call is interrupted, whatever fuel it has left. The default, 1 s,
    /// is at least ten times what the default fuel takes, so that a slow machine decides the same.
    pub deadline_ticks: u64,
    /// The size of a component in bytes. The standard policies have 80 to 120 KiB. A language that
    /// includes its interpreter needs megabytes, and time and memory to compile them.
    pub component_bytes_max: u64,
    /// The size of one function's body in bytes. The compiler handles a whole function at once, and
    /// its time and memory grow faster than the function's size.
    pub function_bytes_max: u64,
    /// What compiling it may take.
    pub compile: CompileLimits,
}

/// The most that compiling one component may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileLimits {
    /// The memory of the compiler in bytes, its program and shared libraries not counted.
    pub memory_bytes_max: u64,
    /// CPU time in whole seconds. By the clock it may take three times as long, because a busy machine
    /// gives it a share only.
    pub cpu: Duration,
    /// The native code that comes out, in bytes. It is five times the largest component: of the files
    /// that toolchains make, Rust's become 4.2 times as large, JavaScript's 4.6 times, Python's 2.4
    /// times. Code that is made to grow becomes 27 times as large.
    pub native_bytes_max: u64,
}

impl CompileLimits {
    /// The time by the clock after which the compiler is ended.
    pub(crate) fn wall(&self) -> Duration {
        3 * self.cpu
    }

    /// The smaller of each.
    pub(crate) fn at_most(self, other: &Self) -> Self {
        Self {
            memory_bytes_max: self.memory_bytes_max.min(other.memory_bytes_max),
            cpu: self.cpu.min(other.cpu),
            native_bytes_max: self.native_bytes_max.min(other.native_bytes_max),
        }
    }
}

impl Limits {
    /// The limits of a class.
    pub const fn of(class: Class) -> Self {
        let small = Self {
            fuel: 50_000_000,
            memory_bytes_max: 16 << 20,
            stack_bytes_max: 512 << 10,
            deadline_ticks: 10,
            component_bytes_max: 8 << 20,
            function_bytes_max: FUNCTION_BYTES_MAX,
            // A standard policy takes 40 MiB and a third of a second, a JavaScript policy 130 MiB
            // and two seconds.
            compile: CompileLimits {
                memory_bytes_max: 256 << 20,
                cpu: Duration::from_secs(10),
                native_bytes_max: 40 << 20,
            },
        };
        match class {
            Class::Small => small,
            Class::Large => Self {
                memory_bytes_max: 64 << 20,
                component_bytes_max: 32 << 20,
                // CPython's largest function has 427 KB.
                function_bytes_max: 1 << 20,
                compile: CompileLimits {
                    memory_bytes_max: 1 << 30,
                    cpu: Duration::from_secs(60),
                    native_bytes_max: 160 << 20,
                },
                ..small
            },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(Class::default())
    }
}
