//! The pointer is the whole truth: what it names is served or started, and only an empty pointer leads
//! to a launch. Nothing else is looked at: not the tags, not what is adopted, not what is under way.

use reeve_policy_sdk::resolve::{Action, Input, Pointer, Target, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::types::{AddressKind, InstanceFacts, InstanceState, Reason};

use crate::settings::Settings;

/// The caller was told that the worker is starting up, and gave up.
const COME_BACK_MS: u32 = 5_000;

/// Decides as the incident's chat and ingest services did.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    parse::<Settings>(&input.settings)?;
    let named = match &input.pointer {
        Pointer::Empty => {
            let text = "The pointer is empty.".to_owned();
            return Ok(verdict(Action::Launch, "gpu-instance-launching", text));
        }
        Pointer::Unknown => None,
        Pointer::Names(id) => input.instances.iter().find(|facts| facts.id == *id),
    };
    Ok(match named {
        Some(facts) if facts.state == InstanceState::Stopped => verdict(
            Action::Start(facts.id.clone()),
            "gpu-instance-starting",
            format!("{} is stopped; the GPU worker is starting up.", facts.id),
        ),
        Some(facts) => serve(facts).unwrap_or_else(|| {
            let text = format!("{} neither runs with an address nor is stopped.", facts.id);
            verdict(Action::Wait(COME_BACK_MS), "gpu-instance-state-issue", text)
        }),
        None => verdict(
            Action::Unavailable(COME_BACK_MS),
            "gpu-instance-state-issue",
            "The pointer, or what it names, could not be read.".to_owned(),
        ),
    })
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

fn verdict(action: Action, code: &str, text: String) -> Verdict {
    Verdict {
        action,
        reason: Reason::new(code, text),
        valid_for_ms: 0,
        memo: String::new(),
    }
}
