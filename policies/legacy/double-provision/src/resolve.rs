//! What the control plane's watchdog, recovery and restart each did on their own: a workspace that has not come
//! up is provisioned, whether or not somebody else is just doing that.

use reeve_policy_sdk::resolve::{Action, Adopted, Input, Pointer, Target, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::types::{AddressKind, InstanceFacts, InstanceState, Reason};

use crate::settings::Settings;

/// Decides as the incident's control plane did.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    parse::<Settings>(&input.settings)?;
    let served = home(input).and_then(serve);
    // The flaw: one that boots counts as one that is not there, and nobody asks who else is at it.
    Ok(served.unwrap_or_else(|| {
        verdict(
            Action::Launch,
            "workspace-offline",
            "The workspace is not online; recreating it.".to_owned(),
        )
    }))
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
        let text = format!("{} is online.", facts.id);
        verdict(Action::Serve(target), "workspace-online", text)
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
