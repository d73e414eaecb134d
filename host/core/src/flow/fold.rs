//! Folds an event into the facts, then has the flows hear of it.

use crate::event::{WorkerEvent, WorkerTimer};
use crate::facts::Facts;
use crate::happened::{Happened, WriteEnd};
use crate::model::cloud::{CloudError, Query, Reading};
use crate::model::demand::Demand;
use crate::model::health::StatusChecks;
use crate::model::id::InstanceId;
use crate::model::instance::Instance;
use crate::model::store::{Committed, StoreError, Stored};
use crate::model::time::{Instant, Millis};
use crate::turn::Turn;
use crate::{act, record};

use super::Flows;

impl Flows {
    /// Takes in the start of the host.
    pub(crate) fn on_started(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) {
        record::on_started(facts, turn);
        self.step(facts, turn, Happened::Started);
    }

    /// Takes in an event about this worker.
    pub(crate) fn on_event(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, what: WorkerEvent) {
        let happened = match what {
            WorkerEvent::Asked { request, what } => Happened::Asked { request, what },
            WorkerEvent::Gone(request) => Happened::Gone(request),
            WorkerEvent::HandedOut { instance, count } => Happened::HandedOut { instance, count },
            WorkerEvent::BoxTurnedAway => Happened::BoxTurnedAway,
            WorkerEvent::DemandRead(demand) => {
                return facts.observe_told_demand(demand.map(Demand::told));
            }
            WorkerEvent::Probed {
                instance,
                asked_at,
                result,
            } => Happened::Probed {
                instance,
                asked_at,
                result,
            },
            WorkerEvent::Queried {
                query,
                asked_at,
                result,
            } => {
                on_reading(facts, turn, &query, asked_at, &result);
                Happened::Queried {
                    query,
                    asked_at,
                    result,
                }
            }
            WorkerEvent::Decided { decision, made } => {
                act::note_decision(facts, turn, decision, &made);
                let made = Box::new(made);
                Happened::Decided { decision, made }
            }
            WorkerEvent::RecordRead { asked_at, result } => {
                on_record_read(facts, turn, asked_at, result)
            }
            WorkerEvent::Committed(result) => {
                if matches!(result, Ok(Committed::Lost(_) | Committed::InUse(_))) {
                    act::give_back_unsent(facts);
                }
                let end = record::on_written(facts, turn, result);
                let is_written = matches!(end, WriteEnd::Written);
                self.step(facts, turn, Happened::Written(end));
                if is_written {
                    record::write_the_rest(facts, turn);
                }
                return;
            }
            WorkerEvent::Refreshed {
                request,
                refresh,
                result,
            } => Happened::Refreshed {
                request,
                refresh,
                outcome: act::on_refreshed(facts, turn, refresh, result),
            },
            WorkerEvent::Mutated {
                decision,
                mutation,
                result,
            } => match act::on_outcome(facts, turn, decision, &mutation, result) {
                Some(concluded) => Happened::Concluded(concluded),
                None => return,
            },
            WorkerEvent::TimerFired(WorkerTimer::RenewLease) => return record::renew(facts, turn),
            WorkerEvent::TimerFired(timer) => Happened::TimerFired(timer),
        };
        self.step(facts, turn, happened);
    }

    /// Takes in this worker's part of a tag scan.
    pub(crate) fn on_scan(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        asked_at: Instant,
        found: Result<Vec<Instance>, CloudError>,
    ) {
        let error = match found {
            Ok(found) => {
                let changes = facts.observe_scan(found, asked_at);
                act::tell_changes(facts, turn, changes);
                None
            }
            Err(error) => {
                turn.cloud_failed(facts, &error);
                Some(error)
            }
        };
        self.step(facts, turn, Happened::Scanned { asked_at, error });
    }

    /// Takes in a reading of EC2's status checks; `Ok(None)` if the answer lacks this worker's
    /// instance.
    pub(crate) fn on_status_checks(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        asked_at: Instant,
        instance: &InstanceId,
        checks: Result<Option<StatusChecks>, CloudError>,
    ) {
        if let Err(error) = &checks {
            turn.cloud_failed(facts, error);
        }
        let happened = Happened::StatusChecksRead {
            instance: instance.clone(),
            asked_at,
            checks: checks.map_err(|error| error.to_string()),
        };
        self.step(facts, turn, happened);
    }
}

fn on_reading(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    query: &Query,
    asked_at: Instant,
    result: &Result<Reading, CloudError>,
) {
    turn.note_rate(&facts.spec.pool, query, asked_at, result);
    if let Err(error) = result {
        turn.cloud_failed(facts, error);
    }
    match (query, result) {
        (Query::Pointer { .. }, Ok(Reading::Pointer(reading))) => {
            facts.observe_pointer(asked_at, Ok(reading.clone()));
        }
        (Query::Pointer { .. }, Err(error)) => facts.observe_pointer(asked_at, Err(error)),
        (Query::Instance { .. }, Ok(Reading::Instance(reading))) => {
            let changes = facts.observe_instance(reading.clone(), asked_at);
            act::tell_changes(facts, turn, changes);
        }
        (Query::Instance { id, .. }, Err(error)) => facts.miss_instance(id, asked_at, error),
        (Query::TemplateVersion { template, .. }, Ok(Reading::TemplateVersion(version))) => {
            facts.observe_template(template, *version, asked_at);
        }
        _ => {}
    }
}

/// Takes in a reading of the record. If the reading failed while a pass waits for it, the pass uses
/// the record as last known; otherwise the reading is tried again.
fn on_record_read(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    result: Result<Option<Stored>, StoreError>,
) -> Happened {
    let mut pause = Millis::ZERO;
    let result = result.map(|found| record::on_read(facts, turn, asked_at, found));
    if let Err(error) = &result {
        if facts.record.stored.is_some() && facts.asking.awaits_record {
            record::tell(facts, turn, error);
        } else {
            pause = record::try_again(facts, turn, error);
        }
    } else {
        act::tell_lost(facts, turn);
    }
    Happened::RecordRead {
        asked_at,
        result,
        pause,
    }
}
