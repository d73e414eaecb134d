//! The versions of one file: the one in force, the last one before it that has answered, to which a
//! broken one gives way, and the one that may not come back.

use std::sync::Arc;

use reeve_core::id::{Digest, PoolName};
use reeve_core::point::Point;

use crate::binding::Binding;
use crate::component::LoadedPolicy;
use crate::error::PolicyRef;
use crate::record::FAILURES_MAX;
use crate::report::{FileReport, Outcome, ReloadError};
use crate::slots::{Slot, SlotMap};

/// The state of one file.
#[derive(Clone, Default)]
pub(crate) struct Versions {
    serving: Option<Version>,
    /// The last good version before the one that serves.
    before: Option<Version>,
    quarantined: Option<Quarantined>,
    /// Why the file's present content is not active.
    last_error: Option<String>,
}

/// A version in force, with its settings and records at each point that it is bound to.
#[derive(Clone)]
struct Version {
    policy: Arc<LoadedPolicy>,
    bound: Vec<Bound>,
}

#[derive(Clone)]
struct Bound {
    pool: PoolName,
    point: Point,
    slot: Slot,
}

/// A version that gave way to the one before it.
#[derive(Clone)]
struct Quarantined {
    policy: PolicyRef,
    /// Where and how it failed.
    failures: String,
}

impl Versions {
    /// The policy in force.
    pub(crate) fn serving(&self) -> Option<&Arc<LoadedPolicy>> {
        self.serving.as_ref().map(|version| &version.policy)
    }

    /// Why the file's present content is not active.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// The slot of the version in force at a point.
    pub(crate) fn slot(&self, pool: &PoolName, point: Point) -> Option<&Slot> {
        self.serving.as_ref()?.slot(pool, point)
    }

    /// Binds the slots of the version in force.
    pub(crate) fn bind(&self, slots: &mut SlotMap) {
        for bound in self.serving.iter().flat_map(|version| &version.bound) {
            slots.bind(bound.pool.clone(), bound.point, bound.slot.clone());
        }
    }

    /// Where and how the version in force fails each time. `None`: it does not.
    pub(crate) fn failing(&self) -> Option<String> {
        self.serving.as_ref()?.broken()
    }

    /// Puts the version before in the place of one that is broken; returns whether it did.
    pub(crate) fn roll_back(&mut self) -> bool {
        let Some((broken, failures)) = self
            .serving
            .as_ref()
            .and_then(|version| Some((version.policy.policy().clone(), version.broken()?)))
        else {
            return false;
        };
        let Some(before) = self.before.take() else {
            return false;
        };
        self.serving = Some(before.renewed());
        self.quarantined = Some(Quarantined {
            policy: broken,
            failures,
        });
        true
    }

    /// Refuses content that gave way before.
    ///
    /// # Errors
    /// [`ReloadError::Quarantined`].
    pub(crate) fn admit(&self, digest: Digest) -> Result<(), ReloadError> {
        match &self.quarantined {
            Some(quarantined) if quarantined.policy.digest == digest => {
                Err(ReloadError::Quarantined {
                    policy: quarantined.policy.clone(),
                    failures: quarantined.failures.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Applies the result of a trial: a good version comes into force, a bad one is remembered.
    pub(crate) fn settle<'a>(
        &mut self,
        file: &str,
        bindings: impl Iterator<Item = &'a Binding>,
        tried: Result<Arc<LoadedPolicy>, ReloadError>,
    ) -> FileReport {
        let old = self.serving().map(|serving| serving.digest());
        let outcome = match tried {
            Ok(policy) if old == Some(policy.digest()) => {
                self.last_error = None;
                Outcome::Unchanged {
                    digest: policy.digest(),
                }
            }
            Ok(policy) => {
                let new = policy.digest();
                self.activate(policy, bindings);
                Outcome::Activated { old, new }
            }
            Err(error) => {
                self.last_error = Some(error.text());
                Outcome::Refused {
                    error,
                    serving: old,
                }
            }
        };
        FileReport {
            file: file.to_owned(),
            outcome,
        }
    }

    fn activate<'a>(
        &mut self,
        policy: Arc<LoadedPolicy>,
        bindings: impl Iterator<Item = &'a Binding>,
    ) {
        let version = Version::new(policy, bindings, self.serving.as_ref());
        let replaced = self.serving.replace(version);
        if let Some(replaced) = replaced.filter(Version::is_good) {
            self.before = Some(replaced);
        }
        self.quarantined = None;
        self.last_error = None;
    }
}

impl Version {
    fn new<'a>(
        policy: Arc<LoadedPolicy>,
        bindings: impl Iterator<Item = &'a Binding>,
        before: Option<&Self>,
    ) -> Self {
        let bound = bindings.map(|binding| {
            let (pool, point) = (binding.pool.clone(), binding.point);
            let slot = Slot::new(Arc::clone(&policy), binding.settings_text().into());
            let slot = match before.and_then(|version| version.slot(&pool, point)) {
                Some(before) => slot.following(before),
                None => slot,
            };
            Bound { pool, point, slot }
        });
        Self {
            bound: bound.collect(),
            policy,
        }
    }

    /// The same version with new records.
    fn renewed(self) -> Self {
        let bound = self.bound.into_iter().map(|bound| Bound {
            slot: bound.slot.clone().following(&bound.slot),
            ..bound
        });
        Self {
            bound: bound.collect(),
            policy: self.policy,
        }
    }

    fn slot(&self, pool: &PoolName, point: Point) -> Option<&Slot> {
        let is_it = |bound: &&Bound| bound.pool == *pool && bound.point == point;
        self.bound.iter().find(is_it).map(|bound| &bound.slot)
    }

    /// Whether it has answered and is not broken.
    fn is_good(&self) -> bool {
        let answered = self
            .bound
            .iter()
            .any(|bound| bound.slot.record().has_answered());
        answered && self.broken().is_none()
    }

    fn broken(&self) -> Option<String> {
        self.bound.iter().find_map(|bound| {
            let last = bound.slot.record().broken()?;
            Some(format!(
                "it failed {FAILURES_MAX} times in a row at pool {}, point {}, at last: {last}",
                bound.pool, bound.point
            ))
        })
    }
}
