//! `reeve check` and `reeve policy …`, as operators and policy authors use them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::path::Path;
use std::process::{Command, Output};

use reeve_tests::artefacts;
use reeve_tests::process::copy_policies;

fn reeve(arguments: &[&str]) -> Output {
    let output = Command::new(artefacts::reeve_binary())
        .args(arguments)
        .output();
    output.expect("the command runs")
}

fn all(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn check(settings: &str) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    copy_policies(&directory.path().join("policies"));
    let path = directory.path().join("reeve.toml");
    let dir = directory.path().display();
    let text = format!(
        r#"
[host]
fleet = "test"
state_dir = "{dir}/state"

[policies]
dir = "{dir}/policies"

[pool.gpu]
region = "us-east-1"
port = 8000

{settings}

[worker.gpu]
pool = "gpu"
pointer = "/gpu"
"#
    );
    std::fs::write(&path, text).unwrap();
    let output = reeve(&["check", "--config", path.to_str().unwrap()]);
    (output.status.code(), all(&output))
}

#[test]
fn a_good_configuration_passes() {
    let (code, text) = check("");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_settings_typo_is_refused_with_the_name_of_the_field() {
    let (code, text) = check(
        "[pool.gpu.policy.retry-ip]\nfile = \"retry-ip.wasm\"\nsettings = { intervall_ms = 200 }",
    );
    assert_ne!(code, Some(0), "{text}");
    assert!(text.contains("intervall_ms"), "{text}");
    assert!(text.contains("interval_ms"), "{text}");
}

#[test]
fn a_configuration_typo_is_refused_with_line_and_accepted_key() {
    let (code, text) = check("lauch_template = \"x\"");
    assert_ne!(code, Some(0), "{text}");
    for expected in ["reeve.toml:13", "lauch_template", "launch_template"] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
}

#[test]
fn reeve_policy_test_passes_every_standard_policy() {
    for name in ["resolve", "adopt", "retry-ip", "debounce", "reap"] {
        let component = artefacts::policies_dir().join(format!("{name}.wasm"));
        let cases = artefacts::workspace()
            .join("policies")
            .join(name)
            .join("cases");
        let files = case_files(&cases);
        let mut arguments = vec!["policy", "test", component.to_str().unwrap()];
        arguments.extend(files.iter().map(String::as_str));
        arguments.extend(["--worlds", "0"]);
        let output = reeve(&arguments);
        let text = all(&output);
        assert!(output.status.success(), "{name}: {text}");
        assert!(text.trim_end().ends_with(", 0 failed"), "{name}: {text}");
    }
}

#[test]
fn reeve_policy_inspect_prints_points_and_settings() {
    let component = artefacts::policies_dir().join("retry-ip.wasm");
    let output = reeve(&["policy", "inspect", component.to_str().unwrap()]);
    let text = all(&output);
    assert!(output.status.success(), "{text}");
    for expected in ["retry-ip", "interval_ms", "tries"] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
}

fn case_files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the cases");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path().display().to_string())
        .collect();
    files.sort();
    files
}
