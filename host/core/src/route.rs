//! The published route. While the route is valid, the shell answers resolves with it and does not
//! ask the core.

use crate::effect::Effect;
use crate::facts::Facts;
use crate::model::response::Route;
use crate::turn::Turn;

/// Has the shell answer resolves with this route.
pub(crate) fn publish(facts: &mut Facts, turn: &mut Turn<'_>, route: Route) {
    facts.change().route = Some(route.clone());
    turn.effects.push(Effect::Publish(route));
}

/// Has the shell stop answering resolves with the route.
pub(crate) fn withdraw(facts: &mut Facts, turn: &mut Turn<'_>) {
    if facts.change().route.take().is_some() {
        turn.effects.push(Effect::Withdraw(facts.id.clone()));
    }
}
