//! The possible actions, and the step that each one makes.

use crate::cloud;
use crate::commit::{StoreAnswer, Then, fold};
use crate::marks::Milestone;
use crate::model::{Action, LeaseModel, Mistake};
use crate::rules::{Lease, Proposal};
use crate::sight::Sight;
use crate::state::{Call, Host, HostState, Intent, Mutation, Outcome, Shown, State};

const ANSWERS: [StoreAnswer; 3] = [
    StoreAnswer::Heard,
    StoreAnswer::LostWritten,
    StoreAnswer::LostUnwritten,
];

impl LeaseModel {
    /// The actions that may be possible next. [`step`](Self::step) drops the impossible ones.
    pub(crate) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        for position in 0..state.cloud.pointer_writes.len() {
            actions.extend([
                Action::PointerArrives(position),
                Action::PointerLost(position),
            ]);
        }
        if self.safeguards.pointer_writes_are_fenced && !state.cloud.pointer_writes.is_empty() {
            return;
        }
        for host in state.host_names() {
            if state.host(host).is_up {
                self.possible_for(state, host, actions);
            } else {
                actions.push(Action::Restart(host));
            }
        }
        actions.extend((0..state.cloud.late.len()).map(Action::ArriveLate));
        for id in state.cloud.ids() {
            if state.cloud.instance(id).before.is_some() {
                actions.push(Action::Settle(id));
            }
            if state.left.deaths > 0 && state.cloud.is_live(id) {
                actions.extend([
                    Action::Die(id, Shown::Stopped),
                    Action::Die(id, Shown::Gone),
                ]);
            }
        }
    }

    fn possible_for(&self, state: &State, host: Host, actions: &mut Vec<Action>) {
        let is_late = if state.left.late > 0 {
            &[false, true][..]
        } else {
            &[false]
        };
        let answers = if state.left.store_failures > 0 {
            &ANSWERS[..]
        } else {
            &ANSWERS[..1]
        };
        actions.push(Action::ReadRecord(host));
        if !self.safeguards.stop_clears_unless_sure {
            actions.push(Action::ReadPointer(host));
        }
        for &late in is_late {
            actions.push(Action::SeeLeaseStale { by: host, late });
            if state.left.crashes > 0 {
                actions.push(Action::Crash { host, late });
            }
        }
        for lag in 0..1 << state.cloud.instances.len() {
            let Some(sight) = Sight::of(state, host, lag, true) else {
                continue;
            };
            for proposal in self.permitted(state, host, &sight) {
                let propose = |&it| Action::Propose(host, proposal, lag, it);
                actions.extend(answers.iter().map(propose));
            }
        }
        for &answer in answers {
            actions.extend([Action::Recover(host, answer), Action::Renew(host, answer)]);
        }
        let Some(call) = state.host(host).call else {
            return;
        };
        actions.extend(is_late.iter().map(|&late| Action::TimeOut { host, late }));
        match call.outcome {
            None => actions.extend([
                Action::Arrive(host),
                Action::ArriveHalf(host),
                Action::Refuse(host),
            ]),
            Some(_) => actions.extend(answers.iter().map(|&it| Action::TakeIn(host, it))),
        }
    }

    /// Takes one step; `None`: it is not possible, or changes nothing.
    pub(crate) fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::ReadRecord(host) => read_record(state, host),
            Action::SeeLeaseStale { by, late } => self.see_lease_stale(state, by, late),
            Action::Renew(host, answer) => self.renew(state, host, answer),
            Action::ReadPointer(host) => {
                let pointer = Some(state.cloud.pointer);
                let known = std::mem::replace(&mut state.host_mut(host).pointer, pointer);
                (known != pointer).then_some(())
            }
            Action::Propose(host, proposal, lag, answer) => {
                self.reach_if(lag != 0, Milestone::StaleReading);
                // A stop may rest on a scan, which reads no pointer; the host's view of the pointer
                // may be old.
                let by_scan = matches!(proposal, Proposal::Stop(_));
                if !by_scan || self.safeguards.stop_clears_unless_sure {
                    state.host_mut(host).pointer = Some(state.cloud.pointer);
                }
                self.propose(state, host, proposal, answer)
            }
            Action::Recover(host, answer) => self.recover(state, host, answer),
            Action::Arrive(host) => self.arrive(state, host),
            Action::ArriveHalf(host) => cloud::arrive_half(state, host),
            Action::Refuse(host) => cloud::refuse(state, host),
            Action::TimeOut { host, late } => cloud::time_out(state, host, late),
            Action::TakeIn(host, answer) => self.take_in(state, host, answer),
            Action::ArriveLate(position) => {
                self.arrive_late(state, position);
                Some(())
            }
            Action::PointerArrives(position) => {
                cloud::pointer_arrives(state, position);
                Some(())
            }
            Action::PointerLost(position) => cloud::pointer_lost(state, position),
            Action::Crash { host, late } => crash(state, host, late),
            Action::Restart(host) => {
                *state.host_mut(host) = HostState {
                    is_up: true,
                    view: Some(state.store.clone()),
                    ..HostState::default()
                };
                Some(())
            }
            Action::Settle(id) => {
                state.cloud.instance_mut(id).before = None;
                for host in &mut state.hosts {
                    host.started[usize::from(id.0)] = false;
                }
                Some(())
            }
            Action::Die(id, shown) => {
                state.left.deaths = state.left.deaths.checked_sub(1)?;
                state.cloud.instance_mut(id).becomes(shown);
                Some(())
            }
        }
    }

    /// A lease can grow stale only if its holder is dead or sleeps, and so does not renew it. A
    /// sleeper that wakes does not send its mutation, which is too old (`host/src/drive/calls.rs`,
    /// `mutate`).
    fn see_lease_stale(&self, state: &mut State, by: Host, late: bool) -> Option<()> {
        let it = state.host(by);
        let is_current = it
            .view
            .as_ref()
            .is_some_and(|view| view.version == state.store.version);
        let holder = state.store.record.lease.filter(|holder| *holder != by)?;
        if !is_current || it.saw_it_stale || self.makes(Mistake::TakeLeaseAtOnce) {
            return None;
        }
        if state.host(holder).is_up {
            state.left.pauses = state.left.pauses.checked_sub(1)?;
            let call = state.host(holder).call;
            let waiting = call.filter(|call| call.outcome.is_none());
            match waiting {
                Some(call) if late => {
                    cloud::delay(state, call.permit)?;
                    wakes_to(state, holder, call, Outcome::Unknown);
                }
                None if late => return None,
                Some(call) if !self.makes(Mistake::SkipFence) => {
                    wakes_to(state, holder, call, not_sent(call.permit));
                }
                Some(_) | None => {}
            }
        } else if late {
            return None;
        }
        state.host_mut(by).saw_it_stale = true;
        Some(())
    }

    /// Writes the record again, so that other hosts see that the holder is alive. A failed write
    /// changes nothing.
    fn renew(&self, state: &mut State, host: Host, answer: StoreAnswer) -> Option<()> {
        let view = state.host(host).view.clone()?;
        let holds = self.lease(state, host) == Lease::Ours && view.record.intent.is_some();
        if !holds || answer == StoreAnswer::LostUnwritten {
            return None;
        }
        if answer == StoreAnswer::LostWritten {
            if view.version != state.store.version {
                return None;
            }
            state.left.store_failures = state.left.store_failures.checked_sub(1)?;
            state.store.version += 1;
            return Some(());
        }
        self.commit(state, host, view.record, Then::Nothing, answer)
    }
}

fn not_sent(permit: Intent) -> Outcome {
    match permit.mutation {
        Mutation::Launch { .. } => Outcome::Unknown,
        Mutation::Start(_) | Mutation::Stop { .. } | Mutation::Terminate(_) => Outcome::Failed,
    }
}

fn wakes_to(state: &mut State, holder: Host, call: Call, outcome: Outcome) {
    let outcome = Some(outcome);
    state.host_mut(holder).call = Some(Call { outcome, ..call });
}

fn read_record(state: &mut State, host: Host) -> Option<()> {
    let it = state.host(host);
    let is_known = it
        .view
        .as_ref()
        .is_some_and(|view| view.version == state.store.version);
    if is_known {
        return None;
    }
    let stored = state.store.clone();
    fold(state, host, stored);
    Some(())
}

fn crash(state: &mut State, host: Host, late: bool) -> Option<()> {
    state.left.crashes = state.left.crashes.checked_sub(1)?;
    let call = state.host(host).call;
    let on_its_way = call.filter(|call| call.outcome.is_none());
    if late {
        cloud::delay(state, on_its_way?.permit)?;
    }
    *state.host_mut(host) = HostState::default();
    Some(())
}
