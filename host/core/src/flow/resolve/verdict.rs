//! Carries out the verdicts of `resolve`.

use super::not_yet::{self, COME_BACK, address_pending};
use super::pass::PassStep;
use super::state::{Next, Resolve};
use crate::facts::{Facts, WorkerFacts, inputs};
use crate::flow::safe_default;
use crate::guard::Proposal;
use crate::happened::Happened;
use crate::model::cloud::CloudError;
use crate::model::id::{DecisionId, Digest, InstanceId};
use crate::model::point::Reason;
use crate::model::point::resolve::{Action, Adoption, Target, Verdict};
use crate::model::response::{NotYetCode, Route};
use crate::model::restart::{Initiator, RestartRequest};
use crate::model::spec::RestartBy;
use crate::model::time::Millis;
use crate::model::veto::Veto;
use crate::turn::Turn;
use crate::{act, record};

/// The longest time that a `serve` is repeated without asking again.
const VALID_MAX: Millis = Millis::from_secs(600);

impl Resolve {
    /// Carries out the verdict of `resolve`.
    pub(super) fn resolved(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        digest: Option<Digest>,
        verdict: Verdict,
    ) -> Next {
        self.memo.clone_from(&verdict.memo);
        let why = verdict.reason.text;
        match verdict.action {
            Action::Serve(_) if let Some((code, detail)) = goes_down(facts) => {
                self.come_back(facts, turn, decision, code, detail)
            }
            Action::Serve(target) if facts.awaits_look_up(&target.id, turn.now) => {
                self.serve_waits(facts, turn, decision, &target)
            }
            Action::Serve(target) => {
                let valid_for = Millis::from(verdict.valid_for_ms).min(VALID_MAX);
                serve(facts, turn, decision, digest, &target, valid_for).unwrap_or_else(|veto| {
                    turn.vetoed(facts, decision, &veto);
                    self.refused(facts, turn, decision, &veto);
                    Next::Waits
                })
            }
            // The guard would refuse the mutation, so no scan and no call of `adopt` is spent on
            // it.
            Action::Adopt | Action::Start(_) | Action::Launch(_) | Action::Replace(_)
                if facts.paused.is_some() =>
            {
                if let Err(veto) = turn.scene(facts, decision, |scene| scene.not_paused()) {
                    turn.vetoed(facts, decision, &veto);
                    self.refused(facts, turn, decision, &veto);
                }
                Next::Waits
            }
            Action::Adopt if self.adoption_was_asked() => {
                let detail = "`resolve` asks for adoption again, after `adopt` has answered";
                self.come_back(facts, turn, decision, NotYetCode::Waiting, detail)
            }
            Action::Adopt | Action::Start(_) | Action::Launch(_) if self.needs_scan(facts) => {
                self.scan(facts, turn);
                Next::Waits
            }
            Action::Adopt => self.ask_adopt(facts, turn),
            Action::Start(id) => self.change(facts, turn, decision, Proposal::Start(id)),
            Action::Launch(option) => self.launch(facts, turn, decision, option),
            Action::Replace(id) => {
                let reason = Reason::new(verdict.reason.code, why);
                self.replace(facts, turn, decision, &id, reason)
            }
            Action::Wait(ms) => self.wait(facts, turn, decision, &why, Millis::from(ms)),
            Action::Unavailable(ms) => {
                let code = not_yet::unavailable_code(facts);
                let not_yet = not_yet::resting_on(Some(decision), code, why, Millis::from(ms));
                self.turned_away(facts, turn, not_yet);
                Next::Waits
            }
        }
    }

    /// Gives an instance up, so that another one is launched. The adopted one that is, or may be, up
    /// is replaced by a restart, as if a program had asked for it. A stopped one is passed over.
    fn replace(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        id: &InstanceId,
        reason: Reason,
    ) -> Next {
        if let Err(veto) = turn.scene(facts, decision, |scene| scene.may_replace(id)) {
            turn.vetoed(facts, decision, &veto);
            self.refused(facts, turn, decision, &veto);
            return Next::Waits;
        }
        if !(facts.is_adopted(id) && facts.adopted_is_live(turn.now)) {
            act::give_up_stopped(facts, turn, id);
            return Next::AsksResolveAfterWrite;
        }
        let before = self.replace_asked.take().filter(|(of, _)| of == id);
        let window = facts.pool.limits.restart_window;
        let last = before.as_ref().map(|(_, at)| *at);
        let last = last.filter(|at| turn.now.since(*at) < window);
        self.replace_asked = Some((id.clone(), last.unwrap_or(turn.now)));
        if last.is_none() {
            turn.tell(Happened::RestartWanted(RestartRequest {
                cause: reason.code,
                initiator: Initiator::Program,
                text: Some(reason.text),
                kind: Some(RestartBy::Replace),
                of: facts.adoption(),
                from: None,
                unknown: Default::default(),
            }));
        }
        if before.is_some() && !facts.is_restarting() {
            // `debounce` or the guard put the restart off. Until it begins, callers are served.
            let detail = format!("{id} is to be replaced, and the restart is put off");
            return self.serve_on(facts, turn, decision, &detail);
        }
        let detail = format!("{id} is to be replaced by another instance");
        self.come_back(facts, turn, decision, NotYetCode::Waiting, &detail)
    }

    /// Has the callers come back, because the pass could not read the instance by its id, which must
    /// come before it is handed out.
    fn serve_waits(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        target: &Target,
    ) -> Next {
        let known = facts.instances.get(&target.id);
        let failed = known.and_then(|known| known.look_ups_failed.as_ref());
        let Some(failed) = failed.filter(|_| self.was_read(&target.id)) else {
            // A caller doubts the instance since the reading of this pass, or another reading
            // overtook it.
            self.read_instance(facts, turn, target.id.clone());
            return Next::Waits;
        };
        let trouble = &failed.error;
        let code = not_yet::trouble_code(trouble);
        let detail = format!(
            "{} is read by its id before it is handed out, and that failed ({trouble}); when such readings have \
             failed for a while, a new scan is enough",
            target.id
        );
        self.come_back(facts, turn, decision, code, &detail)
    }

    /// Applies the safe default after a failure of `resolve`.
    pub(super) fn resolve_failed(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
    ) -> Next {
        let detail = "the policy gave no usable answer; the safe default is to wait";
        self.serve_on(facts, turn, decision, detail)
    }

    /// Serves the last good address, or has the callers come back for this reason.
    fn serve_on(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        detail: &str,
    ) -> Next {
        if let Some((code, detail)) = goes_down(facts) {
            return self.come_back(facts, turn, decision, code, detail);
        }
        for target in safe_default::resolve(facts) {
            let valid_for = safe_default::SERVE_VALID;
            if let Ok(next) = serve(facts, turn, decision, None, &target, valid_for) {
                return next;
            }
        }
        self.wait(facts, turn, decision, detail, COME_BACK)
    }

    /// Proposes a start or launch when no write of the record is under way. The adoption that it
    /// begins hides a start that fell back, so that start counts first, and the policy is asked
    /// again: only the scan of this pass may have shown it.
    pub(super) fn change(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        proposal: Proposal,
    ) -> Next {
        if facts.record.writing.is_some() {
            self.set_step(PassStep::RecordWritten);
            return Next::Waits;
        }
        if act::count_fallen_back(facts, turn) {
            return Next::AsksResolveAfterWrite;
        }
        Next::Proposes(decision, proposal)
    }

    /// Handles a veto: the facts decide the caller's code, and the search for a pending address
    /// continues.
    pub(super) fn refused(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        veto: &Veto,
    ) {
        if address_pending(facts) {
            return self.watch_address(facts, turn);
        }
        let trouble = self.trouble();
        let not_yet = not_yet::vetoed(facts, turn, decision, veto, trouble);
        self.turned_away(facts, turn, not_yet);
    }

    fn wait(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        why: &str,
        retry_after: Millis,
    ) -> Next {
        if address_pending(facts) {
            self.watch_address(facts, turn);
            return Next::Waits;
        }
        let trouble = self.trouble();
        let not_yet = not_yet::waits(facts, turn, decision, why, trouble, retry_after);
        self.turned_away(facts, turn, not_yet);
        Next::Waits
    }

    fn come_back(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        code: NotYetCode,
        detail: &str,
    ) -> Next {
        let not_yet = not_yet::resting_on(Some(decision), code, detail, COME_BACK);
        self.turned_away(facts, turn, not_yet);
        Next::Waits
    }

    /// The last error of the cloud in this pass.
    fn trouble(&self) -> Option<&CloudError> {
        self.pass.as_ref()?.trouble.as_ref()
    }

    fn adoption_was_asked(&self) -> bool {
        let adoption = self.pass.as_ref().map(|pass| pass.adoption);
        adoption.is_none_or(|adoption| adoption != Adoption::NotAsked)
    }
}

/// Why the adopted instance is not handed out even if it runs: it is being taken down. `None` if it
/// is not.
fn goes_down(facts: &WorkerFacts) -> Option<(NotYetCode, &'static str)> {
    if facts.is_restarting() {
        let detail = "the worker restarts and is not up yet";
        return Some((NotYetCode::Restarting, detail));
    }
    let is_being_ended = facts.adopted_is_being_ended();
    let detail = "the worker's instance is being ended";
    is_being_ended.then_some((NotYetCode::Stopping, detail))
}

/// Hands out the target's address, if the guard agrees.
fn serve(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    digest: Option<Digest>,
    target: &Target,
    valid_for: Millis,
) -> Result<Next, Veto> {
    let ip = turn.scene(facts, decision, |scene| scene.check_serve(target))?;
    let route = Route {
        worker: facts.id.clone(),
        url: inputs::url(ip, facts.pool.port),
        instance: target.id.clone(),
        generation: facts.generation_of(&target.id),
        decision,
        digest,
        valid_until: turn.now + valid_for,
    };
    // The record was written while the instance was down; use from now on must count.
    if !facts.is_recorded_running() && record::may_write(facts, turn) {
        record::write(facts, turn, None);
    }
    Ok(Next::Serves(route))
}
