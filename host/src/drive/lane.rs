//! The lane of slow pools: threads of low priority, on which those decide whose decisions take long.
//! Without it the system shares a core between a decision that computes for a tenth of a second and
//! whatever else the host does, a few milliseconds each.

use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime};

/// What the threads' niceness is raised by: of a core that others want, too, they get a tenth
/// (sched(7), "The nice value").
const NICENESS: i32 = 10;

/// The lane. Clones share it.
#[derive(Clone)]
pub(super) struct SlowLane(Arc<Threads>);

struct Threads(Option<Runtime>);

impl SlowLane {
    /// So many threads at most, each of which begins when it is needed. Without a runtime for them,
    /// the host's own threads are the lane.
    pub(super) fn new(threads: usize) -> Self {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(threads)
            .thread_name("slow-policies")
            .on_thread_start(|| {
                // Refused in some sandboxes: then the places alone keep pools apart.
                let _ = rustix::process::nice(NICENESS);
            })
            .build();
        Self(Arc::new(Threads(runtime.ok())))
    }

    /// Where to run what blocks.
    pub(super) fn handle(&self) -> Handle {
        match &self.0.0 {
            Some(runtime) => runtime.handle().clone(),
            None => Handle::current(),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_lane_is_nicer_than_the_host_and_leaves_the_host_as_it_is() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let lane = SlowLane::new(1);
        let in_lane = lane.handle().spawn_blocking(niceness).await.unwrap();
        assert_eq!(in_lane, (before + NICENESS).min(19));
        assert_eq!(niceness(), before);
    }
}
