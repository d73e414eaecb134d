//! Permits the end of an adopted instance that does not come up: by the host's own rule, after its
//! bound, if the record and a reading by id agree, and only if nothing speaks for its use (V1, G5).

use super::{CHECK_AGE_MAX, Permit, Scene};
use crate::facts::{KnownInstance, Overdue, OverdueCheck, Transit};
use crate::model::budget::Spending;
use crate::model::compute::Ending;
use crate::model::id::InstanceId;
use crate::model::instance::TAG_FLEET;
use crate::model::veto::{Rule, Veto};

impl Scene<'_> {
    /// Permits the end of the overdue instance; see [`Overdue::ending`]. Requests for the worker do
    /// not keep the instance: it serves none of them.
    pub(super) fn end_overdue(&self, check: &OverdueCheck) -> Result<Permit, Veto> {
        let id = &check.adopted.id;
        self.is_this_workers(id)?;
        self.nothing_in_flight()?;
        let (known, overdue) = self.overdue(check)?;
        self.record_names(check)?;
        self.reading_agrees(check, overdue)?;
        self.does_not_speak(id, overdue)?;
        let ending = overdue.ending(check.adopted.how);
        let ending = self.facts.ending_of(id, ending, self.fleet);
        self.is_not_refused(id, ending)?;
        if ending == Ending::Terminate {
            self.may_terminate(known)?;
        }
        self.within_budget(Spending::Stop)?;
        Ok(self.grant_end(id, ending, self.pointer_naming(id)))
    }

    fn overdue(&self, check: &OverdueCheck) -> Result<(&KnownInstance, Overdue), Veto> {
        let id = &check.adopted.id;
        let worker = self.facts;
        let is_same = worker.adopted.as_ref() == Some(&check.adopted);
        let overdue = worker.overdue(id).filter(|_| is_same);
        let boots = overdue.filter(|overdue| overdue.transit != Transit::Stopping);
        worker.instances.get(id).zip(boots).ok_or_else(|| {
            let text = format!("the readings do not show that {id} fails to come up");
            Veto::new(Rule::NotOverdue, text)
        })
    }

    /// Checks the first source, the record. [`Scene::permit`] has checked the lease already.
    fn record_names(&self, check: &OverdueCheck) -> Result<(), Veto> {
        let record = &self.facts.record;
        self.is_fresh("the worker's record", Some(record.read_at), CHECK_AGE_MAX)?;
        let stored = record.stored.as_ref();
        if stored.and_then(|stored| stored.record.adopted.as_ref()) == Some(&check.adopted) {
            return Ok(());
        }
        let text = format!(
            "the worker's record does not name {} as its instance",
            check.adopted.id
        );
        Err(Veto::new(Rule::SourcesDisagree, text))
    }

    /// Checks the second source, the reading of the instance by its id after the bound.
    fn reading_agrees(&self, check: &OverdueCheck, overdue: Overdue) -> Result<(), Veto> {
        let id = &check.adopted.id;
        let reading = check.reading.as_ref();
        let asked_at = reading.map(|(_, asked_at)| *asked_at);
        let what = format!("the reading of {id} by its id");
        self.is_fresh(&what, asked_at, CHECK_AGE_MAX)?;
        let bound = overdue.transit.bound(&self.facts.pool.limits);
        let agrees = reading.is_some_and(|(reading, asked_at)| {
            Transit::of(reading) == Some(overdue.transit) && asked_at.since(overdue.since) >= bound
        });
        if agrees {
            return Ok(());
        }
        let state = reading.map(|(reading, _)| reading.state);
        Err(Veto::new(
            Rule::SourcesDisagree,
            format!(
                "by the scans {id} is {} for longer than {bound}; read by its id it is {}",
                overdue.transit.as_str(),
                state.unwrap_or_default().as_str()
            ),
        ))
    }

    /// Refuses if the box works although the provider shows no address: a box may fetch its work.
    fn does_not_speak(&self, id: &InstanceId, overdue: Overdue) -> Result<(), Veto> {
        self.is_not_held_busy(id)?;
        let activity = self.facts.record.activity();
        let spoke_at = activity
            .heartbeat_at
            .max(activity.delivered_at)
            .max(activity.processed_at);
        match spoke_at.filter(|at| *at >= overdue.since) {
            Some(at) => Err(Veto::new(
                Rule::RecentActivity,
                format!(
                    "{id} is {}, and its box was heard {} ago",
                    overdue.transit.as_str(),
                    self.now.since(at)
                ),
            )),
            None => Ok(()),
        }
    }

    /// G9: only what this fleet launched is terminated.
    fn may_terminate(&self, known: &KnownInstance) -> Result<(), Veto> {
        if known.instance.is_launched_by(self.fleet) {
            return Ok(());
        }
        let id = &known.instance.id;
        Err(Veto::new(
            Rule::LaunchedElsewhere,
            format!(
                "{id} does not come up, cannot be stopped while it is pending, and was not launched by the fleet `{}` \
                 (its tag `{TAG_FLEET}` does not say so), which so may not terminate it; a person has to end it",
                self.fleet
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::{How, OverdueCheck, WorkerFacts};
    use crate::guard::tests::{NOW, adopt, instance, permitted, refused, worker};
    use crate::guard::{CHECK_AGE_MAX, Proposal};
    use crate::model::cloud::MutationKind;
    use crate::model::instance::{Instance, InstanceState, TAG_FLEET};
    use crate::model::spec::Limits;
    use crate::model::store::Activity;
    use crate::model::time::{Instant, Millis};
    use crate::model::veto::Rule;

    const ONE: &str = "i-one";

    fn reading(state: InstanceState, fleet: Option<&str>) -> Instance {
        let mut reading = instance(ONE, state);
        let tag = fleet.map(|fleet| (TAG_FLEET.to_owned(), fleet.to_owned()));
        reading.tags.extend(tag);
        reading
    }

    /// A worker whose adopted instance was in this state for `for_` when it was read just now.
    fn scene_for(
        state: InstanceState,
        fleet: Option<&str>,
        for_: Millis,
    ) -> (WorkerFacts, OverdueCheck) {
        let mut worker = worker();
        adopt(&mut worker, ONE);
        let since = Instant::from_ms(NOW.as_ms() - for_.get());
        let adopted = worker.adopted.as_mut().unwrap();
        adopted.since = since;
        adopted.how = How::Launched;
        let adopted = adopted.clone();
        let stored = worker.record.stored.as_mut().unwrap();
        stored.record.adopted = Some(adopted.clone());
        worker.record.read_at = NOW;
        worker.observe_instance(reading(state, fleet), since);
        worker.observe_instance(reading(state, fleet), NOW);
        let check = OverdueCheck {
            adopted,
            begun: NOW,
            cloud_asked: Some(NOW),
            reading: Some((reading(state, fleet), NOW)),
        };
        (worker, check)
    }

    fn overdue(state: InstanceState, fleet: Option<&str>) -> (WorkerFacts, OverdueCheck) {
        scene_for(state, fleet, Limits::default().launch_timeout)
    }

    fn end(check: &OverdueCheck) -> Proposal {
        Proposal::EndOverdue(check.clone())
    }

    #[test]
    fn an_instance_is_ended_after_its_bound_to_the_millisecond() {
        let bound = Limits::default().launch_timeout;
        let (worker, check) = scene_for(InstanceState::Pending, Some("test"), bound);
        permitted(&worker, &end(&check), MutationKind::Terminate);
        let early = Millis::new(bound.get() - 1);
        let (worker, check) = scene_for(InstanceState::Pending, Some("test"), early);
        refused(&worker, &end(&check), Rule::NotOverdue);
    }

    #[test]
    fn callers_that_ask_do_not_keep_an_instance_that_serves_none() {
        let (mut worker, check) = overdue(InstanceState::Pending, Some("test"));
        worker.asking.has_callers = true;
        worker.asked_at = Some(NOW);
        permitted(&worker, &end(&check), MutationKind::Terminate);
    }

    #[test]
    fn disks_that_may_be_of_use_are_kept_where_a_stop_is_possible() {
        let (mut worker, mut check) = overdue(InstanceState::Running, Some("test"));
        permitted(&worker, &end(&check), MutationKind::Terminate);
        for adopted in [
            &mut check.adopted,
            worker.adopted.as_mut().unwrap(),
            worker
                .record
                .stored
                .as_mut()
                .unwrap()
                .record
                .adopted
                .as_mut()
                .unwrap(),
        ] {
            adopted.how = How::Started;
        }
        permitted(&worker, &end(&check), MutationKind::Stop);
    }

    #[test]
    fn a_pending_instance_that_others_launched_is_left_to_people() {
        let (worker, check) = overdue(InstanceState::Pending, Some("other"));
        refused(&worker, &end(&check), Rule::LaunchedElsewhere);
    }

    #[test]
    fn the_record_and_the_reading_by_id_must_agree() {
        let (mut worker, check) = overdue(InstanceState::Pending, Some("test"));
        worker.record.stored.as_mut().unwrap().record.adopted = None;
        refused(&worker, &end(&check), Rule::SourcesDisagree);

        let (worker, mut check) = overdue(InstanceState::Pending, Some("test"));
        check.reading = Some((reading(InstanceState::Running, Some("test")), NOW));
        refused(&worker, &end(&check), Rule::SourcesDisagree);
        check.reading = None;
        refused(&worker, &end(&check), Rule::StaleReading);

        let (mut worker, check) = overdue(InstanceState::Pending, Some("test"));
        worker.record.read_at = Instant::from_ms(NOW.as_ms() - CHECK_AGE_MAX.get() - 1);
        refused(&worker, &end(&check), Rule::StaleReading);
    }

    #[test]
    fn a_box_that_speaks_is_kept_although_it_has_no_address() {
        let (mut worker, check) = overdue(InstanceState::Running, Some("test"));
        let stored = worker.record.stored.as_mut().unwrap();
        stored.activity = Activity {
            heartbeat_at: Some(NOW),
            ..Activity::default()
        };
        refused(&worker, &end(&check), Rule::RecentActivity);
    }
}
