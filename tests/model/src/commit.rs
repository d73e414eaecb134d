//! The record in the store: compare-and-set, and what a host makes of the answer.

use crate::marks::{Milestone, Promise};
use crate::model::{LeaseModel, Mistake};
use crate::state::{Call, Host, Id, Intent, Mutation, PointerWrite, Record, State, Stored};

/// What a host hears of its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// Written, or lost.
    Heard,
    /// Nothing, and it was written.
    LostWritten,
    /// Nothing, and it was not.
    LostUnwritten,
}

/// What waits for the write (`Effect::Commit`, `then`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// A mutation of an instance; whether somebody else began it.
    Mutate(Intent, bool),
    /// The pointer is made to name what the record names.
    WritePointer(Id),
}

impl LeaseModel {
    /// `reconcile/record.rs`, `write_if` and `ended`: writes the record that this view leads to, and sends what
    /// waits for it if, and only if, the host hears that it was written. `None`: it cannot be answered like this.
    pub(crate) fn commit(
        &self,
        state: &mut State,
        host: Host,
        record: Record,
        then: Then,
        answer: StoreAnswer,
    ) -> Option<()> {
        let view = state.host(host).view.clone()?;
        let wins =
            view.version == state.store.version || self.makes(Mistake::WriteWithoutComparing);
        match answer {
            StoreAnswer::Heard if wins => {
                self.put(state, host, record, then);
                let stored = state.store.clone();
                let it = state.host_mut(host);
                it.view = Some(stored);
                it.saw_it_stale = false;
                send(state, host, then);
            }
            StoreAnswer::Heard => {
                let sleeper = view.record.lease == Some(host);
                self.reach_if(true, Milestone::CompareLost);
                self.reach_if(sleeper, Milestone::SleeperLoses);
                let stored = state.store.clone();
                fold(state, host, stored);
            }
            StoreAnswer::LostWritten if wins => {
                state.left.store_failures = state.left.store_failures.checked_sub(1)?;
                self.reach_if(true, Milestone::WrittenUnanswered);
                self.put(state, host, record, then);
                fold(state, host, view);
            }
            StoreAnswer::LostWritten => return None,
            StoreAnswer::LostUnwritten => {
                state.left.store_failures = state.left.store_failures.checked_sub(1)?;
                fold(state, host, view);
            }
        }
        if self.makes(Mistake::SendBeforeWritten) && answer != StoreAnswer::Heard {
            send(state, host, then);
        }
        Some(())
    }

    /// The store takes it. Here is what the record promises.
    fn put(&self, state: &mut State, host: Host, record: Record, then: Then) {
        let old = std::mem::replace(&mut state.store.record, record);
        state.store.version += 1;
        let new = state.store.record.clone();
        let falls = new.epoch < old.epoch || new.generation < old.generation;
        let broken = &mut state.broken;
        broken.mark_if(falls, Promise::NeverFalls);
        let takes_lease = new.lease.is_some() && new.lease != old.lease;
        let kept_epoch = takes_lease && new.epoch <= old.epoch;
        broken.mark_if(kept_epoch, Promise::LeaseTakesEpoch);
        let took_stale = takes_lease && old.lease.is_some_and(|holder| holder != host);
        self.reach_if(took_stale, Milestone::StaleLeaseTaken);
        if let (Some(before), Some(after)) = (old.adopted, new.adopted) {
            let is_older = after.generation < before.generation;
            broken.mark_if(is_older, Promise::AdoptedNeverOlder);
        }
        if let Then::Mutate(permit, _) = then {
            let differs = permit.epoch != new.epoch;
            broken.mark_if(differs, Promise::PermitCarriesEpoch);
            let is_replay = old
                .intent
                .is_some_and(|intent| intent.generation == permit.generation);
            if !is_replay {
                begins(state, &old, permit);
            }
        }
        if let Some(adopted) = new.adopted {
            state.cloud.instance_mut(adopted.id).claimed = true;
        }
    }
}

/// A mutation that is announced for the first time.
fn begins(state: &mut State, old: &Record, permit: Intent) {
    let started = match permit.mutation {
        Mutation::Launch { .. } => None,
        Mutation::Start(id) => Some(id),
        Mutation::Stop { .. } | Mutation::Terminate(_) => return,
    };
    let is_new = permit.generation > old.generation;
    state
        .broken
        .mark_if(!is_new, Promise::AttemptIsNewGeneration);
    // Starting what is up changes nothing; what counts is another one beside it.
    let adopted = old.adopted.filter(|it| Some(it.id) != started);
    let is_beside = adopted.is_some_and(|it| state.cloud.is_live(it.id));
    state
        .broken
        .mark_if(is_beside, Promise::NothingBesideAdopted);
    if started.is_none() {
        let cloud = &state.cloud;
        let is_lost = |id: Id| {
            let instance = cloud.instance(id);
            instance.generation.is_some() && !instance.claimed && cloud.is_live(id)
        };
        let lost = cloud.ids().any(is_lost);
        state.broken.mark_if(lost, Promise::LaunchIsFinished);
    }
}

/// What waited for the write goes out (`host/src/drive/calls.rs`, `commit`).
fn send(state: &mut State, by: Host, then: Then) {
    match then {
        Then::Mutate(permit, inherited) => {
            let it = state.host_mut(by);
            it.is_at_work = true;
            it.call = Some(Call {
                permit,
                inherited,
                outcome: None,
            });
        }
        Then::WritePointer(id) => {
            let Some(adopted) = state.store.record.adopted else {
                return;
            };
            state.host_mut(by).writes_pointer = true;
            state.cloud.pointer_writes.push(PointerWrite {
                by,
                id,
                generation: adopted.generation,
                overtaken: false,
            });
        }
        Then::Nothing => {}
    }
}

/// `worker/record.rs`, `fold`: goes by what the store says. What was sent goes on; nobody waits for what comes of it.
pub(crate) fn fold(state: &mut State, host: Host, stored: Stored) {
    let it = state.host_mut(host);
    let is_news = it.view.as_ref().is_none_or(|view| *view != stored);
    it.saw_it_stale &= !is_news;
    it.view = Some(stored);
    it.is_at_work = false;
    it.writes_pointer = false;
    it.call = it.call.filter(|call| call.outcome.is_none());
}
