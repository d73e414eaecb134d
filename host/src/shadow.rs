//! The cloud and the store of a dry run. They read the real ones, and keep each write in memory, in
//! a [`Shadow`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, Outcome, Query, Reading};
use reeve_core::guard::Permit;
use reeve_core::id::{DecisionId, WorkerId};
use reeve_core::ports::{Cloud, CloudFuture, Store, StoreFuture};
use reeve_core::shadow::Shadow;
use reeve_core::store::{Committed, Records, Refresh, Refreshed, Stored, Write};

use crate::clock::Clock;

/// Puts one shadow before a cloud and a store.
pub(crate) fn before(
    cloud: Arc<dyn Cloud>,
    store: Arc<dyn Store>,
    clock: Clock,
) -> (Arc<dyn Cloud>, Arc<dyn Store>) {
    let shadow = Shared::default();
    let cloud = ShadowCloud {
        real: cloud,
        shadow: shadow.clone(),
        clock,
    };
    let store = ShadowStore {
        real: store,
        shadow,
    };
    (Arc::new(cloud), Arc::new(store))
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Shadow>>);

impl Shared {
    /// Never held across a call to the real cloud or store.
    fn lock(&self) -> MutexGuard<'_, Shadow> {
        // The shadow stays whole even if a caller panicked: each call leaves it consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct ShadowCloud {
    real: Arc<dyn Cloud>,
    shadow: Shared,
    clock: Clock,
}

impl Cloud for ShadowCloud {
    fn query(&self, query: Query) -> CloudFuture<'_, Reading> {
        Box::pin(async move {
            let reading = self.real.query(query.clone()).await?;
            Ok(match (reading, query) {
                (Reading::Pointer(real), Query::Pointer { region, name }) => {
                    Reading::Pointer(self.shadow.lock().pointer(&region, &name, real))
                }
                (reading, _) => reading,
            })
        })
    }

    fn mutate(&self, permit: Permit) -> CloudFuture<'_, Outcome> {
        Box::pin(async move {
            let Mutation::WritePointer { region, name, id } = permit.into_mutation() else {
                return Err(not_sent());
            };
            let query = Query::Pointer {
                region: region.clone(),
                name: name.clone(),
            };
            if let Reading::Pointer(real) = self.real.query(query).await? {
                let now = self.clock.now();
                let mut shadow = self.shadow.lock();
                shadow.write_pointer(region, name, id, now, real);
            }
            Ok(Outcome::Accepted)
        })
    }
}

/// A second lock behind the guard's veto of everything but writes of pointers.
fn not_sent() -> CloudError {
    CloudError {
        operation: "dry run".to_owned(),
        kind: CloudErrorKind::NotSent,
        code: "DryRun".to_owned(),
        message: "this host changes no instance".to_owned(),
        retry_after: None,
    }
}

struct ShadowStore {
    real: Arc<dyn Store>,
    shadow: Shared,
}

impl Store for ShadowStore {
    fn is_shared(&self) -> bool {
        self.real.is_shared()
    }

    fn read(&self, worker: WorkerId) -> StoreFuture<'_, Option<Stored>> {
        Box::pin(async move {
            let real = self.real.read(worker.clone()).await?;
            Ok(self.shadow.lock().read(&worker, real))
        })
    }

    /// Only a start reads all records, and the shadow is empty then.
    fn read_all(&self) -> StoreFuture<'_, Records> {
        self.real.read_all()
    }

    fn commit(&self, write: Write) -> StoreFuture<'_, Committed> {
        Box::pin(async move {
            let real = self.real.read(write.worker.clone()).await?;
            Ok(self.shadow.lock().commit(&write, real))
        })
    }

    /// Nothing is written, so the ids of a dry run are those after its own journal's.
    fn reserve(&self, above: DecisionId, _count: u64) -> StoreFuture<'_, DecisionId> {
        Box::pin(async move { Ok(above) })
    }

    fn refresh(&self, worker: WorkerId, refresh: Refresh) -> StoreFuture<'_, Refreshed> {
        Box::pin(async move {
            let real = self.real.read(worker.clone()).await?;
            Ok(self.shadow.lock().refresh(&worker, refresh, real))
        })
    }
}
