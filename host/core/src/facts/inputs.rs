//! Builds the inputs of policies from the facts. Each fact carries its age.

use std::net::IpAddr;

use super::{KnownInstance, WorkerFacts};
use crate::model::cloud::MutationKind;
use crate::model::id::InstanceId;
use crate::model::instance::InstanceState;
use crate::model::point::{Age, InstanceFacts, Tag, adopt, debounce, reap, resolve};
use crate::model::restart::RestartRequest;
use crate::model::store::Activity;
use crate::model::time::Instant;

/// How many instances a policy is shown at most; the oldest launches are left out. The limit bounds
/// the cost of one policy call.
const SHOWN_MAX: usize = 100;

/// The URL that callers get. An IPv6 address stands in brackets.
pub fn url(ip: IpAddr, port: u16) -> String {
    match ip {
        IpAddr::V4(ip) => format!("http://{ip}:{port}"),
        IpAddr::V6(ip) => format!("http://[{ip}]:{port}"),
    }
}

impl WorkerFacts {
    /// The input of `resolve`: "where is my worker?". `adoption` is the result of `adopt` in this
    /// pass. `memo` is the state that the policy returned last time.
    pub fn resolve_input(
        &self,
        now: Instant,
        adoption: resolve::Adoption,
        memo: String,
    ) -> resolve::Input {
        resolve::Input {
            pointer: self.shown_pointer(now),
            adopted: match &self.adopted {
                Some(adopted) if !self.is_long_gone(&adopted.id) => {
                    resolve::Adopted::Instance(adopted.id.clone())
                }
                Some(_) | None => resolve::Adopted::None,
            },
            instances: self.shown_instances(now),
            scanned: Age::at(now, self.scanned_at),
            adoption,
            in_flight: self.in_flight_fact(now),
            last_failure: match &self.last_failure {
                None => resolve::LastFailure::None,
                Some(failure) => resolve::LastFailure::Failed(resolve::Failure {
                    kind: failure.kind,
                    ago_ms: now.since(failure.at).saturating_u32(),
                    count: failure.count,
                }),
            },
            settings: String::new(),
            memo,
        }
    }

    /// The input of `adopt`: "which running instance should the host adopt?".
    pub fn adopt_input(&self, now: Instant) -> adopt::Input {
        let candidates = self.candidates().into_iter().take(SHOWN_MAX);
        adopt::Input {
            candidates: candidates
                .map(|known| adopt::Candidate {
                    facts: facts(known, now),
                    tags: self.shown_tags(known),
                })
                .collect(),
            settings: String::new(),
        }
    }

    /// The input of `reap`: "may this instance be stopped?". `None` if the instance is not known.
    /// `memo` is the state that the policy returned last time for this instance.
    pub fn reap_input(&self, now: Instant, id: &InstanceId, memo: String) -> Option<reap::Input> {
        let known = self.instances.get(id)?;
        let is_adopted = self.is_adopted(id);
        // Boxes report for the adopted instance only.
        let activity = if is_adopted {
            self.record.activity()
        } else {
            Activity::default()
        };
        let handed_out = self.handed_out_at(id);
        let last_activity = handed_out
            .max(activity.delivered_at)
            .max(activity.processed_at)
            .max(self.asked_at.filter(|_| is_adopted))
            .max(self.heartbeat_as_use().filter(|_| is_adopted));
        let work_in_flight = if is_adopted { self.work_in_flight() } else { 0 };
        let busy_remaining = activity.busy_until.map(|until| until.since(now));
        let role = match &self.adopted {
            None => reap::Role::Unclaimed,
            Some(adopted) if &adopted.id == id => reap::Role::Adopted,
            Some(_) => reap::Role::Orphan,
        };
        Some(reap::Input {
            instance: facts(known, now),
            role,
            handed_out: Age::at(now, handed_out),
            last_activity: Age::at(now, last_activity),
            work_in_flight: u32::try_from(work_in_flight).unwrap_or(u32::MAX),
            busy_remaining_ms: busy_remaining.unwrap_or_default().saturating_u32(),
            demand: self.demand_fact(now),
            now: local_time(now, self.pool.utc_offset.at(now)),
            tags: self.shown_tags(known),
            settings: String::new(),
            memo,
        })
    }

    /// The input of `debounce`: "a restart is asked for; do it?". `dropped` counts the requests
    /// that were dropped since the latest restart began.
    pub fn debounce_input(
        &self,
        now: Instant,
        request: &RestartRequest,
        dropped: u32,
    ) -> debounce::Input {
        let latest = self.restart.as_ref();
        debounce::Input {
            cause: request.cause.clone(),
            last_started: Age::at(now, latest.map(|restart| restart.started_at)),
            in_flight: self.is_restarting(),
            same_cause: latest.is_some_and(|restart| restart.request.cause == request.cause),
            dropped,
            deferred: latest.is_some_and(|restart| restart.deferred.is_some()),
            settings: String::new(),
        }
    }

    fn shown_instances(&self, now: Instant) -> Vec<InstanceFacts> {
        let mut shown: Vec<_> = self
            .newest_first()
            .into_iter()
            .filter(|known| self.owns(&known.instance.id))
            .filter(|known| !self.is_hidden(&known.instance.id, now))
            .take(SHOWN_MAX)
            .map(|known| facts(known, now))
            .collect();
        // The instances that the pointer and the record name are shown even before their first
        // reading.
        for id in [
            self.subject(),
            self.pointer.as_ref().and_then(Option::as_ref),
        ]
        .into_iter()
        .flatten()
        .filter(|id| !self.is_known_outside(id) && !self.is_hidden(id, now))
        {
            if !shown.iter().any(|facts| &facts.id == id) {
                shown.push(unread(id.clone()));
            }
        }
        shown
    }

    fn shown_tags(&self, known: &KnownInstance) -> Vec<Tag> {
        let wanted = self.pool.policy_tags.iter();
        wanted
            .filter_map(|key| {
                let value = known.instance.tags.get(key)?.clone();
                Some(Tag {
                    key: key.clone(),
                    value,
                })
            })
            .collect()
    }

    pub(crate) fn in_flight_fact(&self, now: Instant) -> resolve::InFlight {
        if let Some(since) = self.start_settles_since() {
            return resolve::InFlight::Starting(now.since(since).saturating_u32());
        }
        if let Some(attempt) = &self.attempt {
            return resolve::InFlight::Launching(now.since(attempt.since).saturating_u32());
        }
        let Some(in_flight) = &self.in_flight else {
            return resolve::InFlight::Nothing;
        };
        let since_ms = now.since(in_flight.since).saturating_u32();
        match in_flight.kind {
            MutationKind::Launch => resolve::InFlight::Launching(since_ms),
            MutationKind::Start => resolve::InFlight::Starting(since_ms),
            MutationKind::Stop | MutationKind::Terminate => resolve::InFlight::Stopping(since_ms),
            // The instance stays `running`, and callers hear of the restart.
            MutationKind::Reboot | MutationKind::WritePointer => resolve::InFlight::Nothing,
        }
    }
}

fn facts(known: &KnownInstance, now: Instant) -> InstanceFacts {
    InstanceFacts {
        id: known.instance.id.clone(),
        state: known.instance.state,
        observed: Age::at(now, known.read_at),
        in_state: Age::at(now, Some(known.in_state_since)),
        launched: Age::at(now, known.instance.launched_at),
        addresses: known.instance.addresses(),
    }
}

fn unread(id: InstanceId) -> InstanceFacts {
    InstanceFacts {
        id,
        state: InstanceState::Unknown,
        observed: Age::None,
        in_state: Age::None,
        launched: Age::None,
        addresses: Default::default(),
    }
}

/// The weekday, hour and minute at `now`, which counts from the Unix epoch (a Thursday).
fn local_time(now: Instant, utc_offset_min: i16) -> reap::LocalTime {
    const MINUTES_A_DAY: i64 = 24 * 60;
    let utc_min = i64::try_from(now.as_ms() / 60_000).unwrap_or(i64::MAX / 2);
    let local_min = utc_min + i64::from(utc_offset_min);
    let minute_of_day = local_min.rem_euclid(MINUTES_A_DAY);
    let day = local_min.div_euclid(MINUTES_A_DAY);
    // Each remainder is below the bound of its type, so the conversions lose nothing.
    reap::LocalTime {
        weekday: (day + 3).rem_euclid(7) as u8 + 1,
        hour: (minute_of_day / 60) as u8,
        minute: (minute_of_day % 60) as u8,
        offset_min: utc_offset_min,
    }
}
