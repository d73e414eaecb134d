//! The simulated world as a [`Cloud`], on whatever clock the caller keeps: what `reeve demo`
//! serves.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use reeve_core::cloud::{Outcome, Query, Reading};
use reeve_core::guard::Permit;
use reeve_core::ports::{Cloud, CloudFuture};
use reeve_core::time::Instant;

use crate::world::World;

/// Tells the time to the embedded world.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// A world that is asked and changed like a real cloud; its clock is moved at each call.
#[derive(Clone)]
pub struct EmbeddedCloud {
    world: Arc<Mutex<World>>,
    clock: Clock,
}

impl EmbeddedCloud {
    /// Puts the world behind the cloud's trait.
    pub fn new(world: World, clock: Clock) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            clock,
        }
    }

    /// Looks at the world, or changes it, as its onlookers do.
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
