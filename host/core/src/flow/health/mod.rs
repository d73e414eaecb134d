//! The worker's health over time: when it is probed, which readings count, what is concluded, and
//! what follows.
//!
//! ```text
//! timer ─▶ heartbeat read ─┐
//!     └──▶ probe sent … answered ─┤
//! scan ─▶ status checks … read ──┼─▶ taken in, if it is of the present life ─▶ rule ─▶ confirmed ─▶ told, once a turn
//!                                                                                                 └─▶ restart asked for
//! ```
//!
//! A conclusion needs confirmation. The cloud must have shown the instance running since the
//! failures began. In a shared store, the record must have been read since and show no restart. So
//! an instance that a person stopped, a restart on another host, and a host without a network do
//! not look like a hung worker.

mod restart;
mod status;
mod watch;

use std::collections::VecDeque;

use crate::effect::Effect;
use crate::event::WorkerTimer;
use crate::facts::{Facts, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::happened::Happened;
use crate::model::health::{
    self, HealthSpec, Observation, Probed, RestartRule, Sign, SignalKind, Signals, StatusChecks,
};
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::restart::{Initiator, RestartRequest};
use crate::model::time::Instant;
use crate::turn::Turn;
use watch::Watch;

/// The state of this flow.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    /// The watch of the present life; `None` if no life can be watched.
    watch: Option<Watch>,
    /// The number of probes so far, which spreads the next one.
    round: u64,
    /// When the next probe is due; `None` if none is.
    due_at: Option<Instant>,
    /// Since when this host could hear heartbeats. The time moves forward if the host stood still,
    /// the worker was paused, or the door for boxes was full.
    listening_since: Instant,
    /// Whether people were told that the worker is unhealthy, and not yet that it recovered.
    told: bool,
    /// The storm that the worker is part of, in words; `None` if there is none.
    storm: Option<String>,
    /// When a restart was last asked for.
    restart_asked_at: Option<Instant>,
    /// Restarts in a row for the worker's health, on any host, after which it was still unhealthy.
    restarts_in_row: u32,
    /// The begin of the latest restart in the record that this host has seen.
    restart_seen: Option<Instant>,
    heard: VecDeque<Heard>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// The host begins to work.
    Started,
    /// A probe is due.
    ProbeDue,
    /// A probe of this instance, asked for at this instant, ended.
    Probed(InstanceId, Instant, Probed),
    /// The status checks of this instance were asked for at this instant.
    StatusChecks(InstanceId, Instant, Result<Option<StatusChecks>, String>),
    /// A restart has begun.
    RestartBegun,
    /// The facts have changed in a way that a conclusion may wait for.
    News,
}

impl Flow for Health {
    fn hear(&mut self, facts: &WorkerFacts, turn: &Turn<'_>, happened: &Happened) {
        let heard = match happened {
            Happened::Started => Heard::Started,
            Happened::BoxTurnedAway => {
                self.listening_since = turn.now;
                return;
            }
            Happened::TimerFired(WorkerTimer::Probe) => Heard::ProbeDue,
            Happened::Probed {
                instance,
                asked_at,
                result,
            } => Heard::Probed(instance.clone(), *asked_at, result.clone()),
            Happened::StatusChecksRead {
                instance,
                asked_at,
                checks,
            } => Heard::StatusChecks(instance.clone(), *asked_at, checks.clone()),
            Happened::RestartBegun => Heard::RestartBegun,
            Happened::Scanned { error: None, .. } | Happened::RecordRead { .. }
                if facts.pool.health.is_some() =>
            {
                Heard::News
            }
            Happened::CommandDone(CommandOutcome::Forgotten) => {
                self.watch = None;
                self.restarts_in_row = 0;
                Heard::News
            }
            _ => return,
        };
        self.heard.push_back(heard);
    }

    fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        let wanted = match self.heard.pop_front()? {
            Heard::Started => {
                self.begin(facts, turn);
                None
            }
            Heard::ProbeDue => self.begin_round(facts, turn),
            Heard::Probed(instance, asked_at, result) => {
                self.on_probed(facts, turn, &instance, asked_at, &result)
            }
            Heard::StatusChecks(instance, asked_at, checks) => {
                self.on_status_checks(facts, turn, &instance, asked_at, checks)
            }
            Heard::RestartBegun => {
                // Earlier readings do not belong to the life that follows
                // (docs/incidents.md#self-fire).
                self.watch_present_life(facts, turn.now);
                None
            }
            Heard::News => self.conclude(facts, turn),
        };
        self.note_failing(facts, turn);
        if let Some(request) = wanted {
            turn.tell(Happened::RestartWanted(request));
        }
        None
    }

    fn waits_for(&self, _facts: &WorkerFacts) -> Option<Wait> {
        let at = self.due_at?;
        Some(Wait::until("the next health probe", at))
    }
}

impl Health {
    /// The host begins to work.
    fn begin(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.listening_since = turn.now;
        self.restart_seen = facts.restart.as_ref().map(|restart| restart.started_at);
        if let Some(spec) = &facts.pool.health {
            self.schedule(facts, turn, spec);
        }
    }

    fn schedule(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, spec: &HealthSpec) {
        let at = turn.now + health::pause(&turn.shared.us, &facts.id, self.round, spec.every);
        self.round = self.round.wrapping_add(1).max(1);
        self.due_at = Some(at);
        turn.timer(facts, at, WorkerTimer::Probe);
    }

    /// Begins a probe that is due.
    fn begin_round(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) -> Option<RestartRequest> {
        let spec = facts.pool.health.as_ref()?;
        let due_at = self.due_at.unwrap_or(turn.now);
        if turn.now.since(due_at) >= spec.every {
            // The host itself stood still and could hear no box.
            self.listening_since = turn.now;
        }
        self.schedule(facts, turn, spec);
        self.watch_present_life(facts, turn.now);
        if !facts.is_health_asked() {
            return None;
        }
        let heartbeat = self.heartbeat_observation(facts, turn.now, turn.shared.store_is_shared);
        if let Some((observation, at)) = heartbeat {
            // Other hosts may have heard the box.
            if observation.sign != Sign::Good {
                self.read_record(facts, turn);
            }
            self.take(facts, SignalKind::Heartbeat, observation, at);
        }
        if facts.paused.is_some() {
            // Silence during a pause does not count after it.
            self.listening_since = turn.now;
        }
        self.probe(facts, turn, spec);
        self.conclude(facts, turn)
    }

    fn probe(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, spec: &HealthSpec) {
        let Some(probe) = &spec.probe else {
            return;
        };
        let Some(target) = facts.probe_target(probe) else {
            return;
        };
        let Some(watch) = &mut self.watch else {
            return;
        };
        let before = watch.probe_asked_at.replace(turn.now);
        turn.effects.push(Effect::Probe {
            worker: facts.id.clone(),
            instance: watch.life.instance.clone(),
            asked_at: turn.now,
            target,
        });
        if before.is_some() {
            // A probe takes less time than the interval, so the host itself was late.
            let late = "this host was late with the probe before";
            let observation = Observation::unavailable(late);
            self.take(facts, probe.kind.signal(), observation, turn.now);
        }
    }

    /// Takes in the end of a probe. The probe counts only if the present watch waits for it, so not
    /// if it belongs to an earlier life or was sent before or during a restart.
    fn on_probed(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        instance: &InstanceId,
        asked_at: Instant,
        probed: &Probed,
    ) -> Option<RestartRequest> {
        let spec = facts.pool.health.as_ref()?;
        self.watch_present_life(facts, turn.now);
        let watch = self.watch.as_mut()?;
        let is_awaited = watch.probe_asked_at == Some(asked_at) && &watch.life.instance == instance;
        let probe = spec.probe.as_ref().filter(|_| is_awaited)?;
        watch.probe_asked_at = None;
        if !facts.is_health_asked() {
            return None;
        }
        let observation = probe.kind.observation(probed);
        self.take(facts, probe.kind.signal(), observation, asked_at);
        self.conclude(facts, turn)
    }

    /// Takes in EC2's status checks of this instance; `Ok(None)` if the answer lacks the instance.
    fn on_status_checks(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        instance: &InstanceId,
        asked_at: Instant,
        checks: Result<Option<StatusChecks>, String>,
    ) -> Option<RestartRequest> {
        self.watch_present_life(facts, turn.now);
        let watch = self.watch.as_mut();
        let watch = watch.filter(|_| facts.pool.has_status_checks())?;
        let is_of_this_life = &watch.life.instance == instance && asked_at >= watch.since;
        if !is_of_this_life || !facts.is_health_asked() {
            return None;
        }
        let observation = match checks {
            Ok(Some(checks)) => {
                watch.scheduled.clone_from(&checks.scheduled);
                checks.observation()
            }
            Ok(None) => Observation::unavailable("EC2's answer says nothing of this instance"),
            Err(error) => Observation::unavailable(error),
        };
        self.take(facts, SignalKind::StatusChecks, observation, asked_at);
        self.conclude(facts, turn)
    }

    /// Draws the conclusion that the signals allow. Returns the restart that follows, which is
    /// requested like any program's.
    fn conclude(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) -> Option<RestartRequest> {
        let rule = facts.pool.health.as_ref().map(|spec| spec.restart)?;
        self.watch_present_life(facts, turn.now);
        self.note_failing(facts, turn);
        let watch = self.watch.as_ref()?;
        if facts.health_hold().is_some() {
            return None;
        }
        match health::bad_signal(rule, &watch.signals) {
            Some(kind) => return self.on_unhealthy(facts, turn, rule, kind),
            None if health::is_well(rule, &watch.signals) => self.on_well(facts, turn),
            None => {}
        }
        None
    }

    fn on_unhealthy(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        rule: RestartRule,
        kind: SignalKind,
    ) -> Option<RestartRequest> {
        if !self.is_confirmed(facts, turn, kind) {
            return None;
        }
        let watch = self.watch.as_mut()?;
        let signal = watch.signals.get(&kind)?;
        let (bad_since, told) = (signal.row_since, words(&watch.signals));
        if watch.unhealthy_since.is_none() {
            watch.unhealthy_since = Some(turn.now);
            self.told = true;
            let fields = [
                ("instance_id", watch.life.instance.as_str()),
                ("cause", kind.cause()),
                ("signal", kind.as_str()),
            ];
            turn.notice(facts, Step::WorkerUnhealthy, told.clone(), &fields);
        }
        if rule == RestartRule::Never {
            return None;
        }
        self.restart_for(facts, turn, kind, bad_since, told)
    }

    /// Whether the failures can only be the worker's own, as far as this host can know.
    fn is_confirmed(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, kind: SignalKind) -> bool {
        let signals = self.watch.as_ref().map(|watch| &watch.signals);
        let Some(signal) = signals.and_then(|signals| signals.get(&kind)) else {
            return false;
        };
        let (first, last) = (signal.row_since, signal.at);
        let seen_at = facts.adopted_instance().and_then(|known| known.read_at);
        if seen_at.is_none_or(|seen_at| seen_at < first) {
            return false;
        }
        if turn.shared.store_is_shared && facts.record.read_at < last {
            self.read_record(facts, turn);
            return false;
        }
        true
    }

    /// Has the record read in a shared store, at most once in a step.
    fn read_record(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        if turn.shared.store_is_shared && watch.record_asked_at != Some(turn.now) {
            watch.record_asked_at = Some(turn.now);
            turn.read_record(facts);
        }
    }

    /// Notes for the pool since when the worker fails, and whether it is part of a storm.
    fn note_failing(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let pool = turn.shared.pools.get_mut(&facts.spec.pool);
        let (Some(spec), Some(pool)) = (&facts.pool.health, pool) else {
            return;
        };
        let watch = self.watch.as_ref();
        let watch = watch.filter(|_| facts.health_hold().is_none());
        let since = watch.and_then(|watch| health::failing_since(spec.restart, &watch.signals));
        let was_in_storm = self.storm.is_some();
        self.storm = pool.storm.note(spec, &facts.id, since);
        let fails = since.flatten().is_some();
        let is_over = was_in_storm && self.storm.is_none();
        if let (true, Some(watch)) = (fails && is_over, &mut self.watch) {
            // The cause may have ended for this worker too, which its next readings show.
            watch.begin_rows();
        }
    }

    /// The restart to request. It is requested once when the worker becomes unhealthy, and again
    /// after each pause if the worker stays unhealthy.
    fn restart_for(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        kind: SignalKind,
        bad_since: Instant,
        told: String,
    ) -> Option<RestartRequest> {
        let watch = self.watch.as_ref()?;
        let (unhealthy_after, _) = facts.pool.health.as_ref()?.thresholds(kind);
        if watch.signals.get(&kind)?.failures() < unhealthy_after {
            // The row began again after a hold or a storm.
            return None;
        }
        let held_off = facts.health_restart_held_off(turn.now, bad_since);
        if !self.may_ask_for_restart(facts, turn.now) || held_off.is_some() {
            return None;
        }
        if let Some(storm) = &self.storm {
            tell_of_storm(facts, turn, storm);
            return None;
        }
        self.restart_asked_at = Some(turn.now);
        Some(RestartRequest {
            cause: kind.cause().to_owned(),
            initiator: Initiator::Program,
            text: Some(told),
            kind: None,
            of: facts.adoption(),
            from: None,
            unknown: Default::default(),
        })
    }

    fn on_well(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.restarts_in_row = 0;
        let Some(watch) = &mut self.watch else {
            return;
        };
        watch.unhealthy_since = None;
        if !self.told {
            return;
        }
        self.told = false;
        let (told, instance) = (words(&watch.signals), watch.life.instance.as_str());
        let fields = [("instance_id", instance)];
        turn.notice(facts, Step::WorkerRecovered, told, &fields);
    }
}

/// Tells people of the storm in the worker's pool, once for each storm.
fn tell_of_storm(facts: &WorkerFacts, turn: &mut Turn<'_>, storm: &str) {
    let pool = turn.shared.pools.get_mut(&facts.spec.pool);
    if pool.is_some_and(|pool| pool.storm.tell_once()) {
        let text = format!(
            "{storm}; look at what they share: the network between this host and them, a security group, a service \
             that all of them call"
        );
        let fields = [("pool", facts.spec.pool.as_str())];
        turn.notice(facts, Step::StormHeld, text, &fields);
    }
}

/// All signals in one sentence.
fn words(signals: &Signals) -> String {
    let told = signals.iter().map(|(kind, signal)| {
        let (kind, sign) = (kind.as_str(), signal.sign.as_str());
        match signal.failures() {
            0 | 1 => format!("{kind} is {sign} ({})", signal.text),
            failures => format!(
                "{kind} is {sign}, {failures} times in a row ({})",
                signal.text
            ),
        }
    });
    told.collect::<Vec<_>>().join("; ")
}
