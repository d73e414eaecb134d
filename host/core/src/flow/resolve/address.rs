//! The search for the address of a running instance. Finding the instance and finding its address
//! are separate steps: this one never starts another instance (docs/incidents.md#ip-race).

use super::not_yet::{self, address_pending};
use super::pass::PassStep;
use super::state::{AddressWatch, Next, Resolve};
use crate::act;
use crate::event::WorkerTimer;
use crate::facts::{Facts, WorkerFacts};
use crate::flow::safe_default;
use crate::model::notice::Step;
use crate::model::point::Input;
use crate::model::point::retry_ip::{self, Verdict};
use crate::model::response::NotYetCode;
use crate::model::time::Millis;
use crate::turn::Turn;

/// The bounds of the pause before the next reading: a shorter one would only cost describe calls, a
/// longer one would leave callers waiting.
const AGAIN_MIN: Millis = Millis::new(100);
const AGAIN_MAX: Millis = Millis::from_secs(60);
/// The longest a `give-up` answers later callers.
const GIVE_UP_VALID_MAX: Millis = Millis::from_secs(60);

impl Resolve {
    /// Begins or continues the search for the address of the adopted instance.
    pub(super) fn watch_address(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let Some(adopted) = &facts.adopted else {
            return;
        };
        let id = adopted.id.clone();
        let watch = match self.address_watch.take() {
            Some(watch) if watch.id == id => AddressWatch {
                tries: watch.tries.saturating_add(1),
                ..watch
            },
            _ => AddressWatch {
                id: id.clone(),
                adopted_since: adopted.since,
                tries: 1,
                since: turn.now,
                given_up: None,
            },
        };
        let input = watch.input(facts, turn.now);
        self.address_watch = Some(watch);
        let Some(input) = input else {
            return;
        };
        if input.tries == 1 {
            let text = format!("{id} runs and has no address yet; the host reads it again");
            let fields = [("instance_id", id.as_str())];
            turn.notice(facts, Step::AddressPending, text, &fields);
        }
        let decision = turn.decide(facts, Input::RetryIp(input));
        self.set_step(PassStep::RetryIp(decision));
    }

    /// Continues a search under way if the instance, just read, still has no address. Otherwise the
    /// search is over, and `resolve` decides.
    pub(super) fn is_still_pending(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) -> bool {
        if self.address_watch.is_some() && address_pending(facts) {
            self.watch_address(facts, turn);
            return true;
        }
        self.address_watch = None;
        false
    }

    /// Ends the search if its adoption is over.
    pub(super) fn drop_stale_watch(&mut self, facts: &WorkerFacts) {
        let adopted = facts.adopted.as_ref();
        self.address_watch.take_if(|watch| {
            adopted.is_none_or(|it| it.id != watch.id || it.since != watch.adopted_since)
        });
    }

    /// Carries out the verdict of `retry-ip`; `None` if it gave no usable answer.
    pub(super) fn retry_ip_decided(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        verdict: Option<&Verdict>,
    ) {
        let tries = self.address_watch.as_ref().map_or(0, |watch| watch.tries);
        let (next, valid_for) = match verdict {
            Some(verdict) => {
                let valid_for = Millis::from(verdict.valid_for_ms).min(GIVE_UP_VALID_MAX);
                (verdict.next, valid_for)
            }
            None => (safe_default::retry_ip(tries), safe_default::GIVE_UP_VALID),
        };
        match next {
            retry_ip::Next::Again(ms) => self.try_again_after(facts, turn, Millis::from(ms)),
            retry_ip::Next::GiveUp(ms) => self.give_up(facts, turn, Millis::from(ms), valid_for),
            // The readings that follow show when the instance may be ended.
            retry_ip::Next::Abandon => {
                act::abandon_address(facts);
                self.give_up(facts, turn, not_yet::COME_BACK, valid_for);
            }
        }
    }

    /// Reads the instance again after the pause.
    pub(super) fn look_for_address(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) -> Next {
        let step = self.pass.as_ref().map(|pass| &pass.step);
        if !matches!(step, Some(PassStep::AddressPause(_))) {
            return Next::Waits;
        }
        let Some(watch) = &self.address_watch else {
            // The instance was ended in the pause; the pass continues without it.
            return Next::AsksResolveAfterWrite;
        };
        let id = watch.id.clone();
        self.set_step(PassStep::Instance(id.clone()));
        turn.query(facts, facts.query_of(id));
        Next::Waits
    }

    fn try_again_after(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, pause: Millis) {
        let pause = pause.clamp(AGAIN_MIN, AGAIN_MAX);
        if self.callers.is_empty() {
            // No caller waits for this pass, so the slower background search is enough.
            return self.give_up(facts, turn, pause, Millis::ZERO);
        }
        let at = turn.now + pause;
        self.set_step(PassStep::AddressPause(at));
        turn.timer(facts, at, WorkerTimer::LookForAddress);
    }

    fn give_up(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        come_back: Millis,
        valid_for: Millis,
    ) {
        let id = self.address_watch.as_mut().map(|watch| {
            watch.given_up = Some((turn.now + valid_for, come_back));
            watch.id.clone()
        });
        let id = id.map(String::from).unwrap_or_default();
        let detail =
            format!("{id} is running and its address is not assigned yet; the host keeps looking");
        let not_yet = not_yet::not_yet(facts, NotYetCode::IpPending, detail, come_back);
        self.turned_away(facts, turn, not_yet);
    }
}
