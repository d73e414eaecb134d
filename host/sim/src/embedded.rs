//! The simulated world behind the [`Cloud`] trait, on a clock that the caller provides. `reeve demo`
//! runs the product's drive loop on it.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use reeve_core::cloud::{Outcome, Query, Reading};
use reeve_core::guard::Permit;
use reeve_core::ports::{Cloud, CloudFuture};
use reeve_core::time::Instant;

use crate::world::World;

/// Returns the present time of the embedded world.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// A world behind the interface of a real cloud. Each call first moves the world to the present
/// time.
#[derive(Clone)]
pub struct EmbeddedCloud {
    world: Arc<Mutex<World>>,
    clock: Clock,
}

impl EmbeddedCloud {
    /// Wraps the world. `clock` gives the time of each call.
    pub fn new(world: World, clock: Clock) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            clock,
        }
    }

    /// Gives `look` access to the world at the present time, to observe or to change it.
    pub fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        // The world stays whole even if a caller panicked: each call leaves it consistent.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance((self.clock)());
        look(&mut world)
    }
}

impl Cloud for EmbeddedCloud {
    fn query(&self, query: Query) -> CloudFuture<'_, Reading> {
        Box::pin(ready(self.with(|world| world.query(&query))))
    }

    fn mutate(&self, permit: Permit) -> CloudFuture<'_, Outcome> {
        let mutation = permit.into_mutation();
        Box::pin(ready(self.with(|world| world.apply(&mutation))))
    }
}
