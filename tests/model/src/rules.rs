//! The guard and the lease, rule by rule: the acts that a host's view permits.
//!
//! Policies are not modelled: every proposal that the guard permits is possible.

use crate::model::{LeaseModel, Mistake};
use crate::sight::Sight;
use crate::state::{Adopted, Epoch, Generation, Host, Id, Intent, Mutation, Shown, State, Stored};

/// A proposal (`guard::Proposal`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// `guard/launch.rs`, `launch`.
    Launch,
    /// `guard/launch.rs`, `start`.
    Start(Id),
    /// `guard/adopt.rs`, `adopt`, for a running instance found by its tag.
    Adopt(Id),
    /// `act/adoption.rs`, `take_from_pointer`: the record follows the pointer, which is right
    /// already.
    AdoptPointed(Id),
    /// `guard/adopt.rs`, `repair_pointer`.
    RepairPointer,
    /// `guard/reap.rs`, `stop`, and `guard/restart.rs`, `restart`.
    Stop(Id),
    /// `guard/orphan.rs`, `end_orphan`, of one that reeve launched.
    EndOrphan(Id),
}

/// The lease, as far as a host can tell (`facts/record.rs`, `RecordView::lease`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The host has not read the record.
    Unknown,
    /// No host holds the lease, or the lease is stale.
    Free,
    /// This host holds it.
    Ours,
    /// Another host holds it.
    Theirs,
}

impl LeaseModel {
    /// The lease, as far as the host can tell.
    pub(crate) fn lease(&self, state: &State, host: Host) -> Lease {
        let it = state.host(host);
        let Some(view) = &it.view else {
            return Lease::Unknown;
        };
        let waits = !it.saw_it_stale && !self.makes(Mistake::TakeLeaseAtOnce);
        match view.record.lease {
            None => Lease::Free,
            Some(holder) if holder == host => Lease::Ours,
            Some(_) if waits => Lease::Theirs,
            Some(_) => Lease::Free,
        }
    }

    /// `guard/lease.rs`, `epoch`: the epoch of the lease that the host holds, or else the next one,
    /// which takes the lease.
    pub(crate) fn epoch(&self, state: &State, host: Host, view: &Stored) -> Epoch {
        let is_ours = self.lease(state, host) == Lease::Ours;
        view.record.epoch + u8::from(!is_ours && !self.makes(Mistake::KeepEpoch))
    }

    /// `guard/lease.rs`, `may_write_record`.
    pub(crate) fn may_write(&self, state: &State, host: Host) -> bool {
        matches!(self.lease(state, host), Lease::Free | Lease::Ours) && state.host(host).is_up
    }

    /// Every proposal that the guard permits by the host's readings.
    pub(crate) fn permitted(&self, state: &State, host: Host, sight: &Sight) -> Vec<Proposal> {
        if !self.may_write(state, host) {
            return Vec::new();
        }
        let mut all = vec![Proposal::Launch, Proposal::RepairPointer];
        for id in state.cloud.ids() {
            all.extend([
                Proposal::Start(id),
                Proposal::Adopt(id),
                Proposal::AdoptPointed(id),
                Proposal::Stop(id),
                Proposal::EndOrphan(id),
            ]);
        }
        all.retain(|proposal| self.permits(state, host, sight, *proposal));
        all
    }

    fn permits(&self, state: &State, host: Host, sight: &Sight, proposal: Proposal) -> bool {
        let it = state.host(host);
        let Some(view) = &it.view else { return false };
        let quiet = !it.is_at_work && it.call.is_none() && view.record.intent.is_none();
        let may_begin = view.record.generation < self.bounds.generations;
        let nothing_up = self.nothing_else_up(state, host, sight, view);
        let is_named = |id: Id| sight.pointer == Some(Some(id));
        match proposal {
            Proposal::Launch => quiet && may_begin && nothing_up,
            Proposal::Start(id) => {
                let is_stopped = sight.reading(id) == Some(Shown::Stopped);
                quiet && may_begin && is_stopped && nothing_up
            }
            Proposal::Adopt(id) => {
                quiet && self.may_adopt(state, host, sight, view, id) && !is_named(id)
            }
            Proposal::AdoptPointed(id) => {
                quiet && self.may_adopt(state, host, sight, view, id) && is_named(id)
            }
            Proposal::RepairPointer => {
                let adopted = view.record.adopted;
                let differs = |it: Adopted, named: Option<Id>| named != Some(it.id);
                let is_wrong = adopted
                    .zip(sight.pointer)
                    .is_some_and(|(it, named)| differs(it, named));
                is_wrong
                    && !it.writes_pointer
                    && adopted.is_some_and(|it| self.may_be_live(state, host, sight, it))
            }
            // The readings may be a scan's, and a scan reads no pointer.
            Proposal::Stop(id) => quiet && sight.reading(id) == Some(Shown::Live),
            Proposal::EndOrphan(id) => {
                let adopted = view.record.adopted;
                let is_superseded = |adopted: Adopted| {
                    let generation = state.cloud.instance(id).generation;
                    sight.reading(adopted.id) == Some(Shown::Live)
                        && generation.is_some_and(|it| it < adopted.generation)
                        && adopted.id != id
                };
                let is_orphan = adopted.is_some_and(is_superseded);
                let is_unnamed = sight.pointer.is_some() && !is_named(id);
                quiet && is_orphan && is_unnamed && sight.reading(id) == Some(Shown::Live)
            }
        }
    }

    /// `guard/launch.rs`, `nothing_else_up`. `adopt` takes every candidate that it is shown.
    fn nothing_else_up(&self, state: &State, host: Host, sight: &Sight, view: &Stored) -> bool {
        let adopted = view.record.adopted;
        let adopted_lives = adopted.is_some_and(|it| self.may_be_live(state, host, sight, it));
        let is_candidate = |id: Id| {
            let is_adopted = adopted.is_some_and(|it| it.id == id);
            !is_adopted && sight.reading(id) == Some(Shown::Live) && !is_older(state, view, id)
        };
        let ignores = self.makes(Mistake::LaunchWhileAdopted);
        (!adopted_lives || ignores) && !state.cloud.ids().any(is_candidate)
    }

    /// `worker/known.rs`, `may_be_live`: the instance is up, is coming up, or cannot be ruled out
    /// to be up. The windows in which a reading proves nothing count as longer than any lag of
    /// readings.
    fn may_be_live(&self, state: &State, host: Host, sight: &Sight, adopted: Adopted) -> bool {
        let it = state.host(host);
        let is_settling = state.cloud.instance(adopted.id).before.is_some();
        let accepted = it.started[usize::from(adopted.id.0)];
        let told = self.safeguards.started_settles_everywhere && adopted.started;
        match sight.reading(adopted.id) {
            None | Some(Shown::Hidden) => !self.makes(Mistake::UnknownIsDown),
            Some(Shown::Live) => true,
            Some(Shown::Stopped) => (accepted || told) && is_settling,
            Some(Shown::Gone) => false,
        }
    }

    fn may_adopt(&self, state: &State, host: Host, sight: &Sight, view: &Stored, id: Id) -> bool {
        let adopted = view.record.adopted;
        let another_lives = adopted.is_some_and(|it| self.may_be_live(state, host, sight, it));
        let is_adopted = adopted.is_some_and(|it| it.id == id);
        let may_be_older = self.makes(Mistake::AdoptOlder);
        sight.reading(id) == Some(Shown::Live)
            && !another_lives
            && !is_adopted
            && (may_be_older || !is_older(state, view, id))
    }

    /// `guard/reap.rs`, `pointer_naming`: whether the stop has to clear the pointer.
    pub(crate) fn clears(&self, state: &State, host: Host, view: &Stored, id: Id) -> bool {
        let adopted = view.record.adopted.map(|it| it.id);
        let read = state.host(host).pointer;
        let names_another =
            adopted.is_some_and(|adopted| adopted != id && read == Some(Some(adopted)));
        let clears = match self.safeguards.stop_clears_unless_sure {
            true => !names_another,
            false => read.map_or(adopted, |named| named) == Some(id),
        };
        clears && !self.makes(Mistake::ForgetPointer)
    }

    /// The permit of a launch. The token derives from the generation, so every replay has the same
    /// token.
    pub(crate) fn launch(&self, generation: Generation, epoch: Epoch, is_replay: bool) -> Intent {
        /// Far beyond the generations of any bound.
        const RENEWED: u8 = 100;
        let renews = is_replay && self.makes(Mistake::RenewToken);
        let token = generation + u8::from(renews) * RENEWED;
        Intent {
            mutation: Mutation::Launch { token },
            generation,
            epoch,
        }
    }
}

/// `facts/mod.rs`, `generation_of`: the instance's own generation if reeve launched it, else the
/// current one.
pub(crate) fn generation_of(state: &State, view: &Stored, id: Id) -> Generation {
    let own = state.cloud.instance(id).generation;
    own.unwrap_or(view.record.generation)
}

fn is_older(state: &State, view: &Stored, id: Id) -> bool {
    let adopted = view.record.adopted;
    adopted.is_some_and(|it| generation_of(state, view, id) < it.generation)
}
