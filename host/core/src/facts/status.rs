//! What people see of a worker.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Failure, WorkerFacts};
use crate::model::health::Sign;
use crate::model::id::{
    DecisionId, Digest, Epoch, Generation, HostId, InstanceId, PoolName, Version, WorkerId,
};
use crate::model::instance::InstanceState;
use crate::model::point::Reason;
use crate::model::point::resolve::InFlight;
use crate::model::response::NotYet;
use crate::model::restart::{Initiator, RestartStage};
use crate::model::store::{LastError, Paused, Phase};
use crate::model::time::{Instant, Millis};

/// One worker for a status page, with the provider's raw states.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkerStatus {
    /// Its name.
    pub worker: WorkerId,
    /// Its pool.
    pub pool: PoolName,
    /// `paused` (by an operator, whatever else holds), `restarting`, `unresponsive` (takes deliveries and finishes none),
    /// `unhealthy` (its signals say so), `serving`, `pending`, `idle` (nothing adopted, nothing failed) or `failing`.
    pub condition: &'static str,
    /// An operator's pause: since when, why, and the host that took it.
    pub paused: Option<Paused>,
    /// The latest restart, with what was dropped; `null`: there was none.
    pub restart: Option<RestartStatus>,
    /// The address that is handed out now.
    pub url: Option<String>,
    /// The latest provisioning attempt.
    pub generation: Generation,
    /// What the pointer said; `null` when it was not read.
    pub pointer: Option<String>,
    /// The adopted instance.
    pub adopted: Option<InstanceId>,
    /// The worker's record in the store; `null` when it could not be read yet.
    pub record: Option<RecordStatus>,
    /// What was delivered and what was processed.
    pub activity: ActivityStatus,
    /// What the signals of its health say; `null` where the pool looks after none.
    pub health: Option<HealthStatus>,
    /// The box that has registered; `null`: none has.
    pub registration: Option<RegistrationStatus>,
    /// The mutation under way.
    pub in_flight: InFlight,
    /// Every instance known, newest launch first.
    pub instances: Vec<InstanceStatus>,
    /// The last failure of a launch, a start or a register: in whose words, when, how often in a row.
    pub last_error: Option<LastError>,
    /// What the host waits for on behalf of the worker, and what ends each wait.
    pub waits: Vec<WaitStatus>,
    /// Why the last caller was turned away.
    pub last_not_yet: Option<NotYet>,
    /// The latest decision.
    pub last_decision: Option<DecisionStatus>,
    /// Instances in a row that went down without ever having been handed out; from 3 on the worker is
    /// cycling.
    pub unserved_in_row: u32,
}

/// Something that the host waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitStatus {
    /// What it is, in words that follow "waits for".
    pub what: &'static str,
    /// When the host acts by itself; `null`: the end of a call or another answer ends the wait.
    pub until: Option<Instant>,
    /// Why nothing ends the wait in every case; `null`: something does.
    pub unbounded: Option<&'static str>,
}

/// What the flows add to the status: their own state, which no other module sees.
#[derive(Clone, Debug, Default)]
pub struct FlowStatus {
    /// Whether the worker is unhealthy, and nothing keeps the host from saying so.
    pub is_unhealthy: bool,
    /// What the signals of its health say.
    pub health: Option<HealthStatus>,
    /// What each flow waits for.
    pub waits: Vec<WaitStatus>,
    /// Requests for a restart that were dropped since this host started, by their cause.
    pub restarts_dropped: BTreeMap<String, u64>,
    /// Why the last caller was turned away.
    pub last_not_yet: Option<NotYet>,
}

/// A worker's health as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthStatus {
    /// Since when it is unhealthy; `null`: it is not.
    pub unhealthy_since: Option<Instant>,
    /// Why nothing is concluded now: `restarting`, `nothing-adopted`, `no-address`, `draining`, `changing` or `paused`;
    /// `null`: nothing is in the way.
    pub held: Option<&'static str>,
    /// Why an unhealthy worker is not restarted although the configuration says so; `null`: nothing keeps it.
    pub restart_held_off: Option<String>,
    /// Restarts in a row that did not make it well.
    pub restarts_in_row: u32,
    /// What each signal says of the present life; none before its first reading.
    pub signals: Vec<SignalStatus>,
}

/// One signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignalStatus {
    /// `http`, `tcp`, `status-checks` or `heartbeat`.
    pub signal: &'static str,
    /// `good`, `bad`, or `unavailable`: it could not be read, which proves nothing.
    pub reading: Sign,
    /// When it was asked for.
    pub at: Instant,
    /// How long ago that was.
    pub age_ms: u64,
    /// Since when each reading was the same.
    pub since: Instant,
    /// Failures in a row that count.
    pub failures: u32,
    /// The reading in words.
    pub text: String,
}

/// One instance of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    /// The provider's id.
    pub id: InstanceId,
    /// The provider's word.
    pub state: InstanceState,
    /// The private address.
    pub private_ip: Option<std::net::IpAddr>,
    /// The public address.
    pub public_ip: Option<std::net::IpAddr>,
    /// When it was last read.
    pub read_at: Option<Instant>,
    /// When it was last handed out.
    pub handed_out: Option<Instant>,
    /// Since when every scan has shown it as an orphan: live, with the worker's tag, beside the adopted
    /// one, of an older or unknown generation.
    pub orphan_since: Option<Instant>,
}

/// The record that all hosts agree on, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordStatus {
    /// Rises with every write; 0: never written.
    pub version: Version,
    /// The epoch of the latest lease.
    pub epoch: Epoch,
    /// The host that acts for the worker now.
    pub lease: Option<HostId>,
    /// Where the worker stands in its life.
    pub phase: Phase,
}

/// Delivered and processed are different facts (docs/incidents.md#double-provision): the first only says that the instance has taken it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActivityStatus {
    /// Deliveries so far, to all instances of the worker.
    pub delivered: u64,
    /// The last of them; `null`: never.
    pub delivered_at: Option<Instant>,
    /// How many of them were reported processed.
    pub processed: u64,
    /// The last of them; `null`: never.
    pub processed_at: Option<Instant>,
    /// Taken by the present instance and not processed.
    pub in_flight: u64,
    /// For how long none of these was processed, once that is too long; `null`: all is well.
    pub unresponsive_ms: Option<u64>,
    /// The last heartbeat; `null`: never.
    pub heartbeat_at: Option<Instant>,
    /// Until when the busy lease is held.
    pub busy_until: Option<Instant>,
}

/// The latest restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestartStatus {
    /// Why.
    pub cause: String,
    /// Who asked for it.
    pub initiator: Initiator,
    /// When it began.
    pub started_at: Instant,
    /// How far it has come.
    pub stage: RestartStage,
    /// The cause of the one that follows it; `null`: none does.
    pub deferred: Option<String>,
    /// Requests that were dropped since this host started, by their cause.
    pub dropped: BTreeMap<String, u64>,
}

/// A box that has registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegistrationStatus {
    /// The instance it is.
    pub instance: InstanceId,
    /// The generation it was then.
    pub generation: Generation,
    /// Since when its present token is in force.
    pub token_since: Instant,
}

/// The latest decision about a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionStatus {
    /// Its id in the journal.
    pub id: DecisionId,
    /// When.
    pub at: Instant,
    /// What was proposed.
    pub verdict: String,
    /// Why.
    pub reason: Reason,
    /// Which code decided.
    pub digest: Option<Digest>,
}

impl WorkerFacts {
    /// The worker as people see it at `now`.
    pub(crate) fn status(&self, now: Instant, flows: FlowStatus) -> WorkerStatus {
        let route = self.route.as_ref().filter(|route| now < route.valid_until);
        let known = self.adopted_known();
        let running = known.is_some_and(|known| known.instance.is_reachable());
        let unresponsive_for = self.unresponsive_for(now);
        let condition = if self.paused.is_some() {
            "paused"
        } else if self.is_restarting() {
            "restarting"
        } else if unresponsive_for.is_some() {
            "unresponsive"
        } else if flows.is_unhealthy {
            "unhealthy"
        } else if route.is_some() || running {
            "serving"
        } else if self.adopted_is_live(now) || self.is_changing() {
            "pending"
        } else if self.last_failure.is_some() {
            "failing"
        } else {
            "idle"
        };
        WorkerStatus {
            worker: self.id.clone(),
            pool: self.spec.pool.clone(),
            condition,
            paused: self.paused.clone(),
            url: route.map(|route| route.url.clone()),
            generation: self.generation,
            pointer: self.pointer.as_ref().map(|named| match named {
                Some(id) => id.to_string(),
                None => crate::model::cloud::POINTER_NONE.to_owned(),
            }),
            adopted: self.adopted.as_ref().map(|adopted| adopted.id.clone()),
            record: self.record.stored.as_ref().map(|stored| RecordStatus {
                version: stored.version,
                epoch: stored.record.epoch,
                lease: stored.record.lease.clone(),
                phase: stored.record.phase,
            }),
            restart: self.restart_status(flows.restarts_dropped),
            activity: self.activity_status(unresponsive_for),
            health: flows.health,
            registration: self
                .credential
                .as_ref()
                .map(|credential| RegistrationStatus {
                    instance: credential.instance.clone(),
                    generation: credential.generation,
                    token_since: credential.minted_at,
                }),
            in_flight: self.in_flight_fact(now),
            instances: self
                .newest_first()
                .into_iter()
                .map(|known| instance(self, known))
                .collect(),
            last_error: self.last_error(),
            waits: flows.waits,
            last_not_yet: flows.last_not_yet,
            last_decision: self.last_decision.as_ref().map(|last| DecisionStatus {
                id: last.id,
                at: last.at,
                verdict: last.summary.clone(),
                reason: last.reason.clone(),
                digest: last.digest,
            }),
            unserved_in_row: self.unserved_in_row,
        }
    }
}

impl WorkerFacts {
    /// The newer of the last failures.
    fn last_error(&self) -> Option<LastError> {
        let failure = self.last_failure.as_ref().map(Failure::to_recorded);
        let register = self.register_error.clone();
        failure
            .into_iter()
            .chain(register)
            .max_by_key(|error| error.at)
    }

    fn restart_status(&self, dropped: BTreeMap<String, u64>) -> Option<RestartStatus> {
        let restart = self.restart.as_ref()?;
        Some(RestartStatus {
            cause: restart.request.cause.clone(),
            initiator: restart.request.initiator,
            started_at: restart.started_at,
            stage: restart.stage,
            deferred: restart
                .deferred
                .as_ref()
                .map(|request| request.cause.clone()),
            dropped,
        })
    }

    fn activity_status(&self, unresponsive_for: Option<Millis>) -> ActivityStatus {
        let activity = self.record.activity();
        ActivityStatus {
            delivered: activity.delivered,
            delivered_at: activity.delivered_at,
            processed: activity.processed,
            processed_at: activity.processed_at,
            in_flight: self.work_in_flight(),
            unresponsive_ms: unresponsive_for.map(Millis::get),
            heartbeat_at: activity.heartbeat_at,
            busy_until: activity.busy_until,
        }
    }
}

fn instance(worker: &WorkerFacts, known: &super::Known) -> InstanceStatus {
    InstanceStatus {
        id: known.instance.id.clone(),
        state: known.instance.state,
        private_ip: known.instance.private_ip,
        public_ip: known.instance.public_ip,
        read_at: known.read_at,
        handed_out: known.handed_out,
        orphan_since: worker.orphan(known).map(|orphan| orphan.since),
    }
}
