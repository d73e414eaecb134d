//! Keeping a panic where it happens: one file's, of wasmtime or of this crate.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bounds;

/// Runs this; a panic becomes an error with its message.
///
/// # Errors
/// What the panic said, at most 512 bytes of it.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // What is left half done belongs to `run` alone and is dropped with it.
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    bounds::quotable(text.unwrap_or("without a message"))
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
