//! The contract's types as wasmtime reads and writes them, generated from `wit/`.
//!
//! Only the types are used. The generated loader of the whole world would refuse a component that
//! leaves one interface out; [`crate::component`] looks each interface up by itself.

// Generated: the WIT carries the documentation, and not everything that is generated is used.
#![allow(missing_docs, unreachable_pub, dead_code)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "all",
    // Lowering reads the texts of an input where they are; only results own theirs. An instance id
    // occurs in both, and so gets two types.
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub use exports::reeve::policy::{about, adopt, debounce, reap, resolve, retry_ip};
pub use reeve::policy::types;
