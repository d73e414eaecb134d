//! The store of a single host: a file with its workers' records. Hosts that share workers use
//! DynamoDB (`reeve-aws`). Both implement [`reeve_core::ports::Store`].

mod sqlite;

pub use sqlite::{SqliteStore, StoreOpenError};
