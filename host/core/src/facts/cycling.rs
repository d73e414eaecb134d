//! Counts instances in a row that were of no use: none of them was handed out
//! (docs/incidents.md#stale-pointer), or a program outside this fleet ended each of them soon after
//! it had come up. The next instance waits for longer after each further one.

use std::fmt;

use super::WorkerFacts;
use crate::model::budget::Spending;
use crate::model::id::InstanceId;
use crate::model::instance::StateReason;
use crate::model::store::{Adopted, EndedElsewhere, How, Unknown};
use crate::model::time::{Instant, Millis};

/// How many instances in a row make the worker count as cycling. Two may be chance: a spot reclaim,
/// a broken boot, a person who stops the instance and thinks better of it.
pub const CYCLING: u32 = 3;

/// The longest life of an instance that counts as ended soon. Rules that stop whatever carries a
/// tag run every few minutes. An end after a longer life may be meant, such as a stop each night,
/// and the pause would delay the next caller.
const ENDED_SOON: Millis = Millis::from_secs(600);
/// How far the clocks of hosts may be apart. One host may have entered the stop that ended an
/// instance, and another one the adoption before it.
const CLOCKS_APART: Millis = Millis::from_secs(15);

/// Why the next instance of a worker waits, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycling {
    /// What became of the instances.
    pub fate: Fate,
    /// The number of such instances in a row.
    pub count: u32,
    /// When the next instance may be brought up.
    pub until: Instant,
}

/// What became of the instances of a cycling worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They went down without ever having been handed out.
    Unserved,
    /// A program outside this fleet ended them soon. The provider's words for the last end.
    EndedElsewhere(StateReason),
}

impl Cycling {
    /// The worker that had this many such instances in a row, the last of which went down then;
    /// `None` if it is not cycling. The first pause is 60 s. It doubles with each further instance,
    /// up to 30 minutes.
    fn new(fate: Fate, count: u32, last_at: Instant) -> Option<Self> {
        const PAUSE_FIRST: Millis = Millis::from_secs(60);
        const PAUSE_MAX: Millis = Millis::from_secs(1_800);
        let beyond = count.checked_sub(CYCLING)?;
        let pause = Millis::new(PAUSE_FIRST.get() << beyond.min(5)).min(PAUSE_MAX);
        Some(Self {
            fate,
            count,
            until: last_at + pause,
        })
    }

    /// What becomes of the instances, and for how long the next one waits.
    pub(crate) fn text(&self, now: Instant) -> String {
        let pause = self.until.since(now);
        format!("{self}; the next one is brought up in {pause} at the earliest")
    }
}

impl fmt::Display for Cycling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count;
        match &self.fate {
            Fate::Unserved => write!(
                f,
                "{count} instances in a row went down without ever having been handed out"
            ),
            Fate::EndedElsewhere(reason) => write!(
                f,
                "a program outside this fleet ended {count} instances in a row, each within {ENDED_SOON} of its \
                 coming up ({reason})"
            ),
        }
    }
}

impl WorkerFacts {
    /// Why the next instance waits; `None` if the worker is not cycling. An end by another program
    /// explains why an instance was not handed out, and not the other way round.
    pub fn cycling(&self) -> Option<Cycling> {
        let unserved = self
            .unserved_at
            .and_then(|at| Cycling::new(Fate::Unserved, self.unserved_in_row, at));
        let elsewhere = self.ended_elsewhere().and_then(|end| {
            let fate = Fate::EndedElsewhere(end.reason.clone());
            Cycling::new(fate, self.ended_elsewhere_in_row(), end.since)
        });
        match (unserved, elsewhere) {
            (Some(unserved), Some(elsewhere)) => Some(Cycling {
                until: elsewhere.until.max(unserved.until),
                ..elsewhere
            }),
            (unserved, elsewhere) => elsewhere.or(unserved),
        }
    }

    /// The end of the instance that is adopted, or was last, if a program outside this fleet ended it
    /// soon after it had come up.
    pub(super) fn ended_elsewhere(&self) -> Option<&EndedElsewhere> {
        // Any host of the fleet may have sent an end, also one that was not answered.
        let last_stop = self.ledger.last(Spending::Stop);
        let may_be_ours =
            |adopted: &Adopted| last_stop.is_some_and(|at| at + CLOCKS_APART >= adopted.since);
        let end = self.ended_elsewhere_last.as_ref();
        end.filter(|_| !self.adopted.as_ref().is_some_and(may_be_ours))
    }

    /// Notes the end of the adopted instance, as this host has read it. What the record says of it
    /// stays while this host can read no reason: the provider may have forgotten the instance.
    pub(super) fn note_end(&mut self) {
        let Some((adopted, known)) = self.adopted.as_ref().zip(self.adopted_instance()) else {
            return;
        };
        let noted = match (known.down_since, self.reason_down(&adopted.id)) {
            (Some(down_since), Some(reason)) => {
                let since = down_since.max(adopted.since);
                let is_soon = since.since(adopted.since) <= ENDED_SOON;
                let is_elsewhere = reason.is_by_request() && self.is_read_since_brought_up();
                (is_soon && is_elsewhere).then(|| EndedElsewhere {
                    reason: reason.clone(),
                    since,
                    launched_at: known.instance.launched_at,
                    unknown: Unknown::default(),
                })
            }
            // A reading of the life that ended lags. While a start is under way, the reading is of the
            // life that it begins.
            _ if known.instance.state.is_live()
                && self.start_of(&adopted.id).is_none()
                && !self.has_ended_elsewhere(known.instance.launched_at) =>
            {
                None
            }
            _ => return,
        };
        self.ended_elsewhere_last = noted;
    }

    /// Whether the life that began then is the one whose end is noted.
    fn has_ended_elsewhere(&self, launched_at: Option<Instant>) -> bool {
        let end = self.ended_elsewhere_last.as_ref();
        end.is_some_and(|end| end.launched_at == launched_at)
    }

    /// Whether the reading of the adopted instance shows the life that the adoption began. Until then,
    /// the provider gives the reason for the end of the life before.
    pub(super) fn is_read_since_brought_up(&self) -> bool {
        let (Some(adopted), Some(known)) = (&self.adopted, self.adopted_instance()) else {
            return false;
        };
        match adopted.how {
            How::Launched => true,
            How::Started => {
                let before = adopted.launched_before;
                before.is_some() && known.instance.launched_at != before
            }
            // The host did not bring it up.
            How::Found => false,
        }
    }

    /// How many instances in a row a program outside this fleet ended soon. Other ends begin a new
    /// row.
    pub(crate) fn ended_elsewhere_in_row(&self) -> u32 {
        match (&self.adopted, self.ended_elsewhere()) {
            (Some(_), Some(_)) => self.ended_elsewhere.saturating_add(1),
            (Some(_), None) => 0,
            (None, _) => self.ended_elsewhere,
        }
    }

    /// Ends the adoption, if there is one, and returns it.
    pub(crate) fn leave_adopted(&mut self) -> Option<Adopted> {
        self.ended_elsewhere = self.ended_elsewhere_in_row();
        self.ended_elsewhere_last = self.ended_elsewhere().cloned();
        self.controller_told &= self.ended_elsewhere > 0;
        self.former = self.adopted_last();
        self.adopted.take()
    }

    /// Counts an instance that went down. Returns the row that it makes or lengthens, if the worker
    /// is cycling with it.
    pub(crate) fn count_end(
        &mut self,
        id: &InstanceId,
        is_served: bool,
        now: Instant,
    ) -> Option<Cycling> {
        if is_served {
            self.unserved_in_row = 0;
        } else {
            self.unserved_in_row = self.unserved_in_row.saturating_add(1);
            self.unserved_at = Some(now);
        }
        let is_elsewhere = self.is_adopted(id) && self.ended_elsewhere().is_some();
        self.cycling().filter(|cycling| match cycling.fate {
            Fate::Unserved => !is_served,
            Fate::EndedElsewhere(_) => is_elsewhere,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{NOW, adopt, instance, see, worker};
    use crate::model::cloud::Mutation;
    use crate::model::id::{DecisionId, Epoch};
    use crate::model::instance::InstanceState;
    use crate::model::store::{Intent, Stored};

    const BY_REQUEST: &str = "Client.UserInitiatedShutdown";

    /// The worker after its instance came up and was read as stopped with this code, so long after.
    fn lose(worker: &mut WorkerFacts, code: &str, life: Millis) {
        see(worker, "i-one", InstanceState::Running);
        adopt(worker, "i-one");
        if let Some(adopted) = &mut worker.adopted {
            adopted.how = How::Launched;
        }
        let mut stopped = instance("i-one", InstanceState::Stopped);
        stopped.state_reason = Some(StateReason {
            code: code.to_owned(),
            text: String::new(),
        });
        worker.observe_instance(stopped, NOW + life);
    }

    fn row(ends: &[(&str, Millis)]) -> u32 {
        let mut worker = worker();
        for (code, life) in ends {
            worker.instances.clear();
            lose(&mut worker, code, *life);
            worker.leave_adopted();
        }
        worker.ended_elsewhere_in_row()
    }

    #[test]
    fn ends_by_another_program_soon_after_the_boot_make_a_row() {
        let soon = Millis::from_secs(50);
        assert_eq!(row(&[(BY_REQUEST, soon); 4]), 4);
        assert_eq!(row(&[(BY_REQUEST, soon), (BY_REQUEST, ENDED_SOON)]), 2);
    }

    #[test]
    fn a_spot_reclaim_or_a_late_end_breaks_the_row() {
        let soon = Millis::from_secs(50);
        let spot = "Server.SpotInstanceTermination";
        assert_eq!(row(&[(BY_REQUEST, soon), (spot, soon)]), 0);
        let late = ENDED_SOON + Millis::from_secs(1);
        assert_eq!(row(&[(BY_REQUEST, soon), (BY_REQUEST, late)]), 0);
    }

    #[test]
    fn an_end_by_the_fleet_breaks_the_row() {
        let mut worker = worker();
        worker.ended_elsewhere = 2;
        lose(&mut worker, BY_REQUEST, Millis::from_secs(50));
        assert_eq!(worker.ended_elsewhere_in_row(), 3);
        worker.ledger.enter(NOW, Spending::Stop, ENDED_SOON);
        assert_eq!(worker.ended_elsewhere_in_row(), 0);
    }

    #[test]
    fn an_end_by_a_host_whose_clock_is_behind_breaks_the_row() {
        for (behind, row) in [(CLOCKS_APART, 0), (CLOCKS_APART + CLOCKS_APART, 1)] {
            let mut worker = worker();
            lose(&mut worker, BY_REQUEST, Millis::from_secs(50));
            let since = worker.adopted.as_ref().unwrap().since;
            let stopped_at = Instant::from_ms(since.as_ms() - behind.get());
            worker.ledger.enter(stopped_at, Spending::Stop, ENDED_SOON);
            assert_eq!(worker.ended_elsewhere_in_row(), row);
        }
    }

    /// A host that takes the worker over by its record.
    fn next_host(before: &WorkerFacts) -> WorkerFacts {
        let record = before.to_record(&"host".into(), Epoch::new(1));
        let mut next = worker();
        next.fold(Stored {
            record,
            ..Stored::default()
        });
        next
    }

    #[test]
    fn the_next_host_counts_an_end_of_which_it_finds_no_trace() {
        let mut gone = worker();
        gone.ended_elsewhere = 2;
        lose(&mut gone, BY_REQUEST, Millis::from_secs(50));
        let mut next = next_host(&gone);
        assert_eq!(next.ended_elsewhere_in_row(), 3);
        assert_eq!(next.cycling(), gone.cycling());
        assert!(next.cycling().is_some());
        see(&mut next, "i-one", InstanceState::NotVisible);
        assert_eq!(next.ended_elsewhere_in_row(), 3);

        gone.leave_adopted();
        assert_eq!(next_host(&gone).cycling(), gone.cycling());
    }

    #[test]
    fn a_recorded_end_counts_until_the_instance_lives_without_a_start_of_the_fleet() {
        let mut gone = worker();
        lose(&mut gone, BY_REQUEST, Millis::from_secs(50));
        let mut started = next_host(&gone);
        started.intent = Some(Intent {
            mutation: Mutation::Start {
                region: started.pool.region.clone(),
                compute: started.pool.compute.clone(),
                id: "i-one".into(),
            },
            generation: started.generation,
            epoch: Epoch::new(1),
            decision: DecisionId::new(1),
            since: NOW,
            unknown: Unknown::default(),
        });
        let mut by_hand = next_host(&gone);
        for (worker, row) in [(&mut started, 1), (&mut by_hand, 0)] {
            // A scan that lags shows the life that ended.
            see(worker, "i-one", InstanceState::Running);
            assert_eq!(worker.ended_elsewhere_in_row(), 1);
            let mut lives = instance("i-one", InstanceState::Running);
            lives.launched_at = Some(NOW + Millis::from_secs(90));
            worker.observe_instance(lives, NOW + Millis::from_secs(100));
            assert_eq!(worker.ended_elsewhere_in_row(), row);
        }
    }

    /// The worker after three instances in a row that another program ended before a hand-out.
    fn with_controller() -> WorkerFacts {
        let mut worker = worker();
        worker.ended_elsewhere = 2;
        worker.unserved_in_row = 2;
        let soon = Millis::from_secs(50);
        lose(&mut worker, BY_REQUEST, soon);
        let later = NOW + soon + Millis::from_secs(1);
        let told = worker.count_end(&"i-one".into(), false, later).unwrap();
        assert!(matches!(told.fate, Fate::EndedElsewhere(_)), "{told}");
        assert_eq!(told.until, later + Millis::from_secs(60));
        worker
    }

    #[test]
    fn the_controller_explains_why_nothing_was_handed_out() {
        with_controller();
    }

    #[test]
    fn the_end_of_another_instance_is_not_the_controllers() {
        let mut worker = with_controller();
        assert_eq!(worker.count_end(&"i-other".into(), false, NOW), None);
    }

    #[test]
    fn the_pause_outlives_the_adoption() {
        let mut worker = with_controller();
        worker.unserved_in_row = 0;
        let before = worker.cycling();
        worker.leave_adopted();
        assert_eq!(worker.cycling(), before);
        assert!(before.is_some());
    }

    #[test]
    fn an_instance_that_the_provider_forgets_still_counts() {
        let mut worker = worker();
        lose(&mut worker, BY_REQUEST, Millis::from_secs(50));
        let forgotten = instance("i-one", InstanceState::NotVisible);
        worker.observe_instance(forgotten, NOW + Millis::from_secs(7_200));
        assert_eq!(worker.ended_elsewhere_in_row(), 1);
    }

    #[test]
    fn the_pause_lasts_from_the_third_end_in_a_row() {
        let mut worker = worker();
        let soon = Millis::from_secs(50);
        lose(&mut worker, BY_REQUEST, soon);
        let mut pauses = Vec::new();
        for before in [1, 2, 3, 7, u32::MAX] {
            worker.ended_elsewhere = before;
            let cycling = worker.cycling();
            pauses.push(cycling.map(|it| it.until.since(NOW + soon).get() / 1_000));
        }
        assert_eq!(
            pauses,
            [None, Some(60), Some(120), Some(1_800), Some(1_800)]
        );
    }
}
