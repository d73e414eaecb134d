//! What AWS hears about instances that are another fleet's, or protected: the emulator's record of
//! calls.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::thread;
use std::time::Duration;

use reeve_tests::emulator::Emulator;
use reeve_tests::process::Reeve;
use reeve_tests::scene::{CREDENTIALS, NAME, RESOLVE, configuration, directory};
use serde_json::{Value, json};

const WORKER: &str = "/v1/workers/chat";

/// A host whose worker runs on an instance that it has launched, and that instance. Scans follow
/// every second.
fn launched(emulator: &Emulator, pool: &str) -> (Reeve, String) {
    emulator.create_launch_template("chat");
    let limits = "\n[pool.gpu.limits]\nscan_interval_ms = 1000\ndrain_ms = 0\n";
    let configuration = configuration(emulator).replacen(
        "launch_template = \"chat\"\n",
        &format!("launch_template = \"chat\"\n{pool}\n{limits}"),
        1,
    );
    let reeve = Reeve::start_in(directory(), &configuration, &CREDENTIALS);
    let served = reeve.get(&format!("{RESOLVE}?wait=30s"));
    assert_eq!(served.status, 200, "{}", served.body);
    let instance = served.body["instance"].as_str().unwrap().to_owned();
    (reeve, instance)
}

/// The recorded calls that change or tag this instance.
fn changes(emulator: &Emulator, id: &str) -> Vec<String> {
    let changes = |call: &String| {
        let query = ["Action=Describe", "Action=Get"];
        call.contains(id) && call.contains("Action=") && !query.iter().any(|it| call.contains(it))
    };
    let mut calls = emulator.recorded();
    calls.retain(changes);
    calls
}

fn restart(reeve: &Reeve) -> Value {
    let request = json!({"by": "person", "cause": "a-test"});
    reeve.post_json(&format!("{WORKER}/restart"), &request).body
}

#[test]
fn another_fleets_instance_of_the_same_name_is_left_alone() {
    let emulator = Emulator::start();
    let foreign = emulator.launch_tagged(&[("Name", NAME), ("reeve:fleet", "blue")]);
    emulator.record();
    let (reeve, ours) = launched(&emulator, "");
    assert_ne!(ours, foreign);
    reeve.until("a scan has shown the other fleet's instance", |reeve| {
        let instances = reeve.get(WORKER).body["instances"].clone();
        let instances = instances.as_array().cloned().unwrap_or_default();
        instances
            .iter()
            .any(|it| it["id"] == *foreign && it["owner"] == "foreign")
    });
    assert_eq!(restart(&reeve)["outcome"], "restart_begun");
    reeve.until("the restart is over", |reeve| {
        reeve.get(WORKER).body["restart"]["stage"] == "done"
    });
    // A few more scans, in which an orphan of ours would be noted.
    thread::sleep(Duration::from_secs(3));
    assert!(!changes(&emulator, &ours).is_empty());
    assert_eq!(changes(&emulator, &foreign), Vec::<String>::new());
    assert_eq!(emulator.state(&foreign), "running");
}

#[test]
fn a_protected_instance_is_asked_for_once_and_served_on() {
    for (kind, attribute, action) in [
        ("stop-start", "DisableApiStop", "Action=StopInstances"),
        (
            "replace",
            "DisableApiTermination",
            "Action=TerminateInstances",
        ),
    ] {
        let emulator = Emulator::start();
        let (reeve, ours) = launched(&emulator, &format!("restart = {kind:?}"));
        emulator.protect(&ours, attribute);
        emulator.record();
        restart(&reeve);
        reeve.until("the restart has failed", |reeve| {
            let worker = reeve.get(WORKER).body;
            worker["restart"]["stage"] == "failed"
        });
        let served = reeve.get(RESOLVE);
        assert_eq!(served.body["instance"], *ours, "{kind}: {}", served.body);
        let changes = changes(&emulator, &ours);
        assert!(
            changes.len() == 1 && changes[0].contains(action),
            "{kind}: {changes:#?}"
        );
        assert_eq!(emulator.state(&ours), "running");
    }
}
