//! There is no live home: find another instance, and only then start or launch one.

use reeve_policy_sdk::resolve::{Action, Adoption, InFlight, Input, Pointer, Verdict};
use reeve_policy_sdk::text::duration;
use reeve_policy_sdk::types::{InstanceFacts, InstanceState};

use crate::home::UNKNOWN_WAIT_MS;
use crate::settings::Settings;
use crate::{backoff, home};

/// How soon a caller asks again if only an operator's change can help.
const DISABLED_WAIT_MS: u32 = 60_000;

/// The answer if home is not live.
pub(crate) fn answer(input: &Input, settings: &Settings) -> Verdict {
    under_way(input, settings)
        .or_else(|| look_at_the_unseen(input))
        .or_else(|| wait_for_knowledge(input, settings))
        .or_else(|| backoff::answer(input, settings))
        .unwrap_or_else(|| renew(input, settings))
}

/// `wait` until the outcome of a mutation is known.
fn under_way(input: &Input, settings: &Settings) -> Option<Verdict> {
    let (code, what, since_ms) = match input.in_flight {
        InFlight::Nothing => return None,
        InFlight::Launching(ms) => ("launching", "A launch", ms),
        InFlight::Starting(ms) => ("starting", "A start", ms),
        InFlight::Stopping(ms) => ("stopping", "A stop", ms),
    };
    let text = format!("{what} has been in flight for {}.", duration(since_ms));
    Some(Action::Wait(settings.boot_wait_ms).because(code, text))
}

/// `adopt` judges the instances that are live, and those that may be because no scan has ended yet.
fn look_at_the_unseen(input: &Input) -> Option<Verdict> {
    let live = input
        .instances
        .iter()
        .filter(|facts| facts.state.is_live())
        .count();
    match input.adoption {
        Adoption::NotAsked if live > 0 || input.scanned.ms().is_none() => Some(look_by_tag(input)),
        // `adopt` took an instance that has ended since. It did not decline the others, so the next
        // resolve asks `adopt` again before anything is started.
        Adoption::Taken => {
            let text = "The instance that was adopted in this pass is no longer running.";
            Some(Action::Wait(UNKNOWN_WAIT_MS).because("adoption-lost", text))
        }
        Adoption::NotAsked | Adoption::Declined => None,
    }
}

fn look_by_tag(input: &Input) -> Verdict {
    let text = match home::id(input).and_then(|id| Some((id, home::facts(input, id)?.state))) {
        Some((id, state)) => format!("{id} is {}; a scan by tag comes first.", in_words(state)),
        None => "No instance is adopted or named; a scan by tag comes first.".to_owned(),
    };
    Action::Adopt.because("look-by-tag", text)
}

/// `wait` if a reading is missing: the instance may run, so nothing is started or launched.
fn wait_for_knowledge(input: &Input, settings: &Settings) -> Option<Verdict> {
    if home::id(input).is_none() && matches!(input.pointer, Pointer::Unknown) {
        let text = "The pointer could not be read, so it may name an instance that runs.";
        return Some(Action::Wait(UNKNOWN_WAIT_MS).because("pointer-unknown", text));
    }
    home::uncertain(input, settings)
}

/// Starts or launches, after a scan by tag in the same resolve.
fn renew(input: &Input, settings: &Settings) -> Verdict {
    if matches!(input.adoption, Adoption::NotAsked) && (settings.start_stopped || settings.launch) {
        return look_by_tag(input);
    }
    if settings.start_stopped {
        if let Some(facts) = preferred(input, InstanceState::Stopped) {
            let text = format!(
                "Nothing runs that could be the worker; its stopped instance {} starts.",
                facts.id
            );
            return Action::Start(facts.id.clone()).because("start-stopped", text);
        }
        if let Some(facts) = preferred(input, InstanceState::Stopping) {
            let text = format!("{} is stopping; it can be started after that.", facts.id);
            return Action::Wait(settings.boot_wait_ms).because("stopping", text);
        }
    }
    if settings.launch {
        let text = "Nothing runs that could be the worker, and there is nothing to start.";
        let option = backoff::option(input, settings).unwrap_or_default();
        return Action::Launch(option).because("launch", text);
    }
    let text =
        "Nothing runs that could be the worker, and the settings forbid what would change that.";
    Action::Unavailable(DISABLED_WAIT_MS).because("launch-disabled", text)
}

/// Of the instances in this state: the adopted one, else the one the pointer names, else the
/// newest.
fn preferred(input: &Input, state: InstanceState) -> Option<&InstanceFacts> {
    let in_state = |facts: &&InstanceFacts| facts.state == state;
    [home::adopted(input), home::pointed(input)]
        .into_iter()
        .flatten()
        .filter_map(|id| home::facts(input, id))
        .find(in_state)
        .or_else(|| input.instances.iter().find(in_state))
}

fn in_words(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Unknown => "unknown to the host",
        InstanceState::NotVisible => "not visible",
        InstanceState::Pending => "pending",
        InstanceState::Running => "running without an address",
        InstanceState::Stopping => "stopping",
        InstanceState::Stopped => "stopped",
        InstanceState::ShuttingDown => "shutting down",
        InstanceState::Terminated => "terminated",
    }
}
