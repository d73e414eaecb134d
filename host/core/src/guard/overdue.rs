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
        self.does_not_work(id, overdue)?;
        let ending = overdue.ending(check.adopted.how);
        let ending = self.facts.ending_of(id, ending);
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
        let bound = self.facts.bound_of(overdue.transit);
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
    fn does_not_work(&self, id: &InstanceId, overdue: Overdue) -> Result<(), Veto> {
        self.is_not_held_busy(id)?;
        let bound = self.facts.bound_of(overdue.transit);
        let worked_at = self.facts.worked_since(overdue.since);
        match worked_at.filter(|at| self.now.since(*at) < bound) {
            Some(at) => Err(Veto::new(
                Rule::RecentActivity,
                format!(
                    "{id} is {}, and its box worked {} ago",
                    overdue.transit.as_str(),
                    self.now.since(at)
                ),
            )),
            None => Ok(()),
        }
    }

    /// G9: only what this fleet launched is terminated.
    fn may_terminate(&self, known: &KnownInstance) -> Result<(), Veto> {
        if self.facts.may_be_terminated(known) {
            return Ok(());
        }
        let id = &known.instance.id;
        Err(Veto::new(
            Rule::LaunchedElsewhere,
            format!(
                "{id} does not come up, cannot be stopped while it is pending, and was not launched by the fleet `{}` \
                 (its tag `{TAG_FLEET}` does not say so), which so may not terminate it; a person has to end it",
                self.facts.fleet
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::{How, OverdueCheck, WorkerFacts};
    use crate::guard::tests::{NOW, adopt, instance, permitted, refused, worker};
    use crate::guard::{CHECK_AGE_MAX, Proposal};
    use crate::model::cloud::{CloudError, CloudErrorKind, MutationKind};
    use crate::model::compute::Ending;
    use crate::model::id::InstanceId;
    use crate::model::instance::{Instance, InstanceState, TAG_FLEET};
    use crate::model::spec::Limits;
    use crate::model::store::Activity;
    use crate::model::time::{Instant, Millis};
    use crate::model::veto::Rule;

    const ONE: &str = "i-one";

    fn reading(state: InstanceState, fleet: Option<&str>) -> Instance {
        let mut reading = instance(ONE, state);
        reading.tags.remove(TAG_FLEET);
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

    /// The same, of an instance that was not launched for this adoption.
    fn overdue_start(state: InstanceState, fleet: Option<&str>) -> (WorkerFacts, OverdueCheck) {
        let (mut worker, mut check) = overdue(state, fleet);
        check.adopted.how = How::Started;
        worker.adopted = Some(check.adopted.clone());
        let stored = worker.record.stored.as_mut().unwrap();
        stored.record.adopted = Some(check.adopted.clone());
        (worker, check)
    }

    #[test]
    fn disks_that_may_be_of_use_are_kept_where_a_stop_is_possible() {
        let (worker, check) = overdue(InstanceState::Running, Some("test"));
        permitted(&worker, &end(&check), MutationKind::Terminate);
        let (worker, check) = overdue_start(InstanceState::Running, Some("test"));
        permitted(&worker, &end(&check), MutationKind::Stop);
    }

    #[test]
    fn one_that_ec2_cannot_stop_is_terminated_if_the_fleet_launched_it() {
        let refuse = |worker: &mut WorkerFacts, code: &str| {
            let error = CloudError {
                operation: "StopInstances".to_owned(),
                kind: CloudErrorKind::Permanent,
                code: code.to_owned(),
                message: String::new(),
                retry_after: None,
            };
            let known = worker.instances.get_mut(&InstanceId::from(ONE)).unwrap();
            known.note_refused_end(Ending::Stop, &error, NOW);
        };
        let (mut worker, check) = overdue_start(InstanceState::Running, Some("test"));
        refuse(&mut worker, "UnsupportedOperation");
        permitted(&worker, &end(&check), MutationKind::Terminate);
        refuse(&mut worker, "OperationNotPermitted");
        refused(&worker, &end(&check), Rule::EndRefused);
        let (mut worker, check) = overdue_start(InstanceState::Running, None);
        refuse(&mut worker, "UnsupportedOperation");
        refused(&worker, &end(&check), Rule::EndRefused);
    }

    #[test]
    fn a_pending_instance_that_others_launched_is_left_to_people() {
        let (mut worker, check) = overdue_start(InstanceState::Pending, None);
        refused(&worker, &end(&check), Rule::LaunchedElsewhere);
        worker.pool.terminate_adopted = true;
        permitted(&worker, &end(&check), MutationKind::Terminate);
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

    /// A worker without an address whose box worked this long ago.
    fn worked(ago: Millis, activity: fn(Instant) -> Activity) -> (WorkerFacts, OverdueCheck) {
        let (mut worker, check) = scene_for(
            InstanceState::Running,
            Some("test"),
            Millis::from_secs(3_600),
        );
        let stored = worker.record.stored.as_mut().unwrap();
        stored.activity = activity(Instant::from_ms(NOW.as_ms() - ago.get()));
        (worker, check)
    }

    #[test]
    fn a_box_that_works_is_kept_although_it_has_no_address() {
        let processed = |at| Activity {
            processed_at: Some(at),
            ..Activity::default()
        };
        let bound = Limits::default().address_timeout;
        let (worker, check) = worked(Millis::new(bound.get() - 1), processed);
        refused(&worker, &end(&check), Rule::RecentActivity);
        let (worker, check) = worked(bound, processed);
        permitted(&worker, &end(&check), MutationKind::Terminate);
    }

    #[test]
    fn heartbeats_keep_what_has_no_address_only_where_they_are_use() {
        let (mut worker, check) = worked(Millis::ZERO, |at| Activity {
            heartbeat_at: Some(at),
            ..Activity::default()
        });
        permitted(&worker, &end(&check), MutationKind::Terminate);
        worker.pool.heartbeats_are_use = true;
        refused(&worker, &end(&check), Rule::RecentActivity);
    }
}
