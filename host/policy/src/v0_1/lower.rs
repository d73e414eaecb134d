//! Converts the core's types to those of the sandbox. Strings are borrowed: wasmtime copies them
//! directly into the policy's memory.

use reeve_core::instance::InstanceState;
use reeve_core::point::{self, Age};
use reeve_core::spec::RestartBy;

use super::bindings::{adopt, debounce, reap, resolve, retry_ip, types};

impl From<Age> for types::Age {
    fn from(age: Age) -> Self {
        match age {
            Age::None => Self::None,
            Age::Ms(ms) => Self::Ms(ms),
        }
    }
}

impl From<InstanceState> for types::InstanceState {
    fn from(state: InstanceState) -> Self {
        match state {
            InstanceState::Unknown => Self::Unknown,
            InstanceState::NotVisible => Self::NotVisible,
            InstanceState::Pending => Self::Pending,
            InstanceState::Running => Self::Running,
            InstanceState::Stopping => Self::Stopping,
            InstanceState::Stopped => Self::Stopped,
            InstanceState::ShuttingDown => Self::ShuttingDown,
            InstanceState::Terminated => Self::Terminated,
        }
    }
}

impl<'a> From<&'a point::InstanceFacts> for types::InstanceFacts<'a> {
    fn from(facts: &'a point::InstanceFacts) -> Self {
        Self {
            id: facts.id.as_str(),
            state: facts.state.into(),
            observed: facts.observed.into(),
            in_state: facts.in_state.into(),
            launched: facts.launched.into(),
            addresses: types::Addresses {
                private: facts.addresses.private,
                public: facts.addresses.public,
            },
        }
    }
}

impl<'a> From<&'a point::Tag> for types::Tag<'a> {
    fn from(tag: &'a point::Tag) -> Self {
        Self {
            key: &tag.key,
            value: &tag.value,
        }
    }
}

impl From<point::Origin> for types::Origin {
    fn from(origin: point::Origin) -> Self {
        match origin {
            point::Origin::Ours => Self::Ours,
            point::Origin::Unclaimed => Self::Unclaimed,
            point::Origin::Spare => Self::Spare,
        }
    }
}

impl From<point::Generation> for types::Generation {
    fn from(generation: point::Generation) -> Self {
        match generation {
            point::Generation::Unknown => Self::Unknown,
            point::Generation::Number(number) => Self::Number(number),
        }
    }
}

impl From<point::Usage> for types::Usage {
    fn from(usage: point::Usage) -> Self {
        Self {
            handed_out: usage.handed_out.into(),
            last_activity: usage.last_activity.into(),
            heartbeat: usage.heartbeat.into(),
            work_in_flight: usage.work_in_flight,
            busy_remaining_ms: usage.busy_remaining_ms,
        }
    }
}

impl From<&point::BadSignal> for types::BadSignal {
    fn from(bad: &point::BadSignal) -> Self {
        Self {
            signal: match bad.signal {
                point::Signal::Http => types::Signal::Http,
                point::Signal::Tcp => types::Signal::Tcp,
                point::Signal::StatusChecks => types::Signal::StatusChecks,
                point::Signal::Heartbeat => types::Signal::Heartbeat,
                point::Signal::Callers => types::Signal::Callers,
            },
            since_ms: bad.since_ms,
        }
    }
}

impl From<&point::Notice> for types::Notice {
    fn from(notice: &point::Notice) -> Self {
        Self {
            kind: match notice.kind {
                point::NoticeKind::Reclaim => types::NoticeKind::Reclaim,
                point::NoticeKind::Rebalance => types::NoticeKind::Rebalance,
                point::NoticeKind::Reboot => types::NoticeKind::Reboot,
                point::NoticeKind::Maintenance => types::NoticeKind::Maintenance,
                point::NoticeKind::Stop => types::NoticeKind::Stop,
                point::NoticeKind::Retire => types::NoticeKind::Retire,
            },
            due_in_ms: notice.due_in_ms,
        }
    }
}

impl From<point::Demand> for types::Demand {
    fn from(demand: point::Demand) -> Self {
        match demand {
            point::Demand::Unavailable => Self::Unavailable,
            point::Demand::TooFew => Self::TooFew,
            point::Demand::Requests(sample) => Self::Requests(types::Sample {
                count: sample.count,
                window_ms: sample.window_ms,
                ago_ms: sample.ago_ms,
            }),
        }
    }
}

impl<'a> From<&'a point::Label> for types::Label<'a> {
    fn from(label: &'a point::Label) -> Self {
        Self {
            key: &label.key,
            value: &label.value,
            others_up: label.others_up,
        }
    }
}

/// Lowers each element of a list.
pub(super) fn list<'a, T: 'a, L: From<&'a T>>(items: impl IntoIterator<Item = &'a T>) -> Vec<L> {
    items.into_iter().map(Into::into).collect()
}

/// The worker. `labels` holds its labels.
pub(super) fn worker<'a>(
    worker: &'a point::Worker,
    labels: &'a [types::Label<'a>],
) -> types::Worker<'a> {
    types::Worker {
        name: &worker.name,
        labels,
        wish: match worker.wish {
            point::Wish::OnDemand => types::Wish::OnDemand,
            point::Wish::Running => types::Wish::Running,
        },
        now: types::LocalTime {
            weekday: worker.now.weekday,
            hour: worker.now.hour,
            minute: worker.now.minute,
            offset_min: worker.now.offset_min,
        },
    }
}

impl<'a> From<&'a point::resolve::Pointer> for resolve::Pointer<'a> {
    fn from(pointer: &'a point::resolve::Pointer) -> Self {
        match pointer {
            point::resolve::Pointer::Unknown => Self::Unknown,
            point::resolve::Pointer::Empty => Self::Empty,
            point::resolve::Pointer::Names(id) => Self::Names(id.as_str()),
        }
    }
}

impl<'a> From<&'a point::resolve::Adopted> for resolve::Adopted<'a> {
    fn from(adopted: &'a point::resolve::Adopted) -> Self {
        match adopted {
            point::resolve::Adopted::None => Self::None,
            point::resolve::Adopted::Instance(id) => Self::Instance(id.as_str()),
        }
    }
}

impl From<point::resolve::Adoption> for resolve::Adoption {
    fn from(adoption: point::resolve::Adoption) -> Self {
        match adoption {
            point::resolve::Adoption::NotAsked => Self::NotAsked,
            point::resolve::Adoption::Declined => Self::Declined,
            point::resolve::Adoption::Taken => Self::Taken,
        }
    }
}

impl From<point::resolve::InFlight> for resolve::InFlight {
    fn from(in_flight: point::resolve::InFlight) -> Self {
        match in_flight {
            point::resolve::InFlight::Nothing => Self::Nothing,
            point::resolve::InFlight::Launching(ms) => Self::Launching(ms),
            point::resolve::InFlight::Starting(ms) => Self::Starting(ms),
            point::resolve::InFlight::Stopping(ms) => Self::Stopping(ms),
        }
    }
}

impl From<point::resolve::FailureKind> for resolve::FailureKind {
    fn from(kind: point::resolve::FailureKind) -> Self {
        match kind {
            point::resolve::FailureKind::NoCapacity => Self::NoCapacity,
            point::resolve::FailureKind::Throttled => Self::Throttled,
            point::resolve::FailureKind::Denied => Self::Denied,
            point::resolve::FailureKind::TimedOut => Self::TimedOut,
            point::resolve::FailureKind::Other => Self::Other,
        }
    }
}

impl From<&point::resolve::Failure> for resolve::Failure {
    fn from(failure: &point::resolve::Failure) -> Self {
        Self {
            act: match failure.act {
                point::resolve::Act::Launch => resolve::Act::Launch,
                point::resolve::Act::Start => resolve::Act::Start,
                point::resolve::Act::Boot => resolve::Act::Boot,
                point::resolve::Act::Address => resolve::Act::Address,
            },
            capacity_option: failure.capacity_option,
            kind: failure.kind.into(),
            ago_ms: failure.ago_ms,
            count: failure.count,
        }
    }
}

/// The lists of an input, each lowered. The input borrows them.
pub(super) struct Lists<'a> {
    pub(super) labels: Vec<types::Label<'a>>,
    pub(super) bad_signals: Vec<types::BadSignal>,
    pub(super) notices: Vec<types::Notice>,
}

impl<'a> Lists<'a> {
    pub(super) fn of(
        worker: &'a point::Worker,
        bad_signals: &[point::BadSignal],
        notices: &[point::Notice],
    ) -> Self {
        Self {
            labels: list(&worker.labels),
            bad_signals: list(bad_signals),
            notices: list(notices),
        }
    }
}

pub(super) fn resolve<'a>(
    input: &'a point::resolve::Input,
    lists: &'a Lists<'a>,
    instances: &'a [types::InstanceFacts<'a>],
    failures: &'a [resolve::Failure],
) -> resolve::Input<'a> {
    resolve::Input {
        worker: worker(&input.worker, &lists.labels),
        asker: match input.asker {
            point::resolve::Asker::Caller => resolve::Asker::Caller,
            point::resolve::Asker::Host => resolve::Asker::Host,
        },
        pointer: (&input.pointer).into(),
        adopted: (&input.adopted).into(),
        instances,
        scanned: input.scanned.into(),
        adoption: input.adoption.into(),
        in_flight: input.in_flight.into(),
        failures,
        capacity_options: input.capacity_options,
        unserved: input.unserved,
        ended_elsewhere: input.ended_elsewhere,
        bad_signals: &lists.bad_signals,
        notices: &lists.notices,
        demand: input.demand.into(),
        settings: &input.settings,
        memo: &input.memo,
    }
}

/// The candidates. `tags` and `bad_signals` hold those of all candidates in sequence.
pub(super) fn candidates<'a>(
    candidates: &'a [point::adopt::Candidate],
    mut tags: &'a [types::Tag<'a>],
    mut bad_signals: &'a [types::BadSignal],
) -> Vec<adopt::Candidate<'a>> {
    candidates
        .iter()
        .map(|candidate| adopt::Candidate {
            facts: (&candidate.facts).into(),
            origin: candidate.origin.into(),
            generation: candidate.generation.into(),
            outdated: candidate.outdated,
            bad_signals: take(&mut bad_signals, candidate.bad_signals.len()),
            tags: take(&mut tags, candidate.tags.len()),
        })
        .collect()
}

/// Takes the first elements off a slice that has as many.
fn take<'a, T>(from: &mut &'a [T], count: usize) -> &'a [T] {
    let (taken, rest) = from.split_at(count);
    *from = rest;
    taken
}

pub(super) fn adopt<'a>(
    input: &'a point::adopt::Input,
    labels: &'a [types::Label<'a>],
    candidates: &'a [adopt::Candidate<'a>],
) -> adopt::Input<'a> {
    adopt::Input {
        worker: worker(&input.worker, labels),
        candidates,
        settings: &input.settings,
    }
}

pub(super) fn retry_ip<'a>(
    input: &'a point::retry_ip::Input,
    labels: &'a [types::Label<'a>],
) -> retry_ip::Input<'a> {
    retry_ip::Input {
        worker: worker(&input.worker, labels),
        instance: (&input.instance).into(),
        tries: input.tries,
        waited_ms: input.waited_ms,
        unserved: input.unserved,
        settings: &input.settings,
    }
}

pub(super) fn debounce<'a>(
    input: &'a point::debounce::Input,
    lists: &'a Lists<'a>,
) -> debounce::Input<'a> {
    debounce::Input {
        worker: worker(&input.worker, &lists.labels),
        cause: &input.cause,
        last_started: input.last_started.into(),
        in_flight: input.in_flight,
        same_cause: input.same_cause,
        dropped: input.dropped,
        deferred: input.deferred,
        usage: input.usage.into(),
        bad_signals: &lists.bad_signals,
        notices: &lists.notices,
        kinds: debounce::Kinds {
            reboot: input.kinds.reboot,
            stop_start: input.kinds.stop_start,
            replace: input.kinds.replace,
        },
        kind: match input.kind {
            RestartBy::Reboot => debounce::Kind::Reboot,
            RestartBy::StopStart => debounce::Kind::StopStart,
            RestartBy::Replace => debounce::Kind::Replace,
        },
        settings: &input.settings,
    }
}

impl From<point::reap::Role> for reap::Role {
    fn from(role: point::reap::Role) -> Self {
        match role {
            point::reap::Role::Adopted => Self::Adopted,
            point::reap::Role::Orphan => Self::Orphan,
            point::reap::Role::Unclaimed => Self::Unclaimed,
        }
    }
}

pub(super) fn reap<'a>(
    input: &'a point::reap::Input,
    lists: &'a Lists<'a>,
    tags: &'a [types::Tag<'a>],
) -> reap::Input<'a> {
    reap::Input {
        worker: worker(&input.worker, &lists.labels),
        instance: (&input.instance).into(),
        role: input.role.into(),
        origin: input.origin.into(),
        generation: input.generation.into(),
        outdated: input.outdated,
        usage: input.usage.into(),
        demand: input.demand.into(),
        bad_signals: &lists.bad_signals,
        notices: &lists.notices,
        tags,
        settings: &input.settings,
        memo: &input.memo,
    }
}

#[cfg(test)]
mod tests;
