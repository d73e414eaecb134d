//! The backstop's clock: a policy that neither ends nor runs out of fuel is interrupted by ticks.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};

use reeve_policy::{PolicyEngine, TICK};

/// Ticks until dropped. A thread of its own, because the async threads may be what is stuck.
#[derive(Debug)]
pub(crate) struct Ticker {
    _running: Sender<()>,
}

impl Ticker {
    /// Starts ticking.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(engine: PolicyEngine) -> io::Result<Self> {
        let (running, stopped) = channel();
        std::thread::Builder::new()
            .name("policy-ticks".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    engine.tick();
                }
            })?;
        Ok(Self { _running: running })
    }
}
