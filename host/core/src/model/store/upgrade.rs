//! Records across versions. A host reads records that a host one version newer wrote: it keeps the
//! fields that it does not know, and writes them back with what it changes. A field that a host must
//! know before it acts is named in the record; a host that does not know it refuses the record.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The fields of one part of a record that this version does not know, as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Unknown(BTreeMap<String, serde_json::Value>);

impl From<BTreeMap<String, serde_json::Value>> for Unknown {
    fn from(fields: BTreeMap<String, serde_json::Value>) -> Self {
        Self(fields)
    }
}

/// The name of an operator's pause. A host without pauses would act for the worker.
const PAUSED: &str = "paused";
/// The names that this version understands.
const UNDERSTOOD: [&str; 1] = [PAUSED];

/// The names of the set fields that a host must understand before it acts for the worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<String>")]
pub struct MustUnderstand(BTreeSet<String>);

impl MustUnderstand {
    /// What a host must understand of a record that is paused or not.
    pub fn of(is_paused: bool) -> Self {
        Self(is_paused.then(|| PAUSED.to_owned()).into_iter().collect())
    }

    /// Whether every version may act on the record.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeSet<String>> for MustUnderstand {
    type Error = String;

    fn try_from(names: BTreeSet<String>) -> Result<Self, String> {
        let unknown = names
            .iter()
            .find(|name| !UNDERSTOOD.contains(&name.as_str()));
        match unknown {
            Some(name) => Err(format!(
                "the record says that `{name}` must be understood, and this version of reeve does not know it; update \
                 reeve on this host"
            )),
            None => Ok(Self(names)),
        }
    }
}
