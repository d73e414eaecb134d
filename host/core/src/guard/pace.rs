//! The pace of reaps: a valid verdict about every instance of a pool ends a few of them, not all
//! (G10). It holds for every end on a verdict of `reap`, whatever reason the policy gives.

use super::Scene;
use crate::model::id::InstanceId;
use crate::model::veto::{Rule, Veto};

impl Scene<'_> {
    /// Refuses a reap if the pool's workers have used the pace up. Before a drain the other drains
    /// count as ends, or the whole pool would drain for the few ends that may follow. After it they
    /// do not, or the drains of two hosts would refuse each other.
    pub(super) fn keeps_reap_pace(&self, id: &InstanceId) -> Result<(), Veto> {
        let (reaps, budget) = self.reaps;
        let ended = reaps.ended(self.now, budget);
        let drains = self.facts.draining.as_ref();
        let draining = match drains.is_some_and(|draining| &draining.instance == id) {
            true => 0,
            false => reaps.others_draining(&self.facts.id),
        };
        if ended.affords_one_after(draining) {
            return Ok(());
        }
        let used = format!(
            "{} of the pool's instances were reaped within {}, {draining} drain, and {} at a time is the pace",
            ended.count(),
            budget.window,
            budget.stops
        );
        // A drain may end with the instance kept, so with drains the time is not known.
        Err(match ended.opens_at().filter(|at| *at > self.now) {
            None => Veto::new(Rule::ReapPace, used),
            Some(at) => {
                let text = format!("{used}; the next may follow in {}", at.since(self.now));
                Veto::new(Rule::ReapPace, text).opening_at(at)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::{Reaps, WorkerFacts};
    use crate::guard::tests::{NOW, adopt, scene_with, see, stop, worker};
    use crate::guard::{Scene, Spending};
    use crate::model::instance::InstanceState;
    use crate::model::spec::{Budget, Pace};
    use crate::model::store::{DrainReason, Draining};
    use crate::model::time::{Instant, Millis};
    use crate::model::veto::{Rule, Veto};

    const PACE: Pace = Pace {
        percent: 10,
        window: Millis::from_secs(600),
    };

    /// A worker whose adopted instance has been idle for long.
    fn idle(name: &str) -> WorkerFacts {
        let mut worker = worker();
        worker.id = name.into();
        see(&mut worker, "i-one", InstanceState::Running);
        adopt(&mut worker, "i-one");
        let known = worker.instances.values_mut().next().unwrap();
        known.handed_out = Some(Instant::from_ms(1));
        worker
    }

    fn reaped(name: &str, ago: Millis) -> WorkerFacts {
        let mut worker = idle(name);
        let at = Instant::from_ms(NOW.as_ms() - ago.get());
        worker.reaped.enter(at, Spending::Stop, PACE.window);
        worker
    }

    fn draining(name: &str) -> WorkerFacts {
        let mut worker = idle(name);
        worker.draining = Some(Draining {
            instance: "i-one".into(),
            since: NOW,
            decision: Default::default(),
            choice: crate::model::point::reap::Choice::End,
            lasts: None,
            reason: DrainReason {
                code: "idle".to_owned(),
                text: "idle".to_owned(),
                unknown: Default::default(),
            },
            unknown: Default::default(),
        });
        worker
    }

    /// The guard's answer to a reap of the worker in a pool of twenty, of which the others are
    /// these.
    fn asked(worker: &WorkerFacts, others: &[WorkerFacts]) -> Result<(), Veto> {
        let mut reaps = Reaps::default();
        others.iter().for_each(|other| reaps.note(other));
        reaps.note(worker);
        let budget: Budget = PACE.budget(20);
        scene_with(worker, false, |scene| {
            let reaps = (&reaps, budget);
            Scene { reaps, ..scene }.permit(&stop("i-one", "idle"))
        })
        .map(drop)
    }

    #[test]
    fn a_share_of_the_pools_workers_is_reaped_and_at_least_one() {
        for (workers, allowed) in [(1, 1), (9, 1), (19, 1), (20, 2), (100, 10), (109, 10)] {
            assert_eq!(PACE.budget(workers).stops, allowed, "{workers} workers");
        }
    }

    #[test]
    fn a_reap_beyond_the_pace_is_refused_until_the_oldest_leaves_the_window() {
        let ago = Millis::from_secs(100);
        let one = reaped("a", ago);
        assert_eq!(asked(&idle("c"), std::slice::from_ref(&one)), Ok(()));
        let veto = asked(&idle("c"), &[one, reaped("b", Millis::ZERO)]).unwrap_err();
        assert_eq!(veto.rule, Rule::ReapPace);
        let opens_at = Instant::from_ms(NOW.as_ms() - ago.get()) + PACE.window;
        assert_eq!(veto.opens_at, Some(opens_at));
    }

    #[test]
    fn a_drain_counts_before_another_begins_and_not_against_its_own_end() {
        let others = [reaped("a", Millis::ZERO), draining("b")];
        let veto = asked(&idle("c"), &others).unwrap_err();
        assert_eq!((veto.rule, veto.opens_at), (Rule::ReapPace, None));
        assert_eq!(asked(&draining("c"), &others), Ok(()));
    }

    #[test]
    fn no_reason_code_is_a_way_around_the_pace() {
        let mut worker = idle("c");
        let known = worker.instances.values_mut().next().unwrap();
        known.handed_out = None;
        let mut reaps = Reaps::default();
        reaps.note(&reaped("a", Millis::ZERO));
        for code in ["unreachable", "because"] {
            let veto = scene_with(&worker, false, |scene| {
                let reaps = (&reaps, PACE.budget(1));
                Scene { reaps, ..scene }.permit(&stop("i-one", code))
            });
            assert_eq!(veto.unwrap_err().rule, Rule::ReapPace, "{code}");
        }
    }
}
