//! Where one host keeps its workers' records: a file. Hosts that share workers keep them in DynamoDB
//! (`reeve-aws`) instead; both stand behind [`reeve_core::ports::Store`].

mod sqlite;

pub use sqlite::{SqliteStore, StoreOpenError};
