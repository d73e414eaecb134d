//! What a reload did and what is in force, as data for the log, the HTTP interface and `reeve check`.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use reeve_core::id::{Digest, PoolName};
use reeve_core::point::Point;
use serde::{Serialize, Serializer};

use crate::binding::{Binding, BindingError};
use crate::component::LoadedPolicy;
use crate::error::{Failure, LoadError, PANICKED, PolicyRef, SettingsError};

/// What a reload did, file by file in the order of their names.
#[derive(Debug, Serialize)]
pub struct ReloadReport {
    /// Every bound file.
    pub files: Vec<FileReport>,
}

/// What a reload did with one file.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// Its name within the policy directory.
    pub file: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of one file.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Its bytes are those that serve already.
    Unchanged {
        /// Of these bytes.
        digest: Digest,
    },
    /// It serves from now on.
    Activated {
        /// What served before; `None`: nothing.
        old: Option<Digest>,
        /// What serves now.
        new: Digest,
    },
    /// It is not good; the last good content goes on serving.
    Refused {
        /// Why.
        #[serde(serialize_with = "as_text")]
        error: ReloadError,
        /// What goes on serving; `None`: nothing, and its points take their safe defaults.
        serving: Option<Digest>,
    },
}

/// Other bindings were not put in force; what was in force still is.
#[derive(Debug, thiserror::Error)]
pub enum RebindError {
    /// They cannot be meant, whatever the files hold.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// Files are not good, or refuse the new settings.
    #[error("{}", .0.iter().map(|(file, error)| format!("{file}: {}", error.text())).collect::<Vec<_>>().join("; "))]
    Refused(Vec<(String, ReloadError)>),
}

/// Why a file's content was not put in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It cannot be read.
    #[error("cannot read the policy {}", path.display())]
    Read {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is a directory, a pipe or the like.
    #[error("the policy {} is not a regular file", path.display())]
    NotAFile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It has too many bytes.
    #[error("the policy {} has more than {max} bytes, the most that is accepted", path.display())]
    TooLarge {
        /// Where it is.
        path: PathBuf,
        /// The limit.
        max: u64,
    },
    /// It is no policy.
    #[error(transparent)]
    Load(Arc<LoadError>),
    /// Reading it, or checking its settings, panicked.
    #[error(
        "the policy {}: reading it or checking its settings panicked: {message}. This is a fault of the \
         host; please report it with the file", path.display()
    )]
    Panicked {
        /// Where it is.
        path: PathBuf,
        /// What the panic said.
        message: String,
    },
    /// It does not answer what it is bound to.
    #[error("policy {policy} is bound to pool {pool}, point {point}: {failure}")]
    NotOffered {
        /// Which policy.
        policy: PolicyRef,
        /// The binding's pool.
        pool: PoolName,
        /// The binding's point.
        point: Point,
        /// What it offers.
        failure: Failure,
    },
    /// A pool's settings are not for it.
    #[error("pool {pool}, point {point}: {refusal}")]
    Settings {
        /// The binding's pool.
        pool: PoolName,
        /// The binding's point.
        point: Point,
        /// In the policy's own words.
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
            Self::Load(error) => error.kind.code(),
            Self::Panicked { .. } => PANICKED,
            Self::NotOffered { .. } => "not-offered",
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
    /// Whether every file serves as it is.
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

    pub(crate) fn into_refused(self) -> Vec<(String, ReloadError)> {
        self.files
            .into_iter()
            .filter_map(|report| match report.outcome {
                Outcome::Refused { error, .. } => Some((report.file, error)),
                Outcome::Unchanged { .. } | Outcome::Activated { .. } => None,
            })
            .collect()
    }
}

/// One bound file as `/v1/policies` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyStatus {
    /// Its name within the policy directory.
    pub file: String,
    /// What serves; `None`: nothing yet, and its points take their safe defaults.
    pub digest: Option<Digest>,
    /// The name the serving policy gives itself; `None` without `about`, or when nothing serves.
    pub name: Option<String>,
    /// The serving policy's own version, likewise.
    pub version: Option<String>,
    /// The points the serving policy offers.
    pub offers: Vec<Point>,
    /// Whom it serves.
    pub bound: Vec<BoundTo>,
    /// Why the file's present content is not what serves; `None`: it is.
    pub last_error: Option<String>,
}

/// A point of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    pub(crate) fn new(
        file: String,
        serving: Option<&LoadedPolicy>,
        bound: Vec<BoundTo>,
        last_error: Option<String>,
    ) -> Self {
        let description = serving.and_then(LoadedPolicy::description);
        Self {
            file,
            digest: serving.map(LoadedPolicy::digest),
            name: description.map(|one| one.name.clone()),
            version: description.map(|one| one.version.clone()),
            offers: serving.map_or_else(Vec::new, |one| one.points().collect()),
            bound,
            last_error,
        }
    }
}

fn as_text<S: Serializer>(error: &ReloadError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&error.text())
}
