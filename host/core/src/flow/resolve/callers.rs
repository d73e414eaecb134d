//! The callers of a resolve: arrivals, waits and responses.

use super::not_yet::{self, standing};
use super::state::{Caller, Resolve};
use crate::effect::Effect;
use crate::event::WorkerTimer;
use crate::facts::{Facts, WorkerFacts};
use crate::happened::Happened;
use crate::model::id::{InstanceId, RequestId};
use crate::model::journal::Content;
use crate::model::notice::Step;
use crate::model::response::{NotYet, NotYetCode, Resolution, Response, Route};
use crate::model::store::Refresh;
use crate::model::time::Millis;
use crate::turn::Turn;
use crate::{act, route};

/// The bounds of the pause between passes for an instance on its way. Describe calls are cheap at
/// one a second, and a policy's "in ten minutes" must not keep the host from noticing the instance
/// earlier.
const FOLLOW_MIN: Millis = Millis::from_secs(1);
const FOLLOW_MAX: Millis = Millis::from_secs(30);
/// The bounds of the pause between looks while nothing is on its way and no caller waits, but the
/// worker is wanted. Each look may be a launch that is refused, and capacity is back within minutes.
const WANTED_MIN: Millis = Millis::from_secs(10);
const WANTED_MAX: Millis = Millis::from_secs(300);

impl Resolve {
    /// Takes in a caller, and responds from the published route or from a `give-up` that still
    /// holds, or has the caller wait for a pass. Returns whether a pass must begin.
    pub(super) fn ask(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RequestId,
        wait: Option<Millis>,
    ) -> bool {
        act::note_asked(facts, turn.now);
        let valid = facts
            .route
            .clone()
            .filter(|route| turn.now < route.valid_until);
        if let Some(route) = valid {
            self.handed_out(facts, turn, &route.instance, 1);
            answer(facts, turn, request, Resolution::Served(route));
            return false;
        }
        let watch = self.address_watch.as_ref();
        let given_up = watch.and_then(|watch| watch.given_up);
        if let Some((until, come_back)) = given_up
            && wait.is_none()
            && turn.now < until
            && standing(facts, turn).is_some_and(|code| code == NotYetCode::IpPending)
        {
            let detail = "the host keeps looking for the address";
            let not_yet = not_yet::not_yet(facts, NotYetCode::IpPending, detail, come_back);
            answer(facts, turn, request, Resolution::NotYet(not_yet));
            return false;
        }
        self.wanted_until = Some(turn.now + facts.pool.limits.idle_min);
        let deadline = turn.now + wait.unwrap_or(facts.pool.limits.pass_max);
        let is_patient = wait.is_some();
        self.callers.insert(request, Caller { is_patient });
        turn.timer(facts, deadline, WorkerTimer::Deadline(request));
        self.pass.is_none()
    }

    /// Ends a caller's wait with an honest "not yet".
    pub(super) fn deadline(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        request: RequestId,
    ) {
        if self.callers.remove(&request).is_none() {
            return;
        }
        let last = self.last_not_yet.as_ref().map(|(not_yet, at)| {
            let age = turn.now.since(*at).get();
            let left = Millis::new(not_yet.retry_after.get().saturating_sub(age));
            NotYet {
                retry_after: left.max(FOLLOW_MIN).min(not_yet.retry_after),
                ..not_yet.clone()
            }
        });
        let not_yet = not_yet::timed_out(facts, turn, last, self.pass.is_some());
        answer(facts, turn, request, Resolution::NotYet(not_yet));
    }

    /// Ends the pass with an address, publishes the route, and responds to all callers. A drain that
    /// no caller ends goes without a route: the host would hear of callers that take one too late
    /// to keep the instance (G5).
    pub(super) fn served(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, route: Route) {
        self.pass = None;
        self.address_watch = None;
        self.last_not_yet = None;
        self.wanted_until = None;
        let waiting: Vec<_> = std::mem::take(&mut self.callers).into_keys().collect();
        if facts.draining.is_none() || !waiting.is_empty() {
            route::publish(facts, turn, route.clone());
        }
        if !waiting.is_empty() {
            turn.tell(Happened::CallersServed);
            let count = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
            self.handed_out(facts, turn, &route.instance, count);
        }
        for request in waiting {
            answer(facts, turn, request, Resolution::Served(route.clone()));
        }
    }

    /// Ends the pass without an address. Callers that named a wait keep waiting. The host looks
    /// again while they do, while an instance is on its way, and while the worker is wanted.
    pub(super) fn turned_away(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        not_yet: NotYet,
    ) {
        let not_yet = not_yet::as_told(facts, turn, not_yet);
        self.pass = None;
        self.last_not_yet = Some((not_yet.clone(), turn.now));
        let impatient = self.callers.extract_if(.., |_, caller| !caller.is_patient);
        for (request, _) in impatient {
            answer(facts, turn, request, Resolution::NotYet(not_yet.clone()));
        }
        // The restart flow checks a restart in flight.
        let on_its_way = not_yet.code != NotYetCode::Restarting
            && (facts.adopted_is_live(turn.now) || facts.in_flight.is_some());
        let has_callers = !self.callers.is_empty();
        let pause = match (on_its_way, has_callers) {
            (true, true) => FOLLOW_MIN,
            (true, false) | (false, true) => not_yet.retry_after.clamp(FOLLOW_MIN, FOLLOW_MAX),
            // A policy that was refused would propose the same again.
            (false, false) if not_yet.code == NotYetCode::Vetoed => return,
            (false, false) if self.is_wanted(facts, turn.now) => {
                not_yet.retry_after.clamp(WANTED_MIN, WANTED_MAX)
            }
            (false, false) => return,
        };
        let at = turn.now + pause;
        if self.follow_at.is_none_or(|follow_at| at < follow_at) {
            self.follow_at = Some(at);
            turn.timer(facts, at, WorkerTimer::Follow);
        }
    }

    /// Whether the next pass without a request is due, and no pass is under way. The timer has no
    /// effect if an earlier one replaced it; otherwise each timer would begin its own series.
    pub(super) fn is_time_to_follow(&mut self, turn: &Turn<'_>) -> bool {
        if self.follow_at.is_none_or(|at| turn.now < at) {
            return false;
        }
        self.follow_at = None;
        self.pass.is_none()
    }

    /// Notes that callers got the address of this instance. The store gets the time to the minute,
    /// for other hosts and the next life. A minute is exact enough for "not used for ten minutes",
    /// and costs one write a minute for a worker in use.
    pub(super) fn handed_out(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        id: &InstanceId,
        count: u64,
    ) {
        self.count_hand_outs(facts, turn, id, count);
        const TOLD_EVERY_MAX: Millis = Millis::from_secs(60);
        // The interval stays below `idle_min`, however short that is.
        let idle_min = facts.pool.limits.idle_min.get();
        let told_every = Millis::new(idle_min / 2).min(TOLD_EVERY_MAX);
        act::note_handed_out(facts, turn.now, id);
        let is_told = self
            .handed_out_told
            .is_some_and(|at| turn.now.since(at) < told_every);
        if is_told || !facts.is_adopted(id) {
            return;
        }
        self.handed_out_told = Some(turn.now);
        turn.effects.push(Effect::Refresh {
            worker: facts.id.clone(),
            // No request waits for it.
            request: RequestId::default(),
            refresh: Refresh::HandedOut { at: turn.now },
        });
    }

    /// Counts hand-outs for the journal, which gets one line a minute of a worker in use: most callers
    /// are answered with the published route, and a backtest must know of them.
    fn count_hand_outs(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        id: &InstanceId,
        count: u64,
    ) {
        const MINUTE: Millis = Millis::from_secs(60);
        if self.hand_outs.is_empty() {
            turn.timer(facts, turn.now + MINUTE, WorkerTimer::HandOuts);
        }
        let (_, counted) = self.hand_outs.entry(id.clone()).or_insert((turn.now, 0));
        *counted = counted.saturating_add(count);
    }

    /// Journals the hand-outs of the minute that is over.
    pub(super) fn journal_hand_outs(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        for (instance, (since, count)) in std::mem::take(&mut self.hand_outs) {
            let content = Content::HandedOut {
                instance,
                since,
                count,
            };
            turn.journal(facts, facts.latest_decision(), content);
        }
    }
}

/// Responds to one caller, and logs whether the caller got an address or was turned away
/// (docs/incidents.md#stale-pointer).
fn answer(facts: &WorkerFacts, turn: &mut Turn<'_>, request: RequestId, resolution: Resolution) {
    match &resolution {
        Resolution::Served(route) => turn.notice(
            facts,
            Step::ResolveServed,
            format!("{} is at {}", facts.id, route.url),
            &[
                ("instance_id", route.instance.as_str()),
                ("decision", &route.decision.to_string()),
            ],
        ),
        Resolution::NotYet(not_yet) => turn.notice(
            facts,
            Step::ResolveTurnedAway,
            format!("{}: {}", not_yet.code, not_yet.detail),
            &[
                ("code", not_yet.code.as_str()),
                ("retry_after_ms", &not_yet.retry_after.get().to_string()),
            ],
        ),
    }
    turn.respond(facts, request, Response::Resolve(resolution));
}
