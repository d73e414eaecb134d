//! What a reeve policy in Rust is written against.
//!
//! ```text
//! wit/*.wit ──wit-bindgen──▶ bindings   resolve  adopt  retry_ip  debounce  reap  about   one module per interface
//!                               │       types                                            what they share
//!                            facts      questions one asks of the shared records
//! JSON settings ───────────▶ settings   typed, with defaults, ranges and errors that name the field
//!                            text       lengths of time in a reason's sentence
//! memory.grow ◀───────────── memory     what every component allocates from
//! cases/*.json ────────────▶ testing    runs a policy's case files natively, checks its schema (feature `testing`)
//! ```
//!
//! A policy is a unit struct that implements the `Guest` trait of each point it answers and of
//! [`about`], and one [`export!`] line:
//!
//! ```text
//! struct Policy;
//!
//! impl resolve::Guest for Policy {
//!     fn decide(input: resolve::Input) -> Result<resolve::Verdict, String> { … }
//! }
//! impl about::Guest for Policy { … }
//!
//! reeve_policy_sdk::export!(Policy: resolve);
//! ```
//!
//! The decision itself is best kept in a plain function over the guest types: the same function then
//! runs in the component, in native tests and in benchmarks.

mod bindings;
mod facts;
#[cfg(any(target_arch = "wasm32", test))]
mod memory;
pub mod settings;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;
pub mod text;

pub use bindings::{about, adopt, debounce, reap, resolve, retry_ip, types};

/// Makes a component out of `$policy`: exports each named point and `about`.
///
/// Any subset of the points can be named (`export!(Policy: resolve, reap)`); the world the component
/// declares is exactly what was named. Outside Wasm it exports nothing, so one native binary can link
/// several policies although all of them export the same names.
#[macro_export]
macro_rules! export {
    ($policy:ident: $($point:ident),+ $(,)?) => {
        $(
            #[cfg(target_arch = "wasm32")]
            $crate::$point::export!($policy with_types_in $crate::$point);
        )+
        #[cfg(target_arch = "wasm32")]
        $crate::about::export!($policy with_types_in $crate::about);
    };
}
