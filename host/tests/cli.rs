//! Tests the program: exit codes, output and signals.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::standard_policies;
use tempfile::TempDir;

fn reeve(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reeve"))
        .args(args)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn standard(name: &str) -> String {
    standard_policies().join(name).display().to_string()
}

/// The header of the sample's worker.
const WORKER: &str = "[worker.chat]";

/// The sample configuration with one text replaced, next to the standard policies.
fn sample(from: &str, to: &str) -> (TempDir, PathBuf) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("reeve.sample.toml");
    let text = fs::read_to_string(source).unwrap();
    assert!(text.contains(from), "{from}");
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(standard_policies(), dir.path().join("policies")).unwrap();
    let config = dir.path().join("reeve.toml");
    fs::write(&config, text.replacen(from, to, 1)).unwrap();
    (dir, config)
}

fn check(config: &Path) -> (Option<i32>, String) {
    let output = reeve(&["check", "--config", config.to_str().unwrap()]);
    (output.status.code(), stdout(&output))
}

#[test]
fn the_sample_configuration_is_accepted() {
    let (_dir, config) = sample("", "");
    let (code, text) = check(&config);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("resolve.wasm") && text.contains("gpu/resolve"),
        "{text}"
    );
    assert!(text.ends_with("good (pools: 1, workers: 1)\n"), "{text}");
}

#[test]
fn a_check_of_a_door_for_other_machines_reads_its_files_and_names_rules_to_look_at() {
    use std::os::unix::fs::PermissionsExt as _;
    let doors = "[api]\nlisten = \"0.0.0.0:7443\"\n\n[tls]\ncertificate = \"tls/host.pem\"\nkey = \"tls/host.key\"\n\n\
                 [access.lambda]\nroles = [\"resolve\"]\n\
                 arns = [\"arn:aws:sts::123456789012:assumed-role/gpu/i-0123456789abcdef0\"]\n\n[policies]";
    let (dir, config) = sample("[policies]", doors);
    let (code, text) = check(&config);
    assert!(code == Some(1) && text.contains("host.pem"), "{text}");
    let tls = dir.path().join("tls");
    let made = reeve(&[
        "tls",
        "init",
        "--name",
        "reeve.internal",
        "--dir",
        tls.to_str().unwrap(),
    ]);
    assert!(
        made.status.success() && stdout(&made).contains("authority.pem"),
        "{made:?}"
    );
    let (code, text) = check(&config);
    assert!(
        code == Some(0) && text.contains("note: a rule is for arn:aws:sts"),
        "{text}"
    );
    let wide = fs::Permissions::from_mode(0o644);
    fs::set_permissions(tls.join("host.key"), wide).unwrap();
    let (code, text) = check(&config);
    assert!(code == Some(1) && text.contains("chmod 600"), "{text}");
}

#[test]
fn a_token_is_shown_once_and_revoked_by_its_name() {
    let doors = "[api]\nlisten = \"0.0.0.0:7443\"\nplaintext = \"a mesh encrypts\"\n\n[policies]";
    let (_dir, config) = sample("[policies]", doors);
    let token = |arguments: &[&str]| {
        let config = ["--config", config.to_str().unwrap()];
        reeve(&[&["token"], arguments, &config[..]].concat())
    };
    let made = token(&["create", "deploy"]);
    let text = stdout(&made);
    assert!(
        made.status.success() && text.starts_with("rct1.deploy."),
        "{made:?}"
    );
    assert!(stderr(&made).contains("tokens = [\"deploy\"]"), "{made:?}");
    assert!(!token(&["create", "deploy"]).status.success());
    let listed = stdout(&token(&["list"]));
    assert!(
        listed.starts_with("deploy  made ") && !listed.contains(text.trim()),
        "{listed}"
    );
    assert!(token(&["revoke", "deploy"]).status.success());
    assert!(!token(&["revoke", "deploy"]).status.success());
    assert_eq!(stdout(&token(&["list"])), "");
}

#[test]
fn the_sample_is_printed_as_it_stands_in_the_repository() {
    let output = reeve(&["sample"]);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("reeve.sample.toml");
    assert_eq!(stdout(&output), fs::read_to_string(source).unwrap());
}

#[test]
fn a_mistake_in_the_configuration_ends_a_check_with_2_and_its_place() {
    let (_dir, config) = sample("launch_template =", "lauch_template =");
    let (code, text) = check(&config);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("reeve.toml:") && text.contains("unknown key `lauch_template` in [pool.gpu]"),
        "{text}"
    );
    let served = reeve(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(served.status.code(), Some(2));
    assert!(
        stderr(&served).contains("unknown key `lauch_template`"),
        "{}",
        stderr(&served)
    );
}

#[test]
fn a_setting_that_the_policy_does_not_know_ends_a_check_with_1_and_its_name() {
    let (_dir, config) = sample(
        WORKER,
        &format!("[pool.gpu.policy.retry-ip]\nsettings = {{ trys = 5 }}\n{WORKER}"),
    );
    let (code, text) = check(&config);
    assert_eq!(code, Some(1), "{text}");
    let line = text.lines().next().unwrap();
    assert!(
        line.contains("trys") && line.contains("pool gpu, point retry-ip"),
        "{text}"
    );
    let source = fs::read_to_string(&config).unwrap();
    let row = source
        .lines()
        .position(|row| row.contains("policy.retry-ip]"))
        .unwrap()
        + 1;
    assert!(line.contains(&format!("reeve.toml:{row}:")), "{text}");
}

#[test]
fn a_missing_policy_and_a_missing_file_are_named() {
    let (_dir, config) = sample(
        WORKER,
        &format!("[pool.gpu.policy.resolve]\nfile = \"ours.wasm\"\n{WORKER}"),
    );
    let (code, text) = check(&config);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("ours.wasm"), "{text}");
    let missing = reeve(&["check", "--config", "nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("cannot read the configuration nowhere.toml"));
}

#[test]
fn a_component_is_inspected() {
    let output = reeve(&["policy", "inspect", &standard("retry-ip.wasm")]);
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for part in [
        "digest   ",
        "offers   retry-ip",
        "name     retry-ip",
        "\"interval_ms\"",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_component_answers_one_question() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input.json");
    fs::write(&input, r#"{"tries": 9, "waited-ms": 4500}"#).unwrap();
    let input = input.to_str().unwrap();
    let component = standard("retry-ip.wasm");
    let ask = |more: &[&str]| {
        let args = [
            "policy", "run", &component, "--point", "retry-ip", "--input", input,
        ];
        reeve(&[&args, more].concat())
    };
    let output = ask(&["--settings", "{\"tries\": 8, \"come_back_ms\": 1234}"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["verdict"]["next"]["give-up"], 1234, "{report}");
    assert!(report["fuel_used"].as_u64().unwrap() > 0);
    let refused = ask(&["--settings", "{\"trys\": 9}"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("trys"), "{}", stderr(&refused));
}

#[test]
fn case_files_end_with_the_number_that_passed_and_failed() {
    let dir = tempfile::tempdir().unwrap();
    let case = |name: &str, tries: u32, next: &str| {
        format!(
            r#"{{"name": "{name}", "input": {{"tries": {tries}, "waited-ms": 0}}, "expect": {{"next": {{"{next}": 2000}}}}}}"#
        )
    };
    let file = format!(
        r#"{{"point": "retry-ip", "cases": [{}, {}]}}"#,
        case("gives up", 9, "give-up"),
        case("expects the wrong thing", 9, "again-after")
    );
    fs::write(dir.path().join("cases.json"), file).unwrap();
    let output = reeve(&[
        "policy",
        "test",
        &standard("retry-ip.wasm"),
        dir.path().to_str().unwrap(),
        "--worlds",
        "0",
    ]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
    assert!(
        text.contains("\"expects the wrong thing\": next: expected"),
        "{text}"
    );
    assert!(text.ends_with("1 passed, 1 failed\n"), "{text}");
}

/// Runs `reeve policy test` with these further arguments.
fn gate(policy: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let component = standard(policy);
    let mut all = vec!["policy", "test", component.as_str()];
    all.extend(args);
    let directory = standard_policies();
    all.extend(["--policies-dir", directory.to_str().unwrap()]);
    let output = reeve(&all);
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
fn a_policy_passes_the_random_worlds_if_the_workers_are_served_in_the_end() {
    let (code, text, errors) = gate("resolve.wasm", &["--worlds", "2"]);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert!(text.starts_with("2 random worlds, "), "{text}");
    assert!(text.contains("0 of them failed"), "{text}");
    assert!(text.ends_with("every worker was served\n"), "{text}");
}

#[test]
fn a_policy_that_brings_nothing_up_fails_them_and_is_told_a_seed_to_look_at() {
    const NOTHING: &str = r#"{"launch": false, "start_stopped": false}"#;
    let (code, text, errors) = gate("resolve.wasm", &["--worlds", "2", "--settings", NOTHING]);
    assert_eq!(code, Some(1), "{text}{errors}");
    assert!(text.contains("Liveness did not hold for w1"), "{text}");
    assert!(text.contains("--seed 2 prints one of them"), "{text}");
}

#[test]
fn a_world_is_told_line_by_line() {
    let (code, told, errors) = gate("resolve.wasm", &["--seed", "1"]);
    assert_eq!(code, Some(0), "{told}{errors}");
    assert!(told.starts_with("seed 1 · "), "{told}");
    assert!(told.contains(" resolve? serve "), "{told}");
}

#[test]
fn settings_that_a_policy_refuses_are_told_before_any_world_begins() {
    let (code, text, errors) = gate("resolve.wasm", &["--settings", r#"{"lunch": true}"#]);
    assert_eq!((code, text.as_str()), (Some(1), ""), "{errors}");
    assert!(errors.contains("unknown field `lunch`"), "{errors}");
}

#[test]
fn a_module_that_fits_no_contract_is_not_built() {
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("empty.wasm");
    fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    let component = dir.path().join("out.wasm");
    let output = reeve(&[
        "policy",
        "build",
        module.to_str().unwrap(),
        "-o",
        component.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("at least one of"),
        "{}",
        stderr(&output)
    );
    assert!(!component.exists());
}

#[test]
fn a_directory_without_a_crate_is_refused_with_what_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let output = reeve(&[
        "policy",
        "build",
        dir.path().to_str().unwrap(),
        "-o",
        "out.wasm",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("has no Cargo.toml"),
        "{}",
        stderr(&output)
    );
}
