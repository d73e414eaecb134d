//! Contains a panic of wasmtime or of this crate, so that it affects only the file that caused it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use reeve_core::text;

/// Runs a closure and turns a panic into an error with its message.
///
/// # Errors
/// The panic's message, cut to 512 bytes.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // Only `run` can see state that the panic left incomplete, and that state is dropped with it.
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text::bounded(said.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_cut_and_in_one_line() {
        assert_eq!(caught(|| 7), Ok(7));
        let message = caught(|| panic!("no {}\n{}", "reason", "x".repeat(1000)));
        let message = message.map(|(): ()| ()).unwrap_err();
        assert!(message.starts_with("no reason\\nxxx"), "{message}");
        assert_eq!(message.len(), 512);
    }
}
