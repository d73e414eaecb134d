//! The configuration file: what an operator writes, checked, and turned into what the host keeps.
//!
//! A mistake is refused with its place and what would have been accepted. Everything is checked before
//! anything is refused, so that one run shows every mistake.
//!
//! - `file`: the file's shape, key by key.
//! - `check`: what the shape alone cannot say.
//! - `finding`: a mistake and where it stands.
//! - `settings`: a policy's settings, from TOML to the JSON that policies read.

mod check;
mod file;
mod finding;
mod settings;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use reeve_core::id::{PoolName, Region};
use reeve_core::point::Point;
use reeve_core::spec::FleetSpec;

use crate::notify::Webhook;

pub use finding::{Finding, Place};

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Pools, workers and limits.
    pub fleet: FleetSpec,
    /// Every pool's policy at every point: those named, and the standard ones elsewhere.
    pub policies: Vec<BoundPolicy>,
    /// The directory the policies' files are in.
    pub policies_dir: PathBuf,
    /// The fuel one decision may use; `None`: the policy crate's own limit.
    pub fuel_max: Option<u64>,
    /// The memory one decision may use, in bytes; `None`: the policy crate's own limit.
    pub memory_bytes_max: Option<usize>,
    /// Where the HTTP interface listens; a loopback address.
    pub listen: SocketAddr,
    /// A Unix socket with the same interface.
    pub socket: Option<PathBuf>,
    /// Where the journal is kept, and the workers' records if no other host shares them.
    pub state_dir: PathBuf,
    /// The table of the workers' records, where several hosts share them.
    pub shared_store: Option<SharedStore>,
    /// Where boxes register; `None`: they do not.
    pub boxes: Option<Boxes>,
    /// Who is told what.
    pub notify: Vec<Webhook>,
    /// How AWS is reached.
    pub aws: Aws,
}

/// The interface for boxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boxes {
    /// Where it listens: any address.
    pub listen: SocketAddr,
    /// The file with the secret that boxes share; not read yet.
    pub shared_secret_file: Option<PathBuf>,
    /// Files with certificates of regions beside those that are compiled in, or in their place; not read yet.
    pub certificates: BTreeMap<Region, PathBuf>,
    /// Connections that one address may have at a time.
    pub peer_connections_max: usize,
}

/// A DynamoDB table that several hosts share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedStore {
    /// Its name.
    pub table: String,
    /// Where it is.
    pub region: Region,
}

/// How AWS is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aws {
    /// The profile; `None`: the usual order of the AWS command line.
    pub profile: Option<String>,
    /// Where all of AWS's services answer; `None`: AWS itself.
    pub endpoint_url: Option<String>,
}

/// A policy bound to one point of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundPolicy {
    /// The pool.
    pub pool: PoolName,
    /// The point it answers at.
    pub point: Point,
    /// The component's file name within the policies' directory.
    pub file: String,
    /// Its settings; policies read them as a JSON object.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Where the configuration binds it: its own table, or the pool's.
    pub place: Place,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file has mistakes; each stands on a line of its own.
    #[error("{}", finding::list(path, findings))]
    Refused {
        /// The file.
        path: PathBuf,
        /// The mistakes, by place; never empty.
        findings: Vec<Finding>,
    },
}

impl Config {
    /// Reads and checks a file. Relative paths in it start from the file's own directory.
    ///
    /// # Errors
    /// [`ConfigError`]: the file cannot be read, or has mistakes.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Checks a text as if it stood in the file `path`.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] when it has mistakes.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let refused = |findings| ConfigError::Refused {
            path: path.to_owned(),
            findings,
        };
        let file =
            toml::from_str(text).map_err(|error| refused(vec![Finding::of_toml(text, &error)]))?;
        check::check(path, text, file).map_err(refused)
    }
}
