//! The acts of a host: it announces and sends mutations, recovers unfinished ones, and takes in
//! outcomes.

use crate::commit::{StoreAnswer, Then};
use crate::marks::Milestone;
use crate::model::{LeaseModel, Mistake};
use crate::rules::{Lease, Proposal, generation_of};
use crate::state::{Adopted, Call, Host, Id, Intent, Mutation, Outcome, Record, Shown, State};

impl LeaseModel {
    /// Announces and sends a permitted mutation, or adopts an instance that the host found.
    pub(crate) fn propose(
        &self,
        state: &mut State,
        host: Host,
        proposal: Proposal,
        answer: StoreAnswer,
    ) -> Option<()> {
        let view = state.host(host).view.clone()?;
        let epoch = self.epoch(state, host, &view);
        let next = view.record.generation + 1;
        let fresh = next - u8::from(self.makes(Mistake::KeepGeneration) && next > 1);
        let permit = match proposal {
            Proposal::Launch => self.launch(fresh, epoch, false),
            Proposal::Start(id) => Intent {
                mutation: Mutation::Start(id),
                generation: fresh,
                epoch,
            },
            Proposal::Stop(id) => Intent {
                mutation: Mutation::Stop {
                    id,
                    clears: self.clears(state, host, &view, id),
                },
                generation: generation_of(state, &view, id),
                epoch,
            },
            Proposal::EndOrphan(id) => Intent {
                mutation: Mutation::Terminate(id),
                generation: generation_of(state, &view, id),
                epoch,
            },
            Proposal::Adopt(id) | Proposal::AdoptPointed(id) => {
                let adopted = Adopted {
                    id,
                    generation: generation_of(state, &view, id),
                    started: false,
                };
                let record = Record {
                    epoch,
                    lease: None,
                    adopted: Some(adopted),
                    ..view.record
                };
                let then = if proposal == Proposal::Adopt(id) {
                    point_to(state, host, id)
                } else {
                    Then::Nothing
                };
                self.commit(state, host, record, then, answer)?;
                let is_adopted = state.store.record.adopted == Some(adopted);
                self.reach_if(is_adopted, Milestone::FoundAdopted);
                return Some(());
            }
            Proposal::RepairPointer => {
                let id = view.record.adopted?.id;
                let record = self.as_known(state, host, view.record.clone(), epoch);
                let then = point_to(state, host, id);
                return self.commit(state, host, record, then, answer);
            }
        };
        self.announce(state, host, permit, false, answer)
    }

    /// `act/send.rs`, `commit`: writes the record with the intent, then sends the mutation.
    fn announce(
        &self,
        state: &mut State,
        host: Host,
        permit: Intent,
        inherited: bool,
        answer: StoreAnswer,
    ) -> Option<()> {
        let before = state.host(host).view.clone()?.record;
        let announces = !self.makes(Mistake::AnnounceNothing);
        let raises = matches!(
            permit.mutation,
            Mutation::Launch { .. } | Mutation::Start(_)
        );
        let generation = if raises {
            permit.generation
        } else {
            before.generation
        };
        let record = Record {
            epoch: permit.epoch,
            lease: announces.then_some(host),
            generation,
            intent: announces.then_some(permit),
            adopted: before.adopted,
        };
        self.commit(state, host, record, Then::Mutate(permit, inherited), answer)
    }

    /// The record for a write that changes nothing about the mutation under way.
    fn as_known(&self, state: &State, host: Host, record: Record, epoch: u8) -> Record {
        let is_ours = self.lease(state, host) == Lease::Ours;
        Record {
            epoch,
            lease: (is_ours && record.intent.is_some()).then_some(host),
            ..record
        }
    }

    /// `flow/recover.rs`, `recover`: sends an unfinished launch again, and gives any other
    /// unfinished mutation up.
    pub(crate) fn recover(&self, state: &mut State, host: Host, answer: StoreAnswer) -> Option<()> {
        let it = state.host(host);
        let view = it.view.clone()?;
        let left = view.record.intent?;
        if it.is_at_work || it.call.is_some() || !self.may_write(state, host) {
            return None;
        }
        let epoch = self.epoch(state, host, &view);
        let is_launch = matches!(left.mutation, Mutation::Launch { .. });
        if is_launch && !self.makes(Mistake::DropLeftLaunch) {
            let permit = self.launch(left.generation, epoch, true);
            let inherited = view.record.lease != Some(host);
            return self.announce(state, host, permit, inherited, answer);
        }
        state.host_mut(host).pointer = None;
        self.reach_if(true, Milestone::LeftGivenUp);
        let record = Record {
            epoch,
            lease: None,
            intent: None,
            ..view.record
        };
        self.commit(state, host, record, Then::Nothing, answer)
    }

    /// Takes the outcome in. The write that holds the outcome gives the lease back.
    pub(crate) fn take_in(&self, state: &mut State, host: Host, answer: StoreAnswer) -> Option<()> {
        let call = state.host(host).call?;
        let outcome = call.outcome?;
        let it = state.host_mut(host);
        it.call = None;
        it.is_at_work = false;
        let view = it.view.clone()?;
        let is_launch = matches!(call.permit.mutation, Mutation::Launch { .. });
        if is_launch && outcome == Outcome::Unknown && !self.makes(Mistake::GiveLaunchUp) {
            return (answer == StoreAnswer::Heard).then_some(());
        }
        let before = view.record.adopted;
        let adopted = self.adopted_after(state, host, call, before, outcome);
        let epoch = self.epoch(state, host, &view);
        let record = Record {
            epoch,
            lease: None,
            intent: None,
            adopted,
            ..view.record
        };
        let brings_up = adopted.is_some() && adopted != before;
        let it = state.host(host);
        // After a launch or start the pointer cannot be right, whether or not it was read.
        let named = it.pointer.or(brings_up.then_some(None));
        let wrong = adopted.filter(|it| named.is_some_and(|named| named != Some(it.id)));
        let then = match wrong {
            Some(adopted) if !it.writes_pointer => point_to(state, host, adopted.id),
            _ => Then::Nothing,
        };
        self.commit(state, host, record, then, answer)
    }

    /// `act/outcome.rs`, `launched`, `started` and `ended`.
    fn adopted_after(
        &self,
        state: &mut State,
        host: Host,
        call: Call,
        before: Option<Adopted>,
        outcome: Outcome,
    ) -> Option<Adopted> {
        match (call.permit.mutation, outcome) {
            (Mutation::Launch { .. }, Outcome::Launched(id)) => {
                if state.cloud.instance(id).now == Shown::Gone {
                    return before;
                }
                let inherited = call.inherited;
                self.reach_if(inherited, Milestone::InheritedLaunchAdopted);
                Some(Adopted {
                    id,
                    generation: call.permit.generation,
                    started: false,
                })
            }
            (Mutation::Start(id), Outcome::Done) => {
                let is_settling = state.cloud.instance(id).before.is_some();
                state.host_mut(host).started[usize::from(id.0)] = is_settling;
                self.reach_if(true, Milestone::StartedAdopted);
                Some(Adopted {
                    id,
                    generation: call.permit.generation,
                    started: true,
                })
            }
            (Mutation::Stop { id, clears }, outcome) => {
                if clears {
                    let cleared = (outcome == Outcome::Done).then_some(None);
                    state.host_mut(host).pointer = cleared;
                }
                before.filter(|it| outcome != Outcome::Done || it.id != id)
            }
            _ => before,
        }
    }
}

/// `act/adoption.rs`, `write_pointer`: the host counts the pointer as written from this moment.
fn point_to(state: &mut State, host: Host, id: Id) -> Then {
    state.host_mut(host).pointer = Some(Some(id));
    Then::WritePointer(id)
}
