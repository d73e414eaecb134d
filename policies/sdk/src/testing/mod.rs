//! Tests as data, for policies. [`cases`] reads case files and judges answers. [`run`](Cases::run)
//! puts a policy's cases to its native `decide`. [`neutral`] is a whole input in which nothing is
//! the matter. [`schema`] derives the schema of a policy's settings.

pub mod cases;
pub mod schema;

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use cases::CaseFile;

use crate::settings::Settings;
use crate::{Decide, Question, answer};

/// An input of the point in which nothing is the matter (`wit/neutral.json`), for tests that change
/// what matters: `Input { dropped: 4, ..neutral() }`. Case files start from it too.
///
/// # Panics
/// Never: a test reads the input of every point.
#[expect(clippy::panic, reason = "for tests, and tested")]
pub fn neutral<Input: Question + DeserializeOwned>() -> Input {
    let mut input = cases::neutral(Input::POINT);
    input.insert("settings".to_owned(), "".into());
    match serde_json::from_value(input.into()) {
        Ok(input) => input,
        Err(error) => panic!("wit/neutral.json: {}: {error}", Input::POINT),
    }
}

/// The case files of one policy crate.
#[derive(Debug)]
pub struct Cases {
    left: Vec<CaseFile>,
    failures: Vec<String>,
}

impl Cases {
    /// Reads `cases/*.json` in the crate at `manifest_dir` (`env!("CARGO_MANIFEST_DIR")`). A file
    /// that cannot be read is a failure, which [`finish`](Self::finish) reports.
    pub fn of(manifest_dir: &str) -> Self {
        match cases::load(&Path::new(manifest_dir).join("cases")) {
            Ok(left) => Self {
                left,
                failures: Vec::new(),
            },
            Err(failure) => Self {
                left: Vec::new(),
                failures: vec![failure],
            },
        }
    }

    /// Puts every case for `point` to `decide`.
    #[must_use = "only `finish` reports the failures"]
    pub fn run<Input, S, Signature>(
        mut self,
        point: &str,
        decide: impl Decide<Input, S, Signature>,
    ) -> Self
    where
        Input: Question<Verdict: Serialize> + DeserializeOwned,
        S: Settings,
    {
        let (files, left) = self.left.into_iter().partition(|file| file.point == point);
        self.left = left;
        let files: Vec<CaseFile> = files;
        if files.is_empty() {
            self.failures.push(format!("no case file for `{point}`"));
        }
        for file in files {
            for case in &file.cases {
                let judged = serde_json::from_value(case.input.clone())
                    .map_err(|error| format!("input: {error}"))
                    .and_then(|input| case.judge(as_json(answer(&decide, &input))?));
                if let Err(failure) = judged {
                    self.failures
                        .push(format!("{}: `{}`: {failure}", file.path, case.name));
                }
            }
        }
        self
    }

    /// Ends the test.
    ///
    /// # Panics
    /// When a case failed, a file could not be read, or no `run` names the point of a file.
    #[allow(
        clippy::panic,
        reason = "this is the assertion at the end of a test, with a report of its own"
    )]
    pub fn finish(mut self) {
        for file in self.left {
            self.failures.push(format!(
                "{}: it is for `{}`, which this policy's test does not run",
                file.path, file.point
            ));
        }
        if !self.failures.is_empty() {
            panic!(
                "{} failed:\n{}",
                self.failures.len(),
                self.failures.join("\n")
            );
        }
    }
}

type Answer = Result<serde_json::Value, String>;

fn as_json<Verdict: Serialize>(answer: Result<Verdict, String>) -> Result<Answer, String> {
    match answer {
        Ok(verdict) => match serde_json::to_value(verdict) {
            Ok(verdict) => Ok(Ok(verdict)),
            Err(error) => Err(format!("the verdict has no JSON form: {error}")),
        },
        Err(refusal) => Ok(Err(refusal)),
    }
}
