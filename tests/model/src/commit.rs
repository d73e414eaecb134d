//! The record in the store: compare-and-set, and a host's reaction to the store's answer.

use crate::marks::{Milestone, Promise};
use crate::model::{LeaseModel, Mistake};
use crate::state::{Call, Host, Id, Intent, Mutation, PointerWrite, Record, State, Stored};

/// The answer to a host's write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// The host hears whether the record was written, or another host wrote first.
    Heard,
    /// The record was written, and the answer is lost.
    LostWritten,
    /// The record was not written, and the answer is lost.
    LostUnwritten,
}

/// The act that follows the write (`Effect::Commit`, `then`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// No act follows.
    Nothing,
    /// A mutation of an instance, and whether another host began it.
    Mutate(Intent, bool),
    /// A write of the pointer, so that it names the adopted instance.
    WritePointer(Id),
}

impl LeaseModel {
    /// `record.rs`, `write_if` and `on_written`: writes the record, and sends `then` if, and only
    /// if, the host hears that the record was written. `None`: this answer is impossible.
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

    /// The store takes the record. Marks the promises of the record that the write breaks.
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

/// Marks the promises that break when the record announces a new mutation.
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
    // Starting an instance that is up changes nothing; only a second instance breaks the promise.
    let adopted = old.adopted.filter(|it| Some(it.id) != started);
    let is_second = adopted.is_some_and(|it| state.cloud.is_live(it.id));
    state
        .broken
        .mark_if(is_second, Promise::NothingWhileAdopted);
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

/// Sends the act that waited for the write (`host/src/drive/calls.rs`, `commit`).
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

/// `facts/record.rs`, `fold`: the host takes the stored record over. A mutation that was sent may
/// still arrive, but the host ignores its outcome.
pub(crate) fn fold(state: &mut State, host: Host, stored: Stored) {
    let it = state.host_mut(host);
    let is_news = it.view.as_ref().is_none_or(|view| *view != stored);
    it.saw_it_stale &= !is_news;
    it.view = Some(stored);
    it.is_at_work = false;
    it.writes_pointer = false;
    it.call = it.call.filter(|call| call.outcome.is_none());
}
