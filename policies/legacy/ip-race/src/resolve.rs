//! The fix of incident `stale-pointer`, with its flaw: it looks by tag and adopts, but then asks only
//! whether there is an address, and takes the lack of one for the stopped state it came from.

use reeve_policy_sdk::resolve::{Action, Adopted, Adoption, Input, Pointer, Target, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::types::{AddressKind, InstanceFacts, InstanceState, Reason};

use crate::settings::Settings;

/// The caller was told that the worker is starting up, and gave up.
pub(crate) const COME_BACK_MS: u32 = 5_000;

/// Decides as the incident's services did.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    parse::<Settings>(&input.settings)?;
    let home = home(input);
    if let Some(served) = home.and_then(serve) {
        return Ok(served);
    }
    let is_adopted_now = matches!(input.adoption, Adoption::Taken);
    Ok(match home.map(|facts| facts.state) {
        // The flaw: right after the adoption, `home` runs and has no address yet.
        Some(InstanceState::Running | InstanceState::Pending) if is_adopted_now => {
            start_stopped(input)
        }
        Some(InstanceState::Running | InstanceState::Pending | InstanceState::Stopping) => verdict(
            Action::Wait(COME_BACK_MS),
            "gpu-instance-state-issue",
            "The instance is on its way.".to_owned(),
        ),
        _ if matches!(input.adoption, Adoption::NotAsked) => verdict(
            Action::Adopt,
            "gpu-instance-state-issue",
            "The instance does not run; one with the tag may.".to_owned(),
        ),
        _ => start_stopped(input),
    })
}

/// The adopted instance, or else the one that the pointer names.
fn home(input: &Input) -> Option<&InstanceFacts> {
    let id = match (&input.adopted, &input.pointer) {
        (Adopted::Instance(id), _) | (Adopted::None, Pointer::Names(id)) => id,
        (Adopted::None, Pointer::Empty | Pointer::Unknown) => return None,
    };
    input.instances.iter().find(|facts| facts.id == *id)
}

fn serve(facts: &InstanceFacts) -> Option<Verdict> {
    let kinds = [AddressKind::Private, AddressKind::Public];
    let address = kinds.into_iter().find(|kind| facts.addresses.has(*kind))?;
    (facts.state == InstanceState::Running).then(|| {
        let target = Target {
            id: facts.id.clone(),
            address,
        };
        let text = format!("{} runs.", facts.id);
        verdict(Action::Serve(target), "gpu-instance-running", text)
    })
}

/// "State is stopped": start the old instance, or launch when there is none.
fn start_stopped(input: &Input) -> Verdict {
    let mut instances = input.instances.iter();
    match instances.find(|facts| facts.state == InstanceState::Stopped) {
        Some(facts) => verdict(
            Action::Start(facts.id.clone()),
            "gpu-instance-starting-stopped",
            format!("{} is stopped; starting it for next request.", facts.id),
        ),
        None => verdict(
            Action::Launch,
            "gpu-instance-launching",
            "There is no instance to start.".to_owned(),
        ),
    }
}

fn verdict(action: Action, code: &str, text: String) -> Verdict {
    Verdict {
        action,
        reason: Reason::new(code, text),
        valid_for_ms: 0,
        memo: String::new(),
    }
}
