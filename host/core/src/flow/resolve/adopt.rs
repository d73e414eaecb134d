//! Asks `adopt` which running instance the host should adopt.

use super::not_yet::{self, COME_BACK};
use super::pass::PassStep;
use super::state::{Next, Resolve};
use crate::act;
use crate::facts::{Declined, Facts, How, WorkerFacts};
use crate::flow::safe_default;
use crate::guard::Proposal;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::instance::InstanceState;
use crate::model::notice::Step;
use crate::model::point::Input;
use crate::model::point::adopt::{Choice, Verdict};
use crate::model::point::resolve::Adoption;
use crate::model::response::NotYetCode;
use crate::model::time::{Instant, Millis};
use crate::turn::Turn;

/// The bounds of how long a `none` holds; the minimum is the rest of the pass.
const DECLINED_MIN: Millis = Millis::from_secs(10);
const DECLINED_MAX: Millis = Millis::from_secs(600);

impl Resolve {
    /// Asks `adopt`, unless it has declined the same candidates a moment ago.
    pub(super) fn ask_adopt(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) -> Next {
        let candidates = facts.candidates();
        let all_declined = candidates
            .iter()
            .all(|known| self.is_declined(&known.instance.id, turn.now));
        if all_declined {
            self.not_taken();
            return Next::AsksResolve;
        }
        let input = Input::Adopt(facts.adopt_input(turn.now));
        let decision = turn.decide(facts, input);
        self.set_step(PassStep::Adopt(decision));
        Next::Waits
    }

    /// Carries out the verdict of `adopt`; `None`, the safe default, takes none.
    pub(super) fn adopt_decided(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        verdict: Option<Verdict>,
    ) -> Next {
        let valid_for_ms = verdict
            .as_ref()
            .map_or(safe_default::ADOPT_VALID_MS, |verdict| verdict.valid_for_ms);
        match verdict.map(|verdict| verdict.choice) {
            Some(Choice::Take(_)) if facts.record.writing.is_some() => Next::AsksResolveAfterWrite,
            Some(Choice::Take(id)) if !self.was_read(&id) && !facts.is_confirmed(&id, turn.now) => {
                self.look_up(facts, turn, PassStep::Taken(decision, id.clone()), id);
                Next::Waits
            }
            Some(Choice::Take(id)) => Next::Proposes(decision, Proposal::Adopt(id)),
            Some(Choice::None) | None => self.decline(facts, turn, valid_for_ms),
        }
    }

    /// Takes in the reading of an instance that `adopt` took. It is adopted if it still is a
    /// candidate, also if it could not be read: its first hand-out waits for a reading. An instance
    /// that EC2 shows in scans and does not know by id is new, and the next pass finds it again.
    pub(super) fn taken_is_read(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        id: &InstanceId,
    ) -> Next {
        let state = facts.instances.get(id).map(|known| known.instance.state);
        if state == Some(InstanceState::NotVisible) {
            let detail =
                format!("a scan by tag shows {id}, and the provider does not know its id yet");
            let code = NotYetCode::Waiting;
            let not_yet = not_yet::resting_on(Some(decision), code, detail, COME_BACK);
            self.turned_away(facts, turn, not_yet);
            return Next::Waits;
        }
        let mut candidates = facts.candidates().into_iter();
        let is_candidate = candidates.any(|known| &known.instance.id == id);
        match is_candidate && facts.record.writing.is_none() {
            true => Next::Proposes(decision, Proposal::Adopt(id.clone())),
            false => Next::AsksResolveAfterWrite,
        }
    }

    /// Notes that no candidate is adopted: the guard refused, or `adopt` declined them all.
    pub(super) fn not_taken(&mut self) {
        self.set_adoption(Adoption::Declined);
    }

    /// Adopts the instance after the guard's permit. The pass continues when the record is written.
    pub(super) fn taken(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId) {
        act::take(
            facts,
            turn,
            id,
            How::Found,
            Step::InstanceAdoptedByTag,
            None,
        );
        self.set_adoption(Adoption::Taken);
        self.set_step(PassStep::RecordWritten);
    }

    /// Notes the candidates that `adopt` declined, so that they do not block a launch.
    fn decline(&mut self, facts: &WorkerFacts, turn: &Turn<'_>, valid_for_ms: u32) -> Next {
        let ids = facts.candidates().into_iter();
        let ids = ids.map(|known| known.instance.id.clone()).collect();
        let valid_for = Millis::from(valid_for_ms).clamp(DECLINED_MIN, DECLINED_MAX);
        self.declined = Some(Declined {
            ids,
            until: turn.now + valid_for,
        });
        self.not_taken();
        Next::AsksResolve
    }

    fn is_declined(&self, id: &InstanceId, now: Instant) -> bool {
        let declined = self.declined.as_ref();
        declined.is_some_and(|declined| declined.holds_for(id, now))
    }

    fn set_adoption(&mut self, adoption: Adoption) {
        if let Some(pass) = self.pass.as_mut() {
            pass.adoption = adoption;
        }
    }
}
