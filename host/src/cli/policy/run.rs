//! `reeve policy run`: asks a component one question.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use reeve_core::point::{Input, Point};
use reeve_policy::cases::completed;
use serde_json::{Value, json};

use super::Workbench;
use crate::print;

pub(super) fn run(
    component: &Path,
    point: Point,
    input: &Path,
    settings: Option<String>,
) -> anyhow::Result<ExitCode> {
    let text = read(input).with_context(|| format!("cannot read the input {}", input.display()))?;
    let input = parse(point, &text, settings)?;
    let workbench = Workbench::open(component)?;
    let began = Instant::now();
    let decided = workbench.policy.decide(&input)?;
    let took = began.elapsed();
    // The verdict is stored under its point's name, and the point is known here.
    let verdict = serde_json::to_value(&decided.verdict)?;
    let report = json!({
        "policy": workbench.policy.policy().name,
        "digest": workbench.policy.digest(),
        "verdict": verdict[point.as_str()],
        "fuel_used": decided.fuel_used,
        "microseconds": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    });
    print::text(&format!("{report:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn read(input: &Path) -> std::io::Result<String> {
    if input == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(input)
}

/// Accepts the fields that matter, laid over a neutral input as in a case, or the whole input as it
/// stands in the journal: `{"resolve": {…}}`.
fn parse(point: Point, text: &str, settings: Option<String>) -> anyhow::Result<Input> {
    let value: Value = serde_json::from_str(text).context("the input is no JSON")?;
    let Value::Object(mut fields) = value else {
        bail!("the input is {value}; accepted is an object with the fields of wit/{point}.wit");
    };
    if fields.len() == 1
        && let Some(Value::Object(inner)) = fields.get_mut(point.as_str())
    {
        fields = std::mem::take(inner);
    }
    let mut fields = completed(point, fields);
    if let Some(settings) = settings {
        let given: Value = serde_json::from_str(&settings).context("--settings is no JSON")?;
        if !given.is_object() {
            bail!("--settings is {given}; accepted is an object, such as '{{}}'");
        }
        fields.insert("settings".to_owned(), settings.into());
    }
    fields.entry("settings").or_insert_with(|| "{}".into());
    serde_json::from_value(json!({ point.as_str(): fields }))
        .with_context(|| format!("the input is not that of `{point}`; see wit/{point}.wit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &str = r#"{"tries": 1, "waited-ms": 500}"#;

    fn settings_of(text: &str, settings: Option<&str>) -> String {
        match parse(Point::RetryIp, text, settings.map(str::to_owned)).unwrap() {
            Input::RetryIp(input) => input.settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_input_is_taken_as_fields_or_as_it_stands_in_the_journal() {
        assert_eq!(settings_of(FIELDS, None), "{}");
        let journaled =
            r#"{"retry-ip": {"tries": 1, "waited-ms": 500, "settings": "{\"tries\":3}"}}"#;
        assert_eq!(settings_of(journaled, None), r#"{"tries":3}"#);
        assert_eq!(settings_of(journaled, Some("{}")), "{}");
    }

    #[test]
    fn a_wrong_input_is_refused_with_the_file_that_describes_it() {
        for text in ["[]", r#"{"trise": 1}"#, r#"{"resolve": {}}"#] {
            let error = parse(Point::RetryIp, text, None).unwrap_err();
            assert!(
                format!("{error:#}").contains("wit/retry-ip.wit"),
                "{error:#}"
            );
        }
        assert!(parse(Point::RetryIp, FIELDS, Some("7".to_owned())).is_err());
    }
}
