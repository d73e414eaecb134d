//! The published routes: most resolves are served from them, without a lock, a policy call or a
//! cloud call.
//!
//! The loop publishes and withdraws routes; request handlers read them. A route's response is
//! rendered when it is published. A use sets an atomic mark, which the loop collects.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use prometheus_client::metrics::counter::Counter;
use reeve_core::id::{DecisionId, Digest, Generation, InstanceId, PoolName, WorkerId};
use reeve_core::response::Route;
use reeve_core::text::to_json;
use reeve_core::time::{Instant, Millis};
use serde::Serialize;
use utoipa::ToSchema;

use crate::metrics::Metrics;

/// One slot per worker. Workers are fixed at start, so the map needs no lock.
#[derive(Debug)]
pub(crate) struct Routes {
    slots: HashMap<String, Slot>,
}

/// The published route of one worker.
#[derive(Debug)]
pub(crate) struct Slot {
    worker: WorkerId,
    pool: PoolName,
    published: ArcSwapOption<Published>,
    answers: Counter,
    /// How many of the answers the loop has collected.
    collected: AtomicU64,
}

/// A route and its rendered response.
#[derive(Debug)]
struct Published {
    instance: InstanceId,
    valid_until: Instant,
    body: ServedBody,
    /// Whether a caller got the route since the loop last collected.
    handed_out: AtomicBool,
}

/// The JSON response to a served resolve, rendered except for the remaining validity.
#[derive(Clone, Debug)]
pub(crate) struct ServedBody {
    /// The text up to the number at its end.
    open: String,
}

/// Where the worker is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Served<'a> {
    worker: &'a str,
    /// `http://{address}:{port}`
    url: &'a str,
    /// The provider's id.
    instance: &'a str,
    /// The provisioning attempt; 0 for an instance that reeve did not launch.
    generation: Generation,
    /// The decision's id in the journal.
    decision: DecisionId,
    /// The component that decided; `null` for a safe default.
    digest: Option<Digest>,
    /// How long the host itself repeats this response, if nothing changes.
    valid_for_ms: u64,
}

impl ServedBody {
    /// Renders the route.
    pub(crate) fn new(route: &Route) -> Self {
        let served = Served {
            worker: route.worker.as_str(),
            url: &route.url,
            instance: route.instance.as_str(),
            generation: route.generation,
            decision: route.decision,
            digest: route.digest,
            valid_for_ms: 0,
        };
        // Strings and numbers always have a JSON form.
        let mut open = to_json(&served).unwrap_or_default();
        open.truncate(open.len().saturating_sub("0}".len()));
        Self { open }
    }

    /// The complete response, for a route with this remaining validity.
    pub(crate) fn close(&self, valid_for: Millis) -> String {
        format!("{}{}}}\n", self.open, valid_for.get())
    }
}

impl Routes {
    /// Empty slots for these workers.
    pub(crate) fn new<'a>(
        workers: impl Iterator<Item = (&'a WorkerId, &'a PoolName)>,
        metrics: &Metrics,
    ) -> Self {
        let slot = |worker: &WorkerId, pool: &PoolName| Slot {
            worker: worker.clone(),
            pool: pool.clone(),
            published: ArcSwapOption::empty(),
            answers: metrics.resolves_from_route(worker),
            collected: AtomicU64::new(0),
        };
        Self {
            slots: workers
                .map(|(worker, pool)| (worker.to_string(), slot(worker, pool)))
                .collect(),
        }
    }

    /// The slot of this worker. `None`: the worker is not configured.
    pub(crate) fn slot(&self, worker: &str) -> Option<&Slot> {
        self.slots.get(worker)
    }

    /// Publishes this route. Returns the previous route if it was handed out since the last
    /// collection.
    pub(crate) fn publish(&self, route: &Route) -> Option<HandedOut> {
        let published = Published {
            instance: route.instance.clone(),
            valid_until: route.valid_until,
            body: ServedBody::new(route),
            handed_out: AtomicBool::new(false),
        };
        self.exchange(&route.worker, Some(published))
    }

    /// Withdraws the route. Returns it if it was handed out since the last collection.
    pub(crate) fn withdraw(&self, worker: &WorkerId) -> Option<HandedOut> {
        self.exchange(worker, None)
    }

    /// Clears and returns the mark of one worker.
    pub(crate) fn collect(&self, worker: &WorkerId) -> Option<HandedOut> {
        let slot = self.slots.get(worker.as_str())?;
        let published = slot.published.load();
        slot.taken(published.as_deref()?)
    }

    /// Clears and returns the marks of all workers.
    pub(crate) fn collect_all(&self) -> Vec<HandedOut> {
        let slots = self.slots.values();
        slots
            .filter_map(|slot| slot.taken(slot.published.load().as_deref()?))
            .collect()
    }

    fn exchange(&self, worker: &WorkerId, published: Option<Published>) -> Option<HandedOut> {
        let slot = self.slots.get(worker.as_str())?;
        let before = slot.published.swap(published.map(Arc::new))?;
        slot.taken(&before)
    }
}

/// An instance whose address callers got from the published route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HandedOut {
    pub(crate) worker: WorkerId,
    pub(crate) instance: InstanceId,
    /// How many callers got it since the last collection.
    pub(crate) count: u64,
}

impl Slot {
    /// The worker of this slot.
    pub(crate) fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// The worker's pool.
    pub(crate) fn pool(&self) -> &PoolName {
        &self.pool
    }

    /// The response from the published route. `None`: there is no valid route.
    pub(crate) fn answer(&self, now: Instant) -> Option<String> {
        let published = self.published.load();
        let published = published.as_deref()?;
        if now >= published.valid_until {
            return None;
        }
        // Reading before writing keeps the cache line shared between cores: the mark changes about
        // once a second.
        if !published.handed_out.load(Ordering::Relaxed) {
            published.handed_out.store(true, Ordering::Release);
        }
        self.answers.inc();
        Some(published.body.close(published.valid_until.since(now)))
    }

    fn taken(&self, published: &Published) -> Option<HandedOut> {
        published.handed_out.swap(false, Ordering::AcqRel).then(|| {
            let answers = self.answers.get();
            let collected = self.collected.swap(answers, Ordering::Relaxed);
            HandedOut {
                worker: self.worker.clone(),
                instance: published.instance.clone(),
                // The mark is set before the answer is counted.
                count: answers.saturating_sub(collected).max(1),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reeve_core::id::{DecisionId, Generation};

    fn route(instance: &str, valid_until_ms: u64) -> Route {
        Route {
            worker: WorkerId::from("chat"),
            url: "http://10.0.0.1:80".to_owned(),
            instance: InstanceId::from(instance),
            generation: Generation::new(3),
            decision: DecisionId::new(7),
            digest: None,
            valid_until: Instant::from_ms(valid_until_ms),
        }
    }

    fn routes() -> Routes {
        Routes::new(
            [(&WorkerId::from("chat"), &PoolName::from("gpu"))].into_iter(),
            &Metrics::new(),
        )
    }

    fn answer(routes: &Routes, now_ms: u64) -> Option<String> {
        routes
            .slot("chat")
            .unwrap()
            .answer(Instant::from_ms(now_ms))
    }

    #[test]
    fn a_route_is_answered_until_it_expires_and_not_after() {
        let routes = routes();
        assert_eq!(answer(&routes, 0), None);
        routes.publish(&route("i-a", 1000));
        let body: serde_json::Value = serde_json::from_str(&answer(&routes, 400).unwrap()).unwrap();
        let expected = serde_json::json!({
            "worker": "chat", "url": "http://10.0.0.1:80", "instance": "i-a", "generation": 3,
            "decision": 7, "digest": null, "valid_for_ms": 600,
        });
        assert_eq!(body, expected);
        assert!(answer(&routes, 999).is_some());
        assert_eq!(answer(&routes, 1000), None);
    }

    #[test]
    fn a_withdrawn_route_is_not_answered() {
        let routes = routes();
        routes.publish(&route("i-a", 1000));
        routes.withdraw(&WorkerId::from("chat"));
        assert_eq!(answer(&routes, 0), None);
    }

    #[test]
    fn a_used_route_is_reported_once_even_if_the_route_changes() {
        let routes = routes();
        let chat = WorkerId::from("chat");
        let told = |instance: &str, count| HandedOut {
            count,
            worker: chat.clone(),
            instance: InstanceId::from(instance),
        };
        routes.publish(&route("i-a", 1000));
        assert_eq!(routes.collect_all(), []);
        answer(&routes, 1);
        answer(&routes, 2);
        assert_eq!(routes.collect_all(), [told("i-a", 2)]);
        assert_eq!(routes.collect(&chat), None);
        answer(&routes, 3);
        assert_eq!(routes.publish(&route("i-b", 1000)), Some(told("i-a", 1)));
        answer(&routes, 4);
        assert_eq!(routes.withdraw(&chat), Some(told("i-b", 1)));
    }

    #[test]
    fn a_worker_that_is_not_configured_has_no_slot() {
        assert!(routes().slot("other").is_none());
    }
}
