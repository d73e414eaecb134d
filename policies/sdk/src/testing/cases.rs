//! The format of a case file, natively and in the host.
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
//! records and in lists. `settings` stands next to `input`. `expect` names fields of the verdict,
//! each of which must be equal. `reason` stands for the reason's code. `{"error": "part of the
//! text"}` expects a refusal.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

#[path = "../../../../wit/neutral.rs"]
mod neutral;

/// The points of the contract, as a file may name them.
const POINTS: [&str; 5] = ["resolve", "adopt", "retry-ip", "debounce", "reap"];

/// One case file, read and checked.
#[derive(Debug)]
pub struct CaseFile {
    /// The path, for messages.
    pub path: String,
    /// The point that its cases ask, as the WIT names it.
    pub point: String,
    /// At least one case. The names differ.
    pub cases: Vec<Case>,
}

/// One question and its expected answer.
#[derive(Debug)]
pub struct Case {
    /// A sentence about the behaviour.
    pub name: String,
    /// The whole input of the point, with `settings` as the text a policy receives.
    pub input: Value,
    /// The fields the answer must have; never empty.
    pub expect: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    point: String,
    #[serde(default)]
    base: Map<String, Value>,
    cases: Vec<RawCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    input: Map<String, Value>,
    expect: Map<String, Value>,
}

/// Reads every `*.json` in `directory`, in the order of their names.
///
/// # Errors
/// A sentence with the path: when the directory cannot be read or holds no case file, and when a
/// file breaks the format.
pub fn load(directory: &Path) -> Result<Vec<CaseFile>, String> {
    let at = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{}: no case file", directory.display()));
    }
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<CaseFile, String> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    parse(&text, &name).map_err(|error| format!("{name}: {error}"))
}

fn parse(text: &str, path: &str) -> Result<CaseFile, String> {
    let raw: RawFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if !POINTS.contains(&raw.point.as_str()) {
        return Err(format!(
            "point: found `{}`; accepted are {POINTS:?}",
            raw.point
        ));
    }
    if raw.cases.is_empty() {
        return Err("it has no cases".to_owned());
    }
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for case in raw.cases {
        if !names.insert(case.name.clone()) {
            return Err(format!("two cases are named `{}`", case.name));
        }
        if case.expect.is_empty() {
            return Err(format!("`{}` expects nothing", case.name));
        }
        let mut input = neutral::input(&raw.point, [raw.base.clone(), case.input]);
        let settings = Value::Object(case.settings).to_string();
        if input
            .insert("settings".to_owned(), settings.into())
            .is_some()
        {
            return Err(format!(
                "`{}`: `settings` stands next to `input`, not in it",
                case.name
            ));
        }
        cases.push(Case {
            name: case.name,
            input: Value::Object(input),
            expect: case.expect,
        });
    }
    Ok(CaseFile {
        path: path.to_owned(),
        point: raw.point,
        cases,
    })
}

/// The input of the point in which nothing is the matter, without `settings`.
pub(super) fn neutral(point: &str) -> Map<String, Value> {
    neutral::input(point, [])
}

impl Case {
    /// Compares an answer, the verdict in its JSON form or the text of a refusal, with what is
    /// expected.
    ///
    /// # Errors
    /// What was expected and what was got.
    pub fn judge(&self, answer: Result<Value, String>) -> Result<(), String> {
        let refusal = self.expect.get("error");
        match (refusal, answer) {
            (None, Ok(verdict)) => self.judge_verdict(&verdict),
            (None, Err(text)) => Err(format!(
                "expected {}, got the refusal `{text}`",
                Value::Object(self.expect.clone())
            )),
            (Some(Value::String(part)), Err(text)) if text.contains(part) => Ok(()),
            (Some(part), Err(text)) => Err(format!(
                "expected a refusal with {part}, got the refusal `{text}`"
            )),
            (Some(part), Ok(verdict)) => {
                Err(format!("expected a refusal with {part}, got {verdict}"))
            }
        }
    }

    fn judge_verdict(&self, verdict: &Value) -> Result<(), String> {
        within_bounds(verdict)?;
        for (field, expected) in &self.expect {
            let got = match field.as_str() {
                "reason" => verdict.pointer("/reason/code"),
                field => verdict.get(field),
            };
            let Some(got) = got else {
                return Err(format!("`{field}` is no field of the verdict {verdict}"));
            };
            if got != expected {
                return Err(format!(
                    "{field}: expected {expected}, got {got}, in {verdict}"
                ));
            }
        }
        Ok(())
    }
}

/// What the contract bounds in every verdict, whatever a case expects.
fn within_bounds(verdict: &Value) -> Result<(), String> {
    let text = |pointer: &str| verdict.pointer(pointer).and_then(Value::as_str);
    let code = text("/reason/code").unwrap_or_default();
    let is_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&code.len()) || !code.bytes().all(is_code) {
        return Err(format!(
            "`{code}` is no reason code: 1 to 64 lower-case letters, digits and `-`"
        ));
    }
    if !(1..=512).contains(&text("/reason/text").unwrap_or_default().len()) {
        return Err(format!(
            "the reason's text is not 1 to 512 bytes long: {verdict}"
        ));
    }
    if text("/memo").unwrap_or_default().len() > 1024 {
        return Err(format!("the memo is longer than 1024 bytes: {verdict}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(cases: Value) -> Result<CaseFile, String> {
        let text = json!({ "point": "reap", "base": { "a": 1, "b": 1 }, "cases": cases });
        parse(&text.to_string(), "here.json")
    }

    fn case(expect: Value) -> Case {
        file(json!([{ "name": "n", "input": { "b": 2 }, "expect": expect }]))
            .unwrap()
            .cases
            .remove(0)
    }

    #[test]
    fn a_case_overrides_the_base_which_overrides_the_neutral_input() {
        let base = json!({ "usage": { "work-in-flight": 1 }, "demand": { "requests": 1 } });
        let own = json!({ "usage": { "busy-remaining-ms": 2 }, "demand": "too-few" });
        let cases = json!([{ "name": "n", "input": own, "expect": { "choice": "keep" } }]);
        let text = json!({ "point": "reap", "base": base, "cases": cases }).to_string();
        let input = parse(&text, "here.json").unwrap().cases.remove(0).input;
        let mut expected = Value::Object(neutral("reap"));
        expected["usage"]["work-in-flight"] = 1.into();
        expected["usage"]["busy-remaining-ms"] = 2.into();
        expected["demand"] = "too-few".into();
        expected["settings"] = "{}".into();
        assert_eq!(input, expected);
    }

    #[test]
    fn an_element_of_a_list_takes_the_rest_from_the_neutral_one() {
        let own = json!({ "instances": [{ "id": "i-b", "addresses": { "public": true } }] });
        let cases = json!([{ "name": "n", "input": own, "expect": { "memo": "" } }]);
        let text = json!({ "point": "resolve", "cases": cases }).to_string();
        let input = parse(&text, "here.json").unwrap().cases.remove(0).input;
        let addresses = json!({ "private": true, "public": true });
        assert_eq!(input["instances"][0]["id"], "i-b");
        assert_eq!(input["instances"][0]["state"], "running");
        assert_eq!(input["instances"][0]["addresses"], addresses);
    }

    #[test]
    fn every_expected_field_must_be_equal_and_a_reason_means_its_code() {
        let verdict = json!({ "choice": "keep", "reason": { "code": "busy", "text": "x" } });
        let judge = |expect| case(expect).judge(Ok(verdict.clone()));
        assert_eq!(judge(json!({ "choice": "keep", "reason": "busy" })), Ok(()));
        for wrong in [
            json!({ "choice": "stop" }),
            json!({ "reason": "idle" }),
            json!({ "choise": "keep" }),
            json!({ "error": "busy" }),
        ] {
            assert!(judge(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_verdict_out_of_bounds_fails_whatever_the_case_expects() {
        for (code, text, memo) in [
            ("", "x", String::new()),
            ("Not-A-Code", "x", String::new()),
            ("busy", "", String::new()),
            ("busy", &*"x".repeat(513), String::new()),
            ("busy", "x", "x".repeat(1025)),
        ] {
            let verdict =
                json!({ "choice": "keep", "reason": { "code": code, "text": text }, "memo": memo });
            let judged = case(json!({ "choice": "keep" })).judge(Ok(verdict.clone()));
            assert!(judged.is_err(), "{verdict}");
        }
    }

    #[test]
    fn an_expected_refusal_must_contain_the_text() {
        let refusal = || Err("setting `x` is odd".to_owned());
        assert_eq!(case(json!({ "error": "`x`" })).judge(refusal()), Ok(()));
        assert!(case(json!({ "error": "`y`" })).judge(refusal()).is_err());
        assert!(case(json!({ "choice": "keep" })).judge(refusal()).is_err());
    }

    #[test]
    fn a_file_that_could_not_fail_is_refused() {
        let sound = json!({ "name": "n", "expect": { "choice": "keep" } });
        assert!(file(json!([sound])).is_ok());
        for (cases, part) in [
            (json!([]), "no cases"),
            (json!([{ "name": "n", "expect": {} }]), "expects nothing"),
            (json!([sound, sound]), "two cases"),
            (json!([{ "name": "n", "expct": {} }]), "expct"),
            (
                json!([{ "name": "n", "input": { "settings": "" }, "expect": { "a": 1 } }]),
                "next to",
            ),
        ] {
            let error = file(cases.clone()).unwrap_err();
            assert!(error.contains(part), "{cases}: {error}");
        }
    }
}
