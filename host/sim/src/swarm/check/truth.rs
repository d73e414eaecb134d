//! V4: a caller that is not served hears why, and comes back when that ends. After a refusal by the
//! cloud the code is the cloud's and not `vetoed`. A code that blames the cloud rests on such a
//! refusal. A caller that comes back in time is not refused by the same rule, unless something has
//! happened since.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation};
use reeve_core::guard::{Rule, Veto};
use reeve_core::id::{DecisionId, WorkerId};
use reeve_core::journal::{Content, Entry};
use reeve_core::point::Verdict;
use reeve_core::point::resolve::Action;
use reeve_core::response::{NotYet, NotYetCode};
use reeve_core::time::{Instant, Millis};

use super::{ByWorker, Finding, Guarantee, Heard};
use crate::engine::Life;

/// How far a told time may be from the time at which the rule opens. Both are by one host's clock.
const EXACT: Millis = Millis::from_secs(1);

/// The rules that open at a time that the host knows.
const TIMED: [Rule; 4] = [
    Rule::BacksOff,
    Rule::BudgetSpent,
    Rule::Cycling,
    Rule::StartGivenUp,
];

/// What hosts were refused and decided, and what they told callers.
#[derive(Default)]
pub(super) struct Truth {
    /// By the decision that a response rests on.
    behind: BTreeMap<(Life, WorkerId, DecisionId), Behind>,
    /// The kinds of refusals of launches and starts that a life of a host heard since one succeeded.
    in_row: BTreeMap<(Life, WorkerId), BTreeSet<CloudErrorKind>>,
    /// The kinds of refusals that any host heard for the worker or its pool's readings.
    ever: ByWorker<BTreeSet<CloudErrorKind>>,
    promised: BTreeMap<(Life, WorkerId, String), Promise>,
    /// How much happened that may hold the worker back anew.
    news: ByWorker<u64>,
    /// How many mutations were announced, each of which spends budgets of several workers.
    spent: u64,
    /// How many records of others each life has learned of. They tell of earlier acts, which count in
    /// budgets of several workers.
    learned: BTreeMap<Life, u64>,
}

/// A veto, or a policy's `unavailable`.
struct Behind {
    veto: Option<Veto>,
    /// When it ends, by the host's clock; `None` if the host does not know.
    opens_at: Option<Instant>,
    /// What had happened by then.
    news: News,
}

/// What may hold a worker back anew: what happened to it, acts announced, and records learned of.
type News = (u64, u64, u64);

/// The time at which a caller was told to come back.
struct Promise {
    /// By the host's clock.
    due: Instant,
    /// What had happened when the host decided it.
    news: News,
}

impl Truth {
    /// Notes something that may hold the worker back anew.
    pub(super) fn happened(&mut self, worker: &WorkerId) {
        *self.news.entry(worker.clone()).or_default() += 1;
    }

    /// Notes that a life of a host learns what another has written.
    pub(super) fn learned(&mut self, by: Life) {
        *self.learned.entry(by).or_default() += 1;
    }

    /// Notes a written record. Another host may have taken over what the worker's host knew.
    pub(super) fn committed(&mut self, by: Life, worker: &WorkerId, announces: bool) {
        self.happened(worker);
        self.spent += u64::from(announces);
        self.in_row
            .retain(|(life, of), _| *life == by || of != worker);
    }

    /// Notes that a host counts a worker's failures anew.
    pub(super) fn counted_anew(&mut self, worker: &WorkerId) {
        self.happened(worker);
        self.in_row.retain(|(_, of), _| of != worker);
    }

    /// Notes the outcome of a mutation.
    pub(super) fn heard(&mut self, heard: &Heard<'_>) {
        self.happened(heard.worker);
        let key = (heard.by, heard.worker.clone());
        let launches = matches!(heard.mutation, Mutation::Launch { .. });
        if !launches && !matches!(heard.mutation, Mutation::Start { .. }) {
            return;
        }
        match heard.result {
            Ok(_) => {
                self.in_row.remove(&key);
            }
            // A conflict may say that an earlier try of the launch was carried out. A host that finds
            // its instance counts no failures any longer.
            Err(error) if launches && error.kind == CloudErrorKind::Conflict => {
                self.in_row.remove(&key);
            }
            Err(error) if error.kind.is_refusal() => {
                self.in_row.entry(key).or_default().insert(error.kind);
                self.refused(heard.worker, error);
            }
            Err(_) => {}
        }
    }

    /// Notes that the cloud refused a mutation or a reading for the worker.
    pub(super) fn refused(&mut self, worker: &WorkerId, error: &CloudError) {
        self.happened(worker);
        let kinds = self.ever.entry(worker.clone()).or_default();
        kinds.insert(error.kind);
    }

    /// Notes a veto or a decision, and checks that no caller was told that the veto would be over.
    pub(super) fn journaled(&mut self, by: Life, entry: &Entry) -> Finding {
        let news = self.news(by, &entry.worker);
        let behind = match &entry.content {
            Content::Vetoed(veto) => {
                self.check_promise(by, entry, veto)?;
                Behind {
                    opens_at: veto.opens_at,
                    veto: Some(veto.clone()),
                    news,
                }
            }
            Content::Decided(made) => match &made.result {
                Ok(Verdict::Resolve(verdict)) => match verdict.action {
                    Action::Unavailable(ms) => Behind {
                        opens_at: Some(entry.at + Millis::from(ms)),
                        veto: None,
                        news,
                    },
                    _ => return Ok(()),
                },
                _ => return Ok(()),
            },
            // The host counts it at once, whatever becomes of the write that announces it.
            Content::Intent { .. } => {
                self.spent += 1;
                return Ok(());
            }
            _ => return Ok(()),
        };
        // What the host proposes by itself later, such as a restart, names the latest decision too.
        let key = (by, entry.worker.clone(), entry.decision);
        self.behind.entry(key).or_insert(behind);
        Ok(())
    }

    fn check_promise(&self, by: Life, entry: &Entry, veto: &Veto) -> Finding {
        let key = (by, entry.worker.clone(), subject(veto));
        let Some(promise) = self.promised.get(&key) else {
            return Ok(());
        };
        let is_new = promise.news != self.news(by, &entry.worker);
        if is_new || entry.at < promise.due + EXACT {
            return Ok(());
        }
        broken(format!(
            "{} after the time at which a caller was to come back: {veto}",
            entry.at.since(promise.due)
        ))
    }

    fn news(&self, by: Life, worker: &WorkerId) -> News {
        (
            self.news.get(worker).copied().unwrap_or_default(),
            self.spent,
            self.learned.get(&by).copied().unwrap_or_default(),
        )
    }

    /// Checks the response to a caller, which the host gives at `local` by its own clock.
    pub(super) fn answered(
        &mut self,
        local: Instant,
        by: Life,
        worker: &WorkerId,
        not_yet: &NotYet,
    ) -> Finding {
        self.check_blame(worker, not_yet.code)?;
        let key = (by, worker.clone(), not_yet.decision.unwrap_or_default());
        let (Some(behind), true) = (self.behind.get(&key), rests_on_it(not_yet.code)) else {
            return Ok(());
        };
        if let Some(veto) = &behind.veto {
            let in_row = self.in_row.get(&(by, worker.clone()));
            let hides = not_yet.code == NotYetCode::Vetoed
                && match veto.rule {
                    Rule::BacksOff => true,
                    Rule::BudgetSpent | Rule::StartGivenUp => in_row.is_some(),
                    _ => false,
                };
            if hides {
                return broken(format!("the code is `vetoed` after {in_row:?}: {veto}"));
            }
        }
        if let Some(opens_at) = behind.opens_at {
            let opens_in = opens_at.since(local);
            let (told, least, most) = (not_yet.retry_after, opens_in, opens_in + EXACT);
            if told + EXACT < least || told > most {
                let code = not_yet.code;
                return broken(format!(
                    "a caller hears {code} and is to come back in {told}; what refuses it ends in {opens_in}"
                ));
            }
        }
        if let Some(veto) = behind.veto.as_ref().filter(|it| TIMED.contains(&it.rule)) {
            let key = (by, worker.clone(), subject(veto));
            let due = local + not_yet.retry_after;
            let news = behind.news;
            self.promised.insert(key, Promise { due, news });
        }
        Ok(())
    }

    /// Checks that a code that blames the cloud rests on a refusal.
    fn check_blame(&self, worker: &WorkerId, code: NotYetCode) -> Finding {
        let kind = match code {
            NotYetCode::NoCapacity => CloudErrorKind::NoCapacity,
            NotYetCode::Throttled => CloudErrorKind::Throttled,
            NotYetCode::Denied => CloudErrorKind::Denied,
            _ => return Ok(()),
        };
        let kinds = self.ever.get(worker);
        match kinds.is_some_and(|kinds| kinds.contains(&kind)) {
            true => Ok(()),
            false => broken(format!(
                "a caller hears {code}, and the cloud never said so"
            )),
        }
    }
}

/// Whether the code may be that of a veto or of a policy's `unavailable`. The facts give the others.
fn rests_on_it(code: NotYetCode) -> bool {
    use NotYetCode::{Denied, NoCapacity, Throttled, Unavailable, Vetoed};
    matches!(code, Denied | NoCapacity | Throttled | Unavailable | Vetoed)
}

/// What the rule refuses: its text says that first, and then why and for how long.
fn subject(veto: &Veto) -> String {
    let what = veto.text.split(['(', ';']).next().unwrap_or_default();
    format!("{}: {what}", veto.rule)
}

fn broken(text: String) -> Finding {
    Err((Guarantee::V4, text))
}
