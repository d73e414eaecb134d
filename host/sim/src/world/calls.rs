//! What the simulated cloud answers: the same queries, mutations and errors as EC2 and SSM.

use reeve_core::cloud::{
    CloudError, CloudErrorKind, Mutation, Outcome, POINTER_NONE, Query, Reading,
};
use reeve_core::id::InstanceId;
use reeve_core::instance::{Instance, InstanceState};
use reeve_core::time::Millis;

use super::{What, World};

impl World {
    /// Answers a query at the clock's time.
    ///
    /// # Errors
    /// What [`trouble`](World::trouble) was told.
    pub fn query(&self, query: &Query) -> Result<Reading, CloudError> {
        if let Some(error) = self.trouble.error(query) {
            return Err(error);
        }
        Ok(match query {
            Query::Pointer { name, .. } => {
                let value = self.pointer(name).unwrap_or(POINTER_NONE);
                let names_one = !value.is_empty() && value != POINTER_NONE;
                Reading::Pointer(names_one.then(|| InstanceId::from(value)))
            }
            Query::Instance { id, .. } => Reading::Instance(match self.instances.get(id) {
                Some(instance) => instance.reading(),
                None => Instance::not_visible(id.clone()),
            }),
            Query::Sweep {
                tag_key,
                tag_values,
                ..
            } => {
                let carries = |instance: &&super::SimInstance| {
                    let value = instance.tags.get(tag_key);
                    value.is_some_and(|value| tag_values.contains(value))
                };
                let found = self.instances.values().filter(carries);
                Reading::Sweep(
                    found
                        .filter_map(|instance| self.trouble.in_sweep(instance))
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
            Query::StatusChecks { ids, .. } => {
                let found = ids
                    .iter()
                    .filter_map(|id| Some((id.clone(), self.status_checks(id)?)));
                Reading::StatusChecks(found.collect())
            }
        })
    }

    /// Carries out a mutation at the clock's time, asking nobody: the world has no guard.
    ///
    /// # Errors
    /// What EC2 answers: an unknown id, a state that does not allow it, a token used otherwise.
    pub fn apply(&mut self, mutation: &Mutation) -> Result<Outcome, CloudError> {
        let befalls = |fault: &super::Fault| fault.kind == mutation.kind();
        let position = self.faults.iter().position(befalls);
        if let Some(fault) = position.and_then(|position| self.faults.remove(position)) {
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
        self.carry_out(mutation)
    }

    fn carry_out(&mut self, mutation: &Mutation) -> Result<Outcome, CloudError> {
        match mutation {
            Mutation::Launch { .. } => self.launch(mutation),
            Mutation::Start { id, .. } => self.start(id),
            Mutation::Stop {
                id, clear_pointer, ..
            } => {
                self.clear(clear_pointer.as_ref());
                self.end("StopInstances", id)
            }
            Mutation::Terminate {
                id, clear_pointer, ..
            } => {
                self.clear(clear_pointer.as_ref());
                self.end("TerminateInstances", id)
            }
            Mutation::WritePointer { name, id, .. } => {
                self.pointers.insert(name.clone(), id.to_string());
                Ok(Outcome::Accepted)
            }
        }
    }

    fn launch(&mut self, mutation: &Mutation) -> Result<Outcome, CloudError> {
        const OPERATION: &str = "RunInstances";
        let Mutation::Launch { token, tags, .. } = mutation else {
            return Err(error(
                OPERATION,
                CloudErrorKind::Permanent,
                "InvalidParameter",
                "not a launch",
            ));
        };
        if let Some((first, id)) = self.launches.get(token) {
            if first != mutation {
                let text = "the client token was used with other parameters";
                return Err(error(
                    OPERATION,
                    CloudErrorKind::Conflict,
                    "IdempotentParameterMismatch",
                    text,
                ));
            }
            return match self.instances.get(id) {
                Some(instance) => Ok(Outcome::Launched(instance.reading())),
                None => Err(error(
                    OPERATION,
                    CloudErrorKind::Conflict,
                    "IdempotentInstanceTerminated",
                    "the instance of this client token is gone",
                )),
            };
        }
        let id = InstanceId::from(self.draws.instance_id());
        let boot = self.draws.boot();
        let boot = self.next_boot.take().unwrap_or(boot);
        self.insert(id.clone(), tags.clone(), boot);
        self.launches
            .insert(token.clone(), (mutation.clone(), id.clone()));
        match self.instances.get(&id) {
            Some(instance) => Ok(Outcome::Launched(instance.reading())),
            None => Ok(Outcome::Accepted),
        }
    }

    fn start(&mut self, id: &InstanceId) -> Result<Outcome, CloudError> {
        const OPERATION: &str = "StartInstances";
        let drawn = self.draws.boot();
        let now = self.now;
        let instance = self
            .instances
            .get_mut(id)
            .ok_or_else(|| not_found(OPERATION, id))?;
        match instance.state {
            // Starting what is up or coming up is answered with its state, and changes nothing.
            InstanceState::Pending | InstanceState::Running => Ok(Outcome::Accepted),
            InstanceState::Stopped => {
                instance.boot(self.next_boot.take().unwrap_or(drawn), now);
                self.happen(id, What::Started);
                Ok(Outcome::Accepted)
            }
            state => Err(wrong_state(OPERATION, id, state)),
        }
    }

    fn end(&mut self, operation: &'static str, id: &InstanceId) -> Result<Outcome, CloudError> {
        let after = self.draws.stop();
        let now = self.now;
        let instance = self
            .instances
            .get_mut(id)
            .ok_or_else(|| not_found(operation, id))?;
        let terminate = operation == "TerminateInstances";
        match (instance.state, terminate) {
            (InstanceState::Terminated | InstanceState::ShuttingDown, true)
            | (InstanceState::Stopped | InstanceState::Stopping, false) => Ok(Outcome::Accepted),
            (_, true) => {
                let (by, rest) = (InstanceState::ShuttingDown, InstanceState::Terminated);
                instance.end(by, rest, after, now);
                self.happen(id, What::TerminateRequested);
                Ok(Outcome::Accepted)
            }
            (InstanceState::Pending | InstanceState::Running, false) => {
                instance.end(InstanceState::Stopping, InstanceState::Stopped, after, now);
                self.happen(id, What::StopRequested);
                Ok(Outcome::Accepted)
            }
            (state, false) => Err(wrong_state(operation, id, state)),
        }
    }

    fn clear(&mut self, pointer: Option<&reeve_core::id::PointerName>) {
        if let Some(name) = pointer {
            self.pointers.insert(name.clone(), POINTER_NONE.to_owned());
        }
    }
}

fn not_found(operation: &str, id: &InstanceId) -> CloudError {
    let text = format!("The instance ID '{id}' does not exist");
    error(
        operation,
        CloudErrorKind::NotVisibleYet,
        "InvalidInstanceID.NotFound",
        &text,
    )
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
