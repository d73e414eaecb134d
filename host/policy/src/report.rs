//! The results of a reload and the active policies, as data for the log, the HTTP interface and
//! `reeve check`.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use reeve_core::id::{Digest, PoolName};
use reeve_core::point::Point;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::binding::Binding;
use crate::error::{Failure, LoadError, PANICKED, PolicyRef, SettingsError};
use crate::file::shown;
use crate::versions::Versions;

/// The results of a reload, one per file in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReloadReport {
    /// One report per bound file.
    #[schema(value_type = Vec<FileReport>)]
    pub files: Vec<Arc<FileReport>>,
}

/// The result of a reload for one file.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileReport {
    /// The file's name in the policy directory.
    pub file: String,
    /// What happened to the file.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What happened to one file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The file's bytes are already active.
    Unchanged {
        /// The digest of these bytes.
        digest: Digest,
    },
    /// The file's content became active.
    Activated {
        /// The digest of the previous version. `None`: there was none.
        old: Option<Digest>,
        /// The digest of the new version.
        new: Digest,
    },
    /// The file was refused; the last good version stays active.
    Refused {
        /// The reason.
        #[serde(serialize_with = "as_text")]
        #[schema(value_type = String)]
        error: ReloadError,
        /// The digest of the active version. `None`: there is none, and its points take their safe
        /// defaults.
        serving: Option<Digest>,
    },
}

/// Why a file's content was not activated.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file cannot be read.
    #[error("cannot read the policy {}", shown(path))]
    Read {
        /// The file's path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The path names a directory, a pipe or the like.
    #[error("the policy {} is not a regular file", shown(path))]
    NotAFile {
        /// The path found.
        path: PathBuf,
    },
    /// The file has too many bytes.
    #[error(
        "the policy {} has more than {max} bytes, the most in its pool's `policy_class`",
        shown(path)
    )]
    TooLarge {
        /// The file's path.
        path: PathBuf,
        /// The limit.
        max: u64,
    },
    /// The file has other content than its binding asks for.
    #[error(
        "the policy {} has the SHA-256 {found}, and pool {pool}, point {point} accepts {pinned} only; put \
         that content back, or change `digest` in the configuration and restart the host",
        shown(path)
    )]
    NotPinned {
        /// The file's path.
        path: PathBuf,
        /// The digest of its content.
        found: Digest,
        /// The digest that the binding asks for.
        pinned: Digest,
        /// The binding's pool.
        pool: PoolName,
        /// The binding's point.
        point: Point,
    },
    /// None of the configured keys signed the content.
    #[error(
        "the policy {} is not signed by a key in `keys` of [policies]: {why}. Sign it with \
         `minisign -S -m FILE`",
        shown(path)
    )]
    NotSigned {
        /// The file's path.
        path: PathBuf,
        /// What is the matter with its signature.
        why: String,
    },
    /// The content is no policy.
    #[error(transparent)]
    Load(Arc<LoadError>),
    /// A read of the file, or the check of its settings, panicked.
    #[error(
        "the policy {}: reading it or checking its settings panicked: {message}. This is a fault of the \
         host; please report it with the file",
        shown(path)
    )]
    Panicked {
        /// The file's path.
        path: PathBuf,
        /// The panic's message.
        message: String,
    },
    /// The policy does not offer the point that it is bound to.
    #[error("policy {policy} is bound to pool {pool}, point {point}: {failure}")]
    NotOffered {
        /// The policy's name and digest.
        policy: PolicyRef,
        /// The binding's pool.
        pool: PoolName,
        /// The binding's point.
        point: Point,
        /// The points that it offers.
        failure: Failure,
    },
    /// The policy crashes at a question that a host could ask, or did ask.
    #[error("policy {policy} is bound to pool {pool}, point {point}: asked for a trial, {failure}")]
    Crashes {
        /// The policy's name and digest.
        policy: PolicyRef,
        /// The binding's pool.
        pool: PoolName,
        /// The binding's point.
        point: Point,
        /// How it crashed.
        failure: Failure,
    },
    /// The content was in force, failed again and again, and gave way to the version before it.
    #[error(
        "policy {policy} gave way to the version before it, because {failures}; it is not tried again \
         until the file changes"
    )]
    Quarantined {
        /// The policy's name and digest.
        policy: PolicyRef,
        /// Where and how it failed.
        failures: String,
    },
    /// The policy refuses a pool's settings.
    #[error("pool {pool}, point {point}: {refusal}")]
    Settings {
        /// The binding's pool.
        pool: PoolName,
        /// The binding's point.
        point: Point,
        /// The refusal in the policy's own words.
        refusal: SettingsError,
    },
}

impl ReloadError {
    /// A stable name for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable",
            Self::NotAFile { .. } => "not-a-file",
            Self::TooLarge { .. } => "too-large",
            Self::NotPinned { .. } => "not-pinned",
            Self::NotSigned { .. } => "not-signed",
            Self::Load(error) => error.kind.code(),
            Self::Panicked { .. } => PANICKED,
            Self::NotOffered { .. } => "not-offered",
            Self::Crashes { .. } => "trial-failed",
            Self::Quarantined { .. } => "quarantined",
            Self::Settings { .. } => "settings-refused",
        }
    }

    /// The error and its causes in one line.
    pub fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl ReloadReport {
    /// Whether every file's present content is active.
    pub fn is_good(&self) -> bool {
        self.refused().next().is_none()
    }

    /// The files that were refused, each with the reason.
    pub fn refused(&self) -> impl Iterator<Item = (&str, &ReloadError)> {
        self.files
            .iter()
            .filter_map(|report| match &report.outcome {
                Outcome::Refused { error, .. } => Some((report.file.as_str(), error)),
                Outcome::Unchanged { .. } | Outcome::Activated { .. } => None,
            })
    }
}

/// One bound file, as `/v1/policies` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyStatus {
    /// The file's name in the policy directory.
    pub file: String,
    /// The active version. `None`: there is none, and its points take their safe defaults.
    pub digest: Option<Digest>,
    /// The active policy's name in `about`. `None`: it has no `about`, or no version is active.
    pub name: Option<String>,
    /// The active policy's version in `about`. `None`: it has no `about`, or no version is active.
    pub version: Option<String>,
    /// The points that the active policy offers.
    pub offers: Vec<Point>,
    /// The points of pools that it is bound to.
    pub bound: Vec<BoundTo>,
    /// Why the file's present content is not active. `None`: it is.
    pub last_error: Option<String>,
    /// Where and how the active version fails each time, where there is no earlier version to give way
    /// to. `None`: it does not.
    pub failing: Option<String>,
}

/// A point of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BoundTo {
    /// The pool.
    pub pool: PoolName,
    /// The point.
    pub point: Point,
}

impl From<&Binding> for BoundTo {
    fn from(binding: &Binding) -> Self {
        Self {
            pool: binding.pool.clone(),
            point: binding.point,
        }
    }
}

impl PolicyStatus {
    pub(crate) fn new(file: String, versions: &Versions, bound: Vec<BoundTo>) -> Self {
        let serving = versions.serving();
        let description = serving.and_then(|one| one.description());
        Self {
            file,
            digest: serving.map(|one| one.digest()),
            name: description.map(|one| one.name.clone()),
            version: description.map(|one| one.version.clone()),
            offers: serving.map_or_else(Vec::new, |one| one.points().collect()),
            bound,
            last_error: versions.last_error().map(str::to_owned),
            failing: versions.failing(),
        }
    }
}

fn as_text<S: Serializer>(error: &ReloadError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&error.text())
}
