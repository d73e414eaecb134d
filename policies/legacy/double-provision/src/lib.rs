//! The incident docs/incidents.md#double-provision, replayed. **Wrong on purpose**: it shows in
//! demonstrations and tests what the host's guard contains. Do not use it.
//!
//! The control plane's watchdog, recovery and restart each did this on their own: a workspace that
//! is not online is provisioned, even if another of them provisions it already.

use reeve_policy_sdk::policy;
use reeve_policy_sdk::resolve::{Action, Adopted, Input, Pointer, Verdict};
use reeve_policy_sdk::types::{AddressKind, InstanceFacts, InstanceState};

policy!(resolve: resolve);

/// Decides as the incident's control plane did.
pub fn resolve(input: &Input) -> Verdict {
    // The flaw: an instance that boots counts as missing, and an earlier launch is not looked for.
    home(input).and_then(serve).unwrap_or_else(|| {
        Action::Launch(0).because(
            "workspace-offline",
            "The workspace is not online; recreating it.",
        )
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
        let text = format!("{} is online.", facts.id);
        Action::serve(&facts.id, address).because("workspace-online", text)
    })
}
