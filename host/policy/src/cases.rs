//! Runs case files against a component. A policy's crate runs the same files natively.
//!
//! ```json
//! {
//!   "point": "retry-ip",
//!   "base": { "waited-ms": 2000 },
//!   "cases": [
//!     {
//!       "name": "after the last try the caller is told to come back",
//!       "settings": { "tries": 3 },
//!       "input": { "tries": 4 },
//!       "expect": { "next": { "give-up": 2000 }, "reason": "ip-pending" }
//!     }
//!   ]
//! }
//! ```
//!
//! Names are those of the WIT. A case's `input` overrides `base`, and `base` overrides the input of
//! `wit/neutral.json`, in which nothing is the matter: field by field, also in records within
//! records and in lists. `settings` is a separate object and `{}` by default. `expect` names
//! fields of the verdict, each of which must be equal; `reason` means the reason's code. `{"error":
//! "part of the text"}` expects a refusal or another failure.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use reeve_core::point::{Input, Point, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::component::LoadedPolicy;
use crate::error::DecideError;

#[path = "../../../wit/neutral.rs"]
mod neutral;

/// The results of one file's cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseReport {
    /// The file's path.
    pub path: PathBuf,
    /// The point its cases are for.
    pub point: Point,
    /// Every case, in the file's order; never empty.
    pub cases: Vec<CaseResult>,
}

/// The result of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// The expected and the actual result. `None`: the case passed.
    pub mismatch: Option<String>,
    /// The fuel that the decision used.
    pub fuel_used: u64,
}

/// Why a case file cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseFileError {
    /// The file cannot be read.
    #[error("cannot read the cases {}", path.display())]
    Read {
        /// The file's path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file does not have the format in the documentation of `reeve_policy::cases`.
    #[error("the cases {} are not in the form of case files", path.display())]
    Form {
        /// The file's path.
        path: PathBuf,
        /// The place, what was found, and what is accepted.
        #[source]
        source: serde_json::Error,
    },
    /// A case, or the list of cases, is invalid.
    #[error("the cases {}: {problem}", path.display())]
    Case {
        /// The file's path.
        path: PathBuf,
        /// The case, what was found, and what is accepted.
        problem: String,
    },
    /// The policy does not offer the file's point.
    #[error("the cases {} ask {point}, and policy {policy} {offered}", path.display())]
    NotOffered {
        /// The file's path.
        path: PathBuf,
        /// The file's point.
        point: Point,
        /// The policy's name.
        policy: String,
        /// What the policy offers instead.
        offered: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    point: Point,
    #[serde(default)]
    base: Map<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    input: Map<String, Value>,
    expect: Map<String, Value>,
}

/// Puts every case of the file to the policy.
///
/// # Errors
/// The file cannot be read, is no case file, or asks a point that the policy does not offer. A
/// failed case is no error; it is in the report.
pub fn run_file(path: &Path, policy: &LoadedPolicy) -> Result<CaseReport, CaseFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| CaseFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let file: CaseFile = serde_json::from_str(&text).map_err(|source| CaseFileError::Form {
        path: path.to_owned(),
        source,
    })?;
    if !policy.offers(file.point) {
        let offered: Vec<_> = policy.points().map(Point::as_str).collect();
        return Err(CaseFileError::NotOffered {
            path: path.to_owned(),
            point: file.point,
            policy: policy.policy().to_string(),
            offered: format!("offers {}", offered.join(", ")),
        });
    }
    let point = file.point;
    let cases = run(file, policy).map_err(|problem| CaseFileError::Case {
        path: path.to_owned(),
        problem,
    })?;
    Ok(CaseReport {
        path: path.to_owned(),
        point,
        cases,
    })
}

fn run(file: CaseFile, policy: &LoadedPolicy) -> Result<Vec<CaseResult>, String> {
    if file.cases.is_empty() {
        return Err("it has no cases, and accepted is at least one".to_owned());
    }
    let mut names = BTreeSet::new();
    let mut results = Vec::new();
    for case in file.cases {
        if !names.insert(case.name.clone()) {
            return Err(format!("two cases are named {:?}", case.name));
        }
        check_expected(file.point, &case)?;
        let input = input(file.point, &file.base, &case)?;
        let (answer, fuel_used) = match policy.decide(&input) {
            Ok(decided) => (Ok(decided.verdict), decided.fuel_used),
            Err(error) => {
                let fuel_used = error.fuel_used;
                (Err(error), fuel_used)
            }
        };
        let mismatch = compare(&case.expect, answer)
            .map_err(|error| format!("the case {:?}: {error}", case.name))?;
        results.push(CaseResult {
            name: case.name,
            mismatch,
            fuel_used,
        });
    }
    Ok(results)
}

/// The fields of each point's verdict, so that a misspelt expectation is an error and not a failed
/// case.
fn verdict_fields(point: Point) -> &'static [&'static str] {
    match point {
        Point::Resolve => &["action", "reason", "valid-for-ms", "memo"],
        Point::Adopt | Point::Debounce => &["choice", "reason", "valid-for-ms"],
        Point::RetryIp => &["next", "reason", "valid-for-ms"],
        Point::Reap => &["choice", "reason", "look-again-ms", "drain-ms", "memo"],
    }
}

fn check_expected(point: Point, case: &Case) -> Result<(), String> {
    let name = &case.name;
    if case.expect.is_empty() {
        return Err(format!("the case {name:?} expects nothing"));
    }
    if let Some(text) = case.expect.get("error") {
        if case.expect.len() == 1 && text.is_string() {
            return Ok(());
        }
        return Err(format!(
            "the case {name:?}: \"error\" must be alone and a string"
        ));
    }
    let fields = verdict_fields(point);
    match case
        .expect
        .keys()
        .find(|key| !fields.contains(&key.as_str()))
    {
        Some(unknown) => Err(format!(
            "the case {name:?} expects {unknown:?}, accepted are {} or \"error\" alone",
            fields.join(", ")
        )),
        None => Ok(()),
    }
}

fn input(point: Point, base: &Map<String, Value>, case: &Case) -> Result<Input, String> {
    let name = &case.name;
    let mut fields = neutral::input(point.as_str(), [base.clone(), case.input.clone()]);
    let settings = Value::Object(case.settings.clone()).to_string();
    if fields
        .insert("settings".to_owned(), settings.into())
        .is_some()
    {
        return Err(format!(
            "the case {name:?}: \"settings\" belongs next to \"input\", not into it"
        ));
    }
    serde_json::from_value(json!({ point.as_str(): fields }))
        .map_err(|error| format!("the case {name:?}: its input: {error}"))
}

/// The fields of an input, laid over those of `wit/neutral.json`.
pub fn completed(point: Point, fields: Map<String, Value>) -> Map<String, Value> {
    neutral::input(point.as_str(), [fields])
}

/// The differences, if any.
fn compare(
    expect: &Map<String, Value>,
    answer: Result<Verdict, DecideError>,
) -> Result<Option<String>, serde_json::Error> {
    let expected_error = expect.get("error").and_then(Value::as_str);
    let verdict = match (expected_error, answer) {
        (None, Ok(verdict)) => verdict_fields_of(&verdict)?,
        (None, Err(error)) => {
            let expected = Value::Object(expect.clone());
            return Ok(Some(format!("expected {expected}, got: {error}")));
        }
        (Some(part), Err(error)) if error.to_string().contains(part) => return Ok(None),
        (Some(part), Err(error)) => {
            return Ok(Some(format!(
                "expected an error with {part:?}, got: {error}"
            )));
        }
        (Some(part), Ok(verdict)) => {
            let verdict = verdict_fields_of(&verdict)?;
            return Ok(Some(format!(
                "expected an error with {part:?}, got {verdict}"
            )));
        }
    };
    let differences: Vec<_> = expect
        .iter()
        .filter_map(|(field, expected)| {
            let got = match field.as_str() {
                "reason" => &verdict["reason"]["code"],
                field => &verdict[field],
            };
            (got != expected).then(|| format!("{field}: expected {expected}, got {got}"))
        })
        .collect();
    if differences.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!("{}; in {verdict}", differences.join("; "))))
}

/// The verdict's own fields, without the point around them.
fn verdict_fields_of(verdict: &Verdict) -> Result<Value, serde_json::Error> {
    match verdict {
        Verdict::Resolve(verdict) => serde_json::to_value(verdict),
        Verdict::Adopt(verdict) => serde_json::to_value(verdict),
        Verdict::RetryIp(verdict) => serde_json::to_value(verdict),
        Verdict::Debounce(verdict) => serde_json::to_value(verdict),
        Verdict::Reap(verdict) => serde_json::to_value(verdict),
    }
}

impl CaseReport {
    /// Whether every case passed.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The failed cases, each with the expected and the actual result.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases
            .iter()
            .filter_map(|case| Some((case.name.as_str(), case.mismatch.as_deref()?)))
    }
}

impl fmt::Display for CaseReport {
    /// One line for the file, and two for each failed case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failures().count();
        let passed = self.cases.len() - failed;
        write!(
            f,
            "{} ({}): {passed} passed, {failed} failed",
            self.path.display(),
            self.point
        )?;
        for (name, mismatch) in self.failures() {
            write!(f, "\n  failed: {name}\n    {mismatch}")?;
        }
        Ok(())
    }
}
