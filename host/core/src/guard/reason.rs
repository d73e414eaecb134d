//! The claims of reason codes. Journal, notices and people rely on the code of an end, so a code
//! that claims something needs facts that show it. All other codes are the policy's own.

use super::{Reaping, Scene};
use crate::model::id::InstanceId;
use crate::model::point::Demand;
use crate::model::point::reap::Role;
use crate::model::veto::{Rule, Veto};

/// Claims that callers could use the instance and do not.
const IDLE: &str = "idle";
/// Claims that no caller could reach the instance.
const UNREACHABLE: &str = "unreachable";
/// Claims that another instance is adopted.
const ORPHAN: &str = "orphan";

impl Scene<'_> {
    /// Refuses a reap whose reason code claims what the facts do not show.
    pub(super) fn shows_reason(&self, reaping: &Reaping) -> Result<(), Veto> {
        let id = &reaping.id;
        match reaping.reason_code.as_str() {
            IDLE => self.shows_idle(id),
            UNREACHABLE if self.facts.handed_out_at(id).is_some() => Err(unfounded(format!(
                "{id} was handed out: it may be idle, and is not `{UNREACHABLE}`"
            ))),
            ORPHAN if self.facts.role_of(id) != Role::Orphan => Err(unfounded(format!(
                "no other instance is adopted, so {id} is not an `{ORPHAN}`"
            ))),
            _ => Ok(()),
        }
    }

    fn shows_idle(&self, id: &InstanceId) -> Result<(), Veto> {
        let worker = self.facts;
        if worker.handed_out_at(id).is_none() && !worker.pool.heartbeats_are_use {
            let text = format!(
                "{id} was never handed out: it is unreachable, not idle, and no demand can show"
            );
            return Err(Veto::new(Rule::NeverHandedOut, text));
        }
        let idle_min_ms = worker.pool.limits.idle_min.saturating_u32();
        match worker.demand_fact(self.now) {
            Demand::Requests(sample)
                if worker.is_adopted(id) && sample.count > 0 && sample.ago_ms < idle_min_ms =>
            {
                Err(unfounded(format!(
                    "the demand metric counts {} requests, so {id} is not `{IDLE}`",
                    sample.count
                )))
            }
            _ => Ok(()),
        }
    }
}

fn unfounded(text: String) -> Veto {
    Veto::new(Rule::ReasonUnfounded, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::WorkerFacts;
    use crate::guard::tests::{NOW, adopt, permitted, refused, see, stop, worker};
    use crate::model::cloud::MutationKind;
    use crate::model::demand::{Demand, DemandReading};
    use crate::model::instance::InstanceState;
    use crate::model::time::{Instant, Millis};

    /// A worker with a running instance that callers did not get.
    fn unserved() -> WorkerFacts {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Running);
        worker
    }

    fn served_long_ago() -> WorkerFacts {
        let mut worker = unserved();
        adopt(&mut worker, "i-one");
        let known = worker.instances.values_mut().next().unwrap();
        known.handed_out = Some(Instant::from_ms(1));
        worker
    }

    #[test]
    fn an_instance_that_was_never_handed_out_is_not_ended_as_idle() {
        let worker = unserved();
        refused(&worker, &stop("i-one", IDLE), Rule::NeverHandedOut);
        permitted(&worker, &stop("i-one", UNREACHABLE), MutationKind::Stop);
    }

    #[test]
    fn an_instance_that_was_handed_out_is_not_ended_as_unreachable() {
        let worker = served_long_ago();
        refused(&worker, &stop("i-one", UNREACHABLE), Rule::ReasonUnfounded);
        permitted(&worker, &stop("i-one", IDLE), MutationKind::Stop);
    }

    #[test]
    fn an_instance_whose_demand_counts_requests_is_not_ended_as_idle() {
        let with_requests = |count, until| {
            let mut worker = served_long_ago();
            worker.demand = Some(Demand {
                reading: DemandReading::Requests {
                    count,
                    window: Millis::from_secs(600),
                    until,
                },
                instance: None,
                good_until: None,
            });
            worker
        };
        let end = stop("i-one", IDLE);
        refused(&with_requests(1, NOW), &end, Rule::ReasonUnfounded);
        permitted(&with_requests(0, NOW), &end, MutationKind::Stop);
        let old = Instant::from_ms(NOW.as_ms() - 600_000);
        permitted(&with_requests(1, old), &end, MutationKind::Stop);
    }

    #[test]
    fn an_instance_is_ended_as_an_orphan_only_if_another_is_adopted() {
        let mut worker = unserved();
        refused(&worker, &stop("i-one", ORPHAN), Rule::ReasonUnfounded);
        adopt(&mut worker, "i-two");
        permitted(&worker, &stop("i-one", ORPHAN), MutationKind::Stop);
    }

    #[test]
    fn a_code_of_the_policys_own_claims_nothing() {
        permitted(
            &served_long_ago(),
            &stop("i-one", "weekend"),
            MutationKind::Stop,
        );
        permitted(&unserved(), &stop("i-one", "weekend"), MutationKind::Stop);
    }
}
