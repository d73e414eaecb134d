//! Which candidate may be taken, and which is better.

use reeve_policy_sdk::adopt::Candidate;
use reeve_policy_sdk::types::InstanceState;

use crate::settings::{Prefer, Settings};

/// Why a candidate may not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// The instance is neither pending nor running.
    NotLive,
    /// The instance lacks a tag that the settings require, or has it with another value.
    TagMissing,
    /// The instance was launched longer ago than the settings allow.
    TooOld,
    /// The settings bound the age, and the launch time is unknown.
    AgeUnknown,
}

/// The first objection to this candidate.
pub(crate) fn objection(candidate: &Candidate, settings: &Settings) -> Option<Objection> {
    if !candidate.facts.state.is_live() {
        return Some(Objection::NotLive);
    }
    let lacks_one = settings.required_tags.iter().any(|required| {
        !candidate
            .tags
            .iter()
            .any(|tag| tag.key == required.key && tag.value == required.value)
    });
    if lacks_one {
        return Some(Objection::TagMissing);
    }
    let most_ms = settings.launched_ms_max?;
    match candidate.facts.launched.ms() {
        None => Some(Objection::AgeUnknown),
        Some(ms) if ms > most_ms => Some(Objection::TooOld),
        Some(_) => None,
    }
}

/// The order of candidates, best first: well, running, with an address, of the preferred age. An
/// unknown age comes last.
pub(crate) fn rank(candidate: &Candidate, prefer: Prefer) -> (bool, bool, bool, bool, u32) {
    let facts = &candidate.facts;
    let age_ms = facts.launched.ms();
    let age_rank = match prefer {
        Prefer::Newest => age_ms.unwrap_or(u32::MAX),
        Prefer::Oldest => u32::MAX - age_ms.unwrap_or(0),
    };
    (
        !candidate.bad_signals.is_empty(),
        facts.state != InstanceState::Running,
        !facts.addresses.any(),
        age_ms.is_none(),
        age_rank,
    )
}

/// How many candidates each objection excludes: `No candidate may be taken: 2 without a required
/// tag.`
pub(crate) fn in_words(objections: impl Iterator<Item = Objection> + Clone) -> String {
    let counts = [
        (Objection::NotLive, "not pending or running"),
        (Objection::TagMissing, "without a required tag"),
        (Objection::TooOld, "launched too long ago"),
        (Objection::AgeUnknown, "of unknown launch time"),
    ]
    .map(|(kind, words)| {
        (
            objections.clone().filter(|found| *found == kind).count(),
            words,
        )
    });
    let mut text = "No candidate may be taken:".to_owned();
    let mut separator = " ";
    for (count, words) in counts.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("{separator}{count} {words}"));
        separator = ", ";
    }
    text.push('.');
    text
}
