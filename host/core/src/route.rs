//! The published route: while it holds, the shell answers resolves with it and asks nothing.

use crate::effect::Effect;
use crate::facts::Facts;
use crate::model::response::Route;
use crate::turn::Turn;

/// Has the shell answer resolves with this route.
pub(crate) fn publish(facts: &mut Facts, turn: &mut Turn<'_>, route: Route) {
    facts.change().route = Some(route.clone());
    turn.effects.push(Effect::Publish(route));
}

/// Has the shell stop doing so at once.
pub(crate) fn withdraw(facts: &mut Facts, turn: &mut Turn<'_>) {
    if facts.change().route.take().is_some() {
        turn.effects.push(Effect::Withdraw(facts.id.clone()));
    }
}
