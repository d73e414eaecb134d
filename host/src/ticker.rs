//! The ticks that interrupt a policy call which neither ends nor runs out of fuel.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};

use reeve_policy::{PolicyEngine, TICK};

/// Ticks until it is dropped. It has its own thread, because the async threads may be blocked.
#[derive(Debug)]
pub(crate) struct Ticker {
    _running: Sender<()>,
}

impl Ticker {
    /// Starts to tick.
    ///
    /// # Errors
    /// The system refused to start a thread.
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
