//! The product's loop on virtual time, with policies written as functions.

mod reaping;
mod resolving;
mod support;
