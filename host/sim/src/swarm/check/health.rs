//! A health restart needs `unhealthy_after` failed probes of the instance's current life. A failure
//! counts only after the boot grace period, or after a probe of that life succeeded. None follows in a
//! storm: when more than `storm_percent` of the pool's workers, and three, began to fail together.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::health::{HealthSpec, ProbeSpec, Probed, RestartRule, Sign, SignalKind};
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::notice::{Notice, Step};
use reeve_core::restart::{Restart, RestartRequest};
use reeve_core::spec::{FleetSpec, PoolSpec};
use reeve_core::time::{Instant, Millis};

use super::super::fault::Fault;
use super::super::options::Options;
use super::{ByWorker, Finding, Guarantee, Written};
use crate::engine::Life;
use crate::world::World;

/// The window of a storm, less what a probe takes to be answered.
const STORM_WINDOW: Millis = Millis::from_secs(290);
/// How long before the write of a restart a failure of the storm was asked for, so that the host knew of
/// it when it asked for the restart: a probe, a policy and the store take 14 s together.
const KNOWN: Millis = Millis::from_secs(15);

/// The probe results of all hosts, by life of an instance.
#[derive(Default)]
pub(super) struct Health {
    lives: BTreeMap<(InstanceId, Instant), Found>,
    /// The lives that a probe of this life of a host found well, while they were the worker's.
    well: BTreeSet<(Life, WorkerId, InstanceId, Instant)>,
    /// The workers that fail by the latest probe of this life of a host.
    rows: BTreeMap<(Life, WorkerId), Row>,
    /// When the record of a worker was last written.
    written_at: ByWorker<Instant>,
    /// Whether a host may hear of a failure late: hosts stand still for a while, or several share the
    /// workers, and each writes by what it read of the other's. Or it may watch fewer workers than the
    /// records say: one that it restarts, and whose record takes no write.
    hears_late: bool,
    /// Workers of whose health a host concludes nothing, by their records.
    held: BTreeSet<WorkerId>,
    /// Workers of whose restart people were told, and which no record shows yet.
    begun: BTreeSet<WorkerId>,
}

/// Failed probes in a row, by one life of a host, of one life of an instance that it found well.
struct Row {
    life: (InstanceId, Instant),
    began: Instant,
}

/// The probe results of one life of an instance.
#[derive(Default)]
struct Found {
    was_well: bool,
    failures: u32,
}

impl Health {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            hears_late: options.shared_store
                || [Fault::Pause, Fault::RecordUnreadable]
                    .iter()
                    .any(|fault| options.faults.contains(fault)),
            ..Self::default()
        }
    }

    /// Counts a failed probe, after the life's first success or after the boot grace period.
    pub(super) fn probed(
        &mut self,
        at: Instant,
        (by, worker): (Life, &WorkerId),
        pool: &PoolSpec,
        id: &InstanceId,
        result: &Probed,
        world: &World,
    ) {
        let (Some(health), Some(instance)) = (&pool.health, world.instance(id)) else {
            return;
        };
        let Some(probe) = &health.probe else { return };
        let life = (id.clone(), instance.launched_at);
        self.note_row(at, (by, worker), &life, probe.kind.observation(result).sign);
        let found = self.lives.entry(life).or_default();
        found.was_well |= is_well(probe, result);
        let proves_something =
            found.was_well || at.since(instance.launched_at) >= health.boot_grace;
        if matches!(result, Probed::NotTried(_)) || !proves_something {
            return;
        }
        found.failures += u32::from(!is_well(probe, result));
    }

    /// Notes a probe for the row of this life of a host.
    fn note_row(
        &mut self,
        at: Instant,
        (by, worker): (Life, &WorkerId),
        life: &(InstanceId, Instant),
        sign: Sign,
    ) {
        let well = (by, worker.clone(), life.0.clone(), life.1);
        let key = (by, worker.clone());
        if sign == Sign::Good {
            self.well.insert(well.clone());
        }
        if sign != Sign::Bad || !self.well.contains(&well) {
            self.rows.remove(&key);
            return;
        }
        let begin = || Row {
            life: life.clone(),
            began: at,
        };
        let row = self.rows.entry(key).or_insert_with(begin);
        if &row.life != life {
            *row = begin();
        }
    }

    /// Notes that people are told of a restart. The write of its begin may take ten seconds. The host
    /// begins to watch anew, also if the instance cannot be ended.
    pub(super) fn announced(&mut self, notice: &Notice) {
        if notice.step == Step::RestartBegun {
            self.begun.insert(notice.worker.clone());
            self.well.retain(|(_, worker, ..)| *worker != notice.worker);
        }
    }

    /// Checks that a health restart in a written record had enough failed probes, and no storm.
    pub(super) fn committed(&mut self, written: &Written<'_>, spec: &FleetSpec) -> Finding {
        let finding = self
            .check_row(written)
            .and_then(|()| self.check_storm(written, spec));
        let record = &written.write.record;
        let restarts = record.restart.as_ref().is_some_and(Restart::is_in_flight);
        let changes = record.intent.is_some() || record.draining.is_some();
        match restarts || changes || record.paused.is_some() {
            true => self.held.insert(written.worker.clone()),
            false => self.held.remove(written.worker),
        };
        if record.adopted.is_none() {
            // What is adopted next is new to the host, although it may be the same instance.
            self.well.retain(|(_, worker, ..)| worker != written.worker);
        }
        self.begun.remove(written.worker);
        self.written_at.insert(written.worker.clone(), written.at);
        finding
    }

    /// Checks that no restart of one probe's failures follows in a storm. A worker of the storm
    /// certainly counts if it has failed for a while, and its record has not changed since. Worlds
    /// whose hosts may hear of a failure late are left out.
    fn check_storm(&self, written: &Written<'_>, spec: &FleetSpec) -> Finding {
        let (pool, worker) = (written.pool, written.worker);
        let begins = probe_restart(written).and_then(|_| self.certain(written, worker));
        let health = pool.health.as_ref().filter(|_| !self.hears_late);
        let is_one_signal = |health: &&HealthSpec| {
            health.restart == RestartRule::Any && !health.status_checks && pool.boxes.is_none()
        };
        let (Some(began), Some(health)) = (begins, health.filter(is_one_signal)) else {
            return Ok(());
        };
        let own = spec.workers.get(worker).map(|spec| &spec.pool);
        let workers = spec
            .workers
            .iter()
            .filter(|(_, spec)| Some(&spec.pool) == own);
        let all: Vec<_> = workers.map(|(id, _)| id).collect();
        let fail = all
            .iter()
            .filter(|id| *id == &worker || !self.begun.contains(**id));
        let together = fail.filter_map(|id| self.certain(written, id));
        let together = together.filter(|at| at.since(began).max(began.since(*at)) <= STORM_WINDOW);
        let count = together.count();
        let share = health.storm_percent as usize * all.len() / 100;
        match count >= 3 && count > share {
            true => Err((
                Guarantee::G7,
                format!(
                    "{worker} is restarted for its health in a storm: {count} of {} fail",
                    all.len()
                ),
            )),
            false => Ok(()),
        }
    }

    /// When a worker began to fail, if it certainly fails for the host that writes. An instance that
    /// went down is probed no longer.
    fn certain(&self, written: &Written<'_>, worker: &WorkerId) -> Option<Instant> {
        let row = self.rows.get(&(written.by, worker.clone()))?;
        let is_known = written.at.since(row.began) >= KNOWN;
        let is_still = self.written_at.get(worker).is_none_or(|at| *at < row.began);
        let is_free = !self.held.contains(worker);
        let instance = written.world.instance(&row.life.0);
        let is_up = instance.is_some_and(|instance| instance.state.is_live());
        (is_known && is_still && is_free && is_up).then_some(row.began)
    }

    /// Checks that a health restart in a written record had enough failed probes.
    fn check_row(&self, written: &Written<'_>) -> Finding {
        let restart = probe_restart(written).and_then(|restart| restart.instance.as_ref());
        let (Some(health), Some(id)) = (&written.pool.health, restart) else {
            return Ok(());
        };
        let Some(instance) = written.world.instance(id) else {
            return Ok(());
        };
        let life = (id.clone(), instance.launched_at);
        let failures = self.lives.get(&life).map_or(0, |found| found.failures);
        if failures >= health.unhealthy_after {
            return Ok(());
        }
        Err((
            Guarantee::G7,
            format!(
                "probes restart {id}, but only {failures} of {} failed in its current life",
                health.unhealthy_after
            ),
        ))
    }
}

/// The restart that begins in the record because probes failed.
fn probe_restart<'a>(written: &Written<'a>) -> Option<&'a Restart> {
    let before = written.before.record.restart.as_ref();
    let after = written.write.record.restart.as_ref()?;
    let is_old = before.is_some_and(|before| before.started_at == after.started_at);
    let was_put_off = written.before.record.deferred.is_some();
    (!is_old && !was_put_off && is_of_a_probe(&after.request)).then_some(after)
}

fn is_well(probe: &ProbeSpec, result: &Probed) -> bool {
    probe.kind.observation(result).sign == Sign::Good
}

/// Whether probes asked for the restart. The random world's programs give the same causes, but no
/// text.
fn is_of_a_probe(request: &RestartRequest) -> bool {
    request.text.is_some() && request.cause == SignalKind::Http.cause()
}
