//! How the cloud carries out mutations (`host/sim/src/world/calls.rs`; `host/aws/src/mutate.rs`).

use crate::marks::{Marks, Milestone, Promise};
use crate::model::LeaseModel;
use crate::state::{
    Call, Cloud, Host, Id, Instance, Intent, Mutation, Outcome, PointerWrite, Shown, State,
};

impl LeaseModel {
    /// A host's mutation arrives in time. The record must announce this mutation under this epoch.
    pub(crate) fn arrive(&self, state: &mut State, host: Host) -> Option<()> {
        let call = state.host(host).call.filter(|it| it.outcome.is_none())?;
        let announced = state.store.record.intent == Some(call.permit);
        state
            .broken
            .mark_if(!announced, Promise::MutationIsAnnounced);
        let outcome = self.carry_out(state, call.permit);
        answer(state, host, call, outcome);
        Some(())
    }

    /// A mutation arrives after its sender has given it up.
    pub(crate) fn arrive_late(&self, state: &mut State, position: usize) {
        let permit = state.cloud.late.remove(position);
        self.reach_if(true, Milestone::ArrivedLate);
        let outcome = self.carry_out(state, permit);
        // A late stop clears the pointer by its sender's old view. That breaks no promise here,
        // because no fence reaches into the cloud.
        state.broken = Marks::default();
        if let (Mutation::Launch { .. }, Outcome::Launched(id)) = (permit.mutation, outcome) {
            // The launch had a definite answer, or will be sent again, so its instance is not
            // forgotten.
            state.cloud.instance_mut(id).claimed = true;
        }
    }

    fn carry_out(&self, state: &mut State, permit: Intent) -> Outcome {
        match permit.mutation {
            Mutation::Launch { token } => self.launch_instance(state, token, permit),
            Mutation::Start(id) => match state.cloud.instance(id).now {
                Shown::Gone => Outcome::Failed,
                _ => {
                    state.cloud.instance_mut(id).becomes(Shown::Live);
                    Outcome::Done
                }
            },
            Mutation::Stop { id, clears } => {
                if clears {
                    state.cloud.pointer = None;
                    self.reach_if(true, Milestone::PointerCleared);
                }
                end(state, id, Shown::Stopped)
            }
            Mutation::Terminate(id) => {
                self.reach_if(true, Milestone::OrphanEnded);
                end(state, id, Shown::Gone)
            }
        }
    }

    fn launch_instance(&self, state: &mut State, token: u8, permit: Intent) -> Outcome {
        if let Some(id) = made_by(&state.cloud, token) {
            self.reach_if(true, Milestone::TokenReplayed);
            return Outcome::Launched(id);
        }
        let again = state
            .cloud
            .instances
            .iter()
            .any(|it| it.generation.is_some());
        self.reach_if(again, Milestone::LaunchedAgain);
        let count = u8::try_from(state.cloud.instances.len()).unwrap_or(u8::MAX);
        let id = Id(count);
        state.cloud.instances.push(Instance {
            generation: Some(permit.generation),
            token: Some(token),
            now: Shown::Live,
            before: Some(Shown::Hidden),
            claimed: false,
        });
        Outcome::Launched(id)
    }
}

/// The first call of a stop clears the pointer, and the second one fails.
pub(crate) fn arrive_half(state: &mut State, host: Host) -> Option<()> {
    let call = state.host(host).call.filter(|it| it.outcome.is_none())?;
    let Mutation::Stop { clears: true, .. } = call.permit.mutation else {
        return None;
    };
    state.left.refusals = state.left.refusals.checked_sub(1)?;
    state.cloud.pointer = None;
    answer(state, host, call, Outcome::Failed);
    Some(())
}

/// The cloud refuses definitely: no capacity, a rate limit, no permission.
pub(crate) fn refuse(state: &mut State, host: Host) -> Option<()> {
    let call = state.host(host).call.filter(|it| it.outcome.is_none())?;
    // A used token is not refused: the cloud returns its instance.
    if let Mutation::Launch { token } = call.permit.mutation
        && made_by(&state.cloud, token).is_some()
    {
        return None;
    }
    state.left.refusals = state.left.refusals.checked_sub(1)?;
    answer(state, host, call, Outcome::Failed);
    Some(())
}

/// The host stops waiting. Its mutation was carried out, is lost, or arrives later.
pub(crate) fn time_out(state: &mut State, host: Host, is_late: bool) -> Option<()> {
    let call = state.host(host).call?;
    let is_on_its_way = call.outcome.is_none();
    if call.outcome == Some(Outcome::Unknown) || (is_late && !is_on_its_way) {
        return None;
    }
    state.left.unanswered = state.left.unanswered.checked_sub(1)?;
    if is_late {
        delay(state, call.permit)?;
    }
    answer(state, host, call, Outcome::Unknown);
    Some(())
}

/// Keeps a mutation on its way after its sender has stopped waiting for it.
pub(crate) fn delay(state: &mut State, permit: Intent) -> Option<()> {
    state.left.late = state.left.late.checked_sub(1)?;
    state.cloud.late.push(permit);
    Some(())
}

/// A pointer write arrives, and its sender hears of it.
pub(crate) fn pointer_arrives(state: &mut State, position: usize) {
    let write = state.cloud.pointer_writes.remove(position);
    state.cloud.pointer = Some(write.id);
    let adopted = state.store.record.adopted;
    let is_older = adopted.is_some_and(|it| it.id != write.id && write.generation < it.generation);
    state.broken.mark_if(is_older, Promise::PointerNeverOlder);
    let names_stopped = write.overtaken && !state.cloud.is_live(write.id);
    state
        .broken
        .mark_if(names_stopped, Promise::StopClearsPointer);
    state.host_mut(write.by).writes_pointer = false;
}

/// A pointer write is lost: its sender no longer knows what the pointer says (`act/adoption.rs`,
/// `pointer_written`).
pub(crate) fn pointer_lost(state: &mut State, position: usize) -> Option<()> {
    let write = state.cloud.pointer_writes.remove(position);
    let it = state.host_mut(write.by);
    if it.is_up {
        it.writes_pointer = false;
        it.pointer = None;
        state.left.unanswered = state.left.unanswered.checked_sub(1)?;
    }
    Some(())
}

fn answer(state: &mut State, host: Host, call: Call, outcome: Outcome) {
    let it = state.host_mut(host);
    it.call = it.is_at_work.then_some(Call {
        outcome: Some(outcome),
        ..call
    });
}

fn made_by(cloud: &Cloud, token: u8) -> Option<Id> {
    let mut ids = cloud.ids();
    ids.find(|id| cloud.instance(*id).token == Some(token))
}

fn end(state: &mut State, id: Id, by: Shown) -> Outcome {
    if state.cloud.instance(id).now == Shown::Gone {
        return Outcome::Failed;
    }
    let was_live = state.cloud.is_live(id);
    state.cloud.instance_mut(id).becomes(by);
    let still_named = was_live && state.cloud.pointer == Some(id);
    state
        .broken
        .mark_if(still_named, Promise::StopClearsPointer);
    let overtake = |write: &mut PointerWrite| write.overtaken |= write.id == id;
    state.cloud.pointer_writes.iter_mut().for_each(overtake);
    Outcome::Done
}
