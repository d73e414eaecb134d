//! The pointer is the whole truth. The instance that it names is served or started, and only an
//! empty pointer leads to a launch. Tags, adoption and mutations in flight do not count.

use reeve_policy_sdk::resolve::{Action, Input, Pointer, Verdict};
use reeve_policy_sdk::types::{AddressKind, InstanceFacts, InstanceState};

use crate::settings::Settings;

/// The caller was told that the worker is starting up, and gave up.
const COME_BACK_MS: u32 = 5_000;

/// Decides as the incident's chat and ingest services did.
pub fn decide(input: &Input, _: &Settings) -> Verdict {
    let named = match &input.pointer {
        Pointer::Empty => {
            return Action::Launch(0).because("gpu-instance-launching", "The pointer is empty.");
        }
        Pointer::Unknown => None,
        Pointer::Names(id) => input.instances.iter().find(|facts| facts.id == *id),
    };
    match named {
        Some(facts) if facts.state == InstanceState::Stopped => {
            let text = format!("{} is stopped; the GPU worker is starting up.", facts.id);
            Action::Start(facts.id.clone()).because("gpu-instance-starting", text)
        }
        Some(facts) => serve(facts).unwrap_or_else(|| {
            let text = format!("{} neither runs with an address nor is stopped.", facts.id);
            Action::Wait(COME_BACK_MS).because("gpu-instance-state-issue", text)
        }),
        None => {
            let text = "The pointer, or what it names, could not be read.";
            Action::Unavailable(COME_BACK_MS).because("gpu-instance-state-issue", text)
        }
    }
}

fn serve(facts: &InstanceFacts) -> Option<Verdict> {
    let kinds = [AddressKind::Private, AddressKind::Public];
    let address = kinds.into_iter().find(|kind| facts.addresses.has(*kind))?;
    (facts.state == InstanceState::Running).then(|| {
        let text = format!("{} runs.", facts.id);
        Action::serve(&facts.id, address).because("gpu-instance-running", text)
    })
}
