//! What the commands about the record alone change: pause, resume and forget.

use crate::facts::Facts;
use crate::happened::Happened;
use crate::model::id::Sender;
use crate::model::notice::Step;
use crate::model::operator::{CommandOutcome, Refused, RefusedCode};
use crate::model::store::Paused;
use crate::turn::Turn;
use crate::{act, record};

pub(super) fn pause(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    reason: Option<String>,
    from: Option<Sender>,
) -> Result<CommandOutcome, Refused> {
    let (paused, outcome) = match &facts.paused {
        None => {
            let paused = Paused {
                since: turn.now,
                reason,
                by: turn.shared.us.clone(),
                from,
                unknown: Default::default(),
            };
            (paused, CommandOutcome::Paused)
        }
        // A pause without a reason keeps the earlier reason.
        Some(before) if reason.is_none() || reason == before.reason => {
            return Ok(CommandOutcome::AlreadyPaused);
        }
        Some(before) => {
            let paused = Paused {
                reason,
                from,
                ..before.clone()
            };
            (paused, CommandOutcome::ReasonChanged)
        }
    };
    record::may_follow_command(facts, turn)?;
    act::set_pause(facts, turn, Some(paused));
    Ok(outcome)
}

pub(super) fn resume(facts: &mut Facts, turn: &mut Turn<'_>) -> Result<CommandOutcome, Refused> {
    if facts.paused.is_none() {
        return Ok(CommandOutcome::NotPaused);
    }
    record::may_follow_command(facts, turn)?;
    act::set_pause(facts, turn, None);
    Ok(CommandOutcome::Resumed)
}

pub(super) fn forget(facts: &mut Facts, turn: &mut Turn<'_>) -> Result<CommandOutcome, Refused> {
    record::may_follow_command(facts, turn)?;
    let under_way = match (&facts.in_flight, &facts.attempt) {
        (Some(in_flight), _) => Some(in_flight.kind.to_string()),
        (None, Some(_)) => Some("launch without a definite answer".to_owned()),
        (None, None) => None,
    };
    if let Some(under_way) = under_way {
        let text = format!(
            "a {under_way} is under way, and its outcome must not be lost; ask again when it has ended"
        );
        return Err(Refused::new(RefusedCode::MutationInFlight, text));
    }
    record::write_forgotten(facts, turn);
    Ok(CommandOutcome::Forgotten)
}

/// Announces a durable command, and clears the facts if it says so.
pub(super) fn take_effect(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    outcome: CommandOutcome,
    from: Option<&Sender>,
) {
    let fields: Vec<_> = from.iter().map(|from| ("from", from.as_str())).collect();
    let operator = from.map_or_else(
        || "an operator".to_owned(),
        |it| format!("an operator ({it})"),
    );
    match outcome {
        CommandOutcome::Paused | CommandOutcome::ReasonChanged => {
            let veto = turn.scene(facts, Default::default(), |scene| scene.not_paused());
            let text = veto.err().map(|veto| veto.text).unwrap_or_default();
            turn.notice(facts, Step::WorkerPaused, text, &fields);
        }
        CommandOutcome::Resumed => {
            let text = format!("{operator} has resumed the worker");
            turn.notice(facts, Step::WorkerResumed, text, &fields);
        }
        CommandOutcome::Forgotten => {
            act::forget(facts, turn);
            let text = format!(
                "worker state cleared by {operator}; rereading from the cloud (generation stays {})",
                facts.generation
            );
            turn.notice(facts, Step::WorkerForgotten, text, &fields);
        }
        // The route is published again.
        CommandOutcome::Adopted => turn.tell(Happened::PassWanted),
        // The restart flow announces restarts; the other outcomes change nothing.
        CommandOutcome::RestartBegun
        | CommandOutcome::AlreadyAdopted
        | CommandOutcome::RestartDeferred
        | CommandOutcome::AlreadyPaused
        | CommandOutcome::NotPaused
        | CommandOutcome::RestartJoined
        | CommandOutcome::RestartDropped => {}
    }
}
