//! Converts the core's types to those of the sandbox. Strings are borrowed: wasmtime copies them
//! directly into the policy's memory.

use reeve_core::instance::InstanceState;
use reeve_core::point::{self, Age};

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

pub(super) fn facts(instances: &[point::InstanceFacts]) -> Vec<types::InstanceFacts<'_>> {
    instances.iter().map(Into::into).collect()
}

pub(super) fn tags<'a>(tags: impl IntoIterator<Item = &'a point::Tag>) -> Vec<types::Tag<'a>> {
    tags.into_iter().map(Into::into).collect()
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
            point::resolve::FailureKind::Other => Self::Other,
        }
    }
}

impl From<point::resolve::LastFailure> for resolve::LastFailure {
    fn from(last: point::resolve::LastFailure) -> Self {
        match last {
            point::resolve::LastFailure::None => Self::None,
            point::resolve::LastFailure::Failed(failure) => Self::Failed(resolve::Failure {
                kind: failure.kind.into(),
                ago_ms: failure.ago_ms,
                count: failure.count,
            }),
        }
    }
}

pub(super) fn resolve<'a>(
    input: &'a point::resolve::Input,
    instances: &'a [types::InstanceFacts<'a>],
) -> resolve::Input<'a> {
    resolve::Input {
        pointer: (&input.pointer).into(),
        adopted: (&input.adopted).into(),
        instances,
        scanned: input.scanned.into(),
        adoption: input.adoption.into(),
        in_flight: input.in_flight.into(),
        last_failure: input.last_failure.into(),
        settings: &input.settings,
        memo: &input.memo,
    }
}

/// The candidates. `tags` holds the tags of all candidates in sequence.
pub(super) fn candidates<'a>(
    candidates: &'a [point::adopt::Candidate],
    mut tags: &'a [types::Tag<'a>],
) -> Vec<adopt::Candidate<'a>> {
    candidates
        .iter()
        .map(|candidate| {
            let (own, rest) = tags.split_at(candidate.tags.len());
            tags = rest;
            adopt::Candidate {
                facts: (&candidate.facts).into(),
                tags: own,
            }
        })
        .collect()
}

pub(super) fn adopt<'a>(
    input: &'a point::adopt::Input,
    candidates: &'a [adopt::Candidate<'a>],
) -> adopt::Input<'a> {
    adopt::Input {
        candidates,
        settings: &input.settings,
    }
}

impl<'a> From<&'a point::retry_ip::Input> for retry_ip::Input<'a> {
    fn from(input: &'a point::retry_ip::Input) -> Self {
        Self {
            tries: input.tries,
            waited_ms: input.waited_ms,
            launched: input.launched.into(),
            settings: &input.settings,
        }
    }
}

impl<'a> From<&'a point::debounce::Input> for debounce::Input<'a> {
    fn from(input: &'a point::debounce::Input) -> Self {
        Self {
            cause: &input.cause,
            last_started: input.last_started.into(),
            in_flight: input.in_flight,
            same_cause: input.same_cause,
            dropped: input.dropped,
            deferred: input.deferred,
            settings: &input.settings,
        }
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

impl From<point::reap::Demand> for reap::Demand {
    fn from(demand: point::reap::Demand) -> Self {
        match demand {
            point::reap::Demand::Unavailable => Self::Unavailable,
            point::reap::Demand::TooFew => Self::TooFew,
            point::reap::Demand::Requests(sample) => Self::Requests(reap::Sample {
                count: sample.count,
                window_ms: sample.window_ms,
                ago_ms: sample.ago_ms,
            }),
        }
    }
}

pub(super) fn reap<'a>(
    input: &'a point::reap::Input,
    tags: &'a [types::Tag<'a>],
) -> reap::Input<'a> {
    reap::Input {
        instance: (&input.instance).into(),
        role: input.role.into(),
        handed_out: input.handed_out.into(),
        last_activity: input.last_activity.into(),
        work_in_flight: input.work_in_flight,
        busy_remaining_ms: input.busy_remaining_ms,
        demand: input.demand.into(),
        now: reap::LocalTime {
            weekday: input.now.weekday,
            hour: input.now.hour,
            minute: input.now.minute,
            offset_min: input.now.offset_min,
        },
        tags,
        settings: &input.settings,
        memo: &input.memo,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reeve_core::id::InstanceId;
    use reeve_core::point::{Addresses, InstanceFacts, Tag};

    fn instance() -> InstanceFacts {
        InstanceFacts {
            id: InstanceId::new("i-a"),
            state: InstanceState::NotVisible,
            observed: Age::Ms(1),
            in_state: Age::Ms(2),
            launched: Age::None,
            addresses: Addresses {
                private: false,
                public: true,
            },
        }
    }

    #[test]
    fn every_fact_of_an_instance_keeps_its_place() {
        let lowered = format!("{:?}", types::InstanceFacts::from(&instance()));
        for part in [
            r#"id: "i-a", state: InstanceState::NotVisible"#,
            "observed: Age::Ms(1), in-state: Age::Ms(2), launched: Age::None",
            "private: false, public: true",
        ] {
            assert!(lowered.contains(part), "{part} is missing in {lowered}");
        }
    }

    #[test]
    fn each_candidate_keeps_its_own_tags() {
        let tagged = |keys: &[&str]| point::adopt::Candidate {
            facts: instance(),
            tags: keys
                .iter()
                .map(|key| Tag {
                    key: (*key).to_owned(),
                    value: String::new(),
                })
                .collect(),
        };
        let core = [tagged(&["a", "b"]), tagged(&[]), tagged(&["c"])];
        let all = tags(core.iter().flat_map(|one| &one.tags));
        let lowered = candidates(&core, &all);
        let keys: Vec<Vec<_>> = lowered
            .iter()
            .map(|one| one.tags.iter().map(|tag| tag.key).collect())
            .collect();
        assert_eq!(keys, [vec!["a", "b"], vec![], vec!["c"]]);
    }

    #[test]
    fn every_field_of_the_longest_input_keeps_its_place() {
        let input = point::reap::Input {
            instance: instance(),
            role: point::reap::Role::Orphan,
            handed_out: Age::Ms(3),
            last_activity: Age::Ms(4),
            work_in_flight: 5,
            busy_remaining_ms: 6,
            demand: point::reap::Demand::Requests(point::reap::Sample {
                count: 7,
                window_ms: 8,
                ago_ms: 9,
            }),
            now: point::reap::LocalTime {
                weekday: 1,
                hour: 23,
                minute: 59,
                offset_min: -300,
            },
            tags: Vec::new(),
            settings: "{}".to_owned(),
            memo: "m".to_owned(),
        };
        let lowered = format!("{:?}", reap(&input, &[]));
        for part in [
            "role: Role::Orphan, handed-out: Age::Ms(3), last-activity: Age::Ms(4)",
            "work-in-flight: 5, busy-remaining-ms: 6",
            "count: 7, window-ms: 8, ago-ms: 9",
            "weekday: 1, hour: 23, minute: 59, offset-min: -300",
            r#"settings: "{}", memo: "m""#,
        ] {
            assert!(lowered.contains(part), "{part} is missing in {lowered}");
        }
    }
}
