//! The simulated demand metrics. Every live instance has a sample for each period, zeros included:
//! the number of requests that reached it.

use std::ops::Range;

use reeve_core::cloud::{CloudError, CloudErrorKind};
use reeve_core::demand::{Metric, Sample};
use reeve_core::time::{Instant, Millis};

use super::{SimInstance, World, calls};

impl World {
    /// The samples of one metric that begin within the window and whose period is over.
    pub(super) fn demand(
        &self,
        metric: &Metric,
        period: Millis,
        window: Range<Instant>,
    ) -> Result<Vec<Sample>, CloudError> {
        if self.trouble.partial_metrics.contains(&metric.instance) {
            return Err(calls::error(
                "GetMetricData",
                CloudErrorKind::Transient,
                "PartialData",
                "the simulation holds samples back",
            ));
        }
        let Some(instance) = self.instances.get(&metric.instance) else {
            return Ok(Vec::new());
        };
        let mut samples = Vec::new();
        let mut at = window.start;
        while at < window.end && at + period <= self.now {
            if instance.launched_at < at + period && instance.state.is_live() {
                let count = instance.invocations_from(at..at + period);
                samples.push(Sample { at, count });
            }
            at += period;
        }
        Ok(samples)
    }
}

impl SimInstance {
    fn invocations_from(&self, span: Range<Instant>) -> u64 {
        let within = self.invocations.iter().filter(|at| span.contains(at));
        u64::try_from(within.count()).unwrap_or(u64::MAX)
    }
}
