//! Contains panics: the waiting caller gets an error, and the process lives on.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use reeve_core::text;

/// The message of a panic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub(crate) struct Panicked(String);

impl Panicked {
    /// Reads the payload of `catch_unwind` or of a joined task.
    pub(crate) fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let said = payload.downcast_ref::<&str>().copied();
        let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(text::bounded(said.unwrap_or("without a message")))
    }
}

/// Runs a future and turns a panic into an error. After a panic the future is only dropped, never
/// polled again.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) => Poll::Ready(Err(Panicked::from_payload(payload.as_ref()))),
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_message() {
        let outcome = caught(async {
            tokio::task::yield_now().await;
            panic!("no {}", "reason")
        });
        assert_eq!(
            outcome.await.map(|(): ()| ()),
            Err(Panicked("no reason".to_owned()))
        );
        assert_eq!(caught(async { 7 }).await, Ok(7));
    }
}
