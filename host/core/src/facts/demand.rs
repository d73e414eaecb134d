//! The reading of a worker's demand metric, and the fact that a policy gets of it.

use super::WorkerFacts;
use crate::model::demand::{Demand, DemandReading, Metric, Sample};
use crate::model::id::InstanceId;
use crate::model::point;
use crate::model::time::{Instant, Millis};

impl WorkerFacts {
    /// The adopted instance, if its demand metric is worth reading: the instance was up at its last
    /// reading, and no pause keeps the host from asking `reap`.
    pub(crate) fn measured_instance(&self) -> Option<&InstanceId> {
        let known = self.adopted_instance()?;
        let is_measured = known.instance.state.is_live() && self.paused.is_none();
        is_measured.then_some(&known.instance.id)
    }

    /// Takes in the samples of a metric that was asked for at `asked_at`. `samples` is `None` if
    /// the metric could not be read. Samples of an instance that is not adopted are dropped.
    pub(crate) fn observe_demand(
        &mut self,
        asked_at: Instant,
        metric: &Metric,
        samples: Option<&[Sample]>,
    ) {
        let is_adopted = |of: &InstanceId| self.adopted.as_ref().is_some_and(|it| &it.id == of);
        if !is_adopted(&metric.instance) {
            return;
        }
        let (Some(samples), Some(spec), Some(known)) =
            (samples, &self.pool.demand, self.adopted_instance())
        else {
            self.demand = None;
            return;
        };
        let up_since = known.instance.launched_at.unwrap_or(known.in_state_since);
        let rounds = Millis::new(spec.every.get().saturating_mul(2));
        self.demand = Some(Demand {
            reading: spec.reading_of(samples, up_since),
            instance: Some(metric.instance.clone()),
            good_until: Some(asked_at + rounds),
        });
    }

    /// The demand as a policy sees it. Demand is `unavailable`, never 0, if the reading failed, is
    /// older than two rounds, or belongs to a replaced instance.
    pub(crate) fn demand_fact(&self, now: Instant) -> point::Demand {
        let adopted = self.adopted.as_ref().map(|adopted| &adopted.id);
        let current = self.demand.as_ref().filter(|demand| {
            demand.good_until.is_none_or(|until| now <= until)
                && demand
                    .instance
                    .as_ref()
                    .is_none_or(|of| Some(of) == adopted)
        });
        match current.map(|demand| demand.reading) {
            None => point::Demand::Unavailable,
            Some(DemandReading::TooFew) => point::Demand::TooFew,
            Some(DemandReading::Requests {
                count,
                window,
                until,
            }) => point::Demand::Requests(point::Sample {
                count,
                window_ms: window.saturating_u32(),
                ago_ms: now.since(until).saturating_u32(),
            }),
        }
    }
}
