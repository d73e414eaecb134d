//! A person moves the worker to an instance. The host reads the instance by its id first, so that
//! the guard judges what the provider says at that time.

use super::{At, Pending};
use crate::act;
use crate::facts::{Facts, How};
use crate::flow::shape::Proposed;
use crate::guard::{Proposal, SCAN_AGE_MAX};
use crate::model::cloud::CloudError;
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::model::operator::{CommandOutcome, Refused, RefusedCode};
use crate::model::time::Instant;
use crate::model::veto::{Rule, Veto};
use crate::record;
use crate::turn::Turn;

impl Pending {
    /// Reads the instance, or proposes its adoption if it was read a moment ago.
    pub(super) fn adopt(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        id: InstanceId,
    ) -> Option<Proposed> {
        if facts.is_adopted(&id) {
            self.at = At::Ends(Ok(CommandOutcome::AlreadyAdopted));
            return None;
        }
        if let Err(refused) = record::may_follow_command(facts, turn) {
            self.at = At::Ends(Err(refused));
            return None;
        }
        let is_old = |at: Instant| turn.now.since(at) > SCAN_AGE_MAX;
        if self.looked_up_at.is_none_or(is_old) {
            self.at = At::LookingUp(turn.now);
            turn.query(facts, facts.query_of(id));
            return None;
        }
        self.at = At::Proposed;
        Some(Proposed::new(self.decision, Proposal::AdoptByHand(id)))
    }

    /// Takes in the reading of the instance by its id.
    pub(super) fn on_looked_up(
        &mut self,
        id: &InstanceId,
        asked_at: Instant,
        error: Option<&CloudError>,
    ) {
        self.at = match error {
            None => {
                self.looked_up_at = Some(asked_at);
                At::Ready
            }
            Some(error) => {
                let text = format!("{id} could not be read: {error}; ask again");
                At::Ends(Err(Refused::new(RefusedCode::CloudUnreachable, text)))
            }
        };
    }

    /// Takes in the guard's answer. The permitted pointer write carries the record with it.
    pub(super) fn on_judged(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        id: &InstanceId,
        veto: Option<&Veto>,
    ) {
        self.at = match veto {
            Some(veto) => At::Ends(Err(refused(veto))),
            None => {
                act::take_draining(facts);
                let from = self.from.as_ref();
                act::take(
                    facts,
                    turn,
                    id,
                    How::Found,
                    Step::InstanceAdoptedByHand,
                    from,
                );
                At::Writing(CommandOutcome::Adopted)
            }
        };
    }
}

fn refused(veto: &Veto) -> Refused {
    let code = match veto.rule {
        Rule::MutationInFlight | Rule::RecordBeingWritten => RefusedCode::MutationInFlight,
        Rule::LeaseHeld => RefusedCode::LeaseHeld,
        Rule::RecordUnknown => RefusedCode::StoreUnreachable,
        Rule::Paused => RefusedCode::Paused,
        Rule::OfAnotherFleet => RefusedCode::InstanceForeign,
        Rule::NotThisWorkers | Rule::AdoptedElsewhere => RefusedCode::InstanceOfAnotherWorker,
        Rule::NotVisible => RefusedCode::InstanceNotVisible,
        Rule::WrongState => RefusedCode::InstanceNotLive,
        Rule::OlderGeneration => RefusedCode::InstanceSuperseded,
        _ => return Refused::new(RefusedCode::Vetoed, veto.to_string()),
    };
    Refused::new(code, veto.text.clone())
}
