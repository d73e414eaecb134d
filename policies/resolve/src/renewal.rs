//! There is no live home: find another instance, and only then start or launch one.

use reeve_policy_sdk::resolve::{Action, Adoption, InFlight, Input, Pointer, Verdict};
use reeve_policy_sdk::text::duration;
use reeve_policy_sdk::types::{InstanceFacts, InstanceState};

use crate::home::UNKNOWN_WAIT_MS;
use crate::settings::Settings;
use crate::{backoff, home, verdict};

/// How soon a caller should ask again when only a person's change can help.
const DISABLED_WAIT_MS: u32 = 60_000;

/// The answer when home is not live.
pub(crate) fn answer(input: &Input, settings: &Settings) -> Verdict {
    under_way(input, settings)
        .or_else(|| look_at_the_unseen(input))
        .or_else(|| wait_for_knowledge(input, settings))
        .or_else(|| backoff::answer(&input.last_failure, settings))
        .unwrap_or_else(|| renew(input, settings))
}

/// A mutation whose outcome is not known yet is the answer until it is.
fn under_way(input: &Input, settings: &Settings) -> Option<Verdict> {
    let (code, what, since_ms) = match input.in_flight {
        InFlight::Nothing => return None,
        InFlight::Launching(ms) => ("launching", "A launch", ms),
        InFlight::Starting(ms) => ("starting", "A start", ms),
        InFlight::Stopping(ms) => ("stopping", "A stop", ms),
    };
    let text = format!("{what} is under way since {}.", duration(since_ms));
    Some(verdict(Action::Wait(settings.boot_wait_ms), code, text))
}

/// Whatever is live, or could be because nobody has looked by tag yet, is for `adopt` to judge.
fn look_at_the_unseen(input: &Input) -> Option<Verdict> {
    let live = input
        .instances
        .iter()
        .filter(|facts| facts.state.is_live())
        .count();
    match input.adoption {
        Adoption::NotAsked if live > 0 || input.scanned.ms().is_none() => Some(look_by_tag(input)),
        // `adopt` took one that has stopped running since. What it did not take was never declined, so
        // the next pass asks again before anything is started.
        Adoption::Taken => Some(verdict(
            Action::Wait(UNKNOWN_WAIT_MS),
            "adoption-lost",
            "The instance that was adopted in this pass is no longer running.",
        )),
        Adoption::NotAsked | Adoption::Declined => None,
    }
}

fn look_by_tag(input: &Input) -> Verdict {
    let text = match home::id(input).and_then(|id| Some((id, home::facts(input, id)?.state))) {
        Some((id, state)) => format!(
            "{id} is {}; what else carries the worker's tags comes first.",
            in_words(state)
        ),
        None => "No instance is adopted or named; what carries the worker's tags comes first."
            .to_owned(),
    };
    verdict(Action::Adopt, "look-by-tag", text)
}

/// Not knowing is no ground to start or launch: the instance behind the missing reading may run.
fn wait_for_knowledge(input: &Input, settings: &Settings) -> Option<Verdict> {
    if home::id(input).is_none() && matches!(input.pointer, Pointer::Unknown) {
        return Some(verdict(
            Action::Wait(UNKNOWN_WAIT_MS),
            "pointer-unknown",
            "The pointer could not be read, so it may name an instance that runs.",
        ));
    }
    home::uncertain(input, settings)
}

/// Starts or launches, after a look by tag in this same pass.
fn renew(input: &Input, settings: &Settings) -> Verdict {
    if matches!(input.adoption, Adoption::NotAsked) && (settings.start_stopped || settings.launch) {
        return look_by_tag(input);
    }
    if settings.start_stopped {
        if let Some(facts) = preferred(input, InstanceState::Stopped) {
            return verdict(
                Action::Start(facts.id.clone()),
                "start-stopped",
                format!(
                    "Nothing runs that could be the worker; its stopped instance {} starts.",
                    facts.id
                ),
            );
        }
        if let Some(facts) = preferred(input, InstanceState::Stopping) {
            return verdict(
                Action::Wait(settings.boot_wait_ms),
                "stopping",
                format!("{} is stopping; it can be started after that.", facts.id),
            );
        }
    }
    if settings.launch {
        return verdict(
            Action::Launch,
            "launch",
            "Nothing runs that could be the worker, and there is nothing to start.",
        );
    }
    verdict(
        Action::Unavailable(DISABLED_WAIT_MS),
        "launch-disabled",
        "Nothing runs that could be the worker, and the settings forbid what would change that.",
    )
}

/// Among the instances in this state home, then the one the pointer names, then the newest.
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
