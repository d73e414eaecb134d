//! The order in which the run for the canonical digest carries out the effects of a step. A call
//! takes its latency from a random stream when the simulator carries it out, so this order must not
//! depend on the core's order.

use reeve_core::effect::Effect;

use super::line::Line;

/// Sorts the effects of a step, each with its lines: by class, and within most classes by content.
pub(super) fn arrange(step: &mut [(Vec<Line>, Effect)]) {
    step.sort_by_cached_key(|(lines, effect)| {
        let class = Class::of(effect);
        let content = match class {
            Class::Journal | Class::Commit => Vec::new(),
            // A withdrawal after a publication differs from one before it, so a worker's order
            // stays.
            Class::Route => vec![worker_of(lines)],
            _ => lines.iter().map(Line::without_ids).collect(),
        };
        (class, content)
    });
}

fn worker_of(lines: &[Line]) -> String {
    let worker = lines.first().map(|line| line.worker().as_str().to_owned());
    worker.unwrap_or_default()
}

/// Classes of effects, in the order in which the canonical run carries them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// In the core's order. An intent stands before its commit.
    Journal,
    /// By worker, and for each worker in the core's order.
    Route,
    /// In the core's order.
    Commit,
    Refresh,
    ReadRecord,
    Query,
    Probe,
    Decide,
    Response,
    Notice,
    Timer,
}

impl Class {
    fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Journal(_) => Self::Journal,
            Effect::Withdraw(_) | Effect::Publish(_) => Self::Route,
            Effect::Commit { .. } => Self::Commit,
            Effect::Refresh { .. } => Self::Refresh,
            Effect::ReadRecord(_) => Self::ReadRecord,
            Effect::Query { .. } => Self::Query,
            Effect::Probe { .. } => Self::Probe,
            Effect::Decide(_) => Self::Decide,
            Effect::Respond { .. } => Self::Response,
            Effect::Notice(_) => Self::Notice,
            Effect::Timer { .. } => Self::Timer,
        }
    }
}
