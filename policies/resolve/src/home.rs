//! Home: the adopted instance, or else the instance that the pointer names. While home runs, boots,
//! or may do so unseen, its answer is the policy's answer.

use reeve_policy_sdk::resolve::{Action, Adopted, Adoption, InFlight, Input, Pointer, Verdict};
use reeve_policy_sdk::text::duration;
use reeve_policy_sdk::types::{AddressKind, InstanceFacts, InstanceState};

use crate::settings::{Address, Settings};

/// How long a caller waits if the last reading is too old. The host reads again before that.
const READING_WAIT_MS: u32 = 1_000;
/// How long a caller waits while a fact is missing. The host reads again before that.
pub(crate) const UNKNOWN_WAIT_MS: u32 = 2_000;

/// The adopted instance. The host's record is the authority.
pub(crate) fn adopted(input: &Input) -> Option<&str> {
    match &input.adopted {
        Adopted::Instance(id) => Some(id),
        Adopted::None => None,
    }
}

/// The instance that the pointer names.
pub(crate) fn pointed(input: &Input) -> Option<&str> {
    match &input.pointer {
        Pointer::Names(id) => Some(id),
        Pointer::Empty | Pointer::Unknown => None,
    }
}

/// The adopted instance, or else the one the pointer names.
pub(crate) fn id(input: &Input) -> Option<&str> {
    adopted(input).or_else(|| pointed(input))
}

/// What the host knows of this instance.
pub(crate) fn facts<'a>(input: &'a Input, id: &str) -> Option<&'a InstanceFacts> {
    input.instances.iter().find(|facts| facts.id == id)
}

/// The answer of home; `None` if there is no home, or home certainly neither runs nor boots.
pub(crate) fn answer(input: &Input, settings: &Settings) -> Option<Verdict> {
    let is_adopted = adopted(input).is_some();
    let id = id(input)?;
    // An adopted instance without a reading may have been launched a moment ago. A search for
    // another could hand the worker back to the instance that it replaces. An instance that only
    // the pointer names is a hint: a search comes first.
    let unseen = || is_adopted.then(|| uncertain(input, settings)).flatten();
    let Some(facts) = facts(input, id) else {
        return unseen();
    };
    match facts.state {
        InstanceState::Running => match address(facts, settings) {
            Some(address) => serve(input, facts, address, settings),
            None if is_adopted => Some(ip_pending(facts, settings)),
            None => unadopted(input, facts, settings),
        },
        InstanceState::Pending if is_adopted => Some(booting(facts, settings)),
        InstanceState::Pending => unadopted(input, facts, settings),
        _ => unseen(),
    }
}

/// `wait` while home may be live: it has no reading, or has been not visible for too short a time.
pub(crate) fn uncertain(input: &Input, settings: &Settings) -> Option<Verdict> {
    let id = id(input)?;
    let facts = facts(input, id);
    let wait = |code, text: String| Some(Action::Wait(UNKNOWN_WAIT_MS).because(code, text));
    match facts.map_or(InstanceState::Unknown, |facts| facts.state) {
        InstanceState::Unknown => wait(
            "state-unknown",
            format!("The state of {id} could not be read, so it may run."),
        ),
        InstanceState::NotVisible => {
            let hidden_ms = facts.and_then(|facts| facts.in_state.ms()).unwrap_or(0);
            if hidden_ms >= settings.not_visible_ms_max {
                return None;
            }
            let text = format!(
                "The provider has not shown {id} for {}; it counts as gone after {}.",
                duration(hidden_ms),
                duration(settings.not_visible_ms_max)
            );
            wait("not-visible", text)
        }
        _ => None,
    }
}

fn serve(
    input: &Input,
    facts: &InstanceFacts,
    address: AddressKind,
    settings: &Settings,
) -> Option<Verdict> {
    let is_adopted = adopted(input).is_some();
    // The host ends an adoption in the same action as it stops the instance. So a stop in flight
    // while an instance is adopted is a stop of another. Without an adoption it may be of the one
    // named.
    if !is_adopted && matches!(input.in_flight, InFlight::Stopping(_)) {
        return None;
    }
    if facts
        .observed
        .ms()
        .is_none_or(|ms| ms > settings.observed_ms_max)
    {
        let text = format!(
            "{} ran when it was last read, which is too long ago to hand out its address.",
            facts.id
        );
        return Some(Action::Wait(READING_WAIT_MS).because("reading-old", text));
    }
    let (code, whose) = if is_adopted {
        ("serve-adopted", "the adopted instance")
    } else {
        ("serve-pointer", "the instance that the pointer names")
    };
    let text = format!("{}, {whose}, runs and has an address.", facts.id);
    let serve = Action::serve(&facts.id, address).because(code, text);
    Some(serve.valid_for_ms(settings.serve_valid_ms))
}

/// The first assigned address in the pool's order.
fn address(facts: &InstanceFacts, settings: &Settings) -> Option<AddressKind> {
    let mut kinds = settings.address_order.iter().map(|kind| match kind {
        Address::Private => AddressKind::Private,
        Address::Public => AddressKind::Public,
    });
    kinds.find(|kind| facts.addresses.has(*kind))
}

/// A live instance that only the pointer names. `adopt` is asked first: it may know a better one,
/// and the host looks for the address of the one that it takes. If `adopt` took none, the pointer
/// still counts for a while: the instance may carry no tags, and then no scan shows it.
fn unadopted(input: &Input, facts: &InstanceFacts, settings: &Settings) -> Option<Verdict> {
    let is_patient = facts.in_state.ms().unwrap_or(0) < settings.pointer_patience_ms;
    let was_declined = matches!(input.adoption, Adoption::Declined);
    (was_declined && is_patient).then(|| match facts.state {
        InstanceState::Running => ip_pending(facts, settings),
        _ => booting(facts, settings),
    })
}

fn ip_pending(facts: &InstanceFacts, settings: &Settings) -> Verdict {
    let found = if facts.addresses.any() {
        "only an address of a kind that `address_order` leaves out"
    } else {
        "no address yet"
    };
    let text = format!(
        "{} runs and has {found}; nothing else is started.",
        facts.id
    );
    Action::Wait(settings.ip_pending_wait_ms).because("ip-pending", text)
}

fn booting(facts: &InstanceFacts, settings: &Settings) -> Verdict {
    let since = match facts.in_state.ms() {
        Some(ms) => duration(ms),
        None => "an unknown time".to_owned(),
    };
    let text = format!("{} has been booting for {since}.", facts.id);
    Action::Wait(settings.boot_wait_ms).because("booting", text)
}
