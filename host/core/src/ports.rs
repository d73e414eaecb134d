//! The traits behind which AWS, a store, the policies or a simulated world stands. A mutation needs a [`Permit`], which
//! only the guard builds and which is consumed by use, so an unguarded or repeated mutation does not compile.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use crate::guard::Permit;
use crate::model::cloud::{CloudError, Outcome, Query, Reading};
use crate::model::decision::Decision;
use crate::model::id::{PoolName, WorkerId};
use crate::model::point::Input;
use crate::model::store::{Committed, StoreError, Stored, Touch, Touched, Write};

/// A cloud that can be asked and, with a permit, changed.
///
/// Guarantees an implementation gives: it adds no retries of its own to a mutation (the core replays
/// a launch with the same token and counts what it does); it changes nothing on a query; every error is
/// sorted into a [`CloudErrorKind`](crate::cloud::CloudErrorKind) with the provider's own code kept.
pub trait Cloud: Send + Sync + 'static {
    /// Asks; changes nothing.
    fn query(&self, query: Query) -> CloudFuture<'_, Reading>;

    /// Does what the permit allows, once.
    fn mutate(&self, permit: Permit) -> CloudFuture<'_, Outcome>;
}

/// What a call to the cloud comes to.
pub type CloudFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, CloudError>> + Send + 'a>>;

/// Keeps the records of one fleet's workers.
///
/// A record is never removed: versions, epochs and generations only rise.
///
/// Guarantees an implementation gives: a commit that is answered [`Committed::Written`] survives the end of
/// the process and of the machine's power; of two commits that expect the same version one is
/// written; a commit whose own earlier try was written is answered `Written`, however often it was sent.
/// `conformance` in `reeve-sim` holds every implementation to it.
pub trait Store: Send + Sync + 'static {
    /// Whether other hosts may write the same records. Where they cannot, a lease found at the start
    /// is of an earlier life and void.
    fn is_shared(&self) -> bool;

    /// Reads one worker's record; `None`: it was never written.
    fn read(&self, worker: WorkerId) -> StoreFuture<'_, Option<Stored>>;

    /// Reads all records of the fleet, page by page.
    fn read_all(&self) -> StoreFuture<'_, BTreeMap<WorkerId, Stored>>;

    /// Replaces a record if it still has the version that the write expects.
    fn commit(&self, write: Write) -> StoreFuture<'_, Committed>;

    /// Refreshes activity, one attribute, if the worker's record is there and runs.
    fn touch(&self, worker: WorkerId, touch: Touch) -> StoreFuture<'_, Touched>;
}

/// What a call to the store comes to.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Answers the questions of the core: the Wasm slots in the product, a function in a test.
pub trait Policies: Send + Sync {
    /// Asks the policy that is bound to the input's point in this pool, with the settings it is bound
    /// with. Never fails: what goes wrong is the decision's `result`.
    fn decide(&self, pool: &PoolName, input: Input) -> Decision;
}
