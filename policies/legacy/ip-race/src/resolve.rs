//! The fix of incident `stale-pointer`, with its flaw. It searches by tag and adopts. But then it
//! asks only whether there is an address, and takes a missing address for the stopped state of
//! before.

use reeve_policy_sdk::resolve::{Action, Adopted, Adoption, Input, Pointer, Verdict};
use reeve_policy_sdk::types::{AddressKind, InstanceFacts, InstanceState};

/// The caller was told that the worker is starting up, and gave up.
pub(crate) const COME_BACK_MS: u32 = 5_000;

/// Decides as the incident's services did.
pub fn decide(input: &Input) -> Verdict {
    let home = home(input);
    if let Some(served) = home.and_then(serve) {
        return served;
    }
    let is_adopted_now = matches!(input.adoption, Adoption::Taken);
    match home.map(|facts| facts.state) {
        // The flaw: right after the adoption, `home` runs and has no address yet.
        Some(InstanceState::Running | InstanceState::Pending) if is_adopted_now => {
            start_stopped(input)
        }
        Some(InstanceState::Running | InstanceState::Pending | InstanceState::Stopping) => {
            let text = "The instance is on its way.";
            Action::Wait(COME_BACK_MS).because("gpu-instance-state-issue", text)
        }
        _ if matches!(input.adoption, Adoption::NotAsked) => {
            let text = "The instance does not run; one with the tag may.";
            Action::Adopt.because("gpu-instance-state-issue", text)
        }
        _ => start_stopped(input),
    }
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
        let text = format!("{} runs.", facts.id);
        Action::serve(&facts.id, address).because("gpu-instance-running", text)
    })
}

/// "State is stopped": starts the old instance, or launches if there is none.
fn start_stopped(input: &Input) -> Verdict {
    let mut instances = input.instances.iter();
    match instances.find(|facts| facts.state == InstanceState::Stopped) {
        Some(facts) => {
            let text = format!("{} is stopped; starting it for next request.", facts.id);
            Action::Start(facts.id.clone()).because("gpu-instance-starting-stopped", text)
        }
        None => {
            let text = "There is no instance to start.";
            Action::Launch(0).because("gpu-instance-launching", text)
        }
    }
}
