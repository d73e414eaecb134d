//! The calls of the simulated cloud: the same queries, mutations and errors as EC2, ECS and SSM.
//! Launches are in [`launch`](super::launch).

use reeve_core::cloud::{
    CloudError, CloudErrorKind, Mutation, Outcome, POINTER_NONE, PointerReading, Query, Reading,
};
use reeve_core::compute::{Compute, Ending};
use reeve_core::id::InstanceId;
use reeve_core::instance::{Instance, InstanceState};
use reeve_core::time::Millis;

use super::{EventKind, SimInstance, World};

impl World {
    /// Answers a query at the clock's time.
    ///
    /// # Errors
    /// The error that [`set_trouble`](World::set_trouble) set for this kind of query.
    pub fn query(&self, query: &Query) -> Result<Reading, CloudError> {
        if let Some(error) = self.trouble.error(query) {
            return Err(error);
        }
        Ok(match query {
            Query::Pointer { name, .. } => {
                let pointer = self.pointers.get(name);
                let named = pointer.map_or(POINTER_NONE, |it| it.value.as_str());
                let names_one = !named.is_empty() && named != POINTER_NONE;
                Reading::Pointer(PointerReading {
                    names: names_one.then(|| InstanceId::from(named)),
                    written_at: pointer.map(|it| it.written_at),
                })
            }
            Query::Instance { compute, id, .. } => {
                let found = self.instances.get(id);
                match found.filter(|instance| &instance.compute == compute) {
                    Some(instance) => Reading::Instance(instance.reading()),
                    None => Reading::Instance(Instance::not_visible(id.clone())),
                }
            }
            Query::Scan {
                compute,
                tag_key,
                tag_values,
                tasks,
                ..
            } => {
                let carries = |instance: &&SimInstance| {
                    let value = instance.tags.get(tag_key);
                    &instance.compute == compute
                        && instance.is_in(tasks)
                        && value.is_some_and(|value| tag_values.contains(value))
                };
                let found = self.instances.values().filter(carries);
                Reading::Scan(
                    found
                        .filter_map(|instance| self.trouble.in_scan(instance))
                        .collect(),
                )
            }
            Query::Demand {
                period,
                since,
                until,
                metrics,
                ..
            } => {
                let read = |metric| self.demand(metric, *period, *since..*until);
                let answers = metrics
                    .iter()
                    .map(|(id, metric)| (id.clone(), read(metric)));
                Reading::Demand(answers.collect())
            }
            Query::TemplateVersion { .. } => Reading::TemplateVersion(self.template_version),
            Query::StatusChecks { ids, .. } => {
                let found = ids
                    .iter()
                    .filter_map(|id| Some((id.clone(), self.status_checks(id)?)));
                Reading::StatusChecks(found.collect())
            }
        })
    }

    /// Carries out a mutation at the clock's time, without a permit: the world has no guard.
    ///
    /// # Errors
    /// The errors of EC2 and ECS, for an unknown id, a state that forbids the call, a protection, or
    /// a token used with other parameters. [`add_fault`](World::add_fault) and
    /// [`set_trouble`](World::set_trouble) may set another error.
    pub fn apply(&mut self, mutation: &Mutation) -> Result<Outcome, CloudError> {
        if let Some(fault) = self.fault_of(mutation) {
            if fault.carried_out {
                self.carry_out(mutation)?;
            }
            let operation = mutation.kind().to_string();
            return Err(error(
                &operation,
                fault.error,
                fault.code,
                "injected by the simulation",
            ));
        }
        self.check_protection(mutation)?;
        self.carry_out(mutation)
    }

    /// Refuses the end or the reboot of a protected instance. The pointer is cleared before, as on AWS:
    /// the end is the second of two calls.
    fn check_protection(&mut self, mutation: &Mutation) -> Result<(), CloudError> {
        let (id, clear_pointer) = match mutation {
            Mutation::Stop {
                id, clear_pointer, ..
            }
            | Mutation::Terminate {
                id, clear_pointer, ..
            } => (id, clear_pointer.as_ref()),
            Mutation::Reboot { id, .. } => (id, None),
            Mutation::Launch { .. } | Mutation::Start { .. } | Mutation::WritePointer { .. } => {
                return Ok(());
            }
        };
        let kind = mutation.kind();
        let (code, text) = if self.protected.contains(&(id.clone(), kind)) {
            let text = format!("The instance '{id}' is protected from this: {kind}");
            ("OperationNotPermitted", text)
        } else {
            return Ok(());
        };
        self.clear(clear_pointer);
        let operation = kind.to_string();
        Err(error(&operation, CloudErrorKind::Permanent, code, &text))
    }

    pub(super) fn carry_out(&mut self, mutation: &Mutation) -> Result<Outcome, CloudError> {
        match mutation {
            Mutation::Launch { .. } => self.launch(mutation),
            Mutation::Start { compute, id, .. } => self.start(compute, id),
            Mutation::Reboot { id, .. } => self.reboot(id),
            Mutation::Stop {
                compute,
                id,
                clear_pointer,
                ..
            } => {
                self.clear(clear_pointer.as_ref());
                self.end(compute, id, Ending::Stop)
            }
            Mutation::Terminate {
                compute,
                id,
                clear_pointer,
                ..
            } => {
                self.clear(clear_pointer.as_ref());
                self.end(compute, id, Ending::Terminate)
            }
            Mutation::WritePointer { name, id, .. } => {
                self.place_pointer(name, id.as_str());
                Ok(Outcome::Accepted)
            }
        }
    }

    fn start(&mut self, compute: &Compute, id: &InstanceId) -> Result<Outcome, CloudError> {
        const OPERATION: &str = "StartInstances";
        if !compute.can_start() {
            return Err(no_such_operation("StartTask", id));
        }
        let drawn = self.draws.boot();
        let now = self.now;
        let instance = self.of_kind(compute, OPERATION, id)?;
        match instance.state {
            // EC2 accepts a start of a pending or running instance, and changes nothing.
            InstanceState::Pending | InstanceState::Running => Ok(Outcome::Accepted),
            InstanceState::Stopped => {
                let boot = self.next_boot.take().unwrap_or(drawn);
                let fall_back = self.next_fall_back.take();
                let instance = self.of_kind(compute, OPERATION, id)?;
                instance.boot(boot, now);
                if let Some(after) = fall_back {
                    instance.fall_back(after, now);
                }
                self.add_event(id, EventKind::Started);
                Ok(Outcome::Accepted)
            }
            state => Err(wrong_state(OPERATION, id, state)),
        }
    }

    /// Reboots an instance. Its state, launch time and addresses stay (EC2 user guide, "Reboot your
    /// instance").
    fn reboot(&mut self, id: &InstanceId) -> Result<Outcome, CloudError> {
        const OPERATION: &str = "RebootInstances";
        let drawn = self.draws.reboot();
        let length = self.next_reboot.take().unwrap_or(drawn);
        let now = self.now;
        let instance = self.of_kind(&Compute::Ec2, OPERATION, id)?;
        match instance.state {
            InstanceState::Running => {
                instance.reboot(length, now);
                self.add_event(id, EventKind::RebootRequested);
                Ok(Outcome::Accepted)
            }
            // EC2 ignores a reboot of a terminated instance (EC2 API reference, `RebootInstances`).
            InstanceState::Terminated => Ok(Outcome::Accepted),
            state => Err(wrong_state(OPERATION, id, state)),
        }
    }

    /// Stops or terminates an instance. EC2 does not stop one that was never `running`, nor one of a
    /// one-time Spot request (docs/aws-facts.md#what-cannot-be-stopped). `StopTask` ends a task for good, and ECS accepts it for an
    /// ended task as long as it shows that task.
    fn end(
        &mut self,
        compute: &Compute,
        id: &InstanceId,
        ending: Ending,
    ) -> Result<Outcome, CloudError> {
        let operation = match (compute, ending) {
            (Compute::Ec2, Ending::Stop) => "StopInstances",
            (Compute::Ec2, Ending::Terminate) => "TerminateInstances",
            (Compute::Fargate { .. }, Ending::Stop) => {
                return Err(no_such_operation("StopTask", id));
            }
            (Compute::Fargate { .. }, Ending::Terminate) => "StopTask",
        };
        let drawn = self.draws.stop();
        let after = self.next_stop.take().unwrap_or(drawn);
        let now = self.now;
        let instance = self.of_kind(compute, operation, id)?;
        match (instance.state, ending) {
            (InstanceState::Terminated | InstanceState::ShuttingDown, Ending::Terminate)
            | (InstanceState::Stopped | InstanceState::Stopping, Ending::Stop) => {
                Ok(Outcome::Accepted)
            }
            (_, Ending::Terminate) => {
                let (by, rest) = (InstanceState::ShuttingDown, InstanceState::Terminated);
                instance.end(by, rest, after, now);
                self.add_event(id, EventKind::TerminateRequested);
                Ok(Outcome::Accepted)
            }
            (InstanceState::Pending, Ending::Stop) if !instance.has_run => {
                Err(wrong_state(operation, id, InstanceState::Pending))
            }
            (InstanceState::Pending | InstanceState::Running, Ending::Stop)
                if instance.is_one_time_spot =>
            {
                Err(one_time_spot(operation, id))
            }
            (InstanceState::Pending | InstanceState::Running, Ending::Stop) => {
                instance.end(InstanceState::Stopping, InstanceState::Stopped, after, now);
                self.add_event(id, EventKind::StopRequested);
                Ok(Outcome::Accepted)
            }
            (state, Ending::Stop) => Err(wrong_state(operation, id, state)),
        }
    }

    /// Finds an instance as the called service does: EC2 finds no tasks, and a cluster finds only
    /// its own.
    fn of_kind(
        &mut self,
        compute: &Compute,
        operation: &str,
        id: &InstanceId,
    ) -> Result<&mut SimInstance, CloudError> {
        let found = self.instances.get_mut(id);
        found
            .filter(|instance| &instance.compute == compute)
            .ok_or_else(|| not_found(operation, id))
    }

    fn clear(&mut self, pointer: Option<&reeve_core::id::PointerName>) {
        if let Some(name) = pointer {
            self.place_pointer(name, POINTER_NONE);
        }
    }
}

pub(super) fn not_found(operation: &str, id: &InstanceId) -> CloudError {
    let text = format!("The instance ID '{id}' does not exist");
    error(
        operation,
        CloudErrorKind::NotVisibleYet,
        "InvalidInstanceID.NotFound",
        &text,
    )
}

/// The error of a start or stop of a task. ECS can only end a task for good.
fn no_such_operation(operation: &str, id: &InstanceId) -> CloudError {
    let text = format!("the task {id} can only be ended");
    let code = "InvalidParameterException";
    error(operation, CloudErrorKind::Permanent, code, &text)
}

/// The refusal for good to stop an instance of a one-time Spot request.
fn one_time_spot(operation: &str, id: &InstanceId) -> CloudError {
    let text = format!(
        "You can't stop the Spot Instance '{id}' because it is associated with a one-time Spot \
         Instance request"
    );
    let code = "UnsupportedOperation";
    error(operation, CloudErrorKind::Permanent, code, &text)
}

fn wrong_state(operation: &str, id: &InstanceId, state: InstanceState) -> CloudError {
    let text = format!(
        "The instance '{id}' is not in a state from which this is possible: {}",
        state.as_str()
    );
    error(
        operation,
        CloudErrorKind::Conflict,
        "IncorrectInstanceState",
        &text,
    )
}

pub(super) fn error(
    operation: &str,
    kind: CloudErrorKind,
    code: &str,
    message: &str,
) -> CloudError {
    CloudError {
        operation: operation.to_owned(),
        kind,
        code: code.to_owned(),
        message: message.to_owned(),
        retry_after: None::<Millis>,
    }
}

#[cfg(test)]
mod tests {
    use reeve_core::cloud::MutationKind;
    use reeve_core::id::Region;
    use reeve_core::time::Instant;

    use super::super::Boot;
    use super::*;

    const TAG: (&str, &str) = ("Name", "chat");

    /// A cloud with an instance that boots for 16 s.
    fn booting() -> (World, InstanceId) {
        let mut world = World::new(1, Instant::default());
        let boot = Boot {
            pending: Millis::from_secs(16),
            address_after: Millis::ZERO,
        };
        let id = world.launch_elsewhere("i-aaaa", TAG, boot);
        (world, id)
    }

    fn advance(world: &mut World, secs: u64) {
        let now = world.now() + Millis::from_secs(secs);
        world.advance(now);
    }

    /// What EC2 says to a call: its code, or nothing if it accepts.
    fn says(world: &mut World, kind: MutationKind, id: &InstanceId) -> Option<String> {
        let (region, id, compute) = (Region::from(""), id.clone(), Compute::Ec2);
        let clear_pointer = None;
        let mutation = match kind {
            MutationKind::Start => Mutation::Start {
                region,
                compute,
                id,
            },
            MutationKind::Reboot => Mutation::Reboot { region, id },
            MutationKind::Stop => Mutation::Stop {
                region,
                compute,
                id,
                clear_pointer,
            },
            _ => Mutation::Terminate {
                region,
                compute,
                id,
                clear_pointer,
            },
        };
        world.apply(&mutation).err().map(|error| error.code)
    }

    #[test]
    fn a_state_that_forbids_a_call_refuses_it() {
        use MutationKind::{Reboot, Start, Stop, Terminate};
        let (mut world, id) = booting();
        let wrong = Some("IncorrectInstanceState".to_owned());
        // It has never run. A start of it, here and later, changes nothing.
        assert_eq!(says(&mut world, Stop, &id), wrong);
        assert_eq!(says(&mut world, Reboot, &id), wrong);
        assert_eq!(says(&mut world, Start, &id), None);
        advance(&mut world, 20);
        assert_eq!(says(&mut world, Start, &id), None);
        assert_eq!(says(&mut world, Stop, &id), None);
        // It stops.
        assert_eq!(says(&mut world, Start, &id), wrong);
        assert_eq!(says(&mut world, Reboot, &id), wrong);
        advance(&mut world, 60);
        assert_eq!(says(&mut world, Reboot, &id), wrong);
        // It boots again, and has run before.
        assert_eq!(says(&mut world, Start, &id), None);
        assert_eq!(says(&mut world, Stop, &id), None);
        assert_eq!(says(&mut world, Terminate, &id), None);
        for _ in 0..2 {
            assert_eq!(says(&mut world, Start, &id), wrong);
            assert_eq!(says(&mut world, Stop, &id), wrong);
            assert_eq!(says(&mut world, Terminate, &id), None);
            advance(&mut world, 60);
        }
        // EC2 ignores a reboot of a terminated instance.
        assert_eq!(says(&mut world, Reboot, &id), None);
        assert_eq!(world.instance(&id).map(|it| it.reboots), Some(false));
    }

    #[test]
    fn an_instance_of_a_one_time_spot_request_is_only_terminated() {
        let (mut world, id) = booting();
        world.make_one_time_spot(&id);
        advance(&mut world, 20);
        let refused = Some("UnsupportedOperation".to_owned());
        assert_eq!(says(&mut world, MutationKind::Stop, &id), refused);
        assert_eq!(
            world.stop_elsewhere(&id).map_err(|error| error.code).err(),
            refused
        );
        assert_eq!(
            world.instance(&id).map(|it| it.state),
            Some(InstanceState::Running)
        );
        assert_eq!(says(&mut world, MutationKind::Reboot, &id), None);
        assert_eq!(says(&mut world, MutationKind::Terminate, &id), None);
    }
}
