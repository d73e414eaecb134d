//! The configuration file: read, checked, and turned into the types the host uses.
//!
//! A mistake is reported with its place and what is accepted. The whole file is checked first, so
//! one run shows every mistake.
//!
//! - `file`: the sections of the file, each key once.
//! - `section`: what is made of a section: a struct, its reading, the sample.
//! - `kind`: the kinds of values, and what each accepts.
//! - `check`: checks what single keys cannot express.
//! - `finding`: a mistake and its place.
//! - `sample`: a configuration with every key.

mod check;
mod file;
mod finding;
mod kind;
mod sample;
mod section;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use reeve_core::id::{Digest, PoolName, Region};
use reeve_core::point::Point;
use reeve_core::spec::FleetSpec;
use reeve_identity::login::ArnPattern;
use reeve_policy::{Class, SignerKey};

use crate::access::Access;
use crate::notify::Webhook;
use crate::tls::TlsFiles;

pub use finding::{Finding, Place};
pub(crate) use kind::name;
pub use sample::sample;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The path of the file.
    pub path: PathBuf,
    /// Pools, workers and limits.
    pub fleet: FleetSpec,
    /// Every pool's policy at every point: the named ones, else the standard policies.
    pub policies: Vec<BoundPolicy>,
    /// The directory of the policy files.
    pub policies_dir: PathBuf,
    /// Who may sign policies. Empty: a policy needs no signature.
    pub policy_keys: Vec<SignerKey>,
    /// The fuel one decision may use.
    pub fuel_max: u64,
    /// Where the HTTP interface listens: a loopback address. `None`: on the socket only.
    pub listen: Option<SocketAddr>,
    /// The path of a Unix socket with the same interface. `None`: no path is short enough.
    pub socket: Option<PathBuf>,
    /// Who may do what at these two.
    pub access: Access,
    /// The directory of the journal, and of the workers' records if no other host shares them.
    pub state_dir: PathBuf,
    /// The table of the workers' records that several hosts share. `None`: this host keeps its own
    /// records.
    pub shared_store: Option<SharedStore>,
    /// Where callers on other machines are served. `None`: nowhere.
    pub network: Option<Network>,
    /// Where boxes register. `None`: this host has no interface for boxes.
    pub boxes: Option<Boxes>,
    /// The regions whose STS callers and boxes may sign for.
    pub login_regions: Vec<String>,
    /// The webhooks that get notices.
    pub notify: Vec<Webhook>,
    /// How the host reaches AWS.
    pub aws: Aws,
}

/// The interface for callers on other machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address it listens on.
    pub listen: SocketAddr,
    /// The files of TLS. `None`: it is served without.
    pub tls: Option<TlsFiles>,
    /// The file of the tokens.
    pub tokens: PathBuf,
    /// How many connections one address may have at a time.
    pub peer_connections_max: usize,
}

/// The interface for boxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boxes {
    /// The address it listens on; any address is allowed.
    pub listen: SocketAddr,
    /// The files of TLS. `None`: it is served without.
    pub tls: Option<TlsFiles>,
    /// The role of each pool whose boxes prove themselves by one.
    pub roles: BTreeMap<PoolName, BoxRole>,
    /// The file with the secret of each pool whose boxes share one. The files are read later.
    pub secrets: BTreeMap<PoolName, PathBuf>,
    /// Certificate files of regions, in addition to the compiled-in certificates or in their place.
    /// The files are read later.
    pub certificates: BTreeMap<Region, PathBuf>,
    /// How many connections one address may have at a time.
    pub peer_connections_max: usize,
}

/// The role that a pool's boxes prove themselves by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxRole {
    /// The role: its sessions.
    pub arn: ArnPattern,
    /// What AWS shows for an instance with the role: the name of its instance profile, or of the
    /// task's role.
    pub shown_as: String,
}

/// A DynamoDB table that several hosts share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedStore {
    /// The table's name.
    pub table: String,
    /// The table's region.
    pub region: Region,
}

/// How the host reaches AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aws {
    /// The AWS profile. `None`: the default credential chain of the AWS SDK.
    pub profile: Option<String>,
    /// One endpoint for all AWS services. `None`: AWS's own endpoints.
    pub endpoint_url: Option<String>,
}

/// A policy bound to one point of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundPolicy {
    /// The pool whose workers it decides for.
    pub pool: PoolName,
    /// The point it is asked at.
    pub point: Point,
    /// The component's file name in the policy directory.
    pub file: String,
    /// The policy's settings, which policies read as a JSON object.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// How large the pool's policies may be.
    pub class: Class,
    /// The only content that the file may have. `None`: any.
    pub digest: Option<Digest>,
    /// Where the configuration binds the policy: the policy's own table, else the pool's.
    pub place: Place,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// The configuration file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file has mistakes; the error text has one per line.
    #[error("{}", finding::list(path, findings))]
    Refused {
        /// The configuration file.
        path: PathBuf,
        /// The mistakes by place; never empty.
        findings: Vec<Finding>,
    },
}

impl Config {
    /// Reads and checks a file. Relative paths in it start at the file's own directory.
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

    /// Checks a text as if it were the file `path`.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] when it has mistakes.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        check::read(path, text).map_err(|findings| ConfigError::Refused {
            path: path.to_owned(),
            findings,
        })
    }
}
