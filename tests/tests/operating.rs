//! An operator's commands to a running host.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::process::{Command, Output};

use reeve_tests::artefacts;
use reeve_tests::emulator::Emulator;
use reeve_tests::process::Reeve;
use reeve_tests::scene::{NAME, POINTER, RESOLVE, serve};

/// Runs a command of `reeve` with this host's configuration.
fn command(reeve: &Reeve, arguments: &[&str]) -> Output {
    Command::new(artefacts::reeve_binary())
        .args(arguments)
        .arg("--config")
        .arg(reeve.directory().join("reeve.toml"))
        .output()
        .unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_commands_list_and_show_workers_and_print_the_journal() {
    let emulator = Emulator::start();
    let running = emulator.launch(NAME);
    emulator.put_parameter(POINTER, "none");
    let reeve = serve(&emulator);
    assert_eq!(reeve.get(&format!("{RESOLVE}?wait=60s")).status, 200);

    let listed = printed(&command(&reeve, &["workers"]));
    let line = listed.lines().nth(1).unwrap_or_default();
    for part in ["chat", "serving", &running, "http://"] {
        assert!(line.contains(part), "{part} in {listed}");
    }
    let shown = printed(&command(&reeve, &["worker", "show", "chat"]));
    assert!(shown.contains("\"phase\": \"running\""), "{shown}");

    let journal = || {
        let asked = ["journal", "--worker", "chat", "--since", "1h"];
        printed(&command(&reeve, &asked))
    };
    reeve.until("the intent and its outcome are in the journal", |_| {
        journal().contains("done")
    });
    let journal = journal();
    for part in [
        format!("adopt → take {running}"),
        format!("intent write-pointer {running}, generation 0, epoch 1"),
        format!("resolve → serve {running}"),
    ] {
        assert!(journal.contains(&part), "{part} in\n{journal}");
    }
    let others = command(&reeve, &["journal", "--worker", "another"]);
    assert_eq!(printed(&others), "");
}

#[test]
fn a_refusal_carries_its_code_and_names_an_absent_host() {
    let emulator = Emulator::start();
    let mut reeve = serve(&emulator);
    let unknown = command(&reeve, &["worker", "show", "absent"]);
    assert_eq!(unknown.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&unknown.stderr);
    assert!(errors.contains("unknown_worker"), "{errors}");

    reeve.signal("TERM");
    assert!(reeve.wait().success());
    let gone = command(&reeve, &["workers"]);
    assert_eq!(gone.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&gone.stderr);
    assert!(errors.contains("no host answers at"), "{errors}");
    assert!(errors.contains("reeve.sock"), "{errors}");
}
