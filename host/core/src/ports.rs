//! The traits behind which AWS, a store, the policies or a simulated world stands. A mutation needs
//! a [`Permit`]. Only the guard builds permits, and each is consumed by use, so an unguarded or
//! repeated mutation does not compile.

use std::future::Future;
use std::pin::Pin;

use crate::guard::Permit;
use crate::model::cloud::{CloudError, Outcome, Query, Reading};
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, PoolName, WorkerId};
use crate::model::point::Input;
use crate::model::store::{Committed, Records, Refresh, Refreshed, StoreError, Stored, Write};
use crate::model::time::Instant;

/// A cloud that the host reads and, with a permit, changes.
///
/// An implementation guarantees:
/// - It adds no retries of its own to a mutation. The core replays a launch with the same token,
///   and counts every mutation.
/// - A query changes nothing.
/// - Every error has a [`CloudErrorKind`](crate::cloud::CloudErrorKind), and keeps the provider's
///   own code.
pub trait Cloud: Send + Sync + 'static {
    /// Reads from the cloud; changes nothing.
    fn query(&self, query: Query) -> CloudFuture<'_, Reading>;

    /// Carries out the permitted mutation once.
    fn mutate(&self, permit: Permit) -> CloudFuture<'_, Outcome>;
}

/// The result of a call to the cloud.
pub type CloudFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, CloudError>> + Send + 'a>>;

/// The store of the records of one fleet's workers.
///
/// A record is never removed: versions, epochs and generations only rise.
///
/// An implementation guarantees:
/// - A commit that returned [`Committed::Written`] survives the end of the process and a power
///   failure.
/// - Of two commits that expect the same version, one is written.
/// - A commit whose earlier try was written returns `Written`, however often it is sent.
///
/// The suite `conformance` in `reeve-sim` tests every implementation.
pub trait Store: Send + Sync + 'static {
    /// Whether other hosts may write the same records. In a private store, a lease found at the
    /// start belongs to an earlier life and is void.
    fn is_shared(&self) -> bool;

    /// Reads one worker's record; `None` if it was never written.
    fn read(&self, worker: WorkerId) -> StoreFuture<'_, Option<Stored>>;

    /// Reads all records of the fleet, page by page. A record that cannot be read leaves the others
    /// readable (V7); its entry says why.
    fn read_all(&self) -> StoreFuture<'_, Records>;

    /// Replaces a record if it still has the version that the write expects.
    fn commit(&self, write: Write) -> StoreFuture<'_, Committed>;

    /// Reserves `count` decision ids for the caller, and returns the last id before them, which is
    /// `above` or higher. No two calls of any host get the same id. Ids of a reservation whose
    /// answer is lost are never used.
    fn reserve(&self, above: DecisionId, count: u64) -> StoreFuture<'_, DecisionId>;

    /// Refreshes one attribute of the activity, if the worker's record exists and its phase allows
    /// the refresh ([`Refresh::phases`]).
    fn refresh(&self, worker: WorkerId, refresh: Refresh) -> StoreFuture<'_, Refreshed>;
}

/// Facts that the hosts of a fleet share for a while, such as which login was accepted and which
/// session it began. The core knows nothing of them.
///
/// An implementation guarantees:
/// - Of two values that are entered under a key at the same time, one is in force for every host.
/// - An entry that is in force survives the end of the process.
///
/// Caveat: entries are removed some time after their end, not at it, so an entry carries its end.
pub trait Ledger: Send + Sync + 'static {
    /// Enters a value under a key, unless the key has one that is in force, and returns the value in
    /// force. `now` decides which entries are over.
    fn enter(&self, key: String, entry: LedgerEntry, now: Instant) -> StoreFuture<'_, LedgerEntry>;

    /// The value under a key; `None`: there is none, or it is over.
    fn look_up(&self, key: String, now: Instant) -> StoreFuture<'_, Option<LedgerEntry>>;
}

/// A value in a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// At most 2 KiB of text.
    pub value: String,
    /// From when on it is not in force.
    pub until: Instant,
}

/// The result of a call to the store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The policies that decide for the core: Wasm slots in the product, a function in a test.
pub trait Policies: Send + Sync {
    /// Asks the policy that is bound to the input's point in this pool, with its settings. The call
    /// never fails: a policy's failure is the decision's `result`.
    fn decide(&self, pool: &PoolName, input: Input) -> Decision;
}
