//! Tests the program when the reader of its output has closed the pipe, as in `reeve … | head`: it
//! ends without a message.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::fs;
use std::io::pipe;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{POINTER, Stage, end, get, standard_policies};

/// 128 + SIGPIPE, the exit code that a shell reports.
const READER_GONE: i32 = 141;

fn reeve(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command
        .args(args)
        .env("REEVE_POLICIES_DIR", standard_policies())
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null());
    command
}

/// A pipe without a reader.
fn without_reader() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

#[track_caller]
fn ends_quietly(args: &[&str]) {
    let output = reeve(args)
        .stdout(without_reader())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(READER_GONE), "{args:?}: {said}");
    assert_eq!(said, "", "{args:?}");
}

fn standard(name: &str) -> String {
    standard_policies().join(name).display().to_string()
}

/// Writes this text to a file in the directory.
fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn commands_about_policies_end_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let component = standard("retry-ip.wasm");
    let input = r#"{"tries": 9, "waited-ms": 4500}"#;
    let input = file(dir.path(), "input.json", input);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = root.join("../policies/retry-ip/cases/bound.json");
    let cases = cases.to_str().unwrap();
    ends_quietly(&["policy", "inspect", &component]);
    ends_quietly(&[
        "policy", "run", &component, "--point", "retry-ip", "--input", &input,
    ]);
    ends_quietly(&["policy", "test", &component, cases, "--worlds", "0"]);
    ends_quietly(&["policy", "test", &component, "--worlds", "1"]);
    ends_quietly(&["policy", "test", &component, "--seed", "1"]);
}

#[test]
fn commands_about_a_configuration_and_a_script_end_quietly() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(standard_policies(), dir.path().join("policies")).unwrap();
    let sample = fs::read_to_string(root.join("reeve.sample.toml")).unwrap();
    let good = file(dir.path(), "good.toml", &sample);
    ends_quietly(&["check", "--config", &good]);
    let wrong = sample.replacen("launch_template =", "lauch_template =", 1);
    let wrong = file(dir.path(), "wrong.toml", &wrong);
    ends_quietly(&["check", "--config", &wrong]);
    let webhook = "\n[notify.ops]\nurl = \"http://127.0.0.1:9/\"\nformat = \"json\"\n";
    let notified = file(dir.path(), "notified.toml", &(sample + webhook));
    ends_quietly(&["notify", "test", "--config", &notified]);
    let script = root.join("../tests/incidents/stale-pointer.reeve");
    ends_quietly(&["sim", "run", script.to_str().unwrap()]);
    ends_quietly(&["demo", "--once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_to_a_host_and_its_journal_end_quietly() {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    let host = stage.start().await;
    assert_eq!(get(&host, "/v1/workers/chat/resolve").await.status, 200);
    let address = host.address().unwrap().to_string();
    let at_host = ["--host", address.as_str()];
    for command in [
        &["workers"][..],
        &["worker", "show", "chat"],
        &["worker", "pause", "chat"],
    ] {
        ends_quietly(&[command, &at_host].concat());
    }
    end(host).await;

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = fs::read_to_string(root.join("reeve.sample.toml")).unwrap();
    let line = sample
        .lines()
        .find(|line| line.starts_with("state_dir"))
        .unwrap();
    let state_dir = format!("state_dir = {:?}", stage.state_dir());
    let config = file(
        stage.dir.path(),
        "reeve.toml",
        &sample.replacen(line, &state_dir, 1),
    );
    ends_quietly(&["journal", "--config", &config]);
    ends_quietly(&["journal", "--config", &config, "--json"]);
}

#[test]
fn an_error_that_nothing_reads_keeps_its_exit_code() {
    let command = reeve(&["check", "--config", "nowhere.toml"])
        .stderr(without_reader())
        .status();
    assert_eq!(command.unwrap().code(), Some(2));
}

#[test]
fn a_disk_that_is_full_is_an_error_with_words() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let output = reeve(&["policy", "inspect", &standard("retry-ip.wasm")])
        .stdout(full.unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("error: cannot write to standard output"),
        "{said}"
    );
}
