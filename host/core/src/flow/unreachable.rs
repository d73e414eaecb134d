//! Callers that do not reach the instance they were given.
//!
//! ```text
//! report about the adopted instance ──▶ withdraw the route ──▶ read the instance by its id
//!                                                                        │
//!           `resolve` is asked, and sees the report ◀── it runs ◀────────┤
//!           the next resolve brings the worker up ◀── it does not run ◀──┘
//! ```
//!
//! A report is a hint of one caller, whose own network may be at fault. It never ends an instance,
//! and it costs one look in [`LOOK_EVERY`] at most, however many callers report. Reports in that time
//! get what the look has found.

use std::collections::VecDeque;

use crate::act;
use crate::facts::{Adopted, Facts, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::happened::Happened;
use crate::model::cloud::{CloudError, Query};
use crate::model::id::{InstanceId, RequestId};
use crate::model::instance::InstanceState;
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::request::Request;
use crate::model::response::{LookOutcome, Looked, Response};
use crate::model::time::{Instant, Millis};
use crate::turn::Turn;

/// How often an instance is looked at. The standard policy repeats an answer for as long, so reports
/// at most double the readings of a worker in use. A healthy worker is without its route for the
/// length of one reading in this time.
const LOOK_EVERY: Millis = Millis::from_secs(30);
/// When a caller resolves again while the instance is being read: after the call to the cloud.
const SOON: Millis = Millis::from_secs(1);

/// The last look, and reports that have no response yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Unreachable {
    look: Option<Look>,
    heard: VecDeque<Heard>,
}

/// A look at the adopted instance after a report.
#[derive(Clone, Debug)]
struct Look {
    adopted: Adopted,
    begun: Instant,
    /// What the reading by id says; `None` while it is under way.
    found: Option<Result<InstanceState, CloudError>>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// A caller does not reach this instance.
    Reported(RequestId, InstanceId),
    /// This instance was asked for at this instant, and read or not.
    InstanceRead(InstanceId, Instant, Option<CloudError>),
}

impl Flow for Unreachable {
    fn hear(&mut self, _facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        let heard = match happened {
            Happened::Asked {
                request,
                what: Request::Unreachable { instance },
            } => Heard::Reported(*request, instance.clone()),
            Happened::Queried {
                query: Query::Instance { id, .. },
                asked_at,
                result,
            } if self.is_under_way() => {
                Heard::InstanceRead(id.clone(), *asked_at, result.as_ref().err().cloned())
            }
            Happened::CommandDone(CommandOutcome::Forgotten) => {
                self.look = None;
                return;
            }
            _ => return,
        };
        self.heard.push_back(heard);
    }

    fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        match self.heard.pop_front()? {
            Heard::Reported(request, id) => {
                let looked = self.reported(facts, turn, &id);
                turn.respond(facts, request, Response::Unreachable(looked));
            }
            Heard::InstanceRead(id, asked_at, error) => {
                self.instance_read(facts, turn, &id, asked_at, error);
            }
        }
        None
    }

    fn waits_for(&self, _facts: &WorkerFacts) -> Option<Wait> {
        let wait = Wait::answered("the reading of an instance that a caller does not reach");
        self.is_under_way().then_some(wait)
    }
}

impl Unreachable {
    fn is_under_way(&self) -> bool {
        self.look.as_ref().is_some_and(|look| look.found.is_none())
    }

    /// Takes in a report, and begins a look unless there was one a moment ago.
    fn reported(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId) -> Looked {
        let Some(adopted) = facts.adopted.clone().filter(|adopted| &adopted.id == id) else {
            return stale(facts, id);
        };
        let of_late = self
            .look
            .as_ref()
            .filter(|look| look.adopted == adopted && turn.now.since(look.begun) < LOOK_EVERY);
        if let Some(look) = of_late {
            return look.response(turn.now);
        }
        let text =
            format!("a caller does not reach {id}; the host reads it before it hands it out");
        turn.notice(
            facts,
            Step::AddressDoubted,
            text,
            &[("instance_id", id.as_str())],
        );
        act::doubt(facts, turn, id);
        let look = Look {
            adopted,
            begun: turn.now,
            found: None,
        };
        let response = look.response(turn.now);
        self.look = Some(look);
        turn.query(facts, facts.query_of(id.clone()));
        response
    }

    /// Takes in the reading of the look. If the instance runs, `resolve` is asked whether it serves on:
    /// the policy sees the report.
    fn instance_read(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        id: &InstanceId,
        asked_at: Instant,
        error: Option<CloudError>,
    ) {
        let look = self.look.as_mut();
        let Some(look) = look.filter(|look| &look.adopted.id == id && asked_at >= look.begun)
        else {
            return;
        };
        look.found = Some(match error {
            Some(error) => Err(error),
            None => {
                let known = facts.instances.get(id);
                Ok(known.map(|known| known.instance.state).unwrap_or_default())
            }
        });
        let runs = matches!(look.found, Some(Ok(InstanceState::Running)));
        if runs && facts.adopted.as_ref() == Some(&look.adopted) {
            turn.tell(Happened::PassWanted);
        }
    }
}

impl Look {
    fn response(&self, now: Instant) -> Looked {
        let id = &self.adopted.id;
        let ago = now.since(self.begun);
        let next = Millis::new(LOOK_EVERY.get().saturating_sub(ago.get()));
        let (outcome, detail, retry_after) = match &self.found {
            None => (
                LookOutcome::Looking,
                format!("{id} is read by its id before it is handed out again; resolve again"),
                SOON,
            ),
            Some(Ok(state @ InstanceState::Running)) => (
                outcome(*state),
                format!(
                    "{id} was looked at {ago} ago and runs; it stays in service, and is looked at again in {next} at \
                     the earliest"
                ),
                next,
            ),
            Some(Ok(state)) => (
                outcome(*state),
                format!(
                    "{id} was looked at {ago} ago and is {}; resolve again",
                    state.as_str()
                ),
                SOON,
            ),
            Some(Err(error)) => (
                LookOutcome::NotRead,
                format!("{id} could not be read {ago} ago ({error}); resolve again"),
                SOON,
            ),
        };
        Looked {
            outcome,
            detail,
            retry_after,
        }
    }
}

/// What a reading by id says. A boot is no end, and EC2 may not show a fresh instance for a while.
fn outcome(state: InstanceState) -> LookOutcome {
    use InstanceState::{
        NotVisible, Pending, Running, ShuttingDown, Stopped, Stopping, Terminated, Unknown,
    };
    match state {
        Running => LookOutcome::Runs,
        Pending => LookOutcome::Looking,
        Unknown | NotVisible => LookOutcome::NotRead,
        Stopping | Stopped | ShuttingDown | Terminated => LookOutcome::Down,
    }
}

fn stale(facts: &WorkerFacts, id: &InstanceId) -> Looked {
    let adopted = facts.adopted.as_ref();
    let whose = adopted.map_or_else(
        || "no instance is".to_owned(),
        |adopted| format!("{} is", adopted.id),
    );
    Looked {
        outcome: LookOutcome::Stale,
        detail: format!("{id} is not the worker's instance ({whose}); resolve again"),
        retry_after: Millis::ZERO,
    }
}
